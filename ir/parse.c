/* parse.c -- programs from text: declarations and statements. The grammar is in LANGUAGE.md.
 *
 * Every mistake is reported with its line and a mark; reading goes on behind the statement, so that one run finds many.
 * A wrong declaration still binds its name, so that it is reported once. Nesting is bounded by the context's limit, the
 * rest by the length of the text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "text.h"

enum { MAX_ERRORS = 20, MAX_NESTING = 1000, MAX_ITERS = 64, MAX_TYPES = 255, LINE_SHOWN = 100 };

/* ---- tokens and mistakes ---- */

void tni_parser_nomem(tni_parser *p) {
  p->fatal = TN_E_NOMEM;
  p->stopped = true;
}

void tni_next(tni_parser *p) {
  p->last_end = p->tok.offset + p->tok.length;
  if (p->stopped)
    p->position = p->length;
  p->tok = tni_lex(p->text, p->length, &p->position);
}

static bool is_word(const tni_parser *p, const tni_token *tok, const char *word) {
  return tok->kind == TNI_TOK_NAME && tok->length == strlen(word) && memcmp(p->text + tok->offset, word, tok->length) == 0;
}

bool tni_at_word(const tni_parser *p, const char *word) { return !p->stopped && is_word(p, &p->tok, word); }

static bool accept_word(tni_parser *p, const char *word) {
  bool there = tni_at_word(p, word);
  if (there)
    tni_next(p);
  return there;
}

static char printable(char c) { return c >= 0x20 && c < 0x7f ? c : c == '\t' ? ' ' : '?'; }

/* The line around the place, or a part of it when it is long, and a mark under the place. */
static void show_line(tni_parser *p, size_t offset, size_t length) {
  size_t begin = offset, end = offset;
  while (begin > 0 && p->text[begin - 1] != '\n')
    begin--;
  while (end < p->length && p->text[end] != '\n')
    end++;
  bool cut = offset - begin > LINE_SHOWN / 2 && end - begin > LINE_SHOWN;
  if (cut)
    begin = offset - LINE_SHOWN / 2;
  if (end - begin > LINE_SHOWN)
    end = begin + LINE_SHOWN;
  tni_text_add(&p->report, "\n  %s", cut ? "..." : "");
  for (size_t i = begin; i < end && p->text[i] != '\r'; i++)
    tni_text_add(&p->report, "%c", printable(p->text[i]));
  tni_text_add(&p->report, "\n  %*s^", (int)(offset - begin) + (cut ? 3 : 0), "");
  for (size_t i = 1; i < length && offset + i < end && p->text[offset + i] != '\n'; i++)
    tni_text_add(&p->report, "^");
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
  for (char *c = found; *c; c++)
    *c = printable(*c);
  bool end = tok->kind == TNI_TOK_END;
  tni_report(p, end ? p->last_end : tok->offset, tok->length, "expected %s, found %s", what, found);
}

bool tni_accept(tni_parser *p, enum tni_token_kind kind) {
  bool there = !p->stopped && p->tok.kind == kind;
  if (there)
    tni_next(p);
  return there;
}

bool tni_expect(tni_parser *p, enum tni_token_kind kind, const char *what) {
  bool there = tni_accept(p, kind);
  if (!there)
    tni_report_expected(p, what);
  return there;
}

bool tni_enter(tni_parser *p, uint32_t *depth) {
  if (p->stopped)
    return false;
  if (++*depth <= p->max_depth)
    return true;
  --*depth;
  tni_report(p, p->tok.offset, p->tok.length, "nested deeper than the limit of %u", p->max_depth);
  p->fatal = TN_E_LIMIT;
  p->stopped = true;
  return false;
}

/* ---- names ---- */

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* Undoes the escapes \" \\ \xNN of a quoted name in place. False: there are others, or a NUL, or nothing is left. */
static bool unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from; from++) {
    if (*from != '\\') {
      *to++ = *from;
      continue;
    }
    from++;
    int high = *from == 'x' ? hex_digit(from[1]) : -1, low = high >= 0 ? hex_digit(from[2]) : -1;
    if (*from == '"' || *from == '\\')
      *to++ = *from;
    else if (low >= 0 && high * 16 + low > 0)
      *to++ = (char)(high * 16 + low), from += 2;
    else
      return false;
  }
  *to = '\0';
  return to > text;
}

