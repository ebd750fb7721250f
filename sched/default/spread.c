/* spread.c -- the rows of a tile in different sets of the first cache.
 *
 *     alloc P: f32[30, 30, 128]   ->   alloc P: f32[30, 30, 128] strides (.., 144, 1)
 *
 * A step of the sum reads one element of each row. Rows that stand a large power of two apart share few sets, and push each
 * other out before the next element of their cache lines is read. So a buffer of the function's own gets rows of an odd
 * number of lines. One that comes from outside is copied to such a buffer, where the sum goes over several taps, so that
 * more rows are in use at once, and uses each element often enough.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default.h"

enum {
  LINE = 64,
  PAGE = 4096,     /* bytes in each way of a first cache, which is asked before the page is known */
  FEW_SETS = 8,    /* lines between rows, and multiples of these: at most an eighth of the sets */
  LEAST_USES = 256 /* multiply-adds for each element that pay for a copy */
};

/* The factor that the row moves and the vector does not, or NULL. */
static const tn_expr *row_factor(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  const tn_expr *x, *y, *row = block->as.block.iters[tni_iter_of_dim(block, t->row_dim)].var;
  const tn_expr *vector = block->as.block.iters[tni_iter_of_dim(block, t->vector_dim)].var;
  int64_t along;
  if (!tni_find_factors(block, &x, &y)) return NULL;
  const tn_expr *factors[] = {x, y};
  for (int i = 0; i < 2; i++)
    if (tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, vector, &along) && along == 0 &&
        (!tni_stride_of(p, factors[i]->as.buffer, factors[i]->arg, row, &along) || along != 0))
      return factors[i];
  return NULL;
}

/* The load of crowded rows, the dimension by which they are told apart, and by how many bytes; NULL: there is none. */
static const tn_expr *find_crowded(const tni_planner *p, const tn_stmt *block, const tni_tile *t, int32_t *dim,
                                   int64_t *apart) {
  const tn_expr *load = t->row_dim < 0 ? NULL : row_factor(p, block, t);
  const tn_buffer *b = load ? load->as.buffer : NULL;
  if (!b || !tni_is_row_major(b)) return NULL;
  const tn_expr *row = block->as.block.iters[tni_iter_of_dim(block, t->row_dim)].var;
  int64_t bytes = (int64_t)tn_type_bytes(b->type);
  int32_t d = b->rank - 1;
  for (; d >= 0 && !tni_expr_uses(p->s->ctx, load->arg[d], row); d--) {
    if (!tni_is_const(b->shape[d])) return NULL;
    bytes *= b->shape[d]->as.i;
  }
  *dim = d;
  *apart = bytes;
  return d >= 0 && bytes > 0 && bytes % (FEW_SETS * LINE) == 0 ? load : NULL;
}

static const tn_stmt *own_maker(const tni_planner *p, const tn_buffer *b) {
  return tni_is_param(p->s->func, b) ? NULL : tni_maker_of(p, b);
}

bool tni_rows_are_crowded(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t dim;
  int64_t apart;
  const tn_expr *load = find_crowded(p, block, t, &dim, &apart);
  return load && own_maker(p, load->as.buffer);
}

int64_t tni_most_rows_near(const tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t dim;
  int64_t apart;
  if (!find_crowded(p, block, t, &dim, &apart)) return INT64_MAX;
  int64_t step = apart & -apart, sets = step < PAGE ? PAGE / step : 1, ways = (int64_t)p->target->l1d / PAGE;
  return sets * (ways > 1 ? ways : 1);
}

/* Does the sum go over several taps, and is each element used so often? */
static bool is_worth_copying(const tni_planner *p, const tn_stmt *block, const tn_expr *load) {
  int sums = 0;
  int64_t elements = 1;
  for (int32_t i = 0; i < block->as.block.count; i++) {
    int64_t along;
    bool moves = !tni_stride_of(p, load->as.buffer, load->arg, block->as.block.iters[i].var, &along) || along != 0;
    sums += moves && block->as.block.iters[i].reduce && tni_extent_of(block, i) != 1;
  }
  for (int32_t d = 0; d < load->as.buffer->rank; d++) {
    if (!tni_is_const(load->as.buffer->shape[d])) return false;
    elements *= load->as.buffer->shape[d]->as.i;
  }
  return sums > 1 && tni_work_of(block) / LEAST_USES >= elements;
}

/* A copy of what the block reads there. 0: there is none. */
static tn_block_ref copy_of(tni_planner *p, const tn_stmt *block, const tn_expr *load) {
  tn_block_ref ref = tni_block_named(p, block->as.block.name), copy;
  int32_t which = ref ? tni_find_read_number(p, ref, load->as.buffer) : -1;
  tn_error *e = NULL;
  return which >= 0 && tni_tried(p, tn_cache_read(p->s, ref, which, "global", &copy, &e), &e) ? copy : 0;
}

bool tni_spread_rows(tni_planner *p, const tn_stmt *block, const tni_tile *t) {
  int32_t dim;
  int64_t apart;
  const tn_expr *load = find_crowded(p, block, t, &dim, &apart);
  const tn_stmt *maker = load ? own_maker(p, load->as.buffer) : NULL;
  tn_block_ref ref = 0;
  tn_error *e = NULL;
  if (maker)
    ref = tni_block_named(p, maker->as.block.name);
  else if (load && tni_is_param(p->s->func, load->as.buffer) && is_worth_copying(p, block, load))
    ref = copy_of(p, block, load);
  if (!ref) return false;
  int64_t line = LINE / (int64_t)tn_type_bytes(load->type);
  return tni_tried(p, tn_storage_align(p->s, ref, dim, 2 * line, line, 0, &e), &e);
}
