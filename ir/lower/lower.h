/* lower.h -- the directory board of ir/lower/: tensor programs into loop programs, one rewrite per file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_LOWER_H
#define TNI_LOWER_H

#include "ir.h"

/* What a pass made of a body that was simplified, simplified: where it changed nothing, that is as it was. */
static inline const tn_stmt *tni_simplify_changed(tni_region *r, const tn_stmt *body, const tn_stmt *made) {
  return made == body ? body : tni_stmt_simplify(r, made);
}

/* ---- copies.c: copies done where they start ----------------------------------------------------------------------- */
const tn_stmt *tni_lower_copies(tni_region *r, const tn_stmt *body);

/* ---- barriers.c: loops over threads cut at the barriers in them ---------------------------------------------------- */

/* A loop over threads, by its variable, and the one that it is a piece of. */
typedef struct tni_piece {
  const struct tni_piece *next;
  const tn_expr *var, *of;
} tni_piece;

/* The pieces go before *pieces (may be NULL). */
const tn_stmt *tni_lower_barriers(tni_region *r, const tn_stmt *body, const tni_piece **pieces);

/* ---- threads.c: loops bound to the grid of threads become serial and parallel ------------------------------------- */
const tn_stmt *tni_lower_threads(tni_region *r, const tn_stmt *body);

/* ---- storage.c: buffers made as small as their use -------------------------------------------------------------- */

/* Where a buffer made inside the function will live: in the body of the loop over `at` (NULL: where it is allocated), holding
 * the box that starts at mins (over the variables of the loops around). */
typedef struct tni_placement {
  const tn_buffer *old, *made;
  const tn_expr *at;
  const tn_expr *mins[TN_MAX_RANK];
  int32_t order[TN_MAX_RANK]; /* dimension i of `made` is dimension order[i] of `old` */
  bool tied;                  /* the form of `old` is over variables bound in the function */
  bool roomy;                 /* `made` holds every element that any access reaches, those outside `old` too */
} tni_placement;

typedef struct tni_storage {
  size_t count;
  tni_placement *items;
} tni_storage;

/* Where memory of that form lives: on the stack when it is small. */
enum tni_scope tni_storage_scope(const tn_buffer *buffer);
/* Decides on a tensor-level body. False: no memory. */
bool tni_storage_plan(tni_region *r, const tn_stmt *body, tni_storage *out);
/* Applies to the body without blocks: allocations moved, subscripts rebased. */
const tn_stmt *tni_storage_apply(tni_region *r, const tni_storage *storage, const tn_stmt *body);

/* ---- order.c: concurrent loops of the body whose iterations would share a buffer become serial ---------------------- */
const tn_stmt *tni_lower_order(tni_region *r, const tni_storage *storage, const tn_func *func);

/* ---- blocks.c: blocks into their statements ---------------------------------------------------------------------- */
const tn_stmt *tni_lower_blocks(tni_region *r, const tni_storage *storage, const tn_stmt *body);

/* ---- trim.c: no steps that leave everything as it is; of a simplified body, and simplified ------------------------- */
const tn_stmt *tni_lower_trim(tni_region *r, const tn_stmt *body);

/* ---- partition.c: loops cut where a guard inside becomes true; of a simplified body, and simplified ---------------- */
const tn_stmt *tni_lower_partition(tni_region *r, const tn_stmt *body);

/* ---- flatten.c: one row-major subscript --------------------------------------------------------------------------- */
const tn_stmt *tni_lower_flatten(tni_region *r, const tn_stmt *body);

/* ---- unroll.c ----------------------------------------------------------------------------------------------------- */
const tn_stmt *tni_lower_unroll(tni_region *r, const tn_stmt *body);
/* The same statement with loop variables, iterators, lets and allocated buffers of its own; blocks keep their names. */
const tn_stmt *tni_stmt_refresh(tni_region *r, const tn_stmt *s);

/* ---- hoist.c: conditions before the loops that do not move them ----------------------------------------------------- */
const tn_stmt *tni_lower_hoist(tni_region *r, const tn_stmt *body);

/* ---- dead.c: stores into registers that nobody reads, or where nothing is true; of flat subscripts ------------------- */
const tn_stmt *tni_lower_dead(tni_region *r, const tn_stmt *body);

/* ---- vectorize.c: vectorized loops into vectors ------------------------------------------------------------------- */
const tn_stmt *tni_lower_vectorize(tni_region *r, const tn_stmt *body);

#endif
