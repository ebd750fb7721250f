/* test_meaning.c -- what each statement does: small programs, interpreted and compiled for every level of x86-64 that this
 * machine runs, as they stand and with the default schedule. All must give the numbers of the table.
 *
 * Every buffer has 8 elements at most; element k of parameter p is (3 * k + p) % 7 at first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>

#include "session.h"

enum { MAX_PARAMS = 6, MAX_ELEMENTS = 64 };

typedef struct row {
  const char *text; /* one function */
  const char *want; /* its last parameter afterwards */
} row;

static const row rows[] = {
    /* A let fixes a value in time. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 {\n    let x = A[i]\n    A[i] = 50:i32\n    B[i] = x + A[i]\n  }\n}\n",
     "50 53 56 52 55 51 54 50"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 vectorized {\n    let x = A[i] * 2:i32\n    let y = x + 1:i32\n    A[i] = 50:i32\n"
     "    if 5:i32 < y {\n      B[i] = x + A[i]\n    }\n  }\n}\n",
     "1 56 62 3 60 2 58 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 vectorized {\n    let j = cast(index, A[i])\n    let k = 7 - j + i\n"
     "    if k < 8 {\n      B[i] = A[k] + 10:i32\n    }\n  }\n}\n",
     "10 11 12 3 14 2 5 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  let s = A[3]\n  let b = A[1] < s\n"
     "  for i in 0..8 parallel {\n    let t = select(b, 7:i32, s + 1:i32)\n    B[i] = t * 10:i32 + A[i]\n  }\n}\n",
     "30 33 36 32 35 31 34 30"},
    {"loop func f(A: i32[8], B: i32[8]) {\n"
     "  let x = A[ramp(0, 1, 8)]\n  let m = x < broadcast(4:i32, 8)\n  A[ramp(0, 1, 8)] = broadcast(9:i32, 8)\n"
     "  for i in 0..2 parallel {\n    B[ramp(i * 4, 1, 4) if ramp(i * 4, 1, 4) < broadcast(6, 4)] = broadcast(1:i32, 4)\n  }\n"
     "  for i in 0..1 parallel {\n    B[ramp(0, 1, 8) if m] = x + A[ramp(i, 1, 8)]\n  }\n}\n",
     "9 12 1 11 1 10 5 9"},
    /* One lane of a mask that is known: in its own width, nothing behind it. */
    {"loop func f(A: i32[8], B: i8[8]) {\n"
     "  B[ramp(0, 1, 8) if ramp(0, 1, 8) == broadcast(2, 8)] = cast(i8x8, A[ramp(0, 1, 8)])\n}\n",
     "1 4 6 3 6 2 5 1"},
    {"loop func f(A: i64[8], B: i32[8]) {\n"
     "  B[ramp(0, 1, 8) if ramp(0, 1, 8) < broadcast(1, 8)] = cast(i32x8, A[ramp(0, 1, 8)])\n}\n",
     "0 4 0 3 6 2 5 1"},
    /* Blocks: a let in the body, one that a binding uses, buffers of a let's size. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..2 {\n    let o = cast(index, A[i]) - i\n    for j in 0..4 {\n"
     "      block B(v: 0..8 = i * 4 + j, w: 0..8 = j + o) {\n        let x = A[w]\n        B[v] = x * 10:i32 + A[v]\n"
     "      }\n    }\n  }\n}\n",
     "0 33 66 22 65 21 54 10"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 {\n    let n = cast(index, A[i])\n    alloc T: i32[n]\n    A[i] = 0:i32\n"
     "    for j in 0..n {\n      T[j] = cast(i32, j + i)\n    }\n"
     "    for j in 0..n {\n      B[i] = B[i] * 2:i32 + T[j]\n    }\n  }\n}\n",
     "1 43 183 22 342 9 181 1"},
    /* Buffers whose extents are over loops that are written out, over iterators, over other buffers. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..4 unrolled {\n    alloc T: i32[i + 1, 2] layout (a, b) -> (b, a)\n    for k in 0..i + 1 {\n"
     "      T[k, 1] = A[k]\n    }\n    B[i] = T[i, 1]\n  }\n"
     "  for i in 0..4 {\n    block Q(v: 0..8 = i + 4) {\n      alloc T: i32[v + 1] in local\n      for k in 0..v + 1 {\n"
     "        T[k] = A[k] * 2:i32\n      }\n      B[v] = T[v]\n    }\n  }\n}\n",
     "0 3 6 2 10 2 8 0"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 {\n    alloc N: i32[1]\n    N[0] = A[i] + 1:i32\n    alloc T: i32[cast(index, N[0])]\n"
     "    let k = cast(index, A[i])\n    T[k] = A[i]\n    B[i] = T[k] + N[0]\n  }\n}\n",
     "1 7 13 5 11 3 9 1"},
    /* Asserts and assumes that hold. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  assert A[1] == 3:i32, \"three\"\n  assume A[2] < 7:i32\n"
     "  for i in 0..8 {\n    assume A[i] < 7:i32\n    let x = cast(index, A[i])\n    assert 0 <= x && x < 8, \"in\"\n"
     "    B[x] = A[x] + 10:i32\n  }\n}\n",
     "10 13 16 12 15 11 14 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 vectorized {\n    assume A[i] < 7:i32\n    assert A[0] == 0:i32, \"zero\"\n    B[i] = A[i] * 2:i32\n"
     "  }\n  for i in 0..8 vectorized {\n    assert A[i] < 7:i32, \"small\"\n    B[i] = B[i] + A[i]\n  }\n}\n",
     "0 9 18 6 15 3 12 0"},
    /* A while asks before each run. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  while A[0] < 5:i32 {\n    B[cast(index, A[0])] = A[0] * 10:i32\n    A[0] = A[0] + 1:i32\n  }\n"
     "  while A[0] < 5:i32 {\n    B[0] = 99:i32\n  }\n}\n",
     "0 10 20 30 40 2 5 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 parallel {\n    alloc T: i32[2]\n    T[0] = A[i]\n    T[1] = 1:i32\n"
     "    while T[0] != 0:i32 {\n      let t = T[0] % 2:i32\n      alloc U: i32[4]\n"
     "      for j in 0..4 {\n        U[j] = t + T[1]\n      }\n      T[1] = U[3] * 2:i32\n      T[0] = T[0] // 2:i32\n    }\n"
     "    B[i] = T[1]\n  }\n}\n",
     "1 10 14 6 18 4 10 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 vectorized {\n    while B[i] < 5:i32 {\n      B[i] = B[i] + A[i] + 1:i32\n    }\n  }\n}\n",
     "5 8 7 6 6 6 5 5"},
    /* The extent of a loop is evaluated once, and may be anything. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 {\n    for j in 0..cast(index, A[i]) - 1 {\n      A[i] = A[i] - 1:i32\n      B[i] = B[i] + 10:i32\n    }\n  }\n"
     "  let n = cast(index, A[1] + A[2])\n  for i in 0..n parallel {\n    B[i] = B[i] + 1:i32\n  }\n}\n",
     "2 25 50 13 46 2 35 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..2 {\n    for j in 0..cast(index, A[i]) + 1 {\n      block B(v: 0..8 = i * 4 + j, reduce r: 0..cast(index, A[i]) + 1 = j) {\n"
     "        init {\n          B[v] = 100:i32\n        }\n        B[v] = B[v] + A[v]\n      }\n    }\n  }\n"
     "  for i in 0..8 vectorized {\n    if A[i] < 2:i32 {\n      for j in 0..cast(index, A[3]) {\n        B[i] = B[i] + 1000:i32\n"
     "      }\n    }\n  }\n}\n",
     "2100 4 0 3 105 2003 9 2001"},
    /* Reduces: serial, in parallel, in vectors whose lanes meet; every operator, types of every size. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 {\n    reduce B[cast(index, A[i])] add= A[i]\n    reduce B[i if i < 2] mul= 3:i32\n  }\n}\n",
     "3 13 2 6 10 7 11 1"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 parallel {\n    for j in 0..100 {\n      reduce B[i % 2] add= A[i]\n      reduce B[2] max= A[i] * 9:i32\n"
     "      reduce B[3] min= A[i] - 9:i32\n      reduce B[4] xor= 1:i32\n      reduce B[5] or= A[i]\n      reduce B[6] and= 4:i32\n"
     "      if j == 0 {\n        reduce B[7] mul= A[i] + 1:i32\n      }\n    }\n  }\n}\n",
     "1501 604 54 -9 6 7 4 5040"},
    {"func f(A: i8[8], B: u8[8]) {\n"
     "  for i in 0..8 parallel {\n    for j in 0..8 {\n      reduce B[i % 2] mul= 3:u8\n      reduce B[2] max= cast(u8, A[i])\n    }\n"
     "  }\n}\n",
     "129 4 6 3 6 2 5 1"},
    {"func f(A: f32[8], B: f64[8]) {\n"
     "  for i in 0..8 parallel {\n    for j in 0..100 {\n      reduce B[0] add= cast(f64, A[i])\n      reduce B[1] min= -cast(f64, A[i])\n"
     "    }\n  }\n}\n",
     "2101 -6 0 3 6 2 5 1"},
    {"func f(A: f16[8], B: f16[8]) {\n"
     "  for i in 0..8 parallel {\n    reduce B[0] add= A[i]\n    reduce B[1] max= A[i] * 2.0:f16\n  }\n}\n",
     "22 12 0 3 6 2 5 1"},
    {"func f(A: bool[8], B: bool[8]) {\n"
     "  for i in 0..8 parallel {\n    reduce B[0] and= A[i]\n    reduce B[1] or= A[i]\n    reduce B[2] xor= true\n  }\n}\n",
     "0 1 0 1 1 1 1 1"},
    {"func f(A: i64[8], B: i64[8]) {\n"
     "  for i in 0..8 vectorized {\n    reduce B[0] add= A[i]\n    if 2:i64 < A[i] {\n      reduce B[cast(index, A[i]) // 4] add= 10:i64\n"
     "      reduce B[7] max= 40:i64\n    }\n  }\n}\n",
     "32 34 0 3 6 2 5 40"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..8 parallel {\n    alloc T: i32[1]\n    T[0] = 1:i32\n    for j in 0..8 {\n      reduce T[0] add= A[j]\n    }\n"
     "    B[i] = T[0] + A[i]\n  }\n}\n",
     "22 25 28 24 27 23 26 22"},
    {"loop func f(A: i32[8], B: i32[8]) {\n"
     "  reduce B[broadcast(1, 8)] add= A[ramp(0, 1, 8)]\n"
     "  reduce B[ramp(0, 1, 4) if A[ramp(0, 1, 4)] < broadcast(3:i32, 4)] mul= broadcast(2:i32, 4)\n}\n",
     "2 25 0 6 6 2 5 1"},
    /* Loops bound to the grid: in blocks, alone, with blocks of the program inside, in a vectorized loop. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for g in 0..2 bind block.x {\n    alloc T: i32[4]\n    for t in 0..4 bind thread.x {\n      T[t] = A[g * 4 + t] * 2:i32\n"
     "    }\n    for t in 0..4 bind thread.x {\n      B[g * 4 + t] = T[3 - t]\n    }\n  }\n}\n",
     "4 12 6 0 0 8 2 10"},
    {"func f(A: i32[8], n: index, B: i32[8]) {\n"
     "  for g in 0..n bind block.z {\n    for y in 0..2 bind thread.y {\n      for x in 0..2 bind thread.x {\n"
     "        block B(v: 0..8 = g * 4 + y * 2 + x) where g * 4 + y * 2 + x < 7 {\n          B[v] = A[v] + 10:i32\n"
     "        }\n      }\n    }\n  }\n"
     "  for t in 0..8 bind thread.x {\n    reduce B[t % 2] max= A[t]\n    if t == 7 {\n      B[t] = B[t] + 100:i32\n    }\n"
     "  }\n}\n",
     "10 13 16 12 15 11 14 102"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..4 vectorized {\n    for t in 0..2 bind thread.x {\n      B[t * 4 + i] = A[t * 4 + i] + cast(i32, t)\n"
     "    }\n  }\n}\n",
     "0 3 6 2 6 2 5 1"},
    /* Barriers: with what holds across them, in loops and branches, in one of two loops over threads, with blocks between. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for g in 0..2 bind block.x {\n    alloc S: i32[4] in shared\n    for t in 0..4 bind thread.x {\n"
     "      S[t] = A[g * 4 + t] * 2:i32\n      barrier shared\n      B[g * 4 + t] = S[3 - t]\n    }\n  }\n}\n",
     "4 12 6 0 0 8 2 10"},
    {"func f(A: i32[8], n: index, B: i32[8]) {\n"
     "  alloc S: i32[8] in shared\n  for t in 0..8 bind thread.x {\n    alloc T: i32[3, 2] layout (i, j) -> (j, i) in register\n"
     "    let x = A[t]\n    let y = cast(index, x)\n    let o = t * 2\n    T[0, 1] = x\n    S[t] = 0:i32\n"
     "    for k in 0..n + 1 {\n      barrier shared\n      reduce S[y] add= T[0, 1] + cast(i32, o)\n      barrier shared\n"
     "      if k < 2 {\n        T[0, 1] = S[7 - t]\n        barrier shared\n        S[t] = cast(i32, k)\n      } else {\n"
     "        barrier shared\n        S[t] = T[0, 1]\n      }\n    }\n    block Q(v: 0..8 = t) {\n"
     "      B[v] = T[0, 1] + 0:i32\n    }\n    barrier global\n    B[t] = B[t] + cast(i32, y) * 100:i32\n  }\n}\n",
     "0 317 613 223 512 122 418 28"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for y in 0..2 bind thread.y {\n    let s = A[y + 1]\n    alloc T: i32[2] strides (3)\n    T[0] = s\n"
     "    for x in 0..4 bind thread.x {\n      alloc U: i32[1]\n      U[0] = A[7 - x - y * 4]\n      barrier global\n"
     "      let z = U[0] + T[0]\n      A[x + y * 4] = z\n      barrier global\n      B[x + y * 4] = A[4 - y * 4 + x] + z + s\n"
     "    }\n    T[1] = T[0] + 1:i32\n    barrier global\n    B[7 - y] = B[7 - y] * 2:i32 + T[1]\n  }\n}\n",
     "14 22 16 17 17 25 45 44"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for t in 0..2 bind thread.z {\n    barrier shared\n    for u in 0..4 bind thread.x {\n      assert A[u] < 9:i32, \"nine\"\n"
     "      barrier shared\n      assume t < 2\n      {\n        let w = A[t * 4 + u] * 2:i32\n        barrier shared\n"
     "        B[t * 4 + u] = w\n      }\n    }\n    if 5 < 3 {\n      barrier shared\n    }\n  }\n}\n",
     "0 6 12 4 10 2 8 0"},
    /* Copies: in groups, with conditions, in blocks and vectorized loops; those that nobody waited for at the end. */
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  alloc T: i32[8]\n  for i in 0..8 {\n    copy T[i] = A[7 - i]\n    commit\n  }\n  wait 4\n"
     "  for i in 0..4 {\n    copy B[i if i < 3] = A[i + 1 if i < 1]\n    B[i + 4] = T[i]\n  }\n  wait 0\n"
     "  B[3] = T[7] + T[6]\n}\n",
     "3 0 0 3 0 4 1 5"},
    {"func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..4 vectorized {\n    copy B[i] = A[i + 4]\n  }\n  commit\n  wait 0\n  for t in 0..4 bind thread.x {\n"
     "    block Q(v: 0..8 = t + 4) {\n      copy B[v] = A[v]\n    }\n  }\n  B[0] = B[5] * 10:i32\n}\n",
     "10 1 4 0 5 1 4 0"},
    {"loop func f(A: i32[8], B: i32[8]) {\n"
     "  for i in 0..2 parallel {\n    copy B[ramp(i * 4, 1, 4) if ramp(0, 1, 4) < broadcast(3, 4)] = A[ramp(i, 2, 4)]\n"
     "    commit\n    wait 0\n    B[i * 4] = B[i * 4] + 10:i32\n  }\n}\n",
     "10 6 5 3 13 2 1 1"},
};

