/* elf.c -- the symbols of an object, read from bytes that are not trusted; and the rule that objects are closed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <elf.h>

#include "targets.h"

const char *const tni_object_imports[TNI_OBJECT_IMPORTS] = {"memcpy", "memmove", "memset"};

typedef struct object {
  tn_context *ctx;
  const char *bytes;
  size_t size;
  Elf64_Ehdr header;
} object;

static tn_status refuse(const object *o, tn_error **err, const char *why) {
  return tni_fail(o->ctx, err, TN_E_INVALID, "load", "object", "%s", why);
}

static bool in_range(const object *o, uint64_t offset, uint64_t size) {
  return offset <= o->size && size <= o->size - offset;
}

static bool is_object(object *o) {
  if (o->size < sizeof o->header) return false;
  memcpy(&o->header, o->bytes, sizeof o->header);
  const Elf64_Ehdr *h = &o->header;
  return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
         h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_type == ET_REL && h->e_shentsize == sizeof(Elf64_Shdr) &&
         in_range(o, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr));
}

static Elf64_Shdr section(const object *o, unsigned i) {
  Elf64_Shdr s;
  memcpy(&s, o->bytes + o->header.e_shoff + i * sizeof s, sizeof s);
  return s;
}

/* The symbol table and its string table; false: there is none, *why is set if that is a mistake. */
static bool find_tables(const object *o, Elf64_Shdr *symbols, Elf64_Shdr *strings, const char **why) {
  *why = NULL;
  for (unsigned i = 0; i < o->header.e_shnum; i++) {
    *symbols = section(o, i);
    if (symbols->sh_type != SHT_SYMTAB) continue;
    *why = "its symbol table is damaged";
    if (symbols->sh_link >= o->header.e_shnum || symbols->sh_entsize != sizeof(Elf64_Sym)) return false;
    *strings = section(o, symbols->sh_link);
    if (!in_range(o, symbols->sh_offset, symbols->sh_size) || !in_range(o, strings->sh_offset, strings->sh_size))
      return false;
    if (strings->sh_size == 0 || o->bytes[strings->sh_offset + strings->sh_size - 1] != 0) return false;
    return true;
  }
  return false;
}

tn_status tni_object_symbols(tn_context *ctx, const void *bytes, size_t size,
                             bool (*visit)(void *self, const char *name, bool defined), void *self, tn_error **err) {
  object o = {.ctx = ctx, .bytes = bytes, .size = size};
  Elf64_Shdr symbols, strings;
  const char *why;
  if (err) *err = NULL;
  if (!is_object(&o)) return refuse(&o, err, "not an ELF64 relocatable object");
  if (!find_tables(&o, &symbols, &strings, &why)) return why ? refuse(&o, err, why) : TN_OK;
  for (uint64_t i = 1; i < symbols.sh_size / sizeof(Elf64_Sym); i++) {
    Elf64_Sym symbol;
    memcpy(&symbol, o.bytes + symbols.sh_offset + i * sizeof symbol, sizeof symbol);
    if (symbol.st_name >= strings.sh_size) return refuse(&o, err, "a symbol's name is out of range");
    if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
    bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_COMMON;
    if (!visit(self, o.bytes + strings.sh_offset + symbol.st_name, defined)) break;
  }
  return TN_OK;
}

static bool is_allowed(const char *name) {
  for (size_t i = 0; i < TNI_OBJECT_IMPORTS; i++) {
    if (strcmp(name, tni_object_imports[i]) == 0) return true;
  }
  return false;
}

/* Stops at the first import that is not allowed. */
static bool find_import(void *self, const char *name, bool defined) {
  const char **found = self;
  if (defined || is_allowed(name)) return true;
  *found = name;
  return false;
}

tn_status tni_object_check_closed(tn_context *ctx, const void *bytes, size_t size, tn_error **err) {
  const char *import = NULL;
  tn_status status = tni_object_symbols(ctx, bytes, size, find_import, &import, err);
  if (status != TN_OK || !import) return status;
  return tni_fail(ctx, err, TN_E_COMPILER, "codegen", NULL,
                  "the code would import `%s`: kernels import nothing but the memory functions", import);
}
