/* fuzz.c -- random programs under random schedules: each must still compute the same (oracle.h).
 *
 *     fuzz [--seed N] [--count N] [--seconds N] [--kind NAME] [--no-code] [--keep-going]
 *          [--verbose] [--reasons] [--cases FOLDER] [--off CHECK | --each]
 *
 * With --cases every other program is one of the .tn files there, with one of its schedules, and a few lines more.
 * Of schedule_mutants (mutate.py), --off switches one of the checks off, and --each every check for a moment (mutants.h).
 *
 * Program number n of a seed is the same everywhere: `--seed S --count 1` repeats the failure that names S. A failure
 * prints the program, the schedule with the lines that are not needed left out, and the first difference.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "corpus.h"
#include "oracle.h"
#include "programs.h"
#include "reals.h"

enum { MAX_STEPS = 20, MAX_GIVEN = 40, MAX_LINES = 24, LINE = 256, TEXT = 16384, MAX_NAMES = 128 };

typedef struct script {
  size_t count;
  char lines[MAX_LINES][LINE];
} script;

typedef struct names {
  size_t count;
  char at[MAX_NAMES][64];
  const char *place[MAX_NAMES]; /* in the text */
} names;

static oracle o;
static char program_text[TEXT];
static script applied;
static uint64_t current_seed;
static long accepted[64], tried[64]; /* by primitive */
static bool verbose, reasons;
static long meaningful;

/* ---- choosing lines ------------------------------------------------------------------------------------------------ */

/* The names behind each `word` of a printed function. */
static void find_names(const char *text, const char *word, const char *ends, names *out) {
  size_t n = strlen(word);
  out->count = 0;
  for (const char *p = strstr(text, word); p && out->count < MAX_NAMES; p = strstr(p + 1, word)) {
    size_t length = strcspn(p + n, ends);
    if ((p == text || p[-1] == ' ') && length < sizeof *out->at) {
      out->place[out->count] = p;
      snprintf(out->at[out->count++], sizeof *out->at, "%.*s", (int)length, p + n);
    }
  }
}

static const char *any(const names *list, uint64_t *state) {
  return list->count ? list->at[oracle_random(state) % list->count] : "none";
}

/* A loop near the block: one of the few before it (`above`), or one behind it. */
static const char *loop_near(const names *loops, const char *block, bool above, uint64_t *state) {
  size_t before = 0;
  while (before < loops->count && loops->place[before] < block) before++;
  size_t low = above ? (before > 4 ? before - 4 : 0) : before, high = above ? before : loops->count;
  return low < high ? loops->at[low + oracle_random(state) % (high - low)] : "none";
}

/* Any loop before it. */
static const char *loop_before(const names *loops, const char *block, uint64_t *state) {
  size_t before = 0;
  while (before < loops->count && loops->place[before] < block) before++;
  return before ? loops->at[oracle_random(state) % before] : "none";
}

/* What moves or reshapes a block. */
static void choose_block_line(const names *loops, const names *blocks, size_t b, uint64_t *state, char *line) {
  const char *block = blocks->at[b], *place = blocks->place[b];
  const char *above = loop_near(loops, place, true, state);
  size_t before = b - (b > 0) - (b > 1 && oracle_random(state) % 4 == 0); /* most often the block before it */
  static const char *const units[] = {"dot4_u8s8", "dot4_s8s8", "dot4_u8u8", "dot2_u8s8", "dot2_s8s8", "dot2_s16"};
  switch (oracle_random(state) % 8) {
  case 6: snprintf(line, LINE, "tensorize(%s, \"%s\")", block, units[oracle_random(state) % TNI_COUNT(units)]); break;
  case 0: snprintf(line, LINE, "rfactor(%s, %u)", above, oracle_random(state) % 3); break;
  case 1:
  case 2: snprintf(line, LINE, "reverse_compute_at(%s, %s)", block, loop_before(loops, blocks->place[before], state)); break;
  case 5: snprintf(line, LINE, "blockize(%s)", above); break;
  case 3: snprintf(line, LINE, "reverse_compute_inline(%s)", block); break;
  case 4:
    snprintf(line, LINE, "fuse_reduction_epilogue(%s, %s)", blocks->at[before], block);
    break;
  default: snprintf(line, LINE, "decompose_reduction(%s, %s)", block, above); break;
  }
}

