/* default.h -- the directory board of sched/default/: the schedule of functions that nobody scheduled.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_DEFAULT_H
#define TNI_DEFAULT_H

#include "sched.h"

enum { TNI_MAX_LOOPS = 24, TNI_MAX_BLOCKS = 256 };

typedef struct tni_planner {
  tn_schedule *s;
  const tn_target *target;
  tn_status status; /* a failure that is not a refusal ends the planning */
  tn_error **err;
  bool serial; /* nothing is to be in parallel */
} tni_planner;

/* ---- steps.c: primitives that may be refused. True: applied ------------------------------------------------------ */

/* A refused step is given up; other failures are kept. */
bool tni_tried(tni_planner *p, tn_status status, tn_error *const *err);
bool tni_try_split(tni_planner *p, tn_loop loop, int64_t factor, tn_loop *out); /* two loops: 0 (inferred), factor */
/* The same; with `twice` and if it may be so, the last step ends with the extent: some iterations run twice, none has a guard. */
bool tni_try_parts(tni_planner *p, tn_loop loop, int64_t factor, bool twice, tn_loop *out);
bool tni_try_reorder(tni_planner *p, size_t count, const tn_loop *loops);
bool tni_try_vectorize(tni_planner *p, tn_loop loop);
bool tni_try_unroll(tni_planner *p, tn_loop loop);
bool tni_try_parallel(tni_planner *p, tn_loop loop);
/* Those that are not 0 get the annotation. */
void tni_note_loops(tni_planner *p, size_t count, const tn_loop *loops, const char *note);
bool tni_try_fuse(tni_planner *p, size_t count, const tn_loop *loops, tn_loop *out);
/* The loops above a block, at most TNI_MAX_LOOPS, and how many; 0 after a failure. */
size_t tni_loops_of(tni_planner *p, tn_block_ref block, tn_loop *loops);
tn_block_ref tni_block_named(tni_planner *p, const char *name); /* 0: none */
/* Is so much work worth threads? */
bool tni_goes_parallel(const tni_planner *p, int64_t work);
/* Loops in front of a tile: fused from the outside as long as they are one chain, and run in parallel if the work is worth it. */
void tni_parallel_outer(tni_planner *p, size_t count, const tn_loop *loops, int64_t work);

/* ---- facts.c: what a block is ------------------------------------------------------------------------------------ */

typedef struct tni_block_list {
  size_t count;
  const tn_stmt *items[TNI_MAX_BLOCKS];
} tni_block_list;

typedef struct tni_cost {
  int ops, loads, math, predicated;
} tni_cost;

/* How the loads of a block's value move when an iterator steps. */
typedef struct tni_strides {
  const tni_planner *p;
  const tn_stmt *block;
  const tn_expr *var;
  const tn_buffer *skip;            /* the accumulator */
  int unit, zero, near, far, loads; /* how many have stride 1, 0, a small one, more or unknown */
} tni_strides;

tni_block_list tni_blocks_of(const tni_planner *p);
tni_cost tni_cost_of(const tni_planner *p, const tn_stmt *block);
bool tni_is_reduction(const tn_stmt *block);
/* The block that stores to the buffer; NULL: none, or several. */
const tn_stmt *tni_maker_of(const tni_planner *p, const tn_buffer *b);
/* Blocks that read the buffer, other than `own`: how many, and how many of them reduce. */
int tni_count_readers(const tni_planner *p, const tn_buffer *b, const tn_stmt *own, int *reductions,
                      const tn_stmt **last);
/* The stride, in elements, of an access when variable `var` steps; false: not affine or not constant. */
bool tni_stride_of(const tni_planner *p, const tn_buffer *b, const tn_expr *const *index, const tn_expr *var,
                   int64_t *out);
