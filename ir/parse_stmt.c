/* parse_stmt.c -- names, shapes and statements from text.
 *
 * A function parse_X stands behind the first word of X, pushes the statement that X is, and gives false when something
 * in it was reported; the list then goes on behind it. A wrong declaration still binds its name, so that it is reported
 * once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

enum { MAX_ITERS = 64, MAX_ANNOTATIONS = 64 };

/* ---- names ---- */

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

/* Undoes the escapes \" \\ \xNN of a quoted text in place. False: there are others, or a NUL. */
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
  return true;
}

/* The token's characters; `mistake` is told of wrong escapes. */
static const char *copy_token(tni_parser *p, const tni_token *tok, bool may_be_empty, const char *mistake) {
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
  if (!quoted || (unescape(name) && (*name || may_be_empty))) return name;
  tni_report(p, tok->offset, tok->length, "%s", mistake);
  return NULL;
}

const char *tni_token_name(tni_parser *p, const tni_token *tok) {
  return copy_token(p, tok, false, "what is quoted is not empty and has no escapes but \\\", \\\\ and \\xNN");
}

const char *tni_token_text(tni_parser *p, const tni_token *tok) {
  return copy_token(p, tok, true, "a quoted text has no escapes but \\\", \\\\ and \\xNN");
}

static const char *parse_name(tni_parser *p, bool may_be_empty, const char *what) {
  tni_token tok = p->tok;
  if ((tok.kind != TNI_TOK_NAME && tok.kind != TNI_TOK_QUOTED) || p->stopped) {
    tni_report_expected(p, what);
    return NULL;
  }
  const char *name = may_be_empty ? tni_token_text(p, &tok) : tni_token_name(p, &tok);
  tni_next(p);
  return name;
}

/* A function's, block's or external's name; NULL when reported. */
const char *tni_parse_name(tni_parser *p, const char *what) { return parse_name(p, false, what); }
const char *tni_parse_any_name(tni_parser *p, const char *what) { return parse_name(p, true, what); }

/* Binds the name until tni_close_scope; false when reported. */
bool tni_declare(tni_parser *p, const tni_token *tok, tni_binding binding) {
  const char *name = p->text + tok->offset;
  size_t entry = tni_map_add(&p->scope, name, tok->length, NULL);
  if (entry == TNI_MAP_NONE ||
      !tni_reserve(p->ctx, (void **)&p->bindings, &p->binding_capacity, p->binding_count + 1, sizeof *p->bindings)) {
    tni_parser_nomem(p);
    return false;
  }
  bool taken = p->scope.entries[entry].value != 0;
  if (taken) tni_report(p, tok->offset, tok->length, "this name is declared already, here or around");
  binding.entry = entry;
  binding.hidden = p->scope.entries[entry].value;
  p->bindings[p->binding_count++] = binding;
  p->scope.entries[entry].value = p->binding_count;
  return !taken;
}

void tni_close_scope(tni_parser *p, size_t count) {
  while (p->binding_count > count) {
    const tni_binding *binding = &p->bindings[--p->binding_count];
    p->scope.entries[binding->entry].value = binding->hidden;
  }
}

/* A name that a variable or buffer may have. */
bool tni_parse_new_name(tni_parser *p, const char *what, tni_token *tok) {
  *tok = p->tok;
  if (tok->kind == TNI_TOK_NAME && tni_is_reserved(p->text + tok->offset, tok->length)) {
    tni_report(p, tok->offset, tok->length, "`%.*s` is a word of the language, it cannot be %s", (int)tok->length,
               p->text + tok->offset, what);
    return false;
  }
  return tni_expect(p, TNI_TOK_NAME, what);
}

const tn_expr *tni_declare_var(tni_parser *p, const tni_token *tok, tn_type type) {
  const char *name = tni_token_name(p, tok);
  const tn_expr *var = name ? tni_var(p->r, name, type) : NULL;
  if (!var) {
    tni_parser_nomem(p);
    return NULL;
  }
  return tni_declare(p, tok, (tni_binding){.kind = TNI_BOUND_VAR, .var = var}) ? var : NULL;
}

/* ---- pieces of statements ---- */

/* An expression of that type; `what` says whose it is. */
static const tn_expr *parse_typed(tni_parser *p, tn_type type, const char *what) {
  size_t begin = p->tok.offset;
  const tn_expr *x = tni_parse_expr(p);
  if (!x || x->type == type) return x;
  char want[16], have[16];
  tni_report(p, begin, p->last_end - begin, "%s must be %s, this is %s", what, tn_type_text(type, want),
             tn_type_text(x->type, have));
  return NULL;
}

