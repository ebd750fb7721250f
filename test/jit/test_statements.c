/* test_statements.c -- loops, predicated and vector accesses, buffers, parallel loops and externals, compiled from
 * loop-level text and run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/mman.h>
#include <unistd.h>

#include "kit.h"

/* Parses the text into the kit's program and loads all its functions. */
static void load_text(kit *k, const char *text) {
  tn_error *error = NULL;
  const tn_func *funcs[16];
  kit_ok(tni_parse(k->program, text, strlen(text), "test", &error), error);
  size_t count = tn_program_func_count(k->program);
  ck_assert_uint_le(count, 16);
  for (size_t i = 0; i < count; i++) funcs[i] = tn_program_func_at(k->program, i);
  kit_load(k, count, funcs);
}

/* Memory whose last byte is followed by a page that cannot be touched. */
static void *guarded(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;
  char *base = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(base, MAP_FAILED);
  ck_assert_int_eq(mprotect(base + room, page, PROT_NONE), 0);
  return base + room - bytes;
}

START_TEST(loop_runs_over_its_extent)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func f(A: i32[100], n: index) {\n"
                "  for i in 0..n {\n    A[i] = cast(i32, i * 3)\n  }\n}\n");
  int32_t (*f)(const tn_env *, int32_t *, int64_t) =
      (int32_t(*)(const tn_env *, int32_t *, int64_t))(uintptr_t)kit_find(&k, "f");
  int32_t a[100];
  memset(a, -1, sizeof a);
  ck_assert_int_eq(f(&k.env, a, 0), 0);
  ck_assert_int_eq(f(&k.env, a, -5), 0);
  ck_assert_int_eq(a[0], -1);
  ck_assert_int_eq(f(&k.env, a, 99), 0);
  for (int i = 0; i < 99; i++) ck_assert_int_eq(a[i], 3 * i);
  ck_assert_int_eq(a[99], -1);
  kit_close(&k);
}
END_TEST

START_TEST(scalars_arrive_by_their_c_types)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func f(A: f64[8], b: bool, c: i8, d: u16, e: f16, g: f32, h: f64, i: index) {\n"
                "  A[0] = select(b, 1.0:f64, 2.0:f64)\n  A[1] = cast(f64, c)\n  A[2] = cast(f64, d)\n"
                "  A[3] = cast(f64, e)\n  A[4] = cast(f64, g)\n  A[5] = h\n  A[6] = cast(f64, i)\n}\n");
  typedef int32_t (*fn)(const tn_env *, double *, uint8_t, int8_t, uint16_t, uint16_t, float, double, int64_t);
  double a[8] = {0};
  fn f = (fn)(uintptr_t)kit_find(&k, "f");
  ck_assert_int_eq(f(&k.env, a, 1, -7, 65535, (uint16_t)tni_float_to_bits(TN_F16, 0.5), 1.25f, -3.5, -(1ll << 40)), 0);
  const double want[] = {1, -7, 65535, 0.5, 1.25, -3.5, -(double)(1ll << 40)};
  for (int i = 0; i < 7; i++) ck_assert_double_eq(a[i], want[i]);
  kit_close(&k);
}
END_TEST

