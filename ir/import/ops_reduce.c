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

void tni_convert_cum_sum(conversion *c) {
  pass_attrs(c, "cum_sum");
  set_int(c, "axis", known_int(c, 1, "axis"));
  give(c, 0, emit1(c, "cum_sum", input(c, 0), out_name(c, 0)));
}

/* Before opset 8, pads of pools and so on are the same; indices of the largest are not given. */
void tni_convert_pool(conversion *c) {
  if (wants(c, 1)) fail(c, TN_E_UNSUPPORTED, "the second output (indices) is not supported");
  tni_convert_same(c);
}
