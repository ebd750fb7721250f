/* test_moves.c -- constants that are others in another place, and have contents when somebody asks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir/graphs.h"

enum { ROWS = 3, COLUMNS = 5, MOST = 64 };

static tni_gvalue constant(int32_t rank, const int64_t *shape, float first) {
  tni_gvalue v = {.type = TN_F32, .rank = rank};
  memcpy(v.shape, shape, (size_t)rank * sizeof *shape);
  tni_blob *blob = tni_blob_create(ctx, (size_t)tni_gvalue_numel(&v) * sizeof(float));
  ck_assert_int_eq(tni_program_keep_blob(program, blob, NULL), TN_OK);
  for (int64_t i = 0; i < tni_gvalue_numel(&v); i++) ((float *)(uintptr_t)blob->data)[i] = first + (float)i;
  v.data = blob->data;
  return v;
}

static tni_gvalue place(int32_t rank, const int64_t *shape) {
  tni_gvalue v = constant(rank, shape, 0);
  memset((void *)(uintptr_t)v.data, 0xee, (size_t)tni_gvalue_numel(&v) * sizeof(float));
  return v;
}

static void add_move(const char *op, uint32_t attr_count, const tni_attr *attrs, uint32_t count, const tni_gvalue *const *in,
                     const tni_gvalue *out) {
  const uint32_t none = 0;
  tni_gnode n = {.op = tni_gop_find(op), .attr_count = attr_count, .attrs = attrs, .input_count = count, .inputs = &none};
  ck_assert(tni_move_suits(&n, in, out));
  ck_assert(tni_move_add(program, &n, in, out));
}

static tni_gvalue turned(const tni_gvalue *x) {
  tni_gvalue out = place(DIMS(x->shape[1], x->shape[0]));
  add_move("transpose", 0, NULL, 1, &x, &out);
  return out;
}

static tni_gvalue joined(const tni_gvalue *x, const tni_gvalue *y, int32_t axis) {
  int64_t shape[TN_MAX_RANK];
  memcpy(shape, x->shape, sizeof shape);
  shape[axis] += y->shape[axis];
  tni_gvalue out = place(x->rank, shape);
  const tni_gvalue *in[] = {x, y};
  const tni_attr along = INT("axis", axis);
  add_move("concat", 1, &along, 2, in, &out);
  return out;
}

static float at(const tni_gvalue *v, int64_t i) { return ((const float *)v->data)[i]; }

/* What the stripes tell of channel n, sum k, whatever they are of. */
static float read_stripes(const tni_stripe *s, uint32_t count, size_t n, size_t k) {
  float number;
  for (; count && n >= s->count; n -= s++->count) count--;
  ck_assert_uint_gt(count, 0);
  memcpy(&number, s->data + n * s->step + k * s->sum_step, sizeof number);
  return number;
}

/* As its stripes say, and then in its place: row r, column c of v. */
static void check(const tni_gvalue *v, uint32_t rows_in, uint32_t columns_in, float (*number)(int64_t r, int64_t c)) {
  tni_stripe by_row[TNI_MOST_STRIPES], by_column[TNI_MOST_STRIPES];
  ck_assert(tni_move_waits(program, v->data));
  uint32_t rows = tni_move_stripes(program, v, 0, by_row), columns = tni_move_stripes(program, v, 1, by_column);
  ck_assert_uint_eq(rows, rows_in);
  ck_assert_uint_eq(columns, columns_in);
  for (int64_t r = 0; r < v->shape[0]; r++)
    for (int64_t c = 0; c < v->shape[1]; c++) {
      if (rows) ck_assert_float_eq(read_stripes(by_row, rows, (size_t)r, (size_t)c), number(r, c));
      if (columns) ck_assert_float_eq(read_stripes(by_column, columns, (size_t)c, (size_t)r), number(r, c));
    }
  tni_move_settle(program, v->data);
  ck_assert(!tni_move_waits(program, v->data));
  for (int64_t r = 0; r < v->shape[0]; r++)
    for (int64_t c = 0; c < v->shape[1]; c++) ck_assert_float_eq(at(v, r * v->shape[1] + c), number(r, c));
  ck_assert_uint_eq(tni_move_stripes(program, v, 0, by_row), 1);
}

