/* winograd.c -- convolutions by 3 x 3 taps from tiles of transformed numbers, where that takes less time.
 *
 *     conv(x, w, bias) {channels_last = 1}   ->   winograd(x, w', bias) {tile = 4, rows = 2, panel = p, ..}
 *
 * w' of w, (m, c, 3, 3), is ((tile + 2)^2, m / p, c, p): G w G' of each two channels, in f64, rounded once; p is the
 * lanes of a vector. ir/graph/ops_winograd.c says what the operator does.
 *
 * Taken are convolutions of f32 by constant weights, in steps of 1, over all channels, with the channels last. Cycles are
 * counted for both tiles, for rows of them in blocks, and for the direct sum: of multiply-adds, of transforms, and of
 * what comes from the second cache and from beyond. Weights become 16 / 9 or 4 times as large, are read once for each block,
 * and by each core anew in each run where caches do not keep them: so small pictures stay as they are. All is counted for
 * one picture, so that a batch gives what its pictures do.
 *
 * The error is estimated from the weights. For inputs of independent numbers of one size the square of it, in squares of
 * the result, is
 *
 *     (c / 2 + 8) u^2 / 3 * sum over s  A[s]^2 B[s]^2 sum over c  w'[s, c]^2   /   sum over c, taps  w[c, tap]^2
 *
 * for the worst channel and pixel of a tile: each of c steps rounds what is there by then, in the mean half of all. (A[s]:
 * what of product s is in the pixel; B[s]^2: the sum of squares of the row that makes its factor.) Convolutions that would
 * be wrong by more than 1e-5 stay as they are, and so do those by weights that are not finite.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdatomic.h>

#include "sched.h"

enum { TAPS = 3, MOST = TNI_WINOGRAD_POINTS, LEAST_CHANNELS = 32, ALIGN = 64 };

typedef struct winograd {
  tni_gcopy c;
  const tn_target *target;
  bool anew; /* do cores read weights from afar in each run? Others were in their caches meanwhile */
} winograd;

/* ---- which convolutions ------------------------------------------------------------------------------------------ */

/* All numbers of the list are 1, or there is none. */
static bool is_ones(const tni_gnode *n, const char *name) {
  int32_t count;
  const int64_t *list = tni_attr_ints(n, name, &count);
  for (int32_t i = 0; list && i < count; i++)
    if (list[i] != 1) return false;
  return true;
}

static bool is_suited(const tn_graph *g, const tni_gnode *n) {
  if (!n->op || strcmp(n->op->name, "conv") != 0 || !tni_attr_int(n, "channels_last", 0)) return false;
  if (tni_attr_int(n, "panel", 0) || tni_attr_int(n, "oc_last", 0) || tni_attr_int(n, "outside", 0) ||
      tni_attr_string(n, "to", NULL) || tni_attr_int(n, "group", 1) != 1)
    return false;
  const tni_gvalue *x = &g->values[n->inputs[0]], *w = &g->values[n->inputs[1]];
  if (!w->data || w->type != TN_F32 || x->type != TN_F32 || w->rank != 4 || x->rank != 4) return false;
  return w->shape[2] == TAPS && w->shape[3] == TAPS && w->shape[0] >= LEAST_CHANNELS &&
         w->shape[1] >= LEAST_CHANNELS && is_ones(n, "strides") && is_ones(n, "dilations") &&
         tni_gvalue_numel(&g->values[n->outputs[0]]) > 0;
}

/* What is in front of the picture along dimension i, and behind it; false: more than a window reaches. */
static bool find_pads(const tn_graph *g, const tni_gnode *n, int i, int64_t *before, int64_t *behind) {
  int32_t count;
  const int64_t *pads = tni_attr_ints(n, "pads", &count);
  const char *mode = tni_attr_string(n, "auto_pad", "NOTSET");
  int64_t in = g->values[n->inputs[0]].shape[1 + i], out = g->values[n->outputs[0]].shape[1 + i];
  int64_t all = out + TAPS - 1 - in;
  if (strcmp(mode, "SAME_UPPER") == 0)
    *before = all / 2;
  else if (strcmp(mode, "SAME_LOWER") == 0)
    *before = all - all / 2;
  else
    *before = pads && strcmp(mode, "NOTSET") == 0 ? pads[i] : 0;
  *behind = all - *before;
  return *before >= 0 && *before < TAPS && *behind >= 0 && *behind < TAPS;
}

