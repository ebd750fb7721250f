/* cases.c -- runs the .tn files of a folder: a program, schedules, what becomes of it.
 *
 *     func f(..) { .. }
 *     --- schedule
 *     io, ii = split(i, [0, 8])
 *     --- expect
 *     func f(..) { .. }
 *     --- schedule
 *     split(j, [3])
 *     --- refused
 *     schedule: split: the factors do not cover the extent
 *     needs: larger ones, or a factor 0, which is inferred
 *       for j in 0..10 {
 *           ^
 *
 * Every schedule starts from the program. A refusal is shown without the lines of the program that are not marked. An
 * accepted schedule must keep what the function computes (oracle.h); so must the lines before a refused one, and a refusal
 * leaves the function as it was. TN_BLESS=1 writes what is into the file.
 *
 * The trace of every schedule must lead to the same function again, and when all variables are called otherwise to a like
 * one. --texts compares texts alone, and runs nothing; --traces then writes each trace as a file of cases, so that another
 * process can apply them (traces.sh).
 *
 * A program with the comment `# keeps the order` is scheduled without reassociation. One whose schedules are unsafe says
 * `# results may differ`: what such a schedule made is compared with itself, in the interpreter, compiled and so on.
 *
 *     cases FOLDER [NAME-PART | --texts [--traces FOLDER]]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>

#include "oracle.h"
#include "rename.h"

enum { MAX_FILES = 2048, MAX_PATH = 1024 };

typedef struct text {
  char *data;
  size_t size;
} text;

static void add(text *t, const char *piece, size_t length) {
  t->data = realloc(t->data, t->size + length + 1);
  memcpy(t->data + t->size, piece, length);
  t->size += length;
  t->data[t->size] = 0;
}

static void add_line(text *t, const char *line) {
  add(t, line, strlen(line));
  if (t->size && t->data[t->size - 1] != '\n') add(t, "\n", 1);
}

static text read_file(const char *path) {
  text t = {NULL, 0};
  char buffer[4096];
  size_t n;
  FILE *f = fopen(path, "rb");
  add(&t, "", 0);
  while (f && (n = fread(buffer, 1, sizeof buffer, f)) > 0) add(&t, buffer, n);
  if (f) fclose(f);
  return t;
}

/* The text up to the next line that begins with `---`; *at moves to that line. */
static text take_section(const char **at) {
  text t = {NULL, 0};
  const char *begin = *at, *end = strncmp(begin, "---", 3) == 0 ? begin : strstr(begin, "\n---");
  end = !end ? begin + strlen(begin) : end == begin ? end : end + 1;
  add(&t, begin, (size_t)(end - begin));
  *at = end;
  return t;
}

/* Takes the line `--- WORD`. */
static bool take_title(const char **at, const char *word) {
  size_t n = strlen(word);
  if (strncmp(*at, "--- ", 4) != 0 || strncmp(*at + 4, word, n) != 0 || (*at)[4 + n] != '\n') return false;
  *at += 5 + n;
  return true;
}

static size_t line_length(const char *s) { return strcspn(s, "\n"); }

static bool is_mark(const char *line) {
  size_t n = line_length(line), i = strspn(line, " ");
  return i < n && line[i] == '^' && i + strspn(line + i, "^") == n;
}

/* An error's text with those lines that say something: the reason, what it needs, and what is marked. */
static text condense(const char *error) {
  text t = {NULL, 0};
  for (const char *line = error; *line;) {
    size_t n = line_length(line);
    const char *next = line[n] ? line + n + 1 : line + n;
    bool program = strncmp(error, "schedule: line", 14) != 0 && line != error;
    if (!program || strncmp(line, "needs: ", 7) == 0 || is_mark(line) || is_mark(next)) {
      add(&t, line, n);
      add(&t, "\n", 1);
    }
    line = next;
  }
  return t;
}

/* ---- one schedule ------------------------------------------------------------------------------------------------- */

typedef struct outcome {
  bool refused;
  text shown; /* the function, or the error */
} outcome;

/* Line by line, so that a refusal can be seen to change nothing. False: o->why. */
static bool run_lines(oracle *o, tn_schedule *s, const char *lines, outcome *out) {
  for (const char *line = lines; *line && !out->refused;) {
    char one[512];
    tn_error *error;
    size_t n = line_length(line);
    snprintf(one, sizeof one, "%.*s", (int)n, line);
    char *before = strdup(tn_schedule_text(s));
    out->refused = tn_schedule_run(s, one, &error) != TN_OK;
    if (out->refused) out->shown = condense(tn_error_text(error));
    bool same = !out->refused || strcmp(before, tn_schedule_text(s)) == 0;
    tn_error_destroy(error);
    free(before);
    if (!same) return oracle_fail(o, "the refused line `%s` changed the function", one);
    line += line[n] ? n + 1 : n;
  }
  return true;
}

