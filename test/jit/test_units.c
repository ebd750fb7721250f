/* test_units.c -- tensor instructions beside their meaning: every row of targets/units.c that this CPU has, in vectors of every
 * width, of factors side by side in memory and of such that are put together, on numbers of all kinds.
 *
 * And nests of loops that tile registers do, with those beside them that they do not. The interpreter runs the meaning; the assembly must hold the instruction where the target's table says that it does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "amx.h"
#include "units.h"

static tn_context *ctx;
static tn_error *error;
static uint8_t a[UNITS_FACTOR_BYTES], b[UNITS_FACTOR_BYTES], start[UNITS_SUM_BYTES], want[UNITS_SUM_BYTES],
    got[UNITS_SUM_BYTES];

static bool emulates; /* tiles */

static void open_context(void) {
  if (emulates) amx_emulate();
  ctx = session_open();
}
static void close_context(void) { tn_context_destroy(ctx); }

/* LLVM makes one of products and the sum, where there is one. */
static bool holds_instruction(const char *text, const tni_unit_row *row) {
  if (row->form == TNI_UNIT_PRODUCTS) return strstr(text, "pmaddwd") || strstr(text, "vpdpwssd");
  return strstr(text, strstr(row->unit, "bf16") ? "vdpbf16ps" : "vpdpbusd") != NULL;
}

static void check_assembly(const tn_program *program, const tn_compile_desc *desc, const tni_unit *unit, int lanes) {
  const tni_unit_row *row = tni_target_unit(desc->target, unit, lanes * 32);
  char *text;
  size_t size;
  must(tn_program_emit(program, desc, "asm", &text, &size, &error), error);
  if (row)
    ck_assert_msg(holds_instruction(text, row), "%s: no instruction in\n%s", unit->name, text);
  else
    ck_assert_ptr_null(strstr(text, "vpdpbusd"));
  tn_text_destroy(text);
}

static void check(const tni_unit *unit, const tn_target *target, int lanes, bool together) {
  tn_program *program = units_program(ctx, "f", unit, lanes, together);
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target};
  tn_module *module;
  const tn_function *function;
  units_fill(unit, a, b, start);
  memcpy(want, start, sizeof want);
  memcpy(got, start, sizeof got);
  must(tni_evaluate_interpreted(NULL, tn_program_func(program, "f"), (void *const[]){a, b, want}, &error), error);
  must(tn_compile(program, &desc, &module, &error), error);
  must(tn_module_function(module, "f", &function, &error), error);
  int32_t (*code)(const tn_env *, void *, void *, void *) =
      (int32_t(*)(const tn_env *, void *, void *, void *))tn_function_pointer(function);
  ck_assert_int_eq(code(tn_function_env(function), a, b, got), 0);
  for (size_t i = 0; i < UNITS_COUNT; i++)
    ck_assert_msg(units_same(unit, want, got, i), "%s in %d lanes for %s%s: element %zu", unit->name, lanes,
                  tn_target_text(target), together ? "" : ", put together", i);
  check_assembly(program, &desc, unit, lanes);
  tn_module_destroy(module);
  tn_program_destroy(program);
}

START_TEST(instructions_are_what_they_mean)
{
  static const char *const names[] = {"host", "x86-64-v4", "x86-64-v3", "x86-64-v2", "aarch64-neon"};
  const tn_target *target;
  for (size_t t = 0; t < TNI_COUNT(names); t++) {
    must(tn_target_get(ctx, names[t], &target, &error), error);
    for (const tni_unit *unit = NULL; target->runs_here && (unit = tni_unit_after(ctx, unit));)
      for (int lanes = 4; lanes <= 16 && unit->steps <= UNITS_STEPS; lanes *= 2) /* others are of tiles */
        for (int together = 0; together < 2; together++) check(unit, target, lanes, together);
  }
}
END_TEST

/* ---- tiles ------------------------------------------------------------------------------------------------------------- */

static const tn_target *tile_host(void) {
  const tn_target *host;
  if (emulates) return amx_host(ctx);
  must(tn_target_get(ctx, "host", &host, &error), error);
  return host;
}

