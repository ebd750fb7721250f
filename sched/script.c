/* script.c -- schedules as text (LANGUAGE.md): one primitive a line.
 *
 *     io, ii = split(i, [0, 8])        results are named on the left; missing names are made up
 *     reorder([io, j, ii])             # loops and blocks by names of results, else by the names in the printed function
 *     unroll(C[2])                     # or by their place: the third loop above block C; $3, the fourth loop of all
 *     b = cache_write(C, "register")
 *     t0, t1 = sample_perfect_tile(i, 2) @ [8, 4]    # sampled: the decision, or drawn where none is given
 *     io, ii = split(i, [t0, t1])                    # what was sampled stands for numbers
 *
 * Arguments stand in the order of the primitive's row (primitives.def), or behind those as name=value; optional ones
 * may be left out. Blank lines and comments behind # are passed over. The first line that is refused ends the run; the
 * lines before it stay applied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "sched.h"
#include "text.h"

enum { MAX_NAME = TNI_MAX_TEXT + 1 };

/* What an argument points to: the elements of a list, or the bytes of a text. */
typedef union list {
  int32_t handles[TNI_MAX_LIST];
  int64_t numbers[TNI_MAX_LIST];
  double floats[TNI_MAX_LIST];
  char text[MAX_NAME];
} list;

typedef struct reader {
  tn_schedule *s;
  const char *at, *end; /* of the line */
  int line;
  char names[TNI_MAX_RESULTS][MAX_NAME];
  size_t name_count;
  list lists[TNI_MAX_ARGS + 1]; /* the last one is the decision's */
  char why[MAX_NAME + 64];
  bool no_memory, redraw; /* redraw: decisions are passed over */
} reader;

static void skip_space(reader *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r')) p->at++;
}

static bool sees(reader *p, char c) {
  skip_space(p);
  return p->at < p->end && *p->at == c;
}

static bool take(reader *p, char c) {
  bool found = sees(p, c);
  p->at += found;
  return found;
}

static bool complain(reader *p, const char *why) {
  if (!p->why[0]) snprintf(p->why, sizeof p->why, "%s", why);
  return false;
}

static bool complain_of(reader *p, const char *format, const char *name) {
  if (!p->why[0]) snprintf(p->why, sizeof p->why, format, name);
  return false;
}

