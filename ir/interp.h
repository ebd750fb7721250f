/* interp.h -- what the parts of the interpreter share: interp.c walks statements, interp_tape.c makes their expressions
 * ready, interp_run.c evaluates them.
 *
 * The expressions of one statement become one tape: its distinct nodes in an order where arguments come first, each
 * with a slot for its lanes. Slots are of two kinds: fixed ones (variables, constants) keep their value; the others
 * serve one tape at a time. When all tapes are made, slots become addresses in one pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_INTERP_H
#define TNI_INTERP_H

#include "ir.h"

/* Where a value stands: lane l at at[l * stride]; stride 0: one value for all lanes. */
typedef struct tni_operand {
  tni_scalar *at; /* once the pool exists */
  uint32_t slot;  /* with TNI_TEMPORARY: counted from the end of the fixed ones */
  uint32_t stride;
} tni_operand;
#define TNI_TEMPORARY 0x80000000u
enum { TNI_INTERP_LANES = 1024 }; /* the most of a vector; no program that lowering makes comes near */

/* The memory of a buffer: the host's, or our own for an alloc. */
typedef struct tni_memory {
  struct tni_memory *next;
  const tn_buffer *buffer;
  void *data;
  int64_t shape[TN_MAX_RANK];
  int64_t count; /* elements from the pointer to behind the last one */
  /* when elements do not stand in row-major order */
  bool scattered, overlaps;             /* strides put two of them in one place */
  int64_t strides[TN_MAX_RANK], offset; /* of the memory's dimensions */
  int64_t layout_shape[TN_MAX_RANK];
  int32_t born;           /* concurrent loops around its alloc; 0: the host's */
  const tn_stmt *own_in;  /* a concurrent loop whose iterations have one each; NULL: none is known */
  uint8_t *written; /* one bit an element; NULL: the host's memory */
  size_t data_bytes, written_bytes;
} tni_memory;

/* buffer[index...] where `where`. `flat`: the one subscript counts elements. */
typedef struct tni_place {
  tni_memory *memory;
  int32_t count;
  bool flat, guarded;
  tni_operand index[TN_MAX_RANK];
  tni_operand where;
} tni_place;

typedef struct tni_call_site {
  const tni_extern *external;
  uint32_t count;
  const tni_operand *args;
  const tn_type *types;
  tn_value *values;
} tni_call_site;

/* STEP(name, operator, types it serves, member of the result, value from a, b, c) */
/* clang-format off */
#define TNI_FAST_STEPS(STEP) \
  STEP(add_f32,    add,    F32,    f, (float)a.f + (float)b.f) \
  STEP(sub_f32,    sub,    F32,    f, (float)a.f - (float)b.f) \
  STEP(mul_f32,    mul,    F32,    f, (float)a.f * (float)b.f) \
  STEP(div_f32,    div,    F32,    f, (float)a.f / (float)b.f) \
  STEP(fma_f32,    fma,    F32,    f, fmaf((float)a.f, (float)b.f, (float)c.f)) \
  STEP(add_f64,    add,    F64,    f, a.f + b.f) \
  STEP(sub_f64,    sub,    F64,    f, a.f - b.f) \
  STEP(mul_f64,    mul,    F64,    f, a.f * b.f) \
  STEP(fma_f64,    fma,    F64,    f, fma(a.f, b.f, c.f)) \
  STEP(lt_float,   lt,     FLOAT,  i, a.f < b.f) \
  STEP(le_float,   le,     FLOAT,  i, a.f <= b.f) \
  STEP(abs_float,  abs,    FLOAT,  f, fabs(a.f)) \
  STEP(neg_float,  neg,    FLOAT,  f, -a.f) \
  STEP(add_i64,    add,    I64,    i, (int64_t)((uint64_t)a.i + (uint64_t)b.i)) \
  STEP(sub_i64,    sub,    I64,    i, (int64_t)((uint64_t)a.i - (uint64_t)b.i)) \
  STEP(mul_i64,    mul,    I64,    i, (int64_t)((uint64_t)a.i * (uint64_t)b.i)) \
  STEP(add_i32,    add,    I32,    i, (int32_t)((uint32_t)a.i + (uint32_t)b.i)) \
  STEP(sub_i32,    sub,    I32,    i, (int32_t)((uint32_t)a.i - (uint32_t)b.i)) \
  STEP(mul_i32,    mul,    I32,    i, (int32_t)((uint32_t)a.i * (uint32_t)b.i)) \
  STEP(lt_signed,  lt,     SIGNED, i, a.i < b.i) \
  STEP(le_signed,  le,     SIGNED, i, a.i <= b.i) \
  STEP(eq_int,     eq,     INT,    i, a.i == b.i) \
  STEP(ne_int,     ne,     INT,    i, a.i != b.i) \
  STEP(and_int,    and,    INT,    i, a.i & b.i) \
  STEP(or_int,     or,     INT,    i, a.i | b.i) \
  STEP(xor_int,    xor,    INT,    i, a.i ^ b.i) \
  STEP(select_any, select, ANY,    i, a.i ? b.i : c.i)

