/* ops_attention.c -- converters of attention and of what stands around it: the operator of the graph where it is
 * nothing else, products and softmax where the model wants more.
 *
 *     y = softmax(mask(softcap(q * k^T * scale))) * v            over (batch, heads, sequence, size)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

/* ---- attention --------------------------------------------------------------------------------------------------- */

typedef struct attention {
  int64_t batch, heads, kv_heads, queries, keys, past, size, v_size;
  tn_type type;
  bool flat; /* heads are part of the last dimension, as they come and as they go */
} attention;

/* (batch, sequence, heads * size) as (batch, heads, sequence, size); what has four dimensions is like that already. */
static uint32_t split_heads(conversion *c, uint32_t i, const char *attr) {
  static const int64_t perm[] = {0, 2, 1, 3};
  tni_gvalue x = *in(c, i);
  int64_t heads = attr_int(c, attr, 0);
  if (!ok(c) || x.rank == 4) return input(c, i);
  if (x.rank != 3 || heads < 1 || x.shape[2] % heads)
    return fail(c, TN_E_INVALID, "input %u does not split into `%s`", i, attr), TNI_NO_VALUE;
  int64_t shape[] = {x.shape[0], x.shape[1], heads, x.shape[2] / heads};
  return permuted(c, reshape(c, input(c, i), 4, shape, NULL), perm);
}

static uint32_t merge_heads(conversion *c, uint32_t x) {
  static const int64_t perm[] = {0, 2, 1, 3};
  tni_gvalue of = *value_of(c, x);
  int64_t shape[] = {of.shape[0], of.shape[2], of.shape[1] * of.shape[3]};
  return reshape(c, permuted(c, x, perm), 3, shape, NULL);
}

/* What came before, along the sequence. */
static uint32_t behind(conversion *c, uint32_t past, uint32_t x) {
  if (!has_input(c, past)) return x;
  set_int(c, "axis", 2);
  return emit2(c, "concat", input(c, past), x, NULL);
}

static void read_sizes(conversion *c, uint32_t q, uint32_t k, uint32_t v, attention *a) {
  tni_gvalue x = *value_of(c, q), y = *value_of(c, k), z = *value_of(c, v);
  if (!ok(c)) return;
  bool fits = x.rank == 4 && y.rank == 4 && z.rank == 4 && x.shape[0] == y.shape[0] && x.shape[0] == z.shape[0] &&
              x.shape[3] == y.shape[3] && y.shape[1] == z.shape[1] && y.shape[2] == z.shape[2] && y.shape[1] > 0 &&
              x.shape[1] % y.shape[1] == 0;
  if (!fits) return fail(c, TN_E_INVALID, "the shapes of query, key and value do not fit together");
  *a =
      (attention){x.shape[0], x.shape[1], y.shape[1], x.shape[2], y.shape[2], 0, x.shape[3], z.shape[3], x.type, false};
  a->past = has_input(c, 4) ? in(c, 4)->shape[2] : 0;
  a->flat = in(c, 0)->rank == 3;
}

/* x * y per head; queries share the keys and values of their group of heads. */
static uint32_t per_head(conversion *c, const attention *a, uint32_t x, uint32_t y) {
  tni_gvalue p = *value_of(c, x), q = *value_of(c, y);
  if (a->heads == a->kv_heads || !ok(c)) return emit2(c, "matmul", x, y, NULL);
  int64_t left[] = {a->batch, a->kv_heads, a->heads / a->kv_heads, p.shape[2], p.shape[3]};
  int64_t right[] = {a->batch, a->kv_heads, 1, q.shape[2], q.shape[3]};
  int64_t whole[] = {a->batch, a->heads, p.shape[2], q.shape[3]};
  return reshape(c, emit2(c, "matmul", reshape(c, x, 5, left, NULL), reshape(c, y, 5, right, NULL), NULL), 4, whole,
                 NULL);
}

/* x where the condition is true, else -infinity. */
static uint32_t only_where(conversion *c, uint32_t condition, uint32_t x) {
  return emit3(c, "where", condition, x, const_number(c, value_of(c, x)->type, -INFINITY));
}