/* ---- what it costs ----------------------------------------------------------------------------------------------- */

static const double GAIN = 1.25;  /* how many times as fast it must be */
static const double DIRECT = 0.9; /* of the multiply-adds that a core can do, those that a loop over taps does */
static const double PRODUCT = 0.95;
enum {
  FAR_BYTES = 5,      /* a cycle, from beyond the second cache */
  ANEW_BYTES = 10,    /* of weights, with nothing to do meanwhile */
  NEAR_BYTES = 30,    /* from the second cache */
  HELD_BYTES = 17,    /* of what a block holds, written and read there */
  MOST_HELD = 8,      /* of what a block of tiles holds, second caches */
  SPREAD_SMALL = 40,  /* cycles of the transforms of a tile, of a vector of channels */
  SPREAD_LARGE = 140,
  GATHER_SMALL = 40,
  GATHER_LARGE = 130
};

typedef struct choice {
  int64_t tile, rows;
  double cycles;
} choice;

static double divide_up(double a, double b) { return ceil(a / b); }

static double cycles_of(const winograd *q, const tni_gvalue *out, double channels, int64_t tile, int64_t rows) {
  const tn_target *target = q->target;
  double lanes = target->vector_bits / 32.0, points = (double)tni_winograd_points(tile);
  double columns = (double)out->shape[3];
  double across = divide_up((double)out->shape[2], (double)tile), tiles = across * (double)rows;
  double blocks = divide_up(divide_up((double)out->shape[1], (double)tile), (double)rows);
  double sums = points * points * tiles * channels * columns / (2 * lanes) / PRODUCT;
  double weights = points * points * channels * columns * sizeof(float);
  double held = points * points * tiles * (channels + columns) * sizeof(float);
  double spread = tiles * channels / lanes * (tile == 2 ? SPREAD_SMALL : SPREAD_LARGE);
  double gather = tiles * columns / lanes * (tile == 2 ? GATHER_SMALL : GATHER_LARGE);
  double near = (double)target->l2 * 0.75, cores = target->cores > 1 ? target->cores : 1;
  bool stay = held + weights <= near;
  if (held > MOST_HELD * (double)target->l2) return INFINITY;
  sums = fmax(sums, weights / (stay ? NEAR_BYTES : FAR_BYTES));
  double moves = held > near ? 2 * held / FAR_BYTES : held / HELD_BYTES, first = stay && q->anew ? weights / ANEW_BYTES : 0;
  return divide_up(blocks, cores) * cores * (sums + spread + gather + moves) + fmin(blocks, cores) * first;
}

static choice choose(const winograd *q, const tn_graph *g, const tni_gnode *n) {
  const tn_target *target = q->target;
  const tni_gvalue *out = &g->values[n->outputs[0]];
  double channels = (double)g->values[n->inputs[1]].shape[1], lanes = target->vector_bits / 32.0;
  double pixels = (double)out->shape[1] * (double)out->shape[2];
  double direct = pixels * (double)out->shape[3] * channels * TAPS * TAPS / (2 * lanes) / DIRECT;
  double weights = TAPS * TAPS * channels * (double)out->shape[3] * sizeof(float);
  if (weights > (double)target->l2) direct = fmax(direct, weights / FAR_BYTES);
  choice best = {.cycles = direct / GAIN};
  for (int64_t tile = 2; tile <= 4; tile += 2)
    for (int64_t all = (out->shape[1] - 1) / tile + 1, rows = all; rows >= 1; rows--) {
      if (rows > 1 && (all - 1) / (rows - 1) == (all - 1) / rows) continue; /* as many blocks of fewer rows */
      double cycles = cycles_of(q, out, channels, tile, rows);
      if (cycles < best.cycles) best = (choice){tile, rows, cycles};
    }
  return best;
}

/* ---- weights, and how wrong they are ----------------------------------------------------------------------------- */

