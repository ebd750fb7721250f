/* sched.h -- the directory board of sched/: how a program should run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_SCHED_H
#define TNI_SCHED_H

#include "graph/graph.h"
#include "targets.h"
#include "tenon/sched.h"

/* ---- state.c: schedules, and forks of them ----------------------------------------------------------------------- */

typedef struct tni_handle tni_handle;
typedef struct tni_line tni_line;
typedef struct tni_step tni_step;
typedef struct tni_birth tni_birth;
typedef struct tni_chooser tni_chooser;

/* All that can be reached from a schedule but its own array of handles is immutable, so that a fork shares it. */
struct tn_schedule {
  tn_context *ctx;
  tn_program *program;
  tni_region region;
  tn_schedule *parent; /* of a fork */
  atomic_int refs;     /* the host's, and one of each fork: with those it does not change */
  const tn_func *origin, *func;
  const tni_line *last; /* the lines applied */
  size_t line_count;
  const tni_birth *births;
  tni_handle *handles; /* from number first_handle + 1 on */
  size_t first_handle, handle_count, handle_capacity;
  uint64_t random;      /* the generator's state */
  tni_chooser *chooser; /* of a template that runs, or NULL */
  bool keeps_order;      /* of floating-point sums and products */
  const char *next_name; /* of the results of the next primitive, or NULL */
  const char *prefix;    /* of the names that are made up for results, or NULL */
  tni_text trace, text;
};

/* Where a schedule stands, to go back to. */
typedef struct tni_mark {
  const tn_func *func;
  const tni_line *last;
  size_t line_count, handle_count;
  const tni_birth *births;
  uint64_t random;
} tni_mark;
tni_mark tni_mark_of(const tn_schedule *s);
void tni_go_back(tn_schedule *s, const tni_mark *mark);
/* tn_schedule_create for a function of nodes of the region, which is the program's or a child of it. */
tn_status tni_schedule_create_in(tn_program *program, tni_region *region, const tn_func *func, tn_schedule **out,
                                 tn_error **err);
/* The function that the schedule made, of nodes of `r` alone. Primitives keep what the verifier asks: a function that only
 * code is made of is not verified again, one that enters the program is. */
tn_status tni_schedule_finish(const tn_schedule *s, tni_region *r, const tn_func **out, tn_error **err);
/* Refuses to change a schedule that has forks. */
tn_status tni_check_no_forks(const tn_schedule *s, tn_error **err);

/* ---- handles.c: loops and blocks, found again -------------------------------------------------------------------- */

enum tni_handle_kind { TNI_HANDLE_LOOP, TNI_HANDLE_BLOCK, TNI_HANDLE_NUMBER, TNI_HANDLE_LOCATION };
/* Where to compute a block, when not at a loop. */
enum tni_location { TNI_AT_ROOT, TNI_INLINE, TNI_AT_LOOP };
/* Numbers below this stand for sampled ones: INT64_MIN + handle. */
#define TNI_NUMBERS_END (INT64_MIN + ((int64_t)1 << 31))
struct tni_handle {
  enum tni_handle_kind kind;
  const tn_expr *var; /* of a loop */
  const char *block;  /* of a block: its name */
  int64_t number;     /* of a sampled one; of a location: enum tni_location */
  size_t line;        /* how many lines had been applied when it was made */
  const char *said;   /* what text calls it, or NULL */
  const char *name;   /* what the trace calls it; NULL: it has no line, and is written as a place */
};

/* A block came into being: on that line. Newest first. */
struct tni_birth {
  const tni_birth *before;
  const char *block;
  size_t line;
};

/* 0 without memory. */
int32_t tni_add_handle(tn_schedule *s, tni_handle handle);
int32_t tni_add_loop(tn_schedule *s, const tn_expr *var);
int32_t tni_add_block(tn_schedule *s, const char *block);
/* NULL: there is none of that number. */
tni_handle *tni_handle_at(const tn_schedule *s, int32_t handle);
/* Walks over all handles, the latest first: begin with {s, s->handle_count}. Behind a call `left` is the number of the
 * handle that it gave less 1; NULL: no more. */
typedef struct tni_handle_walk {
  const tn_schedule *s;
  size_t left;
} tni_handle_walk;
const tni_handle *tni_walk_handles(tni_handle_walk *walk);
/* The statement a handle names, or NULL when it is gone or of the other kind. */
const tn_stmt *tni_handle_loop(const tn_schedule *s, tn_loop loop);
const tn_stmt *tni_handle_block(const tn_schedule *s, tn_block_ref block);
/* The line since which what it names is gone. */
const tni_line *tni_handle_end(const tn_schedule *s, const tni_handle *handle);
/* Notes the blocks that the function has and `old` had not. False: no memory. */
bool tni_note_births(tn_schedule *s, const tn_func *old);

/* ---- tree.c: looking around in a function's body ----------------------------------------------------------------- */

enum { TNI_MAX_PATH = 128 };
/* The loop number `index` from the outside above the target, from the inside when negative (-1: the innermost); NULL: none.
 * *count (may be NULL): how many there are. */
const tn_stmt *tni_loop_above(const tn_stmt *root, const tn_stmt *target, int64_t index, size_t *count);
/* The loop number `index` of the body, in the order in which they are printed. */
const tn_stmt *tni_loop_number(const tn_stmt *root, int64_t index);
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

