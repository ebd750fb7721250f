/* sums.h -- products and convolutions of short integers, as text: what tensor instructions are for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_SUMS_H
#define TEST_JIT_SUMS_H

#include "session.h"
#include "targets.h"

typedef struct sums {
  const char *form; /* "matmul", "nhwc", "nchw" */
  const char *a, *b;
  int m, n, k;               /* of a product */
  int in, out, size, kernel; /* of a convolution: channels, rows and columns of the picture and of the kernel */
  int stride, pad;
  bool small; /* less than tiles are worth, at least for some target */
} sums;

static inline void sums_write_product(const sums *s, const char *name, char *text, size_t size) {
  snprintf(text, size,
           "func %s(A: %s[%d, %d], B: %s[%d, %d], C: i32[%d, %d]) {\n"
           "  for i in 0..%d { for j in 0..%d { for k in 0..%d {\n"
           "    block C(v: 0..%d = i, w: 0..%d = j, reduce q: 0..%d = k) {\n      init { C[v, w] = 0:i32 }\n"
           "      C[v, w] = C[v, w] + cast(i32, A[v, q]) * cast(i32, B[q, w])\n    }\n  } } }\n}\n",
           name, s->a, s->m, s->k, s->b, s->k, s->n, s->m, s->n, s->m, s->n, s->k, s->m, s->n, s->k);
}

static inline void sums_write_convolution(const sums *s, const char *name, char *text, size_t size) {
  bool last = strcmp(s->form, "nhwc") == 0; /* channels */
  int o = (s->size + 2 * s->pad - s->kernel) / s->stride + 1;
  char inside[256] = "";
  if (s->pad)
    snprintf(inside, sizeof inside,
             " if 0 <= h * %d + r - %d && h * %d + r - %d < %d && 0 <= w * %d + q - %d && w * %d + q - %d < %d",
             s->stride, s->pad, s->stride, s->pad, s->size, s->stride, s->pad, s->stride, s->pad, s->size);
  snprintf(text, size,
           last ? "func %s(X: %s[%d, %d, %d], W: %s[%d, %d, %d, %d], C: i32[%d, %d, %d]) {\n"
                : "func %s(X: %s[%d, %d, %d], W: %s[%d, %d, %d, %d], C: i32[%d, %d, %d]) {\n",
           name, s->a, last ? s->size : s->in, s->size, last ? s->in : s->size, s->b, last ? s->kernel : s->out,
           last ? s->kernel : s->in, last ? s->in : s->kernel, last ? s->out : s->kernel, last ? o : s->out, o,
           last ? s->out : o);
  size_t at = strlen(text);
  const char *loops = last ? "  for i0 in 0..%d { for i1 in 0..%d { for i2 in 0..%d {\n"
                             "  for i3 in 0..%d { for i4 in 0..%d { for i5 in 0..%d {\n"
                             "    block C(h: 0..%d = i0, w: 0..%d = i1, o: 0..%d = i2, reduce r: 0..%d = i3, "
                             "reduce q: 0..%d = i4, reduce c: 0..%d = i5) {\n      init { C[h, w, o] = 0:i32 }\n"
                             "      C[h, w, o] = C[h, w, o] + cast(i32, X[h * %d + r - %d, w * %d + q - %d, c%s]) * "
                             "cast(i32, W[r, q, c, o])\n    }\n  } } } } } }\n}\n"
                           : "  for i0 in 0..%d { for i1 in 0..%d { for i2 in 0..%d {\n"
                             "  for i3 in 0..%d { for i4 in 0..%d { for i5 in 0..%d {\n"
                             "    block C(o: 0..%d = i0, h: 0..%d = i1, w: 0..%d = i2, reduce c: 0..%d = i3, "
                             "reduce r: 0..%d = i4, reduce q: 0..%d = i5) {\n      init { C[o, h, w] = 0:i32 }\n"
                             "      C[o, h, w] = C[o, h, w] + cast(i32, X[c, h * %d + r - %d, w * %d + q - %d%s]) * "
                             "cast(i32, W[o, c, r, q])\n    }\n  } } } } } }\n}\n";
  int e[] = {last ? o : s->out, o, last ? s->out : o, last ? s->kernel : s->in, s->kernel, last ? s->in : s->kernel};
  snprintf(text + at, size - at, loops, e[0], e[1], e[2], e[3], e[4], e[5], e[0], e[1], e[2], e[3], e[4], e[5],
           s->stride, s->pad, s->stride, s->pad, inside);
}

