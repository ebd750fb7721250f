/* digest.c -- keyed BLAKE2b and Poly1305, by libsodium: names and seals of cache entries, against damage and, with a key,
 * against whoever may write to the cache.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lib.h"

#ifdef TNI_SODIUM
#include <sodium.h>

_Static_assert(sizeof(crypto_generichash_blake2b_state) <= sizeof(tni_digest), "room for the state");
_Static_assert(TNI_DIGEST_BYTES == crypto_generichash_blake2b_BYTES, "its usual size");
_Static_assert(TNI_TAG_BYTES == crypto_onetimeauth_BYTES && TNI_TAG_KEY_BYTES == crypto_onetimeauth_KEYBYTES, "its sizes");
_Static_assert(TNI_DIGEST_KEY_BYTES == crypto_generichash_blake2b_KEYBYTES_MAX, "its largest key");

bool tni_digest_ready(void) { return sodium_init() >= 0; }

void tni_digest_begin(tni_digest *d, const void *key, size_t key_bytes) {
  crypto_generichash_blake2b_init((void *)d, key_bytes ? key : NULL, key_bytes, TNI_DIGEST_BYTES);
}

void tni_digest_add(tni_digest *d, const void *bytes, size_t size) {
  crypto_generichash_blake2b_update((void *)d, bytes, size);
}

void tni_digest_end(tni_digest *d, unsigned char *out) {
  crypto_generichash_blake2b_final((void *)d, out, TNI_DIGEST_BYTES);
}

bool tni_digest_equal(const unsigned char *a, const unsigned char *b) { return !sodium_memcmp(a, b, TNI_DIGEST_BYTES); }

void tni_tag(const void *bytes, size_t size, const unsigned char *key, unsigned char *out) {
  crypto_onetimeauth(out, bytes, size, key);
}

void tni_random(unsigned char *out, size_t size) { randombytes_buf(out, size); }

#else

bool tni_digest_ready(void) { return false; }
void tni_digest_begin(tni_digest *d, const void *key, size_t key_bytes) { (void)d, (void)key, (void)key_bytes; }
void tni_digest_add(tni_digest *d, const void *bytes, size_t size) { (void)d, (void)bytes, (void)size; }
void tni_digest_end(tni_digest *d, unsigned char *out) { (void)d, memset(out, 0, TNI_DIGEST_BYTES); }
bool tni_digest_equal(const unsigned char *a, const unsigned char *b) { return (void)a, (void)b, false; }
void tni_tag(const void *bytes, size_t size, const unsigned char *key, unsigned char *out) {
  (void)bytes, (void)size, (void)key, memset(out, 0, TNI_TAG_BYTES);
}
void tni_random(unsigned char *out, size_t size) { memset(out, 0, size); }

#endif
