/* ops_winograd.c -- convolutions by 3 x 3 taps from tiles of transformed numbers (Winograd's short convolutions).
 *
 *     border:   p[y, x, c]   = x[n, rows of the block + y - begin, x - begin, c]      zeros outside of the picture
 *     spread:   v[s, t, c]   = B' d B       of each tile d of (m + 2) x (m + 2) pixels, for each channel by itself
 *     product:  a[s, t, k]   = sum over c  v[s, t, c] * w[s, k, c]                    by fma, in the order of c; sums:
 *                              the same, complete
 *     gather:   o[.., k]     = A' a A       m x m pixels of each tile
 *     out[n, y, x, k]        = o + bias[k]
 *
 * for `rows` rows of tiles at a time, how many of which changes no result. Weights come transformed, G g G' of each two
 * channels (sched/graph/winograd.c), as (m + 2)^2 matrices s in panels, (s, panels, c, panel). So a tile takes (m + 2)^2
 * multiply-adds for each two channels instead of 9 m^2: 2.25 times fewer for m = 2, 4 times for m = 4.
 *
 * The points at which polynomials are taken are 0, 1, -1 and infinity for m = 2. For m = 4 they are 0, 3/4, -3/4, 3/2,
 * -3/2 and infinity: so errors in f32 are half of what the usual 1 and 2 give, about twice those of the direct sum, and
 * all numbers in A and B are exact. (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; Barabasz et
 * al., "Error Analysis and Improving the Accuracy of Winograd Convolution", 2018.)
 *
 * A number that is not finite, or so large that 26 times of it is not, becomes NaN or infinity in all pixels of the tiles
 * that read it, of all channels, and not only in those whose windows hold it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

enum { TAPS = 3, MOST = TNI_WINOGRAD_POINTS, MOST_ITERS = 8, MOST_BLOCKS = 8 };

/* ---- the matrices ------------------------------------------------------------------------------------------------ */

static const double NEAR = 0.75, FAR = 1.5; /* points of m = 4 */

int64_t tni_winograd_points(int64_t tile) { return tile + TAPS - 1; }

/* The coefficients of the product of x - p over all points but number `i`. */
static void multiply_out(int64_t count, const double *points, int64_t i, double *out) {
  memset(out, 0, MOST * sizeof *out);
  out[0] = 1;
  for (int64_t l = 0, degree = 0; l < count; l++) {
    if (l == i) continue;
    degree++;
    for (int64_t k = degree; k >= 0; k--) out[k] = (k ? out[k - 1] : 0) - points[l] * out[k];
  }
}

bool tni_winograd_matrices(int64_t tile, tni_winograd *out) {
  const double small[] = {0, 1, -1}, large[] = {0, NEAR, -NEAR, FAR, -FAR}, *points = tile == 2 ? small : large;
  int64_t last = tni_winograd_points(tile) - 1;
  *out = (tni_winograd){.points = last + 1};
  if (tile != 2 && tile != 4) return false;
  for (int64_t i = 0; i < last; i++) {
    double scale = 1, power = 1;
    for (int64_t l = 0; l < last; l++) scale *= l == i ? 1 : points[i] - points[l];
    for (int64_t k = 0; k < tile; k++, power *= points[i]) out->a[i][k] = power;
    for (int64_t k = 0; k < TAPS; k++) out->g[i][k] = (k ? out->g[i][k - 1] * points[i] : 1 / scale);
    multiply_out(last, points, i, out->b[i]);
  }
  out->a[last][tile - 1] = out->g[last][TAPS - 1] = 1;
  multiply_out(last, points, -1, out->b[last]);
  return true;
}

static const tn_expr *times(tn_builder *b, double factor, const tn_expr *x) {
  return tn_mul(b, tn_float(b, TN_F32, factor), x);
}
static const tn_expr *fma_of(tn_builder *b, double factor, const tn_expr *x, const tn_expr *y) {
  return tn_op3(b, TN_OP_fma, tn_float(b, TN_F32, factor), x, y);
}