static bool has_tiles(void) { return tni_target_has_tiles(tile_host(), TN_I32, TN_U8, TN_I8); }

enum { MOST_SUMS = 64 * 64 };
static int32_t sums_want[MOST_SUMS], sums_got[MOST_SUMS];

/* An external that uses the tile registers as well. */
static int32_t use_tiles(void *self) {
  (void)self;
#ifdef __x86_64__
  if (has_tiles())
    __asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); /* tilerelease */
#endif
  return 0;
}

static size_t count_of(const char *text, const char *what) {
  size_t count = 0;
  for (; (text = strstr(text, what)); text++) count++;
  return count;
}

/* How often instructions stand in the code. */
typedef struct tile_code {
  size_t products, zeros, loads;
} tile_code;

/* Runs the function of the text, of (A, B, C), which may call use_tiles; it must do what the meaning's does. */
static tile_code run_tiles_as(const char *text, const char *meaning) {
  tn_program *program = session_parse(ctx, text), *other = session_parse(ctx, meaning);
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = tile_host()};
  tn_module *module;
  const tn_function *function;
  char *assembly;
  size_t size;
  for (size_t i = 0; i < sizeof a; i++) a[i] = (uint8_t)units_random(), b[i] = (uint8_t)units_random();
  for (size_t i = 0; i < MOST_SUMS; i++) sums_want[i] = sums_got[i] = (int32_t)units_random();
  must(tn_program_extern(program, "use_tiles", TN_I32, 0, NULL, (void (*)(void))use_tiles, NULL, &error), error);
  must(tni_evaluate_interpreted(NULL, tn_program_func(other, "f"), (void *const[]){a, b, sums_want}, &error), error);
  must(tn_compile(program, &desc, &module, &error), error);
  must(tn_module_function(module, "f", &function, &error), error);
  int32_t (*code)(const tn_env *, void *, void *, void *) =
      (int32_t(*)(const tn_env *, void *, void *, void *))tn_function_pointer(function);
  ck_assert_int_eq(code(tn_function_env(function), a, b, sums_got), 0);
  ck_assert_msg(memcmp(sums_want, sums_got, sizeof sums_got) == 0, "not the same as\n%s", text);
  must(tn_program_emit(program, &desc, "asm", &assembly, &size, &error), error);
  tile_code code_of = {count_of(assembly, "tdpb"), count_of(assembly, "tilezero"),
                       count_of(assembly, "tileloadd")};
  tn_text_destroy(assembly);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_program_destroy(other);
  return code_of;
}

static tile_code run_tiles(const char *text) { return run_tiles_as(text, text); }

static bool runs_in_tiles(const char *text) { return run_tiles(text).products > 0; }

/* C += A B, of `outer` times `steps` steps; by `vectors` of `lanes` columns. Loops of one iteration go, and their notes: so
 * there is one on each loop, or on the outermost only. */
static bool product_runs_in_tiles(const char *type, bool all, int rows, int vectors, int lanes, int outer, int steps) {
  char text[1024];
  const char *note = all ? " with tile = 1" : "";
  int k = outer * steps;
  snprintf(text, sizeof text,
           "scheduled func f(A: %s[%d, %d], B: i8[%d, %d, %d, 4], C: i32[%d, %d]) {\n"
           "  for ko in 0..%d with tile = 1 {\n    for i in 0..%d%s {\n      for v in 0..%d%s {\n"
           "        for j in 0..%d%s {\n          for k in 0..%d%s {\n"
           "            C[i, v * %d + j] = C[i, v * %d + j] + cast(i32, A[i, ko * %d + k]) * "
           "cast(i32, B[v, (ko * %d + k) // 4, j, (ko * %d + k) %% 4])\n"
           "          }\n        }\n      }\n    }\n  }\n}\n",
           type, rows, k, vectors, (k + 3) / 4, lanes, rows, vectors * lanes, outer, rows, note, vectors, note,
           lanes, note, steps, note, lanes, lanes, steps, steps, steps);
  return runs_in_tiles(text);
}

