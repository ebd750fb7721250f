/* passed.c -- a program as the graph passes left it, from a cache and into it.
 *
 *     program, its constants, target, options, versions --hash--> key
 *     key --> entry: functions and fused graphs as text, what calls are made of, the digests of code and constants
 *         --> constants, folded and packed: a file of their own, which is mapped; those that are the program's are not in it
 *
 * What is left to do is to read the text, plan the memory and link the code. An entry is text that is parsed and verified as
 * any other; constants are used only when their digest fits.
 *
 * Contents are told apart by a hash under a seed: of the secret, or a random number that the cache keeps as an entry. So who
 * makes a model cannot make it pass for another one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "cache.h"

/* ---- the entry ------------------------------------------------------------------------------------------------- */

enum { TEXT, ORIGINS, PLACES, CONTENTS, CODE, PARTS };

/* Numbers as they are written: little-endian, as the processors that caches are for. */
typedef struct place {
  uint64_t offset, bytes; /* as the text has it */
  uint64_t source;        /* 1 + the number of the program's constant that it is; 0: it lies in the file, */
  uint64_t at, element;   /* from here on; bytes of an element */
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
  unsigned char digest[TNI_DIGEST_BYTES];
  tni_text_init(&text, p->ctx);
  add_options(&text, p);
  bool good = tni_cache_key_identify(p, &passed->arena, &passed->key) &&
              tni_cache_seed(p->desc->cache, &passed->key, passed->seed) &&
              tni_print_bare(&text, p->source, &passed->arena, &passed->source_count, &passed->sources) &&
              tni_contents_digest(p->ctx, passed->seed, passed->source_count, passed->sources, digest) &&
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

/* What the entry says of each of its constants. */
typedef struct listed {
  size_t count, stored; /* stored: those in the file */
  place *places;
  tni_contents *contents; /* of all, once they are found; */
  tni_contents *in_file;  /* of those that are stored */
} listed;

static bool list_places(tni_arena *arena, const char *bytes, size_t size, listed *out) {
  *out = (listed){.count = size / sizeof(place), .places = tni_arena_copy(arena, bytes, size)};
  out->contents = TNI_NEW_ARRAY(arena, tni_contents, out->count);
  out->in_file = TNI_NEW_ARRAY(arena, tni_contents, out->count);
  for (size_t i = 0; out->places && i < out->count; i++) out->stored += !out->places[i].source;
  return out->places && out->contents && out->in_file;
}

/* False: not all that is stored lies in the blob. */
static bool find_in(const tni_blob *blob, listed *l) {
  for (size_t i = 0, n = 0; i < l->count; i++) {
    const place *at = &l->places[i];
    if (at->source) continue;
    if (at->at > blob->size || at->bytes > blob->size - at->at) return false;
    l->in_file[n++] = l->contents[i] =
        (tni_contents){.data = (const char *)blob->data + at->at, .bytes = at->bytes, .offset = at->offset};
  }
  return true;
}

/* *blob has the constants; NULL if there are none. False: they are not kept any more, or are of no use. */
static bool find_constants(tni_pipeline *p, tni_passed *passed, listed *l, const char *want, tni_blob **blob) {
  tni_cache_key key;
  unsigned char digest[TNI_DIGEST_BYTES];
  const char *why = NULL;
  tni_cache_key_derive(&passed->key, "constants", &key);
  *blob = l->stored ? tni_cache_get_blob(p->desc->cache, &key) : NULL;
  if (!*blob) return !l->stored;
  if (!find_in(*blob, l))
    why = "it is not whole";
  else if (!tni_contents_digest(p->ctx, passed->seed, l->stored, l->in_file, digest))
    why = "there is no memory";
  else if (!tni_digest_equal(digest, (const unsigned char *)want))
    why = "it is damaged, or sealed with another key";
  if (!why) return true;
  tni_cache_refuse(p->desc->cache, &key, why);
  tni_blob_unref(*blob);
  return false;
}

/* A constant of the source, which goes before the program does: in a blob that both hold, or copied. */
static bool take_source(tni_passed *passed, tn_program *program, const place *at, tni_contents *out) {
  if (at->source > passed->source_count) return false;
  const tni_contents *from = &passed->sources[at->source - 1];
  if (from->bytes != at->bytes) return false;
  *out = (tni_contents){.data = from->data, .bytes = at->bytes, .offset = at->offset};
  bool aligned = at->element && (uintptr_t)from->data % at->element == 0;
  if (aligned && tni_program_has(program, from->data, (size_t)from->bytes)) return true;
  tni_blob *copy = tni_blob_create(program->ctx, (size_t)from->bytes);
  if (!copy) return false;
  memcpy((void *)(uintptr_t)copy->data, from->data, (size_t)from->bytes);
  out->data = copy->data;
  return !tni_program_keep_blob(program, copy, NULL);
}

static tn_status read_program(tni_pipeline *p, tni_passed *passed, char *const *parts, const size_t *sizes, listed *l,
                              tni_blob *blob, tn_program **out, tn_error **err) {
  tn_status status = tn_program_create(p->ctx, out, err);
  if (!status) status = tni_pipeline_copy_externs(p, *out, err);
  if (!status) status = tni_program_share_blobs(p->source, *out, err);
  if (!status && blob) status = tni_program_keep_blob(*out, tni_blob_ref(blob), err);
  for (size_t i = 0; i < l->count && !status; i++)
    if (l->places[i].source && !take_source(passed, *out, &l->places[i], &l->contents[i])) status = TN_E_INVALID;
  if (!status) status = tni_parse_bare(*out, parts[TEXT], sizes[TEXT], l->count, l->contents, err);
  return status ? status : tni_program_release(*out, err);
}

/* False: without memory, or when it is not as the text says, and passes run as ever. */
static bool take_program(tni_pipeline *p, tni_passed *passed, char *const *parts, const size_t *sizes, listed *l,
                         tni_blob *blob) {
  tn_program *made;
  tn_error *error = NULL;
  bool good = !read_program(p, passed, parts, sizes, l, blob, &made, &error) &&
              made->graph_count == p->source->graph_count && take_origins(made, parts[ORIGINS], sizes[ORIGINS]) &&
              !tni_pipeline_replace(p, made, &error);
  if (!good) tn_program_destroy(made);
  tn_error_destroy(error);
  return good;
}

static const char *read_entry(tni_pipeline *p, tni_passed *passed, const char *bytes, size_t size) {
  size_t count, *sizes;
  char **parts;
  tni_blob *blob;
  listed l;
  const char *why = tni_entry_read(&passed->arena, bytes, size, &passed->key, &count, &parts, &sizes);
  if (why) return why;
  if (count != PARTS || sizes[CONTENTS] != TNI_DIGEST_BYTES || sizes[CODE] != TNI_DIGEST_BYTES ||
      sizes[PLACES] % sizeof(place))
    return "it is no program";
  if (!list_places(&passed->arena, parts[PLACES], sizes[PLACES], &l)) return "there is no memory";
  if (!find_constants(p, passed, &l, parts[CONTENTS], &blob)) return NULL;
  passed->found = take_program(p, passed, parts, sizes, &l, blob);
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

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)(*(const tni_contents *const *)a)->data, y = (uintptr_t)(*(const tni_contents *const *)b)->data;
  return x < y ? -1 : x > y;
}

