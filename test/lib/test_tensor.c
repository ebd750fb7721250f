/* test_tensor.c -- element types, tensors, DLPack in and out, the check of arguments.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "fault.h"

/* ---- types ------------------------------------------------------------------------------------------------------- */

START_TEST(type_names_round_trip)
{
  const tn_type types[] = {TN_BOOL, TN_I2,     TN_U2,     TN_I4,       TN_U4,       TN_I8,    TN_I16,    TN_I32,
                           TN_I64,  TN_U8,     TN_U16,    TN_U32,      TN_U64,      TN_F16,   TN_F32,    TN_F64,
                           TN_BF16, TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ, TN_INDEX, TN_POINTER};
  const uint32_t lanes[] = {1, 2, 16, 65535};
  for (size_t i = 0; i < TNI_COUNT(types); i++)
    for (size_t j = 0; j < TNI_COUNT(lanes); j++) {
      char text[16];
      tn_type type = TN_TYPE_WITH_LANES(types[i], lanes[j]);
      tn_type_text(type, text);
      ck_assert_uint_eq(tni_type_parse(text, strlen(text)), type);
      ck_assert(tni_type_is_valid(type));
    }
}
END_TEST

START_TEST(type_text_and_size_are_those_of_the_manual)
{
  char text[16];
  ck_assert_str_eq(tn_type_text(TN_F32, text), "f32");
  ck_assert_str_eq(tn_type_text(TN_TYPE_WITH_LANES(TN_I8, 16), text), "i8x16");
  ck_assert_str_eq(tn_type_text(TN_INDEX, text), "index");
  ck_assert_str_eq(tn_type_text(TN_VOID, text), "void");
  ck_assert_str_eq(tn_type_text(TN_TYPE(kDLFloat, 24, 1), text), "?");
  ck_assert_str_eq(tn_type_text(0, text), "?");
  ck_assert_uint_eq(tn_type_bytes(TN_BOOL), 1);
  ck_assert_uint_eq(tn_type_bytes(TN_TYPE_WITH_LANES(TN_F64, 4)), 32);
  ck_assert_uint_eq(tn_type_bytes(TN_VOID), 0);
  ck_assert_uint_eq(tn_type_bytes(TN_I4), 1);
  ck_assert_uint_eq(tn_type_bytes(TN_TYPE_WITH_LANES(TN_U4, 9)), 5);
}
END_TEST

START_TEST(elements_in_a_row_share_bytes)
{
  for (int64_t n = 0; n < 40; n++) {
    ck_assert_uint_eq(tn_array_bytes(TN_I4, n), (size_t)(n + 1) / 2);
    ck_assert_uint_eq(tn_array_bytes(TN_U2, n), (size_t)(n + 3) / 4);
    ck_assert_uint_eq(tn_array_bytes(TN_F32, n), 4 * (size_t)n);
    ck_assert_uint_eq(tn_array_bytes(TN_TYPE_WITH_LANES(TN_U4, 3), n), (size_t)(3 * n + 1) / 2);
  }
  ck_assert_uint_eq(tn_array_bytes(TN_U4, INT64_MAX), (size_t)1 << 62);
  ck_assert_uint_eq(tn_array_bytes(TN_U8, INT64_MAX), INT64_MAX);
  ck_assert_uint_eq(tn_array_bytes(TN_F16, INT64_MAX / 2 + 1), SIZE_MAX);
  ck_assert_uint_eq(tn_array_bytes(TN_F64, INT64_MAX), SIZE_MAX);
  ck_assert_uint_eq(tn_array_bytes(TN_U8, -1), SIZE_MAX);
}
END_TEST