START_TEST(products_run_in_tiles)
{
  static const int sizes[][5] = {{32, 2, 16, 2, 64}, {16, 1, 16, 1, 64}, {1, 1, 16, 3, 64}, {49, 1, 16, 2, 48}, {17, 2, 16, 2, 4},
                                 {64, 1, 8, 2, 20},  {33, 1, 16, 2, 64}, {5, 2, 1, 3, 32},  {7, 1, 3, 1, 12},   {29, 2, 16, 1, 60}};
  for (size_t i = 0; i < TNI_COUNT(sizes); i++)
    for (int type = 0; type < 2; type++)
      ck_assert_int_eq(product_runs_in_tiles(type ? "i8" : "u8", true, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], sizes[i][4]),
                       has_tiles());
}
END_TEST

/* A product of 2 x 1 tiles that adds to C, with what stands before it. */
#define TILES(i, before) \
  before "  for ko" i " in 0..2 with tile = 1 {\n    for i" i " in 0..20 {\n      for j" i " in 0..16 {\n        for k" i " in 0..64 {\n" \
  "          C[i" i ", j" i "] = C[i" i ", j" i "] + cast(i32, A[i" i ", ko" i " * 64 + k" i "]) * " \
  "cast(i32, B[(ko" i " * 64 + k" i ") // 4, j" i ", (ko" i " * 64 + k" i ") % 4])\n        }\n      }\n    }\n  }\n"
#define ZEROS(rows) "  for z in 0.." rows " with tile = 1 {\n    for y in 0..16 {\n      C[z, y] = 0:i32\n    }\n  }\n"
#define PARAMETERS "(A: u8[20, 128], B: i8[32, 16, 4], C: i32[20, 16])"

/* Right before: all of the sums and no more. */
START_TEST(sums_begin_with_zeros_in_the_registers)
{
  tile_code all = run_tiles("scheduled func f" PARAMETERS " {\n" TILES("", ZEROS("20")) "}\n");
  tile_code part = run_tiles("scheduled func f" PARAMETERS " {\n" TILES("", ZEROS("19")) "}\n");
  tile_code one = run_tiles("scheduled func f" PARAMETERS " {\n  for z in 0..20 with tile = 1 {\n    for y in 0..16 {\n"
                            "      C[z, y] = 1:i32\n    }\n  }\n" TILES("", "") "}\n");
  ck_assert_uint_eq(all.products, has_tiles() ? 2 : 0);
  ck_assert_uint_eq(all.zeros, has_tiles() ? 2 : 0);
  ck_assert_uint_eq(all.loads, has_tiles() ? 3 : 0);
  ck_assert_uint_eq(part.zeros + one.zeros, 0);
  ck_assert_uint_eq(part.loads, has_tiles() ? 5 : 0);
}
END_TEST

/* In a loop, around calls, in parallel: what a product needs is in the registers when it comes to it. */
START_TEST(registers_are_set_up_when_they_must_be)
{
  static const char again[] = "scheduled func f" PARAMETERS " {\n  for t in 0..3 {\n" TILES("", "") TILES("_2", "") "  }\n}\n";
  static const char called[] = "extern use_tiles(): i32\nscheduled func f" PARAMETERS " {\n  for t in 0..3 {\n" TILES("", "")
      "  call use_tiles()\n" TILES("_2", "") "  }\n}\n";
  static const char apart[] = "scheduled func f" PARAMETERS " {\n" TILES("", "") "  for t in 0..1 {\n    for p in 0..20 parallel {\n"
      "      for ko in 0..2 with tile = 1 {\n        for j in 0..16 {\n          for k in 0..64 {\n"
      "            C[p, j] = C[p, j] + cast(i32, A[p, ko * 64 + k]) * cast(i32, B[(ko * 64 + k) // 4, j, (ko * 64 + k) % 4])\n"
      "          }\n        }\n      }\n    }\n  }\n" TILES("_3", "") "}\n";
  ck_assert_uint_eq(run_tiles(again).products, has_tiles() ? 4 : 0);
  ck_assert_uint_eq(run_tiles_as(called, again).products, has_tiles() ? 4 : 0);
  ck_assert_uint_eq(run_tiles(apart).products, has_tiles() ? 5 : 0);
}
END_TEST

