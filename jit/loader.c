/* loader.c -- objects into this process: by our own linker (image.c) or, what that does not know, through LLVM's ORC,
 * which only links here and never compiles. ORC is opened when it is first needed.
 *
 * In ORC a library's objects go into a JITDylib of their own, a bare one: it resolves nothing but the memory functions that we
 * define in it. JITDylibs cannot be removed through the C API, so an unloaded library's is kept for the next. All
 * symbols are looked up when the library is loaded; finding one later is a search in our own table.
 *
 * One lock serialises every use of ORC. The reason of a failed link goes to the session's error reporter only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "jit.h"
#include "llvm/api.h"

enum { REMOVALS_PER_SWEEP = 100 };

typedef struct loader {
  tn_context *ctx;
  pthread_mutex_t lock;
  LLVMOrcLLJITRef jit;
  LLVMOrcExecutionSessionRef session;
  LLVMOrcJITDylibRef *free; /* JITDylibs of unloaded libraries; room for all that were made */
  size_t free_count, made, capacity;
  size_t removals;
  tni_text reason; /* what the error reporter said during the current request */
} loader;

typedef struct symbol {
  const char *name;
  void *address;
} symbol;

struct tni_library {
  tni_image *image; /* or what ORC has of it: */
  loader *loader;
  LLVMOrcJITDylibRef dylib;
  LLVMOrcResourceTrackerRef tracker;
  tni_arena arena; /* names */
  symbol *symbols; /* sorted by name */
  size_t count, capacity;
};

/* ---- the session ----------------------------------------------------------------------------------------------- */

/* Adds the message of an error to the loader's reason, and destroys it. */
static void note_error(loader *l, LLVMErrorRef error) {
  char *text = LLVMGetErrorMessage(error);
  tni_text_add(&l->reason, "%s%s", l->reason.length ? "; " : "", text);
  LLVMDisposeErrorMessage(text);
}

static void report_error(void *self, LLVMErrorRef error) { note_error(self, error); }

static void destroy_loader(tn_context *ctx, void *self) {
  loader *l = self;
  LLVMErrorRef error = l->jit ? LLVMOrcDisposeLLJIT(l->jit) : NULL;
  if (error) LLVMConsumeError(error);
  tni_text_destroy(&l->reason);
  tni_free(ctx, l->free, l->capacity * sizeof *l->free);
  pthread_mutex_destroy(&l->lock);
  tni_free(ctx, l, sizeof *l);
}

static void *create_loader(tn_context *ctx, tn_error **err) {
  loader *l = tni_alloc_zero(ctx, sizeof *l);
  if (!l) {
    tni_fail_nomem(err);
    return NULL;
  }
  if (tni_llvm_open(ctx, err) != TN_OK) {
    tni_free(ctx, l, sizeof *l);
    return NULL;
  }
  l->ctx = ctx;
  pthread_mutex_init(&l->lock, NULL);
  tni_text_init(&l->reason, ctx);
  LLVMErrorRef error = LLVMOrcCreateLLJIT(&l->jit, NULL);
  if (error) {
    note_error(l, error);
    tni_fail(ctx, err, TN_E_UNSUPPORTED, "load", NULL, "%s", l->reason.data);
    l->jit = NULL;
    destroy_loader(ctx, l);
    return NULL;
  }
  l->session = LLVMOrcLLJITGetExecutionSession(l->jit);
  LLVMOrcExecutionSessionSetErrorReporter(l->session, report_error, l);
  return l;
}

/* ---- JITDylibs ------------------------------------------------------------------------------------------------- */

static LLVMOrcCSymbolMapPair absolute_symbol(loader *l, const char *name, void *address) {
  LLVMOrcCSymbolMapPair pair = {.Name = LLVMOrcExecutionSessionIntern(l->session, name)};
  pair.Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)address;
  pair.Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
  return pair;
}

/* What code may import. */
static bool define_imports(loader *l, LLVMOrcJITDylibRef dylib) {
  void *const addresses[TNI_OBJECT_IMPORTS] = {(void *)(uintptr_t)memcpy, (void *)(uintptr_t)memmove,
                                               (void *)(uintptr_t)memset};
  LLVMOrcCSymbolMapPair pairs[TNI_OBJECT_IMPORTS];
  for (size_t i = 0; i < TNI_OBJECT_IMPORTS; i++) pairs[i] = absolute_symbol(l, tni_object_imports[i], addresses[i]);
  LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, TNI_OBJECT_IMPORTS);
  LLVMErrorRef error = LLVMOrcJITDylibDefine(dylib, unit);
  if (!error) return true;
  note_error(l, error);
  LLVMOrcDisposeMaterializationUnit(unit);
  return false;
}