/* Is it made of constants and parameters: does it mean the same everywhere in the function? */
bool tni_is_of_function(tn_schedule *s, const tn_expr *x);
/* Why a primitive cannot write the loop's extent at another place, or NULL: it reads memory, which may have changed
 * there. */
const char *tni_why_not_again(const tn_stmt *loop);

/* What the blocks of a body do to one buffer. */
typedef struct tni_uses {
  int writers, readers; /* blocks; one that does both counts in both */
  int loose;            /* accesses outside blocks, and addresses taken */
} tni_uses;
tni_uses tni_uses_of(tn_context *ctx, const tn_stmt *root, const tn_buffer *buffer);
/* The only store of a block's body, or NULL when there is another shape. */
const tn_stmt *tni_block_store(const tn_stmt *block);

/* ---- legal.c: checks that several primitives share --------------------------------------------------------------- */

/* tni_why_not_concurrent for every loop of concurrent iterations of `made` that the function of the schedule does not
 * have in the same form: does a rewrite keep what allowed it? */
const char *tni_why_not_concurrent_still(tn_schedule *s, const tn_func *made, const void **mark);
/* Does the block store one element to each of some buffers, as init does, and read at most that of them? NULL: yes.
 * Else the reason. */
const char *tni_why_not_own_element(tn_schedule *s, const tn_stmt *block, const void **mark);
/* May a producer block run later, where its buffers are read? It must be a block of stores (tni_block_stores) to
 * buffers made in the function, be their only writer, every spatial iterator must be one plain subscript, and nothing
 * may be read that it does not write. NULL: yes. Else the reason. */
const char *tni_why_not_movable(tn_schedule *s, const tn_stmt *block, const tn_stmt *stays, const void **mark);

/* ---- copies.c: one buffer in the place of another ---------------------------------------------------------------- */

/* The buffers that a block's body loads, each once, in the order in which its text names them (of more: the first). */
enum { TNI_MAX_READS = 32 };
typedef struct tni_reads {
  size_t count;
  const tn_buffer *items[TNI_MAX_READS];
} tni_reads;
tni_reads tni_reads_of(tn_context *ctx, const tn_stmt *block);
/* The same of all below a statement: of a block its header and init, too. */
tni_reads tni_reads_below(tn_context *ctx, const tn_stmt *s);
/* The same of those that it stores to. */
tni_reads tni_writes_of(const tn_stmt *block);
/* NULL: the buffer is not allocated there. */
const tn_stmt *tni_find_alloc(const tn_stmt *root, const tn_buffer *buffer);
/* The buffer that argument `arg` numbers among those that the block reads, or stores to; or NULL and a refusal. */
const tn_buffer *tni_arg_buffer(tni_step *step, const tn_stmt *block, int arg, bool writes);
/* The alloc of the one that it stores to; or NULL and a refusal. */
const tn_stmt *tni_arg_made(tni_step *step, const tn_stmt *block, int arg);
enum { TNI_LOADS = 1, TNI_STORES = 2 };
/* The statement with `made` for `old` where it loads, stores, or both. */
const tn_stmt *tni_with_buffer(tni_region *r, const tn_stmt *s, const tn_buffer *old, const tn_buffer *made, unsigned what);
/* for c0.. { for c1.. { block NAME(..) { to[..] = from[..] } } }, of equal shapes */
const tn_stmt *tni_copy_nest(tni_region *r, const char *name, const tn_buffer *from, const tn_buffer *to);
/* Can a buffer of that shape stand around everything, in the scope? NULL: yes. Else the reason. */
const char *tni_why_no_cache(tn_schedule *s, const tn_buffer *buffer, int scope);
/* Has every element of the buffer a value when a block behind its writer takes it? A parameter's have. NULL: yes. Else
 * the reason. */
const char *tni_why_not_filled(tn_schedule *s, const tn_buffer *buffer);
/* The scope of that name in which a buffer between can be; or -1 and a refusal. */
int tni_cache_scope(tni_step *step, const char *name);
/* A buffer that a block reads, and where one between can be filled: before the
 * outermost loop, by a block of that name. */
typedef struct tni_read_place {
  const tn_stmt *block, *top;
  const tn_buffer *buffer;
  enum tni_scope scope;
  const char *copy_name;
} tni_read_place;
/* Of a primitive whose arguments begin with the block and the buffer's number; refused
 * where the buffer may not be whole there. */
tn_status tni_find_read(tni_step *step, const char *scope, tni_read_place *out);
/* Takes the function with the nest before, and `reader` in the block's place. */
tn_status tni_put_before(tni_step *step, const tni_read_place *at, const tn_stmt *nest, const tn_stmt *reader,
                         const tn_buffer *made);

/* A block of stores that is the only writer of a buffer, number `arg` of those it stores to, and where one between
 * can be copied out: behind the outermost loop, by a block of that name. */
typedef struct tni_write_place {
  const tn_stmt *block, *store, *top;
  enum tni_scope scope;
  const char *copy_name;
} tni_write_place;
/* Of a primitive whose first argument is the block. Refused where it does not run all that its iterators range over
 * (whole: where it does not write the whole buffer), or others use the buffer under that loop. */