START_TEST(false_conditions_access_nothing)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func scalar(A: f32[10], B: f32[20]) {\n"
                "  for i in 0..20 {\n    B[i] = A[i if i < 10]\n  }\n"
                "  for j in 0..20 {\n    A[j if j < 10] = cast(f32, j)\n  }\n}\n"
                "loop func vector(A: f32[10], B: f32[16]) {\n"
                "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) if ramp(0, 1, 16) < broadcast(10, 16)]\n"
                "  A[ramp(0, 1, 16) if ramp(0, 1, 16) < broadcast(10, 16)] = broadcast(7.0:f32, 16)\n}\n"
                "loop func strided(A: i8[10], B: i8[16]) {\n"
                "  B[ramp(0, 1, 16)] = A[ramp(0, 3, 16) if ramp(0, 3, 16) < broadcast(10, 16)]\n"
                "  A[ramp(0, 3, 16) if ramp(0, 3, 16) < broadcast(10, 16)] = broadcast(9:i8, 16)\n}\n");
  float *a = guarded(10 * sizeof *a), *b = guarded(20 * sizeof *b);
  for (int i = 0; i < 10; i++) a[i] = (float)i + 1;
  ck_assert_int_eq(kit_run(&k, "scalar", (void *[]){a, b}), 0);
  for (int i = 0; i < 20; i++) ck_assert_float_eq(b[i], i < 10 ? (float)i + 1 : 0);
  for (int i = 0; i < 10; i++) ck_assert_float_eq(a[i], (float)i);
  ck_assert_int_eq(kit_run(&k, "vector", (void *[]){a, b}), 0);
  for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], i < 10 ? (float)i : 0);
  for (int i = 0; i < 10; i++) ck_assert_float_eq(a[i], 7);
  int8_t *c = guarded(10), *d = guarded(16);
  for (int i = 0; i < 10; i++) c[i] = (int8_t)(i + 1);
  ck_assert_int_eq(kit_run(&k, "strided", (void *[]){c, d}), 0);
  for (int i = 0; i < 16; i++) ck_assert_int_eq(d[i], i < 4 ? 3 * i + 1 : 0);
  for (int i = 0; i < 10; i++) ck_assert_int_eq(c[i], i % 3 == 0 ? 9 : i + 1);
  kit_close(&k);
}
END_TEST

START_TEST(subscripts_of_all_forms)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func f(A: i32[64], B: i32[64], I: i64[8]) {\n"
                "  B[ramp(0, 1, 8)] = A[ramp(56, -1, 8)]\n"                  /* stride -1 */
                "  B[ramp(8, 1, 8)] = A[ramp(1, 5, 8)]\n"                    /* stride 5 */
                "  B[ramp(16, 1, 8)] = A[cast(indexx8, I[ramp(0, 1, 8)])]\n" /* gather */
                "  B[ramp(24, 2, 8)] = A[broadcast(9, 8)]\n"                 /* one element; strided store */
                "  B[cast(indexx8, I[ramp(0, 1, 8)]) + broadcast(40, 8)] = A[ramp(2, 1, 8)]\n" /* scatter */
                "  B[60] = A[cast(index, I[3])]\n}\n");
  int32_t a[64], b[64];
  int64_t index[8] = {3, 1, 4, 1, 5, 9, 2, 6};
  for (int i = 0; i < 64; i++) a[i] = 100 + i, b[i] = -1;
  ck_assert_int_eq(kit_run(&k, "f", (void *[]){a, b, index}), 0);
  for (int i = 0; i < 8; i++) {
    ck_assert_int_eq(b[i], 156 - i);
    ck_assert_int_eq(b[8 + i], 101 + 5 * i);
    ck_assert_int_eq(b[16 + i], 100 + (int)index[i]);
    ck_assert_int_eq(b[24 + 2 * i], 109);
  }
  ck_assert_int_eq(b[25], -1);
  ck_assert_int_eq(b[43], 102);
  ck_assert_int_eq(b[41], 105); /* subscript 1 comes twice: the last lane stays */
  ck_assert_int_eq(b[49], 107);
  ck_assert_int_eq(b[60], 101);
  kit_close(&k);
}
END_TEST

/* `count` statements of `lanes`: B[k * lanes + i] = A[from + k + i * stride], times C[k] if `scaled`. */
static void add_square(tni_text *out, const char *name, const char *type, int lanes, int count, int stride, int from,
                       bool scaled) {
  tni_text_add(out, "loop func %s(A: %s[%d], B: %s[%d], C: %s[%d]) {\n", name, type,
               from + (lanes - 1) * stride + count, type, lanes * count, type, count);
  for (int k = 0; k < count; k++) {
    tni_text_add(out, "  B[ramp(%d, 1, %d)] = A[ramp(%d, %d, %d)]", k * lanes, lanes, from + k, stride, lanes);
    if (scaled) tni_text_add(out, " * broadcast(C[%d], %d)", k, lanes);
    tni_text_add(out, "\n");
  }
  tni_text_add(out, "}\n");
}

