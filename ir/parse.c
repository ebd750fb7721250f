/* parse.c -- programs from text: mistakes, functions, externals. The grammar is in LANGUAGE.md.
 *
 * Every mistake is reported with its line and a mark; reading goes on behind the statement, so that one run finds many.
 * Nesting is bounded by the context's limit, the rest by the length of the text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "graph/graph_text.h"

enum { MAX_ERRORS = 20, MAX_NESTING = 1000, MAX_TYPES = 255, LINE_SHOWN = 100 };

/* ---- tokens and mistakes ---- */

void tni_parser_nomem(tni_parser *p) {
  p->fatal = TN_E_NOMEM;
  p->stopped = true;
}

void tni_next(tni_parser *p) {
  p->last_end = p->tok.offset + p->tok.length;
  if (p->stopped) p->position = p->length;
  p->tok = tni_lex(p->text, p->length, &p->position);
}

static bool is_word(const tni_parser *p, const tni_token *tok, const char *word) {
  return tok->kind == TNI_TOK_NAME && tok->length == strlen(word) &&
         memcmp(p->text + tok->offset, word, tok->length) == 0;
}

bool tni_at_word(const tni_parser *p, const char *word) { return !p->stopped && is_word(p, &p->tok, word); }

bool tni_accept_word(tni_parser *p, const char *word) {
  bool there = tni_at_word(p, word);
  if (there) tni_next(p);
  return there;
}

static char printable(char c) { return c >= 0x20 && c < 0x7f ? c : c == '\t' ? ' ' : '?'; }

/* The line around the place, or a part of it when it is long, and a mark under the place. */
static void show_line(tni_parser *p, size_t offset, size_t length) {
  size_t begin = offset, end = offset;
  while (begin > 0 && p->text[begin - 1] != '\n') begin--;
  while (end < p->length && p->text[end] != '\n') end++;
  bool cut = offset - begin > LINE_SHOWN / 2 && end - begin > LINE_SHOWN;
  if (cut) begin = offset - LINE_SHOWN / 2;
  if (end - begin > LINE_SHOWN) end = begin + LINE_SHOWN;
  tni_text_add(&p->report, "\n  %s", cut ? "..." : "");
  for (size_t i = begin; i < end && p->text[i] != '\r'; i++) tni_text_add(&p->report, "%c", printable(p->text[i]));
  tni_text_add(&p->report, "\n  %*s^", (int)(offset - begin) + (cut ? 3 : 0), "");
  for (size_t i = 1; i < length && offset + i < end && p->text[offset + i] != '\n'; i++) tni_text_add(&p->report, "^");
}

static void write_place(const tni_parser *p, size_t offset, char *out, size_t size) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i < offset; i++) {
    column = p->text[i] == '\n' ? 1 : column + 1;
    line += p->text[i] == '\n';
  }
  snprintf(out, size, "%.200s:%zu:%zu", p->file, line, column);
}

void tni_report(tni_parser *p, size_t offset, size_t length, const char *message, ...) {
  char place[sizeof p->place];
  va_list args;
  if (p->stopped || (p->errors && offset == p->last_report))
    return; /* what follows from a mistake at the same place is none */
  p->last_report = offset;
  write_place(p, offset, place, sizeof place);
  if (p->errors++ == 0)
    memcpy(p->place, place, sizeof place);
  else
    tni_text_add(&p->report, "\n%s: ", place);
  va_start(args, message);
  tni_text_add_v(&p->report, message, args);
  va_end(args);
  show_line(p, offset, length);
  if (p->errors == MAX_ERRORS) {
    tni_text_add(&p->report, "\n(more mistakes may follow)");
    p->stopped = true;
    tni_next(p);
  }
}