tn_status tni_find_write(tni_step *step, int arg, const char *scope, bool whole, tni_write_place *out);
/* Takes the function with `nest` in the place of the outermost loop, and the copy behind. */
tn_status tni_put_behind(tni_step *step, const tni_write_place *at, const tn_stmt *nest, const tn_stmt *copy,
                         const tn_buffer *made);

/* ---- places.c: buffers with dimensions made of a block's iterators ------------------------------------------- */

/* Where a new buffer has what the block touches of an old one: a map of some of the block's iterators. */
typedef struct tni_places {
  const tn_stmt *block;
  int32_t count;
  const tn_expr *vars[TN_MAX_RANK], *extents[TN_MAX_RANK];
  const tni_layout *map;             /* over variables of its own */
  const tn_expr *index[TN_MAX_RANK]; /* its subscripts over the iterators */
} tni_places;
/* A dimension for each iterator on which one of the expressions depends; for each spatial one if `used` is NULL. */
tn_status tni_iter_places(tni_step *step, const tn_stmt *block, int32_t count, const tn_expr *const *used,
                          tni_places *out);
/* What the map of argument `arg` makes of all iterators. */
tn_status tni_arg_iter_places(tni_step *step, int arg, const tn_stmt *block, tni_places *out);
/* A name for the subscript: that of an iterator in it. */
const char *tni_place_name(const tni_places *p, int32_t k);
/* Is it made of constants, parameters and the block's iterators? */
bool tni_is_of_iterators(tn_schedule *s, const tn_stmt *block, const tn_expr *x);
/* Do different values of the spatial iterators give different subscripts, whatever those of the reduction are? */
bool tni_points_apart(tn_schedule *s, const tn_stmt *block, int32_t dims, const tn_expr *const *index);
/* for.. { block NAME(iters) { S } }: a loop for each iterator, to which it is bound here. */
const tn_stmt *tni_iter_nest(tni_region *r, const char *name, int32_t count, tni_iter *iters, const tn_stmt *s);
/* The only load of the buffer in the block's body, where iterators and parameters say; or NULL and a refusal. */
const tn_expr *tni_only_load(tni_step *step, const tn_stmt *block, const tn_buffer *buffer);
/* Takes the function where the block reads, or writes, a new buffer OLD_suffix by these places; or refuses. */
tn_status tni_read_places(tni_step *step, const tni_read_place *place, const tn_expr *load, const tni_places *p,
                          const char *suffix);
tn_status tni_write_places(tni_step *step, const tni_write_place *at, const tni_places *p, const char *suffix);

/* ---- boxes.c: what an iteration of a loop touches --------------------------------------------------------------- */

/* How many loops are around the access from the outermost to this one; 0: it is not below it. */
int tni_depth_below(const tni_access *x, const tn_stmt *loop);
/* Makes the box, or the first one, take in what the access covers while the loops from `depth` on run. False: no memory. */
bool tni_take_access(tn_schedule *s, const tni_access *x, int depth, bool first, tni_box *out);
/* The smallest box around all reads, or writes, of the buffer in an iteration of the loop; of extent 0: the whole dimension.
 * *found: are there any? False: no memory. */
bool tni_box_below(tn_schedule *s, const tni_accesses *all, const tn_stmt *loop, const tn_buffer *buffer, bool writes,
                   tni_box *out, bool *found);
/* The block, of the spatial iterators that the store has as subscripts, in new loops over the box, to stand below the loop;
 * guarded where the box may lie outside of the iterators' domains. */
const tn_stmt *tni_nest_over(tn_schedule *s, const tn_stmt *block, const tn_stmt *store, const tn_stmt *loop,
                             const tni_box *need);
/* tni_copy_nest over the box. */
const tn_stmt *tni_copy_box(tn_schedule *s, const char *name, const tn_buffer *from, const tn_buffer *to,
                            const tn_stmt *loop, const tni_box *box);

/* What an iteration of a loop reads, or writes, of a buffer is copied, for the block that a primitive names, and others. */
typedef struct tni_box_copy {
  bool writes;
  const tn_stmt *loop, *block;
  const tn_buffer *old, *made;
  const char *name; /* of the block that copies */
} tni_box_copy;
/* Of a primitive whose arguments begin with the loop and the block below it; `number` is the argument that counts
 * buffers. */
tn_status tni_find_box_copy(tni_step *step, bool writes, int number, int scope, tni_box_copy *out);
/* *out: the body of the function, in which all below the loop use the new buffer, for the box around what they read,
 * which is copied at the beginning of each iteration, or write, which is copied at its end. */
tn_status tni_make_box_copy(tni_step *step, const tni_box_copy *at, const tn_stmt **out);

/* ---- regions.c: what a block is said to touch -------------------------------------------------------------------- */

/* bases[d] .. bases[d] + sizes[d], over the block's iterators. */
typedef struct tni_stated {
  int32_t rank;
  const tn_expr *bases[TN_MAX_RANK];
  int64_t offsets[TN_MAX_RANK], sizes[TN_MAX_RANK]; /* the offset is in the base */
} tni_stated;
/* Reads "(i, j) -> (i * 2 - 1 : 3, j)". False: `why` tells, or is empty without memory. */
bool tni_stated_region(tn_schedule *s, const tn_stmt *block, const tn_buffer *b, const char *text, tni_stated *out,
                     char *why, size_t room);
