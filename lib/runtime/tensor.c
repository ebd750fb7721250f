/* tensor.c -- tensors that own memory, DLPack in and out, and the check of tensors that a host hands over.
 *
 * A tn_tensor holds its own shape and strides, so that a view never points into a foreign struct.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lib.h"

enum { ALIGN = 64 };

struct tn_tensor {
  tn_context *ctx;
  DLTensor view;
  int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK];
  size_t bytes;                     /* of view.data when it is ours */
  DLManagedTensorVersioned *source; /* NULL: the memory is ours */
  DLManagedTensorVersioned managed; /* what tn_tensor_to_dlpack gives */
};

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

/* The product of a shape; -1 when a size is negative or the product overflows. Exact also where a 0 hides a large part.
 */
static int64_t count_elements(int32_t rank, const int64_t *shape) {
  int64_t count = 1;
  bool overflow = false, empty = false;
  for (int32_t i = 0; i < rank; i++) {
    if (shape[i] < 0) return -1;
    empty |= shape[i] == 0;
    overflow |= __builtin_mul_overflow(count, shape[i], &count);
  }
  return empty ? 0 : overflow ? -1 : count;
}

int64_t tn_dltensor_numel(const DLTensor *tensor) {
  if (!tensor || tensor->ndim < 0 || (tensor->ndim > 0 && !tensor->shape)) return -1;
  return count_elements(tensor->ndim, tensor->shape);
}

static void fill_strides(int32_t rank, const int64_t *shape, int64_t *strides) {
  uint64_t stride = 1; /* wraps only in empty tensors */
  for (int32_t i = rank; i-- > 0;) {
    strides[i] = (int64_t)stride;
    stride *= (uint64_t)shape[i];
  }
}

