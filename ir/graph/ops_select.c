/* ops_select.c -- operators that pick: how many there are depends on what is in the tensor.
 *
 *     non_zero:             the places of what is not 0, in row-major order
 *     unique_rows:          rows sorted by merging, equal ones in order; each joins the group of the one before, or
 *                           begins one
 *     non_max_suppression:  of each class the best box; those that cover it much go; the best of the rest, and so on
 *
 * The result has room for as many as there can be, and says how many there are; behind them it is 0. Who wants a tensor
 * of just these narrows it when it is computed (see TNI_BOUND_NARROWED). All are plain loops in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* ---- shared ------------------------------------------------------------------------------------------------------ */

static const tn_expr *whole(tn_builder *b, int64_t value) { return tn_int(b, TN_I64, value); }
static const tn_expr *place_of(tn_builder *b, const tn_expr *x) { return tn_cast(b, TN_INDEX, x); }

static const tn_expr *load1(tn_builder *b, const tn_buffer *from, const tn_expr *i) {
  return tn_load(b, from, &i, NULL);
}
static const tn_stmt *store1(tn_builder *b, const tn_buffer *to, const tn_expr *i, const tn_expr *value) {
  return tn_store(b, to, &i, value);
}
static const tn_expr *load2(tn_builder *b, const tn_buffer *from, const tn_expr *i, const tn_expr *j) {
  return tn_load(b, from, (const tn_expr *[]){i, j}, NULL);
}
static const tn_stmt *store2(tn_builder *b, const tn_buffer *to, const tn_expr *i, const tn_expr *j,
                             const tn_expr *value) {
  return tn_store(b, to, (const tn_expr *[]){i, j}, value);
}
static const tn_expr *plus(tn_builder *b, const tn_expr *x, int64_t n) {
  return tn_add(b, x, tn_int(b, tn_expr_type(x), n));
}

static void clear(tni_define *d) {
  const tni_gvalue *out = d->out_value[0];
  const tn_expr *axes[TN_MAX_RANK];
  tni_axes(d->b, out->rank, out->shape, axes);
  tn_compute(d->b, d->out[0], axes, whole(d->b, 0));
}

/* ---- non_zero ---------------------------------------------------------------------------------------------------- */

bool tni_infer_non_zero(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  if (in->rank < 1) return tni_refuse(x, "an input of rank %d, at least 1 is needed", in->rank);
  *x->out = (tni_gvalue){.type = TN_I64, .rank = 2, .shape = {in->rank, tni_gvalue_numel(in) + 1}};
  return true;
}

bool tni_define_non_zero(tni_define *d) {
  const tni_gvalue *x = d->in_value[0];
  tn_builder *b = d->b;
  const tn_expr *vars[TN_MAX_RANK], *zero = tn_index(b, 0), *n = tn_var(b, "n", TN_I64);
  const tn_stmt *found[TN_MAX_RANK + 1];
  clear(d);
  if (tni_gvalue_numel(x) == 0) return true;
  tni_loop_vars(b, x, vars);
  const tn_expr *element = tn_load(b, d->in[0], vars, NULL), *to = plus(b, place_of(b, n), 1);
  const tn_expr *nothing = x->type == TN_BOOL ? tn_int(b, TN_BOOL, 0) : tni_number(b, x->type, 0);
  for (int32_t i = 0; i < x->rank; i++)
    found[i] = store2(b, d->out[0], tn_index(b, i), to, tn_cast(b, TN_I64, vars[i]));
  found[x->rank] = store2(b, d->out[0], zero, zero, plus(b, n, 1));
  const tn_stmt *note = tn_let(b, n, load2(b, d->out[0], zero, zero), tn_seq(b, (size_t)x->rank + 1, found));
  tn_emit(b, tni_in_loops(b, x, vars, tn_if(b, tn_op2(b, TN_OP_ne, element, nothing), note, NULL)));
  return true;
}

/* ---- unique_rows ------------------------------------------------------------------------------------------------- */