static size_t column_of(const char *text, const char *place) {
  size_t column = 0;
  while (place > text && place[-1] != '\n') place--, column++;
  return column;
}

/* The next loop that stands as far inside as this one: often its neighbour. */
static const char *loop_behind(const char *text, const names *loops, size_t at) {
  for (size_t i = at + 1; i < loops->count; i++)
    if (column_of(text, loops->place[i]) == column_of(text, loops->place[at])) return loops->at[i];
  return "none";
}

/* What makes other loops of some. */
static void choose_loop_line(const char *text, const names *loops, size_t at, const char *block, uint64_t *state,
                             char *line) {
  const char *loop = loops->at[at];
  uint32_t f = 1 + oracle_random(state) % 5, g = 1 + oracle_random(state) % 4;
  static const char *const orders[] = {"[0]", "[1, 0]", "[2, 0, 1]", "[1, 0, 2]"};
  static const char *const axes[] = {"block.x", "block.y", "thread.x", "thread.x", "thread.y"};
  switch (oracle_random(state) % 11) {
  case 10: snprintf(line, LINE, "split(%s, [0, %u], tail=overlap)", loop, f); break;
  case 0: snprintf(line, LINE, "split(%s, [0, %u], tail=pad)", loop, f); break;
  case 1: snprintf(line, LINE, "split(%s, [0, %u], tail=cut)", loop, f); break;
  case 2: snprintf(line, LINE, "split(%s, [%u, %u], tail=cut)", loop, f, g); break;
  case 3: snprintf(line, LINE, "loop_partition(%s, [%u, %u])", loop, f, f + g); break;
  case 4: snprintf(line, LINE, "reorder_block_iter_var(%s, %s)", block, orders[g - 1]); break;
  case 5: snprintf(line, LINE, "bind(%s, %s)", loop, axes[f - 1]); break;
  case 6: snprintf(line, LINE, "outline(%s)", g == 1 ? block : loop); break;
  default: snprintf(line, LINE, "merge([%s, %s])", loop, loop_behind(text, loops, at)); break;
  }
}

/* Decisions that the schedule draws, and what is made of them. */
static void choose_sample_line(const char *loop, const char *block, uint64_t *state, char *line) {
  uint32_t f = 1 + oracle_random(state) % 4, g = 1 + oracle_random(state) % 3;
  switch (oracle_random(state) % 9) {
  case 0: snprintf(line, LINE, "t0, t1 = sample_perfect_tile(%s, 2, max_innermost=%u)", loop, f * g); break;
  case 1: snprintf(line, LINE, "t0, t1, t2 = sample_perfect_tile(%s, 3)", loop); break;
  case 2: snprintf(line, LINE, "t0, t1 = sample_partitioned_tile(%s, 2, 1, %u)", loop, g); break;
  case 3: snprintf(line, LINE, "u = sample_categorical([%u, %u, 7], [0.5, 0.25, 0.25])", f, g); break;
  case 4: snprintf(line, LINE, "where = sample_compute_location(%s)", block); break;
  case 5: snprintf(line, LINE, "compute_at(%s, where)", block); break;
  case 6: snprintf(line, LINE, "split(%s, [0, u])", loop); break;
  default: snprintf(line, LINE, "split(%s, [t0, t1])", loop); break;
  }
}

/* Where buffers live, and how their elements stand. */
static void choose_buffer_line(const names *loops, const names *blocks, uint64_t *state, char *line) {
  static const char *const scopes[] = {"global", "local", "register", "shared"};
  size_t b = oracle_random(state) % blocks->count;
  const char *block = blocks->at[b];
  uint32_t f = oracle_random(state) % 4, g = 1 + oracle_random(state) % 5, store = oracle_random(state) % 4 == 0;
  static const char *const maps[] = {"(i) -> (i // 3, i % 3)",      "(i, j) -> (j // 4, i, j % 4)", "(i, j) -> (j, i)",
                                     "(i, j) -> (i // 2, j, i % 2)", "(i, j) -> (i * 5 + j)",        "(i, j, k) -> (k, i, j)",
                                     "(i, j, k) -> (i, k // 2, j, k % 2)"};
  switch (oracle_random(state) % 5) {
  case 0: snprintf(line, LINE, "set_scope(%s, %s, store=%u)", block, scopes[f], store); break;
  case 2:
    snprintf(line, LINE, "transform_layout(%s, \"%s\", store=%u%s)", block, maps[oracle_random(state) % 7], store,
             g > 3 ? ", pad=\"7.0\"" : "");
    break;
  case 3:
    snprintf(line, LINE, "rolling_buffer(%s, %s, spare=%u)", block, loop_near(loops, blocks->place[b], true, state), f % 3);
    break;
  case 4:
    snprintf(line, LINE, "double_buffer(%s, %s, copies=%u, store=%u)", block,
             loop_near(loops, blocks->place[b], true, state), 2 + f % 2, store);
    break;
  default:
    snprintf(line, LINE, "storage_align(%s, %u, %u, offset=%u, store=%u)", block, f % 3, g + f, f % g, store);
  }
}

