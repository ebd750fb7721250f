/* test_operators.c -- every operator on every type, compiled for this CPU and for others that it can be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "operators.h"

static void run_here(kit *k, size_t count, const operator_case *cases, void *const *in, size_t bytes) {
  const tn_func *funcs[MAX_FUNCS];
  (void)bytes;
  for (size_t i = 0; i < count; i++) funcs[i] = cases[i].func;
  kit_load(k, count, funcs);
  for (size_t i = 0; i < count; i++) {
    void *args[4] = {cases[i].out};
    memcpy(args + 1, in, (cases[i].func->param_count - 1) * sizeof *args);
    ck_assert_int_eq(kit_call(k, cases[i].name, cases[i].func->param_count, args), 0);
  }
  tni_library_unload(k->library);
  k->library = NULL;
}

/* min and max with a constant are compare and select. */
static const double bounds[] = {0.0, -0.0, 1.5, -3, INFINITY};

static const tn_expr *make_bounded(kit *k, int what, tn_type type, const tn_expr *const *in) {
  const tn_expr *c = tni_const_float(k->r, TN_TYPE_WITH_LANES(type, 1), bounds[what % 5]);
  c = tni_broadcast(k->r, c, TN_TYPE_LANES(type));
  return tni_op2(k->r, what / 5 ? TN_OP_max : TN_OP_min, what % 2 ? c : in[0], what % 2 ? in[0] : c);
}

START_TEST(bounded_by_constants)
{
  static _Alignas(64) float in[64], out[64];
  tni_scalar list[MAX_VALUES + LANES];
  const tn_func *funcs[10];
  void *args[] = {out, in};
  char names[10][16];
  const tn_type f32 = TN_F32;
  kit k;
  kit_open(&k, "host");
  size_t n = list_values(TN_F32, list);
  while (n % LANES) list[n] = list[0], n++;
  for (size_t i = 0; i < n; i++) in[i] = (float)list[i].f;
  for (int c = 0; c < 10; c++) {
    snprintf(names[c], sizeof names[c], "k_%d", c);
    funcs[c] = kit_map(&k, names[c], &f32, 1, TN_F32, (int64_t)n, LANES, make_bounded, c);
  }
  kit_load(&k, 10, funcs);
  for (int c = 0; c < 10; c++) {
    ck_assert_int_eq(kit_run(&k, names[c], args), 0);
    for (size_t i = 0; i < n; i++) {
      tni_scalar operands[2] = {list[i], {.f = bounds[c % 5]}};
      tni_scalar want = tni_eval_op(c / 5 ? TN_OP_max : TN_OP_min, TN_F32, operands);
      ck_assert_msg(kit_same(TN_F32, want, (tni_scalar){.f = out[i]}), "%a with %a: want %a, got %a", list[i].f,
                    bounds[c % 5], want.f, out[i]);
    }
  }
  kit_close(&k);
}
END_TEST

START_TEST(operators_on_host)
{ check_operators("host", true, run_here); }
END_TEST
START_TEST(operators_on_v3)
{ check_operators("x86-64-v3", true, run_here); }
END_TEST
START_TEST(operators_on_v2)
{ check_operators("x86-64-v2", true, run_here); }
END_TEST
START_TEST(expansions_on_host)
{ check_operators("host", false, run_here); }
END_TEST
START_TEST(expansions_on_v2)
{ check_operators("x86-64-v2", false, run_here); }
END_TEST
START_TEST(constants_on_host)
{ check_by_constants("host", run_here); }
END_TEST

int main(void) {
  Suite *suite = suite_create("operators");
  TCase *tc = tcase_create("operators");
  tcase_set_timeout(tc, 200);
  tcase_add_test(tc, operators_on_host);
  tcase_add_test(tc, expansions_on_host);
  tcase_add_test(tc, constants_on_host);
  tcase_add_test(tc, bounded_by_constants);
  if (tni_host_level() >= 3) tcase_add_test(tc, operators_on_v3);
  if (tni_host_level() >= 2) tcase_add_test(tc, operators_on_v2);
  if (tni_host_level() >= 2) tcase_add_test(tc, expansions_on_v2);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