/* Of a load that does not move with each step of the variable, but with every so many: that number; else 0. */
int64_t tni_group_of(const tni_planner *p, const tn_expr *load, const tn_expr *var);
tni_strides tni_strides_of(const tni_planner *p, const tn_stmt *block, const tn_expr *iter);
int64_t tni_extent_of(const tn_stmt *block, int32_t i);   /* 0: not constant */
int64_t tni_work_of(const tn_stmt *block);                /* multiply-adds of a block, at most 2^62 */
int64_t tni_sum_of(const tn_stmt *block);                 /* steps of its sum */
int32_t tni_iter_of_dim(const tn_stmt *block, int32_t d); /* the iterator that is subscript d of the store; -1: none */
/* The iterator of the block that a loop feeds, or NULL. */
const tni_iter *tni_iter_fed_by(const tni_planner *p, const tn_stmt *block, tn_loop loop);
/* Is an element's value more than a few instructions? */
bool tni_is_long(const tni_planner *p, const tn_stmt *block);
int64_t tni_lanes_of(const tni_planner *p, tn_type type);
static inline int64_t tni_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---- price.c: what code costs ------------------------------------------------------------------------------------ */

/* So many instructions, written out once, in cycles of a call. */
double tni_price_of(double instructions);
/* About how many the block's value takes for one vector, its loads and its store. */
int tni_instructions_of(const tni_planner *p, const tn_stmt *block);
/* How often the block is done, but for the steps of one iterator (-1: none). */
double tni_steps_of(const tn_stmt *block, int32_t but);
/* Of an elementwise block in vectors: is a body for the last lanes dearer than to compute where each vector begins, so that the
 * last one may begin earlier? */
bool tni_is_tail_dear(const tni_planner *p, const tn_stmt *block, int64_t lanes);

/* Is a loop over what has been stored, of so many vectors in all, less than the block written out so many times more? */
bool tni_is_loop_less(const tni_planner *p, const tn_stmt *block, int64_t bodies, double vectors);

/* ---- default.c --------------------------------------------------------------------------------------------------- */

/* An elementwise block goes into its consumers, where it is cheap. */
void tni_inline_block(tni_planner *p, const tn_stmt *block);

/* ---- begin.c ----------------------------------------------------------------------------------------------------- */

/* The block that adds a bias to a sum of integers goes into the sum's beginning. */
void tni_begin_with_bias(tni_planner *p, const tn_stmt *block);

/* ---- tile.c: which part of a reduction's result is kept in registers --------------------------------------------- */

/* Rows of a tile are along a dimension of so many elements, however much longer others are. */
enum { TNI_LONG_ROW = 24 };

typedef struct tni_tile {
  int32_t first_dim; /* given: those before it go by loops that stay where they are */
  int32_t vector_dim, row_dim; /* spatial dimensions of the output; -1: none */
  int64_t lanes, vectors, rows;
  /* Of tile registers: which factors are packed first; so many tiles of columns are
   * done for all rows before the next ones. */
  bool pack_left, pack_right;
  int64_t chunk;
  int32_t step, step_count; /* the iterators that are their steps: so many from that one on, which become one */
  double gain;              /* how many times as fast they are as dot products */
  int64_t steps;
  const tni_unit *unit; /* what sums several steps at once, or NULL */
  /* The loop over tiles along the vectors is outside of the one along the rows and of all others, but for those of so
   * many leading dimensions. */
  bool vectors_outside;
  int32_t batches;
  /* What the vectors are loaded from, when a copy of a tile's columns without gaps is worth its price; else NULL. */
  const tn_buffer *packed;
  int64_t group; /* so many columns share a factor that others do not: lanes are a part of it, or a multiple; 0: all */
  int64_t strip; /* so many tiles along the vectors are done for all rows of pictures before the next ones; 0: all */
  int64_t taps; /* steps of the innermost loop of the sum, which are written out; 0: it stays a loop */
  bool whole; /* the last tile along the vectors has no body of its own: all have masks */
  const char *window; /* the block that makes what the taps' window is of, when that goes to registers; else NULL */
  int64_t again; /* steps of the innermost loop of the sum that are written out, one behind the other */
  bool streams; /* one row of sums, over a matrix whose rows are far from each other and stay in no cache */
  /* What the next step of the outer of both loops reads, when it comes from beyond the second cache; else NULL. */
  const tn_buffer *ahead;
} tni_tile;

