/* test_default_windows.c -- the default schedule of windows that move over images: convolutions of each channel, pools, tiles of
 * sums; borders, strips of channels, rows spread over the sets of a cache.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "default/default.h"
#include "defaults.h"

/* A depthwise convolution with the channels last, under a border: taps of a row are written out; the window of 7 rows goes
 * to registers, where the conditions are asked; there is one body, for the edges and the middle. */
static const char *const depthwise =
    "func depth(X: f32[9, 14, 32], W: f32[5, 3, 32], C: f32[9, 14, 32]) {\n"
    "  alloc P: f32[13, 16, 32]\n"
    "  for i in 0..13 { for j in 0..16 { for c in 0..32 {\n"
    "    block P(a: 0..13 = i, b: 0..16 = j, d: 0..32 = c) {\n"
    "      P[a, b, d] = X[a - 2, b - 1, d if 0 <= a - 2 && a - 2 < 9 && (0 <= b - 1 && b - 1 < 14)]\n"
    "  } } } }\n"
    "  for i in 0..9 { for j in 0..14 { for c in 0..32 { for y in 0..5 { for x in 0..3 {\n"
    "    block C(a: 0..9 = i, b: 0..14 = j, d: 0..32 = c, reduce u: 0..5 = y, reduce v: 0..3 = x) {\n"
    "      init { C[a, b, d] = 0.0:f32 }\n"
    "      C[a, b, d] = fma(P[a + u, b + v, d], W[u, v, d], C[a, b, d])\n"
    "  } } } } } }\n"
    "}\n";

