/* lex.c -- the tokens of the text form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool tni_is_identifier(const char *name) {
  if (!is_letter(*name)) return false;
  while (is_letter(*name) || is_digit(*name)) name++;
  return *name == '\0';
}

bool tni_is_reserved(const char *name, size_t length) {
  static const char *const words[] = {"alloc", "assert", "assume", "block", "call",   "else",      "extern",
                                      "false", "for",    "func",   "if",    "in",     "inf",       "init",
                                      "let",   "loop",   "nan",    "reduce", "scheduled", "true", "where", "while"};
  for (size_t i = 0; i < TNI_COUNT(words); i++)
    if (strlen(words[i]) == length && memcmp(words[i], name, length) == 0) return true;
  return false;
}

/* A view of the text that reads NUL beyond the end. */
typedef struct cursor {
  const char *text;
  size_t length, at;
} cursor;

static char peek(const cursor *c, size_t ahead) { return c->length - c->at > ahead ? c->text[c->at + ahead] : '\0'; }

static bool skip_blanks(cursor *c) {
  bool line_start = c->at == 0;
  for (; c->at < c->length; c->at++) {
    char next = c->text[c->at];
    if (next == '#')
      while (c->at + 1 < c->length && c->text[c->at + 1] != '\n') c->at++;
    else if (next == '\n')
      line_start = true;
    else if (next != ' ' && next != '\t' && next != '\r')
      break;
  }
  return line_start;
}

static void skip_digits(cursor *c, bool (*is)(char)) {
  while (is(peek(c, 0))) c->at++;
}

static void skip_exponent(cursor *c, char letter) {
  size_t sign = peek(c, 1) == '+' || peek(c, 1) == '-';
  if ((peek(c, 0) | 32) != letter || !is_digit(peek(c, 1 + sign))) return;
  c->at += 1 + sign;
  skip_digits(c, is_digit);
}

/* 12  1.5  1e-7  0xff  0x1.8p+3; a point needs a digit behind it, so that 0..n is three tokens. */
static enum tni_token_kind lex_number(cursor *c) {
  bool hex = peek(c, 0) == '0' && (peek(c, 1) | 32) == 'x' && is_hex(peek(c, 2));
  bool (*is)(char) = hex ? is_hex : is_digit;
  c->at += hex ? 2 : 0;
  skip_digits(c, is);
  if (peek(c, 0) == '.' && is(peek(c, 1))) {
    c->at++;
    skip_digits(c, is);
  }
  skip_exponent(c, hex ? 'p' : 'e');
  if (!is_letter(peek(c, 0))) return TNI_TOK_NUMBER;
  while (is_letter(peek(c, 0)) || is_digit(peek(c, 0))) c->at++;
  return TNI_TOK_BAD;
}

static enum tni_token_kind lex_quoted(cursor *c) {
  for (c->at++; c->at < c->length && peek(c, 0) != '\n' && peek(c, 0) != '"'; c->at++)
    if (peek(c, 0) == '\\' && peek(c, 1) != '\n') c->at += c->at + 1 < c->length;
  if (peek(c, 0) != '"') return TNI_TOK_BAD;
  c->at++;
  return TNI_TOK_QUOTED;
}

static enum tni_token_kind lex_punctuation(cursor *c) {
  static const struct {
    char text[3];
    enum tni_token_kind kind;
  } table[] = {
#define P(name, text) {text, TNI_TOK_##name},
      TNI_PUNCTUATION(P)
#undef P
  };
  for (size_t i = 0; i < TNI_COUNT(table); i++)
    if (peek(c, 0) == table[i].text[0] && (!table[i].text[1] || peek(c, 1) == table[i].text[1])) {
      c->at += table[i].text[1] ? 2 : 1;
      return table[i].kind;
    }
  c->at++;
  return TNI_TOK_BAD;
}

tni_token tni_lex(const char *text, size_t length, size_t *position) {
  cursor c = {.text = text, .length = length, .at = *position};
  tni_token tok = {.kind = TNI_TOK_END, .line_start = skip_blanks(&c), .offset = c.at};
  if (c.at < c.length) {
    if (is_letter(peek(&c, 0))) {
      while (is_letter(peek(&c, 0)) || is_digit(peek(&c, 0))) c.at++;
      tok.kind = TNI_TOK_NAME;
    } else if (is_digit(peek(&c, 0))) {
      tok.kind = lex_number(&c);
    } else {
      tok.kind = peek(&c, 0) == '"' ? lex_quoted(&c) : lex_punctuation(&c);
    }
  }
  tok.length = c.at - tok.offset;
  *position = c.at;
  return tok;
}