/* Whole squares, parts of them, and values made of columns; nothing behind the last element is touched. */
START_TEST(columns_of_squares_are_stored)
{
  static const struct square {
    const char *type;
    tn_type code;
    int lanes, count, stride, from;
    bool scaled;
  } squares[] = {
      {"f32", TN_F32, 16, 16, 16, 0, false}, {"f32", TN_F32, 16, 16, 40, 3, true},  {"f32", TN_F32, 8, 8, 9, 1, true},
      {"f32", TN_F32, 4, 4, 4, 0, false},    {"f32", TN_F32, 16, 15, 16, 0, false}, {"f32", TN_F32, 8, 16, 16, 0, false},
      {"f64", TN_F64, 8, 8, 8, 0, true},     {"f64", TN_F64, 4, 4, 3, 2, false},    {"i8", TN_I8, 16, 16, 16, 0, true},
      {"i16", TN_I16, 8, 8, 11, 0, false},   {"i16", TN_I16, 16, 16, 16, 0, true},  {"f16", TN_F16, 16, 16, 17, 0, true},
      {"f32", TN_F32, 4, 4, 2, 0, false},
  };
  static const char *const targets[] = {"host", "x86-64-v3", "x86-64-v2"};
  for (size_t t = 0; t < TNI_COUNT(squares) * TNI_COUNT(targets); t++) {
    const struct square *s = &squares[t % TNI_COUNT(squares)];
    if (t >= TNI_COUNT(squares) && tni_host_level() < (int)(4 - t / TNI_COUNT(squares))) continue;
    int count = s->from + (s->lanes - 1) * s->stride + s->count;
    kit k;
    tni_text text;
    tni_scalar two = {.i = 2};
    if (tni_type_is_float(s->code)) two.f = 2;
    kit_open(&k, targets[t / TNI_COUNT(squares)]);
    tni_text_init(&text, k.ctx);
    add_square(&text, "f", s->type, s->lanes, s->count, s->stride, s->from, s->scaled);
    load_text(&k, text.data);
    size_t bytes = tn_type_bytes(s->code);
    void *a = guarded((size_t)count * bytes), *b = guarded((size_t)(s->lanes * s->count) * bytes),
         *c = guarded((size_t)s->count * bytes);
    for (int i = 0; i < count; i++) {
      tni_scalar x = {.i = i % 50};
      if (tni_type_is_float(s->code)) x.f = i;
      tni_write_element(s->code, a, i, x);
    }
    for (int i = 0; i < s->count; i++) tni_write_element(s->code, c, i, two);
    ck_assert_int_eq(kit_run(&k, "f", (void *[]){a, b, c}), 0);
    for (int j = 0; j < s->count; j++)
      for (int i = 0; i < s->lanes; i++) {
        int from = s->from + j + i * s->stride;
        tni_scalar x = tni_read_element(s->code, a, from), y = tni_read_element(s->code, b, j * s->lanes + i);
        if (tni_type_is_float(s->code))
          ck_assert(y.f == x.f * (s->scaled ? 2 : 1));
        else
          ck_assert_int_eq(y.i, x.i * (s->scaled ? 2 : 1));
      }
    tni_text_destroy(&text);
    kit_close(&k);
  }
}
END_TEST

/* The second column is read behind the store of the first one, which may change it. */
START_TEST(columns_are_not_read_before_they_are_stored)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func f(A: i32[32]) {\n"
                "  A[ramp(16, 1, 4)] = A[ramp(15, 4, 4)]\n  A[ramp(20, 1, 4)] = A[ramp(16, 4, 4)]\n"
                "  A[ramp(24, 1, 4)] = A[ramp(17, 4, 4)]\n  A[ramp(28, 1, 4)] = A[ramp(18, 4, 4)]\n}\n");
  int32_t a[32], want[32];
  for (int i = 0; i < 32; i++) a[i] = want[i] = i;
  for (int column = 0; column < 4; column++) {
    int32_t v[4];
    for (int i = 0; i < 4; i++) v[i] = want[15 + column + 4 * i];
    for (int i = 0; i < 4; i++) want[16 + 4 * column + i] = v[i];
  }
  ck_assert_int_eq(kit_run(&k, "f", (void *[]){a}), 0);
  for (int i = 0; i < 32; i++) ck_assert_int_eq(a[i], want[i]);
  kit_close(&k);
}
END_TEST

