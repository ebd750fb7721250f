/* template.c -- templates: a function that samples decisions and applies primitives spans a space of schedules.
 *
 * The decisions, in the order in which they are sampled, are the digits of a configuration's number, the first one the least
 * significant. So the numbers below the product of all counts of choices are the space, and nothing is stored of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Runs the template on the schedule with the decisions of a configuration; *size: how many there are, as far as it came. */
static tn_status run(const tn_template *t, tn_schedule *s, uint64_t index, uint64_t *size, tn_error **err) {
  tni_chooser chooser = {.left = index, .size = 1};
  s->chooser = &chooser;
  tn_status status = t->apply(t->self, s, err);
  s->chooser = NULL;
  *size = chooser.size;
  if (status || !chooser.left) return status;
  return tni_fail(s->ctx, err, TN_E_INVALID, "template", t->name, "configuration %llu is beyond the space of %llu",
                  (unsigned long long)index, (unsigned long long)chooser.size);
}

tn_status tn_template_size(const tn_template *t, tn_schedule *s, uint64_t *out, tn_error **err) {
  tn_schedule *fork;
  tn_error *error = NULL;
  *out = 0;
  tn_status status = tn_schedule_fork(s, &fork, err);
  if (status) return status;
  status = run(t, fork, 0, out, &error);
  tn_schedule_destroy(fork);
  if (status == TN_E_REFUSED) { /* what is not legal is in the space all the same */
    tn_error_destroy(error);
    return TN_OK;
  }
  if (status) *out = 0;
  if (err)
    *err = error;
  else
    tn_error_destroy(error);
  return status;
}

tn_status tn_template_apply(const tn_template *t, tn_schedule *s, uint64_t index, tn_error **err) {
  uint64_t size;
  if (err) *err = NULL;
  tn_status status = tni_check_no_forks(s, err);
  if (status) return status;
  tni_mark mark = tni_mark_of(s);
  status = run(t, s, index, &size, err);
  if (status) tni_go_back(s, &mark);
  return status;
}

tn_status tn_template_text(const tn_template *t, tn_schedule *s, uint64_t index, char **out, tn_error **err) {
  tn_schedule *fork;
  uint64_t size;
  *out = NULL;
  tn_status status = tn_schedule_fork(s, &fork, err);
  if (status) return status;
  status = run(t, fork, index, &size, err);
  if (!status) status = tni_decisions_text(fork, s->line_count, out) ? TN_OK : tni_fail_nomem(err);
  tn_schedule_destroy(fork);
  return status;
}
