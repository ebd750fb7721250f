/* llvm.h -- the directory board of targets/llvm: how loop-level functions become LLVM IR. Prototypes grouped by file.
 *
 * Values in registers: index is i64, bool is i1, floats shorter than f32 are their bits in an i16 or i8 (so that no
 * conversion can become a call of a library), everything else is LLVM's type of that name; lanes make a vector. In memory and in
 * signatures bool is i8, all else the same.
 *
 * Emission is sticky: the first error is kept in the module and later calls go on with poison, so that emitters need no
 * checks; tni_codegen_run looks once at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_LLVM_H
#define TNI_LLVM_H

#include "api.h"
#include "targets.h"

enum { TNI_LL_MAX_LANES = TNI_MAX_LANES, TNI_LL_STACK_BYTES = 1 << 20, TNI_LL_ALIGN = 64 };

/* ---- scope.c --------------------------------------------------------------------------------------------------- */

/* What nodes stand for where the builder is: variables and buffers are bound, expressions remembered. */
typedef struct tni_ll_entry {
  const void *key; /* a tn_expr or a tn_buffer */
  LLVMValueRef value;
  uint32_t epoch; /* 0: holds to the end of the scope; else while the function's epoch is the same (it reads memory) */
  bool binding;   /* a variable or buffer, not a remembered expression */
  bool nonneg;    /* a loop variable */
  bool number;    /* of code that kernels share: a constant that is not below 0 in each of them */
  bool shared;    /* a buffer that other threads use at the same time */
  uint32_t align; /* of a buffer, bytes */
  struct tni_ll_entry *next;
} tni_ll_entry;

typedef struct tni_ll_scope {
  tni_arena *arena;
  tni_ll_entry **buckets, **log; /* log: in order of insertion */
  size_t bucket_count, used, capacity;
} tni_ll_scope;

void tni_ll_scope_init(tni_ll_scope *scope, tni_arena *arena);
/* The newest entry of the key, or NULL. */
tni_ll_entry *tni_ll_scope_find(const tni_ll_scope *scope, const void *key);
/* NULL without memory (the arena's `failed` is set). */
tni_ll_entry *tni_ll_scope_add(tni_ll_scope *scope, const void *key, LLVMValueRef value);
/* Forgets all entries but the first `count`. */
void tni_ll_scope_pop(tni_ll_scope *scope, size_t count);

/* ---- codegen.c ------------------------------------------------------------------------------------------------- */

/* What open.c asks once LLVM is there: its targets, its handler of fatal errors, its name of this CPU ("znver5", or ""). */
void tni_llvm_set_up(void);
extern char tni_llvm_host_cpu[64];

struct tni_codegen {
  tn_context *ctx;
  const tn_target *target;
  LLVMTargetMachineRef machine;
  struct tni_ll_module *current; /* under construction: what tni_codegen_abandon must free */
  bool broken;                   /* tni_codegen_break */
};

/* The function of a long expansion: see expansion.c. */
typedef struct tni_ll_shared {
  struct tni_ll_shared *next;
  uint16_t op;
  tn_type type;
  LLVMValueRef function;
} tni_ll_shared;

/* Functions of outlined loops: see outline.c. */
typedef struct tni_ll_group tni_ll_group;
typedef struct tni_ll_site tni_ll_site;
/* Functions that kernels share: see share.c. */
typedef struct tni_ll_code tni_ll_code;

/* One LLVM module under construction. */
typedef struct tni_ll_module {
  tn_context *ctx;
  const tn_target *target;
  bool variants; /* functions are there for other targets too: symbols are NAME.TARGET */
  tni_arena arena;
  tni_region region; /* of expansions */
  LLVMContextRef llvm;
  LLVMModuleRef module;
  LLVMBuilderRef b;
  LLVMTypeRef void_type, i1, i2, i4, i8, i16, i32, i64, half, f32, f64, ptr, value_type; /* value_type: tn_value */
  LLVMValueRef zeros; /* what a scalar load reads where its condition is false; made on first use */
  tni_ll_shared *shared;
  tni_ll_group *groups;
  tni_ll_site *sites;
  tni_ll_code *codes;
  uint32_t outlined;  /* parallel bodies and outlined loops so far, for their names */
  uint32_t za_count;  /* functions that use ZA (za.c) */
  tn_status status;   /* the first failure */
  tn_error *error;
} tni_ll_module;

/* Does LLVM take a module of what `define` puts into it; with `emit`, and make an object of it? */
tn_status tni_codegen_try(tni_codegen *codegen, void (*define)(tni_ll_module *m, void *self), void *self, bool emit,
                          tn_error **err);
/* Records a failure of the program, if it is the first. */
void tni_ll_fail(tni_ll_module *m, tn_status status, const char *place, const char *reason, ...) TN_PRINTF(4, 5);