bool tni_infer_unique_rows(tni_infer *x) {
  const tni_gvalue *in = x->in[0];
  if (in->rank != 2) return tni_refuse(x, "an input of rank %d, 2 is needed", in->rank);
  if (in->shape[0] > 0 && in->shape[1] == 0) return tni_refuse(x, "the rows have no elements");
  *x->out = (tni_gvalue){.type = TN_I64, .rank = 2, .shape = {3, in->shape[0] + 1}};
  return true;
}

/* Numbers that the loops carry. */
enum { WIDTH, LEFT, RIGHT, TAKEN, COLUMN, CELLS };

typedef struct rows {
  tni_define *d;
  tn_builder *b;
  int64_t count, length;
  const tn_buffer *keys, *order, *merged, *head, *number, *cells;
} rows;

static const tn_expr *cell(const rows *r, int64_t i) { return load1(r->b, r->cells, tn_index(r->b, i)); }
static const tn_stmt *set_cell(const rows *r, int64_t i, const tn_expr *value) {
  return store1(r->b, r->cells, tn_index(r->b, i), value);
}
/* The key in the column where two rows differ first, or in the last one: find_column comes before. */
static const tn_expr *key(const rows *r, const tn_expr *row) {
  return load2(r->b, r->keys, place_of(r->b, row), place_of(r->b, cell(r, COLUMN)));
}

static const tn_stmt *find_column(const rows *r, const tn_expr *one, const tn_expr *other) {
  tn_builder *b = r->b;
  const tn_stmt *first = set_cell(r, COLUMN, whole(b, 0));
  if (r->length == 1) return first;
  const tn_expr *more = tn_op2(b, TN_OP_lt, cell(r, COLUMN), whole(b, r->length - 1));
  const tn_expr *equal = tn_op2(b, TN_OP_eq, key(r, one), key(r, other));
  return tn_seq(b, 2,
                (const tn_stmt *[]){first, tn_while(b, tn_op2(b, TN_OP_and, more, equal),
                                                    set_cell(r, COLUMN, plus(b, cell(r, COLUMN), 1)))});
}

/* merged[k]: from the run that begins at LEFT, or from that at RIGHT where it is the smaller; runs end at middle and
 * end. */
static const tn_stmt *take_one(const rows *r, const tn_expr *k, const tn_expr *middle, const tn_expr *end) {
  tn_builder *b = r->b;
  const tn_expr *left = tn_var(b, "left", TN_I64), *right = tn_var(b, "right", TN_I64),
                *taken = tn_var(b, "taken", TN_I64);
  const tn_expr *x = tn_var(b, "x", TN_I64), *y = tn_var(b, "y", TN_I64);
  const tn_expr *one = whole(b, 1), *none = whole(b, 0), *left_ends = tn_op2(b, TN_OP_le, middle, left);
  const tn_expr *both = tn_op2(b, TN_OP_and, tn_op1(b, TN_OP_not, left_ends), tn_op2(b, TN_OP_lt, right, end));
  const tn_expr *smaller = tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_lt, key(r, y), key(r, x)), one, none);
  const tn_stmt *compared[] = {find_column(r, x, y), set_cell(r, TAKEN, smaller)};
  const tn_stmt *compare = tn_let(b, x, load1(b, r->order, place_of(b, left)),
                                  tn_let(b, y, load1(b, r->order, place_of(b, right)), tn_seq(b, 2, compared)));
  const tn_expr *from = place_of(b, tn_op3(b, TN_OP_select, tn_op2(b, TN_OP_eq, taken, none), left, right));
  const tn_stmt *move[] = {store1(b, r->merged, k, load1(b, r->order, from)),
                           set_cell(r, LEFT, tn_add(b, left, tn_sub(b, one, taken))),
                           set_cell(r, RIGHT, tn_add(b, right, taken))};
  const tn_stmt *steps[] = {set_cell(r, TAKEN, tn_op3(b, TN_OP_select, left_ends, one, none)),
                            tn_if(b, both, compare, NULL), tn_let(b, taken, cell(r, TAKEN), tn_seq(b, 3, move))};
  return tn_let(b, left, cell(r, LEFT), tn_let(b, right, cell(r, RIGHT), tn_seq(b, 3, steps)));
}

