/* analysis.h -- the second half of the directory board of ir/: what is known of index expressions, and of what a program reads and
 * writes. Used by the verifier, lowering and schedules. Prototypes grouped by file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_ANALYSIS_H
#define TNI_ANALYSIS_H

#include "ir.h"

/* ---- arith/facts.c --------------------------------------------------------------------------------------------- */

/* x = rem (mod m), 0 <= rem < m; m = 1 says nothing, m = 0 that x is rem. */
typedef struct tni_residue {
  int64_t mod, rem;
} tni_residue;
enum { TNI_INF_BITS = 62 };
#define TNI_INF ((int64_t)1 << TNI_INF_BITS) /* |bound| >= TNI_INF: unbounded */

/* What is known of an expression, most often a variable: lo <= x <= hi, and a residue. A stack: later entries hide earlier ones. */
typedef struct tni_range {
  const tn_expr *x;
  int64_t lo, hi;
  tni_residue is;
  const tn_expr *extent; /* x < extent, which is no constant; or NULL */
} tni_range;
typedef struct tni_known {
  const tn_expr *cond;
  bool holds;
} tni_known;
typedef struct tni_facts {
  tn_context *ctx;
  tni_range *ranges;
  size_t count, capacity;
  tni_known *known; /* conditions that are true, or false, here */
  size_t known_count, known_capacity;
} tni_facts;
void tni_facts_init(tni_facts *facts, tn_context *ctx);
void tni_facts_destroy(tni_facts *facts);
/* These give false without memory. */
bool tni_facts_push(tni_facts *facts, const tn_expr *x, int64_t lo, int64_t hi);
/* 0 <= var < extent. Of an extent that may be 0: as inside of a loop, which then does not run. */
bool tni_facts_bind(tni_facts *facts, const tn_expr *var, const tn_expr *extent);
bool tni_facts_copy(tni_facts *facts, const tni_facts *from); /* behind what is there */
/* A condition (bool, or its conjuncts) is true (or false) from here on, until known_count is set back. */
bool tni_facts_know(tni_facts *facts, const tn_expr *cond, bool holds);
/* The same, and the ranges that follow: until count and known_count are set back. Conditions that read memory are left away. */
bool tni_facts_learn(tni_facts *facts, const tn_expr *cond, bool holds);
void tni_facts_pop(tni_facts *facts, size_t to_count);

/* ---- arith/values.c, simplify.c, decide.c, linear.c, statements.c ----------------------------------------------- */

/* Constant bounds of an expression, of any lane. */
void tni_bounds(const tni_facts *facts, const tn_expr *x, int64_t *lo, int64_t *hi);
/* x = rem (mod m), as in tni_residue. */
void tni_modular(const tni_facts *facts, const tn_expr *x, int64_t *mod, int64_t *rem);
/* An index expression in canonical form; a condition decided or in its shortest form. */
const tn_expr *tni_simplify(tni_region *r, const tni_facts *facts, const tn_expr *x);
enum tni_truth { TNI_REFUTED, TNI_PROVEN, TNI_UNKNOWN };
/* Is the condition (bool) true, or false, for all values that the facts allow? UNKNOWN also without memory. */
enum tni_truth tni_decide(tni_region *r, const tni_facts *facts, const tn_expr *cond);
static inline bool tni_prove(tni_region *r, const tni_facts *facts, const tn_expr *cond) {
  return cond && tni_decide(r, facts, cond) == TNI_PROVEN;
}
/* Surely: where `given` is true, so is `cond`. */
bool tni_implies(tni_region *r, const tni_facts *facts, const tn_expr *given, const tn_expr *cond);
/* Simplifies every expression of a statement with the loops' ranges known; drops loops of extent 0 and ifs that are decided,
 * substitutes loops of extent 1 that are not outlined. */
const tn_stmt *tni_stmt_simplify(tni_region *r, const tn_stmt *s);

/* x = sum of coefs[i] * vars[i] + rest, where `rest` uses none of vars: for affine index expressions. False otherwise. */
bool tni_affine(tni_region *r, const tn_expr *x, size_t count, const tn_expr *const *vars, int64_t *coefs,
                const tn_expr **rest);

/* x = base + sum of terms, where base uses none of vars and every term uses one. False: too long. */
typedef struct tni_term {
  const tn_expr *x;
  int64_t coef;
} tni_term;
bool tni_separate(tni_region *r, const tni_facts *facts, const tn_expr *x, size_t count, const tn_expr *const *vars,
                  const tn_expr **base, size_t *term_count, tni_term *terms, size_t room);

/* ---- arith/prove.c, arith/known.c -------------------------------------------------------------------------------- */

