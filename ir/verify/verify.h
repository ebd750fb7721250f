/* verify.h -- what the parts of the verifier share: verify.c walks a function, stmts.c its statements, types.c its
 * expressions, scopes.c knows what is bound, bounds.c looks at subscripts.
 *
 * A check gives false when it found a mistake, which is in v->findings then; the walk goes on with the next statement. It
 * ends where v->status is set: for want of memory, or beyond a limit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_VERIFY_H
#define TNI_VERIFY_H

#include "text.h"

/* What was found at places of a function, as the text of one error: "f:2: REASON", the line, a mark under the piece; and
 * so on. Of more than the first MAX_FINDINGS only the number is kept. */
typedef struct tni_findings {
  tn_context *ctx;
  tni_text text;
  size_t count;
  size_t place_length; /* of the first */
} tni_findings;

/* What may stand on which level: T(name, what it is called, levels). A name of several kinds of statements is one row. */
enum { TNI_ON_GRAPH = 1, TNI_ON_TENSOR = 2, TNI_ON_LOOP = 4, TNI_ON_PLAN = 8 };
/* clang-format off */
#define TNI_THINGS(T) \
  T(gop,          "graph operators",                                          GRAPH) \
  T(constant,     "constants with elements",                                  GRAPH | PLAN) \
  T(func_call,    "calls of functions",                                       GRAPH | PLAN) \
  T(slice,        "slices of an arena, copies of buffers",                    PLAN) \
  T(serial,       "serial loops",                                             TENSOR | LOOP) \
  T(parallel,     "parallel loops",                                           TENSOR | LOOP) \
  T(vectorized,   "vectorized loops",                                         TENSOR) \
  T(unrolled,     "unrolled loops",                                           TENSOR) \
  T(outlined,     "outlined loops",                                           TENSOR | LOOP) \
  T(block_bound,  "loops bound to blocks",                                    TENSOR) \
  T(thread_bound, "loops bound to threads",                                   TENSOR) \
  T(block,        "blocks",                                                   TENSOR) \
  T(store,        "stores",                                                   TENSOR | LOOP) \
  T(reduce,       "reduces",                                                  TENSOR | LOOP) \
  T(copy,         "copies of elements",                                       TENSOR | LOOP) \
  T(wait,         "commits and waits",                                        TENSOR | LOOP) \
  T(barrier,      "barriers",                                                 TENSOR) \
  T(prefetch,     "prefetches",                                               TENSOR | LOOP) \
  T(branch,       "ifs and whiles",                                           TENSOR | LOOP) \
  T(let,          "lets",                                                     TENSOR | LOOP) \
  T(claim,        "asserts and assumes",                                      TENSOR | LOOP) \
  T(call,         "calls of externals, addresses of buffers",                 TENSOR | LOOP) \
  T(alloc,        "allocated buffers: global, local or register",             TENSOR | LOOP) \
  T(shared,       "shared buffers",                                           TENSOR) \
  T(formed,       "allocated buffers of several dimensions, strides or a layout", TENSOR) \
  T(element,      "numbers and bools",                                        GRAPH | TENSOR | LOOP) \
  T(index,        "index",                                                    TENSOR | LOOP) \
  T(vector,       "vectors",                                                  LOOP)
/* clang-format on */
enum tni_thing {
#define TNI_THING_ENUM(name, what, levels) TNI_THING_##name,
  TNI_THINGS(TNI_THING_ENUM)
#undef TNI_THING_ENUM
      TNI_THING_COUNT
};
typedef struct tni_legal_row {
  const char *what;
  uint8_t levels;
} tni_legal_row;
extern const tni_legal_row tni_legal[TNI_THING_COUNT];

/* A variable or buffer, by the entry of `known`. */
typedef struct tni_scoped {
  bool live;
  bool exact;  /* takes each value of its range, whatever the others are */
  bool iterator; /* of a block: it may take less than its range */
  bool reduce;   /* an iterator of a reduction */
  bool param;
  bool varies;    /* may be another thing in each thread of a block; a buffer: of other extents */
  bool addressed; /* a buffer: its address is taken */
  uint32_t blocks;   /* how many blocks were around it when it was bound */
  uint32_t barriers; /* how many there were before */
} tni_scoped;

typedef struct tni_verifier {
  const tn_func *func;
  tn_context *ctx;
  tni_findings *findings;
  tn_error **err;
  tn_status status;
  tni_map known; /* variables and buffers */
  tni_scoped *bindings;
  size_t binding_capacity;
  tni_map names;  /* of blocks */
  tni_map stored; /* buffers that the body of the block at hand stores to */
  tni_map typed;  /* nodes whose types were found right; value: depth */
  tni_map nodes;  /* of the statement at hand */
  tni_facts facts;
  const tn_stmt *stmt; /* at hand; NULL: the parameters */
  uint32_t blocks, depth, max_depth;
  uint32_t open; /* allocs, lets, asserts and assumes around */
  uint32_t bound; /* kinds of the loops around that are bound to the grid, a bit each */
  uint32_t shared;    /* allocs around of shared buffers */
  uint32_t barriers;  /* seen so far */
  const tn_stmt *copy, *wait; /* the first copy of the function; the first commit or wait */
  bool waits;                 /* there is a wait */
  const char *parted; /* why not all threads may come here; NULL: they do */
  uint32_t guards; /* conditions (or empty loops) around: an access may never happen */
  bool in_init;
} tni_verifier;