/* Sixteen lanes take every fourth, third or eighth element: what is behind the last one taken is not touched, and nothing
 * where the condition is false. */
static const char near_each_other[] =
    "loop func four(A: f32[13], B: f32[16]) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) // broadcast(4, 16) * broadcast(4, 16)]\n}\n"
    "loop func three(A: f32[11], B: f32[8], n: index) {\n"
    "  B[ramp(0, 1, 8)] = A[ramp(0, 1, 8) // broadcast(3, 8) * broadcast(3, 8) + broadcast(n, 8)]\n}\n"
    "loop func some(A: f32[13], B: f32[16], n: index) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) // broadcast(4, 16) * broadcast(4, 16)"
    " if ramp(0, 1, 16) < broadcast(n, 16)]\n}\n"
    "loop func all(A: f32[13], B: f32[16], n: index) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) // broadcast(8, 16) * broadcast(8, 16) if broadcast(n < 1, 16)]\n}\n"
    "loop func one(A: i8[16], B: i8[16], n: index) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) // broadcast(16, 16) + broadcast(n, 16)]\n}\n"
    "loop func back(A: f32[13], B: f32[16], n: index) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) // broadcast(4, 16) * broadcast(4, 16)"
    " if broadcast(n, 16) <= ramp(0, 1, 16)]\n}\n"
    "loop func both(A: f32[13], B: f32[16], n: index) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) // broadcast(4, 16) * broadcast(4, 16)"
    " if broadcast(n < 1, 16) && ramp(0, 1, 16) < broadcast(10, 16)]\n}\n"
    "loop func edge(A: f32[10], B: f32[16], n: index) {\n"
    "  B[ramp(0, 1, 16)] = A[ramp(0, 1, 16) if ramp(0, 1, 16) < broadcast(10, 16) && broadcast(n < 1, 16)]\n}\n";

START_TEST(lanes_take_elements_near_each_other)
{
  static const char *const targets[] = {"host", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64-neon"};
  kit k;
  typedef int32_t (*fn)(const tn_env *, void *, void *, int64_t);
  kit_open(&k, targets[_i]);
  if (k.target->runs_here) {
    load_text(&k, near_each_other);
    float *a = guarded(13 * sizeof *a), *c = guarded(11 * sizeof *c), b[16];
    int8_t *d = guarded(16), e[16];
    for (int i = 0; i < 13; i++) a[i] = (float)i + 1;
    for (int i = 0; i < 11; i++) c[i] = (float)i + 1;
    for (int i = 0; i < 16; i++) d[i] = (int8_t)i;
    ck_assert_int_eq(kit_run(&k, "four", (void *[]){a, b}), 0);
    for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], (float)(i / 4 * 4 + 1));
    ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "three"))(&k.env, c, b, 4), 0);
    for (int i = 0; i < 8; i++) ck_assert_float_eq(b[i], (float)(i / 3 * 3 + 5));
    for (int n = 0; n <= 16; n++) {
      float *some = guarded((size_t)(n ? (n - 1) / 4 * 4 + 1 : 1) * sizeof *some);
      for (int i = 0; i < n; i += 4) some[i] = (float)i + 1;
      ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "some"))(&k.env, some, b, n), 0);
      for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], i < n ? (float)(i / 4 * 4 + 1) : 0);
      ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "back"))(&k.env, a, b, n), 0);
      for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], i >= n ? (float)(i / 4 * 4 + 1) : 0);
    }
    ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "all"))(&k.env, a, b, 0), 0);
    for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], (float)(i / 8 * 8 + 1));
    ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "all"))(&k.env, NULL, b, 1), 0);
    for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], 0);
    for (int n = 0; n < 2; n++) { /* what all lanes share, and what each has for itself */
      float *some = n ? NULL : a, *ten = n ? NULL : a + 3;
      ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "both"))(&k.env, some, b, n), 0);
      for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], i < 10 && !n ? (float)(i / 4 * 4 + 1) : 0);
      ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "edge"))(&k.env, ten, b, n), 0);
      for (int i = 0; i < 16; i++) ck_assert_float_eq(b[i], i < 10 && !n ? (float)(i + 4) : 0);
    }
    ck_assert_int_eq(((fn)(uintptr_t)kit_find(&k, "one"))(&k.env, d, e, 15), 0);
    for (int i = 0; i < 16; i++) ck_assert_int_eq(e[i], 15);
  }
  kit_close(&k);
}
END_TEST