static bool expect(reader *p, char c) {
  char text[] = {c, 0};
  return take(p, c) || complain_of(p, "expected `%s`", text);
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

bool tni_is_line_name(const char *text) {
  size_t n = 0;
  while (is_name_char(text[n])) n++;
  return n > 0 && n < MAX_NAME && !text[n];
}

static bool read_name(reader *p, char *out) {
  skip_space(p);
  size_t n = 0;
  while (p->at < p->end && is_name_char(*p->at) && n + 1 < MAX_NAME) out[n++] = *p->at++;
  out[n] = 0;
  return n > 0 || complain(p, "expected a name");
}

static int digit_of(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* Behind a backslash: itself, a quote, or xNN, a byte that is not 0. */
static bool read_escape(reader *p, char *out) {
  int high = p->end - p->at > 2 && *p->at == 'x' ? digit_of(p->at[1]) : -1, low = high >= 0 ? digit_of(p->at[2]) : -1;
  bool plain = p->at < p->end && (*p->at == '"' || *p->at == '\\');
  if (!plain && (low < 0 || high * 16 + low == 0)) return complain(p, "the escapes are \\\", \\\\ and \\xNN");
  *out = plain ? *p->at : (char)(high * 16 + low);
  p->at += plain ? 1 : 3;
  return true;
}

/* Text in quotes, without them; `out` has room for MAX_NAME. */
static bool read_quoted(reader *p, char *out) {
  size_t n = 0;
  if (!expect(p, '"')) return false;
  while (p->at < p->end && *p->at != '"' && n + 1 < MAX_NAME) {
    char c = *p->at++;
    if (c == '\\' && !read_escape(p, &c)) return false;
    out[n++] = c;
  }
  out[n] = 0;
  return expect(p, '"');
}

static bool read_int(reader *p, int64_t *out) {
  skip_space(p);
  char digits[24];
  size_t n = 0;
  while (p->at < p->end && n + 1 < sizeof digits && ((*p->at >= '0' && *p->at <= '9') || (n == 0 && *p->at == '-')))
    digits[n++] = *p->at++;
  digits[n] = 0;
  *out = strtoll(digits, NULL, 10);
  return (n > 1 || (n == 1 && digits[0] != '-')) || complain(p, "expected a number");
}

/* ---- handles ---- */

/* The latest handle of that name and kind, with `live` one of what still exists; 0: none. */
static int32_t find_said(const tn_schedule *s, const char *name, enum tni_handle_kind kind, bool live) {
  tni_handle_walk walk = {s, s->handle_count};
  const tni_handle *h;
  while ((h = tni_walk_handles(&walk))) {
    int32_t id = (int32_t)walk.left + 1;
    if (h->kind == kind && h->said && strcmp(h->said, name) == 0 &&
        (!live || h->kind > TNI_HANDLE_BLOCK || tni_handle_loop(s, id) || tni_handle_block(s, id)))
      return id;
  }
  return 0;
}

/* A new handle of a loop or block that text calls `name`. */
static int32_t add_found(reader *p, const tn_stmt *found, const char *name) {
  int32_t id =
      found->kind == TNI_FOR ? tni_add_loop(p->s, found->as.loop.var) : tni_add_block(p->s, found->as.block.name);
  const char *said = id ? tni_arena_text(&p->s->region.arena, name) : NULL;
  if (said) tni_handle_at(p->s, id)->said = said;
  p->no_memory |= !said;
  return id;
}

/* The loop or block that is printed so, or NULL. */
static const tn_stmt *find_printed(reader *p, const char *name, enum tni_handle_kind kind) {
  tn_schedule *s = p->s;
  const tn_expr *var = kind == TNI_HANDLE_LOOP ? tni_find_loop_by_name(s->ctx, s->func, name, &p->no_memory) : NULL;
  return var                        ? tni_find_loop(s->func->body, var)
         : kind == TNI_HANDLE_BLOCK ? tni_find_block(s->func->body, name)
                                    : NULL;
}

/* A handle of that name; else the loop or block that is printed so; else a handle of what is gone. 0: none. */
static int32_t find_handle(reader *p, const char *name, enum tni_kind kind) {
  const enum tni_handle_kind kinds[] = {TNI_HANDLE_LOOP, TNI_HANDLE_BLOCK}; /* a location stands for a loop */
  int first = kind == TNI_ARG_block, last = kind != TNI_ARG_loop;
  int32_t found = 0;
  const tn_stmt *stmt = NULL;
  for (int i = first; i <= last && !found; i++) found = find_said(p->s, name, kinds[i], true);
  if (!found && kind == TNI_ARG_loop) found = find_said(p->s, name, TNI_HANDLE_LOCATION, true);
  for (int i = first; i <= last && !found && !stmt; i++) stmt = find_printed(p, name, kinds[i]);
  if (stmt) return add_found(p, stmt, name);
  for (int i = first; i <= last && !found && !p->no_memory; i++) found = find_said(p->s, name, kinds[i], false);
  return found;
}

/* `[1]` behind the name of a block: a loop above it. */
static bool read_loop_above(reader *p, const tn_stmt *block, const char *name, int32_t *out) {
  int64_t index;
  size_t count;
  if (!block) return complain_of(p, "there is no block `%s`", name);
  if (!read_int(p, &index) || !expect(p, ']')) return false;
  const tn_stmt *loop = tni_loop_above(p->s->func->body, block, index, &count);
  if (!loop) {
    snprintf(p->why, sizeof p->why, "there are %zu loops above block `%s`", count, name);
    return false;
  }
  char said[MAX_NAME + 32];
  snprintf(said, sizeof said, "%s[%lld]", name, (long long)index);
  *out = add_found(p, loop, said);
  return *out != 0;
}

/* `$3`: a loop by its number. */
static bool read_loop_number(reader *p, int32_t *out) {
  int64_t index;
  char said[32];
  if (!read_int(p, &index)) return false;
  snprintf(said, sizeof said, "$%lld", (long long)index);
  const tn_stmt *loop = tni_loop_number(p->s->func->body, index);
  if (!loop) return complain_of(p, "there is no loop `%s`", said);
  *out = add_found(p, loop, said);
  return *out != 0;
}

static bool read_quoted_block(reader *p, char *name, const tn_stmt **block) {
  if (!read_quoted(p, name)) return false;
  *block = tni_find_block(p->s->func->body, name);
  return *block || complain_of(p, "there is no block `%s`", name);
}

/* A loop, a block, or for a place what the name is of the two. */
static bool read_handle(reader *p, enum tni_kind kind, int32_t *out) {
  char name[MAX_NAME];
  const tn_stmt *block = NULL;
  skip_space(p);
  if (kind != TNI_ARG_block && take(p, '$')) return read_loop_number(p, out);
  bool quoted = p->at < p->end && *p->at == '"';
  if (quoted ? !read_quoted_block(p, name, &block) : !read_name(p, name)) return false;
  if (kind != TNI_ARG_block && p->at < p->end && *p->at == '[') {
    p->at++;
    int32_t id = quoted ? 0 : find_handle(p, name, TNI_ARG_block);
    return read_loop_above(p, quoted ? block : tni_handle_block(p->s, id), name, out);
  }
  if (quoted && kind == TNI_ARG_loop) return complain(p, "expected `[`");
  *out = quoted ? add_found(p, block, name) : find_handle(p, name, kind);
  if (*out) return true;
  snprintf(p->why, sizeof p->why, "there is no %s `%s`",
           kind == TNI_ARG_loop    ? "loop"
           : kind == TNI_ARG_block ? "block"
                                   : "loop or block",
           name);
  return false;
}

/* ---- arguments ---- */

/* A number, or the name of a sampled one. */
static bool read_number(reader *p, int64_t *out) {
  char name[MAX_NAME];
  skip_space(p);
  bool digit = p->at == p->end || !is_name_char(*p->at) || (*p->at >= '0' && *p->at <= '9');
  if (digit) return read_int(p, out);
  if (!read_name(p, name)) return false;
  int32_t id = find_said(p->s, name, TNI_HANDLE_NUMBER, false);
  *out = INT64_MIN + id;
  return id || complain_of(p, "there is no number `%s`", name);
}

static bool read_float(reader *p, double *out) {
  const char *why, *begin;
  tni_scalar value;
  skip_space(p);
  begin = p->at;
  while (p->at < p->end && (is_name_char(*p->at) || *p->at == '+' || *p->at == '-')) p->at++;
  bool ok = p->at > begin && *begin >= '0' && *begin <= '9' &&
            tni_parse_scalar(TN_F64, begin, (size_t)(p->at - begin), false, &value, &why);
  if (ok) *out = value.f;
  return ok || complain(p, "expected a number from 0 up");
}

/* A word may stand in quotes. */
static bool read_text(reader *p, bool word, list *list, tni_arg *arg) {
  arg->text = list->text;
  skip_space(p);
  return word && p->at < p->end && *p->at != '"' ? read_name(p, list->text) : read_quoted(p, list->text);
}

/* One value into the argument; of a list, into its element i. */
static bool read_value(reader *p, enum tni_kind kind, list *list, tni_arg *arg, size_t i) {
  switch (kind) {
  case TNI_ARG_loop:
  case TNI_ARG_block:
  case TNI_ARG_place: return read_handle(p, kind, &arg->handle);
  case TNI_ARG_loops: return read_handle(p, TNI_ARG_loop, &list->handles[i]);
  case TNI_ARG_int: return read_number(p, &arg->number);
  case TNI_ARG_ints: return read_number(p, &list->numbers[i]);
  case TNI_ARG_floats: return read_float(p, &list->floats[i]);
  case TNI_ARG_text: return read_text(p, false, list, arg);
  case TNI_ARG_word: return read_text(p, true, list, arg);
  default:
    skip_space(p);
    return p->at < p->end && *p->at == '"' ? read_text(p, false, list, arg) : read_number(p, &arg->number);
  }
}

static bool read_arg(reader *p, enum tni_kind kind, list *list, tni_arg *arg) {
  if (arg->given) return complain(p, "the argument is given twice");
  arg->given = true;
  if (!tni_is_list(kind)) return read_value(p, kind, list, arg, 0);
  arg->handles = list->handles;
  arg->numbers = list->numbers;
  arg->floats = list->floats;
  if (!expect(p, '[')) return false;
  while (!take(p, ']')) {
    if (arg->count == TNI_MAX_LIST) return complain(p, "the list is too long");
    if ((arg->count && !expect(p, ',')) || !read_value(p, kind, list, arg, arg->count)) return false;
    arg->count++;
  }
  return true;
}

/* `name =` in front of an argument: which one that is; -1 when none is named, -2 when there is none of that name. */
static int take_key(reader *p, const tni_primitive *primitive) {
  char name[MAX_NAME];
  const char *start = p->at;
  skip_space(p);
  if (p->at < p->end && is_name_char(*p->at) && read_name(p, name) && take(p, '=')) {
    for (int i = 0; i < tni_argument_count(primitive); i++)
      if (strcmp(primitive->params[i].name, name) == 0) return i;
    snprintf(p->why, sizeof p->why, "%s has no argument `%s`", primitive->name, name);
    return -2;
  }
  p->at = start;
  return -1;
}

/* arguments) */
static bool read_args(reader *p, tni_step *step) {
  const tni_primitive *primitive = step->primitive;
  int count = tni_argument_count(primitive), next = 0;
  bool more = (count && !primitive->params[0].optional) || !sees(p, ')'), named = false;
  while (more) {
    int key = take_key(p, primitive);
    if (key == -2) return false;
    if (key == -1 && named) return complain(p, "an argument behind a named one needs its name");
    if (key == -1 && next == count) return complain(p, "expected `)`");
    named = key >= 0;
    int i = named ? key : next++;
    if (!read_arg(p, primitive->params[i].kind, &p->lists[i], &step->args[i])) return false;
    more = take(p, ',');
  }
  if (!named && next < count && !primitive->params[next].optional) return expect(p, ',');
  if (!expect(p, ')')) return false;
  for (int i = 0; i < count; i++)
    if (!step->args[i].given && !primitive->params[i].optional) {
      snprintf(p->why, sizeof p->why, "argument `%s` is missing", primitive->params[i].name);
      return false;
    }
  return true;
}

/* @ [numbers], @ loop, @ root or @ inline: what was decided */
static bool read_decision(reader *p, tni_step *step) {
  tni_arg *decision = &step->decision;
  list *list = &p->lists[TNI_MAX_ARGS];
  if (!(step->primitive->flags & TNI_SAMPLES)) return complain_of(p, "%s decides nothing", step->primitive->name);
  skip_space(p);
  if (p->at < p->end && *p->at == '[') return read_arg(p, TNI_ARG_ints, list, decision);
  const char *begin = p->at;
  if (!read_arg(p, TNI_ARG_word, list, decision)) return false;
  if (tni_find_word("root|inline", decision->text) >= 0) return true;
  p->at = begin;
  *decision = (tni_arg){0};
  return read_arg(p, TNI_ARG_loop, list, decision);
}

/* [name {, name} =] primitive(arguments) [@ decision] */
static bool read_line(reader *p, tni_step *step) {
  char name[MAX_NAME];
  if (!read_name(p, name)) return false;
  while (!take(p, '(')) {
    if (p->name_count == TNI_MAX_RESULTS) return complain(p, "too many names");
    memcpy(p->names[p->name_count], name, sizeof name);
    step->out_names[p->name_count] = p->names[p->name_count];
    p->name_count++;
    if (!take(p, ',') && !take(p, '=')) return complain(p, "expected `,`, `=` or `(`");
    if (!read_name(p, name)) return false;
  }
  step->primitive = tni_primitive_find(name, strlen(name));
  if (!step->primitive) {
    snprintf(p->why, sizeof p->why, "there is no primitive `%s`", name);
    return false;
  }
  if (!read_args(p, step) || (take(p, '@') && !read_decision(p, step))) return false;
  if (p->redraw) step->decision = (tni_arg){0};
  skip_space(p);
  return p->at == p->end || *p->at == '#' || complain(p, "expected the end of the line");
}

static tn_status syntax_error(reader *p, const char *line, tn_error **err) {
  char place[32];
  if (p->no_memory) return tni_fail_nomem(err);
  snprintf(place, sizeof place, "line %d, column %d", p->line, (int)(p->at - line) + 1);
  return tni_fail(p->s->ctx, err, TN_E_INVALID, "schedule", place, "%s\n  %.*s\n  %*s^", p->why, (int)(p->end - line),
                  line, (int)(p->at - line), "");
}

static tn_status run(tn_schedule *s, const char *lines, bool redraw, tn_error **err) {
  tn_status status = TN_OK;
  int number = 0;
  if (err) *err = NULL;
  if ((status = tni_check_no_forks(s, err)) != TN_OK) return status;
  for (const char *line = lines; *line && !status;) {
    size_t handles = s->handle_count;
    const char *end = strchr(line, '\n');
    end = end ? end : line + strlen(line);
    reader p = {.s = s, .at = line, .end = end, .line = ++number, .redraw = redraw};
    tni_step step = {.s = s};
    skip_space(&p);
    if (p.at < end && *p.at != '#')
      status = read_line(&p, &step) ? tni_invoke(&step, err) : syntax_error(&p, line, err);
    if (status) s->handle_count = handles;
    line = *end ? end + 1 : end;
  }
  return status;
}

tn_status tn_schedule_run(tn_schedule *s, const char *lines, tn_error **err) { return run(s, lines, false, err); }

tn_status tn_schedule_redraw(tn_schedule *s, const char *lines, tn_error **err) { return run(s, lines, true, err); }
