/* passes.c -- the table of passes, in the order in which they run, and what a host learns of them.
 *
 * Lowering's passes are rows of its own table (ir/lower/lower.c) and stand between `schedule` and `code`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

/* clang-format off */
static const tn_pass_info stages[] = {
    [TNI_STAGE_INTEGERS] = {"integers", 'i', "graph", "products of dequantized numbers in integers, when that is asked for"},
    [TNI_STAGE_FOLD]     = {"fold", 'f', "graph", "constant parts computed, what nobody uses dropped; attention, layer norms and transposed convolutions in another form, whose sums are in another order; products of one value joined"},
    [TNI_STAGE_LAYOUT]   = {"layout", 'l', "graph", "images with channels last, or as rows of pixels; convolutions from transformed tiles; constant weights in the layout that the target wants"},
    [TNI_STAGE_FUSE]     = {"fuse", 'u', "graph", "nodes grouped into tensor functions"},
    [TNI_STAGE_GUARD]    = {"guard", 'g', "tensor", "what is not proven inside or apart is checked when it runs"},
    [TNI_STAGE_SCHEDULE] = {"schedule", 's', "tensor", "a schedule for every function that has none"},
};
static const tn_pass_info code = {"code", 'c', "code", "objects for the target, by LLVM; kernels that differ in numbers alone are one"};
/* clang-format on */
enum { BEFORE_LOWER = TNI_STAGE_LOWER };

size_t tn_pass_count(void) { return BEFORE_LOWER + tni_lower_pass_count() + 1; }

tn_pass_info tn_pass_at(size_t i) {
  if (i < BEFORE_LOWER) return stages[i];
  if (i - BEFORE_LOWER >= tni_lower_pass_count()) return code;
  const tni_pass *pass = tni_lower_pass(i - BEFORE_LOWER);
  return (tn_pass_info){pass->name, pass->letter, "loop", pass->does};
}

static bool is_letter(char c) {
  for (size_t i = 0; i < tn_pass_count(); i++)
    if (tn_pass_at(i).letter == c) return true;
  return c == '*';
}

tn_status tni_passes_check(tn_context *ctx, const tn_compile_desc *desc, tn_error **err) {
  for (const char *c = desc->dump; c && *c; c++) {
    if (is_letter(*c)) continue;
    char letters[64];
    size_t count = tn_pass_count() < sizeof letters ? tn_pass_count() : sizeof letters - 1;
    for (size_t i = 0; i < count; i++) letters[i] = tn_pass_at(i).letter;
    letters[count] = 0;
    return tni_fail(ctx, err, TN_E_INVALID, "build", "dump",
                    "`%c` is the letter of no pass: they are %s, and * for all", *c, letters);
  }
  return TN_OK;
}

/* ---- telling ------------------------------------------------------------------------------------------------------- */

static bool is_dumped(const tni_pipeline *p, size_t pass) {
  const char *dump = p->desc->dump;
  return dump && (strchr(dump, '*') || strchr(dump, tn_pass_at(pass).letter));
}

static void tell(tni_pipeline *p, size_t pass, const char *object, double seconds, const tni_text *text) {
  tn_pass_event event = {sizeof event, pass, object, seconds, NULL};
  if (is_dumped(p, pass)) event.text = text->data ? text->data : "";
  p->failed |= text->failed;
  if (!text->failed) p->desc->observe(p->desc->observe_self, &event);
}

void tni_tell_graph(tni_pipeline *p, enum tni_stage stage, const tn_graph *graph, double start) {
  tni_text text;
  if (!p->desc->observe) return;
  double seconds = tni_seconds(p->ctx) - start;
  tni_text_init(&text, p->ctx);
  if (is_dumped(p, stage)) {
    tni_program_fill(p->work);
    tni_graph_print(&text, graph);
  }
  tell(p, stage, graph->name, seconds, &text);
  tni_text_destroy(&text);
}

static void tell_func(tni_pipeline *p, size_t pass, const tn_func *func, double seconds) {
  tni_text text;
  tni_text_init(&text, p->ctx);
  if (is_dumped(p, pass)) tni_print_func(&text, func, NULL);
  tell(p, pass, func->name, seconds, &text);
  tni_text_destroy(&text);
}

void tni_tell_func(tni_pipeline *p, enum tni_stage stage, const tn_func *func, double start) {
  if (p->desc->observe) tell_func(p, stage, func, tni_seconds(p->ctx) - start);
}

static void after_lower_pass(void *self, const tni_pass *pass, const tn_func *now, double seconds) {
  size_t i = 0;
  while (tni_lower_pass(i) != pass) i++;
  tell_func(self, BEFORE_LOWER + i, now, seconds);
}

tni_observer tni_lower_observer(tni_pipeline *p) { return (tni_observer){p, after_lower_pass}; }

void tni_tell_code(tni_pipeline *p, double start) {
  tn_pass_event event = {sizeof event, tn_pass_count() - 1, "", tni_seconds(p->ctx) - start, NULL};
  if (p->desc->observe) p->desc->observe(p->desc->observe_self, &event);
}