/* What is known at a place, symbolically; asked by the strict checks. */
typedef struct tni_prover {
  tn_context *ctx;
  tni_facts intervals;
  struct tni_prover_range *ranges; /* of variables; later ones are bound further in */
  size_t range_count, range_capacity;
  struct tni_prover_fact *facts;
  size_t fact_count, fact_capacity;
  int budget;
  bool failed; /* there was no memory for a fact */
} tni_prover;
typedef struct tni_prover_mark {
  size_t ranges, facts, intervals;
} tni_prover_mark;
void tni_prover_init(tni_prover *v, tn_context *ctx);
void tni_prover_destroy(tni_prover *v);
tni_prover_mark tni_prover_mark_of(const tni_prover *v);
void tni_prover_pop(tni_prover *v, tni_prover_mark mark); /* forgets what came after the mark */
/* 0 <= var < extent. */
void tni_prover_bind(tni_prover *v, const tn_expr *var, const tn_expr *extent);
/* var == value. */
void tni_prover_bind_value(tni_prover *v, const tn_expr *var, const tn_expr *value);
/* var == value, and that is within 0..extent. */
void tni_prover_bind_inside(tni_prover *v, const tn_expr *var, const tn_expr *extent, const tn_expr *value);
/* From here on vectors of so many lanes are spoken of, by any one of their lanes. */
void tni_prover_bind_lanes(tni_prover *v, uint32_t lanes);
/* 0 <= x */
void tni_prover_know_extent(tni_prover *v, const tn_expr *x);
/* The condition is true (or false); of vectors: in the lanes spoken of. What it says beyond comparisons of integers is not used. */
void tni_prover_know(tni_prover *v, const tn_expr *cond, bool holds);
void tni_prover_know_facts(tni_prover *v, const tni_facts *facts);
/* Is a - b >= gap, surely? No: unknown. */
bool tni_prover_never_less(tni_prover *v, const tn_expr *a, const tn_expr *b, int64_t gap);
/* Is x inside 0..product of the extents, surely? */
bool tni_prover_is_inside(tni_prover *v, const tn_expr *x, int32_t count, const tn_expr *const *extents);

/* ---- arith/itermap.c ------------------------------------------------------------------------------------------- */

/* How a tuple of index expressions moves while some loops run: dimension i covers bases[i] .. bases[i] + extents[i]
 * (bases over the variables that do not run). */
typedef struct tni_itermap {
  const tn_expr *bases[TN_MAX_RANK];
  int64_t extents[TN_MAX_RANK];
  bool box;       /* all bases and extents are valid: no value lies outside. Else those with a base are */
  bool dense;     /* every point of the box is met */
  bool injective; /* no point is met twice */
} tni_itermap;
/* vars[i] runs over 0..extents[i]. False: no memory. */
bool tni_itermap_of(tni_region *r, const tni_facts *facts, size_t dims, const tn_expr *const *index, size_t loops,
                    const tn_expr *const *vars, const int64_t *extents, tni_itermap *out);
/* The same where `where` (NULL: everywhere) is true, and the way back: inverse[i] (inverse may be NULL) is vars[i] over the
 * values at[d] of the subscripts, for any values that are met. NULLs when the map is not known to be injective. `facts` may
 * know of at[d]. */
bool tni_itermap_invert(tni_region *r, const tni_facts *facts, size_t dims, const tn_expr *const *index, size_t loops,
                        const tn_expr *const *vars, const int64_t *extents, const tn_expr *where,
                        const tn_expr *const *at, const tn_expr **inverse, tni_itermap *out);

/* ---- arith/box.c ----------------------------------------------------------------------------------------------- */

/* Dimension d: bases[d] .. bases[d] + extents[d], the bases over the variables around; of extent 0: the whole dimension. */
typedef struct tni_box {
  const tn_expr *bases[TN_MAX_RANK];
  int64_t extents[TN_MAX_RANK];
  bool exact; /* every point is covered */
} tni_box;
/* What is not known of the map is a whole dimension. */
tni_box tni_box_of(int32_t rank, const tni_itermap *map);
/* Surely: is all of `inner` in `outer`? */
bool tni_box_holds(tni_region *r, const tni_facts *facts, int32_t rank, const tni_box *outer, const tni_box *inner);
/* Makes the box the smallest around both. False: no memory. */
bool tni_box_grow(tni_region *r, const tni_facts *facts, int32_t rank, tni_box *box, const tni_box *more);

/* ---- arith/area.c ---------------------------------------------------------------------------------------------- */

/* A set of elements as a union of boxes, known from one side: it may hold less than the set it stands for (within), or more
 * (around), but neither when it is exact. */
