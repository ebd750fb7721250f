/* emit.c -- what one stage makes of a program, as text or bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

static void print_funcs(tni_text *t, const tn_program *program, const tn_func *const *funcs) {
  tni_print_externs(t, program);
  for (size_t i = 0; i < program->func_count; i++) {
    tni_text_add(t, "%s", t->length ? "\n" : "");
    tni_print_func(t, funcs[i], NULL);
  }
}

static const tn_func *const *last_lowered(const tni_pipeline *p) {
  return p->lowered + (p->target_count - 1) * p->work->func_count;
}

static tn_status print_plans(tni_text *t, tni_pipeline *p, tn_error **err) {
  tni_arena arena;
  tni_arena_init(&arena, p->ctx);
  const char **names = TNI_NEW_ARRAY(&arena, const char *, p->work->func_count);
  tn_status status = names ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < p->work->func_count && !status; i++) names[i] = p->work->funcs[i]->name;
  for (size_t i = 0; i < p->work->graph_count && !status; i++) {
    tni_plan plan;
    const void **constants;
    status = tni_graph_plan(p->work->graphs[i], &arena, &plan, &constants, err);
    if (!status) tni_plan_print(t, p->work->graphs[i]->name, &plan, names);
  }
  tni_arena_destroy(&arena);
  return status;
}

static tn_status emit_code(tni_pipeline *p, enum tni_emit what, tni_text *t, tn_error **err) {
  size_t count;
  tni_job *jobs;
  tn_status status = tni_pipeline_codegen(p, what, true, &count, &jobs, err);
  if (status) return status;
  for (size_t i = 0; i < count; i++) tni_text_add_bytes(t, jobs[i].bytes, jobs[i].size);
  tni_jobs_destroy(p->ctx, count, jobs);
  return TN_OK;
}

typedef struct emit_stage {
  const char *name;
  enum tni_stage upto;
  enum tni_emit what;
} emit_stage;

static const emit_stage stages[] = {
    {"graph", TNI_STAGE_FOLD, 0},
    {"tensor", TNI_STAGE_SCHEDULE, 0},
    {"loop", TNI_STAGE_LOWER, 0},
    {"plan", TNI_STAGE_FUSE, 0},
    {"ll", TNI_STAGE_LOWER, TNI_EMIT_LLVM},
    {"asm", TNI_STAGE_LOWER, TNI_EMIT_ASSEMBLY},
    {"obj", TNI_STAGE_LOWER, TNI_EMIT_OBJECT},
};

static tn_status emit(tni_pipeline *p, const emit_stage *stage, tni_text *t, tn_error **err) {
  if (strcmp(stage->name, "graph") == 0) {
    for (size_t i = 0; i < p->work->graph_count; i++) tni_graph_print(t, p->work->graphs[i]);
    return TN_OK;
  }
  if (strcmp(stage->name, "tensor") == 0 || strcmp(stage->name, "loop") == 0) {
    print_funcs(t, p->work, stage->upto == TNI_STAGE_LOWER ? last_lowered(p) : p->work->funcs);
    return TN_OK;
  }
  return strcmp(stage->name, "plan") == 0 ? print_plans(t, p, err) : emit_code(p, stage->what, t, err);
}

static const emit_stage *find_stage(const char *name) {
  for (size_t i = 0; i < TNI_COUNT(stages); i++)
    if (strcmp(stages[i].name, name) == 0) return &stages[i];
  return NULL;
}

tn_status tn_program_emit(const tn_program *program, const tn_compile_desc *desc, const char *stage, char **out,
                          size_t *size, tn_error **err) {
  tni_pipeline *p;
  const emit_stage *s = find_stage(stage);
  *out = NULL;
  *size = 0;
  if (err) *err = NULL;
  if (!s)
    return tni_fail(program->ctx, err, TN_E_NOT_FOUND, "build", stage,
                    "there is no such stage: graph, tensor, loop, plan, ll, asm, obj");
  if (program->flow)
    return tni_fail(program->ctx, err, TN_E_UNSUPPORTED, "build", "main",
                    "the model's shapes are known only while it runs: there is no text of it");
  tn_status status = tni_pipeline_create(program, desc, &p, err);
  if (status) return status;
  tni_text t;
  tni_text_init(&t, p->ctx);
  status = tni_pipeline_run(p, s->upto, err);
  tni_program_fill(p->work);
  if (!status) status = emit(p, s, &t, err);
  *size = t.length;
  *out = status ? NULL : tni_text_take(&t);
  if (!status && !*out) status = tni_fail_nomem(err);
  if (status) *size = 0;
  tni_text_destroy(&t);
  tni_pipeline_destroy(p);
  return status;
}