/* Too much for the registers, steps that are no groups, sums that meet: the loops are compiled as they are. */
START_TEST(other_loops_stay_loops)
{
  ck_assert(!product_runs_in_tiles("u8", false, 33, 2, 16, 2, 64));
  ck_assert(!product_runs_in_tiles("u8", false, 16, 3, 16, 2, 64));
  ck_assert(!product_runs_in_tiles("u8", false, 16, 1, 17, 2, 64));
  ck_assert(!product_runs_in_tiles("u8", false, 16, 1, 16, 2, 68));
  ck_assert(!product_runs_in_tiles("u8", false, 16, 1, 16, 2, 6));
  ck_assert(!product_runs_in_tiles("u16", false, 16, 1, 16, 2, 64));
  ck_assert(!runs_in_tiles("scheduled func f(A: u8[4, 8], B: i8[2, 8, 4], C: i32[16]) {\n  for i in 0..4 with tile = 1 {\n"
                           "    for j in 0..8 {\n      for k in 0..8 {\n        C[i + j] = C[i + j] + cast(i32, A[i, k]) * "
                           "cast(i32, B[k // 4, j, k % 4])\n      }\n    }\n  }\n}\n"));
  ck_assert(!runs_in_tiles("scheduled func f(A: u8[4, 8], B: i8[8, 8], C: i32[4, 8]) {\n  for i in 0..4 with tile = 1 {\n"
                           "    for j in 0..8 {\n      for k in 0..8 {\n        C[i, j] = C[i, j] + cast(i32, A[i, k]) * "
                           "cast(i32, B[k, j])\n      }\n    }\n  }\n}\n"));
}
END_TEST

/* C += A B of bf16, by the meaning of a tile; the loops have the note. */
static tn_program *make_tiles(int rows, int vectors, int outer) {
  char text[1024], script[512];
  const tn_func *f;
  tn_schedule *s;
  int k = outer * 32;
  snprintf(text, sizeof text,
           "func f(A: bf16[%d, %d], B: bf16[%d, %d, 16, 2], C: f32[%d, %d]) {\n"
           "  for ko in 0..%d {\n    for i in 0..%d {\n      for v in 0..%d {\n        for j in 0..16 {\n          for k in 0..32 {\n"
           "            block C(p: 0..%d = i, q: 0..%d = v * 16 + j, reduce r: 0..%d = ko * 32 + k) {\n"
           "              C[p, q] = C[p, q] + cast(f32, A[p, r]) * cast(f32, B[q // 16, r // 2, q %% 16, r %% 2])\n"
           "            }\n          }\n        }\n      }\n    }\n  }\n}\n",
           rows, k, vectors, k / 2, rows, vectors * 16, outer, rows, vectors, rows, vectors * 16, k);
  snprintf(script, sizeof script,
           "ko, i, v, j, k = get_loops(C)\nannotate(ko, \"tile\", 1)\nannotate(i, \"tile\", 1)\nannotate(v, \"tile\", 1)\n"
           "annotate(j, \"tile\", 1)\nsteps = blockize(k)\ntensorize(steps, \"tile_bf16\")");
  tn_program *program = session_parse(ctx, text);
  must(tn_schedule_create(program, tn_program_func(program, "f"), &s, &error), error);
  must(tn_schedule_run(s, script, &error), error);
  must(tn_schedule_commit(s, &f, &error), error);
  tn_schedule_destroy(s);
  return program;
}

static void fill_shorts(uint8_t *to, size_t count, int kind) {
  for (size_t i = 0; i < count; i++) {
    uint16_t x = (uint16_t)(units_random_float(kind < 0 ? (int)(i % 7 == 0 ? 0 : 1 + i % 2) : kind, false) >> 16);
    memcpy(to + 2 * i, &x, 2);
  }
}

