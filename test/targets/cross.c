/* cross.c -- code for processors of another architecture, run there (test/cross.sh): random programs with their default
 * schedules against the interpreter, every operator against tni_eval_op.
 *
 *     cross TARGET FOLDER COMMAND        COMMAND: see foreign_run
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "foreign.h"
#include "jit/operators.h"
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

int main(int argc, char **argv) {
  const TTest *const tests[] = {programs_keep_their_results, operators, expansions, operators_by_constants};
  if (argc != 4) return fprintf(stderr, "cross TARGET FOLDER COMMAND\n"), 2;
  target_name = argv[1];
  folder = argv[2];
  command = argv[3];
  TCase *tcase = tcase_create("cross");
  for (size_t i = 0; i < TNI_COUNT(tests); i++) tcase_add_test(tcase, tests[i]);
  return suite_run_case("cross", tcase, 900, NULL, NULL);
}
