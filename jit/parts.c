/* parts.c -- a flow's segments, compiled: kept by what they were made for, so many at a time.
 *
 * A part is looked for by the place in the model and by its guards; the one that was used longest ago makes room. Any
 * number of threads: one that finds none makes one of its own, outside of the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "jit.h"

enum { MAX_PARTS = 256 };

struct tni_parts {
  tn_context *ctx;
  tni_flow *flow;
  tn_compile_desc desc;
  pthread_mutex_t mutex;
  tni_part *first; /* under the mutex, as are counts and times of use */
  size_t count;
  uint64_t clock;
};

tn_status tni_parts_create(tn_context *ctx, tni_flow *flow, const tn_compile_desc *desc, tni_parts **out,
                            tn_error **err) {
  *out = tni_alloc_zero(ctx, sizeof **out);
  if (!*out) return tni_fail_nomem(err);
  if (pthread_mutex_init(&(*out)->mutex, NULL)) {
    tni_free(ctx, *out, sizeof **out);
    *out = NULL;
    return tni_fail_nomem(err);
  }
  (*out)->ctx = ctx;
  (*out)->flow = tni_flow_ref(flow);
  (*out)->desc = (tn_compile_desc){.struct_size = sizeof *desc, .target = desc->target,
                                   .keep_schedules = desc->keep_schedules, .unproven = desc->unproven,
                                   .integers = desc->integers, .direct = desc->direct, .cache = desc->cache};
  return TN_OK;
}

static void destroy_part(tni_parts *s, tni_part *part) {
  tni_segment_destroy(s->ctx, &part->segment);
  tn_module_destroy(part->module);
  tni_free(s->ctx, part, sizeof *part);
}

void tni_parts_destroy(tni_parts *s) {
  if (!s) return;
  while (s->first) {
    tni_part *next = s->first->next;
    destroy_part(s, s->first);
    s->first = next;
  }
  pthread_mutex_destroy(&s->mutex);
  tni_flow_unref(s->flow);
  tni_free(s->ctx, s, sizeof *s);
}

const tni_flow *tni_parts_flow(const tni_parts *s) { return s->flow; }

static bool fits(const tni_part *part, const tni_onnx_region *region, uint32_t first, tni_object *const *there) {
  const tni_segment *s = &part->segment;
  if (s->region != region || s->first != first) return false;
  for (size_t i = 0; i < s->guard_count; i++)
    if (!tni_object_matches(there[s->guards[i].slot], s->guards[i].like)) return false;
  return true;
}

static tni_part *find_part(tni_parts *s, const tni_onnx_region *region, uint32_t first, tni_object *const *there) {
  pthread_mutex_lock(&s->mutex);
  tni_part *part = s->first;
  while (part && !fits(part, region, first, there)) part = part->next;
  if (part) {
    part->users++;
    part->used = ++s->clock;
  }
  pthread_mutex_unlock(&s->mutex);
  return part;
}

/* Takes the part that nobody uses and that was used longest ago out of the list, when there are too many. */
static tni_part *evict(tni_parts *s) {
  tni_part **oldest = NULL;
  if (s->count < MAX_PARTS) return NULL;
  for (tni_part **at = &s->first; *at; at = &(*at)->next)
    if (!(*at)->users && (!oldest || (*at)->used < (*oldest)->used)) oldest = at;
  if (!oldest) return NULL;
  tni_part *part = *oldest;
  *oldest = part->next;
  s->count--;
  return part;
}

static void add_part(tni_parts *s, tni_part *part) {
  pthread_mutex_lock(&s->mutex);
  tni_part *old = evict(s);
  part->users = 1;
  part->used = ++s->clock;
  part->next = s->first;
  s->first = part;
  s->count++;
  pthread_mutex_unlock(&s->mutex);
  if (old) destroy_part(s, old);
}

static tn_status make_part(tni_parts *s, const tni_onnx_region *region, uint32_t first, tni_object *const *there,
                            tni_part **out, tn_error **err) {
  tn_program *program = NULL;
  tni_part *part = tni_alloc_zero(s->ctx, sizeof *part);
  if (!part) return tni_fail_nomem(err);
  tn_status status = tni_flow_specialise(s->flow, region, first, there, &part->segment, &program, err);
  if (!status && program) status = tn_compile(program, &s->desc, &part->module, err);
  if (!status && program) status = tn_module_model(part->module, "main", &part->model, err);
  tn_program_destroy(program);
  if (status) {
    destroy_part(s, part);
    return status;
  }
  add_part(s, part);
  *out = part;
  return TN_OK;
}

tn_status tni_part_get(tni_parts *s, const tni_onnx_region *region, uint32_t first, tni_object *const *there,
                        const tni_part **out, tn_error **err) {
  tni_part *part = find_part(s, region, first, there);
  tn_status status = part ? TN_OK : make_part(s, region, first, there, &part, err);
  *out = part;
  return status;
}

void tni_part_release(tni_parts *s, const tni_part *part) {
  pthread_mutex_lock(&s->mutex);
  ((tni_part *)part)->users--;
  pthread_mutex_unlock(&s->mutex);
}