const char *tni_token_name(tni_parser *p, const tni_token *tok) {
  bool quoted = tok->kind == TNI_TOK_QUOTED;
  if (quoted && memchr(p->text + tok->offset, '\0', tok->length)) {
    tni_report(p, tok->offset, tok->length, "a name with a NUL byte");
    return NULL;
  }
  char *name = tni_arena_alloc(&p->r->arena, tok->length + 1);
  if (!name) {
    tni_parser_nomem(p);
    return NULL;
  }
  memcpy(name, p->text + tok->offset + quoted, tok->length - 2 * (size_t)quoted);
  if (!quoted || unescape(name))
    return name;
  tni_report(p, tok->offset, tok->length, "a quoted name is not empty and has no escapes but \\\", \\\\ and \\xNN");
  return NULL;
}

/* A function's, block's or external's name; NULL when reported. */
static const char *parse_name(tni_parser *p, const char *what) {
  tni_token tok = p->tok;
  if ((tok.kind != TNI_TOK_NAME && tok.kind != TNI_TOK_QUOTED) || p->stopped) {
    tni_report_expected(p, what);
    return NULL;
  }
  const char *name = tni_token_name(p, &tok);
  tni_next(p);
  return name;
}

/* Binds the name until tni_close_scope; false when reported. */
static bool declare(tni_parser *p, const tni_token *tok, tni_binding binding) {
  const char *name = p->text + tok->offset;
  size_t entry = tni_map_add(&p->scope, name, tok->length, NULL);
  if (entry == TNI_MAP_NONE || !tni_reserve(p->ctx, (void **)&p->bindings, &p->binding_capacity, p->binding_count + 1,
                                            sizeof *p->bindings)) {
    tni_parser_nomem(p);
    return false;
  }
  bool taken = p->scope.entries[entry].value != 0;
  if (taken)
    tni_report(p, tok->offset, tok->length, "this name is declared already, here or around");
  binding.entry = entry;
  binding.hidden = p->scope.entries[entry].value;
  p->bindings[p->binding_count++] = binding;
  p->scope.entries[entry].value = p->binding_count;
  return !taken;
}

static void close_scope(tni_parser *p, size_t count) {
  while (p->binding_count > count) {
    const tni_binding *binding = &p->bindings[--p->binding_count];
    p->scope.entries[binding->entry].value = binding->hidden;
  }
}

/* A name that a variable or buffer may have. */
static bool parse_new_name(tni_parser *p, const char *what, tni_token *tok) {
  *tok = p->tok;
  if (tok->kind == TNI_TOK_NAME && tni_is_reserved(p->text + tok->offset, tok->length)) {
    tni_report(p, tok->offset, tok->length, "`%.*s` is a word of the language, it cannot be %s", (int)tok->length,
               p->text + tok->offset, what);
    return false;
  }
  return tni_expect(p, TNI_TOK_NAME, what);
}

static const tn_expr *declare_var(tni_parser *p, const tni_token *tok, tn_type type) {
  const char *name = tni_token_name(p, tok);
  const tn_expr *var = name ? tni_var(p->r, name, type) : NULL;
  if (!var) {
    tni_parser_nomem(p);
    return NULL;
  }
  return declare(p, tok, (tni_binding){.kind = TNI_BOUND_VAR, .var = var}) ? var : NULL;
}

/* ---- pieces of statements ---- */

/* An expression of that type; `what` says whose it is. */
static const tn_expr *parse_typed(tni_parser *p, tn_type type, const char *what) {
  size_t begin = p->tok.offset;
  const tn_expr *x = tni_parse_expr(p);
  if (!x || x->type == type)
    return x;
  char want[16], have[16];
  tni_report(p, begin, p->last_end - begin, "%s must be %s, this is %s", what, tn_type_text(type, want),
             tn_type_text(x->type, have));
  return NULL;
}

/* `0..EXTENT` */
static const tn_expr *parse_range(tni_parser *p) {
  tni_token zero = p->tok;
  if (!tni_expect(p, TNI_TOK_NUMBER, "a range `0..EXTENT`"))
    return NULL;
  if (zero.length != 1 || p->text[zero.offset] != '0') {
    tni_report(p, zero.offset, zero.length, "a range starts at 0");
    return NULL;
  }
  return tni_expect(p, TNI_TOK_DOTS, "`..` and the extent") ? parse_typed(p, TN_INDEX, "an extent") : NULL;
}