/* Programs that fail. */
static const struct {
  const char *text, *interpreted, *compiled;
} failures[] = {
    {"func f(A: i32[8], n: index, B: i32[8]) {\n  assert n < 3, \"n is \\\"3\\\"\"\n}\n",
     "interpret: f: the assertion failed: n is \"3\"", "call: f: the assertion failed: f: n is \"3\""},
    {"func f(A: i32[8], B: i32[8]) {\n  alloc T: i32[cast(index, A[1]) + 1000000]\n  T[0] = 1:i32\n"
     "  for i in 0..4 parallel {\n    for j in 0..2 {\n      assert A[i + j] != 2:i32, \"two\"\n    }\n  }\n}\n",
     "interpret: f: i = 2, j = 1: the assertion failed: two", "call: f: the assertion failed: f: two"},
    {"func f(A: i32[8], B: i32[8]) {\n  for i in 0..8 vectorized {\n    if A[i] < 3:i32 {\n"
     "      assert A[i] != 2:i32, \"two\"\n      B[i] = 1:i32\n    }\n  }\n}\n",
     "interpret: f: i = 3: the assertion failed: two", "call: f: the assertion failed: f: two"},
    {"func f(A: i32[8], B: i32[8]) {\n  alloc T: i32[8]\n  T[1] = 0:i32\n  for i in 0..2 {\n    reduce T[1 - i] add= 1:i32\n  }\n}\n",
     "interpret: f: i = 1: T[0] is read before it was written", NULL},
    {"func f(A: i32[8], B: i32[8]) {\n  for i in 0..8 {\n    block B(v: 0..8 = i) {\n      assume A[v] < 6:i32\n"
     "      B[v] = 1:i32\n    }\n  }\n}\n",
     "interpret: f: block B: i = 2: what is assumed is false: A[v] < 6:i32", NULL},
};