START_TEST(packed_tensors_are_as_long_as_their_elements)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_tensor *tensor;
  DLManagedTensorVersioned *managed;
  ck_assert_int_eq(tn_tensor_create(ctx, TN_I4, 2, (int64_t[]){3, 5}, &tensor, NULL), TN_OK);
  ck_assert_mem_eq(tn_tensor_data(tensor), (uint8_t[8]){0}, 8);
  ck_assert_int_eq(tn_tensor_view(tensor)->dtype.bits, 4);
  ck_assert_int_eq(tn_tensor_view(tensor)->strides[0], 5);
  ck_assert_int_eq(tn_tensor_to_dlpack(tensor, &managed, NULL), TN_OK);
  ck_assert_int_eq(tn_tensor_from_dlpack(ctx, managed, &tensor, NULL), TN_OK);
  tn_tensor_destroy(tensor);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(what_is_no_type_does_not_parse)
{
  const char *const texts[] = {"",       "f",         "f33",     "f32x", "f32x0", "f32x1",
                               "f32x01", "f32x65536", "f32x4x4", "f32 ", "voidx4"};
  for (size_t i = 0; i < TNI_COUNT(texts); i++) ck_assert_uint_eq(tni_type_parse(texts[i], strlen(texts[i])), 0);
  ck_assert_uint_eq(tni_type_parse("f32xyz", 3), TN_F32);
}
END_TEST

START_TEST(types_have_their_classes)
{
  ck_assert(tni_type_is_float(TN_BF16) && !tni_type_is_float(TN_I32) &&
            tni_type_is_float(TN_TYPE_WITH_LANES(TN_F32, 8)));
  ck_assert(tni_type_is_int(TN_U8) && !tni_type_is_int(TN_BOOL) && !tni_type_is_int(TN_INDEX));
  ck_assert(tni_type_is_signed(TN_I8) && tni_type_is_signed(TN_INDEX) && !tni_type_is_signed(TN_U64));
  ck_assert(!tni_type_is_valid(TN_TYPE_WITH_LANES(TN_F32, 0)) && !tni_type_is_valid(TN_TYPE_WITH_LANES(TN_VOID, 2)));
}
END_TEST

START_TEST(type_survives_dlpack)
{
  DLDataType type = tn_type_to_dlpack(TN_BF16);
  ck_assert_uint_eq(type.code, kDLBfloat);
  ck_assert_uint_eq(type.bits, 16);
  ck_assert_uint_eq(tn_type_from_dlpack(type), TN_BF16);
}
END_TEST

/* ---- owners ------------------------------------------------------------------------------------------------------ */

START_TEST(new_tensor_is_zero_compact_and_aligned)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_tensor *tensor;
  ck_assert_int_eq(tn_tensor_create(ctx, TN_I32, 3, (int64_t[]){2, 3, 4}, &tensor, NULL), TN_OK);
  DLTensor *view = tn_tensor_view(tensor);
  ck_assert_int_eq(tn_dltensor_numel(view), 24);
  ck_assert_int_eq(view->strides[0], 12);
  ck_assert_int_eq(view->strides[2], 1);
  ck_assert_uint_eq((uintptr_t)tn_tensor_data(tensor) % 64, 0);
  for (int i = 0; i < 24; i++) ck_assert_int_eq(((int32_t *)tn_tensor_data(tensor))[i], 0);
  tn_tensor_destroy(tensor);
  tn_tensor_destroy(NULL);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(scalar_has_one_element_and_empty_none)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_tensor *tensor;
  ck_assert_int_eq(tn_tensor_create(ctx, TN_F32, 0, NULL, &tensor, NULL), TN_OK);
  ck_assert_int_eq(tn_dltensor_numel(tn_tensor_view(tensor)), 1);
  tn_tensor_destroy(tensor);
  ck_assert_int_eq(tn_tensor_create(ctx, TN_F32, 3, (int64_t[]){INT64_MAX, INT64_MAX, 0}, &tensor, NULL), TN_OK);
  ck_assert_int_eq(tn_dltensor_numel(tn_tensor_view(tensor)), 0);
  ck_assert_ptr_null(tn_tensor_data(tensor));
  tn_tensor_destroy(tensor);
  fault_finish(&f, ctx);
}
END_TEST

static void expect_refusal(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape, tn_status status,
                           const char *want) {
  tn_tensor *tensor;
  tn_error *err;
  ck_assert_int_eq(tn_tensor_create(ctx, type, rank, shape, &tensor, &err), status);
  ck_assert_ptr_null(tensor);
  ck_assert_int_eq(tn_error_status(err), status);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
}

