/* tenon/sched.h -- schedules: how a tensor function runs, apart from what it computes.
 *
 * A schedule holds a function and rewrites it one primitive at a time. A primitive checks whether it is legal; a
 * refusal (TN_E_REFUSED, with the place marked in the printed function) leaves the function as it was, and says in a
 * line "needs: .." what would make it legal, where something would. Loops and blocks are named by handles: small
 * integers that stay good while what they name exists, through all edits that move or change it. Afterwards they give
 * TN_E_REFUSED, and the error tells which line ended them.
 *
 * The same primitives have a text form, one line each (tn_schedule_run); the lines applied so far are the trace. It names
 * loops by results of its lines or by their place, so it leads from the same or a similar function to the like result,
 * whatever its variables are called.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_SCHED_H
#define TENON_SCHED_H

#include "ir.h"
#include "target.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_schedule tn_schedule; /* one thread at a time */
typedef int32_t tn_loop;                /* handles; 0 is none */
typedef int32_t tn_block_ref;
typedef int32_t tn_place; /* the handle of a loop or of a block */

/* Starts from `func`, a tensor function of `program`. Nothing of the program changes before tn_schedule_commit. */
TN_API tn_status tn_schedule_create(tn_program *program, const tn_func *func, tn_schedule **out, tn_error **err);
/* A schedule that goes on from where the parent stands, with its handles and lines. Takes constant time, whatever their
 * number. While it has forks the parent does not change: primitives give TN_E_INVALID. Forks may run on threads of
 * their own, as long as nobody changes the program. */
TN_API tn_status tn_schedule_fork(tn_schedule *parent, tn_schedule **out, tn_error **err);
/* In any order; what forks share lives as long as one of them. */
TN_API void tn_schedule_destroy(tn_schedule *schedule);
/* Puts the scheduled function in the place of the one it started from. The schedule can go on. */
TN_API tn_status tn_schedule_commit(tn_schedule *schedule, const tn_func **out, tn_error **err);
/* The function as it stands, and the lines that led to it; both live until the next change of the schedule, or the next
 * call. NULL without memory. */
TN_API const char *tn_schedule_text(tn_schedule *schedule);
TN_API const char *tn_schedule_trace(tn_schedule *schedule);

/* Applies lines such as `io, ii = split(i, [64, 8])`, a trace among them. A name is the latest result of that name that
 * still stands, else the loop or block that is printed so. `"C"` is always the printed block, `C[1]` the second loop
 * above block C from the outside, `C[-1]` the innermost, `$3` the fourth loop of the printed function. */
TN_API tn_status tn_schedule_run(tn_schedule *schedule, const char *lines, tn_error **err);

/* The same, but decisions that lines give are passed over and drawn anew: a trace becomes a space to sample from. */
TN_API tn_status tn_schedule_redraw(tn_schedule *schedule, const char *lines, tn_error **err);

/* ---- queries --------------------------------------------------------------------------------------------------- */

TN_API tn_status tn_get_block(tn_schedule *s, const char *name, tn_block_ref *out, tn_error **err);
/* The loops above a block, outermost first. *count: in, the room in `out`; out, how many there are. */
TN_API tn_status tn_get_loops(tn_schedule *s, tn_block_ref block, tn_loop *out, size_t *count, tn_error **err);

/* The loops and blocks below a loop, none of them below another one of these. */
TN_API tn_status tn_children(tn_schedule *s, tn_loop loop, tn_place *out, size_t *count, tn_error **err);
/* Is the handle one of a loop that exists? */
TN_API int tn_is_loop(const tn_schedule *s, tn_place place);
/* The other blocks that write what the block reads; that read what it writes. All that write parameters. */
TN_API tn_status tn_producers(tn_schedule *s, tn_block_ref block, tn_block_ref *out, size_t *count, tn_error **err);
TN_API tn_status tn_consumers(tn_schedule *s, tn_block_ref block, tn_block_ref *out, size_t *count, tn_error **err);
TN_API tn_status tn_outputs(tn_schedule *s, tn_block_ref *out, size_t *count, tn_error **err);

