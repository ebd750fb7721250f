/* manual.c -- the manual of the primitives, from their table.
 *
 *     split(loop, factors: integers) -> loops
 *         one loop into nested ones; a factor 0 is inferred
 *         The product of the factors must cover the extent; ..
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { WIDTH = 96 };

/* clang-format off */
static const char *const kind_texts[] = {
#define KIND(name, text) text,
  TNI_KINDS(KIND)
#undef KIND
};
/* clang-format on */

static void write_argument(tni_text *t, const tni_argument *a) {
  tni_text_add(t, "%s", a->name);
  if (a->kind == TNI_ARG_word) {
    tni_text_add(t, "%s%s", a->optional ? "=" : ": ", a->fallback);
    return;
  }
  if (strcmp(a->name, kind_texts[a->kind]) != 0) tni_text_add(t, ": %s", kind_texts[a->kind]);
  if (a->optional && tni_is_list(a->kind)) tni_text_add(t, "=[]");
  if (a->optional && !tni_is_list(a->kind)) tni_text_add(t, a->kind == TNI_ARG_text ? "=\"%s\"" : "=%s", a->fallback);
}

static void write_signature(tni_text *t, const tni_primitive *p) {
  tni_text_add(t, "%s(", p->name);
  for (int i = 0; i < tni_argument_count(p); i++) {
    if (i) tni_text_add(t, ", ");
    write_argument(t, &p->params[i]);
  }
  tni_text_add(t, ")");
  if (strcmp(p->results, "none") != 0) tni_text_add(t, " -> %s", p->results);
  if (p->flags & TNI_SAMPLES) tni_text_add(t, " [@ decision]");
  tni_text_add(t, "\n");
}

/* The words in indented lines. */
static void write_paragraph(tni_text *t, const char *words) {
  size_t column = 0;
  while (*words) {
    size_t n = strcspn(words, " ");
    if (column && column + 1 + n > WIDTH) {
      tni_text_add(t, "\n");
      column = 0;
    }
    tni_text_add(t, column ? " " : "    ");
    tni_text_add_bytes(t, words, n);
    column += (column ? 1 : 4) + n;
    words += n + strspn(words + n, " ");
  }
  tni_text_add(t, "\n");
}

tn_status tn_schedule_manual(tn_context *ctx, const char *name, char **out, tn_error **err) {
  tni_text t;
  bool found = false;
  *out = NULL;
  if (err) *err = NULL;
  tni_text_init(&t, ctx);
  for (size_t i = 0; i < TNI_PRIMITIVE_COUNT; i++) {
    const tni_primitive *p = &tni_primitives[i];
    if (name && strcmp(name, p->name) != 0) continue;
    if (found) tni_text_add(&t, "\n");
    found = true;
    write_signature(&t, p);
    write_paragraph(&t, p->meaning);
    write_paragraph(&t, p->doc);
    if (p->flags & TNI_REASSOCIATES)
      write_paragraph(&t, "May add floating-point numbers in another order: rounding may differ.");
    if (p->flags & TNI_UNSAFE) write_paragraph(&t, "Unsafe: the function may compute something else.");
  }
  if (!found) {
    tni_text_destroy(&t);
    return tni_fail(ctx, err, TN_E_NOT_FOUND, "schedule", name, "there is no such primitive");
  }
  *out = tni_text_take(&t);
  return *out ? TN_OK : tni_fail_nomem(err);
}
