/* ops_reduce.c -- reductions over axes, and what is made of them: softmax, layer normalisation, arg max, running sums.
 *
 * Each stage is one block; sums of f16 and bf16 are kept in f32. Sums of floating-point numbers that are LONG, along
 * the last dimensions, are made in parts, of which a quarter are made and so on, until four are left, of which the sum is:
 * each has fewer roundings, and small numbers are not lost behind large ones. It is also how vectors sum up what lies
 * side by side.
 *
 *     part_64[p] = sum over k of x[k * 64 + p];  part_16[p] = sum over k of part_64[k * 16 + p]
 *     part_4[p] = sum over k of part_16[k * 4 + p];  sum = sum over p of part_4[p]
 *
 *     reduce_F     a[i...] = reduce over r...  pre(x[i..., r...])         out = post(a), only where F has a post
 *     softmax      m = max x;  e = exp(x - m);  s = sum e;  out = e * (1 / s)
 *     log_softmax  m = max x;  s = sum exp(x - m);  out = (x - m) - log(s)
 *     layer_norm   s = sum x;  m = s / n;  v = sum (x - m) * (x - m)
 *                  out = (x - m) * (1 / sqrt(v / n + epsilon)) * scale + bias
 *     rms_norm     the same with m = 0
 *     arg_max      m = max x;  out = min over r of (x[r] == m ? r : last)
 *     cum_sum      out[i] = sum over r <= i of x[r]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "ops.h"

enum { LONG = 32, MANY = 128, PARTS_OF_LONG = 16, PARTS_OF_MANY = 64, FEWER = 4 /* times */ };

static bool is_number(tn_type type) { return tni_type_is_float(type) || tni_type_is_int(type); }

/* ---- shape rules ------------------------------------------------------------------------------------------------ */

static void drop_axes(const tni_gvalue *in, const bool *set, bool keep, tni_gvalue *out) {
  out->rank = 0;
  for (int32_t i = 0; i < in->rank; i++)
    if (!set[i] || keep) out->shape[out->rank++] = set[i] ? 1 : in->shape[i];
}

bool tni_infer_reduce(tni_infer *x) {
  bool set[TN_MAX_RANK];
  int32_t count;
  const int64_t *axes = tni_attr_ints(x->node, "axes", &count);
  const char *name = x->node->op->name;
  bool real = strstr(name, "log") || strcmp(name, "reduce_l2") == 0;
  if (!(real ? tni_type_is_float(x->in[0]->type) : is_number(x->in[0]->type)))
    return tni_refuse(x, "the input's type cannot be reduced");
  if (!tni_axis_set(x, axes, count, x->in[0]->rank, set)) return false;
  x->out->type = x->in[0]->type;
  drop_axes(x->in[0], set, tni_attr_int(x->node, "keepdims", 1) != 0, x->out);
  return true;
}

bool tni_infer_arg(tni_infer *x) {
  int32_t axis;
  bool set[TN_MAX_RANK] = {false};
  if (!is_number(x->in[0]->type)) return tni_refuse(x, "the input is not a number");
  if (!tni_infer_axis_of(x, tni_attr_int(x->node, "axis", 0), x->in[0]->rank, &axis)) return false;
  if (x->in[0]->shape[axis] == 0) return tni_refuse(x, "nothing to choose from");
  set[axis] = true;
  x->out->type = TN_I64;
  drop_axes(x->in[0], set, tni_attr_int(x->node, "keepdims", 1) != 0, x->out);
  return true;
}

static bool same_as_input(tni_infer *x) {
  x->out->type = x->in[0]->type;
  x->out->rank = x->in[0]->rank;
  memcpy(x->out->shape, x->in[0]->shape, sizeof x->out->shape);
  return true;
}

bool tni_infer_axis(tni_infer *x) {
  int32_t axis;
  if (!tni_type_is_float(x->in[0]->type)) return tni_refuse(x, "the input is not floating-point");
  return tni_infer_axis_of(x, tni_attr_int(x->node, "axis", -1), x->in[0]->rank, &axis) && same_as_input(x);
}

bool tni_infer_cum_sum(tni_infer *x) {
  int32_t axis;
  if (!is_number(x->in[0]->type)) return tni_refuse(x, "the input is not a number");
  return tni_infer_axis_of(x, tni_attr_int(x->node, "axis", 0), x->in[0]->rank, &axis) && same_as_input(x);
}

