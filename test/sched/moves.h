/* moves.h -- lines that fill, pad, copy and retype buffers, for fuzz.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_MOVES_H
#define TEST_SCHED_MOVES_H

/* Any block, more often one of those that are called P: they pad, or produce. */
static size_t block_to_move(const names *blocks, uint64_t *state) {
  size_t b = oracle_random(state) % blocks->count;
  for (size_t i = 0; i < blocks->count && oracle_random(state) % 2; i++)
    if (blocks->at[i][0] == 'P') b = i;
  return b;
}

static void choose_move_line(const names *loops, const names *blocks, uint64_t *state, char *line) {
  size_t b = block_to_move(blocks, state);
  const char *block = blocks->at[b], *above = loop_near(loops, blocks->place[b], true, state);
  snprintf(line, LINE, "decompose_padding(%s, %s)", block, above);
}

#endif