/* `0..EXTENT` */
static const tn_expr *parse_range(tni_parser *p) {
  tni_token zero = p->tok;
  if (!tni_expect(p, TNI_TOK_NUMBER, "a range `0..EXTENT`")) return NULL;
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
  if (!s) tni_parser_nomem(p);
  return s;
}

/* A statement that waits for those behind it. */
static bool is_open(const tn_stmt *s) {
  bool opens = s->kind == TNI_ALLOC || s->kind == TNI_LET || s->kind == TNI_ASSERT || s->kind == TNI_ASSUME;
  return opens && !tni_rest(s);
}

/* Takes the statements from `first` on off the stack as one. The body of one that is open is what follows it. */
static const tn_stmt *fold_stmts(tni_parser *p, size_t first) {
  const tn_stmt *s = NULL;
  size_t end = p->stmt_count, i = end;
  while (!p->stopped && i-- > first) {
    const tn_stmt *item = p->stmts[i];
    if (!is_open(item)) continue;
    s = tni_seq(p->r, (int32_t)(end - i - 1), p->stmts + i + 1);
    p->stmts[i] = tni_with_rest(p->r, item, s);
    end = i + 1;
    if (!p->stmts[i]) tni_parser_nomem(p);
  }
  s = p->stopped ? NULL : made_stmt(p, tni_seq(p->r, (int32_t)(end - first), p->stmts + first));
  p->stmt_count = first;
  return s;
}

