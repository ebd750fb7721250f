/* tenon/ir.h -- programs: expressions, tensor functions, builders, text, the interpreter.
 *
 * A program holds tensor functions (this header), graph functions (graph.h) and external functions of the host side by
 * side. Nodes are immutable; they live as long as the program (or the builder) they were made in.
 *
 * A builder makes one function. Its errors are sticky: a bad operand makes the call return NULL, a NULL operand makes
 * any call return NULL in silence, and tn_builder_finish reports the first mistake. So build in a row, check once.
 *
 * Memory on 64-bit systems: an expression takes 24 bytes and 8 for each operand, rounded up to 16, and 16 to 32 of the table
 * that finds equal ones; a statement or a buffer at most 128, an iterator of a block 32, what extents, strides and layouts
 * add apart; a value of a graph at most 96, a node at most 64, 4 for each operand and result, 64 for each attribute.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_IR_H
#define TENON_IR_H

#include "ops.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_program tn_program; /* one thread at a time */
typedef struct tn_builder tn_builder; /* one thread at a time */
typedef struct tn_func tn_func;       /* immutable, owned by its program */
typedef struct tn_expr tn_expr;       /* immutable */
typedef struct tn_stmt tn_stmt;       /* immutable */
typedef struct tn_buffer tn_buffer;   /* immutable; an identity: two buffers of equal form are different */

/* ---- programs -------------------------------------------------------------------------------------------------- */

TN_API tn_status tn_program_create(tn_context *context, tn_program **out, tn_error **err);
TN_API void tn_program_destroy(tn_program *program);
/* The function of that name, or NULL. */
TN_API const tn_func *tn_program_func(const tn_program *program, const char *name);
TN_API size_t tn_program_func_count(const tn_program *program);
TN_API const tn_func *tn_program_func_at(const tn_program *program, size_t i);
TN_API const char *tn_func_name(const tn_func *func);

/* Reads the text form (ir/LANGUAGE.md). `name` stands in errors as the file's name. The error lists every mistake found,
 * each with line, column, the line itself and a mark. What can be read is verified, all functions: see tn_func_verify. */
TN_API tn_status tn_program_parse(tn_context *context, const char *text, size_t length, const char *name, tn_program **out,
                                  tn_error **err);
/* The text of the whole program, or of one function; the caller frees it with tn_text_destroy. Equal programs give equal
 * bytes on every platform, and parsing the text gives the same program. TN_E_UNSUPPORTED for an
 * imported model whose shapes are known only while it runs. */
TN_API tn_status tn_program_print(const tn_program *program, char **out, tn_error **err);
TN_API tn_status tn_func_print(const tn_func *func, char **out, tn_error **err);

/* Constants of graphs with more than 8 elements are not in the text but in its side blob, which the text refers to by
 * offset and hash. This writes the blob that belongs to tn_program_print's text: `write` gets its bytes in order, in
 * pieces, and gives TN_OK, or another status that ends the writing with TN_E_HOST. No bytes when nothing is that large.
 * Other errors: TN_E_NOMEM. */
typedef tn_status (*tn_write_fn)(void *self, const void *bytes, size_t size);
TN_API tn_status tn_program_write_blob(const tn_program *program, tn_write_fn write, void *self, tn_error **err);
/* tn_program_parse with the side blob (NULL: there is none), of which the program keeps a copy: `blob` may be freed
 * afterwards. Each part that the text refers to is checked against its hash. */
TN_API tn_status tn_program_parse_with(tn_context *context, const char *text, size_t length, const char *name,
                                       const void *blob, size_t blob_size, tn_program **out, tn_error **err);
/* The same into a program that exists: functions and graphs are added, or take the place of those of their names. After a
 * failure the program is as it was, but for externals that the text declares. */
TN_API tn_status tn_program_extend(tn_program *program, const char *text, size_t length, const char *name, const void *blob,
                                   size_t blob_size, tn_error **err);
