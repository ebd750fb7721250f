/* kept.c -- constants computed from constants, once for all programs that are made of one model, shape after shape.
 *
 * Each such program would transpose and lay out the same weights again, and hold a copy. The key of a result is what is
 * done, and to what: small contents themselves, large ones by where they lie, in a blob that stays.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph.h"

enum { SMALL = 256, LEAST = 1024 };

void tni_attr_key(tni_text *key, const tni_attr *a) {
  size_t count = (size_t)a->count;
  tni_text_add(key, " %s %d %lld %d ", a->name, (int)a->kind, (long long)a->i, (int)a->count);
  tni_text_add_bytes(key, (const char *)&a->f, sizeof a->f);
  if (a->kind == TNI_ATTR_INTS && count) tni_text_add_bytes(key, (const char *)a->ints, count * sizeof *a->ints);
  if (a->kind == TNI_ATTR_FLOATS && count) tni_text_add_bytes(key, (const char *)a->floats, count * sizeof *a->floats);
  if (a->kind == TNI_ATTR_STRING) tni_text_add(key, "%zu %s", strlen(a->string), a->string);
}

static bool add_contents(tni_text *key, tni_kept *kept, const tni_gvalue *v) {
  size_t bytes = tn_array_bytes(v->type, tni_gvalue_numel(v));
  tni_text_add(key, " of %u %d ", (unsigned)v->type, (int)v->rank);
  tni_text_add_bytes(key, (const char *)v->shape, (size_t)v->rank * sizeof *v->shape);
  if (bytes <= SMALL)
    tni_text_add_bytes(key, v->data, bytes);
  else
    tni_text_add(key, "%p", v->data);
  return bytes <= SMALL || tni_kept_holds(kept, v->data, bytes);
}

bool tni_graph_key(tni_text *key, tni_kept *kept, const char *what, uint32_t attr_count, const tni_attr *attrs,
                   uint32_t input_count, const tni_gvalue *const *inputs, const tni_gvalue *out) {
  if (!kept || tn_array_bytes(out->type, tni_gvalue_numel(out)) < LEAST) return false;
  tni_text_add(key, "%s to %u %d ", what, (unsigned)out->type, (int)out->rank);
  for (int32_t d = 0; d < out->rank; d++) tni_text_add(key, "%lld ", (long long)out->shape[d]);
  for (uint32_t i = 0; i < attr_count; i++) tni_attr_key(key, &attrs[i]);
  for (uint32_t i = 0; i < input_count; i++) {
    if (!inputs[i])
      tni_text_add(key, " none");
    else if (!add_contents(key, kept, inputs[i]))
      return false;
  }
  return !key->failed;
}

tn_status tni_graph_kept(tn_program *to, const tni_text *key, const void **data, tn_error **err) {
  tni_blob *blob = tni_kept_find(to->kept, key->data, key->length);
  *data = blob ? blob->data : NULL;
  return blob ? tni_program_keep_blob(to, blob, err) : TN_OK;
}