#include "caches.h"
#include "rounds.h"
#include "moves.h"

/* The loops above a block are a good list to draw from: they hang together. */
static void choose_line(const char *text, uint64_t *state, char *line) {
  names loops, blocks;
  find_names(text, "for ", " ", &loops);
  find_names(text, "block ", "(", &blocks);
  uint32_t what = oracle_random(state) % 32, f = 1 + oracle_random(state) % 5, g = 1 + oracle_random(state) % 4;
  size_t at = loops.count ? oracle_random(state) % loops.count : 0, left = loops.count - at;
  const char *l0 = loops.count ? loops.at[at] : "none", *l1 = left > 1 ? loops.at[at + 1] : l0,
             *l2 = left > 2 ? loops.at[at + 2] : l1;
  size_t b = blocks.count ? oracle_random(state) % blocks.count : 0;
  if (loops.count && oracle_random(state) % 6 == 0) {
    choose_loop_line(text, &loops, at, any(&blocks, state), state, line);
    return;
  }
  if (blocks.count && oracle_random(state) % 8 == 0) {
    choose_move_line(&loops, &blocks, state, line);
    return;
  }
  if (blocks.count && oracle_random(state) % 6 == 0) {
    choose_buffer_line(&loops, &blocks, state, line);
    return;
  }
  if (blocks.count && oracle_random(state) % (strstr(program_text, "# windows") ? 2 : 24) == 0) {
    choose_window_line(text, &loops, &blocks, state, line);
    return;
  }
  for (size_t i = 0; f > 3 && i < blocks.count; i++) /* a producer more often than others */
    if (strcmp(blocks.at[i], "P") == 0) b = i;
  if (!blocks.count && what != 20 && what != 21) what %= 14;
  static const char *const scopes[] = {"global", "local", "register"};
  switch (what) {
  case 0:
  case 1:
  case 2: snprintf(line, LINE, "split(%s, [0, %u])", l0, f); break;
  case 3: snprintf(line, LINE, "split(%s, [%u, 0, %u])", l0, f, g); break;
  case 4:
  case 5: snprintf(line, LINE, "fuse([%s, %s])", l0, l1); break;
  case 6:
  case 7: snprintf(line, LINE, "reorder([%s, %s])", l1, l0); break;
  case 8: snprintf(line, LINE, "reorder([%s, %s, %s])", l2, l0, l1); break;
  case 9:
  case 10: snprintf(line, LINE, "parallel(%s)", l0); break;
  case 11:
  case 12: snprintf(line, LINE, "vectorize(%s)", l0); break;
  case 13: snprintf(line, LINE, "unroll(%s)", l0); break;
  case 14:
  case 15:
    snprintf(line, LINE, "compute_at(%s, %s)", blocks.at[b], loop_near(&loops, blocks.place[b], false, state));
    break;
  case 22:
  case 23:
  case 24:
  case 25:
  case 26:
  case 27: choose_block_line(&loops, &blocks, b, state, line); break;
  case 29: /* a producer within the loop it is in */
    snprintf(line, LINE, "compute_at(%s, %s)", blocks.at[b], loop_near(&loops, blocks.place[b], true, state));
    break;
  case 30:
  case 31: choose_sample_line(l0, blocks.at[b], state, line); break;
  case 20: snprintf(line, LINE, "add_unit_loop(%s)", l0); break;
  case 21: snprintf(line, LINE, f > 2 ? "annotate(%s, \"note\", %u)" : "unannotate(%s, \"note\")", l0, g); break;
  case 16: snprintf(line, LINE, "compute_inline(%s)", blocks.at[b]); break;
  case 18:
  case 28: choose_cache_line(&loops, &blocks, l0, state, line); break;
  case 17:
    snprintf(line, LINE, g == 1 ? "cache_write(%s, \"%s\", store=1)" : "cache_write(%s, \"%s\")", any(&blocks, state),
             scopes[f % 3]);
    break;
  default:
    snprintf(line, LINE, "decompose_reduction(%s, %s)", blocks.at[b], loop_near(&loops, blocks.place[b], true, state));
    break;
  }
}