/* ---- type.c ---------------------------------------------------------------------------------------------------- */

/* In registers; and in memory or a signature (elements that share bytes: one by itself; in a buffer see packed.c). */
LLVMTypeRef tni_ll_type(tni_ll_module *m, tn_type type);
LLVMTypeRef tni_ll_memory_type(tni_ll_module *m, tn_type type);
/* Between the two. */
LLVMValueRef tni_ll_to_memory(tni_ll_module *m, tn_type type, LLVMValueRef value);
LLVMValueRef tni_ll_from_memory(tni_ll_module *m, tn_type type, LLVMValueRef value);
/* Constants of a register type, the same in all lanes. Integers, bool and index; f32 and f64. */
LLVMValueRef tni_ll_int(tni_ll_module *m, tn_type type, int64_t value);
LLVMValueRef tni_ll_float(tni_ll_module *m, tn_type type, double value);
LLVMValueRef tni_ll_index(tni_ll_module *m, int64_t value);
/* The scalar in all of `lanes` lanes (1: itself). */
LLVMValueRef tni_ll_splat(tni_ll_module *m, LLVMValueRef scalar, uint32_t lanes);
/* Calls an intrinsic by its base name ("llvm.fma") with the types it is overloaded on. */
LLVMValueRef tni_ll_intrinsic(tni_ll_module *m, const char *name, unsigned type_count, LLVMTypeRef *types,
                              unsigned arg_count, LLVMValueRef *args);
/* Questions about the element of a type, whatever its lanes. */
static inline bool tni_ll_is_bool(tn_type type) { return TN_TYPE_CODE(type) == kDLBool; }
static inline bool tni_ll_is_float(tn_type type) { return tni_type_is_float(type); }
/* A float that is held as its bits and computed in f32. */
static inline bool tni_ll_is_short(tn_type type) { return tni_ll_is_float(type) && TN_TYPE_BITS(type) < 32; }
static inline bool tni_ll_is_signed(tn_type type) {
  return TN_TYPE_CODE(type) == kDLInt || TN_TYPE_CODE(type) == TN_CODE_INDEX;
}
/* The type of another element in the lanes of `type`. */
static inline tn_type tni_ll_like(tn_type element, tn_type type) {
  return TN_TYPE_WITH_LANES(element, TN_TYPE_LANES(type));
}

/* ---- convert.c ------------------------------------------------------------------------------------------------- */

/* The bits of a short float to f32 (exact), and back (to nearest, ties to even). `type` tells which, with lanes. */
LLVMValueRef tni_ll_widen(tni_ll_module *m, tn_type type, LLVMValueRef bits);
LLVMValueRef tni_ll_narrow(tni_ll_module *m, tn_type type, LLVMValueRef value);
LLVMValueRef tni_ll_cast(tni_ll_module *m, tn_type to, tn_type from, LLVMValueRef value);

/* ---- masked.c -------------------------------------------------------------------------------------------------- */

/* A contiguous vector from `pointer`, 0 in the lanes whose mask (i1s) is false; those are not touched. */
LLVMValueRef tni_ll_masked_load(tni_ll_module *m, LLVMTypeRef type, LLVMValueRef pointer, LLVMValueRef mask,
                                unsigned align);
void tni_ll_masked_store(tni_ll_module *m, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask, unsigned align);
/* Masked stores of one known lane, in all functions, become stores of it. Behind the passes. */
void tni_ll_store_single_lanes(tni_ll_module *m);

/* ---- advance.c ------------------------------------------------------------------------------------------------- */

/* Addresses in innermost loops, of all functions, become pointers that advance. Behind the passes. */
void tni_ll_advance_pointers(tni_ll_module *m);

/* ---- expr.c, arith.c, unit.c, memory.c, atomic.c, extern.c ------------------------------------------------------- */

/* Blocks that release what is held and give up, innermost first. */
typedef struct tni_ll_unwind {
  LLVMBasicBlockRef block;
  LLVMValueRef status; /* its phi */
  struct tni_ll_unwind *outer;
} tni_ll_unwind;

/* A function under construction: a kernel, or the body of a parallel loop of one. */
typedef struct tni_ll_function {
  tni_ll_module *m;
  const tn_func *func;
  LLVMValueRef value, env;
  LLVMValueRef entry_end; /* the branch that ends the entry block: allocas go before it */
  tni_ll_scope scope;
  tni_ll_unwind *unwind;
  uint32_t epoch; /* counts statements: what was read in one is not known in the next */
  bool impure;    /* the expression being emitted reads memory or calls */
  bool in_parallel;
  bool has_numbers; /* is it of code that kernels share? */
  LLVMValueRef tiles; /* a slot: the configuration that the tile registers have (amx.c); NULL: none is needed */
  uint64_t stack_bytes, callee_bytes; /* of its buffers; of the functions that it calls, the most */
} tni_ll_function;