START_TEST(windows_are_read_where_they_stand)
{
  open_context();
  char *text = checked_loops(depthwise);
  ck_assert_msg(strstr(text, "alloc P: f32[144] in register"), "%s", text);
  ck_assert_int_eq(count_of(text, "fma("), 7 * 3);
  ck_assert_int_eq(count_of(text, "= X["), 7 + 2);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* The same, its sums only over rows inside: the tile is along columns, for the window has none of its own conditions left. */
START_TEST(windows_end_with_the_picture)
{
  open_context();
  char *text = checked_loops(
      "func depth(X: f32[9, 14, 32], W: f32[5, 3, 32], C: f32[9, 14, 32]) {\n"
      "  alloc P: f32[9, 16, 32]\n"
      "  for i in 0..9 { for j in 0..16 { for c in 0..32 {\n"
      "    block P(a: 0..9 = i, b: 0..16 = j, d: 0..32 = c) {\n"
      "      P[a, b, d] = X[a, b - 1, d if 0 <= b - 1 && b - 1 < 14]\n"
      "  } } } }\n"
      "  for i in 0..9 { for j in 0..14 { for c in 0..32 { for y in 0..5 { for x in 0..3 {\n"
      "    block C(a: 0..9 = i, b: 0..14 = j, d: 0..32 = c, reduce u: 0..5 = y, reduce v: 0..3 = x) {\n"
      "      init { C[a, b, d] = 0.0:f32 }\n"
      "      C[a, b, d] = select(0 <= a + u - 2 && a + u - 2 < 9,\n"
      "        fma(P[a + u - 2, b + v, d if 0 <= a + u - 2 && a + u - 2 < 9], W[u, v, d], C[a, b, d]), C[a, b, d])\n"
      "  } } } } } }\n"
      "}\n");
  ck_assert_msg(strstr(text, "alloc P: f32[144] in register"), "%s", text);
  ck_assert_int_eq(count_of(text, "fma("), 7 * 3);
  ck_assert_int_eq(count_of(text, "for u in 0..min("), 1);
  ck_assert_ptr_null(strstr(text, "9, 16)]"));
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Rows that are read three times, more of them than the first cache holds: 64 columns go down the picture before the next
 * ones do. Of 128 columns all go together. */
START_TEST(windows_of_many_columns_go_in_strips)
{
  open_context();
  for (int columns = 128; columns <= 512; columns += 384) {
    char text[2048];
    snprintf(text, sizeof text,
             "func depth(X: f32[6, 14, %d], W: f32[3, 3, %d], C: f32[4, 14, %d]) {\n"
             "  alloc P: f32[6, 16, %d]\n"
             "  for i in 0..6 { for j in 0..16 { for c in 0..%d {\n"
             "    block P(a: 0..6 = i, b: 0..16 = j, d: 0..%d = c) {\n"
             "      P[a, b, d] = X[a, b - 1, d if 0 <= b - 1 && b - 1 < 14]\n"
             "  } } } }\n"
             "  for i in 0..4 { for j in 0..14 { for c in 0..%d { for y in 0..3 { for x in 0..3 {\n"
             "    block C(a: 0..4 = i, b: 0..14 = j, d: 0..%d = c, reduce u: 0..3 = y, reduce v: 0..3 = x) {\n"
             "      init { C[a, b, d] = 0.0:f32 }\n"
             "      C[a, b, d] = fma(P[a + u, b + v, d], W[u, v, d], C[a, b, d])\n"
             "  } } } } } }\n"
             "}\n",
             columns, columns, columns, columns, columns, columns, columns, columns);
    char *loops = checked_loops(text);
    bool strips = strstr(loops, " // 32 * 64") != NULL; /* 4 rows, 2 tiles, 4 vectors */
    ck_assert_msg(strips == (columns > 128), "%.2000s", loops);
    tn_text_destroy(loops);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* Of rows that the tile does not divide, the last ones are another body: loads have the conditions. */
START_TEST(windows_of_odd_rows_are_not_copied)
{
  static char text[2048];
  open_context();
  snprintf(text, sizeof text, "%s", depthwise);
  for (char *at; (at = strstr(text, "14"));) memcpy(at, "23", 2);
  for (char *at; (at = strstr(text, "16"));) memcpy(at, "25", 2);
  char *loops = checked_loops(text);
  ck_assert_msg(!strstr(loops, "alloc P"), "%s", loops);
  tn_text_destroy(loops);
  tn_context_destroy(o.ctx);
}
END_TEST

/* A dense convolution under a border: with enough sums for each element it is copied, by one loop nest that asks where
 * it loads, and there is one body of sums; else loads have the conditions. */
START_TEST(borders_are_copied_where_it_pays)
{
  static const int channels[] = {32, 8};
  open_context();
  for (int i = 0; i < 2; i++) {
    char text[2048];
    snprintf(text, sizeof text,
             "func dense(X: f32[5, 7, 6], W: f32[6, 3, 3, %d], C: f32[5, 7, %d]) {\n"
             "  alloc P: f32[7, 9, 6]\n"
             "  for i in 0..7 { for j in 0..9 { for c in 0..6 {\n"
             "    block P(a: 0..7 = i, b: 0..9 = j, d: 0..6 = c) {\n"
             "      P[a, b, d] = X[a - 1, b - 1, d if 0 <= a - 1 && a - 1 < 5 && (0 <= b - 1 && b - 1 < 7)]\n"
             "  } } } }\n"
             "  for i in 0..5 { for j in 0..7 { for c in 0..%d { for k in 0..6 { for y in 0..3 { for x in 0..3 {\n"
             "    block C(a: 0..5 = i, b: 0..7 = j, d: 0..%d = c, reduce e: 0..6 = k, reduce u: 0..3 = y, reduce v: 0..3 = x) {\n"
             "      init { C[a, b, d] = 0.0:f32 }\n"
             "      C[a, b, d] = fma(P[a + u, b + v, e], W[e, u, v, d], C[a, b, d])\n"
             "  } } } } } } }\n"
             "}\n",
             channels[i], channels[i], channels[i], channels[i]);
    char *loops = checked_loops(text);
    ck_assert_msg(!strstr(loops, "alloc P") == (i == 1), "%s", loops);
    ck_assert_msg((count_of(loops, "for kh") + count_of(loops, "for u") == 1) == (i == 0), "%s", loops);
    tn_text_destroy(loops);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* A pool whose windows take what is nearest where they leave the picture: one body, which asks nothing. */
START_TEST(a_pool_of_what_is_nearest_has_one_body)
{
  open_context();
  char *text = checked_loops(
      "func pool(X: f32[9, 14, 32], C: f32[9, 14, 32]) {\n"
      "  alloc P: f32[11, 16, 32]\n"
      "  for i in 0..11 { for j in 0..16 { for c in 0..32 {\n"
      "    block P(a: 0..11 = i, b: 0..16 = j, d: 0..32 = c) {\n"
      "      P[a, b, d] = X[min(max(a - 1, 0), 8), min(max(b - 1, 0), 13), d]\n"
      "  } } } }\n"
      "  for i in 0..9 { for j in 0..14 { for c in 0..32 { for y in 0..3 { for x in 0..3 {\n"
      "    block C(a: 0..9 = i, b: 0..14 = j, d: 0..32 = c, reduce u: 0..3 = y, reduce v: 0..3 = x) {\n"
      "      init { C[a, b, d] = -inf:f32 }\n"
      "      C[a, b, d] = max(C[a, b, d], P[a + u, b + v, d])\n"
      "  } } } } } }\n"
      "}\n");
  ck_assert_msg(!strstr(text, "P[") && !strstr(text, "if "), "%s", text);
  ck_assert_int_eq(count_of(text, "= max("), 2);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* A pool of the greatest, under a border of what is less than all numbers: nothing is copied. */
START_TEST(a_border_around_a_pool_is_not_copied)
{
  open_context();
  char *text = checked_loops(
      "func pool(X: f32[9, 14, 40], C: f32[5, 7, 40]) {\n"
      "  alloc P: f32[11, 16, 40]\n"
      "  for i in 0..11 { for j in 0..16 { for c in 0..40 {\n"
      "    block P(a: 0..11 = i, b: 0..16 = j, d: 0..40 = c) {\n"
      "      P[a, b, d] = select(0 <= a - 1 && a - 1 < 9 && (0 <= b - 1 && b - 1 < 14),\n"
      "        X[a - 1, b - 1, d if 0 <= a - 1 && a - 1 < 9 && (0 <= b - 1 && b - 1 < 14)], -inf:f32)\n"
      "  } } } }\n"
      "  for i in 0..5 { for j in 0..7 { for c in 0..40 { for y in 0..3 { for x in 0..3 {\n"
      "    block C(a: 0..5 = i, b: 0..7 = j, d: 0..40 = c, reduce u: 0..3 = y, reduce v: 0..3 = x) {\n"
      "      init { C[a, b, d] = -inf:f32 }\n"
      "      C[a, b, d] = max(C[a, b, d], P[a * 2 + u, b * 2 + v, d])\n"
      "  } } } } } }\n"
      "}\n");
  ck_assert_msg(!strstr(text, "P[") && strstr(text, "max("), "%.2000s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* A window of each channel of (8, wide) pixels, and the product that takes it. */
static const char *const chained =
    "func chain(X: f32[1, 10, %d, 32], V: f32[3, 3, 32], W: f32[32, 16], U: f32[1, 8, %d, 16]) {\n"
    "  alloc C: f32[1, 8, %d, 32]\n"
    "  alloc R: f32[1, 8, %d, 32]\n"
    "  for h in 0..1 { for i in 0..8 { for j in 0..%d { for c in 0..32 { for y in 0..3 { for x in 0..3 {\n"
    "    block C(n: 0..1 = h, a: 0..8 = i, b: 0..%d = j, d: 0..32 = c, reduce u: 0..3 = y, reduce v: 0..3 = x) {\n"
    "      init { C[n, a, b, d] = 0.0:f32 }\n"
    "      C[n, a, b, d] = fma(X[n, a + u, b + v, d], V[u, v, d], C[n, a, b, d])\n"
    "  } } } } } } }\n"
    "  for h in 0..1 { for i in 0..8 { for j in 0..%d { for c in 0..32 {\n"
    "    block R(n: 0..1 = h, a: 0..8 = i, b: 0..%d = j, d: 0..32 = c) { R[n, a, b, d] = max(C[n, a, b, d], 0.0:f32) }\n"
    "  } } } }\n"
    "  for h in 0..1 { for i in 0..8 { for j in 0..%d { for c in 0..16 { for k in 0..32 {\n"
    "    block U(n: 0..1 = h, a: 0..8 = i, b: 0..%d = j, d: 0..16 = c, reduce e: 0..32 = k) {\n"
    "      init { U[n, a, b, d] = 0.0:f32 }\n"
    "      U[n, a, b, d] = fma(R[n, a, b, e], W[e, d], U[n, a, b, d])\n"
    "  } } } } } }\n"
    "}\n";

/* The window is made a block of rows at a time, before the product that takes it: two rows of 24 pixels, so that four cores
 * have a block each; one of 200. Blocks of a picture of 16 pixels would be too small, and all of it is made before. */
START_TEST(products_take_windows_block_by_block)
{
  static const struct { int wide; const char *between; } cases[] = {
      {24, "\n    alloc R: f32[1536]"}, {200, "\n    alloc R: f32[6400]"}, {2, "\n  alloc R: f32[512]"}};
  open_context();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[2048];
    int w = cases[i].wide;
    snprintf(text, sizeof text, chained, w + 2, w, w, w, w, w, w, w, w, w);
    char *loops = checked_loops(text);
    ck_assert_msg(strstr(loops, cases[i].between), "%.3000s", loops);
    tn_text_destroy(loops);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* Tiles of the product are along the longest dimension, and in rows of a picture where that is the one of their pixels:
 * chains are only for these. */
START_TEST(tall_pictures_and_many_small_ones_are_no_chains)
{
  static const struct { int64_t shape[4]; bool chained; } cases[] = {
      {{1, 24, 24, 32}, true},  {{1, 40, 24, 32}, true},  {{8, 14, 14, 32}, true},
      {{1, 40, 14, 32}, false}, {{24, 14, 14, 32}, false}};
  const tn_target *target;
  open_context();
  ck_assert_int_eq(tn_target_get(o.ctx, "x86-64-v4", &target, NULL), TN_OK);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_assert_int_eq(tni_chain_rows(target, TN_F32, cases[i].shape) > 0, cases[i].chained);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Pixels of three channels under a border: vectors go on from one pixel to the next. */
START_TEST(short_rows_go_on)
{
  open_context();
  char *text = checked_loops(
      "func border(X: f32[7, 40, 3], C: f32[9, 42, 3]) {\n"
      "  for i in 0..9 { for j in 0..42 { for c in 0..3 {\n"
      "    block C(a: 0..9 = i, b: 0..42 = j, d: 0..3 = c) {\n"
      "      C[a, b, d] = X[a - 1, b - 1, d if 0 <= a - 1 && a - 1 < 7 && (0 <= b - 1 && b - 1 < 40)]\n"
      "  } } } }\n"
      "}\n");
  const char *load = strstr(text, "X[ramp(");
  ck_assert_msg(load && strstr(load, ", 1, 16)"), "%.2000s", text);
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* Each tap reads other cache lines: a tile of seven rows by three vectors loads less for each sum than ten by two, which are
 * a product's. What leaves nothing over is one body: seven by two. */
START_TEST(tiles_of_windows_are_wide)
{
  static const struct {
    int taps, rows, columns;
    const char *tile;
  } cases[] = {{3, 19, 96, "f32[336] in register"}, {1, 19, 96, "f32[320] in register"}, {3, 28, 128, "f32[224] in register"}};
  open_context();
  for (size_t i = 0; i < TNI_COUNT(cases); i++) {
    char text[2048];
    int taps = cases[i].taps, rows = cases[i].rows, columns = cases[i].columns;
    snprintf(text, sizeof text,
             "func dense(X: f32[%d, %d, 6], W: f32[6, %d, %d], C: f32[4, %d, %d]) {\n"
             "  for i in 0..4 { for j in 0..%d { for c in 0..%d { for k in 0..6 { for y in 0..%d {\n"
             "    block C(a: 0..4 = i, b: 0..%d = j, d: 0..%d = c, reduce e: 0..6 = k, reduce u: 0..%d = y) {\n"
             "      init { C[a, b, d] = 0.0:f32 }\n"
             "      C[a, b, d] = fma(X[a + u, b, e], W[e, u, d], C[a, b, d])\n"
             "  } } } } } }\n"
             "}\n",
             taps + 3, rows, taps, columns, rows, columns, rows, columns, taps, rows, columns, taps);
    char *loops = checked_loops(text);
    ck_assert_msg(strstr(loops, cases[i].tile) != NULL, "%.2000s", loops);
    tn_text_destroy(loops);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

/* A dense one, of rows 1024 bytes apart: these would be in few of the cache's sets. The weights come first. */
START_TEST(rows_of_a_tile_are_spread_over_the_cache)
{
  open_context();
  char *text = checked_loops(
      "func dense(X: f32[6, 14, 256], W: f32[4, 256, 3, 16], C: f32[6, 14, 64]) {\n"
      "  alloc P: f32[6, 16, 256]\n"
      "  for i in 0..6 { for j in 0..16 { for c in 0..256 {\n"
      "    block P(a: 0..6 = i, b: 0..16 = j, d: 0..256 = c) {\n"
      "      P[a, b, d] = X[a, b - 1, d if 0 <= b - 1 && b - 1 < 14]\n"
      "  } } } }\n"
      "  for i in 0..6 { for j in 0..14 { for c in 0..64 { for k in 0..256 { for x in 0..3 {\n"
      "    block C(a: 0..6 = i, b: 0..14 = j, d: 0..64 = c, reduce e: 0..256 = k, reduce v: 0..3 = x) {\n"
      "      init { C[a, b, d] = 0.0:f32 }\n"
      "      C[a, b, d] = fma(P[a, b + v, e], W[d // 16, e, v, d % 16], C[a, b, d])\n"
      "  } } } } } }\n"
      "}\n");
  ck_assert_msg(strstr(text, "f32[26096]") != NULL, "%.2000s", text); /* 6 rows of 16 of 272, but for the end */
  tn_text_destroy(text);
  tn_context_destroy(o.ctx);
}
END_TEST

/* A dense one over 7 rows and no border: of X itself, rows 512 bytes apart, a copy is spread; where a result has 32 sums for
 * each element, that is too little. Steps above and below the picture are left out. */
START_TEST(rows_from_outside_are_copied_to_be_spread)
{
  static const int channels[] = {64, 16};
  open_context();
  for (int i = 0; i < 2; i++) {
    char text[2048];
    snprintf(text, sizeof text,
             "func dense(X: f32[6, 14, 128], W: f32[4, 128, 7, 16], C: f32[6, 14, %d]) {\n"
             "  for i in 0..6 { for j in 0..14 { for c in 0..%d { for k in 0..128 { for y in 0..7 {\n"
             "    block C(a: 0..6 = i, b: 0..14 = j, d: 0..%d = c, reduce e: 0..128 = k, reduce u: 0..7 = y) {\n"
             "      init { C[a, b, d] = 0.0:f32 }\n"
             "      C[a, b, d] = select(0 <= a + u - 3 && a + u - 3 < 6,\n"
             "        fma(X[a + u - 3, b, e if 0 <= a + u - 3 && a + u - 3 < 6], W[d // 16, e, u, d %% 16], C[a, b, d]),\n"
             "        C[a, b, d])\n"
             "  } } } } } }\n"
             "}\n",
             channels[i], channels[i], channels[i]);
    char *loops = checked_loops(text);
    ck_assert_msg((strstr(loops, "f32[12080]") != NULL) == (i == 0), "%s", loops); /* 6 rows of 14 of 144 */
    ck_assert_msg(count_of(loops, "for u in 0..min(") == 1 && !strstr(loops, "select("), "%s", loops);
    tn_text_destroy(loops);
  }
  tn_context_destroy(o.ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("default windows");
  TCase *tcase = tcase_create("windows");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, windows_are_read_where_they_stand);
  tcase_add_test(tcase, windows_end_with_the_picture);
  tcase_add_test(tcase, windows_of_many_columns_go_in_strips);
  tcase_add_test(tcase, windows_of_odd_rows_are_not_copied);
  tcase_add_test(tcase, borders_are_copied_where_it_pays);
  tcase_add_test(tcase, tiles_of_windows_are_wide);
  tcase_add_test(tcase, rows_of_a_tile_are_spread_over_the_cache);
  tcase_add_test(tcase, rows_from_outside_are_copied_to_be_spread);
  tcase_add_test(tcase, a_pool_of_what_is_nearest_has_one_body);
  tcase_add_test(tcase, a_border_around_a_pool_is_not_copied);
  tcase_add_test(tcase, products_take_windows_block_by_block);
  tcase_add_test(tcase, tall_pictures_and_many_small_ones_are_no_chains);
  tcase_add_test(tcase, short_rows_go_on);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
