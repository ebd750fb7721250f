/* script.c -- schedules as text: one primitive a line.
 *
 *     io, ii = split(i, [0, 8])        results are named on the left; missing names are made up
 *     reorder([io, j, ii])             # loops and blocks by handle names, else by the names in the printed function
 *     b = cache_write(C, "register")
 *
 * Blank lines and comments behind # are passed over. The first line that is refused ends the run; the lines before it stay
 * applied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "sched.h"

enum { MAX_LIST = 32, MAX_NAME = 256 };

typedef struct reader {
  tn_schedule *s;
  const char *at, *end; /* of the line */
  int line;
  char names[TNI_MAX_OUT][MAX_NAME];
  size_t name_count;
  tn_loop loops[MAX_LIST];
  int64_t ints[MAX_LIST];
  char string[MAX_NAME];
  char why[MAX_NAME + 64];
} reader;

static void skip_space(reader *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r')) p->at++;
}

static bool take(reader *p, char c) {
  skip_space(p);
  bool found = p->at < p->end && *p->at == c;
  p->at += found;
  return found;
}

static bool complain(reader *p, const char *why) {
  if (!p->why[0]) snprintf(p->why, sizeof p->why, "%s", why);
  return false;
}

static bool expect(reader *p, char c) {
  char text[32];
  snprintf(text, sizeof text, "expected `%c`", c);
  return take(p, c) || complain(p, text);
}

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static bool read_name(reader *p, char *out) {
  skip_space(p);
  size_t n = 0;
  while (p->at < p->end && is_name_char(*p->at) && n + 1 < MAX_NAME) out[n++] = *p->at++;
  out[n] = 0;
  return n > 0 || complain(p, "expected a name");
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

/* The latest handle of that name and kind, with `live` one of what still exists; 0: none. */
static int32_t find_named(const tn_schedule *s, const char *name, bool loop, bool live) {
  for (size_t i = s->handle_count; i > 0; i--) {
    const tni_handle *h = &s->handles[i - 1];
    int32_t id = (int32_t)i;
    if (h->name && strcmp(h->name, name) == 0 && (h->var != NULL) == loop &&
        (!live || (loop ? tni_handle_loop(s, id) : tni_handle_block(s, id))))
      return id;
  }
  return 0;
}

/* A handle of that name; else the loop or block that is printed so; else a handle of what is gone. */
static int32_t find_handle(tn_schedule *s, const char *name, bool loop) {
  int32_t found = find_named(s, name, loop, true);
  if (found) return found;
  const tn_expr *var = loop ? tni_find_loop_by_name(s->ctx, s->func, name) : NULL;
  const tn_stmt *block = loop ? NULL : tni_find_block(s->func->body, name);
  if (var || block) return var ? tni_add_loop(s, var) : tni_add_block(s, block->as.block.name);
  return find_named(s, name, loop, false);
}

static bool read_handle(reader *p, bool loop, int32_t *out) {
  char name[MAX_NAME];
  if (!read_name(p, name)) return false;
  *out = find_handle(p->s, name, loop);
  if (*out && !p->s->handles[*out - 1].name) p->s->handles[*out - 1].name = tni_arena_text(&p->s->region.arena, name);
  if (!*out && !p->why[0]) snprintf(p->why, sizeof p->why, "there is no %s `%s`", loop ? "loop" : "block", name);
  return *out != 0;
}

static bool read_list(reader *p, tni_step *step, bool loops) {
  size_t count = 0;
  if (!expect(p, '[')) return false;
  while (!take(p, ']')) {
    if (count == MAX_LIST) return complain(p, "the list is too long");
    if ((count && !expect(p, ',')) || !(loops ? read_handle(p, true, &p->loops[count]) : read_int(p, &p->ints[count])))
      return false;
    count++;
  }
  if (loops)
    step->loop_count = count, step->loops = p->loops;
  else
    step->int_count = count, step->ints = p->ints;
  return true;
}

static bool read_string(reader *p, tni_step *step) {
  size_t n = 0;
  if (!expect(p, '"')) return false;
  while (p->at < p->end && *p->at != '"' && n + 1 < sizeof p->string) p->string[n++] = *p->at++;
  p->string[n] = 0;
  step->string = p->string;
  return expect(p, '"');
}

static bool read_argument(reader *p, tni_step *step, char kind) {
  switch (kind) {
  case 'l':
    step->loop_count = 1;
    step->loops = p->loops;
    return read_handle(p, true, &p->loops[0]);
  case 'b': return read_handle(p, false, &step->block);
  case 's': return read_string(p, step);
  default: return read_list(p, step, kind == 'L');
  }
}

/* [name {, name} =] primitive(arguments) */
static bool read_line(reader *p, tni_step *step, const tni_primitive **primitive) {
  char name[MAX_NAME];
  if (!read_name(p, name)) return false;
  while (!take(p, '(')) {
    if (p->name_count == TNI_MAX_OUT) return complain(p, "too many names");
    memcpy(p->names[p->name_count], name, sizeof name);
    step->out_names[p->name_count] = p->names[p->name_count];
    p->name_count++;
    if (!take(p, ',') && !take(p, '=')) return complain(p, "expected `,`, `=` or `(`");
    if (!read_name(p, name)) return false;
  }
  *primitive = tni_primitive_find(name, strlen(name));
  if (!*primitive) {
    snprintf(p->why, sizeof p->why, "there is no primitive `%s`", name);
    return false;
  }
  for (const char *a = (*primitive)->args; *a; a++)
    if ((a != (*primitive)->args && !expect(p, ',')) || !read_argument(p, step, *a)) return false;
  if (!expect(p, ')')) return false;
  skip_space(p);
  return p->at == p->end || *p->at == '#' || complain(p, "expected the end of the line");
}

static tn_status syntax_error(reader *p, const char *line, tn_error **err) {
  char place[32];
  snprintf(place, sizeof place, "line %d, column %d", p->line, (int)(p->at - line) + 1);
  return tni_fail(p->s->ctx, err, TN_E_INVALID, "schedule", place, "%s\n  %.*s\n  %*s^", p->why, (int)(p->end - line),
                  line, (int)(p->at - line), "");
}

tn_status tn_schedule_run(tn_schedule *s, const char *lines, tn_error **err) {
  tn_status status = TN_OK;
  int number = 0;
  if (err) *err = NULL;
  for (const char *line = lines; *line && !status;) {
    const char *end = strchr(line, '\n');
    end = end ? end : line + strlen(line);
    reader p = {.s = s, .at = line, .end = end, .line = ++number};
    tni_step step = {.s = s};
    const tni_primitive *primitive = NULL;
    skip_space(&p);
    if (p.at < end && *p.at != '#')
      status = read_line(&p, &step, &primitive) ? tni_invoke(primitive, &step, err) : syntax_error(&p, line, err);
    line = *end ? end + 1 : end;
  }
  return status;
}
