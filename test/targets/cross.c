/* cross.c -- code for processors of another architecture, run there (test/cross.sh): random programs with their default
 * schedules against the interpreter, every operator against tni_eval_op, the target's tensor instructions against their
 * meanings, and products that the default schedule does by them.
 *
 *     cross TARGET FOLDER COMMAND        COMMAND: see foreign_run
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "foreign.h"
#include "jit/operators.h"
#include "jit/units.h"
#include "sched/oracle.h"
#include "sched/programs.h"

static const char *target_name, *folder, *command;

/* ---- programs ---------------------------------------------------------------------------------------------------- */

enum { ROUNDS = 6 };

/* A program, what the interpreter makes of it, and the arguments of its call there. */
typedef struct program_case {
  char *text;
  tn_program *program;
  const tn_func *func;
  uint64_t seed;
  double tolerance;
  oracle_data want, have;
  foreign_entry *call;
} program_case;

/* False: it means nothing. */
static bool make_case(oracle *o, program_case *c, int kind, int round, uint64_t *state) {
  static char text[16384];
  tn_error *error;
  write_program(text, sizeof text, kind, state);
  *c = (program_case){.text = strdup(text), .seed = (uint64_t)round, .tolerance = strstr(text, "# inexact") ? 1e-4 : 0};
  tn_status status = tn_program_parse(o->ctx, text, strlen(text), "t.tn", &c->program, &error);
  ck_assert_msg(status == TN_OK || may_mean_nothing(kind), "%s\n%s", tn_error_text(error), text);
  tn_error_destroy(error);
  if (status) return false;
  ck_assert(oracle_bind(o, c->program, text));
  o->seed = c->seed;
  bool sound = oracle_expect(o, tn_program_func_at(c->program, 0), &c->want);
  ck_assert_msg(sound || may_mean_nothing(kind), "%s\n%s", o->why, text);
  return sound;
}

static void discard(program_case *c) {
  tn_program_destroy(c->program);
  free(c->text);
}

/* Scheduled for the target under a name of its own, its object and its call are added. */
static void send_case(oracle *o, program_case *c, size_t number, const tn_target *target, foreign *f) {
  char name[32], *object;
  size_t size;
  tn_schedule *s;
  tn_error *error;
  foreign_argument args[FOREIGN_ARGS];
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target, .keep_schedules = 1};
  snprintf(name, sizeof name, "f%zu", number);
  tn_func *func = (tn_func *)(uintptr_t)tn_program_func_at(c->program, 0);
  func->name = tni_arena_text(&c->program->region.arena, name);
  kit_ok(tn_schedule_create(c->program, func, &s, &error), error);
  kit_ok(tn_schedule_default(s, target, &error), error);
  kit_ok(tn_schedule_commit(s, &c->func, &error), error);
  tn_schedule_destroy(s);
  kit_ok(tn_program_emit(c->program, &desc, "obj", &object, &size, &error), error);
  foreign_object(f, object, size);
  tn_text_destroy(object);
  o->seed = c->seed;
  ck_assert(oracle_data_make(o, c->func, &c->have));
  for (size_t i = 0; i < c->have.count; i++)
    args[i] = (foreign_argument){c->have.bytes[i], (size_t)c->have.sizes[i] * tn_type_bytes(c->have.types[i]),
                                 c->have.scalars[i]};
  c->call = foreign_add(f, name, c->have.count, args);
}

static bool check_case(oracle *o, const program_case *c) {
  const foreign_end *end = &c->call->end;
  tn_error *error = NULL;
  if (end->status)
    tni_fail(o->ctx, &error, (tn_status)end->status, "call", c->func->name, "%s%s",
             end->assertion[0] ? "the assertion failed: " : tn_status_name((tn_status)end->status), end->assertion);
  o->calls = end->externals;
  o->tolerance = c->tolerance;
  if (end->held) return oracle_fail(o, "%d scratch blocks are held", (int)end->held);
  return oracle_check_run(o, target_name, (tn_status)end->status, error, c->func, &c->want, &c->have);
}

