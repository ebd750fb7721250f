/* interp_run.c -- a tape at work: one loop over its steps, and over the lanes of each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "interp.h"

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* "A[3, 900]" */
void tni_access_text(tni_text *text, const tni_place *access, uint32_t lane) {
  tni_text_add(text, "%s[", access->memory->buffer->name);
  for (int32_t i = 0; i < access->count; i++)
    tni_text_add(text, "%s%lld", i ? ", " : "", (long long)tni_lane(&access->index[i], lane));
  tni_text_add(text, "]");
}

static bool fail_outside(tni_machine *m, const tni_place *access, uint32_t lane, int32_t which, int64_t extent) {
  tni_text text;
  tni_text_init(&text, m->ctx);
  tni_access_text(&text, access, lane);
  tni_machine_fail(m, TN_E_INVALID, "%s: subscript %d is %lld, outside 0..%lld", text.data, which,
                   (long long)tni_lane(&access->index[which], lane), (long long)extent);
  tni_text_destroy(&text);
  return false;
}

bool tni_place_written(tni_machine *m, const tni_place *access, uint32_t lane, int64_t at) {
  if (tni_was_written(access->memory, at)) return true;
  tni_text text;
  tni_text_init(&text, m->ctx);
  tni_access_text(&text, access, lane);
  tni_machine_fail(m, TN_E_INVALID, "%s is read before it was written", text.data);
  tni_text_destroy(&text);
  return false;
}

/* Where an element stands in memory that is not row-major. */
static int64_t scattered_place(const tni_memory *memory, const int64_t *index) {
  const tni_layout *layout = memory->buffer->layout;
  int64_t place = memory->offset;
  for (int32_t k = 0; k < tni_memory_rank(memory->buffer); k++)
    place += memory->strides[k] *
             (layout ? tni_layout_eval(layout, memory->buffer->rank, layout->index[k], index) : index[k]);
  return place;
}

bool tni_place_locate(tni_machine *m, const tni_place *access, uint32_t lane, int64_t *at) {
  const tni_memory *memory = access->memory;
  int64_t offset = 0, index[TN_MAX_RANK];
  for (int32_t d = 0; d < access->count; d++) {
    int64_t i = tni_lane(&access->index[d], lane);
    int64_t extent = access->flat ? memory->count : memory->shape[d];
    if ((uint64_t)i >= (uint64_t)extent) return fail_outside(m, access, lane, d, extent);
    offset = offset * extent + i;
    index[d] = i;
  }
  *at = memory->scattered && !access->flat ? scattered_place(memory, index) : offset;
  return true;
}

static bool run_load(tni_machine *m, const tni_step *step) {
  static const uint64_t nothing;
  const tni_place *access = step->as.access;
  const tni_memory *memory = access->memory;
  for (uint32_t l = 0; l < step->lanes; l++) {
    int64_t at;
    tni_scalar *out = &step->out.at[l];
    if (access->guarded && !tni_lane(&access->where, l)) {
      *out = tni_read_element(step->type, &nothing, 0); /* 0, or what a type without one has in its place */
      continue;
    }
    if (!tni_place_locate(m, access, l, &at)) return false;
    if (m->pending_count && !tni_async_allows(m, access, l, at, false)) return false;
    if (!tni_place_written(m, access, l, at)) return false;
    if (m->concurrent && !tni_concurrent_touch(m, access, l, at, false, -1)) return false;
    if (step->type == TN_F32)
      out->f = ((const float *)memory->data)[at];
    else
      *out = tni_read_element(step->type, memory->data, at);
  }
  return true;
}

/* ---- calls ----------------------------------------------------------------------------------------------------- */

static tn_value to_value(tn_type type, tni_scalar scalar) {
  if (tni_type_is_float(type)) return tn_value_float(scalar.f);
  if (type == TN_POINTER) return tn_value_pointer((void *)(uintptr_t)scalar.i);
  return tn_value_int(scalar.i);
}

static tni_scalar from_value(tn_type type, tn_value value) {
  tni_scalar out = {0};
  if (tni_type_is_float(type))
    out.f = tni_round_to(type, value.tag == TN_VALUE_FLOAT ? value.as.f : (double)value.as.i);
  else if (value.tag == TN_VALUE_POINTER)
    out.i = (int64_t)(uintptr_t)value.as.pointer;
  else if (value.tag == TN_VALUE_INT)
    out.i = tni_wrap(type, value.as.i);
  return out;
}