bool tni_infer_layer_norm(tni_infer *x) {
  if (!tni_infer_axis(x)) return false;
  for (uint32_t i = 1; i < x->node->input_count; i++) {
    if (!x->in[i]) continue;
    int32_t rank = x->in[0]->rank;
    int64_t shape[TN_MAX_RANK];
    memcpy(shape, x->in[0]->shape, sizeof shape);
    if (x->in[i]->type != x->in[0]->type) return tni_refuse(x, "scale and bias need the input's type");
    if (!tni_broadcast_shape(&rank, shape, x->in[i]->rank, x->in[i]->shape) || rank != x->in[0]->rank ||
        memcmp(shape, x->in[0]->shape, sizeof(int64_t) * (size_t)rank) != 0)
      return tni_refuse(x, "scale or bias does not broadcast to the input");
  }
  return true;
}

/* ---- reductions ------------------------------------------------------------------------------------------------- */

/* The axes of an input, some of which are reduced: in[] has one expression per dimension, out[] those of the result. */
typedef struct split_axes {
  const tn_expr *in[TN_MAX_RANK], *out[TN_MAX_RANK], *sum[TN_MAX_RANK];
  int32_t out_rank, sum_rank;
  const tn_expr *part, *inside; /* of a sum in parts: which, and where the input has an element (NULL: everywhere) */
  int64_t parts;
} split_axes;

static const char *const reduce_names[TN_MAX_RANK] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"};
static const char *const keep_names[TN_MAX_RANK] = {"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7"};

/* keep: the result has dimensions of 1 for the reduced ones. */
static void make_axes(tn_builder *b, const tni_gvalue *x, const bool *set, bool keep, split_axes *a) {
  *a = (split_axes){.out_rank = 0};
  for (int32_t i = 0; i < x->rank; i++) {
    if (set[i])
      a->in[i] = a->sum[a->sum_rank++] = tn_reduce_axis(b, reduce_names[i], x->shape[i]);
    else
      a->in[i] = a->out[a->out_rank++] = tn_axis(b, keep_names[i], x->shape[i]);
    if (set[i] && keep) a->out[a->out_rank++] = tn_axis(b, keep_names[i], 1);
  }
}

/* The same for a sum in `type`, which may be in parts: of the last dimensions, which lie side by side, as one. */
static void make_sum_axes(tn_builder *b, const tni_gvalue *x, const bool *set, bool keep, tn_type type, split_axes *a) {
  int32_t first = x->rank;
  int64_t extent = 1;
  make_axes(b, x, set, keep, a);
  while (first > 0 && set[first - 1]) extent *= x->shape[--first];
  if (first == x->rank || x->rank == TN_MAX_RANK || extent < LONG || !tni_type_is_float(type)) return;
  a->sum_rank -= x->rank - first - 1;
  a->parts = extent < MANY ? PARTS_OF_LONG : PARTS_OF_MANY;
  const tn_expr **sum = &a->sum[a->sum_rank - 1];
  *sum = tn_reduce_axis(b, reduce_names[first], (extent - 1) / a->parts + 1);
  a->part = tn_axis(b, "part", a->parts);
  const tn_expr *at = tn_add(b, tn_mul(b, *sum, tn_index(b, a->parts)), a->part);
  if (extent % a->parts) a->inside = tn_op2(b, TN_OP_lt, at, tn_index(b, extent));
  tni_unflatten(b, at, x->rank - first, x->shape + first, a->in + first);
}

static const tn_expr *load_as(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, tn_type type) {
  return tn_cast(b, type, tn_load(b, buffer, index, NULL));
}

/* The input's element where it has one. */
static const tn_expr *load_part(tn_builder *b, const tn_buffer *buffer, const split_axes *a, tn_type type) {
  return tn_cast(b, type, tn_load(b, buffer, a->in, a->inside));
}