/* tn_program_parse_with from files. The blob (NULL: there is none) stays mapped as long as constants in it are in use,
 * and must not be written to. Further errors: TN_E_NOT_FOUND, TN_E_IO. */
TN_API tn_status tn_program_load(tn_context *context, const char *path, const char *blob_path, tn_program **out,
                                 tn_error **err);

/* C source that rebuilds the program through this API, as a bug report or as a start for a host's own code:
 *     tn_status NAME(tn_context *context, const void *blob, size_t blob_size, tn_program **out, tn_error **err);
 * `blob` is what tn_program_write_blob writes for this program, NULL when that is nothing. Tensor functions become calls of
 * the builder. Functions of the loop level or with a schedule, and graphs, are embedded as text. Externals are declared, not
 * bound. The rebuilt program prints the same text. The caller frees *out with tn_text_destroy. Errors: TN_E_INVALID (`name`
 * is no identifier), TN_E_NOMEM. */
TN_API tn_status tn_program_dump_c(const tn_program *program, const char *name, char **out, tn_error **err);

/* ---- identity --------------------------------------------------------------------------------------------------- */

/* The version of the language: of its words and of what they mean. A change that gives an old text another meaning, or a
 * function another text, raises it. */
enum { TN_LANGUAGE_VERSION = 1 };

/* *equal: are both the same up to their own name and the names of variables and buffers? Names of blocks and externals
 * count, and so does whether a schedule was committed. Linear in the nodes. The functions may be of two programs of one
 * thread. Errors: TN_E_NOMEM. */
TN_API tn_status tn_func_equal(const tn_func *a, const tn_func *b, uint8_t *equal, tn_error **err);
/* A workload's identity: the 128-bit hash (low half first; MurmurHash3) of the function's text with numbers in the place
 * of the names that tn_func_equal passes over, under TN_LANGUAGE_VERSION. Equal functions have one hash, on every platform
 * and in every process. Errors: TN_E_NOMEM. */
TN_API tn_status tn_func_hash(const tn_func *func, uint64_t hash[2], tn_error **err);

/* Checks types, scopes, block structure and subscripts of one function. TN_E_VERIFY shows the first mistake of each statement,
 * twenty of them at most, each with the line of the printed function and a mark. */
TN_API tn_status tn_func_verify(const tn_func *func, tn_error **err);

/* The strict check: verifies, and asks what would be memory corruption or a race in compiled code: is every subscript inside its
 * buffer, every binding of a block inside its iterator's range, and do no iterations of a concurrent loop touch what another
 * one writes? Refuted is an error of tn_func_verify already; here also "not known" is: TN_E_VERIFY lists the places. Known are
 * the ranges of loops and iterators, the conditions of ifs, blocks and accesses, what is asserted and assumed, and that extents
 * of buffers are not negative. So a subscript that depends on data needs a guard, `A[i if 0 <= i && i < n]`, a clamp,
 * `A[max(0, min(i, n - 1))]` where 0 < n, or an assume. tn_compile asks the same, and by default checks what is not known when
 * it runs: see enum tn_unproven. The counts (may be NULL) tell how many questions were answered, and how many were not. */
TN_API tn_status tn_func_check(const tn_func *func, size_t *proven, size_t *unknown, tn_error **err);

/* A parameter: a scalar of the type, or a buffer of `rank` dimensions with such elements. */
typedef struct tn_param_info {
  const char *name; /* lives as long as the function */
  tn_type type;
  uint8_t is_buffer;
  int32_t rank;
} tn_param_info;

TN_API size_t tn_func_param_count(const tn_func *func);
/* Parameter number i, which is below the count. */
TN_API void tn_func_param(const tn_func *func, size_t i, tn_param_info *out);
/* What a tensor for a buffer parameter looks like: the shape of its memory (of the layout's, where there is one), strides and
 * byte_offset in elements, bytes that divide `data`; and elements from `data` to behind the last one. */
