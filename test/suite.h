/* suite.h -- how a test program runs: its suite, and its exit status.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SUITE_H
#define TEST_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Runs the suite and frees it; gives main's exit status. */
static inline int suite_run(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}

/* The same of one test case, which gets its time limit in seconds, and setup and teardown around each test. */
static inline int suite_run_case(const char *name, TCase *tests, double seconds, void (*setup)(void),
                                 void (*teardown)(void)) {
  Suite *suite = suite_create(name);
  tcase_set_timeout(tests, seconds);
  tcase_add_checked_fixture(tests, setup, teardown);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}

/* The same of all these tests; setup and teardown may be NULL. */
static inline int suite_run_tests(const char *name, const TTest *const *tests, size_t count, void (*setup)(void),
                                  void (*teardown)(void)) {
  TCase *all = tcase_create(name);
  for (size_t i = 0; i < count; i++) tcase_add_test(all, tests[i]);
  return suite_run_case(name, all, 200, setup, teardown);
}

/* Of the process. */
static inline size_t suite_resident_bytes(void) {
  unsigned long all, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  ck_assert_int_eq(fscanf(f, "%lu %lu", &all, &pages), 2);
  fclose(f);
  return pages * 4096;
}

/* Is a file whose path holds that mapped into this process? */
static inline bool suite_maps(const char *name) {
  char line[512];
  bool found = false;
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) found |= strstr(line, name) != NULL;
  fclose(f);
  return found;
}

#endif
