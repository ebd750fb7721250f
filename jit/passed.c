/* passed.c -- a program as the graph passes left it, from a cache and into it.
 *
 *     program, its constants, target, options, versions --hash--> key
 *     key --> entry: functions and fused graphs as text, what calls are made of, the digests of code and constants
 *         --> constants, folded and packed: a file of their own, which is mapped
 *
 * What is left to do is to read the text, plan the memory and link the code. An entry is text that is parsed and verified as
 * any other; constants are used only when their digest fits.
 *
 * Contents are told apart by a hash under a seed: of the secret, or a random number that the cache keeps as an entry. So who
 * makes a model cannot make it pass for another one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cache.h"

/* ---- the entry ------------------------------------------------------------------------------------------------- */

enum { TEXT, ORIGINS, PLACES, CONTENTS, CODE, PARTS };

/* Numbers as they are written: little-endian, as the processors that caches are for. */
typedef struct place {
  uint64_t offset, bytes;
} place;

/* Who asked for a program without graphs, or for word of its passes, gets no entry. */
static bool is_kept(const tni_pipeline *p) {
  const tn_program *s = p->source;
  return p->desc->cache && s->graph_count && !s->flow && !s->kept && !p->desc->observe;
}

static void add_options(tni_text *out, const tni_pipeline *p) {
  const tn_compile_desc *d = p->desc;
  const tn_limits *l = &p->ctx->limits;
  tni_text_add(out, "options %d %d %d %d\n", d->keep_schedules, d->unproven, d->integers, d->direct);
  tni_text_add(out, "limits %llu %llu %llu %u %u\n", (unsigned long long)l->model_bytes,
               (unsigned long long)l->tensor_bytes, (unsigned long long)l->total_bytes, l->nodes, l->nesting);
}

static bool make_key(tni_pipeline *p, tni_passed *passed) {
  tni_text text;
  tni_contents *contents;
  size_t count;
  unsigned char digest[TNI_DIGEST_BYTES];
  tni_text_init(&text, p->ctx);
  add_options(&text, p);
  bool good = tni_cache_key_identify(p, &passed->arena, &passed->key) &&
              tni_cache_seed(p->desc->cache, &passed->key, passed->seed) &&
              tni_print_bare(&text, p->source, &passed->arena, &count, &contents) &&
              tni_contents_digest(p->ctx, passed->seed, count, contents, digest) &&
              tni_cache_key_make(p, &passed->key, "passed", &text, digest);
  tni_text_destroy(&text);
  return good;
}

/* ---- finding --------------------------------------------------------------------------------------------------- */

/* Calls in the order of the graphs have two texts each. */
static bool take_origins(tn_program *program, const char *bytes, size_t size) {
  const char *end = bytes + size;
  for (size_t i = 0; i < program->graph_count; i++) {
    const tn_graph *g = program->graphs[i];
    for (uint32_t k = 0; k < g->node_count; k++) {
      tni_gnode *n = (tni_gnode *)&g->nodes[k]; /* of a program that nobody else sees yet */
      const char *texts[2];
      if (!n->call) continue;
      for (int t = 0; t < 2; t++) {
        const char *stop = memchr(bytes, 0, (size_t)(end - bytes));
        if (!stop || !(texts[t] = tni_arena_text(&program->region.arena, bytes))) return false;
        bytes = stop + 1;
      }
      if (!*texts[0] && !*texts[1]) continue;
      tni_origin *origin = TNI_NEW(&program->region.arena, tni_origin);
      if (!origin) return false;
      *origin = (tni_origin){texts[0], texts[1]};
      n->origin = origin;
    }
  }
  return bytes == end;
}

/* The constants where they lie in the blob; NULL: they lie elsewhere. */
static tni_contents *contents_in(tni_arena *arena, const tni_blob *blob, const char *bytes, size_t count) {
  tni_contents *contents = TNI_NEW_ARRAY(arena, tni_contents, count);
  for (size_t i = 0; contents && i < count; i++) {
    place at;
    memcpy(&at, bytes + i * sizeof at, sizeof at);
    if (at.offset > blob->size || at.bytes > blob->size - at.offset) return NULL;
    contents[i] = (tni_contents){(const char *)blob->data + at.offset, at.bytes, at.offset};
  }
  return contents;
}

/* NULL: *blob has the constants, NULL if there are none, or that are not kept any more. Else what is wrong with them. */
static const char *find_constants(tni_pipeline *p, tni_passed *passed, char *const *parts, const size_t *sizes,
                                  tni_blob **blob) {
  tni_cache_key key;
  unsigned char digest[TNI_DIGEST_BYTES];
  size_t count = sizes[PLACES] / sizeof(place);
  const char *why = NULL;
  tni_cache_key_derive(&passed->key, "constants", &key);
  *blob = count ? tni_cache_get_blob(p->desc->cache, &key) : NULL;
  if (!*blob) return NULL;
  const tni_contents *contents = contents_in(&passed->arena, *blob, parts[PLACES], count);
  if (!contents)
    why = "it is not whole";
  else if (!tni_contents_digest(p->ctx, passed->seed, count, contents, digest))
    why = "there is no memory";
  else if (!tni_digest_equal(digest, (const unsigned char *)parts[CONTENTS]))
    why = "it is damaged, or sealed with another key";
  if (!why) return NULL;
  tni_cache_refuse(p->desc->cache, &key, why);
  tni_blob_unref(*blob);
  *blob = NULL;
  return why;
}

