/* ops_attention.c -- attention in one pass over the keys: scores are never all there.
 *
 *     s[j, r] = mask(scale * sum over d of k[j, d] * q[r, d])                 m' = max(m, max over j of s[j, r])
 *     p[j, r] = exp(s[j, r] - m')     f = exp(m - m')     l = l * f + sum over j of p[j, r]     m = m'
 *     a[w, r] = a[w, r] * f + sum over j of v[j, w] * p[j, r]           after the last keys: out[r, w] = a[w, r] * (1
 * / l)
 *
 * for `keys` keys after the other, and what is left of them. This order is what the operator means: sums in parts, each
 * begun anew, in f32 for shorter floats. Where all keys are in one block, m is their maximum and nothing is made
 * smaller. Rows do not depend on each other: `rows` of them are done at a time and change no result. They are innermost
 * everywhere, so that what is known of a row is in a lane, and keys and values are read as they come; the last tile of
 * rows is filled with queries of zeros.
 *
 * Over (batch, heads, row, size); a head's queries, and those of all heads that share its keys, are its rows: row r is
 * query r % `queries`, for the mask, which is (batch, heads, key, row or query), each of which may be 1, and for
 * `causal`: it sees keys up to r % queries + past.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "ops.h"

enum { Q, K, V, MASK, LANES = 4 /* at least so many rows at a time */, MOST_OUTER = 4, MOST_BLOCKS = 32 };

static const tni_gvalue *mask_of(const tni_gnode *node, const tni_gvalue *const *in) {
  return node->input_count > MASK ? in[MASK] : NULL;
}

static bool mask_fits(const tni_gvalue *mask, const tni_gvalue *q, const tni_gvalue *k, int64_t queries) {
  const int64_t whole[] = {q->shape[0], q->shape[1], k->shape[2], q->shape[2]};
  if (mask->rank != 4 || (mask->type != TN_BOOL && mask->type != q->type)) return false;
  for (int32_t d = 0; d < 4; d++)
    if (mask->shape[d] != 1 && mask->shape[d] != whole[d] && (d != 3 || mask->shape[d] != queries)) return false;
  return true;
}

bool tni_infer_attention(tni_infer *x) {
  const tni_gvalue *q = x->in[Q], *k = x->in[K], *v = x->in[V], *mask = mask_of(x->node, x->in);
  for (int i = 0; i < MASK; i++)
    if (!tni_type_is_float(x->in[i]->type) || x->in[i]->type != q->type || x->in[i]->rank != 4)
      return tni_refuse(x, "query, key and value are not of rank 4 and one floating-point type");
  if (k->shape[0] != q->shape[0] || k->shape[1] != q->shape[1] || k->shape[3] != q->shape[3] ||
      v->shape[0] != q->shape[0] || v->shape[1] != q->shape[1] || v->shape[2] != k->shape[2] || k->shape[2] < 1)
    return tni_refuse(x, "query, key and value do not fit together");
  int64_t queries = tni_attr_int(x->node, "queries", q->shape[2]);
  if (tni_attr_int(x->node, "keys", 1) < 1 || tni_attr_int(x->node, "rows", 1) < 1 ||
      tni_attr_int(x->node, "past", 0) < 0)
    return tni_refuse(x, "blocks of no keys or rows, or a past of less than none");
  if (queries < 0 || (queries == 0) != (q->shape[2] == 0) || (queries && q->shape[2] % queries))
    return tni_refuse(x, "the rows are not whole sets of queries");
  if (mask && !mask_fits(mask, q, k, queries)) return tni_refuse(x, "the mask does not fit the scores");
  *x->out = (tni_gvalue){.type = q->type, .rank = 4, .shape = {q->shape[0], q->shape[1], q->shape[2], v->shape[3]}};
  return true;
}

/* ---- blocks in the loops over what is done at a time
 * --------------------------------------------------------------- */

/* `count` blocks of `extent` keys each, from key `first` on. */
typedef struct run {
  int64_t first, extent, count;
} run;

