/* test_accepted.c -- what the verifier accepts, code generation compiles: every operator, conversion and reduce on every type
 * with several numbers of lanes, on both levels, for every target.
 *
 *     test_accepted [TARGET]       that one alone: a test of each, so that they run beside each other
 *
 * What the code computes is tested in test/jit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "suite.h"
#include "targets.h"
#include "text.h"

static const char *const targets[] = {"x86-64-v2",    "x86-64-v3",    "x86-64-v4",
                                      "aarch64-neon", "aarch64-i8mm", "riscv64-rvv"};
static const tn_type types[] = {TN_BOOL, TN_I2,     TN_U2,     TN_I4,       TN_U4,       TN_I8,   TN_I16,  TN_I32,
                                TN_I64,  TN_U8,     TN_U16,    TN_U32,      TN_U64,      TN_F16,  TN_BF16, TN_F32,
                                TN_F64,  TN_F8E4M3, TN_F8E5M2, TN_F8E4M3UZ, TN_F8E5M2UZ, TN_F4E2M1,
                                TN_F8E8M0, TN_INDEX};
enum { TYPES = TNI_COUNT(types), MAX_STMTS = 400, ELEMENTS = 1 << 16 };

/* The functions of one program, a function for each type. */
typedef struct maker {
  tn_context *ctx;
  tn_program *program;
  tni_region *r;
  enum tni_level level;
  uint32_t lanes;
  const tn_buffer *buffers[TYPES]; /* of each type; i64 in the place of index */
  const tn_stmt *stmts[MAX_STMTS];
  int32_t count, place;
} maker;

static const tn_buffer *buffer_of(maker *m, tn_type type) {
  for (size_t t = 0; t < TYPES; t++)
    if (types[t] == type) return m->buffers[t];
  return NULL;
}

/* The elements from `at` on: a subscript for each level. */
static const tn_expr *subscript(maker *m, int64_t at) {
  const tn_expr *first = tni_index(m->r, at);
  return m->lanes == 1 ? first : tni_ramp(m->r, first, tni_index(m->r, 1), m->lanes);
}

/* A value of the type that is not known before it runs. */
static const tn_expr *value_of(maker *m, tn_type type, int64_t at) {
  tn_type held = type == TN_INDEX ? TN_I64 : type;
  const tn_expr *index = subscript(m, at * m->lanes);
  const tn_expr *x = tni_load(m->r, TN_TYPE_WITH_LANES(held, m->lanes), buffer_of(m, held), 1, &index, NULL);
  return type == TN_INDEX ? tni_cast(m->r, TN_TYPE_WITH_LANES(TN_INDEX, m->lanes), x) : x;
}

static void add(maker *m, const tn_stmt *s) {
  ck_assert_ptr_nonnull(s);
  ck_assert_int_lt(m->count, MAX_STMTS);
  m->stmts[m->count++] = s;
}

/* Each value to a place of its own, so that none is for nothing. */
static const tn_expr *next_place(maker *m) { return subscript(m, (16 + m->place++) * (int64_t)m->lanes); }

static void keep(maker *m, const tn_expr *x) {
  tn_type type = TN_TYPE_WITH_LANES(x->type, 1);
  if (type == TN_INDEX) x = tni_cast(m->r, TN_TYPE_WITH_LANES(TN_I64, m->lanes), x), type = TN_I64;
  const tn_expr *index = next_place(m);
  add(m, tni_store(m->r, buffer_of(m, type), 1, &index, x, NULL));
}

/* Of math functions, which are written in other operators (ir/math), scalars are enough. */
static void add_operators(maker *m, tn_type type) {
  const tn_expr *args[] = {value_of(m, type, 0), value_of(m, type, 1), value_of(m, type, 2)};
  const char *why;
  for (int op = 0; op < TN_OP_COUNT; op++)
    if (tni_op_has_rule(op) && op != TN_OP_select && (m->lanes == 1 || !(tni_ops[op].flags & TN_OPF_MATH)) &&
        tni_op_type((enum tn_op)op, args, &why))
      keep(m, tni_op(m->r, (enum tn_op)op, tni_ops[op].arity, args));
  const tn_expr *choice[] = {value_of(m, TN_BOOL, 0), args[0], args[1]};
  keep(m, tni_op(m->r, TN_OP_select, 3, choice));
}

static void add_conversions(maker *m, tn_type type) {
  static const enum tn_op ops[] = {TN_OP_cast, TN_OP_cast_sat, TN_OP_reinterpret};
  const tn_expr *x = value_of(m, type, 3);
  for (size_t o = 0; o < TNI_COUNT(ops); o++)
    for (size_t t = 0; t < TYPES; t++) {
      tn_type to = TN_TYPE_WITH_LANES(types[t], m->lanes);
      if (!tni_check_convert(ops[o], to, x->type)) keep(m, tni_convert(m->r, ops[o], to, x));
    }
}