void tni_report_expected(tni_parser *p, const char *what) {
  const tni_token *tok = &p->tok;
  char found[48] = "the end of the text";
  if (tok->kind == TNI_TOK_BAD && (unsigned char)p->text[tok->offset] - 0x20u >= 0x5fu)
    snprintf(found, sizeof found, "the byte 0x%02x", (unsigned char)p->text[tok->offset]);
  else if (tok->kind != TNI_TOK_END)
    snprintf(found, sizeof found, tok->length > 40 ? "`%.*s...`" : "`%.*s`", tok->length > 36 ? 36 : (int)tok->length,
             p->text + tok->offset);
  for (char *c = found; *c; c++) *c = printable(*c);
  bool end = tok->kind == TNI_TOK_END;
  tni_report(p, end ? p->last_end : tok->offset, tok->length, "expected %s, found %s", what, found);
}

bool tni_accept(tni_parser *p, enum tni_token_kind kind) {
  bool there = !p->stopped && p->tok.kind == kind;
  if (there) tni_next(p);
  return there;
}

bool tni_expect(tni_parser *p, enum tni_token_kind kind, const char *what) {
  bool there = tni_accept(p, kind);
  if (!there) tni_report_expected(p, what);
  return there;
}

bool tni_enter(tni_parser *p, uint32_t *depth) {
  if (p->stopped) return false;
  if (++*depth <= p->max_depth) return true;
  --*depth;
  tni_report(p, p->tok.offset, p->tok.length, "nested deeper than the limit of %u", p->max_depth);
  p->fatal = TN_E_LIMIT;
  p->stopped = true;
  return false;
}

/* ---- functions ---- */

/* Parameters are read in two steps, since an extent may name a scalar that stands behind it. */
typedef struct param {
  tni_token name;
  tn_type type;
  bool is_buffer;
  size_t position; /* of the token behind the type */
  tni_token tok;
} param;

typedef struct params {
  param *items;
  size_t count, capacity;
} params;

static bool skip_extents(tni_parser *p) {
  uint32_t depth = 0; /* the first token is the opening bracket */
  for (; p->tok.kind != TNI_TOK_LBRACE && p->tok.kind != TNI_TOK_END; tni_next(p)) {
    depth += p->tok.kind == TNI_TOK_LBRACKET;
    depth -= p->tok.kind == TNI_TOK_RBRACKET;
    if (depth == 0) break;
  }
  return tni_expect(p, TNI_TOK_RBRACKET, "`]` after the extents");
}

/* To the comma or parenthesis behind the parameter. */
static void skip_attributes(tni_parser *p) {
  uint32_t depth = 0;
  for (; p->tok.kind != TNI_TOK_LBRACE && p->tok.kind != TNI_TOK_END; tni_next(p)) {
    if (depth == 0 && (p->tok.kind == TNI_TOK_COMMA || p->tok.kind == TNI_TOK_RPAREN)) return;
    depth += p->tok.kind == TNI_TOK_LPAREN;
    depth -= p->tok.kind == TNI_TOK_RPAREN;
  }
}

