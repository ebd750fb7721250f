/* test_kept.c -- blobs under keys: found again, not kept beyond what is allowed, and what lies in them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fault.h"

static fault f;
static tn_context *ctx;
static tni_kept *kept; /* up to 150 bytes */
static tni_blob *blob; /* of 100 */

static void setup(void) {
  ctx = fault_context(&f);
  kept = tni_kept_create(ctx);
  blob = tni_blob_create(ctx, 100);
  tni_kept_allow(kept, 150);
}

static void teardown(void) {
  tni_blob_unref(blob);
  tni_kept_destroy(kept);
  fault_finish(&f, ctx);
}

START_TEST(blobs_are_found_by_their_keys)
{
  tni_blob *b = tni_blob_create(ctx, 50);
  ck_assert(tni_kept_add(kept, "a", 1, blob) && tni_kept_add(kept, "ab", 2, b));
  ck_assert(tni_kept_add(kept, "a", 1, b)); /* there is one */
  tni_blob *found = tni_kept_find(kept, "a", 1);
  ck_assert_ptr_eq(found, blob);
  ck_assert_ptr_null(tni_kept_find(kept, "b", 1));
  ck_assert(tni_kept_holds(kept, (const char *)b->data + 10, 40));
  ck_assert(!tni_kept_holds(kept, (const char *)b->data + 10, 41));
  ck_assert(!tni_kept_holds(kept, &f, 1));
  tni_blob_unref(found);
  tni_blob_unref(b);
}
END_TEST

START_TEST(no_more_is_kept_than_is_allowed)
{
  ck_assert(tni_kept_add(kept, "a", 1, blob) && tni_kept_add(kept, "b", 1, blob));
  ck_assert_ptr_null(tni_kept_find(kept, "b", 1));
  tni_kept_allow(kept, 50);
  ck_assert(tni_kept_add(kept, "b", 1, blob));
  tni_blob *found = tni_kept_find(kept, "b", 1);
  ck_assert_ptr_eq(found, blob);
  tni_blob_unref(found);
  tni_kept_destroy(NULL);
}
END_TEST

START_TEST(without_memory_nothing_is_kept)
{
  for (long at = 1; at <= 2; at++) {
    f.fail_at = f.calls + at;
    ck_assert(!tni_kept_add(kept, "a", 1, blob));
    f.fail_at = 0;
    ck_assert_ptr_null(tni_kept_find(kept, "a", 1));
  }
  f.fail_at = f.calls + 1;
  ck_assert_ptr_null(tni_kept_create(ctx));
  f.fail_at = 0;
}
END_TEST

int main(void) {
  const TTest *const tests[] = {blobs_are_found_by_their_keys, no_more_is_kept_than_is_allowed,
                                without_memory_nothing_is_kept};
  return suite_run_tests("kept", tests, TNI_COUNT(tests), setup, teardown);
}