/* Numbers of all kinds, where most sums are NaN; and only such as meet each other, or the smallest normal ones. */
static void check_tiles(const char *on, int rows, int vectors, int outer, int kind) {
  tn_program *program = make_tiles(rows, vectors, outer);
  const tn_target *target;
  must(tn_target_get(ctx, on, &target, &error), error);
  if (strcmp(on, "host") == 0) target = tile_host();
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = target};
  tn_module *module;
  const tn_function *function;
  char *text;
  size_t size;
  fill_shorts(a, sizeof a / 2, kind);
  fill_shorts(b, sizeof b / 2, kind);
  for (size_t i = 0; i < MOST_SUMS; i++) {
    uint32_t c = units_random_float(kind < 0 ? (int)(i % 3) : kind, true);
    memcpy(&sums_want[i], &c, 4), memcpy(&sums_got[i], &c, 4);
  }
  must(tni_evaluate_interpreted(NULL, tn_program_func(program, "f"), (void *const[]){a, b, sums_want}, &error), error);
  must(tn_compile(program, &desc, &module, &error), error);
  must(tn_module_function(module, "f", &function, &error), error);
  int32_t (*code)(const tn_env *, void *, void *, void *) =
      (int32_t(*)(const tn_env *, void *, void *, void *))tn_function_pointer(function);
  ck_assert_int_eq(code(tn_function_env(function), a, b, sums_got), 0);
  for (size_t i = 0; i < MOST_SUMS; i++) {
    float x, y;
    memcpy(&x, &sums_want[i], 4), memcpy(&y, &sums_got[i], 4);
    ck_assert_msg(sums_want[i] == sums_got[i] || (x != x && y != y), "%s: sum %zu of %d rows is %a, not %a", on, i,
                  rows, y, x);
  }
  must(tn_program_emit(program, &desc, "asm", &text, &size, &error), error);
  ck_assert_int_eq(count_of(text, "tdpbf16ps"),
                   tni_target_has_tiles(target, TN_F32, TN_BF16, TN_BF16) ? (rows + 15) / 16 * vectors : 0);
  tn_text_destroy(text);
  tn_module_destroy(module);
  tn_program_destroy(program);
}

START_TEST(tiles_of_bf16_are_what_they_mean)
{
  for (int kind = -1; kind < 3; kind++) {
    check_tiles("host", 32, 2, 2, kind);
    check_tiles("host", 49, 1, 1, kind);
    check_tiles("host", 1, 1, 3, kind);
  }
  check_tiles("x86-64-v2", 5, 1, 2, -1);
}
END_TEST

enum { MOST_STEPS = 320 };
static uint8_t left[MOST_SUMS * 8], right[MOST_STEPS * 256];

/* Of floats small integers, whose sums are exact. */
static void fill_numbers(const char *type, uint8_t *to, size_t bytes) {
  tn_type short_type = tni_type_parse(type, strlen(type));
  for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)units_random();
  for (size_t i = 0; tni_type_is_float(short_type) && i < bytes / 2; i++)
    tni_write_element(short_type, to, (int64_t)i, (tni_scalar){.f = (double)(units_random() % 15) - 7});
}

