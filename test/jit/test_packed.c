/* test_packed.c -- integers of 4 and 2 bits in memory, two or four to a byte: compiled accesses of every form against the
 * interpreter, on every level of x86-64, and threads that write parts of one byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "session.h"

enum { COUNT = 67, BYTES = (COUNT + 1) / 2 + 8 };

/* Bodies over A and B: i4[67] (then i2[67], and numbers of that type) with random elements, C: u4[67], I: i32[16] in 0..67 and n = 5. */
static const char *const bodies[] = {
    /* scalars: each half, the other kept */
    "A[0] = 5:i4\n A[3] = -6:i4\n A[66] = 1:i4",
    "for i in 0..n {\n A[i * 3] = B[i * 3 + 1] + 7:i4\n }",
    "A[n] = A[n - 1 if n < 3]\n A[n + 1 if n < 3] = 1:i4\n A[n + 2 if 3 < n] = 2:i4",
    "C[I2] = 9:u4\n A[I2 + 1] = cast(i4, C[I2])",
    /* whole bytes, and vectors that begin or end within one */
    "A[ramp(8, 1, 16)] = B[ramp(32, 1, 16)] * A[ramp(2, 1, 16)]",
    "A[ramp(n * 2, 1, 2)] = B[ramp(n * 4, 1, 2)]",
    "A[ramp(1, 1, 16)] = B[ramp(0, 1, 16)] - B[ramp(33, 1, 16)]",
    "A[ramp(n, 1, 8)] = B[ramp(n + 1, 1, 8)]",
    "A[ramp(60, 1, 7)] = B[ramp(0, 1, 7)]",
    "A[ramp(0, 1, 3)] = B[ramp(n + 2, 1, 3)]",
    "C[ramp(0, 1, 64)] = max(C[ramp(0, 1, 64)], broadcast(9:u4, 64))",
    /* strides, gathers, scatters; the last of equal subscripts stays */
    "A[ramp(1, 2, 8)] = B[ramp(40, -2, 8)]",
    "A[ramp(0, 1, 8)] = B[cast(indexx8, I[ramp(0, 1, 8)])]",
    "A[cast(indexx8, I[ramp(4, 1, 8)])] = B[ramp(4, 1, 8)]",
    "A[broadcast(n, 4)] = B[ramp(8, 1, 4)]",
    "A[ramp(4, 1, 8)] = B[broadcast(n, 8)]",
    /* masks; what is beyond the end is not touched */
    "A[ramp(56, 1, 16) if ramp(56, 1, 16) < broadcast(67, 16)] = B[ramp(0, 1, 16)]",
    "A[ramp(0, 1, 16)] = B[ramp(60, 1, 16) if ramp(60, 1, 16) < broadcast(67, 16)]",
    "A[ramp(3, 1, 8) if B[ramp(0, 1, 8)] < broadcast(0:i4, 8)] = broadcast(7:i4, 8)",
    "A[ramp(2, 1, 8) if broadcast(n < 9, 8)] = A[ramp(10, 1, 8) if broadcast(n < 3, 8)]",
    /* buffers of the function: odd sizes, on the stack and as scratch memory; bytes are shared from the first store on */
    "alloc T: i4[5] in local\n for i in 0..5 {\n T[i] = B[i]\n }\n for i in 0..5 {\n A[i] = T[4 - i]\n }",
    "alloc T: u4[n * 13]\n for i in 0..65 {\n T[i] = cast(u4, i)\n }\n A[ramp(0, 1, 65)] = reinterpret(i4x65, "
    "T[ramp(0, 1, 65)])",
    "alloc T: i4[] in register\n T[0] = B[n]\n A[0] = T[0] << 1:i4",
    /* parallel: halves of a byte written by neighbours */
    "for i in 0..67 parallel {\n A[i] = B[66 - i] ^ 3:i4\n }",
    "for i in 0..11 parallel {\n for j in 0..6 {\n C[i * 6 + j] = C[i * 6 + j] + 1:u4\n }\n }",
    "for i in 0..22 parallel {\n A[ramp(i * 3, 1, 3)] = B[ramp(i * 3 + 1, 1, 3)]\n }",
    /* in one step: alone, and among threads that have the other half or the same one */
    "for i in 0..16 {\n reduce A[cast(index, I[i])] add= B[i]\n }",
    "for i in 0..67 parallel {\n reduce A[i] mul= B[i]\n }",
    "for i in 0..64 parallel {\n reduce A[i % 3] add= B[i]\n reduce C[i % 2] max= C[i + 3]\n reduce C[2] xor= 5:u4\n }",
    "for i in 0..8 parallel {\n reduce A[ramp(i * 8, 1, 8)] min= B[ramp(3, 1, 8)]\n }",
    /* out to other types */
    "for i in 0..16 {\n I[i] = cast(i32, A[i]) * 100:i32 + cast(i32, C[i])\n }",
    "I[ramp(0, 1, 16)] = cast(i32x16, A[ramp(0, 1, 16)]) + cast(i32x16, C[ramp(2, 1, 16)])",
};