enum { APART_STRIDES = 4, APART_LANES = 3 };

/* f<stride>_<lanes>: every second to fifth element, from number 2 on; the buffer ends with the last one taken. */
static void add_apart(tni_text *out, const char *type, int stride, int lanes) {
  tni_text_add(out, "loop func f%d_%d(A: %s[%d], B: %s[%d]) {\n", stride, lanes, type, stride * (lanes - 1) + 3, type, lanes);
  tni_text_add(out, "  B[ramp(0, 1, %d)] = A[ramp(2, %d, %d)]\n}\n", lanes, stride, lanes);
}

static void check_apart(kit *k, size_t bytes, int stride, int lanes) {
  char name[24];
  size_t size = (size_t)(stride * (lanes - 1) + 3) * bytes;
  unsigned char *a = guarded(size), b[64 * 8];
  for (size_t i = 0; i < size; i++) a[i] = (unsigned char)(i * 7 + i / 256);
  snprintf(name, sizeof name, "f%d_%d", stride, lanes);
  ck_assert_int_eq(kit_run(k, name, (void *[]){a, b}), 0);
  for (int i = 0; i < lanes; i++) ck_assert_mem_eq(b + (size_t)i * bytes, a + (size_t)(2 + i * stride) * bytes, bytes);
}

START_TEST(lanes_take_elements_a_few_apart)
{
  static const char *const targets[] = {"host", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64-neon"};
  static const char *const types[] = {"i8", "i16", "f32", "f64"};
  static const int lanes[APART_LANES] = {4, 16, 64};
  for (size_t t = 0; t < TNI_COUNT(types); t++) {
    kit k;
    kit_open(&k, targets[_i]);
    tni_text text;
    tni_text_init(&text, k.ctx);
    for (int i = 0; i < APART_STRIDES * APART_LANES; i++) add_apart(&text, types[t], 2 + i / APART_LANES, lanes[i % APART_LANES]);
    char *program = tni_text_take(&text);
    if (k.target->runs_here) {
      load_text(&k, program);
      for (int i = 0; i < APART_STRIDES * APART_LANES; i++)
        check_apart(&k, (size_t)1 << t, 2 + i / APART_LANES, lanes[i % APART_LANES]);
    }
    tn_text_destroy(program);
    kit_close(&k);
  }
}
END_TEST

/* Two, three and four vectors between each other; three at odd places, of bytes; one that reads what another stores. */
START_TEST(vectors_are_stored_between_each_other)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func f(A: f32[64], B: f32[200], C: u8[64], D: u8[64]) {\n"
                "  B[ramp(0, 2, 16)] = A[ramp(0, 1, 16)]\n  B[ramp(1, 2, 16)] = A[ramp(16, 1, 16)]\n"
                "  B[ramp(33, 3, 16)] = A[ramp(3, 1, 16)]\n"
                "  B[ramp(34, 3, 16)] = A[ramp(19, 1, 16)] + broadcast(1.0:f32, 16)\n"
                "  B[ramp(35, 3, 16)] = broadcast(7.0:f32, 16)\n"
                "  B[ramp(100, 4, 8)] = A[ramp(0, 1, 8)]\n  B[ramp(101, 4, 8)] = A[ramp(8, 1, 8)]\n"
                "  B[ramp(102, 4, 8)] = A[ramp(16, 1, 8)]\n  B[ramp(103, 4, 8)] = A[ramp(24, 1, 8)]\n"
                "  B[ramp(140, 3, 4)] = A[ramp(0, 1, 4)]\n  B[ramp(141, 3, 4)] = B[ramp(140, 3, 4)]\n"
                "  B[ramp(142, 3, 4)] = A[ramp(4, 1, 4)]\n"
                "  D[ramp(1, 3, 16)] = C[ramp(1, 1, 16)]\n  D[ramp(2, 3, 16)] = C[ramp(17, 1, 16)]\n"
                "  D[ramp(3, 3, 16)] = C[ramp(40, 1, 16)]\n}\n");
  float a[64], b[200];
  uint8_t c[64], d[64];
  memset(b, 0, sizeof b), memset(d, 0, sizeof d);
  for (int i = 0; i < 64; i++) a[i] = (float)i / 4, c[i] = (uint8_t)(3 * i + 1);
  int32_t (*f)(const tn_env *, float *, float *, uint8_t *, uint8_t *) =
      (int32_t(*)(const tn_env *, float *, float *, uint8_t *, uint8_t *))(uintptr_t)kit_find(&k, "f");
  ck_assert_int_eq(f(&k.env, a, b, c, d), 0);
  for (int i = 0; i < 16; i++) {
    ck_assert(b[2 * i] == a[i] && b[2 * i + 1] == a[16 + i]);
    ck_assert(b[33 + 3 * i] == a[3 + i] && b[34 + 3 * i] == a[19 + i] + 1 && b[35 + 3 * i] == 7);
    ck_assert(d[1 + 3 * i] == c[1 + i] && d[2 + 3 * i] == c[17 + i] && d[3 + 3 * i] == c[40 + i]);
  }
  for (int i = 0; i < 32; i++) ck_assert_float_eq(b[100 + i], a[i % 4 * 8 + i / 4]);
  for (int i = 0; i < 4; i++) ck_assert(b[140 + 3 * i] == a[i] && b[141 + 3 * i] == a[i] && b[142 + 3 * i] == a[4 + i]);
  ck_assert(b[32] == 0 && b[81] == 0 && d[0] == 0 && d[49] == 0);
  kit_close(&k);
}
END_TEST

