/* parse_expr.c -- names, types and expressions from text. Types are checked here, at the place of the mistake, before a
 * constructor sees them.
 *
 *     expr     = unary { infix expr }                  C's binding strengths, left to right
 *     unary    = { "-" | "!" | "~" } primary
 *     primary  = NUMBER [":" TYPE] | "inf:" TYPE | "nan:" TYPE | "true" | "false" | NAME | "(" expr ")" | "%" N | "&"
 * NAME | NAME "[" [expr {"," expr}] ["if" expr] "]" | OP "(" args ")" | "@" NAME "(" args ")"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

enum { MAX_ARGS = 255 };

static const tn_expr *made(tni_parser *p, const tn_expr *x) {
  if (!x) tni_parser_nomem(p);
  return x;
}

static const char *spelling(const tni_parser *p, const tni_token *tok) { return p->text + tok->offset; }

/* ---- names ---- */

static bool differ_in_case(char a, char b) { return (a | 32) == (b | 32) && ((a ^ b) & 32); }

bool tni_is_near(const char *a, size_t n, const char *b, size_t m) {
  size_t head = 0, tail = 0;
  if ((n > m ? n - m : m - n) > 1) return false;
  while (head < n && head < m && a[head] == b[head]) head++;
  while (tail < n - head && tail < m - head && a[n - 1 - tail] == b[m - 1 - tail]) tail++;
  size_t left_a = n - head - tail, left_b = m - head - tail;
  bool swapped = left_a == 2 && left_b == 2 && a[head] == b[head + 1] && a[head + 1] == b[head];
  if (head + tail == 0 && !swapped) return n == 1 && m == 1 && differ_in_case(*a, *b);
  return swapped || (left_a <= 1 && left_b <= 1);
}

static void report_undeclared(tni_parser *p, const tni_token *tok) {
  const char *name = spelling(p, tok);
  int shown = tok->length > 100 ? 100 : (int)tok->length;
  for (size_t i = p->binding_count; i > 0; i--) {
    const tni_map_entry *entry = &p->scope.entries[p->bindings[i - 1].entry];
    if (tni_is_near(name, tok->length, entry->key, entry->length)) {
      tni_report(p, tok->offset, tok->length, "`%.*s` is not declared; did you mean `%.*s`?", shown, name,
                 entry->length > 100 ? 100 : (int)entry->length, (const char *)entry->key);
      return;
    }
  }
  tni_report(p, tok->offset, tok->length, "`%.*s` is not declared", shown, name);
}

/* What the name stands for here; NULL, reported unless its declaration was. */
const tni_binding *tni_resolve(tni_parser *p, const tni_token *tok) {
  size_t entry = tni_map_find(&p->scope, spelling(p, tok), tok->length);
  size_t number = entry == TNI_MAP_NONE ? 0 : p->scope.entries[entry].value;
  if (number == 0) {
    report_undeclared(p, tok);
    return NULL;
  }
  const tni_binding *binding = &p->bindings[number - 1];
  return binding->kind == TNI_BOUND_BAD ? NULL : binding;
}

static const tn_buffer *resolve_buffer(tni_parser *p, const tni_token *tok) {
  const tni_binding *binding = tni_resolve(p, tok);
  if (binding && binding->kind != TNI_BOUND_BUFFER) {
    tni_report(p, tok->offset, tok->length, "this is a variable, not a buffer");
    return NULL;
  }
  return binding ? binding->buffer : NULL;
}

static const tn_expr *resolve_var(tni_parser *p, const tni_token *tok) {
  const tni_binding *binding = tni_resolve(p, tok);
  if (binding && binding->kind != TNI_BOUND_VAR) {
    tni_report(p, tok->offset, tok->length,
               "this is a buffer; its elements are written with subscripts, its address with `&`");
    return NULL;
  }
  return binding ? binding->var : NULL;
}

tn_type tni_parse_type(tni_parser *p) {
  tn_type type = p->tok.kind == TNI_TOK_NAME ? tni_type_parse(spelling(p, &p->tok), p->tok.length) : 0;
  if (!type)
    tni_report_expected(p, "a type such as `f32`");
  else
    tni_next(p);
  return type;
}

