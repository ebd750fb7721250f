/* directed.h -- random programs on which the rules of primitives depend: producers and consumers that are almost what a
 * primitive asks for.
 *
 * Two blocks P and C: P writes T (and maybe U) from X, C writes Y from T. Each is drawn from a list of forms: loops in
 * another order, backwards, repeated, half; under conditions, in scopes of lets and asserts; reductions whose steps have
 * an order; stores to elements of others; and what stands between them. Many mean nothing (they read what nobody
 * wrote), and are passed over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_DIRECTED_H
#define TEST_SCHED_DIRECTED_H

/* One of `count` texts, mostly the first. */
static inline const char *seldom(writer *w, const char *const *texts, int count) {
  return texts[pick(w, 0, 2) ? 0 : pick(w, 0, count - 1)];
}
#define SELDOM(w, texts) seldom(w, texts, (int)(sizeof(texts) / sizeof *(texts)))
#define ONE_OF(w, texts) (texts)[pick(w, 0, (int)(sizeof(texts) / sizeof *(texts)) - 1)]

/* `form` with N for the extent, $ for the block's name; % is as it is. */
static inline void put_form(writer *w, const char *form, char name, int n) {
  for (; *form; form++) {
    if (*form == 'N')
      put(w, "%d", n);
    else
      put(w, "%c", *form == '$' ? name : *form);
  }
}

/* What may stand around a loop or block; each closes with the brace of that, or with one of its own. */
static inline int put_scope(writer *w, char name, int n) {
  static const char *const scopes[] = {
      "",
      "if s > 2 {\n",
      "if X[0, 0] > 0.0:f32 {\n",
      "let v$ = s\n",
      "assert s < 6, \"$\"\n",
      "assume s > 0\n",
      "for r$ in 0..2 {\n",
      "for u$ in 0..1 {\n",
  };
  const char *scope = pick(w, 0, 3) ? "" : ONE_OF(w, scopes);
  put_form(w, scope, name, n);
  return strchr(scope, '{') != NULL;
}

/* How the loops i and j (k is a third) bind the iterators. */
static const char *const bindings[] = {
    "a: 0..N = i$, b: 0..N = j$",
    "a: 0..N = N - 1 - i$, b: 0..N = j$",
    "a: 0..N = i$, b: 0..N = N - 1 - j$",
    "a: 0..N = j$, b: 0..N = i$",
    "a: 0..N = i$, b: 0..N = i$",
    "a: 0..N = i$ // 2, b: 0..N = j$",
};
static const char *const guards[] = {"", " where i$ < s", " where j$ < 2", " where i$ + j$ < N", " where i$ < N"};

/* The loops over i and j, and k if the block is a sum: for.. { block NAME(iterators) where .. { body } } */
static inline void stage(writer *w, char name, int n, const char *reduce, const char *body) {
  int braces = put_scope(w, name, n), swapped = pick(w, 0, 2) == 0, apart = pick(w, 0, 1);
  static const char *const extents[] = {"0..N", "0..N - 1"};
  if (*reduce && !apart && pick(w, 0, 1)) put(w, "for k%c in 0..3 {\n", name), braces++, apart = 2;
  put_form(w, swapped ? "for j$ in " : "for i$ in ", name, n);
  put_form(w, SELDOM(w, extents), name, n);
  put(w, " {\n");
  braces += 1 + put_scope(w, name == 'P' ? 'p' : 'c', n);
  put_form(w, swapped ? "for i$ in 0..N {\n" : "for j$ in 0..N {\n", name, n);
  braces++;
  if (*reduce && apart != 2) put(w, "for k%c in 0..3 {\n", name), braces++;
  put(w, "block %c(", name);
  put_form(w, SELDOM(w, bindings), name, n);
  put_form(w, reduce, name, n);
  put(w, ")");
  put_form(w, SELDOM(w, guards), name, n);
  put(w, " {\n");
  put_form(w, body, name, n);
  put(w, "\n}\n");
  while (braces-- > 0) put(w, "}\n");
}