/* The mask of the model, up to the last key. */
static uint32_t whole_mask(conversion *c, const attention *a) {
  tni_gvalue mask = *in(c, 3);
  uint32_t m = input(c, 3);
  if (!ok(c)) return m;
  if (mask.rank < 1 || mask.shape[mask.rank - 1] > a->keys)
    return fail(c, TN_E_INVALID, "the mask does not fit the keys"), m;
  if (mask.shape[mask.rank - 1] == a->keys) return m;
  int64_t pads[2 * TN_MAX_RANK] = {0};
  pads[2 * mask.rank - 1] = a->keys - mask.shape[mask.rank - 1];
  set_ints(c, "pads", 2 * mask.rank, pads);
  if (mask.type != TN_BOOL) set_float(c, "value", -INFINITY);
  return emit1(c, "pad", m, NULL);
}

/* Bool picks, numbers are added. */
static uint32_t apply_mask(conversion *c, const attention *a, uint32_t x) {
  uint32_t m = whole_mask(c, a);
  if (!ok(c)) return x;
  return value_of(c, m)->type == TN_BOOL ? only_where(c, m, x) : emit2(c, "add", x, m, NULL);
}

/* No query sees a key that comes after it. */
static uint32_t apply_causal(conversion *c, const attention *a, uint32_t x) {
  uint32_t query = with_number(c, "add", counting(c, TN_I64, a->queries, 2, 0), (double)a->past);
  uint32_t seen = emit2(c, "less_or_equal", counting(c, TN_I64, a->keys, 2, 1), query, NULL);
  return only_where(c, seen, x);
}

/* Of each batch element, only so many keys count. */
static uint32_t apply_lengths(conversion *c, const attention *a, uint32_t x) {
  int64_t shape[] = {a->batch, 1, 1, 1};
  uint32_t length = cast_to(c, reshape(c, input(c, 6), 4, shape, NULL), TN_I64);
  return only_where(c, emit2(c, "less", counting(c, TN_I64, a->keys, 4, 3), length, NULL), x);
}

static uint32_t softcapped(conversion *c, uint32_t x, double cap) {
  if (!(cap > 0)) return x;
  return with_number(c, "mul", emit1(c, "tanh", with_number(c, "div", x, cap), NULL), cap);
}

static uint32_t attention_softmax(conversion *c, const attention *a, uint32_t x) {
  int64_t precision = attr_int(c, "softmax_precision", 0);
  tn_type type = precision ? tni_onnx_type(precision) : a->type;
  if (!tni_type_is_float(type))
    fail(c, TN_E_UNSUPPORTED, "a softmax in data type %lld is not supported", (long long)precision);
  set_int(c, "axis", -1);
  return cast_to(c, emit1(c, "softmax", cast_to(c, x, type), NULL), a->type);
}

/* ---- the operator ------------------------------------------------------------------------------------------------ */

/* May the mask be that of (batch, kv_heads, rows, keys), the rows being queries of all heads that share keys? */
static bool mask_is_plain(const attention *a, const tni_gvalue *mask) {
  int64_t shape[4] = {1, 1, 1, 1};
  if (mask->rank < 1 || mask->rank > 4 || (mask->type != TN_BOOL && mask->type != a->type)) return false;
  memcpy(shape + 4 - mask->rank, mask->shape, sizeof *shape * (size_t)mask->rank);
  return (shape[0] == 1 || shape[0] == a->batch) && (shape[1] == 1 || (shape[1] == a->heads && a->heads == a->kv_heads)) &&
         (shape[2] == 1 || shape[2] == a->queries);
}

/* Is it nothing but attention, which is one operator of the graph? */
static bool is_plain(conversion *c, const attention *a) {
  int64_t precision = attr_int(c, "softmax_precision", 0);
  tn_type type = precision ? tni_onnx_type(precision) : a->type;
  if (wants(c, 3) || has_input(c, 6) || attr_float(c, "softcap", 0) > 0 || a->keys < 1 || a->queries < 1) return false;
  if (type != a->type && type != tni_sum_type(a->type)) return false;
  return !has_input(c, 3) || mask_is_plain(a, in(c, 3));
}