/* ---- one program --------------------------------------------------------------------------------------------------- */

/* `default NAME` is the default schedule for a target. */
static tn_status apply(tn_schedule *s, const char *line, tn_error **err) {
  const tn_target *target;
  if (strncmp(line, "default ", 8) != 0) return tn_schedule_run(s, line, err);
  tn_status status = tn_target_get(o.ctx, line + 8, &target, err);
  return status ? status : tn_schedule_default(s, target, err);
}

static bool open_program(tn_program **program, const tn_func **func) {
  tn_error *error;
  if (tn_program_parse(o.ctx, program_text, strlen(program_text), "fuzz", program, &error) != TN_OK)
    return oracle_fail_error(&o, "the program", error);
  *func = tn_program_func_at(*program, 0);
  if (oracle_bind(&o, *program, program_text)) return true;
  tn_program_destroy(*program);
  return false;
}

/* Sums of a program that keeps their order have the same bits whatever its inputs. */
static bool keeps_order(void) { return strstr(program_text, "# keeps the order") != NULL; }

static bool open_schedule(tn_program *program, const tn_func *func, tn_schedule **s) {
  tn_error *error;
  if (tn_schedule_create(program, func, s, &error) != TN_OK) return oracle_fail_error(&o, "the schedule", error);
  tn_schedule_forbid_reassociation(*s, keeps_order());
  return true;
}

static const tn_stmt *drop_assert(void *self, tni_region *r, const tn_stmt *s) {
  (void)self, (void)r;
  return s->kind == TNI_ASSERT ? tni_rest(s) : s;
}

/* A program may read what it never wrote: then it means nothing, even if an assert fails before. The verifier asks of runs that
 * come to their end. */
static bool is_meaningful(void) {
  tn_program *program;
  const tn_func *func;
  oracle_data want;
  if (!open_program(&program, &func)) return false;
  bool ok = oracle_expect(&o, func, &want);
  if (ok && want.failure[0]) {
    oracle_data_free(&want);
    tni_region r;
    tni_region_init(&r, o.ctx, &program->region);
    const tn_stmt *body = tni_stmt_rewrite(&r, func->body, NULL, drop_assert, NULL);
    ok = oracle_expect(&o, tni_func_with_body(&r, func, func->level, body), &want);
    tni_region_destroy(&r);
  }
  if (ok) oracle_data_free(&want);
  tn_program_destroy(program);
  return ok;
}

/* Runs the lines on the program; those that are refused (all may be, when others are left out) are passed over. */
static bool check_script(const script *lines) {
  tn_program *program;
  const tn_func *func;
  tn_schedule *s;
  tn_error *error;
  oracle_data want;
  if (!open_program(&program, &func)) return false;
  bool ok = oracle_expect(&o, func, &want);
  if (!ok) {
    tn_program_destroy(program);
    return false;
  }
  ok = open_schedule(program, func, &s);
  for (size_t i = 0; ok && i < lines->count; i++) {
    bool changed = apply(s, lines->lines[i], &error) == TN_OK && strncmp(lines->lines[i], "unsafe_", 7) == 0;
    tn_error_destroy(error);
    if (!changed) continue;
    oracle_data_free(&want); /* from here on it is what this has made of it that is kept */
    if (!(ok = oracle_expect(&o, s->func, &want))) memset(&want, 0, sizeof want);
  }
  ok = ok && (tn_schedule_commit(s, &func, &error) == TN_OK || oracle_fail_error(&o, "commit", error));
  ok = ok && oracle_run_all(&o, program, func, &want) &&
       (tn_schedule_is_unsafe(s) || reals_check(&o, program_text, program, func));
  tn_schedule_destroy(s);
  oracle_data_free(&want);
  tn_program_destroy(program);
  return ok;
}

