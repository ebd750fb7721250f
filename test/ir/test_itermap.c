/* test_itermap.c -- what loops do to subscripts: every claim (box, dense, injective) held against all points, and the claims
 * that schedules live by.
 *
 *     test_itermap [COUNT [SEED]]     checks COUNT random tuples instead of the short run
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

static long random_count = 6000;
static uint64_t random_seed = 1;

enum { LOOPS = 3, DIMS = 3, SPAN = 512, OUTER = 3 };

typedef struct bench {
  tn_context *ctx;
  tni_region r;
  tni_facts facts; /* of the outer loop */
  const tn_expr *outer, *vars[LOOPS];
  int64_t extents[LOOPS];
  uint64_t state;
} bench;

static void bench_open(bench *b) {
  memset(b, 0, sizeof *b);
  ck_assert_int_eq(tn_context_create(NULL, &b->ctx, NULL), TN_OK);
  tni_region_init(&b->r, b->ctx, NULL);
  tni_facts_init(&b->facts, b->ctx);
  b->outer = tni_var(&b->r, "o", TN_INDEX);
  tni_facts_push(&b->facts, b->outer, 0, OUTER - 1);
  for (int i = 0; i < LOOPS; i++) b->vars[i] = tni_var(&b->r, "v", TN_INDEX);
}

static void bench_close(bench *b) {
  tni_facts_destroy(&b->facts);
  tni_region_destroy(&b->r);
  tn_context_destroy(b->ctx);
}

static int64_t value_of(bench *b, const tn_expr *x, int64_t outer, const int64_t *at) {
  const tn_expr *vars[LOOPS + 1] = {b->outer, b->vars[0], b->vars[1], b->vars[2]}, *values[LOOPS + 1];
  values[0] = tni_index(&b->r, outer);
  for (int i = 0; i < LOOPS; i++) values[i + 1] = tni_index(&b->r, at[i]);
  tni_subst subst = {LOOPS + 1, vars, values};
  const tn_expr *c = tni_expr_subst(&b->r, x, &subst);
  ck_assert(tni_is_const(c));
  return c->as.i;
}

/* ---- claims against all points ---- */

static void complain(bench *b, size_t dims, const tn_expr *const *index, const char *claim) {
  tni_text text;
  tni_text_init(&text, b->ctx);
  for (size_t d = 0; d < dims; d++) {
    tni_text_add(&text, d ? ", " : "[");
    tni_print_expr(&text, index[d]);
  }
  ck_abort_msg("seed %llu: %s] with extents %lld %lld %lld is not %s", (unsigned long long)random_seed, text.data,
               (long long)b->extents[0], (long long)b->extents[1], (long long)b->extents[2], claim);
}

static void check_points(bench *b, size_t dims, const tn_expr *const *index, const tni_itermap *map, int64_t outer) {
  static uint8_t met[SPAN * 8];
  int64_t at[LOOPS], bases[DIMS] = {0}, zeros[LOOPS] = {0}, size = 1, points = 0;
  bool twice = false;
  for (size_t d = 0; d < dims; d++) {
    bases[d] = value_of(b, map->bases[d], outer, zeros);
    size *= map->extents[d];
  }
  if (size > (int64_t)sizeof met) return; /* too sparse to be dense; injectivity is seen in smaller ones */
  memset(met, 0, sizeof met);
  for (at[0] = 0; at[0] < b->extents[0]; at[0]++)
    for (at[1] = 0; at[1] < b->extents[1]; at[1]++)
      for (at[2] = 0; at[2] < b->extents[2]; at[2]++) {
        int64_t flat = 0;
        for (size_t d = 0; d < dims; d++) {
          int64_t offset = value_of(b, index[d], outer, at) - bases[d];
          if (offset < 0 || offset >= map->extents[d]) complain(b, dims, index, "in its box");
          flat = flat * map->extents[d] + offset;
        }
        twice |= met[flat];
        points += !met[flat];
        met[flat] = 1;
      }
  if (map->dense && points != size) complain(b, dims, index, "dense");
  if (map->injective && twice) complain(b, dims, index, "injective");
}

static uint32_t draw(bench *b, uint32_t end) {
  b->state = b->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(b->state >> 33) % end;
}

static const tn_expr *grow_digit(bench *b) {
  const tn_expr *x = b->vars[draw(b, LOOPS)];
  if (draw(b, 5) == 0) x = tni_add(&b->r, tni_mul(&b->r, x, tni_index(&b->r, 1 + draw(b, 6))), b->vars[draw(b, LOOPS)]);
  if (draw(b, 6) == 0) x = tni_add(&b->r, x, b->outer);
  if (draw(b, 3) == 0) x = tni_op2(&b->r, TN_OP_floordiv, x, tni_index(&b->r, 1 + draw(b, 4)));
  if (draw(b, 3) == 0) x = tni_op2(&b->r, TN_OP_floormod, x, tni_index(&b->r, 1 + draw(b, 4)));
  return x;
}

static const tn_expr *grow_index(bench *b) {
  const tn_expr *sum =
      draw(b, 2) ? tni_mul(&b->r, b->outer, tni_index(&b->r, draw(b, 5))) : tni_index(&b->r, (int64_t)draw(b, 4) - 1);
  for (uint32_t i = 0, n = 1 + draw(b, 3); i < n; i++) {
    static const int64_t coefs[] = {1, 1, 1, 2, 3, 4, 6, -1, -2};
    sum = tni_add(&b->r, sum, tni_mul(&b->r, grow_digit(b), tni_index(&b->r, coefs[draw(b, TNI_COUNT(coefs))])));
  }
  return sum;
}

