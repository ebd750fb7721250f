/* ops_reduce.c -- converters of reductions, pools and running sums.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

void tni_convert_reduce(conversion *c) {
  int32_t count;
  int64_t since = strcmp(c->n->op_type, "ReduceSum") == 0 ? 13 : 18;
  const int64_t *axes = ints_since(c, since, 1, "axes", &count);
  if (count == 0 && attr_int(c, "noop_with_empty_axes", 0)) {
    give(c, 0, emit1(c, "identity", input(c, 0), out_name(c, 0)));
    return;
  }
  uint32_t x = input(c, 0);
  bool truth = in(c, 0)->type == TN_BOOL; /* reduced as 0 and 1 */
  if (truth) {
    set_string(c, "to", "u8");
    x = emit1(c, "cast", x, NULL);
  }
  if (count > 0) set_ints(c, "axes", count, axes);
  set_int(c, "keepdims", attr_int(c, "keepdims", 1));
  x = emit1(c, c->row->op, x, truth ? NULL : out_name(c, 0));
  if (truth) {
    set_string(c, "to", "bool");
    x = emit1(c, "cast", x, out_name(c, 0));
  }
  give(c, 0, x);
}

/* Over all dimensions behind the channels. */
void tni_convert_global_pool(conversion *c) {
  static const int64_t axes[] = {2, 3, 4, 5, 6, 7};
  int32_t rank = in(c, 0)->rank;
  if (rank < 3) fail(c, TN_E_INVALID, "an input of rank %d, at least 3 is needed", rank);
  set_ints(c, "axes", rank - 2, axes);
  give(c, 0, emit1(c, c->row->op, input(c, 0), out_name(c, 0)));
}

/* The norm over all dimensions behind the channels: of whole powers 1 and 2. */
void tni_convert_global_lp_pool(conversion *c) {
  static const int64_t axes[] = {2, 3, 4, 5, 6, 7};
  int32_t rank = in(c, 0)->rank;
  int64_t p = attr_int(c, "p", 2);
  if (rank < 3) fail(c, TN_E_INVALID, "an input of rank %d, at least 3 is needed", rank);
  if (p != 1 && p != 2) fail(c, TN_E_UNSUPPORTED, "a norm of power %lld is not supported", (long long)p);
  set_ints(c, "axes", rank - 2, axes);
  give(c, 0, emit1(c, p == 1 ? "reduce_l1" : "reduce_l2", input(c, 0), out_name(c, 0)));
}

void tni_convert_running(conversion *c) {
  pass_attrs(c, c->row->op);
  set_int(c, "axis", known_int(c, 1, "axis"));
  give(c, 0, emit1(c, c->row->op, input(c, 0), out_name(c, 0)));
}

/* The places of the k best, and the elements there. */
void tni_convert_top_k(conversion *c) {
  int64_t axis = attr_int(c, "axis", -1), k = c->m->opset < 10 ? attr_int(c, "k", 0) : known_int(c, 1, "k");
  set_int(c, "axis", axis);
  set_int(c, "k", k);
  set_int(c, "largest", attr_int(c, "largest", 1));
  uint32_t at = emit1(c, "top_k_indices", input(c, 0), NULL);
  finish(c, 1, at);
  set_int(c, "axis", axis);
  finish(c, 0, emit2(c, "gather_elements", input(c, 0), at, NULL));
}

/* A second output is the places of the largest in the input. */
void tni_convert_pool(conversion *c) {
  tni_convert_same(c);
  if (!wants(c, 1) || strcmp(c->row->op, "max_pool") != 0) return;
  pass_attrs(c, "max_pool_indices");
  give(c, 1, emit1(c, "max_pool_indices", input(c, 0), out_name(c, 1)));
}

/* Zeros with the elements of x at the places that a max pool gave. */
void tni_convert_max_unpool(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int32_t counts[3], dims = x.rank - 2, count;
  const int64_t *kernel = attr_ints(c, "kernel_shape", &counts[0]), *strides = attr_ints(c, "strides", &counts[1]),
                *pads = attr_ints(c, "pads", &counts[2]);
  int64_t shape[TN_MAX_RANK] = {x.shape[0], x.shape[1]}, n = tni_gvalue_numel(&x), whole = n ? shape[0] * shape[1] : 0;
  if (!ok(c)) return;
  if (dims < 1 || counts[0] != dims || (strides && counts[1] != dims) || (pads && counts[2] != 2 * dims))
    return fail(c, TN_E_INVALID, "the attributes do not fit an input of rank %d", x.rank);
  for (int32_t i = 0; i < dims; i++) {
    int64_t stride = strides ? strides[i] : 1, around = pads ? pads[i] + pads[dims + i] : 0;
    if (stride < 0 || stride > 1 << 20 || kernel[i] < 1 || kernel[i] > 1 << 20 || around < 0 || around > 1 << 20)
      return fail(c, TN_E_INVALID, "an attribute is out of range");
    shape[2 + i] = (x.shape[2 + i] - 1) * stride - around + kernel[i];
    if (shape[2 + i] < 1 || __builtin_mul_overflow(whole, shape[2 + i], &whole))
      return fail(c, TN_E_INVALID, "the output's shape is out of range");
  }
  set_ints(c, "shape", 1, &whole);
  uint32_t zeros = emit1(c, "expand", const_number(c, x.type, 0), NULL);
  uint32_t at = reshape(c, input(c, 1), 1, &n, NULL), y = reshape(c, input(c, 0), 1, &n, NULL);
  y = reshape(c, emit3(c, "scatter_elements", zeros, at, y), x.rank, shape, NULL);
  const int64_t *want = has_input(c, 2) ? known_ints(c, 2, "output_shape", &count) : NULL;
  int64_t more[2 * TN_MAX_RANK] = {0};
  if (want && count != x.rank) fail(c, TN_E_INVALID, "`output_shape` needs %d numbers", x.rank);
  for (int32_t i = 0; want && ok(c) && i < x.rank; i++) more[x.rank + i] = want[i] - shape[i];
  if (want) {
    set_ints(c, "pads", 2 * x.rank, more);
    y = emit1(c, "pad", y, NULL);
  }
  finish(c, 0, y);
}