#include "mutants.h"

static void count_line(const char *line, bool ok) {
  const char *results = strstr(line, " = ");
  line = results ? results + 3 : line;
  for (size_t i = 0; i < TNI_PRIMITIVE_COUNT; i++) {
    size_t n = strlen(tni_primitives[i].name);
    if (strncmp(line, tni_primitives[i].name, n) != 0 || line[n] != '(') continue;
    tried[i]++;
    accepted[i] += ok;
  }
}

/* Takes the next line of a case, if it is one to apply. */
static bool take_given(const char **given, const char *end, char *line) {
  size_t n = *given < end ? strcspn(*given, "\n") : 0;
  snprintf(line, LINE, "%.*s", (int)n, *given);
  *given += *given < end ? n + 1 : 0;
  return n > 0 && n < LINE;
}

/* The lines that the program asks for, each in a comment of its own, "# try LINE". */
static const corpus_case *lines_to_try(void) {
  static char lines[TEXT];
  static corpus_case given;
  size_t size = 0;
  for (const char *p = strstr(program_text, "# try "); p; p = strstr(p + 1, "# try "))
    size += (size_t)snprintf(lines + size, sizeof lines - size, "%.*s\n", (int)strcspn(p + 6, "\n"), p + 6);
  given.lines = lines;
  given.lines_size = size;
  return size ? &given : NULL;
}

/* Draws lines, behind those of a case (NULL: of none); those that apply are the script. */
static bool draw_script(const corpus_case *from, uint64_t *state) {
  static const char *const targets[] = {"host", "x86-64-v3", "x86-64-v4", "aarch64-i8mm", "riscv64-rvv"};
  tn_program *program;
  const tn_func *func;
  tn_schedule *s;
  tn_error *error;
  applied.count = 0;
  if (!open_program(&program, &func)) return false;
  bool ok = open_schedule(program, func, &s);
  uint32_t mode = oracle_random(state) % 5, tries = from ? MAX_GIVEN + oracle_random(state) % 4 : oracle_random(state) % 45;
  const char *given = from ? from->lines : "", *end = given + (from ? from->lines_size : 0);
  for (uint32_t i = 0; ok && i <= tries && applied.count < MAX_STEPS; i++) {
    char *line = applied.lines[applied.count];
    if (from && i < MAX_GIVEN) {
      if (!take_given(&given, end, line)) continue;
    } else if (i == 0 && mode == 0)
      snprintf(line, LINE, "default %s", targets[oracle_random(state) % 4]);
    else
      choose_line(tn_schedule_text(s), state, line);
    asked_count = 0;
    tn_status status = apply(s, line, &error);
    count_line(line, status == TN_OK);
    if (each) try_without_each(line, *state);
    if (reasons && status != TN_OK) printf("%.12s %.70s\n", line, strchr(tn_error_text(error), ':'));
    if (status == TN_OK)
      applied.count++;
    else if (status != TN_E_REFUSED && status != TN_E_INVALID)
      ok = oracle_fail(&o, "%s: %s", line, tn_error_text(error));
    tn_error_destroy(error);
  }
  tn_schedule_destroy(s);
  tn_program_destroy(program);
  return ok;
}

/* Leaves out lines as long as it still fails. */
static void shrink(void) {
  for (size_t i = applied.count; i > 0; i--) {
    script fewer = applied;
    memmove(fewer.lines[i - 1], fewer.lines[i], (fewer.count - i) * sizeof *fewer.lines);
    fewer.count--;
    if (!check_script(&fewer)) applied = fewer;
  }
  check_script(&applied);
}

static void show(FILE *f) {
  fprintf(f, "--- seed %llu\n%s--- schedule\n", (unsigned long long)current_seed, program_text);
  for (size_t i = 0; i < applied.count; i++) fprintf(f, "%s\n", applied.lines[i]);
}

