/* ir.h -- the directory board of ir/: the nodes of programs and what may be done with them. Prototypes grouped by file.
 *
 * Nodes are immutable and live in a region. Expressions are interned: in one region (and its parents), equal is identical.
 * Constructors are total over failure: they give NULL for a NULL operand and when there is no memory, so that a rewrite
 * can be written without checks and tested once at its end.
 *
 * What can be known of programs is on a board of its own, analysis.h, which comes with this one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_IR_H
#define TNI_IR_H

#include "lib.h"
#include "tenon/ir.h"

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* Which field of `as` is valid: const: f for floating types (a value of the type), else i (wrapped to the type, sign- or
 * zero-extended; bool 0 or 1). var: name. load and address: buffer. call: name of the external. shuffle: as many lanes
 * as the type has. All others: none. A load's arguments are the subscripts, then the condition if there is one
 * (tni_load_where). */
struct tn_expr {
  uint8_t op;    /* enum tn_op, or TNI_OP_ADDRESS */
  uint8_t depth; /* of the region it was made in; 255: that or more */
  uint16_t nargs;
  tn_type type;
  uint32_t hash;
  union {
    uint32_t uid;  /* of a var: the order of creation; deterministic */
    uint32_t held; /* of others: tni_held */
  };
  union {
    int64_t i;
    double f;
    const char *name;
    const tn_buffer *buffer;
    const uint32_t *lanes;
  } as;
  const tn_expr *arg[];
};
enum { TNI_MAX_LANES = 1024 };         /* of a vector, here and in every back end */
enum { TNI_OP_ADDRESS = TN_OP_COUNT }; /* the address of as.buffer, printed `&A` */
_Static_assert(TNI_OP_ADDRESS <= UINT8_MAX, "a node has 8 bits for its operator");

enum tni_scope { TNI_SCOPE_GLOBAL, TNI_SCOPE_LOCAL, TNI_SCOPE_REGISTER, TNI_SCOPE_SHARED, TNI_SCOPE_COUNT };
extern const char *const tni_scope_names[TNI_SCOPE_COUNT]; /* buffer.c */

/* From a buffer's subscripts to those of its memory: vars[d] stands for subscript d. */
typedef struct tni_layout {
  int32_t rank; /* dimensions of the memory */
  const tn_expr *vars[TN_MAX_RANK];
  const tn_expr *index[TN_MAX_RANK]; /* over vars */
  const tn_expr *shape[TN_MAX_RANK]; /* of the memory: see buffer.c */
} tni_layout;

/* GLOBAL inside a function is scratch memory of the call; LOCAL is on the stack of the thread; REGISTER is LOCAL whose
 * subscripts all become constants, so that it lives in registers; SHARED is of one block of threads, on the tensor level. Where
 * elements stand is told in buffer.c. */
struct tn_buffer {
  const char *name;
  uint32_t uid;
  tn_type type; /* one lane */
  enum tni_scope scope;
  int32_t rank;
  uint32_t align; /* of the pointer, bytes; 0: an element's for a parameter, 64 for an alloc. A power of two */
  const tn_expr *shape[TN_MAX_RANK];
  const tn_expr *const *strides; /* one for each dimension of the memory, in elements; NULL: row-major */
  const tn_expr *offset;         /* of a parameter: elements from the pointer to the first; NULL: 0 */
  const tni_layout *layout;      /* NULL: the memory's dimensions are the buffer's */
};

enum tni_stmt_kind {
  TNI_FOR,
  TNI_BLOCK,
  TNI_STORE,
  TNI_REDUCE,
  TNI_SEQ,
  TNI_IF,
  TNI_WHILE,
  TNI_ALLOC,
  TNI_LET,
  TNI_ASSERT,
  TNI_ASSUME,
  TNI_EVALUATE,
  TNI_BARRIER,
  TNI_COPY,
  TNI_COMMIT,
  TNI_WAIT,
  TNI_PREFETCH,
  TNI_STMT_KIND_COUNT
};
/* From TNI_BLOCK_X on bound to an axis of the grid. Numbered as enum tn_loop_kind. */
enum tni_loop_kind {
  TNI_SERIAL,
  TNI_PARALLEL,
  TNI_VECTORIZED,
  TNI_UNROLLED,
  TNI_OUTLINED, /* serial, and compiled as a function that equal loops share: outline.c */
  TNI_BLOCK_X,
  TNI_BLOCK_Y,
  TNI_BLOCK_Z,
  TNI_THREAD_X,
  TNI_THREAD_Y,
  TNI_THREAD_Z,
  TNI_LOOP_KIND_COUNT
};
extern const char *const tni_loop_kind_names[TNI_LOOP_KIND_COUNT]; /* stmt.c; of a bound one the axis: "block.x" */
static inline bool tni_is_bound(enum tni_loop_kind kind) { return kind >= TNI_BLOCK_X; }
static inline bool tni_is_thread_bound(enum tni_loop_kind kind) { return kind >= TNI_THREAD_X; }
/* May the iterations run at the same time? */
static inline bool tni_is_concurrent(enum tni_loop_kind kind) {
  return kind == TNI_PARALLEL || kind == TNI_VECTORIZED || kind >= TNI_BLOCK_X;
}

typedef struct tni_iter {
  const tn_expr *var;     /* ranges over 0..extent */
  const tn_expr *extent;  /* index */
  const tn_expr *binding; /* index, over the loops above */
  bool reduce;
} tni_iter;