/* The number that a reduction starts from. */
static const tn_expr *identity_of(tn_builder *b, tn_type type, enum tn_reducer reducer) {
  bool real = tni_type_is_float(type), max = reducer == TN_REDUCE_MAX;
  if (reducer == TN_REDUCE_SUM || reducer == TN_REDUCE_PRODUCT)
    return tni_number(b, type, reducer == TN_REDUCE_PRODUCT);
  if (real) return tn_float(b, type, max ? -tni_float_highest(type) : tni_float_highest(type));
  uint64_t high = (uint64_t)1 << (TN_TYPE_BITS(type) - 1);
  if (tni_type_is_signed(type)) return tn_int(b, type, (int64_t)(max ? high : high - 1));
  return tn_int(b, type, max ? 0 : -1);
}

/* A stage beside `acc`, which has `extent` parts of each of its elements. */
static const tn_buffer *parts_of(tn_builder *b, const tn_buffer *acc, int64_t extent) {
  const char *name = extent == 64 ? "part_64" : extent == 16 ? "part_16" : "part_4";
  int64_t shape[TN_MAX_RANK];
  for (int32_t i = 0; acc && i < acc->rank; i++) shape[i] = acc->shape[i]->as.i;
  if (!acc) return NULL;
  shape[acc->rank] = extent;
  return tn_alloc(b, name, acc->type, acc->rank + 1, shape);
}

/* to = sums of `from`: of `steps` parts each, `extent` apart; of all of them when extent is 1. */
static void add_parts(tn_builder *b, const tn_buffer *to, const tn_buffer *from, int32_t rank, int64_t steps,
                      int64_t extent) {
  const tn_expr *out[TN_MAX_RANK] = {NULL}, *in[TN_MAX_RANK] = {NULL};
  int64_t shape[TN_MAX_RANK];
  if (!to || !from) return;
  for (int32_t i = 0; i < to->rank; i++) shape[i] = to->shape[i]->as.i;
  tni_axes(b, to->rank, shape, out);
  const tn_expr *step = tn_reduce_axis(b, "r", steps);
  memcpy(in, out, sizeof in);
  in[rank] = extent == 1 ? step : tn_add(b, tn_mul(b, step, tn_index(b, extent)), out[rank]);
  tn_reduce(b, to, out, 1, &step, TN_REDUCE_SUM, tn_load(b, from, in, NULL));
}

/* acc = sum of value, in parts. */
static void sum_parts(tn_builder *b, const tn_buffer *acc, const split_axes *a, const tn_expr *value) {
  const tn_buffer *from = parts_of(b, acc, a->parts);
  const tn_expr *index[TN_MAX_RANK];
  memcpy(index, a->out, sizeof index);
  index[a->out_rank] = a->part;
  if (a->inside) value = tn_op3(b, TN_OP_select, a->inside, value, tni_number(b, tn_expr_type(value), 0));
  tn_reduce(b, from, index, (size_t)a->sum_rank, a->sum, TN_REDUCE_SUM, value);
  for (int64_t parts = a->parts / FEWER; parts >= FEWER; parts /= FEWER) {
    const tn_buffer *to = parts_of(b, acc, parts);
    add_parts(b, to, from, a->out_rank, FEWER, parts);
    from = to;
  }
  add_parts(b, acc, from, a->out_rank, FEWER, 1);
}

/* acc = reduce of value; over nothing it is the identity, and over no axes the value. */
static void reduce_into(tn_builder *b, const tn_buffer *acc, const split_axes *a, enum tn_reducer reducer, bool empty,
                        const tn_expr *value) {
  if (empty)
    tn_compute(b, acc, a->out, identity_of(b, tn_expr_type(value), reducer));
  else if (a->part)
    sum_parts(b, acc, a, value);
  else if (a->sum_rank > 0)
    tn_reduce(b, acc, a->out, (size_t)a->sum_rank, a->sum, reducer, value);
  else
    tn_compute(b, acc, a->out, value);
}

static bool is_empty(const tni_gvalue *x, const bool *set) {
  for (int32_t i = 0; i < x->rank; i++)
    if (set[i] && x->shape[i] == 0) return true;
  return false;
}

enum post { POST_NONE, POST_MEAN, POST_SQRT, POST_LOG };
typedef const tn_expr *(*pre_fn)(tn_builder *b, const tn_expr *x);

static const tn_expr *pre_same(tn_builder *b, const tn_expr *x) { return (void)b, x; }
static const tn_expr *pre_abs(tn_builder *b, const tn_expr *x) { return tn_op1(b, TN_OP_abs, x); }
static const tn_expr *pre_square(tn_builder *b, const tn_expr *x) { return tn_mul(b, x, x); }