/* An empty JITDylib: one that a library left, or a new one. NULL: no memory, or the reason is noted. */
static LLVMOrcJITDylibRef take_dylib(loader *l) {
  char name[32];
  if (l->free_count) return l->free[--l->free_count];
  if (!tni_reserve(l->ctx, (void **)&l->free, &l->capacity, l->made + 1, sizeof *l->free)) return NULL;
  snprintf(name, sizeof name, "library.%zu", l->made);
  LLVMOrcJITDylibRef dylib = LLVMOrcExecutionSessionCreateBareJITDylib(l->session, name);
  l->made++;
  return define_imports(l, dylib) ? dylib : NULL;
}

/* Unmaps the code and gives the JITDylib back. */
static void remove_code(loader *l, tni_library *library) {
  if (library->tracker) {
    LLVMErrorRef error = LLVMOrcResourceTrackerRemove(library->tracker);
    if (error) note_error(l, error);
    LLVMOrcReleaseResourceTracker(library->tracker);
  }
  if (library->dylib) l->free[l->free_count++] = library->dylib;
  library->tracker = NULL;
  library->dylib = NULL;
  if (++l->removals % REMOVALS_PER_SWEEP == 0) {
    LLVMOrcSymbolStringPoolClearDeadEntries(LLVMOrcExecutionSessionGetSymbolStringPool(l->session));
  }
}

/* ---- symbols --------------------------------------------------------------------------------------------------- */

static bool keep_symbol(void *self, const char *name, bool defined) {
  tni_library *library = self;
  if (!defined) return true;
  const char *copy = tni_arena_text(&library->arena, name);
  if (!copy || !tni_reserve(library->arena.ctx, (void **)&library->symbols, &library->capacity, library->count + 1,
                            sizeof *library->symbols)) {
    library->arena.failed = true;
    return false;
  }
  library->symbols[library->count++] = (symbol){copy, NULL};
  return true;
}

static int compare_symbols(const void *a, const void *b) {
  return strcmp(((const symbol *)a)->name, ((const symbol *)b)->name);
}

static symbol *find_symbol(const tni_library *library, const char *name) {
  symbol key = {name, NULL};
  if (!library->count) return NULL;
  return bsearch(&key, library->symbols, library->count, sizeof key, compare_symbols);
}

/* The lookup's end: addresses into the table. Runs before LLVMOrcExecutionSessionLookup returns. */
typedef struct lookup {
  tni_library *library;
  bool done;
} lookup;

static void take_addresses(LLVMErrorRef error, LLVMOrcCSymbolMapPairs pairs, size_t count, void *self) {
  lookup *request = self;
  if (error) {
    note_error(request->library->loader, error);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    symbol *s = find_symbol(request->library, LLVMOrcSymbolStringPoolEntryStr(pairs[i].Name));
    if (s) s->address = (void *)(uintptr_t)pairs[i].Sym.Address;
  }
  request->done = true;
}

/* Links the objects by asking for all their symbols. */
static bool link_library(loader *l, tni_library *library) {
  lookup request = {library, false};
  LLVMOrcCJITDylibSearchOrderElement order = {library->dylib, LLVMOrcJITDylibLookupFlagsMatchAllSymbols};
  LLVMOrcCLookupSet set = TNI_NEW_ARRAY(&library->arena, LLVMOrcCLookupSetElement, library->count);
  if (!set) return false;
  for (size_t i = 0; i < library->count; i++) {
    set[i].Name = LLVMOrcExecutionSessionIntern(l->session, library->symbols[i].name);
    set[i].LookupFlags = LLVMOrcSymbolLookupFlagsRequiredSymbol;
  }
  LLVMOrcExecutionSessionLookup(l->session, LLVMOrcLookupKindStatic, &order, 1, set, library->count, take_addresses,
                                &request);
  return request.done;
}

/* ---- libraries ------------------------------------------------------------------------------------------------- */

static bool add_object(loader *l, tni_library *library, const char *bytes, size_t size) {
  LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes, size, "object");
  LLVMErrorRef error = LLVMOrcLLJITAddObjectFileWithRT(l->jit, library->tracker, buffer); /* takes the buffer always */
  if (error) note_error(l, error);
  return !error;
}

static bool load_objects(loader *l, tni_library *library, size_t count, char *const *objects, const size_t *sizes) {
  library->dylib = take_dylib(l);
  if (!library->dylib) return false;
  library->tracker = LLVMOrcJITDylibCreateResourceTracker(library->dylib);
  for (size_t i = 0; i < count; i++) {
    if (!add_object(l, library, objects[i], sizes[i])) return false;
  }
  return library->count == 0 || link_library(l, library);
}

