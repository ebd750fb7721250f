/* test_image.c -- our own linker: what it refuses, byte for byte; what the system refuses; when LLVM's takes over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <elf.h>
#include <errno.h>

#include "kit.h"

#ifdef __x86_64__

static const char text[] = "loop func f(A: f32[64], B: f32[64]) {\n"
                           "  for i in 0..64 {\n"
                           "    B[i] = A[i] * 1.5:f32 + 0.25:f32\n"
                           "  }\n"
                           "}\n"
                           "loop func g(A: i8[4096], B: i8[4096]) {\n"
                           "  for i in 0..4096 {\n"
                           "    B[i] = A[i]\n"
                           "  }\n"
                           "}\n";

typedef struct fixture {
  kit k;
  char *object;
  size_t size;
  void *f, *g; /* addresses that were told */
} fixture;

static void open_fixture(fixture *x) {
  tn_error *error = NULL;
  tn_program *program;
  memset(x, 0, sizeof *x);
  kit_open(&x->k, "host");
  kit_ok(tn_program_parse(x->k.ctx, text, strlen(text), "test", &program, &error), error);
  const tn_func *funcs[] = {tn_program_func_at(program, 0), tn_program_func_at(program, 1)};
  kit_ok(kit_try_emit(&x->k, 2, funcs, TNI_EMIT_OBJECT, &x->object, &x->size, &error), error);
  tn_program_destroy(program);
}

static void close_fixture(fixture *x) {
  tn_text_destroy(x->object);
  kit_close(&x->k);
}

static void take_address(void *self, const char *name, void *address) {
  fixture *x = self;
  if (strcmp(name, "f") == 0) x->f = address;
  if (strcmp(name, "g") == 0) x->g = address;
}

static tn_status load(fixture *x, const char *object, size_t size, tni_image **out, tn_error **error) {
  char *bytes = (char *)object;
  *error = NULL;
  return tni_image_load(x->k.ctx, 1, &bytes, &size, take_address, x, out, error);
}

START_TEST(code_and_its_constants_run)
{
  fixture x;
  tni_image *image;
  tn_error *error;
  float a[64], b[64] = {0};
  open_fixture(&x);
  kit_ok(load(&x, x.object, x.size, &image, &error), error);
  for (int i = 0; i < 64; i++) a[i] = (float)i;
  ck_assert_int_eq(tni_caller_of(2)((tni_machine_code)(uintptr_t)x.f, &x.k.env, (void *[]){a, b}), 0);
  for (int i = 0; i < 64; i++) ck_assert_float_eq(b[i], (float)i * 1.5f + 0.25f);
  int8_t from[4096], to[4096] = {0};
  for (int i = 0; i < 4096; i++) from[i] = (int8_t)(i * 7);
  ck_assert_int_eq(tni_caller_of(2)((tni_machine_code)(uintptr_t)x.g, &x.k.env, (void *[]){from, to}), 0);
  ck_assert_mem_eq(from, to, 4096);
  tni_image_unload(image);
  close_fixture(&x);
}
END_TEST

/* ---- refusals: a copy of the object, one thing changed --------------------------------------------------------- */

static Elf64_Shdr *section(char *object, unsigned type, uint64_t flags) {
  Elf64_Ehdr *h = (Elf64_Ehdr *)object;
  Elf64_Shdr *s = (Elf64_Shdr *)(object + h->e_shoff);
  for (unsigned i = 0; i < h->e_shnum; i++)
    if (s[i].sh_type == type && (s[i].sh_flags & flags) == flags && (type != SHT_PROGBITS || s[i].sh_size))
      return &s[i];
  ck_abort_msg("no such section");
  return NULL;
}

static Elf64_Sym *a_symbol(char *object, int bind) {
  Elf64_Shdr *table = section(object, SHT_SYMTAB, 0);
  Elf64_Sym *s = (Elf64_Sym *)(object + table->sh_offset);
  for (size_t i = 1; i < table->sh_size / sizeof *s; i++)
    if (ELF64_ST_BIND(s[i].st_info) == bind) return &s[i];
  ck_abort_msg("no such symbol");
  return NULL;
}

static Elf64_Rela *a_relocation(char *object) {
  return (Elf64_Rela *)(object + section(object, SHT_RELA, 0)->sh_offset);
}