static const tn_expr *apply_post(tn_builder *b, enum post post, const tn_expr *x, int64_t count) {
  switch (post) {
  case POST_MEAN: return tn_div(b, x, tni_number(b, tn_expr_type(x), (double)count));
  case POST_SQRT: return tn_op1(b, TN_OP_sqrt, x);
  case POST_LOG: return tn_op1(b, TN_OP_log, x);
  case POST_NONE: break;
  }
  return x;
}

static bool define_reduce(tni_define *d, enum tn_reducer reducer, pre_fn pre, enum post post) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tni_infer scratch = {.node = d->node};
  bool set[TN_MAX_RANK], keep = tni_attr_int(d->node, "keepdims", 1) != 0;
  int32_t axis_count;
  const int64_t *list = tni_attr_ints(d->node, "axes", &axis_count);
  if (!tni_axis_set(&scratch, list, axis_count, x->rank, set)) return false;
  bool exact = reducer == TN_REDUCE_MIN || reducer == TN_REDUCE_MAX;
  tn_type type = exact ? x->type : tni_sum_type(x->type);
  bool direct = post == POST_NONE && type == out->type;
  const tn_buffer *acc = direct ? d->out[0] : tn_alloc(b, "sum", type, out->rank, out->shape);
  split_axes a;
  if (reducer == TN_REDUCE_SUM)
    make_sum_axes(b, x, set, keep, type, &a);
  else
    make_axes(b, x, set, keep, &a);
  const tn_expr *value = pre(b, load_part(b, d->in[0], &a, type));
  reduce_into(b, acc, &a, reducer, is_empty(x, set), value);
  if (direct) return true;
  int64_t count = 1;
  for (int32_t i = 0; i < x->rank; i++) count *= set[i] ? x->shape[i] : 1;
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(b, out->rank, out->shape, axes);
  value = apply_post(b, post, tn_load(b, acc, axes, NULL), count);
  tn_compute(b, d->out[0], axes, tn_cast(b, out->type, value));
  return true;
}

bool tni_define_reduce_sum(tni_define *d) { return define_reduce(d, TN_REDUCE_SUM, pre_same, POST_NONE); }
bool tni_define_reduce_mean(tni_define *d) { return define_reduce(d, TN_REDUCE_SUM, pre_same, POST_MEAN); }
bool tni_define_reduce_max(tni_define *d) { return define_reduce(d, TN_REDUCE_MAX, pre_same, POST_NONE); }
bool tni_define_reduce_min(tni_define *d) { return define_reduce(d, TN_REDUCE_MIN, pre_same, POST_NONE); }
bool tni_define_reduce_prod(tni_define *d) { return define_reduce(d, TN_REDUCE_PRODUCT, pre_same, POST_NONE); }
bool tni_define_reduce_l1(tni_define *d) { return define_reduce(d, TN_REDUCE_SUM, pre_abs, POST_NONE); }
bool tni_define_reduce_l2(tni_define *d) { return define_reduce(d, TN_REDUCE_SUM, pre_square, POST_SQRT); }
bool tni_define_reduce_sum_square(tni_define *d) { return define_reduce(d, TN_REDUCE_SUM, pre_square, POST_NONE); }
bool tni_define_reduce_log_sum(tni_define *d) { return define_reduce(d, TN_REDUCE_SUM, pre_same, POST_LOG); }

/* ---- along axes: softmax and its kin ---------------------------------------------------------------------------- */

/* A stage with the shape of the input without the axes in `set`. */
static const tn_buffer *stage(tn_builder *b, const char *name, tn_type type, const tni_gvalue *x, const bool *set) {
  tni_gvalue v;
  drop_axes(x, set, false, &v);
  return tn_alloc(b, name, type, v.rank, v.shape);
}

/* The subscripts of such a stage, from those of the input. */
static void kept_index(const tni_gvalue *x, const bool *set, const tn_expr *const *axes, const tn_expr **index) {
  for (int32_t i = 0, n = 0; i < x->rank; i++)
    if (!set[i]) index[n++] = axes[i];
}