/* A function under construction, in its loops over batch, head, tile of rows, and, in a run, block of keys. */
typedef struct attention {
  tni_define *d;
  tn_builder *b;
  tn_type type; /* of sums */
  int64_t rows, queries, size, wide, tile, extents[MOST_OUTER];
  bool online; /* several blocks of keys */
  const tn_expr *outer[MOST_OUTER];
  size_t depth; /* loops around what is being made: 3 or 4 */
  run now;
  bool rest;                                  /* it is what whole blocks of keys leave */
  const tn_buffer *packed, *most, *sum, *all; /* q by lanes; m, l, a */
  const tn_stmt *stmts[MOST_BLOCKS];
  size_t count;
} attention;

/* The iterators of one block: those outside, and its own. */
typedef struct place {
  const tn_expr *at[MOST_OUTER + 3];
  int64_t own[3];
  size_t depth, count;
} place;

static place new_place(const attention *a, size_t count, int64_t x, int64_t y, int64_t z) {
  static const char *const names[] = {"vb", "vh", "vt", "vc"};
  place p = {.own = {x, y, z}, .depth = a->depth, .count = a->depth + count};
  for (size_t i = 0; i < p.count; i++) p.at[i] = tn_var(a->b, i < a->depth ? names[i] : "v", TN_INDEX);
  return p;
}

static const tn_expr *own(const place *p, size_t i) { return p->at[p->depth + i]; }

/* A buffer of so many dimensions behind those outside. */
static const tn_buffer *new_buffer(const attention *a, const char *name, size_t count, int64_t x, int64_t y) {
  int64_t shape[MOST_OUTER + 2];
  memcpy(shape, a->extents, sizeof a->extents);
  shape[a->depth] = x;
  shape[a->depth + 1] = y;
  return tn_alloc(a->b, name, a->type, (int32_t)(a->depth + count), shape);
}

/* Its element: of a block in a run, also of what is made outside of that. */
static const tn_expr *const *index_of(const attention *a, const tn_buffer *buffer, const place *p, size_t count,
                                      const tn_expr *x, const tn_expr *y, const tn_expr **index) {
  size_t n = (size_t)(buffer ? buffer->rank : 0) - count;
  (void)a;
  if (!buffer || n > MOST_OUTER) return index;
  memcpy(index, p->at, n * sizeof *index);
  index[n] = x;
  if (count > 1) index[n + 1] = y;
  return index;
}
static const tn_expr *load1(const attention *a, const tn_buffer *buffer, const place *p, const tn_expr *x) {
  const tn_expr *index[MOST_OUTER + 2] = {NULL};
  return tn_load(a->b, buffer, index_of(a, buffer, p, 1, x, NULL, index), NULL);
}
static const tn_expr *load2(const attention *a, const tn_buffer *buffer, const place *p, const tn_expr *x,
                            const tn_expr *y) {
  const tn_expr *index[MOST_OUTER + 2] = {NULL};
  return tn_load(a->b, buffer, index_of(a, buffer, p, 2, x, y, index), NULL);
}

static const tn_stmt *store1(const attention *a, const tn_buffer *buffer, const place *p, const tn_expr *value) {
  const tn_expr *index[MOST_OUTER + 2] = {NULL};
  return tn_store(a->b, buffer, index_of(a, buffer, p, 1, own(p, 0), NULL, index), value);
}
static const tn_stmt *store2(const attention *a, const tn_buffer *buffer, const place *p, const tn_expr *value) {
  const tn_expr *index[MOST_OUTER + 2] = {NULL};
  return tn_store(a->b, buffer, index_of(a, buffer, p, 2, own(p, 0), own(p, 1), index), value);
}

static const tn_expr *row_of(const attention *a, const tn_expr *tile, const tn_expr *lane) {
  return tn_add(a->b, tn_mul(a->b, tile, tn_index(a->b, a->tile)), lane);
}

/* Of a tile that ends behind the last row, the rows that there are; NULL: all. */
static const tn_expr *is_row(const attention *a, const tn_expr *row) {
  return a->rows % a->tile ? tn_op2(a->b, TN_OP_lt, row, tn_index(a->b, a->rows)) : NULL;
}

/* Adds the block of `body`; `sums`: the last of its own iterators is what is summed over, from `init` on; `rows`: the
 * first one is the row in the tile, and nothing is done for rows that are not there. */