/* An access of the block that is not known to stay in the region, or NULL: they all do. */
const void *tni_region_left(tn_schedule *s, const tn_stmt *block, const tn_buffer *b, bool writes,
                            const tni_stated *stated);
/* The key of the hint for that buffer of those that the block reads, or writes. */
const char *tni_region_key(tn_schedule *s, bool writes, size_t number);
/* Makes the box of the access, while the loops from `depth` on run, as small as a region says that is stated and true.
 * False: no memory. */
bool tni_stated_box(tn_schedule *s, const tni_access *x, int depth, tni_box *box);

/* ---- instance.c: which instances of a block run ------------------------------------------------------------------ */

/* Do the loops around a block of stores (tni_block_stores) run every point of its iterators' domains, and of a
 * reduction every step once, in one go? NULL: yes. Else the reason. */
const char *tni_why_not_its_domain(tn_schedule *s, const tn_stmt *block);
/* And does it write the box of its spatial iterators: is each of them one plain subscript? *whole: is that box the
 * whole of all its buffers? */
const char *tni_why_not_its_box(tn_schedule *s, const tn_stmt *block, const tn_stmt *stays, bool *whole);
/* Is the loop, which stays around the block as it is around the loop `stays` (NULL: none does), of an extent that is not
 * constant, and its variable that spatial iterator and nothing else? */
bool tni_is_kept_loop(tn_schedule *s, const tn_stmt *block, int32_t i, const tn_stmt *outer, const tn_stmt *stays);
/* And is it? */
const char *tni_why_not_whole(tn_schedule *s, const tn_stmt *block);
/* Is the step of zeros, which runs init, surely the first of a reduction, and each step run once? */
bool tni_runs_init_first(tn_schedule *s, const tn_stmt *block);
/* Are the reduce iterators 0 where all loops around are at their first iteration? */
bool tni_begins_with_zeros(tn_schedule *s, const tn_stmt *block);
/* Does the block read of the store's buffer at most the element that is stored? */
bool tni_reads_own_element(tn_context *ctx, const tn_stmt *block, const tn_stmt *store);
/* Is it a block of stores (tni_block_stores) that reads of its own buffers nothing, or, when init has set them, the
 * elements it stores? */
const char *tni_why_not_reduction(tn_context *ctx, const tn_stmt *block);
/* The subscripts of a store of the block, over loop variables. False: no memory, or too many iterators. */
bool tni_store_over_loops(tn_schedule *s, const tn_stmt *block, const tn_stmt *store, const tn_expr **out);
/* Do these loops run all of the block's iterator i, whose extent is symbolic, and nothing else of it: by one loop over
 * it, or as a split makes them? */
bool tni_runs_symbolic_domain(tn_schedule *s, const tn_stmt *block, int32_t i, size_t count, const tn_stmt *const *loops);
/* Do all iterations of these loops give different subscripts? */
bool tni_meets_once(tn_schedule *s, size_t dims, const tn_expr *const *index, size_t loops, const tn_stmt *const *nest);

/* ---- table.c: the primitives and their arguments ----------------------------------------------------------------- */

/* Kinds of arguments, and how the manual calls them. A place is a loop or a block; a scalar is an integer or a text. */
#define TNI_KINDS(K) \
  K(loop, "loop") \
  K(loops, "loops") \
  K(block, "block") \
  K(place, "loop or block") \
  K(int, "integer") \
  K(ints, "integers") \
  K(floats, "numbers") \
  K(text, "\"text\"") \
  K(scalar, "integer or \"text\"") \
  K(word, "word")

/* clang-format off */
enum tni_kind {
#define KIND(name, text) TNI_ARG_##name,
  TNI_KINDS(KIND)
#undef KIND
  TNI_KIND_COUNT
};
/* clang-format on */

/* TNI_MAX_OUT: into how many parts a primitive cuts a loop, or from how many it makes one. A text is at most that long. */
enum { TNI_MAX_ARGS = 6, TNI_MAX_OUT = 16, TNI_MAX_RESULTS = 64, TNI_MAX_LIST = 64, TNI_MAX_TEXT = 255 };
typedef struct tni_argument {
  const char *name;
  enum tni_kind kind;
  bool optional;
  const char *fallback; /* of an optional one; of a word: all there are, apart by |, the first is the default */
} tni_argument;

enum tni_primitive_flags {
  TNI_PLAIN = 0,
  TNI_QUERY = 1,        /* the function stays as it is */
  TNI_REASSOCIATES = 2, /* rounding may differ */
  TNI_SAMPLES = 4,      /* decides, by chance or as the line says */
  TNI_UNSAFE = 8,       /* the function may compute another thing */
};

/* A row of primitives.def. */
typedef struct tni_primitive {
  const char *name;
  tni_argument params[TNI_MAX_ARGS]; /* those behind the last have no name */
  const char *results;
  uint32_t flags;
  tn_status (*apply)(tni_step *step);
  const char *meaning, *doc;
} tni_primitive;

/* clang-format off */
enum tni_primitive_id {
#define PRIMITIVE(name, args, results, flags, meaning, doc) TNI_PRIMITIVE_##name,
#include "primitives.def"
#undef PRIMITIVE
  TNI_PRIMITIVE_COUNT
};
/* clang-format on */
extern const tni_primitive tni_primitives[TNI_PRIMITIVE_COUNT];
const tni_primitive *tni_primitive_find(const char *name, size_t length);
int tni_argument_count(const tni_primitive *primitive);
/* Is it a kind of several values? */
bool tni_is_list(enum tni_kind kind);
/* The place of `text` among words apart by |, or -1. */
int tni_find_word(const char *words, const char *text);