enum tni_side { TNI_WITHIN, TNI_AROUND };
enum { TNI_AREA_BOXES = 12 };
typedef struct tni_area {
  enum tni_side side;
  int32_t rank, count;
  bool exact;
  tni_box boxes[TNI_AREA_BOXES];
} tni_area;
/* The empty one. */
tni_area tni_area_of(enum tni_side side, int32_t rank);
/* Union, intersection and difference with a box; one that is not exact stands for any part of it. False: no memory. */
bool tni_area_add(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box);
bool tni_area_meet(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box);
bool tni_area_cut(tni_region *r, const tni_facts *facts, tni_area *area, const tni_box *box);
/* Surely: is all of `want` (around) in `have` (within)? */
bool tni_area_covers(tni_region *r, const tni_facts *facts, const tni_area *have, const tni_area *want);

/* ---- access.c -------------------------------------------------------------------------------------------------- */

/* What was found of an access, for one number of loops that stand still. */
typedef struct tni_cover {
  struct tni_cover *next;
  int depth;
  tni_box box;
} tni_cover;

typedef struct tni_access {
  const tn_buffer *buffer;
  const tn_stmt *store; /* the store or reduce it belongs to, or NULL */
  const tn_stmt *block; /* or NULL */
  const tn_expr *load;  /* of a read, unless it is that of a reduce */
  const tn_expr *const *bindings; /* of the block's iterators, over loop variables */
  int order;            /* of statements, as they stand */
  bool write;
  bool reduces; /* the read or the write of a reduce */
  bool conditional; /* under an if, a predicate, or a `where` that cuts more of a store than lies outside its buffer */
  bool claimed;     /* behind an assert or assume */
  int depth;
  const tn_stmt *const *loops;       /* the loops around, outermost first */
  const tn_expr *index[TN_MAX_RANK]; /* over loop variables */
  tni_region *region; /* where all this is: NULL in a copy that is changed */
  tni_cover **covers; /* what tni_access_cover found before */
} tni_access;

typedef struct tni_accesses {
  tn_context *ctx;
  tni_access *items;
  size_t count, capacity;
  bool literal; /* to be set: no iteration has a buffer of its own but those that are allocated in it */
  bool waits;   /* there are barriers, or copies that go on: not all is done in the order in which it stands */
  bool odd;     /* blocks are nested, or loops too deep: not all that happens is known */
  bool opaque;  /* the same, or an address is taken: who has it may access all of its buffer */
} tni_accesses;

/* Does the conjunct only keep the iterator's binding inside its domain: is it true for all bindings below the extent, or for
 * all from 0? `loops` knows the ranges of the variables. */
enum tni_guard { TNI_GUARD_NONE, TNI_GUARD_BELOW, TNI_GUARD_ABOVE };
enum tni_guard tni_domain_guard(tni_region *r, const tni_facts *loops, const tni_iter *it, const tn_expr *cond);
/* Does a block's `where`, under these loops, only cut instances outside its domain, so that every element of the store's
 * dimensions is still written? */
bool tni_guards_domain(tni_region *r, size_t count, const tn_stmt *const *loops, const tn_stmt *block,
                       const tn_stmt *store);
/* Destroy also after a failure. False: no memory. */
bool tni_accesses_collect(tni_region *r, const tn_stmt *body, tni_accesses *out);
/* The same of those in a loop of the body, as if there were no others. NULL: all. */
bool tni_accesses_collect_in(tni_region *r, const tn_stmt *body, const tn_stmt *loop, tni_accesses *out);
void tni_accesses_destroy(tni_accesses *accesses);
/* The box of an access while the loops from number `depth` on run; out->box tells whether it is known. False: no memory. */
bool tni_access_box(tni_region *r, const tni_access *x, int depth, tni_itermap *out);
/* The same where extents that have no constant bound stand for all up to `open`; 0: the box is not known then. */
bool tni_access_box_open(tni_region *r, const tni_access *x, int depth, int64_t open, tni_itermap *out);
/* The same as a box of the buffer, whose dimensions may be whole, as many as their extents may be. */
bool tni_access_cover(tni_region *r, const tni_access *x, int depth, tni_box *out);

/* ---- cover.c --------------------------------------------------------------------------------------------------- */

/* Does the loop drive a reduce iterator of the block that the access is in? */
bool tni_feeds_reduction(tn_context *ctx, const tni_access *x, const tn_expr *loop_var);
/* Is all that the read sees surely written before it, in the same iteration of all loops around both? The loops above `depth`
 * stand still. False also when there is no memory, which the region knows. */
