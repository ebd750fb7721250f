/* handles.h -- what the tests of primitives from C share: two schedules of one function, one for C and one for lines;
 * handles by name; a script without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_HANDLES_H
#define TEST_SCHED_HANDLES_H

#include "../lib/fault.h"
#include "sched.h"

static tn_context *ctx;
static tn_program *program;
static tn_schedule *s, *other;

static inline void open_text(const char *source) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_parse(ctx, source, strlen(source), "t.tn", &program, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &s, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &other, NULL), TN_OK);
}

static inline void teardown(void) {
  tn_schedule_destroy(s);
  tn_schedule_destroy(other);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

static inline tn_block_ref block(const char *name) {
  tn_block_ref out;
  ck_assert_int_eq(tn_get_block(s, name, &out, NULL), TN_OK);
  return out;
}

static inline tn_loop loop(const char *name, size_t number) {
  tn_loop loops[8];
  size_t count = 8;
  ck_assert_int_eq(tn_get_loops(s, block(name), loops, &count, NULL), TN_OK);
  ck_assert_uint_lt(number, count);
  return loops[number];
}

/* The schedule is where the lines lead. */
static inline void expect_lines(const char *lines) {
  ck_assert_int_eq(tn_schedule_run(other, lines, NULL), TN_OK);
  ck_assert_str_eq(tn_schedule_text(s), tn_schedule_text(other));
}

/* The first line of the error is that. */
static inline void expect_refusal(tn_status status, tn_error **error, const char *reason) {
  ck_assert_int_eq(status, TN_E_REFUSED);
  ck_assert_int_eq(strncmp(tn_error_text(*error), reason, strlen(reason)), 0);
  ck_assert_int_eq(tn_error_text(*error)[strlen(reason)], '\n');
  tn_error_destroy(*error);
}

/* A function, and lines that change it: for fault_walk. */
typedef struct scripted {
  const char *text, *lines;
} scripted;

static inline tn_status run_scripted(tn_context *c, const void *what) {
  const scripted *x = what;
  tn_program *p = NULL;
  tn_schedule *a = NULL;
  tn_status status = tn_program_parse(c, x->text, strlen(x->text), "t.tn", &p, NULL);
  if (!status) status = tn_schedule_create(p, tn_program_func_at(p, 0), &a, NULL);
  if (!status) status = tn_schedule_run(a, x->lines, NULL);
  if (!status) status = tn_schedule_commit(a, NULL, NULL);
  tn_schedule_destroy(a);
  tn_program_destroy(p);
  return status;
}

#endif