/* ---- maps.c: maps of subscripts, as text ------------------------------------------------------------------------- */

/* The map that argument `arg` gives for indices below that shape, with the shape of the places; or NULL and a
 * refusal. */
const tni_layout *tni_arg_places(tni_step *step, int arg, const void *mark, int32_t rank, const tn_expr *const *shape);
/* Does it send different indices to different places? */
bool tni_map_tells_apart(tn_schedule *s, const tni_layout *map, int32_t rank, const tn_expr *const *shape);
/* The map of argument `arg` if it does; or NULL and a refusal. */
const tni_layout *tni_arg_map(tni_step *step, int arg, const void *mark, int32_t rank, const tn_expr *const *shape);
/* What is sent to the place at[k], which a variable each stands for, of any place that something is sent to;
 * inverse[d] is NULL where that cannot be told. False: no memory. */
bool tni_map_inverse(tni_region *r, const tni_layout *map, int32_t rank, const tn_expr *const *shape,
                     const tn_expr *const *at, const tn_expr **inverse);
/* Where it sends the index, in its simplest form. False: no memory. */
bool tni_map_apply(tni_region *r, const tni_layout *map, int32_t rank, const tn_expr *const *index,
                   const tn_expr **out);

/* ---- step.c: one application of a primitive ---------------------------------------------------------------------- */

/* An argument. What holds depends on the kind: handle of loop, block, place; handles of their lists; number of int; numbers,
 * floats of the lists; text of text and word; scalar: text, or when that is NULL, number. An optional one that was
 * not given is filled in, empty if it is a list; a word's number is its place among those there are.
 *
 * Numbers may stand for sampled ones (below TNI_NUMBERS_END). A primitive sees what they stand for; what was given is kept
 * for the trace. */
typedef struct tni_arg {
  bool given;
  size_t count; /* of a list */
  int32_t handle;
  int64_t number;
  const char *text;
  const int32_t *handles;
  const int64_t *numbers;
  const double *floats;
  int64_t given_number; /* as given */
  const int64_t *given_numbers;
} tni_arg;

struct tni_step {
  tn_schedule *s;
  const tni_primitive *primitive;
  tni_arg args[TNI_MAX_ARGS];
  tni_arg decision; /* of one that samples: numbers, or the handle of a loop, or a word as text */
  /* results */
  const tn_func *func; /* the new function, when it changed */
  size_t out_count;
  int32_t outs[TNI_MAX_RESULTS];
  const char *out_names[TNI_MAX_RESULTS]; /* given by a text line, or NULL */
  char reason[400];
  const void *mark;
};

/* Applies, records the line in the trace, takes over the new function. A refusal becomes an error with the function printed
 * and the place marked. */
tn_status tni_invoke(tni_step *step, tn_error **err);

/* For use in primitives. Arguments are counted from 0, elements of lists too. */

/* Refuses. Where something would make it legal, a second line of the reason says what: "the reason\nneeds: the remedy". */
tn_status tni_step_refuse(tni_step *step, const void *mark, const char *reason, ...) TN_PRINTF(3, 4);
/* Takes the new body; refuses when what is changed lies on both sides of a barrier, copy or wait, or when a loop of
 * concurrent iterations would not be one any more; or tells of no memory. */
tn_status tni_step_accept(tni_step *step, const tn_stmt *body);
/* The same for a rewrite after which every iteration of the loops that stay does what it did, in the same order: whether
 * iterations may run at the same time is not asked. */
tn_status tni_step_accept_same(tni_step *step, const tn_stmt *body);
/* The same for a rewrite that moves nothing, so that it can take away from no loop what allowed its kind. */
tn_status tni_step_keep(tni_step *step, const tn_stmt *body);
/* Handles of arguments as statements, refusing those that are gone: the refusal has been told when they give NULL. */
const tn_stmt *tni_arg_loop(tni_step *step, int arg);
const tn_stmt *tni_arg_block(tni_step *step, int arg);
const tn_stmt *tni_arg_place(tni_step *step, int arg);
const tn_stmt *tni_arg_loop_at(tni_step *step, int arg, size_t i);
/* A result handle. */
tn_status tni_give_loop(tni_step *step, const tn_expr *var);
tn_status tni_give_block(tni_step *step, const char *name);
tn_status tni_give_location(tni_step *step, enum tni_location where);
tn_status tni_give_number(tni_step *step, int64_t number);
/* Where argument `arg`, which came of sample_compute_location, is no loop. */
enum tni_location tni_arg_location(const tni_step *step, int arg);