START_TEST(bool_is_a_byte_in_memory)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, "loop func f(A: bool[16], B: bool[16], C: f32[16]) {\n"
                "  for i in 0..8 {\n    B[i] = !A[i]\n  }\n"
                "  B[ramp(8, 1, 8)] = A[ramp(8, 1, 8)] ^ broadcast(true, 8)\n"
                "  C[ramp(0, 1, 16)] = select(A[ramp(0, 1, 16)], broadcast(1.0:f32, 16), broadcast(2.0:f32, 16))\n}\n");
  uint8_t a[16], b[16];
  float c[16];
  for (int i = 0; i < 16; i++) a[i] = i % 3 == 0;
  ck_assert_int_eq(kit_run(&k, "f", (void *[]){a, b, c}), 0);
  for (int i = 0; i < 16; i++) {
    ck_assert_uint_eq(b[i], !a[i]);
    ck_assert_float_eq(c[i], a[i] ? 1 : 2);
  }
  kit_close(&k);
}
END_TEST

START_TEST(a_store_is_seen_by_later_loads)
{
  kit k;
  kit_open(&k, "host");
  load_text(
      &k, "loop func f(A: i32[4]) {\n"
          "  A[0] = A[0] + 1:i32\n  A[1] = A[0] + 1:i32\n  A[0] = A[0] + 1:i32\n"
          "  for i in 0..3 {\n    A[2] = A[2] + A[0]\n  }\n"
          "  if A[0] == 2:i32 {\n    A[0] = 10:i32\n    A[3] = A[0]\n  } else {\n    A[3] = A[0] + 100:i32\n  }\n}\n");
  int32_t a[4] = {0};
  ck_assert_int_eq(kit_run(&k, "f", (void *[]){a}), 0);
  const int32_t want[] = {10, 2, 6, 10};
  ck_assert_mem_eq(a, want, sizeof want);
  kit_close(&k);
}
END_TEST