/* NULL stands for no memory, since operands were checked. */
static bool push_stmt(tni_parser *p, const tn_stmt *s) {
  if (!s || !tni_reserve(p->ctx, (void **)&p->stmts, &p->stmt_capacity, p->stmt_count + 1, sizeof *p->stmts)) {
    tni_parser_nomem(p);
    return false;
  }
  p->stmts[p->stmt_count++] = s;
  return true;
}

static const tn_stmt *made_stmt(tni_parser *p, const tn_stmt *s) {
  if (!s)
    tni_parser_nomem(p);
  return s;
}

/* Takes the statements from `first` on off the stack as one. The body of an alloc is what follows it. */
static const tn_stmt *fold_stmts(tni_parser *p, size_t first) {
  const tn_stmt *s = NULL;
  size_t end = p->stmt_count, i = end;
  while (!p->stopped && i-- > first) {
    const tn_stmt *item = p->stmts[i];
    if (item->kind != TNI_ALLOC || item->as.alloc.body)
      continue;
    s = tni_seq(p->r, (int32_t)(end - i - 1), p->stmts + i + 1);
    p->stmts[i] = tni_alloc_stmt(p->r, item->as.alloc.buffer, s);
    end = i + 1;
    if (!p->stmts[i])
      tni_parser_nomem(p);
  }
  s = p->stopped ? NULL : made_stmt(p, tni_seq(p->r, (int32_t)(end - first), p->stmts + first));
  p->stmt_count = first;
  return s;
}

/* Goes behind the rest of a broken statement: to the next line, or the brace that closes the list it stands in. */
static void skip_statement(tni_parser *p, size_t begin) {
  uint32_t depth = 0;
  while (p->tok.kind != TNI_TOK_END) {
    if (depth == 0 && (p->tok.kind == TNI_TOK_RBRACE || (p->tok.line_start && p->tok.offset > begin)))
      return;
    depth += p->tok.kind == TNI_TOK_LBRACE;
    depth -= p->tok.kind == TNI_TOK_RBRACE;
    tni_next(p);
  }
}

static bool parse_statement(tni_parser *p);

/* Statements up to `}`, which stays; NULL when something in them was reported. */
static const tn_stmt *parse_list(tni_parser *p) {
  size_t first = p->stmt_count, scope = p->binding_count;
  uint32_t errors = p->errors;
  if (!tni_enter(p, &p->stmt_depth))
    return NULL;
  bool separated = true;
  while (!p->stopped && p->tok.kind != TNI_TOK_RBRACE && p->tok.kind != TNI_TOK_END) {
    size_t begin = p->tok.offset, stmts = p->stmt_count;
    bool good = separated || p->tok.line_start;
    if (!good)
      tni_report_expected(p, "a new line or `;` after a statement");
    if (!good || !parse_statement(p)) {
      p->stmt_count = stmts;
      skip_statement(p, begin);
    }
    separated = tni_accept(p, TNI_TOK_SEMICOLON);
  }
  p->stmt_depth--;
  close_scope(p, scope);
  const tn_stmt *s = p->errors == errors ? fold_stmts(p, first) : NULL;
  p->stmt_count = first;
  return s;
}

/* `{ statements }` */
static const tn_stmt *parse_braces(tni_parser *p) {
  if (!tni_expect(p, TNI_TOK_LBRACE, "`{`"))
    return NULL;
  const tn_stmt *s = parse_list(p);
  return tni_expect(p, TNI_TOK_RBRACE, "`}`") ? s : NULL;
}

/* ---- statements: each is behind its first word, and pushes what it is ---- */

static enum tni_loop_kind parse_loop_kind(tni_parser *p) {
  if (accept_word(p, "parallel"))
    return TNI_PARALLEL;
  if (accept_word(p, "vectorized"))
    return TNI_VECTORIZED;
  return accept_word(p, "unrolled") ? TNI_UNROLLED : TNI_SERIAL;
}

static bool parse_for(tni_parser *p) {
  tni_token name;
  size_t scope = p->binding_count;
  if (!parse_new_name(p, "the variable of a loop", &name))
    return false;
  if (!accept_word(p, "in")) {
    tni_report_expected(p, "`in` and the range of the loop");
    return false;
  }
  const tn_expr *extent = parse_range(p);
  if (!extent)
    return false;
  enum tni_loop_kind kind = parse_loop_kind(p);
  const tn_expr *var = declare_var(p, &name, TN_INDEX);
  const tn_stmt *body = parse_braces(p);
  close_scope(p, scope);
  return var && body && push_stmt(p, tni_for(p->r, var, extent, kind, body));
}