START_TEST(random_claims_hold)
{
  bench b;
  long claims = 0;
  for (long done = 0; done < random_count;) {
    bench_open(&b);
    b.state = random_seed + (uint64_t)done;
    for (int i = 0; i < 100 && done < random_count; i++, done++) {
      const tn_expr *index[DIMS];
      size_t dims = 1 + draw(&b, DIMS);
      tni_itermap map;
      for (int v = 0; v < LOOPS; v++) b.extents[v] = 1 + draw(&b, v ? 5 : 12);
      for (size_t d = 0; d < dims; d++) index[d] = grow_index(&b);
      ck_assert(tni_itermap_of(&b.r, &b.facts, dims, index, LOOPS, b.vars, b.extents, &map));
      claims += map.dense + map.injective;
      for (int64_t outer = 0; map.box && outer < OUTER; outer++) check_points(&b, dims, index, &map, outer);
    }
    bench_close(&b);
  }
  ck_assert_int_gt(claims, random_count / 50); /* it does claim something */
}
END_TEST

/* ---- what split and fuse make ---- */

enum { DENSE = 1, INJECTIVE = 2 };

/* i, j, k run over 0..4, 0..6, 0..5; f over 0..24. */
static const struct {
  const char *index[DIMS];
  const char *loops;
  int claims;
} table[] = {
    {{"i"}, "i", DENSE | INJECTIVE},
    {{"i * 6 + j"}, "ij", DENSE | INJECTIVE},
    {{"o * 24 + i * 6 + j"}, "ij", DENSE | INJECTIVE},
    {{"i * 7 + j"}, "ij", INJECTIVE},
    {{"i * 3 + j"}, "ij", DENSE},
    {{"i + j"}, "ij", DENSE},
    {{"i * 2"}, "i", INJECTIVE},
    {{"3 - i"}, "i", DENSE | INJECTIVE},
    {{"i", "j"}, "ij", DENSE | INJECTIVE},
    {{"i", "j"}, "ijk", DENSE},
    {{"i", "i"}, "i", 0},
    {{"f // 6", "f % 6"}, "f", DENSE | INJECTIVE},
    {{"f // 7", "f % 7"}, "f", 0},
    {{"f // 8", "f // 2 % 4", "f % 2"}, "f", DENSE | INJECTIVE},
    {{"f // 6", "f % 6", "f // 3 % 2"}, "f", 0},
    {{"f % 6"}, "f", 0},
    {{"f // 6 * 6 + f % 6"}, "f", DENSE | INJECTIVE},
    {{"f // 6 + k", "f % 6"}, "fk", DENSE},
};

/* Nodes of the program stay in the expression: it lives as long. */
static const tn_expr *parse_index(bench *b, const char *text, const tn_expr *const *vars, tn_program **program) {
  char source[400];
  tn_error *error;
  snprintf(source, sizeof source,
           "func f(o: index, i: index, j: index, k: index, f: index, I: i64[99]) { I[%s] = 0:i64 }", text);
  ck_assert_msg(tn_program_parse(b->ctx, source, strlen(source), "t", program, &error) == TN_OK, "%s",
                tn_error_text(error));
  const tn_func *func = tn_program_func_at(*program, 0);
  const tn_expr *from[5];
  for (int i = 0; i < 5; i++) from[i] = func->params[i].scalar;
  tni_subst subst = {5, from, vars};
  return tni_expr_subst(&b->r, func->body->as.store.index[0], &subst);
}

START_TEST(schedules_live_by)
{
  static const char names[] = "oijkf";
  static const int64_t all[] = {OUTER, 4, 6, 5, 24};
  const tn_expr *vars[5], *running[5], *index[DIMS];
  int64_t extents[5];
  tn_program *programs[DIMS];
  size_t loops = 0, dims = 0;
  tni_itermap map;
  bench b;
  bench_open(&b);
  for (int i = 0; i < 5; i++) vars[i] = tni_var(&b.r, "v", TN_INDEX);
  for (const char *c = table[_i].loops; *c; c++, loops++) {
    running[loops] = vars[strchr(names, *c) - names];
    extents[loops] = all[strchr(names, *c) - names];
  }
  for (; dims < DIMS && table[_i].index[dims]; dims++)
    index[dims] = parse_index(&b, table[_i].index[dims], vars, &programs[dims]);
  ck_assert(tni_itermap_of(&b.r, &b.facts, dims, index, loops, running, extents, &map));
  ck_assert(map.box);
  ck_assert_int_eq(map.dense, table[_i].claims & DENSE ? 1 : 0);
  ck_assert_int_eq(map.injective, table[_i].claims & INJECTIVE ? 1 : 0);
  while (dims > 0) tn_program_destroy(programs[--dims]);
  bench_close(&b);
}
END_TEST

START_TEST(nothing_is_said_of_loops_that_do_not_run)
{
  bench b;
  tni_itermap map;
  const int64_t none = 0;
  bench_open(&b);
  ck_assert(tni_itermap_of(&b.r, &b.facts, 1, &b.outer, 1, b.vars, &none, &map));
  ck_assert(!map.box && !map.dense && !map.injective);
  bench_close(&b);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("itermap");
  TCase *tests = tcase_create("itermap");
  if (argc > 1) random_count = strtol(argv[1], NULL, 10);
  if (argc > 2) random_seed = strtoull(argv[2], NULL, 10);
  tcase_set_timeout(tests, argc > 1 ? 0 : 60);
  tcase_add_test(tests, random_claims_hold);
  tcase_add_loop_test(tests, schedules_live_by, 0, TNI_COUNT(table));
  tcase_add_test(tests, nothing_is_said_of_loops_that_do_not_run);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
