/* simplify.c -- a trace without the lines that the function does not need.
 *
 * Three kinds go: queries and samples whose results no line uses; runs of lines behind which the function is as it was before
 * them; and single lines without which the rest leads to the same function, an annotation that is overwritten or taken back
 * among them. Each step is checked by applying what is left to the function that the schedule started from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct simplifier {
  tn_schedule *s;
  size_t count;
  const tni_line **lines;
  tni_hash *states; /* states[i]: of the printed function before line i */
  bool *dead;
  bool failed; /* no memory */
} simplifier;

static tni_hash state_of(simplifier *q, const tn_func *func) {
  tni_text t;
  tni_text_init(&t, q->s->ctx);
  tni_print_func(&t, func, NULL);
  tni_hash hash = tni_hash_bytes(t.data, t.length);
  q->failed |= t.failed;
  tni_text_destroy(&t);
  return hash;
}

static bool same(tni_hash a, tni_hash b) { return a.low == b.low && a.high == b.high; }

static bool collect(simplifier *q, tn_schedule *s) {
  *q = (simplifier){.s = s, .count = s->line_count};
  q->lines = tni_lines_of(s);
  q->states = tni_alloc_zero(s->ctx, (q->count + 1) * sizeof *q->states);
  q->dead = tni_alloc_zero(s->ctx, q->count + 1);
  if (!q->lines || !q->states || !q->dead) return false;
  q->states[0] = state_of(q, s->origin);
  for (size_t i = 0; i < q->count; i++) q->states[i + 1] = state_of(q, q->lines[i]->func);
  return !q->failed;
}

static void release(simplifier *q) {
  tni_lines_free(q->s, q->lines);
  tni_free(q->s->ctx, q->states, (q->count + 1) * sizeof *q->states);
  tni_free(q->s->ctx, q->dead, q->count + 1);
}

static void write_lines(const simplifier *q, tni_text *t) {
  for (size_t i = 0; i < q->count; i++)
    if (!q->dead[i]) tni_text_add(t, "%s\n", q->lines[i]->text);
}

/* Do the lines that are left lead to the same function? */
static bool still_leads(simplifier *q) {
  tn_schedule *again;
  tni_text t;
  tni_text_init(&t, q->s->ctx);
  write_lines(q, &t);
  q->failed |= t.failed;
  tn_status status = q->failed ? TN_E_NOMEM : tn_schedule_create(q->s->program, q->s->origin, &again, NULL);
  bool leads = false;
  if (!status) {
    status = tn_schedule_run(again, t.data, NULL);
    leads = !status && same(state_of(q, again->func), q->states[q->count]);
    tn_schedule_destroy(again);
  }
  q->failed |= status == TN_E_NOMEM;
  tni_text_destroy(&t);
  return leads && !q->failed;
}

static bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Does the text have the word, outside of quotes? */
static bool mentions(const char *text, const char *word, size_t length) {
  bool quoted = false;
  for (const char *c = text; *c; c++) {
    if (quoted && *c == '\\' && c[1]) {
      c++;
      continue;
    }
    quoted ^= *c == '"';
    bool begins = c == text || !is_word_char(c[-1]);
    if (!quoted && begins && strncmp(c, word, length) == 0 && !is_word_char(c[length])) return true;
  }
  return false;
}

/* Does line `user` use a result of line `maker`? Results stand in front of ` = `, apart by commas. */
static bool uses(const simplifier *q, size_t user, size_t maker) {
  const char *line = q->lines[maker]->text, *end = strstr(line, " = "), *args = strchr(q->lines[user]->text, '(');
  const char *call = strchr(line, '(');
  if (!end || (call && call < end)) return false;
  for (const char *name = line; name < end;) {
    size_t n = strcspn(name, ", ");
    if (mentions(args, name, n)) return true;
    name += n + strspn(name + n, ", ");
    if (*name == '=') break;
  }
  return false;
}

/* Is no result of the lines first..last used behind them? */
static bool is_unused(const simplifier *q, size_t first, size_t last) {
  for (size_t user = last + 1; user < q->count; user++)
    for (size_t maker = first; maker <= last && !q->dead[user]; maker++)
      if (!q->dead[maker] && uses(q, user, maker)) return false;
  return true;
}

static void drop_unused_answers(simplifier *q) {
  for (size_t i = q->count; i-- > 0;)
    q->dead[i] |= q->lines[i]->primitive->flags & (TNI_QUERY | TNI_SAMPLES) && is_unused(q, i, i);
}

/* Drops the lines first..last if the rest still leads there. */
static bool try_drop(simplifier *q, size_t first, size_t last) {
  bool *before = tni_alloc(q->s->ctx, q->count + 1);
  q->failed |= !before;
  if (!before) return false;
  memcpy(before, q->dead, q->count);
  memset(q->dead + first, true, last - first + 1);
  drop_unused_answers(q);
  bool dropped = still_leads(q);
  if (!dropped) memcpy(q->dead, before, q->count);
  tni_free(q->s->ctx, before, q->count + 1);
  return dropped;
}

static void drop_undone(simplifier *q) {
  for (size_t first = 0; first < q->count && !q->failed; first++)
    for (size_t last = q->count; last-- > first && !q->dead[first] && !q->failed;)
      if (same(q->states[first], q->states[last + 1]) && is_unused(q, first, last)) try_drop(q, first, last);
}

/* Single ones; with an unannotate that then fails, the annotate before it. */
static void drop_needless(simplifier *q) {
  for (size_t i = q->count; i-- > 0 && !q->failed;) {
    if (q->dead[i] || !is_unused(q, i, i) || try_drop(q, i, i)) continue;
    if (q->lines[i]->primitive != &tni_primitives[TNI_PRIMITIVE_unannotate]) continue;
    q->dead[i] = true;
    bool dropped = false;
    for (size_t k = i; k-- > 0 && !dropped && !q->failed;)
      if (!q->dead[k] && q->lines[k]->primitive == &tni_primitives[TNI_PRIMITIVE_annotate]) dropped = try_drop(q, k, k);
    q->dead[i] = dropped;
  }
}

tn_status tn_schedule_simplify(tn_schedule *s, char **out, tn_error **err) {
  simplifier q;
  tni_text t;
  *out = NULL;
  if (err) *err = NULL;
  tni_text_init(&t, s->ctx);
  bool ok = collect(&q, s);
  if (ok) {
    drop_unused_answers(&q);
    drop_undone(&q);
    drop_needless(&q);
    write_lines(&q, &t);
  }
  release(&q);
  if (ok && !q.failed) *out = tni_text_take(&t);
  tni_text_destroy(&t);
  return *out ? TN_OK : tni_fail_nomem(err);
}