typedef struct form {
  const char *reduce, *body;
} form;

static const form producers[] = {
    {"", "T[a, b] = X[a, b] + 1.0:f32"},
    {"", "T[a, b] = X[b, a] * 2.0:f32"},
    {"", "T[a, b] = X[a, b]; T[b, a] = X[a, b] * 2.0:f32"},
    {"", "T[a, b] = X[a, b]; U[a, b] = X[a, b] * 2.0:f32"},
    {"", "T[a, a] = X[a, b]"},
    {"", "T[a, 0] = X[a, b]"},
    {"", "T[a, b] = T[a, b] * 2.0:f32 + X[a, b]"},
    {", reduce c: 0..3 = k$", "init { T[a, b] = 0.0:f32 }\nT[a, b] = T[a, b] + X[a, c % N]"},
    {", reduce c: 0..3 = k$", "init { T[a, b] = 1.0:f32 }\nT[a, b] = X[a, c % N] - T[a, b]"},
    {", reduce c: 0..3 = 2 - k$", "init { T[a, b] = 1.0:f32 }\nT[a, b] = X[a, c % N] - T[a, b]"},
    {", reduce c: 0..3 = k$", "init { T[a, b] = -inf:f32 }\nlet x = X[a, c % N]\nT[a, b] = max(T[a, b], x)"},
    {", reduce c: 0..3 = k$", "init { T[a, b] = -inf:f32 }\nT[a, b] = max(T[a, b], X[a, c % N])"},
    {", reduce c: 0..3 = k$", "init { T[a, b] = 0.0:f32; U[a, b] = 1.0:f32 }\nT[a, b] = T[a, b] + X[a, c % N]; "
         "U[a, b] = U[a, b] - X[b, c % N]"},
    {", reduce c: 0..1 = 0", "init { T[a, b] = 0.0:f32 }\nT[a, b] = T[a, b] + X[a, b]"},
    {", reduce c: 0..3 = k$", "T[a, b] = X[a, c % N]"},
    {", reduce c: 0..3 = k$", "T[a, b] = T[a, b] + X[a, c % N]"},
    {", reduce c: 0..3 = k$", "init { T[a, 0] = 2.0:f32 }\nT[a, b] = T[a, b] + X[a, c % N]"},
};

static const form consumers[] = {
    {"", "Y[a, b] = T[a, b] * 2.0:f32"},
    {"", "Y[a, b] = max(T[a, b], 0.0:f32)"},
    {"", "Y[a, b] = max(T[a, b], V[b, a])"},
    {"", "Y[a, b] = Y[a, b] + T[a, b]"},
    {"", "Y[a, b] = T[b, a] + V[a, b]"},
    {"", "Y[a, b] = T[a, b if a < s] + V[a, b]"},
    {"", "Y[a, b] = T[a, b if b < 2]"},
    {"", "Y[a, b] = T[a, 0] + T[0, b]"},
    {"", "Y[a, 0] = T[a, b]"},
    {"", "Y[a, a] = T[a, b]"},
    {"", "Y[(a + b) % N, 0] = T[a, b]"},
    {"", "Y[a, b] = T[a, b] + Y[a - 1, b if 0 < a]"},
    {"", "Y[a, b] = T[a, b]; V[b, a] = T[a, b]"},
    {"", "Y[a, b] = T[a, b]; V[a, b] = T[a, b] - 1.0:f32"},
    {"", "Y[a, b] = T[a, b] - U[a, b]"},
    {", reduce c: 0..3 = k$", "init { Y[a, b] = 0.0:f32 }\nY[a, b] = Y[a, b] + T[a, c % N] * V[b, c % N]"},
    {", reduce c: 0..3 = k$", "init { Y[a, b] = 0.0:f32 }\nY[a, b] = T[a, c % N] - Y[a, b]"},
    {", reduce c: 0..3 = k$", "init { Y[a, 0] = 1.0:f32 }\nY[a, b] = Y[a, b] + T[a, b]"},
    {", reduce c: 0..3 = k$", "init { V[a, b] = 1.0:f32 }\nY[a, b] = Y[a, b] + T[a, b]"},
};

