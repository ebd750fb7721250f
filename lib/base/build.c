/* build.c -- which build a library is: the linker's build id of what holds an address in this process, or of a file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <elf.h>
#include <link.h>

#include "lib.h"

typedef struct search {
  uintptr_t address;
  unsigned char *id;
  size_t room, size;
} search;

static bool holds(const struct dl_phdr_info *object, uintptr_t address) {
  for (size_t i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *h = &object->dlpi_phdr[i];
    uintptr_t start = object->dlpi_addr + h->p_vaddr;
    if (h->p_type == PT_LOAD && address >= start && address - start < h->p_memsz) return true;
  }
  return false;
}

static void read_notes(search *s, const char *at, size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    memcpy(&note, at, sizeof note);
    size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3, bytes = ((size_t)note.n_descsz + 3) & ~(size_t)3;
    if (name > size - sizeof note || bytes > size - sizeof note - name) return;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(at + sizeof note, "GNU", 4) == 0) {
      s->size = note.n_descsz < s->room ? note.n_descsz : s->room;
      memcpy(s->id, at + sizeof note + name, s->size);
      return;
    }
    at += sizeof note + name + bytes;
    size -= sizeof note + name + bytes;
  }
}

static int visit(struct dl_phdr_info *object, size_t size, void *self) {
  search *s = self;
  (void)size;
  if (!holds(object, s->address)) return 0;
  for (size_t i = 0; i < object->dlpi_phnum && !s->size; i++) {
    const ElfW(Phdr) *h = &object->dlpi_phdr[i];
    if (h->p_type == PT_NOTE) read_notes(s, (const char *)(object->dlpi_addr + h->p_vaddr), h->p_memsz);
  }
  return 1;
}

size_t tni_build_id(const void *address, unsigned char *id, size_t room) {
  search s = {(uintptr_t)address, id, room, 0};
  dl_iterate_phdr(visit, &s);
  return s.size;
}

/* The file is trusted as far as loading it would trust it, but for its sizes. */
static void read_headers(search *s, const char *bytes, size_t size) {
  ElfW(Ehdr) elf;
  if (size < sizeof elf) return;
  memcpy(&elf, bytes, sizeof elf);
  if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_phentsize != sizeof(ElfW(Phdr))) return;
  for (size_t i = 0; i < elf.e_phnum && !s->size; i++) {
    ElfW(Phdr) h;
    if (elf.e_phoff > size || size - elf.e_phoff < (i + 1) * sizeof h) return;
    memcpy(&h, bytes + elf.e_phoff + i * sizeof h, sizeof h);
    if (h.p_type == PT_NOTE && h.p_offset <= size && h.p_filesz <= size - h.p_offset)
      read_notes(s, bytes + h.p_offset, h.p_filesz);
  }
}

size_t tni_file_build_id(const char *path, unsigned char *id, size_t room) {
  search s = {.id = id, .room = room};
  const void *bytes;
  size_t size;
  if (tni_os_default.map(path, &bytes, &size) != 0) return 0;
  read_headers(&s, bytes, size);
  tni_os_default.unmap(bytes, size);
  return s.size;
}
