/* soak.c -- one model called by many threads of a host at once, for as long as is asked.
 *
 *     soak MODEL.onnx [SECONDS [THREADS [LEAST]]]            60 seconds, 8 threads, 0.9
 *
 * Kernels run on the caller's thread (tn_threads.count = 1). Two things take turns, a second each: all THREADS call the
 * model; and as many threads as there are cores call it, a model of their own each, as if each had a process to itself,
 * which is what the cores allow. Every output is compared, bit for bit, with what one thread alone got for the same
 * input. Fails on a wrong output, when memory that the library asked for has grown since the first turn, and when the
 * median of turns' throughput is below LEAST of what the cores allow. Kernels' own memory comes from blocks that are kept
 * (lib/runtime/scratch.c): how many of which size are held at once is chance, so up to what one call takes may come for
 * each thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tenon/tenon.h"

enum { SETS = 4, MAX_THREADS = 64, MAX_TURNS = 4096, MAX_TENSORS = 32 };

static atomic_long bytes_used;

static void *count_bytes(void *self, void *block, size_t old_size, size_t new_size, size_t align) {
  void *moved = NULL;
  (void)self;
  if (new_size) {
    moved = aligned_alloc(align, (new_size + align - 1) / align * align);
    if (!moved) return NULL;
    if (block) memcpy(moved, block, old_size < new_size ? old_size : new_size);
  }
  if (block) free(block);
  atomic_fetch_add(&bytes_used, (long)new_size - (long)old_size);
  return moved;
}

/* A model, and the host's memory for one caller. */
typedef struct caller {
  const tn_model *model;
  tn_tensor *out[MAX_TENSORS];
  long calls, wrong;
  char reason[512];
} caller;

static tn_context *ctx;
static const tn_model *shared;
static tn_tensor *inputs[SETS][MAX_TENSORS], *references[SETS][MAX_TENSORS];
static atomic_bool stop;
static long one_call; /* bytes that kernels took in the first call, and keep */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(tn_status status, tn_error *error) {
  if (!status) return;
  fprintf(stderr, "soak: %s\n", tn_error_text(error));
  exit(1);
}

static const tn_model *load(const char *path) {
  tn_program *program;
  tn_module *module;
  const tn_model *model;
  tn_error *error = NULL;
  tn_import_desc desc = {.struct_size = sizeof desc, .default_dim = 1};
  check(tn_onnx_load(ctx, path, &desc, &program, &error), error);
  check(tn_compile(program, NULL, &module, &error), error);
  check(tn_module_model(module, "main", &model, &error), error);
  tn_program_destroy(program);
  if (!tn_model_step_count(model) || tn_model_input_count(model) > MAX_TENSORS ||
      tn_model_output_count(model) > MAX_TENSORS) {
    fprintf(stderr, "soak: %s: shapes are known only while it runs, or it has more than %d tensors\n", path, MAX_TENSORS);
    exit(1);
  }
  return model;
}

typedef void info_at(const tn_model *model, size_t i, tn_tensor_info *out);

static tn_tensor *make_tensor(info_at *at, size_t i) {
  tn_tensor_info info;
  tn_tensor *t;
  tn_error *error = NULL;
  at(shared, i, &info);
  check(tn_tensor_create(ctx, info.type, info.rank, info.shape, &t, &error), error);
  return t;
}

static size_t count_elements(const DLTensor *t) {
  size_t count = 1;
  for (int32_t d = 0; d < t->ndim; d++) count *= (size_t)t->shape[d];
  return count;
}

static size_t count_tensor_bytes(const DLTensor *t) { return (count_elements(t) * t->dtype.bits + 7) / 8; }

/* Floats in -1 .. 1; other types 0 or 1. */
static void fill(tn_tensor *t, uint32_t seed) {
  const DLTensor *view = tn_tensor_view(t);
  size_t count = count_elements(view), size = (size_t)view->dtype.bits / 8;
  char *data = tn_tensor_data(t);
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    float x = (float)(seed >> 8) / (float)(1 << 23) - 1;
    bool is_float = view->dtype.code == kDLFloat && size == sizeof x;
    memset(data + i * size, 0, size);
    if (is_float)
      memcpy(data + i * size, &x, sizeof x);
    else
      data[i * size] = (char)(seed >> 31);
  }
}

static tn_status call_once(caller *c, size_t set, tn_tensor *const *out, tn_error **error) {
  const DLTensor *in_views[MAX_TENSORS], *out_views[MAX_TENSORS];
  size_t in_count = tn_model_input_count(c->model), out_count = tn_model_output_count(c->model);
  for (size_t i = 0; i < in_count; i++) in_views[i] = tn_tensor_view(inputs[set][i]);
  for (size_t i = 0; i < out_count; i++) out_views[i] = tn_tensor_view(out[i]);
  return tn_model_run(c->model, in_views, in_count, out_views, out_count, error);
}

static bool is_right(const caller *c, size_t set) {
  for (size_t i = 0; i < tn_model_output_count(c->model); i++)
    if (memcmp(tn_tensor_data(c->out[i]), tn_tensor_data(references[set][i]),
               count_tensor_bytes(tn_tensor_view(c->out[i]))) != 0)
      return false;
  return true;
}