/* ---- constants ---- */

/* The current token is a number, inf or nan. */
static const tn_expr *parse_number(tni_parser *p, bool negative) {
  tni_token number = p->tok;
  const char *why;
  tni_next(p);
  tn_type type = TN_INDEX;
  if (number.kind == TNI_TOK_NAME || p->tok.kind == TNI_TOK_COLON) {
    if (!tni_expect(p, TNI_TOK_COLON, "`:` and the type of the constant") || !(type = tni_parse_type(p))) return NULL;
  }
  const tn_expr *x = tni_parse_const(p->r, type, spelling(p, &number), number.length, negative, &why);
  if (!x && why)
    tni_report(p, number.offset, number.length, "%s", why);
  else if (!x)
    tni_parser_nomem(p);
  return x;
}

static bool at_number(const tni_parser *p) {
  return p->tok.kind == TNI_TOK_NUMBER || tni_at_word(p, "inf") || tni_at_word(p, "nan");
}

/* A plain number such as the lanes of a vector. */
static bool parse_lanes(tni_parser *p, const char *what, uint64_t *out) {
  const char *why;
  tni_token tok = p->tok;
  if (!tni_expect(p, TNI_TOK_NUMBER, what)) return false;
  const tn_expr *x = tni_parse_const(p->r, TN_INDEX, spelling(p, &tok), tok.length, false, &why);
  *out = x ? (uint64_t)x->as.i : 0;
  return true;
}

/* ---- calls ---- */

