/* arith_cases.c -- index arithmetic, case by case: files of lines with what is asked and the answer.
 *
 *     arith_cases FOLDER [NAME]        TN_BLESS=1 rewrites the answers; a person reads the difference
 *
 *     # a comment
 *     bounds     i: 0..8, n: 1..        ; i * 4 + 2                ; 2..30
 *     modular    i: 0..8                ; i * 4 + 2                ; 2 mod 4
 *     simplify   i, n if n % 4 == 0     ; n // 4 * 4 + i           ; n + i
 *     decide     i: 0..n, n             ; i < n                    ; proven
 *     itermap    o: 0..3 / i: 0..4      ; o * 4 + i                ; dense injective [o * 4 +4]
 *     invert     i: 0..4, j: 0..6       ; i * 6 + j                ; i = y0 // 6, j = y0 % 6
 *     hull       o: 0..3 / i: 0..4      ; o * 4 + i, o * 4 + i + 2 ; [o * 4 +6]
 *     around     o: 0..3                ; [o +4] | [9 +2] - [1 +2] ; ...         and within, covers: area.h
 *
 * `i: 0..8` is 0 <= i < 8; an end may be missing, or an expression. What stands behind `if` is known. Of itermap, invert and hull the
 * loops run that stand behind the slash, or all; a condition is their `where`. [base +extent, ...] is the box; of hull, that
 * around all subscripts, each of which is an access of its own.
 *
 * Every answer is held against all points of the ranges, open ones cut to a window: a wrong one fails even when blessed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>

#include "ir/arith.h"

enum { LINE = 1024, MAX_FILES = 64, MAX_DIMS = 4, MAX_INPUTS = 16, WINDOW_LOW = -7, WINDOW = 21, PARAMS = 4 };

typedef struct variable {
  char name[16], low[64], high[64];
  bool runs;
} variable;

#include "ir/area.h"

typedef struct test_case {
  char kind[16], vars[LINE], input[LINE], want[LINE], where[LINE], inputs[MAX_INPUTS][64];
  size_t count, input_count;
  variable variables[MAX_VARS];
  /* parsed */
  tn_context *ctx;
  tn_program *program;
  tni_region *r;
  const tn_expr *var[MAX_VARS], *low[MAX_VARS], *high[MAX_VARS], *cond, *exprs[MAX_INPUTS], *at[MAX_DIMS];
  size_t dims;
  areas areas;
  tni_facts facts;
  domain points;
  char have[LINE], why[2 * LINE];
} test_case;

/* ---- reading a line ---- */

static char *trim(char *s) {
  size_t n = strlen(s);
  while (n && (s[n - 1] == ' ' || s[n - 1] == '\n')) s[--n] = 0;
  while (*s == ' ') s++;
  return s;
}

/* Cuts s at the first of the separator outside of parentheses; what stands behind it, or NULL. */
static char *cut(char *s, const char *separator) {
  int depth = 0;
  for (; *s; s++) {
    depth += (*s == '(') - (*s == ')');
    if (depth == 0 && strncmp(s, separator, strlen(separator)) == 0) {
      *s = 0;
      return s + strlen(separator);
    }
  }
  return NULL;
}

static bool read_variable(test_case *c, char *s, bool runs) {
  if (c->count == MAX_VARS) return false;
  variable *v = &c->variables[c->count++];
  char *range = cut(s, ":"), *high = range ? cut(range, "..") : NULL;
  *v = (variable){.runs = runs};
  if (range && !high) return false;
  snprintf(v->name, sizeof v->name, "%.15s", trim(s));
  snprintf(v->low, sizeof v->low, "%.63s", range ? trim(range) : "");
  snprintf(v->high, sizeof v->high, "%.63s", high ? trim(high) : "");
  return *v->name;
}

