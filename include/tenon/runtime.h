/* tenon/runtime.h -- element types, tensors, values of packed calls, the environment that kernels run in.
 *
 * Tensors cross the API as DLTensor (dlpack.h): no copy, no own format. tn_tensor is an owner for those who have none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_RUNTIME_H
#define TENON_RUNTIME_H

#include "base.h"
#include "dlpack.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types ----------------------------------------------------------------------------------------------------- */

/* An element type: code, bits and lanes in the bytes of a DLDataType (little-endian). Codes are DLPack's and two more. */
typedef uint32_t tn_type;

enum { TN_CODE_INDEX = 200, TN_CODE_VOID = 201 };

#define TN_TYPE(code, bits, lanes) ((tn_type)(code) | (tn_type)(bits) << 8 | (tn_type)(lanes) << 16)
#define TN_TYPE_CODE(type) ((type)&0xffu)
#define TN_TYPE_BITS(type) ((type) >> 8 & 0xffu)
#define TN_TYPE_LANES(type) ((type) >> 16)
#define TN_TYPE_WITH_LANES(type, lanes) (((type)&0xffffu) | (tn_type)(lanes) << 16)

#define TN_BOOL TN_TYPE(kDLBool, 8, 1)
/* Integers of 2 and 4 bits: in memory four or two to a byte, the first in the low bits; in a C signature an int8_t or uint8_t. */
#define TN_I2 TN_TYPE(kDLInt, 2, 1)
#define TN_U2 TN_TYPE(kDLUInt, 2, 1)
#define TN_I4 TN_TYPE(kDLInt, 4, 1)
#define TN_U4 TN_TYPE(kDLUInt, 4, 1)
#define TN_I8 TN_TYPE(kDLInt, 8, 1)
#define TN_I16 TN_TYPE(kDLInt, 16, 1)
#define TN_I32 TN_TYPE(kDLInt, 32, 1)
#define TN_I64 TN_TYPE(kDLInt, 64, 1)
#define TN_U8 TN_TYPE(kDLUInt, 8, 1)
#define TN_U16 TN_TYPE(kDLUInt, 16, 1)
#define TN_U32 TN_TYPE(kDLUInt, 32, 1)
#define TN_U64 TN_TYPE(kDLUInt, 64, 1)
#define TN_F16 TN_TYPE(kDLFloat, 16, 1)
#define TN_F32 TN_TYPE(kDLFloat, 32, 1)
#define TN_F64 TN_TYPE(kDLFloat, 64, 1)
#define TN_BF16 TN_TYPE(kDLBfloat, 16, 1)
/* 8-bit floats: 4 exponent bits (ONNX: FLOAT8E4M3FN; no infinity, largest 448) or 5 (FLOAT8E5M2, as IEEE 754); UZ: the
 * twins whose one zero is unsigned (ONNX: ...FNUZ; no infinity, the pattern of -0 is the NaN). */
#define TN_F8E4M3 TN_TYPE(kDLFloat8_e4m3fn, 8, 1)
#define TN_F8E5M2 TN_TYPE(kDLFloat8_e5m2, 8, 1)
#define TN_F8E4M3UZ TN_TYPE(kDLFloat8_e4m3fnuz, 8, 1)
#define TN_F8E5M2UZ TN_TYPE(kDLFloat8_e5m2fnuz, 8, 1)
/* Microscaling formats. 4 bits: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, in memory as the integers of 4 bits. E8M0:
 * powers of two, 2^-127 to 2^127, or NaN; for scales, which are stored and cast, not computed with. */
#define TN_F4E2M1 TN_TYPE(kDLFloat4_e2m1fn, 4, 1)
#define TN_F8E8M0 TN_TYPE(kDLFloat8_e8m0fnu, 8, 1)
/* A mathematical integer (loop variables, extents, subscripts): 64 bits wide where it meets memory. */
#define TN_INDEX TN_TYPE(TN_CODE_INDEX, 64, 1)
#define TN_POINTER TN_TYPE(kDLOpaqueHandle, 64, 1)
#define TN_VOID TN_TYPE(TN_CODE_VOID, 0, 1)

enum { TN_MAX_RANK = 8 };

/* "f32", "i8x16", "index"; "?" when it is no type. `text` has room for 16 bytes and is returned. */
TN_API const char *tn_type_text(tn_type type, char text[16]);
/* Bytes that one element by itself takes, all lanes; 0 for void. This is also how it is aligned. Elements of less than 8
 * bits share bytes: several take what tn_array_bytes says. */
TN_API size_t tn_type_bytes(tn_type type);
/* Bytes of `count` elements in a row: count * bits / 8, rounded up; SIZE_MAX when that is more than PTRDIFF_MAX or `count`
 * is negative. */
TN_API size_t tn_array_bytes(tn_type type, int64_t count);
TN_API DLDataType tn_type_to_dlpack(tn_type type);
TN_API tn_type tn_type_from_dlpack(DLDataType type);

/* ---- tensors --------------------------------------------------------------------------------------------------- */

/* A tensor on the CPU that owns its memory: compact row-major, 64-byte aligned. Contents start as zeros. */
typedef struct tn_tensor tn_tensor;