/* Very many where an extent is not constant. */
double tni_bytes_of_buffer(const tn_buffer *b);
/* False: no dimension for vectors. */
bool tni_choose_tile(const tni_planner *p, const tn_stmt *block, tni_tile *t);

/* Of a step of a sum in a tile of so many rows and vectors: of a window, or not. */
double tni_step_cycles(const tn_target *target, int64_t rows, int64_t vectors, bool window);

/* ---- alone.c ----------------------------------------------------------------------------------------------------- */

/* The vectors of a tile without rows, of so many elements together. */
void tni_choose_vectors(const tni_planner *p, const tn_stmt *block, int64_t extent, bool window, tni_tile *t);

/* ---- window.c ---------------------------------------------------------------------------------------------------- */

/* Where the tile's lanes share no factor, but its rows overlap: another size, with taps written out. */
void tni_fit_window(const tni_planner *p, const tn_stmt *block, tni_tile *t);
/* Brings t->window below `loop`, the one around the taps. */
void tni_bring_window(tni_planner *p, const tni_tile *t, tn_loop loop);

/* ---- tiles.c ----------------------------------------------------------------------------------------------------- */

/* How the target's tile registers sum up the block, of a tile that tni_choose_tile gave: how large it is instead, its steps,
 * and in `unit` what these mean together, or NULL: what they say. NULL: they cannot. */
const tni_tile_row *tni_choose_tiles(const tni_planner *p, const tn_stmt *block, tni_tile *t);

/* ---- unit.c: reductions that an instruction of the target sums several steps of ---------------------------------- */

/* Of a reduction that leaves steps out (trim.c): the condition of the others; else NULL. */
const tn_expr *tni_left_out(const tn_stmt *block);
/* The loads whose products a reduction sums. */
bool tni_find_factors(const tn_stmt *block, const tn_expr **x, const tn_expr **y);
/* NULL: the target has none for the block. */
const tni_unit *tni_unit_for(const tni_planner *p, const tn_stmt *block);
/* Of the block's loops, as many as there are, the one of which so many steps are taken at once; 0: none. */
tn_loop tni_unit_loop(tni_planner *p, tn_block_ref block, int64_t steps, size_t count, const tn_loop *loops);
/* `steps`, the loop below all others of its block, becomes the unit. */
void tni_apply_unit(tni_planner *p, const tni_unit *unit, tn_loop steps);

/* ---- reduce.c ---------------------------------------------------------------------------------------------------- */

/* So many loops of the block that writes its result out are outside of the tiles, as they are; if there are any, who made
 * them sees to what is in parallel. */
void tni_schedule_reduction(tni_planner *p, const tn_stmt *block, size_t outside);
/* Does the tile, of so many vectors, go to memory before the epilogue (NULL: there is none), which goes over it in a loop? */
bool tni_has_stage(const tni_planner *p, const tn_stmt *block, const tn_stmt *epilogue, const tni_tile *t,
                   int64_t vectors);
/* The block behind a reduction: the one reader of its buffer that is elementwise over the same shape and stands alone. */
const tn_stmt *tni_epilogue_of(const tni_planner *p, const tn_stmt *block);
/* The block that writes the reduction's result out: its epilogue, or a copy from a
 * buffer of the scope. 0: there can be none. */
tn_block_ref tni_writer_of(tni_planner *p, const tn_stmt *block, const char *scope);

/* The reduction of that name below `outer_count` loops, in vectors along t->vector_dim that stay in registers: what is left
 * of its sum outside, rows and vectors written out, lanes innermost. */
void tni_tile_reduction(tni_planner *p, const char *name, const tni_tile *t, size_t outer_count);

/* The number of the buffer among those that the block reads; -1: none. */
int32_t tni_find_read_number(const tni_planner *p, tn_block_ref block, const tn_buffer *b);

/* ---- lanes.c ----------------------------------------------------------------------------------------------------- */

/* Is it a reduction whose order does not matter, along memory? `t`: the tile that it could have instead, or NULL. */
bool tni_wants_lanes(const tni_planner *p, const tn_stmt *block, const tni_tile *t);
/* The block of that name, in parts below `outer_count` loops. */
void tni_reduce_in_lanes(tni_planner *p, const char *name, size_t outer_count);