/* order: the rows sorted. Runs of WIDTH are merged in pairs, then WIDTH doubles. */
static void sort_rows(const rows *r) {
  tn_builder *b = r->b;
  const tn_expr *i = tn_axis(b, "i", r->count), *k = tn_var(b, "k", TN_INDEX), *m = tn_var(b, "m", TN_INDEX);
  const tn_expr *width = tn_var(b, "width", TN_I64), *base = tn_var(b, "base", TN_I64), *at = tn_cast(b, TN_I64, k);
  const tn_expr *count = whole(b, r->count), *pair = tn_mul(b, width, whole(b, 2));
  const tn_expr *middle = tn_min(b, tn_add(b, base, width), count), *end = tn_min(b, tn_add(b, base, pair), count);
  int64_t rounds = 0;
  while ((int64_t)1 << rounds < r->count) rounds++;
  tn_compute(b, r->order, &i, tn_cast(b, TN_I64, i));
  const tn_stmt *begin[] = {set_cell(r, LEFT, at), set_cell(r, RIGHT, middle)};
  const tn_stmt *step[] = {tn_if(b, tn_op2(b, TN_OP_eq, at, base), tn_seq(b, 2, begin), NULL),
                           take_one(r, k, middle, end)};
  const tn_expr *first = tn_mul(b, tn_op2(b, TN_OP_floordiv, at, pair), pair);
  const tn_stmt *merge = tn_let(b, width, cell(r, WIDTH), tn_let(b, base, first, tn_seq(b, 2, step)));
  const tn_stmt *round[] = {tn_for(b, k, tn_index(b, r->count), merge),
                            tn_for(b, m, tn_index(b, r->count), store1(b, r->order, m, load1(b, r->merged, m))),
                            set_cell(r, WIDTH, tn_mul(b, cell(r, WIDTH), whole(b, 2)))};
  tn_emit(b, set_cell(r, WIDTH, whole(b, 1)));
  tn_emit(b, tn_for(b, tn_var(b, "round", TN_INDEX), tn_index(b, rounds), tn_seq(b, 3, round)));
}

/* head[i]: the first of the rows that are equal to row i. */
static void find_heads(const rows *r) {
  tn_builder *b = r->b;
  const tn_expr *t = tn_var(b, "t", TN_INDEX), *before = tn_var(b, "before", TN_I64), *now = tn_var(b, "now", TN_I64);
  const tn_expr *zero = tn_index(b, 0), *first = load1(b, r->order, zero);
  const tn_expr *same = tn_op2(b, TN_OP_eq, key(r, before), key(r, now));
  const tn_expr *head = tn_op3(b, TN_OP_select, same, load1(b, r->head, place_of(b, before)), now);
  const tn_stmt *steps[] = {find_column(r, before, now), store1(b, r->head, place_of(b, now), head)};
  tn_emit(b, store1(b, r->head, place_of(b, first), first));
  tn_emit(b, tn_for(b, t, tn_index(b, r->count - 1),
                    tn_let(b, before, load1(b, r->order, t),
                           tn_let(b, now, load1(b, r->order, plus(b, t, 1)), tn_seq(b, 2, steps)))));
}

/* Groups get their numbers in the order in which the rows are visited: sorted, or as they stand. */
static void number_groups(const rows *r, bool sorted) {
  tn_builder *b = r->b;
  const tn_buffer *out = r->d->out[0];
  const tn_expr *t = tn_var(b, "t", TN_INDEX), *i = tn_var(b, "i", TN_I64), *head = tn_var(b, "head", TN_I64);
  const tn_expr *n = tn_var(b, "n", TN_I64), *g = tn_var(b, "g", TN_I64), *zero = tn_index(b, 0), *two = tn_index(b, 2);
  const tn_expr *to = plus(b, place_of(b, n), 1), *of = plus(b, place_of(b, g), 1);
  const tn_stmt *fresh[] = {store2(b, out, zero, to, i), store1(b, r->number, place_of(b, i), n),
                            store2(b, out, zero, zero, plus(b, n, 1))};
  const tn_stmt *member[] = {store2(b, out, tn_index(b, 1), plus(b, place_of(b, i), 1), g),
                             store2(b, out, two, of, plus(b, load2(b, out, two, of), 1))};
  const tn_stmt *visit[] = {
      tn_if(b, tn_op2(b, TN_OP_eq, head, i), tn_let(b, n, load2(b, out, zero, zero), tn_seq(b, 3, fresh)), NULL),
      tn_let(b, g, load1(b, r->number, place_of(b, head)), tn_seq(b, 2, member))};
  const tn_stmt *body = tn_let(b, head, load1(b, r->head, place_of(b, i)), tn_seq(b, 2, visit));
  tn_emit(b, tn_for(b, t, tn_index(b, r->count),
                    tn_let(b, i, sorted ? load1(b, r->order, t) : tn_cast(b, TN_I64, t), body)));
}

