/* sched.h -- the directory board of sched/: how a program should run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_SCHED_H
#define TNI_SCHED_H

#include "graph/graph.h"
#include "targets.h"
#include "tenon/sched.h"

/* ---- state.c: schedules and handles ------------------------------------------------------------------------------ */

/* A handle names a loop by its variable or a block by its name; what no longer exists is found out on use. */
typedef struct tni_handle {
  const tn_expr *var; /* of a loop, else NULL */
  const char *block;
  const char *name; /* in the trace: what the text called it, or l3, b1 */
} tni_handle;

struct tn_schedule {
  tn_context *ctx;
  tn_program *program;
  tni_region region;
  const tn_func *func;
  tni_handle *handles;
  size_t handle_count, handle_capacity;
  tni_text trace, text;
};

/* 0 without memory. */
int32_t tni_add_loop(tn_schedule *s, const tn_expr *var);
int32_t tni_add_block(tn_schedule *s, const char *block);
/* The statement a handle names, or NULL when it is gone or of the other kind. */
const tn_stmt *tni_handle_loop(const tn_schedule *s, tn_loop loop);
const tn_stmt *tni_handle_block(const tn_schedule *s, tn_block_ref block);

/* ---- tree.c: looking around in a function's body ------------------------------------------------------------------ */

enum { TNI_MAX_PATH = 128 };
/* The statements from the body down to `target`, both included; 0 when it is not there or deeper than TNI_MAX_PATH. */
int tni_path_to(const tn_stmt *root, const tn_stmt *target, const tn_stmt **path);
const tn_stmt *tni_find_loop(const tn_stmt *root, const tn_expr *var);
const tn_stmt *tni_find_block(const tn_stmt *root, const char *name);
/* Is `inner` below (or the same as) `outer`? */
bool tni_is_below(const tn_stmt *outer, const tn_stmt *inner);
/* The body with `old` replaced by `made`. */
const tn_stmt *tni_replace(tni_region *r, const tn_stmt *root, const tn_stmt *old, const tn_stmt *made);
/* The same without one block and the loops that become empty; without the allocations that nobody uses. */
const tn_stmt *tni_drop_block(tni_region *r, const tn_stmt *root, const char *name);
const tn_stmt *tni_drop_unused_allocs(tni_region *r, const tn_stmt *root);
/* A block name that is free: base, base_1, ... NULL without memory. */
const char *tni_free_block_name(tni_region *r, const tn_stmt *root, const char *base);

/* Why a primitive cannot write the loop's extent at another place, or NULL: it reads memory, which may have changed there. */
const char *tni_why_not_again(tn_context *ctx, const tn_stmt *loop);

/* What the blocks of a body do to one buffer. */
typedef struct tni_uses {
  int writers, readers; /* blocks; one that does both counts in both */
  int loose;            /* accesses outside blocks, and addresses taken */
} tni_uses;
tni_uses tni_uses_of(tn_context *ctx, const tn_stmt *root, const tn_buffer *buffer);
/* The only store of a block's body, or NULL when there is another shape. */
const tn_stmt *tni_block_store(const tn_stmt *block);

/* ---- legal.c: checks that several primitives share ---------------------------------------------------------------- */

/* tni_why_not_concurrent for every loop of concurrent iterations of `made` that the function of the schedule does not have in
 * the same form: does a rewrite keep what allowed it? */
const char *tni_why_not_concurrent_still(tn_schedule *s, const tn_func *made, const void **mark);
/* May a producer block run later, where its buffer is read? It must be a block of one unguarded store to a buffer made in
 * the function, be its only writer, and every spatial iterator must be one plain subscript. NULL: yes. Else the reason. */
const char *tni_why_not_movable(tn_schedule *s, const tn_stmt *block, const void **mark);

/* ---- instance.c: which instances of a block run ------------------------------------------------------------------- */