/* Primitives that could make a floating-point sum or product in another order, which rounds otherwise (the manual tells
 * which), are refused from now on where they would; forks too. */
TN_API void tn_schedule_forbid_reassociation(tn_schedule *schedule, int forbid);
/* Has an unsafe primitive been applied: may results be others than those of the function that the schedule started from? */
TN_API int tn_schedule_is_unsafe(const tn_schedule *s);
/* The results of the next primitive are called so in the trace: NAME, or NAME_0, NAME_1 when there are several.
 * Letters, digits, _ and . make a name; another text, or NULL, leaves it to the trace. */
TN_API void tn_schedule_name_next(tn_schedule *schedule, const char *name);
/* The trace without lines that do nothing for the function: queries and samples that no line uses, lines that later
 * ones undo. Applied to the function that the schedule started from it leads to the same text.
 * tn_text_destroy(*out). */
TN_API tn_status tn_schedule_simplify(tn_schedule *schedule, char **out, tn_error **err);
/* The manual of all primitives, or of the one of that name: how a line is written, what it does. tn_text_destroy(*out). */
TN_API tn_status tn_schedule_manual(tn_context *context, const char *name, char **out, tn_error **err);
/* Facts that matter for cost, as text: with `loops` a table of trip counts, how often each loop is run, and the bytes
 * that a run touches; then the bytes that move into each cache of the target, if what fits stays (sched/explain.c).
 * tn_text_destroy(*out). */
TN_API tn_status tn_schedule_explain(tn_schedule *s, const tn_target *target, int loops, char **out, tn_error **err);

/* ---- sampled decisions ----------------------------------------------------------------------------------------- */

/* Decisions are drawn by a generator (splitmix64: sched/choose.c) from the schedule's seed, 0 at first, and recorded in
 * the trace: `t0, t1 = sample_perfect_tile(C[0], 2, max_innermost=16) @ [8, 4]`. A line with a decision takes it, and
 * is refused if it does not fit the function; without one it draws anew. A fork draws what its parent would: give it a
 * seed of its own.
 *
 * A sampled number is given out as one that stands for it, far below all others. Wherever a primitive takes an integer it
 * takes such a one too, and the trace then has its name: so a trace goes on to fit when the decision is changed. */
TN_API void tn_schedule_seed(tn_schedule *s, uint64_t seed);
/* What it stands for; other numbers as they are. */
TN_API int64_t tn_schedule_number(const tn_schedule *s, int64_t number);
/* `count` factors of the loop's constant extent, the last at most max_innermost. All such are equally likely. */
TN_API tn_status tn_sample_perfect_tile(tn_schedule *s, tn_loop loop, size_t count, int64_t max_innermost, int64_t *out,
                                        tn_error **err);
/* The same, but the product of those from number `position` on is a multiple of `multiple`. */
TN_API tn_status tn_sample_partitioned_tile(tn_schedule *s, tn_loop loop, size_t count, size_t position,
                                            int64_t multiple, int64_t *out, tn_error **err);
/* One of the candidates, with these probabilities, which need not add up to 1. */
TN_API tn_status tn_sample_categorical(tn_schedule *s, size_t count, const int64_t *candidates,
                                       const double *probabilities, int64_t *out, tn_error **err);
/* Where to compute a producer: what tn_compute_at takes for a loop. All loops where that is legal, the place where it
 * stands, and inside its consumers where that is legal, are equally likely. */
TN_API tn_status tn_sample_compute_location(tn_schedule *s, tn_block_ref block, tn_loop *out, tn_error **err);

/* ---- templates ------------------------------------------------------------------------------------------------- */

/* A function that samples decisions (its knobs) and applies primitives: it spans a space of schedules. Each decision, of n
 * choices, is a digit of a configuration's number, the first one the least significant; probabilities do not count. How many
 * choices there are should not depend on other decisions, and knobs come before primitives that may be refused, so that all
 * of them are seen whatever is refused. tn_schedule_name_next names a knob. */