/* A hint on a loop or block, `key = 2` or `key = "text"`: kept by rewrites, without meaning. */
typedef struct tni_annotation {
  const char *key;
  const char *text; /* NULL: a number */
  int64_t number;
} tni_annotation;
typedef struct tni_annotations {
  int32_t count;
  const tni_annotation *items; /* no key twice */
} tni_annotations;

/* Which member is valid is told by `kind`. A block's name is unique in its function; its loops are known by their
 * variables, which are bound once in a function. */
struct tn_stmt {
  enum tni_stmt_kind kind;
  union {
    struct { /* for var in 0..extent */
      const tn_expr *var, *extent;
      enum tni_loop_kind kind;
      tni_annotations notes;
      const tn_stmt *body;
    } loop;
    struct { /* runs when `where` (NULL: always) is true; init before the body when all reduce iterators are 0 */
      const char *name;
      tni_annotations notes;
      int32_t count;
      const tni_iter *iters;
      const tn_expr *where; /* over the loops above, not over iters */
      const tn_stmt *init;  /* or NULL */
      const tn_stmt *body;
    } block;
    struct { /* buffer[index...] = value, where `where` (NULL: always) is true. On the loop level one flat subscript. A reduce:
                buffer[index...] = op(buffer[index...], value), in one step for all threads; lanes one by one, in order. A copy:
                a store of a load that happens at some time until the thread waits for it. A prefetch: a buffer and subscripts alone */
      const tn_buffer *buffer;
      int32_t count;
      const tn_expr *index[TN_MAX_RANK];
      const tn_expr *value, *where;
      enum tn_op op; /* of a reduce; TN_OP_const: a store */
    } store;
    struct {
      int32_t count;
      const tn_stmt *const *stmts;
    } seq;
    struct {
      const tn_expr *cond;
      const tn_stmt *then, *otherwise; /* otherwise may be NULL */
    } cond;
    struct { /* cond is evaluated before each run of the body; false ends it */
      const tn_expr *cond;
      const tn_stmt *body;
    } repeat;
    struct { /* the buffer exists in `body` */
      const tn_buffer *buffer;
      const tn_stmt *body;
    } alloc;
    struct { /* the variable has that value in `body`: evaluated once, here */
      const tn_expr *var, *value;
      const tn_stmt *body;
    } let;
    struct { /* assert: where cond is false the function fails with the message. assume: cond is true, by promise (no message) */
      const tn_expr *cond;
      const char *message;
      const tn_stmt *body; /* what follows */
    } claim;
    struct {
      const tn_expr *call;
    } evaluate;
    struct { /* the threads of a block wait for each other, and see what was written to memory of the scope: SHARED or GLOBAL */
      enum tni_scope scope;
    } barrier;
    struct { /* goes on when at most so many groups of the thread's copies, which commits end, are pending */
      int64_t pending;
    } wait;
  } as;
};

enum tni_level { TNI_LEVEL_TENSOR, TNI_LEVEL_LOOP };

typedef struct tni_param {
  const tn_buffer *buffer; /* or NULL: a scalar */
  const tn_expr *scalar;
} tni_param;

/* On the loop level loads and stores have one flat subscript (in elements from the pointer) whatever the buffer's rank, there
 * are no blocks, loops are serial or parallel, and expressions may have lanes. Parameters keep their tensor shape. */
struct tn_func {
  const char *name;
  enum tni_level level;
  uint32_t param_count;
  const tni_param *params;
  const tn_stmt *body; /* may be NULL: does nothing */
  tn_program *program;
  struct tni_region *region; /* where the nodes of its body are, and above; NULL: in the program's */
  bool scheduled; /* a schedule was committed: the default one is not applied */
  bool unverified; /* a graph pass made it: the verifier runs before anything else looks at its body */
  const struct tni_shared *shared; /* whose code may be its code, or NULL */
};

/* Another function, of the loop level, that does the same with these numbers for its last parameters. */
typedef struct tni_shared {
  const tn_func *func;
  size_t number_count;
  const int64_t *numbers;
} tni_shared;

typedef struct tni_extern {
  const char *name;
  tn_type result;
  uint32_t param_count;
  const tn_type *params;
  void (*function)(void); /* NULL: declared, not bound */
  void *self;
} tni_extern;

/* ---- region.c -------------------------------------------------------------------------------------------------- */

/* An arena with an intern table. A child sees its parents' nodes; a parent must not grow while a child lives on another
 * thread. */
typedef struct tni_interned {
  uint32_t hash;
  const tn_expr *node; /* NULL: the slot is free */
} tni_interned;

typedef struct tni_region {
  tni_arena arena;
  struct tni_region *parent;
  tni_interned *table;
  size_t table_size, table_used;
  uint32_t next_uid;
  uint8_t depth; /* regions above it */
} tni_region;

void tni_region_init(tni_region *region, tn_context *ctx, tni_region *parent);
/* A child of the function's region, where what is known of its nodes can be found out: elsewhere equal nodes differ. */
void tni_region_init_below(tni_region *region, const tn_func *func);
void tni_region_destroy(tni_region *region);
/* The node like `head` over args: the one there is, or a new one. NULL if an argument is, or without memory. */
const tn_expr *tni_region_intern(tni_region *region, const tn_expr *head, size_t count, const tn_expr *const *args);