static uint32_t plain_attention(conversion *c, const attention *a, uint32_t q, uint32_t k, uint32_t v) {
  static const int64_t perm[] = {0, 1, 3, 2};
  int64_t rows[] = {a->batch, a->kv_heads, a->heads / a->kv_heads * a->queries, a->size};
  int64_t whole[] = {a->batch, a->heads, a->queries, a->v_size}, shape[4] = {1, 1, 1, 1};
  int64_t block, tile;
  bool causal = attr_int(c, "is_causal", 0) != 0;
  uint32_t p[4] = {reshape(c, q, 4, rows, NULL), k, v, TNI_NO_VALUE};
  if (has_input(c, 3)) {
    uint32_t m = whole_mask(c, a);
    tni_gvalue mask = *value_of(c, m);
    if (!ok(c)) return TNI_NO_VALUE;
    memcpy(shape + 4 - mask.rank, mask.shape, sizeof *shape * (size_t)mask.rank);
    p[3] = permuted(c, reshape(c, m, 4, shape, NULL), perm);
  }
  set_int(c, "queries", a->queries);
  tni_attention_blocks(rows[2], a->keys, causal, &block, &tile);
  set_int(c, "rows", tile);
  set_int(c, "keys", block);
  if (causal) set_int(c, "causal", 1);
  if (causal) set_int(c, "past", a->past);
  set_float(c, "scale", attr_float(c, "scale", 1 / sqrt((double)a->size)));
  return reshape(c, emit_n(c, "attention", has_input(c, 3) ? 4 : 3, p, NULL), 4, whole, NULL);
}

void tni_convert_attention(conversion *c) {
  static const int64_t perm[] = {0, 1, 3, 2};
  attention a = {0};
  uint32_t q = split_heads(c, 0, "q_num_heads"), k = behind(c, 4, split_heads(c, 1, "kv_num_heads")),
           v = behind(c, 5, split_heads(c, 2, "kv_num_heads"));
  int64_t mode = attr_int(c, "qk_matmul_output_mode", 0);
  read_sizes(c, q, k, v, &a);
  if (mode < 0 || mode > 3) fail(c, TN_E_INVALID, "`qk_matmul_output_mode` is %lld", (long long)mode);
  if (!ok(c)) return;
  finish(c, 1, k);
  finish(c, 2, v);
  if (is_plain(c, &a)) {
    uint32_t y = plain_attention(c, &a, q, k, v);
    finish(c, 0, a.flat ? merge_heads(c, y) : y);
    return;
  }
  double factor = sqrt(attr_float(c, "scale", 1 / sqrt((double)a.size)));
  uint32_t stage[4];
  stage[0] = per_head(c, &a, with_number(c, "mul", q, factor), permuted(c, with_number(c, "mul", k, factor), perm));
  stage[1] = softcapped(c, stage[0], attr_float(c, "softcap", 0));
  stage[2] = has_input(c, 3) ? apply_mask(c, &a, stage[1]) : stage[1];
  if (attr_int(c, "is_causal", 0)) stage[2] = apply_causal(c, &a, stage[2]);
  if (has_input(c, 6)) stage[2] = apply_lengths(c, &a, stage[2]);
  stage[3] = attention_softmax(c, &a, stage[2]);
  finish(c, 3, stage[mode]);
  uint32_t y = per_head(c, &a, stage[3], v);
  finish(c, 0, a.flat ? merge_heads(c, y) : y);
}

/* ---- attention with bodies that change it ------------------------------------------------------------------------ */

/* What a body makes of the scores or of the probabilities. */
static uint32_t modified(conversion *c, const char *attr, uint32_t x) {
  const tni_onnx_attr *body = find_attr(c, attr, TNI_ONNX_GRAPH);
  const tni_onnx_binding *b;
  if (!ok(c) || !body) return x;
  if (!body->body || body->body->input_count != 1 || body->body->output_count != 1)
    return fail(c, TN_E_INVALID, "`%s` is not of one tensor", attr), TNI_NO_VALUE;
  c->m->bound[body->body->inputs[0].slot] = (tni_onnx_binding){.kind = TNI_BOUND_TENSOR, .value = x};
  c->status = tni_onnx_convert_body(c->m, body->body, c->err);
  if (ok(c)) c->status = tni_onnx_bind(c->m, body->body->outputs[0].slot, &b, c->err);
  if (!ok(c)) return TNI_NO_VALUE;
  const tni_gvalue *from = value_of(c, x), *to = b->kind == TNI_BOUND_TENSOR ? value_of(c, b->value) : NULL;
  if (!to || to->type != from->type || to->rank != from->rank ||
      memcmp(to->shape, from->shape, sizeof(int64_t) * (size_t)from->rank) != 0)
    return fail(c, TN_E_INVALID, "`%s` changes the type or the shape", attr), TNI_NO_VALUE;
  return b->value;
}

