/* plan.c -- plans as text, and back.
 *
 *     plan main(1 inputs, 1 outputs, 1 constants, 128 bytes) {
 *       b0 = input[0]: 64
 *       b1 = const[0]: 16
 *       b2 = arena[64]: 64
 *       b3 = output[0]: 64
 *       b4 = b2[16]: 32
 *       call add_bias(b0, b1, b2)
 *       copy(b3, b2)
 *     }
 *
 * A buffer has its number, its place (for a slice of the arena or a part of a buffer the offset) and its bytes; a step calls a kernel by name, or
 * by number where it has none. What is read is sound: the rules are those of tni_executor_create.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "text.h"

static const char *const kinds[] = {[TNI_PLAN_INPUT] = "input",
                                    [TNI_PLAN_OUTPUT] = "output",
                                    [TNI_PLAN_CONST] = "const",
                                    [TNI_PLAN_ARENA] = "arena"};

static bool has_offset(enum tni_plan_kind kind) { return kind == TNI_PLAN_ARENA || kind == TNI_PLAN_PART; }

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_step(tni_text *out, const tni_plan *plan, const tni_plan_step *step, const char *const *names) {
  if (step->kernel == TNI_PLAN_COPY) {
    tni_text_add(out, "  copy(");
  } else {
    tni_text_add(out, "  call ");
    if (names && names[step->kernel])
      tni_print_name(out, names[step->kernel]);
    else
      tni_text_add(out, "%u", step->kernel);
    tni_text_add(out, "(");
  }
  for (uint32_t i = 0; i < step->arg_count; i++)
    tni_text_add(out, "%sb%u", i ? ", " : "", plan->args[step->first_arg + i]);
  tni_text_add(out, ")\n");
}

void tni_plan_print(tni_text *out, const char *name, const tni_plan *plan, const char *const *names) {
  tni_text_add(out, "plan ");
  tni_print_name(out, name);
  tni_text_add(out, "(%u inputs, %u outputs, %u constants, %llu bytes) {\n", plan->input_count, plan->output_count,
               plan->const_count, (unsigned long long)plan->arena_bytes);
  for (uint32_t i = 0; i < plan->buffer_count; i++) {
    const tni_plan_buffer *b = &plan->buffers[i];
    unsigned long long place = has_offset(b->kind) ? b->offset : b->index;
    if (b->kind == TNI_PLAN_PART)
      tni_text_add(out, "  b%u = b%u", i, b->index);
    else
      tni_text_add(out, "  b%u = %s", i, kinds[b->kind]);
    tni_text_add(out, "[%llu]: %llu\n", place, (unsigned long long)b->bytes);
  }
  for (uint32_t i = 0; i < plan->step_count; i++) print_step(out, plan, &plan->steps[i], names);
  tni_text_add(out, "}\n");
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct reader {
  tni_parser p;
  size_t kernel_count;
  const char *const *kernels;
  tni_map by_name; /* the kernels; value: number */
  tni_plan plan;
  tni_plan_buffer *buffers;
  size_t buffer_count, buffer_capacity;
  tni_plan_step *steps;
  size_t step_count, step_capacity;
  uint32_t *args;
  size_t arg_count, arg_capacity;
} reader;

static bool grow(reader *r, void *items, size_t *capacity, size_t count, size_t size) {
  void **array = items;
  if (count < UINT32_MAX && tni_reserve(r->p.ctx, array, capacity, count + 1, size)) return true;
  tni_parser_nomem(&r->p);
  return false;
}

static bool report_at(reader *r, const tni_token *tok, const char *message) {
  tni_report(&r->p, tok->offset, tok->length, "%s", message);
  return false;
}

/* A number up to `most`. */
static bool read_number(reader *r, uint64_t most, const char *what, uint64_t *out) {
  tni_token tok = r->p.tok;
  tni_scalar x;
  const char *why;
  if (!tni_expect(&r->p, TNI_TOK_NUMBER, what)) return false;
  if (!tni_parse_scalar(TN_U64, r->p.text + tok.offset, tok.length, false, &x, &why)) return report_at(r, &tok, why);
  *out = (uint64_t)x.i;
  return *out <= most || report_at(r, &tok, "the number is too large");
}

