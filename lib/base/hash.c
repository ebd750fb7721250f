/* hash.c -- 128-bit hashes of bytes, the same on every platform: MurmurHash3_x64_128 with seed 0 (Austin Appleby's public
 * domain design). For identities and against damage; not against an adversary.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lib.h"

static const uint64_t C1 = UINT64_C(0x87c37b91114253d5), C2 = UINT64_C(0x4cf5ad432745937f);

static uint64_t rotate(uint64_t x, int n) { return x << n | x >> (64 - n); }

/* Up to 8 bytes, the first one lowest. */
static uint64_t load(const unsigned char *bytes, size_t count) {
  uint64_t x = 0;
  for (size_t i = 0; i < count; i++) x |= (uint64_t)bytes[i] << 8 * i;
  return x;
}

static uint64_t mix_low(uint64_t x) { return rotate(x * C1, 31) * C2; }
static uint64_t mix_high(uint64_t x) { return rotate(x * C2, 33) * C1; }

static uint64_t finish(uint64_t x) {
  x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
  x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
  return x ^ x >> 33;
}

tni_hash tni_hash_bytes(const void *data, size_t size) {
  const unsigned char *bytes = data;
  uint64_t low = 0, high = 0;
  size_t left = size;
  for (; left >= 16; left -= 16, bytes += 16) {
    low = (rotate(low ^ mix_low(load(bytes, 8)), 27) + high) * 5 + 0x52dce729;
    high = (rotate(high ^ mix_high(load(bytes + 8, 8)), 31) + low) * 5 + 0x38495ab5;
  }
  if (left > 8) high ^= mix_high(load(bytes + 8, left - 8));
  if (left > 0) low ^= mix_low(load(bytes, left < 8 ? left : 8));
  low ^= size;
  high ^= size;
  low += high;
  high += low;
  low = finish(low);
  high = finish(high);
  low += high;
  high += low;
  return (tni_hash){low, high};
}