bool tni_define_unique_rows(tni_define *d) {
  static const int64_t cells = CELLS;
  const tni_gvalue *x = d->in_value[0];
  const tn_expr *axes[TN_MAX_RANK];
  rows r = {.d = d, .b = d->b, .count = x->shape[0], .length = x->shape[1]};
  clear(d);
  if (r.count == 0) return true;
  r.keys = tn_alloc(d->b, "key", TN_I64, 2, x->shape);
  r.order = tn_alloc(d->b, "order", TN_I64, 1, &r.count);
  r.merged = tn_alloc(d->b, "merged", TN_I64, 1, &r.count);
  r.head = tn_alloc(d->b, "head", TN_I64, 1, &r.count);
  r.number = tn_alloc(d->b, "number", TN_I64, 1, &r.count);
  r.cells = tn_alloc(d->b, "cell", TN_I64, 1, &cells);
  tni_axes(d->b, 2, x->shape, axes);
  tn_compute(d->b, r.keys, axes, tni_order_key(d->b, tn_load(d->b, d->in[0], axes, NULL)));
  sort_rows(&r);
  find_heads(&r);
  number_groups(&r, tni_attr_int(d->node, "sorted", 1) != 0);
  return true;
}

/* ---- non_max_suppression ----------------------------------------------------------------------------------------- */

enum { BOXES, SCORES, COVER, LEAST };

static bool given(const tni_gnode *node, const tni_gvalue *const *in, uint32_t i) {
  return i < node->input_count && in[i];
}

bool tni_infer_non_max_suppression(tni_infer *x) {
  const tni_gvalue *boxes = x->in[BOXES], *scores = x->in[SCORES];
  int64_t most = tni_attr_int(x->node, "most", 0), classes;
  for (uint32_t i = 0; i < x->node->input_count; i++)
    if (x->in[i] && x->in[i]->type != TN_F32) return tni_refuse(x, "an input is not f32");
  if (boxes->rank != 3 || scores->rank != 3 || boxes->shape[2] != 4 || boxes->shape[0] != scores->shape[0] ||
      boxes->shape[1] != scores->shape[2])
    return tni_refuse(x, "boxes and scores do not fit together");
  for (uint32_t i = COVER; i <= LEAST; i++)
    if (given(x->node, x->in, i) && (x->in[i]->rank > 1 || tni_gvalue_numel(x->in[i]) != 1))
      return tni_refuse(x, "a threshold is not one number");
  if (most > boxes->shape[1]) most = boxes->shape[1];
  classes = most > 0 && tni_gvalue_numel(scores) ? scores->shape[0] * scores->shape[1] : 0;
  *x->out = (tni_gvalue){.type = TN_I64, .rank = 2, .shape = {classes * most + 1, 3}}; /* at most one for each score */
  return true;
}

/* One class of one picture. */
enum { COUNT, BEST, KEPT, NUMBERS };

typedef struct picking {
  tni_define *d;
  tn_builder *b;
  const tn_expr *batch, *class;
  const tn_buffer *left;          /* boxes that are candidates yet, in order; -1: gone */
  const tn_buffer *numbers, *top; /* how many candidates, which is best, how many were kept; the best's score */
} picking;

static const tn_expr *number(const picking *p, int64_t i) { return load1(p->b, p->numbers, tn_index(p->b, i)); }
static const tn_stmt *set_number(const picking *p, int64_t i, const tn_expr *value) {
  return store1(p->b, p->numbers, tn_index(p->b, i), value);
}

