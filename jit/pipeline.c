/* pipeline.c -- the stages between a program and objects; the table that names them is passes.c.
 *
 *     program --copy--> work program --integers--> --fold--> --layout--> --fuse--> --guard--> --schedule--> --lower--> loop functions
 * --codegen--> objects
 *
 * The program that the host gave is never changed: the stages work on a copy, which the compiled module keeps (it owns
 * the constants and the signatures).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cache.h"

static const tn_compile_desc default_desc = {.struct_size = sizeof(tn_compile_desc)};

/* ---- the copy ---- */

tn_status tni_pipeline_copy_externs(const tni_pipeline *p, tn_program *to, tn_error **err) {
  for (size_t i = 0; i < p->source->extern_count; i++) {
    const tni_extern *e = &p->source->externs[i];
    tn_status status = tn_program_extern(to, e->name, e->result, e->param_count, e->params, e->function, e->self, err);
    if (status) return status;
  }
  return TN_OK;
}

static tn_status copy_funcs(tni_pipeline *p, const tn_program *program, tn_error **err) {
  for (size_t i = 0; i < program->func_count; i++) {
    const tn_func *func = tni_func_clone(&p->work->region, program->funcs[i], p->work);
    tn_status status = func ? tni_program_add(p->work, func, err) : tni_fail_nomem(err);
    if (status) return status;
  }
  return TN_OK;
}

static tn_status share_blobs(tni_pipeline *p, const tn_program *program, tn_error **err) {
  for (size_t i = 0; i < program->blob_count; i++) {
    tn_status status = tni_program_keep_blob(p->work, tni_blob_ref(program->blobs[i]), err);
    if (status) return status;
  }
  return TN_OK;
}

/* The target and those that are better. */
static tn_status take_targets(tni_pipeline *p, tn_error **err) {
  p->target_count = 1 + p->desc->better_count;
  p->targets = TNI_NEW_ARRAY(&p->work->region.arena, const tn_target *, p->target_count);
  if (!p->targets) return tni_fail_nomem(err);
  p->targets[0] = p->desc->target;
  tn_status status = p->targets[0] ? TN_OK : tn_target_get(p->ctx, "host", &p->targets[0], err);
  for (size_t i = 1; i < p->target_count; i++) p->targets[i] = p->desc->better[i - 1];
  p->target = p->targets[p->target_count - 1];
  return status ? status : tni_targets_check(p->ctx, p->target_count, p->targets, err);
}

void tni_pipeline_stay_here(tni_pipeline *p) {
  while (p->target_count > 1 && !p->targets[p->target_count - 1]->runs_here) p->target_count--;
  p->targets += p->target_count - 1;
  p->target_count = 1;
  p->target = p->targets[0];
}

tn_status tni_pipeline_create(const tn_program *program, const tn_compile_desc *desc, tni_pipeline **out,
                              tn_error **err) {
  tn_context *ctx = program->ctx;
  *out = NULL;
  desc = desc ? desc : &default_desc;
  if (desc->struct_size != sizeof *desc)
    return tni_fail(ctx, err, TN_E_VERSION, "build", "tn_compile_desc", "struct_size is %zu, this library knows %zu",
                    desc->struct_size, sizeof *desc);
  if (desc->unproven > TN_UNPROVEN_TRUST)
    return tni_fail(ctx, err, TN_E_INVALID, "build", "unproven", "%d is not in 0..%d", desc->unproven,
                    TN_UNPROVEN_TRUST);
  if (desc->cache && desc->cache->ctx != ctx)
    return tni_fail(ctx, err, TN_E_INVALID, "build", "cache", "it was opened in another context");
  tni_pipeline *p = tni_alloc_zero(ctx, sizeof *p);
  if (!p) return tni_fail_nomem(err);
  p->ctx = ctx;
  p->desc = desc;
  p->source = program;
  p->stats.struct_size = sizeof p->stats;
  tn_status status = tni_passes_check(ctx, desc, err);
  if (!status) status = tn_program_create(ctx, &p->work, err);
  if (!status) status = take_targets(p, err);
  if (!status) status = share_blobs(p, program, err);
  if (!status) p->work->flow = tni_flow_ref(program->flow);
  if (!status) p->work->kept = program->kept;
  if (!status) p->work->moves_late = true;
  if (!status && program->flow) {
    size_t bytes = program->flow->main->input_count * sizeof *program->flow_inputs;
    p->work->flow_inputs = tni_arena_copy(&p->work->region.arena, program->flow_inputs, bytes);
    if (!p->work->flow_inputs) status = tni_fail_nomem(err);
  }
  if (!status) status = tni_pipeline_copy_externs(p, p->work, err);
  if (!status) status = copy_funcs(p, program, err);
  if (status)
    tni_pipeline_destroy(p);
  else
    *out = p;
  return status;
}