/* stage = reduce of x over the axes in `set`. */
static const tn_buffer *reduce_stage(tni_define *d, const char *name, const tn_buffer *from, tn_type type,
                                     const bool *set, enum tn_reducer reducer) {
  const tni_gvalue *x = d->in_value[0];
  const tn_buffer *to = stage(d->b, name, type, x, set);
  split_axes a;
  if (reducer == TN_REDUCE_SUM)
    make_sum_axes(d->b, x, set, false, type, &a);
  else
    make_axes(d->b, x, set, false, &a);
  reduce_into(d->b, to, &a, reducer, is_empty(x, set), load_part(d->b, from, &a, type));
  return to;
}

/* x[in] - stage[kept in], in `type`; where (may be NULL): x has that element. */
static const tn_expr *centred(tni_define *d, const tn_buffer *of, const bool *set, const tn_expr *const *in,
                              const tn_expr *where, tn_type type) {
  const tn_expr *index[TN_MAX_RANK] = {NULL};
  kept_index(d->in_value[0], set, in, index);
  return tn_sub(d->b, tn_cast(d->b, type, tn_load(d->b, d->in[0], in, where)), load_as(d->b, of, index, type));
}

/* stage = sum of exp(x - max) */
static const tn_buffer *sum_of_exp(tni_define *d, const tn_buffer *max, tn_type type, const bool *set) {
  const tn_buffer *sum = stage(d->b, "sum", type, d->in_value[0], set);
  split_axes a;
  make_sum_axes(d->b, d->in_value[0], set, false, type, &a);
  const tn_expr *value = tn_op1(d->b, TN_OP_exp, centred(d, max, set, a.in, a.inside, type));
  reduce_into(d->b, sum, &a, TN_REDUCE_SUM, is_empty(d->in_value[0], set), value);
  return sum;
}

/* stage = 1 / of: one division for a row */
static const tn_buffer *invert(tni_define *d, const char *name, const tn_buffer *of, tn_type type, const bool *set) {
  const tni_gvalue *x = d->in_value[0];
  const tn_buffer *to = stage(d->b, name, type, x, set);
  const tn_expr *axes[TN_MAX_RANK];
  tni_gvalue small;
  drop_axes(x, set, false, &small);
  tni_axes(d->b, small.rank, small.shape, axes);
  tn_compute(d->b, to, axes, tn_div(d->b, tni_number(d->b, type, 1), tn_load(d->b, of, axes, NULL)));
  return to;
}

bool tni_define_softmax(tni_define *d) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  bool set[TN_MAX_RANK] = {false};
  set[tni_normal_axis(d->node, -1, x->rank)] = true;
  const tn_expr *axes[TN_MAX_RANK], *index[TN_MAX_RANK] = {NULL};
  const tn_buffer *max = reduce_stage(d, "max", d->in[0], x->type, set, TN_REDUCE_MAX);
  const tn_buffer *e = tn_alloc(b, "exp", type, x->rank, x->shape);
  tni_axes(b, x->rank, x->shape, axes);
  tn_compute(b, e, axes, tn_op1(b, TN_OP_exp, centred(d, max, set, axes, NULL, type)));
  const tn_buffer *sum = reduce_stage(d, "sum", e, type, set, TN_REDUCE_SUM);
  const tn_buffer *scale = invert(d, "scale", sum, type, set);
  tni_axes(b, x->rank, x->shape, axes);
  kept_index(x, set, axes, index);
  tn_compute(b, d->out[0], axes,
             tn_cast(b, x->type, tn_mul(b, tn_load(b, e, axes, NULL), tn_load(b, scale, index, NULL))));
  return true;
}

bool tni_define_log_softmax(tni_define *d) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  bool set[TN_MAX_RANK] = {false};
  set[tni_normal_axis(d->node, -1, x->rank)] = true;
  const tn_buffer *max = reduce_stage(d, "max", d->in[0], x->type, set, TN_REDUCE_MAX);
  const tn_buffer *sum = sum_of_exp(d, max, type, set);
  const tn_expr *axes[TN_MAX_RANK], *index[TN_MAX_RANK] = {NULL};
  tni_axes(b, x->rank, x->shape, axes);
  kept_index(x, set, axes, index);
  const tn_expr *log = tn_op1(b, TN_OP_log, tn_load(b, sum, index, NULL));
  tn_compute(b, d->out[0], axes, tn_cast(b, x->type, tn_sub(b, centred(d, max, set, axes, NULL, type), log)));
  return true;
}

