/* identity.c -- which functions and graphs are the same: those of one canonical text, in which numbers stand for names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/graph_text.h"

/* As tenon/ir.h tells. */
_Static_assert(sizeof(void *) != 8 || (sizeof(tn_expr) == 24 && sizeof(tn_stmt) <= 128 && sizeof(tn_buffer) <= 128 &&
                                       sizeof(tni_iter) == 32 && sizeof(tni_gvalue) <= 96 && sizeof(tni_gnode) <= 64 &&
                                       sizeof(tni_attr) == 64),
               "memory of nodes");

/* Each makes `out` the canonical text; to be destroyed also after a failure. */
static tn_status write_func(const tn_func *func, tni_text *out, tn_error **err) {
  tni_text_init(out, func->program->ctx);
  tni_text_add(out, "tenon %d\n", TN_LANGUAGE_VERSION);
  tni_print_canonical(out, func);
  return out->failed ? tni_fail_nomem(err) : TN_OK;
}

static tn_status write_graph(const tn_graph *graph, tni_text *out, tn_error **err) {
  tni_blob_layout layout;
  tni_text_init(out, graph->program->ctx);
  tni_blob_layout_init(&layout, graph->program->ctx);
  tni_text_add(out, "tenon %d\n", TN_LANGUAGE_VERSION);
  tni_print_graph(out, graph, &layout, true);
  tni_blob_layout_destroy(&layout);
  return out->failed ? tni_fail_nomem(err) : TN_OK;
}

/* Takes the texts, and the status of what made each. */
static tn_status compare(tn_status status, tni_text *a, tni_text *b, uint8_t *equal) {
  *equal = status == TN_OK && a->length == b->length && memcmp(a->data, b->data, a->length) == 0;
  tni_text_destroy(a);
  tni_text_destroy(b);
  return status;
}

static tn_status hash_text(tn_status status, tni_text *text, uint64_t hash[2]) {
  tni_hash h = tni_hash_bytes(text->data, text->length);
  hash[0] = status == TN_OK ? h.low : 0;
  hash[1] = status == TN_OK ? h.high : 0;
  tni_text_destroy(text);
  return status;
}

tn_status tn_func_equal(const tn_func *a, const tn_func *b, uint8_t *equal, tn_error **err) {
  tni_text left, right;
  if (err) *err = NULL;
  tni_text_init(&right, b->program->ctx);
  tn_status status = write_func(a, &left, err);
  if (status == TN_OK) status = write_func(b, &right, err);
  return compare(status, &left, &right, equal);
}

tn_status tn_func_hash(const tn_func *func, uint64_t hash[2], tn_error **err) {
  tni_text text;
  if (err) *err = NULL;
  tn_status status = write_func(func, &text, err);
  return hash_text(status, &text, hash);
}

tn_status tn_graph_equal(const tn_graph *a, const tn_graph *b, uint8_t *equal, tn_error **err) {
  tni_text left, right;
  if (err) *err = NULL;
  tni_text_init(&right, b->program->ctx);
  tn_status status = write_graph(a, &left, err);
  if (status == TN_OK) status = write_graph(b, &right, err);
  return compare(status, &left, &right, equal);
}

tn_status tn_graph_hash(const tn_graph *graph, uint64_t hash[2], tn_error **err) {
  tni_text text;
  if (err) *err = NULL;
  tn_status status = write_graph(graph, &text, err);
  return hash_text(status, &text, hash);
}
