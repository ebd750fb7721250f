/* open.c -- LLVM, opened when it is first needed: a process that finds its code in a cache, or only interprets, never maps it.
 *
 * Which file it is gets decided once: the LLVM of the host, if the process has one of this version; else that which Tenon was
 * built with; else what the system's search finds. It is never closed, since it cannot be: its passes and options are
 * registered with the process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "llvm.h"

#include <llvm/Config/llvm-config.h>

tni_llvm_calls tni_llvm;

static pthread_once_t chosen = PTHREAD_ONCE_INIT;
static const char *file = TNI_LLVM_SONAME; /* or a path */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static atomic_bool is_open;
static void *library;
static char failure[512]; /* of the last attempt; "": none */

static void choose(void) {
  struct link_map *map = NULL;
  void *hosts = dlopen(TNI_LLVM_SONAME, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
  if (hosts && dlinfo(hosts, RTLD_DI_LINKMAP, &map) == 0)
    file = map->l_name;
  else if (access(TNI_LLVM_FILE, R_OK) == 0)
    file = TNI_LLVM_FILE;
}

static void find_calls(void) {
  static const char *const names[] = {TNI_LLVM_NAMES};
  _Static_assert(sizeof names / sizeof *names == sizeof tni_llvm / sizeof(void *), "a pointer for each name");
  for (size_t i = 0; i < TNI_COUNT(names); i++) {
    void *address = dlsym(library, names[i]);
    if (!address) {
      snprintf(failure, sizeof failure, "%s has no %s", file, names[i]);
      return;
    }
    memcpy((char *)&tni_llvm + i * sizeof address, &address, sizeof address);
  }
}

static void check_version(void) {
  unsigned major, minor, patch;
  LLVMGetVersion(&major, &minor, &patch);
  if (major != LLVM_VERSION_MAJOR)
    snprintf(failure, sizeof failure, "%s is version %u.%u.%u, not %d", file, major, minor, patch, LLVM_VERSION_MAJOR);
}

/* With the lock held. */
static void open_library(void) {
  failure[0] = 0;
  if (!library) library = dlopen(file, RTLD_LAZY | RTLD_LOCAL);
  if (!library)
    snprintf(failure, sizeof failure, "it cannot be opened: %s", dlerror());
  else
    find_calls();
  if (!failure[0]) check_version();
  if (failure[0]) return;
  tni_llvm_set_up();
  atomic_store_explicit(&is_open, true, memory_order_release);
}

static tn_status opened(tn_context *ctx) {
  tni_trims_library(ctx, LLVMGetVersion);
  return TN_OK;
}

/* One that failed is tried again: there may be memory the next time. */
tn_status tni_llvm_open(tn_context *ctx, tn_error **err) {
  tn_status status = TN_OK;
  if (err) *err = NULL;
  if (atomic_load_explicit(&is_open, memory_order_acquire)) return opened(ctx);
  pthread_once(&chosen, choose);
  pthread_mutex_lock(&lock);
  if (!atomic_load_explicit(&is_open, memory_order_relaxed)) open_library();
  if (failure[0]) status = tni_fail(ctx, err, TN_E_UNSUPPORTED, "codegen", "LLVM", "%s", failure);
  pthread_mutex_unlock(&lock);
  return status ? status : opened(ctx);
}

/* Read from its file; where only the system's search knows that, it is opened. */
size_t tni_llvm_build_id(tn_context *ctx, unsigned char *id, size_t room) {
  struct link_map *map = NULL;
  pthread_once(&chosen, choose);
  if (strchr(file, '/')) return ctx->os->file_build_id(file, id, room);
  if (tni_llvm_open(ctx, NULL) != TN_OK || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return 0;
  return ctx->os->file_build_id(map->l_name, id, room);
}