struct tn_program {
  tn_context *ctx;
  tni_region region;
  const tn_func **funcs;
  size_t func_count, func_capacity;
  tni_extern *externs;
  size_t extern_count, extern_capacity;
  const struct tn_graph **graphs;
  size_t graph_count, graph_capacity;
  tni_blob **blobs; /* kept alive for constants */
  size_t blob_count, blob_capacity;
  bool moves_late;        /* constants may have a place before their contents are there: who reads them settles them (moves.c) */
  struct tni_move *moves; /* those; or NULL */
  struct tni_fillings *fillings; /* contents of constants that are still to be made; or NULL */
  tni_kept *kept; /* borrowed: constants computed for other programs of the same model; or NULL */
  struct tni_flow *flow; /* a model whose shapes are known only while it runs, "main"; else NULL. It has no text */
  const struct tni_onnx_port *flow_inputs; /* its inputs, as far as they are known */
};

/* ---- op.c ------------------------------------------------------------------------------------------------------ */

enum tni_typing {
  TNI_TYPING_SAME,
  TNI_TYPING_FLOAT,
  TNI_TYPING_INT,
  TNI_TYPING_COMPARE,
  TNI_TYPING_SELECT,
  TNI_TYPING_DATA,
  TNI_TYPING_CONVERT,
  TNI_TYPING_OTHER
};
typedef struct tni_op_info {
  const char *name;
  uint8_t arity, typing, flags;
  const char *meaning;
} tni_op_info;
extern const tni_op_info tni_ops[TN_OP_COUNT];
/* The operator of that name, or -1. */
int tni_op_find(const char *name, size_t length);
/* Do the operands alone give the type of the result? */
bool tni_op_has_rule(int op);
/* The result type of op over args, or 0 with *why (static text) set. For ops with such a rule only. */
tn_type tni_op_type(enum tn_op op, const tn_expr *const *args, const char **why);
/* May a reduce use the operator? Else the text says which. */
bool tni_is_reducing(enum tn_op op);
extern const char tni_reducing_operators[];
/* The type of the operands of a node with arguments: of the first, for select of the second. */
tn_type tni_operand_type(const tn_expr *x);

/* ---- expr.c: constructors (they fold constants and the trivial identities) ---------------------------------------- */

const tn_expr *tni_const_int(tni_region *r, tn_type type, int64_t value);
const tn_expr *tni_const_float(tni_region *r, tn_type type, double value);
const tn_expr *tni_index(tni_region *r, int64_t value);
const tn_expr *tni_bool(tni_region *r, bool value);
/* The value 0 of any type, with its lanes (broadcast). */
const tn_expr *tni_zero(tni_region *r, tn_type type);
const tn_expr *tni_var(tni_region *r, const char *name, tn_type type);
/* Operators with a typing rule; types must be right (asserted). */
const tn_expr *tni_op(tni_region *r, enum tn_op op, size_t count, const tn_expr *const *args);
const tn_expr *tni_op1(tni_region *r, enum tn_op op, const tn_expr *a);
const tn_expr *tni_op2(tni_region *r, enum tn_op op, const tn_expr *a, const tn_expr *b);
const tn_expr *tni_op3(tni_region *r, enum tn_op op, const tn_expr *a, const tn_expr *b, const tn_expr *c);
const tn_expr *tni_add(tni_region *r, const tn_expr *a, const tn_expr *b);
const tn_expr *tni_sub(tni_region *r, const tn_expr *a, const tn_expr *b);
const tn_expr *tni_mul(tni_region *r, const tn_expr *a, const tn_expr *b);
const tn_expr *tni_and(tni_region *r, const tn_expr *a,
                       const tn_expr *b); /* NULL operand of `where` = true: see tni_conj */
/* a && b where NULL stands for true; NULL when both are. Out of memory gives false, never NULL-as-true. */
const tn_expr *tni_conj(tni_region *r, const tn_expr *a, const tn_expr *b);
const tn_expr *tni_cast(tni_region *r, tn_type type, const tn_expr *a);
const tn_expr *tni_cast_sat(tni_region *r, tn_type type, const tn_expr *a);
const tn_expr *tni_reinterpret(tni_region *r, tn_type type, const tn_expr *a);
/* One of these three. */
const tn_expr *tni_convert(tni_region *r, enum tn_op op, tn_type type, const tn_expr *a);
const tn_expr *tni_load(tni_region *r, tn_type type, const tn_buffer *buffer, size_t count, const tn_expr *const *index,
                        const tn_expr *where);
const tn_expr *tni_address(tni_region *r, const tn_buffer *buffer);
const tn_expr *tni_call(tni_region *r, tn_type type, const char *name, size_t count, const tn_expr *const *args);
const tn_expr *tni_ramp(tni_region *r, const tn_expr *base, const tn_expr *stride, uint32_t lanes);
const tn_expr *tni_broadcast(tni_region *r, const tn_expr *a, uint32_t lanes);
/* shuffle.c: the lanes of that number of args[0], or of it and args[1] behind it. */
const tn_expr *tni_shuffle(tni_region *r, size_t operands, const tn_expr *const *args, size_t count,
                           const uint32_t *lanes);
/* The same node with other arguments (same count, same types but for lanes), through its constructor. */
const tn_expr *tni_with_args(tni_region *r, const tn_expr *x, const tn_expr *const *args);

static inline bool tni_is_const(const tn_expr *x) { return x->op == TN_OP_const; }
/* Is x the integer (or index, or bool) constant `value`? */
static inline bool tni_is_int(const tn_expr *x, int64_t value) {
  return x->op == TN_OP_const && !tni_type_is_float(x->type) && x->as.i == value;
}
/* What the DAG holds: bits of its variables, several of which may have one, and whether it loads, calls or takes an address.
 * So most searches need not begin. */