/* The lines lead from the program to `want`. `renamed`: from the program with all its variables called otherwise, and to
 * `want` with all variables of one name. */
static bool replay(oracle *o, const char *program_text, const char *lines, const char *want, bool renamed,
                   bool simplified) {
  tn_program *program;
  tn_schedule *again;
  tn_error *error;
  if (tn_program_parse(o->ctx, program_text, strlen(program_text), "case", &program, &error) != TN_OK)
    return oracle_fail_error(o, "parse", error);
  const tn_func *func = tn_program_func_at(program, 0);
  if (renamed) rename_all(o->ctx, func, "q", "Q");
  bool ok = tn_schedule_create(program, func, &again, &error) == TN_OK;
  if (ok) {
    ok = tn_schedule_run(again, lines, &error) == TN_OK || oracle_fail_error(o, "the trace", error);
    if (renamed) rename_all(o->ctx, again->func, "v", "V");
    if (ok && strcmp(tn_schedule_text(again), want) != 0)
      ok = oracle_fail(o, "the trace leads%s to another function:\n%s%s", renamed ? " with other names" : "", lines,
                       tn_schedule_text(again));
    if (ok && !renamed && !simplified && strcmp(tn_schedule_trace(again), lines) != 0)
      ok = oracle_fail(o, "the trace gives another trace:\n%s", tn_schedule_trace(again));
    tn_schedule_destroy(again);
  }
  tn_program_destroy(program);
  return ok;
}

/* The trace leads from the program to the same function, simplified too, and to a like one when all is called otherwise. The schedule's function
 * is renamed too. */
static bool replay_both(oracle *o, const char *program_text, tn_schedule *s) {
  char *simple;
  bool ok = replay(o, program_text, tn_schedule_trace(s), tn_schedule_text(s), false, false);
  ok = ok && tn_schedule_simplify(s, &simple, NULL) == TN_OK;
  if (ok) {
    ok = replay(o, program_text, simple, tn_schedule_text(s), false, true);
    tn_text_destroy(simple);
  }
  rename_all(o->ctx, s->func, "v", "V");
  return ok && replay(o, program_text, tn_schedule_trace(s), tn_schedule_text(s), true, false);
}

/* ---- traces for another process ------------------------------------------------------------------------------------ */

static const char *traces_folder; /* NULL: none are written */
static bool texts_only;           /* nothing is run, only texts are compared */
static int trace_count;

/* A file of cases: the program, the trace, what it leads to. */
static bool write_trace(oracle *o, const char *program_text, tn_schedule *s) {
  char path[MAX_PATH];
  if (!traces_folder) return true;
  snprintf(path, sizeof path, "%s/%04d.tn", traces_folder, trace_count++);
  FILE *f = fopen(path, "wb");
  if (!f) return oracle_fail(o, "cannot write %s", path);
  fprintf(f, "%s--- schedule\n%s--- expect\n%s", program_text, tn_schedule_trace(s), tn_schedule_text(s));
  return fclose(f) == 0;
}

/* What an unsafe schedule made computes what it computes, wherever it runs. The program has to say that it may be something else. */
static bool expect_anew(oracle *o, const char *program_text, const tn_func *func, oracle_data *want) {
  if (!strstr(program_text, "# results may differ")) return oracle_fail(o, "the program does not say `# results may differ`");
  if (texts_only) return true;
  oracle_data_free(want);
  bool ok = oracle_expect(o, func, want);
  if (!ok) memset(want, 0, sizeof *want);
  return ok;
}

static bool run_schedule(oracle *o, const char *program_text, const char *lines, outcome *out) {
  tn_program *program;
  tn_schedule *s;
  tn_error *error;
  const tn_func *func;
  oracle_data want;
  if (tn_program_parse(o->ctx, program_text, strlen(program_text), "case", &program, &error) != TN_OK)
    return oracle_fail_error(o, "parse", error);
  func = tn_program_func_at(program, 0);
  bool ok = texts_only || (oracle_bind(o, program, program_text) && oracle_expect(o, func, &want));
  if (ok) {
    ok = (texts_only || oracle_run_all(o, program, func, &want)) &&
         tn_schedule_create(program, func, &s, &error) == TN_OK;
    if (ok) {
      tn_schedule_forbid_reassociation(s, strstr(program_text, "# keeps the order") != NULL);
      ok = run_lines(o, s, lines, out);
      if (ok && !out->refused) add_line(&out->shown, tn_schedule_text(s));
      ok = ok && write_trace(o, program_text, s);
      ok = ok && (tn_schedule_commit(s, &func, &error) == TN_OK || oracle_fail_error(o, "commit", error));
      if (ok && tn_schedule_is_unsafe(s)) ok = expect_anew(o, program_text, func, &want);
      ok = ok && (texts_only || oracle_run_all(o, program, func, &want));
      ok = ok && replay_both(o, program_text, s);
      tn_schedule_destroy(s);
    }
    if (!texts_only) oracle_data_free(&want);
  }
  tn_program_destroy(program);
  return ok;
}