/* `N WORD` */
static bool read_count(reader *r, uint64_t most, const char *word, uint64_t *out) {
  char what[64];
  snprintf(what, sizeof what, "`%s` behind the number", word);
  if (!read_number(r, most, "a number", out)) return false;
  if (tni_accept_word(&r->p, word)) return true;
  tni_report_expected(&r->p, what);
  return false;
}

static bool read_head(reader *r, const char **name) {
  uint64_t inputs, outputs, constants;
  static const char comma[] = "`,` behind the count";
  if (!tni_accept_word(&r->p, "plan")) return tni_report_expected(&r->p, "`plan`"), false;
  if (!(*name = tni_parse_any_name(&r->p, "the name of the plan")) ||
      !tni_expect(&r->p, TNI_TOK_LPAREN, "`(` and the counts") || !read_count(r, UINT32_MAX - 1, "inputs", &inputs) ||
      !tni_expect(&r->p, TNI_TOK_COMMA, comma) || !read_count(r, UINT32_MAX - 1, "outputs", &outputs) ||
      !tni_expect(&r->p, TNI_TOK_COMMA, comma) || !read_count(r, UINT32_MAX - 1, "constants", &constants) ||
      !tni_expect(&r->p, TNI_TOK_COMMA, comma))
    return false;
  tni_token tok = r->p.tok;
  if (!read_count(r, UINT64_MAX, "bytes", &r->plan.arena_bytes) ||
      !tni_expect(&r->p, TNI_TOK_RPAREN, "`)` behind the counts") || !tni_expect(&r->p, TNI_TOK_LBRACE, "`{`"))
    return false;
  r->plan.input_count = (uint32_t)inputs;
  r->plan.output_count = (uint32_t)outputs;
  r->plan.const_count = (uint32_t)constants;
  if (r->plan.arena_bytes <= r->p.ctx->limits.total_bytes) return true;
  report_at(r, &tok, "intermediates are over tn_limits.total_bytes");
  r->p.fatal = TN_E_LIMIT;
  r->p.stopped = true;
  return false;
}