enum { TNI_HELD_VARS = 29 };
#define TNI_HOLDS_ADDRESS (UINT32_C(1) << 29)
#define TNI_HOLDS_LOAD (UINT32_C(1) << 30)
#define TNI_HOLDS_CALL (UINT32_C(1) << 31)
static inline uint32_t tni_held(const tn_expr *x) {
  return x->op == TN_OP_var ? UINT32_C(1) << x->uid % TNI_HELD_VARS : x->held;
}
/* A load's subscripts are index (one flat one on the loop level, whatever the rank); its condition, the last argument, is
 * bool: the condition or NULL, and how many subscripts there are. */
static inline const tn_expr *tni_load_where(const tn_expr *x) {
  return x->nargs && TN_TYPE_CODE(x->arg[x->nargs - 1]->type) == kDLBool ? x->arg[x->nargs - 1] : NULL;
}
static inline int32_t tni_load_count(const tn_expr *x) { return x->nargs - (tni_load_where(x) ? 1 : 0); }

/* ---- eval.c: the meaning of the operators on constants, used by folding and by the interpreter -------------------- */

typedef union tni_scalar {
  int64_t i; /* all integers, bool, index: wrapped to the type and extended */
  double f;  /* all floats: exactly a value of the type */
} tni_scalar;
/* op over scalars of `type` (the type of the first value operand: for select of arg 1, for compare of arg 0). Total. For
 * operators with a typing rule that are not MATH. */
tni_scalar tni_eval_op(enum tn_op op, tn_type type, const tni_scalar *args);
tni_scalar tni_eval_cast(tn_type to, tn_type from, tni_scalar value);
tni_scalar tni_eval_cast_sat(tn_type to, tn_type from, tni_scalar value);
tni_scalar tni_eval_reinterpret(tn_type to, tn_type from, tni_scalar value);
tni_scalar tni_eval_convert(enum tn_op op, tn_type to, tn_type from, tni_scalar value);
int64_t tni_wrap(tn_type type, int64_t value);
double tni_round_to(tn_type type, double value); /* f64 to the type, rounded once */
/* Element access in memory. */
tni_scalar tni_read_element(tn_type type, const void *base, int64_t i);
void tni_write_element(tn_type type, void *base, int64_t i, tni_scalar value);

/* ---- expand.c: derived operators as expressions of the core ones --------------------------------------------------- */

/* Must every back end emit the node as it is? Core operators, but on floats of 16 bits and less only those that move
 * bits (select, cast, load ...): arithmetic on them is done in f32 where the target has none. */
bool tni_is_basic(const tn_expr *x);
/* What stands for a node that is not basic: the same value, bit for bit. Its own nodes need not be basic, but expanding
 * them in turn comes to an end. NULL without memory. */
const tn_expr *tni_expand(tni_region *r, const tn_expr *x);

/* ---- math/: math operators as expressions of the others --------------------------------------------------------- */

/* The definition of a MATH operator over the others; shorter floats than f32 through f32. With ldexp among the others
 * where `has_ldexp`, which saves operators for a target that has it and changes no result. NULL without memory. */
const tn_expr *tni_math_expand(tni_region *r, const tn_expr *x, bool has_ldexp);
/* The type that a MATH operator on operands of `type` is computed in, with its lanes. */
tn_type tni_math_type(tn_type type);

/* ---- buffer.c --------------------------------------------------------------------------------------------------- */

/* A buffer of that form, with an identity of its own; strides and a layout that change nothing are left out. NULL: something
 * in the form is, or no memory. */
const tn_buffer *tni_buffer_make(tni_region *r, const tn_buffer *form);
/* 0 for an alignment that a parameter, or an alloc, has anyway. */
uint32_t tni_normal_align(tn_type type, bool is_param, uint64_t align);
/* The plain form: row-major, no more than an element's (or 64 bytes') alignment. */
const tn_buffer *tni_buffer(tni_region *r, const char *name, tn_type type, enum tni_scope scope, int32_t rank,
                            const tn_expr *const *shape);
/* The shape of its memory is worked out. Needs subscripts that tni_layout_has_form accepts. */
const tni_layout *tni_layout_make(tni_region *r, int32_t rank, const tn_expr *const *shape, const tn_expr *const *vars,
                                  int32_t count, const tn_expr *const *index);
/* Is x made of the variables, constants from 0 on, +, and *, // and % by positive constants, at most `depth` deep? */
bool tni_layout_has_form(const tni_layout *l, int32_t rank, const tn_expr *x, int depth);
/* A layout's subscript x at an element. */
int64_t tni_layout_eval(const tni_layout *l, int32_t rank, const tn_expr *x, const int64_t *values);
/* The dimensions of a buffer's memory. */
static inline int32_t tni_memory_rank(const tn_buffer *b) { return b->layout ? b->layout->rank : b->rank; }
static inline const tn_expr *const *tni_memory_shape(const tn_buffer *b) {
  return b->layout ? b->layout->shape : b->shape;
}
static inline bool tni_is_row_major(const tn_buffer *b) { return !b->strides && !b->offset && !b->layout; }
/* The expressions that a declaration holds: shape, strides, offset; how many. `out` has room for TNI_BUFFER_EXPRS. */
enum { TNI_BUFFER_EXPRS = 2 * TN_MAX_RANK + 1 };
int32_t tni_buffer_exprs(const tn_buffer *b, const tn_expr **out);
/* Where an element stands, in elements from the pointer. */
const tn_expr *tni_buffer_place(tni_region *r, const tn_buffer *b, const tn_expr *const *index);
/* Elements from the pointer to behind the last one. */
const tn_expr *tni_buffer_size(tni_region *r, const tn_buffer *b);
int64_t tni_buffer_constant_size(const tn_buffer *b); /* -1: not constant, or beyond TNI_INF */
/* May constant strides put two elements in one place? False when they are not constant. */
bool tni_buffer_overlaps_itself(const tn_buffer *b);