void tni_skip_statement(tni_parser *p, size_t begin) {
  uint32_t depth = 0;
  while (p->tok.kind != TNI_TOK_END) {
    if (depth == 0 && (p->tok.kind == TNI_TOK_RBRACE || (p->tok.line_start && p->tok.offset > begin))) return;
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
  if (!tni_enter(p, &p->stmt_depth)) return NULL;
  bool separated = true;
  while (!p->stopped && p->tok.kind != TNI_TOK_RBRACE && p->tok.kind != TNI_TOK_END) {
    size_t begin = p->tok.offset, stmts = p->stmt_count;
    bool good = separated || p->tok.line_start;
    if (!good) tni_report_expected(p, "a new line or `;` after a statement");
    if (!good || !parse_statement(p)) {
      p->stmt_count = stmts;
      tni_skip_statement(p, begin);
    }
    separated = tni_accept(p, TNI_TOK_SEMICOLON);
  }
  p->stmt_depth--;
  tni_close_scope(p, scope);
  const tn_stmt *s = p->errors == errors ? fold_stmts(p, first) : NULL;
  p->stmt_count = first;
  return s;
}

/* `{ statements }` */
const tn_stmt *tni_parse_braces(tni_parser *p) {
  if (!tni_expect(p, TNI_TOK_LBRACE, "`{`")) return NULL;
  const tn_stmt *s = parse_list(p);
  return tni_expect(p, TNI_TOK_RBRACE, "`}`") ? s : NULL;
}

/* ---- statements: each is behind its first word, and pushes what it is ---- */

/* `block.x` .. `thread.z` */
static bool parse_grid_axis(tni_parser *p, enum tni_loop_kind *kind) {
  size_t begin = p->tok.offset, end = begin + p->tok.length;
  if (tni_accept_word(p, "block") || tni_accept_word(p, "thread")) {
    bool whole = tni_accept(p, TNI_TOK_DOT);
    end = whole ? p->tok.offset + p->tok.length : end;
    if (!whole || !tni_accept(p, TNI_TOK_NAME)) end = begin;
  }
  for (*kind = TNI_BLOCK_X; *kind < TNI_LOOP_KIND_COUNT; ++*kind) {
    const char *name = tni_loop_kind_names[*kind];
    if (strlen(name) == end - begin && memcmp(name, p->text + begin, end - begin) == 0) return true;
  }
  tni_report(p, begin, end > begin ? end - begin : 1, "a loop is bound to block.x, .y or .z, or to thread.x, .y or .z");
  return false;
}

static bool parse_loop_kind(tni_parser *p, enum tni_loop_kind *kind) {
  *kind = TNI_SERIAL;
  if (tni_accept_word(p, "bind")) return parse_grid_axis(p, kind);
  if (tni_accept_word(p, "parallel"))
    *kind = TNI_PARALLEL;
  else if (tni_accept_word(p, "vectorized"))
    *kind = TNI_VECTORIZED;
  else if (tni_accept_word(p, "unrolled"))
    *kind = TNI_UNROLLED;
  else if (tni_accept_word(p, "outlined"))
    *kind = TNI_OUTLINED;
  return true;
}

/* `[-] NUMBER | "text"` */
static bool parse_annotation_value(tni_parser *p, tni_annotation *note) {
  const char *why = NULL;
  bool negative = tni_accept(p, TNI_TOK_MINUS);
  tni_token tok = p->tok;
  if (!negative && tni_accept(p, TNI_TOK_QUOTED)) return (note->text = tni_token_name(p, &tok)) != NULL;
  if (!tni_expect(p, TNI_TOK_NUMBER, "a number or a quoted text")) return false;
  const tn_expr *number = tni_parse_const(p->r, TN_INDEX, p->text + tok.offset, tok.length, negative, &why);
  if (!number && why) tni_report(p, tok.offset, tok.length, "%s", why);
  if (!number && !why) tni_parser_nomem(p);
  note->number = number ? number->as.i : 0;
  return number != NULL;
}

/* `[with KEY = VALUE {, KEY = VALUE}]` */
static bool parse_annotations(tni_parser *p, tni_annotations *out, tni_annotation *items) {
  *out = (tni_annotations){0, items};
  if (!tni_accept_word(p, "with")) return true;
  do {
    tni_token key = p->tok;
    if (!tni_expect(p, TNI_TOK_NAME, "the key of an annotation")) return false;
    tni_annotation note = {.key = tni_token_name(p, &key)};
    bool known = note.key && tni_find_annotation(*out, note.key);
    if (known || out->count == MAX_ANNOTATIONS) {
      tni_report(p, key.offset, key.length, known ? "this key is there twice" : "more than %d annotations", MAX_ANNOTATIONS);
      return false;
    }
    if (!note.key || !tni_expect(p, TNI_TOK_ASSIGN, "`=` and the value of the annotation") ||
        !parse_annotation_value(p, &note))
      return false;
    items[out->count++] = note;
  } while (tni_accept(p, TNI_TOK_COMMA));
  return true;
}

/* NULL stands for no memory, or for what was reported. */
static const tn_stmt *annotate(tni_parser *p, const tn_stmt *s, tni_annotations notes) {
  return notes.count ? tni_annotated(p->r, s, notes) : s;
}

static bool parse_for(tni_parser *p) {
  tni_token name;
  tni_annotation items[MAX_ANNOTATIONS];
  tni_annotations notes;
  size_t scope = p->binding_count;
  if (!tni_parse_new_name(p, "the variable of a loop", &name)) return false;
  if (!tni_accept_word(p, "in")) {
    tni_report_expected(p, "`in` and the range of the loop");
    return false;
  }
  const tn_expr *extent = parse_range(p);
  if (!extent) return false;
  enum tni_loop_kind kind;
  if (!parse_loop_kind(p, &kind) || !parse_annotations(p, &notes, items)) return false;
  const tn_expr *var = tni_declare_var(p, &name, TN_INDEX);
  const tn_stmt *body = tni_parse_braces(p);
  tni_close_scope(p, scope);
  return var && body && push_stmt(p, annotate(p, tni_for(p->r, var, extent, kind, body), notes));
}

/* `[reduce] v: 0..EXTENT = BINDING`; the variable is declared later, behind all bindings. */
static bool parse_iter(tni_parser *p, tni_iter *iter, tni_token *name) {
  iter->reduce = tni_accept_word(p, "reduce");
  if (!tni_parse_new_name(p, "the variable of an iterator", name) ||
      !tni_expect(p, TNI_TOK_COLON, "`:` and the iterator's range") || !(iter->extent = parse_range(p)) ||
      !tni_expect(p, TNI_TOK_ASSIGN, "`=` and what the iterator is bound to"))
    return false;
  iter->binding = parse_typed(p, TN_INDEX, "a binding");
  return iter->binding != NULL;
}

static bool parse_iters(tni_parser *p, int32_t *count, tni_iter *iters, tni_token *names) {
  *count = 0;
  if (!tni_expect(p, TNI_TOK_LPAREN, "`(` and the block's iterators")) return false;
  if (tni_accept(p, TNI_TOK_RPAREN)) return true;
  do {
    if (*count == MAX_ITERS) {
      tni_report(p, p->tok.offset, p->tok.length, "more than %d iterators", MAX_ITERS);
      return false;
    }
    if (!parse_iter(p, &iters[*count], &names[*count])) return false;
    ++*count;
  } while (tni_accept(p, TNI_TOK_COMMA));
  return tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after an iterator");
}

/* `{ [init { ... }] statements }` */
static const tn_stmt *parse_block_body(tni_parser *p, const tn_stmt **init) {
  *init = NULL;
  if (!tni_expect(p, TNI_TOK_LBRACE, "`{`")) return NULL;
  bool has_init = tni_accept_word(p, "init");
  if (has_init) *init = tni_parse_braces(p);
  const tn_stmt *body = parse_list(p);
  if (!tni_expect(p, TNI_TOK_RBRACE, "`}`") || (has_init && !*init)) return NULL;
  return body;
}

static bool parse_block(tni_parser *p) {
  tni_iter iters[MAX_ITERS];
  tni_token names[MAX_ITERS];
  tni_annotation items[MAX_ANNOTATIONS];
  tni_annotations notes;
  int32_t count;
  const tn_expr *where = NULL;
  const tn_stmt *init;
  size_t scope = p->binding_count;
  const char *name = tni_parse_name(p, "the name of the block");
  if (!name || !parse_iters(p, &count, iters, names)) return false;
  if (tni_accept_word(p, "where") && !(where = parse_typed(p, TN_BOOL, "the condition of a block"))) return false;
  if (!parse_annotations(p, &notes, items)) return false;
  bool good = true;
  for (int32_t i = 0; i < count; i++) good &= (iters[i].var = tni_declare_var(p, &names[i], TN_INDEX)) != NULL;
  const tn_stmt *body = parse_block_body(p, &init);
  tni_close_scope(p, scope);
  if (init && init->kind == TNI_SEQ && init->as.seq.count == 0) init = NULL;
  return good && body && push_stmt(p, annotate(p, tni_block(p->r, name, count, iters, where, init, body), notes));
}

static bool parse_if(tni_parser *p) {
  const tn_stmt *otherwise = NULL;
  const tn_expr *cond = parse_typed(p, TN_BOOL, "the condition of an if");
  if (!cond) return false;
  const tn_stmt *then = tni_parse_braces(p);
  bool has_else = tni_accept_word(p, "else"), good = true;
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
    otherwise = tni_parse_braces(p);
    good = otherwise != NULL;
  }
  return good && then && push_stmt(p, tni_if(p->r, cond, then, otherwise));
}