static bool scan_param(tni_parser *p, params *list) {
  param item = {.is_buffer = false};
  if (!tni_parse_new_name(p, "the name of a parameter", &item.name) ||
      !tni_expect(p, TNI_TOK_COLON, "`:` and the parameter's type"))
    return false;
  size_t begin = p->tok.offset;
  if (!(item.type = tni_parse_type(p))) return false;
  item.is_buffer = p->tok.kind == TNI_TOK_LBRACKET;
  item.position = p->position;
  item.tok = p->tok;
  if (!tni_is_element_type(item.type) && (item.is_buffer || item.type != TN_INDEX)) {
    tni_report(p, begin, p->last_end - begin, "a parameter is an index, or a number or bool with one lane");
    return false;
  }
  if (!tni_reserve(p->ctx, (void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items)) {
    tni_parser_nomem(p);
    return false;
  }
  list->items[list->count++] = item;
  if (!item.is_buffer) return true;
  if (!skip_extents(p)) return false;
  if (tni_at_buffer_attribute(p)) skip_attributes(p);
  return true;
}

static bool scan_params(tni_parser *p, params *list) {
  if (!tni_expect(p, TNI_TOK_LPAREN, "`(` and the parameters")) return false;
  if (tni_accept(p, TNI_TOK_RPAREN)) return true;
  do
    if (!scan_param(p, list)) return false;
  while (tni_accept(p, TNI_TOK_COMMA));
  return tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after a parameter");
}

/* Makes the scalars, then the buffers. Leaves the current token where it was. */
static tni_param *make_params(tni_parser *p, const params *list) {
  tni_param *made = TNI_NEW_ARRAY(&p->r->arena, tni_param, list->count);
  tni_token tok = p->tok;
  size_t position = p->position;
  bool good = made != NULL;
  if (!made) tni_parser_nomem(p);
  for (size_t i = 0; good && i < list->count; i++)
    if (!list->items[i].is_buffer)
      good = (made[i].scalar = tni_declare_var(p, &list->items[i].name, list->items[i].type)) != NULL;
  for (size_t i = 0; good && i < list->count; i++) {
    const param *item = &list->items[i];
    if (!item->is_buffer) continue;
    const char *name = tni_token_name(p, &item->name);
    p->tok = item->tok;
    p->position = item->position;
    made[i].buffer = name ? tni_parse_buffer(p, name, item->type, true) : NULL;
    good = made[i].buffer &&
           tni_declare(p, &item->name, (tni_binding){.kind = TNI_BOUND_BUFFER, .buffer = made[i].buffer});
  }
  p->tok = tok;
  p->position = position;
  if (p->stopped) tni_next(p);
  return good ? made : NULL;
}

static tni_param *parse_params(tni_parser *p, uint32_t *count) {
  params list = {.items = NULL};
  tni_param *made = scan_params(p, &list) ? make_params(p, &list) : NULL;
  *count = (uint32_t)list.count;
  tni_free(p->ctx, list.items, list.capacity * sizeof *list.items);
  return made;
}

static bool is_new_func(tni_parser *p, const tni_token *tok, const char *name) {
  for (size_t i = 0; i < p->func_count; i++)
    if (strcmp(p->funcs[i]->name, name) == 0) {
      tni_report(p, tok->offset, tok->length, "a function of this name stands above");
      return false;
    }
  return true;
}

static bool keep_func(tni_parser *p, const tn_func *func) {
  if (!tni_reserve(p->ctx, (void **)&p->funcs, &p->func_capacity, p->func_count + 1, sizeof *p->funcs)) {
    tni_parser_nomem(p);
    return false;
  }
  p->funcs[p->func_count++] = func;
  return true;
}

/* Behind `[scheduled] [loop] func`. */
static bool parse_func(tni_parser *p, bool scheduled, enum tni_level level) {
  tni_token tok = p->tok;
  tn_func *func = TNI_NEW(&p->r->arena, tn_func);
  if (!func) {
    tni_parser_nomem(p);
    return false;
  }
  *func = (tn_func){.program = p->program, .scheduled = scheduled, .level = level};
  p->level = level;
  p->share_count = 0;
  if (!(func->name = tni_parse_name(p, "the name of the function")) || !is_new_func(p, &tok, func->name) ||
      !(func->params = parse_params(p, &func->param_count)))
    return false;
  func->body = tni_parse_braces(p);
  return func->body && keep_func(p, func);
}

static bool parse_extern(tni_parser *p) {
  tn_type types[MAX_TYPES], result;
  size_t count = 0;
  tni_token tok = p->tok;
  tn_error *err;
  const char *name = tni_parse_name(p, "the name of an external function");
  if (!name || !tni_expect(p, TNI_TOK_LPAREN, "`(` and the types of the parameters")) return false;
  while (p->tok.kind != TNI_TOK_RPAREN) {
    if (count == MAX_TYPES) {
      tni_report(p, p->tok.offset, p->tok.length, "more than %d parameters", MAX_TYPES);
      return false;
    }
    if (!(types[count++] = tni_parse_type(p))) return false;
    if (!tni_accept(p, TNI_TOK_COMMA)) break;
  }
  if (!tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after a type") ||
      !tni_expect(p, TNI_TOK_COLON, "`:` and the type of the result") || !(result = tni_parse_type(p)))
    return false;
  tn_status status = tni_program_declare(p->program, name, result, count, types, &err);
  if (status == TN_E_NOMEM)
    tni_parser_nomem(p);
  else if (status)
    tni_report(p, tok.offset, tok.length, "%s", tn_error_reason(err));
  if (status) tn_error_destroy(err);
  return status == TN_OK;
}

static bool at_declaration(const tni_parser *p) {
  return p->tok.line_start &&
         (tni_at_word(p, "func") || tni_at_word(p, "extern") || tni_at_word(p, "loop") || tni_at_word(p, "scheduled") ||
          tni_at_word(p, "graph"));
}

static bool parse_declaration(tni_parser *p) {
  if (tni_accept_word(p, "extern")) return parse_extern(p);
  if (tni_accept_word(p, "graph")) return tni_parse_graph(p);
  bool scheduled = tni_accept_word(p, "scheduled");
  bool loop = tni_accept_word(p, "loop");
  if (tni_accept_word(p, "func")) return parse_func(p, scheduled, loop ? TNI_LEVEL_LOOP : TNI_LEVEL_TENSOR);
  tni_report_expected(p, scheduled || loop ? "`func`" : "`func`, `graph` or `extern`");
  return false;
}

static void parse_program(tni_parser *p) {
  while (!p->stopped && p->tok.kind != TNI_TOK_END) {
    size_t begin = p->tok.offset;
    bool good = parse_declaration(p);
    tni_close_scope(p, 0);
    p->stmt_count = 0;
    p->stmt_depth = p->expr_depth = 0;
    while (!good && p->tok.kind != TNI_TOK_END && (p->tok.offset <= begin || !at_declaration(p))) tni_next(p);
  }
}

/* ---- whole texts ---- */

tn_status tni_parser_begin(tni_parser *p, tni_region *r, const char *text, size_t length, const char *file,
                           tn_error **err) {
  tn_context *ctx = r->arena.ctx;
  *p = (tni_parser){.ctx = ctx,
                    .r = r,
                    .text = text,
                    .file = file ? file : "text",
                    .length = length,
                    .max_depth = ctx->limits.nesting < MAX_NESTING ? ctx->limits.nesting : MAX_NESTING};
  if (err) *err = NULL;
  if (length > ctx->limits.model_bytes)
    return tni_fail(ctx, err, TN_E_LIMIT, "parse", p->file, "the text is longer than the limit of %llu bytes",
                    (unsigned long long)ctx->limits.model_bytes);
  tni_text_init(&p->report, ctx);
  tni_map_init(&p->scope, ctx);
  tni_next(p);
  return TN_OK;
}

tn_status tni_parser_end(tni_parser *p, tn_error **err) {
  tn_context *ctx = p->ctx;
  tn_status status = TN_OK;
  if (p->fatal == TN_E_NOMEM || p->report.failed || (p->errors == 0 && p->r->arena.failed))
    status = tni_fail_nomem(err);
  else if (p->errors)
    status = tni_fail(ctx, err, p->fatal ? p->fatal : TN_E_INVALID, "parse", p->place, "%s", p->report.data);
  tni_text_destroy(&p->report);
  tni_map_destroy(&p->scope);
  tni_free(ctx, p->bindings, p->binding_capacity * sizeof *p->bindings);
  tni_free(ctx, p->shares, p->share_capacity * sizeof *p->shares);
  tni_free(ctx, p->stmts, p->stmt_capacity * sizeof *p->stmts);
  return status;
}

static tn_status add_to_program(const tni_parser *p, tn_error **err) {
  tn_status status = TN_OK;
  for (size_t i = 0; !status && i < p->func_count; i++) status = tni_program_add(p->program, p->funcs[i], err);
  for (size_t i = 0; !status && i < p->graph_count; i++) status = tni_program_add_graph(p->program, p->graphs[i], err);
  return status;
}

/* Where the contents are that the text refers to. */
typedef struct side {
  tni_blob *blob; /* or NULL */
  const tni_contents *contents;
  size_t count;
} side;

/* Takes nothing; the program is as it was when this fails, but for externals. */
static tn_status parse_into(tn_program *program, const char *text, size_t length, const char *name, side side,
                            bool verify, tn_error **err) {
  tni_parser p;
  tn_context *ctx = program->ctx;
  tn_status status = tni_parser_begin(&p, &program->region, text, length, name, err);
  if (status) return status;
  p.program = program;
  p.blob = side.blob;
  p.contents = side.contents;
  p.content_count = side.count;
  parse_program(&p);
  status = tni_parser_end(&p, err);
  if (!status && verify) status = tni_verify_all(ctx, p.func_count, p.funcs, err);
  if (!status && side.blob) status = tni_program_keep_blob(program, tni_blob_ref(side.blob), err);
  if (!status) status = add_to_program(&p, err);
  tni_free(ctx, p.funcs, p.func_capacity * sizeof *p.funcs);
  tni_free(ctx, p.graphs, p.graph_capacity * sizeof *p.graphs);
  return status;
}

tn_status tni_parse(tn_program *program, const char *text, size_t length, const char *name, tn_error **err) {
  return parse_into(program, text, length, name, (side){0}, false, err);
}

tn_status tni_parse_bare(tn_program *program, const char *text, size_t length, size_t count, const tni_contents *contents,
                         tn_error **err) {
  static const tni_contents none;
  return parse_into(program, text, length, NULL, (side){NULL, count ? contents : &none, count}, true, err);
}

/* Takes the reference to the blob. */
static tn_status parse_and_verify(tn_context *ctx, const char *text, size_t length, const char *name, tni_blob *blob,
                                  tn_program **out, tn_error **err) {
  tn_status status = tn_program_create(ctx, out, err);
  if (!status) status = parse_into(*out, text, length, name, (side){.blob = blob}, true, err);
  tni_blob_unref(blob);
  if (!status) return TN_OK;
  tn_program_destroy(*out);
  *out = NULL;
  return status;
}

tn_status tn_program_parse(tn_context *context, const char *text, size_t length, const char *name, tn_program **out,
                           tn_error **err) {
  return parse_and_verify(context, text, length, name, NULL, out, err);
}

/* A copy of the host's bytes; NULL for NULL. */
static tn_status copy_blob(tn_context *ctx, const char *name, const void *bytes, size_t size, tni_blob **out,
                           tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  if (!bytes) return TN_OK;
  if (size > ctx->limits.model_bytes)
    return tni_fail(ctx, err, TN_E_LIMIT, "parse", name, "the blob is longer than the limit of %llu bytes",
                    (unsigned long long)ctx->limits.model_bytes);
  *out = tni_blob_create(ctx, size);
  if (!*out) return tni_fail_nomem(err);
  if (size) memcpy((void *)(*out)->data, bytes, size);
  return TN_OK;
}

tn_status tn_program_parse_with(tn_context *context, const char *text, size_t length, const char *name,
                                const void *blob, size_t blob_size, tn_program **out, tn_error **err) {
  tni_blob *copy;
  *out = NULL;
  tn_status status = copy_blob(context, name, blob, blob_size, &copy, err);
  return status ? status : parse_and_verify(context, text, length, name, copy, out, err);
}

tn_status tn_program_extend(tn_program *program, const char *text, size_t length, const char *name, const void *blob,
                            size_t blob_size, tn_error **err) {
  tni_blob *copy;
  tn_status status = copy_blob(program->ctx, name, blob, blob_size, &copy, err);
  if (!status) status = parse_into(program, text, length, name, (side){.blob = copy}, true, err);
  tni_blob_unref(copy);
  return status;
}

tn_status tn_program_load(tn_context *context, const char *path, const char *blob_path, tn_program **out,
                          tn_error **err) {
  tni_blob *text, *blob = NULL;
  *out = NULL;
  tn_status status = tni_blob_map(context, path, context->limits.model_bytes, "parse", &text, err);
  if (status) return status;
  if (blob_path) status = tni_blob_map(context, blob_path, context->limits.model_bytes, "parse", &blob, err);
  if (!status) status = parse_and_verify(context, text->size ? text->data : "", text->size, path, blob, out, err);
  tni_blob_unref(text);
  return status;
}