/* C as a sum over b: its parts are steps. */
static inline void sum_stage(writer *w, int n) {
  static const char *const binds[] = {"a: 0..N = iC, reduce b: 0..N = jC", "a: 0..N = iC, reduce b: 0..N = N - 1 - jC"};
  static const char *const bodies[] = {
      "init { S[a] = 0.0:f32 }\nS[a] = S[a] + T[a, b]",
      "init { S[a] = 1.0:f32 }\nS[a] = T[a, b] - S[a]",
      "S[a] = S[a] + T[a, b]",
      "S[a] = T[a, b]",
  };
  int swapped = pick(w, 0, 2) == 0, braces = 2 + put_scope(w, 'C', n);
  put_form(w, swapped ? "for jC in 0..N {\nfor iC in 0..N {\n" : "for iC in 0..N {\nfor jC in 0..N {\n", 'C', n);
  put(w, "block C(");
  put_form(w, ONE_OF(w, binds), 'C', n);
  put(w, ") {\n%s\n}\n", ONE_OF(w, bodies));
  while (braces-- > 0) put(w, "}\n");
}

/* What stands between P and C: reads or writes what they do. */
static inline void put_between(writer *w, int n) {
  static const char *const blocks[] = {
      "", "V[a, b] = Y[a, b]", "Y[a, b] = 3.0:f32", "V[a, b] = T[a, b]", "V[a, b] = X[a, b]", "X[a, b] = V[a, "
      "b]", "T[a, b] = V[a, b]",
  };
  static const char *const others[] = {
      "V[0, 0] = Y[0, 0]\n",
      "X[0, 0] = X[0, 0] + 5.0:f32\n",
      "for q in 0..N { block M(a: 0..N = q) { for z in 0..N { block K(b: 0..N = z) { T[0, b] = 7.0:f32 } } } }\n",
      "for q in 0..N { block M(a: 0..N = q) { for z in 0..N { block K(c: 0..N = a, b: 0..N = z) { Y[c, b] = "
      "7.0:f32 } } } }\n",
  };
  const char *block = SELDOM(w, blocks);
  if (*block) {
    put_form(w, "for iM in 0..N { for jM in 0..N { block M(a: 0..N = iM, b: 0..N = jM) { ", 'M', n);
    put(w, "%s } } }\n", block);
  }
  if (pick(w, 0, 5) == 0) put_form(w, ONE_OF(w, others), 'M', n);
}

static inline void two_stages(writer *w) {
  int n = pick(w, 2, 4), made = pick(w, 0, 3) > 0, around = pick(w, 0, 5) == 0;
  const form *p = &ONE_OF(w, producers), *c = &ONE_OF(w, consumers);
  put(w, "func f(X: f32[%d, %d], Y: f32[%d, %d], V: f32[%d, %d], S: f32[%d], s: index", n, n, n, n, n, n, n);
  put_form(w, made ? ") {\nalloc T: f32[N, N]\nalloc U: f32[N, N]\n" : ", T: f32[N, N], U: f32[N, N]) {\n", 'T', n);
  if (pick(w, 0, 4) == 0) /* T before */
    put_form(w, "for iZ in 0..N { for jZ in 0..N { block Z(a: 0..N = iZ, b: 0..N = jZ) { T[a, b] = 5.0:f32 } } }\n", 'Z', n);
  if (around) put(w, "for r in 0..2 {\n");
  stage(w, 'P', n, p->reduce, p->body);
  put_between(w, n);
  if (pick(w, 0, 3))
    stage(w, 'C', n, c->reduce, c->body);
  else
    sum_stage(w, n);
  if (around) put(w, "}\n");
  put(w, "}\n");
}

/* ---- extents ------------------------------------------------------------------------------------------------------ */