/* findings.c */

void tni_findings_init(tni_findings *f, tn_context *ctx);
void tni_findings_destroy(tni_findings *f);
/* Shows the line of statement `s` (NULL: the parameters) with `mark` (NULL: the statement, or none for parameters). */
void tni_findings_add_v(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark, const char *reason,
                        va_list args);
void tni_findings_add(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark, const char *reason, ...)
    TN_PRINTF(5, 6);
/* One more place of the last finding. */
void tni_findings_add_place(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark);
/* TN_E_VERIFY with all that was found; TN_OK when nothing was. */
tn_status tni_findings_fail(const tni_findings *f, tn_error **err);

/* verify.c */

bool tni_verify_nomem(tni_verifier *v);
/* Shows the line with `mark` (NULL: the statement at hand, or none for parameters). */
bool tni_verify_fail(tni_verifier *v, const void *mark, const char *reason, ...) TN_PRINTF(3, 4);
bool tni_verify_limit(tni_verifier *v, const char *what, uint32_t limit);

/* legal.c */

/* Does it belong to the level of the function? */
bool tni_verify_legal(tni_verifier *v, const tn_stmt *s);
bool tni_verify_thing(tni_verifier *v, enum tni_thing thing, const void *mark);

/* scopes.c */

const tni_scoped *tni_verify_find(const tni_verifier *v, const void *node);
bool tni_verify_bind(tni_verifier *v, const void *node, bool buffer, tni_scoped b);
void tni_verify_unbind(tni_verifier *v, const void *node);
/* Binds a variable over 0..extent, as what `kind` says. An empty range is a guard: what is inside never runs. */
bool tni_verify_bind_range(tni_verifier *v, const tn_expr *var, const tn_expr *extent, tni_scoped kind, bool *empty);
/* Binds it whatever is wrong with it, so that its uses are not wrong too. */
void tni_verify_bind_wrong(tni_verifier *v, const void *node);
/* A use of a variable, of a buffer. */
bool tni_verify_var(tni_verifier *v, const tn_expr *x);
bool tni_verify_buffer(tni_verifier *v, const tn_buffer *buffer, const void *mark);

/* threads.c */

/* Does the verifier stand in a loop over threads, where the expression may have another value in each of them? */
bool tni_verify_varies(tni_verifier *v, const tn_expr *x);
void tni_verify_set_addressed(tni_verifier *v, const tn_buffer *buffer);
/* A branch or loop that threads may run differently, for this reason, begins; gives what is to be put back at its end. */
const char *tni_verify_part(tni_verifier *v, bool parts, const char *why);
bool tni_verify_barrier(tni_verifier *v);
/* A copy, commit or wait; the end of the function: does a wait stand for the copies? */
bool tni_verify_async(tni_verifier *v);
void tni_verify_waits(tni_verifier *v);
/* An alloc: is its scope allowed here? */
bool tni_verify_scope(tni_verifier *v, const tn_buffer *buffer);
/* The end of its braces: can there be one for each thread? */
void tni_verify_private(tni_verifier *v, const tn_stmt *alloc);

/* types.c */

/* All nodes under x that were not seen in this statement. NULL is right. */
bool tni_verify_expr(tni_verifier *v, const tn_expr *x);
bool tni_verify_typed(tni_verifier *v, const tn_expr *x, tn_type type, const char *what);
bool tni_verify_extent(tni_verifier *v, const tn_expr *x);

/* bounds.c */

bool tni_verify_bounds(tni_verifier *v, const tn_buffer *buffer, int32_t count, const tn_expr *const *index);

/* witness.c */

/* Do no two of the first iterations of the concurrent loop surely touch the same element, one of them writing it? */
bool tni_verify_meetings(tni_verifier *v, const tn_stmt *loop);

/* apart.c */

/* A function as concurrent iterations see it, with the accesses that matter. */
typedef struct tni_apart_side {
  const tn_func *func;
  tni_accesses accesses;
  const struct tni_piece *pieces;
} tni_apart_side;
typedef struct tni_apart {
  tni_region region;
  tni_apart_side sides[2];
  int count;
  bool cut;       /* threads wait for each other somewhere */
  bool rewritten; /* that, or copies do */
  bool meet;      /* what threads do before and behind a loop or branch, or in its iterations, may be at the same time */
  bool failed;
} tni_apart;

/* Of a function with a body. */
void tni_apart_init(tni_apart *a, const tn_func *func);
void tni_apart_destroy(tni_apart *a);
/* May the iterations of the loop, of the function's body, run at the same time? NULL: yes (or a->failed: no memory). Else the
 * reason, with *mark at the place. */
const char *tni_apart_why_not(tni_apart *a, const tn_stmt *loop, const void **mark);

/* strict.c */

/* Adds to `open` what is not known of a verified function: a load or the statement that stores, for a subscript; the iterator,
 * for a binding; the variable of a loop whose iterations may meet. False: no memory. */
bool tni_strict(const tn_func *func, tni_map *open);

/* written.c */

/* Does no read of a sound function surely see what was never written? */
bool tni_verify_written(tni_verifier *v);

/* stmts.c */

/* Binds the buffer, whose extents are checked. */
bool tni_verify_declaration(tni_verifier *v, const tn_buffer *buffer);
/* One statement, or a list, with all its mistakes. False: v->status is set. */
bool tni_verify_body(tni_verifier *v, const tn_stmt *s);

#endif