/* For the C functions: arguments, in the order of the row (fewer: the rest is not given). */
static inline tni_arg tni_of_handle(int32_t handle) { return (tni_arg){.given = true, .handle = handle}; }
static inline tni_arg tni_of_handles(size_t count, const int32_t *handles) {
  return (tni_arg){.given = true, .count = count, .handles = handles};
}
static inline tni_arg tni_of_int(int64_t number) { return (tni_arg){.given = true, .number = number}; }
static inline tni_arg tni_of_ints(size_t count, const int64_t *numbers) {
  return (tni_arg){.given = true, .count = count, .numbers = numbers};
}
static inline tni_arg tni_of_floats(size_t count, const double *floats) {
  return (tni_arg){.given = true, .count = count, .floats = floats};
}
static inline tni_arg tni_of_text(const char *text) { return (tni_arg){.given = text != NULL, .text = text}; }
/* Invokes, and fills out[0..room) (may be NULL) with the results, 0 where there are fewer; `out` may be an array of the
 * arguments, since it is written last. *found (may be NULL): how many results there are. */
tn_status tni_perform(tn_schedule *s, enum tni_primitive_id id, size_t count, const tni_arg *args, size_t room,
                      int32_t *out, size_t *found, tn_error **err);

/* ---- reduction.c: the loops around a reduction ------------------------------------------------------------------- */

enum { TNI_MAX_NEST = 64 };
typedef struct tni_reduce_nest {
  tn_schedule *s;
  const tn_stmt *block, *top; /* the loop from which on */
  size_t step_count;          /* the loops that feed reduce iterators, and nothing else */
  const tn_stmt *steps[TNI_MAX_NEST];
  const tn_expr *step_vars[TNI_MAX_NEST];
  size_t count; /* the others, and variables for copies of them */
  const tn_stmt *loops[TNI_MAX_NEST];
  const tn_expr *old_vars[TNI_MAX_NEST], *new_vars[TNI_MAX_NEST];
} tni_reduce_nest;
/* From `top` (NULL: the outermost loop of the reduction, which there is) down to the block; refuses loops of another
 * kind, and what else stands between. */
tn_status tni_open_reduce_nest(tni_step *step, const tn_stmt *block, const tn_stmt *top, tni_reduce_nest *out);
/* Can the first step (or the last one) of all elements below `top` be taken apart from the rest? NULL: yes. Else the
 * reason. */
const char *tni_why_not_apart(const tni_reduce_nest *n);
/* *out && the condition that the first step runs, over the loops that are no steps and the one over `kept` (NULL:
 * none), of which all iterations count as first. False: no memory. */
bool tni_first_step_runs(const tni_reduce_nest *n, const tn_expr *kept, const tn_expr **out);
/* Does the first step run where any step does? */
bool tni_first_step_runs_first(const tni_reduce_nest *n, const tn_expr *kept, const tn_expr *where);
/* The block's spatial iterators as new ones, bound to the copies of the loops. */
typedef struct tni_copied_iters {
  int32_t count;
  tni_iter iters[TNI_MAX_NEST + 1]; /* room for one more */
  const tn_expr *old_vars[TNI_MAX_NEST], *new_vars[TNI_MAX_NEST];
} tni_copied_iters;
bool tni_copy_iters(const tni_reduce_nest *n, tni_copied_iters *out);
const tn_expr *tni_over_copies(const tni_reduce_nest *n, const tn_expr *x);
/* The loops that are no steps, with new variables, around s. */
const tn_stmt *tni_copy_loops(const tni_reduce_nest *n, const tn_stmt *s);

/* ---- site.c: where a block stands -------------------------------------------------------------------------------- */

/* A block, the statements and loops from the body down to it. */
typedef struct tni_site {
  tn_schedule *s;
  const tn_stmt *block;
  int depth;
  const tn_stmt *path[TNI_MAX_PATH];
  size_t count;
  const tn_stmt *loops[TNI_MAX_NEST];
} tni_site;
/* False: there are too many loops. */
bool tni_open_site(tn_schedule *s, const tn_stmt *block, tni_site *out);
/* Does the loop move a reduce (or a spatial) iterator? */
bool tni_site_feeds(const tni_site *site, const tn_stmt *loop, bool reduce);
/* Begins facts with what is known inside the first `depth` loops. False: no memory. */
bool tni_site_know_loops(const tni_site *site, size_t depth, tni_facts *facts);
/* What an iterator ranges over: base .. base + extent. */
typedef struct tni_stretch {
  const tn_expr *base, *extent;
} tni_stretch;
/* The box of the iterators while the loops from number `depth` on run, of which every point is met. An extent is a
 * constant, or that of a symbolic domain, of which then all is met. False: it is not known. */
bool tni_site_spans(const tni_site *site, size_t depth, tni_stretch *out);
/* Do all iterations of the loops from `depth` on (with `spatial`: but those of the reduction) give other (spatial)
 * iterators? */
bool tni_site_runs_once(const tni_site *site, size_t depth, bool spatial);
/* Does the block's guard cut only what is outside of its iterators' domains? */
bool tni_site_is_guarded_by_domains(const tni_site *site);
/* Is the order of the iterations of loops, from outside, the order of the values of x, each of which is met once? */
bool tni_rises(tni_region *r, const tn_expr *x, size_t count, const tn_expr *const *vars,
               const tn_expr *const *extents);
/* Do the loops of the reduction, from `depth` on, run the steps in the order of the iterators? */
bool tni_site_runs_in_order(const tni_site *site, size_t depth, const tni_stretch *spans);
/* Would the steps of a reduction be done in another order when its iterators run one inside the other? NULL: no, or it
 * is all the same. Else the reason. */
const char *tni_why_steps_moved(const tni_site *site, size_t depth, const tni_stretch *spans);