/* Extents over lets, over loops outside, over memory that is written below, of no iterations at all. */
static inline void extents(writer *w) {
  static const char *const bodies[] = {
      /* a block in the scope of a let whose header has it */
      "alloc T: f32[n]\n"
      "for i in 0..n { let v = n\nfor k in 0..v { block T(a: 0..n = i, reduce b: 0..v = k) { init { T[a] = "
      "0.0:f32 }\nT[a] = T[a] + X[a, b] } } }\n"
      "for j in 0..n { block C(a: 0..n = j) { Y[a, 0] = T[a] } }\n",
      "alloc T: f32[n]\nfor i in 0..n { block T(a: 0..n = i) { T[a] = X[a, 0] } }\n"
      "for j in 0..n { let v = n\nfor k in 0..v { block C(a: 0..n = j, reduce b: 0..v = k) { init { Y[a, 0] = "
      "0.0:f32 }\nY[a, 0] = Y[a, 0] + T[a] * X[a, b] } } }\n",
      "for i in 0..2 { let v = n\nfor j in 0..v { for k in 0..n { block C(c: 0..2 = i, a: 0..v = j, reduce b: "
      "0..n = k) {\n"
      "init { W[c, a] = 0.0:f32 }\nW[c, a] = W[c, a] + X[a, b] } } } }\n",
      /* a triangle */
      "for i in 0..n { for j in 0..i + 1 { block C(a: 0..n = i, b: 0..i + 1 = j) { Y[a, b] = X[b, a] * 2.0:f32 } } }\n",
      "for i in 0..n { for j in 0..i + 1 { Y[i, j] = X[j, i] * 2.0:f32 } }\n",
      "for i in 0..n { for j in 0..n - i { for k in 0..j + 1 { Y[i, j] = Y[i, j] + X[k, i] } } }\n",
      /* maybe no step */
      "for i in 0..n { for k in 0..n - 1 { block T(a: 0..n = i, reduce b: 0..n - 1 = k) { W[0, a] = W[0, a] + "
      "X[a, b] } } }\n"
      "for j in 0..n { block C(a: 0..n = j) { Y[a, 0] = W[0, a] * 2.0:f32 } }\n",
      "for i in 0..n { for k in 0..n - 1 { block T(a: 0..n = i, reduce b: 0..n - 1 = k) { init { W[0, a] = "
      "1.0:f32 }\nW[0, a] = W[0, a] + X[a, b] } } }\n"
      "for j in 0..n { block C(a: 0..n = j) { Y[a, 0] = W[0, a] * 2.0:f32 } }\n",
      /* what the extent reads is written below */
      "for i in 0..3 { for j in 0..cast(index, I[0]) { I[i * 4 + j] = 1:i32 } }\n",
      "for i in 0..3 { for j in 0..cast(index, I[0]) { block C(a: 0..3 = i, b: 0..4 = j) { I[a * 4 + b] = 1:i32 "
      "} } }\n",
      "for i in 0..cast(index, I[1]) { for k in 0..3 { block C(a: 0..4 = i, reduce b: 0..3 = k) { init { I[a] = "
      "0:i32 }\nI[a] = I[a] + I[b + 6] } } }\n",
      "for i in 0..2 { for j in 0..cast(index, I[1]) { for k in 0..3 { block C(c: 0..2 = i, a: 0..4 = j, reduce "
      "b: 0..3 = k) {\n"
      "init { I[a] = 0:i32 }\nI[a] = I[a] + I[b + 6] } } } }\n",
      "for i in 0..cast(index, I[0]) { I[i] = 0:i32 }\nfor j in 0..cast(index, I[0]) { I[j + 4] = 2:i32 }\n",
      "for i in 0..cast(index, I[5]) { let v = i\nI[v + 5] = 1:i32 }\n",
  };
  put(w, "func f(n: index, X: f32[n, n], Y: f32[n, n], W: f32[2, n], I: i32[12]) {\n%s}\n", ONE_OF(w, bodies));
}

/* ---- windows ------------------------------------------------------------------------------------------------------ */

