/* roof.c -- what the machine can do at most, now and with so many threads: multiply-adds a second, bytes read a second.
 *
 * Both are programs of Tenon, so that they run wherever models do: chains of fused multiply-adds that depend on nothing
 * but themselves, in vectors of 4, 8 and 16 (the best counts), and sums over as many bytes as the model takes, read again
 * and again, so that they lie in the cache in which the model's lie.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

enum { CHAINS = 12, STEPS = 100000, SUMS = 8, LANES = 8, RUNS = 9 };

typedef struct loop {
  tn_module *module;
  const tn_function *function;
} loop;

static bool compile(session *s, const char *text, loop *out) {
  tn_error *error = NULL;
  tn_program *program = NULL;
  const tn_compile_desc desc = {.struct_size = sizeof desc};
  tn_status status = tn_program_parse(s->context, text, strlen(text), "roof", &program, &error);
  if (!status) status = tn_compile(program, &desc, &out->module, &error);
  if (!status) status = tn_module_function(out->module, "roof", &out->function, &error);
  tn_program_destroy(program);
  return status ? (report("the machine's roof", error), false) : true;
}

/* Seconds of the fastest of some calls; 0: it failed. */
static double fastest(const loop *l, const array *a, const array *b) {
  int64_t shapes[2][TN_MAX_RANK];
  const DLTensor tensors[] = {array_rows(a, 0, a->shape[0], shapes[0]), array_rows(b, 0, b->shape[0], shapes[1])};
  const tn_value args[] = {tn_value_tensor(&tensors[0]), tn_value_tensor(&tensors[1])};
  double least = 0;
  tn_error *error = NULL;
  for (int i = 0; i < RUNS; i++) {
    double start = seconds();
    if (tn_function_call(l->function, args, 2, NULL, &error)) return report("the machine's roof", error), 0;
    double spent = seconds() - start;
    if (i == 0 || spent < least) least = spent;
  }
  return least;
}

/* Operations a second in vectors of so many lanes. */
static double multiply_adds(session *s, int threads, int lanes) {
  loop l = {0};
  array a = {0}, b = {0};
  double rate = 0;
  const char *text = take_text("scheduled func roof(A: f32[%d, %d], B: f32[%d, %d]) {\n"
                               "  for t in 0..%d parallel {\n"
                               "    alloc C: f32[%d, %d] in register\n"
                               "    let m = A[t, 0]\n"
                               "    for i in 0..%d unrolled { for l in 0..%d vectorized { C[i, l] = B[t, i * %d + l] } }\n"
                               "    for s in 0..%d {\n"
                               "      for i in 0..%d unrolled { for l in 0..%d vectorized { C[i, l] = fma(C[i, l], m, m) } }\n"
                               "    }\n"
                               "    for i in 0..%d unrolled { for l in 0..%d vectorized { B[t, i * %d + l] = C[i, l] } }\n"
                               "  }\n"
                               "}\n",
                               threads, lanes, threads, CHAINS * lanes, threads, CHAINS, lanes, CHAINS, lanes, lanes,
                               STEPS, CHAINS, lanes, CHAINS, lanes, lanes);
  if (compile(s, text, &l) && array_create(&a, TN_F32, 2, (int64_t[]){threads, lanes}, "A") &&
      array_create(&b, TN_F32, 2, (int64_t[]){threads, CHAINS * lanes}, "B")) {
    for (int64_t i = 0; i < array_count(&a); i++) ((float *)a.data)[i] = 0.5f;
    for (int64_t i = 0; i < array_count(&b); i++) ((float *)b.data)[i] = (float)i;
    double spent = fastest(&l, &a, &b);
    if (spent > 0) rate = 2.0 * CHAINS * STEPS * lanes * threads / spent;
  }
  array_destroy(&a);
  array_destroy(&b);
  tn_module_destroy(l.module);
  return rate;
}

/* Bytes a second that all threads read together, of so many that they have. */
static double reads(session *s, int threads, double bytes) {
  enum { LEAST = 1 << 16, MOST = 1 << 28, BLOCK = SUMS * LANES * 4 };
  double clipped = bytes < LEAST ? LEAST : bytes > MOST ? MOST : bytes, rate = 0;
  int64_t blocks = (int64_t)clipped / BLOCK / threads + 1, times = (1 << 26) / (blocks * BLOCK) + 1;
  loop l = {0};
  array a = {0}, b = {0};
  const char *text =
      take_text("scheduled func roof(A: i32[%d, %lld], B: i32[%d, %d]) {\n"
                "  for t in 0..%d parallel {\n"
                "    alloc C: i32[%d, %d] in register\n"
                "    for i in 0..%d unrolled { for l in 0..%d vectorized { C[i, l] = B[t, i * %d + l] } }\n"
                "    for r in 0..%lld { for k in 0..%lld {\n"
                "      for i in 0..%d unrolled { for l in 0..%d vectorized {\n"
                "        C[i, l] = C[i, l] + A[t, (k * %d + i) * %d + l]\n"
                "      } }\n"
                "    } }\n"
                "    for i in 0..%d unrolled { for l in 0..%d vectorized { B[t, i * %d + l] = C[i, l] } }\n"
                "  }\n"
                "}\n",
                threads, (long long)blocks * SUMS * LANES, threads, SUMS * LANES, threads, SUMS, LANES, SUMS, LANES, LANES,
                (long long)times, (long long)blocks, SUMS, LANES, SUMS, LANES, SUMS, LANES, LANES);
  if (compile(s, text, &l) && array_create(&a, TN_I32, 2, (int64_t[]){threads, blocks * SUMS * LANES}, "A") &&
      array_create(&b, TN_I32, 2, (int64_t[]){threads, SUMS * LANES}, "B")) {
    memset(a.data, 1, array_bytes(&a)); /* its pages are its own */
    double spent = fastest(&l, &a, &b);
    if (spent > 0) rate = (double)times * (double)blocks * BLOCK * threads / spent;
  }
  array_destroy(&a);
  array_destroy(&b);
  tn_module_destroy(l.module);
  return rate;
}

bool roof_measure(session *s, int32_t threads, double bytes, roof *best) {
  for (int lanes = 4; lanes <= 16; lanes *= 2) {
    double rate = multiply_adds(s, threads, lanes);
    if (!(rate > 0)) return false;
    if (rate > best->operations) best->operations = rate;
  }
  double rate = reads(s, threads, bytes);
  if (rate > best->bytes) best->bytes = rate;
  return rate > 0;
}

double roof_share(const roof *r, double operations, double bytes, double spent) {
  double compute = operations / r->operations, memory = bytes / r->bytes;
  return spent > 0 ? (compute > memory ? compute : memory) / spent : 0;
}