static void add_block_where(attention *a, const char *name, const place *p, bool sums, bool rows, const tn_stmt *init,
                            const tn_stmt *body) {
  tn_builder *b = a->b;
  const tn_expr *extents[MOST_OUTER + 3], *bindings[MOST_OUTER + 3];
  uint8_t reduce[MOST_OUTER + 3] = {0};
  static const char *const names[] = {"i", "j", "k"};
  for (size_t i = 0; i < p->count; i++) {
    extents[i] = tn_index(b, i < p->depth ? a->extents[i] : p->own[i - p->depth]);
    bindings[i] = i < p->depth ? a->outer[i] : tn_var(b, names[i - p->depth], TN_INDEX);
  }
  reduce[p->count - 1] = sums;
  const tn_expr *where = rows ? is_row(a, row_of(a, a->outer[2], bindings[p->depth])) : NULL;
  char full[32];
  snprintf(full, sizeof full, "%s%s", name, a->rest ? "_rest" : "");
  const tn_stmt *s = tn_block(b, full, p->count, p->at, extents, reduce, bindings, where, init, body);
  for (size_t i = p->count; i-- > p->depth;) s = tn_for(b, bindings[i], extents[i], s);
  assert(a->count < MOST_BLOCKS);
  a->stmts[a->count++] = s;
}

static void add_block(attention *a, const char *name, const place *p, bool sums, const tn_stmt *init,
                      const tn_stmt *body) {
  add_block_where(a, name, p, sums, false, init, body);
}

/* What has been added, in a loop of each of the outer ones from `depth` on. */
static const tn_stmt *take_blocks(attention *a, size_t first) {
  const tn_stmt *s = tn_seq(a->b, a->count - first, a->stmts + first);
  a->count = first;
  return s;
}

/* ---- the blocks
 * ---------------------------------------------------------------------------------------------------- */

static const tn_expr *number(const attention *a, double x) { return tn_float(a->b, a->type, x); }
/* Below every score that counts, and not infinite: what is less by that is a number. */
static const tn_expr *lowest(const attention *a) { return number(a, a->type == TN_F64 ? -DBL_MAX : -(double)FLT_MAX); }

/* packed[d, r] = q[r, d] */
static void pack_queries(attention *a) {
  tn_builder *b = a->b;
  place p = new_place(a, 2, a->size, a->tile, 0);
  a->packed = new_buffer(a, "packed", 2, a->size, a->tile);
  const tn_expr *row = row_of(a, p.at[2], own(&p, 1)), *inside = is_row(a, row);
  const tn_expr *index[] = {p.at[0], p.at[1], row, own(&p, 0)};
  const tn_expr *x = tn_cast(b, a->type, tn_load(b, a->d->in[Q], index, inside));
  add_block(a, "pack", &p, false, NULL, store2(a, a->packed, &p, x));
}

static const tn_expr *key_of(const attention *a, const place *p, const tn_expr *j) {
  tn_builder *b = a->b;
  const tn_expr *block = a->now.count > 1 ? tn_mul(b, p->at[3], tn_index(b, a->now.extent)) : tn_index(b, 0);
  return tn_add(b, tn_add(b, tn_index(b, a->now.first), block), j);
}

/* to[x, r] = sum over y of in[..] * with[.., r]: scores of keys, x = j and y = d, or values, x = w and y = j */
static const tn_buffer *product(attention *a, const char *name, uint32_t input, int64_t rows, int64_t steps,
                                const tn_buffer *with) {
  tn_builder *b = a->b;
  place p = new_place(a, 3, rows, a->tile, steps);
  const tn_buffer *to = new_buffer(a, name, 2, rows, a->tile);
  const tn_expr *x = own(&p, 0), *r = own(&p, 1), *y = own(&p, 2);
  const tn_expr *key = key_of(a, &p, input == K ? x : y), *index[] = {p.at[0], p.at[1], key, input == K ? y : x};
  const tn_expr *factor = tn_cast(b, a->type, tn_load(b, a->d->in[input], index, NULL));
  const tn_expr *sum = tn_op3(b, TN_OP_fma, factor, load2(a, with, &p, y, r), load2(a, to, &p, x, r));
  add_block(a, name, &p, true, store2(a, to, &p, number(a, 0)), store2(a, to, &p, sum));
  return to;
}