/* ---- data ------------------------------------------------------------------------------------------------------ */

typedef struct data {
  size_t count;
  int64_t shapes[MAX_PARAMS][TN_MAX_RANK], sizes[MAX_PARAMS];
  uint64_t bytes[MAX_PARAMS][MAX_ELEMENTS];
  DLTensor tensors[MAX_PARAMS];
  tn_value args[MAX_PARAMS];
} data;

static void fill(const tn_func *func, data *d) {
  memset(d, 0, sizeof *d);
  d->count = func->param_count;
  for (size_t p = 0; p < d->count; p++) {
    const tn_buffer *b = func->params[p].buffer;
    if (!b) {
      d->args[p] = tn_value_int(3);
      continue;
    }
    d->sizes[p] = 1;
    for (int32_t k = 0; k < b->rank; k++) d->sizes[p] *= d->shapes[p][k] = b->shape[k]->as.i;
    ck_assert_int_le(d->sizes[p], MAX_ELEMENTS);
    d->tensors[p] = view(b->type, b->rank, d->shapes[p], d->bytes[p]);
    d->args[p] = tn_value_tensor(&d->tensors[p]);
    for (int64_t k = 0; k < d->sizes[p]; k++) {
      int64_t x = (3 * k + (int64_t)p) % 7;
      tni_write_element(b->type, d->bytes[p], k,
                        tni_type_is_float(b->type) ? (tni_scalar){.f = (double)x} : (tni_scalar){.i = x});
    }
  }
}

