/* test_host.c -- the target table and the host's description.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "suite.h"
#include "targets.h"

static tn_context *ctx;
static void open_context(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void close_context(void) { tn_context_destroy(ctx); }

/* Does the kernel say that this CPU has the feature? */
static bool cpuinfo_has(const char *flag) {
  char line[8192];
  bool found = false;
  FILE *file = fopen("/proc/cpuinfo", "r");
  while (file && !found && fgets(line, sizeof line, file)) {
    if (strncmp(line, "flags", 5) != 0) continue;
    for (char *word = strtok(line, " \t\n"); word; word = strtok(NULL, " \t\n")) found |= strcmp(word, flag) == 0;
    break;
  }
  if (file) fclose(file);
  return found;
}

START_TEST(every_row_is_found_and_described)
{
  static const char *const names[] = {"host",         "x86-64-v2",    "x86-64-v3",
                                      "x86-64-v4",    "aarch64-neon", "aarch64-dotprod",
                                      "aarch64-i8mm", "aarch64-sme",  "riscv64-rvv", "nvptx64-sm80"};
  for (size_t i = 0; i < TNI_COUNT(names); i++) {
    const tn_target *target, *again;
    ck_assert_int_eq(tn_target_get(ctx, names[i], &target, NULL), TN_OK);
    ck_assert_int_eq(tn_target_get(ctx, names[i], &again, NULL), TN_OK);
    ck_assert_ptr_eq(target, again);
    ck_assert_int_ge(target->cores, 1);
    ck_assert_uint_ge(target->l2, target->l1d);
  }
}
END_TEST

START_TEST(a_target_says_what_it_is)
{
  const tn_target *t;
  char want[300];
  ck_assert_int_eq(tn_target_get(ctx, "x86-64-v4", &t, NULL), TN_OK);
  ck_assert_str_eq(tn_target_text(t),
                   "x86-64-v4: x86_64-unknown-linux-gnu, x86-64-v4, 512-bit vectors in 32 registers, "
                   "32 KiB L1d, 512 KiB L2, 8192 KiB L3, 4 cores");
  ck_assert_int_eq(tn_target_get(ctx, "host", &t, NULL), TN_OK);
  snprintf(want, sizeof want,
           "host: %s, %s%s%s, %d-bit vectors in %d registers, %zu KiB L1d, %zu KiB L2, %zu KiB L3, %d core%s",
           t->triple, t->cpu, t->maker[0] ? " of " : "", t->maker, (int)t->vector_bits, (int)t->vector_registers,
           t->l1d >> 10, t->l2 >> 10, t->l3 >> 10, (int)t->cores, t->cores == 1 ? "" : "s");
  ck_assert_str_eq(tn_target_text(t), want);
}
END_TEST

START_TEST(an_unknown_name_gets_the_list)
{
  const tn_target *target;
  tn_error *error = NULL;
  ck_assert_int_eq(tn_target_get(ctx, "pdp-11", &target, &error), TN_E_NOT_FOUND);
  ck_assert_ptr_null(target);
  ck_assert_str_eq(tn_error_text(error),
                   "codegen: pdp-11: no such target; there are: host, x86-64-v2, x86-64-v3, x86-64-v4, aarch64-neon, "
                   "aarch64-dotprod, aarch64-i8mm, aarch64-sme, riscv64-rvv, nvptx64-sm80");
  tn_error_destroy(error);
}
END_TEST

#if defined(__x86_64__)
/* Is "+name" or "-name" one of the features? */
static bool has_feature(const tn_target *target, char sign, const char *name) {
  char text[40];
  int length = snprintf(text, sizeof text, "%c%s", sign, name);
  for (const char *at = target->features; (at = strstr(at, text)); at++) {
    if (at[length] == ',' || at[length] == 0) return true;
  }
  return false;
}

/* A feature that we switch on is one that the kernel saw; with avx512f and its family on, the vectors are 512 bits. */
START_TEST(the_host_has_what_the_kernel_saw)
{
  static const char *const flags[][2] = {{"avx2", "avx2"},
                                         {"fma", "fma"},
                                         {"f16c", "f16c"},
                                         {"avx512f", "avx512f"},
                                         {"avx512vl", "avx512vl"},
                                         {"avx512bf16", "avx512_bf16"},
                                         {"avx512vnni", "avx512_vnni"},
                                         {"gfni", "gfni"},
                                         {"popcnt", "popcnt"}};
  const tn_target *host;
  ck_assert_int_eq(tn_target_get(ctx, "host", &host, NULL), TN_OK);
  ck_assert(host->runs_here);
  for (size_t i = 0; i < TNI_COUNT(flags); i++) {
    bool is_on = has_feature(host, '+', flags[i][0]);
    ck_assert_msg(is_on != has_feature(host, '-', flags[i][0]), "%s is neither or both", flags[i][0]);
    if (is_on) ck_assert_msg(cpuinfo_has(flags[i][1]), "%s is on, and the kernel does not see it", flags[i][0]);
  }
  ck_assert_int_eq(host->vector_bits, has_feature(host, '+', "avx512vl") ? 512
                                      : has_feature(host, '+', "avx2")   ? 256
                                                                         : 128);
  ck_assert_int_eq(host->has_fma, has_feature(host, '+', "fma"));
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("host");
  TCase *tc = tcase_create("host");
  tcase_add_checked_fixture(tc, open_context, close_context);
  tcase_add_test(tc, every_row_is_found_and_described);
  tcase_add_test(tc, a_target_says_what_it_is);
  tcase_add_test(tc, an_unknown_name_gets_the_list);
#if defined(__x86_64__)
  tcase_add_test(tc, the_host_has_what_the_kernel_saw);
#endif
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
