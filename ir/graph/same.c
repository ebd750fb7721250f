/* same.c -- nodes that compute nothing.
 *
 *     identity(x), reshape to the shape that x has, slice of everything, cast to the same type, ..   ->   x
 *     mul(x, ones), mul(ones, x), div(x, ones)      ->   x                  ones: a constant
 *     where(c, x, y)                                ->   x, or y            c: a constant, all true, or all false
 *     gather(x, i)                                  ->   reshape(slice(x))  i: a constant of one number, rank 0
 *
 * What is given as it is has the shape and the type of the result. A slice can be read where it lies (place.c), if its
 * rows are not too short; so the last only there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { LEAST_RUN = 64 /* bytes */ };

static bool all_are(const tni_gnode *n, const char *attr, bool positive) {
  int32_t count;
  const int64_t *list = tni_attr_ints(n, attr, &count);
  for (int32_t i = 0; i < count; i++)
    if (positive ? list[i] < 1 : list[i] != 0) return false;
  return true;
}

/* A constant of ones. */
static bool is_ones(const tni_gvalue *v) {
  bool real = tni_type_is_float(v->type);
  if (!v->data || !(real || tni_type_is_int(v->type))) return false;
  for (int64_t i = 0; i < tni_gvalue_numel(v); i++) {
    tni_scalar x = tni_read_element(v->type, v->data, i);
    if (real ? x.f != 1 : x.i != 1) return false;
  }
  return true;
}

/* Which of its operands does a choice by a constant take everywhere? -1: both, or that is not known. */
static int32_t chosen(const tni_gvalue *c) {
  int64_t count = tni_gvalue_numel(c);
  if (!c->data || count == 0) return -1;
  const uint8_t *at = c->data;
  for (int64_t i = 1; i < count; i++)
    if (!at[i] != !at[0]) return -1;
  return at[0] ? 1 : 2;
}

/* The input that the node would give, if it has the result's form. */
static int32_t given(const tni_gnode *n, const tni_gvalue *const *in) {
  const char *op = n->op->name;
  if (strcmp(op, "slice") == 0) return all_are(n, "steps", true) ? 0 : -1;
  if (strcmp(op, "pad") == 0) return all_are(n, "pads", false) ? 0 : -1;
  if (strcmp(op, "where") == 0) return chosen(in[0]);
  if (strcmp(op, "mul") == 0) return is_ones(in[1]) ? 0 : is_ones(in[0]) ? 1 : -1;
  if (strcmp(op, "div") == 0) return is_ones(in[1]) ? 0 : -1;
  bool same = strcmp(op, "identity") == 0 || strcmp(op, "reshape") == 0 || strcmp(op, "expand") == 0 ||
              strcmp(op, "tile") == 0 || strcmp(op, "cast") == 0;
  return same ? 0 : -1;
}

int32_t tni_same_as_input(const tni_gnode *n, const tni_gvalue *const *in, const tni_gvalue *out) {
  int32_t i = n->op ? given(n, in) : -1;
  if (i < 0) return -1;
  const tni_gvalue *x = in[i];
  bool same = x->type == out->type && x->rank == out->rank &&
              memcmp(x->shape, out->shape, sizeof *x->shape * (size_t)x->rank) == 0;
  return same ? i : -1;
}

bool tni_is_slice(const tni_gnode *n, const tni_gvalue *const *in, int64_t *axis, int64_t *at) {
  if (!n->op || strcmp(n->op->name, "gather") != 0) return false;
  const tni_gvalue *x = in[0], *i = in[1];
  if (!i->data || i->rank != 0 || !tni_type_is_int(i->type) || tn_type_bytes(i->type) == 0) return false;
  *axis = tni_normal_axis(n, 0, x->rank);
  *at = tni_read_element(i->type, i->data, 0).i;
  if (*at < 0) *at += x->shape[*axis];
  int64_t run = (int64_t)tn_type_bytes(x->type);
  for (int32_t d = (int32_t)*axis + 1; d < x->rank; d++) run *= x->shape[d];
  return *at >= 0 && *at < x->shape[*axis] && (run >= LEAST_RUN || *axis == 0);
}
