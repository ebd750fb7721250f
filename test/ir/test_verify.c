/* test_verify.c -- each rule of the verifier, with the smallest program that breaks it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "ir/program.h"

static tni_region *r; /* for functions made node by node */

static void setup_region(void) {
  setup();
  r = &program->region;
}

static void check_good(const char *text) {
  tn_program *parsed;
  tn_error *err;
  tn_program_parse(ctx, text, strlen(text), "t", &parsed, &err);
  ck_assert_msg(parsed != NULL, "%s", tn_error_text(err));
  ck_assert_int_eq(tn_func_verify(tn_program_func_at(parsed, 0), NULL), TN_OK);
  tn_program_destroy(parsed);
}

static void check_bad(const char *text, const char *want) {
  tn_program *parsed;
  tn_error *err;
  ck_assert_int_eq(tn_program_parse(ctx, text, strlen(text), "t", &parsed, &err), TN_E_VERIFY);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

/* The function f(A: f32[8], n: index) with a body made by constructors, which the text form could not say. */
static const tn_buffer *A;
static const tn_expr *n;

static void make_params(void) {
  const tn_expr *eight = tni_index(r, 8);
  A = tni_buffer(r, "A", TN_F32, TNI_SCOPE_GLOBAL, 1, &eight);
  n = tni_var(r, "n", TN_INDEX);
}

static void check_made(enum tni_level level, const tn_stmt *body, const char *want) {
  tni_param params[2] = {{.buffer = A}, {.scalar = n}};
  tn_func f = {.name = "f", .level = level, .param_count = 2, .params = params, .body = body, .program = program};
  tn_error *err;
  ck_assert_ptr_nonnull(body);
  ck_assert_int_eq(tni_verify(&f, &err), want ? TN_E_VERIFY : TN_OK);
  ck_assert_str_eq(tn_error_text(err), want ? want : "");
  tn_error_destroy(err);
}

static const tn_stmt *store(const tn_expr *index, double value) {
  return tni_store(r, A, 1, &index, tni_const_float(r, TN_F32, value), NULL);
}

/* ---- many mistakes ---- */

/* Of every statement the first, in all functions; what a wrong declaration declares is not unknown on top of that. */
START_TEST(all_mistakes_are_told)
{
  check_bad("extern g(ptr): i32\n"
            "func f(I: i32[4], B: f32[cast(index, I[0])]) { }\n"
            "func h(A: f32[8]) {\n"
            "  for i in 0..8 {\n    A[i + 1] = A[i + 2]\n    A[8] = 1.0:f32\n  }\n"
            "  let p = &A\n  call g(p)\n"
            "  block b(x: 0..8 = 0) {\n    init {\n      A[9] = 0.0:f32\n    }\n    A[8 - x] = 0.0:f32\n  }\n"
            "  if A[9] < 0.0:f32 {\n    A[9] = 0.0:f32\n  }\n"
            "  block b() {\n    A[10] = 0.0:f32\n  }\n"
            "  A[11] = 0.0:f32\n}\n",
            "verify: f:1: the extent of a parameter is made of constants and scalar parameters\n"
            "func f(I: i32[4], B: f32[cast(index, I[0])]) {\n"
            "                         ^^^^^^^^^^^^^^^^^\n"
            "h:3: a subscript of `A` is 2..9, outside 0..7\n"
            "    A[i + 1] = A[i + 2]\n"
            "                 ^^^^^\n"
            "h:4: a subscript of `A` is 8, outside 0..7\n"
            "    A[8] = 1.0:f32\n"
            "      ^\n"
            "h:6: a let binds an index, a number or a bool\n"
            "  let p = &A\n"
            "          ^^\n"
            "h:12: a subscript of `A` is 1..8, outside 0..7\n"
            "    A[8 - x] = 0.0:f32\n"
            "      ^^^^^\n"
            "h:10: a subscript of `A` is 9, outside 0..7\n"
            "      A[9] = 0.0:f32\n"
            "        ^\n"
            "h:14: a subscript of `A` is 9, outside 0..7\n"
            "  if A[9] < 0.0:f32 {\n"
            "       ^\n"
            "h:17: there are two blocks of the name `b`\n"
            "  block b() {\n"
            "  ^^^^^^^^^^^\n"
            "h:20: a subscript of `A` is 11, outside 0..7\n"
            "  A[11] = 0.0:f32\n"
            "    ^^");
}
END_TEST

START_TEST(mistakes_beyond_twenty_are_counted)
{
  char text[2000], want[4000] = "verify: ", *at = text + sprintf(text, "func f(A: f32[8]) {\n"), *end = want + 8;
  for (int i = 0; i < 22; i++) {
    at += sprintf(at, "A[%d] = 1.0:f32\n", 10 + i);
    if (i < 20)
      end += sprintf(end, "%sf:%d: a subscript of `A` is %d, outside 0..7\n  A[%d] = 1.0:f32\n    ^^", i ? "\n" : "",
                     i + 2, 10 + i, 10 + i);
  }
  sprintf(at, "}");
  sprintf(end, "\n(and 2 more)");
  check_bad(text, want);
}
END_TEST

/* ---- variables and buffers ---- */

START_TEST(a_variable_is_bound_around_its_use)
{
  make_params();
  const tn_expr *i = tni_var(r, "i", TN_INDEX);
  check_made(TNI_LEVEL_TENSOR, store(i, 1),
             "verify: f:2: `i` is not bound by a loop, block or parameter around\n"
             "  A[i] = 1.0:f32\n    ^");
  const tn_stmt *loop = tni_for(r, i, tni_index(r, 8), TNI_SERIAL, store(i, 1)), *items[] = {loop, store(i, 2)};
  check_made(TNI_LEVEL_TENSOR, tni_seq(r, 2, items),
             "verify: f:5: `i` is not bound by a loop, block or parameter around\n"
             "  A[i] = 2.0:f32\n    ^");
  check_made(TNI_LEVEL_TENSOR, loop, NULL);
}
END_TEST

START_TEST(a_variable_is_bound_once)
{
  make_params();
  const tn_expr *i = tni_var(r, "i", TN_INDEX);
  const tn_stmt *loop = tni_for(r, i, tni_index(r, 8), TNI_SERIAL, store(i, 1)), *items[] = {loop, loop};
  check_made(TNI_LEVEL_TENSOR, tni_for(r, n, tni_index(r, 8), TNI_SERIAL, store(n, 1)),
             "verify: f:2: variable `n` is bound twice\n  for n in 0..8 {\n      ^");
  check_made(TNI_LEVEL_TENSOR, tni_seq(r, 2, items),
             "verify: f:2: variable `i` is bound twice\n  for i in 0..8 {\n      ^");
}
END_TEST

START_TEST(a_let_binds_a_number)
{
  make_params();
  const tn_expr *x = tni_var(r, "x", TN_INDEX), *y = tni_var(r, "y", TN_F32), *eight = tni_index(r, 8);
  const tn_stmt *let = tni_let(r, x, n, store(x, 1)), *items[] = {let, store(x, 2)};
  check_made(TNI_LEVEL_TENSOR, let, NULL);
  check_made(TNI_LEVEL_TENSOR, tni_seq(r, 2, items),
             "verify: f:6: `x` is not bound by a loop, block or parameter around\n  A[x] = 2.0:f32\n    ^");
  check_made(TNI_LEVEL_TENSOR, tni_let(r, y, n, store(n, 1)),
             "verify: f:2: a let needs a variable of its value's type\n  let y = n\n  ^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_let(r, x, x, store(n, 1)),
             "verify: f:2: `x` is not bound by a loop, block or parameter around\n  let x = x\n      ^");
  check_made(TNI_LEVEL_TENSOR, tni_for(r, x, eight, TNI_SERIAL, let),
             "verify: f:3: variable `x` is bound twice\n    let x = n\n        ^");
  check_bad("func f(A: f32[8]) {\n  let p = &A\n}",
            "verify: f:2: a let binds an index, a number or a bool\n  let p = &A\n          ^^");
  check_bad("func f(A: f32[8], n: index) {\n  let x = max(n, 0) + 8\n  A[x] = 1.0:f32\n}",
            "verify: f:3: a subscript of `A` is always outside, outside 0..7\n  A[x] = 1.0:f32\n    ^");
  check_bad("func f(A: f32[8], n: index) {\n  let x = n\n  block B() {\n    A[x] = 1.0:f32\n  }\n}",
            "verify: f:4: `x` is bound outside of the block; the body of a block uses its iterators only\n"
            "    A[x] = 1.0:f32\n      ^");
  check_good("func f(A: f32[8], n: index) {\n  let x = n\n  block B(i: 0..8 = x) where x < 8 {\n"
             "    let y = i\n    A[y] = 1.0:f32\n  }\n}");
  for (int i = 0; i <= 1000; i++) let = tni_let(r, tni_var(r, "x", TN_INDEX), n, let);
  tni_param params[2] = {{.buffer = A}, {.scalar = n}};
  tn_func f = {.name = "f", .param_count = 2, .params = params, .body = let, .program = program};
  tn_error *err;
  ck_assert_int_eq(tni_verify(&f, &err), TN_E_LIMIT);
  ck_assert_str_eq(tn_error_text(err), "verify: f: allocations, lets, asserts and assumes are nested deeper than the limit of 1000");
  tn_error_destroy(err);
}
END_TEST

START_TEST(annotations_have_a_name_once)
{
  make_params();
  const tn_stmt *loop = tni_for(r, tni_var(r, "i", TN_INDEX), n, TNI_SERIAL, store(n, 1));
  const tni_annotation twice[] = {{"a", NULL, 1}, {"b", "x", 0}, {"a", "y", 0}}, strange = {"a b", NULL, 1}, empty = {"a", "", 0};
  check_made(TNI_LEVEL_TENSOR, tni_annotated(r, loop, (tni_annotations){2, twice}), NULL);
  check_made(TNI_LEVEL_TENSOR, tni_annotated(r, loop, (tni_annotations){3, twice}),
             "verify: f:2: annotation `a` is there twice\n  for i in 0..n with a = 1, b = \"x\", a = \"y\" {\n"
             "  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_annotated(r, loop, (tni_annotations){1, &strange}),
             "verify: f:2: the key of an annotation is a name\n  for i in 0..n with a b = 1 {\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_annotated(r, loop, (tni_annotations){1, &empty}),
             "verify: f:2: annotation `a` is an empty text\n  for i in 0..n with a = \"\" {\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(a_reduce_is_by_some_operators)
{
  make_params();
  const tn_expr *one = tni_const_float(r, TN_F32, 1);
  check_made(TNI_LEVEL_TENSOR, tni_reduce(r, TN_OP_add, A, 1, &n, one, NULL), NULL);
  check_made(TNI_LEVEL_TENSOR, tni_reduce(r, TN_OP_sub, A, 1, &n, one, NULL),
             "verify: f:2: a reduce is by add, mul, min, max, and, or, xor\n  reduce A[n] sub= 1.0:f32\n"
             "  ^^^^^^^^^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_reduce(r, TN_OP_xor, A, 1, &n, one, NULL),
             "verify: f:2: `xor`: the operands must be integers or bool\n  reduce A[n] xor= 1.0:f32\n"
             "  ^^^^^^^^^^^^^^^^^^^^^^^^");
  check_bad("func f(A: f32[8]) {\n  reduce A[8] add= 1.0:f32\n}",
            "verify: f:2: a subscript of `A` is 8, outside 0..7\n  reduce A[8] add= 1.0:f32\n           ^");
}
END_TEST

START_TEST(loops_over_threads_stand_in_loops_over_blocks)
{
  check_good("func f(A: f32[8], n: index) {\n  for b in 0..n bind block.x {\n    for c in 0..n bind block.y {\n"
             "      for t in 0..2 bind thread.x {\n        A[t] = 1.0:f32\n      }\n      for u in 0..8 bind thread.x {\n"
             "        A[u] = 1.0:f32\n      }\n    }\n  }\n  for d in 0..n bind block.x {\n    A[0] = 1.0:f32\n  }\n}");
  check_bad("func f(A: f32[8]) {\n  for t in 0..8 bind thread.y {\n    for u in 0..8 bind thread.y {\n      A[u] = 1.0:f32\n"
            "    }\n  }\n}",
            "verify: f:3: a loop around is bound to thread.y already\n    for u in 0..8 bind thread.y {\n"
            "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_bad("func f(A: f32[8]) {\n  for t in 0..8 bind thread.x {\n    for b in 0..8 bind block.x {\n      A[b] = 1.0:f32\n"
            "    }\n  }\n}",
            "verify: f:3: a loop over blocks is around those over threads\n    for b in 0..8 bind block.x {\n"
            "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_bad("func f(A: f32[8], n: index) {\n  for t in 0..n bind thread.x {\n    A[t] = 1.0:f32\n  }\n}",
            "verify: f:2: a loop over threads needs a constant extent\n  for t in 0..n bind thread.x {\n              ^");
  check_bad("loop func f(A: f32[8]) {\n  for t in 0..8 bind thread.x {\n    A[t] = 1.0:f32\n  }\n}",
            "verify: f:2: loops bound to threads do not belong to the loop level\n  for t in 0..8 bind thread.x {\n"
            "  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
}
END_TEST

/* In a loop over the threads of a block, with n a parameter. */
#define IN_THREADS(text) \
  "func f(A: f32[8], n: index) {\n  for t in 0..8 bind thread.x {\n" text "\n  }\n}"

START_TEST(all_threads_come_to_a_barrier_or_none)
{
  check_good(IN_THREADS("    let m = n * 2 + 1\n    for k in 0..m unrolled {\n      if k < n {\n        barrier shared\n      }\n"
                        "    }\n    assert A[t] < 1.0:f32, \"m\"\n    assume t < n\n    barrier global"));
  check_good("func f(A: f32[8], n: index) {\n  let c = A[0] < 1.0:f32\n  while A[n] < 1.0:f32 {\n    if c {\n"
             "      for t in 0..4 bind thread.x {\n        for u in 0..2 bind thread.y {\n          if c {\n"
             "            barrier shared\n          }\n        }\n        barrier global\n      }\n    }\n  }\n}");
  check_bad("func f() {\n  barrier shared\n}",
            "verify: f:2: a barrier stands in a loop over threads\n  barrier shared\n  ^^^^^^^^^^^^^^");
  check_bad("loop func f() {\n  barrier global\n}",
            "verify: f:2: barriers do not belong to the loop level\n  barrier global\n  ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    block Q() {\n      barrier shared\n    }"),
            "verify: f:4: a barrier stands outside of blocks\n      barrier shared\n      ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    if t < n {\n      A[t] = 1.0:f32\n    } else {\n      for k in 0..2 {\n        barrier shared\n      }\n    }"),
            "verify: f:7: this barrier stands under a condition that threads may see differently\n"
            "        barrier shared\n        ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    let c = A[0] < 1.0:f32\n    let d = !c\n    if d {\n      barrier shared\n    }"),
            "verify: f:6: this barrier stands under a condition that threads may see differently\n"
            "      barrier shared\n      ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    for k in 0..t {\n      barrier shared\n    }"),
            "verify: f:4: this barrier stands in a loop that threads may run differently often\n"
            "      barrier shared\n      ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    for k in 0..t {\n      for j in 0..k {\n        barrier shared\n      }\n    }"),
            "verify: f:5: this barrier stands in a loop that threads may run differently often\n"
            "        barrier shared\n        ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    for k in 0..2 vectorized {\n      barrier shared\n    }"),
            "verify: f:4: this barrier stands in a parallel or vectorized loop of a thread\n"
            "      barrier shared\n      ^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    while 0 < n {\n      barrier shared\n    }"),
            "verify: f:4: this barrier stands in a while\n      barrier shared\n      ^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(threads_meet_between_barriers)
{
  check_good("func f(A: f32[8]) {\n  alloc S: f32[8] in shared\n  for t in 0..8 bind thread.x {\n    for k in 0..2 {\n"
             "      S[t] = A[t]\n      barrier shared\n      A[t] = S[7 - t]\n      barrier shared\n    }\n  }\n}");
  check_good("func f(A: f32[8]) {\n  for y in 0..2 bind thread.y {\n    for x in 0..4 bind thread.x {\n      A[y * 4 + x] = 1.0:f32\n"
             "      barrier global\n      A[7 - y * 4 - x] = 2.0:f32\n    }\n  }\n}");
  check_good("func f(A: f32[8], n: index) {\n  for t in 0..8 bind thread.x {\n    A[t] = 1.0:f32\n    if n < 8 {\n"
             "      barrier global\n    }\n    if n < 8 {\n      A[7 - t] = 2.0:f32\n    }\n    A[7 - t] = 2.0:f32\n  }\n}");
  check_bad("func f(A: f32[8]) {\n  alloc S: f32[8] in shared\n  for t in 0..8 bind thread.x {\n    for k in 0..2 {\n"
            "      S[t] = A[t]\n      barrier shared\n      A[t] = S[7 - t]\n    }\n  }\n}",
            "verify: f:7: iteration 4 of the concurrent loop `t` reads S[3], which iteration 3 writes here:\n"
            "      A[t] = S[7 - t]\n      ^^^^^^^^^^^^^^^\nf:5:\n      S[t] = A[t]\n      ^^^^^^^^^^^");
  check_bad("func f(A: f32[8]) {\n  for t in 0..8 bind thread.x {\n    A[t] = 1.0:f32\n    barrier shared\n    A[7 - t] = 2.0:f32\n  }\n}",
            "verify: f:3: iteration 4 of the concurrent loop `t` writes A[4], which iteration 3 writes here:\n"
            "    A[t] = 1.0:f32\n    ^^^^^^^^^^^^^^\nf:5:\n    A[7 - t] = 2.0:f32\n    ^^^^^^^^^^^^^^^^^^");
  check_bad("func f(A: f32[8]) {\n  for b in 0..8 bind block.x {\n    for t in 0..8 bind thread.x {\n      barrier global\n"
            "      A[t] = 1.0:f32\n    }\n  }\n}",
            "verify: f:5: iteration 1 of the concurrent loop `b` writes A[0], which iteration 0 writes\n"
            "      A[t] = 1.0:f32\n      ^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(anything_may_be_prefetched_but_registers)
{
  make_params();
  check_good("func f(A: f32[8], n: index) {\n  prefetch A[n * 4 - 99]\n  for i in 0..8 parallel {\n    prefetch A[0]\n    A[i] = 1.0:f32\n  }\n}");
  check_good("loop func f(A: f32[8, 8]) {\n  prefetch A[1000]\n}");
  check_bad("func f() {\n  alloc T: f32[8] in register\n  prefetch T[0]\n}",
            "verify: f:3: `T` is in registers, which nothing brings nearer\n  prefetch T[0]\n  ^^^^^^^^^^^^^");
  check_bad("func f(A: f32[8], N: i64[1]) {\n  prefetch A[cast(index, N[0])]\n}",
            "verify: f:2: a subscript of a prefetch reads memory\n  prefetch A[cast(index, N[0])]\n             ^^^^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(copies_are_waited_for)
{
  make_params();
  check_good("func f(A: f32[8], n: index) {\n  alloc T: f32[8]\n  block Q(v: 0..8 = n) where n < 8 {\n    copy T[v if v < 4] = A[v]\n"
             "    commit\n    commit\n    wait 1\n    wait 0\n  }\n}");
  check_good("loop func f(A: f32[8]) {\n  copy A[ramp(0, 1, 4)] = A[ramp(4, 1, 4)]\n  wait 9223372036854775807\n}");
  check_bad("func f(A: f32[8]) {\n  copy A[0] = A[1]\n  commit\n  A[2] = A[0]\n}",
            "verify: f:2: there is no wait for this copy\n  copy A[0] = A[1]\n  ^^^^^^^^^^^^^^^^");
  check_bad("func f(A: f32[8]) {\n  A[2] = A[0]\n  wait 0\n}", "verify: f:3: there is no copy for this\n  wait 0\n  ^^^^^^");
  check_bad("func f(A: f32[8]) {\n  commit\n}", "verify: f:2: there is no copy for this\n  commit\n  ^^^^^^");
  check_bad("func f(A: f32[8]) {\n  copy A[8] = A[0]\n  wait 0\n}",
            "verify: f:2: a subscript of `A` is 8, outside 0..7\n  copy A[8] = A[0]\n         ^");
  check_bad("func f(A: f32[8]) {\n  for t in 0..8 bind thread.x {\n    copy A[t // 2] = A[7]\n    wait 0\n  }\n}",
            "verify: f:3: iteration 1 of the concurrent loop `t` writes A[0], which iteration 0 writes\n"
            "    copy A[t // 2] = A[7]\n    ^^^^^^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_wait(r, -1),
             "verify: f:2: a negative number of groups cannot be pending\n  wait -1\n  ^^^^^^^");
}
END_TEST

START_TEST(threads_share_what_is_allocated_around_them)
{
  check_good("func f() {\n  for b in 0..2 bind block.x {\n    for c in 0..2 bind block.y {\n      alloc S: f32[8] in shared\n"
             "      for t in 0..8 bind thread.x {\n        S[t] = 1.0:f32\n      }\n    }\n  }\n  {\n    alloc R: f32[8] in shared\n"
             "    R[0] = 1.0:f32\n  }\n  for d in 0..2 bind block.x {\n    alloc Q: f32[8] in shared\n    Q[0] = 1.0:f32\n  }\n}");
  check_bad("func f() {\n  alloc S: f32[8] in shared\n  for b in 0..2 bind block.y {\n    S[0] = 1.0:f32\n  }\n}",
            "verify: f:3: a shared buffer is allocated inside of the loops over blocks\n  for b in 0..2 bind block.y {\n"
            "  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_bad(IN_THREADS("    alloc S: f32[8] in shared"),
            "verify: f:3: a shared buffer is allocated outside of the loops over threads\n    alloc S: f32[8] in shared\n"
            "          ^");
  check_bad("loop func f() {\n  alloc S: f32[8] in shared\n}",
            "verify: f:2: shared buffers do not belong to the loop level\n  alloc S: f32[8] in shared\n        ^");
}
END_TEST

START_TEST(what_lives_across_a_barrier_is_there_for_all_threads)
{
  check_good(IN_THREADS("    barrier shared\n    alloc T: f32[t + 1]\n    T[0] = 1.0:f32"));
  check_good(IN_THREADS("    {\n      alloc T: f32[t + 1]\n      T[0] = 1.0:f32\n    }\n    barrier shared"));
  check_bad(IN_THREADS("    alloc T: f32[t + 1]\n    alloc U: f32[n]\n    barrier shared"),
            "verify: f:3: `T` lives across a barrier, so its extents must be the same in all threads\n"
            "    alloc T: f32[t + 1]\n          ^");
  check_bad("extern g(ptr): i32\n" IN_THREADS("    alloc T: f32[8]\n    call g(&T)\n    for k in 0..n {\n      barrier shared\n    }"),
            "verify: f:3: `T` lives across a barrier, so its address cannot be taken\n    alloc T: f32[8]\n          ^");
  check_bad(IN_THREADS("    for u in 0..2 bind thread.y {\n      alloc T: f32[1, 1, 1, 1, 1, 1, 1]\n      barrier shared\n    }"),
            "verify: f:4: `T` lives across a barrier, and with a dimension for each loop over threads around has more than 8\n"
            "      alloc T: f32[1, 1, 1, 1, 1, 1, 1]\n            ^");
}
END_TEST

START_TEST(claims_are_conditions)
{
  make_params();
  check_made(TNI_LEVEL_TENSOR, tni_while(r, n, store(n, 1)),
             "verify: f:2: the condition of a while must be bool, this is index\n  while n {\n        ^");
  const tn_expr *cond = tni_op2(r, TN_OP_lt, n, tni_index(r, 8));
  check_made(TNI_LEVEL_TENSOR, tni_claim(r, cond, NULL, store(n, 1)), NULL);
  check_made(TNI_LEVEL_TENSOR, tni_claim(r, cond, "", store(n, 1)),
             "verify: f:2: an assert needs a message\n  assert n < 8, \"\"\n  ^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_claim(r, n, "m", store(n, 1)),
             "verify: f:2: what is asserted must be bool, this is index\n  assert n, \"m\"\n         ^");
  check_made(TNI_LEVEL_TENSOR, tni_claim(r, n, NULL, store(n, 1)),
             "verify: f:2: what is assumed must be bool, this is index\n  assume n\n         ^");
  check_bad("func f(A: f32[8], n: index) {\n  { assert n < 20, \"m\" }\n  A[8] = 1.0:f32\n}",
            "verify: f:5: a subscript of `A` is 8, outside 0..7\n  A[8] = 1.0:f32\n    ^");
  check_good("func f(A: f32[8], n: index) {\n  for i in 0..10 {\n    assert i < min(n, 8), \"m\"\n    A[i] = 1.0:f32\n  }\n}");
}
END_TEST

START_TEST(a_buffer_is_declared_around_its_use)
{
  make_params();
  const tn_expr *zero = tni_index(r, 0), *four = tni_index(r, 4);
  const tn_buffer *t = tni_buffer(r, "T", TN_F32, TNI_SCOPE_LOCAL, 1, &four);
  const tn_stmt *use = tni_store(r, t, 1, &zero, tni_const_float(r, TN_F32, 1), NULL);
  const tn_stmt *alloc = tni_alloc_stmt(r, t, use),
                *again = tni_store(r, t, 1, &zero, tni_const_float(r, TN_F32, 2), NULL);
  const tn_stmt *items[] = {alloc, again}, *twice[] = {alloc, tni_alloc_stmt(r, t, again)};
  check_made(TNI_LEVEL_TENSOR, alloc, NULL);
  check_made(TNI_LEVEL_TENSOR, tni_seq(r, 2, items),
             "verify: f:6: buffer `T` is neither a parameter nor allocated around\n"
             "  T[0] = 2.0:f32\n  ^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_seq(r, 2, twice),
             "verify: f:6: buffer `T` is declared twice\n"
             "  alloc T: f32[4] in local\n        ^");
  const tn_buffer *addresses = tni_buffer(r, "P", TN_POINTER, TNI_SCOPE_GLOBAL, 1, &four);
  check_made(TNI_LEVEL_TENSOR, tni_alloc_stmt(r, addresses, store(n, 1)),
             "verify: f:2: buffer `P`: not a rank or not an element type\n  alloc P: ptr[4]\n        ^");
}
END_TEST

START_TEST(extents_of_parameters_are_arithmetic_on_parameters)
{
  check_good("func f(A: f32[n * 2, m // 4], n: index, m: index) { }");
  check_bad(
      "func f(s: index, I: i32[4], A: f32[cast(index, I[0])]) { }",
      "verify: f:1: the extent of a parameter is made of constants and scalar parameters\n"
      "func f(s: index, I: i32[4], A: f32[cast(index, I[0])]) {\n                                   ^^^^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(registers_need_constant_extents)
{
  check_good("func f(n: index) { alloc T: f32[4] in register }");
  check_bad("func f(n: index) { alloc T: f32[n] in register }",
            "verify: f:2: a buffer in registers has constant extents\n  alloc T: f32[n] in register\n               ^");
  check_bad("loop func f(n: index) { alloc T: f32[n] in local }",
            "verify: f:2: a buffer on the stack of the loop level has constant extents\n  alloc T: f32[n] in local\n"
            "               ^");
  check_good("func f(n: index) { alloc T: f32[n] in local }");
}
END_TEST

/* ---- types ---- */

START_TEST(nodes_have_the_types_their_rules_give)
{
  make_params();
  const tn_expr *x = tni_load(r, TN_F64, A, 1, &n, NULL), *one = tni_index(r, 1),
                *value = tni_load(r, TN_F32, A, 1, &n, NULL);
  const tn_expr *wrong = tni_cast(r, TN_F32, x);
  check_made(
      TNI_LEVEL_TENSOR, tni_store(r, A, 1, &one, wrong, NULL),
      "verify: f:2: the type of a load is not that of its buffer\n  A[1] = cast(f32, A[n])\n                   ^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_store(r, A, 1, &value, value, NULL),
             "verify: f:2: a subscript must be an index\n  A[A[n]] = A[n]\n    ^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_store(r, A, 1, &one, one, NULL),
             "verify: f:2: the value must be f32, this is index\n  A[1] = 1\n  ^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_store(r, A, 0, NULL, value, NULL),
             "verify: f:2: 0 subscripts, but the buffer has 1\n  A[] = A[n]\n  ^^^^^^^^^^");
}
END_TEST

/* Nodes that no constructor makes. */
static const tn_expr *node(enum tn_op op, tn_type type, size_t count, const tn_expr *const *args) {
  const tn_expr head = {.op = (uint8_t)op, .type = type};
  return tni_region_intern(r, &head, count, args);
}

START_TEST(operators_are_as_their_rows_say)
{
  make_params();
  const tn_expr *value = tni_load(r, TN_F32, A, 1, &n, NULL), *two[] = {value, value};
  check_made(TNI_LEVEL_TENSOR, tni_store(r, A, 1, &n, node(TN_OP_neg, TN_F32, 2, two), NULL),
             "verify: f:2: not an operator\n  A[n] = -A[n]\n         ^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_store(r, A, 1, &n, node(TN_OP_neg, TN_TYPE(kDLFloat, 24, 1), 1, two), NULL),
             "verify: f:2: not a type\n  A[n] = -A[n]\n         ^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_store(r, A, 1, &n, tni_cast(r, TN_F32, node(TN_OP_add, TN_F64, 2, two)), NULL),
             "verify: f:2: `add` has a type that its operands do not give\n  A[n] = cast(f32, A[n] + A[n])\n"
             "                   ^^^^^^^^^^^");
}
END_TEST

START_TEST(what_is_bound_is_an_index_variable)
{
  make_params();
  const tn_expr *x = tni_var(r, "x", TN_F32);
  check_made(TNI_LEVEL_TENSOR, tni_for(r, x, tni_index(r, 8), TNI_SERIAL, store(n, 1)),
             "verify: f:2: a loop or iterator needs an index variable\n  for x in 0..8 {\n  ^^^^^^^^^^^^^^^");
}
END_TEST

START_TEST(blocks_are_bound_and_guarded)
{
  make_params();
  const tni_iter by_index = {.var = tni_var(r, "i", TN_INDEX), .extent = tni_index(r, 8), .binding = n};
  tni_iter by_float = by_index;
  by_float.binding = tni_const_float(r, TN_F32, 1);
  const tn_stmt *body = store(by_index.var, 1);
  check_made(TNI_LEVEL_TENSOR, tni_block(r, "B", 1, &by_float, NULL, NULL, body),
             "verify: f:2: a binding must be index, this is f32\n"
             "  block B(i: 0..8 = 1.0:f32) {\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_block(r, "B", 1, &by_index, n, NULL, body),
             "verify: f:2: the condition of a block must be bool, this is index\n"
             "  block B(i: 0..8 = n) where n {\n                    ^");
}
END_TEST

START_TEST(parameters_are_numbers_and_buffers)
{
  tni_param param = {.scalar = tni_var(r, "p", TN_POINTER)};
  tn_func f = {.name = "f", .param_count = 1, .params = &param, .body = tni_seq(r, 0, NULL), .program = program};
  tn_error *err;
  ck_assert_int_eq(tni_verify(&f, &err), TN_E_VERIFY);
  ck_assert_str_eq(tn_error_text(err),
             "verify: f:1: a parameter is a buffer, an index, a number or a bool\nfunc f(p: ptr) {\n       ^");
  tn_error_destroy(err);
}
END_TEST

START_TEST(calls_are_as_declared)
{
  make_params();
  const tn_type types[] = {TN_POINTER};
  const tn_expr *address = tni_address(r, A);
  check_made(TNI_LEVEL_TENSOR, tni_evaluate(r, tni_call(r, TN_I32, "g", 1, &address)),
             "verify: f:2: there is no external `g`\n  call g(&A)\n  ^^^^^^^^^^");
  ck_assert_int_eq(tni_program_declare(program, "g", TN_I32, 1, types, NULL), TN_OK);
  check_made(TNI_LEVEL_TENSOR, tni_evaluate(r, tni_call(r, TN_I32, "g", 1, &address)), NULL);
  check_made(TNI_LEVEL_TENSOR, tni_evaluate(r, tni_call(r, TN_I32, "g", 1, &n)),
             "verify: f:2: external `g`: argument 1 is index, declared is ptr\n  call g(n)\n  ^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_evaluate(r, tni_call(r, TN_I32, "g", 0, NULL)),
             "verify: f:2: external `g` takes 1 argument, not 0\n  call g()\n  ^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_evaluate(r, tni_call(r, TN_I64, "g", 1, &address)),
             "verify: f:2: the type of the call is not the result of external `g`\n  call g(&A)\n  ^^^^^^^^^^");
  check_made(TNI_LEVEL_TENSOR, tni_evaluate(r, n),
             "verify: f:2: only a call can be evaluated for its effect\n"
             "  call \"\"()\n  ^^^^^^^^^");
}
END_TEST

START_TEST(pointers_are_only_arguments)
{
  check_bad(
      "extern g(ptr): i32\nfunc f(A: f32[4], B: f32[4], c: bool) { call g(select(c, &A, &B)) }",
      "verify: f:2: `select` works on numbers and bools\n  call g(select(c, &A, &B))\n         ^^^^^^^^^^^^^^^^^");
}
END_TEST

/* ---- blocks ---- */

#define BLOCK(header, inside) "func f(A: f32[8], n: index) { for i in 0..8 { block b(" header ") " inside " } }"

START_TEST(the_body_of_a_block_uses_its_iterators)
{
  check_good(BLOCK("v: 0..8 = i", "{ A[v] = A[7 - v] }"));
  check_good(BLOCK("v: 0..8 = i", "{ for k in 0..8 { A[k] = 1.0:f32 }; A[n] = 2.0:f32 }"));
  check_bad(BLOCK("v: 0..8 = i", "{ A[v] = A[i] }"),
            "verify: f:4: `i` is bound outside of the block; the body of a block uses its iterators only\n"
            "      A[v] = A[i]\n               ^");
}
END_TEST

START_TEST(the_header_of_a_block_uses_what_is_around)
{
  check_good(BLOCK("v: 0..8 = i", "where i < n { A[v] = 1.0:f32 }"));
  make_params();
  const tn_expr *v = tni_var(r, "v", TN_INDEX);
  const tni_iter iter = {.var = v, .extent = tni_index(r, 8), .binding = tni_index(r, 0)};
  const tn_stmt *block = tni_block(r, "b", 1, &iter, tni_op2(r, TN_OP_lt, v, n), NULL, store(v, 1));
  check_made(TNI_LEVEL_TENSOR, block,
             "verify: f:2: `v` is not bound by a loop, block or parameter around\n"
             "  block b(v: 0..8 = 0) where v < n {\n          ^");
}
END_TEST

START_TEST(init_stores_what_the_body_stores)
{
  check_good(BLOCK("reduce v: 0..8 = i", "{ init { A[0] = 0.0:f32 } A[0] = A[0] + A[v] }"));
  check_bad("func f(A: f32[8], B: f32[8]) { for i in 0..8 { block b(reduce v: 0..8 = i) { init { B[0] = 0.0:f32 } A[0] "
            "= A[v] } } }",
            "verify: f:5: init stores to `B`, which the body of the block does not\n        B[0] = 0.0:f32\n        "
            "^^^^^^^^^^^^^^");
  check_bad(
      BLOCK("reduce v: 0..8 = i", "{ init { A[v] = 0.0:f32 } A[v] = 1.0:f32 }"),
      "verify: f:5: `v` is a reduce iterator; init runs before the reduction\n        A[v] = 0.0:f32\n          ^");
}
END_TEST

START_TEST(names_of_blocks_are_unique)
{
  make_params();
  check_made(TNI_LEVEL_TENSOR, tni_block(r, "", 0, NULL, NULL, NULL, store(n, 1)),
             "verify: f:2: a block needs a name\n  block \"\"() {\n  ^^^^^^^^^^^^");
  check_bad("func f(A: f32[8]) { block b() { A[0] = 1.0:f32 } \n block b() { A[1] = 1.0:f32 } }",
            "verify: f:5: there are two blocks of the name `b`\n  block b() {\n  ^^^^^^^^^^^");
}
END_TEST

/* ---- bounds ---- */

#define LOOP(inside) "func f(A: f32[8], B: f32[8], n: index) { for i in 0..8 { " inside " } }"

START_TEST(subscripts_that_leave_for_sure_are_refused)
{
  check_bad(LOOP("A[8] = 1.0:f32"), "verify: f:3: a subscript of `A` is 8, outside 0..7\n    A[8] = 1.0:f32\n      ^");
  check_bad(LOOP("A[i] = B[i + 1]"),
            "verify: f:3: a subscript of `B` is 1..8, outside 0..7\n    A[i] = B[i + 1]\n             ^^^^^");
  check_bad(LOOP("A[i - 1] = 0.0:f32"),
            "verify: f:3: a subscript of `A` is -1..6, outside 0..7\n    A[i - 1] = 0.0:f32\n      ^^^^^");
  check_bad(LOOP("A[min(n, 0) - 1] = 0.0:f32"),
            "verify: f:3: a subscript of `A` is always outside, outside 0..7\n    A[min(n, 0) - 1] = 0.0:f32\n"
            "      ^^^^^^^^^^^^^");
}
END_TEST

START_TEST(subscripts_that_may_stay_are_not)
{
  check_good(LOOP("A[7 - i] = B[i // 2 + 4]"));
  check_good(LOOP("A[n] = B[n - 100]"));
  check_good(LOOP("A[i] = B[i * i]"));
  check_good(LOOP("A[i] = B[i + 1 if i < 7]"));
  check_good(LOOP("A[i + 1 if i < 7] = 1.0:f32"));
  check_good(LOOP("if i < 7 { A[i + 1] = 1.0:f32 }"));
  check_good(LOOP("for k in 0..0 { A[100] = 1.0:f32 }"));
  check_good(LOOP("A[i] = B[i - i // 2]"));
  check_good(LOOP("block b(v: 0..16 = i) where i < 4 { A[v] = 1.0:f32 }"));
}
END_TEST

START_TEST(select_evaluates_both_sides)
{
  check_bad(LOOP("A[i] = select(i < 7, B[i + 1], 0.0:f32)"),
            "verify: f:3: a subscript of `B` is 1..8, outside 0..7\n    A[i] = select(i < 7, B[i + 1], 0.0:f32)\n"
            "                           ^^^^^");
}
END_TEST

/* ---- levels ---- */

START_TEST(vectors_belong_to_the_loop_level)
{
  check_good("loop func f(A: f32[4, 4]) { A[ramp(0, 1, 16)] = broadcast(1.0:f32, 16) }");
  check_bad(
      "func f(A: f32[4]) { A[ramp(0, 1, 4)] = broadcast(1.0:f32, 4) }",
      "verify: f:2: vectors do not belong to the tensor level\n  A[ramp(0, 1, 4)] = broadcast(1.0:f32, 4)\n    ^^^^^^^^^^^^^");
}
END_TEST

START_TEST(the_loop_level_has_plain_loops_and_flat_buffers)
{
  check_good("loop func f(A: f32[4, 4]) { for i in 0..16 parallel { A[i] = 1.0:f32 } }");
  check_bad("loop func f(A: f32[4]) { block b() { A[0] = 1.0:f32 } }",
            "verify: f:2: blocks do not belong to the loop level\n  block b() {\n  ^^^^^^^^^^^");
  check_bad("loop func f(A: f32[4]) { for i in 0..4 vectorized { A[i] = 1.0:f32 } }",
            "verify: f:2: vectorized loops do not belong to the loop level\n  for i in 0..4 vectorized {\n"
            "  ^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_bad("loop func f(A: f32[4]) { alloc T: f32[4, 4] }",
            "verify: f:2: allocated buffers of several dimensions, strides or a layout do not belong to the loop level\n  alloc T: f32[4, 4]\n        ^");
  check_bad("loop func f(A: f32[4, 4]) { A[16] = 1.0:f32 }",
            "verify: f:2: a subscript of `A` is 16, outside 0..15\n  A[16] = 1.0:f32\n    ^^");
}
END_TEST

START_TEST(lanes_of_an_access_agree)
{
  make_params();
  const tn_expr *ramp = tni_ramp(r, n, tni_index(r, 1), 4), *c = tni_bool(r, false), *x = tni_const_float(r, TN_F32, 1);
  check_made(
      TNI_LEVEL_LOOP, tni_store(r, A, 1, &ramp, x, NULL),
      "verify: f:2: the value must be f32x4, this is f32\n  A[ramp(n, 1, 4)] = 1.0:f32\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^");
  check_made(TNI_LEVEL_LOOP, tni_store(r, A, 1, &ramp, tni_broadcast(r, x, 4), c),
             "verify: f:2: the condition of an access must be bool, with as many lanes as the subscripts\n"
             "  A[ramp(n, 1, 4) if false] = broadcast(1.0:f32, 4)\n"
             "  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^");
}
END_TEST

/* ---- limits ---- */

START_TEST(nesting_made_by_a_host_is_bounded_too)
{
  make_params();
  const tn_stmt *s = store(n, 1);
  for (int i = 0; i < 100000; i++) s = tni_for(r, tni_var(r, "i", TN_INDEX), n, TNI_SERIAL, s);
  tni_param params[2] = {{.buffer = A}, {.scalar = n}};
  tn_func f = {.name = "f", .param_count = 2, .params = params, .body = s, .program = program};
  tn_error *err;
  ck_assert_int_eq(tni_verify(&f, &err), TN_E_LIMIT);
  ck_assert_str_eq(tn_error_text(err), "verify: f: statements are nested deeper than the limit of 100");
  tn_error_destroy(err);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("verify");
  TCase *tests = tcase_create("verify");
  tcase_add_checked_fixture(tests, setup_region, teardown);
  tcase_add_test(tests, all_mistakes_are_told);
  tcase_add_test(tests, mistakes_beyond_twenty_are_counted);
  tcase_add_test(tests, a_variable_is_bound_around_its_use);
  tcase_add_test(tests, a_variable_is_bound_once);
  tcase_add_test(tests, a_let_binds_a_number);
  tcase_add_test(tests, annotations_have_a_name_once);
  tcase_add_test(tests, a_reduce_is_by_some_operators);
  tcase_add_test(tests, loops_over_threads_stand_in_loops_over_blocks);
  tcase_add_test(tests, all_threads_come_to_a_barrier_or_none);
  tcase_add_test(tests, threads_meet_between_barriers);
  tcase_add_test(tests, anything_may_be_prefetched_but_registers);
  tcase_add_test(tests, copies_are_waited_for);
  tcase_add_test(tests, threads_share_what_is_allocated_around_them);
  tcase_add_test(tests, what_lives_across_a_barrier_is_there_for_all_threads);
  tcase_add_test(tests, claims_are_conditions);
  tcase_add_test(tests, a_buffer_is_declared_around_its_use);
  tcase_add_test(tests, extents_of_parameters_are_arithmetic_on_parameters);
  tcase_add_test(tests, registers_need_constant_extents);
  tcase_add_test(tests, nodes_have_the_types_their_rules_give);
  tcase_add_test(tests, operators_are_as_their_rows_say);
  tcase_add_test(tests, what_is_bound_is_an_index_variable);
  tcase_add_test(tests, blocks_are_bound_and_guarded);
  tcase_add_test(tests, parameters_are_numbers_and_buffers);
  tcase_add_test(tests, calls_are_as_declared);
  tcase_add_test(tests, pointers_are_only_arguments);
  tcase_add_test(tests, the_body_of_a_block_uses_its_iterators);
  tcase_add_test(tests, the_header_of_a_block_uses_what_is_around);
  tcase_add_test(tests, init_stores_what_the_body_stores);
  tcase_add_test(tests, names_of_blocks_are_unique);
  tcase_add_test(tests, subscripts_that_leave_for_sure_are_refused);
  tcase_add_test(tests, subscripts_that_may_stay_are_not);
  tcase_add_test(tests, select_evaluates_both_sides);
  tcase_add_test(tests, vectors_belong_to_the_loop_level);
  tcase_add_test(tests, the_loop_level_has_plain_loops_and_flat_buffers);
  tcase_add_test(tests, lanes_of_an_access_agree);
  tcase_add_test(tests, nesting_made_by_a_host_is_bounded_too);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