typedef struct tn_template {
  const char *name;
  tn_status (*apply)(void *self, tn_schedule *schedule, tn_error **err);
  void *self;
} tn_template;

/* How many configurations there are for the function of the schedule, which stays as it is; UINT64_MAX: more than that. */
TN_API tn_status tn_template_size(const tn_template *t, tn_schedule *schedule, uint64_t *out, tn_error **err);
/* Applies a configuration. On failure (TN_E_REFUSED: its schedule is not legal) the schedule is as it was. */
TN_API tn_status tn_template_apply(const tn_template *t, tn_schedule *schedule, uint64_t index, tn_error **err);
/* Its decisions as text, a line each: `tile_0, tile_1 = [8, 4]`. The schedule stays as it is. tn_text_destroy(*out). */
TN_API tn_status tn_template_text(const tn_template *t, tn_schedule *schedule, uint64_t index, char **out,
                                  tn_error **err);

/* ---- primitives ------------------------------------------------------------------------------------------------ */

/* One loop into `count` nested ones; at most one factor may be 0: it is inferred. If the factors do not divide the extent,
 * the blocks below are guarded. */
TN_API tn_status tn_split(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, tn_loop *out, tn_error **err);
/* What is done where factors do not divide the extent: a guard; the extent is rounded up, and what is written gets room
 * for that (refused where the added iterations could do harm); a loop behind does what is left, without guards; the
 * last step of the outermost loop begins so early that it ends with the extent (refused where what runs twice could not
 * leave the same). */
enum tn_tail { TN_TAIL_GUARD, TN_TAIL_PAD, TN_TAIL_CUT, TN_TAIL_OVERLAP };
/* The same with a choice of the tail. `out` has room for count + 1: the last is the loop that does what is left, or 0. */
TN_API tn_status tn_split_tail(tn_schedule *s, tn_loop loop, size_t count, const int64_t *factors, enum tn_tail tail,
                               tn_loop *out, tn_error **err);
/* One loop into count + 1, one behind the other: over 0..points[0], points[0]..points[1], ... and the last to the extent. */
TN_API tn_status tn_loop_partition(tn_schedule *s, tn_loop loop, size_t count, const int64_t *points, tn_loop *out,
                                   tn_error **err);
/* Nested loops, each the only child of the one before, into one. */
TN_API tn_status tn_fuse(tn_schedule *s, size_t count, const tn_loop *loops, tn_loop *out, tn_error **err);
/* Loops that stand one behind the other, of the same kind and extent, into one: the first of all bodies, then the
 * second ... */
TN_API tn_status tn_merge(tn_schedule *s, size_t count, const tn_loop *loops, tn_loop *out, tn_error **err);
/* Loops of one chain take the places they hold among themselves in the given order. */
TN_API tn_status tn_reorder(tn_schedule *s, size_t count, const tn_loop *loops, tn_error **err);
TN_API tn_status tn_parallel(tn_schedule *s, tn_loop loop, tn_error **err);
TN_API tn_status tn_vectorize(tn_schedule *s, tn_loop loop, tn_error **err);
/* The iterations are blocks of a GPU's grid, or the threads of a block: TN_BLOCK_X .. TN_THREAD_Z. See enum tn_loop_kind. */
TN_API tn_status tn_bind(tn_schedule *s, tn_loop loop, enum tn_loop_kind axis, tn_error **err);
TN_API tn_status tn_unroll(tn_schedule *s, tn_loop loop, tn_error **err);
/* A loop of one iteration around a loop or block. */
TN_API tn_status tn_add_unit_loop(tn_schedule *s, tn_place place, tn_loop *out, tn_error **err);
/* A hint on a loop or block, without meaning, as tn_annotate of a builder gives; one of that key is replaced. And away
 * again. */