/* Loops that feed spatial and reduce iterators at once, and windows that meet. */
static inline void windows(writer *w) {
  static const char *const loops[] = {
      "for p in 0..2 { for f in 0..16 { block T(a: 0..6 = p * 2 + f // 4, reduce b: 0..4 = f % 4) {",
      "for f in 0..24 { block T(a: 0..6 = f // 4, reduce b: 0..4 = f % 4) {",
      "for f in 0..4 { block T(a: 0..6 = f, reduce b: 0..4 = f) {",
      "for f in 0..6 { for k in 0..4 { block T(a: 0..6 = f, reduce b: 0..4 = (f + k) % 4) {",
      "for p in 0..2 { for q in 0..4 { for k in 0..4 { block T(a: 0..6 = p * 2 + q, reduce b: 0..4 = k) {",
      "for p in 0..3 { for q in 0..2 { for k in 0..4 { block T(a: 0..6 = p * 2 + q, reduce b: 0..4 = 3 - k) {",
      "for p in 0..3 { for k in 0..4 { for q in 0..2 { block T(a: 0..6 = p * 2 + q, reduce b: 0..4 = k) {",
      "for p in 0..6 { for k in 0..3 { for q in 0..2 { block T(a: 0..6 = p, reduce b: 0..4 = k + q) {",
      "for p in 0..6 { for k in 0..2 { for q in 0..2 { block T(a: 0..6 = p, reduce b: 0..4 = k + q * 2) {",
  };
  static const char *const bodies[] = {
      "init { T[a] = 0.0:f32 }\nT[a] = T[a] + X[a, b]",
      "init { T[a] = 1.0:f32 }\nT[a] = X[a, b] - T[a]",
      "init { T[a] = -inf:f32 }\nT[a] = max(T[a], X[a, b])",
      "T[a] = T[a] + X[a, b]",
      "T[a] = X[a, b]",
  };
  static const char *const ends[] = {
      "Y[a] = T[a] * 2.0:f32", "Y[a] = Y[a] + T[a]", "Y[a] = max(T[a], V[a])", "Y[a] = Y[a] + T[a if a < 4]",
  };
  int made = pick(w, 0, 1);
  put(w, "func f(X: f32[6, 4], Y: f32[6], V: f32[6]%s", made ? ") {\nalloc T: f32[6]\n" : ", T: f32[6]) {\n");
  if (made && pick(w, 0, 1)) put(w, "for z in 0..6 { block Z(a: 0..6 = z) { T[a] = 1.0:f32 } }\n");
  const char *loop = ONE_OF(w, loops);
  int braces = 0;
  for (const char *c = loop; *c; c++) braces += *c == '{';
  put(w, "%s\n%s\n", loop, ONE_OF(w, bodies));
  while (braces-- > 0) put(w, "}");
  put(w, "\nfor j in 0..6 { block C(a: 0..6 = j) { %s } }\n}\n", ONE_OF(w, ends));
}

/* Lines to begin with: all stages at a loop of the last, which keeps what it reads again, or has it twice; the first ahead, or each of
 * the next. */
static inline void try_stages(writer *w, int count) {
  char loop[8];
  bool split = pick(w, 0, 2) > 0, ahead = pick(w, 0, 2) > 0;
  if (split) put(w, "# try o, r = split(i%d, [0, %d])\n", count, pick(w, 2, 4));
  snprintf(loop, sizeof loop, split ? "r" : pick(w, 0, 7) ? "i%d" : "j%d", count);
  for (int s = count - 1; s > 0; s--) put(w, "# try compute_at(S%d, %s)\n", s, loop);
  for (int s = count - 1; s > 0; s--) {
    int how = pick(w, 0, 5);
    if (how > 1) put(w, "# try rolling_buffer(S%d, %s, spare=%d)\n", s, loop, pick(w, 0, 2));
    if (how < 2) put(w, "# try double_buffer(S%d, %s, copies=%d)\n", s, loop, pick(w, 2, 3));
  }
  if (split && pick(w, 0, 1)) put(w, "# try parallel(o)\n");
  if (pick(w, 0, 2) == 0) return;
  put(w, "# try software_pipeline(%s, [0", loop);
  for (int s = 2; s <= count; s++) put(w, ", %d", ahead ? 1 : s - 1);
  put(w, "]%s)\n", pick(w, 0, 1) ? ", tail=guard" : "");
}

