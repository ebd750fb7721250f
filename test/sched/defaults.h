/* defaults.h -- what the tests of the default schedule share: a program, scheduled, run beside what it means; its loops.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_DEFAULTS_H
#define TEST_SCHED_DEFAULTS_H

#include "oracle.h"
#include "suite.h"

static oracle o;

static inline void open_context(void) {
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 2, .compile_workers = 1}};
  ck_assert_int_eq(tn_context_create(&desc, &o.ctx, NULL), TN_OK);
}

static inline tn_program *parse(const char *text) {
  tn_program *program;
  tn_error *error;
  tn_status status = tn_program_parse(o.ctx, text, strlen(text), "t.tn", &program, &error);
  ck_assert_msg(status == TN_OK, "%s\n%s", tn_error_text(error), text);
  return program;
}

static inline bool is_sound(const char *text) {
  tn_program *program;
  tn_status status = tn_program_parse(o.ctx, text, strlen(text), "t.tn", &program, NULL);
  tn_program_destroy(program);
  return status == TN_OK;
}

/* The only function of the program, scheduled for the target and committed. */
static inline const tn_func *schedule(tn_program *program, const char *target_name) {
  const tn_target *target;
  const tn_func *func;
  tn_schedule *s;
  tn_error *error;
  ck_assert_int_eq(tn_target_get(o.ctx, target_name, &target, NULL), TN_OK);
  ck_assert_int_eq(tn_schedule_create(program, tn_program_func_at(program, 0), &s, NULL), TN_OK);
  tn_status status = tn_schedule_default(s, target, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  status = tn_schedule_commit(s, &func, &error);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(error));
  tn_schedule_destroy(s);
  return func;
}

/* The function on the loop level, scheduled for vectors of 512 bits. */
static inline char *loop_text(const char *text) {
  const tn_func *lowered;
  char *out;
  tn_program *program = parse(text);
  ck_assert_int_eq(tni_lower(&program->region, schedule(program, "x86-64-v4"), &lowered, NULL), TN_OK);
  ck_assert_int_eq(tn_func_print(lowered, &out, NULL), TN_OK);
  tn_program_destroy(program);
  return out;
}

/* The function, scheduled for this processor, gives the same; its loops, for vectors of 512 bits, are returned. */
static inline char *checked_loops(const char *text) {
  oracle_data want;
  tn_program *program = parse(text);
  ck_assert(oracle_bind(&o, program, text));
  ck_assert(oracle_expect(&o, tn_program_func_at(program, 0), &want));
  const tn_func *func = schedule(program, "host");
  ck_assert_msg(oracle_run_all(&o, program, func, &want), "%s", o.why);
  oracle_data_free(&want);
  tn_program_destroy(program);
  return loop_text(text);
}

static inline int count_of(const char *text, const char *what) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) count++;
  return count;
}

#endif