/* The status that says what the caller can do about ORC's reason. */
static tn_status fail_load(loader *l, tni_library *library, tn_error **err) {
  const char *reason = l->reason.data;
  if (library->arena.failed || l->reason.failed || !reason[0]) return tni_fail_nomem(err);
  tn_status status = strstr(reason, "Permission denied")        ? TN_E_EXEC_DENIED
                     : strstr(reason, "Cannot allocate memory") ? TN_E_NOMEM
                                                                : TN_E_COMPILER;
  return tni_fail(l->ctx, err, status, "load", NULL, "%s", reason);
}

static void free_library(tni_library *library) {
  tn_context *ctx = library->arena.ctx;
  tni_free(ctx, library->symbols, library->capacity * sizeof *library->symbols);
  tni_arena_destroy(&library->arena);
  tni_free(ctx, library, sizeof *library);
}

/* The names that the objects define, in order. */
static tn_status read_symbols(tni_library *library, size_t count, char *const *objects, const size_t *sizes,
                              tn_error **err) {
  tn_context *ctx = library->arena.ctx;
  for (size_t i = 0; i < count; i++) {
    tn_status status = tni_object_symbols(ctx, objects[i], sizes[i], keep_symbol, library, err);
    if (status == TN_OK) status = tni_object_check_closed(ctx, objects[i], sizes[i], err);
    if (status != TN_OK) return status;
  }
  if (library->arena.failed) return tni_fail_nomem(err);
  if (library->count) qsort(library->symbols, library->count, sizeof *library->symbols, compare_symbols);
  for (size_t i = 1; i < library->count; i++) {
    if (strcmp(library->symbols[i - 1].name, library->symbols[i].name) != 0) continue;
    return tni_fail(ctx, err, TN_E_INVALID, "load", library->symbols[i].name, "two objects define this symbol");
  }
  return TN_OK;
}

static tn_status load_by_orc(tni_library *library, size_t count, char *const *objects, const size_t *sizes,
                             tn_error **err) {
  tn_error *error = NULL;
  tn_status status = TN_OK;
  loader *l = tni_context_slot(library->arena.ctx, TNI_SLOT_LOADER, create_loader, destroy_loader, &error);
  if (!l) {
    if (!error) return tni_fail_nomem(err);
    *err = error;
    return tn_error_status(error);
  }
  library->loader = l;
  pthread_mutex_lock(&l->lock);
  tni_text_clear(&l->reason);
  l->reason.failed = false;
  if (!load_objects(l, library, count, objects, sizes)) {
    status = fail_load(l, library, err);
    remove_code(l, library);
  }
  pthread_mutex_unlock(&l->lock);
  return status;
}

static void take_address(void *self, const char *name, void *address) { find_symbol(self, name)->address = address; }

static tn_status load(tni_library *library, bool strict, size_t count, char *const *objects, const size_t *sizes,
                      tn_error **err) {
  tn_status status = read_symbols(library, count, objects, sizes, err);
  if (status) return status;
  status = tni_image_load(library->arena.ctx, count, objects, sizes, take_address, library, &library->image, err);
  if (strict || status != TN_E_UNSUPPORTED) return status;
  tn_error_destroy(*err);
  *err = NULL;
  return load_by_orc(library, count, objects, sizes, err);
}

tn_status tni_library_load(tn_context *ctx, bool strict, size_t count, char *const *objects, const size_t *sizes,
                           tni_library **out, tn_error **err) {
  tn_error *error = NULL;
  *out = NULL;
  tni_library *library = tni_alloc_zero(ctx, sizeof *library);
  if (!library) return tni_fail_nomem(err);
  tni_arena_init(&library->arena, ctx);
  tn_status status = load(library, strict, count, objects, sizes, &error);
  if (status)
    free_library(library);
  else
    *out = library;
  if (err)
    *err = error;
  else
    tn_error_destroy(error);
  return status;
}

void *tni_library_find(const tni_library *library, const char *name) {
  const symbol *s = find_symbol(library, name);
  return s ? s->address : NULL;
}

size_t tni_library_count(const tni_library *library) { return library->count; }

void tni_library_unload(tni_library *library) {
  if (!library) return;
  loader *l = library->loader;
  if (l) {
    pthread_mutex_lock(&l->lock);
    tni_text_clear(&l->reason);
    remove_code(l, library);
    pthread_mutex_unlock(&l->lock);
  }
  tni_image_unload(library->image);
  free_library(library);
}