static float number_turned(int64_t r, int64_t c) { return (float)(c * COLUMNS + r); }
static float number_below(int64_t r, int64_t c) { return (float)(r < ROWS ? r * COLUMNS + c : 100 + (r - ROWS) * COLUMNS + c); }
static float number_beside(int64_t r, int64_t c) { return (float)(c < COLUMNS ? r * COLUMNS + c : 100 + r * COLUMNS + c - COLUMNS); }
static float number_both(int64_t r, int64_t c) { return number_below(c, r); }
static float number_of_turned(int64_t r, int64_t c) { return c < ROWS ? number_turned(r, c) : 100 + number_turned(r, c - ROWS); }

START_TEST(matrices_are_read_where_they_lie)
{
  tni_gvalue a = constant(DIMS(ROWS, COLUMNS), 0), c = constant(DIMS(ROWS, COLUMNS), 100);
  tni_gvalue t = turned(&a), below = joined(&a, &c, 0), beside = joined(&a, &c, 1);
  tni_gvalue first = joined(&a, &c, 0), both = turned(&first), again = turned(&a), u = turned(&c), of_turned = joined(&again, &u, 1);
  check(&t, 1, 1, number_turned);
  check(&both, 0, 2, number_both);
  ck_assert(!tni_move_waits(program, first.data)); /* what it is made of is settled with it */
  check(&below, 2, 0, number_below);
  check(&beside, 0, 2, number_beside);
  check(&of_turned, 0, 2, number_of_turned);
}
END_TEST

START_TEST(many_parts_are_no_stripes)
{
  tni_gvalue x = constant(DIMS(ROWS, COLUMNS), 0);
  tni_stripe stripes[TNI_MOST_STRIPES];
  for (int i = 0; i < 4; i++) {
    tni_gvalue y = joined(&x, &x, 0);
    ck_assert_uint_eq(tni_move_stripes(program, &y, 0, stripes), 2u << i);
    x = y;
  }
  tni_gvalue y = joined(&x, &x, 0);
  ck_assert_uint_eq(tni_move_stripes(program, &y, 0, stripes), 0);
  tni_moves_settle(program);
  for (int64_t i = 0; i < tni_gvalue_numel(&y); i++) ck_assert_float_eq(at(&y, i), (float)(i % (ROWS * COLUMNS)));
}
END_TEST

START_TEST(not_every_node_is_a_move)
{
  tni_gvalue x = constant(DIMS(2, 3, 4), 0), y = place(DIMS(2, 6, 4)), z = place(DIMS(4, 3, 2));
  const tni_gvalue *in[] = {&x, &x};
  const tni_attr along = INT("axis", 1), same = INTS("perm", 0, 1);
  tni_gvalue m = constant(DIMS(2, 3), 0);
  const tni_gvalue *matrix[] = {&m};
  const tni_gnode middle = {.op = tni_gop_find("concat"), .attr_count = 1, .attrs = &along, .input_count = 2},
                  cube = {.op = tni_gop_find("transpose"), .input_count = 1},
                  still = {.op = tni_gop_find("transpose"), .attr_count = 1, .attrs = &same, .input_count = 1},
                  other = {.op = tni_gop_find("sqrt"), .input_count = 1};
  ck_assert(!tni_move_suits(&middle, in, &y));
  ck_assert(!tni_move_suits(&cube, in, &z));
  ck_assert(!tni_move_suits(&still, matrix, &m));
  ck_assert(!tni_move_suits(&other, matrix, &m));
}
END_TEST