static const tn_expr *score_of(const picking *p, const tn_expr *box) {
  return tn_load(p->b, p->d->in[SCORES], (const tn_expr *[]){p->batch, p->class, place_of(p->b, box)}, NULL);
}
static const tn_expr *threshold(const picking *p, uint32_t i) {
  const tn_expr *zero = tn_index(p->b, 0);
  if (!given(p->d->node, p->d->in_value, i)) return tn_float(p->b, TN_F32, 0);
  return tn_load(p->b, p->d->in[i], &zero, NULL);
}

/* Where the box begins and ends along y (0) or x (1). */
static void extent_of(const picking *p, const tn_expr *box, int64_t axis, const tn_expr **low, const tn_expr **high) {
  tn_builder *b = p->b;
  bool center = tni_attr_int(p->d->node, "center", 0) != 0; /* (x, y, width, height), else two corners (y, x) */
  int64_t first = center ? 1 - axis : axis;
  const tn_expr *at[] = {p->batch, place_of(b, box), tn_index(b, first)}, *x = tn_load(b, p->d->in[BOXES], at, NULL);
  at[2] = tn_index(b, first + 2);
  const tn_expr *y = tn_load(b, p->d->in[BOXES], at, NULL), *half = tn_div(b, y, tn_float(b, TN_F32, 2));
  *low = center ? tn_sub(b, x, half) : tn_min(b, x, y);
  *high = center ? tn_add(b, x, half) : tn_max(b, x, y);
}

/* Is what two boxes share, over what they cover together, more than the threshold? */
static const tn_expr *covers(const picking *p, const tn_expr *box, const tn_expr *other) {
  tn_builder *b = p->b;
  const tn_expr *zero = tn_float(b, TN_F32, 0), *common = NULL, *one = NULL, *two = NULL, *meet = NULL;
  for (int64_t axis = 0; axis < 2; axis++) {
    const tn_expr *low, *high, *low2, *high2;
    extent_of(p, box, axis, &low, &high);
    extent_of(p, other, axis, &low2, &high2);
    const tn_expr *from = tn_max(b, low, low2), *to = tn_min(b, high, high2);
    meet = tni_both(b, meet, tn_op2(b, TN_OP_lt, from, to));
    common = axis ? tn_mul(b, common, tn_sub(b, to, from)) : tn_sub(b, to, from);
    one = axis ? tn_mul(b, one, tn_sub(b, high, low)) : tn_sub(b, high, low);
    two = axis ? tn_mul(b, two, tn_sub(b, high2, low2)) : tn_sub(b, high2, low2);
  }
  const tn_expr *together = tn_sub(b, tn_add(b, one, two), common), *areas[] = {common, one, two, together};
  for (size_t i = 0; i < 4; i++) meet = tn_op2(b, TN_OP_and, meet, tn_op2(b, TN_OP_lt, zero, areas[i]));
  return tn_op2(b, TN_OP_and, meet, tn_op2(b, TN_OP_lt, threshold(p, COVER), tn_div(b, common, together)));
}

/* Candidate `at` with this score becomes the best where it is better: of equal ones the first. */
static const tn_stmt *challenge(const picking *p, const tn_expr *at, const tn_expr *score) {
  tn_builder *b = p->b;
  const tn_expr *zero = tn_index(b, 0), *none = tn_op2(b, TN_OP_lt, number(p, BEST), whole(b, 0));
  const tn_expr *better = tn_op2(b, TN_OP_or, none, tn_op2(b, TN_OP_lt, load1(b, p->top, zero), score));
  const tn_stmt *take[] = {set_number(p, BEST, at), store1(b, p->top, zero, score)};
  return tn_if(b, better, tn_seq(b, 2, take), NULL);
}