START_TEST(impossible_tensors_are_refused)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  int64_t shape[TN_MAX_RANK + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  static const char large[] = "tensor: shape: the tensor is larger than the limit of 2147483648 bytes";
  expect_refusal(ctx, TN_INDEX, 1, shape, TN_E_INVALID, "tensor: type: index is no element type");
  expect_refusal(ctx, TN_TYPE_WITH_LANES(TN_F32, 4), 1, shape, TN_E_INVALID, "tensor: type: f32x4 is no element type");
  expect_refusal(ctx, TN_F32, TN_MAX_RANK + 1, shape, TN_E_INVALID, "tensor: rank: 9 is not in 0..8");
  expect_refusal(ctx, TN_F32, -1, shape, TN_E_INVALID, "tensor: rank: -1 is not in 0..8");
  expect_refusal(ctx, TN_F32, 1, NULL, TN_E_INVALID, "tensor: shape: is NULL");
  expect_refusal(ctx, TN_F32, 1, (int64_t[]){-1}, TN_E_INVALID, "tensor: shape: size -1 of dimension 0 is negative");
  expect_refusal(ctx, TN_F32, 2, (int64_t[]){INT64_MAX, 2}, TN_E_LIMIT, large);
  expect_refusal(ctx, TN_F64, 1, (int64_t[]){INT64_MAX / 4}, TN_E_LIMIT, large);
  expect_refusal(ctx, TN_U8, 1, (int64_t[]){((int64_t)2 << 30) + 1}, TN_E_LIMIT, large);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(numel_of_a_broken_shape_is_minus_one)
{
  int64_t negative[] = {2, -1}, huge[] = {INT64_MAX, 3};
  ck_assert_int_eq(tn_dltensor_numel(&(DLTensor){.ndim = 2, .shape = negative}), -1);
  ck_assert_int_eq(tn_dltensor_numel(&(DLTensor){.ndim = 2, .shape = huge}), -1);
  ck_assert_int_eq(tn_dltensor_numel(&(DLTensor){.ndim = 1}), -1);
  ck_assert_int_eq(tn_dltensor_numel(NULL), -1);
}
END_TEST

/* ---- DLPack ------------------------------------------------------------------------------------------------------ */

static int deleted;
static void count_deleted(DLManagedTensorVersioned *self) {
  ck_assert_ptr_nonnull(self);
  deleted++;
}

static float numbers[6] = {1, 2, 3, 4, 5, 6};
static int64_t shape23[] = {2, 3}, strides31[] = {3, 1};

static DLManagedTensorVersioned sound(void) {
  return (DLManagedTensorVersioned){
      .version = {1, 1},
      .deleter = count_deleted,
      .dl_tensor = {.data = numbers, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape23}};
}

START_TEST(dlpack_tensor_is_taken_over_without_a_copy)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  DLManagedTensorVersioned managed = sound();
  tn_tensor *tensor;
  managed.dl_tensor.byte_offset = 4;
  managed.dl_tensor.shape[0] = 1;
  ck_assert_int_eq(tn_tensor_from_dlpack(ctx, &managed, &tensor, NULL), TN_OK);
  ck_assert_ptr_eq(tn_tensor_data(tensor), numbers + 1);
  ck_assert_int_eq(tn_dltensor_numel(tn_tensor_view(tensor)), 3);
  ck_assert_int_eq(deleted, 0);
  tn_tensor_destroy(tensor);
  ck_assert_int_eq(deleted, 1);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(dlpack_without_a_deleter_is_fine)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  DLManagedTensorVersioned managed = sound();
  tn_tensor *tensor;
  managed.deleter = NULL;
  managed.version.minor = 9; /* a later minor version adds only what we do not read */
  ck_assert_int_eq(tn_tensor_from_dlpack(ctx, &managed, &tensor, NULL), TN_OK);
  tn_tensor_destroy(tensor);
  fault_finish(&f, ctx);
}
END_TEST

static void expect_dlpack_refusal(tn_context *ctx, DLManagedTensorVersioned managed, tn_status status,
                                  const char *why) {
  tn_tensor *tensor;
  tn_error *err;
  int before = deleted;
  ck_assert_int_eq(tn_tensor_from_dlpack(ctx, &managed, &tensor, &err), status);
  ck_assert_ptr_null(tensor);
  ck_assert_int_eq(deleted, before + 1);
  ck_assert_str_eq(tn_error_place(err), "DLPack");
  ck_assert_str_eq(tn_error_reason(err), why);
  tn_error_destroy(err);
}

START_TEST(dlpack_of_other_kinds_is_refused_and_deleted)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  int64_t negative[] = {2, -3}, huge[] = {INT64_MAX, INT64_MAX}, wide[] = {INT64_MAX / 2};
  DLManagedTensorVersioned m;
