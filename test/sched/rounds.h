/* rounds.h -- lines of the fuzzer about windows: stages come to where a part of them is read, keep what they have, run ahead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_ROUNDS_H
#define TEST_SCHED_ROUNDS_H

/* One of the loops that the block stands in. */
static const char *loop_around(const char *text, const names *loops, const char *block, uint64_t *state) {
  size_t around[MAX_NAMES], count = 0, column = column_of(text, block);
  for (size_t i = loops->count; i > 0; i--)
    if (loops->place[i - 1] < block && column_of(text, loops->place[i - 1]) < column) {
      column = column_of(text, loops->place[i - 1]);
      around[count++] = i - 1;
    }
  return count ? loops->at[around[oracle_random(state) % count]] : "none";
}

/* Stages of the statements of a loop, whose number is not known here. */
static void choose_pipeline(const char *loop, uint64_t *state, char *line) {
  static const char *const stages[] = {"[0, 1]", "[0, 1], order=[1, 0]", "[0, 0, 1]", "[0, 1, 2]", "[0, 1, 1]",
                                       "[0, 1, 1], order=[2, 0, 1]", "[0, 2]", "[0, 1, 1, 1]"};
  const char *tail = oracle_random(state) % 2 ? ", tail=guard" : "";
  snprintf(line, LINE, "software_pipeline(%s, %s%s)", loop, stages[oracle_random(state) % TNI_COUNT(stages)], tail);
}

static void choose_window_line(const char *text, const names *loops, const names *blocks, uint64_t *state, char *line) {
  size_t b = oracle_random(state) % blocks->count, behind = 0;
  if (strcmp(blocks->at[b], "Y") == 0) b = 0; /* the last of them: what it writes is the caller's */
  const char *block = blocks->at[b], *around = loop_around(text, loops, blocks->place[b], state);
  uint32_t f = oracle_random(state) % 3;
  while (behind < loops->count && loops->place[behind] < blocks->place[b]) behind++;
  switch (oracle_random(state) % 8) {
  case 0:
  case 1:
  case 2:
    snprintf(line, LINE, "compute_at(%s, %s)", block, behind + f < loops->count ? loops->at[behind + f] : "none");
    break;
  case 3:
  case 4: snprintf(line, LINE, "rolling_buffer(%s, %s, spare=%u)", block, around, f); break;
  case 5: snprintf(line, LINE, "double_buffer(%s, %s, copies=%u)", block, around, 2 + f); break;
  default: choose_pipeline(around, state, line);
  }
}

#endif