void tni_shape_text(tni_text *text, tn_type type, int32_t rank, const int64_t *shape) {
  char name[16];
  tni_text_add(text, "%s[", tn_type_text(type, name));
  for (int32_t i = 0; i < rank; i++) tni_text_add(text, "%s%lld", i ? ", " : "", (long long)shape[i]);
  tni_text_add(text, "]");
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

static tn_status check_shape(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape, size_t *bytes,
                             tn_error **err) {
  char name[16];
  *bytes = 0;
  if (!tni_is_element_type(type))
    return tni_fail(ctx, err, TN_E_INVALID, "tensor", "type", "%s is no element type", tn_type_text(type, name));
  if (rank < 0 || rank > TN_MAX_RANK)
    return tni_fail(ctx, err, TN_E_INVALID, "tensor", "rank", "%d is not in 0..%d", rank, TN_MAX_RANK);
  if (rank && !shape) return tni_fail(ctx, err, TN_E_INVALID, "tensor", "shape", "is NULL");
  for (int32_t i = 0; i < rank; i++)
    if (shape[i] < 0)
      return tni_fail(ctx, err, TN_E_INVALID, "tensor", "shape", "size %lld of dimension %d is negative",
                      (long long)shape[i], i);
  *bytes = tn_array_bytes(type, count_elements(rank, shape));
  if (*bytes == SIZE_MAX || *bytes > ctx->limits.tensor_bytes)
    return tni_fail(ctx, err, TN_E_LIMIT, "tensor", "shape", "the tensor is larger than the limit of %llu bytes",
                    (unsigned long long)ctx->limits.tensor_bytes);
  return TN_OK;
}

/* A tensor without data. NULL: no memory. */
static tn_tensor *create(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape) {
  tn_tensor *tensor = tni_alloc_zero(ctx, sizeof *tensor);
  if (!tensor) return NULL;
  tensor->ctx = ctx;
  for (int32_t i = 0; i < rank; i++) tensor->shape[i] = shape[i];
  fill_strides(rank, shape, tensor->strides);
  tensor->view = (DLTensor){.device = {kDLCPU, 0},
                            .ndim = rank,
                            .dtype = tn_type_to_dlpack(type),
                            .shape = tensor->shape,
                            .strides = tensor->strides};
  return tensor;
}

tn_status tn_tensor_create(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape, tn_tensor **out,
                           tn_error **err) {
  size_t bytes;
  if (err) *err = NULL;
  *out = NULL;
  tn_status status = check_shape(ctx, type, rank, shape, &bytes, err);
  if (status) return status;
  tn_tensor *tensor = create(ctx, type, rank, shape);
  if (!tensor) return tni_fail_nomem(err);
  tensor->bytes = bytes;
  tensor->view.data = tni_alloc_aligned(ctx, bytes, ALIGN);
  if (bytes && !tensor->view.data) {
    tn_tensor_destroy(tensor);
    return tni_fail_nomem(err);
  }
  if (bytes) memset(tensor->view.data, 0, bytes);
  *out = tensor;
  return TN_OK;
}

DLTensor *tn_tensor_view(tn_tensor *tensor) { return tensor ? &tensor->view : NULL; }

void *tn_tensor_data(tn_tensor *tensor) { return tensor ? tni_tensor_pointer(&tensor->view) : NULL; }

void tn_tensor_destroy(tn_tensor *tensor) {
  if (!tensor) return;
  if (!tensor->source)
    tni_free_aligned(tensor->ctx, tensor->view.data, tensor->bytes, ALIGN);
  else if (tensor->source->deleter)
    tensor->source->deleter(tensor->source);
  tni_free(tensor->ctx, tensor, sizeof *tensor);
}

/* ---- DLPack ------------------------------------------------------------------------------------------------------ */

/* What holds for every tensor on this CPU, whatever it is used for: device, type, rank, shape, size, data. */
static tn_status check_sound(tn_context *ctx, const DLTensor *t, const char *place, const char *phase, tn_error **err) {
  if (t->device.device_type != kDLCPU)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, phase, place, "the tensor is on device type %d, not on the CPU (%d)",
                    (int)t->device.device_type, (int)kDLCPU);
  if (t->dtype.lanes != 1)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, phase, place, "elements have %d lanes, only 1 is supported",
                    (int)t->dtype.lanes);
  if (!tni_is_element_type(tn_type_from_dlpack(t->dtype)))
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, phase, place, "element type with code %d and %d bits is not supported",
                    (int)t->dtype.code, (int)t->dtype.bits);
  if (t->ndim < 0) return tni_fail(ctx, err, TN_E_INVALID, phase, place, "rank %d is negative", t->ndim);
  if (t->ndim > TN_MAX_RANK)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, phase, place, "rank %d is over %d", t->ndim, TN_MAX_RANK);
  if (t->ndim && !t->shape) return tni_fail(ctx, err, TN_E_INVALID, phase, place, "the shape is NULL");
  for (int32_t i = 0; i < t->ndim; i++)
    if (t->shape[i] < 0)
      return tni_fail(ctx, err, TN_E_INVALID, phase, place, "size %lld of dimension %d is negative",
                      (long long)t->shape[i], i);
  size_t bytes = tn_array_bytes(tn_type_from_dlpack(t->dtype), tn_dltensor_numel(t));
  if (bytes == SIZE_MAX) return tni_fail(ctx, err, TN_E_INVALID, phase, place, "the size of the tensor overflows");
  if (bytes && !t->data) return tni_fail(ctx, err, TN_E_INVALID, phase, place, "data is NULL");
  return TN_OK;
}

static tn_status check_managed(tn_context *ctx, const DLManagedTensorVersioned *managed, tn_error **err) {
  if (managed->version.major != DLPACK_MAJOR_VERSION)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, "tensor", "DLPack", "version %u.%u of DLPack, this library knows %d.x",
                    (unsigned)managed->version.major, (unsigned)managed->version.minor, DLPACK_MAJOR_VERSION);
  tn_status status = check_sound(ctx, &managed->dl_tensor, "DLPack", "tensor", err);
  if (!status && managed->dl_tensor.dtype.bits < 8 && managed->flags & DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED)
    return tni_fail(ctx, err, TN_E_UNSUPPORTED, "tensor", "DLPack",
                    "elements of %d bits must be packed, these are padded", (int)managed->dl_tensor.dtype.bits);
  return status;
}

tn_status tn_tensor_from_dlpack(tn_context *ctx, DLManagedTensorVersioned *managed, tn_tensor **out, tn_error **err) {
  if (err) *err = NULL;
  *out = NULL;
  if (!managed) return tni_fail(ctx, err, TN_E_INVALID, "tensor", "DLPack", "the tensor is NULL");
  tn_status status = check_managed(ctx, managed, err);
  const DLTensor *t = &managed->dl_tensor;
  tn_tensor *tensor = status ? NULL : create(ctx, tn_type_from_dlpack(t->dtype), t->ndim, t->shape);
  if (!tensor) {
    if (managed->deleter) managed->deleter(managed);
    return status ? status : tni_fail_nomem(err);
  }
  tensor->source = managed;
  tensor->view.data = t->data;
  tensor->view.device = t->device;
  tensor->view.byte_offset = t->byte_offset;
  if (t->strides)
    for (int32_t i = 0; i < t->ndim; i++) tensor->strides[i] = t->strides[i];
  *out = tensor;
  return TN_OK;
}