static bool read_variables(test_case *c) {
  char text[LINE], *inner, *next;
  snprintf(text, sizeof text, "%s", c->vars);
  char *where = cut(text, " if ");
  snprintf(c->where, sizeof c->where, "%s", where ? trim(where) : "");
  inner = cut(text, " / ");
  for (char *s = text; s && *trim(s); s = next) {
    next = cut(s, ",");
    if (!read_variable(c, trim(s), inner == NULL)) return false;
  }
  for (char *s = inner; s && *trim(s); s = next) {
    next = cut(s, ",");
    if (!read_variable(c, trim(s), true)) return false;
  }
  return true;
}

static bool add_input(test_case *c, const char *expr) {
  return c->input_count < MAX_INPUTS &&
         snprintf(c->inputs[c->input_count++], sizeof *c->inputs, "%s", expr) < (int)sizeof *c->inputs;
}

/* Subscripts, with commas between. */
static bool read_subscripts(test_case *c) {
  char text[LINE], *next;
  bool ok = true;
  snprintf(text, sizeof text, "%s", c->input);
  for (char *s = text; s && ok; s = next) {
    next = cut(s, ",");
    ok = c->input_count < MAX_DIMS && add_input(c, trim(s));
  }
  c->dims = c->input_count;
  return ok;
}

/* Boxes with operators between: [base +extent, *] | ~[base +extent, base +extent] */
static bool read_areas(test_case *c) {
  char text[LINE], *s = text;
  snprintf(text, sizeof text, "%s", c->input);
  for (char op = '|'; *s; op = *s ? *s++ : 0) {
    char *dim = strchr(s, '['), *end = dim ? strchr(dim, ']') : NULL, *next;
    area_step *step = areas_step(&c->areas, op);
    if (!end || !step) return false;
    *end = 0;
    step->box.exact = dim == s || dim[-1] != '~';
    for (dim++; dim && step->rank < MAX_DIMS; dim = next) {
      next = cut(dim, ",");
      char *extent = strrchr(dim, '+');
      step->first[step->rank] = (int)c->input_count;
      if (extent) *extent = 0;
      step->box.extents[step->rank++] = extent ? atoi(extent + 1) : 0;
      if (!add_input(c, extent ? trim(dim) : "0")) return false;
    }
    for (s = end + 1; *s == ' '; s++) {}
    if (*s && !strchr("|&-<", *s)) return false;
  }
  return true;
}

static bool is_area(const char *kind) {
  return strcmp(kind, "around") == 0 || strcmp(kind, "within") == 0 || strcmp(kind, "covers") == 0;
}

static bool read_case(test_case *c, const char *line) {
  char text[LINE];
  snprintf(text, sizeof text, "%s", line);
  char *vars = strchr(text, ' '), *input = vars ? cut(vars + 1, ";") : NULL, *want = input ? cut(input, ";") : NULL;
  if (!want) return false;
  *vars = 0;
  snprintf(c->kind, sizeof c->kind, "%.15s", text);
  snprintf(c->vars, sizeof c->vars, "%s", trim(vars + 1));
  snprintf(c->input, sizeof c->input, "%s", trim(input));
  snprintf(c->want, sizeof c->want, "%s", trim(want));
  return read_variables(c) && (is_area(c->kind) ? read_areas(c) : read_subscripts(c));
}

/* ---- expressions, by the library's parser: each is a store's value, cast so that any type will do ---- */

static const tn_expr *uncast(test_case *c, const tn_expr *x) {
  return x->op == TN_OP_cast ? x->arg[0] : tni_index(c->r, x->as.i);
}

static void add_store(char *source, const char *expr) {
  size_t n = strlen(source);
  snprintf(source + n, 8 * LINE - n, "I[0] = cast(i64, %s)\n", expr);
}