/* The function of that name, of (A, B, C). */
static inline tn_program *sums_make(tn_context *ctx, const char *name, const sums *s) {
  char text[4096];
  if (strcmp(s->form, "matmul") == 0)
    sums_write_product(s, name, text, sizeof text);
  else
    sums_write_convolution(s, name, text, sizeof text);
  return session_parse(ctx, text);
}

static const sums sums_all[] = {
    {.form = "matmul", .a = "u8", .b = "i8", .m = 24, .n = 48, .k = 64},
    {.form = "matmul", .a = "i8", .b = "i8", .m = 7, .n = 40, .k = 30, .small = true},
    {.form = "matmul", .a = "u8", .b = "u8", .m = 3, .n = 33, .k = 21, .small = true},
    {.form = "matmul", .a = "i16", .b = "i16", .m = 5, .n = 32, .k = 19},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 16, .out = 32, .size = 8, .kernel = 3, .stride = 1},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 8, .out = 40, .size = 9, .kernel = 3, .stride = 2, .pad = 1, .small = true},
    {.form = "nhwc", .a = "i8", .b = "i8", .in = 3, .out = 16, .size = 9, .kernel = 5, .stride = 2, .pad = 2, .small = true},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 32, .out = 32, .size = 6, .kernel = 1, .stride = 1, .small = true},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 64, .out = 32, .size = 14, .kernel = 1, .stride = 1},
    {.form = "nchw", .a = "u8", .b = "i8", .in = 16, .out = 32, .size = 18, .kernel = 3, .stride = 1},
    {.form = "nchw", .a = "i8", .b = "i8", .in = 6, .out = 24, .size = 17, .kernel = 3, .stride = 2, .pad = 1, .small = true},
    {.form = "nhwc", .a = "u8", .b = "i8", .in = 32, .out = 48, .size = 12, .kernel = 3, .stride = 1, .pad = 1},
    {.form = "nhwc", .a = "i8", .b = "i8", .in = 3, .out = 32, .size = 33, .kernel = 5, .stride = 2, .pad = 2},
    {.form = "nchw", .a = "u8", .b = "i8", .in = 12, .out = 40, .size = 16, .kernel = 3, .stride = 1, .pad = 1},
    {.form = "nchw", .a = "u8", .b = "u8", .in = 10, .out = 64, .size = 34, .kernel = 3, .stride = 2, .small = true},
};

/* What assembly calls an instruction that LLVM calls "llvm.x86.MNEMONIC" or "llvm.ARCHITECTURE.EXTENSION.MNEMONIC", with or
 * without more. */
static inline const char *sums_word(const char *name) {
  static char word[32];
  for (int dots = strncmp(name, "llvm.x86.", 9) == 0 ? 2 : 3; dots > 0; dots--) name = strchr(name, '.') + 1;
  snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "."), name);
  return word;
}

/* What the assembly of a target must hold where the unit stands, for some lanes. */
static inline const char *sums_word_of_unit(const tn_target *target, const tni_unit *unit) {
  const tni_unit_row *row = NULL;
  for (int64_t bits = 128; bits <= target->vector_bits && !row; bits *= 2) row = tni_target_unit(target, unit, bits);
  ck_assert_ptr_nonnull(row);
  if (row->form == TNI_UNIT_PRODUCTS) return "pmaddwd";
  return target->isa == TNI_ISA_X86_64 ? "vpdpbusd" : sums_word(row->names[0]);
}

static inline bool sums_holds(const char *assembly, const char *word) {
  return strstr(assembly, word) || (strcmp(word, "pmaddwd") == 0 && strstr(assembly, "vpdpwssd"));
}

/* Does it hold what the default schedule is to do the sums by: tiles; dot products; RISC-V's widening multiply-add, which is
 * LLVM's choice for steps one by one? */
static inline bool sums_are_tensorized(tn_context *ctx, const tn_target *target, const sums *s, const char *assembly) {
  tn_type a = tni_type_parse(s->a, strlen(s->a)), b = tni_type_parse(s->b, strlen(s->b));
  bool turned = strcmp(s->form, "nchw") == 0; /* the rows are the weights' */
  const tni_tile_row *tile = tni_target_tile(target, TN_I32, turned ? b : a, turned ? a : b);
  const tni_unit *unit = tni_target_product_unit(ctx, target, TN_I32, a, b);
  if (tile && (sums_holds(assembly, sums_word(tile->name)) || !s->small)) return sums_holds(assembly, sums_word(tile->name));
  if (unit) return sums_holds(assembly, sums_word_of_unit(target, unit));
  return target->isa != TNI_ISA_RISCV64 || sums_holds(assembly, "vwmacc");
}

#endif
