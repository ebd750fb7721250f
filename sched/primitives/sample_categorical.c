/* sample_categorical.c -- one of several numbers, each with its probability.
 *
 *     u = sample_categorical([0, 16, 64], [0.5, 0.25, 0.25]) @ 16
 *
 * The draw is a number below 1 of 53 bits; the first candidate at which the sum of probabilities exceeds that part of the
 * whole sum is taken. A template goes through the candidates whatever their probabilities.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "sched.h"

/* The sum of probabilities; negative when they are none. */
static double sum_of(const tni_arg *p) {
  double sum = 0;
  for (size_t i = 0; i < p->count; i++) {
    if (!(p->floats[i] >= 0) || !isfinite(p->floats[i])) return -1;
    sum += p->floats[i];
  }
  return sum > 0 && isfinite(sum) ? sum : -1;
}

static size_t draw(tn_schedule *s, const tni_arg *p, double sum) {
  double at = (double)(tni_draw(s) >> 11) * 0x1p-53 * sum, up_to = 0;
  size_t last = 0;
  for (size_t i = 0; i < p->count; i++) {
    if (p->floats[i] > 0) last = i;
    up_to += p->floats[i];
    if (at < up_to) return i;
  }
  return last; /* rounding */
}

tn_status tni_apply_sample_categorical(tni_step *step) {
  const tni_arg *candidates = &step->args[0], *p = &step->args[1], *given = &step->decision;
  double sum = sum_of(p);
  if (!candidates->count || candidates->count != p->count)
    return tni_step_refuse(step, NULL, "give one probability for each candidate, and at least one");
  if (sum < 0) return tni_step_refuse(step, NULL, "the probabilities must be from 0 up, and not all 0");
  if (!given->given) {
    size_t i = step->s->chooser ? (size_t)tni_choose(step->s, p->count) : draw(step->s, p, sum);
    return tni_give_number(step, candidates->numbers[i]);
  }
  for (size_t i = 0; i < candidates->count; i++)
    if (given->count == 1 && candidates->numbers[i] == given->numbers[0])
      return tni_give_number(step, candidates->numbers[i]);
  return tni_step_refuse(step, NULL, "the decision is none of the candidates");
}

tn_status tn_sample_categorical(tn_schedule *s, size_t count, const int64_t *candidates, const double *probabilities,
                                int64_t *out, tn_error **err) {
  tni_arg args[] = {tni_of_ints(count, candidates), tni_of_floats(count, probabilities)};
  int32_t handle = 0;
  tn_status status = tni_perform(s, TNI_PRIMITIVE_sample_categorical, 2, args, 1, &handle, NULL, err);
  tni_numbers_of(1, &handle, out);
  return status;
}