/* The boxes whose score is above the threshold. */
static const tn_stmt *gather_candidates(const picking *p) {
  tn_builder *b = p->b;
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *n = tn_var(b, "n", TN_I64), *score = tn_var(b, "score", TN_F32);
  const tn_expr *box = tn_cast(b, TN_I64, i);
  const tn_stmt *add[] = {store1(b, p->left, place_of(b, n), box), set_number(p, COUNT, plus(b, n, 1)),
                          challenge(p, n, score)};
  const tn_stmt *body = tn_let(b, n, number(p, COUNT), tn_seq(b, 3, add));
  if (given(p->d->node, p->d->in_value, LEAST))
    body = tn_if(b, tn_op2(b, TN_OP_lt, threshold(p, LEAST), score), body, NULL);
  return tn_for(b, i, tn_index(b, p->d->in_value[BOXES]->shape[1]), tn_let(b, score, score_of(p, box), body));
}

/* The best is kept, what it covers goes, the best of the others is found. */
static const tn_stmt *keep_best(const picking *p) {
  tn_builder *b = p->b;
  const tn_buffer *out = p->d->out[0];
  const tn_expr *at = tn_var(b, "at", TN_I64), *box = tn_var(b, "box", TN_I64), *n = tn_var(b, "n", TN_I64);
  const tn_expr *j = tn_var(b, "j", TN_INDEX), *other = tn_var(b, "other", TN_I64), *score = tn_var(b, "s", TN_F32);
  const tn_expr *zero = tn_index(b, 0), *row = plus(b, place_of(b, n), 1), *gone = whole(b, -1);
  const tn_stmt *note[] = {store2(b, out, row, zero, tn_cast(b, TN_I64, p->batch)),
                           store2(b, out, row, tn_index(b, 1), tn_cast(b, TN_I64, p->class)),
                           store2(b, out, row, tn_index(b, 2), box), store2(b, out, zero, zero, plus(b, n, 1))};
  const tn_stmt *rest = tn_if(b, covers(p, box, other), store1(b, p->left, j, gone),
                              tn_let(b, score, score_of(p, other), challenge(p, tn_cast(b, TN_I64, j), score)));
  rest = tn_let(b, other, load1(b, p->left, j), tn_if(b, tn_op2(b, TN_OP_le, whole(b, 0), other), rest, NULL));
  const tn_stmt *steps[] = {tn_let(b, n, load2(b, out, zero, zero), tn_seq(b, 4, note)),
                            set_number(p, KEPT, plus(b, number(p, KEPT), 1)), store1(b, p->left, place_of(b, at), gone),
                            set_number(p, BEST, gone), tn_for(b, j, place_of(b, number(p, COUNT)), rest)};
  return tn_let(b, at, number(p, BEST), tn_let(b, box, load1(b, p->left, place_of(b, at)), tn_seq(b, 5, steps)));
}

bool tni_define_non_max_suppression(tni_define *d) {
  static const int64_t numbers = NUMBERS, one = 1;
  const tni_gvalue *boxes = d->in_value[BOXES], *scores = d->in_value[SCORES];
  tn_builder *b = d->b;
  int64_t most = tni_attr_int(d->node, "most", 0);
  picking p = {.d = d, .b = b, .batch = tn_var(b, "b", TN_INDEX), .class = tn_var(b, "c", TN_INDEX)};
  clear(d);
  if (d->out_value[0]->shape[0] == 1) return true;
  p.left = tn_alloc(b, "left", TN_I64, 1, &boxes->shape[1]);
  p.numbers = tn_alloc(b, "number", TN_I64, 1, &numbers);
  p.top = tn_alloc(b, "top", TN_F32, 1, &one);
  const tn_expr *more = tn_op2(b, TN_OP_and, tn_op2(b, TN_OP_le, whole(b, 0), number(&p, BEST)),
                               tn_op2(b, TN_OP_lt, number(&p, KEPT), whole(b, most)));
  const tn_stmt *steps[] = {set_number(&p, COUNT, whole(b, 0)),
                            set_number(&p, BEST, whole(b, -1)),
                            set_number(&p, KEPT, whole(b, 0)),
                            store1(b, p.top, tn_index(b, 0), tn_float(b, TN_F32, 0)),
                            gather_candidates(&p),
                            tn_while(b, more, keep_best(&p))};
  tn_emit(b, tn_for(b, p.batch, tn_index(b, scores->shape[0]),
                    tn_for(b, p.class, tn_index(b, scores->shape[1]), tn_seq(b, 6, steps))));
  return true;
}