void tni_convert_flex_attention(conversion *c) {
  static const int64_t perm[] = {0, 1, 3, 2};
  attention a = {0};
  uint32_t q = input(c, 0), k = input(c, 1), v = input(c, 2);
  int64_t precision = attr_int(c, "softmax_precision", 0);
  read_sizes(c, q, k, v, &a);
  if (!ok(c)) return;
  tn_type type = precision ? tni_onnx_type(precision) : tni_sum_type(a.type);
  if (!tni_type_is_float(type))
    return fail(c, TN_E_UNSUPPORTED, "a softmax in data type %lld is not supported", (long long)precision);
  double factor = sqrt(attr_float(c, "scale", 1 / sqrt((double)a.size)));
  uint32_t scores =
      per_head(c, &a, with_number(c, "mul", q, factor), permuted(c, with_number(c, "mul", k, factor), perm));
  scores = modified(c, "score_mod", cast_to(c, scores, type));
  set_int(c, "axis", -1);
  uint32_t weights = modified(c, "prob_mod", emit1(c, "softmax", scores, NULL));
  finish(c, 0, cast_to(c, per_head(c, &a, weights, cast_to(c, v, type)), a.type));
}

/* ---- rotary embedding -------------------------------------------------------------------------------------------- */

/* One half of the pairs (x1, x2): those with even places, or the first half. */
static uint32_t half_of(conversion *c, uint32_t x, int64_t dim, bool interleaved, int64_t which) {
  int64_t start = interleaved ? which : which * dim / 2, end = interleaved ? dim : start + dim / 2, axis = 3,
          step = interleaved ? 2 : 1;
  set_ints(c, "starts", 1, &start);
  set_ints(c, "ends", 1, &end);
  set_ints(c, "axes", 1, &axis);
  set_ints(c, "steps", 1, &step);
  return emit1(c, "slice", x, NULL);
}

/* A cache by position, as (batch, 1, sequence, dim / 2). */
static uint32_t cached(conversion *c, uint32_t i, int64_t batch, int64_t sequence, int64_t dim) {
  uint32_t x = input(c, i);
  if (has_input(c, 3)) x = emit2(c, "gather", x, input(c, 3), NULL);
  tni_gvalue of = *value_of(c, x);
  int64_t shape[] = {batch, 1, sequence, dim / 2};
  if (ok(c) && (of.rank != 3 || of.shape[0] != batch || of.shape[1] != sequence || of.shape[2] != dim / 2))
    fail(c, TN_E_INVALID, "input %u is not one number per position and pair", i);
  return reshape(c, x, 4, shape, NULL);
}

static uint32_t concat_last(conversion *c, uint32_t x, uint32_t y) {
  set_int(c, "axis", -1);
  return emit2(c, "concat", x, y, NULL);
}

/* (x1, x2) turned by an angle per position: (cos x1 - sin x2, sin x1 + cos x2); what is behind `dim` stays. */
void tni_convert_rotary_embedding(conversion *c) {
  bool flat = in(c, 0)->rank == 3, interleaved = attr_int(c, "interleaved", 0) != 0;
  uint32_t whole = split_heads(c, 0, "num_heads");
  tni_gvalue of = *value_of(c, whole);
  int64_t dim = attr_int(c, "rotary_embedding_dim", 0);
  if (dim == 0) dim = of.shape[3];
  if (ok(c) && (of.rank != 4 || dim < 2 || dim % 2 || dim > of.shape[3]))
    fail(c, TN_E_INVALID, "`rotary_embedding_dim` of %lld does not fit", (long long)dim);
  if (!ok(c)) return;
  uint32_t cosine = cached(c, 1, of.shape[0], of.shape[2], dim), sine = cached(c, 2, of.shape[0], of.shape[2], dim);
  uint32_t x = half_of(c, whole, dim, interleaved, 0), y = half_of(c, whole, dim, interleaved, 1);
  uint32_t real = emit2(c, "sub", emit2(c, "mul", cosine, x, NULL), emit2(c, "mul", sine, y, NULL), NULL);
  uint32_t imaginary = emit2(c, "add", emit2(c, "mul", sine, x, NULL), emit2(c, "mul", cosine, y, NULL), NULL);
  uint32_t turned;
  if (interleaved) {
    int64_t pair[] = {of.shape[0], of.shape[1], of.shape[2], dim / 2, 1},
            joined[] = {of.shape[0], of.shape[1], of.shape[2], dim};
    turned = concat_last(c, reshape(c, real, 5, pair, NULL), reshape(c, imaginary, 5, pair, NULL));
    turned = reshape(c, turned, 4, joined, NULL);
  } else {
    turned = concat_last(c, real, imaginary);
  }
  if (dim < of.shape[3]) turned = concat_last(c, turned, sliced(c, whole, 3, dim, of.shape[3]));
  finish(c, 0, flat ? merge_heads(c, turned) : turned);
}

