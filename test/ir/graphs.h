/* graphs.h -- what the tests of graphs share: graphs from operators, run after all passes, each step in the interpreter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_IR_GRAPHS_H
#define TEST_IR_GRAPHS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/graph.h"
#include "suite.h"

static tn_context *ctx;
static tn_program *program, *target;
static tni_gbuilder *b;

static const tni_evaluator interpreter = {NULL, tni_evaluate_interpreted};

static inline void setup(void) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &target, NULL), TN_OK);
  ck_assert_int_eq(tni_gbuilder_create(program, "main", &b, NULL), TN_OK);
}
static inline void teardown(void) {
  tni_gbuilder_destroy(b);
  tn_program_destroy(target);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

/* ---- building -------------------------------------------------------------------------------------------------- */

#define DIMS(...)                                                                                                      \
  (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define INTS(n, ...)                                                                                                   \
  {                                                                                                                    \
    .name = n, .kind = TNI_ATTR_INTS, .count = sizeof((int64_t[]){__VA_ARGS__}) / 8, .ints = (const int64_t[]) {       \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
  }
#define INT(n, value)                                                                                                  \
  { .name = n, .kind = TNI_ATTR_INT, .i = value }
#define STRING(n, value)                                                                                               \
  { .name = n, .kind = TNI_ATTR_STRING, .string = value }

/* Adds a node of up to three inputs; its output's name is the node's. */
static inline uint32_t add(const char *op, const char *name, uint32_t x, uint32_t y, uint32_t z, uint32_t attr_count,
                           const tni_attr *attrs) {
  uint32_t inputs[] = {x, y, z}, out, count = z != TNI_NO_VALUE ? 3 : y != TNI_NO_VALUE ? 2 : 1;
  tn_error *err = NULL;
  tn_status status = tni_g_node(b, tni_gop_find(op), name, count, inputs, attr_count, attrs, 1, &name, &out, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return out;
}
static inline uint32_t add1(const char *op, const char *name, uint32_t x) {
  return add(op, name, x, TNI_NO_VALUE, TNI_NO_VALUE, 0, NULL);
}
static inline uint32_t add2(const char *op, const char *name, uint32_t x, uint32_t y) {
  return add(op, name, x, y, TNI_NO_VALUE, 0, NULL);
}

/* The reason why a node of one input is refused. */
static inline const char *refusal(const char *op, uint32_t x, uint32_t attr_count, const tni_attr *attrs) {
  static char text[256];
  uint32_t out;
  tn_error *err = NULL;
  ck_assert_int_eq(tni_g_node(b, tni_gop_find(op), "n", 1, &x, attr_count, attrs, 1, NULL, &out, &err), TN_E_INVALID);
  snprintf(text, sizeof text, "%s", tn_error_text(err));
  tn_error_destroy(err);
  return text;
}

static const float six[] = {1, 2, 3, 4, 5, 7};

/* Numbers that are not alike: -1 .. 1. */
static inline void fill(float *data, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525 + 1013904223;
    data[i] = (float)(seed >> 8) / 8388608.0f - 1;
  }
}

static inline const tn_graph *finish(void) {
  const tn_graph *g;
  tn_error *err = NULL;
  tn_status status = tni_gbuilder_finish(b, &g, &err);
  b = NULL;
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return g;
}

/* ---- running: fold, fuse, plan, and each step in the interpreter ----------------------------------------------- */

static inline const tn_graph *optimize(const tn_graph *g) {
  tn_error *err = NULL;
  tn_status status = tni_graph_fold(g, target, &interpreter, &g, &err);
  if (status == TN_OK) status = tni_graph_fuse(g, target, &g, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  return g;
}

static inline void run_steps(const tn_graph *g, const tni_plan *plan, const void **constants, void *const *in,
                             void *const *out) {
  char *memory = aligned_alloc(64, plan->arena_bytes + 64);
  memset(memory, 0xcd, plan->arena_bytes);
  for (uint32_t i = 0; i < plan->step_count; i++) {
    void *args[64];
    const tni_plan_step *s = &plan->steps[i];
    for (uint32_t k = 0; k < s->arg_count; k++) {
      const tni_plan_buffer *p = &plan->buffers[plan->args[s->first_arg + k]];
      size_t part = p->kind == TNI_PLAN_PART ? p->offset : 0, bytes = p->bytes;
      if (p->kind == TNI_PLAN_PART) p = &plan->buffers[p->index];
      args[k] = p->kind == TNI_PLAN_INPUT    ? in[p->index]
                : p->kind == TNI_PLAN_OUTPUT ? out[p->index]
                : p->kind == TNI_PLAN_CONST  ? (void *)constants[p->index]
                                             : memory + p->offset;
      args[k] = (char *)args[k] + part;
      if (s->kernel == TNI_PLAN_COPY && k == 1) memcpy(args[0], args[1], bytes);
    }
    if (s->kernel == TNI_PLAN_COPY) continue;
    tn_error *err = NULL;
    tn_status status = tni_evaluate_interpreted(NULL, g->program->funcs[s->kernel], args, &err);
    ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  }
  free(memory);
}

/* Runs the graph with outputs `out`, after all passes. */
static inline const tn_graph *run(const tn_graph *g, void *const *in, void *const *out) {
  tni_arena arena;
  tni_plan plan;
  const void **constants;
  g = optimize(g);
  tni_arena_init(&arena, ctx);
  ck_assert_int_eq(tni_graph_plan(g, &arena, &plan, &constants, NULL), TN_OK);
  run_steps(g, &plan, constants, in, out);
  tni_arena_destroy(&arena);
  return g;
}

/* Finishes the graph with output `y`, runs it on x (and w), compares with `want`. */
static inline void expect(uint32_t y, const void *x, const void *w, size_t count, const float *want) {
  float *got = malloc(count * sizeof *got + 1);
  void *in[] = {(void *)x, (void *)w}, *out[] = {got};
  tni_g_output(b, y);
  run(finish(), in, out);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(got[i] == want[i] || fabsf(got[i] - want[i]) <= 2e-6f * (1 + fabsf(want[i])) ||
                      (isnan(got[i]) && isnan(want[i])),
                  "element %zu is %g, not %g", i, (double)got[i], (double)want[i]);
  free(got);
}
#define EXPECT(y, x, w, ...) expect(y, x, w, sizeof((float[]){__VA_ARGS__}) / 4, (const float[]){__VA_ARGS__})

#endif