static bool parse_case(test_case *c) {
  static char source[8 * LINE];
  tn_error *error;
  strcpy(source, "func f(I: i64[9]");
  for (size_t i = 0; i < c->count; i++) strcat(strcat(strcat(source, ", "), c->variables[i].name), ": index");
  for (int i = 0; i < MAX_DIMS; i++) sprintf(source + strlen(source), ", y%d: index", i);
  strcat(source, ", data: i32[100], byte: u8[100]) {\n");
  for (size_t i = 0; i < c->count; i++) {
    add_store(source, *c->variables[i].low ? c->variables[i].low : "0");
    add_store(source, *c->variables[i].high ? c->variables[i].high : "0");
  }
  add_store(source, *c->where ? c->where : "true");
  for (size_t i = 0; i < c->input_count; i++) add_store(source, c->inputs[i]);
  strcat(source, "}\n");
  if (tn_program_parse(c->ctx, source, strlen(source), "case", &c->program, &error) != TN_OK) {
    snprintf(c->why, sizeof c->why, "%s", tn_error_text(error));
    tn_error_destroy(error);
    return false;
  }
  const tn_func *f = tn_program_func_at(c->program, 0);
  const tn_stmt *const *s = f->body->as.seq.stmts;
  c->r = &c->program->region;
  for (size_t i = 0; i < c->count; i++) {
    c->var[i] = f->params[1 + i].scalar;
    c->low[i] = uncast(c, (*s++)->as.store.value);
    c->high[i] = uncast(c, (*s++)->as.store.value);
  }
  for (int i = 0; i < MAX_DIMS; i++) c->at[i] = f->params[1 + c->count + (size_t)i].scalar;
  c->cond = *c->where ? (*s)->as.store.value->arg[0] : NULL;
  s++;
  for (size_t i = 0; i < c->input_count; i++) c->exprs[i] = uncast(c, (*s++)->as.store.value);
  return true;
}

/* ---- facts, and all points that they allow ---- */

static bool is_map(const test_case *c) {
  return strcmp(c->kind, "itermap") == 0 || strcmp(c->kind, "invert") == 0 ||
         strcmp(c->kind, "hull") == 0;
}

static void know_variable(test_case *c, size_t i) {
  const variable *v = &c->variables[i];
  bool low = *v->low && tni_is_const(c->low[i]), high = *v->high && tni_is_const(c->high[i]);
  if (is_map(c) && v->runs) return;
  if (*v->high && !high)
    tni_facts_bind(&c->facts, c->var[i], c->high[i]);
  else if (low || high)
    tni_facts_push(&c->facts, c->var[i], low ? c->low[i]->as.i : -TNI_INF, high ? c->high[i]->as.i - 1 : TNI_INF);
}

static bool know_all(test_case *c) {
  bool any = true;
  for (size_t i = 0; i < c->count; i++) {
    const variable *v = &c->variables[i];
    bool low = *v->low, high = *v->high && tni_is_const(c->high[i]);
    int64_t first = low ? c->low[i]->as.i : high && c->high[i]->as.i < 0 ? c->high[i]->as.i - WINDOW : WINDOW_LOW;
    know_variable(c, i);
    domain_add(&c->points, c->var[i], first, high ? c->high[i]->as.i - first : low ? WINDOW / 2 : WINDOW);
  }
  if (c->points.points > MAX_POINTS) return false;
  for (size_t i = 0; i < c->count; i++)
    if (*c->variables[i].high && !tni_is_const(c->high[i]))
      any = domain_restrict(&c->points, tni_op2(c->r, TN_OP_lt, c->var[i], c->high[i]), true);
  if (c->cond) any = any && domain_restrict(&c->points, c->cond, true);
  if (c->cond && !is_map(c)) tni_facts_learn(&c->facts, c->cond, true);
  return any;
}

/* ---- answers: each is written to c->have, and held against the points ---- */

static bool disagree(test_case *c, size_t point, const char *what) {
  size_t n = (size_t)snprintf(c->why, sizeof c->why, "%s is not so at", what);
  for (size_t i = 0; i < c->count; i++)
    n += (size_t)snprintf(c->why + n, sizeof c->why - n, " %s = %lld", c->variables[i].name,
                          (long long)domain_coordinate(&c->points, i, point));
  return false;
}

static bool agree(test_case *c, size_t point, const char *what) {
  return point == TNI_MAP_NONE || disagree(c, point, what);
}

static void add_expr(test_case *c, const tn_expr *x) {
  tni_text text;
  tni_text_init(&text, c->ctx);
  tni_print_expr(&text, x);
  size_t n = strlen(c->have);
  snprintf(c->have + n, sizeof c->have - n, "%s", text.data);
  tni_text_destroy(&text);
}