/* ---- stmt.c ---------------------------------------------------------------------------------------------------- */

const tn_stmt *tni_for(tni_region *r, const tn_expr *var, const tn_expr *extent, enum tni_loop_kind kind,
                       const tn_stmt *body);
const tn_stmt *tni_block(tni_region *r, const char *name, int32_t count, const tni_iter *iters, const tn_expr *where,
                         const tn_stmt *init, const tn_stmt *body);
/* The same with the annotations of the loop (the name and annotations of the block) `like`. */
const tn_stmt *tni_for_like(tni_region *r, const tn_stmt *like, const tn_expr *var, const tn_expr *extent,
                            enum tni_loop_kind kind, const tn_stmt *body);
const tn_stmt *tni_block_like(tni_region *r, const tn_stmt *like, const tni_iter *iters, const tn_expr *where,
                              const tn_stmt *init, const tn_stmt *body);
tni_annotations tni_annotations_of(const tn_stmt *s); /* none for statements that have none */
const tni_annotation *tni_find_annotation(tni_annotations notes, const char *key);
/* The loop or block with these annotations, which are copied. */
const tn_stmt *tni_annotated(tni_region *r, const tn_stmt *s, tni_annotations notes);
const tn_stmt *tni_store(tni_region *r, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                         const tn_expr *value, const tn_expr *where);
const tn_stmt *tni_reduce(tni_region *r, enum tn_op op, const tn_buffer *buffer, int32_t count,
                          const tn_expr *const *index, const tn_expr *value, const tn_expr *where);
/* A store or reduce, as `like` is. */
const tn_stmt *tni_store_like(tni_region *r, const tn_stmt *like, const tn_buffer *buffer, int32_t count,
                              const tn_expr *const *index, const tn_expr *value, const tn_expr *where);
/* A store, reduce or copy: as.store tells what is written. */
static inline bool tni_is_write(const tn_stmt *s) {
  return s->kind == TNI_STORE || s->kind == TNI_REDUCE || s->kind == TNI_COPY;
}
/* Does it name an element: as.store? */
static inline bool tni_has_subscripts(const tn_stmt *s) { return tni_is_write(s) || s->kind == TNI_PREFETCH; }
/* Flattens nested sequences; drops empty ones; one statement is itself; none gives the empty sequence. */
const tn_stmt *tni_seq(tni_region *r, int32_t count, const tn_stmt *const *stmts);
const tn_stmt *tni_if(tni_region *r, const tn_expr *cond, const tn_stmt *then, const tn_stmt *otherwise);
const tn_stmt *tni_while(tni_region *r, const tn_expr *cond, const tn_stmt *body);
const tn_stmt *tni_alloc_stmt(tni_region *r, const tn_buffer *buffer, const tn_stmt *body);
const tn_stmt *tni_let(tni_region *r, const tn_expr *var, const tn_expr *value, const tn_stmt *body);
const tn_stmt *tni_evaluate(tni_region *r, const tn_expr *call);
const tn_stmt *tni_barrier(tni_region *r, enum tni_scope scope);
/* A store when the value is no load. */
const tn_stmt *tni_copy(tni_region *r, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                        const tn_expr *value, const tn_expr *where);
const tn_stmt *tni_commit(tni_region *r);
const tn_stmt *tni_wait(tni_region *r, int64_t pending);
/* Asks for the cache line of an element, which need not be there. */
const tn_stmt *tni_prefetch(tni_region *r, const tn_buffer *buffer, int32_t count, const tn_expr *const *index);
/* The first barrier of s, in the order of its text; NULL: there is none. */
const tn_stmt *tni_first_barrier(const tn_stmt *s);
/* The first statement that orders more than its neighbours: a barrier, copy, commit or wait. */
const tn_stmt *tni_first_sync(const tn_stmt *s);
static inline bool tni_is_sync(const tn_stmt *s) { return s->kind >= TNI_BARRIER && s->kind <= TNI_WAIT; }
/* An assert when there is a message, else an assume. */
const tn_stmt *tni_claim(tni_region *r, const tn_expr *cond, const char *message, const tn_stmt *body);
/* An alloc, let, assert or assume holds to the end of the braces it stands in: the statements that follow it are its body. NULL
 * for other kinds. */
const tn_stmt *tni_rest(const tn_stmt *s);
/* The same alloc, let, assert or assume before other statements. */
const tn_stmt *tni_with_rest(tni_region *r, const tn_stmt *s, const tn_stmt *rest);
/* The expression of a statement that has just one beside its inside: a loop's extent, the condition of an if, while, assert or
 * assume, the value of a let, a call. Else NULL. */
const tn_expr *tni_own_expr(const tn_stmt *s);
/* A function like `f` with another body (and level), in region r; not added to a program. */
tn_func *tni_func_with_body(tni_region *r, const tn_func *f, enum tni_level level, const tn_stmt *body);

/* ---- walk_expr.c, walk.c ------------------------------------------------------------------------------------------- */

/* Rewrites an expression DAG bottom-up, each node once: `rewrite` sees a node whose arguments are new already (or the same)
 * and gives its replacement; NULL aborts. */