/* What became of the last parameter? */
static void check(const char *how, const row *r, const tn_func *func, const data *d, tn_status status, tn_error *error) {
  char text[1024] = "";
  size_t last = d->count - 1;
  tn_type type = func->params[last].buffer->type;
  for (int64_t k = 0; k < d->sizes[last] && status == TN_OK; k++) {
    tni_scalar x = tni_read_element(type, d->bytes[last], k);
    size_t end = strlen(text);
    snprintf(text + end, sizeof text - end, "%s%.9g", k ? " " : "", tni_type_is_float(type) ? x.f : (double)x.i);
  }
  const char *have = status == TN_OK ? text : tn_error_text(error);
  ck_assert_msg(strcmp(have, r->want) == 0, "%s:\n%s\nhave: %s\nwant: %s", how, r->text, have, r->want);
  tn_error_destroy(error);
}

/* ---- ways to run ----------------------------------------------------------------------------------------------- */

static void run_compiled(const row *r, const tn_program *program, const char *level, uint8_t keep) {
  char how[64];
  tn_error *error = NULL;
  data d;
  tn_compile_desc desc = {.struct_size = sizeof desc, .keep_schedules = keep};
  must(tn_target_get(program->ctx, level, &desc.target, &error), error);
  tn_module *module = session_compile(program, &desc);
  snprintf(how, sizeof how, "%s%s", level, keep ? ", as it stands" : "");
  fill(program->funcs[0], &d);
  tn_status status = tn_function_call(session_function(module, "f"), d.args, d.count, NULL, &error);
  check(how, r, program->funcs[0], &d, status, error);
  tn_module_destroy(module);
}