TN_API tn_status tn_schedule_annotate(tn_schedule *s, tn_place place, const char *key, int64_t value, tn_error **err);
TN_API tn_status tn_schedule_annotate_text(tn_schedule *s, tn_place place, const char *key, const char *text,
                                           tn_error **err);
TN_API tn_status tn_schedule_unannotate(tn_schedule *s, tn_place place, const char *key, tn_error **err);
/* States the region of a buffer that the block reads, or writes, over its iterators: "(i, j) -> (i * 2 - 1 : 3, j)" is
 * i*2 - 1 .. i*2 + 2 and j. `buffer` counts from 0 among those that it loads (stores to). Refused unless it is known of
 * all accesses in the block; what computes parts of buffers (tn_compute_at, tn_read_at, tn_write_at) takes it where
 * subscripts tell less. */
TN_API tn_status tn_annotate_buffer_access(tn_schedule *s, tn_block_ref block, int writes, int32_t buffer,
                                           const char *region, tn_error **err);
/* The iterators of a block take another order: their numbers, from 0, as they are to stand. */
TN_API tn_status tn_reorder_block_iter_var(tn_schedule *s, tn_block_ref block, size_t count, const int64_t *order,
                                           tn_error **err);
/* Computes a producer under a loop of its consumers, for just what that loop's body reads. */
TN_API tn_status tn_compute_at(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_error **err);
/* Runs a consumer under a loop of its producers, for just what an iteration has completed. */
TN_API tn_status tn_reverse_compute_at(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_error **err);
/* Puts an elementwise producer into its consumers. */
TN_API tn_status tn_compute_inline(tn_schedule *s, tn_block_ref block, tn_error **err);
/* Puts an elementwise consumer into its only producer, which keeps its name. */
TN_API tn_status tn_reverse_compute_inline(tn_schedule *s, tn_block_ref block, tn_error **err);
/* The block reads a new buffer in `scope` ("global", "local", "register") where it read its buffer number `read` (from
 * 0, in the order in which it first loads them), and a new block, the result, copies all of the old one before. Bring
 * it to a loop with tn_compute_at: then the new buffer holds what is read there, in the order of its dimensions: a
 * panel without gaps. Refused when the buffer may not be whole, or is written under the block's outermost loop. */
TN_API tn_status tn_cache_read(tn_schedule *s, tn_block_ref block, int32_t read, const char *scope, tn_block_ref *out,
                               tn_error **err);
/* The block reads a new buffer where it read its buffer number `read`, once, by its iterators of constant extents. The
 * new one has `count` dimensions: number d counts steps of sizes[d] of iterator number iters[d] of the block; the
 * dimensions of one iterator stand in the order of their sizes, each a multiple of the next, the last of size 1. A new
 * block, the result, packs what is read before: nothing (0) where a condition is false, or where it fills a last step
 * up. With `cast` what the block casts each element to is packed, so that it is done once. For instructions that want
 * what they sum in tiles. Refused as tn_cache_read is, and when not all that would be packed surely is inside of the
 * old buffer. */
TN_API tn_status tn_pack_read(tn_schedule *s, tn_block_ref block, int32_t read, size_t count, const int64_t *iters,
                              const int64_t *sizes, const char *scope, int cast, tn_block_ref *out, tn_error **err);
/* The block writes a new buffer in `scope` ("global", "local", "register"), and a new block copies it to the old one. */
TN_API tn_status tn_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, tn_block_ref *out, tn_error **err);
/* The same of a block that stores to several buffers: number `store` of them, from 0. */
TN_API tn_status tn_cache_write_store(tn_schedule *s, tn_block_ref block, int32_t store, const char *scope,
                                      tn_block_ref *out, tn_error **err);
/* What the block reads (or, with `write`, stores) of a buffer stands in a new one in `scope` (NULL: "global"), which
 * has a dimension for each of the block's iterators on which the load depends (each spatial one), in their order.
 * Number `number` counts as in tn_cache_read (tn_cache_write_store). *out: the block that copies. Refused when the
 * load is not one, by the iterators; when points of the iterators share an element that is written, or are not all
 * run. */