/* ---- motion.c: consumers that move to their producers ------------------------------------------------------------ */

/* A consumer, and a loop of its producers (or a block, its only one) where it is to run. */
typedef struct tni_meeting {
  tni_site consumer;
  const tn_stmt *place, *top; /* top: the outermost loop of `place` that is not around both */
  bool at_last;               /* behind the last steps of reductions whose loops are around `place` */
  int shared;                 /* statements of the path around both, and the loops among them */
  size_t around;
  tni_stretch spans[TNI_MAX_NEST]; /* of the consumer's iterators, while the loops that are not around both run */
  tni_stretch parts[TNI_MAX_NEST]; /* of those that an iteration of `place` restricts; else NULLs */
  const tn_expr *from[TNI_MAX_NEST]; /* the producer's iterator that does */
  size_t last_count;                 /* loops that must be at their last iteration */
  const tn_stmt *last[TNI_MAX_NEST];
  bool met; /* there is a producer */
} tni_meeting;
/* May the block run as soon as an iteration of `place` has brought what it reads? */
tn_status tni_meet(tni_step *step, const tn_stmt *block, const tn_stmt *place, bool at_last, tni_meeting *out);
/* The iterators as they are bound there; new loops where an extent is not 1. */
typedef struct tni_placed {
  int32_t count;
  tni_iter iters[TNI_MAX_NEST];
  const tn_expr *loop_vars[TNI_MAX_NEST], *where;
} tni_placed;
bool tni_place_consumer(const tni_meeting *m, tni_placed *out);
/* The function's body with the consumer at the end of the loop `place`. */
const tn_stmt *tni_move_consumer(const tni_meeting *m);

/* ---- exact.c: the order of floating-point sums ------------------------------------------------------------------- */

/* For primitives of which a row says TNI_REASSOCIATES. Refuses when the schedule forbids another order of the steps of the
 * block; or that iterations of the loop run at once, which leaves the order of `reduce` statements open. */
tn_status tni_step_reassociates(tni_step *step, const tn_stmt *block);
tn_status tni_step_runs_at_once(tni_step *step, const tn_stmt *loop);
/* Refuses what surely rounds otherwise when the schedule forbids it. */
tn_status tni_step_rounds_otherwise(tni_step *step, const void *mark);

/* ---- choose.c: sampled decisions --------------------------------------------------------------------------------- */

/* Where a template is in its space: what is left of the configuration's number, whose digits are the choices; and how many
 * configurations the choices so far make, UINT64_MAX when they are more. */
struct tni_chooser {
  uint64_t left, size;
};

/* One of 0..count, which is not 0: the template's, or drawn, all equally likely. */
uint64_t tni_choose(tn_schedule *s, uint64_t count);
/* 64 random bits. */
uint64_t tni_draw(tn_schedule *s);
/* Handles of numbers, as they are given to hosts: 0 for 0. */
void tni_numbers_of(size_t count, const int32_t *handles, int64_t *out);

/* ---- trace.c: the lines that were applied ------------------------------------------------------------------------ */

struct tni_line {
  const tni_line *before;
  size_t number; /* from 1 */
  const tni_primitive *primitive;
  const char *text;    /* no newline */
  const tn_func *func; /* behind it */
};

/* Names the results, adds the line, takes over the function. False: no memory, and the caller goes back. */
bool tni_trace_step(tni_step *step);
/* All lines, the first one first; NULL: no memory. */
const tni_line **tni_lines_of(const tn_schedule *s);
void tni_lines_free(const tn_schedule *s, const tni_line **lines);
/* The decisions of the lines behind number `first`. False: no memory. */
bool tni_decisions_text(const tn_schedule *s, size_t first, char **out);

/* ---- default/ ---------------------------------------------------------------------------------------------------- */

/* facts.c: lanes of the vectors along an extent: no more than it fills to more than a half. */
int64_t tni_target_lanes(const tn_target *target, tn_type type, int64_t extent);
/* The same where it is made of groups: a vector is several whole ones, or a part of one. */
int64_t tni_target_group_lanes(const tn_target *target, tn_type type, int64_t extent, int64_t group);

/* ---- depend.c: which iterations may change places ---------------------------------------------------------------- */

enum { TNI_MAX_TURNS = 64 };
/* A pair of iterations: in loop y[i] the one, in x[i] the one of the same number (order 0), of a greater one (1), of a
 * smaller one (-1); by how much, if by[i] is not 0. Of loops that are not in the list any iteration. */
typedef struct tni_turns {
  int count;
  const tn_stmt *x[TNI_MAX_TURNS], *y[TNI_MAX_TURNS];
  int order[TNI_MAX_TURNS];
  int64_t by[TNI_MAX_TURNS];
} tni_turns;
/* The place of the new pair. What finds no room is left away: then more pairs of iterations stand so. */
static inline int tni_add_turn(tni_turns *t, const tn_stmt *x, const tn_stmt *y, int order) {
  if (t->count == TNI_MAX_TURNS) return TNI_MAX_TURNS - 1;
  t->x[t->count] = x;
  t->y[t->count] = y;
  t->order[t->count] = order;
  t->by[t->count] = 0;
  return t->count++;
}
/* May something under loop a, in iteration x, meet something under b, in iteration y, with one of them writing? NULL: surely
 * not. Else the reason. Buffers that are made below loop a are another one in each iteration. */
