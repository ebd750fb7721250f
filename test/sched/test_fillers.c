/* test_fillers.c -- weights in the order in which kernels read them: the same in whatever pieces they are written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "suite.h"

enum { MOST = 1 << 16 };

typedef struct filling {
  tni_filler *fill;
  tn_type type;
  int32_t rank;
  int64_t from[TN_MAX_RANK], shape[TN_MAX_RANK];
} filling;

/* Of sizes that fill up nothing. */
static const filling fillings[] = {
    {tni_fill_oc_last, TN_F32, 4, {19, 7, 3, 5}, {7, 3, 5, 19}},
    {tni_fill_oc_last, TN_I8, 3, {40, 3, 2}, {3, 2, 40}},
    {tni_fill_oc_stacked, TN_I8, 4, {12, 1, 3, 3}, {2, 3, 12, 2}},
    {tni_fill_oc_side, TN_I8, 4, {21, 6, 3, 3}, {3, 2, 3, 3, 8, 4}},
    {tni_fill_oc_joined, TN_I8, 4, {21, 3, 3, 3}, {3, 3, 3, 8, 4}},
    {tni_fill_oc_panels, TN_F32, 4, {37, 5, 3, 3}, {3, 5, 3, 3, 16}},
    {tni_fill_oc_panels, TN_F32, 4, {32, 33, 1, 1}, {4, 33, 1, 1, 8}},
    {tni_fill_panels, TN_I8, 2, {30, 21}, {3, 8, 8, 4}},
    {tni_fill_panels, TN_I8, 2, {5, 40}, {4, 16, 16, 4}}, /* steps that fill up, and a panel that has none */
    {tni_fill_simple_panels, TN_F32, 2, {11, 37}, {3, 11, 16}},
    {tni_fill_parts, TN_F32, 2, {10, 40}, {3, 10, 16}},
};

static size_t bytes_of(const filling *f, const int64_t *shape, int32_t rank) {
  size_t bytes = tn_type_bytes(f->type);
  for (int32_t i = 0; i < rank; i++) bytes *= (size_t)shape[i];
  return bytes;
}

static int32_t rank_of(const filling *f) {
  int32_t rank = 0;
  while (rank < TN_MAX_RANK && f->shape[rank]) rank++;
  return rank;
}

/* What the pieces of so many rows write, the last one first. */
static void fill(const filling *f, int64_t rows, unsigned char *to) {
  static unsigned char from[MOST];
  tni_source w = {.w = {.type = f->type, .rank = f->rank, .data = from}};
  memcpy(w.w.shape, f->from, sizeof w.w.shape);
  for (size_t i = 0; i < bytes_of(f, f->from, f->rank); i++) from[i] = (unsigned char)(i * 31 % 251 + 1);
  for (int64_t begin = (f->shape[0] - 1) / rows * rows; begin >= 0; begin -= rows)
    f->fill((char *)to, &w, f->shape, begin, begin + rows < f->shape[0] ? begin + rows : f->shape[0]);
}

START_TEST(pieces_make_the_whole)
{
  static unsigned char whole[MOST], pieces[MOST];
  for (size_t i = 0; i < TNI_COUNT(fillings); i++) {
    const filling *f = &fillings[i];
    size_t bytes = bytes_of(f, f->shape, rank_of(f));
    ck_assert_uint_lt(bytes, MOST);
    memset(whole, 0xee, sizeof whole);
    fill(f, f->shape[0], whole);
    ck_assert_int_eq(whole[bytes], 0xee);
    for (int64_t rows = 1; rows < f->shape[0]; rows++) {
      memset(pieces, 0xdd, bytes);
      fill(f, rows, pieces);
      ck_assert_msg(memcmp(whole, pieces, bytes) == 0, "order %zu differs in pieces of %d rows", i, (int)rows);
    }
  }
}
END_TEST

/* Each number of the weights is there, once; the others are 0. */
START_TEST(nothing_is_lost)
{
  static unsigned char whole[MOST];
  for (size_t i = 0; i < TNI_COUNT(fillings); i++) {
    const filling *f = &fillings[i];
    size_t bytes = bytes_of(f, f->shape, rank_of(f)), counts[256] = {0};
    fill(f, f->shape[0], whole);
    for (size_t k = 0; k < bytes; k++) counts[whole[k]]++;
    for (size_t k = 0; k < bytes_of(f, f->from, f->rank); k++) counts[k * 31 % 251 + 1]--;
    for (int k = 1; k < 256; k++) ck_assert_msg(counts[k] == 0, "order %zu has %d in other numbers", i, k);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {pieces_make_the_whole, nothing_is_lost};
  return suite_run_tests("fillers", tests, TNI_COUNT(tests), NULL, NULL);
}
