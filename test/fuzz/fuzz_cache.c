/* fuzz_cache.c -- any bytes as an entry of a cache, or as an object in it: read, and linked by our own linker. What it makes
 * is not run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "cache.h"

static void link_objects(size_t count, char *const *objects, const size_t *sizes) {
  tni_library *library;
  tn_error *err;
  tn_status status = tni_library_load(fuzz_context(), true, count, objects, sizes, &library, &err);
  fuzz_is_ok(status, library, err);
  tni_library_unload(library);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const unsigned char secret[16];
  const tni_cache_key key = {.digest = {0}, .identity = "fuzz", .secret = secret, .secret_bytes = sizeof secret};
  tni_arena arena;
  size_t count, *sizes;
  char **objects;
  tni_entry_check(data, size, &key);
  tni_arena_init(&arena, fuzz_context());
  if (size >= 4 && memcmp(data, "\177ELF", 4) == 0)
    link_objects(1, (char *[]){(char *)data}, &size);
  else if (!tni_entry_read(&arena, data, size, &key, &count, &objects, &sizes))
    link_objects(count, objects, sizes);
  tni_arena_destroy(&arena);
  return 0;
}