enum tni_step_code {
#define TNI_STEP_ENUM(name, op, types, member, value) STEP_##name,
  TNI_FAST_STEPS(TNI_STEP_ENUM)
#undef TNI_STEP_ENUM
  STEP_EVAL, /* tni_eval_op */
  STEP_CONVERT,
  STEP_REGROUP, /* reinterpret with another number of lanes */
  STEP_RAMP,
  STEP_SHUFFLE,
  STEP_LOAD,
  STEP_ADDRESS,
  STEP_CALL
};
/* clang-format on */

/* One node at work. */
typedef struct tni_step {
  uint16_t code; /* enum tni_step_code */
  uint16_t op;
  uint32_t lanes;
  tn_type type, from; /* of the result; of the operands */
  tni_operand out, in[3];
  union {
    tni_place *access;
    tni_call_site *call;
    tni_memory *memory;
    uint32_t from_lanes;
    const tn_expr *shuffle;
  } as;
} tni_step;

typedef struct tni_tape {
  struct tni_tape *next;
  tni_step *steps;
  size_t step_count, step_capacity;
  tni_operand *roots;
  size_t root_count;
} tni_tape;

/* What a node became: its value (fixed: for all tapes), or its expansion, or a buffer's memory. */
typedef struct tni_entry {
  const void *key;
  uint32_t stamp; /* the tape that computed it; 0: fixed */
  tni_operand value;
  const tn_expr *expansion;
  tni_memory *memory;
} tni_entry;

/* A node under way, and the argument to look at next. */
typedef struct tni_visit {
  const tn_expr *x;
  uint32_t next;
} tni_visit;

/* A loop of concurrent iterations that runs (interp_race.c). */
typedef struct tni_touched tni_touched;
typedef struct tni_concurrent {
  struct tni_concurrent *parent;
  const tn_stmt *loop;
  int64_t iteration;
  int32_t depth; /* the outermost is 1 */
  tni_touched *table; /* open addressing */
  size_t size, used;
} tni_concurrent;

/* A statement made ready. Roots of `tape`: for: extent. block: bindings, then extents. store: subscripts, then the
 * value (copied to `access` and `value`). if, while: condition. alloc: shape. let: the value. assert, assume: the
 * condition. evaluate: the call. `where`: one root; NULL: always. */
typedef struct tni_action {
  const tn_stmt *stmt;
  tni_tape *tape, *where;
  tni_operand *vars;                 /* of a loop, of a block's iterators, of a let */
  struct tni_action *first, *second; /* body, or then; init, or otherwise */
  struct tni_action **parts;         /* of a seq */
  tni_place access;                  /* of a store */
  const tni_place *source;           /* of a copy: what is loaded */
  tni_operand value;
  uint32_t lanes;
  tni_memory *memory; /* of an alloc */
  bool waits;         /* there is a barrier in it */
} tni_action;

/* The loops and blocks around what runs, innermost first. */
typedef struct tni_frame {
  const struct tni_frame *parent;
  const tni_action *action;
} tni_frame;

/* An element with copies on their way from it, or to it (interp_async.c). */
typedef struct tni_pending {
  const void *data; /* of its memory; NULL: free */
  int64_t at;
  uint32_t reads, writes;
} tni_pending;

/* The copies that a thread started and has not waited for, in order. */
typedef struct tni_flight tni_flight;
typedef struct tni_async {
  tni_flight *items;
  size_t count, capacity;
  int64_t commits; /* so far */
} tni_async;

typedef struct tni_machine tni_machine;
struct tni_machine {
  tn_context *ctx;
  const tn_func *func;
  tni_interpretation how;
  uint64_t steps; /* statements that have run */
  tn_error **err;
  tn_status status; /* of the first failure */
  tni_arena arena;
  tni_region region;  /* of expanded math */
  tni_entry *entries; /* open addressing, a power of two */
  size_t entry_count, entry_capacity;
  tni_scalar *fixed; /* first values of the fixed slots */
  size_t fixed_count, fixed_capacity;
  tni_scalar *pool;
  size_t pool_count, temporaries; /* the most that a tape needs */
  tni_tape *tapes;
  uint32_t stamp;
  tni_visit *stack; /* of the walk over a DAG */
  size_t stack_capacity;
  tni_memory *memories;
  const tni_frame *frame; /* innermost loop or block that runs */
  tni_concurrent *concurrent;    /* innermost concurrent loop that runs */
  tni_async *async, whole;       /* copies of the thread that runs; of the function outside of threads */
  tni_pending *pending;          /* open addressing */
  size_t pending_size, pending_used, pending_count; /* count: copies on their way */
};

