/* entry.c -- an entry of a cache as bytes: what it is for, the objects, a seal over all of it.
 *
 *     magic, format | size | key | size of identity | count of objects | identity | sizes of objects | objects | seal
 *
 * Numbers are little-endian. Objects begin at multiples of 16. The seal is a keyed hash of all before it: it is looked
 * at first, and what it does not fit is read no further. The reader still trusts nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cache.h"

static const char magic[8] = {'T', 'N', 'C', 'O', 'D', 'E', '1', '\n'};

enum { ALIGN = 16, HEAD = 8 + 8 + TNI_DIGEST_BYTES + 8 + 8, MOST_OBJECTS = 1 << 20 };

static void add_number(tni_text *out, uint64_t x) {
  char bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (char)(x >> 8 * i);
  tni_text_add_bytes(out, bytes, sizeof bytes);
}

static uint64_t number_at(const unsigned char *at) {
  uint64_t x = 0;
  for (int i = 0; i < 8; i++) x |= (uint64_t)at[i] << 8 * i;
  return x;
}

static void pad(tni_text *out) {
  static const char zeros[ALIGN];
  tni_text_add_bytes(out, zeros, -out->length & (ALIGN - 1));
}

static void seal(const void *bytes, size_t size, const tni_cache_key *key, unsigned char *out) {
  tni_digest d;
  tni_digest_begin(&d, key->secret, key->secret_bytes);
  tni_digest_add(&d, "seal", 4);
  tni_digest_add(&d, bytes, size);
  tni_digest_end(&d, out);
}

void tni_entry_write(tni_text *out, const tni_cache_key *key, size_t count, char *const *objects, const size_t *sizes) {
  unsigned char end[TNI_DIGEST_BYTES];
  size_t identity = strlen(key->identity), total = HEAD + identity + 8 * count;
  for (size_t i = 0; i < count; i++) total = ((total + ALIGN - 1) & ~(size_t)(ALIGN - 1)) + sizes[i];
  tni_text_add_bytes(out, magic, sizeof magic);
  add_number(out, total + TNI_DIGEST_BYTES);
  tni_text_add_bytes(out, (const char *)key->digest, TNI_DIGEST_BYTES);
  add_number(out, identity);
  add_number(out, count);
  tni_text_add_bytes(out, key->identity, identity);
  for (size_t i = 0; i < count; i++) add_number(out, sizes[i]);
  for (size_t i = 0; i < count; i++) {
    pad(out);
    tni_text_add_bytes(out, objects[i], sizes[i]);
  }
  seal(out->data, out->length, key, end);
  tni_text_add_bytes(out, (const char *)end, sizeof end);
}

const char *tni_entry_check(const void *bytes, size_t size, const tni_cache_key *key) {
  const unsigned char *at = bytes;
  unsigned char want[TNI_DIGEST_BYTES];
  if (size < HEAD + TNI_DIGEST_BYTES || memcmp(at, magic, sizeof magic) != 0) return "it is no entry of this format";
  if (number_at(at + 8) != size) return "it is not whole";
  seal(bytes, size - TNI_DIGEST_BYTES, key, want);
  if (!tni_digest_equal(want, at + size - TNI_DIGEST_BYTES)) return "it is damaged, or sealed with another key";
  return NULL;
}

const char *tni_entry_read(tni_arena *arena, const void *bytes, size_t size, const tni_cache_key *key, size_t *count,
                           char ***objects, size_t **sizes) {
  const unsigned char *at = bytes;
  *count = 0;
  if (size < HEAD + TNI_DIGEST_BYTES) return "it is not whole";
  if (memcmp(at + 16, key->digest, TNI_DIGEST_BYTES) != 0) return "it is another one's";
  size_t end = size - TNI_DIGEST_BYTES, from = HEAD, identity = strlen(key->identity);
  uint64_t number = number_at(at + HEAD - 8);
  if (number_at(at + HEAD - 16) != identity || identity > end - from || memcmp(at + from, key->identity, identity) != 0)
    return "it was made by another version or for another processor";
  from += identity;
  if (number > MOST_OBJECTS || number * 8 > end - from) return "its table of objects is damaged";
  *objects = TNI_NEW_ARRAY(arena, char *, number);
  *sizes = TNI_NEW_ARRAY(arena, size_t, number);
  if (!*objects || !*sizes) return "there is no memory";
  const unsigned char *table = at + from;
  from += number * 8;
  for (size_t i = 0; i < number; i++) {
    uint64_t bytes_of = number_at(table + 8 * i);
    from = (from + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (from > end || bytes_of > end - from) return "its table of objects is damaged";
    (*objects)[i] = (char *)at + from;
    (*sizes)[i] = (size_t)bytes_of;
    from += bytes_of;
  }
  if (from != end) return "its table of objects is damaged";
  *count = number;
  return NULL;
}