START_TEST(programs_do_what_they_say)
{
  static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  const row *r = &rows[_i];
  tn_error *error = NULL;
  data d;
  tn_context *ctx = session_open();
  tn_program *program = session_parse(ctx, r->text);
  fill(program->funcs[0], &d);
  tn_status status = tn_func_interpret(program->funcs[0], d.args, d.count, &error);
  check("interpreted", r, program->funcs[0], &d, status, error);
  for (int i = 0; i < 3 && i + 2 <= tni_host_level(); i++)
    for (uint8_t keep = 0; keep < 2; keep++) run_compiled(r, program, levels[i], keep);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(failures_say_where_and_why)
{
  tn_error *error = NULL;
  data d;
  tn_context *ctx = session_open();
  tn_program *program = session_parse(ctx, failures[_i].text);
  const tn_func *func = program->funcs[0];
  fill(func, &d);
  refused(tn_func_interpret(func, d.args, d.count, &error), error, TN_E_INVALID, failures[_i].interpreted);
  tn_module *module = session_compile(program, NULL);
  const tn_function *f = session_function(module, "f");
  for (int i = 0; i < 2 && failures[_i].compiled; i++) {
    fill(func, &d);
    refused(tn_function_call(f, d.args, d.count, NULL, &error), error, TN_E_INVALID, failures[_i].compiled);
  }
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("meaning");
  TCase *tc = tcase_create("meaning");
  tcase_set_timeout(tc, 60);
  tcase_add_loop_test(tc, programs_do_what_they_say, 0, (int)TNI_COUNT(rows));
  tcase_add_loop_test(tc, failures_say_where_and_why, 0, (int)TNI_COUNT(failures));
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
