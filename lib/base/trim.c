/* trim.c -- memory of the process that nobody needs now goes back to the system: what malloc keeps, and what of a library is
 * in memory but as in its file.
 *
 * Pages of a library that are still those of the file are read again when somebody comes to them. Those that the process
 * wrote, a debugger's break points among them, stay: the kernel tells them apart (pagemap, bit 61).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <unistd.h>

#include "lib.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(__linux__)
#include <link.h>

enum { PAGES_AT_ONCE = 512 };
#define IS_OF_FILE (UINT64_C(1) << 61)

typedef struct library_search {
  const tn_context *ctx;
  uintptr_t address; /* somewhere in the library */
} library_search;

static void cool_pages(const tn_context *ctx, uintptr_t first, size_t count, size_t page) {
  if (count) ctx->os->cool((const void *)first, count * page);
}

/* The pages from `first` up to `end` that are as in the file. */
static void cool_clean(const tn_context *ctx, int map, uintptr_t first, uintptr_t end, size_t page) {
  uint64_t flags[PAGES_AT_ONCE];
  while (first < end) {
    size_t count = (end - first) / page, run = 0;
    if (count > PAGES_AT_ONCE) count = PAGES_AT_ONCE;
    if (!count || pread(map, flags, count * sizeof *flags, (off_t)(first / page * sizeof *flags)) !=
                      (ssize_t)(count * sizeof *flags))
      return;
    for (size_t i = 0; i < count; i++) {
      if (flags[i] & IS_OF_FILE) {
        run++;
        continue;
      }
      cool_pages(ctx, first + (i - run) * page, run, page);
      run = 0;
    }
    cool_pages(ctx, first + (count - run) * page, run, page);
    first += count * page;
  }
}

static bool holds(const struct dl_phdr_info *info, const ElfW(Phdr) *part, uintptr_t address) {
  uintptr_t first = info->dlpi_addr + part->p_vaddr;
  return part->p_type == PT_LOAD && address >= first && address - first < part->p_memsz;
}

/* Only parts that nobody may write to: another thread could be about to. */
static int cool_library(struct dl_phdr_info *info, size_t size, void *self) {
  const library_search *q = self;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  bool found = false;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) found |= holds(info, &info->dlpi_phdr[i], q->address);
  int map = found ? open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) : -1;
  for (int i = 0; map >= 0 && i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    uintptr_t first = info->dlpi_addr + part->p_vaddr, end = first + part->p_filesz;
    if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
      cool_clean(q->ctx, map, (first + page - 1) & ~(uintptr_t)(page - 1), end & ~(uintptr_t)(page - 1), page);
  }
  if (map >= 0) close(map);
  return found;
}

static void trim_library(const tn_context *ctx, const void *address) {
  library_search q = {ctx, (uintptr_t)address};
  if (address) dl_iterate_phdr(cool_library, &q);
}
#else
static void trim_library(const tn_context *ctx, const void *address) { (void)ctx, (void)address; }
#endif

void tni_trims_library(tn_context *ctx, const void *address) { atomic_store(&ctx->library, (void *)(uintptr_t)address); }

void tn_context_trim(tn_context *ctx) {
  trim_library(ctx, atomic_load(&ctx->library));
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}