/* `rank` 0..TN_MAX_RANK, `shape` >= 0 each. Errors: TN_E_INVALID, TN_E_LIMIT (tensor_bytes), TN_E_NOMEM. */
TN_API tn_status tn_tensor_create(tn_context *context, tn_type type, int32_t rank, const int64_t *shape, tn_tensor **out,
                                  tn_error **err);
/* Takes over a DLPack tensor: its deleter is called by tn_tensor_destroy, also when this function fails. Refuses another
 * major version, other devices than the CPU, lanes other than 1, negative shapes and sizes that overflow. */
TN_API tn_status tn_tensor_from_dlpack(tn_context *context, DLManagedTensorVersioned *managed, tn_tensor **out,
                                       tn_error **err);
/* Gives the tensor away: `tensor` ceases to exist, its memory is freed by the deleter of *out. The context must outlive
 * it. Errors: TN_E_NOMEM (`tensor` is as it was). */
TN_API tn_status tn_tensor_to_dlpack(tn_tensor *tensor, DLManagedTensorVersioned **out, tn_error **err);
/* A view that lives as long as the tensor. */
TN_API DLTensor *tn_tensor_view(tn_tensor *tensor);
TN_API void *tn_tensor_data(tn_tensor *tensor);
TN_API void tn_tensor_destroy(tn_tensor *tensor);
/* Elements of a tensor: the product of its shape; 1 for rank 0; -1 when a size is negative or the product overflows. */
TN_API int64_t tn_dltensor_numel(const DLTensor *tensor);

/* ---- items: what models take and give ---------------------------------------------------------------------------- */

/* A tensor; a sequence of tensors of one element type; an optional that holds nothing (one that holds something is
 * that). Of an input or output as a model describes it, OPTIONAL is any of these. */
enum { TN_ITEM_TENSOR = 0, TN_ITEM_SEQUENCE = 1, TN_ITEM_OPTIONAL = 2 };

typedef struct tn_item {
  int32_t kind;
  tn_type type; /* of a sequence's elements; 0: that of its tensors. Of others it is not looked at, and given as 0 */
  size_t count; /* tensors: one of a tensor, any number of a sequence, none of nothing */
  const DLTensor *const *tensors; /* of the host's items: NULL, and NULL in it, are refused where a tensor is wanted */
} tn_item;

/* What a call gives: owns the items and their tensors, compact ones on the CPU. Immutable: any number of threads may
 * read them. The context must outlive them. */
typedef struct tn_items tn_items;
/* 0 of NULL. */
TN_API size_t tn_items_count(const tn_items *items);
/* Lives as long as the items, and so do its tensors; NULL when i is past the last. */
TN_API const tn_item *tn_items_at(const tn_items *items, size_t i);
TN_API void tn_items_destroy(tn_items *items); /* NULL is fine */

/* ---- values of packed calls ------------------------------------------------------------------------------------ */

enum { TN_VALUE_NONE = 0, TN_VALUE_INT = 1, TN_VALUE_FLOAT = 2, TN_VALUE_POINTER = 3, TN_VALUE_TENSOR = 4 };

/* One argument or result of a packed call: a tag and 8 bytes. */
typedef struct tn_value {
  int32_t tag;
  int32_t reserved; /* 0 */
  union {
    int64_t i;
    double f;
    void *pointer;
    const DLTensor *tensor;
  } as;
} tn_value;

static inline tn_value tn_value_int(int64_t i) {
  tn_value v = {TN_VALUE_INT, 0, {0}};
  v.as.i = i;
  return v;
}
static inline tn_value tn_value_float(double f) {
  tn_value v = {TN_VALUE_FLOAT, 0, {0}};
  v.as.f = f;
  return v;
}
static inline tn_value tn_value_pointer(void *pointer) {
  tn_value v = {TN_VALUE_POINTER, 0, {0}};
  v.as.pointer = pointer;
  return v;
}
static inline tn_value tn_value_tensor(const DLTensor *tensor) {
  tn_value v = {TN_VALUE_TENSOR, 0, {0}};
  v.as.tensor = tensor;
  return v;
}

/* ---- the environment of kernels -------------------------------------------------------------------------------- */

/* Kernels import nothing: what they need of the host comes through this table, their first argument. Made by Tenon
 * (tn_function_env); a host passes it on and does not fill it. Immutable; one serves any number of threads. */
typedef struct tn_env tn_env;
struct tn_env {
  size_t struct_size;
  void *self;
  /* Runs body over 0..count in ranges; 0 or the first failing status. */
  int32_t (*parallel_for)(const tn_env *env, int32_t (*body)(const tn_env *env, void *closure, int64_t begin, int64_t end),
                          void *closure, int64_t count, int64_t grain);
  /* 64-byte aligned memory for the length of a call, or NULL. Released in reverse order, on the same thread. */
  void *(*scratch)(const tn_env *env, size_t bytes);
  void (*release)(const tn_env *env, void *block);
  /* Calls external number `index` of the module with `count` values; *result receives what it returned. */
  int32_t (*call_external)(const tn_env *env, int32_t index, const tn_value *args, int32_t count, tn_value *result);
  /* Notes that an assertion failed, "function: message"; the status that the kernel then ends with. The text lives as long as the
   * code. */
  int32_t (*assertion)(const tn_env *env, const char *text);
};

#ifdef __cplusplus
}
#endif
#endif
