/* foreign_call.h -- what foreign.h and guest.c, processes of two architectures, tell each other. Both are
 * little-endian.
 *
 *     input     the buffers of each call, one after another
 *     output    foreign_end and the same buffers, of each call
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_TARGETS_FOREIGN_CALL_H
#define TEST_TARGETS_FOREIGN_CALL_H

#include <stddef.h>
#include <stdint.h>

enum { FOREIGN_ARGS = 16, FOREIGN_ASSERTION = 120 };

/* How a call ended. */
typedef struct foreign_end {
  int32_t status;
  int32_t held;                      /* scratch blocks that were not released */
  uint64_t externals;                /* which were called; see sched/externals.h */
  char assertion[FOREIGN_ASSERTION]; /* that failed, or empty */
} foreign_end;

#endif
