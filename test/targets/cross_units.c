/* cross_units.c -- tensor instructions of processors of another architecture, run there (test/cross.sh): each row of
 * targets/units.c beside what it means, and products that the default schedule does by them.
 *
 *     cross_units TARGET FOLDER COMMAND        COMMAND: see foreign_run
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "foreign.h"
#include "jit/sums.h"
#include "jit/units.h"

static const char *target_name, *folder, *command;

/* ---- tensor instructions ----------------------------------------------------------------------------------------- */

/* The object of a program of one function, for the target, whose assembly has that instruction, or `other`; "": no matter.
 * Keeps: the function has a schedule. */
static void send_program(foreign *f, const tn_program *program, bool keeps, const tn_target *target, const char *word,
                         const char *other) {
  const tn_compile_desc desc = {.struct_size = sizeof desc, .target = target, .keep_schedules = keeps};
  tn_error *error = NULL;
  char *bytes;
  size_t size;
  must(tn_program_emit(program, &desc, "obj", &bytes, &size, &error), error);
  foreign_object(f, bytes, size);
  tn_text_destroy(bytes);
  must(tn_program_emit(program, &desc, "asm", &bytes, &size, &error), error);
  char mnemonics[2][64];
  snprintf(mnemonics[0], sizeof mnemonics[0], "\t%s", word);
  snprintf(mnemonics[1], sizeof mnemonics[1], "\t%s", other);
  ck_assert_msg(strstr(bytes, mnemonics[0]) || strstr(bytes, mnemonics[1]), "no %s in\n%.1000s", word, bytes);
  tn_text_destroy(bytes);
}