/* The mask, of which a dimension may be 1, for a row of the tile. */
static const tn_expr *mask_at(const attention *a, const place *p, const tn_expr *row, const tn_expr *key) {
  tn_builder *b = a->b;
  const tni_gvalue *mask = a->d->in_value[MASK];
  const tn_expr *zero = tn_index(b, 0), *index[] = {p->at[0], p->at[1], key, row};
  if (mask->shape[3] != a->rows) index[3] = tn_op2(b, TN_OP_floormod, row, tn_index(b, mask->shape[3]));
  for (int32_t d = 0; d < 4; d++)
    if (mask->shape[d] == 1) index[d] = zero;
  const tn_expr *inside = mask->shape[3] == a->rows && a->rows > 1 ? is_row(a, row) : NULL;
  return tn_load(b, a->d->in[MASK], index, inside);
}

/* The scores, scaled, with the mask; -infinity for those that do not count. */
static const tn_buffer *seen(attention *a, const tn_buffer *scores) {
  tn_builder *b = a->b;
  const tni_gvalue *mask = mask_of(a->d->node, a->d->in_value);
  bool causal = tni_attr_int(a->d->node, "causal", 0) != 0;
  place p = new_place(a, 2, a->now.extent, a->tile, 0);
  const tn_buffer *to = new_buffer(a, "seen", 2, a->now.extent, a->tile);
  const tn_expr *row = row_of(a, p.at[2], own(&p, 1)), *key = key_of(a, &p, own(&p, 0)),
                *none = number(a, -(double)INFINITY);
  const tn_expr *x = load2(a, scores, &p, own(&p, 0), own(&p, 1));
  x = tn_mul(b, x, number(a, tni_attr_float(a->d->node, "scale", 1)));
  if (mask) {
    const tn_expr *of = mask_at(a, &p, row, key);
    x = mask->type == TN_BOOL ? tn_op3(b, TN_OP_select, of, x, none) : tn_add(b, x, tn_cast(b, a->type, of));
  }
  if (causal) {
    const tn_expr *query = a->rows > a->queries ? tn_op2(b, TN_OP_floormod, row, tn_index(b, a->queries)) : row;
    const tn_expr *last = tn_add(b, query, tn_index(b, tni_attr_int(a->d->node, "past", 0)));
    x = tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_le, key, last), x, none);
  }
  add_block(a, "seen", &p, false, NULL, store2(a, to, &p, x));
  return to;
}

/* The larger; a score that is not a number is passed over: its weight is none either. */
static const tn_expr *larger(tn_builder *b, const tn_expr *x, const tn_expr *y) {
  return tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_lt, x, y), y, x);
}
static const tn_expr *sum(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_add(b, x, y); }

/* to[r] = all of from[j, r], taken together by f */
static const tn_buffer *over_keys(attention *a, const char *name, const tn_buffer *from,
                                  const tn_expr *(*f)(tn_builder *b, const tn_expr *x, const tn_expr *y),
                                  const tn_expr *start) {
  place p = new_place(a, 2, a->tile, a->now.extent, 0);
  const tn_buffer *to = new_buffer(a, name, 1, a->tile, 0);
  const tn_expr *r = own(&p, 0), *x = load2(a, from, &p, own(&p, 1), r);
  add_block(a, name, &p, true, store1(a, to, &p, start), store1(a, to, &p, f(a->b, load1(a, to, &p, r), x)));
  return to;
}

/* Values of one row: to[r] = value */
static void set_rows(attention *a, const char *name, const place *p, const tn_buffer *to, const tn_expr *value) {
  add_block(a, name, p, false, NULL, store1(a, to, p, value));
}

static place of_rows(const attention *a) { return new_place(a, 1, a->tile, 0, 0); }

/* p[j, r] = exp(s[j, r] - most[r]), in the place of s */
static void weigh(attention *a, const tn_buffer *s, const tn_buffer *most) {
  place p = new_place(a, 2, a->now.extent, a->tile, 0);
  const tn_expr *r = own(&p, 1), *x = tn_sub(a->b, load2(a, s, &p, own(&p, 0), r), load1(a, most, &p, r));
  add_block(a, "weights", &p, false, NULL, store2(a, s, &p, tn_op1(a->b, TN_OP_exp, x)));
}

/* 1 / of[r] */
static const tn_buffer *invert(attention *a, const tn_buffer *of) {
  place i = of_rows(a);
  const tn_buffer *inverse = new_buffer(a, "inverse", 1, a->tile, 0);
  set_rows(a, "inverse", &i, inverse, tn_div(a->b, number(a, 1), load1(a, of, &i, own(&i, 0))));
  return inverse;
}