/* max + log(sum exp(x - max)); max where it is infinite */
bool tni_define_reduce_log_sum_exp(tni_define *d) {
  const tni_gvalue *x = d->in_value[0], *out = d->out_value[0];
  tn_builder *b = d->b;
  tni_infer scratch = {.node = d->node};
  tn_type type = tni_sum_type(x->type);
  bool set[TN_MAX_RANK];
  int32_t count;
  const int64_t *list = tni_attr_ints(d->node, "axes", &count);
  if (!tni_axis_set(&scratch, list, count, x->rank, set)) return false;
  bool any = false;
  for (int32_t i = 0; i < x->rank; i++) any |= set[i];
  if (!any) return define_reduce(d, TN_REDUCE_SUM, pre_same, POST_NONE); /* log(exp(x)) of single elements */
  const tn_buffer *max = reduce_stage(d, "max", d->in[0], x->type, set, TN_REDUCE_MAX);
  const tn_buffer *sum = sum_of_exp(d, max, type, set);
  const tn_expr *axes[TN_MAX_RANK], *index[TN_MAX_RANK] = {NULL};
  tni_axes(b, out->rank, out->shape, axes);
  if (out->rank == x->rank)
    kept_index(x, set, axes, index);
  else
    memcpy(index, axes, sizeof(axes[0]) * (size_t)out->rank);
  const tn_expr *most = load_as(b, max, index, type), *log = tn_op1(b, TN_OP_log, tn_load(b, sum, index, NULL));
  const tn_expr *outside = tn_op2(b, TN_OP_eq, tn_op1(b, TN_OP_abs, most), tn_float(b, type, INFINITY));
  const tn_expr *value = tn_op3(b, TN_OP_select, outside, most, tn_add(b, most, log));
  tn_compute(b, d->out[0], axes, tn_cast(b, out->type, value));
  return true;
}

/* stage = 1 / sqrt(squares / n + epsilon) */
static const tn_buffer *inverse_deviation(tni_define *d, const tn_buffer *squares, tn_type type, const bool *set,
                                          const tn_expr *n) {
  tn_builder *b = d->b;
  const tn_expr *axes[TN_MAX_RANK];
  tni_gvalue small;
  const tn_buffer *scale = stage(b, "scale", type, d->in_value[0], set);
  drop_axes(d->in_value[0], set, false, &small);
  tni_axes(b, small.rank, small.shape, axes);
  const tn_expr *epsilon = tn_float(b, type, tni_attr_float(d->node, "epsilon", 1e-5));
  const tn_expr *variance = tn_div(b, tn_load(b, squares, axes, NULL), n);
  const tn_expr *deviation = tn_op1(b, TN_OP_sqrt, tn_add(b, variance, epsilon));
  tn_compute(b, scale, axes, tn_div(b, tni_number(b, type, 1), deviation));
  return scale;
}

/* stage = sum / n */
static const tn_buffer *mean_of(tni_define *d, tn_type type, const bool *set, const tn_expr *n) {
  const tn_buffer *sum = reduce_stage(d, "sum", d->in[0], type, set, TN_REDUCE_SUM);
  const tn_buffer *mean = stage(d->b, "mean", type, d->in_value[0], set);
  const tn_expr *axes[TN_MAX_RANK];
  tni_gvalue small;
  drop_axes(d->in_value[0], set, false, &small);
  tni_axes(d->b, small.rank, small.shape, axes);
  tn_compute(d->b, mean, axes, tn_div(d->b, tn_load(d->b, sum, axes, NULL), n));
  return mean;
}

