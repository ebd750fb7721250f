/* call.c -- tagged values to C signatures and back, through libffi.
 *
 * libffi is the general layer: any signature of our types. A prepared signature (tni_caller) is made once and used by
 * any number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ffi.h>

#include "jit.h"

enum { MAX_PARAMS = 256 };

struct tni_caller {
  tn_context *ctx;
  ffi_cif cif;
  tn_type result;
  size_t count;
  tn_type *params;
  ffi_type **types; /* count + 1: `first`, then the parameters */
};

/* One argument in memory as its C type. */
typedef union slot {
  uint8_t u8;
  int8_t i8;
  uint16_t u16;
  int16_t i16;
  uint32_t u32;
  int32_t i32;
  uint64_t u64;
  int64_t i64;
  float f32;
  double f64;
  void *pointer;
  ffi_arg word; /* what libffi returns small integers in */
  ffi_sarg signed_word;
} slot;

/* ---- types ----------------------------------------------------------------------------------------------------- */

static ffi_type *int_type(tn_type type) {
  bool is_signed = tni_type_is_signed(type);
  switch (TN_TYPE_BITS(type)) {
  case 2:
  case 4:
  case 8: return is_signed ? &ffi_type_sint8 : &ffi_type_uint8;
  case 16: return is_signed ? &ffi_type_sint16 : &ffi_type_uint16;
  case 32: return is_signed ? &ffi_type_sint32 : &ffi_type_uint32;
  default: return is_signed ? &ffi_type_sint64 : &ffi_type_uint64;
  }
}

/* Floats that C lacks pass as the unsigned integers of their size. NULL: no type of a signature. */
static ffi_type *float_type(tn_type type) { return TN_TYPE_BITS(type) == 32 ? &ffi_type_float : &ffi_type_double; }

static ffi_type *c_type(tn_type type) {
  if (!tni_type_is_valid(type) && type != TN_VOID) return NULL;
  if (type != TN_VOID && TN_TYPE_LANES(type) != 1) return NULL;
  switch (TN_TYPE_CODE(type)) {
  case TN_CODE_VOID: return &ffi_type_void;
  case kDLOpaqueHandle: return &ffi_type_pointer;
  case kDLBool: return &ffi_type_uint8;
  default: return tni_type_is_float(type) && TN_TYPE_BITS(type) >= 32 ? float_type(type) : int_type(type);
  }
}

static bool prepare(tni_caller *c) {
  ffi_type *result = c_type(c->result);
  c->types[0] = &ffi_type_pointer;
  for (size_t i = 0; i < c->count; i++) {
    c->types[i + 1] = c->params[i] == TN_VOID ? NULL : c_type(c->params[i]);
    if (!c->types[i + 1]) return false;
  }
  return result && ffi_prep_cif(&c->cif, FFI_DEFAULT_ABI, (unsigned)c->count + 1, result, c->types) == FFI_OK;
}

/* ---- arguments ------------------------------------------------------------------------------------------------- */

static bool int_fits(tn_type type, int64_t value) {
  if (TN_TYPE_CODE(type) == kDLBool) return value == 0 || value == 1;
  return tni_wrap(type, value) == value;
}

static void put_int(tn_type type, int64_t value, slot *out) {
  switch (TN_TYPE_BITS(type)) {
  case 2:
  case 4:
  case 8: out->u8 = (uint8_t)value; break;
  case 16: out->u16 = (uint16_t)value; break;
  case 32: out->u32 = (uint32_t)value; break;
  default: out->u64 = (uint64_t)value; break;
  }
}

static void put_float(tn_type type, double value, slot *out) {
  switch (TN_TYPE_BITS(type)) {
  case 64: out->f64 = value; break;
  case 32: out->f32 = (float)value; break;
  default: put_int(type, (int64_t)tni_float_to_bits(type, value), out); break;
  }
}

/* The value as a parameter of that type; else what was expected. */
static const char *put_argument(tn_type type, const tn_value *value, slot *out) {
  if (TN_TYPE_CODE(type) == kDLOpaqueHandle) {
    if (value->tag != TN_VALUE_POINTER && value->tag != TN_VALUE_TENSOR) return "a pointer or a tensor";
    out->pointer = value->tag == TN_VALUE_TENSOR ? tni_tensor_pointer(value->as.tensor) : value->as.pointer;
    return NULL;
  }
  if (tni_type_is_float(type)) {
    if (value->tag != TN_VALUE_FLOAT && value->tag != TN_VALUE_INT) return "a number";
    put_float(type, value->tag == TN_VALUE_INT ? (double)value->as.i : value->as.f, out);
    return NULL;
  }
  if (value->tag != TN_VALUE_INT) return "an integer";
  if (!int_fits(type, value->as.i)) return "an integer in range";
  put_int(type, value->as.i, out);
  return NULL;
}

/* ---- results --------------------------------------------------------------------------------------------------- */

