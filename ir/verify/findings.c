/* findings.c -- what the verifier found, with its places, as one error.
 *
 *     verify: f:2: a subscript of `A` is 9, outside 0..7
 *       A[9] = 1.0:f32
 *         ^
 *     f:4: ...
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "verify/verify.h"

enum { MAX_FINDINGS = 20, PLACE = 160 };

void tni_findings_init(tni_findings *f, tn_context *ctx) {
  *f = (tni_findings){.ctx = ctx};
  tni_text_init(&f->text, ctx);
}

void tni_findings_destroy(tni_findings *f) { tni_text_destroy(&f->text); }

/* The line with its mark goes to `shown`, what it is called to `place`. */
static void show(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark, tni_text *shown,
                 char place[PLACE]) {
  tni_text all;
  size_t begin, end, line;
  tni_text_init(&all, f->ctx);
  tni_text_init(shown, f->ctx);
  tni_print_func_at(&all, func, s, mark ? mark : (const void *)s, &begin, &end, &line);
  snprintf(place, PLACE, line ? "%.120s:%zu" : "%.120s", func->name, line);
  if (line && !all.failed) tni_text_add(shown, "\n%.*s", (int)(end - begin), all.data + begin);
  f->text.failed |= all.failed | shown->failed;
  tni_text_destroy(&all);
}

void tni_findings_add_v(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark, const char *reason,
                        va_list args) {
  tni_text shown;
  char place[PLACE];
  if (f->count++ >= MAX_FINDINGS) return;
  show(f, func, s, mark, &shown, place);
  if (f->count == 1) f->place_length = strlen(place);
  tni_text_add(&f->text, "%s%s: ", f->count > 1 ? "\n" : "", place);
  tni_text_add_v(&f->text, reason, args);
  if (shown.data) tni_text_add(&f->text, "%s", shown.data);
  tni_text_destroy(&shown);
}

void tni_findings_add_place(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark) {
  tni_text shown;
  char place[PLACE];
  if (f->count > MAX_FINDINGS) return;
  show(f, func, s, mark, &shown, place);
  tni_text_add(&f->text, "\n%s:%s", place, shown.data ? shown.data : "");
  tni_text_destroy(&shown);
}

void tni_findings_add(tni_findings *f, const tn_func *func, const tn_stmt *s, const void *mark, const char *reason,
                      ...) {
  va_list args;
  va_start(args, reason);
  tni_findings_add_v(f, func, s, mark, reason, args);
  va_end(args);
}

tn_status tni_findings_fail(const tni_findings *f, tn_error **err) {
  char more[64] = "", place[PLACE];
  if (f->count == 0) return TN_OK;
  if (f->text.failed) return tni_fail_nomem(err);
  if (f->count > MAX_FINDINGS) snprintf(more, sizeof more, "\n(and %zu more)", f->count - MAX_FINDINGS);
  snprintf(place, sizeof place, "%.*s", (int)f->place_length, f->text.data);
  return tni_fail(f->ctx, err, TN_E_VERIFY, "verify", place, "%s%s", f->text.data + f->place_length + 2, more);
}
