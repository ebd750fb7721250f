/* key.c -- what the entries of a cache are for: hashes of all that what they hold depends on.
 *
 *     versions, target | a word | instructions of the host, text, contents --hash--> key
 *
 * Contents are megabytes, which one core hashes more slowly than a model runs. So pieces of them get tags, on all threads,
 * and the tags are hashed: Poly1305 under a key that nobody knows who could choose contents.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cache.h"

enum { CHUNK = 1 << 19 };

/* ---- keys ------------------------------------------------------------------------------------------------------ */

static void add_target(tni_text *out, const tn_target *t) {
  tni_text_add(out, "target %s\nfeatures %s\nmaker %s\n", t->triple, t->features, t->maker);
  tni_text_add(out, "cpu %s level %d, %d bits in %d registers, %d%d%d, %d cores, %zu %zu %zu %zu\n", t->cpu,
               (int)t->level, (int)t->vector_bits, (int)t->vector_registers, t->has_fma, t->has_ldexp_vector,
               t->has_f16, (int)t->cores, t->l1d, t->l2, t->l3, t->cache_line);
}

/* Instructions that the host added may be in the code. */
static void add_instructions(tni_text *out, tn_context *ctx) {
  for (const tni_unit *unit = NULL; (unit = tni_unit_after(ctx, unit));) {
    const tni_unit_row *row = unit->own;
    if (!row) continue;
    tni_text_add(out, "instruction %s %d %s %d %d\n", row->unit, (int)row->isa, row->feature, (int)row->form,
                 (int)row->gain);
    for (int i = 0; i < 3; i++) tni_text_add(out, "%s\n", row->names[i] ? row->names[i] : "");
    const tn_program *meaning = ((const tni_added_unit *)unit)->program;
    for (size_t i = 0; i < meaning->func_count; i++) tni_print_func(out, meaning->funcs[i], NULL);
  }
}

bool tni_cache_key_identify(tni_pipeline *p, tni_arena *arena, tni_cache_key *key) {
  tni_text identity;
  tni_text_init(&identity, p->ctx);
  tni_text_add(&identity, "%s", p->desc->cache->builds);
  add_target(&identity, p->target);
  *key = (tni_cache_key){.identity = tni_arena_text(arena, identity.data),
                         .secret = p->desc->cache->secret,
                         .secret_bytes = p->desc->cache->secret_bytes};
  bool good = !identity.failed && key->identity;
  tni_text_destroy(&identity);
  return good;
}

bool tni_cache_key_make(tni_pipeline *p, tni_cache_key *key, const char *word, const tni_text *text,
                        const unsigned char *contents) {
  tni_text instructions;
  tni_digest digest;
  tni_text_init(&instructions, p->ctx);
  add_instructions(&instructions, p->ctx);
  tni_digest_begin(&digest, key->secret, key->secret_bytes);
  tni_digest_add(&digest, word, strlen(word));
  tni_digest_add(&digest, key->identity, strlen(key->identity) + 1);
  tni_digest_add(&digest, instructions.data, instructions.length + 1);
  tni_digest_add(&digest, text->data, text->length);
  if (contents) tni_digest_add(&digest, contents, TNI_DIGEST_BYTES);
  tni_digest_end(&digest, key->digest);
  bool good = !instructions.failed && !text->failed && !strstr(text->data, "# ...") &&
              !strstr(instructions.data, "# ...");
  tni_text_destroy(&instructions);
  return good;
}

void tni_cache_key_derive(const tni_cache_key *key, const char *word, tni_cache_key *out) {
  tni_digest digest;
  *out = *key;
  tni_digest_begin(&digest, key->secret, key->secret_bytes);
  tni_digest_add(&digest, word, strlen(word));
  tni_digest_add(&digest, key->digest, sizeof key->digest);
  tni_digest_end(&digest, out->digest);
}

/* ---- contents -------------------------------------------------------------------------------------------------- */

typedef struct tagging {
  const unsigned char *key;
  const char **chunks;
  size_t *sizes;
  unsigned char *tags;
} tagging;

static int32_t tag_chunks(void *closure, int64_t begin, int64_t end) {
  const tagging *t = closure;
  for (int64_t i = begin; i < end; i++) tni_tag(t->chunks[i], t->sizes[i], t->key, t->tags + i * TNI_TAG_BYTES);
  return 0;
}

static size_t chunks_of(const tni_contents *contents) { return (size_t)((contents->bytes + CHUNK - 1) / CHUNK); }

static void cut(tagging *t, size_t count, const tni_contents *contents) {
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    const char *bytes = contents[i].data;
    for (uint64_t left = contents[i].bytes, size; left; left -= size, bytes += size) {
      size = left < CHUNK ? left : CHUNK;
      t->chunks[at] = bytes;
      t->sizes[at++] = (size_t)size;
    }
  }
}

bool tni_contents_digest(tn_context *ctx, const unsigned char *seed, size_t count, const tni_contents *contents,
                         unsigned char *out) {
  tni_arena arena;
  tni_digest digest;
  size_t chunks = 0;
  tni_arena_init(&arena, ctx);
  for (size_t i = 0; i < count; i++) chunks += chunks_of(&contents[i]);
  tagging t = {.key = seed,
               .chunks = TNI_NEW_ARRAY(&arena, const char *, chunks),
               .sizes = TNI_NEW_ARRAY(&arena, size_t, chunks),
               .tags = TNI_NEW_ARRAY(&arena, unsigned char, chunks * TNI_TAG_BYTES)};
  bool good = !arena.failed;
  if (good) {
    cut(&t, count, contents);
    tni_spread(ctx, tag_chunks, &t, (int64_t)chunks);
    tni_digest_begin(&digest, seed, TNI_TAG_KEY_BYTES);
    tni_digest_add(&digest, "contents", 8);
    for (size_t i = 0; i < count; i++) tni_digest_add(&digest, &contents[i].bytes, sizeof contents[i].bytes);
    tni_digest_add(&digest, t.tags, chunks * TNI_TAG_BYTES);
    tni_digest_end(&digest, out);
  }
  tni_arena_destroy(&arena);
  return good;
}