/* ---- linear attention -------------------------------------------------------------------------------------------- */

/* (batch, t, heads * n) as (batch, heads, t, n), in f32. */
static uint32_t heads_apart(conversion *c, uint32_t i, int64_t heads) {
  static const int64_t perm[] = {0, 2, 1, 3};
  tni_gvalue x = *in(c, i);
  if (!ok(c)) return TNI_NO_VALUE;
  if (x.rank != 3 || heads < 1 || x.shape[2] % heads)
    return fail(c, TN_E_INVALID, "input %u does not split into %lld heads", i, (long long)heads), TNI_NO_VALUE;
  int64_t shape[] = {x.shape[0], x.shape[1], heads, x.shape[2] / heads};
  return cast_to(c, permuted(c, reshape(c, input(c, i), 4, shape, NULL), perm), TN_F32);
}

void tni_convert_linear_attention(conversion *c) {
  int64_t q_heads = attr_int(c, "q_num_heads", 0), heads = attr_int(c, "kv_num_heads", 0);
  const char *rule = attr_string(c, "update_rule", "gated_delta");
  bool gated = strncmp(rule, "gated", 5) == 0, delta = strstr(rule, "delta") != NULL;
  if (!gated && strcmp(rule, "delta") != 0 && strcmp(rule, "linear") != 0)
    return fail(c, TN_E_INVALID, "there is no update rule `%.32s`", rule);
  if (has_input(c, 4) != gated || has_input(c, 5) != delta)
    return fail(c, TN_E_INVALID, "the update rule `%s` and the inputs do not fit", rule);
  tni_gvalue x = *in(c, 0);
  uint32_t p[6] = {heads_apart(c, 0, q_heads),
                   heads_apart(c, 1, heads),
                   heads_apart(c, 2, heads),
                   TNI_NO_VALUE,
                   TNI_NO_VALUE,
                   TNI_NO_VALUE};
  tni_gvalue k = *value_of(c, p[1]), v = *value_of(c, p[2]);
  if (!ok(c)) return;
  int64_t state[] = {k.shape[0], heads, k.shape[3], v.shape[3]};
  tn_type kept = has_input(c, 3) ? in(c, 3)->type : x.type;
  if (has_input(c, 3)) {
    p[3] = cast_to(c, input(c, 3), TN_F32);
  } else {
    uint32_t zero = const_number(c, TN_F32, 0);
    set_ints(c, "shape", 4, state);
    p[3] = emit1(c, "expand", zero, NULL);
  }
  if (gated) p[4] = emit1(c, "exp", heads_apart(c, 4, heads), NULL);
  if (delta) p[5] = heads_apart(c, 5, in(c, 5)->rank == 3 && in(c, 5)->shape[2] == 1 ? 1 : heads);
  double scale = attr_float(c, "scale", 0);
  set_float(c, "scale", scale != 0 ? scale : 1 / sqrt((double)k.shape[3]));
  uint32_t y = emit_n(c, "linear_attention", 6, p, NULL);
  finish(c, 0, cast_to(c, merge_heads(c, y), x.type));
  if (!wants(c, 1)) return;
  set_int(c, "last", 1);
  finish(c, 1, cast_to(c, emit_n(c, "linear_attention", 6, p, NULL), kept));
}