typedef struct tn_param_form {
  int32_t rank;
  uint32_t align;
  int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK];
  int64_t offset, elements;
} tn_param_form;
/* For buffer parameter i when the scalars have the values in `args` (one for each parameter; those of buffers are not looked
 * at). Errors: TN_E_INVALID: no buffer parameter, or the values give it no form. */
TN_API tn_status tn_func_param_form(const tn_func *func, size_t i, const tn_value *args, size_t count,
                                    tn_param_form *out, tn_error **err);

/* Runs a function in the reference interpreter: one value per parameter, tensors for buffers, numbers for scalars.
 * Reports, with the place: subscripts out of bounds, reads of what was not written, iterations of a concurrent loop that touch
 * the same element while one writes it (threads: without a barrier between), uses of what a copy is on its way to. Externals of
 * the program are called. Slow and exact. */
TN_API tn_status tn_func_interpret(const tn_func *func, const tn_value *args, size_t count, tn_error **err);

/* ---- external functions of the host ---------------------------------------------------------------------------- */

/* A C function that compiled code and the interpreter may call by name, through libffi:
 *     RESULT function(void *self, PARAMS...)
 * with PARAMS of types bool, i8..u64, f32, f64, index (int64_t), TN_POINTER (the address of a buffer's first element).
 * `result` TN_I32 means a tn_status: other than TN_OK ends the kernel, and the caller of the kernel receives TN_E_HOST
 * with this number in the text. Any other result type is a value for expressions. Called from any thread that runs
 * kernels; must not throw or longjmp. The text `extern NAME(T, ...): R` declares one in a parsed program; this call then
 * binds it. Errors: TN_E_INVALID (types, name, rebinding with another signature). */
TN_API tn_status tn_program_extern(tn_program *program, const char *name, tn_type result, size_t count,
                                   const tn_type *params, void (*function)(void), void *self, tn_error **err);

/* ---- builders -------------------------------------------------------------------------------------------------- */

TN_API tn_status tn_builder_create(tn_program *program, const char *name, tn_builder **out, tn_error **err);
/* Verifies the function, adds it to the program and destroys the builder, also on failure. `out` may be NULL. */
TN_API tn_status tn_builder_finish(tn_builder *builder, const tn_func **out, tn_error **err);
/* Gives up a builder that was not finished. */
TN_API void tn_builder_destroy(tn_builder *builder);

/* Parameters, in the order of the signature. Extents are index expressions over constants and index parameters. */
TN_API const tn_buffer *tn_param(tn_builder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape);
TN_API const tn_buffer *tn_param_symbolic(tn_builder *b, const char *name, tn_type type, int32_t rank,
                                          const tn_expr *const *shape);
TN_API const tn_expr *tn_param_scalar(tn_builder *b, const char *name, tn_type type);
/* The same for a variable (tn_var) that extents of parameters before it name already. */
TN_API const tn_expr *tn_param_var(tn_builder *b, const tn_expr *var);
/* Where a buffer inside a function lives: in the scratch memory of the call, on the stack of the thread, or there with
 * subscripts that all become constants, so that it is kept in registers; or in memory that the threads of one block share,
 * allocated inside the loops over blocks and outside of those over threads. */
enum tn_scope { TN_GLOBAL, TN_LOCAL, TN_REGISTER, TN_SHARED };
/* The whole form of a buffer. Element A[i...] stands, in elements from the pointer of A, at
 *     offset + sum over k of strides[k] * m[k],    m = layout(i...), or i... without a layout.
 * Zeros are the defaults. Expressions are over constants and index parameters, those of an alloc constants. */
