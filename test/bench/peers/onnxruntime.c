/* onnxruntime.c -- ONNX Runtime's kernels by its C interface: a model of one layer, weights inside, all that it optimises
 * on, and results written where they are wanted.
 *
 * The interface is a table of functions whose places never change; these are the few that are called.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench.h"

typedef void *handle; /* every object of ONNX Runtime; a status is NULL when all is well */
enum { VERSION = 13, LOG_ERRORS = 3, OPTIMIZE_ALL = 99, ARENA = 1, DEFAULT_MEMORY = 0, FLOAT32 = 1, MOST_VALUES = 6 };

static struct {
  handle (*create_env)(int, const char *, handle *);
  handle (*create_session_from_array)(handle, const void *, size_t, handle, handle *);
  handle (*run)(handle, handle, const char *const *, const handle *, size_t, const char *const *, size_t, handle *);
  handle (*create_session_options)(handle *);
  handle (*set_optimization_level)(handle, int);
  handle (*set_threads)(handle, int);
  handle (*create_tensor_with_data)(handle, void *, size_t, const int64_t *, size_t, int, handle *);
  handle (*create_cpu_memory_info)(int, int, handle *);
  const char *(*error_message)(handle);
  void (*release_session)(handle);
  void (*release_value)(handle);
} ort;

static const struct {
  void *to;
  int place;
} places[] = {{&ort.error_message, 2},          {&ort.create_env, 3},         {&ort.create_session_from_array, 8},
              {&ort.run, 9},                    {&ort.create_session_options, 10}, {&ort.set_optimization_level, 23},
              {&ort.set_threads, 24},           {&ort.create_tensor_with_data, 49}, {&ort.create_cpu_memory_info, 69},
              {&ort.release_session, 95},       {&ort.release_value, 96}};

static handle environment, options, memory;

/* Says what was wrong. */
static bool is_good(handle status) {
  if (status) fprintf(stderr, "tenon-bench: onnxruntime: %s\n", ort.error_message(status));
  return !status;
}

static bool open_onnxruntime(const char *folder, int threads) {
  typedef struct base {
    void *const *(*table)(uint32_t version);
    const char *(*version)(void);
  } base;
  void *library = bench_open(folder, (const char *const[]){"libonnxruntime.so", NULL});
  const base *(*get_base)(void) = NULL;
  if (library) *(void **)&get_base = dlsym(library, "OrtGetApiBase");
  void *const *table = get_base ? get_base()->table(VERSION) : NULL;
  if (!table) return false;
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) *(void **)places[i].to = table[places[i].place];
  return is_good(ort.create_env(LOG_ERRORS, "tenon-bench", &environment)) &&
         is_good(ort.create_session_options(&options)) && is_good(ort.set_optimization_level(options, OPTIMIZE_ALL)) &&
         is_good(ort.set_threads(options, threads)) &&
         is_good(ort.create_cpu_memory_info(ARENA, DEFAULT_MEMORY, &memory));
}

typedef struct prepared {
  handle session, values[MOST_VALUES];
  const char *names[MOST_VALUES];
  size_t inputs, count; /* outputs behind the inputs */
} prepared;

static void run(void *self) {
  prepared *p = self;
  handle status = ort.run(p->session, NULL, p->names, (const handle *)p->values, p->inputs, p->names + p->inputs,
                          p->count - p->inputs, p->values + p->inputs);
  if (!is_good(status)) exit(1);
}

static void drop(void *self) {
  prepared *p = self;
  for (size_t i = 0; i < p->count; i++)
    if (p->values[i]) ort.release_value(p->values[i]);
  if (p->session) ort.release_session(p->session);
  free(p);
}

static bool add_value(prepared *p, const bench_value *v) {
  size_t bytes = sizeof(float);
  for (int i = 0; i < v->rank; i++) bytes *= (size_t)v->shape[i];
  p->names[p->count] = v->name;
  return is_good(ort.create_tensor_with_data(memory, v->data, bytes, v->shape, (size_t)v->rank, FLOAT32,
                                             &p->values[p->count++]));
}

static void *prepare(const void *operands) {
  const bench_rnn *g = operands;
  bench_value values[MOST_VALUES];
  size_t inputs, count = bench_rnn_values(g, values, &inputs), size;
  prepared *p = bench_alloc(sizeof *p);
  void *model = bench_rnn_model(g, &size);
  *p = (prepared){.inputs = inputs};
  bool good = is_good(ort.create_session_from_array(environment, model, size, options, &p->session));
  for (size_t i = 0; i < count && good; i++) good = add_value(p, &values[i]);
  free(model);
  if (good) return p;
  drop(p);
  return NULL;
}

const bench_peer bench_onnxruntime_rnn_peers[] = {{"ONNX Runtime", true, open_onnxruntime, prepare, run, NULL, drop, 0},
                                                  {0}};
