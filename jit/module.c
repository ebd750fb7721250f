/* module.c -- a program compiled: tn_compile runs the stages of pipeline.c and loads what they made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

static tn_status check_bound(const tn_program *program, tn_error **err) {
  for (size_t i = 0; i < program->extern_count; i++)
    if (!program->externs[i].function)
      return tni_fail(program->ctx, err, TN_E_INVALID, "load", program->externs[i].name,
                      "the external is declared, but no function is bound to it");
  return TN_OK;
}

/* ---- modules ---- */

/* The library is the code if there is one, else what the jobs made. */
static tn_status load(tn_module *m, tni_pipeline *p, size_t count, const tni_job *jobs, tni_library *library,
                      tn_error **err) {
  double start = tni_seconds(m->ctx);
  if (library) {
    m->library = library;
    return TN_OK;
  }
  char **objects = tni_alloc(m->ctx, (count + 1) * sizeof *objects);
  size_t *sizes = tni_alloc(m->ctx, (count + 1) * sizeof *sizes);
  tn_status status = objects && sizes ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < count && !status; i++) {
    objects[i] = jobs[i].bytes;
    sizes[i] = jobs[i].size;
    p->stats.code_bytes += jobs[i].size;
  }
  if (!status) status = tni_library_load(m->ctx, false, count, objects, sizes, &m->library, err);
  tni_free(m->ctx, objects, (count + 1) * sizeof *objects);
  tni_free(m->ctx, sizes, (count + 1) * sizeof *sizes);
  p->stats.load_seconds += tni_seconds(m->ctx) - start;
  return status;
}

/* Takes the library. */
static tn_status create_module(tni_pipeline *p, size_t count, const tni_job *jobs, tni_library *library,
                               tn_module **out, tn_error **err) {
  tn_module *m = tni_alloc_zero(p->ctx, sizeof *m);
  if (!m) {
    tni_library_unload(library);
    return tni_fail_nomem(err);
  }
  m->ctx = p->ctx;
  tni_arena_init(&m->arena, p->ctx);
  m->work = p->work;
  p->work = NULL;
  m->env_self.module = m;
  m->env_self.failure = &m->failure;
  tni_env_init(&m->env, &m->env_self);
  tn_status status = load(m, p, count, jobs, library, err);
  m->stats = p->stats;
  if (!status) status = tni_externs_create(m, err);
  if (!status) status = tni_functions_create(m, err);
  tn_compile_desc here = *p->desc;
  here.target = p->target;
  if (!status) status = tni_models_create(m, &here, err);
  if (status)
    tn_module_destroy(m);
  else
    *out = m;
  return status;
}

/* Objects of all functions, by schedules, lowering and LLVM. */
static tn_status make_objects(tni_pipeline *p, size_t *count, tni_job **jobs, tn_error **err) {
  tn_status status = p->desc->observe ? tni_pipeline_run(p, TNI_STAGE_LOWER, err) : TN_OK;
  if (!status) status = tni_pipeline_codegen(p, TNI_EMIT_OBJECT, false, count, jobs, err);
  if (!status) tni_pipeline_drop_lowered(p);
  return status;
}

/* All of a model's file was read, for folded and packed constants or a key; what little of it the plan reads will be there again. */
static void cool_sources(const tni_pipeline *p) {
  for (size_t i = 0; i < p->source->blob_count; i++) {
    const tni_blob *blob = p->source->blobs[i];
    if (blob->mapped && blob->size) p->ctx->os->cool(blob->data, blob->size);
  }
}

static tn_status make_module(tni_pipeline *p, tn_module **out, tn_error **err) {
  tni_job *jobs = NULL;
  size_t count = 0;
  tni_passed passed;
  tni_code code;
  tni_passed_find(p, &passed);
  if (passed.keyed ? !passed.found : !p->desc->cache) tni_compilers_start(p->ctx);
  tn_status status = tni_pipeline_run(p, TNI_STAGE_FUSE, err);
  if (status) return tni_passed_close(&passed), status;
  tni_code_find(p, passed.found ? passed.code : NULL, &code);
  if (!code.library) status = make_objects(p, &count, &jobs, err);
  tni_program_fill(p->work);
  if (!status && !code.library) tni_code_keep(p, &code, count, jobs);
  if (!status) tni_passed_keep(p, &passed, &code);
  if (!status) {
    tni_library *library = code.library;
    code.library = NULL;
    status = create_module(p, count, jobs, library, out, err);
  }
  cool_sources(p);
  tni_code_close(&code);
  tni_passed_close(&passed);
  tni_jobs_destroy(p->ctx, count, jobs);
  return status;
}

tn_status tn_compile(const tn_program *program, const tn_compile_desc *desc, tn_module **out, tn_error **err) {
  tni_pipeline *p;
  *out = NULL;
  if (err) *err = NULL;
  tn_status status = check_bound(program, err);
  if (!status) status = tni_pipeline_create(program, desc, &p, err);
  if (status) return status;
  tni_pipeline_stay_here(p);
  if (!p->target->runs_here)
    status = tni_fail(p->ctx, err, TN_E_UNSUPPORTED, "load", p->target->name,
                      "code for this target does not run in this process: tn_program_emit gives its object");
  if (!status) status = make_module(p, out, err);
  if (!status)
    tni_log(program->ctx, TN_LOG_INFO,
            "compiled %zu kernels, %zu bytes: graph %.1f ms, schedules %.1f, code %.1f, load %.1f; %zu from the cache",
            (size_t)(*out)->stats.kernels, (size_t)(*out)->stats.code_bytes, 1e3 * (*out)->stats.optimize_seconds,
            1e3 * (*out)->stats.schedule_seconds, 1e3 * (*out)->stats.codegen_seconds,
            1e3 * (*out)->stats.load_seconds, (size_t)(*out)->stats.cache_hits);
  tni_pipeline_destroy(p);
  return status;
}

void tn_module_destroy(tn_module *m) {
  if (!m) return;
  tni_models_destroy(m);
  tni_functions_destroy(m);
  tni_externs_destroy(m);
  tni_library_unload(m->library);
  tni_arena_destroy(&m->arena);
  tn_program_destroy(m->work);
  tni_free(m->ctx, m, sizeof *m);
}

void tn_module_stats(const tn_module *m, tn_compile_stats *out) {
  size_t size = out->struct_size && out->struct_size < sizeof *out ? out->struct_size : sizeof *out;
  memcpy(out, &m->stats, size);
  out->struct_size = size;
}