/* `[reduce] v: 0..EXTENT = BINDING`; the variable is declared later, behind all bindings. */
static bool parse_iter(tni_parser *p, tni_iter *iter, tni_token *name) {
  iter->reduce = accept_word(p, "reduce");
  if (!parse_new_name(p, "the variable of an iterator", name) || !tni_expect(p, TNI_TOK_COLON, "`:` and the iterator's range") ||
      !(iter->extent = parse_range(p)) || !tni_expect(p, TNI_TOK_ASSIGN, "`=` and what the iterator is bound to"))
    return false;
  iter->binding = parse_typed(p, TN_INDEX, "a binding");
  return iter->binding != NULL;
}

static bool parse_iters(tni_parser *p, int32_t *count, tni_iter *iters, tni_token *names) {
  *count = 0;
  if (!tni_expect(p, TNI_TOK_LPAREN, "`(` and the block's iterators"))
    return false;
  if (tni_accept(p, TNI_TOK_RPAREN))
    return true;
  do {
    if (*count == MAX_ITERS) {
      tni_report(p, p->tok.offset, p->tok.length, "more than %d iterators", MAX_ITERS);
      return false;
    }
    if (!parse_iter(p, &iters[*count], &names[*count]))
      return false;
    ++*count;
  } while (tni_accept(p, TNI_TOK_COMMA));
  return tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after an iterator");
}

/* `{ [init { ... }] statements }` */
static const tn_stmt *parse_block_body(tni_parser *p, const tn_stmt **init) {
  *init = NULL;
  if (!tni_expect(p, TNI_TOK_LBRACE, "`{`"))
    return NULL;
  bool has_init = accept_word(p, "init");
  if (has_init)
    *init = parse_braces(p);
  const tn_stmt *body = parse_list(p);
  if (!tni_expect(p, TNI_TOK_RBRACE, "`}`") || (has_init && !*init))
    return NULL;
  return body;
}

static bool parse_block(tni_parser *p) {
  tni_iter iters[MAX_ITERS];
  tni_token names[MAX_ITERS];
  int32_t count;
  const tn_expr *where = NULL;
  const tn_stmt *init;
  size_t scope = p->binding_count;
  const char *name = parse_name(p, "the name of the block");
  if (!name || !parse_iters(p, &count, iters, names))
    return false;
  if (accept_word(p, "where") && !(where = parse_typed(p, TN_BOOL, "the condition of a block")))
    return false;
  bool good = true;
  for (int32_t i = 0; i < count; i++)
    good &= (iters[i].var = declare_var(p, &names[i], TN_INDEX)) != NULL;
  const tn_stmt *body = parse_block_body(p, &init);
  close_scope(p, scope);
  if (init && init->kind == TNI_SEQ && init->as.seq.count == 0)
    init = NULL;
  return good && body && push_stmt(p, tni_block(p->r, name, count, iters, where, init, body));
}

static bool parse_if(tni_parser *p) {
  const tn_stmt *otherwise = NULL;
  const tn_expr *cond = parse_typed(p, TN_BOOL, "the condition of an if");
  if (!cond)
    return false;
  const tn_stmt *then = parse_braces(p);
  bool has_else = accept_word(p, "else"), good = true;
  if (has_else && tni_at_word(p, "if")) {
    size_t first = p->stmt_count;
    good = tni_enter(p, &p->stmt_depth);
    if (good) {
      tni_next(p);
      good = parse_if(p);
      p->stmt_depth--;
    }
    otherwise = good ? p->stmts[first] : NULL;
    p->stmt_count = first;
  } else if (has_else) {
    otherwise = parse_braces(p);
    good = otherwise != NULL;
  }
  return good && then && push_stmt(p, tni_if(p->r, cond, then, otherwise));
}