/* The value of an expression at the builder's place. */
LLVMValueRef tni_ll_expr(tni_ll_function *f, const tn_expr *x);
/* Is x >= 0 for certain? A cheap look at an index expression. */
bool tni_ll_nonneg(const tni_ll_function *f, const tn_expr *x);
/* The value of a node that the target does not emit itself, by its expansion (expansion.c). */
LLVMValueRef tni_ll_expansion(tni_ll_function *f, const tn_expr *x);
/* An operator with a typing rule over values in registers. */
LLVMValueRef tni_ll_op(tni_ll_function *f, const tn_expr *x, LLVMValueRef *args);
LLVMValueRef tni_ll_load(tni_ll_function *f, const tn_expr *x);
/* `lanes` integers of that type from the first lane of the load on, each of several elements; where its condition is false, 0. */
LLVMValueRef tni_ll_load_groups(tni_ll_function *f, const tn_expr *x, LLVMTypeRef group, uint32_t lanes);
/* unit.c: an expression that is what one instruction of the target means, by that instruction; NULL: it is none. */
LLVMValueRef tni_ll_unit(tni_ll_function *f, const tn_expr *x);
void tni_ll_store(tni_ll_function *f, const tn_stmt *s);
void tni_ll_reduce(tni_ll_function *f, const tn_stmt *s);
void tni_ll_prefetch(tni_ll_function *f, const tn_stmt *s);
/* The pointer of a buffer, from which subscripts count; the address of its first element, behind its offset. NULL: failed. */
LLVMValueRef tni_ll_base(tni_ll_function *f, const tn_buffer *buffer);
LLVMValueRef tni_ll_address(tni_ll_function *f, const tn_buffer *buffer);
/* A call of an external; its value, or NULL for void. */
LLVMValueRef tni_ll_call(tni_ll_function *f, const tn_expr *x);
/* Loads the function pointer at `offset` of the environment. */
LLVMValueRef tni_ll_env_function(tni_ll_function *f, size_t offset, const char *name);

/* ---- stmt.c, parallel.c ---------------------------------------------------------------------------------------- */

void tni_ll_stmt(tni_ll_function *f, const tn_stmt *s);
/* for var in begin..end { body }; `enters`: begin < end is known. */
void tni_ll_loop(tni_ll_function *f, const tn_expr *var, LLVMValueRef begin, LLVMValueRef end, bool enters,
                 const tn_stmt *body);
void tni_ll_parallel(tni_ll_function *f, const tn_stmt *s);
/* Does it start threads, and do nothing itself? */
bool tni_ll_only_forks(const tn_stmt *s);
/* Refuses so many more bytes of stack, `for what`, where they are too many. */
bool tni_ll_has_stack(tni_ll_function *f, uint64_t bytes, const char *what);
/* Leaves through the unwind blocks when the i32 is not 0; the builder stands on the other way afterwards. */
void tni_ll_check(tni_ll_function *f, LLVMValueRef status);
/* Memory on the stack, aligned to 64 bytes (or less for small types). */
LLVMValueRef tni_ll_alloca(tni_ll_function *f, LLVMTypeRef type, uint64_t count, unsigned align, const char *name);
LLVMBasicBlockRef tni_ll_block(tni_ll_function *f, const char *name);

/* ---- count.c --------------------------------------------------------------------------------------------------- */

/* x // divisor and x % divisor, which go on with a loop. */
typedef struct tni_ll_counter {
  const tn_expr *x, *divisor, *quotient, *remainder; /* quotient, remainder: NULL where they are not asked for */
  struct tni_ll_counter *below;                       /* whose quotient x is; NULL: x is the loop's variable */
  LLVMValueRef by, q, r, wraps;
} tni_ll_counter;
enum { TNI_LL_COUNTERS = 16 };
typedef struct tni_ll_counters {
  size_t count;
  tni_ll_counter items[TNI_LL_COUNTERS];
} tni_ll_counters;
/* Those of the loop's body, with their values at `begin`, before the loop. */
void tni_ll_counters_find(tni_ll_function *f, const tn_expr *var, LLVMValueRef begin, const tn_stmt *body,
                          tni_ll_counters *out);
/* Where an iteration begins and the loop was entered from `before`; where it ends. */
void tni_ll_counters_begin(tni_ll_function *f, tni_ll_counters *all, LLVMBasicBlockRef before);
void tni_ll_counters_next(tni_ll_function *f, tni_ll_counters *all);

/* ---- outline.c ------------------------------------------------------------------------------------------------- */

/* The function with nodes of the module's region, its outlined loops known before any is emitted; itself when it has none. NULL
 * without memory. */
