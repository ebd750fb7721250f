/* caches.h -- lines that put buffers between a block and what it reads or writes, by maps of its iterators, for fuzz.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_CACHES_H
#define TEST_SCHED_CACHES_H

enum { MAX_ITERS = 8 };

/* A map of the iterators of the block whose name stands at `place`: most often a good one. */
static void draw_map(const char *place, uint64_t *state, char *out, size_t size) {
  const char *end = place + strcspn(place, "\n"), *at = place;
  int64_t extents[MAX_ITERS];
  bool reduce[MAX_ITERS], first = true;
  uint32_t count = 0, order[MAX_ITERS], kinds = oracle_random(state) % 3; /* of one kind, or of both */
  for (; count < MAX_ITERS && (at = strstr(at, ": 0..")) && at < end; at += 5, count++) {
    const char *name = at;
    while (name > place && name[-1] != '(' && name[-1] != ',') name--;
    reduce[count] = strncmp(name + (*name == ' '), "reduce ", 7) == 0;
    extents[count] = atoll(at + 5) > 0 ? atoll(at + 5) : 1;
    order[count] = count;
  }
  size_t n = (size_t)snprintf(out, size, "(");
  for (uint32_t i = 0; i < count; i++) n += (size_t)snprintf(out + n, size - n, "%sv%u", i ? ", " : "", i);
  n += (size_t)snprintf(out + n, size - n, ") -> (");
  for (uint32_t i = count; i > 1; i--) {
    uint32_t k = oracle_random(state) % i, last = order[i - 1];
    order[i - 1] = order[k], order[k] = last;
  }
  for (uint32_t i = 0; i < count && n + 40 < size; i++) {
    uint32_t v = order[i], w = order[i + 1 < count ? i + 1 : i];
    uint32_t f = 2 + oracle_random(state) % 3, form = oracle_random(state) % 8;
    if ((kinds == 1 && reduce[v]) || oracle_random(state) % 24 == 0) continue;
    bool pair = i + 1 < count && (reduce[v] == reduce[w] || oracle_random(state) % 8 == 0);
    const char *comma = first ? "" : ", ";
    if (form == 0)
      n += (size_t)snprintf(out + n, size - n, "%sv%u // %u, v%u %% %u", comma, v, f, v, f);
    else if (form == 1 && pair)
      n += (size_t)snprintf(out + n, size - n, "%sv%u * %lld + v%u", comma, v, (long long)extents[w], w), i++;
    else if (form == 2 && pair)
      n += (size_t)snprintf(out + n, size - n, "%sv%u + v%u", comma, v, w), i++;
    else
      n += (size_t)snprintf(out + n, size - n, "%sv%u", comma, v);
    first = false;
  }
  snprintf(out + n, size - n, ")");
}

/* Buffers between a block and what it reads or writes. */
static void choose_cache_line(const names *loops, const names *blocks, const char *loop, uint64_t *state, char *line) {
  static const char *const scopes[] = {"global", "local", "register"};
  static const char *const dims[] = {"[0], [1]",
                                     "[0, 1, 0], [2, 1, 1]",
                                     "[1, 0, 1], [3, 1, 1]",
                                     "[0, 1, 2], [1, 1, 1]",
                                     "[0, 2, 0, 2], [4, 2, 1, 1]",
                                     "[1, 2, 1, 2], [2, 4, 1, 1]"};
  char map[LINE / 2];
  size_t b = oracle_random(state) % blocks->count;
  const char *block = blocks->at[b], *scope = scopes[oracle_random(state) % 3];
  uint32_t read = oracle_random(state) % 4, store = oracle_random(state) % 4 == 0;
  draw_map(blocks->place[b], state, map, sizeof map);
  switch (oracle_random(state) % 16) {
  case 0: snprintf(line, LINE, "prefetch(%s, %u, %s)", block, read, loop); break;
  case 1:
    snprintf(line, LINE, "pack_read(%s, %u, %s, \"%s\", of=%s)", block, read, dims[oracle_random(state) % 6], scope,
             oracle_random(state) % 4 ? "element" : "cast");
    break;
  case 2: snprintf(line, LINE, "reindex(%s, %u, scope=\"%s\")", block, read, scope); break;
  case 3: snprintf(line, LINE, "reindex(%s, %u, access=write, scope=\"%s\")", block, store, scope); break;
  case 4:
  case 5: snprintf(line, LINE, "reindex_cache_read(%s, %u, \"%s\", \"%s\")", block, read, scope, map); break;
  case 6:
  case 7: snprintf(line, LINE, "reindex_cache_write(%s, \"%s\", \"%s\", store=%u)", block, scope, map, store); break;
  case 8:
  case 9: snprintf(line, LINE, "cache_index(%s, scope=\"%s\", times=%u)", block, scope, 1 + store); break;
  case 10: snprintf(line, LINE, "cache_inplace(%s, %s, \"%s\", store=%u)", block, block, scope, store); break;
  case 11:
    snprintf(line, LINE, "cache_inplace(%s, %s, \"%s\")", block, loop_near(loops, blocks->place[b], true, state),
             scope);
    break;
  case 12:
  case 13:
  case 14: snprintf(line, LINE, "l0, l1, l2 = transform_block_layout(%s, \"%s\")", block, map); break;
  default: snprintf(line, LINE, "cache_read(%s, %u, \"%s\")", block, read, scope);
  }
}

#endif