/* C = A B, as the default schedule does it; behind: another block, of the sums and a row. Tiles: is it done by them? */
static void check_product(const char *a_type, const char *b_type, int m, int n, int k, bool behind, bool tiles) {
  char text[1024];
  const char *c = strstr(a_type, "f16") ? "f32" : "i32", *last = behind ? "T" : "C";
  snprintf(text, sizeof text,
           "func f(A: %s[%d, %d], B: %s[%d, %d], C: %s[%d, %d]) {\n"
           "  for i in 0..%d {\n    for j in 0..%d {\n      for k in 0..%d {\n"
           "        block P(p: 0..%d = i, q: 0..%d = j, reduce r: 0..%d = k) {\n          init {\n            %s[p, q] = %s:%s\n          }\n"
           "          %s[p, q] = %s[p, q] + cast(%s, A[p, r]) * cast(%s, B[r, q])\n        }\n      }\n    }\n  }\n",
           a_type, m, k, b_type, k, n, c, m, n, m, n, k, m, n, k, last, *c == 'i' ? "0" : "0.0", c,
           last, last, c, c);
  if (behind) { /* the alloc stands first */
    char whole[1024], *brace = strchr(text, '{');
    snprintf(whole, sizeof whole,
             "%.*s{\n  alloc T: %s[%d, %d]\n%s  for i in 0..%d {\n    for j in 0..%d {\n      block Y(p: 0..%d = i, q: 0..%d = j) {\n"
             "        C[p, q] = T[p, q] + cast(%s, A[p, 0])\n      }\n    }\n  }\n",
             (int)(brace - text), text, c, m, n, brace + 2, m, n, m, n, c);
    memcpy(text, whole, sizeof text);
  }
  strcat(text, "}\n");
  tn_program *program = session_parse(ctx, text);
  tn_compile_desc desc = {.struct_size = sizeof desc, .target = tile_host()};
  tn_module *module;
  const tn_function *function;
  char *assembly;
  size_t size;
  fill_numbers(a_type, left, sizeof left);
  fill_numbers(b_type, right, sizeof right);
  memset(sums_want, 0xff, sizeof sums_want);
  memset(sums_got, 0xff, sizeof sums_got);
  must(tni_evaluate_interpreted(NULL, tn_program_func(program, "f"), (void *const[]){left, right, sums_want}, &error),
       error);
  must(tn_compile(program, &desc, &module, &error), error);
  must(tn_module_function(module, "f", &function, &error), error);
  int32_t (*code)(const tn_env *, void *, void *, void *) =
      (int32_t(*)(const tn_env *, void *, void *, void *))tn_function_pointer(function);
  ck_assert_int_eq(code(tn_function_env(function), left, right, sums_got), 0);
  ck_assert_msg(memcmp(sums_want, sums_got, sizeof sums_got) == 0, "not the same as\n%s", text);
  must(tn_program_emit(program, &desc, "asm", &assembly, &size, &error), error);
  ck_assert_msg((count_of(assembly, "tdpb") > 0) == (tiles && has_tiles()), "%s tiles for\n%s", tiles ? "no" : "",
                text);
  tn_text_destroy(assembly);
  tn_module_destroy(module);
  tn_program_destroy(program);
}

/* Rows, columns and steps that leave something over or not, operands that stand as tiles want them or are packed. */
START_TEST(products_of_given_operands_run_in_tiles)
{
  static const int sizes[][3] = {{64, 64, 64}, {33, 65, 129}, {40, 100, 147}, {96, 33, 64},
                                 {50, 50, 50}, {20, 17, 300}, {25, 160, 32}};
  static const char *const types[][2] = {{"u8", "i8"}, {"i8", "i8"}, {"u8", "u8"}, {"i8", "u8"}, {"bf16", "bf16"}};
  for (size_t t = 0; t < TNI_COUNT(types); t++) {
    for (size_t i = 0; i < TNI_COUNT(sizes); i++)
      check_product(types[t][0], types[t][1], sizes[i][0], sizes[i][1], sizes[i][2], i % 2, true);
    check_product(types[t][0], types[t][1], 2, 70, 3, true, false); /* too little */
  }
  for (size_t i = 0; i < TNI_COUNT(sizes); i++) /* which are cast once */
    check_product("f16", "f16", sizes[i][0], sizes[i][1], sizes[i][2], i % 2, false);
}
END_TEST

