/* judged.h -- tables of programs that the verifier accepts, or refuses with a whole message: each row, and all of them without
 * memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_IR_JUDGED_H
#define TEST_IR_JUDGED_H

#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

/* The program of a row is that of its level, with the body in the place of %s. */
typedef struct judged {
  const char *level, *body; /* "" or "loop" */
  const char *error;        /* NULL: accepted */
} judged;
typedef struct judged_frames {
  const char *tensor, *loop;
} judged_frames;

static inline tn_status judged_parse(tn_context *ctx, const judged_frames *frames, const judged *row,
                                     tn_error **error) {
  char text[512];
  tn_program *program;
  snprintf(text, sizeof text, *row->level ? frames->loop : frames->tensor, row->body);
  tn_status status = tn_program_parse(ctx, text, strlen(text), "case", &program, error);
  tn_program_destroy(program);
  return status;
}

static inline void judged_check(const judged_frames *frames, const judged *row) {
  tn_context *ctx;
  tn_error *error;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_status status = judged_parse(ctx, frames, row, &error);
  ck_assert_str_eq(tn_error_text(error), row->error ? row->error : "");
  ck_assert_int_eq(status, row->error ? TN_E_VERIFY : TN_OK);
  tn_error_destroy(error);
  tn_context_destroy(ctx);
}

/* Want of memory is told, or did not matter: it changes no judgement. */
static inline void judged_without_memory(const judged_frames *frames, size_t count, const judged *rows) {
  for (size_t i = 0; i < count; i++) {
    fault f = {.once = true};
    tn_context *ctx = fault_context(&f);
    tn_error *error;
    bool hit = true;
    for (long at = 1; hit; at++) {
      f.fail_at = atomic_load(&f.calls) + at;
      tn_status status = judged_parse(ctx, frames, &rows[i], &error), want = rows[i].error ? TN_E_VERIFY : TN_OK;
      hit = atomic_load(&f.calls) >= f.fail_at;
      ck_assert_msg(status == want || (hit && status == TN_E_NOMEM), "case %zu, call %ld: %d", i, at, (int)status);
      tn_error_destroy(error);
    }
    fault_finish(&f, ctx);
  }
}

#endif
