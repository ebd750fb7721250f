/* choose.c -- sampled decisions: which of so many choices? What the line says, else the configuration that a template is at,
 * else a draw.
 *
 * The generator is splitmix64: the state grows by 0x9e3779b97f4a7c15, and the draw is the state z after
 * z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9, z = (z ^ z >> 27) * 0x94d049bb133111eb, z ^ z >> 31. Of n choices that is z % n;
 * draws among the last 2^64 % n values are passed over. The same seed gives the same decisions on every platform.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

uint64_t tni_draw(tn_schedule *s) {
  uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* The template's digit. */
static uint64_t next_digit(tni_chooser *c, uint64_t count) {
  uint64_t digit = c->left % count;
  c->left /= count;
  if (__builtin_mul_overflow(c->size, count, &c->size)) c->size = UINT64_MAX;
  return digit;
}

uint64_t tni_choose(tn_schedule *s, uint64_t count) {
  if (s->chooser) return next_digit(s->chooser, count);
  uint64_t z, rest = (UINT64_MAX % count + 1) % count; /* 2^64 % count */
  do z = tni_draw(s);
  while (z > UINT64_MAX - rest);
  return z % count;
}

void tn_schedule_seed(tn_schedule *s, uint64_t seed) { s->random = seed; }

int64_t tn_schedule_number(const tn_schedule *s, int64_t number) {
  const tni_handle *h = number < TNI_NUMBERS_END ? tni_handle_at(s, (int32_t)(number - INT64_MIN)) : NULL;
  return h && h->kind == TNI_HANDLE_NUMBER ? h->number : number;
}

void tni_numbers_of(size_t count, const int32_t *handles, int64_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = handles[i] ? INT64_MIN + handles[i] : 0;
}
