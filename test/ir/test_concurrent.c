/* test_concurrent.c -- which loops are proven to have iterations that may run at the same time, and why not the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

static const char meets[] = "two iterations may touch the same element of the buffer written here";
static const char nomem[] = "there is no memory to check it";

static const struct {
  const char *level, *body; /* over A and B, i32[64] each, C, i32[8, 8], and n; the outermost loop is asked about */
  const char *why;          /* NULL: proven */
} cases[] = {
    {"", "for i in 0..64 { B[i] = A[i] }", NULL},
    {"", "for i in 0..32 { A[i] = A[i + 32] }", meets},
    {"", "for i in 0..32 { A[2 * i] = A[2 * i + 1] }", NULL},
    {"", "for i in 0..8 { for j in 0..8 { C[i, j] = A[i * 8 + j] } }", NULL},
    {"", "for i in 0..8 { for j in 0..8 { C[j, i] = C[7 - j, i] } }", NULL},
    {"", "for i in 0..8 { for j in 0..8 { C[j, i] = C[i, j] } }", meets},
    {"", "for i in 0..64 { C[i // 8, i % 8] = A[i] }", NULL},
    {"", "for i in 0..64 { C[i // 8, i // 8] = A[i] }", meets},
    {"", "for i in 0..n { A[i] = 1:i32 }", NULL},
    {"", "for i in 0..n { A[i * i] = 1:i32 }", meets},
    {"", "for i in 0..n { for j in 0..n { C[i, j] = C[i, n - j] } }", NULL},
    {"", "for i in 0..n { for j in 0..n { C[j, i] = C[n - j, i] } }", NULL},
    {"", "for i in 0..n { for j in 0..n { C[j, i] = C[i, j] } }", meets},
    {"", "for i in 0..n { for j in 0..n { A[i * 8 + j] = 1:i32 } }", meets},
    {"", "for i in 0..64 { A[cast(index, B[i])] = 1:i32 }", meets},
    {"", "for i in 0..64 { reduce A[0] add= B[i] }", NULL},
    {"", "for i in 0..64 { reduce A[0] add= B[i]; reduce A[0] max= 2:i32 }", meets},
    {"", "alloc T: i32[1]; for i in 0..64 { T[0] = A[i]; B[i] = T[0] }", NULL},
    /* a buffer that each iteration writes before it reads, by several writes; by some; by data, but inside; symbolic */
    {"", "alloc T: i32[8]; for i in 0..8 { T[0] = 0:i32; for k in 0..6 { T[k + 1] = A[k] }\nT[7] = 0:i32\n"
     "for k in 0..8 { C[i, k] = T[k] } }", NULL},
    {"", "alloc T: i32[8]; for i in 0..8 { T[0] = 0:i32; for k in 0..5 { T[k + 1] = A[k] }\nT[6 if n < 3] = 0:i32; T[7] = 0:i32\n"
     "for k in 0..8 { C[i, k] = T[k] } }", meets},
    {"", "alloc T: i32[8]; for i in 0..8 { for k in 0..8 { T[k] = A[k] }\nB[i] = T[cast(index, A[i])] }", NULL},
    {"", "alloc T: i32[8]; for i in 0..8 { for k in 0..7 { T[k] = A[k] }\nT[7 if n < 3] = 0:i32; B[i] = T[cast(index, A[i])] }", meets},
    {"", "alloc T: i32[n, 2]; for i in 0..8 { for k in 0..n { T[k, 0] = A[k]; T[k, 1] = 0:i32 }\n"
     "for k in 0..n { reduce B[i] add= T[k, k % 2] } }", NULL},
    {"", "alloc T: i32[n + 1]; for i in 0..8 { for k in 0..n { T[k] = A[k] }\nfor k in 0..n { reduce B[i] add= T[k + 1] } }", meets},
    {"", "for i in 0..64 { alloc T: i32[i + 1]; T[i] = A[i]; B[i] = T[i] }", NULL},
    {"", "for i in 0..64 { alloc T: i32[cast(index, A[0]) + 1]; reduce T[0] add= A[i] }", NULL},
    {"", "alloc T: i32[n]; for i in 0..64 { T[0] = A[i]; B[i] = T[0] }", NULL},
    {"", "alloc T: i32[cast(index, A[0])]; for i in 0..64 { T[0] = A[i]; B[i] = T[0] }", meets},
    {"", "for i in 0..8 { for j in 0..8 { block b(x: 0..8 = i, reduce y: 0..8 = j) { A[x] = A[x] + C[x, y] } } }", NULL},
    {"", "for i in 0..8 { for j in 0..8 { block b(x: 0..8 = j, reduce y: 0..8 = i) { A[x] = A[x] + C[x, y] } } }",
     "the loop feeds a reduce iterator of this block"},
    {"", "for i in 0..8 { call g(&A) }", "an external is called in it"},
    {"", "for i in 0..8 { B[i] = @k(i) }", "an external is called in it"},
    {"", "for i in 0..8 { block M(a: 0..8 = i) { for z in 0..1 { block N(b: 0..8 = a) { B[b] = A[b] } } } }",
     "not all of its accesses are known"},
    {"", "for i in 0..8 { B[i] = @h(&A) }", "an external is called in it"},
    /* flat subscripts and vectors */
    {"loop ", "for i in 0..8 { for j in 0..8 { C[i * 8 + j] = A[i * 8 + j] } }", NULL},
    {"loop ", "for i in 0..7 { for j in 0..9 { C[i * 8 + j] = A[i * 8 + j] } }", meets},
    {"loop ", "for i in 0..16 { A[ramp(i * 4, 1, 4)] = B[ramp(i * 4, 1, 4)] }", NULL},
    {"loop ", "for i in 0..16 { A[ramp(i * 4, 1, 5)] = B[ramp(i * 4, 1, 5)] }", meets},
    {"loop ", "for i in 0..16 { A[ramp(i * 4 + 3, -1, 4)] = B[ramp(i * 4, 1, 4)] }", NULL},
    {"loop ", "for i in 0..16 { A[ramp(i * 4 + 3, -1, 4)] = A[ramp(i * 4, 1, 4)] }", NULL},
    {"loop ", "for i in 0..15 { A[ramp(i * 4 + 4, -1, 4)] = A[ramp(i * 4, 1, 4)] }", meets},
    {"loop ", "for i in 0..4 { A[ramp(i, 4, 4)] = broadcast(0:i32, 4) }", meets},
    {"loop ", "for i in 0..4 { A[ramp(i, n, 4)] = broadcast(0:i32, 4) }", meets},
    {"loop ", "for i in 0..16 { A[ramp(i * 4, 1, 4) + ramp(0, 1, 4)] = broadcast(0:i32, 4) }", meets},
    {"loop ", "for i in 0..64 { B[broadcast(i, 4)] = A[broadcast(i, 4)] }", NULL},
    {"loop ", "alloc T: i32[1]; for i in 0..64 { T[0] = A[i]; B[i] = T[0] }", meets},
    {"loop ", "for i in 0..64 { alloc T: i32[1]; T[0] = A[i]; B[i] = T[0] }", NULL},
};

