/* program.h -- what tests of one program share: a context and an empty program around each of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_IR_PROGRAM_H
#define TEST_IR_PROGRAM_H

#include "ir.h"
#include "suite.h"

static tn_context *ctx;
static tn_program *program;

static inline void setup(void) {
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(ctx, &program, NULL), TN_OK);
}

static inline void teardown(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

#endif