TN_API tn_status tn_reindex(tn_schedule *s, tn_block_ref block, int32_t number, int write, const char *scope,
                            tn_block_ref *out, tn_error **err);
/* As tn_cache_read, but the new buffer has the dimensions that a map makes of the block's iterators, all of which it
 * names in their order: "(i, j, k) -> (k // 4, j, k % 4)". An instance of the block finds there what it reads;
 * refused when the place does not tell what that is. */
TN_API tn_status tn_reindex_cache_read(tn_schedule *s, tn_block_ref block, int32_t read, const char *scope,
                                       const char *map, tn_block_ref *out, tn_error **err);
/* As tn_cache_write_store, but the new buffer has the dimensions that a map makes of the block's iterators: it names
 * all, uses the spatial ones and sends them to different places. The block may write a part of the old buffer. */
TN_API tn_status tn_reindex_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, const char *map,
                                        int32_t store, tn_block_ref *out, tn_error **err);
/* What is read and written of a buffer at the place, a loop around the block or the block, stands in a new one in
 * `scope`: of the buffer number `store` of those that the block stores to, the box that is touched there is copied in
 * before, by *read, and out behind, by *write (either may be NULL). Refused when its elements may have no value there
 * yet. */
TN_API tn_status tn_cache_inplace(tn_schedule *s, tn_block_ref block, tn_place place, const char *scope, int32_t store,
                                  tn_block_ref *read, tn_block_ref *write, tn_error **err);
/* The largest expressions of the block's iterators that stand in `times` or more subscripts of what it reads are
 * tables in `scope` (NULL: "global"), over the iterators that they use. Bounds that are known of subscripts stay
 * known. *count: in, the room in `out`; out, how many blocks fill tables, before the block's outermost loop. */
TN_API tn_status tn_cache_index(tn_schedule *s, tn_block_ref block, const char *scope, int64_t times, tn_block_ref *out,
                                size_t *count, tn_error **err);
/* While a step of the loop runs, what the block reads of buffer number `read` (as in tn_cache_read) in the next step is
 * asked for, by prefetches spread over the steps of the innermost loop between them. Changes no result. */
TN_API tn_status tn_prefetch(tn_schedule *s, tn_block_ref block, int32_t read, tn_loop loop, tn_error **err);
/* At the beginning of each iteration of the loop the box around all that is read in it of buffer number `read` of the
 * block (as in tn_cache_read) is copied to a new buffer, which is read instead. */
TN_API tn_status tn_read_at(tn_schedule *s, tn_loop loop, tn_block_ref block, int32_t read, const char *scope,
                            tn_block_ref *out, tn_error **err);
/* All that is done below the loop to the buffer number `store` of those that the block stores to is done to a new one,
 * of which the box that an iteration writes is copied out at its end. */
TN_API tn_status tn_write_at(tn_schedule *s, tn_loop loop, tn_block_ref block, const char *scope, int32_t store,
                             tn_block_ref *out, tn_error **err);
/* Where a buffer that is made in the function lives: "global", "local", "register" (constant extents), "shared" (inside
 * of the loops over blocks). It is number `store`, from 0, of those that the block stores to. */
TN_API tn_status tn_set_scope(tn_schedule *s, tn_block_ref block, const char *scope, int32_t store, tn_error **err);
/* The buffer number `store` of those that the block stores to, which is made in the function, holds another type,
 * "f16": what is stored is cast to it, what is loaded is cast back. Unsafe: what the function computes may be another
 * thing. */
TN_API tn_status tn_unsafe_set_dtype(tn_schedule *s, tn_block_ref block, const char *type, int32_t store, tn_error **err);
/* The stride of dimension `axis` of its memory becomes, in elements, the least k * factor + offset that has room for
 * the dimensions inside. Constant extents; 0 <= offset < factor. */