/* ---- chain.c ----------------------------------------------------------------------------------------------------- */

/* The sum over a window, as nothing has been done to it yet, with the product that takes its result. False: no product
 * does, or it is better apart, and nothing has been done. */
bool tni_schedule_chain(tni_planner *p, const tn_stmt *window);
/* How many rows are made at once of what is between, (pictures, rows, pixels, channels); 0: the two are better apart. */
int64_t tni_chain_rows(const tn_target *target, tn_type type, const int64_t shape[4]);

/* ---- across.c ---------------------------------------------------------------------------------------------------- */

/* The elementwise block below loops[0..inner], of which those from `from` on may be cut, in squares, where it reads
 * across what it writes; loops[..inner] are then those outside of them, and the first *outer may be in parallel. False: it
 * does not. */
bool tni_schedule_across(tni_planner *p, const tn_stmt *block, size_t from, size_t inner, tn_loop *loops,
                         size_t *outer);
/* The elementwise block that has so many loops, all its own, in vectors along the last but one of them, where the last one
 * has few steps; loops[..*outer - 1] are then those outside of the vectors. False: it is none such. */
bool tni_schedule_between(tni_planner *p, const tn_stmt *block, size_t count, tn_loop *loops, size_t *outer);

/* ---- rows.c ------------------------------------------------------------------------------------------------------ */

/* A function that is one operator over rows, in several stages, none of which uses what others load again. False: it is
 * none, and nothing has been done. */
bool tni_schedule_rows(tni_planner *p);

/* ---- nest.c ------------------------------------------------------------------------------------------------------ */

/* A function whose blocks stand in loops together. False: none do, and nothing has been done. */
bool tni_schedule_nest(tni_planner *p);

/* ---- cast.c ------------------------------------------------------------------------------------------------------ */

/* Factors of a reduction that are cast at each use are cast once before, where a tile uses them often. True: the block,
 * of that name, is another one, of other loads. */
bool tni_cast_factors(tni_planner *p, const tn_stmt *block, const tni_tile *t);

/* ---- group.c ----------------------------------------------------------------------------------------------------- */

/* Steps of a reduction that the tile's unit takes at once are copied side by side before, where they are not and the copy
 * is used often. True: the block, of that name, is another one, of other loads. */
bool tni_group_steps(tni_planner *p, const tn_stmt *block, const tni_tile *t);
/* A block that copies what the load reads: its other iterators one by one, vectors of the lanes, groups of the steps, lanes,
 * the steps of a group. 0: there can be none. */
tn_block_ref tni_pack_groups(tni_planner *p, const tn_stmt *block, const tn_expr *load, int32_t step, int64_t steps,
                             int32_t lane, int64_t lanes);
/* That block's loops, or the last of them: the lanes become a vector, the steps of a group are written between each other. */
void tni_write_groups(tni_planner *p, size_t count, const tn_loop *loops);

/* ---- spread.c ---------------------------------------------------------------------------------------------------- */

/* Do the rows of a tile, of a buffer of the function's own, share few sets of the first cache? */
bool tni_rows_are_crowded(const tni_planner *p, const tn_stmt *block, const tni_tile *t);
/* So many rows of a tile find place in the first cache, one line of each at a time. */
int64_t tni_most_rows_near(const tni_planner *p, const tn_stmt *block, const tni_tile *t);
/* Rows of a tile that would share few sets of the first cache get others. True: the block, of that name, is another
 * one, of other loads. */
bool tni_spread_rows(tni_planner *p, const tn_stmt *block, const tni_tile *t);

/* ---- product.c --------------------------------------------------------------------------------------------------- */

/* Of a tile that tile registers do; the block is as nothing has been done to it yet. */
bool tni_schedule_product(tni_planner *p, const tn_stmt *block, const tni_tile *t); /* false: nothing has been done */

/* ---- stream.c ---------------------------------------------------------------------------------------------------- */

/* Of a tile that streams; the block is as nothing has been done to it yet. */
void tni_schedule_streams(tni_planner *p, const tn_stmt *block, const tni_tile *t);

#endif