/* Stages, each over windows of the one before: for compute_at, rolling_buffer, double_buffer, software_pipeline. */
static inline void stages(writer *w) {
  static const char *const values[] = {
      "F[a, b] + F[a + H, b + G]", "F[a + H, b] - F[a, b]",        "F[a, b + G] * 2.0:f32 + F[a + H // 2, b]",
      "F[a + H, b] + V[a % 3]",    "max(F[a, b], F[a + H, b + G])", "F[a + H, b + G] + F[a, b] * F[a + H // 2, b]",
  };
  int count = pick(w, 2, 4), rows[5], columns[5], high[5] = {0}, wide[5] = {0};
  rows[count] = pick(w, 3, 8), columns[count] = pick(w, 1, 4);
  for (int s = count; s > 0; s--) {
    high[s] = pick(w, 0, 2), wide[s] = pick(w, 0, 2) ? 0 : pick(w, 1, 2);
    rows[s - 1] = rows[s] + high[s], columns[s - 1] = columns[s] + wide[s];
  }
  try_stages(w, count);
  put(w, "# windows\nfunc f(X: f32[%d, %d], Y: f32[%d, %d], V: f32[3]) {\n", rows[0], columns[0], rows[count], columns[count]);
  for (int s = 1; s < count; s++) put(w, "alloc S%d: f32[%d, %d]\n", s, rows[s], columns[s]);
  for (int s = 1; s <= count; s++) {
    char name[8], from[8], value[96];
    size_t at = 0;
    snprintf(name, sizeof name, s < count ? "S%d" : "Y", s);
    snprintf(from, sizeof from, s > 1 ? "S%d" : "X", s - 1);
    for (const char *c = ONE_OF(w, values); *c && at + 8 < sizeof value; c++) {
      if (*c == 'F')
        at += (size_t)snprintf(value + at, sizeof value - at, "%s", from);
      else
        value[at++] = *c == 'H' ? (char)('0' + high[s]) : *c == 'G' ? (char)('0' + wide[s]) : *c;
    }
    value[at] = 0;
    put(w, "for i%d in 0..%d { for j%d in 0..%d { block %s(a: 0..%d = i%d, b: 0..%d = j%d) { %s[a, b] = %s } } }\n", s, rows[s], s,
        columns[s], name, rows[s], s, columns[s], s, name, value);
  }
  put(w, "}\n");
}

/* A loop over windows of T, which mostly overlap: for rolling_buffer. */
static inline void rolls(writer *w) {
  static const char *const values[] = {"X[v]", "X[v] * 2.0:f32", "X[v] + V[0]", "X[v] + U[v]", "X[v] - V[v % 6]"};
  static const char *const reads[] = {
      "T[v * S] + T[v * S + W - 1]", "T[v * S]", "T[v * S + W - 1] - T[max(v * S - 1, 0)]", "T[v * S + W // 2] + V[v]",
  };
  static const char *const changes[] = {"", "block V(v: 0..6 = i) { V[v] = Y[v] + 1.0:f32 }\n",
                                        "block V(v: 0..6 = i) { V[0] = X[v] }\n"};
  static const char *const orders[] = {"i * S + r", "i * S + W - 1 - r", "i * S + r // 2", "i + r * S"};
  static const char *const pipelines[] = {"[0, 1]", "[0, 1], tail=guard", "[0, 0, 1], tail=guard", "[0, 1, 2]"};
  int size = pick(w, 1, 4), step = pick(w, 1, 2), n = 5 * step + size, outer = pick(w, 0, 3) == 0;
  char texts[4][96];
  const char *from[4] = {SELDOM(w, orders), ONE_OF(w, values), SELDOM(w, reads), SELDOM(w, changes)};
  for (int t = 0; t < 4; t++) {
    size_t at = 0;
    for (const char *c = from[t]; *c && at + 2 < sizeof texts[t]; c++)
      texts[t][at++] = *c == 'S' ? (char)('0' + step) : *c == 'W' ? (char)('0' + size) : *c;
    texts[t][at] = 0;
  }
  if (pick(w, 0, 2)) put(w, "# try rolling_buffer(T, i, spare=%d)\n", pick(w, 0, 2));
  if (pick(w, 0, 1)) put(w, "# try software_pipeline(i, %s)\n", ONE_OF(w, pipelines));
  put(w, "# windows\nfunc f(X: f32[%d], Y: f32[6], V: f32[6]) {\nalloc T: f32[%d]\nalloc U: f32[%d]\n", n, n, n);
  put(w, "for z in 0..%d { block U(v: 0..%d = z) { U[v] = X[v] + 1.0:f32 } }\n", n, n);
  if (outer) put(w, "for o in 0..2 {\n");
  put(w, "for i in 0..6 {\n%s", pick(w, 0, 1) ? texts[3] : "");
  put(w, "for r in 0..%d { block T(v: 0..%d = %s) { T[v] = %s } }\n", size, n, texts[0], texts[1]);
  put(w, "block Y(v: 0..6 = i) { Y[v] = %s }\n}\n", texts[2]);
  if (outer) put(w, "}\n");
  if (pick(w, 0, 7) == 0) put(w, "V[1] = T[1]\n");
  put(w, "}\n");
}