/* The number of `bN`, or -1 when the token is none. */
static int64_t buffer_number(const reader *r, const tni_token *tok) {
  const char *text = r->p.text + tok->offset, *why;
  tni_scalar x;
  bool is_name = tok->kind == TNI_TOK_NAME && text[0] == 'b' && tok->length > 1 && (tok->length == 2 || text[1] != '0');
  return is_name && tni_parse_scalar(TN_U32, text + 1, tok->length - 1, false, &x, &why) ? x.i : -1;
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

/* The kind, and of a part what it is a part of. */
static bool read_kind(reader *r, tni_plan_buffer *b) {
  int64_t whole = buffer_number(r, &r->p.tok);
  for (size_t i = 0; i < TNI_COUNT(kinds); i++)
    if (tni_accept_word(&r->p, kinds[i])) return b->kind = (enum tni_plan_kind)i, true;
  if (whole < 0) return tni_report_expected(&r->p, "`input`, `output`, `const`, `arena` or a buffer"), false;
  if ((uint64_t)whole >= r->buffer_count || r->buffers[whole].kind == TNI_PLAN_PART)
    return report_at(r, &r->p.tok, "there is no such buffer above that is no part");
  tni_next(&r->p);
  b->kind = TNI_PLAN_PART;
  b->index = (uint32_t)whole;
  return true;
}

static bool check_buffer(reader *r, const tni_token *tok, const tni_plan_buffer *b) {
  if (b->kind == TNI_PLAN_PART) {
    uint64_t whole = r->buffers[b->index].bytes;
    return (b->offset <= whole && b->bytes <= whole - b->offset) || report_at(r, tok, "the part ends beyond its buffer");
  }
  const uint32_t counts[] = {r->plan.input_count, r->plan.output_count, r->plan.const_count};
  if (b->kind != TNI_PLAN_ARENA && b->index >= counts[b->kind]) {
    tni_report(&r->p, tok->offset, tok->length, "there is no %s %u", kinds[b->kind], b->index);
    return false;
  }
  if (b->kind == TNI_PLAN_ARENA && (b->offset > r->plan.arena_bytes || b->bytes > r->plan.arena_bytes - b->offset))
    return report_at(r, tok, "the slice ends beyond the arena");
  return true;
}

/* `bN = KIND[PLACE]: BYTES`, or `bN = bM[PLACE]: BYTES` */
static bool read_buffer(reader *r) {
  tni_plan_buffer b = {.bytes = 0};
  tni_token tok = r->p.tok;
  uint64_t place;
  if (buffer_number(r, &tok) != (int64_t)r->buffer_count) {
    tni_report(&r->p, tok.offset, tok.length, "buffers are numbered in order, this one is b%zu", r->buffer_count);
    return false;
  }
  tni_next(&r->p);
  if (!tni_expect(&r->p, TNI_TOK_ASSIGN, "`=` and where the buffer is")) return false;
  if (!read_kind(r, &b) || !tni_expect(&r->p, TNI_TOK_LBRACKET, "`[` and its number or offset") ||
      !read_number(r, has_offset(b.kind) ? UINT64_MAX : UINT32_MAX - 1, "a number", &place) ||
      !tni_expect(&r->p, TNI_TOK_RBRACKET, "`]`") || !tni_expect(&r->p, TNI_TOK_COLON, "`:` and its bytes") ||
      !read_number(r, UINT64_MAX, "a number of bytes", &b.bytes))
    return false;
  if (has_offset(b.kind))
    b.offset = place;
  else
    b.index = (uint32_t)place;
  if (!check_buffer(r, &tok, &b) ||
      !grow(r, &r->buffers, &r->buffer_capacity, r->buffer_count, sizeof *r->buffers))
    return false;
  r->buffers[r->buffer_count++] = b;
  return true;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static bool read_args(reader *r, tni_plan_step *step) {
  step->first_arg = (uint32_t)r->arg_count;
  if (!tni_expect(&r->p, TNI_TOK_LPAREN, "`(` and the buffers")) return false;
  if (tni_accept(&r->p, TNI_TOK_RPAREN)) return true;
  do {
    tni_token tok = r->p.tok;
    if (!tni_expect(&r->p, TNI_TOK_NAME, "a buffer such as `b0`")) return false;
    int64_t number = buffer_number(r, &tok);
    if (number < 0 || (uint64_t)number >= r->buffer_count) return report_at(r, &tok, "there is no such buffer above");
    if (!grow(r, &r->args, &r->arg_capacity, r->arg_count, sizeof *r->args)) return false;
    r->args[r->arg_count++] = (uint32_t)number;
    step->arg_count++;
  } while (tni_accept(&r->p, TNI_TOK_COMMA));
  return tni_expect(&r->p, TNI_TOK_RPAREN, "`)` or `,` after a buffer");
}

/* A kernel's name, or its number when it has none. */
static bool read_kernel(reader *r, uint32_t *out) {
  tni_token tok = r->p.tok;
  uint64_t number = 0;
  if (tok.kind == TNI_TOK_NUMBER) {
    if (!read_number(r, UINT32_MAX, "a kernel", &number)) return false;
    if (number >= r->kernel_count || r->kernels[number]) return report_at(r, &tok, "there is no kernel of this number");
  } else {
    const char *name = tni_parse_name(&r->p, "the name of a kernel");
    if (!name) return false;
    size_t entry = tni_map_find(&r->by_name, name, strlen(name));
    if (entry == TNI_MAP_NONE) return report_at(r, &tok, "there is no kernel of this name");
    number = r->by_name.entries[entry].value;
  }
  *out = (uint32_t)number;
  return true;
}

static bool read_step(reader *r) {
  tni_plan_step step = {.kernel = TNI_PLAN_COPY};
  tni_token tok = r->p.tok;
  bool copy = tni_accept_word(&r->p, "copy");
  if (!copy && !tni_accept_word(&r->p, "call")) return tni_report_expected(&r->p, "a buffer, `call` or `copy`"), false;
  if ((!copy && !read_kernel(r, &step.kernel)) || !read_args(r, &step)) return false;
  const uint32_t *args = r->args + step.first_arg;
  if (copy && (step.arg_count != 2 || r->buffers[args[0]].bytes != r->buffers[args[1]].bytes))
    return report_at(r, &tok, "a copy takes two buffers of one size");
  if (!grow(r, &r->steps, &r->step_capacity, r->step_count, sizeof *r->steps)) return false;
  r->steps[r->step_count++] = step;
  return true;
}

/* Buffers and steps up to the closing brace. */
static void read_body(reader *r) {
  tni_parser *p = &r->p;
  bool separated = true;
  while (!p->stopped && p->tok.kind != TNI_TOK_RBRACE && p->tok.kind != TNI_TOK_END) {
    size_t begin = p->tok.offset;
    bool good = separated || p->tok.line_start;
    if (!good) tni_report_expected(p, "a new line or `;` after a step");
    good = good && (buffer_number(r, &p->tok) >= 0 ? read_buffer(r) : read_step(r));
    if (!good) tni_skip_statement(p, begin);
    separated = tni_accept(p, TNI_TOK_SEMICOLON);
  }
  tni_expect(p, TNI_TOK_RBRACE, "`}`");
  if (p->tok.kind != TNI_TOK_END) tni_report_expected(p, "the end of the text");
}

/* Kernels of one name are one. */
static bool map_kernels(reader *r) {
  for (size_t i = 0; i < r->kernel_count; i++) {
    if (!r->kernels[i]) continue;
    bool added;
    size_t entry = tni_map_add(&r->by_name, r->kernels[i], strlen(r->kernels[i]), &added);
    if (entry == TNI_MAP_NONE) return false;
    if (added) r->by_name.entries[entry].value = i;
  }
  return true;
}

static bool keep(reader *r, tni_arena *arena, const char *name, const char **out_name) {
  r->plan.buffer_count = (uint32_t)r->buffer_count;
  r->plan.step_count = (uint32_t)r->step_count;
  r->plan.arg_count = (uint32_t)r->arg_count;
  r->plan.buffers = tni_arena_copy(arena, r->buffers, r->buffer_count * sizeof *r->buffers);
  r->plan.steps = tni_arena_copy(arena, r->steps, r->step_count * sizeof *r->steps);
  r->plan.args = tni_arena_copy(arena, r->args, r->arg_count * sizeof *r->args);
  *out_name = tni_arena_text(arena, name);
  return r->plan.buffers && r->plan.steps && r->plan.args && *out_name;
}

tn_status tni_plan_parse(tni_arena *arena, const char *text, size_t length, const char *file, size_t kernel_count,
                         const char *const *kernels, tni_plan *out, const char **name, tn_error **err) {
  tni_region names;
  reader r = {.kernel_count = kernel_count, .kernels = kernels};
  *out = (tni_plan){.step_count = 0};
  *name = NULL;
  tni_region_init(&names, arena->ctx, NULL);
  tn_status status = tni_parser_begin(&r.p, &names, text, length, file, err);
  tni_map_init(&r.by_name, arena->ctx);
  if (status == TN_OK) {
    if (!map_kernels(&r))
      tni_parser_nomem(&r.p);
    else if (read_head(&r, name))
      read_body(&r);
    status = tni_parser_end(&r.p, err);
    if (status == TN_OK && !keep(&r, arena, *name, name)) status = tni_fail_nomem(err);
    if (status == TN_OK) *out = r.plan;
  }
  if (status != TN_OK) *name = NULL;
  tni_map_destroy(&r.by_name);
  tni_free(arena->ctx, r.buffers, r.buffer_capacity * sizeof *r.buffers);
  tni_free(arena->ctx, r.steps, r.step_capacity * sizeof *r.steps);
  tni_free(arena->ctx, r.args, r.arg_capacity * sizeof *r.args);
  tni_region_destroy(&names);
  return status;
}