/* Does a block of one store write its whole buffer: is every spatial iterator one plain subscript, and do the loops around
 * run every point of the iterators' domains, and of a reduction every step once? NULL: yes. Else the reason. */
const char *tni_why_not_whole(tn_schedule *s, const tn_stmt *block);
/* Does the block read of the store's buffer at most the element that is stored? */
bool tni_reads_own_element(tn_context *ctx, const tn_stmt *block, const tn_stmt *store);
/* Is it a block of stores (tni_block_stores) that reads of its own buffers nothing, or, when init has set them, the elements it
 * stores? */
const char *tni_why_not_reduction(tn_context *ctx, const tn_stmt *block);
/* The subscripts of a store of the block, over loop variables. False: no memory, or too many iterators. */
bool tni_store_over_loops(tn_schedule *s, const tn_stmt *block, const tn_stmt *store, const tn_expr **out);
/* Do all iterations of these loops give different subscripts? */
bool tni_meets_once(tn_schedule *s, size_t dims, const tn_expr *const *index, size_t loops, const tn_stmt *const *nest);

/* ---- step.c: one application of a primitive ----------------------------------------------------------------------- */

enum { TNI_MAX_OUT = 16 };
typedef struct tni_step {
  tn_schedule *s;
  size_t loop_count;
  const tn_loop *loops;
  tn_block_ref block;
  size_t int_count;
  const int64_t *ints;
  const char *string;
  /* results */
  const tn_func *func; /* the new function, when it changed */
  size_t out_count;
  int32_t outs[TNI_MAX_OUT];
  const char *out_names[TNI_MAX_OUT]; /* given by a text line, or NULL */
  char reason[400];
  const void *mark;
} tni_step;

/* A row: how the arguments are written, and the function that checks and applies. Arguments: L loops list, l one loop, b block,
 * I list of integers, s text. */
typedef struct tni_primitive {
  const char *name, *args;
  tn_status (*apply)(tni_step *step);
  const char *meaning;
} tni_primitive;
extern const tni_primitive tni_primitives[];
extern const size_t tni_primitive_count;
const tni_primitive *tni_primitive_find(const char *name, size_t length);

/* Applies, records the line in the trace, takes over the new function. A refusal becomes an error with the function printed
 * and the place marked. */
tn_status tni_invoke(const tni_primitive *primitive, tni_step *step, tn_error **err);
/* For use in primitives. */
tn_status tni_step_refuse(tni_step *step, const void *mark, const char *reason, ...) TN_PRINTF(3, 4);
/* Takes the new body, refuses when a loop of concurrent iterations would not be one any more, or tells of no memory. */
tn_status tni_step_accept(tni_step *step, const tn_stmt *body);
/* Handles of arguments as statements, refusing those that are gone. */
const tn_stmt *tni_arg_loop(tni_step *step, size_t i);
const tn_stmt *tni_arg_block(tni_step *step);
/* A result handle. */
tn_status tni_give_loop(tni_step *step, const tn_expr *var);
tn_status tni_give_block(tni_step *step, const char *name);

/* ---- graph/: graph passes that depend on a target --------------------------------------------------------------- */

/* layout.c: constant weights stored in the order in which the target's vectors want them. */
tn_status tni_graph_layout(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                           tn_error **err);

/* ---- primitives/ -------------------------------------------------------------------------------------------------- */

tn_status tni_apply_get_block(tni_step *step);
tn_status tni_apply_get_loops(tni_step *step);
tn_status tni_apply_split(tni_step *step);
tn_status tni_apply_fuse(tni_step *step);
tn_status tni_apply_reorder(tni_step *step);
tn_status tni_apply_parallel(tni_step *step);
tn_status tni_apply_vectorize(tni_step *step);
tn_status tni_apply_unroll(tni_step *step);
tn_status tni_apply_compute_at(tni_step *step);
tn_status tni_apply_compute_inline(tni_step *step);
tn_status tni_apply_cache_write(tni_step *step);
tn_status tni_apply_decompose_reduction(tni_step *step);

#endif