/* By the names of the features alone: what this CPU has does not matter. */
START_TEST(targets_have_units_by_their_features)
{
  tn_target t = {.isa = TNI_ISA_X86_64, .features = "+avx512bf16x,-avx512vnni,+avxvnni", .maker = "", .vector_bits = 512};
  const tni_unit *dot4 = tni_unit_find(ctx, "dot4_u8s8"), *bf16 = tni_unit_find(ctx, "dot2_bf16");
  ck_assert_ptr_null(tni_target_unit(&t, dot4, 512));
  ck_assert_ptr_nonnull(tni_target_unit(&t, dot4, 256));
  ck_assert_ptr_null(tni_target_unit(&t, bf16, 512));
  ck_assert_str_eq(tni_target_product_unit(ctx, &t, TN_I32, TN_U8, TN_I8)->name, "dot2_u8s8");
  t.features = "+avx512bf16,+avx512vnni";
  ck_assert_str_eq(tni_target_product_unit(ctx, &t, TN_I32, TN_U8, TN_I8)->name, "dot4_u8s8");
  ck_assert_ptr_null(tni_target_product_unit(ctx, &t, TN_F32, TN_BF16, TN_BF16));
  t.maker = "AuthenticAMD 25 17";
  ck_assert_str_eq(tni_target_product_unit(ctx, &t, TN_F32, TN_BF16, TN_BF16)->name, "dot2_bf16");
  t.vector_bits = 256;
  ck_assert_ptr_null(tni_target_unit(&t, dot4, 512));
  t.isa = TNI_ISA_AARCH64;
  ck_assert_ptr_null(tni_target_unit(&t, dot4, 256));
  ck_assert_ptr_null(tni_unit_find(ctx, "dot5"));
  ck_assert(!tni_target_has_tiles(&t, TN_I32, TN_U8, TN_I8));
  t.features = "+amx-tile,+amx-int8";
  ck_assert(!tni_target_has_tiles(&t, TN_I32, TN_U8, TN_I8));
  t.features = "+neon,+i8mm,+sme";
  ck_assert_int_eq(tni_target_tile(&t, TN_I32, TN_I8, TN_U8)->form, TNI_TILE_ZA);
  ck_assert_int_eq(tni_target_tile(&t, TN_I32, TN_I8, TN_I8)->form, TNI_TILE_ZA);
  ck_assert_ptr_nonnull(tni_target_tile(&t, TN_F32, TN_F32, TN_F32));
  t.features = "+neon,+i8mm";
  ck_assert_int_eq(tni_target_tile(&t, TN_I32, TN_I8, TN_I8)->form, TNI_TILE_PAIRS);
  ck_assert_int_eq(tni_target_tile(&t, TN_I32, TN_I8, TN_U8)->form, TNI_TILE_PAIRS);
  ck_assert_ptr_null(tni_target_tile(&t, TN_I32, TN_I8, TN_U16));
  ck_assert_ptr_null(tni_target_tile(&t, TN_F32, TN_F32, TN_F32));
  t.features = "+amx-tile,+amx-int8";
  t.isa = TNI_ISA_X86_64;
  ck_assert(tni_target_has_tiles(&t, TN_I32, TN_U8, TN_I8) && tni_target_has_tiles(&t, TN_I32, TN_U8, TN_U8));
  ck_assert(!tni_target_has_tiles(&t, TN_I32, TN_U8, TN_U16));
  ck_assert(!tni_target_has_tiles(&t, TN_F32, TN_BF16, TN_BF16));
  t.features = "+amx-tile,+amx-bf16";
  ck_assert(tni_target_has_tiles(&t, TN_F32, TN_BF16, TN_BF16) && !tni_target_has_tiles(&t, TN_I32, TN_U8, TN_I8));
}
END_TEST

/* With an argument: only what tiles do, which are emulated. */
int main(int argc, char **argv) {
  const TTest *const tests[] = {
      instructions_are_what_they_mean,
      targets_have_units_by_their_features,
      products_run_in_tiles,
      sums_begin_with_zeros_in_the_registers,
      registers_are_set_up_when_they_must_be,
      other_loops_stay_loops,
      tiles_of_bf16_are_what_they_mean,
      products_of_given_operands_run_in_tiles,
  };
  emulates = argc > 1;
  size_t first = emulates ? 2 : 0;
  (void)argv;
  return suite_run_tests("units", tests + first, TNI_COUNT(tests) - first, open_context, close_context);
}