enum {
  GROUP = 8, /* channels at once, whose loops the compiler makes vectors of */
  MOST_RUN = 32,
  MORE_SUMS = 8 /* for transforms */
};
static const double MOST_WRONG = 1e-5;

static double square(double x) { return x * x; }

/* Of a group of output channels: G w G', and sums over input channels of squares, of them and of the taps. */
typedef struct group {
  double made[MOST * MOST][GROUP], squares[MOST * MOST][GROUP], all[GROUP];
} group;

/* The taps of channel c for output channels from `first` on, wherever they lie; 0 behind the last. */
static void read_taps(const tni_gvalue *w, int64_t first, int64_t c, double taps[TAPS * TAPS][GROUP]) {
  for (int64_t l = 0; l < GROUP; l++) {
    float from[TAPS * TAPS] = {0};
    const char *at = (const char *)w->data + (size_t)((first + l) * w->shape[1] + c) * sizeof from;
    if (first + l < w->shape[0]) memcpy(from, at, sizeof from);
    for (int t = 0; t < TAPS * TAPS; t++) taps[t][l] = (double)from[t];
  }
}

static void add_up(double out[GROUP], const double g[TAPS], double (*x)[GROUP], int64_t apart) {
  const double a = g[0], b = g[1], c = g[2];
  double sum[GROUP]; /* of its own: the compiler sees that nothing overlaps */
  for (int l = 0; l < GROUP; l++) sum[l] = a * x[0][l];
  for (int l = 0; l < GROUP; l++) sum[l] += b * x[apart][l];
  for (int l = 0; l < GROUP; l++) sum[l] += c * x[2 * apart][l];
  memcpy(out, sum, sizeof sum);
}

static void transform(const tni_winograd *m, double taps[TAPS * TAPS][GROUP], group *out) {
  double half[MOST * TAPS][GROUP];
  for (int64_t i = 0; i < m->points; i++)
    for (int64_t j = 0; j < TAPS; j++) add_up(half[i * TAPS + j], m->g[i], taps + j, TAPS);
  for (int64_t s = 0; s < m->points * m->points; s++)
    add_up(out->made[s], m->g[s % m->points], half + s / m->points * TAPS, 1);
  for (int64_t s = 0; s < m->points * m->points; s++)
    for (int l = 0; l < GROUP; l++) out->squares[s][l] += square(out->made[s][l]);
  for (int t = 0; t < TAPS * TAPS; t++)
    for (int l = 0; l < GROUP; l++) out->all[l] += square(taps[t][l]);
}

/* The square of the error of a channel's worst pixel, in those of the result, without what only depends on how many are
 * summed. */
static double worst_pixel(const tni_winograd *m, int64_t tile, const group *of, int l) {
  double rows[MOST] = {0}, worst = 0;
  for (int64_t i = 0; i < m->points; i++)
    for (int64_t j = 0; j < m->points; j++) rows[i] += square(m->b[i][j]);
  for (int64_t y = 0; y < tile; y++)
    for (int64_t x = 0; x < tile; x++) {
      double sum = 0;
      for (int64_t i = 0; i < m->points; i++)
        for (int64_t j = 0; j < m->points; j++)
          sum += square(m->a[i][y] * m->a[j][x]) * rows[i] * rows[j] * of->squares[i * m->points + j][l];
      worst = fmax(worst, sum / of->all[l]);
    }
  return worst;
}

/* Is the estimated error of each channel small enough? Zeros have none. */
static bool is_exact_enough(const tni_gvalue *w, const tni_winograd *m, int64_t tile, const group *of) {
  double more = ((double)w->shape[1] / 2 + MORE_SUMS) * square(FLT_EPSILON / 2) / 3;
  for (int l = 0; l < GROUP; l++) {
    double wrong = of->all[l] > 0 ? more * worst_pixel(m, tile, of, l) : 0;
    if (!isfinite(of->all[l]) || !(wrong <= square(MOST_WRONG))) return false;
  }
  return true;
}