typedef struct memory {
  uint8_t a[BYTES], b[BYTES], c[BYTES];
  int32_t i[16];
} memory;

static void fill(memory *m) {
  uint32_t seed = 1;
  uint8_t *all = (uint8_t *)m;
  for (size_t k = 0; k < sizeof *m; k++) {
    seed = seed * 1664525u + 1013904223u;
    all[k] = (uint8_t)(seed >> 24);
  }
  for (int k = 0; k < 16; k++) m->i[k] = (int32_t)((uint32_t)m->i[k] % COUNT);
}

typedef struct arguments {
  int64_t shape, indices;
  DLTensor tensors[4];
  tn_value values[5];
} arguments;

static void bind(arguments *x, memory *m, int bits) {
  void *const data[] = {m->a, m->b, m->c, m->i};
  const tn_type i = TN_TYPE(kDLInt, bits, 1), types[] = {i, i, TN_TYPE(kDLUInt, bits, 1), TN_I32};
  x->shape = COUNT;
  x->indices = 16;
  for (int k = 0; k < 4; k++) {
    x->tensors[k] = view(types[k], 1, k < 3 ? &x->shape : &x->indices, data[k]);
    x->values[k] = tn_value_tensor(&x->tensors[k]);
  }
  x->values[4] = tn_value_int(5);
}

/* The text with i2 and u2 in the place of i4 and u4, and numbers of these types cut to what both hold. */
static void narrow(char *text) {
  for (char *s = text; *s; s++) {
    if ((s[0] != 'i' && s[0] != 'u') || s[1] != '4') continue;
    char *digit = s > text + 1 && s[-1] == ':' ? s - 2 : NULL;
    if (digit && digit > text && digit[-1] == '-') digit[-1] = ' ';
    if (digit && *digit >= '0' && *digit <= '9') *digit = *digit == '0' ? '0' : '1';
    s[1] = '2';
  }
}

/* Function k of the program has body k. */
static tn_program *program_of_bodies(tn_context *ctx, int bits) {
  tni_text text;
  tni_text_init(&text, ctx);
  for (size_t k = 0; k < TNI_COUNT(bodies); k++)
    tni_text_add(&text,
                 "loop func f%zu(A: i4[67], B: i4[67], C: u4[67], I: i32[16], n: index) {\n"
                 " let I2 = cast(index, I[2]) // 2\n %s\n}\n",
                 k, bodies[k]);
  if (bits == 2) narrow(text.data);
  tn_program *program = session_parse(ctx, text.data);
  tni_text_destroy(&text);
  return program;
}