/* `TYPE[extents]` behind `NAME:`; a buffer, or NULL when reported. */
static const tn_buffer *parse_shape(tni_parser *p, const char *name, tn_type type) {
  const tn_expr *shape[TN_MAX_RANK];
  int32_t rank = 0;
  if (!tni_expect(p, TNI_TOK_LBRACKET, "`[` and the extents"))
    return NULL;
  while (p->tok.kind != TNI_TOK_RBRACKET) {
    size_t begin = p->tok.offset;
    if (rank == TN_MAX_RANK) {
      tni_report(p, begin, p->tok.length, "more than %d dimensions", TN_MAX_RANK);
      return NULL;
    }
    const tn_expr *extent = shape[rank++] = tni_parse_expr(p);
    const char *why = extent ? tni_check_extent(extent) : NULL;
    if (why)
      tni_report(p, begin, p->last_end - begin, "%s", why);
    if (!extent || why)
      return NULL;
    if (!tni_accept(p, TNI_TOK_COMMA))
      break;
  }
  if (!tni_expect(p, TNI_TOK_RBRACKET, "`]` or `,` after an extent"))
    return NULL;
  const tn_buffer *buffer = tni_buffer(p->r, name, type, TNI_SCOPE_GLOBAL, rank, shape);
  if (!buffer)
    tni_parser_nomem(p);
  return buffer;
}

static tn_type parse_element_type(tni_parser *p) {
  size_t begin = p->tok.offset;
  tn_type type = tni_parse_type(p);
  if (!type || tni_is_element_type(type))
    return type;
  tni_report(p, begin, p->last_end - begin, "a buffer's elements are numbers or bools with one lane");
  return 0;
}

static bool parse_scope(tni_parser *p, const tn_buffer *buffer) {
  static const char *const names[TNI_SCOPE_COUNT] = {"global", "local", "register"};
  if (!accept_word(p, "in"))
    return true;
  for (int scope = 0; scope < TNI_SCOPE_COUNT; scope++)
    if (accept_word(p, names[scope])) {
      ((tn_buffer *)buffer)->scope = (enum tni_scope)scope; /* made just now, seen by nobody */
      return true;
    }
  tni_report_expected(p, "`global`, `local` or `register`");
  return false;
}

/* The rest of the list is the alloc's body: it is pushed without one (NULL), and fold_stmts closes it. */
static bool push_open_alloc(tni_parser *p, const tn_buffer *buffer) {
  tn_stmt *s = TNI_NEW(&p->r->arena, tn_stmt);
  if (s) {
    s->kind = TNI_ALLOC;
    s->as.alloc.buffer = buffer;
  }
  return push_stmt(p, s);
}

static bool parse_alloc(tni_parser *p) {
  tni_token name;
  if (!parse_new_name(p, "the name of a buffer", &name))
    return false;
  const char *text = tni_token_name(p, &name);
  const tn_buffer *buffer = NULL;
  tn_type type;
  if (text && tni_expect(p, TNI_TOK_COLON, "`:` and the buffer's type") && (type = parse_element_type(p)))
    buffer = parse_shape(p, text, type);
  if (buffer && !parse_scope(p, buffer))
    buffer = NULL;
  bool good = declare(p, &name, (tni_binding){.kind = buffer ? TNI_BOUND_BUFFER : TNI_BOUND_BAD, .buffer = buffer});
  return good && buffer && push_open_alloc(p, buffer);
}

static bool parse_call(tni_parser *p) {
  tni_accept(p, TNI_TOK_AT);
  const tn_expr *call = tni_parse_extern_call(p);
  return call && push_stmt(p, tni_evaluate(p->r, call));
}

/* `%N = EXPR` makes no statement. */
static bool parse_share_line(tni_parser *p) {
  int64_t n = tni_parse_share_number(p);
  if (n < 0 || !tni_expect(p, TNI_TOK_ASSIGN, "`=` and an expression"))
    return false;
  const tn_expr *x = tni_parse_expr(p);
  size_t need = (size_t)n + 1;
  if (x && !tni_reserve(p->ctx, (void **)&p->shares, &p->share_capacity, need, sizeof *p->shares)) {
    tni_parser_nomem(p);
    return false;
  }
  while (x && p->share_count < need)
    p->shares[p->share_count++] = NULL;
  if (x)
    p->shares[n] = x;
  return x != NULL;
}

static bool parse_store(tni_parser *p) {
  const tn_expr *index[TN_MAX_RANK], *where;
  int32_t count;
  tni_token name = p->tok;
  tni_next(p);
  const tni_binding *binding = tni_resolve(p, &name);
  if (binding && binding->kind != TNI_BOUND_BUFFER)
    tni_report(p, name.offset, name.length, "only elements of buffers can be stored to; this is a variable");
  if (!binding || binding->kind != TNI_BOUND_BUFFER)
    return false;
  const tn_buffer *buffer = binding->buffer;
  tn_type type = tni_parse_subscripts(p, buffer, &count, index, &where);
  if (!type || !tni_expect(p, TNI_TOK_ASSIGN, "`=` and the value to store"))
    return false;
  const tn_expr *value = parse_typed(p, type, "the value");
  return value && push_stmt(p, tni_store(p->r, buffer, count, index, value, where));
}