bool tni_is_covered(tni_region *r, const tni_accesses *accesses, const tni_access *read, int depth);
/* Does the read surely see an element that nothing is written to before, in any iteration? where[d] is one. False also when
 * there is no memory, which the region knows. */
bool tni_is_unwritten(tni_region *r, const tni_accesses *accesses, const tni_access *read, int64_t *where);

/* ---- lower/storage.c ------------------------------------------------------------------------------------------- */

/* Will lowering give every iteration of this loop a buffer of its own? */
bool tni_is_private_to(tni_region *r, const tn_stmt *body, const tn_buffer *buffer, const tn_stmt *loop);
/* For one that has collected the accesses of the body. */
bool tni_is_private_among(tni_region *r, const tn_stmt *body, const tni_accesses *accesses, const tn_buffer *buffer,
                          const tn_stmt *loop);

/* ---- race.c ---------------------------------------------------------------------------------------------------- */

/* May a loop of the function be made one whose iterations run at the same time? NULL: yes, surely. Else why that is not known,
 * with *mark at the place. */
const char *tni_why_not_concurrent(tni_region *r, const tn_func *func, const tn_stmt *loop, const void **mark);
/* May it be one that somebody made so? Then he takes it on himself that externals are called at the same time. For one that
 * has collected the accesses of the function's body. */
const char *tni_why_not_concurrent_among(tni_region *r, const tn_func *func, const tni_accesses *accesses,
                                         const tn_stmt *loop, const void **mark);
/* The same of one buffer alone, which no iteration has to itself. */
bool tni_is_apart(tni_region *r, const tn_func *func, const tni_accesses *accesses, const tn_stmt *loop,
                  const tn_buffer *buffer);
bool tni_is_param(const tn_func *func, const tn_buffer *buffer);

/* ---- reducer.c -------------------------------------------------------------------------------------------------- */

/* A row of TN_REDUCERS; `op` of one with two states compares. All are associative and commutative, and exact but for the
 * rounding of floating-point sums and products. */
typedef struct tni_reducer {
  const char *name;
  enum tn_op op;
  int32_t states;
} tni_reducer;
extern const tni_reducer tni_reducers[TN_REDUCE_COUNT];
/* NULL: it reduces values of the type. Else why not. */
const char *tni_check_reducer(enum tn_reducer reducer, tn_type type);
/* Where a state starts. */
const tn_expr *tni_reducer_identity(tni_region *r, enum tn_reducer reducer, int32_t state, tn_type type);
/* The states after one more value: state[k], value[k] and out[k] for each of them. False: no memory. */
bool tni_reducer_step(tni_region *r, enum tn_reducer reducer, const tn_expr *const *state, const tn_expr *const *value,
                      const tn_expr **out);

enum { TNI_MAX_STATES = TN_MAX_STATES, TNI_MAX_REDUCTION_LETS = 32 };
typedef struct tni_reduction {
  int32_t count;                         /* of states */
  const tn_stmt *stores[TNI_MAX_STATES]; /* of the body, in order */
  const tn_stmt *inits[TNI_MAX_STATES];  /* of init, to the same buffer; NULL: the block has none */
  const tn_expr *next[TNI_MAX_STATES];   /* the values stored, with lets put in */
  int reducer;                           /* enum tn_reducer; -1: of the block's own making */
  int rows[TNI_MAX_STATES];              /* of each state: the reducer it has by itself, -1: none; of a row with two states, which */
  bool any_order;                        /* every state is reduced by a row of TN_REDUCERS */
} tni_reduction;
/* The stores of a block whose body is only stores, maybe behind lets: without conditions, each to a buffer of its own, all to
 * the same subscripts, over iterators. How many, or 0: it has another form. `out` has room for TNI_MAX_STATES. */
int32_t tni_block_stores(tn_context *ctx, const tn_stmt *block, const tn_stmt **out);
/* Are the block's stores of that form, and is init one to each of the same elements? */
bool tni_init_fits(tn_context *ctx, const tn_stmt *block);
/* What reduction the block is; false: none that is understood, or no memory. */
bool tni_reducer_of(tni_region *r, const tn_stmt *block, tni_reduction *out);

/* ---- work.c ------------------------------------------------------------------------------------------------------ */

/* Of one call, as the function is written: arithmetic on numbers (not on subscripts; fma is two), and the bytes of each
 * parameter that it reads and writes, each once however often. */
typedef struct tni_work {
  double operations;
  double *read, *written; /* by parameter */
} tni_work;
/* False: no memory. The arrays live in the arena. */
bool tni_func_work(const tn_func *func, tni_arena *arena, tni_work *out);

#endif