typedef const tn_expr *(*tni_expr_fn)(void *self, tni_region *r, const tn_expr *x);
const tn_expr *tni_expr_rewrite(tni_region *r, const tn_expr *x, tni_expr_fn rewrite, void *self);
/* The same of several expressions, for as long as `rewrite` would give the same of a node: each node once in all of them.
 * {.ctx = ctx} is empty; forget: `rewrite` gives something else from here on. */
typedef struct tni_rewritten {
  const tn_expr *key;
  const void *value;
} tni_rewritten;
typedef struct tni_rewrites {
  tn_context *ctx;
  tni_rewritten *slots;
  uint64_t *taken; /* a bit for each slot: without it there is nothing in it */
  size_t size, used;
  uint32_t only; /* not 0: nodes that hold none of this (tni_held) stay as they are */
  bool lent;     /* slots and bits are somebody else's */
  bool failed;
} tni_rewrites;
const tn_expr *tni_expr_rewrite_more(tni_region *r, tni_rewrites *done, const tn_expr *x, tni_expr_fn rewrite, void *self);
/* The same where `make` gives a node of the kind of x of what became of its arguments: nothing else is made of them. */
typedef const tn_expr *(*tni_make_fn)(void *self, tni_region *r, const tn_expr *x, const tn_expr *const *args);
const tn_expr *tni_expr_remake(tni_region *r, tni_rewrites *done, const tn_expr *x, tni_make_fn make, void *self);
/* Empty, with room for the first nodes that is the caller's: most expressions are small. */
enum { TNI_FEW_REWRITES = 64 };
typedef struct tni_rewrites_room {
  uint64_t taken;
  tni_rewritten slots[TNI_FEW_REWRITES];
} tni_rewrites_room;
tni_rewrites tni_rewrites_in(tn_context *ctx, tni_rewrites_room *room, uint32_t only);
void tni_rewrites_forget(tni_rewrites *done);
void tni_rewrites_destroy(tni_rewrites *done);
/* Calls `visit` once on each node of the DAG, arguments first. */
void tni_expr_visit(tn_context *ctx, const tn_expr *x, void (*visit)(void *self, const tn_expr *x), void *self);
/* The same for those that look for loads and addresses: of all other nodes only those are visited that hold one. */
void tni_expr_visit_memory(tn_context *ctx, const tn_expr *x, void (*visit)(void *self, const tn_expr *x), void *self);

/* Rebuilds a statement: every expression through `expr` (NULL: kept), then every rebuilt statement through `stmt` (NULL:
 * kept). Unchanged parts are shared. `self` is given to both. NULL aborts. A statement removed = the empty sequence. Where
 * `expr` changes the form of an alloc's buffer, another buffer takes its place, after `stmt` has seen the old one. */
typedef const tn_stmt *(*tni_stmt_fn)(void *self, tni_region *r, const tn_stmt *s);
const tn_stmt *tni_stmt_rewrite(tni_region *r, const tn_stmt *s, tni_expr_fn expr, tni_stmt_fn stmt, void *self);
/* The alloc with another buffer, in the place of its own everywhere. */
const tn_stmt *tni_alloc_swapped(tni_region *r, const tn_stmt *alloc, const tn_buffer *made);
/* Pre-order over statements; `enter` returning false skips the inside. */
typedef bool (*tni_stmt_visit_fn)(void *self, const tn_stmt *s);
void tni_stmt_visit(const tn_stmt *s, tni_stmt_visit_fn enter, void *self);
/* Every expression of the statement and its inside. */
void tni_stmt_visit_exprs(tn_context *ctx, const tn_stmt *s, void (*visit)(void *self, const tn_expr *x), void *self);
void tni_stmt_visit_memory(tn_context *ctx, const tn_stmt *s, void (*visit)(void *self, const tn_expr *x), void *self);

/* Replaces variables: vars[i] by values[i]. */
typedef struct tni_subst {
  size_t count;
  const tn_expr *const *vars;
  const tn_expr *const *values;
} tni_subst;
/* A tni_expr_fn, its self a tni_subst; and what nodes must hold to be changed by it. */
const tn_expr *tni_replace_var(void *self, tni_region *r, const tn_expr *x);
uint32_t tni_held_by(const tni_subst *subst);
const tn_expr *tni_expr_subst(tni_region *r, const tn_expr *x, const tni_subst *subst);
const tn_stmt *tni_stmt_subst(tni_region *r, const tn_stmt *s, const tni_subst *subst);
bool tni_expr_uses(tn_context *ctx, const tn_expr *x, const tn_expr *var);
/* Does its value depend on more than its variables: does it load, or call an external? */
static inline bool tni_expr_reads(const tn_expr *x) {
  return x && tni_held(x) & (TNI_HOLDS_LOAD | TNI_HOLDS_CALL);
}
static inline bool tni_expr_calls(const tn_expr *x) { return tni_held(x) & TNI_HOLDS_CALL; }
/* Does one of the statement's expressions hold one of these (tni_held)? */
bool tni_stmt_holds(const tn_stmt *s, uint32_t held);

/* ---- build_define.c ---------------------------------------------------------------------------------------------- */

/* tn_reduce of the values for which `where` (NULL: always) is true. */
void tni_reduce_where(tn_builder *b, const tn_buffer *out, const tn_expr *const *vars, size_t reduce_count,
                      const tn_expr *const *reduce_vars, enum tn_reducer reducer, const tn_expr *value,
                      const tn_expr *where);