#define REFUSE(change, status, why) (m = sound(), change, expect_dlpack_refusal(ctx, m, status, why))
  REFUSE((m.version.major = 2, m.dl_tensor.shape = NULL), TN_E_UNSUPPORTED,
         "version 2.1 of DLPack, this library knows 1.x");
  REFUSE(m.dl_tensor.device.device_type = kDLCUDA, TN_E_UNSUPPORTED,
         "the tensor is on device type 2, not on the CPU (1)");
  REFUSE(m.dl_tensor.dtype.lanes = 4, TN_E_UNSUPPORTED, "elements have 4 lanes, only 1 is supported");
  REFUSE(m.dl_tensor.dtype.code = kDLComplex, TN_E_UNSUPPORTED,
         "element type with code 5 and 32 bits is not supported");
  REFUSE(m.dl_tensor.dtype.bits = 4, TN_E_UNSUPPORTED, "element type with code 2 and 4 bits is not supported");
  REFUSE((m.dl_tensor.dtype = tn_type_to_dlpack(TN_U4), m.flags = DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED),
         TN_E_UNSUPPORTED, "elements of 4 bits must be packed, these are padded");
  REFUSE(m.dl_tensor.ndim = -1, TN_E_INVALID, "rank -1 is negative");
  REFUSE(m.dl_tensor.ndim = 9, TN_E_UNSUPPORTED, "rank 9 is over 8");
  REFUSE(m.dl_tensor.shape = NULL, TN_E_INVALID, "the shape is NULL");
  REFUSE(m.dl_tensor.shape = negative, TN_E_INVALID, "size -3 of dimension 1 is negative");
  REFUSE(m.dl_tensor.shape = huge, TN_E_INVALID, "the size of the tensor overflows");
  REFUSE((m.dl_tensor.ndim = 1, m.dl_tensor.shape = wide), TN_E_INVALID, "the size of the tensor overflows");
  REFUSE(m.dl_tensor.data = NULL, TN_E_INVALID, "data is NULL");
