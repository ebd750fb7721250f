/* externals.h -- what random programs call of their host, `extern bump(index): f32` and `extern touch(ptr, index):
 * f32`: they note that they were called, with what, in which order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_EXTERNALS_H
#define TEST_SCHED_EXTERNALS_H

#include <stdint.h>

static inline void external_note(uint64_t *calls, int64_t number) {
  *calls = (*calls ^ (uint64_t)(number + 1)) * 0x100000001b3u + 1;
}

/* A number; and the first element of a buffer, which becomes one more. */
static inline float external_bump(uint64_t *calls, int64_t number) {
  external_note(calls, number);
  return (float)(number % 3);
}
static inline float external_touch(uint64_t *calls, float *at, int64_t number) {
  external_note(calls, number);
  return *at += 1;
}

#endif