/* ---- one file ----------------------------------------------------------------------------------------------------- */

static bool run_case(oracle *o, const char *program, const char **at, text *blessed) {
  bool expects;
  outcome out = {false, {NULL, 0}};
  if (!take_title(at, "schedule")) return oracle_fail(o, "expected `--- schedule`");
  text lines = take_section(at);
  expects = take_title(at, "expect");
  bool ok = expects || take_title(at, "refused") || oracle_fail(o, "expected `--- expect` or `--- refused`");
  text want = take_section(at);
  ok = ok && run_schedule(o, program, lines.data, &out);
  if (ok) {
    add_line(blessed, "--- schedule");
    add_line(blessed, lines.data);
    add_line(blessed, out.refused ? "--- refused" : "--- expect");
    add_line(blessed, out.shown.data);
    if (out.refused == expects || strcmp(want.data, out.shown.data) != 0)
      ok = oracle_fail(o, "%s:\n%s", out.refused ? "it is refused" : "it becomes", out.shown.data);
  }
  if (!ok && (!getenv("TN_BLESS") || out.refused == expects))
    fprintf(stderr, "%s  -> %s\n", lines.data, out.shown.data ? out.shown.data : "");
  free(lines.data);
  free(want.data);
  free(out.shown.data);
  return ok;
}

static bool run_file(tn_context *ctx, const char *path, const char *name) {
  static oracle o;
  o = (oracle){.ctx = ctx, .seed = 1};
  text file = read_file(path), blessed = {NULL, 0};
  const char *at = file.data;
  text program = take_section(&at);
  bool ok = true, bless = getenv("TN_BLESS") != NULL;
  add_line(&blessed, program.data);
  if (strstr(program.data, "# inexact")) o.tolerance = 1e-5;
  if (!*at) ok = oracle_fail(&o, "there is no schedule");
  while (*at) {
    const char *begin = at;
    o.why[0] = 0;
    if (run_case(&o, program.data, &at, &blessed)) continue;
    ok = bless && (strncmp(o.why, "it ", 3) == 0);
    if (ok) continue;
    fprintf(stderr, "%s: %s\n", name, o.why);
    bless = false;
    if (at == begin) break; /* nothing that can be read */
  }
  FILE *f = ok && bless ? fopen(path, "wb") : NULL;
  if (f) {
    fwrite(blessed.data, 1, blessed.size, f);
    fclose(f);
  }
  free(file.data);
  free(program.data);
  free(blessed.data);
  return ok;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(int argc, char **argv) {
  char *names[MAX_FILES], path[MAX_PATH];
  size_t count = 0, failed = 0;
  tn_context *ctx;
  tn_context_desc desc = {.struct_size = sizeof desc, .threads = {.count = 2, .compile_workers = 1}};
  struct dirent *entry;
  DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
  texts_only = argc > 2 && strcmp(argv[2], "--texts") == 0;
  if (argc > 4 && strcmp(argv[3], "--traces") == 0) traces_folder = argv[4];
  if (!folder || tn_context_create(&desc, &ctx, NULL) != TN_OK) {
    fprintf(stderr, "cases: no folder %s\n", argc > 1 ? argv[1] : "given");
    return 1;
  }
  while ((entry = readdir(folder)) && count < MAX_FILES) {
    size_t n = strlen(entry->d_name);
    if (n > 3 && strcmp(entry->d_name + n - 3, ".tn") == 0 &&
        (argc < 3 || texts_only || strstr(entry->d_name, argv[2])))
      names[count++] = strdup(entry->d_name);
  }
  closedir(folder);
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
    bool ok = run_file(ctx, path, names[i]);
    printf("%s %s\n", ok ? "ok  " : "FAIL", names[i]);
    failed += !ok;
    free(names[i]);
  }
  printf("%zu passed, %zu failed\n", count - failed, failed);
  tn_context_destroy(ctx);
  return failed || !count;
}