/* ---- order -------------------------------------------------------------------------------------------------------- */

/* Calls of the host and asserts: neighbours, and what reads or gives away the same buffer. */
static inline void host(writer *w) {
  static const char *const externs = "extern bump(index): f32\nextern touch(ptr, index): f32\n";
  static const char *const values[] = {
      "X[a]", "X[a] + @bump(a)", "X[a] * 2.0:f32", "@bump(a)", "X[a] + @touch(&Z, a)", "X[a] + V[a]",
  };
  static const char *const betweens[] = {
      "", "call touch(&X, 1)\n", "call bump(7)\n", "for q in 0..5 { call bump(q) }\n", "for q in 0..5 { Z[q] = "
      "@touch(&X, q) }\n",
      "assert X[0] < 2.0:f32, \"between\"\n",
  };
  static const char *const claims[] = {
      "", "assert i < s, \"i\"\n", "assert X[i] < 2.0:f32, \"x\"\n", "assert i != s, \"same\"\n", "if i > 2 { "
      "call bump(i) }\n",
      "call bump(i * 2)\n",
  };
  put(w, "%sfunc f(X: f32[5], Y: f32[5], V: f32[5], Z: f32[5], s: index) {\nalloc T: f32[5]\n", externs);
  if (pick(w, 0, 2)) {
    put(w, "for i in 0..5 {\n%sblock T(a: 0..5 = i) { T[a] = %s }\n}\n", SELDOM(w, claims), ONE_OF(w, values));
    put(w, "%s", ONE_OF(w, betweens));
    put(w, "for i in 0..5 {\n%sblock C(a: 0..5 = i) { Y[a] = T[a] + %s }\n}\n", SELDOM(w, claims), ONE_OF(w, values));
    put(w, "}\n");
    return;
  }
  for (int nest = 0; nest < 2; nest++) {
    put(w, "for i in 0..5 {\nfor j in 0..2 {\n%s%s[i] = %s\n}\n}\n", ONE_OF(w, claims), nest ? "Y" : "T",
        pick(w, 0, 2) ? "X[i] * 2.0:f32" : "X[i] + @bump(j)");
    if (nest == 0 && pick(w, 0, 2) == 0) put(w, "%s", ONE_OF(w, betweens));
  }
  put(w, "}\n");
}

/* ---- where buffers live ------------------------------------------------------------------------------------------- */