static tn_type parse_element_type(tni_parser *p) {
  size_t begin = p->tok.offset;
  tn_type type = tni_parse_type(p);
  if (!type || tni_is_element_type(type)) return type;
  tni_report(p, begin, p->last_end - begin, "a buffer's elements are numbers or bools with one lane");
  return 0;
}

/* The rest of the list is the statement's body: it is pushed without one (NULL), and fold_stmts closes it. */
static bool push_open(tni_parser *p, tn_stmt open) {
  return push_stmt(p, tni_arena_copy(&p->r->arena, &open, sizeof open));
}

static bool parse_alloc(tni_parser *p) {
  tni_token name;
  if (!tni_parse_new_name(p, "the name of a buffer", &name)) return false;
  const char *text = tni_token_name(p, &name);
  const tn_buffer *buffer = NULL;
  tn_type type;
  if (text && tni_expect(p, TNI_TOK_COLON, "`:` and the buffer's type") && (type = parse_element_type(p)))
    buffer = tni_parse_buffer(p, text, type, false);
  bool good = tni_declare(p, &name, (tni_binding){.kind = buffer ? TNI_BOUND_BUFFER : TNI_BOUND_BAD, .buffer = buffer});
  return good && buffer && push_open(p, (tn_stmt){.kind = TNI_ALLOC, .as.alloc.buffer = buffer});
}

static bool parse_let(tni_parser *p) {
  tni_token name;
  if (!tni_parse_new_name(p, "the name of a variable", &name)) return false;
  const tn_expr *value = tni_expect(p, TNI_TOK_ASSIGN, "`=` and the variable's value") ? tni_parse_expr(p) : NULL;
  if (!value) {
    tni_declare(p, &name, (tni_binding){.kind = TNI_BOUND_BAD});
    return false;
  }
  const tn_expr *var = tni_declare_var(p, &name, value->type);
  return var && push_open(p, (tn_stmt){.kind = TNI_LET, .as.let = {var, value, NULL}});
}

