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
  static const char *const scopes[] = {"global", "local", "register"};
  uint32_t f = oracle_random(state) % 3, read = oracle_random(state) % 3;
  static const char *const paddings[] = {"[4, 4, 2]", "[2, 3, 4]", "[1, 1, 4]", "[3, 2]", "[2, 1, 4, 1, 1, 2]"};
  static const char *const types[] = {"f16", "f64", "bf16", "i32", "i8"};
  switch (oracle_random(state) % 25) {
  case 0: snprintf(line, LINE, "unsafe_set_dtype(%s, \"%s\", store=%u)", block, types[oracle_random(state) % 5], read / 2); return;
  default: break;
  }
  static const char *const regions[] = {"(a) -> (a)", "(a, b) -> (a, b)", "(a, b, c) -> (a, c)", "(a, b) -> (a : 2, b)",
                                        "(a, b, c) -> (c, b)", "(a) -> (a : 3)", "(a, b) -> (a - 1 : 3, b)"};
  switch (oracle_random(state) % 7) {
  case 3:
  case 4: choose_pipeline(above, state, line); break;
  case 5:
    snprintf(line, LINE, "annotate_buffer_access(%s, %s, %u, \"%s\")", block, f ? "read" : "write", read, regions[oracle_random(state) % 7]);
    break;
  case 2: snprintf(line, LINE, "pad_einsum(%s, %s)", any(blocks, state), paddings[oracle_random(state) % 5]); break;
  case 0: snprintf(line, LINE, "decompose_padding(%s, %s)", block, above); break;
  case 1: snprintf(line, LINE, "read_at(%s, %s, %u, \"%s\")", above, block, read, scopes[f]); break;
  default: snprintf(line, LINE, "write_at(%s, %s, \"%s\", store=%u)", above, block, scopes[f], read / 2); break;
  }
}

#endif