TN_API tn_status tn_storage_align(tn_schedule *s, tn_block_ref block, int32_t axis, int64_t factor, int64_t offset,
                                  int32_t store, tn_error **err);
/* The buffer number `store` of those that the block stores to, which is made in the function, has other dimensions:
 * element i, j goes where the map says, "(i, j) -> (j // 4, i, j % 4)". Different elements go to different places. */
TN_API tn_status tn_transform_layout(tn_schedule *s, tn_block_ref block, const char *map, int32_t store,
                                     tn_error **err);
/* The block runs over other iterators, in new loops: the map names all that it has, in their order, and sends each of
 * their points to one of its own, "(i, j) -> (i // 4, j, i % 4)". Points that it sends nothing to are left out by a
 * guard. *count: in, the room in `out`; out, how many loops there are. Refused when the loops around the block alone
 * do not run each point once, or instances, or steps of a reduction, would come in another order that shows. */
TN_API tn_status tn_transform_block_layout(tn_schedule *s, tn_block_ref block, const char *map, tn_loop *out,
                                           size_t *count, tn_error **err);
/* The loop keeps what its next iteration reads again of what the block writes: a window along one dimension, which
 * moves by a constant step. The block runs for what is new in it alone, and its buffer has as many elements there as
 * the window, and `spare` more, at most 1024: what goes round is overwritten so much later. */
TN_API tn_status tn_rolling_buffer(tn_schedule *s, tn_block_ref block, tn_loop loop, int32_t spare, tn_error **err);
/* tn_transform_layout where padding, what a division of the map rounds up to, holds a number of the buffer's type, as
 * text: "0", "-inf". The block, which stands in the loops it was defined with, goes along the new dimensions, and
 * writes it too. */
TN_API tn_status tn_transform_layout_padded(tn_schedule *s, tn_block_ref block, const char *map, const char *pad,
                                            int32_t store, tn_error **err);
/* Iteration i of the loop uses copy i % copies of the buffer number `store` of those that the block stores to, of which
 * each iteration writes what it reads. 2 to 16 copies. */
TN_API tn_status tn_double_buffer(tn_schedule *s, tn_block_ref block, tn_loop loop, int32_t copies, int32_t store,
                                  tn_error **err);
/* The statements of the body of the loop run for different iterations at a time: number k for iteration t - stages[k]
 * (0 to 7) at time t; at each time in the given order, of their numbers from 0 (NULL: as they stand). With stages 0, 1
 * the first runs one iteration ahead of the second. What is done at first stands before the loop; what is done at last
 * behind it (TN_TAIL_CUT: a constant extent, greater than the last stage), or guards keep blocks from running in
 * iterations that are not there (TN_TAIL_GUARD). *out: the loop. Buffers that an iteration fills for itself get
 * copies. */
TN_API tn_status tn_software_pipeline(tn_schedule *s, tn_loop loop, size_t count, const int64_t *stages,
                                      const int64_t *order, enum tn_tail tail, tn_loop *out, tn_error **err);
/* The init of a reduction becomes a block of its own before `loop`. */
TN_API tn_status tn_decompose_reduction(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err);
/* A block that stores a value where a condition holds (of a load, a select or an if), and else one that reads nothing:
 * that one is stored everywhere by a new block before `loop`, *out, and the block runs where the condition holds. */
TN_API tn_status tn_decompose_padding(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err);

/* Extents of the iterators of a block of one store, which stands in the loops it was defined with, are rounded up to
 * multiples of padding[i], one number for each iterator, 1 leaves it alone. Operands are copied with zeros behind the
 * end, the result is copied back. out[0..room): the blocks that copy, in the order of the operands, then of the result,
 * of which there are *found; both may be NULL. A sum gets zeros more, by which -0 becomes 0: refused where the order of
 * sums is kept. */
TN_API tn_status tn_pad_einsum(tn_schedule *s, tn_block_ref block, size_t count, const int64_t *padding, size_t room,
                               tn_block_ref *out, size_t *found, tn_error **err);

