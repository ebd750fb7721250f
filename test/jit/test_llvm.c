/* test_llvm.c -- LLVM is opened when code is wanted and not before; a host that cannot have it lives on; when nobody wants code any
 * more its pages go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kit.h"

static const char text[] = "loop func f(A: f32[4]) {\n  for i in 0..4 {\n    A[i] = A[i] + 1.0:f32\n  }\n}\n";

static tn_program *parse(tn_context *ctx) {
  tn_program *program;
  tn_error *error = NULL;
  kit_ok(tn_program_create(ctx, &program, &error), error);
  kit_ok(tni_parse(program, text, sizeof text - 1, "test", &error), error);
  return program;
}

static tn_status compile(const tn_program *program, tn_error **err) {
  tn_module *module;
  tn_status status = tn_compile(program, NULL, &module, err);
  tn_module_destroy(module);
  return status;
}

START_TEST(llvm_is_opened_by_the_first_compilation)
{
  tn_context *ctx;
  const tn_target *host;
  tn_error *error = NULL;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *program = parse(ctx);
  ck_assert_int_eq(tn_target_get(ctx, "host", &host, NULL), TN_OK);
  ck_assert(!suite_maps("/libLLVM"));
  kit_ok(compile(program, &error), error);
  ck_assert(suite_maps("/libLLVM"));
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

static int find_llvm(struct dl_phdr_info *info, size_t size, void *self) {
  (void)size;
  if (!strstr(info->dlpi_name, "/libLLVM")) return 0;
  *(unsigned char **)self = (unsigned char *)info->dlpi_addr;
  return 1;
}

/* But for pages that somebody wrote, such as the header's here, in what the format has no use for. */
START_TEST(trimming_lets_go_of_pages_that_are_as_in_the_file)
{
  enum { UNUSED = 15, PAGE = 4096, AT_LEAST = 16 << 20 };
  unsigned char *header = NULL;
  tn_context *ctx;
  tn_error *error = NULL;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *program = parse(ctx);
  tn_context_trim(ctx); /* nothing is open yet */
  kit_ok(compile(program, &error), error);
  dl_iterate_phdr(find_llvm, &header);
  ck_assert(header && memcmp(header, ELFMAG, SELFMAG) == 0);
  ck_assert_int_eq(mprotect(header, PAGE, PROT_READ | PROT_WRITE), 0);
  header[UNUSED] = 77;
  ck_assert_int_eq(mprotect(header, PAGE, PROT_READ), 0);
  size_t before = suite_resident_bytes();
  tn_context_trim(ctx);
  ck_assert_uint_gt(before, suite_resident_bytes() + AT_LEAST);
  ck_assert_int_eq(header[UNUSED], 77);
  kit_ok(compile(program, &error), error);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

static void *compile_often(void *program) {
  tn_status status = TN_OK;
  for (int i = 0; i < 20 && !status; i++) status = compile(program, NULL);
  return status ? program : NULL;
}

START_TEST(trimming_disturbs_nobody_who_compiles)
{
  tn_context *ctx;
  pthread_t thread;
  void *failed;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *program = parse(ctx);
  ck_assert_int_eq(pthread_create(&thread, NULL, compile_often, program), 0);
  for (int i = 0; i < 30; i++) tn_context_trim(ctx);
  pthread_join(thread, &failed);
  ck_assert_ptr_null(failed);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* whose runtimes need the address space themselves */
static size_t used_bytes(void) {
  unsigned long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
  fclose(f);
  return pages * 4096;
}

/* The address space is too small for LLVM, and then it is not. */
START_TEST(llvm_that_cannot_be_opened_is_an_error_and_tried_again)
{
  static const char told[] = "codegen: LLVM: it cannot be opened: ";
  struct rlimit all, few;
  tn_context *ctx;
  tn_error *error = NULL;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tn_program *program = parse(ctx);
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &all), 0);
  few = all;
  few.rlim_cur = used_bytes() + (64 << 20);
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &few), 0);
  ck_assert_int_eq(compile(program, &error), TN_E_UNSUPPORTED);
  ck_assert_int_eq(strncmp(tn_error_text(error), told, sizeof told - 1), 0);
  tn_error_destroy(error);
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
  kit_ok(compile(program, &error), error);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST
#endif

int main(void) {
  const TTest *const tests[] = {
    llvm_is_opened_by_the_first_compilation,
    trimming_lets_go_of_pages_that_are_as_in_the_file,
    trimming_disturbs_nobody_who_compiles,
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    llvm_that_cannot_be_opened_is_an_error_and_tried_again,
#endif
  };
  return suite_run_tests("llvm", tests, TNI_COUNT(tests), NULL, NULL);
}