const tn_func *tni_ll_prepare(tni_ll_module *m, const tn_func *func);
void tni_ll_outline(tni_ll_function *f, const tn_stmt *s);

/* ---- interleave.c ---------------------------------------------------------------------------------------------- */

/* Of the `left` statements the first ones, when they store vectors between each
 * other: how many were done at once, or 0. */
int32_t tni_ll_store_interleaved(tni_ll_function *f, int32_t left, const tn_stmt *const *stmts);

/* ---- transpose.c ------------------------------------------------------------------------------------------------ */

/* The same, when they store what lies across them: the columns of a square. */
int32_t tni_ll_store_transposed(tni_ll_function *f, int32_t left, const tn_stmt *const *stmts);

/* ---- subscript.c ------------------------------------------------------------------------------------------------ */

/* Is subscript `to` surely `from` and a constant? */
bool tni_ll_distance(const tn_expr *from, const tn_expr *to, int64_t *out);

/* ---- tile.c ----------------------------------------------------------------------------------------------------- */

/* A nest of loops with the note `tile` that is a product of tiles, by the target's tile registers. False: it is none. */
bool tni_ll_tile(tni_ll_function *f, const tn_stmt *loop);
/* The same, with another such nest right before it that sets the sums to 0: both are done. False: neither. */
bool tni_ll_tile_behind(tni_ll_function *f, const tn_stmt *before, const tn_stmt *loop);
/* Will it be one, with what is before (or NULL)? */
bool tni_ll_is_tile(tni_ll_module *m, const tn_stmt *before, const tn_stmt *loop);
/* Something is called that may use the registers too. */
void tni_ll_forget_tiles(tni_ll_function *f);
/* At an end of the function. */
void tni_ll_release_tiles(tni_ll_function *f);

/* ---- warp.c ------------------------------------------------------------------------------------------------------ */

/* Does it write nothing but the sums of products of tiles? */
bool tni_ll_runs_in_warp(tni_ll_module *m, const tn_stmt *s);

/* ---- variant.c -------------------------------------------------------------------------------------------------- */

/* Adds the functions NAME and NAME.packed that choose between the variants of each. */
void tni_ll_choose(tni_ll_module *m, size_t target_count, const tn_target *const *targets, size_t count,
                   const tn_func *const *funcs);

/* ---- share.c --------------------------------------------------------------------------------------------------- */

/* The kernel of a function that shares another's code, and its packed thunk (or NULL), both declared. */
void tni_ll_share(tni_ll_module *m, const tn_func *func, LLVMValueRef kernel, LLVMValueRef packed);

/* ---- function.c ------------------------------------------------------------------------------------------------ */

/* Adds NAME and, when every parameter is a buffer, NAME.packed to the module. */
void tni_ll_define(tni_ll_module *m, const tn_func *func);
/* The frame that kernels and parallel bodies share: entry block, exit block. */
void tni_ll_function_begin(tni_ll_function *f, tni_ll_module *m, const tn_func *func, LLVMValueRef value);
void tni_ll_function_end(tni_ll_function *f);
void tni_ll_function_attributes(tni_ll_module *m, LLVMValueRef function);
/* One that only the module sees, NAME.WHAT.K. NULL without memory. */
LLVMValueRef tni_ll_internal(tni_ll_module *m, const char *name, const char *what, unsigned k, LLVMTypeRef type);
/* The function loads or stores arguments and calls another: code is made of it in the quickest way. */
void tni_ll_glue_attributes(tni_ll_module *m, LLVMValueRef function);
/* The function reads and writes no memory, and returns. */
void tni_ll_pure_attributes(tni_ll_module *m, LLVMValueRef function);
/* No other pointer reaches what the function accesses by one of these, which are no parameters; `name`: of the function. */
void tni_ll_tell_apart(tni_ll_module *m, LLVMValueRef function, const char *name, size_t count,
                       const LLVMValueRef *pointers);
/* Parameter number `index` is a buffer: no other pointer reaches it. */
void tni_ll_buffer_attributes(tni_ll_module *m, LLVMValueRef function, unsigned index);
/* What is known of the environment and the first parameters; their values, for what the function does. */
void tni_ll_parameter_attributes(tni_ll_module *m, LLVMValueRef function, const tn_func *func, size_t count);
void tni_ll_bind_parameters(tni_ll_function *f, const tn_func *func, size_t count);
/* Gives what the callee gives; the function ends with it. */
void tni_ll_forward(tni_ll_module *m, LLVMValueRef callee, LLVMValueRef *args);
/* The function's body: the kernel, with `count` pointers from the array that is its argument, and what follows that. */
void tni_ll_unpack(tni_ll_module *m, LLVMValueRef function, LLVMValueRef kernel, uint32_t count);

#endif