/* All weights, as the operator has them: (points^2, panels, c, panel); what is left of the last panel is 0. */
typedef struct filling {
  const tni_gvalue *w;
  int64_t tile, panel, panels;
  tni_winograd m;
  float *to;
  atomic_bool inexact; /* they would not be exact enough */
} filling;

/* The group's, of input channel c: in one panel, or in several whole ones. */
static void write_made(const filling *f, int64_t first, int64_t c, const group *g) {
  int64_t run = f->panel < GROUP ? f->panel : GROUP, channels = f->w->shape[1];
  int64_t all = f->panels * f->panel, end = all - first < GROUP ? all - first : GROUP;
  for (int64_t k = 0; k < end; k += run) {
    float *to = f->to + ((first + k) / f->panel * channels + c) * f->panel + (first + k) % f->panel;
    for (int64_t s = 0; s < f->m.points * f->m.points; s++, to += all * channels) {
      float made[GROUP];
      for (int l = 0; l < GROUP; l++) made[l] = (float)g->made[s][l];
      memcpy(to, made + k, (size_t)run * sizeof *to);
    }
  }
}

/* Channels at once: of whole panels, so that lines are written in one go. */
static int64_t run_of(const filling *f) {
  int64_t run = f->panel - f->panel % GROUP;
  return run < GROUP ? GROUP : run < MOST_RUN ? run : MOST_RUN;
}

static void fill_run(filling *f, int64_t first) {
  double taps[TAPS * TAPS][GROUP];
  group groups[MOST_RUN / GROUP];
  int64_t count = run_of(f) / GROUP;
  memset(groups, 0, (size_t)count * sizeof *groups);
  for (int64_t c = 0; c < f->w->shape[1]; c++)
    for (int64_t i = 0; i < count; i++) {
      read_taps(f->w, first + i * GROUP, c, taps);
      transform(&f->m, taps, &groups[i]);
      write_made(f, first + i * GROUP, c, &groups[i]);
    }
  for (int64_t i = 0; i < count; i++)
    if (!is_exact_enough(f->w, &f->m, f->tile, &groups[i])) f->inexact = true;
}

/* A run of one of several weights. */
typedef struct item {
  filling *f;
  int64_t first;
} item;

static int32_t fill_items(void *closure, int64_t begin, int64_t end) {
  const item *items = closure;
  for (int64_t i = begin; i < end; i++)
    if (!items[i].f->inexact) fill_run(items[i].f, items[i].first);
  return 0;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

/* What becomes of a node. */
typedef struct made {
  choice how;         /* tile 0: nothing */
  tni_gvalue weights; /* without contents where they would not be exact enough */
  tni_blob *blob;     /* of contents that other programs get, too, and that are not those of a program before */
  filling f;
} made;

static int64_t runs_of(const made *m) { return m->f.to ? (m->f.panels * m->f.panel - 1) / run_of(&m->f) + 1 : 0; }

/* False: they are not kept. */
static bool make_key(const winograd *q, const tni_gvalue *w, const made *m, tni_text *key) {
  tni_attr how[] = {{.name = "tile", .kind = TNI_ATTR_INT, .i = m->how.tile},
                    {.name = "panel", .kind = TNI_ATTR_INT, .i = m->weights.shape[3]}};
  return tni_graph_key(key, q->c.to->kept, "winograd", TNI_COUNT(how), how, 1, &w, &m->weights);
}

/* Of the weights, in whole lines. */
static size_t bytes_of(const made *m) {
  size_t bytes = m->how.tile ? tn_array_bytes(TN_F32, tni_gvalue_numel(&m->weights)) : 0;
  return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static void describe_weights(const winograd *q, const tni_gvalue *w, made *m) {
  int64_t points = tni_winograd_points(m->how.tile), panel = tni_target_lanes(q->target, TN_F32, w->shape[0]);
  m->weights = (tni_gvalue){.type = TN_F32,
                            .rank = 4,
                            .shape = {points * points, (w->shape[0] - 1) / panel + 1, w->shape[1], panel}};
  tni_move_settle(q->c.to, w->data);
  m->f.w = w;
  m->f.tile = m->how.tile;
  m->f.panels = m->weights.shape[1];
  m->f.panel = panel;
  tni_winograd_matrices(m->how.tile, &m->f.m);
}

/* Finds the contents among those that are kept for other programs, or begins new ones. */
static tn_status find_weights(winograd *q, made *m, tn_error **err) {
  tn_program *to = q->c.to;
  tni_text key;
  tni_text_init(&key, to->ctx);
  bool keyed = make_key(q, m->f.w, m, &key);
  tn_status status = key.failed ? tni_fail_nomem(err) : TN_OK;
  if (keyed) status = tni_graph_kept(to, &key, &m->weights.data, err);
  tni_text_destroy(&key);
  if (status || m->weights.data) return status;
  m->blob = tni_blob_create(to->ctx, bytes_of(m));
  if (!m->blob) return tni_fail_nomem(err);
  m->f.to = (float *)(uintptr_t)m->blob->data;
  return TN_OK;
}

/* Places in a block of the program's: such memory is had in large pages. What turns out not to be exact enough, which is seldom,
 * leaves a hole. */
static tn_status take_places(tn_program *to, size_t count, made *all, tn_error **err) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) size += bytes_of(&all[i]);
  if (!size) return TN_OK;
  tni_blob *block = tni_blob_create(to->ctx, size);
  if (!block) return tni_fail_nomem(err);
  char *at = (char *)(uintptr_t)block->data;
  for (size_t i = 0; i < count; at += bytes_of(&all[i++]))
    if (all[i].how.tile) all[i].f.to = (float *)at;
  return tni_program_keep_blob(to, block, err);
}