static bool answer_bounds(test_case *c) {
  int64_t lo, hi;
  tni_bounds(&c->facts, c->exprs[0], &lo, &hi);
  if (lo > -TNI_INF) sprintf(c->have, "%lld", (long long)lo);
  strcat(c->have, "..");
  if (hi < TNI_INF) sprintf(c->have + strlen(c->have), "%lld", (long long)hi);
  return agree(c, within_bounds(&c->points, c->exprs[0], lo, hi), c->have);
}

static bool answer_modular(test_case *c) {
  int64_t mod, rem;
  tni_modular(&c->facts, c->exprs[0], &mod, &rem);
  sprintf(c->have, mod ? "%lld mod %lld" : "%lld", (long long)rem, (long long)mod);
  return agree(c, has_residue(&c->points, c->exprs[0], mod, rem), c->have);
}

static bool answer_simplify(test_case *c) {
  const tn_expr *y = tni_simplify(c->r, &c->facts, c->exprs[0]);
  add_expr(c, y);
  if (tni_simplify(c->r, &c->facts, y) != y) {
    snprintf(c->why, sizeof c->why, "it becomes another when simplified again");
    return false;
  }
  return agree(c, same_values(&c->points, c->exprs[0], y), c->have);
}

static bool answer_decide(test_case *c) {
  enum tni_truth truth = tni_decide(c->r, &c->facts, c->exprs[0]);
  strcpy(c->have, truth == TNI_PROVEN ? "proven" : truth == TNI_REFUTED ? "refuted" : "unknown");
  return agree(c, has_truth(&c->points, c->exprs[0], truth), c->have);
}

typedef struct map_query {
  size_t loops;
  const tn_expr *vars[MAX_VARS], *inverse[MAX_VARS];
  int64_t extents[MAX_VARS];
  size_t which[MAX_VARS];
  tni_itermap map;
} map_query;

static void open_map(const test_case *c, map_query *q) {
  *q = (map_query){0};
  for (size_t i = 0; i < c->count; i++)
    if (c->variables[i].runs) {
      q->which[q->loops] = i;
      q->vars[q->loops] = c->var[i];
      q->extents[q->loops++] = c->high[i]->as.i;
    }
}

static void run_map(test_case *c, map_query *q) {
  open_map(c, q);
  tni_itermap_invert(c->r, &c->facts, c->dims, c->exprs, q->loops, q->vars, q->extents, c->cond, c->at, q->inverse,
                     &q->map);
}

/* Are the points of two iterations the same in all that stands still, and in the subscripts? */
static bool collide(test_case *c, const map_query *q, size_t p, size_t o) {
  for (size_t i = 0; i < c->count; i++)
    if (!c->variables[i].runs && domain_coordinate(&c->points, i, p) != domain_coordinate(&c->points, i, o)) return false;
  for (size_t d = 0; d < c->dims; d++)
    if (domain_values(&c->points, c->exprs[d])[p] != domain_values(&c->points, c->exprs[d])[o]) return false;
  (void)q;
  return true;
}

static bool check_map(test_case *c, const map_query *q) {
  int64_t size = 1, group = 1, met = 0;
  for (size_t d = 0; d < c->dims && q->map.box; d++) {
    const tn_expr *last = tni_add(c->r, q->map.bases[d], tni_index(c->r, q->map.extents[d] - 1));
    const tn_expr *low = tni_op2(c->r, TN_OP_le, q->map.bases[d], c->exprs[d]);
    const tn_expr *high = tni_op2(c->r, TN_OP_le, c->exprs[d], last);
    size *= q->map.extents[d];
    if (!agree(c, has_truth(&c->points, low, TNI_PROVEN), "the box") ||
        !agree(c, has_truth(&c->points, high, TNI_PROVEN), "the box"))
      return false;
  }
  for (size_t i = 0; i < q->loops; i++) group *= q->extents[i];
  /* the variables that run are the last: each run of `group` points is one box */
  for (size_t p = 0; p < (size_t)group; p++) {
    bool twice = false;
    for (size_t o = 0; o < p && !twice; o++) twice = domain_has(&c->points, o) && collide(c, q, p, o);
    if (!domain_has(&c->points, p)) continue;
    if (twice && q->map.injective) return disagree(c, p, "injective");
    met += !twice;
  }
  return !q->map.dense || met == size || disagree(c, 0, "dense");
}