static void other_machine(char *o) { ((Elf64_Ehdr *)o)->e_machine = EM_AARCH64; }
static void sections_outside(char *o) { ((Elf64_Ehdr *)o)->e_shoff = UINT64_MAX - 8; }
static void odd_alignment(char *o) { section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_addralign = 48; }
static void large_alignment(char *o) { section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_addralign = 1 << 20; }
static void section_outside(char *o) { section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_size = 1 << 20; }
static void writable(char *o) { section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_flags |= SHF_WRITE; }
static void dynamic(char *o) { section(o, SHT_STRTAB, 0)->sh_type = SHT_DYNAMIC; }
static void initialiser(char *o) { section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_type = SHT_INIT_ARRAY; }
static void two_tables(char *o) {
  section(o, SHT_RELA, 0)->sh_link = section(o, SHT_SYMTAB, 0)->sh_link;
  section(o, SHT_RELA, 0)->sh_type = SHT_SYMTAB;
}
static void odd_table(char *o) { section(o, SHT_SYMTAB, 0)->sh_size -= 3; }
static void names_outside(char *o) { a_symbol(o, STB_GLOBAL)->st_name = 1 << 30; }
static void other_import(char *o) { a_symbol(o, STB_GLOBAL)->st_shndx = SHN_UNDEF; }
static void symbol_outside(char *o) { a_symbol(o, STB_GLOBAL)->st_value = UINT64_MAX; }
static void symbol_at_end(char *o) { a_symbol(o, STB_GLOBAL)->st_value = section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_size; }
static void symbol_nowhere(char *o) { a_symbol(o, STB_GLOBAL)->st_shndx = 0xff00; }
static void absolute(char *o) { a_relocation(o)->r_info = ELF64_R_INFO(ELF64_R_SYM(a_relocation(o)->r_info), R_X86_64_64); }
static void place_outside(char *o) { a_relocation(o)->r_offset = section(o, SHT_PROGBITS, SHF_EXECINSTR)->sh_size - 3; }
static void of_no_symbol(char *o) { a_relocation(o)->r_info = ELF64_R_INFO(1 << 20, R_X86_64_PC32); }
static void far_away(char *o) { a_relocation(o)->r_addend = INT64_MAX; }
static void relocations_outside(char *o) { section(o, SHT_RELA, 0)->sh_offset = UINT64_MAX; }

static const struct refusal {
  void (*damage)(char *object);
  const char *why;
} refusals[] = {
    {other_machine, "it is no relocatable x86-64 object for this processor"},
    {sections_outside, "its table of sections is damaged"},
    {odd_alignment, "a section's alignment is not known"},
    {large_alignment, "a section's alignment is not known"},
    {section_outside, "a section is out of range"},
    {writable, "a section is of a kind that is not known"},
    {dynamic, "a section is of a kind that is not known"},
    {initialiser, "a section is of a kind that is not known"},
    {two_tables, "it has two symbol tables"},
    {odd_table, "its symbol table is damaged"},
    {names_outside, "a symbol's name is out of range"},
    {other_import, "it imports what code may not import"},
    {symbol_outside, "a symbol is out of range"},
    {symbol_at_end, "a symbol is out of range"},
    {symbol_nowhere, "a symbol is out of range"},
    {absolute, "a relocation is of a kind that is not known"},
    {place_outside, "a relocation is out of range"},
    {of_no_symbol, "a relocation is out of range"},
    {far_away, "a relocation is out of range"},
    {relocations_outside, "a table of relocations is damaged"},
};

START_TEST(what_is_not_known_is_refused)
{
  fixture x;
  tni_image *image;
  tn_error *error;
  char want[200];
  open_fixture(&x);
  char *copy = malloc(x.size);
  memcpy(copy, x.object, x.size);
  refusals[_i].damage(copy);
  ck_assert_int_eq(load(&x, copy, x.size, &image, &error), TN_E_UNSUPPORTED);
  snprintf(want, sizeof want, "load: object: %s", refusals[_i].why);
  ck_assert_str_eq(tn_error_text(error), want);
  ck_assert_ptr_null(image);
  tn_error_destroy(error);
  free(copy);
  close_fixture(&x);
}
END_TEST

/* Each takes a page. */
START_TEST(code_that_calls_could_not_reach_across_is_refused)
{
  enum { COUNT = 70000 };
  fixture x;
  tni_image *image;
  tn_error *error = NULL;
  open_fixture(&x);
  section(x.object, SHT_PROGBITS, SHF_EXECINSTR)->sh_addralign = 4096;
  char **objects = malloc(COUNT * sizeof *objects);
  size_t *sizes = malloc(COUNT * sizeof *sizes);
  for (int i = 0; i < COUNT; i++) objects[i] = x.object, sizes[i] = x.size;
  ck_assert_int_eq(tni_image_load(x.k.ctx, COUNT, objects, sizes, take_address, &x, &image, &error), TN_E_UNSUPPORTED);
  ck_assert_str_eq(tn_error_text(error), "load: object: it is too large");
  tn_error_destroy(error);
  free(objects);
  free(sizes);
  close_fixture(&x);
}
END_TEST