/* libffi widens integers that are smaller than a register. */
static tn_value take_result(tn_type type, const slot *r) {
  if (TN_TYPE_CODE(type) == TN_CODE_VOID) return (tn_value){.tag = TN_VALUE_NONE};
  if (TN_TYPE_CODE(type) == kDLOpaqueHandle) return tn_value_pointer(r->pointer);
  if (tni_type_is_float(type)) {
    switch (TN_TYPE_BITS(type)) {
    case 64: return tn_value_float(r->f64);
    case 32: return tn_value_float(r->f32);
    case 16: return tn_value_float(tni_float_from_bits(type, (uint16_t)r->word));
    default: return tn_value_float(tni_float_from_bits(type, (uint8_t)r->word));
    }
  }
  int64_t value = TN_TYPE_BITS(type) == 64 ? r->i64 : (int64_t)r->word;
  if (TN_TYPE_CODE(type) == kDLBool) return tn_value_int((value & 0xff) != 0);
  return tn_value_int(tni_wrap(type, value));
}

/* ---- callers --------------------------------------------------------------------------------------------------- */

tn_status tni_caller_create(tn_context *ctx, tn_type result, size_t count, const tn_type *params, tni_caller **out,
                            tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  if (count > MAX_PARAMS) {
    return tni_fail(ctx, err, TN_E_LIMIT, "call", NULL, "a signature of more than %d parameters", MAX_PARAMS);
  }
  tni_caller *c = tni_alloc_zero(ctx, sizeof *c);
  if (!c) return tni_fail_nomem(err);
  c->ctx = ctx;
  c->result = result;
  c->count = count;
  c->params = tni_alloc(ctx, (count + 1) * sizeof *c->params);
  c->types = tni_alloc(ctx, (count + 1) * sizeof *c->types);
  tn_status status = TN_OK;
  if (!c->params || !c->types) {
    status = tni_fail_nomem(err);
  } else {
    if (count) memcpy(c->params, params, count * sizeof *params);
    if (!prepare(c))
      status = tni_fail(ctx, err, TN_E_INVALID, "call", NULL, "a signature with a type that C calls cannot pass");
  }
  if (status == TN_OK) {
    *out = c;
  } else {
    tni_caller_destroy(c);
  }
  return status;
}

void tni_caller_destroy(tni_caller *caller) {
  if (!caller) return;
  tni_free(caller->ctx, caller->params, (caller->count + 1) * sizeof *caller->params);
  tni_free(caller->ctx, caller->types, (caller->count + 1) * sizeof *caller->types);
  tni_free(caller->ctx, caller, sizeof *caller);
}

tn_status tni_caller_call(const tni_caller *caller, const char *what, void (*function)(void), void *first,
                          const tn_value *args, size_t count, tn_value *result, tn_error **err) {
  slot slots[MAX_PARAMS], returned = {0};
  void *values[MAX_PARAMS + 1];
  if (err) *err = NULL;
  *result = (tn_value){.tag = TN_VALUE_NONE};
  if (count != caller->count) {
    return tni_fail(caller->ctx, err, TN_E_INVALID, "call", what, "%zu arguments given, %zu expected", count,
                    caller->count);
  }
  values[0] = &first;
  for (size_t i = 0; i < count; i++) {
    char text[16];
    const char *expected = put_argument(caller->params[i], &args[i], &slots[i]);
    if (expected) {
      return tni_fail(caller->ctx, err, TN_E_INVALID, "call", what, "argument %zu: %s of type %s was expected", i,
                      expected, tn_type_text(caller->params[i], text));
    }
    values[i + 1] = &slots[i];
  }
  ffi_call((ffi_cif *)&caller->cif, function, &returned, values);
  *result = take_result(caller->result, &returned);
  return TN_OK;
}

/* ---- externals ------------------------------------------------------------------------------------------------- */

tn_status tni_call_extern(tn_context *ctx, const tni_extern *external, const tn_value *args, size_t count,
                          tn_value *result, tn_error **err) {
  tni_caller *caller;
  *result = (tn_value){.tag = TN_VALUE_NONE};
  if (err) *err = NULL;
  if (!external->function) {
    return tni_fail(ctx, err, TN_E_INVALID, "call", external->name, "the external function is declared, but not bound");
  }
  tn_status status = tni_caller_create(ctx, external->result, external->param_count, external->params, &caller, err);
  if (status != TN_OK) return status;
  status = tni_caller_call(caller, external->name, external->function, external->self, args, count, result, err);
  tni_caller_destroy(caller);
  if (status != TN_OK || external->result != TN_I32 || result->as.i == TN_OK) return status;
  return tni_fail(ctx, err, TN_E_HOST, "call", external->name, "the host's function failed with status %d",
                  (int)result->as.i);
}

tn_status tn_func_interpret(const tn_func *func, const tn_value *args, size_t count, tn_error **err) {
  return tni_interpret_with(func, args, count, &(tni_interpretation){.call = tni_call_extern}, err);
}