static bool parse_group(tni_parser *p) {
  const tn_stmt *s = parse_braces(p);
  return s && push_stmt(p, s);
}

static bool parse_statement(tni_parser *p) {
  if (accept_word(p, "for"))
    return parse_for(p);
  if (accept_word(p, "block"))
    return parse_block(p);
  if (accept_word(p, "if"))
    return parse_if(p);
  if (accept_word(p, "alloc"))
    return parse_alloc(p);
  if (accept_word(p, "call"))
    return parse_call(p);
  if (p->tok.kind == TNI_TOK_PERCENT)
    return parse_share_line(p);
  if (p->tok.kind == TNI_TOK_LBRACE)
    return parse_group(p);
  if (tni_at_word(p, "init")) {
    tni_report(p, p->tok.offset, p->tok.length, "`init` stands first in a block");
    return false;
  }
  if (p->tok.kind == TNI_TOK_NAME && !tni_is_reserved(p->text + p->tok.offset, p->tok.length))
    return parse_store(p);
  tni_report_expected(p, "a statement");
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
    if (depth == 0)
      break;
  }
  return tni_expect(p, TNI_TOK_RBRACKET, "`]` after the extents");
}

static bool scan_param(tni_parser *p, params *list) {
  param item = {.is_buffer = false};
  if (!parse_new_name(p, "the name of a parameter", &item.name) || !tni_expect(p, TNI_TOK_COLON, "`:` and the parameter's type"))
    return false;
  size_t begin = p->tok.offset;
  if (!(item.type = tni_parse_type(p)))
    return false;
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
  return !item.is_buffer || skip_extents(p);
}

static bool scan_params(tni_parser *p, params *list) {
  if (!tni_expect(p, TNI_TOK_LPAREN, "`(` and the parameters"))
    return false;
  if (tni_accept(p, TNI_TOK_RPAREN))
    return true;
  do
    if (!scan_param(p, list))
      return false;
  while (tni_accept(p, TNI_TOK_COMMA));
  return tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after a parameter");
}

/* Makes the scalars, then the buffers. Leaves the current token where it was. */
static tni_param *make_params(tni_parser *p, const params *list) {
  tni_param *made = TNI_NEW_ARRAY(&p->r->arena, tni_param, list->count);
  tni_token tok = p->tok;
  size_t position = p->position;
  bool good = made != NULL;
  if (!made)
    tni_parser_nomem(p);
  for (size_t i = 0; good && i < list->count; i++)
    if (!list->items[i].is_buffer)
      good = (made[i].scalar = declare_var(p, &list->items[i].name, list->items[i].type)) != NULL;
  for (size_t i = 0; good && i < list->count; i++) {
    const param *item = &list->items[i];
    if (!item->is_buffer)
      continue;
    const char *name = tni_token_name(p, &item->name);
    p->tok = item->tok;
    p->position = item->position;
    made[i].buffer = name ? parse_shape(p, name, item->type) : NULL;
    good = made[i].buffer && declare(p, &item->name, (tni_binding){.kind = TNI_BOUND_BUFFER, .buffer = made[i].buffer});
  }
  p->tok = tok;
  p->position = position;
  if (p->stopped)
    tni_next(p);
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
  if (!(func->name = parse_name(p, "the name of the function")) || !is_new_func(p, &tok, func->name) ||
      !(func->params = parse_params(p, &func->param_count)))
    return false;
  func->body = parse_braces(p);
  return func->body && keep_func(p, func);
}

static bool parse_extern(tni_parser *p) {
  tn_type types[MAX_TYPES], result;
  size_t count = 0;
  tni_token tok = p->tok;
  tn_error *err;
  const char *name = parse_name(p, "the name of an external function");
  if (!name || !tni_expect(p, TNI_TOK_LPAREN, "`(` and the types of the parameters"))
    return false;
  while (p->tok.kind != TNI_TOK_RPAREN) {
    if (count == MAX_TYPES) {
      tni_report(p, p->tok.offset, p->tok.length, "more than %d parameters", MAX_TYPES);
      return false;
    }
    if (!(types[count++] = tni_parse_type(p)))
      return false;
    if (!tni_accept(p, TNI_TOK_COMMA))
      break;
  }
  if (!tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after a type") || !tni_expect(p, TNI_TOK_COLON, "`:` and the type of the result") ||
      !(result = tni_parse_type(p)))
    return false;
  tn_status status = tni_program_declare(p->program, name, result, count, types, &err);
  if (status == TN_E_NOMEM)
    tni_parser_nomem(p);
  else if (status)
    tni_report(p, tok.offset, tok.length, "%s", tn_error_reason(err));
  if (status)
    tn_error_destroy(err);
  return status == TN_OK;
}