/* ---- outline.c -------------------------------------------------------------------------------------------------- */

/* Is it an index operator whose constants may be parameters instead? */
bool tni_has_numbers(const tn_expr *x);

/* A loop of the loop level as a function: `body` over formal buffers, scalars and numbers. Formal buffer k is buffers[k] from
 * bases[k] elements on; scalars are variables that are bound around the loop; number k stands for values[k]. */
enum { TNI_OUTLINE_NUMBERS = 256 }; /* constants beyond these stay in the text */
typedef struct tni_outline {
  size_t buffer_count, scalar_count, number_count;
  const tn_buffer *const *buffers, *const *formal;
  const tn_expr *const *bases, *const *scalars, *const *numbers;
  const int64_t *values;
  const tn_stmt *body;
  bool reduces, forks;  /* is there a reduce in it, a parallel loop? */
  const char *text;     /* the same for loops that are one function, */
  const tn_func *owner; /* together with this: of one that calls or asserts the function it stands in, else NULL */
} tni_outline;
/* False: no memory. All of the loop are nodes of r. */
bool tni_outline_of(tni_region *r, const tn_func *func, const tn_stmt *loop, tni_outline *out);
/* The body with values in the place of its numbers. */
const tn_stmt *tni_outline_body(tni_region *r, const tni_outline *outline, const tn_expr *const *values);

/* ---- vary.c ----------------------------------------------------------------------------------------------------- */

/* A number of texts that are equal but for numbers: by times number `of`, and plus, and more times number `more_of` where sums of
 * two are looked for. A parameter is itself; 0 times: a constant. */
typedef struct tni_multiple {
  size_t of;
  int64_t by, plus;
  size_t more_of;
  int64_t more; /* 0: no second */
} tni_multiple;
typedef struct tni_variation {
  tni_arena *arena;
  size_t number_count, count, capacity;
  const int64_t **values; /* of each text */
  tni_multiple *numbers;
  size_t parameter_count;
  bool sums; /* the owner's: are multiples of two parameters added? They cost an addition each */
} tni_variation;
/* Of one text: all are constants. `values` are borrowed. False: no memory. */
bool tni_variation_begin(tni_arena *arena, size_t number_count, const int64_t *values, tni_variation *out);
/* With one more text; `v` stays as it is, and so do its `numbers` if they are right for that one too. Of several widened from
 * one, the last holds. False: no memory. */
bool tni_variation_widened(const tni_variation *v, const int64_t *values, tni_variation *out);
bool tni_variation_is_parameter(const tni_variation *v, size_t i);
/* Number i over variables, by number, in the places of parameters. */
const tn_expr *tni_variation_number(tni_region *r, const tni_variation *v, const tn_expr *const *numbers, size_t i);

/* ---- form.c ----------------------------------------------------------------------------------------------------- */

/* A function apart from its numbers: `body` over formal parameters and variables, of which number i stands for values[i]. */
typedef struct tni_form {
  const tn_func *func;
  const tni_param *formal;
  const tn_stmt *body;
  size_t number_count;
  const tn_expr *const *numbers;
  const int64_t *values;
  const struct tni_number_use *uses; /* by number: in innermost loops */
  const char *text;  /* the same for functions that can be one; NULL: it has no form */
} tni_form;
/* False: no memory. All of the function are nodes of r. */
bool tni_form_of(tni_region *r, const tn_func *func, tni_form *out);
/* The function that functions of this form are with those numbers: behind its own parameters come those of the variation, in
 * order. NULL without memory. */
const tn_func *tni_form_shared(tni_region *r, const tni_form *form, const tni_variation *v, const char *name);
size_t tni_form_number(const tni_form *form, const tn_expr *var);

/* ---- strides.c --------------------------------------------------------------------------------------------------- */

/* None at all; in what is made before the loop; in a register of its own; in the distance of an access from the buffer's first. */
enum tni_use { TNI_USE_NONE, TNI_USE_OUTSIDE, TNI_USE_REGISTER, TNI_USE_DISTANCE };

/* A number in an innermost loop: sign * number - from_sign * numbers[from]; from: the count of numbers where there is none. */
typedef struct tni_number_use {
  enum tni_use use;
  int sign, from_sign;
  size_t from;
} tni_number_use;
/* Finds the uses. False: no memory. */
bool tni_form_uses(tni_arena *arena, tni_form *form);
/* How many registers innermost loops would take for numbers that are no constants. */
size_t tni_form_strides(const tni_form *form, const tni_variation *v);

/* ---- program.c ------------------------------------------------------------------------------------------------- */

/* Adds a function (made in the program's region), or puts it in the place of the one of that name. */
tn_status tni_program_add(tn_program *program, const tn_func *func, tn_error **err);
/* Takes the function out that was added last. */
void tni_program_drop_last(tn_program *program, const tn_func *func);
/* Declares an external without a function; the same one again is fine. */
tn_status tni_program_declare(tn_program *program, const char *name, tn_type result, size_t count,
                              const tn_type *params, tn_error **err);
const tni_extern *tni_program_find_extern(const tn_program *program, const char *name);
tn_status tni_program_keep_blob(tn_program *program, tni_blob *blob, tn_error **err); /* takes the reference */
/* A function equal to `func`, wholly made of nodes of `region` (deep copy across programs). */
tn_func *tni_func_clone(tni_region *region, const tn_func *func, tn_program *program);

/* ---- signature.c ----------------------------------------------------------------------------------------------- */

/* The value of an expression over scalar parameters, whose arguments are checked; the verifier bounds its size. False: it
 * has none. */