/* Allocs inside of loops, buffers of which a part is written, which only some statements outside of blocks read. */
static inline void homes(writer *w) {
  static const char *const bodies[] = {
      "for i in 0..3 { alloc T: f32[4]\nfor j in 0..4 { block T(a: 0..4 = j) { T[a] = X[0, a] } }\n}\n",
      "for i in 0..3 { alloc T: f32[4]\nfor j in 0..4 { block T(a: 0..4 = j) { T[a] = X[0, a] } }\n"
      "for j in 0..4 { block C(c: 0..3 = i, a: 0..4 = j) { Y[c, a] = T[a] + X[c, a] } } }\n",
      "alloc T: f32[4]\nfor i in 0..3 { for j in 0..4 { block T(c: 0..3 = i, a: 0..4 = j) { T[a] = X[c, a] } }\n"
      "for j in 0..4 { block C(c: 0..3 = i, a: 0..4 = j) { Y[c, a] = T[a] } } }\n",
      "alloc T: f32[3, 4]\nfor i in 0..3 { for j in 0..4 { V[i, j] = Y[i, j]\nblock C(c: 0..3 = i, a: 0..4 = j) "
      "{ Y[c, a] = X[c, a] } } }\n",
      "for i in 0..3 { for j in 0..4 { block C(c: 0..3 = i, a: 0..4 = j) { Y[c, a] = X[c, a] }\nV[i, j] = Y[0, "
      "j] } }\n",
      "alloc A: f32[3, 4]\nalloc T: f32[3, 4]\n"
      "for i in 0..3 { for j in 0..4 { block A(c: 0..3 = i, a: 0..4 = j) { A[c, a] = X[c, a] * 2.0:f32 } }\n"
      "for j in 0..4 { block T(c: 0..3 = i, a: 0..4 = j) { T[c, a] = A[c, a] + 1.0:f32 } }\n"
      "for j in 0..4 { block C(c: 0..3 = i, a: 0..4 = j) { Y[c, a] = T[c, a] } } }\n",
      "alloc A: f32[4]\nalloc T: f32[4]\n"
      "for i in 0..3 { for j in 0..4 { block A(c: 0..3 = i, a: 0..4 = j) { A[a] = X[c, a] * 2.0:f32 } }\n"
      "for j in 0..4 { block T(a: 0..4 = j) { T[a] = A[a] + 1.0:f32 } }\n"
      "for j in 0..4 { block C(c: 0..3 = i, a: 0..4 = j) { Y[c, a] = T[a] } } }\n",
      "for i in 0..4 { for j in 0..4 { block C(c: 0..4 = i, a: 0..4 = j) { Y[c, c] = X[c, a] } } }\n",
      "for i in 0..4 { for j in 0..4 { block C(c: 0..4 = i, reduce a: 0..4 = j) {\ninit { Y[c, c] = 0.0:f32 "
      "}\nY[c, c] = Y[c, c] + X[c, a] } } }\n",
      "alloc T: f32[4, 4]\nfor z in 0..4 { for y in 0..4 { block Z(c: 0..4 = z, a: 0..4 = y) { T[c, a] = "
      "1.0:f32 } } }\n"
      "for i in 0..4 { for j in 0..4 { block T(c: 0..4 = i, reduce a: 0..4 = j) {\ninit { T[c, a] = 0.0:f32 "
      "}\nT[c, a] = T[c, a] + X[c, a] } } }\n"
      "for i in 0..4 { for j in 0..4 { block C(c: 0..4 = i, a: 0..4 = j) { Y[c, a] = T[c, a] } } }\n",
      "alloc T: f32[8]\nfor i in 0..4 { block T(a: 0..4 = i) { T[a] = X[0, a] } }\n"
      "for j in 0..8 { block C(a: 0..8 = j) { Y[a // 4, a % 4] = T[a if a < 4] } }\n",
      "alloc T: f32[4]\nfor r in 0..4 { for j in 0..4 { block C(c: 0..4 = r, a: 0..4 = j) { Y[c, a] = T[a if 0 "
      "< c] } }\n"
      "for j in 0..4 { block T(a: 0..4 = j) { T[a] = X[0, a] } } }\n",
  };
  put(w, "func f(X: f32[4, 4], Y: f32[4, 4], V: f32[4, 4]) {\n%s}\n", ONE_OF(w, bodies));
}

#endif