static bool parse_while(tni_parser *p) {
  const tn_expr *cond = parse_typed(p, TN_BOOL, "the condition of a while");
  const tn_stmt *body = cond ? tni_parse_braces(p) : NULL;
  return body && push_stmt(p, tni_while(p->r, cond, body));
}

static bool parse_assert(tni_parser *p) {
  const tn_expr *cond = parse_typed(p, TN_BOOL, "what is asserted");
  if (!cond || !tni_expect(p, TNI_TOK_COMMA, "`,` and the message of the assert")) return false;
  tni_token tok = p->tok;
  if (!tni_expect(p, TNI_TOK_QUOTED, "a message between quotes")) return false;
  const char *message = tni_token_name(p, &tok);
  return message && push_open(p, (tn_stmt){.kind = TNI_ASSERT, .as.claim = {cond, message, NULL}});
}

static bool parse_assume(tni_parser *p) {
  const tn_expr *cond = parse_typed(p, TN_BOOL, "what is assumed");
  return cond && push_open(p, (tn_stmt){.kind = TNI_ASSUME, .as.claim = {cond, NULL, NULL}});
}

static bool parse_call(tni_parser *p) {
  tni_accept(p, TNI_TOK_AT);
  const tn_expr *call = tni_parse_extern_call(p);
  return call && push_stmt(p, tni_evaluate(p->r, call));
}

/* `%N = EXPR` makes no statement. */
static bool parse_share_line(tni_parser *p) {
  int64_t n = tni_parse_share_number(p);
  if (n < 0 || !tni_expect(p, TNI_TOK_ASSIGN, "`=` and an expression")) return false;
  const tn_expr *x = tni_parse_expr(p);
  size_t need = (size_t)n + 1;
  if (x && !tni_reserve(p->ctx, (void **)&p->shares, &p->share_capacity, need, sizeof *p->shares)) {
    tni_parser_nomem(p);
    return false;
  }
  while (x && p->share_count < need) p->shares[p->share_count++] = NULL;
  if (x) p->shares[n] = x;
  return x != NULL;
}

/* The operator of a reduce, or -1 when reported. */
static int parse_reducing(tni_parser *p) {
  tni_token name = p->tok;
  if (!tni_expect(p, TNI_TOK_NAME, "the operator of the reduce")) return -1;
  int op = tni_op_find(p->text + name.offset, name.length);
  if (op >= 0 && tni_is_reducing((enum tn_op)op)) return op;
  tni_report(p, name.offset, name.length, "%s", tni_reducing_operators);
  return -1;
}

/* The buffer of that name, or NULL when reported. */
static const tn_buffer *parse_target(tni_parser *p, const char *what, const char *not_variable) {
  tni_token name = p->tok;
  if (!tni_expect(p, TNI_TOK_NAME, what)) return NULL;
  const tni_binding *binding = tni_resolve(p, &name);
  if (binding && binding->kind != TNI_BOUND_BUFFER) tni_report(p, name.offset, name.length, "%s", not_variable);
  return binding && binding->kind == TNI_BOUND_BUFFER ? binding->buffer : NULL;
}

/* `ACCESS = VALUE`; behind the word `reduce`: `ACCESS OP= VALUE`; behind `copy`: `ACCESS = ACCESS`. */
static bool parse_write(tni_parser *p, enum tni_stmt_kind kind) {
  const tn_expr *index[TN_MAX_RANK], *where;
  int32_t count;
  int op = TN_OP_const;
  const char *why = NULL;
  bool reduces = kind == TNI_REDUCE;
  const tn_buffer *buffer =
      parse_target(p, reduces ? "the buffer of the reduce" : "the buffer that is copied to",
                   "only elements of buffers can be stored to; this is a variable");
  if (!buffer) return false;
  tn_type type = tni_parse_subscripts(p, buffer, &count, index, &where);
  if (!type || (reduces && (op = parse_reducing(p)) < 0) || !tni_expect(p, TNI_TOK_ASSIGN, "`=` and the value to store"))
    return false;
  size_t begin = p->tok.offset;
  const tn_expr *value = parse_typed(p, type, "the value"), *args[] = {value, value};
  if (value && kind == TNI_COPY && value->op != TN_OP_load) {
    tni_report(p, begin, p->last_end - begin, "what is copied is an element of a buffer");
    return false;
  }
  if (value && kind == TNI_COPY) return push_stmt(p, tni_copy(p->r, buffer, count, index, value, where));
  if (!value || !reduces) return value && push_stmt(p, tni_store(p->r, buffer, count, index, value, where));
  if (!tni_op_type((enum tn_op)op, args, &why)) {
    tni_report(p, begin, p->last_end - begin, "`%s`: %s", tni_ops[op].name, why);
    return false;
  }
  return push_stmt(p, tni_reduce(p->r, (enum tn_op)op, buffer, count, index, value, where));
}