/* out = x times 1 / deviation, around the mean or around 0, then scaled and moved where the node says so. */
static bool define_norm(tni_define *d, bool around_mean) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  tn_type type = tni_sum_type(x->type);
  bool set[TN_MAX_RANK] = {false};
  int64_t count = 1;
  for (int32_t i = (int32_t)tni_normal_axis(d->node, -1, x->rank); i < x->rank; i++) {
    set[i] = true;
    count *= x->shape[i];
  }
  const tn_expr *n = tn_float(b, type, (double)count), *axes[TN_MAX_RANK], *index[TN_MAX_RANK] = {NULL};
  const tn_buffer *mean = around_mean ? mean_of(d, type, set, n) : NULL, *squares = stage(b, "squares", type, x, set);
  split_axes a;
  make_sum_axes(b, x, set, false, type, &a);
  const tn_expr *value = mean ? centred(d, mean, set, a.in, a.inside, type) : load_part(b, d->in[0], &a, type);
  reduce_into(b, squares, &a, TN_REDUCE_SUM, is_empty(x, set), tn_mul(b, value, value));
  const tn_buffer *scale = inverse_deviation(d, squares, type, set, n);
  tni_axes(b, x->rank, x->shape, axes);
  kept_index(x, set, axes, index);
  value = mean ? centred(d, mean, set, axes, NULL, type) : load_as(b, d->in[0], axes, type);
  value = tn_mul(b, value, tn_load(b, scale, index, NULL));
  if (d->node->input_count > 1 && d->in_value[1])
    value = tn_mul(b, value, tn_cast(b, type, tni_input(d, 1, x->rank, axes)));
  if (d->node->input_count > 2 && d->in_value[2])
    value = tn_add(b, value, tn_cast(b, type, tni_input(d, 2, x->rank, axes)));
  tn_compute(b, d->out[0], axes, tn_cast(b, x->type, value));
  return true;
}

bool tni_define_layer_norm(tni_define *d) { return define_norm(d, true); }
bool tni_define_rms_norm(tni_define *d) { return define_norm(d, false); }

/* ---- arg max, running sums -------------------------------------------------------------------------------------- */

static bool define_arg(tni_define *d, enum tn_reducer reducer) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  bool set[TN_MAX_RANK] = {false}, keep = tni_attr_int(d->node, "keepdims", 1) != 0;
  bool want_last = tni_attr_int(d->node, "select_last_index", 0) != 0;
  int64_t axis = tni_normal_axis(d->node, 0, x->rank);
  set[axis] = true;
  const tn_buffer *best = reduce_stage(d, "best", d->in[0], x->type, set, reducer);
  split_axes a;
  make_axes(b, x, set, keep, &a);
  const tn_expr *index[TN_MAX_RANK] = {NULL};
  kept_index(x, set, a.in, index);
  const tn_expr *same = tn_op2(b, TN_OP_eq, tn_load(b, d->in[0], a.in, NULL), tn_load(b, best, index, NULL));
  const tn_expr *otherwise = tn_int(b, TN_I64, want_last ? 0 : x->shape[axis] - 1);
  const tn_expr *place = tn_op3(b, TN_OP_select, same, tn_cast(b, TN_I64, a.in[axis]), otherwise);
  reduce_into(b, d->out[0], &a, want_last ? TN_REDUCE_MAX : TN_REDUCE_MIN, false, place);
  return true;
}
bool tni_define_arg_max(tni_define *d) { return define_arg(d, TN_REDUCE_MAX); }
bool tni_define_arg_min(tni_define *d) { return define_arg(d, TN_REDUCE_MIN); }

static bool define_running(tni_define *d, enum tn_reducer reducer) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  int64_t axis = tni_normal_axis(d->node, 0, x->rank);
  bool exclusive = tni_attr_int(d->node, "exclusive", 0) != 0, reverse = tni_attr_int(d->node, "reverse", 0) != 0;
  const tn_expr *axes[TN_MAX_RANK], *in[TN_MAX_RANK];
  tni_axes(b, x->rank, x->shape, axes);
  memcpy(in, axes, sizeof in);
  const tn_expr *r = in[axis] = tn_reduce_axis(b, "r", x->shape[axis]);
  const tn_expr *before = reverse ? axes[axis] : r, *after = reverse ? r : axes[axis];
  const tn_expr *counts = tn_op2(b, exclusive ? TN_OP_lt : TN_OP_le, before, after);
  const tn_expr *value = tn_op3(b, TN_OP_select, counts, tn_load(b, d->in[0], in, NULL),
                                identity_of(b, x->type, reducer));
  tn_reduce(b, d->out[0], axes, 1, &r, reducer, value);
  return true;
}
bool tni_define_cum_sum(tni_define *d) { return define_running(d, TN_REDUCE_SUM); }
bool tni_define_cum_prod(tni_define *d) { return define_running(d, TN_REDUCE_PRODUCT); }