static bool answer_itermap(test_case *c) {
  map_query q;
  run_map(c, &q);
  sprintf(c->have, "%s%s[", q.map.dense ? "dense " : "", q.map.injective ? "injective " : "");
  for (size_t d = 0; d < c->dims && q.map.box; d++) {
    if (d) strcat(c->have, ", ");
    add_expr(c, q.map.bases[d]);
    sprintf(c->have + strlen(c->have), " +%lld", (long long)q.map.extents[d]);
  }
  strcat(c->have, q.map.box ? "]" : "?]");
  return check_map(c, &q);
}

static bool answer_invert(test_case *c) {
  map_query q;
  run_map(c, &q);
  tni_subst subst = {c->dims, c->at, c->exprs};
  for (size_t i = 0; i < q.loops; i++) {
    if (!q.inverse[i]) {
      strcpy(c->have, "none");
      return true;
    }
    sprintf(c->have + strlen(c->have), "%s%s = ", i ? ", " : "", c->variables[q.which[i]].name);
    add_expr(c, q.inverse[i]);
    if (!agree(c, same_values(&c->points, q.vars[i], tni_expr_subst(c->r, q.inverse[i], &subst)), c->have)) return false;
  }
  return true;
}

static bool answer_hull(test_case *c) {
  map_query q;
  tni_box all = {0};
  open_map(c, &q);
  for (size_t d = 0; d < c->dims; d++) {
    tni_itermap_of(c->r, &c->facts, 1, &c->exprs[d], q.loops, q.vars, q.extents, &q.map);
    tni_box one = tni_box_of(1, &q.map);
    if (d == 0)
      all = one;
    else
      tni_box_grow(c->r, &c->facts, 1, &all, &one);
  }
  sprintf(c->have, "%s[", all.exact ? "exact " : "");
  if (all.extents[0]) add_expr(c, all.bases[0]);
  sprintf(c->have + strlen(c->have), all.extents[0] ? " +%lld]" : "?]", (long long)all.extents[0]);
  for (size_t d = 0; d < c->dims && all.extents[0]; d++)
    if (!agree(c, within_bounds(&c->points, tni_sub(c->r, c->exprs[d], all.bases[0]), 0, all.extents[0] - 1), c->have))
      return false;
  return true;
}

static void add_box(test_case *c, int32_t rank, const tni_box *box) {
  strcat(c->have, "[");
  for (int32_t d = 0; d < rank; d++) {
    if (d) strcat(c->have, ", ");
    if (box->extents[d])
      add_expr(c, box->bases[d]), sprintf(c->have + strlen(c->have), " +%lld", (long long)box->extents[d]);
    else
      strcat(c->have, "*");
  }
  strcat(c->have, "]");
}

static bool answer_area(test_case *c) {
  tni_area area;
  enum tni_side side = strcmp(c->kind, "within") == 0 ? TNI_WITHIN : TNI_AROUND;
  areas_bind(&c->areas, c->exprs);
  areas_compute(&c->areas, c->r, &c->facts, side, &area);
  strcpy(c->have, area.exact ? "exact" : "");
  for (int32_t i = 0; i < area.count; i++) {
    if (*c->have) strcat(c->have, i && *c->have ? " | " : " ");
    add_box(c, area.rank, &area.boxes[i]);
  }
  if (area.count == 0) strcat(c->have, *c->have ? " nothing" : "nothing");
  return agree(c, areas_refuted(&c->areas, &c->points, &area), c->have);
}

static bool answer_covers(test_case *c) {
  areas_bind(&c->areas, c->exprs);
  bool covers = areas_covers(&c->areas, c->r, &c->facts);
  strcpy(c->have, covers ? "covered" : "unknown");
  return agree(c, covers ? areas_uncovered(&c->areas, &c->points) : TNI_MAP_NONE, c->have);
}