/* The steps of a reduction are regrouped by the iterations of `loop`: each has a partial result in a new buffer, of
 * which the loop is dimension `axis`, and a block of the old name combines them behind the outermost loop of the
 * reduction. *out: the block of the partial results. Sums and products of floating-point numbers are done in another
 * order. */
TN_API tn_status tn_rfactor(tn_schedule *s, tn_loop loop, int32_t axis, tn_block_ref *out, tn_error **err);

/* Runs `epilogue`, which reads what `reduction` has summed up, for each element behind its last step: under the
 * innermost loop of the reduction, once for each element, with the same result to the bit. */
TN_API tn_status tn_fuse_reduction_epilogue(tn_schedule *s, tn_block_ref reduction, tn_block_ref epilogue, tn_error **err);

/* The loop, with the one block below it and the loops between, becomes the body of a block of the old name, over the
 * loops outside. */
TN_API tn_status tn_blockize(tn_schedule *s, tn_loop loop, tn_block_ref *out, tn_error **err);

/* The loop, or a new one of one iteration around the block, is TN_OUTLINED: a function of the compiled code, which all
 * loops of the program share that are equal but for base pointers, strides and extents. *out: the loop. */
TN_API tn_status tn_outline(tn_schedule *s, tn_place place, tn_loop *out, tn_error **err);

/* The steps in the body of a block that blockize made, as the meaning of a tensor instruction (targets/units.c):
 * dot4_u8s8, dot4_s8s8, dot4_u8u8, dot2_u8s8, dot2_s8s8, dot2_u8u8, dot2_s16 sum into i32, dot2_bf16 and tile_bf16 into
 * f32; a host adds others (tn_instruction_add). A target that has the instruction emits it where the block stands in a
 * vectorized loop, best of factors that stand side by side in memory; everywhere the program gives the same bits. */
TN_API tn_status tn_tensorize(tn_schedule *s, tn_block_ref block, const char *unit, tn_error **err);

/* A way to have a tensor instruction do the sums of a block: lines of a schedule that split off steps and lanes, pack
 * what does not stand side by side in memory, if that pays, and end in tensorize and vectorize. Or that cut it into the
 * tiles of the target's tile registers (AMX, i8mm, SME), in loops with the note "tile", of which code generation makes
 * their instructions: then the unit is what LLVM calls the instruction, "llvm.x86.tdpbusd". The gain is an estimate of
 * how many times as fast they are as steps one by one, of what is in the first cache. What the loops outside do is left
 * open. */
typedef struct tn_tensorization {
  const char *unit, *lines; /* while the function that is given them runs */
  double gain;
} tn_tensorization;
typedef int (*tn_tensorization_fn)(void *self, const tn_tensorization *one);
/* Finds the ways for a block whose loops are plain, one for each iterator, on a target, by its instructions and those
 * that the host added. All that are given are legal (they were applied to a fork, which still exists while `visit`
 * runs), the best first, at most 8; a result other than 0 ends it. TN_E_REFUSED, and why for each instruction: there is
 * none. */
TN_API tn_status tn_tensorize_candidates(tn_schedule *s, tn_block_ref block, const tn_target *target,
                                         tn_tensorization_fn visit, void *self, tn_error **err);
/* Applies the best of them, whose lines become lines of the trace; TN_E_REFUSED when it would gain nothing, too. */
TN_API tn_status tn_auto_tensorize(tn_schedule *s, tn_block_ref block, const tn_target *target, tn_error **err);

/* The schedule that Tenon gives a function nobody scheduled, from the target's cores, caches, vectors and tensor
 * instructions. Of these some round sums of floats otherwise, which their meanings say; a schedule that forbids
 * reassociation takes none of them. */
TN_API tn_status tn_schedule_default(tn_schedule *s, const tn_target *target, tn_error **err);

#ifdef __cplusplus
}
#endif
#endif
