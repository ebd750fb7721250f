/* units.h -- programs of one tensor instruction each, with numbers of all kinds, for those who run it beside its meaning.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_UNITS_H
#define TEST_JIT_UNITS_H

#include "session.h"

/* Sums of a program; steps of the longest unit that is of vectors, not of tiles. */
enum {
  UNITS_COUNT = 2048,
  UNITS_STEPS = 4,
  UNITS_FACTOR_BYTES = UNITS_COUNT * UNITS_STEPS * 4,
  UNITS_SUM_BYTES = UNITS_COUNT * 4
};

static uint64_t units_state = 1;

static inline uint32_t units_random(void) {
  units_state = units_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(units_state >> 32);
}

/* All kinds; or such that sums meet each other, or the smallest normal numbers. */
static inline uint32_t units_random_float(int kind, bool is_sum) {
  uint32_t bits = units_random();
  if (kind == 0) return bits;
  uint32_t low = kind == 1 ? 118 : is_sum ? 0 : 58, range = kind == 1 ? 16 : 10;
  return (bits & 0x807fffff) | (low + units_random() % range) << 23;
}

/* Every fourth group of them the least or the greatest that bytes hold. */
static inline void units_fill_bytes(uint8_t *to, size_t bytes) {
  static const uint8_t extremes[] = {0x80, 0x7f, 0xff, 0};
  for (size_t i = 0; i < bytes; i++) {
    uint32_t bits = units_random();
    to[i] = i / 8 % 4 == 0 ? extremes[bits % 4] : (uint8_t)bits;
  }
}

/* 2^-126 - 2^-150, which is below the normal numbers, though 2^-126 is the float next to it; 2^-126 - 2^-151, which is not. */
static inline void units_fill_borders(uint8_t *a, uint8_t *b, uint8_t *start) {
  static const uint16_t x[] = {0x1a00, 0, 0x1a00, 0}, y[] = {0x9a00, 0, 0x9980, 0};
  static const uint32_t c[] = {0x00800000, 0x00800000};
  memcpy(a, x, sizeof x), memcpy(b, y, sizeof y), memcpy(start, c, sizeof c);
}

static inline void units_fill(const tni_unit *unit, uint8_t *a, uint8_t *b, uint8_t *start) {
  units_fill_bytes(a, UNITS_FACTOR_BYTES);
  units_fill_bytes(b, UNITS_FACTOR_BYTES);
  for (size_t i = 0; i < UNITS_COUNT; i++) {
    uint32_t c = unit->c == TN_F32 ? units_random_float((int)(i % 3), true) : units_random();
    memcpy(start + 4 * i, &c, 4);
  }
  for (size_t i = 0; unit->a == TN_BF16 && i < UNITS_COUNT * 2; i++) {
    uint16_t x[] = {(uint16_t)(units_random_float((int)(i / 2 % 3), false) >> 16),
                    (uint16_t)(units_random_float((int)(i / 2 % 3), false) >> 16)};
    memcpy(a + 2 * i, &x[0], 2);
    memcpy(b + 2 * i, &x[1], 2);
  }
  if (unit->a == TN_BF16) units_fill_borders(a, b, start);
}

/* C[v] += A[..] * B[..], tensorized, in a function of that name; together: the factors of an element stand side by side. */
static inline tn_program *units_program(tn_context *ctx, const char *name, const tni_unit *unit, int lanes,
                                        bool together) {
  char text[1024], script[256], c[16], x[16], y[16];
  int k = unit->steps, count = UNITS_COUNT;
  tn_type_text(unit->c, c), tn_type_text(unit->a, x), tn_type_text(unit->b, y);
  if (together)
    snprintf(text, sizeof text, "func %s(A: %s[%d, %d], B: %s[%d, %d], C: %s[%d]) {\n", name, x, count, k, y, count, k,
             c, count);
  else
    snprintf(text, sizeof text, "func %s(A: %s[%d], B: %s[%d, %d], C: %s[%d]) {\n", name, x, k, y, k, count, c, count);
  size_t n = strlen(text);
  const char *from = together ? "A[v, r]" : "A[r]", *by = together ? "B[v, r]" : "B[r, v]";
  snprintf(text + n, sizeof text - n,
           "  for i in 0..%d {\n    for t in 0..%d {\n      block C(v: 0..%d = i, reduce r: 0..%d = t) {\n"
           "        C[v] = C[v] + cast(%s, %s) * cast(%s, %s)\n      }\n    }\n  }\n}\n",
           count, k, count, k, c, from, c, by);
  snprintf(script, sizeof script, "blockize(C[1])\ntensorize(C, \"%s\")\nio, ii = split(C[0], [0, %d])\nvectorize(ii)",
           unit->name, lanes);
  tn_program *program = session_parse(ctx, text);
  tn_schedule *s;
  const tn_func *f;
  tn_error *error = NULL;
  must(tn_schedule_create(program, tn_program_func(program, name), &s, &error), error);
  must(tn_schedule_run(s, script, &error), error);
  must(tn_schedule_commit(s, &f, &error), error);
  tn_schedule_destroy(s);
  return program;
}

/* Is sum number i the same in both? */
static inline bool units_same(const tni_unit *unit, const uint8_t *want, const uint8_t *got, size_t i) {
  float x, y;
  memcpy(&x, want + 4 * i, 4), memcpy(&y, got + 4 * i, 4);
  return memcmp(want + 4 * i, got + 4 * i, 4) == 0 || (unit->c == TN_F32 && x != x && y != y);
}

#endif
