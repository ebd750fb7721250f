/* code.c -- a program's code from a cache, and into it.
 *
 *     functions before schedules are chosen, target, options, instructions of the host, versions --hash--> key
 *     key --> entry --> objects --> our own linker
 *
 * All functions of a program are one entry: one file is opened, one hash made, one image linked. LLVM is not asked, and
 * its linker never sees what a cache gave.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cache.h"

/* ---- the key --------------------------------------------------------------------------------------------------- */

static void add_functions(tni_text *out, const tn_program *program) {
  tni_print_externs(out, program);
  for (size_t i = 0; i < program->func_count; i++) {
    const tn_func *f = program->funcs[i];
    tni_text_add(out, "%d %d\n", (int)f->level, (int)f->scheduled);
    tni_print_func(out, f, NULL);
  }
}

/* False: no memory, or a text that does not say everything (deep nests are not printed whole). */
static bool make_key(tni_pipeline *p, tni_arena *arena, const unsigned char *known, tni_cache_key *key) {
  tni_text text;
  if (!tni_cache_key_identify(p, arena, key)) return false;
  if (known) {
    memcpy(key->digest, known, sizeof key->digest);
    return true;
  }
  tni_text_init(&text, p->ctx);
  tni_text_add(&text, "options %d %d\n", p->desc->keep_schedules, p->desc->unproven);
  add_functions(&text, p->work);
  bool good = tni_cache_key_make(p, key, "name", &text, NULL);
  tni_text_destroy(&text);
  return good;
}

/* ---- the code -------------------------------------------------------------------------------------------------- */

/* Does the library define what the program's functions need, and no more? */
static bool is_of(const tni_library *library, const tn_program *program, tni_arena *arena) {
  size_t count = 0;
  for (size_t i = 0; i < program->func_count; i++) {
    const tn_func *f = program->funcs[i];
    const char *packed = tni_arena_format(arena, "%s.packed", f->name);
    bool thunk = tni_has_thunk(f);
    if (!packed || !tni_library_find(library, f->name) || (thunk && !tni_library_find(library, packed))) return false;
    count += 1 + thunk;
  }
  return tni_library_count(library) == count;
}

/* NULL: it is the code's library. Else why not. */
static const char *link_entry(tni_pipeline *p, tni_code *code, const char *bytes, size_t size, tni_text *reason) {
  size_t count, *sizes;
  char **objects;
  tn_error *error = NULL;
  const char *why = tni_entry_read(&code->arena, bytes, size, &code->key, &count, &objects, &sizes);
  if (why) return why;
  if (tni_library_load(p->ctx, true, count, objects, sizes, &code->library, &error)) {
    tni_text_add(reason, "%s", tn_error_text(error));
    tn_error_destroy(error);
    return reason->data;
  }
  if (!is_of(code->library, p->work, &code->arena)) {
    tni_library_unload(code->library);
    code->library = NULL;
    return "its code is not that of the program's functions";
  }
  for (size_t i = 0; i < count; i++) p->stats.code_bytes += sizes[i];
  return NULL;
}

void tni_code_find(tni_pipeline *p, const unsigned char *known, tni_code *out) {
  tn_cache *cache = p->desc->cache;
  tni_text reason;
  char *bytes;
  size_t size, count = p->work->func_count;
  *out = (tni_code){0};
  tni_arena_init(&out->arena, p->ctx);
  if (!cache || !count) return;
  double start = tni_seconds(p->ctx);
  tni_text_init(&reason, p->ctx);
  out->keyed = make_key(p, &out->arena, known, &out->key);
  if (out->keyed && tni_cache_get(cache, &out->key, &bytes, &size)) {
    const char *why = link_entry(p, out, bytes, size, &reason);
    if (why) tni_cache_refuse(cache, &out->key, why);
    tni_free(p->ctx, bytes, size + 1);
  }
  tni_text_destroy(&reason);
  atomic_fetch_add(out->library ? &cache->hits : &cache->misses, count);
  *(out->library ? &p->stats.cache_hits : &p->stats.cache_misses) += count;
  if (out->library) p->stats.kernels = count;
  p->stats.load_seconds += tni_seconds(p->ctx) - start;
}

void tni_code_keep(tni_pipeline *p, tni_code *code, size_t count, const tni_job *jobs) {
  tni_text entry;
  if (!code->keyed) return;
  tni_text_init(&entry, p->ctx);
  char **objects = TNI_NEW_ARRAY(&code->arena, char *, count);
  size_t *sizes = TNI_NEW_ARRAY(&code->arena, size_t, count);
  for (size_t i = 0; objects && sizes && i < count; i++) {
    objects[i] = jobs[i].bytes;
    sizes[i] = jobs[i].size;
  }
  if (objects && sizes) tni_entry_write(&entry, &code->key, count, objects, sizes);
  if (objects && sizes && !entry.failed) tni_cache_put(p->desc->cache, &code->key, entry.data, entry.length);
  tni_text_destroy(&entry);
}

void tni_code_close(tni_code *code) {
  tni_library_unload(code->library);
  tni_arena_destroy(&code->arena);
}