/* Behind `prefetch`. */
static bool parse_prefetch(tni_parser *p) {
  const tn_expr *index[TN_MAX_RANK], *where;
  int32_t count;
  size_t begin = p->tok.offset;
  const tn_buffer *buffer =
      parse_target(p, "the buffer of the prefetch", "only elements of buffers can be fetched; this is a variable");
  if (!buffer || !tni_parse_subscripts(p, buffer, &count, index, &where)) return false;
  if (!where) return push_stmt(p, tni_prefetch(p->r, buffer, count, index));
  tni_report(p, begin, p->last_end - begin, "a prefetch has no condition");
  return false;
}

static bool parse_group(tni_parser *p) {
  const tn_stmt *s = tni_parse_braces(p);
  return s && push_stmt(p, s);
}

/* Words that are names, too: `barrier[0] = x` is a store. */
static bool accept_first_word(tni_parser *p, const char *word) {
  size_t position = p->position;
  return tni_at_word(p, word) && tni_lex(p->text, p->length, &position).kind != TNI_TOK_LBRACKET &&
         tni_accept_word(p, word);
}

static bool parse_barrier(tni_parser *p) {
  enum tni_scope scope = tni_at_word(p, "shared") ? TNI_SCOPE_SHARED : TNI_SCOPE_GLOBAL;
  if (tni_accept_word(p, tni_scope_names[scope])) return push_stmt(p, tni_barrier(p->r, scope));
  tni_report_expected(p, "the memory of the barrier, `shared` or `global`");
  return false;
}

/* Behind `wait`: how many groups may be pending. */
static bool parse_wait(tni_parser *p) {
  const char *why = NULL;
  tni_token tok = p->tok;
  if (!tni_expect(p, TNI_TOK_NUMBER, "how many groups of copies may be pending")) return false;
  const tn_expr *pending = tni_parse_const(p->r, TN_INDEX, p->text + tok.offset, tok.length, false, &why);
  if (!pending && why) tni_report(p, tok.offset, tok.length, "%s", why);
  if (!pending && !why) tni_parser_nomem(p);
  return pending && push_stmt(p, tni_wait(p->r, pending->as.i));
}

static bool parse_statement(tni_parser *p) {
  if (tni_accept_word(p, "for")) return parse_for(p);
  if (tni_accept_word(p, "block")) return parse_block(p);
  if (tni_accept_word(p, "if")) return parse_if(p);
  if (tni_accept_word(p, "while")) return parse_while(p);
  if (tni_accept_word(p, "reduce")) return parse_write(p, TNI_REDUCE);
  if (tni_accept_word(p, "alloc")) return parse_alloc(p);
  if (tni_accept_word(p, "let")) return parse_let(p);
  if (tni_accept_word(p, "assert")) return parse_assert(p);
  if (tni_accept_word(p, "assume")) return parse_assume(p);
  if (tni_accept_word(p, "call")) return parse_call(p);
  if (accept_first_word(p, "barrier")) return parse_barrier(p);
  if (accept_first_word(p, "copy")) return parse_write(p, TNI_COPY);
  if (accept_first_word(p, "prefetch")) return parse_prefetch(p);
  if (accept_first_word(p, "commit")) return push_stmt(p, tni_commit(p->r));
  if (accept_first_word(p, "wait")) return parse_wait(p);
  if (p->tok.kind == TNI_TOK_PERCENT) return parse_share_line(p);
  if (p->tok.kind == TNI_TOK_LBRACE) return parse_group(p);
  if (tni_at_word(p, "init")) {
    tni_report(p, p->tok.offset, p->tok.length, "`init` stands first in a block");
    return false;
  }
  if (p->tok.kind == TNI_TOK_NAME && !tni_is_reserved(p->text + p->tok.offset, p->tok.length)) return parse_write(p, TNI_STORE);
  tni_report_expected(p, "a statement");
  return false;
}
