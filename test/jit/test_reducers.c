/* test_reducers.c -- reductions of every kind and type: every target's code gives the interpreter's bits, with the default
 * schedule and without.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "session.h"

enum { ROWS = 7, MOST = 40 };

static tn_context *ctx;
static tn_program *program;
static tn_error *error;
static tn_builder *b;

static void open_context(void) {
  ctx = session_open();
  must(tn_program_create(ctx, &program, &error), error);
}

static void close_context(void) {
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}

/* Few different values, so that there are equal ones; among floats NaN and both zeros. */
static void fill(tn_type type, void *data, int64_t count) {
  static const double floats[] = {1, -2, 0.5, 0.0, -0.0, 3, -INFINITY, 3};
  uint32_t seed = 5;
  for (int64_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    uint32_t n = seed >> 24;
    tni_scalar x = {.i = type == TN_BOOL ? n < 20 : tni_wrap(type, (int64_t)(n % 8) - 3)};
    if (tni_type_is_float(type)) x.f = tni_round_to(type, n > 250 ? NAN : floats[n % 8]);
    tni_write_element(type, data, i, x);
  }
}

/* f(X: T[7, n], Y: T[7], I: i32[7]) as built; of n = 0 too. */
static void check(tn_type type) {
  static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  static const int64_t sizes[] = {1, 16, 37, 0, MOST};
  static uint64_t x[ROWS * MOST];
  const tn_func *f;
  must(tn_builder_finish(b, &f, &error), error);
  fill(type, x, ROWS * MOST);
  for (int i = 0; i < 3 && i + 2 <= tni_host_level(); i++)
    for (uint8_t keep = 0; keep < 2; keep++) {
      tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = keep};
      must(tn_target_get(ctx, levels[i], &desc.target, &error), error);
      tn_module *module = session_compile(program, &desc);
      for (size_t s = 0; s < TNI_COUNT(sizes); s++) {
        uint64_t y[2][ROWS];
        int32_t at[2][ROWS];
        memset(y, 0, sizeof y);
        memset(at, 0, sizeof at);
        for (int k = 0; k < 2; k++) {
          int64_t shape[] = {ROWS, sizes[s]};
          DLTensor t[] = {view(type, 2, shape, x), view(type, 1, shape, y[k]), view(TN_I32, 1, shape, at[k])};
          tn_value args[] = {tn_value_int(sizes[s]), tn_value_tensor(&t[0]), tn_value_tensor(&t[1]),
                             tn_value_tensor(&t[2])};
          must(k ? tn_function_call(session_function(module, "f"), args, 4, NULL, &error)
                 : tn_func_interpret(f, args, 4, &error),
               error);
        }
        char name[16];
        tn_type_text(type, name);
        ck_assert_msg(memcmp(at[0], at[1], sizeof at[0]) == 0, "%s, %s, n = %d", name, levels[i], (int)sizes[s]);
        for (int64_t row = 0; row < ROWS; row++) {
          tni_scalar a = tni_read_element(type, y[0], row), c = tni_read_element(type, y[1], row);
          bool same = tni_type_is_float(type) && isnan(a.f) ? isnan(c.f) : a.i == c.i;
          ck_assert_msg(same, "%s, %s, n = %d", name, levels[i], (int)sizes[s]);
        }
      }
      tn_module_destroy(module);
    }
}

static const tn_buffer *x, *y, *at;
static const tn_expr *i, *k, *value;

static void open_rows(tn_type type) {
  must(tn_builder_create(program, "f", &b, &error), error);
  const tn_expr *shape[] = {NULL, tn_param_scalar(b, "n", TN_INDEX)};
  shape[0] = tn_index(b, ROWS);
  x = tn_param_symbolic(b, "X", type, 2, shape);
  y = tn_param_symbolic(b, "Y", type, 1, shape);
  at = tn_param_symbolic(b, "I", TN_I32, 1, shape);
  i = tn_axis(b, "i", ROWS);
  k = tn_reduce_axis_symbolic(b, "k", shape[1]);
  value = tn_load(b, x, (const tn_expr *[]){i, k}, NULL);
}

START_TEST(simple_reducers)
{
  static const tn_type types[] = {TN_BOOL, TN_U8, TN_I32, TN_I64, TN_F16, TN_F32, TN_F64};
  for (size_t t = 0; t < TNI_COUNT(types); t++)
    for (int row = 0; row < TN_REDUCE_ARGMIN; row++) {
      if (tni_check_reducer((enum tn_reducer)row, types[t])) continue;
      open_rows(types[t]);
      tn_reduce(b, y, &i, 1, &k, (enum tn_reducer)row, value);
      check(types[t]);
    }
}
END_TEST

START_TEST(the_place_of_the_largest_and_smallest)
{
  static const tn_type types[] = {TN_I8, TN_U64, TN_BF16, TN_F32, TN_F64};
  for (size_t t = 0; t < TNI_COUNT(types); t++)
    for (int row = TN_REDUCE_ARGMIN; row <= TN_REDUCE_ARGMAX; row++) {
      open_rows(types[t]);
      tn_reduce_arg(b, y, at, &i, 1, &k, (enum tn_reducer)row, value);
      check(types[t]);
    }
}
END_TEST

/* The mean and how many, by Welford's steps: the states depend on each other. */
START_TEST(states_of_the_hosts_own_making)
{
  open_rows(TN_F32);
  const tn_buffer *count = tn_alloc(b, "N", TN_F32, 1, (int64_t[]){ROWS}), *out[] = {count, y};
  const tn_expr *zero = tn_float(b, TN_F32, 0), *one = tn_float(b, TN_F32, 1), *identity[] = {zero, zero};
  const tn_expr *state[] = {tn_var(b, "n", TN_F32), tn_var(b, "m", TN_F32)};
  const tn_expr *item[] = {tn_var(b, "c", TN_F32), tn_var(b, "x", TN_F32)};
  const tn_expr *more = tn_add(b, state[0], item[0]);
  const tn_expr *next[] = {more, tn_add(b, state[1], tn_div(b, tn_sub(b, item[1], state[1]), more))};
  const tn_expr *values[] = {one, value};
  tn_reducer_desc desc = {sizeof desc, 2, out, identity, state, item, next, values};
  tn_reduce_custom(b, &desc, &i, 1, &k);
  check(TN_F32);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {simple_reducers, the_place_of_the_largest_and_smallest, states_of_the_hosts_own_making};
  return suite_run_tests("reducers", tests, TNI_COUNT(tests), open_context, close_context);
}