static const char buffers[] = "loop func f(A: f32[64], n: index) {\n"
                              "  alloc S: f32[n * 2]\n"
                              "  alloc L: f32[64] in local\n"
                              "  for i in 0..64 {\n    S[i] = A[i] + 1.0:f32\n    L[63 - i] = A[i]\n  }\n"
                              "  alloc T: f32[64]\n"
                              "  for j in 0..64 {\n    T[j] = S[j] + L[j]\n  }\n"
                              "  for k in 0..64 {\n    A[k] = T[k]\n  }\n}\n";

START_TEST(buffers_inside_a_function)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, buffers);
  int32_t (*f)(const tn_env *, float *, int64_t) =
      (int32_t(*)(const tn_env *, float *, int64_t))(uintptr_t)kit_find(&k, "f");
  float a[64];
  for (int i = 0; i < 64; i++) a[i] = (float)i;
  ck_assert_int_eq(f(&k.env, a, 32), 0);
  for (int i = 0; i < 64; i++) ck_assert_float_eq(a[i], 64);
  ck_assert_int_eq(k.scratch_held, 0);
  kit_close(&k);
}
END_TEST

START_TEST(no_scratch_memory_is_a_status_and_nothing_stays_held)
{
  kit k;
  kit_open(&k, "host");
  load_text(&k, buffers);
  int32_t (*f)(const tn_env *, float *, int64_t) =
      (int32_t(*)(const tn_env *, float *, int64_t))(uintptr_t)kit_find(&k, "f");
  float a[64] = {0};
  for (int left = 0; left < 2; left++) {
    k.scratch_left = left;
    ck_assert_int_eq(f(&k.env, a, 32), TN_E_NOMEM);
    ck_assert_int_eq(k.scratch_held, 0);
  }
  kit_close(&k);
}
END_TEST

static const char parallel[] = "extern check(index): i32\n"
                               "loop func f(A: i64[1000], n: index, flag: bool, x: i64) {\n"
                               "  alloc S: i64[n]\n"
                               "  for i in 0..n parallel {\n"
                               "    alloc T: i64[4]\n"
                               "    T[1] = cast(i64, i)\n"
                               "    for j in 0..2 parallel {\n      T[j * 2] = x\n    }\n"
                               "    S[i] = T[0] + T[1] + select(flag, 1000:i64, 0:i64)\n"
                               "    call check(i)\n"
                               "  }\n"
                               "  for k in 0..n {\n    A[k] = S[k]\n  }\n}\n";

static int32_t check_index(void *self, int64_t i) { return i == *(int64_t *)self ? 77 : 0; }

START_TEST(parallel_loops_cover_the_range_and_pass_failures_on)
{
  kit k;
  tn_error *error = NULL;
  int64_t bad = -1, a[1000] = {0};
  const tn_type params[] = {TN_INDEX};
  kit_open(&k, "host");
  load_text(&k, parallel);
  kit_ok(tn_program_extern(k.program, "check", TN_I32, 1, params, (void (*)(void))check_index, &bad, &error), error);
  typedef int32_t (*fn)(const tn_env *, int64_t *, int64_t, uint8_t, int64_t);
  fn f = (fn)(uintptr_t)kit_find(&k, "f");
  ck_assert_int_eq(f(&k.env, a, 1000, 1, 5), 0);
  for (int i = 0; i < 1000; i++) ck_assert_int_eq(a[i], i + 1005);
  ck_assert_int_eq(k.parallel_calls, 1); /* the inner loop is serial */
  bad = 500;
  ck_assert_int_eq(f(&k.env, a, 1000, 1, 5), TN_E_HOST);
  ck_assert_int_eq(k.scratch_held, 0);
  kit_close(&k);
}
END_TEST