static void delete_managed(DLManagedTensorVersioned *managed) { tn_tensor_destroy(managed->manager_ctx); }

tn_status tn_tensor_to_dlpack(tn_tensor *tensor, DLManagedTensorVersioned **out, tn_error **err) {
  if (err) *err = NULL;
  *out = NULL;
  if (!tensor) return tni_fail(NULL, err, TN_E_INVALID, "tensor", "DLPack", "the tensor is NULL");
  tensor->managed = (DLManagedTensorVersioned){
      .version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION},
      .manager_ctx = tensor,
      .deleter = delete_managed,
      .flags = tensor->source ? tensor->source->flags : 0,
      .dl_tensor = tensor->view,
  };
  *out = &tensor->managed;
  return TN_OK;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

int64_t tni_span(int32_t rank, const int64_t *shape, const int64_t *strides) {
  int64_t span = 1, step;
  if (!strides) return count_elements(rank, shape);
  for (int32_t i = 0; i < rank; i++)
    if (shape[i] == 0) return 0;
  for (int32_t i = 0; i < rank; i++)
    if (__builtin_mul_overflow(shape[i] - 1, strides[i], &step) || __builtin_add_overflow(span, step, &span)) return -1;
  return span;
}

bool tni_strides_overlap(int32_t rank, const int64_t *shape, const int64_t *strides) {
  int64_t step[TN_MAX_RANK], size[TN_MAX_RANK];
  int32_t count = 0;
  for (int32_t i = 0; i < rank; i++) {
    if (shape[i] == 0) return false;
    int32_t k = count; /* by size of the step */
    if (shape[i] == 1) continue;
    for (; k > 0 && step[k - 1] > strides[i]; k--) step[k] = step[k - 1], size[k] = size[k - 1];
    step[k] = strides[i];
    size[k] = shape[i];
    count++;
  }
  for (int32_t k = 0; k < count; k++) {
    int64_t below = tni_span(k, size, step);
    if (below < 0 || step[k] < below) return true;
  }
  return false;
}

size_t tni_tensor_bytes(const DLTensor *t) {
  return tn_array_bytes(tn_type_from_dlpack(t->dtype), tni_span(t->ndim, t->shape, t->strides));
}

static bool shape_matches(const DLTensor *t, int32_t rank, const int64_t *shape) {
  if (rank < 0) return true;
  if (t->ndim != rank) return false;
  for (int32_t i = 0; shape && i < rank; i++)
    if (shape[i] >= 0 && t->shape[i] != shape[i]) return false;
  return true;
}

/* "is f32[2, 4], not f32[2, 3]" */
static tn_status fail_mismatch(tn_context *ctx, const DLTensor *t, const char *what, tn_type type, int32_t rank,
                               const int64_t *shape, tn_error **err) {
  tni_text text;
  tni_text_init(&text, ctx);
  tni_text_add(&text, "is ");
  tni_shape_text(&text, tn_type_from_dlpack(t->dtype), t->ndim, t->shape);
  tni_text_add(&text, ", not ");
  tn_type expected = type ? type : tn_type_from_dlpack(t->dtype);
  char name[16];
  if (rank < 0)
    tni_text_add(&text, "%s", tn_type_text(expected, name));
  else if (shape)
    tni_shape_text(&text, expected, rank, shape);
  else
    tni_text_add(&text, "%s of rank %d", tn_type_text(expected, name), rank);
  tn_status status =
      text.failed ? tni_fail_nomem(err) : tni_fail(ctx, err, TN_E_INVALID, "call", what, "%s", text.data);
  tni_text_destroy(&text);
  return status;
}

static void add_numbers(tni_text *text, int32_t count, const int64_t *numbers) {
  tni_text_add(text, "(");
  for (int32_t i = 0; i < count; i++) tni_text_add(text, "%s%lld", i ? ", " : "", (long long)numbers[i]);
  tni_text_add(text, ")");
}