/* Where each constant is found again: as a source's, or in the file, whose contents are *stored. False: no memory. */
static bool place_all(tni_passed *passed, size_t count, const tni_contents *contents, place **places, size_t *stored_count,
                      tni_contents **stored) {
  enum { ALIGN = 64 };
  const tni_contents **sources = TNI_NEW_ARRAY(&passed->arena, const tni_contents *, passed->source_count);
  uint64_t end = 0;
  *places = TNI_NEW_ARRAY(&passed->arena, place, count);
  *stored = TNI_NEW_ARRAY(&passed->arena, tni_contents, count);
  *stored_count = 0;
  if (!sources || !*places || !*stored) return false;
  for (size_t i = 0; i < passed->source_count; i++) sources[i] = &passed->sources[i];
  if (passed->source_count) qsort(sources, passed->source_count, sizeof *sources, by_address);
  for (size_t i = 0; i < count; i++) {
    const tni_contents *c = &contents[i];
    const tni_contents *const *same =
        passed->source_count ? bsearch(&c, sources, passed->source_count, sizeof *sources, by_address) : NULL;
    (*places)[i] = (place){.offset = c->offset, .bytes = c->bytes, .at = end, .element = c->element};
    if (same && (*same)->bytes == c->bytes) {
      (*places)[i].source = (uint64_t)(*same - passed->sources) + 1;
      continue;
    }
    (*stored)[(*stored_count)++] = (tni_contents){.data = c->data, .bytes = c->bytes, .offset = end};
    end += (c->bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
  }
  return true;
}

static bool put_constants(tni_pipeline *p, tni_passed *passed, size_t count, const tni_contents *contents) {
  tni_cache_key key;
  if (!count) return true;
  tni_cache_key_derive(&passed->key, "constants", &key);
  return tni_cache_put_contents(p->desc->cache, &key, count, contents);
}

static void put_entry(tni_pipeline *p, tni_passed *passed, char *const *parts, const size_t *sizes) {
  tni_text entry;
  tni_text_init(&entry, p->ctx);
  tni_entry_write(&entry, &passed->key, PARTS, parts, sizes);
  if (!entry.failed) tni_cache_put(p->desc->cache, &passed->key, entry.data, entry.length);
  tni_text_destroy(&entry);
}

void tni_passed_keep(tni_pipeline *p, tni_passed *passed, const tni_code *code) {
  tni_text text, origins;
  tni_contents *contents, *stored;
  size_t count, stored_count;
  place *places;
  unsigned char digest[TNI_DIGEST_BYTES];
  if (!passed->keyed || passed->found || !code->keyed || p->desc->cache->desc.read_only) return;
  tni_text_init(&text, p->ctx);
  tni_text_init(&origins, p->ctx);
  add_origins(&origins, p->work);
  bool good = tni_print_bare(&text, p->work, &passed->arena, &count, &contents) && !strstr(text.data, "# ...") &&
              !origins.failed && place_all(passed, count, contents, &places, &stored_count, &stored) &&
              tni_contents_digest(p->ctx, passed->seed, stored_count, stored, digest) &&
              put_constants(p, passed, stored_count, stored);
  if (good) {
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
    put_entry(p, passed, parts, sizes);
  }
  tni_text_destroy(&origins);
  tni_text_destroy(&text);
}

void tni_passed_close(tni_passed *passed) { tni_arena_destroy(&passed->arena); }