static double mix(void *self, float a, int8_t b, uint8_t c, int64_t d, double e, void *p) {
  (void)self;
  ((int32_t *)p)[0] = 42;
  return a + b + c + (double)d + e;
}

START_TEST(externals_take_and_give_values)
{
  kit k;
  tn_error *error = NULL;
  const tn_type params[] = {TN_F32, TN_I8, TN_BOOL, TN_INDEX, TN_F64, TN_POINTER};
  kit_open(&k, "host");
  load_text(&k,
            "extern mix(f32, i8, bool, index, f64, ptr): f64\n"
            "loop func f(A: i32[1], B: f64[3]) {\n"
            "  for i in 0..3 {\n    B[i] = @mix(0.5:f32, -3:i8, i == 1, i * 100, 0.25:f64, &A) * 2.0:f64\n  }\n}\n");
  kit_ok(tn_program_extern(k.program, "mix", TN_F64, 6, params, (void (*)(void))mix, NULL, &error), error);
  int32_t a = 0;
  double b[3];
  ck_assert_int_eq(kit_run(&k, "f", (void *[]){&a, b}), 0);
  ck_assert_int_eq(a, 42);
  for (int i = 0; i < 3; i++) ck_assert_double_eq(b[i], 2 * (-2.25 + (i == 1) + 100 * i));
  kit_close(&k);
}
END_TEST

static void refuses(const char *target, const char *text, tn_status status, const char *reason) {
  kit k;
  tn_error *error = NULL;
  char *object;
  size_t size;
  kit_open(&k, target);
  kit_ok(tni_parse(k.program, text, strlen(text), "test", &error), error);
  const tn_func *f = tn_program_func_at(k.program, 0);
  ck_assert_int_eq(kit_try_emit(&k, 1, &f, TNI_EMIT_OBJECT, &object, &size, &error), status);
  ck_assert_str_eq(tn_error_text(error), reason);
  ck_assert_ptr_null(object);
  tn_error_destroy(error);
  kit_close(&k);
}

START_TEST(what_has_no_code_is_refused)
{
  refuses("host", "loop func f(A: f32[1], n: index) {\n  alloc L: f32[n] in local\n  L[0] = A[0]\n}\n",
          TN_E_UNSUPPORTED, "codegen: f: `L` is on the stack and has no constant size");
  refuses("host", "loop func f(A: f32[1]) {\n  alloc L: f32[10000000] in local\n  L[0] = A[0]\n}\n", TN_E_LIMIT,
          "codegen: f: with `L` the function needs more than 1048576 bytes of stack");
  refuses("host", "loop func memcpy(A: f32[1]) {\n  A[0] = 0.0:f32\n}\n", TN_E_INVALID,
          "codegen: memcpy: a function cannot have this name: compiled code calls the C library's");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("statements");
  TCase *tc = tcase_create("statements");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, loop_runs_over_its_extent);
  tcase_add_test(tc, scalars_arrive_by_their_c_types);
  tcase_add_test(tc, false_conditions_access_nothing);
  tcase_add_test(tc, subscripts_of_all_forms);
  tcase_add_test(tc, columns_of_squares_are_stored);
  tcase_add_test(tc, columns_are_not_read_before_they_are_stored);
  tcase_add_loop_test(tc, lanes_take_elements_near_each_other, 0, 5);
  tcase_add_loop_test(tc, lanes_take_elements_a_few_apart, 0, 5);
  tcase_add_test(tc, vectors_are_stored_between_each_other);
  tcase_add_test(tc, bool_is_a_byte_in_memory);
  tcase_add_test(tc, a_store_is_seen_by_later_loads);
  tcase_add_test(tc, buffers_inside_a_function);
  tcase_add_test(tc, no_scratch_memory_is_a_status_and_nothing_stays_held);
  tcase_add_test(tc, parallel_loops_cover_the_range_and_pass_failures_on);
  tcase_add_test(tc, externals_take_and_give_values);
  tcase_add_test(tc, what_has_no_code_is_refused);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