static bool call_lane(tni_machine *m, const tni_step *step, uint32_t lane) {
  tni_call_site *site = step->as.call;
  const tni_extern *external = site->external;
  tn_value result = {0};
  tn_error *cause = NULL;
  if (!external->function)
    return tni_machine_fail(m, TN_E_INVALID, "external `%s` is declared, but no function is bound to it",
                            external->name);
  if (!m->how.call)
    return tni_machine_fail(m, TN_E_UNSUPPORTED,
                            "external `%s`: this interpreter was not given a way to call C functions", external->name);
  for (uint32_t i = 0; i < site->count; i++)
    site->values[i] = to_value(site->types[i], site->args[i].at[(size_t)lane * site->args[i].stride]);
  tn_status status = m->how.call(m->ctx, external, site->values, site->count, &result, &cause);
  if (status != TN_OK) {
    tni_machine_fail(m, status, "external `%s` could not be called: %s", external->name, tn_error_reason(cause));
    tn_error_destroy(cause);
    return false;
  }
  if (external->result == TN_I32 && result.as.i != 0)
    return tni_machine_fail(m, TN_E_HOST, "external `%s` returned status %lld", external->name, (long long)result.as.i);
  step->out.at[lane] = from_value(step->type, result);
  return true;
}

/* From here on all of the buffer counts as written: nobody knows what the host does with the address. */
static void run_address(const tni_step *step) {
  tni_memory *memory = step->as.memory;
  if (memory->written) memset(memory->written, 0xff, memory->written_bytes);
  char *first = (char *)memory->data + (size_t)memory->offset * TN_TYPE_BITS(memory->buffer->type) / 8;
  step->out.at[0].i = (int64_t)(uintptr_t)first;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static void run_eval(const tni_step *step) {
  for (uint32_t l = 0; l < step->lanes; l++) {
    tni_scalar args[3];
    for (int i = 0; i < 3; i++) args[i] = step->in[i].at[(size_t)l * step->in[i].stride];
    step->out.at[l] = tni_eval_op((enum tn_op)step->op, step->from, args);
  }
}

static void run_convert(const tni_step *step) {
  for (uint32_t l = 0; l < step->lanes; l++)
    step->out.at[l] = tni_eval_convert((enum tn_op)step->op, step->type, step->from,
                                       step->in[0].at[(size_t)l * step->in[0].stride]);
}

/* Lanes of one width into lanes of another, through memory. */
static void run_regroup(const tni_step *step) {
  uint64_t bytes[TNI_INTERP_LANES] = {0}; /* of 8 bytes at most */
  for (uint32_t l = 0; l < step->as.from_lanes; l++)
    tni_write_element(step->from, bytes, l, step->in[0].at[(size_t)l * step->in[0].stride]);
  for (uint32_t l = 0; l < step->lanes; l++) step->out.at[l] = tni_read_element(step->type, bytes, l);
}

static void run_ramp(const tni_step *step) {
  int64_t base = step->in[0].at[0].i, stride = step->in[1].at[0].i;
  for (uint32_t l = 0; l < step->lanes; l++)
    step->out.at[l].i = tni_wrap(step->type, (int64_t)((uint64_t)base + (uint64_t)stride * l));
}

static void run_shuffle(const tni_step *step) {
  const tn_expr *x = step->as.shuffle;
  uint32_t each = TN_TYPE_LANES(x->arg[0]->type);
  for (uint32_t l = 0; l < step->lanes; l++) {
    const tni_operand *from = &step->in[x->as.lanes[l] / each];
    step->out.at[l] = from->at[(size_t)(x->as.lanes[l] % each) * from->stride];
  }
}

static bool run_call(tni_machine *m, const tni_step *step) {
  for (uint32_t l = 0; l < step->lanes; l++)
    if (!call_lane(m, step, l)) return false;
  return true;
}

static bool run_other(tni_machine *m, const tni_step *step) {
  switch (step->code) {
  case STEP_EVAL: run_eval(step); return true;
  case STEP_CONVERT: run_convert(step); return true;
  case STEP_REGROUP: run_regroup(step); return true;
  case STEP_RAMP: run_ramp(step); return true;
  case STEP_SHUFFLE: run_shuffle(step); return true;
  case STEP_LOAD: return run_load(m, step);
  case STEP_ADDRESS: run_address(step); return true;
  default: return run_call(m, step);
  }
}

bool tni_tape_run(tni_machine *m, const tni_tape *tape) {
  for (const tni_step *step = tape->steps, *end = step + tape->step_count; step < end; step++) {
    const tni_operand *in = step->in;
    tni_scalar *out = step->out.at;
    switch (step->code) {
#define STEP_RUN(name, op, types, member, value)                                                                       \
  case STEP_##name:                                                                                                    \
    for (size_t l = 0; l < step->lanes; l++) {                                                                         \
      const tni_scalar a = in[0].at[l * in[0].stride], b = in[1].at[l * in[1].stride], c = in[2].at[l * in[2].stride]; \
      (void)a, (void)b, (void)c;                                                                                       \
      out[l].member = (value);                                                                                         \
    }                                                                                                                  \
    break;
      TNI_FAST_STEPS(STEP_RUN)
#undef STEP_RUN
    default:
      if (!run_other(m, step)) return false;
    }
  }
  return true;
}