/* Of all nodes at once: many have few runs. */
static tn_status fill_all(winograd *q, size_t count, made *all, tn_error **err) {
  tn_context *ctx = q->c.to->ctx;
  int64_t runs = 0, n = 0;
  for (size_t i = 0; i < count; i++) runs += runs_of(&all[i]);
  size_t bytes = ((size_t)runs + 1) * sizeof(item);
  item *items = tni_alloc(ctx, bytes);
  if (!items) return tni_fail_nomem(err);
  for (size_t i = 0; i < count; i++)
    for (int64_t k = 0; k < runs_of(&all[i]); k++) items[n++] = (item){&all[i].f, k * run_of(&all[i].f)};
  tni_spread(ctx, fill_items, items, runs);
  tni_free(ctx, items, bytes);
  return TN_OK;
}

/* The program takes what other programs get, too; two nodes of one key have one. */
static tn_status share_weights(winograd *q, made *m, tn_error **err) {
  tn_program *to = q->c.to;
  tni_blob *blob = m->blob;
  m->blob = NULL;
  tni_text key;
  tni_text_init(&key, to->ctx);
  bool keyed = make_key(q, m->f.w, m, &key);
  tn_status status = key.failed ? tni_fail_nomem(err) : TN_OK;
  if (keyed) status = tni_graph_kept(to, &key, &m->weights.data, err);
  bool known = m->weights.data;
  if (!status && !known && keyed && !tni_kept_add(to->kept, key.data, key.length, blob)) status = tni_fail_nomem(err);
  tni_text_destroy(&key);
  if (status || known) return tni_blob_unref(blob), status;
  m->weights.data = blob->data;
  return tni_program_keep_blob(to, blob, err);
}

/* Contents that are exact enough are those of the weights. */
static tn_status end_weights(winograd *q, made *m, tn_error **err) {
  if (!m->f.to || m->f.inexact) return TN_OK;
  if (m->blob) return share_weights(q, m, err);
  m->weights.data = m->f.to;
  return TN_OK;
}

static tn_status make_weights(winograd *q, const tn_graph *g, made *all, tn_error **err) {
  tn_program *to = q->c.to;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (all[i].how.tile) describe_weights(q, &g->values[g->nodes[i].inputs[1]], &all[i]);
  if (!to->kept) status = take_places(to, g->node_count, all, err);
  for (uint32_t i = 0; i < g->node_count && to->kept && !status; i++)
    if (all[i].how.tile) status = find_weights(q, &all[i], err);
  if (!status) status = fill_all(q, g->node_count, all, err);
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = end_weights(q, &all[i], err);
  return status;
}

