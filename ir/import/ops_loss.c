/* ops_loss.c -- converters of losses over classes: (n, classes, d...) and targets (n, d...).
 *
 *     loss[n, d...] = -x[n, target[n, d...], d...] * weight[target[n, d...]]         0 where the target is ignored
 *     mean: sum of the losses / sum of the weights
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

/* The weight of each target; TNI_NO_VALUE: 1 for all. *at: the targets, those ignored replaced by 0. */
static uint32_t target_weights(conversion *c, tn_type type, uint32_t *at) {
  uint32_t weight = TNI_NO_VALUE;
  bool ignores = has_attr(c, "ignore_index");
  uint32_t ignored = ignores ? with_number(c, "equal", *at, (double)attr_int(c, "ignore_index", 0)) : TNI_NO_VALUE;
  if (ignores) *at = emit3(c, "where", ignored, const_number(c, value_of(c, *at)->type, 0), *at);
  if (has_input(c, 2)) weight = emit2(c, "gather", input(c, 2), *at, NULL);
  if (!ignores) return weight;
  uint32_t zero = const_number(c, type, 0);
  return emit3(c, "where", ignored, zero, has_input(c, 2) ? weight : const_number(c, type, 1));
}

static void emit_loss(conversion *c, uint32_t log_probability) {
  tni_gvalue x = *value_of(c, log_probability), target = *in(c, 1);
  const char *how = attr_string(c, "reduction", "mean");
  bool mean = strcmp(how, "mean") == 0, sum = strcmp(how, "sum") == 0;
  if (!mean && !sum && strcmp(how, "none") != 0) return fail(c, TN_E_INVALID, "there is no reduction `%.32s`", how);
  if (!ok(c)) return;
  if (x.rank < 2 || target.rank != x.rank - 1)
    return fail(c, TN_E_INVALID, "targets of rank %d for rank %d", target.rank, x.rank);
  int64_t column[TN_MAX_RANK];
  for (int32_t i = 0; i < x.rank; i++) column[i] = i == 1 ? 1 : x.shape[i];
  uint32_t at = input(c, 1), weight = target_weights(c, x.type, &at);
  at = reshape(c, at, x.rank, column, NULL);
  set_int(c, "axis", 1);
  uint32_t loss = emit2(c, "gather_elements", log_probability, at, NULL);
  loss = emit1(c, "neg", reshape(c, loss, target.rank, target.shape, NULL), NULL);
  if (weight != TNI_NO_VALUE) loss = emit2(c, "mul", loss, weight, NULL);
  if (!mean && !sum) {
    finish(c, 0, loss);
    return;
  }
  set_int(c, "keepdims", 0);
  loss = emit1(c, mean && weight == TNI_NO_VALUE ? "reduce_mean" : "reduce_sum", loss, NULL);
  if (mean && weight != TNI_NO_VALUE) {
    set_int(c, "keepdims", 0);
    weight = emit1(c, "reduce_sum", weight, NULL);
    loss = emit2(c, "div", loss, weight, NULL);
  }
  finish(c, 0, loss);
}

void tni_convert_nll_loss(conversion *c) { emit_loss(c, input(c, 0)); }

void tni_convert_softmax_cross_entropy(conversion *c) {
  set_int(c, "axis", 1);
  uint32_t log_probability = emit1(c, "log_softmax", input(c, 0), NULL);
  finish(c, 1, log_probability);
  emit_loss(c, log_probability);
}