typedef struct tn_buffer_desc {
  size_t struct_size; /* sizeof(tn_buffer_desc) */
  tn_type type;
  int32_t rank;
  const tn_expr *const *shape; /* rank */
  const tn_expr *const
      *strides;          /* one for each dimension of the memory; NULL: row-major. Of a parameter, they are those of
                                    the tensor; a parameter that is written must not have two elements in one place */
  const tn_expr *offset; /* of a parameter: the tensor's byte_offset, in elements. NULL: any byte_offset, and the
                                    pointer is that of the first element */
  uint32_t align;        /* bytes that divide the pointer: a power of two up to 4096; 0: those of an element for a
                                    parameter, 64 for an alloc */
  int32_t layout_rank;   /* dimensions of the memory; 0: no layout, they are those of `shape` */
  const tn_expr *const *layout_vars; /* rank variables (tn_var) of the layout alone, which stand for the subscripts */
  const tn_expr *const
      *layout_index; /* layout_rank subscripts: the variables, constants, +, and *, floordiv and floormod
                                         by positive constants. Different elements must get different ones. The memory is
                                         as large as they reach, rounded up where a division does not come out even; what
                                         it holds there is neither read nor written. A tensor has the memory's shape */
  enum tn_scope scope;   /* of an alloc */
} tn_buffer_desc;
TN_API const tn_buffer *tn_param_with(tn_builder *b, const char *name, const tn_buffer_desc *desc);
TN_API const tn_buffer *tn_alloc_with(tn_builder *b, const char *name, const tn_buffer_desc *desc);
/* A buffer that tn_allocate gives its place in the function. */
TN_API const tn_buffer *tn_buffer_with(tn_builder *b, const char *name, const tn_buffer_desc *desc);
/* A buffer inside the function. */
TN_API const tn_buffer *tn_alloc(tn_builder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape);
TN_API const tn_buffer *tn_alloc_symbolic(tn_builder *b, const char *name, tn_type type, int32_t rank,
                                          const tn_expr *const *shape);

/* Expressions. Numbers are rounded or wrapped to the type. */
TN_API const tn_expr *tn_int(tn_builder *b, tn_type type, int64_t value);
TN_API const tn_expr *tn_float(tn_builder *b, tn_type type, double value);
TN_API const tn_expr *tn_op1(tn_builder *b, enum tn_op op, const tn_expr *x);
TN_API const tn_expr *tn_op2(tn_builder *b, enum tn_op op, const tn_expr *x, const tn_expr *y);
TN_API const tn_expr *tn_op3(tn_builder *b, enum tn_op op, const tn_expr *x, const tn_expr *y, const tn_expr *z);
TN_API const tn_expr *tn_cast(tn_builder *b, tn_type type, const tn_expr *x);
TN_API const tn_expr *tn_cast_sat(tn_builder *b, tn_type type, const tn_expr *x);
TN_API const tn_expr *tn_reinterpret(tn_builder *b, tn_type type, const tn_expr *x);
/* buffer[index...]; `where` (bool, may be NULL): 0 and no access where it is false. */
TN_API const tn_expr *tn_load(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *where);
/* A call of an external as a value. Buffers are passed by tn_address. */
TN_API const tn_expr *tn_call(tn_builder *b, const char *external, size_t count, const tn_expr *const *args);
/* The address of a buffer's first element, as TN_POINTER: an argument of calls. */
TN_API const tn_expr *tn_address(tn_builder *b, const tn_buffer *buffer);
TN_API tn_type tn_expr_type(const tn_expr *x);

static inline const tn_expr *tn_index(tn_builder *b, int64_t value) { return tn_int(b, TN_INDEX, value); }
static inline const tn_expr *tn_add(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_op2(b, TN_OP_add, x, y); }
static inline const tn_expr *tn_sub(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_op2(b, TN_OP_sub, x, y); }
static inline const tn_expr *tn_mul(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_op2(b, TN_OP_mul, x, y); }
static inline const tn_expr *tn_div(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_op2(b, TN_OP_div, x, y); }
static inline const tn_expr *tn_min(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_op2(b, TN_OP_min, x, y); }
static inline const tn_expr *tn_max(tn_builder *b, const tn_expr *x, const tn_expr *y) { return tn_op2(b, TN_OP_max, x, y); }