const char *tni_why_dependent(tni_region *r, const tni_accesses *all, const tn_stmt *a, const tn_stmt *b,
                              const tni_turns *turns, const void **mark);
/* May x and y touch the same element, in iterations that stand so, with one of them writing? */
bool tni_may_meet(tni_region *r, const tni_access *x, const tni_access *y, const tni_turns *turns);
/* Does the statement do what is to stay in its order whatever it touches? NULL: no. */
const char *tni_why_in_order(const tn_stmt *s, const void **mark);

/* ---- parts.c, pad.c, twice.c: loops over other ranges ------------------------------------------------------------ */

/* The loop from iteration `first` on, for `count` of them. `root` is what both stand in. */
const tn_stmt *tni_loop_part(tni_region *r, const tn_stmt *root, const tn_stmt *loop, const tn_expr *first,
                             const tn_expr *count);
/* Blocks of a name that stands before get another one: name_1, ... */
const tn_stmt *tni_rename_blocks(tni_region *r, const tn_stmt *root);
/* *out is the body in which the loop may run up to `extent`, constant and not below its own, without harm; or a refusal. */
tn_status tni_pad_loop(tni_step *step, const tn_stmt *loop, const tn_expr *extent, const tn_stmt **out);

/* twice.c: may some iterations at the end of the loop run once more behind it? NULL: yes. */
const char *tni_why_not_twice(tn_schedule *s, const tn_stmt *loop, const void **mark);

/* Do the steps of a reduction whose loads by the iterator are 0 leave the sum as it is, but for -0, which becomes 0? */
bool tni_zeros_add_nothing(tn_schedule *s, const tn_stmt *block, const tn_expr *iter);

/* ---- plain.c: blocks as a definition makes them ------------------------------------------------------------------ */

/* The outermost loop above a block all of whose loops are one iterator each, serial, over all of its constant extent,
 * with nothing between, and which has no guard. NULL: it is another one, and why. */
const tn_stmt *tni_plain_nest(tn_schedule *s, const tn_stmt *block, const char **why);

/* ---- script.c: lines of text ------------------------------------------------------------------------------------- */

/* May the text stand as a name in a line? */
bool tni_is_line_name(const char *text);

/* ---- graph/: graph passes that depend on a target --------------------------------------------------------------- */

/* channels.c: images with the channels last, where the convolutions of a graph are worth it. */
tn_status tni_graph_channels(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);

/* flat.c: pictures that are only taken pixel by pixel as rows of pixels. */
tn_status tni_graph_flatten(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                            tn_error **err);

/* chained.c: does the convolution of one tap take what a window makes, row by row, as one function with it? `maker`: by
 * value its node; `readers`: by value how many operands of nodes it is, and outputs of the graph. */
bool tni_is_chained(const tn_graph *g, const tni_gnode *conv, const uint32_t *maker, const uint32_t *readers,
                    const tn_target *target);

/* winograd.c: convolutions by 3 x 3 taps from transformed tiles, where that is faster and exact enough. */
tn_status tni_graph_winograd(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                             tn_error **err);

/* bounded.c: for each dimension of the convolution's space, 1 where its taps outside are to be left out, if its weights are finite;
 * false: nowhere. */
bool tni_find_bounded(const tn_graph *g, const tni_gnode *n, int64_t *bounded);
bool tni_are_finite(const tni_gvalue *w);

/* fillers.c: those orders. */
tni_filler tni_fill_oc_last, tni_fill_oc_stacked, tni_fill_oc_side, tni_fill_oc_joined, tni_fill_oc_panels;
tni_filler tni_fill_panels, tni_fill_simple_panels, tni_fill_parts;

/* layout.c: constant weights stored in the order in which the target's vectors want them. Their contents are made while the
 * caller goes on (fillings.c). */
tn_status tni_graph_layout(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                           tn_error **err);

/* widen.c: products of short numbers in the form that the target does fastest: of what is cast, of bytes without a sign, in
 * f32 where sums are exact there. The sums stay the same. */
tn_status tni_graph_widen(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                          tn_error **err);
/* Convolutions of bytes in f32, where channels.c left the channels in front and sums are exact. */
tn_status tni_graph_widen_rest(const tn_graph *g, tn_program *to, const tn_target *target, const tn_graph **out,
                               tn_error **err);

/* ---- primitives/ ------------------------------------------------------------------------------------------------- */

/* loop_kind.c: the loop, serial so far, gets a kind of concurrent iterations; or a refusal. */
tn_status tni_set_concurrent(tni_step *step, const tn_stmt *loop, enum tni_loop_kind kind);

/* double_buffer.c: the buffer with a dimension of so many copies in front, of which iteration i of the loop over that
 * variable uses copy i % copies, in blocks. */
const tn_stmt *tni_choose_copies(tni_region *r, const tn_stmt *alloc, const tn_expr *loop, int64_t copies);

/* annotate.c: the hint on a loop or block, instead of one of that key. */
tn_status tni_step_annotate(tni_step *step, const tn_stmt *place, tni_annotation note);

#define PRIMITIVE(name, args, results, flags, meaning, doc) tn_status tni_apply_##name(tni_step *step);
#include "primitives.def"
#undef PRIMITIVE

#endif