/* What a graph shows has contents in the end, the rest has none; the program keeps what is read until then. */
START_TEST(what_a_graph_shows_is_settled)
{
  tni_gvalue a = constant(DIMS(ROWS, COLUMNS), 0), shown = turned(&a), hidden = turned(&a);
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(2, COLUMNS));
  uint32_t w = tni_g_const(b, "w", TN_F32, DIMS(COLUMNS, ROWS), shown.data);
  tni_g_output(b, add2("matmul", "y", x, w));
  finish();
  tni_blob *unread = tni_blob_ref(program->blobs[2]);
  ck_assert_ptr_eq(unread->data, hidden.data);
  ck_assert_int_eq(tni_program_release(program, NULL), TN_OK);
  ck_assert_uint_eq(program->blob_count, 2);
  tni_moves_end(program);
  for (int64_t i = 0; i < ROWS * COLUMNS; i++) ck_assert_float_eq(at(&shown, i), number_turned(i / ROWS, i % ROWS));
  ck_assert_uint_eq(*(const unsigned char *)hidden.data, 0xee);
  ck_assert_int_eq(tni_program_release(program, NULL), TN_OK);
  ck_assert_uint_eq(program->blob_count, 1);
  tni_blob_unref(unread);
}
END_TEST

/* Large weights of products wait; what else is read, or small, does not. */
START_TEST(folding_leaves_weights_where_they_are)
{
  tni_gvalue a = constant(DIMS(200, 100), 0), c = constant(DIMS(10, 20), 0);
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(2, 100)), y = tni_g_input(b, "y", TN_F32, DIMS(2, 20));
  uint32_t w = tni_g_const(b, "w", TN_F32, DIMS(200, 100), a.data), v = tni_g_const(b, "v", TN_F32, DIMS(10, 20), c.data);
  tni_g_output(b, add2("matmul", "p", x, add1("transpose", "weights", w)));
  tni_g_output(b, add2("matmul", "q", y, add1("transpose", "small", v)));
  tni_g_output(b, add1("transpose", "output", w));
  const tn_graph *g = finish(), *folded;
  for (int late = 0; late < 2; late++) {
    target->moves_late = late;
    ck_assert_int_eq(tni_graph_fold(g, target, &interpreter, &folded, NULL), TN_OK);
    int waiting = 0;
    for (uint32_t i = 0; i < folded->value_count; i++) {
      const tni_gvalue *value = &folded->values[i];
      if (!value->data || strcmp(value->name, "weights") != 0) {
        ck_assert(!tni_move_waits(target, value->data));
        continue;
      }
      waiting = tni_move_waits(target, value->data);
      tni_move_settle(target, value->data);
      for (int64_t k = 0; k < 20000; k++) ck_assert_float_eq(at(value, k), (float)(k % 200 * 100 + k / 200));
    }
    ck_assert_int_eq(waiting, late);
  }
}
END_TEST

/* What is computed of a constant that waits asks for it. */
START_TEST(folding_settles_what_it_reads)
{
  tni_gvalue a = constant(DIMS(200, 100), 0);
  uint32_t x = tni_g_input(b, "x", TN_F32, DIMS(2, 100)), w = tni_g_const(b, "w", TN_F32, DIMS(200, 100), a.data);
  tni_g_output(b, add2("matmul", "p", x, add1("transpose", "weights", w)));
  const tn_graph *folded;
  target->moves_late = true;
  ck_assert_int_eq(tni_graph_fold(finish(), target, &interpreter, &folded, NULL), TN_OK);
  ck_assert_int_eq(tni_gbuilder_create(target, "second", &b, NULL), TN_OK);
  const tni_gvalue *late = &folded->values[folded->nodes[0].inputs[1]];
  ck_assert(tni_move_waits(target, late->data));
  tni_g_output(b, add1("sqrt", "root", tni_g_const(b, "late", TN_F32, DIMS(100, 200), late->data)));
  ck_assert_int_eq(tni_graph_fold(finish(), target, &interpreter, &folded, NULL), TN_OK);
  const tni_gvalue *root = &folded->values[folded->outputs[0]];
  for (int64_t i = 0; i < 20000; i++) ck_assert_float_eq_tol(at(root, i), sqrtf((float)(i % 200 * 100 + i / 200)), 1e-4F);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {matrices_are_read_where_they_lie, many_parts_are_no_stripes, not_every_node_is_a_move,
                                what_a_graph_shows_is_settled, folding_leaves_weights_where_they_are, folding_settles_what_it_reads};
  return suite_run_tests("moves", tests, TNI_COUNT(tests), setup, teardown);
}