static bool at_declaration(const tni_parser *p) {
  return p->tok.line_start &&
         (tni_at_word(p, "func") || tni_at_word(p, "extern") || tni_at_word(p, "loop") || tni_at_word(p, "scheduled"));
}

static bool parse_declaration(tni_parser *p) {
  if (accept_word(p, "extern"))
    return parse_extern(p);
  bool scheduled = accept_word(p, "scheduled");
  bool loop = accept_word(p, "loop");
  if (accept_word(p, "func"))
    return parse_func(p, scheduled, loop ? TNI_LEVEL_LOOP : TNI_LEVEL_TENSOR);
  tni_report_expected(p, scheduled || loop ? "`func`" : "`func` or `extern`");
  return false;
}

static void parse_program(tni_parser *p) {
  tni_next(p);
  while (!p->stopped && p->tok.kind != TNI_TOK_END) {
    size_t begin = p->tok.offset;
    bool good = parse_declaration(p);
    close_scope(p, 0);
    p->stmt_count = 0;
    p->stmt_depth = p->expr_depth = 0;
    while (!good && p->tok.kind != TNI_TOK_END && (p->tok.offset <= begin || !at_declaration(p)))
      tni_next(p);
  }
}

/* ---- whole texts ---- */

static tn_status finish(tni_parser *p, tn_error **err) {
  if (p->fatal == TN_E_NOMEM || p->report.failed || (p->errors == 0 && p->r->arena.failed))
    return tni_fail_nomem(err);
  if (p->errors)
    return tni_fail(p->ctx, err, p->fatal ? p->fatal : TN_E_INVALID, "parse", p->place, "%s", p->report.data);
  for (size_t i = 0; i < p->func_count; i++) {
    tn_status status = tni_program_add(p->program, p->funcs[i], err);
    if (status)
      return status;
  }
  return TN_OK;
}

static void destroy(tni_parser *p) {
  tn_context *ctx = p->ctx;
  tni_text_destroy(&p->report);
  tni_map_destroy(&p->scope);
  tni_free(ctx, p->bindings, p->binding_capacity * sizeof *p->bindings);
  tni_free(ctx, p->shares, p->share_capacity * sizeof *p->shares);
  tni_free(ctx, p->stmts, p->stmt_capacity * sizeof *p->stmts);
  tni_free(ctx, p->funcs, p->func_capacity * sizeof *p->funcs);
}

tn_status tni_parse(tn_program *program, const char *text, size_t length, const char *name, tn_error **err) {
  tn_context *ctx = program->ctx;
  uint32_t nesting = ctx->limits.nesting < MAX_NESTING ? ctx->limits.nesting : MAX_NESTING;
  tni_parser p = {.program = program, .ctx = ctx, .r = &program->region, .text = text, .file = name ? name : "text",
                  .length = length, .max_depth = nesting};
  if (err)
    *err = NULL;
  if (length > ctx->limits.model_bytes)
    return tni_fail(ctx, err, TN_E_LIMIT, "parse", p.file, "the text is longer than the limit of %llu bytes",
                    (unsigned long long)ctx->limits.model_bytes);
  tni_text_init(&p.report, ctx);
  tni_map_init(&p.scope, ctx);
  parse_program(&p);
  tn_status status = finish(&p, err);
  destroy(&p);
  return status;
}

tn_status tn_program_parse(tn_context *context, const char *text, size_t length, const char *name, tn_program **out,
                           tn_error **err) {
  tn_status status = tn_program_create(context, out, err);
  if (status)
    return status;
  status = tni_parse(*out, text, length, name, err);
  for (size_t i = 0; !status && i < (*out)->func_count; i++)
    status = tni_verify((*out)->funcs[i], err);
  if (status) {
    tn_program_destroy(*out);
    *out = NULL;
  }
  return status;
}