tn_status tni_pipeline_replace(tni_pipeline *p, tn_program *made, tn_error **err) {
  const tn_target **targets =
      tni_arena_copy(&made->region.arena, p->targets, p->target_count * sizeof *targets);
  if (!targets) return tni_fail_nomem(err);
  tn_program_destroy(p->work);
  p->work = made;
  p->targets = targets;
  p->ran = TNI_STAGE_GUARD;
  return TN_OK;
}

void tni_pipeline_drop_lowered(tni_pipeline *p) {
  if (!p->lowered) return;
  tni_free(p->ctx, p->lowered, p->lowered_count * sizeof *p->lowered);
  tni_region_destroy(&p->lowered_region);
  p->lowered = NULL;
}

static void drop_aligned(tni_pipeline *p) {
  tn_program_destroy(p->aligned);
  p->aligned = NULL;
}

void tni_pipeline_destroy(tni_pipeline *p) {
  if (!p) return;
  drop_aligned(p);
  tni_pipeline_drop_lowered(p);
  tn_program_destroy(p->work);
  tni_free(p->ctx, p, sizeof *p);
}

/* ---- graphs ---- */

static tn_status integers(tni_pipeline *p, tn_error **err) {
  size_t count = p->source->graph_count;
  p->graphs = TNI_NEW_ARRAY(&p->work->region.arena, const tn_graph *, count + 1);
  tn_status status = p->graphs ? TN_OK : tni_fail_nomem(err);
  if (!status && p->desc->integers) status = tn_program_create(p->ctx, &p->aligned, err);
  for (size_t i = 0; i < count && !status; i++) {
    double start = tni_seconds(p->ctx);
    p->graphs[i] = p->source->graphs[i];
    if (p->desc->integers) status = tni_graph_align(p->graphs[i], p->aligned, &p->graphs[i], err);
    if (!status && p->desc->integers) status = tni_graph_integers(p->graphs[i], p->work, &p->graphs[i], err);
    if (!status) tni_tell_graph(p, TNI_STAGE_INTEGERS, p->graphs[i], start);
  }
  return status;
}

/* The graph with its channels where they are best, and convolutions in the form that suits that. */
static tn_status place_channels(tni_pipeline *p, const tn_graph *g, const tn_graph **out, tn_error **err) {
  tni_evaluator evaluator = {p->desc->cache, tni_evaluate_func};
  const tn_graph *turned, *wide;
  *out = NULL;
  tn_status status = tni_graph_channels(g, p->work, &turned, err);
  if (!status) status = tni_graph_widen_rest(turned, p->work, p->target, &wide, err);
  if (status || wide == turned) return *out = turned, status;
  return tni_graph_fold(wide, p->work, &evaluator, out, err);
}

/* Graphs of the source folded into the work program; before constants are cast, products learn what of. */
static tn_status fold(tni_pipeline *p, tn_error **err) {
  tni_evaluator evaluator = {p->desc->cache, tni_evaluate_func};
  tn_status status = TN_OK;
  for (size_t i = 0; i < p->source->graph_count && !status; i++) {
    double start = tni_seconds(p->ctx);
    const tn_graph *wide, *folded, *padded, *attending, *normal, *expanded, *joined;
    status = tni_graph_widen(p->graphs[i], p->work, p->target, &wide, err);
    if (!status) status = tni_graph_fold(wide, p->work, &evaluator, &folded, err);
    if (!status) status = tni_graph_pads(folded, p->work, &padded, err);
    if (!status) status = tni_graph_attend(padded, p->work, &attending, err);
    if (!status) status = tni_graph_normalize(attending, p->work, &normal, err);
    if (!status) status = tni_graph_subpixel(normal, p->work, &expanded, err);
    if (!status) status = tni_graph_join(expanded, p->work, &joined, err);
    if (!status && joined != folded) status = tni_graph_fold(joined, p->work, &evaluator, &folded, err);
    if (!status) tni_tell_graph(p, TNI_STAGE_FOLD, folded, start);
  }
  drop_aligned(p);
  return status;
}

static tn_status layout(tni_pipeline *p, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; i < p->work->graph_count && !status; i++) {
    double start = tni_seconds(p->ctx);
    const tn_graph *turned, *flat, *tiled, *laid_out;
    status = place_channels(p, p->work->graphs[i], &turned, err);
    if (!status) status = tni_graph_flatten(turned, p->work, p->target, &flat, err);
    tiled = flat;
    if (!status && !p->desc->direct) status = tni_graph_winograd(flat, p->work, p->target, &tiled, err);
    if (!status) status = tni_graph_layout(tiled, p->work, p->target, &laid_out, err);
    if (!status) tni_tell_graph(p, TNI_STAGE_LAYOUT, laid_out, start);
  }
  if (!status) tni_moves_end(p->work);
  return status;
}

static tn_status fuse(tni_pipeline *p, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; i < p->work->graph_count && !status; i++) {
    double start = tni_seconds(p->ctx);
    size_t funcs = p->work->func_count;
    const tn_graph *aligned, *fused;
    status = tni_graph_align(p->work->graphs[i], p->work, &aligned, err);
    if (!status) status = tni_graph_fuse(aligned, p->work, &fused, err);
    if (status) break;
    tni_tell_graph(p, TNI_STAGE_FUSE, fused, start);
    for (start = tni_seconds(p->ctx); funcs < p->work->func_count; funcs++)
      tni_tell_func(p, TNI_STAGE_FUSE, p->work->funcs[funcs], start);
  }
  return status;
}