/* One row of B' d, or of what is transposed: of m + 2 numbers as many. */
static void spread(tn_builder *b, int64_t tile, const tn_expr *const *d, const tn_expr **out) {
  if (tile == 2) {
    out[0] = tn_sub(b, d[2], d[0]);
    out[1] = tn_add(b, d[1], d[2]);
    out[2] = tn_sub(b, d[2], d[1]);
    out[3] = tn_sub(b, d[3], d[1]);
    return;
  }
  double near = NEAR * NEAR, far = FAR * FAR;
  const tn_expr *even = fma_of(b, -far, d[2], d[4]), *odd = fma_of(b, -far, d[1], d[3]);
  out[1] = fma_of(b, NEAR, odd, even);
  out[2] = fma_of(b, -NEAR, odd, even);
  even = fma_of(b, -near, d[2], d[4]), odd = fma_of(b, -near, d[1], d[3]);
  out[3] = fma_of(b, FAR, odd, even);
  out[4] = fma_of(b, -FAR, odd, even);
  for (int i = 0; i < 2; i++) out[5 * i] = fma_of(b, near * far, d[i], fma_of(b, -(near + far), d[i + 2], d[i + 4]));
}

/* One row of A' a: of m + 2 numbers m. */
static void gather(tn_builder *b, int64_t tile, const tn_expr *const *a, const tn_expr **out) {
  const tn_expr *sum = tn_add(b, a[1], a[2]), *less = tn_sub(b, a[1], a[2]);
  if (tile == 2) {
    out[0] = tn_add(b, a[0], sum);
    out[1] = tn_add(b, less, a[3]);
    return;
  }
  const tn_expr *far = tn_add(b, a[3], a[4]), *far_less = tn_sub(b, a[3], a[4]);
  out[0] = tn_add(b, tn_add(b, a[0], sum), far);
  out[1] = fma_of(b, NEAR, less, times(b, FAR, far_less));
  out[2] = fma_of(b, NEAR * NEAR, sum, times(b, FAR * FAR, far));
  out[3] = fma_of(b, NEAR * NEAR * NEAR, less, fma_of(b, FAR * FAR * FAR, far_less, a[5]));
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

typedef struct geometry {
  int64_t tile, points, rows; /* rows of tiles at a time */
  int64_t begin[2];           /* padding in front: rows, columns */
  int64_t size[2], out[2];    /* of the pictures */
  int64_t pictures, channels, columns;
  int64_t down, across; /* blocks of rows of tiles, tiles of a row */
} geometry;

static bool geometry_of(const tni_gnode *node, const tni_gvalue *x, geometry *g) {
  int32_t count;
  const int64_t *pads = tni_attr_ints(node, "pads", &count);
  *g = (geometry){.tile = tni_attr_int(node, "tile", 0), .rows = tni_attr_int(node, "rows", 1)};
  g->points = tni_winograd_points(g->tile);
  if ((g->tile != 2 && g->tile != 4) || g->rows < 1 || (pads && count != 4)) return false;
  g->pictures = x->shape[0], g->channels = x->shape[3], g->columns = tni_attr_int(node, "columns", 0);
  for (int i = 0; i < 2; i++) {
    int64_t before = pads ? pads[i] : 0, behind = pads ? pads[2 + i] : 0;
    if (before < 0 || behind < 0 || before >= TAPS || behind >= TAPS) return false;
    g->begin[i] = before, g->size[i] = x->shape[1 + i];
    g->out[i] = g->size[i] + before + behind - (TAPS - 1);
    if (g->size[i] < 1 || g->out[i] < 1 || g->channels < 1) return false;
  }
  int64_t tiles = (g->out[0] - 1) / g->tile + 1;
  if (g->rows > tiles) g->rows = tiles;
  g->down = (tiles - 1) / g->rows + 1;
  g->across = (g->out[1] - 1) / g->tile + 1;
  return true;
}

bool tni_infer_winograd(tni_infer *x) {
  const tni_gvalue *in = x->in[0], *w = x->in[1], *bias = x->node->input_count > 2 ? x->in[2] : NULL;
  int64_t panel = tni_attr_int(x->node, "panel", 0);
  geometry g;
  size_t bytes;
  if (in->type != TN_F32 || w->type != TN_F32 || in->rank != 4 || w->rank != 4)
    return tni_refuse(x, "input and weights are not f32 of rank 4");
  if (!geometry_of(x->node, in, &g))
    return tni_refuse(x, "tiles are of 2 or 4 pixels, at least 1 row of them, and padding is less than 3 taps");
  if (w->shape[0] != g.points * g.points || w->shape[2] != g.channels || panel < 1 || w->shape[3] != panel ||
      g.columns < 1 || w->shape[1] != (g.columns - 1) / panel + 1)
    return tni_refuse(x, "the panels of the weights do not hold the channels");
  if (bias && (bias->type != TN_F32 || bias->rank != 1 || bias->shape[0] != g.columns))
    return tni_refuse(x, "the bias is not one number per output channel");
  *x->out = (tni_gvalue){.type = TN_F32, .rank = 4, .shape = {g.pictures, g.out[0], g.out[1], g.columns}};
  int64_t most = g.channels > g.columns ? g.channels : g.columns;
  tni_gvalue all = {.type = TN_F32, .rank = 4, .shape = {g.points * g.points, g.rows, g.across, most}};
  return tni_gvalue_bytes(x->ctx, &all, &bytes) || tni_refuse(x, "the tiles are too many");
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* The function under construction: `loops` around what is being made, over pictures, blocks of rows, maybe rows of
 * tiles, and tiles. */
typedef struct winograd {
  tni_define *d;
  tn_builder *b;
  geometry g;
  const tn_expr *loops[4];
  int64_t extents[4];
  size_t depth;
  const tn_buffer *border, *spread, *product, *sums, *gather; /* made by the blocks of these names */
  const tn_stmt *stmts[MOST_BLOCKS];
  size_t count;
} winograd;

/* The iterators of a block: those of the loops around, then its own, each in a loop. */
typedef struct place {
  const tn_expr *at[MOST_ITERS], *loops[MOST_ITERS];
  int64_t extents[MOST_ITERS];
  size_t outer, count;
} place;

static void add_own(const winograd *w, place *p, const char *name, int64_t extent) {
  p->at[p->count] = tn_var(w->b, name, TN_INDEX);
  p->loops[p->count] = tn_var(w->b, name, TN_INDEX);
  p->extents[p->count++] = extent;
}

static place new_place(const winograd *w, size_t count, const char *const *names, const int64_t *extents) {
  static const char *const outer[] = {"n", "b", "r", "t"};
  place p = {.outer = w->depth};
  for (size_t i = 0; i < w->depth; i++) add_own(w, &p, outer[i], w->extents[i]);
  for (size_t i = 0; i < count; i++) add_own(w, &p, names[i], extents[i]);
  return p;
}

static const tn_buffer *new_buffer(const winograd *w, const char *name, int64_t x, int64_t y, int64_t z) {
  const int64_t shape[] = {w->extents[0], w->extents[1], x, y, z};
  return tn_alloc(w->b, name, TN_F32, 5, shape);
}

static const tn_expr *sum_of(tn_builder *b, const tn_expr *x, int64_t factor, const tn_expr *y) {
  return tn_add(b, tn_mul(b, x, tn_index(b, factor)), y);
}

/* `init`: it sums over the last of its iterators; NULL: it does not. */
static void add_block(winograd *w, const char *name, const place *p, const tn_stmt *init, const tn_stmt *body) {
  tn_builder *b = w->b;
  const tn_expr *extents[MOST_ITERS], *bindings[MOST_ITERS];
  uint8_t reduce[MOST_ITERS] = {0};
  for (size_t i = 0; i < p->count; i++) {
    extents[i] = tn_index(b, p->extents[i]);
    bindings[i] = i < p->outer ? w->loops[i] : p->loops[i];
  }
  reduce[p->count - 1] = init != NULL;
  const tn_stmt *s = tn_block(b, name, p->count, p->at, extents, reduce, bindings, NULL, init, body);
  for (size_t i = p->count; i-- > p->outer;) s = tn_for(b, p->loops[i], extents[i], s);
  w->stmts[w->count++] = s;
}

/* What has been added from number `first` on, in loops from `depth` on. */
static void close_loops(winograd *w, size_t first, size_t depth) {
  const tn_stmt *s = tn_seq(w->b, w->count - first, w->stmts + first);
  for (; w->depth > depth; w->depth--)
    s = tn_for(w->b, w->loops[w->depth - 1], tn_index(w->b, w->extents[w->depth - 1]), s);
  w->count = first;
  w->stmts[w->count++] = s;
}

static void open_loop(winograd *w, const char *name, int64_t extent) {
  w->loops[w->depth] = tn_var(w->b, name, TN_INDEX);
  w->extents[w->depth++] = extent;
}

/* ---- transforms -------------------------------------------------------------------------------------------------- */

typedef struct square {
  const tn_expr *items[MOST][MOST];
} square;

/* Lets that stand around a body, the first outermost. */
typedef struct lets {
  const tn_expr *vars[2 * MOST * MOST], *values[2 * MOST * MOST];
  size_t count;
} lets;

static const tn_expr *name_it(const winograd *w, lets *l, const char *name, const tn_expr *value) {
  l->values[l->count] = value;
  return l->vars[l->count++] = tn_var(w->b, name, TN_F32);
}

static const tn_stmt *in_lets(const winograd *w, const lets *l, const tn_stmt *s) {
  for (size_t i = l->count; i-- > 0;) s = tn_let(w->b, l->vars[i], l->values[i], s);
  return s;
}

typedef void transform(tn_builder *b, int64_t tile, const tn_expr *const *in, const tn_expr **out);

/* The transform of each column, whose results have names, then of each row: `to` is made x made of `from`. */
static void transform_both(const winograd *w, lets *l, transform *by, int64_t made, const square *from, square *to) {
  const tn_expr *line[MOST], *out[MOST];
  square half;
  for (int64_t j = 0; j < w->g.points; j++) {
    for (int64_t i = 0; i < w->g.points; i++) line[i] = from->items[i][j];
    by(w->b, w->g.tile, line, out);
    for (int64_t i = 0; i < made; i++) half.items[i][j] = name_it(w, l, "h", out[i]);
  }
  for (int64_t i = 0; i < made; i++) by(w->b, w->g.tile, half.items[i], to->items[i]);
}

/* ---- the stages -------------------------------------------------------------------------------------------------- */

/* Rows outside of the picture are chosen, not guarded: where guards depend on the block, its loop is cut, and all stages
 * are there twice (ir/lower/partition.c). */
static void add_border(winograd *w) {
  tn_builder *b = w->b;
  const geometry *g = &w->g;
  int64_t step = g->rows * g->tile, high = step + TAPS - 1, wide = g->across * g->tile + TAPS - 1;
  place p = new_place(w, 3, (const char *const[]){"y", "x", "c"}, (const int64_t[]){high, wide, g->channels});
  const tn_expr *row = tn_sub(b, sum_of(b, p.at[1], step, p.at[2]), tn_index(b, g->begin[0]));
  const tn_expr *column = tn_sub(b, p.at[3], tn_index(b, g->begin[1])), *where = NULL, *inside = NULL;
  if (g->begin[0] > 0 || (g->down - 1) * step + high > g->size[0]) {
    inside = tni_inside(b, tn_cast(b, TN_I64, row), g->size[0]);
    row = tn_min(b, tn_max(b, row, tn_index(b, 0)), tn_index(b, g->size[0] - 1));
  }
  if (g->begin[1] > 0 || wide > g->size[1]) where = tni_inside(b, column, g->size[1]);
  const tn_expr *from[] = {p.at[0], row, column, p.at[4]}, *value = tn_load(b, w->d->in[0], from, where);
  if (inside) value = tn_op3(b, TN_OP_select, inside, value, tn_float(b, TN_F32, 0));
  w->border = new_buffer(w, "border", high, wide, g->channels);
  add_block(w, "border", &p, NULL, tn_store(b, w->border, p.at, value));
}

static void add_spread(winograd *w) {
  tn_builder *b = w->b;
  const geometry *g = &w->g;
  place p = new_place(w, 3, (const char *const[]){"r", "t", "c"}, (const int64_t[]){g->rows, g->across, g->channels});
  const tn_stmt *stores[MOST * MOST];
  lets l = {.count = 0};
  square in, out;
  for (int64_t i = 0; i < g->points; i++)
    for (int64_t j = 0; j < g->points; j++) {
      const tn_expr *at[] = {p.at[0], p.at[1], sum_of(b, p.at[2], g->tile, tn_index(b, i)),
                             sum_of(b, p.at[3], g->tile, tn_index(b, j)), p.at[4]};
      in.items[i][j] = name_it(w, &l, "d", tn_load(b, w->border, at, NULL));
    }
  transform_both(w, &l, spread, g->points, &in, &out);
  w->spread = new_buffer(w, "spread", g->points * g->points, g->rows * g->across, g->channels);
  for (int64_t s = 0; s < g->points * g->points; s++) {
    const tn_expr *to[] = {p.at[0], p.at[1], tn_index(b, s), sum_of(b, p.at[2], g->across, p.at[3]), p.at[4]};
    stores[s] = tn_store(b, w->spread, to, out.items[s / g->points][s % g->points]);
  }
  add_block(w, "spread", &p, NULL, in_lets(w, &l, tn_seq(b, (size_t)(g->points * g->points), stores)));
}

static void add_product(winograd *w) {
  tn_builder *b = w->b;
  const geometry *g = &w->g;
  int64_t all = g->points * g->points, tiles = g->rows * g->across, panel = tni_attr_int(w->d->node, "panel", 1);
  place p = new_place(w, 4, (const char *const[]){"s", "t", "k", "c"},
                      (const int64_t[]){all, tiles, g->columns, g->channels});
  const tn_expr *s = p.at[2], *t = p.at[3], *k = p.at[4], *c = p.at[5];
  const tn_expr *left[] = {p.at[0], p.at[1], s, t, c}, *to[] = {p.at[0], p.at[1], s, t, k};
  const tn_expr *right[] = {s, tn_op2(b, TN_OP_floordiv, k, tn_index(b, panel)), c,
                            tn_op2(b, TN_OP_floormod, k, tn_index(b, panel))};
  w->product = new_buffer(w, "product", all, tiles, g->columns);
  const tn_expr *sum = tn_op3(b, TN_OP_fma, tn_load(b, w->spread, left, NULL), tn_load(b, w->d->in[1], right, NULL),
                              tn_load(b, w->product, to, NULL));
  add_block(w, "product", &p, tn_store(b, w->product, to, tn_float(b, TN_F32, 0)),
            tn_store(b, w->product, to, sum));
}

/* The sums when they are complete: the block whose loops a schedule makes tiles of, so that those stay in registers. */
static void add_sums(winograd *w) {
  const geometry *g = &w->g;
  int64_t all = g->points * g->points, tiles = g->rows * g->across;
  place p = new_place(w, 3, (const char *const[]){"s", "t", "k"}, (const int64_t[]){all, tiles, g->columns});
  w->sums = new_buffer(w, "sums", all, tiles, g->columns);
  add_block(w, "sums", &p, NULL, tn_store(w->b, w->sums, p.at, tn_load(w->b, w->product, p.at, NULL)));
}

/* Of one tile, below its loops: into pixels of pictures that are filled up to whole tiles. */
static void add_gather(winograd *w) {
  tn_builder *b = w->b;
  const geometry *g = &w->g;
  place p = new_place(w, 1, (const char *const[]){"k"}, (const int64_t[]){g->columns});
  const tn_expr *row = sum_of(b, p.at[1], g->rows, p.at[2]), *tile = sum_of(b, p.at[2], g->across, p.at[3]);
  const int64_t shape[] = {g->pictures, g->down * g->rows * g->tile, g->across * g->tile, g->columns};
  const tn_stmt *stores[MOST * MOST];
  lets l = {.count = 0};
  square in, out;
  for (int64_t i = 0; i < g->points; i++)
    for (int64_t j = 0; j < g->points; j++) {
      const tn_expr *at[] = {p.at[0], p.at[1], tn_index(b, i * g->points + j), tile, p.at[4]};
      in.items[i][j] = name_it(w, &l, "a", tn_load(b, w->sums, at, NULL));
    }
  transform_both(w, &l, gather, g->tile, &in, &out);
  w->gather = tn_alloc(b, "gather", TN_F32, 4, shape);
  for (int64_t i = 0; i < g->tile; i++)
    for (int64_t j = 0; j < g->tile; j++) {
      const tn_expr *to[] = {p.at[0], sum_of(b, row, g->tile, tn_index(b, i)),
                             sum_of(b, p.at[3], g->tile, tn_index(b, j)), p.at[4]};
      stores[i * g->tile + j] = tn_store(b, w->gather, to, out.items[i][j]);
    }
  add_block(w, "gather", &p, NULL, in_lets(w, &l, tn_seq(b, (size_t)(g->tile * g->tile), stores)));
}

/* The pixels of the tile that are in the picture. The iterators are those of the result, which what is done with it goes
 * along. */
static void add_out(winograd *w) {
  tn_builder *b = w->b;
  const geometry *g = &w->g;
  static const char *const names[] = {"n", "y", "x", "k"};
  const int64_t sizes[] = {g->pictures, g->out[0], g->out[1], g->columns};
  const tn_expr *i = tn_var(b, "i", TN_INDEX), *j = tn_var(b, "j", TN_INDEX), *k = tn_var(b, "k", TN_INDEX);
  const tn_expr *row = sum_of(b, sum_of(b, w->loops[1], g->rows, w->loops[2]), g->tile, i);
  const tn_expr *column = sum_of(b, w->loops[3], g->tile, j), *size = tn_index(b, g->tile), *where = NULL;
  const tn_expr *bindings[] = {w->loops[0], row, column, k}, *at[4], *extents[4];
  for (int d = 0; d < 4; d++) at[d] = tn_var(b, names[d], TN_INDEX), extents[d] = tn_index(b, sizes[d]);
  if (g->down * g->rows * g->tile != sizes[1]) where = tn_op2(b, TN_OP_lt, row, extents[1]);
  if (g->across * g->tile != sizes[2]) where = tni_both(b, where, tn_op2(b, TN_OP_lt, column, extents[2]));
  const tn_expr *value = tn_load(b, w->gather, at, NULL);
  bool biased = w->d->node->input_count > 2 && w->d->in_value[2];
  if (biased) value = tn_add(b, value, tn_load(b, w->d->in[2], &at[3], NULL));
  const tn_stmt *s = tn_block(b, "out", 4, at, extents, (const uint8_t[4]){0}, bindings, where, NULL,
                              tn_store(b, w->d->out[0], at, value));
  s = tn_for(b, i, size, tn_for(b, j, size, tn_for(b, k, extents[3], s)));
  w->stmts[w->count++] = s;
}

bool tni_define_winograd(tni_define *d) {
  winograd w = {.d = d, .b = d->b};
  if (!geometry_of(d->node, d->in_value[0], &w.g)) return false;
  open_loop(&w, "n", w.g.pictures);
  open_loop(&w, "b", w.g.down);
  add_border(&w);
  add_spread(&w);
  add_product(&w);
  add_sums(&w);
  size_t first = w.count;
  open_loop(&w, "r", w.g.rows);
  open_loop(&w, "t", w.g.across);
  add_gather(&w);
  add_out(&w);
  close_loops(&w, first, 2);
  close_loops(&w, 0, 0);
  tn_emit(d->b, w.stmts[0]);
  return true;
}