/* ---- definitions in compute style ------------------------------------------------------------------------------ */

/* The reducers: R(enumerator, name, operator, states, meaning). Over nothing the result is the identity, which is given behind
 * the meaning. Steps may be done in any order, with the same result but for the rounding of floating-point sums and products. */
/* clang-format off */
#define TN_REDUCERS(R) \
  R(SUM,     sum,     add,    1, "s + x; integers wrap; 0") \
  R(PRODUCT, product, mul,    1, "s * x; integers wrap; 1") \
  R(MIN,     min,     min,    1, "the smallest, NaN if any is NaN; infinity or the largest of the type") \
  R(MAX,     max,     max,    1, "the largest, NaN if any is NaN; -infinity or the smallest of the type") \
  R(ANY,     any,     or,     1, "is any true? bitwise or of integers; false, 0") \
  R(ALL,     all,     and,    1, "are all true? bitwise and of integers; true, all bits") \
  R(XOR,     xor,     xor,    1, "is their number odd? exclusive or of integers; false, 0") \
  R(ARGMIN,  argmin,  lt,     2, "the smallest and its index; infinity (or the largest) and the largest index") \
  R(ARGMAX,  argmax,  lt,     2, "the largest and its index; -infinity (or the smallest) and the largest index")
/* clang-format on */
enum tn_reducer {
#define TN_REDUCER_ENUM(enumerator, name, op, states, meaning) TN_REDUCE_##enumerator,
  TN_REDUCERS(TN_REDUCER_ENUM)
#undef TN_REDUCER_ENUM
      TN_REDUCE_COUNT
};
enum { TN_MAX_STATES = 8 }; /* of a reduction of the host's own making */

/* An axis of the next definition: ranges over 0..extent. Use each axis in one definition only. */
TN_API const tn_expr *tn_axis(tn_builder *b, const char *name, int64_t extent);
TN_API const tn_expr *tn_axis_symbolic(tn_builder *b, const char *name, const tn_expr *extent);
TN_API const tn_expr *tn_reduce_axis(tn_builder *b, const char *name, int64_t extent);
TN_API const tn_expr *tn_reduce_axis_symbolic(tn_builder *b, const char *name, const tn_expr *extent);

/* out[axes...] = value for all axes: one block, named like the buffer, under one loop per axis. `axes` has the rank of
 * `out`, and each axis must cover that dimension. */
TN_API void tn_compute(tn_builder *b, const tn_buffer *out, const tn_expr *const *axes, const tn_expr *value);
/* out[axes...] = reduce of `value` over `reduce_axes`, from the reducer's identity. A floating-point sum of products
 * mul(x, y) is accumulated by fma: acc = fma(x, y, acc). One block with an init; where a reduce axis may be empty (its extent is
 * 0 or symbolic) the init is a block of its own, so that the result is the identity then. */
TN_API void tn_reduce(tn_builder *b, const tn_buffer *out, const tn_expr *const *axes, size_t reduce_count,
                      const tn_expr *const *reduce_axes, enum tn_reducer reducer, const tn_expr *value);

/* TN_REDUCE_ARGMIN or TN_REDUCE_ARGMAX: best[axes...] is the smallest or largest `value`, at[axes...], of an integer type, where
 * it is: its place in row-major order over the reduce axes, which the type must hold. Of equal values (-0 equals 0) the first
 * counts; NaN is smaller and larger than all numbers, so that the first NaN wins. Both buffers have the same shape. */
TN_API void tn_reduce_arg(tn_builder *b, const tn_buffer *best, const tn_buffer *at, const tn_expr *const *axes,
                          size_t reduce_count, const tn_expr *const *reduce_axes, enum tn_reducer reducer,
                          const tn_expr *value);