/* ---- functions ---- */

tn_status tni_pipeline_guard(const tni_pipeline *p, tni_region *r, const tn_func *func, const tn_func **out,
                             tn_error **err) {
  *out = func;
  if (p->desc->unproven == TN_UNPROVEN_REFUSE) return tn_func_check(func, NULL, NULL, err);
  tn_status status = func->unverified ? tni_verify(func, err) : TN_OK;
  return status || p->desc->unproven == TN_UNPROVEN_TRUST ? status : tni_guard(r, func, out, err);
}

static tn_status guard_one(tni_pipeline *p, const tn_func *func, tn_error **err) {
  const tn_func *guarded;
  double start = tni_seconds(p->ctx);
  tn_status status = tni_pipeline_guard(p, &p->work->region, func, &guarded, err);
  if (!status && guarded != func) status = tni_program_add(p->work, guarded, err);
  if (!status && p->desc->unproven == TN_UNPROVEN_CHECK) tni_tell_func(p, TNI_STAGE_GUARD, guarded, start);
  return status;
}

/* Before schedules are chosen: functions are in their simplest form, and what allows a schedule cannot change later. */
static tn_status guard(tni_pipeline *p, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; i < p->work->func_count && !status; i++)
    status = guard_one(p, p->work->funcs[i], err);
  return status;
}

bool tni_gets_schedule(const tni_pipeline *p, const tn_func *func) {
  return !func->scheduled && func->level == TNI_LEVEL_TENSOR && !p->desc->keep_schedules;
}

static tn_status schedule_one(tni_pipeline *p, size_t i, const tn_target *target, tn_error **err) {
  double start = tni_seconds(p->ctx);
  tn_schedule *s;
  tn_status status = tn_schedule_create(p->work, p->work->funcs[i], &s, err);
  if (status) return status;
  status = tn_schedule_default(s, target, err);
  if (!status) status = tn_schedule_commit(s, NULL, err);
  if (!status) tni_tell_func(p, TNI_STAGE_SCHEDULE, p->work->funcs[i], start);
  tn_schedule_destroy(s);
  return status;
}

static tn_status schedule(tni_pipeline *p, tn_error **err) {
  size_t count = p->work->func_count;
  p->scheduled = TNI_NEW_ARRAY(&p->work->region.arena, const tn_func *, p->target_count * count + 1);
  tn_status status = p->scheduled ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < count && !status; i++) {
    const tn_func *func = p->work->funcs[i];
    bool plain = tni_gets_schedule(p, func);
    for (size_t t = 0; t < p->target_count && !status; t++) {
      p->work->funcs[i] = func;
      if (plain) status = schedule_one(p, i, p->targets[t], err);
      p->scheduled[t * count + i] = p->work->funcs[i];
    }
  }
  return status;
}

static tn_status lower(tni_pipeline *p, tn_error **err) {
  size_t count = p->target_count * p->work->func_count;
  tni_observer observer = tni_lower_observer(p);
  tni_region_init(&p->lowered_region, p->ctx, &p->work->region);
  p->lowered = tni_alloc_zero(p->ctx, (count ? count : 1) * sizeof *p->lowered);
  p->lowered_count = count ? count : 1;
  tn_status status = p->lowered ? TN_OK : tni_fail_nomem(err);
  for (size_t i = 0; i < count && !status; i++)
    status = tni_lower_observed(&p->lowered_region, p->scheduled[i], p->desc->observe ? &observer : NULL,
                                &p->lowered[i], err);
  return status;
}

/* ---- stages ---- */

static tn_status (*const stages[TNI_STAGE_COUNT])(tni_pipeline *p, tn_error **err) = {
    [TNI_STAGE_INTEGERS] = integers, [TNI_STAGE_FOLD] = fold,   [TNI_STAGE_LAYOUT] = layout,
    [TNI_STAGE_FUSE] = fuse,         [TNI_STAGE_GUARD] = guard, [TNI_STAGE_SCHEDULE] = schedule,
    [TNI_STAGE_LOWER] = lower,
};

tn_status tni_pipeline_run(tni_pipeline *p, enum tni_stage last, tn_error **err) {
  tn_status status = TN_OK;
  for (int i = p->ran; i <= (int)last && !status; p->ran = ++i) {
    double start = tni_seconds(p->ctx);
    status = stages[i](p, err);
    if (!status && i <= TNI_STAGE_FUSE) status = tni_program_release(p->work, err);
    if (!status && p->failed) status = tni_fail_nomem(err);
    *(i <= TNI_STAGE_FUSE ? &p->stats.optimize_seconds : &p->stats.schedule_seconds) += tni_seconds(p->ctx) - start;
  }
  return status;
}
