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

static void add_functions(tni_text *out, const tn_program *program) {
  tni_print_externs(out, program);
  for (size_t i = 0; i < program->func_count; i++) {
    const tn_func *f = program->funcs[i];
    tni_text_add(out, "%d %d\n", (int)f->level, (int)f->scheduled);
    tni_print_func(out, f, NULL);
  }
}

/* False: no memory, or a text that does not say everything (deep nests are not printed whole). */
static bool make_key(tni_pipeline *p, tni_arena *arena, tni_cache_key *key) {
  const tn_cache *cache = p->desc->cache;
  tni_text identity, text;
  tni_digest digest;
  tni_text_init(&identity, p->ctx);
  tni_text_init(&text, p->ctx);
  tni_text_add(&identity, "%s", cache->builds);
  add_target(&identity, p->target);
  tni_text_add(&text, "options %d %d\n", p->desc->keep_schedules, p->desc->unproven);
  add_instructions(&text, p->ctx);
  add_functions(&text, p->work);
  *key = (tni_cache_key){.identity = tni_arena_text(arena, identity.data),
                         .secret = cache->secret,
                         .secret_bytes = cache->secret_bytes};
  tni_digest_begin(&digest, cache->secret, cache->secret_bytes);
  tni_digest_add(&digest, "name", 4);
  tni_digest_add(&digest, identity.data, identity.length + 1);
  tni_digest_add(&digest, text.data, text.length);
  tni_digest_end(&digest, key->digest);
  bool good = !identity.failed && !text.failed && key->identity && !strstr(text.data, "# ...");
  tni_text_destroy(&identity);
  tni_text_destroy(&text);
  return good;
}

/* ---- the code -------------------------------------------------------------------------------------------------- */

static bool is_packed(const tn_func *f) {
  for (uint32_t i = 0; i < f->param_count; i++)
    if (!f->params[i].buffer) return false;
  return true;
}

/* Does the library define what the program's functions need, and no more? */
static bool is_of(const tni_library *library, const tn_program *program, tni_arena *arena) {
  size_t count = 0;
  for (size_t i = 0; i < program->func_count; i++) {
    const tn_func *f = program->funcs[i];
    const char *packed = tni_arena_format(arena, "%s.packed", f->name);
    bool all = is_packed(f);
    if (!packed || !tni_library_find(library, f->name) || (all && !tni_library_find(library, packed))) return false;
    count += 1 + all;
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

void tni_code_find(tni_pipeline *p, tni_code *out) {
  tn_cache *cache = p->desc->cache;
  tni_text reason;
  char *bytes;
  size_t size, count = p->work->func_count;
  *out = (tni_code){0};
  tni_arena_init(&out->arena, p->ctx);
  if (!cache || !count) return;
  double start = tni_seconds(p->ctx);
  tni_text_init(&reason, p->ctx);
  out->keyed = make_key(p, &out->arena, &out->key);
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
