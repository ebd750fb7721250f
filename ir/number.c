/* number.c -- constants as text, exactly, in every locale.
 *
 *     index    5   -3              bool     true   false
 *     other    VALUE:TYPE          float    the shortest decimal of at most 9 digits that reads back as the same value,
 *                                           else hexadecimal: 0x1.999999999999ap-4:f64
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

enum { MAX_DIGITS = 9, MAX_NUMBER = 128, FRACTION_BITS = 52 };

/* strtod in the C locale; all of `text` (NUL-terminated) must be used. */
static bool read_double(const char *text, double *out) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!c) return false;
  char *end;
  *out = strtod_l(text, &end, c);
  freelocale(c);
  return *end == '\0';
}

/* ---- printing ---- */

/* The digits and the decimal exponent of |value| to `count` significant digits: d.ddd * 10^exponent. Does not depend on
 * how the locale writes the point. */
static int decimal_digits(double value, int count, char digits[MAX_DIGITS + 1]) {
  char text[64];
  snprintf(text, sizeof text, "%.*e", count - 1, fabs(value));
  const char *c = text;
  int n = 0;
  for (; *c && *c != 'e'; c++)
    if (*c >= '0' && *c <= '9' && n < MAX_DIGITS) digits[n++] = *c;
  while (n > 1 && digits[n - 1] == '0') n--;
  digits[n] = '\0';
  return *c == 'e' ? atoi(c + 1) : 0;
}

