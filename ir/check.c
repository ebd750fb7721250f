/* check.c -- the rules of nodes that the typing table does not cover: casts, vectors, accesses to buffers. The parser
 * asks them before it makes a node, the verifier of every node it meets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

enum { MAX_EXTENT_BITS = 40, MAX_ALIGN = 4096, MAX_LAYOUT_DEPTH = 16 };

static bool is_data(tn_type type) { return tni_is_element_type(TN_TYPE_WITH_LANES(type, 1)); }
static bool is_index(tn_type type) { return TN_TYPE_CODE(type) == TN_CODE_INDEX; }

static const char *check_cast(tn_type to, tn_type from) {
  if ((!is_data(to) && !is_index(to)) || (!is_data(from) && !is_index(from)))
    return "a cast is from a number or bool to a number or bool";
  return TN_TYPE_LANES(to) == TN_TYPE_LANES(from) ? NULL : "a cast keeps the number of lanes";
}

static const char *check_reinterpret(tn_type to, tn_type from) {
  if (!is_data(to) || !is_data(from) || TN_TYPE_CODE(to) == kDLBool || TN_TYPE_CODE(from) == kDLBool)
    return "reinterpret needs integer or floating-point types";
  if (TN_TYPE_LANES(to) != TN_TYPE_LANES(from) || TN_TYPE_BITS(to) != TN_TYPE_BITS(from))
    return "reinterpret needs types of the same bits and lanes";
  return NULL;
}

const char *tni_check_convert(enum tn_op op, tn_type to, tn_type from) {
  return op == TN_OP_reinterpret ? check_reinterpret(to, from) : check_cast(to, from);
}

const char *tni_check_ramp(const tn_expr *base, const tn_expr *stride, uint64_t lanes) {
  if (base->type != stride->type) return "base and stride of a ramp have different types";
  if (TN_TYPE_LANES(base->type) != 1 || (!is_index(base->type) && !tni_type_is_int(base->type)))
    return "base and stride of a ramp are one index or integer each";
  return lanes >= 2 && lanes <= TNI_MAX_LANES ? NULL : "lanes are a number in 2..1024";
}

const char *tni_check_broadcast(const tn_expr *a, uint64_t lanes) {
  if (TN_TYPE_LANES(a->type) != 1 || (!is_index(a->type) && !is_data(a->type)))
    return "only one number or bool can be broadcast";
  return lanes >= 2 && lanes <= TNI_MAX_LANES ? NULL : "lanes are a number in 2..1024";
}

const char *tni_check_subscript(const tn_expr *index) {
  return is_index(index->type) ? NULL : "a subscript must be an index";
}

const char *tni_check_extent(const tn_expr *extent) {
  if (extent->type != TN_INDEX) return "an extent must be an index";
  if (tni_is_const(extent) && (extent->as.i < 0 || extent->as.i > INT64_C(1) << MAX_EXTENT_BITS))
    return "an extent is in 0..2^40";
  return NULL;
}

static bool is_size(const tn_expr *x) {
  return x->type == TN_INDEX && (!tni_is_const(x) || (x->as.i >= 0 && x->as.i <= INT64_C(1) << MAX_EXTENT_BITS));
}

const char *tni_check_stride(const tn_expr *stride) {
  return is_size(stride) ? NULL : "a stride is an index in 0..2^40";
}

const char *tni_check_offset(const tn_expr *offset) {
  return is_size(offset) ? NULL : "an offset is an index in 0..2^40";
}

const char *tni_check_align(tn_type type, uint64_t align) {
  bool power = (align & (align - 1)) == 0;
  if (align == 0 || (power && align >= tn_type_bytes(type) && align <= MAX_ALIGN)) return NULL;
  return "an alignment is a power of two, from the bytes of an element to 4096";
}

const char *tni_check_layout(const tni_layout *layout, int32_t rank) {
  for (int32_t k = 0; k < layout->rank; k++)
    if (!tni_layout_has_form(layout, rank, layout->index[k], MAX_LAYOUT_DEPTH))
      return "a layout is made of its variables, constants, +, and *, // and % by positive constants";
  return NULL;
}

int32_t tni_subscript_count(enum tni_level level, const tn_buffer *buffer) {
  return level == TNI_LEVEL_LOOP ? 1 : buffer->rank;
}

tn_type tni_access_type(const tn_buffer *buffer, int32_t count, const tn_expr *const *index, const tn_expr *where,
                        const char **why) {
  uint32_t lanes = count ? TN_TYPE_LANES(index[0]->type) : 1;
  *why = "subscripts have different numbers of lanes";
  for (int32_t i = 1; i < count; i++)
    if (TN_TYPE_LANES(index[i]->type) != lanes) return 0;
  *why = "the condition of an access must be bool, with as many lanes as the subscripts";
  if (where && where->type != TN_TYPE_WITH_LANES(TN_BOOL, lanes)) return 0;
  return TN_TYPE_WITH_LANES(buffer->type, lanes);
}