/* A reducer of the host's own making: `count` states, each an element of a buffer; all buffers have the same shape. A step
 * changes all states at once: state k becomes next[k], an expression over the variables state[...] (what the states are) and
 * item[...] (what comes to them: value[...], over the axes). All of number k have the type of buffer k. Steps keep their order,
 * unless every state is by itself s = op(s, x) with an operator of a row of TN_REDUCERS. */
typedef struct tn_reducer_desc {
  size_t struct_size; /* sizeof(tn_reducer_desc) */
  size_t count;       /* 1..TN_MAX_STATES; of each array */
  const tn_buffer *const *out;
  const tn_expr *const *identity; /* where the states start */
  const tn_expr *const *state;    /* variables (tn_var) */
  const tn_expr *const *item;     /* variables */
  const tn_expr *const *next;
  const tn_expr *const *value;
} tn_reducer_desc;
TN_API void tn_reduce_custom(tn_builder *b, const tn_reducer_desc *desc, const tn_expr *const *axes,
                             size_t reduce_count, const tn_expr *const *reduce_axes);

/* ---- raw statements -------------------------------------------------------------------------------------------- */

/* A function's body is what tn_compute, tn_reduce and tn_emit appended, in order. */
TN_API void tn_emit(tn_builder *b, const tn_stmt *stmt);
TN_API const tn_expr *tn_var(tn_builder *b, const char *name, tn_type type);
TN_API const tn_stmt *tn_store(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index, const tn_expr *value);
/* The same where `where` (bool, NULL: everywhere) is true. */
TN_API const tn_stmt *tn_store_where(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index,
                                     const tn_expr *value, const tn_expr *where);
/* buffer[index...] = op(buffer[index...], value) as one step: parallel iterations may do it to the same element, in any order,
 * so that a floating-point sum depends on how they run. add, mul, min, max; and, or, xor on integers and bools. */
TN_API const tn_stmt *tn_reduce_store(tn_builder *b, enum tn_op op, const tn_buffer *buffer, const tn_expr *const *index,
                                      const tn_expr *value);
TN_API const tn_stmt *tn_reduce_store_where(tn_builder *b, enum tn_op op, const tn_buffer *buffer,
                                            const tn_expr *const *index, const tn_expr *value, const tn_expr *where);
TN_API const tn_stmt *tn_seq(tn_builder *b, size_t count, const tn_stmt *const *stmts);
TN_API const tn_stmt *tn_if(tn_builder *b, const tn_expr *condition, const tn_stmt *then, const tn_stmt *otherwise);
/* for var in 0..extent */
TN_API const tn_stmt *tn_for(tn_builder *b, const tn_expr *var, const tn_expr *extent, const tn_stmt *body);
/* The same run by the threads, as the lanes of a vector, written out, or in order by a function of the compiled code, which equal
 * loops share (outlined); or as an axis of a GPU's grid: blocks, which run in any order or at the same time, or the threads of
 * one block. Loops over threads have constant extents and stand alone or in loops over blocks; around a statement is at most one
 * loop of an axis. On a CPU the blocks run in parallel, and the threads of each in order, one after the other, from barrier to
 * barrier. */
enum tn_loop_kind {
  TN_SERIAL,
  TN_PARALLEL,
  TN_VECTORIZED,
  TN_UNROLLED,
  TN_OUTLINED,
  TN_BLOCK_X,
  TN_BLOCK_Y,
  TN_BLOCK_Z,
  TN_THREAD_X,
  TN_THREAD_Y,
  TN_THREAD_Z
};
TN_API const tn_stmt *tn_for_kind(tn_builder *b, enum tn_loop_kind kind, const tn_expr *var, const tn_expr *extent,
                                  const tn_stmt *body);