static void add_accesses(maker *m, tn_type type) {
  if (type == TN_INDEX) return;
  const tn_buffer *b = buffer_of(m, type);
  const tn_expr *x = value_of(m, type, 4), *args[] = {x, x}, *where = value_of(m, TN_BOOL, 5), *index = next_place(m);
  const char *why;
  add(m, tni_store(m->r, b, 1, &index, tni_load(m->r, x->type, b, 1, &index, where), where));
  for (int op = 0; op < TN_OP_COUNT; op++)
    if (tni_is_reducing((enum tn_op)op) && tni_op_type((enum tn_op)op, args, &why)) {
      index = next_place(m);
      add(m, tni_reduce(m->r, (enum tn_op)op, b, 1, &index, x, where));
    }
}

static void add_vectors(maker *m, tn_type type) {
  uint32_t back[TNI_MAX_LANES], last = m->lanes - 1;
  const tn_expr *args[] = {value_of(m, type, 6), value_of(m, type, 7)};
  if (m->lanes == 1) return;
  for (uint32_t i = 0; i < m->lanes; i++) back[i] = (m->lanes - 1 - i) * 2;
  keep(m, tni_shuffle(m->r, 2, args, m->lanes, back));
  keep(m, tni_broadcast(m->r, tni_shuffle(m->r, 1, args, 1, &last), m->lanes));
  if (tni_type_is_int(type) || type == TN_INDEX)
    keep(m, tni_ramp(m->r, tni_shuffle(m->r, 1, args, 1, &last), tni_shuffle(m->r, 1, args + 1, 1, &last), m->lanes));
}

static const tn_func *make_func(maker *m, tn_type type) {
  const tn_expr *extent = tni_index(m->r, ELEMENTS);
  tni_param *params = TNI_NEW_ARRAY(&m->r->arena, tni_param, TYPES);
  tn_func *func = TNI_NEW(&m->r->arena, tn_func);
  char name[16];
  m->count = m->place = 0;
  for (size_t t = 0; t < TYPES; t++) {
    tn_type held = types[t] == TN_INDEX ? TN_I64 : types[t];
    m->buffers[t] = params[t].buffer = tni_buffer(m->r, "b", held, TNI_SCOPE_GLOBAL, 1, &extent);
  }
  add_operators(m, type);
  add_conversions(m, type);
  add_accesses(m, type);
  add_vectors(m, type);
  *func = (tn_func){.name = tni_arena_text(&m->r->arena, tn_type_text(type, name)),
                    .level = m->level,
                    .param_count = TYPES,
                    .params = params,
                    .body = tni_seq(m->r, m->count, m->stmts),
                    .program = m->program};
  return func;
}

/* Compiles functions for every type. */
static void check_all(const char *name, enum tni_level level, uint32_t lanes) {
  static maker m;
  const tn_target *target;
  const tn_func *funcs[TYPES];
  tni_codegen *codegen;
  tn_error *error = NULL;
  char *out;
  size_t size;
  m = (maker){.level = level, .lanes = lanes};
  ck_assert_int_eq(tn_context_create(NULL, &m.ctx, NULL), TN_OK);
  ck_assert_int_eq(tn_program_create(m.ctx, &m.program, NULL), TN_OK);
  ck_assert_int_eq(tn_target_get(m.ctx, name, &target, NULL), TN_OK);
  m.r = &m.program->region;
  for (size_t t = 0; t < TYPES; t++) {
    const tn_func *func = make_func(&m, types[t]);
    ck_assert_msg(tni_verify(func, &error) == TN_OK, "%s", tn_error_text(error));
    ck_assert_msg(tni_lower(m.r, func, &funcs[t], &error) == TN_OK, "%s", tn_error_text(error));
  }
  ck_assert_int_eq(tni_codegen_create(m.ctx, target, &codegen, NULL), TN_OK);
  ck_assert_msg(tni_codegen_run(codegen, TYPES, funcs, TNI_EMIT_OBJECT, &out, &size, &error) == TN_OK, "%s x%u: %s",
                name, lanes, tn_error_text(error));
  ck_assert_uint_gt(size, 0);
  tn_text_destroy(out);
  tni_codegen_destroy(codegen);
  tn_program_destroy(m.program);
  tn_context_destroy(m.ctx);
}

START_TEST(scalars_of_the_tensor_level)
{ check_all(targets[_i], TNI_LEVEL_TENSOR, 1); }
END_TEST

/* An odd number, and more than a register has. */
START_TEST(vectors_of_the_loop_level)
{
  static const uint32_t lanes[] = {5, 16};
  for (size_t i = 0; i < TNI_COUNT(lanes); i++) check_all(targets[_i], TNI_LEVEL_LOOP, lanes[i]);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("accepted");
  TCase *tests = tcase_create("accepted");
  tcase_set_timeout(tests, 400);
  for (int t = 0; t < (int)TNI_COUNT(targets); t++) {
    if (argc > 1 && strcmp(argv[1], targets[t]) != 0) continue;
    tcase_add_loop_test(tests, scalars_of_the_tensor_level, t, t + 1);
    tcase_add_loop_test(tests, vectors_of_the_loop_level, t, t + 1);
  }
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