/* The blocks of a run that is all there is. */
static void add_only(attention *a) {
  const tn_buffer *s = seen(a, product(a, "scores", K, a->now.extent, a->size, a->packed));
  weigh(a, s, over_keys(a, "most", s, larger, lowest(a)));
  const tn_buffer *inverse = invert(a, over_keys(a, "sum", s, sum, number(a, 0)));
  const tn_buffer *o = product(a, "values", V, a->wide, a->now.extent, s);
  place p = new_place(a, 2, a->wide, a->tile, 0);
  const tn_expr *w = own(&p, 0), *r = own(&p, 1);
  a->all = new_buffer(a, "all", 2, a->wide, a->tile);
  add_block(a, "all", &p, false, NULL,
            store2(a, a->all, &p, tn_mul(a->b, load2(a, o, &p, w, r), load1(a, inverse, &p, r))));
}

/* The blocks of one of several blocks of keys. */
static void add_next(attention *a) {
  tn_builder *b = a->b;
  const tn_buffer *s = seen(a, product(a, "scores", K, a->now.extent, a->size, a->packed));
  const tn_buffer *here = over_keys(a, "most_here", s, larger, lowest(a));
  const tn_buffer *next = new_buffer(a, "next", 1, a->tile, 0), *fade = new_buffer(a, "fade", 1, a->tile, 0);
  place n = of_rows(a), f = of_rows(a), l = of_rows(a), m = of_rows(a), v = new_place(a, 2, a->wide, a->tile, 0);
  set_rows(a, "next", &n, next, larger(b, load1(a, a->most, &n, own(&n, 0)), load1(a, here, &n, own(&n, 0))));
  const tn_expr *less = tn_sub(b, load1(a, a->most, &f, own(&f, 0)), load1(a, next, &f, own(&f, 0)));
  set_rows(a, "fade", &f, fade, tn_op1(b, TN_OP_exp, less));
  set_rows(a, "most", &m, a->most, load1(a, next, &m, own(&m, 0)));
  weigh(a, s, next);
  const tn_buffer *part = over_keys(a, "part", s, sum, number(a, 0));
  set_rows(a, "sum", &l, a->sum,
           tn_op3(b, TN_OP_fma, load1(a, a->sum, &l, own(&l, 0)), load1(a, fade, &l, own(&l, 0)),
                  load1(a, part, &l, own(&l, 0))));
  const tn_buffer *o = product(a, "values", V, a->wide, a->now.extent, s);
  const tn_expr *w = own(&v, 0), *r = own(&v, 1);
  add_block(a, "all", &v, false, NULL,
            store2(a, a->all, &v,
                   tn_op3(b, TN_OP_fma, load2(a, a->all, &v, w, r), load1(a, fade, &v, r), load2(a, o, &v, w, r))));
}

static void start_states(attention *a) {
  place m = of_rows(a), l = of_rows(a), v = new_place(a, 2, a->wide, a->tile, 0);
  a->most = new_buffer(a, "most", 1, a->tile, 0);
  a->sum = new_buffer(a, "sum", 1, a->tile, 0);
  a->all = new_buffer(a, "all", 2, a->wide, a->tile);
  set_rows(a, "start_most", &m, a->most, lowest(a));
  set_rows(a, "start_sum", &l, a->sum, number(a, 0));
  add_block(a, "start_all", &v, false, NULL, store2(a, a->all, &v, number(a, 0)));
}

/* How many blocks of the run any row of the tile sees. */
static const tn_expr *blocks_seen(const attention *a) {
  tn_builder *b = a->b;
  const tn_expr *all = tn_index(b, a->now.count), *first = tn_mul(b, a->outer[2], tn_index(b, a->tile));
  if (!tni_attr_int(a->d->node, "causal", 0) || (a->rows > a->queries && a->queries % a->tile)) return all;
  if (a->rows > a->queries) first = tn_op2(b, TN_OP_floormod, first, tn_index(b, a->queries));
  const tn_expr *last = tn_add(b, first, tn_index(b, a->tile - 1 + tni_attr_int(a->d->node, "past", 0)));
  return tn_min(b, all, tn_add(b, tn_op2(b, TN_OP_floordiv, last, tn_index(b, a->now.extent)), tn_index(b, 1)));
}