START_TEST(a_part_of_an_object_is_refused)
{
  fixture x;
  tni_image *image;
  tn_error *error;
  open_fixture(&x);
  for (size_t n = 0; n < x.size; n++) {
    char *part = malloc(n + 1); /* so that a sanitizer sees what is read behind it */
    memcpy(part, x.object, n);
    ck_assert_int_eq(load(&x, part, n, &image, &error), TN_E_UNSUPPORTED);
    if (n == 10) ck_assert_str_eq(tn_error_text(error), "load: object: it ends within its header");
    tn_error_destroy(error);
    free(part);
  }
  close_fixture(&x);
}
END_TEST

START_TEST(a_flipped_bit_is_refused_or_loads)
{
  fixture x;
  tni_image *image;
  tn_error *error;
  open_fixture(&x);
  for (size_t i = 0; i < x.size * 8; i++) {
    x.object[i / 8] ^= (char)(1 << i % 8);
    tn_status status = load(&x, x.object, x.size, &image, &error);
    ck_assert(status == TN_OK || status == TN_E_UNSUPPORTED);
    tn_error_destroy(error);
    tni_image_unload(image);
    x.object[i / 8] ^= (char)(1 << i % 8);
  }
  close_fixture(&x);
}
END_TEST

/* ---- the loader over it ---------------------------------------------------------------------------------------- */

START_TEST(what_our_linker_does_not_know_goes_to_llvms)
{
  fixture x;
  tni_library *library;
  tn_error *error = NULL;
  open_fixture(&x);
  section(x.object, SHT_PROGBITS, SHF_EXECINSTR)->sh_flags |= 1 << 21; /* SHF_GNU_RETAIN */
  ck_assert_int_eq(tni_library_load(x.k.ctx, true, 1, &x.object, &x.size, &library, &error), TN_E_UNSUPPORTED);
  ck_assert_str_eq(tn_error_text(error), "load: object: a section is of a kind that is not known");
  tn_error_destroy(error);
  kit_ok(tni_library_load(x.k.ctx, false, 1, &x.object, &x.size, &library, &error), error);
  float a[64] = {2}, b[64] = {0};
  tni_machine_code f = (tni_machine_code)(uintptr_t)tni_library_find(library, "f");
  ck_assert_int_eq(tni_caller_of(2)(f, &x.k.env, (void *[]){a, b}), 0);
  ck_assert_float_eq(b[0], 3.25f);
  tni_library_unload(library);
  close_fixture(&x);
}
END_TEST

static int map_none(size_t size, void **memory) {
  (void)size;
  *memory = NULL;
  return ENOMEM;
}

static int seal_none(void *memory, size_t size, bool executable) {
  return executable ? EACCES : tni_os_default.seal_memory(memory, size, executable);
}

static void check_failure(fixture *x, const tni_os *os, tn_status want, const char *text) {
  tni_library *library;
  tn_error *error = NULL;
  x->k.ctx->os = os;
  ck_assert_int_eq(tni_library_load(x->k.ctx, false, 1, &x->object, &x->size, &library, &error), want);
  ck_assert_str_eq(tn_error_text(error), text);
  ck_assert_ptr_null(library);
  tn_error_destroy(error);
  x->k.ctx->os = &tni_os_default;
}

START_TEST(a_system_that_allows_no_code_is_told)
{
  fixture x;
  tni_os os = tni_os_default;
  open_fixture(&x);
  os.map_memory = map_none;
  check_failure(&x, &os, TN_E_NOMEM, "load: no memory for code: Cannot allocate memory");
  os = tni_os_default;
  os.seal_memory = seal_none;
  check_failure(&x, &os, TN_E_EXEC_DENIED, "load: memory is not made executable: Permission denied");
  close_fixture(&x);
}
END_TEST

#endif

int main(void) {
  TCase *tests = tcase_create("image");
#ifdef __x86_64__
  tcase_add_test(tests, code_and_its_constants_run);
  tcase_add_loop_test(tests, what_is_not_known_is_refused, 0, (int)TNI_COUNT(refusals));
  tcase_add_test(tests, code_that_calls_could_not_reach_across_is_refused);
  tcase_add_test(tests, a_part_of_an_object_is_refused);
  tcase_add_test(tests, a_flipped_bit_is_refused_or_loads);
  tcase_add_test(tests, what_our_linker_does_not_know_goes_to_llvms);
  tcase_add_test(tests, a_system_that_allows_no_code_is_told);
#endif
  return suite_run_case("image", tests, 200, NULL, NULL);
}
