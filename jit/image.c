/* image.c -- closed x86-64 objects linked into this process by ourselves.
 *
 *     | read-only sections of all objects |  | code of all objects | stubs of imports |
 *                                          ^ a page boundary
 *
 * What code generation emits needs little of a linker: sections of code and of constants, references relative to the
 * instruction, three imports. So this reads such objects and no others, trusts no byte of them, and takes a hundredth of
 * a general linker's time; it is also all that ever sees an object from a cache. What it does not know it refuses with
 * TN_E_UNSUPPORTED, before any memory is mapped.
 *
 * The image is written while nobody can run it, then sealed: constants read-only, code executable.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <elf.h>
#include <errno.h>

#include "jit.h"

enum { PAGE = 4096, STUB = 16, LARGEST = 1 << 28 };

#ifdef __x86_64__
static const bool runs_here = true;
#else
static const bool runs_here = false;
#endif

/* A section that becomes memory. */
typedef struct piece {
  uint64_t from, size; /* in the object */
  uint64_t at;         /* in the image */
  bool is_code;
} piece;

typedef struct object {
  const char *bytes;
  size_t size;
  Elf64_Ehdr header;
  Elf64_Shdr symbols, strings;
  piece *pieces; /* by section; of size 0 and is_code false: none */
} object;

struct tni_image {
  tn_context *ctx;
  char *memory;
  size_t size;
};

typedef struct linker {
  tn_context *ctx;
  tni_arena arena;
  object *objects;
  size_t count;
  uint64_t code, stubs, size; /* where code and stubs begin, where the image ends */
  char *memory;
  tn_error **err;
} linker;

static tn_status refuse(linker *l, const char *why) {
  return tni_fail(l->ctx, l->err, TN_E_UNSUPPORTED, "load", "object", "%s", why);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static bool in_range(const object *o, uint64_t offset, uint64_t size) {
  return offset <= o->size && size <= o->size - offset;
}

static Elf64_Shdr section_of(const object *o, unsigned i) {
  Elf64_Shdr s;
  memcpy(&s, o->bytes + o->header.e_shoff + i * sizeof s, sizeof s);
  return s;
}

static Elf64_Sym symbol_of(const object *o, uint64_t i) {
  Elf64_Sym s;
  memcpy(&s, o->bytes + o->symbols.sh_offset + i * sizeof s, sizeof s);
  return s;
}

static const char *name_of(const object *o, const Elf64_Sym *s) { return o->bytes + o->strings.sh_offset + s->st_name; }

static tn_status read_header(linker *l, object *o) {
  Elf64_Ehdr *h = &o->header;
  if (o->size < sizeof *h) return refuse(l, "it ends within its header");
  memcpy(h, o->bytes, sizeof *h);
  bool fits = runs_here && memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
              h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_type == ET_REL && h->e_machine == EM_X86_64;
  if (!fits) return refuse(l, "it is no relocatable x86-64 object for this processor");
  if (h->e_phnum || h->e_shentsize != sizeof(Elf64_Shdr) ||
      !in_range(o, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr)))
    return refuse(l, "its table of sections is damaged");
  return TN_OK;
}

/* Gives the section a place behind *end. */
static tn_status add_piece(linker *l, object *o, unsigned i, const Elf64_Shdr *s, uint64_t *end) {
  uint64_t align = s->sh_addralign ? s->sh_addralign : 1;
  if (align > PAGE || (align & (align - 1))) return refuse(l, "a section's alignment is not known");
  if (!in_range(o, s->sh_offset, s->sh_size)) return refuse(l, "a section is out of range");
  uint64_t at = (*end + align - 1) & ~(align - 1);
  *end = at + s->sh_size;
  if (*end > LARGEST) return refuse(l, "it is too large");
  o->pieces[i] = (piece){s->sh_offset, s->sh_size, at, (s->sh_flags & SHF_EXECINSTR) != 0};
  return TN_OK;
}

static tn_status read_symbol_table(linker *l, object *o, const Elf64_Shdr *s) {
  if (o->symbols.sh_type) return refuse(l, "it has two symbol tables");
  if (s->sh_entsize != sizeof(Elf64_Sym) || s->sh_size % sizeof(Elf64_Sym) || s->sh_link >= o->header.e_shnum)
    return refuse(l, "its symbol table is damaged");
  o->symbols = *s;
  o->strings = section_of(o, s->sh_link);
  if (o->strings.sh_type != SHT_STRTAB || !in_range(o, s->sh_offset, s->sh_size) || !o->strings.sh_size ||
      !in_range(o, o->strings.sh_offset, o->strings.sh_size) ||
      o->bytes[o->strings.sh_offset + o->strings.sh_size - 1])
    return refuse(l, "its symbol table is damaged");
  return TN_OK;
}