/* Strides that differ where somebody steps along them. */
static tn_status check_strides(tn_context *ctx, const DLTensor *t, const char *what, const tni_tensor_form *form,
                               tn_error **err) {
  int64_t row_major[TN_MAX_RANK];
  bool same = true;
  fill_strides(t->ndim, t->shape, row_major);
  const int64_t *want = form->strides ? form->strides : row_major, *have = t->strides ? t->strides : row_major;
  for (int32_t i = 0; i < t->ndim; i++) same &= t->shape[i] == 1 || have[i] == want[i];
  if (tn_dltensor_numel(t) == 0) return TN_OK;
  int64_t span = tni_span(t->ndim, t->shape, want);
  size_t bytes = tn_array_bytes(tn_type_from_dlpack(t->dtype), span);
  bool fits = bytes != SIZE_MAX && bytes <= UINTPTR_MAX - (uintptr_t)tni_tensor_pointer(t);
  if (same && fits) return TN_OK;
  tni_text text;
  tni_text_init(&text, ctx);
  tni_text_add(&text, "has strides ");
  add_numbers(&text, t->ndim, have);
  if (same) {
    tni_text_add(&text, ", which lead beyond the address space");
  } else {
    tni_text_add(&text, ", not ");
    add_numbers(&text, t->ndim, want);
  }
  tn_status status =
      text.failed ? tni_fail_nomem(err) : tni_fail(ctx, err, TN_E_INVALID, "call", what, "%s", text.data);
  tni_text_destroy(&text);
  return status;
}

static tn_status check_address(tn_context *ctx, const DLTensor *t, const char *what, const tni_tensor_form *form,
                               tn_error **err) {
  size_t element = tn_type_bytes(tn_type_from_dlpack(t->dtype)), align = form->align ? form->align : element;
  uintptr_t at = (uintptr_t)(form->has_offset ? t->data : tni_tensor_pointer(t));
  if (form->has_offset && t->dtype.bits < 8 && t->byte_offset * 8 != (uint64_t)form->offset * t->dtype.bits)
    return tni_fail(ctx, err, TN_E_INVALID, "call", what, "byte_offset is %llu, not %lld elements of %d bits",
                    (unsigned long long)t->byte_offset, (long long)form->offset, (int)t->dtype.bits);
  if (form->has_offset && t->dtype.bits >= 8 && t->byte_offset != (uint64_t)form->offset * element)
    return tni_fail(ctx, err, TN_E_INVALID, "call", what, "byte_offset is %llu, not %lld elements of %zu bytes",
                    (unsigned long long)t->byte_offset, (long long)form->offset, element);
  if (at % align == 0) return TN_OK;
  if (align > element) return tni_fail(ctx, err, TN_E_INVALID, "call", what, "data is not aligned to %zu bytes", align);
  return tni_fail(ctx, err, TN_E_INVALID, "call", what, "data is not aligned to its elements of %zu bytes", element);
}

tn_status tni_tensor_check_form(tn_context *ctx, const DLTensor *t, const char *what, const tni_tensor_form *form,
                                tn_error **err) {
  if (err) *err = NULL;
  if (!t) return tni_fail(ctx, err, TN_E_INVALID, "call", what, "is NULL");
  tn_status status = check_sound(ctx, t, what, "call", err);
  if (status) return status;
  if ((form->type && tn_type_from_dlpack(t->dtype) != form->type) || !shape_matches(t, form->rank, form->shape))
    return fail_mismatch(ctx, t, what, form->type, form->rank, form->shape, err);
  status = check_strides(ctx, t, what, form, err);
  return status ? status : check_address(ctx, t, what, form, err);
}

tn_status tni_tensor_check(tn_context *ctx, const DLTensor *t, const char *what, tn_type type, int32_t rank,
                           const int64_t *shape, tn_error **err) {
  tni_tensor_form form = {.type = type, .rank = rank, .shape = shape};
  return tni_tensor_check_form(ctx, t, what, &form, err);
}

bool tni_tensor_is_plain(const DLTensor *t, tn_type type, int32_t rank, const int64_t *shape, size_t bytes) {
  if (!t || !t->data || t->device.device_type != kDLCPU || t->ndim != rank || (rank && !t->shape)) return false;
  if (TN_TYPE(t->dtype.code, t->dtype.bits, t->dtype.lanes) != type) return false;
  bool same = bytes > 0;
  for (int32_t i = 0; i < rank; i++) same &= t->shape[i] == shape[i];
  int64_t stride = 1;
  for (int32_t i = rank; same && t->strides && i-- > 0; stride *= shape[i]) same = t->strides[i] == stride;
  uintptr_t at = (uintptr_t)t->data + t->byte_offset, element = t->dtype.bits < 8 ? 1 : t->dtype.bits / 8;
  return same && at >= (uintptr_t)t->data && bytes <= UINTPTR_MAX - at && (at & (element - 1)) == 0;
}