/* Checks the types and makes the node; the mistake stands at `tok`. */
static const tn_expr *make_op(tni_parser *p, const tni_token *tok, enum tn_op op, size_t count,
                              const tn_expr *const *args) {
  const char *why;
  if (tni_op_type(op, args, &why)) return made(p, tni_op(p->r, op, count, args));
  tni_text types;
  tni_text_init(&types, p->ctx);
  for (size_t i = 0; i < count; i++) {
    char text[16];
    tni_text_add(&types, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", tn_type_text(args[i]->type, text));
  }
  tni_report(p, tok->offset, tok->length, "`%.*s` of %s: %s", (int)tok->length, spelling(p, tok), types.data, why);
  tni_text_destroy(&types);
  return NULL;
}

/* Arguments up to the closing parenthesis, behind the opening one or a comma. */
static bool parse_args(tni_parser *p, size_t most, size_t *count, const tn_expr **args) {
  *count = 0;
  if (tni_accept(p, TNI_TOK_RPAREN)) return true;
  do {
    if (*count == most) {
      tni_report(p, p->tok.offset, p->tok.length, "too many arguments, at most %zu", most);
      return false;
    }
    if (!(args[(*count)++] = tni_parse_expr(p))) return false;
  } while (tni_accept(p, TNI_TOK_COMMA));
  return tni_expect(p, TNI_TOK_RPAREN, "`)` or `,` after an argument");
}

static const tn_expr *parse_conversion(tni_parser *p, const tni_token *name, enum tn_op op) {
  tn_type type = tni_parse_type(p);
  if (!type || !tni_expect(p, TNI_TOK_COMMA, "`,` and the value to convert")) return NULL;
  const tn_expr *x = tni_parse_expr(p);
  if (!x || !tni_expect(p, TNI_TOK_RPAREN, "`)` after the value")) return NULL;
  const char *why = tni_check_convert(op, type, x->type);
  if (why) {
    char from[16], to[16];
    tni_report(p, name->offset, name->length, "%s to %s: %s", tn_type_text(x->type, from), tn_type_text(type, to), why);
    return NULL;
  }
  return made(p, tni_convert(p->r, op, type, x));
}

static const tn_expr *parse_vector(tni_parser *p, const tni_token *name, enum tn_op op) {
  const tn_expr *args[2] = {NULL, NULL};
  uint64_t lanes;
  for (int i = 0; i < tni_ops[op].arity; i++)
    if (!(args[i] = tni_parse_expr(p)) || !tni_expect(p, TNI_TOK_COMMA, "`,` after an argument")) return NULL;
  if (!parse_lanes(p, "the number of lanes", &lanes) || !tni_expect(p, TNI_TOK_RPAREN, "`)` after the number of lanes")) return NULL;
  const char *why = op == TN_OP_ramp ? tni_check_ramp(args[0], args[1], lanes) : tni_check_broadcast(args[0], lanes);
  if (why) {
    tni_report(p, name->offset, name->length, "%s", why);
    return NULL;
  }
  return made(p, op == TN_OP_ramp ? tni_ramp(p->r, args[0], args[1], (uint32_t)lanes)
                                  : tni_broadcast(p->r, args[0], (uint32_t)lanes));
}

/* `[0, 2, 4]`; 0 after a mistake. */
static size_t parse_lane_list(tni_parser *p, uint32_t *lanes) {
  size_t count = 0;
  if (!tni_expect(p, TNI_TOK_LBRACKET, "`[` and the lanes to take")) return 0;
  do {
    uint64_t lane;
    if (count == TNI_MAX_SHUFFLE) {
      tni_report(p, p->tok.offset, p->tok.length, "more than %d lanes", TNI_MAX_SHUFFLE);
      return 0;
    }
    if (!parse_lanes(p, "the number of a lane", &lane)) return 0;
    lanes[count++] = lane > UINT32_MAX ? UINT32_MAX : (uint32_t)lane;
  } while (tni_accept(p, TNI_TOK_COMMA));
  return tni_expect(p, TNI_TOK_RBRACKET, "`]` or `,` after a lane") ? count : 0;
}

static const tn_expr *parse_shuffle(tni_parser *p, const tni_token *name) {
  const tn_expr *args[2];
  uint32_t lanes[TNI_MAX_SHUFFLE];
  size_t operands = 0, count;
  do {
    if (!(args[operands++] = tni_parse_expr(p)) || !tni_expect(p, TNI_TOK_COMMA, "`,` after an argument")) return NULL;
  } while (operands < 2 && p->tok.kind != TNI_TOK_LBRACKET);
  if (!(count = parse_lane_list(p, lanes)) || !tni_expect(p, TNI_TOK_RPAREN, "`)` after the lanes")) return NULL;
  const char *why = tni_check_shuffle(operands, args, count, lanes);
  if (why) {
    tni_report(p, name->offset, name->length, "%s", why);
    return NULL;
  }
  return made(p, tni_shuffle(p->r, operands, args, count, lanes));
}

static void report_no_operator(tni_parser *p, const tni_token *name) {
  int shown = name->length > 100 ? 100 : (int)name->length;
  for (int op = 0; op < TN_OP_COUNT; op++)
    if (op != TN_OP_const && op != TN_OP_var && op != TN_OP_load && op != TN_OP_call &&
        tni_is_near(spelling(p, name), name->length, tni_ops[op].name, strlen(tni_ops[op].name))) {
      tni_report(p, name->offset, name->length, "there is no operator `%.*s`; did you mean `%s`?", shown,
                 spelling(p, name), tni_ops[op].name);
      return;
    }
  tni_report(p, name->offset, name->length,
             "there is no operator `%.*s`; an external function is called as `@%.*s(...)`", shown, spelling(p, name),
             shown, spelling(p, name));
}

/* `OP(...)`: behind the name, at the opening parenthesis. */
static const tn_expr *parse_op_call(tni_parser *p, const tni_token *name) {
  const tn_expr *args[MAX_ARGS];
  size_t count;
  int op = tni_op_find(spelling(p, name), name->length);
  tni_next(p);
  if (op >= 0 && tni_ops[op].typing == TNI_TYPING_CONVERT) return parse_conversion(p, name, (enum tn_op)op);
  if (op == TN_OP_ramp || op == TN_OP_broadcast) return parse_vector(p, name, op);
  if (op == TN_OP_shuffle) return parse_shuffle(p, name);
  if (op < 0 || !tni_op_has_rule(op)) {
    report_no_operator(p, name);
    return NULL;
  }
  if (!parse_args(p, MAX_ARGS, &count, args)) return NULL;
  if (count != tni_ops[op].arity) {
    tni_report(p, name->offset, name->length, "`%s` takes %d argument%s, not %zu", tni_ops[op].name, tni_ops[op].arity,
               tni_ops[op].arity == 1 ? "" : "s", count);
    return NULL;
  }
  return make_op(p, name, op, count, args);
}

static const tn_expr *check_extern_call(tni_parser *p, const tni_token *tok, const char *name, size_t count,
                                        const tn_expr *const *args) {
  const tni_extern *e = tni_program_find_extern(p->program, name);
  if (!e) {
    tni_report(p, tok->offset, tok->length,
               "no external of this name is declared; `extern NAME(TYPES): TYPE` declares one");
    return NULL;
  }
  if (count != e->param_count) {
    tni_report(p, tok->offset, tok->length, "this external takes %u argument%s, not %zu", e->param_count,
               e->param_count == 1 ? "" : "s", count);
    return NULL;
  }
  for (size_t i = 0; i < count; i++)
    if (args[i]->type != e->params[i]) {
      char want[16], have[16];
      tni_report(p, tok->offset, tok->length, "argument %zu is %s, declared is %s", i + 1,
                 tn_type_text(args[i]->type, have), tn_type_text(e->params[i], want));
      return NULL;
    }
  return made(p, tni_call(p->r, e->result, name, count, args));
}

const tn_expr *tni_parse_extern_call(tni_parser *p) {
  const tn_expr *args[MAX_ARGS];
  size_t count;
  tni_token tok = p->tok;
  if (tok.kind != TNI_TOK_NAME && tok.kind != TNI_TOK_QUOTED) {
    tni_report_expected(p, "the name of an external function");
    return NULL;
  }
  const char *name = tni_token_name(p, &tok);
  tni_next(p);
  if (!name || !tni_expect(p, TNI_TOK_LPAREN, "`(` and the arguments") || !parse_args(p, MAX_ARGS, &count, args))
    return NULL;
  return check_extern_call(p, &tok, name, count, args);
}

/* ---- loads ---- */

static bool parse_subscript(tni_parser *p, const tn_expr **out) {
  size_t begin = p->tok.offset;
  *out = tni_parse_expr(p);
  const char *why = *out ? tni_check_subscript(*out) : NULL;
  if (why) {
    char text[16];
    tni_report(p, begin, p->last_end - begin, "%s, this is %s", why, tn_type_text((*out)->type, text));
  }
  return *out && !why;
}

tn_type tni_parse_subscripts(tni_parser *p, const tn_buffer *buffer, int32_t *count, const tn_expr **index,
                             const tn_expr **where) {
  size_t begin = p->tok.offset;
  *count = 0;
  *where = NULL;
  if (!tni_expect(p, TNI_TOK_LBRACKET, "`[` and the subscripts")) return 0;
  bool more = p->tok.kind != TNI_TOK_RBRACKET && !tni_at_word(p, "if");
  while (more) {
    if (*count == TN_MAX_RANK) {
      tni_report(p, p->tok.offset, p->tok.length, "more than %d subscripts", TN_MAX_RANK);
      return 0;
    }
    if (!parse_subscript(p, &index[(*count)++])) return 0;
    more = tni_accept(p, TNI_TOK_COMMA);
  }
  if (tni_at_word(p, "if")) {
    tni_next(p);
    if (!(*where = tni_parse_expr(p))) return 0;
  }
  if (!tni_expect(p, TNI_TOK_RBRACKET, *where ? "`]` after a condition" : "`]` or `,` after a subscript")) return 0;
  if (*count != tni_subscript_count(p->level, buffer)) {
    int32_t want = tni_subscript_count(p->level, buffer);
    tni_report(p, begin, p->last_end - begin, "%d subscript%s, but the buffer has %d%s", *count, *count == 1 ? "" : "s",
               want, p->level == TNI_LEVEL_LOOP ? " on the loop level" : " dimensions");
    return 0;
  }
  const char *why;
  tn_type type = tni_access_type(buffer, *count, index, *where, &why);
  if (!type) tni_report(p, begin, p->last_end - begin, "%s", why);
  return type;
}

static const tn_expr *parse_load(tni_parser *p, const tni_token *name) {
  const tn_expr *index[TN_MAX_RANK], *where;
  int32_t count;
  const tn_buffer *buffer = resolve_buffer(p, name);
  tn_type type = buffer ? tni_parse_subscripts(p, buffer, &count, index, &where) : 0;
  return type ? made(p, tni_load(p->r, type, buffer, (size_t)count, index, where)) : NULL;
}

/* ---- primaries ---- */

int64_t tni_parse_share_number(tni_parser *p) {
  enum { MOST = 1 << 20 };
  const char *why;
  tni_next(p);
  tni_token tok = p->tok;
  if (!tni_expect(p, TNI_TOK_NUMBER, "a number after `%`")) return -1;
  const tn_expr *x = tni_parse_const(p->r, TN_INDEX, spelling(p, &tok), tok.length, false, &why);
  if (x && x->as.i < MOST) return x->as.i;
  tni_report(p, tok.offset, tok.length, "the number after `%%` is in 0..%d", MOST - 1);
  return -1;
}

static const tn_expr *parse_share(tni_parser *p) {
  size_t begin = p->tok.offset;
  int64_t n = tni_parse_share_number(p);
  if (n < 0) return NULL;
  const tn_expr *x = (size_t)n < p->share_count ? p->shares[n] : NULL;
  if (!x)
    tni_report(p, begin, p->last_end - begin, "`%%%d` was not given a value by a line `%%%d = ...` before", (int)n,
               (int)n);
  return x;
}

static const tn_expr *parse_named(tni_parser *p) {
  tni_token name = p->tok;
  if (tni_is_reserved(spelling(p, &name), name.length)) {
    tni_report_expected(p, "an expression");
    return NULL;
  }
  tni_next(p);
  if (p->tok.kind == TNI_TOK_LPAREN) return parse_op_call(p, &name);
  return p->tok.kind == TNI_TOK_LBRACKET ? parse_load(p, &name) : resolve_var(p, &name);
}

static const tn_expr *parse_address(tni_parser *p) {
  tni_next(p);
  tni_token name = p->tok;
  if (!tni_expect(p, TNI_TOK_NAME, "the name of a buffer after `&`")) return NULL;
  const tn_buffer *buffer = resolve_buffer(p, &name);
  return buffer ? made(p, tni_address(p->r, buffer)) : NULL;
}

static const tn_expr *parse_primary(tni_parser *p) {
  const tn_expr *x;
  if (at_number(p)) return parse_number(p, false);
  if (tni_at_word(p, "true") || tni_at_word(p, "false")) {
    x = made(p, tni_bool(p->r, tni_at_word(p, "true")));
    tni_next(p);
    return x;
  }
  switch (p->tok.kind) {
  case TNI_TOK_NAME: return parse_named(p);
  case TNI_TOK_PERCENT: return parse_share(p);
  case TNI_TOK_AMPERSAND: return parse_address(p);
  case TNI_TOK_AT: tni_next(p); return tni_parse_extern_call(p);
  case TNI_TOK_LPAREN:
    tni_next(p);
    x = tni_parse_expr(p);
    return x && tni_expect(p, TNI_TOK_RPAREN, "`)`") ? x : NULL;
  default: tni_report_expected(p, "an expression"); return NULL;
  }
}

/* ---- operators ---- */

static const tn_expr *parse_unary(tni_parser *p) {
  tni_token tok = p->tok;
  if (tok.kind != TNI_TOK_MINUS && tok.kind != TNI_TOK_BANG && tok.kind != TNI_TOK_TILDE) return parse_primary(p);
  tni_next(p);
  if (tok.kind == TNI_TOK_MINUS && at_number(p)) return parse_number(p, true);
  if (!tni_enter(p, &p->expr_depth)) return NULL;
  const tn_expr *x = parse_unary(p);
  p->expr_depth--;
  if (!x) return NULL;
  if (tok.kind == TNI_TOK_BANG && TN_TYPE_CODE(x->type) != kDLBool) {
    tni_report(p, tok.offset, tok.length, "`!` needs a bool; the complement of an integer is `~`");
    return NULL;
  }
  return make_op(p, &tok, tok.kind == TNI_TOK_MINUS ? TN_OP_neg : TN_OP_not, 1, &x);
}

typedef struct infix {
  int prec; /* 0: the token is no infix operator */
  enum tn_op op;
  bool swap; /* a > b is b < a */
  bool logical;
} infix;

static infix infix_of(const tni_token *tok) {
  switch (tok->kind) {
  case TNI_TOK_OR: return (infix){1, TN_OP_or, false, true};
  case TNI_TOK_AND: return (infix){2, TN_OP_and, false, true};
  case TNI_TOK_BAR: return (infix){3, TN_OP_or, false, false};
  case TNI_TOK_CARET: return (infix){4, TN_OP_xor, false, false};
  case TNI_TOK_AMPERSAND: return (infix){5, TN_OP_and, false, false};
  case TNI_TOK_EQ: return (infix){6, TN_OP_eq, false, false};
  case TNI_TOK_NE: return (infix){6, TN_OP_ne, false, false};
  case TNI_TOK_LT: return (infix){7, TN_OP_lt, false, false};
  case TNI_TOK_LE: return (infix){7, TN_OP_le, false, false};
  case TNI_TOK_GT: return (infix){7, TN_OP_lt, true, false};
  case TNI_TOK_GE: return (infix){7, TN_OP_le, true, false};
  case TNI_TOK_SHL: return (infix){8, TN_OP_shl, false, false};
  case TNI_TOK_SHR: return (infix){8, TN_OP_shr, false, false};
  case TNI_TOK_PLUS: return (infix){9, TN_OP_add, false, false};
  case TNI_TOK_MINUS: return (infix){9, TN_OP_sub, false, false};
  case TNI_TOK_STAR: return (infix){10, TN_OP_mul, false, false};
  case TNI_TOK_SLASH: return (infix){10, TN_OP_div, false, false};
  case TNI_TOK_FLOORDIV: return (infix){10, TN_OP_floordiv, false, false};
  case TNI_TOK_PERCENT: /* at the beginning of a line it is a %N */
    return (infix){tok->line_start ? 0 : 10, TN_OP_floormod, false, false};
  default: return (infix){0, TN_OP_add, false, false};
  }
}

static const tn_expr *combine(tni_parser *p, const tni_token *tok, const infix *op, const tn_expr *a,
                              const tn_expr *b) {
  const tn_expr *args[] = {op->swap ? b : a, op->swap ? a : b};
  if (op->logical && TN_TYPE_CODE(a->type) != kDLBool) {
    tni_report(p, tok->offset, tok->length, "`%.*s` needs bools; on integers it is `%c`", (int)tok->length,
               spelling(p, tok), *spelling(p, tok));
    return NULL;
  }
  return make_op(p, tok, op->op, 2, args);
}

static const tn_expr *parse_infix(tni_parser *p, int least) {
  const tn_expr *a = parse_unary(p);
  while (a) {
    tni_token tok = p->tok;
    infix op = infix_of(&tok);
    if (op.prec < least || op.prec == 0) break;
    tni_next(p);
    const tn_expr *b = parse_infix(p, op.prec + 1);
    a = b ? combine(p, &tok, &op, a, b) : NULL;
  }
  return a;
}

const tn_expr *tni_parse_expr(tni_parser *p) {
  if (!tni_enter(p, &p->expr_depth)) return NULL;
  const tn_expr *x = parse_infix(p, 1);
  p->expr_depth--;
  return x;
}