bool tni_eval_size(const tn_func *func, const tn_value *args, const tn_expr *x, tni_scalar *out);
/* What the tensor of buffer parameter i must be; *out points to shape and strides. False: `reason` says what has no value. */
enum { TNI_FORM_REASON = 128 };
bool tni_param_form(const tn_func *func, size_t i, const tn_value *args, int64_t *shape, int64_t *strides,
                    tni_tensor_form *out, char reason[TNI_FORM_REASON]);

/* ---- plan.c ---------------------------------------------------------------------------------------------------- */

/* The plan as text (LANGUAGE.md). Kernels are called by their names; where one is NULL, or `kernels` is, by their numbers. */
void tni_plan_print(tni_text *out, const char *name, const tni_plan *plan, const char *const *kernels);
/* Reads it back, into `arena`, the plan's name too; kernels are those of the names given. TN_E_INVALID with all mistakes:
 * what is read is sound. */
tn_status tni_plan_parse(tni_arena *arena, const char *text, size_t length, const char *file, size_t kernel_count,
                         const char *const *kernels, tni_plan *out, const char **name, tn_error **err);

/* ---- print.c, parse.c, verify/, interp.c ------------------------------------------------------------------------ */

/* Prints one function; `mark` (a loop's var, a buffer, a statement or an expression; may be NULL) is underlined with ^^^ at
 * its first place. */
void tni_print_func(tni_text *out, const tn_func *func, const void *mark);
/* The text with numbers in the place of names: equal for functions that are equal up to names. */
void tni_print_canonical(tni_text *out, const tn_func *func);
/* On one line; definitions of shared nodes come first: `%0 = x * x; %0 * %0`. */
void tni_print_expr(tni_text *out, const tn_expr *x);
void tni_print_externs(tni_text *out, const tn_program *program);
void tni_print_graphs(tni_text *out, const tn_program *program);
/* Printed names, the same as in tni_print_func: the loop variable printed as `name`, or NULL; *no_memory becomes true when it
 * could not be told. */
const tn_expr *tni_find_loop_by_name(tn_context *ctx, const tn_func *func, const char *name, bool *no_memory);
/* Parses one or more functions into `program`. */
tn_status tni_parse(tn_program *program, const char *text, size_t length, const char *name, tn_error **err);
tn_status tni_verify(const tn_func *func, tn_error **err);
tn_status tni_verify_all(tn_context *ctx, size_t count, const tn_func *const *funcs, tn_error **err);
/* tn_builder_finish without the verifier: who goes on with the function asks it. */
tn_status tni_builder_finish_unverified(tn_builder *b, const tn_func **out, tn_error **err);
/* The function where all that tn_func_check does not know is checked when it runs (verify/guard.c); `func` when nothing is. */
tn_status tni_guard(tni_region *r, const tn_func *func, const tn_func **out, tn_error **err);
tn_status tni_interpret(const tn_func *func, const tn_value *args, size_t count, tn_error **err);
typedef tn_status (*tni_extern_call)(tn_context *ctx, const tni_extern *external, const tn_value *args, size_t count,
                                     tn_value *result, tn_error **err);
typedef struct tni_interpretation {
  tni_extern_call call; /* jit gives tni_call_extern; NULL: an external is TN_E_UNSUPPORTED */
  uint64_t steps;       /* statements that may run, beyond it is TN_E_LIMIT; 0: any number */
} tni_interpretation;
tn_status tni_interpret_with(const tn_func *func, const tn_value *args, size_t count, const tni_interpretation *how,
                             tn_error **err);

/* The evaluator that constant folding asks: runs `func` on raw pointers, one per buffer parameter, in order. The
 * interpreter is one; jit gives another that compiles. */
typedef struct tni_evaluator {
  void *self;
  tn_status (*run)(void *self, const tn_func *func, void *const *buffers, tn_error **err);
} tni_evaluator;
tn_status tni_evaluate_interpreted(void *self, const tn_func *func, void *const *buffers, tn_error **err);

/* ---- lower/ ---------------------------------------------------------------------------------------------------- */

/* A row of the list of passes. */
typedef struct tni_pass {
  const char *name;
  char letter; /* for choosing several in a short text */
  const char *does;
} tni_pass;

/* Told after each pass what the function is now, and the seconds that took. */
typedef struct tni_observer {
  void *self;
  void (*after)(void *self, const tni_pass *pass, const tn_func *now, double seconds);
} tni_observer;

/* Tensor level to loop level, in region r: blocks into loops and ifs, buffers made as small as their use and flattened,
 * vectorized loops into vectors, unrolled ones written out, guards split off. `func` stays as it is. */
tn_status tni_lower(tni_region *r, const tn_func *func, const tn_func **out, tn_error **err);
/* Loops with this note stay whole, where lowering would cut them so that guards inside are decided: a body for each edge
 * costs more there than asking. Of vectorized ones masks cost little. */
#define TNI_WHOLE_NOTE "whole"
tn_status tni_lower_observed(tni_region *r, const tn_func *func, const tni_observer *observer, const tn_func **out,
                             tn_error **err);
/* The passes of lowering, in their order. */
size_t tni_lower_pass_count(void);
const tni_pass *tni_lower_pass(size_t i);
/* Is the buffer allocated in the statement? */
bool tni_is_allocated_in(const tn_stmt *s, const tn_buffer *buffer);
/* And written? */
bool tni_is_written_in(const tn_stmt *s, const tn_buffer *buffer);

#include "analysis.h"

#endif