static void check_on(const char *target, int bits) {
  tn_context *ctx = session_open();
  tn_program *program = program_of_bodies(ctx, bits);
  tn_compile_desc desc = {.struct_size = sizeof desc};
  tn_error *error = NULL;
  must(tn_target_get(ctx, target, &desc.target, &error), error);
  tn_module *module = session_compile(program, &desc);
  for (size_t k = 0; k < TNI_COUNT(bodies); k++) {
    memory want, have;
    arguments x;
    char name[16];
    snprintf(name, sizeof name, "f%zu", k);
    fill(&want);
    fill(&have);
    bind(&x, &want, bits);
    must(tn_func_interpret(tn_program_func(program, name), x.values, 5, &error), error);
    bind(&x, &have, bits);
    must(tn_function_call(session_function(module, name), x.values, 5, NULL, &error), error);
    ck_assert_msg(memcmp(&want, &have, sizeof want) == 0, "%s, %d bits: %s", target, bits, bodies[k]);
    memory before;
    fill(&before);
    ck_assert_msg(memcmp(&before, &have, sizeof want) != 0, "does nothing: %s", bodies[k]);
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

START_TEST(on_v2)
{
  check_on("x86-64-v2", 4);
  check_on("x86-64-v2", 2);
}
END_TEST
START_TEST(on_v3)
{
  check_on("x86-64-v3", 4);
  check_on("x86-64-v3", 2);
}
END_TEST
START_TEST(on_v4)
{
  check_on("x86-64-v4", 4);
  check_on("x86-64-v4", 2);
}
END_TEST

/* A loop run by two threads: one has the even iterations, one the odd ones. */
typedef struct half {
  const tn_env *env;
  int32_t (*body)(const tn_env *, void *, int64_t, int64_t);
  void *closure;
  int64_t first, count;
  int32_t status;
} half;

static void *run_half(void *argument) {
  half *h = argument;
  for (int64_t i = h->first; i < h->count; i += 2) h->status |= h->body(h->env, h->closure, i, i + 1);
  return NULL;
}

static int32_t by_halves(const tn_env *env, int32_t (*body)(const tn_env *, void *, int64_t, int64_t), void *closure,
                         int64_t count, int64_t grain) {
  half even = {env, body, closure, 0, count, 0}, odd = {env, body, closure, 1, count, 0};
  pthread_t thread;
  (void)grain;
  ck_assert_int_eq(pthread_create(&thread, NULL, run_half, &odd), 0);
  run_half(&even);
  pthread_join(thread, NULL);
  return even.status | odd.status;
}

/* Each iteration reads and writes only its own half of a byte, many times, while another thread has the other: a lost
 * update shows. */
START_TEST(neighbours_on_other_threads)
{
  enum { N = 2001, ROUNDS = 50, STEPS = 400 };
  static const char text[] = "loop func f(A: u4[2001]) {\n  for i in 0..2001 parallel {\n    for k in 0..400 {\n"
                             "      A[i] = A[i] * 3:u4 + 1:u4\n    }\n  }\n}\n";
  static uint8_t have[N / 2 + 1], want[N / 2 + 1];
  tn_context *ctx = session_open();
  tn_program *program = session_parse(ctx, text);
  tn_module *module = session_compile(program, NULL);
  const tn_function *f = session_function(module, "f");
  int32_t (*kernel)(const tn_env *, void *) = (int32_t(*)(const tn_env *, void *))tn_function_pointer(f);
  tn_env env = *tn_function_env(f);
  env.parallel_for = by_halves;
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < N; i++) {
      int64_t x = (i * 7 + round) & 15;
      tni_write_element(TN_U4, have, i, (tni_scalar){.i = x});
      for (int k = 0; k < STEPS; k++) x = (x * 3 + 1) & 15;
      tni_write_element(TN_U4, want, i, (tni_scalar){.i = x});
    }
    ck_assert_int_eq(kernel(&env, have), 0);
    ck_assert_mem_eq(have, want, sizeof want);
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

/* Scheduled by default: odd rows, whose vectors begin within a byte. */
START_TEST(tensor_functions_of_odd_rows)
{
  static const char text[] = "func f(A: i4[7, 37], B: i4[7, 37]) {\n  for i in 0..7 {\n    for j in 0..37 {\n"
                             "      block B(x: 0..7 = i, y: 0..37 = j) {\n"
                             "        B[x, y] = A[6 - x, y] * A[x, y] + 3:i4\n      }\n    }\n  }\n}\n";
  uint8_t a[130], want[130] = {0}, have[130] = {0};
  int64_t shape[] = {7, 37};
  tn_context *ctx = session_open();
  tn_program *program = session_parse(ctx, text);
  tn_module *module = session_compile(program, NULL);
  tn_error *error = NULL;
  for (int i = 0; i < 130; i++) a[i] = (uint8_t)(i * 37 + 11);
  DLTensor in = view(TN_I4, 2, shape, a), out = view(TN_I4, 2, shape, want);
  tn_value values[] = {tn_value_tensor(&in), tn_value_tensor(&out)};
  must(tn_func_interpret(tn_program_func(program, "f"), values, 2, &error), error);
  out.data = have;
  must(tn_function_call(session_function(module, "f"), values, 2, NULL, &error), error);
  ck_assert_mem_eq(want, have, sizeof want);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

static int8_t doubled(void *self, int8_t x, uint8_t y) {
  (void)self;
  return (int8_t)(2 * x + (y == 15));
}

/* By their C types, in range; to externals and back. */
START_TEST(scalars_of_less_than_a_byte)
{
  static const char text[] = "extern doubled(i4, u4): i4\n"
                             "loop func f(A: i32[4], x: i4, y: u4, z: f8e4m3, w: f8e5m2uz, v: f4e2m1) {\n"
                             "  A[0] = cast(i32, x)\n  A[1] = cast(i32, y)\n"
                             "  A[2] = cast(i32, cast(f32, z) * cast(f32, w) * cast(f32, v))\n  A[3] = cast(i32, @doubled(x, y))\n}\n";
  int32_t a[4] = {0};
  int64_t shape = 4;
  tn_context *ctx = session_open();
  tn_program *program = session_parse(ctx, text);
  tn_error *error = NULL;
  const tn_type params[] = {TN_I4, TN_U4};
  must(tn_program_extern(program, "doubled", TN_I4, 2, params, (void (*)(void))doubled, NULL, &error), error);
  tn_module *module = session_compile(program, NULL);
  const tn_function *f = session_function(module, "f");
  DLTensor out = view(TN_I32, 1, &shape, a);
  tn_value values[] = {tn_value_tensor(&out), tn_value_int(-3), tn_value_int(15), tn_value_float(448),
                       tn_value_float(2),       tn_value_float(1.5)};
  must(tn_function_call(f, values, 6, NULL, &error), error);
  ck_assert_int_eq(a[0], -3);
  ck_assert_int_eq(a[1], 15);
  ck_assert_int_eq(a[2], 1344);
  ck_assert_int_eq(a[3], -5);
  values[1] = tn_value_int(8);
  refused(tn_function_call(f, values, 6, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 1 (`x`): must be an integer in the range of i4");
  values[1] = tn_value_int(0);
  values[2] = tn_value_int(-1);
  refused(tn_function_call(f, values, 6, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 2 (`y`): must be an integer in the range of u4");
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(arguments_that_do_not_fit)
{
  uint8_t data[16] = {0};
  int64_t shape[] = {3, 5}, wrong[] = {3, 6}, strides[] = {6, 1};
  tn_context *ctx = session_open();
  tn_program *program = session_parse(ctx, "loop func f(A: i4[3, 5], B: i4[3, 5]) {\n  A[0] = B[0]\n}\n");
  tn_module *module = session_compile(program, NULL);
  const tn_function *f = session_function(module, "f");
  tn_error *error = NULL;
  DLTensor a = view(TN_I4, 2, shape, data), b = view(TN_I4, 2, shape, data + 8);
  tn_value values[] = {tn_value_tensor(&a), tn_value_tensor(&b)};
  must(tn_function_call(f, values, 2, NULL, &error), error);
  a.shape = wrong;
  refused(tn_function_call(f, values, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): is i4[3, 6], not i4[3, 5]");
  a.shape = shape;
  a.dtype.bits = 8;
  refused(tn_function_call(f, values, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): is i8[3, 5], not i4[3, 5]");
  a.dtype.bits = 4;
  a.strides = strides; /* rows that begin on a byte */
  refused(tn_function_call(f, values, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): has strides (6, 1), not (5, 1)");
  a.strides = NULL;
  b.data = data + 7; /* the last byte of A, of which it has one half */
  refused(tn_function_call(f, values, 2, NULL, &error), error, TN_E_INVALID,
          "call: f: argument 0 (`A`): is written, and overlaps argument 1 (`B`)");
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

int main(void) {
  const TTest *tests[8] = {neighbours_on_other_threads, tensor_functions_of_odd_rows, scalars_of_less_than_a_byte,
                           arguments_that_do_not_fit};
  size_t count = 4;
  if (tni_host_level() >= 2) tests[count++] = on_v2;
  if (tni_host_level() >= 3) tests[count++] = on_v3;
  if (tni_host_level() >= 4) tests[count++] = on_v4;
  return suite_run_tests("packed", tests, count, NULL, NULL);
}