/* Needs `body` to begin with the loop, or with an alloc and the loop. */
static const tn_stmt *first_loop(const tn_func *func) {
  const tn_stmt *s = func->body;
  return s->kind == TNI_ALLOC ? s->as.alloc.body : s;
}

static tn_program *parse(tn_context *ctx, const char *level, const char *body) {
  char text[512];
  tn_program *program;
  tn_error *error;
  snprintf(text, sizeof text,
           "extern g(ptr): void\nextern h(ptr): i32\nextern k(index): i32\n%sfunc f(A: i32[64], B: i32[64], C: i32[8, 8], n: index) {\n%s\n}\n",
           level, body);
  tn_program_parse(ctx, text, strlen(text), "case", &program, &error);
  ck_assert_msg(program != NULL, "%s", tn_error_text(error));
  return program;
}

static const char *ask(tn_context *ctx, const tn_func *func) {
  tni_region r;
  const void *mark;
  tni_region_init(&r, ctx, NULL);
  const char *why = tni_why_not_concurrent(&r, func, first_loop(func), &mark);
  tni_region_destroy(&r);
  return why;
}

START_TEST(a_loop_is_concurrent_or_not)
{
  tn_context *ctx;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *program = parse(ctx, cases[_i].level, cases[_i].body);
  const char *why = ask(ctx, tn_program_func_at(program, 0));
  ck_assert_str_eq(why ? why : "", cases[_i].why ? cases[_i].why : "");
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* Want of memory is said, and not taken for a race. */
START_TEST(no_memory_is_no_race)
{
  fault f = {.fail_at = 0};
  tn_context *ctx = fault_context(&f);
  tn_program *program = parse(ctx, "", "for i in 0..64 { C[i // 8, i % 8] = A[i] }");
  bool proven = false, told = false;
  for (long at = 1; at < 1000 && !proven; at++) {
    f.fail_at = atomic_load(&f.calls) + at;
    const char *why = ask(ctx, tn_program_func_at(program, 0));
    proven = atomic_load(&f.calls) < f.fail_at;
    ck_assert_msg(!why || strcmp(why, nomem) == 0, "call %ld: %s", at, why);
    ck_assert(!proven || !why);
    told |= why != NULL;
  }
  f.fail_at = 0;
  ck_assert(proven && told);
  tn_program_destroy(program);
  fault_finish(&f, ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("concurrent");
  TCase *tests = tcase_create("concurrent");
  tcase_add_loop_test(tests, a_loop_is_concurrent_or_not, 0, (int)TNI_COUNT(cases));
  tcase_add_test(tests, no_memory_is_no_race);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