/* One function of three buffers, and what the interpreter makes of the third. */
typedef struct sum_case {
  tn_program *program;
  bool keeps; /* its schedule */
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

static void send_either(foreign *f, sum_case *c, const char *name, const tn_target *target, const char *word,
                        const char *other) {
  tn_error *error = NULL;
  const foreign_argument args[] = {{c->a, c->a_bytes, 0}, {c->b, c->b_bytes, 0}, {c->have, c->c_bytes, 0}};
  memcpy(c->have, c->want, c->c_bytes);
  must(tni_evaluate_interpreted(NULL, tn_program_func(c->program, name), (void *const[]){c->a, c->b, c->want}, &error),
       error);
  send_program(f, c->program, c->keeps, target, word, other);
  foreign_add(f, name, 3, args);
}

static void send_sum(foreign *f, sum_case *c, const char *name, const tn_target *target, const char *word) {
  send_either(f, c, name, target, word, word);
}

START_TEST(instructions_are_what_they_mean)
{
  static foreign f;
  static sum_case cases[64];
  tn_context *ctx;
  const tn_target *target;
  tn_error *error = NULL;
  const tni_unit *units[64];
  size_t count = 0;
  must(tn_context_create(NULL, &ctx, &error), error);
  must(tn_target_get(ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  for (const tni_unit *unit = NULL; (unit = tni_unit_after(ctx, unit));)
    for (int lanes = 4; lanes <= 16; lanes *= 2)
      for (int together = 0; together < 2; together++) {
        const tni_unit_row *row = tni_target_unit(target, units[count] = unit, lanes * 32);
        char name[32];
        if (!row || target->isa == TNI_ISA_X86_64) continue; /* x86-64's: test_units */
        snprintf(name, sizeof name, "f%zu", count);
        open_case(&cases[count], UNITS_FACTOR_BYTES, UNITS_FACTOR_BYTES, UNITS_SUM_BYTES);
        cases[count].program = units_program(ctx, name, units[count], lanes, together);
        units_fill(units[count], cases[count].a, cases[count].b, cases[count].want);
        send_sum(&f, &cases[count], name, target, sums_word(row->names[0]));
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

/* What the default schedule does a product by: a tile, of one that is large enough; a dot product; RISC-V's widening
 * multiply-add, which is LLVM's choice for steps one by one. */
static const char *vector_instruction(tn_context *ctx, const tn_target *target, const char *const *types) {
  tn_type a = tni_type_parse(types[0], 2), b = tni_type_parse(types[1], 2);
  const tni_unit *unit = tni_target_product_unit(ctx, target, TN_I32, a, b);
  if (!unit) unit = tni_target_product_unit(ctx, target, TN_I32, b, a);
  if (unit) return sums_word(tni_target_unit(target, unit, target->vector_bits)->names[0]);
  return target->isa == TNI_ISA_RISCV64 ? "vwmacc" : "";
}

static void send_product(foreign *f, sum_case *c, const char *name, const tn_target *target, const char *const *types,
                         bool large) {
  char vector[32], tile[32];
  tn_context *ctx = c->program->ctx;
  snprintf(vector, sizeof vector, "%s", vector_instruction(ctx, target, types));
  const tni_tile_row *row = tni_target_tile(target, TN_I32, tni_type_parse(types[0], 2), tni_type_parse(types[1], 2));
  snprintf(tile, sizeof tile, "%s", row ? sums_word(row->name) : vector);
  send_either(f, c, name, target, tile, large ? tile : vector);
}

START_TEST(products_keep_their_results)
{
  static const int sizes[][3] = {{16, 16, 16}, {9, 35, 30}, {64, 80, 192}, {8, 16, 16}, {61, 77, 150}};
  static const char *const types[][2] = {{"u8", "i8"}, {"i8", "i8"}, {"u8", "u8"}, {"i8", "u8"}};
  enum { CASES = 5 * 4 };
  static foreign f;
  static sum_case cases[CASES];
  tn_context *ctx;
  const tn_target *target;
  tn_error *error = NULL;
  size_t count = 0;
  must(tn_context_create(NULL, &ctx, &error), error);
  must(tn_target_get(ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  for (size_t t = 0; t < TNI_COUNT(types) && target->isa != TNI_ISA_X86_64; t++)
    for (size_t i = 0; i < TNI_COUNT(sizes); i++) {
      sum_case *c = &cases[count];
      char name[32];
      snprintf(name, sizeof name, "f%zu", count++);
      (i % 2 ? make_window : make_product)(ctx, c, name, types[t], sizes[i]);
      units_fill_bytes(c->a, c->a_bytes);
      units_fill_bytes(c->b, c->b_bytes);
      memset(c->want, 0xff, c->c_bytes);
      send_product(&f, c, name, target, types[t], sizes[i][0] > 60);
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

/* ---- convolutions and products, by what the default schedule and the ways that are found do them ----------------- */

enum { MOST_BYTES = 1 << 16, MOST_WAYS = 2, SENT = TNI_COUNT(sums_all) * (1 + MOST_WAYS) };

typedef struct ways {
  size_t count;
  char *units[MOST_WAYS], *lines[MOST_WAYS];
} ways;

static int keep_way(void *self, const tn_tensorization *one) {
  ways *found = self;
  found->units[found->count] = strdup(one->unit);
  found->lines[found->count++] = strdup(one->lines);
  return found->count == MOST_WAYS;
}

/* The lines, or the default schedule, whose assembly sums_are_tensorized looks at. */
static void send_way(foreign *f, sum_case *c, const tn_target *target, const sums *s, size_t number, const char *unit,
                     const char *lines, tn_context *ctx) {
  tn_error *error = NULL;
  tn_schedule *schedule;
  const tn_func *func;
  char name[32], *assembly;
  size_t size;
  snprintf(name, sizeof name, "f%zu", number);
  open_case(c, MOST_BYTES, MOST_BYTES, MOST_BYTES);
  c->program = sums_make(ctx, name, s);
  units_fill_bytes(c->a, c->a_bytes);
  units_fill_bytes(c->b, c->b_bytes);
  memset(c->want, 0xff, c->c_bytes);
  if (!lines) {
    tn_compile_desc desc = {.struct_size = sizeof desc, .target = target};
    must(tn_program_emit(c->program, &desc, "asm", &assembly, &size, &error), error);
    ck_assert_msg(sums_are_tensorized(ctx, target, s, assembly), "case %zu: no instruction", number);
    tn_text_destroy(assembly);
    send_sum(f, c, name, target, "");
    return;
  }
  must(tn_schedule_create(c->program, tn_program_func(c->program, name), &schedule, &error), error);
  must(tn_schedule_run(schedule, lines, &error), error);
  must(tn_schedule_commit(schedule, &func, &error), error);
  tn_schedule_destroy(schedule);
  c->keeps = true;
  const tni_unit *found = tni_unit_find(ctx, unit);
  send_sum(f, c, name, target, found ? sums_word_of_unit(target, found) : sums_word(unit));
}

static ways find_ways(tn_context *ctx, const tn_target *target, const sums *s) {
  tn_error *error = NULL;
  tn_program *program = sums_make(ctx, "f", s);
  tn_schedule *schedule;
  tn_block_ref block;
  ways found = {0};
  must(tn_schedule_create(program, tn_program_func(program, "f"), &schedule, &error), error);
  must(tn_get_block(schedule, "C", &block, &error), error);
  tn_status status = tn_tensorize_candidates(schedule, block, target, keep_way, &found, &error);
  ck_assert(status == TN_OK || status == TN_E_REFUSED);
  tn_error_destroy(error);
  tn_schedule_destroy(schedule);
  tn_program_destroy(program);
  return found;
}

START_TEST(ways_keep_the_results)
{
  static foreign f;
  static sum_case cases[SENT];
  tn_context *ctx;
  const tn_target *target;
  tn_error *error = NULL;
  size_t count = 0, by_ways = 0;
  must(tn_context_create(NULL, &ctx, &error), error);
  must(tn_target_get(ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  for (size_t i = 0; i < TNI_COUNT(sums_all) && target->isa != TNI_ISA_X86_64; i++) { /* x86-64's: test_tensorize */
    ways found = find_ways(ctx, target, &sums_all[i]);
    send_way(&f, &cases[count], target, &sums_all[i], count, NULL, NULL, ctx);
    count++;
    for (size_t n = 0; n < found.count; n++, count++, by_ways++) {
      send_way(&f, &cases[count], target, &sums_all[i], count, found.units[n], found.lines[n], ctx);
      free(found.units[n]), free(found.lines[n]);
    }
  }
  if (count) foreign_run(&f, command);
  for (size_t i = 0; i < count; i++) {
    ck_assert_int_eq(f.calls[i].end.status, TN_OK);
    ck_assert_msg(memcmp(cases[i].want, cases[i].have, cases[i].c_bytes) == 0, "%s: case %zu", target_name, i);
    close_case(&cases[i]);
  }
  printf("%s: %zu sums, %zu of them by ways that were found\n", target_name, count, by_ways);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

typedef struct tile_type {
  const char *a, *b, *c, *word;
} tile_type;

/* Products that tiles do, for the target; none: it has no tiles. */
static size_t tile_types(const tn_target *target, const tile_type **out) {
  static const tile_type pairs[] = {
      {"u8", "i8", "i32", "usmmla"}, {"i8", "i8", "i32", "smmla"}, {"u8", "u8", "i32", "ummla"}, {"i8", "u8", "i32", "usmmla"}};
  static const tile_type outer[] = {{"u8", "i8", "i32", "usmopa"},
                                    {"i8", "i8", "i32", "smopa"},
                                    {"u8", "u8", "i32", "umopa"},
                                    {"i8", "u8", "i32", "sumopa"},
                                    {"f32", "f32", "f32", "fmopa"}};
  const tni_tile_row *row = tni_target_tile(target, TN_I32, TN_U8, TN_I8);
  *out = row && row->form == TNI_TILE_ZA ? outer : pairs;
  if (!row || row->form == TNI_TILE_AMX) return 0; /* test_units */
  return row->form == TNI_TILE_ZA ? TNI_COUNT(outer) : TNI_COUNT(pairs);
}

/* C += A B, of `outer` times `steps` steps, by `vectors` of `lanes` columns; fresh: from zeros on. */
static void make_tiles(tn_context *ctx, sum_case *c, const char *name, const tile_type *t, const int *size,
                       bool fresh) {
  char text[2048], zeros[256] = "";
  int rows = size[0], vectors = size[1], lanes = size[2], outer = size[3], steps = size[4], k = outer * steps;
  int columns = vectors * lanes, group = *t->a == 'f' ? 1 : 4, bytes = 4 / group;
  if (fresh)
    snprintf(zeros, sizeof zeros,
             "  for y in 0..%d with tile = 1 {\n    for z in 0..%d {\n      C[y, z] = %s:%s\n    }\n  }\n", rows,
             columns, group > 1 ? "0" : "0.0", t->c);
  int n = snprintf(text, sizeof text,
                   "scheduled func %s(A: %s[%d, %d], B: %s[%d, %d, %d, %d], C: %s[%d, %d]) {\n%s"
                   "  for ko in 0..%d with tile = 1 {\n    for i in 0..%d with tile = 1 {\n"
                   "      for v in 0..%d with tile = 1 {\n        for j in 0..%d with tile = 1 {\n"
                   "          for k in 0..%d with tile = 1 {\n",
                   name, t->a, rows, k, t->b, vectors, (k + group - 1) / group, lanes, group, t->c, rows, columns,
                   zeros, outer, rows, vectors, lanes, steps);
  if (group > 1)
    snprintf(text + n, sizeof text - (size_t)n,
             "            C[i, v * %d + j] = C[i, v * %d + j] + cast(i32, A[i, ko * %d + k]) * "
             "cast(i32, B[v, (ko * %d + k) // 4, j, (ko * %d + k) %% 4])\n"
             "          }\n        }\n      }\n    }\n  }\n}\n",
             lanes, lanes, steps, steps, steps);
  else
    snprintf(text + n, sizeof text - (size_t)n,
             "            C[i, v * %d + j] = fma(A[i, ko * %d + k], B[v, ko * %d + k, j, 0], C[i, v * %d + j])\n"
             "          }\n        }\n      }\n    }\n  }\n}\n",
             lanes, steps, steps, lanes);
  open_case(c, (size_t)(rows * k * bytes), (size_t)(vectors * ((k + group - 1) / group) * lanes * 4),
            (size_t)(rows * columns * 4));
  c->program = session_parse(ctx, text);
}

/* Floats of all kinds, most of which are near each other. */
static void fill_tiles(uint8_t *to, size_t bytes, bool floats) {
  units_fill_bytes(to, bytes);
  for (size_t i = 0; floats && i < bytes; i += 4) {
    uint32_t x = units_random_float(units_random() % 64 == 0 ? 0 : 1, false);
    memcpy(to + i, &x, 4);
  }
}

START_TEST(tiles_are_what_they_mean)
{
  static const int sizes[][5] = {{32, 2, 16, 2, 64}, {16, 1, 16, 1, 64}, {1, 1, 16, 3, 64},  {49, 1, 16, 2, 48},
                                 {17, 2, 16, 2, 8},  {64, 1, 8, 2, 20},  {33, 1, 16, 2, 64}, {5, 2, 4, 3, 32},
                                 {7, 1, 12, 1, 12},  {29, 2, 16, 1, 60}};
  enum { CASES = 5 * 10 * 2 };
  static foreign f;
  static sum_case cases[CASES];
  static bool floats[CASES];
  tn_context *ctx;
  const tn_target *target;
  const tile_type *types;
  tn_error *error = NULL;
  size_t count = 0;
  must(tn_context_create(NULL, &ctx, &error), error);
  must(tn_target_get(ctx, target_name, &target, &error), error);
  foreign_open(&f, folder);
  for (size_t type_count = tile_types(target, &types), t = 0; t < type_count; t++)
    for (size_t i = 0; i < TNI_COUNT(sizes) * 2; i++) {
      sum_case *c = &cases[count];
      char name[32];
      int size[5];
      memcpy(size, sizes[i / 2], sizeof size);
      floats[count] = *types[t].a == 'f';
      if (floats[count]) size[4] = (size[4] + 3) / 4; /* steps are of 4 bytes */
      snprintf(name, sizeof name, "f%zu", count++);
      make_tiles(ctx, c, name, &types[t], size, i % 2);
      fill_tiles(c->a, c->a_bytes, floats[count - 1]);
      fill_tiles(c->b, c->b_bytes, floats[count - 1]);
      fill_tiles(c->want, c->c_bytes, floats[count - 1]);
      send_sum(&f, c, name, target, types[t].word);
    }
  if (count) foreign_run(&f, command);
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < cases[i].c_bytes / 4; k++) {
      float x, y;
      memcpy(&x, cases[i].want + 4 * k, 4), memcpy(&y, cases[i].have + 4 * k, 4);
      ck_assert_msg(memcmp(cases[i].want + 4 * k, cases[i].have + 4 * k, 4) == 0 || (floats[i] && x != x && y != y),
                    "%s: sum %zu of case %zu", target_name, k, i);
    }
    close_case(&cases[i]);
  }
  printf("%s: %zu products of tiles\n", target_name, count);
  tn_context_destroy(ctx);
}
END_TEST

int main(int argc, char **argv) {
  const TTest *const tests[] = {instructions_are_what_they_mean, products_keep_their_results, ways_keep_the_results,
                                tiles_are_what_they_mean};
  if (argc != 4) return fprintf(stderr, "cross_units TARGET FOLDER COMMAND\n"), 2;
  target_name = argv[1];
  folder = argv[2];
  command = argv[3];
  TCase *tcase = tcase_create("cross_units");
  for (size_t i = 0; i < TNI_COUNT(tests); i++) tcase_add_test(tcase, tests[i]);
  return suite_run_case("cross_units", tcase, 900, NULL, NULL);
}