#undef REFUSE
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(no_tensor_is_refused)
{
  tn_tensor *tensor;
  DLManagedTensorVersioned *managed;
  tn_error *err;
  ck_assert_int_eq(tn_tensor_from_dlpack(NULL, NULL, &tensor, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "tensor: DLPack: the tensor is NULL");
  tn_error_destroy(err);
  ck_assert_int_eq(tn_tensor_to_dlpack(NULL, &managed, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_text(err), "tensor: DLPack: the tensor is NULL");
  tn_error_destroy(err);
}
END_TEST

START_TEST(empty_dlpack_tensor_needs_no_data)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  int64_t empty[] = {INT64_MAX, 0};
  DLManagedTensorVersioned managed = sound();
  tn_tensor *tensor;
  managed.dl_tensor.shape = empty;
  managed.dl_tensor.data = NULL;
  ck_assert_int_eq(tn_tensor_from_dlpack(ctx, &managed, &tensor, NULL), TN_OK);
  tn_tensor_destroy(tensor);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(tensor_given_away_is_freed_by_its_deleter)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  tn_tensor *tensor;
  DLManagedTensorVersioned *out;
  ck_assert_int_eq(tn_tensor_create(ctx, TN_F32, 2, shape23, &tensor, NULL), TN_OK);
  void *data = tn_tensor_data(tensor);
  ck_assert_int_eq(tn_tensor_to_dlpack(tensor, &out, NULL), TN_OK);
  ck_assert_uint_eq(out->version.major, 1);
  ck_assert_ptr_eq(out->dl_tensor.data, data);
  ck_assert_int_eq(out->dl_tensor.shape[1], 3);
  ck_assert_int_eq(out->dl_tensor.strides[0], 3);
  out->deleter(out);
  fault_finish(&f, ctx);
}
END_TEST

START_TEST(flags_and_deleter_pass_through)
{
  fault f = {0};
  tn_context *ctx = fault_context(&f);
  DLManagedTensorVersioned managed = sound(), *out;
  tn_tensor *tensor;
  managed.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  ck_assert_int_eq(tn_tensor_from_dlpack(ctx, &managed, &tensor, NULL), TN_OK);
  ck_assert_int_eq(tn_tensor_to_dlpack(tensor, &out, NULL), TN_OK);
  ck_assert_uint_eq(out->flags, DLPACK_FLAG_BITMASK_READ_ONLY);
  out->deleter(out);
  ck_assert_int_eq(deleted, 1);
  fault_finish(&f, ctx);
}
END_TEST

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* Of the expected shape, whose sizes are known; what is plain must pass the check. */
static bool is_plain(const DLTensor *t, tn_type type, int32_t rank, const int64_t *shape) {
  int64_t count = 1;
  for (int32_t i = 0; i < rank; i++) count *= shape[i];
  return tni_tensor_is_plain(t, type, rank, shape, tn_array_bytes(type, count));
}

/* NULL when the argument passes, else the reason, valid until the next call. */
static const char *reason_of(const DLTensor *t, tn_type type, int32_t rank, const int64_t *shape) {
  static char reason[200];
  tn_error *err;
  tn_status status = tni_tensor_check(NULL, t, "input `x`", type, rank, shape, &err);
  if (status && type && rank >= 0 && shape) ck_assert(!is_plain(t, type, rank, shape));
  if (!status) return NULL;
  ck_assert_int_eq(tn_error_status(err), status);
  ck_assert_str_eq(tn_error_place(err), "input `x`");
  snprintf(reason, sizeof reason, "%s", tn_error_reason(err));
  tn_error_destroy(err);
  return reason;
}

START_TEST(argument_that_fits_passes)
{
  DLTensor t = sound().dl_tensor;
  ck_assert_ptr_null(reason_of(&t, TN_F32, 2, shape23));
  ck_assert(is_plain(&t, TN_F32, 2, shape23));
  ck_assert_ptr_null(reason_of(&t, 0, -1, NULL));
  ck_assert_ptr_null(reason_of(&t, TN_F32, 2, (int64_t[]){-1, 3}));
  t.strides = strides31;
  ck_assert_ptr_null(reason_of(&t, TN_F32, 2, shape23));
  ck_assert(is_plain(&t, TN_F32, 2, shape23));
  t.shape = (int64_t[]){1, 3};
  t.strides = (int64_t[]){77, 1}; /* nobody steps along a dimension of size 1 */
  ck_assert_ptr_null(reason_of(&t, TN_F32, 2, NULL));
}
END_TEST

START_TEST(argument_that_does_not_fit_is_named)
{
  DLTensor t = sound().dl_tensor;
  ck_assert_str_eq(reason_of(NULL, TN_F32, 2, shape23), "is NULL");
  ck_assert_str_eq(reason_of(&t, TN_F64, 2, shape23), "is f32[2, 3], not f64[2, 3]");
  ck_assert_str_eq(reason_of(&t, TN_F32, 2, (int64_t[]){2, 4}), "is f32[2, 3], not f32[2, 4]");
  ck_assert_str_eq(reason_of(&t, TN_F32, 1, (int64_t[]){6}), "is f32[2, 3], not f32[6]");
  ck_assert_str_eq(reason_of(&t, TN_F32, 3, NULL), "is f32[2, 3], not f32 of rank 3");
  ck_assert_str_eq(reason_of(&t, TN_I32, -1, NULL), "is f32[2, 3], not i32");
  t.strides = (int64_t[]){1, 2};
  ck_assert_str_eq(reason_of(&t, TN_F32, 2, shape23), "has strides (1, 2), not (3, 1)");
  t.strides = NULL;
  t.byte_offset = 2;
  ck_assert_str_eq(reason_of(&t, TN_F32, 2, shape23), "data is not aligned to its elements of 4 bytes");
}
END_TEST

/* The same for a whole form. */
static const char *reason_of_form(const DLTensor *t, const tni_tensor_form *form) {
  static char reason[200];
  tn_error *err;
  if (!tni_tensor_check_form(NULL, t, "input `x`", form, &err)) return NULL;
  snprintf(reason, sizeof reason, "%s", tn_error_reason(err));
  tn_error_destroy(err);
  return reason;
}

START_TEST(arguments_have_the_strides_and_offset_that_are_asked_for)
{
  _Alignas(64) static char bytes[256];
  DLTensor t = sound().dl_tensor;
  tni_tensor_form form = {.type = TN_F32, .rank = 2, .shape = shape23, .strides = (int64_t[]){5, 1}};
  t.data = bytes;
  ck_assert_str_eq(reason_of_form(&t, &form), "has strides (3, 1), not (5, 1)");
  t.strides = (int64_t[]){5, 2};
  ck_assert_str_eq(reason_of_form(&t, &form), "has strides (5, 2), not (5, 1)");
  t.strides = (int64_t[]){5, 1};
  ck_assert_ptr_null(reason_of_form(&t, &form));
  t.strides = (int64_t[]){INT64_MAX / 4, 1};
  form.strides = t.strides;
  ck_assert_str_eq(reason_of_form(&t, &form),
                   "has strides (2305843009213693951, 1), which lead beyond the address space");
  t.strides = (int64_t[]){INT64_MAX, INT64_MAX};
  form.strides = t.strides;
  ck_assert_str_eq(reason_of_form(&t, &form),
                   "has strides (9223372036854775807, 9223372036854775807), which lead beyond the address space");
  form.strides = t.strides = (int64_t[]){0, 1}; /* rows in one place: fine to read */
  form.has_offset = true;
  form.offset = 4;
  form.align = 64;
  ck_assert_str_eq(reason_of_form(&t, &form), "byte_offset is 0, not 4 elements of 4 bytes");
  t.byte_offset = 16;
  ck_assert_ptr_null(reason_of_form(&t, &form));
  t.data = bytes + 32;
  ck_assert_str_eq(reason_of_form(&t, &form), "data is not aligned to 64 bytes");
  form.align = 32;
  ck_assert_ptr_null(reason_of_form(&t, &form));
  form.has_offset = false;
  ck_assert_str_eq(reason_of_form(&t, &form), "data is not aligned to 32 bytes"); /* of the first element now */
}
END_TEST

START_TEST(spans_and_overlaps_of_strides)
{
  static const struct {
    int32_t rank;
    int64_t shape[3], strides[3], span;
    bool overlaps;
  } rows[] = {
      {2, {2, 3}, {3, 1}, 6, false},
      {2, {2, 3}, {1, 2}, 6, false},
      {2, {2, 3}, {5, 1}, 8, false},
      {2, {2, 3}, {2, 1}, 5, true},
      {2, {2, 3}, {0, 1}, 3, true},
      {2, {1, 3}, {0, 1}, 3, false},
      {2, {0, 3}, {0, 0}, 0, false},
      {3, {2, 3, 4}, {4, 8, 1}, 24, false},
      {3, {2, 3, 4}, {4, 7, 1}, 22, true},
      {0, {0}, {0}, 1, false},
      {1, {3}, {INT64_MAX}, -1, false},
      {2, {3, 2}, {INT64_MAX, 1}, -1, false},
      {2, {3, 3}, {INT64_MAX, INT64_MAX}, -1, true},
  };
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    ck_assert_int_eq(tni_span(rows[i].rank, rows[i].shape, rows[i].strides), rows[i].span);
    ck_assert_int_eq(tni_strides_overlap(rows[i].rank, rows[i].shape, rows[i].strides), rows[i].overlaps);
  }
  ck_assert_int_eq(tni_span(2, shape23, NULL), 6);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {type_names_round_trip,
                                type_text_and_size_are_those_of_the_manual,
                                elements_in_a_row_share_bytes,
                                packed_tensors_are_as_long_as_their_elements,
                                what_is_no_type_does_not_parse,
                                types_have_their_classes,
                                type_survives_dlpack,
                                new_tensor_is_zero_compact_and_aligned,
                                scalar_has_one_element_and_empty_none,
                                impossible_tensors_are_refused,
                                numel_of_a_broken_shape_is_minus_one,
                                dlpack_tensor_is_taken_over_without_a_copy,
                                dlpack_without_a_deleter_is_fine,
                                dlpack_of_other_kinds_is_refused_and_deleted,
                                no_tensor_is_refused,
                                empty_dlpack_tensor_needs_no_data,
                                tensor_given_away_is_freed_by_its_deleter,
                                flags_and_deleter_pass_through,
                                argument_that_fits_passes,
                                argument_that_does_not_fit_is_named,
                                arguments_have_the_strides_and_offset_that_are_asked_for,
                                spans_and_overlaps_of_strides};
  return suite_run_tests("tensor", tests, TNI_COUNT(tests), NULL, NULL);
}