/* Its sections: those of constants (or of code) get their places; all must be of a kind that is known. */
static tn_status read_sections(linker *l, object *o, bool code, uint64_t *end) {
  const uint64_t known = SHF_ALLOC | SHF_EXECINSTR | SHF_MERGE | SHF_STRINGS;
  tn_status status = TN_OK;
  for (unsigned i = 0; i < o->header.e_shnum && !status; i++) {
    Elf64_Shdr s = section_of(o, i);
    bool kept = s.sh_flags & SHF_ALLOC;
    if (s.sh_type == SHT_SYMTAB && !code)
      status = read_symbol_table(l, o, &s);
    else if (kept && (s.sh_type != SHT_PROGBITS || (s.sh_flags & ~known)))
      status = refuse(l, "a section is of a kind that is not known");
    else if (s.sh_type != SHT_NULL && s.sh_type != SHT_PROGBITS && s.sh_type != SHT_STRTAB &&
             s.sh_type != SHT_SYMTAB && s.sh_type != SHT_RELA)
      status = refuse(l, "a section is of a kind that is not known");
    else if (kept && code == ((s.sh_flags & SHF_EXECINSTR) != 0))
      status = add_piece(l, o, i, &s, end);
  }
  return status;
}

/* Which of tni_object_imports it is, or -1. */
static int import_of(const char *name) {
  for (int i = 0; i < TNI_OBJECT_IMPORTS; i++)
    if (strcmp(name, tni_object_imports[i]) == 0) return i;
  return -1;
}

/* Every symbol lies in a piece, is one of the imports, or is a file's name. */
static tn_status check_symbols(linker *l, const object *o) {
  for (uint64_t i = 0; i < o->symbols.sh_size / sizeof(Elf64_Sym); i++) {
    Elf64_Sym s = symbol_of(o, i);
    if (s.st_name >= o->strings.sh_size) return refuse(l, "a symbol's name is out of range");
    if (s.st_shndx == SHN_ABS && ELF64_ST_TYPE(s.st_info) == STT_FILE) continue;
    if (s.st_shndx == SHN_UNDEF) {
      if (i && import_of(name_of(o, &s)) < 0) return refuse(l, "it imports what code may not import");
      continue;
    }
    if (s.st_shndx >= o->header.e_shnum || s.st_value > o->pieces[s.st_shndx].size)
      return refuse(l, "a symbol is out of range");
    if (ELF64_ST_BIND(s.st_info) != STB_LOCAL && s.st_value == o->pieces[s.st_shndx].size)
      return refuse(l, "a symbol is out of range");
  }
  return TN_OK;
}

/* Reads all objects and gives everything its place. */
static tn_status plan(linker *l, size_t count, char *const *objects, const size_t *sizes) {
  tn_status status = TN_OK;
  uint64_t end = 0;
  l->count = count;
  l->objects = TNI_NEW_ARRAY(&l->arena, object, count);
  if (!l->objects) return tni_fail_nomem(l->err);
  for (size_t i = 0; i < count && !status; i++) {
    object *o = &l->objects[i];
    o->bytes = objects[i];
    o->size = sizes[i];
    status = read_header(l, o);
    if (!status && !(o->pieces = TNI_NEW_ARRAY(&l->arena, piece, o->header.e_shnum))) status = tni_fail_nomem(l->err);
    if (!status) status = read_sections(l, o, false, &end);
  }
  l->code = end = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
  for (size_t i = 0; i < count && !status; i++) {
    status = read_sections(l, &l->objects[i], true, &end);
    if (!status) status = check_symbols(l, &l->objects[i]);
  }
  l->stubs = (end + STUB - 1) & ~(uint64_t)(STUB - 1);
  l->size = (l->stubs + STUB * TNI_OBJECT_IMPORTS + PAGE - 1) & ~(uint64_t)(PAGE - 1);
  return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* `jmp *(the address behind it)` for each import: they may be farther away than an instruction reaches. */
static void write_stubs(linker *l) {
  static const unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0, 0xcc, 0xcc};
  const uintptr_t addresses[TNI_OBJECT_IMPORTS] = {(uintptr_t)memcpy, (uintptr_t)memmove, (uintptr_t)memset};
  for (size_t i = 0; i < TNI_OBJECT_IMPORTS; i++) {
    memcpy(l->memory + l->stubs + STUB * i, jump, sizeof jump);
    memcpy(l->memory + l->stubs + STUB * i + sizeof jump, &addresses[i], sizeof addresses[i]);
  }
}

/* Where in the image a symbol is. */
static uint64_t place_of(const linker *l, const object *o, const Elf64_Sym *s) {
  if (s->st_shndx == SHN_UNDEF) return l->stubs + STUB * (uint64_t)import_of(name_of(o, s));
  return o->pieces[s->st_shndx].at + s->st_value;
}