static void *call_until_stopped(void *argument) {
  caller *c = argument;
  for (size_t set = 0; !atomic_load_explicit(&stop, memory_order_relaxed); set = (set + 1) % SETS) {
    tn_error *error = NULL;
    if (call_once(c, set, c->out, &error)) {
      snprintf(c->reason, sizeof c->reason, "%s", tn_error_text(error));
      tn_error_destroy(error);
      break;
    }
    c->calls++;
    c->wrong += !is_right(c, set);
  }
  return NULL;
}

/* A turn of the callers, for so long: calls a second. */
static double take_turn(caller *callers, size_t count, double seconds) {
  pthread_t threads[MAX_THREADS];
  long before = 0, after = 0;
  atomic_store(&stop, false);
  for (size_t i = 0; i < count; i++) before += callers[i].calls;
  double start = now();
  for (size_t i = 0; i < count; i++)
    if (pthread_create(&threads[i], NULL, call_until_stopped, &callers[i])) exit(1);
  usleep((useconds_t)(1e6 * seconds));
  atomic_store(&stop, true);
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
  double took = now() - start;
  for (size_t i = 0; i < count; i++) after += callers[i].calls;
  return (double)(after - before) / took;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void make_callers(caller *callers, size_t count, const char *path) {
  for (size_t i = 0; i < count; i++) {
    callers[i].model = path ? load(path) : shared;
    for (size_t k = 0; k < tn_model_output_count(shared); k++) callers[i].out[k] = make_tensor(tn_model_output, k);
  }
}

static void make_references(void) {
  caller alone = {.model = shared};
  for (size_t s = 0; s < SETS; s++) {
    tn_error *error = NULL;
    for (size_t i = 0; i < tn_model_input_count(shared); i++) {
      inputs[s][i] = make_tensor(tn_model_input, i);
      fill(inputs[s][i], (uint32_t)(s * MAX_TENSORS + i));
    }
    for (size_t i = 0; i < tn_model_output_count(shared); i++) references[s][i] = make_tensor(tn_model_output, i);
    long before = atomic_load(&bytes_used);
    check(call_once(&alone, s, references[s], &error), error);
    if (s == 0) one_call = atomic_load(&bytes_used) - before;
  }
}

/* Says what went wrong with any of them. */
static bool all_right(const caller *callers, size_t count) {
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    if (*callers[i].reason) printf("FAIL: thread %zu: %s\n", i, callers[i].reason);
    if (callers[i].wrong) printf("FAIL: thread %zu: %ld wrong of %ld calls\n", i, callers[i].wrong, callers[i].calls);
    good &= !*callers[i].reason && !callers[i].wrong && callers[i].calls;
  }
  return good;
}

int main(int argc, char **argv) {
  static caller many[MAX_THREADS], own[MAX_THREADS];
  static double ratios[MAX_TURNS];
  double seconds = argc > 2 ? atof(argv[2]) : 60, least = argc > 4 ? atof(argv[4]) : 0.9, end;
  int count = argc > 3 ? atoi(argv[3]) : 8, turns = 0;
  long cores = sysconf(_SC_NPROCESSORS_ONLN), flat = 0, calls = 0;
  if (argc < 2 || argc > 5 || !(seconds > 0) || count < 1 || count > MAX_THREADS)
    return fprintf(stderr, "usage: soak MODEL.onnx [SECONDS [THREADS [LEAST]]]      up to %d threads\n", MAX_THREADS), 2;
  tn_context_desc desc = {.struct_size = sizeof desc, .allocator = {NULL, count_bytes}, .threads = {.count = 1}};
  tn_error *error = NULL;
  check(tn_context_create(&desc, &ctx, &error), error);
  if (cores > MAX_THREADS) cores = MAX_THREADS;
  shared = load(argv[1]);
  make_callers(many, (size_t)count, NULL);
  make_callers(own, (size_t)cores, argv[1]);
  make_references();
  take_turn(many, (size_t)count, 1), take_turn(own, (size_t)cores, 1);
  flat = atomic_load(&bytes_used);
  for (end = now() + seconds; now() < end && turns < MAX_TURNS; turns++) {
    double all = take_turn(many, (size_t)count, 1);
    ratios[turns] = all / take_turn(own, (size_t)cores, 1);
  }
  for (int i = 0; i < count; i++) calls += many[i].calls;
  long grown = atomic_load(&bytes_used) - flat;
  qsort(ratios, (size_t)turns, sizeof *ratios, by_value);
  printf("%ld calls on %d threads; throughput %.3f of what %ld cores allow (median of %d turns); memory %.1f MB, grown by "
         "%ld bytes\n",
         calls, count, ratios[turns / 2], cores, turns, 1e-6 * (double)flat, grown);
  bool good = all_right(many, (size_t)count) && all_right(own, (size_t)cores) && grown <= count * one_call;
  return !(good && ratios[turns / 2] >= least);
}