static void add_run(attention *a, run of) {
  size_t first = a->count;
  a->now = of;
  if (of.count > 1) {
    a->extents[3] = of.count;
    a->outer[3] = tn_var(a->b, "c", TN_INDEX);
    a->depth = 4;
  }
  if (a->online)
    add_next(a);
  else
    add_only(a);
  if (of.count > 1) {
    const tn_stmt *body = take_blocks(a, first);
    a->stmts[a->count++] = tn_for(a->b, a->outer[3], blocks_seen(a), body);
    a->depth = 3;
  }
}

/* out[r, w] = all[w, r], with several blocks of keys times 1 / sum[r] */
static void write_rows(attention *a) {
  tn_builder *b = a->b;
  const tn_buffer *inverse = a->online ? invert(a, a->sum) : NULL;
  place p = new_place(a, 2, a->tile, a->wide, 0);
  const tn_expr *r = own(&p, 0), *w = own(&p, 1), *index[] = {p.at[0], p.at[1], row_of(a, p.at[2], r), w};
  const tn_expr *value = load2(a, a->all, &p, w, r);
  if (inverse) value = tn_mul(b, value, load1(a, inverse, &p, r));
  value = tn_cast(b, a->d->out_value[0]->type, value);
  add_block_where(a, "out", &p, false, true, NULL, tn_store(b, a->d->out[0], index, value));
}

/* ---- how much at a time ---------------------------------------------------------------------------------------- */

enum { FEW_KEYS = 256 /* that are one block */, KEYS = 128, CAUSAL_KEYS = 32 };
enum { ROWS = 32, FEW_ROWS = 64, VECTOR = 8 };

/* Blocks alike, if there are such: what is beyond a whole number of them is a block of its own. */
static int64_t keys_at_a_time(int64_t keys, bool causal) {
  int64_t most = causal ? CAUSAL_KEYS : keys <= FEW_KEYS ? FEW_KEYS : KEYS, least = most / 2;
  for (int64_t n = most < keys ? most : keys; n > least; n--)
    if (keys % n == 0) return n;
  return most < keys ? most : keys;
}

/* Few rows that see few keys are done at once, and fill vectors. Of others so many that keys and values, which each
 * tile of rows reads, are used more often than they are read, also where the last tile is not full. */
void tni_attention_blocks(int64_t rows, int64_t keys, bool causal, int64_t *keys_out, int64_t *rows_out) {
  *keys_out = keys_at_a_time(keys, causal);
  *rows_out = rows <= FEW_ROWS && keys <= FEW_ROWS ? (rows + VECTOR - 1) / VECTOR * VECTOR : ROWS;
}

static int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }

bool tni_define_attention(tni_define *d) {
  const tni_gvalue *q = d->in_value[Q], *v = d->in_value[V];
  tn_builder *b = d->b;
  int64_t rows = q->shape[2], keys = v->shape[2], block = smaller(tni_attr_int(d->node, "keys", keys), keys);
  int64_t tile = smaller(tni_attr_int(d->node, "rows", 16), (rows + LANES - 1) / LANES * LANES);
  attention a = {.d = d,
                 .b = b,
                 .type = tni_sum_type(q->type),
                 .rows = rows,
                 .queries = tni_attr_int(d->node, "queries", rows),
                 .size = q->shape[3],
                 .wide = v->shape[3],
                 .tile = tile,
                 .extents = {q->shape[0], q->shape[1], tile ? (rows + tile - 1) / tile : 0},
                 .online = block < keys,
                 .outer = {tn_var(b, "b", TN_INDEX), tn_var(b, "h", TN_INDEX), tn_var(b, "t", TN_INDEX)},
                 .depth = 3};
  pack_queries(&a);
  if (a.online) start_states(&a);
  add_run(&a, (run){0, block, keys / block});
  a.rest = true;
  if (keys % block) add_run(&a, (run){keys / block * block, keys % block, 1});
  a.rest = false;
  write_rows(&a);
  const tn_stmt *s = take_blocks(&a, 0);
  for (size_t i = 3; i-- > 0;) s = tn_for(b, a.outer[i], tn_index(b, a.extents[i]), s);
  tn_emit(b, s);
  return true;
}