static tn_status read_program(tni_pipeline *p, char *const *parts, const size_t *sizes, tni_blob *blob,
                              tn_program **out, tn_error **err) {
  tn_status status = tn_program_create(p->ctx, out, err);
  if (!status) status = tni_pipeline_copy_externs(p, *out, err);
  return status ? status : tni_parse_bare(*out, parts[TEXT], sizes[TEXT], blob, err);
}

/* False: without memory, or when it is not as the text says, and passes run as ever. */
static bool take_program(tni_pipeline *p, char *const *parts, const size_t *sizes, tni_blob *blob) {
  tn_program *made;
  tn_error *error = NULL;
  bool good = !read_program(p, parts, sizes, blob, &made, &error) && made->graph_count == p->source->graph_count &&
              take_origins(made, parts[ORIGINS], sizes[ORIGINS]) && !tni_pipeline_replace(p, made, &error);
  if (!good) tn_program_destroy(made);
  tn_error_destroy(error);
  return good;
}

static const char *read_entry(tni_pipeline *p, tni_passed *passed, const char *bytes, size_t size) {
  size_t count, *sizes;
  char **parts;
  tni_blob *blob;
  const char *why = tni_entry_read(&passed->arena, bytes, size, &passed->key, &count, &parts, &sizes);
  if (why) return why;
  if (count != PARTS || sizes[CONTENTS] != TNI_DIGEST_BYTES || sizes[CODE] != TNI_DIGEST_BYTES ||
      sizes[PLACES] % sizeof(place))
    return "it is no program";
  if (find_constants(p, passed, parts, sizes, &blob) || (sizes[PLACES] && !blob)) return NULL;
  passed->found = take_program(p, parts, sizes, blob);
  tni_blob_unref(blob);
  if (!passed->found) return "its program is not that of the key";
  memcpy(passed->code, parts[CODE], sizeof passed->code);
  return NULL;
}

void tni_passed_find(tni_pipeline *p, tni_passed *out) {
  tn_cache *cache = p->desc->cache;
  char *bytes;
  size_t size;
  *out = (tni_passed){0};
  tni_arena_init(&out->arena, p->ctx);
  if (!is_kept(p)) return;
  double start = tni_seconds(p->ctx);
  out->keyed = make_key(p, out);
  if (out->keyed && tni_cache_get(cache, &out->key, &bytes, &size)) {
    const char *why = read_entry(p, out, bytes, size);
    if (why) tni_cache_refuse(cache, &out->key, why);
    tni_free(p->ctx, bytes, size + 1);
  }
  atomic_fetch_add(out->found ? &cache->program_hits : &cache->program_misses, 1);
  p->stats.optimize_seconds += tni_seconds(p->ctx) - start;
}

/* ---- keeping --------------------------------------------------------------------------------------------------- */

static void add_origins(tni_text *out, const tn_program *program) {
  for (size_t i = 0; i < program->graph_count; i++)
    for (uint32_t k = 0; k < program->graphs[i]->node_count; k++) {
      const tni_gnode *n = &program->graphs[i]->nodes[k];
      if (!n->call) continue;
      const char *texts[] = {n->origin ? n->origin->operators : "", n->origin ? n->origin->nodes : ""};
      for (int t = 0; t < 2; t++) tni_text_add_bytes(out, texts[t], strlen(texts[t]) + 1);
    }
}

static bool put_constants(tni_pipeline *p, tni_passed *passed, size_t count, const tni_contents *contents) {
  tni_cache_key key;
  if (!count) return true;
  tni_cache_key_derive(&passed->key, "constants", &key);
  return tni_cache_put_contents(p->desc->cache, &key, count, contents);
}

void tni_passed_keep(tni_pipeline *p, tni_passed *passed, const tni_code *code) {
  tni_text text, origins, entry;
  tni_contents *contents;
  size_t count;
  unsigned char digest[TNI_DIGEST_BYTES];
  if (!passed->keyed || passed->found || !code->keyed || p->desc->cache->desc.read_only) return;
  tni_text_init(&text, p->ctx);
  tni_text_init(&origins, p->ctx);
  tni_text_init(&entry, p->ctx);
  add_origins(&origins, p->work);
  bool good = tni_print_bare(&text, p->work, &passed->arena, &count, &contents) && !strstr(text.data, "# ...") &&
              !origins.failed && tni_contents_digest(p->ctx, passed->seed, count, contents, digest);
  place *places = good ? TNI_NEW_ARRAY(&passed->arena, place, count) : NULL;
  for (size_t i = 0; places && i < count; i++) places[i] = (place){contents[i].offset, contents[i].bytes};
  if (places && put_constants(p, passed, count, contents)) {
    char *const parts[PARTS] = {[TEXT] = text.data,
                                [ORIGINS] = origins.data,
                                [PLACES] = (char *)places,
                                [CONTENTS] = (char *)digest,
                                [CODE] = (char *)(uintptr_t)code->key.digest};
    const size_t sizes[PARTS] = {[TEXT] = text.length,
                                 [ORIGINS] = origins.length,
                                 [PLACES] = count * sizeof *places,
                                 [CONTENTS] = sizeof digest,
                                 [CODE] = sizeof code->key.digest};
    tni_entry_write(&entry, &passed->key, PARTS, parts, sizes);
    if (!entry.failed) tni_cache_put(p->desc->cache, &passed->key, entry.data, entry.length);
  }
  tni_text_destroy(&entry);
  tni_text_destroy(&origins);
  tni_text_destroy(&text);
}

void tni_passed_close(tni_passed *passed) { tni_arena_destroy(&passed->arena); }