/* As 0.00123, 123.0 or 1.23e-7. */
static void write_decimal(char *out, size_t size, bool negative, const char *digits, int exponent) {
  const char *sign = negative ? "-" : "";
  int n = (int)strlen(digits);
  if (exponent >= MAX_DIGITS || exponent < -4)
    snprintf(out, size, n > 1 ? "%s%c.%se%d" : "%s%c%se%d", sign, digits[0], digits + 1, exponent);
  else if (exponent < 0)
    snprintf(out, size, "%s0.%.*s%s", sign, -exponent - 1, "00000", digits);
  else if (n > exponent + 1)
    snprintf(out, size, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
  else
    snprintf(out, size, "%s%s%.*s.0", sign, digits, exponent + 1 - n, "000000000");
}

static bool try_decimal(char *out, size_t size, tn_type type, double value) {
  char digits[MAX_DIGITS + 1];
  for (int count = 1; count <= MAX_DIGITS; count++) {
    int exponent = decimal_digits(value, count, digits);
    write_decimal(out, size, signbit(value), digits, exponent);
    double back;
    if (read_double(out, &back) && tni_round_to(type, back) == value) return true;
  }
  return false;
}

static void write_hexadecimal(char *out, size_t size, double value) {
  int exponent;
  double mantissa = frexp(fabs(value), &exponent); /* 0.5 <= mantissa < 1 */
  uint64_t fraction = (uint64_t)ldexp(mantissa, FRACTION_BITS + 1) & ((UINT64_C(1) << FRACTION_BITS) - 1);
  char digits[16];
  snprintf(digits, sizeof digits, "%013" PRIx64, fraction);
  size_t n = strlen(digits);
  while (n > 0 && digits[n - 1] == '0') n--;
  snprintf(out, size, "%s0x1%s%.*sp%+d", signbit(value) ? "-" : "", n ? "." : "", (int)n, digits, exponent - 1);
}

static void write_float(char *out, size_t size, tn_type type, double value) {
  if (isnan(value))
    snprintf(out, size, "nan");
  else if (isinf(value))
    snprintf(out, size, value < 0 ? "-inf" : "inf");
  else if (value == 0)
    snprintf(out, size, signbit(value) ? "-0.0" : "0.0");
  else if (!try_decimal(out, size, type, value))
    write_hexadecimal(out, size, value);
}

void tni_print_scalar(tni_text *out, tn_type type, tni_scalar value) {
  char number[64];
  if (type == TN_BOOL) {
    tni_text_add(out, value.i ? "true" : "false");
  } else if (tni_type_is_float(type)) {
    write_float(number, sizeof number, type, value.f);
    tni_text_add(out, "%s", number);
  } else if (tni_type_is_signed(type)) {
    tni_text_add_number(out, value.i);
  } else {
    tni_text_add(out, "%" PRIu64, (uint64_t)value.i);
  }
}

void tni_print_const(tni_text *out, const tn_expr *x) {
  char type[16];
  bool is_float = tni_type_is_float(x->type);
  tni_print_scalar(out, x->type, is_float ? (tni_scalar){.f = x->as.f} : (tni_scalar){.i = x->as.i});
  if (x->type != TN_INDEX && x->type != TN_BOOL) tni_text_add(out, ":%s", tn_type_text(x->type, type));
}

/* ---- reading ---- */

static bool is_text(const char *text, size_t length, const char *word) {
  return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* Does a type without infinity and NaN hold numbers of that size? Rounding does not tell: it saturates. */
static bool is_in_range(tn_type type, double value) {
  return isfinite(tni_round_to(type, value)) && (tni_float_format_of(type)->nan || value <= tni_float_largest(type));
}

static bool read_float(tn_type type, const char *text, size_t length, bool negative, double *out, const char **why) {
  char copy[MAX_NUMBER + 1];
  double value;
  memcpy(copy, text, length);
  copy[length] = '\0';
  if (negative && tni_type_is_scale(type)) return *why = "an unsigned type has no negative numbers", false;
  if (is_text(text, length, "nan") && !tni_float_format_of(type)->nan) return *why = "the type has no NaN", false;
  if (is_text(text, length, "nan"))
    value = (double)NAN;
  else if (is_text(text, length, "inf") && isinf(tni_float_highest(type)))
    value = (double)INFINITY;
  else if (is_text(text, length, "inf"))
    return *why = "the type has no infinity", false;
  else if (!read_double(copy, &value) || !is_in_range(type, value)) /* the lexer's numbers are strtod's */
    return *why = "the number is too large for its type", false;
  *out = tni_round_to(type, negative ? -value : value);
  return true;
}

static int digit_value(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : 16;
}

static bool read_magnitude(const char *text, size_t length, uint64_t *out, const char **why) {
  unsigned base = length > 2 && text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10;
  uint64_t value = 0;
  for (size_t i = base == 16 ? 2 : 0; i < length; i++) {
    unsigned digit = (unsigned)digit_value(text[i]);
    *why = "an integer type needs a number without point and exponent";
    if (digit >= base) return false;
    *why = "the number is too large for its type";
    if (value > (UINT64_MAX - digit) / base) return false;
    value = value * base + digit;
  }
  *out = value;
  return true;
}

static bool read_int(tn_type type, const char *text, size_t length, bool negative, int64_t *out, const char **why) {
  uint64_t value;
  if (!read_magnitude(text, length, &value, why)) return false;
  uint32_t bits = TN_TYPE_BITS(type);
  uint64_t largest = tni_type_is_signed(type) ? (UINT64_C(1) << (bits - 1)) - !negative
                     : negative               ? 0
                                              : UINT64_MAX >> (64 - bits);
  *why = negative && largest == 0 ? "an unsigned type has no negative numbers" : "the number is too large for its type";
  if (value > largest) return false;
  *out = tni_wrap(type, (int64_t)(negative ? 0 - value : value));
  return true;
}

bool tni_parse_scalar(tn_type type, const char *text, size_t length, bool negative, tni_scalar *out, const char **why) {
  *why = "a constant is of a floating-point, integer or index type with one lane";
  bool is_int = tni_type_is_int(type) || type == TN_INDEX;
  if (TN_TYPE_LANES(type) != 1 || (!is_int && !tni_type_is_float(type))) return false;
  *why = "the number is longer than 128 characters";
  if (length > MAX_NUMBER) return false;
  return is_int ? read_int(type, text, length, negative, &out->i, why)
                : read_float(type, text, length, negative, &out->f, why);
}

const tn_expr *tni_parse_const(tni_region *r, tn_type type, const char *text, size_t length, bool negative,
                               const char **why) {
  tni_scalar value;
  if (!tni_parse_scalar(type, text, length, negative, &value, why)) return NULL;
  *why = NULL;
  return tni_type_is_float(type) ? tni_const_float(r, type, value.f) : tni_const_int(r, type, value.i);
}