static const struct {
  const char *name;
  bool (*answer)(test_case *c);
} kinds[] = {
    {"bounds", answer_bounds}, {"modular", answer_modular}, {"simplify", answer_simplify},
    {"decide", answer_decide}, {"itermap", answer_itermap}, {"invert", answer_invert},
    {"hull", answer_hull},     {"around", answer_area},   {"within", answer_area},     {"covers", answer_covers},
};

/* False with c->why: the case is no case, or its answer is not true. */
static bool run_case(test_case *c) {
  bool (*answer)(test_case *c) = NULL;
  for (size_t i = 0; i < TNI_COUNT(kinds); i++)
    if (strcmp(kinds[i].name, c->kind) == 0) answer = kinds[i].answer;
  snprintf(c->why, sizeof c->why, answer ? "the expressions" : "no kind of case `%s`", c->kind);
  if (!answer || !parse_case(c)) return false;
  tni_facts_init(&c->facts, c->ctx);
  domain_open(&c->points, c->ctx);
  strcpy(c->why, "no point is left, or too many");
  bool ok = know_all(c) && answer(c);
  domain_close(&c->points);
  tni_facts_destroy(&c->facts);
  return ok;
}

/* ---- files ---- */

static size_t passed, failed;

static void write_case(FILE *f, const test_case *c) {
  fprintf(f, "%-9s %-32s ; %-44s ; %s\n", c->kind, c->vars, c->input, c->have);
}

static bool run_line(tn_context *ctx, const char *name, int number, const char *line, FILE *blessed) {
  static test_case c;
  c = (test_case){.ctx = ctx};
  if (*line == '#' || *line == '\n') {
    if (blessed) fputs(line, blessed);
    return true;
  }
  bool read = read_case(&c, line), ok = read && run_case(&c);
  if (!read) strcpy(c.why, "expected `kind variables ; input ; answer`");
  bool same = ok && strcmp(c.have, c.want) == 0;
  if (blessed && ok)
    write_case(blessed, &c);
  else if (blessed)
    fputs(line, blessed);
  if (!ok)
    fprintf(stderr, "%s:%d: %s\n", name, number, c.why);
  else if (!same)
    fprintf(stderr, "%s:%d: %s ; %s\n  is %s\n  not %s\n", name, number, c.vars, c.input, c.have, c.want);
  tn_program_destroy(c.program);
  passed += same;
  failed += !same;
  return same || (ok && blessed);
}

static bool run_file(tn_context *ctx, const char *path, const char *name) {
  char line[LINE], made[LINE + 8];
  FILE *f = fopen(path, "r"), *blessed = NULL;
  bool ok = f != NULL;
  snprintf(made, sizeof made, "%.*s.new", LINE, path);
  if (f && getenv("TN_BLESS")) blessed = fopen(made, "w");
  for (int number = 1; f && fgets(line, sizeof line, f); number++) ok &= run_line(ctx, name, number, line, blessed);
  if (f) fclose(f);
  if (blessed) {
    fclose(blessed);
    rename(made, path);
  }
  return ok;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(int argc, char **argv) {
  char *names[MAX_FILES], path[2 * LINE];
  size_t count = 0, bad = 0;
  tn_context *ctx;
  struct dirent *entry;
  DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
  if (!folder || tn_context_create(NULL, &ctx, NULL) != TN_OK) {
    fprintf(stderr, "arith_cases: no folder %s\n", argc > 1 ? argv[1] : "given");
    return 1;
  }
  while ((entry = readdir(folder)) && count < MAX_FILES) {
    size_t n = strlen(entry->d_name);
    if (n > 6 && strcmp(entry->d_name + n - 6, ".cases") == 0 && (argc < 3 || strstr(entry->d_name, argv[2])))
      names[count++] = strdup(entry->d_name);
  }
  closedir(folder);
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
    bad += !run_file(ctx, path, names[i]);
    free(names[i]);
  }
  printf("%zu passed, %zu failed\n", passed, failed);
  tn_context_destroy(ctx);
  return bad || !count;
}