static tn_status add_tiles(winograd *q, const tni_gnode *n, const choice *how, const tni_gvalue *weights,
                           tn_error **err) {
  const tn_graph *g = q->c.from;
  int64_t pads[4];
  bool biased = n->input_count > 2 && n->inputs[2] != TNI_NO_VALUE;
  uint32_t in[3] = {0};
  for (int i = 0; i < 2; i++) find_pads(g, n, i, &pads[i], &pads[2 + i]);
  tni_attr attrs[] = {{.name = "tile", .kind = TNI_ATTR_INT, .i = how->tile},
                      {.name = "rows", .kind = TNI_ATTR_INT, .i = how->rows},
                      {.name = "panel", .kind = TNI_ATTR_INT, .i = weights->shape[3]},
                      {.name = "columns", .kind = TNI_ATTR_INT, .i = g->values[n->inputs[1]].shape[0]},
                      {.name = "pads", .kind = TNI_ATTR_INTS, .ints = pads, .count = 4}};
  tn_status status = tni_gcopy_value(&q->c, n->inputs[0], &in[0], err);
  if (!status && biased) status = tni_gcopy_value(&q->c, n->inputs[2], &in[2], err);
  if (status) return status;
  in[1] = tni_g_const(q->c.b, NULL, TN_F32, weights->rank, weights->shape, weights->data);
  if (in[1] == TNI_NO_VALUE) return tni_gbuilder_check(q->c.b, err);
  return tni_g_node(q->c.b, tni_gop_find("winograd"), n->name, 2 + biased, in, TNI_COUNT(attrs), attrs, 1,
                    &g->values[n->outputs[0]].name, &q->c.map[n->outputs[0]], err);
}

static tn_status add_node(winograd *q, const tni_gnode *n, const made *m, tn_error **err) {
  return m->weights.data ? add_tiles(q, n, &m->how, &m->weights, err) : tni_gcopy_node(&q->c, n, err);
}

/* What each node becomes, if a convolution becomes another thing. */
static bool choose_all(const winograd *q, const tn_graph *g, made *out) {
  bool found = false;
  int64_t before, behind;
  for (uint32_t i = 0; i < g->node_count; i++) {
    const tni_gnode *n = &g->nodes[i];
    bool suited = is_suited(g, n);
    for (int d = 0; d < 2 && suited; d++) suited = find_pads(g, n, d, &before, &behind);
    if (suited) out[i].how = choose(q, g, n);
    found |= out[i].how.tile > 0;
  }
  return found;
}

static tn_status copy_all(winograd *q, const tn_graph *g, tn_program *to, made *all, const tn_graph **out,
                          tn_error **err) {
  tn_status status = tni_gcopy_begin(&q->c, g, to, err);
  if (status) return status;
  status = make_weights(q, g, all, err);
  for (uint32_t i = 0; i < g->node_count && !status; i++) status = add_node(q, &g->nodes[i], &all[i], err);
  if (!status) status = tni_gcopy_finish(&q->c, out, err);
  tni_gcopy_end(&q->c);
  for (uint32_t i = 0; i < g->node_count; i++) tni_blob_unref(all[i].blob);
  return status;
}

/* The second cache does not keep them until the next run. */
static bool are_read_anew(const tn_graph *g, const tn_target *target) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < g->value_count; i++)
    if (g->values[i].data) bytes += tn_array_bytes(g->values[i].type, tni_gvalue_numel(&g->values[i]));
  return bytes > target->l2 / 2;
}

tn_status tni_graph_winograd(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                             tn_error **err) {
  winograd q = {.target = target, .anew = are_read_anew(g, target)};
  *out = g;
  for (uint32_t i = 0; i < g->node_count; i++)
    if (!g->nodes[i].op) return TN_OK; /* a graph with calls is fused already */
  size_t bytes = (g->node_count + 1) * sizeof(made);
  made *all = tni_alloc_zero(to->ctx, bytes);
  tn_status status = all ? TN_OK : tni_fail_nomem(err);
  if (all && choose_all(&q, g, all)) status = copy_all(&q, g, to, all, out, err);
  tni_free(to->ctx, all, bytes);
  return status;
}