static tn_status relocate_one(linker *l, const object *o, const piece *in, const Elf64_Rela *r) {
  uint64_t type = ELF64_R_TYPE(r->r_info), number = ELF64_R_SYM(r->r_info);
  if (type != R_X86_64_PC32 && type != R_X86_64_PLT32) return refuse(l, "a relocation is of a kind that is not known");
  if (in->size < 4 || r->r_offset > in->size - 4 || number == 0 || number >= o->symbols.sh_size / sizeof(Elf64_Sym))
    return refuse(l, "a relocation is out of range");
  Elf64_Sym s = symbol_of(o, number);
  bool is_file = s.st_shndx >= o->header.e_shnum;
  if (is_file || (s.st_shndx != SHN_UNDEF && !o->pieces[s.st_shndx].size) || r->r_addend > PAGE * 256 || r->r_addend < -PAGE)
    return refuse(l, "a relocation is out of range");
  int64_t at = (int64_t)(in->at + r->r_offset), value = (int64_t)place_of(l, o, &s) + r->r_addend - at;
  int32_t written = (int32_t)value; /* within the image, which is smaller than 2^31 */
  memcpy(l->memory + at, &written, sizeof written);
  return TN_OK;
}

static tn_status relocate(linker *l, const object *o) {
  tn_status status = TN_OK;
  for (unsigned i = 0; i < o->header.e_shnum && !status; i++) {
    Elf64_Shdr s = section_of(o, i);
    if (s.sh_type != SHT_RELA) continue;
    if (s.sh_info >= o->header.e_shnum || s.sh_entsize != sizeof(Elf64_Rela) || !in_range(o, s.sh_offset, s.sh_size))
      return refuse(l, "a table of relocations is damaged");
    const piece *in = &o->pieces[s.sh_info];
    for (uint64_t k = 0; in->size && k < s.sh_size / sizeof(Elf64_Rela) && !status; k++) {
      Elf64_Rela r;
      memcpy(&r, o->bytes + s.sh_offset + k * sizeof r, sizeof r);
      status = relocate_one(l, o, in, &r);
    }
  }
  return status;
}

static tn_status fail_system(linker *l, int failure, const char *what) {
  tn_status status = failure == EACCES || failure == EPERM ? TN_E_EXEC_DENIED : TN_E_NOMEM;
  return tni_fail(l->ctx, l->err, status, "load", NULL, "%s: %s", what, strerror(failure));
}

static tn_status write_image(linker *l) {
  const tni_os *os = l->ctx->os;
  void *memory;
  int failure = os->map_memory((size_t)l->size, &memory);
  if (failure) return fail_system(l, failure, "no memory for code");
  l->memory = memory;
  tn_status status = TN_OK;
  for (size_t i = 0; i < l->count && !status; i++) {
    const object *o = &l->objects[i];
    for (unsigned k = 0; k < o->header.e_shnum; k++)
      if (o->pieces[k].size) memcpy(l->memory + o->pieces[k].at, o->bytes + o->pieces[k].from, o->pieces[k].size);
    status = relocate(l, o);
  }
  if (status) return status;
  write_stubs(l);
  if (l->code) failure = os->seal_memory(l->memory, (size_t)l->code, false);
  if (!failure) failure = os->seal_memory(l->memory + l->code, (size_t)(l->size - l->code), true);
  return failure ? fail_system(l, failure, "memory is not made executable") : TN_OK;
}

static void tell_symbols(const linker *l, void (*define)(void *self, const char *name, void *address), void *self) {
  for (size_t i = 0; i < l->count; i++) {
    const object *o = &l->objects[i];
    for (uint64_t k = 1; k < o->symbols.sh_size / sizeof(Elf64_Sym); k++) {
      Elf64_Sym s = symbol_of(o, k);
      if (s.st_shndx != SHN_UNDEF && s.st_shndx < o->header.e_shnum && ELF64_ST_BIND(s.st_info) != STB_LOCAL)
        define(self, name_of(o, &s), l->memory + place_of(l, o, &s));
    }
  }
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

tn_status tni_image_load(tn_context *ctx, size_t count, char *const *objects, const size_t *sizes,
                         void (*define)(void *self, const char *name, void *address), void *self, tni_image **out,
                         tn_error **err) {
  linker l = {.ctx = ctx, .err = err};
  *out = NULL;
  tni_arena_init(&l.arena, ctx);
  tn_status status = plan(&l, count, objects, sizes);
  tni_image *image = status ? NULL : tni_alloc_zero(ctx, sizeof *image);
  if (!status && !image) status = tni_fail_nomem(err);
  if (!status) status = write_image(&l);
  if (!status) {
    *image = (tni_image){ctx, l.memory, (size_t)l.size};
    tell_symbols(&l, define, self);
    *out = image;
  } else {
    if (l.memory) ctx->os->unmap(l.memory, (size_t)l.size);
    tni_free(ctx, image, sizeof *image);
  }
  tni_arena_destroy(&l.arena);
  return status;
}

void tni_image_unload(tni_image *image) {
  if (!image) return;
  image->ctx->os->unmap(image->memory, image->size);
  tni_free(image->ctx, image, sizeof *image);
}