/* All that mean something; how many. */
static size_t send_all(oracle *o, program_case *cases, const tn_target *target, foreign *f) {
  size_t count = 0;
  for (int kind = 0; kind < PROGRAM_KINDS; kind++) {
    uint64_t state = (uint64_t)kind * 77 + 5;
    for (int round = 0; round < ROUNDS; round++) {
      if (make_case(o, &cases[count], kind, round, &state)) {
        send_case(o, &cases[count], count, target, f);
        count++;
      } else {
        discard(&cases[count]);
      }
    }
  }
  return count;
}

START_TEST(programs_keep_their_results)
{
  static oracle o;
  static foreign f;
  static program_case cases[PROGRAM_KINDS * ROUNDS];
  const tn_target *target;
  tn_error *error;
  size_t failed = 0;
  kit_ok(tn_context_create(NULL, &o.ctx, &error), error);
  kit_ok(tn_target_get(o.ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  size_t count = send_all(&o, cases, target, &f);
  foreign_run(&f, command);
  for (size_t i = 0; i < count; i++) {
    program_case *c = &cases[i];
    if (!check_case(&o, c)) failed++, fprintf(stderr, "%s\n%s\n", o.why, c->text);
    oracle_data_free(&c->want);
    oracle_data_free(&c->have);
    discard(c);
  }
  ck_assert_msg(failed == 0, "%zu of %zu programs", failed, count);
  printf("%s: %zu programs\n", target_name, count);
  tn_context_destroy(o.ctx);
}
END_TEST

/* ---- operators --------------------------------------------------------------------------------------------------- */

static void run_there(kit *k, size_t count, const operator_case *cases, void *const *in, size_t bytes) {
  static foreign f;
  const tn_func *funcs[MAX_FUNCS];
  tn_error *error;
  char *object;
  size_t size;
  foreign_open(&f, folder);
  for (size_t i = 0; i < count; i++) {
    const operator_case *c = &cases[i];
    foreign_argument args[4] = {{c->out, bytes, 0}};
    for (uint32_t a = 1; a < c->func->param_count; a++) args[a] = (foreign_argument){in[a - 1], bytes, 0};
    foreign_add(&f, c->name, c->func->param_count, args);
    funcs[i] = c->func;
  }
  kit_ok(kit_try_emit(k, count, funcs, TNI_EMIT_OBJECT, &object, &size, &error), error);
  foreign_object(&f, object, size);
  tn_text_destroy(object);
  foreign_run(&f, command);
  for (size_t i = 0; i < count; i++) ck_assert_int_eq(f.calls[i].end.status, TN_OK);
}

START_TEST(operators)
{ check_operators(target_name, true, run_there); }
END_TEST
START_TEST(expansions)
{ check_operators(target_name, false, run_there); }
END_TEST
START_TEST(operators_by_constants)
{ check_by_constants(target_name, run_there); }
END_TEST

/* ---- tensor instructions ----------------------------------------------------------------------------------------- */

/* The object of a program of one function, for the target, whose assembly has that instruction; "": no matter. */
static void send_program(foreign *f, const tn_program *program, const tn_target *target, const char *word) {
  const tn_compile_desc desc = {.struct_size = sizeof desc, .target = target};
  tn_error *error;
  char *bytes;
  size_t size;
  kit_ok(tn_program_emit(program, &desc, "obj", &bytes, &size, &error), error);
  foreign_object(f, bytes, size);
  tn_text_destroy(bytes);
  kit_ok(tn_program_emit(program, &desc, "asm", &bytes, &size, &error), error);
  char mnemonic[64];
  snprintf(mnemonic, sizeof mnemonic, "\t%s", word);
  ck_assert_msg(strstr(bytes, mnemonic) != NULL, "no %s in\n%s", word, bytes);
  tn_text_destroy(bytes);
}

/* One function of three buffers, and what the interpreter makes of the third. */
typedef struct sum_case {
  tn_program *program;
  uint8_t *a, *b, *want, *have;
  size_t a_bytes, b_bytes, c_bytes;
} sum_case;

static void open_case(sum_case *c, size_t a_bytes, size_t b_bytes, size_t c_bytes) {
  *c = (sum_case){.a_bytes = a_bytes, .b_bytes = b_bytes, .c_bytes = c_bytes};
  c->a = malloc(a_bytes), c->b = malloc(b_bytes), c->want = malloc(c_bytes), c->have = malloc(c_bytes);
  ck_assert(c->a && c->b && c->want && c->have);
}

static void close_case(sum_case *c) {
  tn_program_destroy(c->program);
  free(c->a), free(c->b), free(c->want), free(c->have);
}

static void send_sum(foreign *f, sum_case *c, const char *name, const tn_target *target, const char *word) {
  tn_error *error;
  const foreign_argument args[] = {{c->a, c->a_bytes, 0}, {c->b, c->b_bytes, 0}, {c->have, c->c_bytes, 0}};
  memcpy(c->have, c->want, c->c_bytes);
  kit_ok(
      tni_evaluate_interpreted(NULL, tn_program_func(c->program, name), (void *const[]){c->a, c->b, c->want}, &error),
      error);
  send_program(f, c->program, target, word);
  foreign_add(f, name, 3, args);
}

/* The mnemonic of a row. */
static const char *word_of(const tni_unit_row *row) {
  const char *dot = strrchr(row->names[0], '.');
  return dot ? dot + 1 : row->names[0];
}

START_TEST(instructions_are_what_they_mean)
{
  static foreign f;
  static sum_case cases[64];
  tn_context *ctx;
  const tn_target *target;
  tn_error *error;
  const tni_unit *units[64];
  size_t count = 0;
  kit_ok(tn_context_create(NULL, &ctx, &error), error);
  kit_ok(tn_target_get(ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  for (size_t u = 0; u < tni_unit_count(); u++)
    for (int lanes = 4; lanes <= 16; lanes *= 2)
      for (int together = 0; together < 2; together++) {
        const tni_unit_row *row = tni_target_unit(target, units[count] = tni_unit_at(ctx, u), lanes * 32);
        char name[32];
        if (!row || target->isa == TNI_ISA_X86_64) continue; /* x86-64's: test_units */
        snprintf(name, sizeof name, "f%zu", count);
        open_case(&cases[count], UNITS_FACTOR_BYTES, UNITS_FACTOR_BYTES, UNITS_SUM_BYTES);
        cases[count].program = units_program(ctx, name, units[count], lanes, together);
        units_fill(units[count], cases[count].a, cases[count].b, cases[count].want);
        send_sum(&f, &cases[count], name, target, word_of(row));
        count++;
      }
  if (count) foreign_run(&f, command);
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < UNITS_COUNT; k++)
      ck_assert_msg(units_same(units[i], cases[i].want, cases[i].have, k), "%s for %s: element %zu of case %zu",
                    units[i]->name, target_name, k, i);
    close_case(&cases[i]);
  }
  printf("%s: %zu cases of tensor instructions\n", target_name, count);
  tn_context_destroy(ctx);
}
END_TEST

/* C = A B, of so many rows, columns and steps; or a picture of so many channels by windows of 3 x 3. */
static const char product_text[] =
    "func %s(A: %s[%d, %d], B: %s[%d, %d], C: i32[%d, %d]) {\n"
    "  for i in 0..%d {\n    for j in 0..%d {\n      for k in 0..%d {\n"
    "        block P(p: 0..%d = i, q: 0..%d = j, reduce r: 0..%d = k) {\n"
    "          init {\n            C[p, q] = 0:i32\n          }\n"
    "          C[p, q] = C[p, q] + cast(i32, A[p, r]) * cast(i32, B[r, q])\n        }\n      }\n    }\n  }\n}\n";
static const char window_text[] =
    "func %s(A: %s[%d, %d, %d], B: %s[3, 3, %d, %d], C: i32[%d, %d, %d]) {\n"
    "  for y in 0..%d {\n    for x in 0..%d {\n      for o in 0..%d {\n        for u in 0..3 {\n          for v in "
    "0..3 {\n"
    "            for c in 0..%d {\n"
    "              block P(i: 0..%d = y, j: 0..%d = x, q: 0..%d = o, reduce s: 0..3 = u, reduce t: 0..3 = v, reduce r: "
    "0..%d = c) {\n"
    "                init {\n                  C[i, j, q] = 0:i32\n                }\n"
    "                C[i, j, q] = C[i, j, q] + cast(i32, A[i + s, j + t, r]) * cast(i32, B[s, t, r, q])\n"
    "              }\n            }\n          }\n        }\n      }\n    }\n  }\n}\n";

static void make_product(tn_context *ctx, sum_case *c, const char *name, const char *const *types, const int *size) {
  char text[2048];
  int m = size[0], n = size[1], k = size[2];
  snprintf(text, sizeof text, product_text, name, types[0], m, k, types[1], k, n, m, n, m, n, k, m, n, k);
  open_case(c, (size_t)(m * k), (size_t)(k * n), (size_t)(m * n) * 4);
  c->program = session_parse(ctx, text);
}

static void make_window(tn_context *ctx, sum_case *c, const char *name, const char *const *types, const int *size) {
  char text[2048];
  int m = size[0], n = size[1], k = size[2];
  snprintf(text, sizeof text, window_text, name, types[0], m + 2, m + 2, k, types[1], k, n, m, m, n, m, m, n, k, m, m,
           n, k);
  open_case(c, (size_t)((m + 2) * (m + 2) * k), (size_t)(9 * k * n), (size_t)(m * m * n) * 4);
  c->program = session_parse(ctx, text);
}

/* With the default schedule, which does them by the instruction that the target has for their types. */
START_TEST(products_keep_their_results)
{
  static const int sizes[][3] = {{16, 16, 16}, {9, 35, 30}};
  static const char *const types[][2] = {{"u8", "i8"}, {"i8", "i8"}, {"u8", "u8"}, {"i8", "u8"}};
  enum { CASES = 2 * 2 * 4 };
  static foreign f;
  static sum_case cases[CASES];
  tn_context *ctx;
  const tn_target *target;
  tn_error *error;
  size_t count = 0;
  kit_ok(tn_context_create(NULL, &ctx, &error), error);
  kit_ok(tn_target_get(ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  for (size_t t = 0; t < TNI_COUNT(types) && target->isa != TNI_ISA_X86_64; t++)
    for (size_t i = 0; i < TNI_COUNT(sizes) * 2; i++) {
      tn_type a = tni_type_parse(types[t][0], 2), b = tni_type_parse(types[t][1], 2);
      const tni_unit *unit = tni_target_best_unit(ctx, target, TN_I32, a, b);
      if (!unit) unit = tni_target_best_unit(ctx, target, TN_I32, b, a);
      const tni_unit_row *row = unit ? tni_target_unit(target, unit, target->vector_bits) : NULL;
      sum_case *c = &cases[count];
      char name[32];
      snprintf(name, sizeof name, "f%zu", count++);
      (i % 2 ? make_window : make_product)(ctx, c, name, types[t], sizes[i / 2]);
      units_fill_bytes(c->a, c->a_bytes);
      units_fill_bytes(c->b, c->b_bytes);
      memset(c->want, 0xff, c->c_bytes);
      send_sum(&f, c, name, target, row ? word_of(row) : "");
    }
  if (count) foreign_run(&f, command);
  for (size_t i = 0; i < count; i++) {
    ck_assert_int_eq(f.calls[i].end.status, TN_OK);
    ck_assert_msg(memcmp(cases[i].want, cases[i].have, cases[i].c_bytes) == 0, "%s: case %zu", target_name, i);
    close_case(&cases[i]);
  }
  printf("%s: %zu products\n", target_name, count);
  tn_context_destroy(ctx);
}
END_TEST

int main(int argc, char **argv) {
  const TTest *const tests[] = {
      programs_keep_their_results, operators, expansions, operators_by_constants, instructions_are_what_they_mean,
      products_keep_their_results};
  if (argc != 4) return fprintf(stderr, "cross TARGET FOLDER COMMAND\n"), 2;
  target_name = argv[1];
  folder = argv[2];
  command = argv[3];
  TCase *tcase = tcase_create("cross");
  for (size_t i = 0; i < TNI_COUNT(tests); i++) tcase_add_test(tcase, tests[i]);
  return suite_run_case("cross", tcase, 900, NULL, NULL);
}