/* What the script makes of the program, and that lowered. */
static void show_result(FILE *f) {
  tn_program *program;
  const tn_func *func, *lowered;
  tn_schedule *s;
  tn_error *error;
  char *text;
  if (!open_program(&program, &func) || !open_schedule(program, func, &s)) return;
  for (size_t i = 0; i < applied.count; i++) {
    apply(s, applied.lines[i], &error);
    tn_error_destroy(error);
  }
  fprintf(f, "--- becomes\n%s", tn_schedule_text(s));
  if (tn_schedule_commit(s, &func, &error) == TN_OK && tni_lower(&program->region, func, &lowered, &error) == TN_OK &&
      tn_func_print(lowered, &text, &error) == TN_OK) {
    fprintf(f, "--- lowered\n%s", text);
    tn_text_destroy(text);
  }
  tn_error_destroy(error);
  tn_schedule_destroy(s);
  tn_program_destroy(program);
}

static bool run_one(uint64_t seed, int kind) {
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 7;
  current_seed = seed;
  int drawn = (int)(oracle_random(&state) % PROGRAM_KINDS);
  const corpus_case *from = corpus_count && seed % 2 ? &corpus[seed / 2 % corpus_count] : NULL;
  if (from && from->program_size < sizeof program_text)
    snprintf(program_text, sizeof program_text, "%.*s", (int)from->program_size, from->program);
  else
    write_program(program_text, sizeof program_text, kind < 0 ? drawn : kind, &state);
  if (!from) from = lines_to_try();
  o.seed = seed;
  o.values = keeps_order() ? ORACLE_REALS : ORACLE_INTEGERS;
  o.tolerance = strstr(program_text, "# inexact") ? 1e-4 : 0;
  applied.count = 0;
  if (!is_meaningful()) return true;
  meaningful++;
  asked_off = false;
  bool ok = draw_script(from, &state), unchanged = each || (*check_off && !asked_off); /* by what is off */
  if (ok && (unchanged || check_script(&applied))) return true;
  shrink();
  show(stderr);
  if (verbose) show_result(stderr);
  fprintf(stderr, "--- %s\n\n", o.why);
  return false;
}

/* A crash names its program. */
static void crashed(int signal_number) {
  show(stderr);
  fprintf(stderr, "--- signal %d\n", signal_number);
  _exit(1);
}

int main(int argc, char **argv) {
  uint64_t seed = 1;
  long count = 300, seconds = 0, failed = 0, done = 0;
  int kind = -1;
  bool keep_going = false;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 2, .compile_workers = 1}};
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--no-code") == 0) {
      o.no_code = true;
      continue;
    }
    if (strcmp(argv[i], "--reasons") == 0) {
      reasons = true;
      continue;
    }
    if (strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
      continue;
    }
    if (strcmp(argv[i], "--each") == 0) {
      each = keep_going = o.no_code = true;
      continue;
    }
    if (strcmp(argv[i], "--keep-going") == 0) {
      keep_going = true;
      continue;
    }
    if (strcmp(argv[i], "--off") == 0) check_off = value;
    if (strcmp(argv[i], "--cases") == 0 && !corpus_load(value)) return 1;
    if (strcmp(argv[i], "--seed") == 0) seed = strtoull(value, NULL, 10);
    if (strcmp(argv[i], "--count") == 0) count = strtol(value, NULL, 10);
    if (strcmp(argv[i], "--seconds") == 0) seconds = strtol(value, NULL, 10), count = 1L << 40;
    for (int k = 0; strcmp(argv[i], "--kind") == 0 && k < PROGRAM_KINDS; k++)
      if (strcmp(program_names[k], value) == 0) kind = k;
    i++;
  }
  signal(SIGSEGV, crashed);
  signal(SIGABRT, crashed);
  signal(SIGFPE, crashed);
  if (tn_context_create(&desc, &o.ctx, NULL) != TN_OK) return 1;
  printf("seed %llu\n", (unsigned long long)seed);
  time_t start = time(NULL);
  for (; done < count && (keep_going || !failed) && (!seconds || time(NULL) - start < seconds); done++)
    failed += !run_one(seed + (uint64_t)done, kind);
  for (size_t i = 0; i < TNI_PRIMITIVE_COUNT && verbose; i++)
    if (tried[i]) printf("%-20s %ld of %ld applied\n", tni_primitives[i].name, accepted[i], tried[i]);
  if (verbose) printf("%ld meant something\n", meaningful);
  if (each) show_checks();
  printf("%ld passed, %ld failed\n", done - failed, failed);
  tn_context_destroy(o.ctx);
  return failed != 0;
}