/* Parts what the threads of a block do: all that stands before it is done, by every iteration of the loops over threads around
 * it, before any of them begins with what is behind it. `scope` says of which memory the threads then see what the others wrote:
 * TN_SHARED, or TN_GLOBAL for all. All of the threads reach it or none: it stands under no condition, and in no loop, that is
 * not the same for all of them, and in no block. */
TN_API const tn_stmt *tn_barrier(tn_builder *b, enum tn_scope scope);
/* to[index...] = from, where `where` (bool, NULL: everywhere) is true, at some time until the thread waits for it; `from` is a
 * tn_load, which may have a condition of its own. Until then nobody reads or writes the element of `to`, or writes that of `from`.
 * A thread is an iteration of the loops around that are parallel or bound. */
TN_API const tn_stmt *tn_copy(tn_builder *b, const tn_buffer *to, const tn_expr *const *index, const tn_expr *from,
                              const tn_expr *where);
/* The copies that the thread started since its last commit are a group. */
TN_API const tn_stmt *tn_commit(tn_builder *b);
/* Waits for all groups of the thread but the last `pending` ones, which is not negative. The end of a thread waits for all
 * copies, the end of a buffer for those that touch it. */
TN_API const tn_stmt *tn_wait(tn_builder *b, int64_t pending);
/* Asks for the cache line of buffer[index...], which changes no result: the subscripts, which read no memory, may be outside. */
TN_API const tn_stmt *tn_prefetch_line(tn_builder *b, const tn_buffer *buffer, const tn_expr *const *index);
/* The buffer (tn_buffer_with) exists in `body`. */
TN_API const tn_stmt *tn_allocate(tn_builder *b, const tn_buffer *buffer, const tn_stmt *body);
/* The condition is evaluated before each run of the body, which goes on until it is false. Nobody counts the runs: a program
 * that never makes it false hangs its caller, in the interpreter as in compiled code. */
TN_API const tn_stmt *tn_while(tn_builder *b, const tn_expr *condition, const tn_stmt *body);
/* let var = value: the variable (tn_var) stands for the value in `body`. It is evaluated once, before the body: a load's
 * value stays what it was. Numbers, bools and index. */
TN_API const tn_stmt *tn_let(tn_builder *b, const tn_expr *var, const tn_expr *value, const tn_stmt *body);
/* Where the condition is false the function ends before `body`, and its caller receives TN_E_INVALID with the message; what the
 * function wrote until then stays written. */
TN_API const tn_stmt *tn_assert(tn_builder *b, const tn_expr *condition, const char *message, const tn_stmt *body);
/* A promise that the condition is true before `body`, for the verifier and the passes to use. Where it is false, what the compiled
 * function does is not defined: guards that follow from it are left away. The interpreter checks it, and fails. */
TN_API const tn_stmt *tn_assume(tn_builder *b, const tn_expr *condition, const tn_stmt *body);
/* An external called for its effect. */
TN_API const tn_stmt *tn_evaluate(tn_builder *b, const tn_expr *call);
/* A block with iterators: vars[i] ranges over 0..extents[i] and is bound to bindings[i]; reduce[i] tells reduce from
 * spatial. `where` and `init` may be NULL. */
TN_API const tn_stmt *tn_block(tn_builder *b, const char *name, size_t count, const tn_expr *const *vars,
                               const tn_expr *const *extents, const uint8_t *reduce, const tn_expr *const *bindings,
                               const tn_expr *where, const tn_stmt *init, const tn_stmt *body);

/* The loop or block with one more hint, `key = value` (the key a name, each once; the text not empty). Hints have no meaning:
 * rewrites keep them, and passes and tools may read them. */
TN_API const tn_stmt *tn_annotate(tn_builder *b, const tn_stmt *stmt, const char *key, int64_t value);
TN_API const tn_stmt *tn_annotate_text(tn_builder *b, const tn_stmt *stmt, const char *key, const char *text);

#ifdef __cplusplus
}
#endif
#endif