/* interp_tape.c. All give false or NULL after a failure, which is in m->status and *m->err. */

/* The entry of a key; NULL: there is none, or (with `add`) no memory. */
tni_entry *tni_entry_of(tni_machine *m, const void *key, bool add);
/* A fixed slot for a variable. */
bool tni_bind_variable(tni_machine *m, const tn_expr *var, tni_operand *out);
tni_memory *tni_bind_memory(tni_machine *m, const tn_buffer *buffer);
/* One tape for all the expressions; the operands of the roots are in their order. */
tni_tape *tni_tape_make(tni_machine *m, size_t count, const tn_expr *const *roots);
/* Slots into addresses. */
bool tni_pool_make(tni_machine *m);
void tni_operand_resolve(const tni_machine *m, tni_operand *operand);

/* interp_run.c */
bool tni_tape_run(tni_machine *m, const tni_tape *tape);
/* The element that lane `lane` of an access means. */
bool tni_place_locate(tni_machine *m, const tni_place *access, uint32_t lane, int64_t *at);
/* False, and reported, when nobody has written that element. */
bool tni_place_written(tni_machine *m, const tni_place *access, uint32_t lane, int64_t at);

/* "A[1, 2]" of a lane's access. */
void tni_access_text(tni_text *text, const tni_place *access, uint32_t lane);

/* interp_race.c */

void tni_concurrent_begin(tni_machine *m, tni_concurrent *c, const tn_stmt *loop);
void tni_concurrent_end(tni_machine *m, tni_concurrent *c);
/* The iterations have waited for each other: what they did to memory of the scope (GLOBAL: to any) is forgotten. */
void tni_concurrent_wait(tni_concurrent *c, enum tni_scope scope);
/* An element is read or written by the iterations that run; `op`: by a reduction with that operator, else -1. False when
 * another iteration of one of the loops has touched it, and one of the two writes; or without memory. */
bool tni_concurrent_touch(tni_machine *m, const tni_place *access, uint32_t lane, int64_t at, bool write, int op);

/* interp_async.c: all but the last give false after a failure */

/* May the element be read or written, while copies are on their way? */
bool tni_async_allows(tni_machine *m, const tni_place *access, uint32_t lane, int64_t at, bool write);
/* A lane of a copy, to element `at`. */
bool tni_async_start(tni_machine *m, const tni_action *a, uint32_t lane, int64_t at, tni_scalar value);
/* The thread waits until so many groups are pending at most; at its end, for all; at the end of memory, if one touches it. */
bool tni_async_wait(tni_machine *m, int64_t pending);
bool tni_async_end(tni_machine *m);
bool tni_async_end_memory(tni_machine *m, const tni_memory *memory);
void tni_async_free(tni_machine *m, tni_async *q);

/* interp_team.c */

/* Runs a loop over threads in which there is a barrier. */
bool tni_team_run(tni_machine *m, const tni_action *loop);

/* interp.c */

bool tni_action_run(tni_machine *m, const tni_action *a);
/* One more statement runs. False, and reported: one more than may. */
bool tni_machine_step(tni_machine *m);
/* An alloc: memory whose elements count as unwritten. */
bool tni_action_allocate(tni_machine *m, const tni_action *a);
void tni_memory_release(tni_machine *m, tni_memory *memory);
/* A let: the variable gets its value. */
bool tni_action_bind(tni_machine *m, const tni_action *a);
/* An assert or assume: fails when it is false. */
bool tni_action_claim(tni_machine *m, const tni_action *a);
/* The value of a condition (`tape` with one root) in *out. */
bool tni_tape_holds(tni_machine *m, const tni_tape *condition, bool *out);
/* Reports a failure at the statement that runs, gives false. */
bool tni_machine_fail(tni_machine *m, tn_status status, const char *format, ...) TN_PRINTF(3, 4);
bool tni_machine_nomem(tni_machine *m);

static inline int64_t tni_lane(const tni_operand *operand, uint32_t lane) {
  return operand->at[(size_t)lane * operand->stride].i;
}
static inline bool tni_was_written(const tni_memory *memory, int64_t i) {
  return !memory->written || (memory->written[i >> 3] >> (i & 7) & 1);
}

#endif
