/* ops_ngram.c -- the converter of TfIdfVectorizer: how often each n-gram of a pool stands in rows of numbers.
 *
 *     count[r, g] = sum over steps d, places i:  x[r, i] == g[0] && x[r, i + d] == g[1] && ...      d = 1 .. 1 + skips
 *     TF: count;  IDF: weight where count > 0;  TFIDF: count * weight                 put where the n-gram's index says
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "convert.h"

enum { MAX_INDEX = 1 << 24 };

/* The pool: n-grams of length n are `pool` from starts[n - 1] to the next start. */
typedef struct ngrams {
  const int64_t *pool, *starts, *indexes;
  int32_t pool_count, start_count, index_count;
  int64_t total, outputs; /* n-grams; 1 + the largest index */
} ngrams;

static int64_t end_of(const ngrams *p, int32_t n) { return n < p->start_count ? p->starts[n] : p->pool_count; }
static int64_t grams_of(const ngrams *p, int32_t n) { return (end_of(p, n) - p->starts[n - 1]) / n; }

static void read_ngrams(conversion *c, ngrams *p) {
  if (has_attr(c, "pool_strings")) return fail(c, TN_E_UNSUPPORTED, "n-grams of texts are not supported");
  p->pool = attr_ints(c, "pool_int64s", &p->pool_count);
  p->starts = attr_ints(c, "ngram_counts", &p->start_count);
  p->indexes = attr_ints(c, "ngram_indexes", &p->index_count);
  for (int32_t n = 1; ok(c) && n <= p->start_count; n++) {
    int64_t start = p->starts[n - 1], end = end_of(p, n);
    if (start < 0 || start > end || end > p->pool_count || (end - start) % n)
      return fail(c, TN_E_INVALID, "`ngram_counts` does not divide the pool");
    p->total += grams_of(p, n);
  }
  if (ok(c) && (p->total == 0 || p->index_count != p->total))
    fail(c, TN_E_INVALID, "%d indexes for %lld n-grams", p->index_count, (long long)p->total);
  for (int32_t i = 0; ok(c) && i < p->index_count; i++) {
    if (p->indexes[i] < 0 || p->indexes[i] >= MAX_INDEX)
      return fail(c, TN_E_INVALID, "index %lld is out of range", (long long)p->indexes[i]);
    if (p->indexes[i] >= p->outputs) p->outputs = p->indexes[i] + 1;
  }
}

/* Number j of every n-gram of length n, as (1, n-grams, 1). */
static uint32_t column_of(conversion *c, const ngrams *p, int32_t n, int32_t j) {
  int64_t count = grams_of(p, n), shape[] = {1, count, 1}, *column = new_contents(c, TN_I64, count);
  for (int64_t g = 0; column && g < count; g++) column[g] = p->pool[p->starts[n - 1] + g * n + j];
  return column ? add_const(c, TN_I64, 3, shape, column, NULL) : TNI_NO_VALUE;
}

/* How often those of length n stand in the rows of x (rows, 1, length) with `step` between their numbers; (rows,
 * n-grams). */
static uint32_t count_apart(conversion *c, const ngrams *p, uint32_t x, int32_t n, int64_t step) {
  static const int64_t last = 2;
  int64_t places = value_of(c, x)->shape[2] - (n - 1) * step;
  uint32_t all = TNI_NO_VALUE;
  for (int32_t j = 0; j < n && ok(c); j++) {
    uint32_t same = emit2(c, "equal", sliced(c, x, 2, j * step, j * step + places), column_of(c, p, n, j), NULL);
    all = j ? emit2(c, "and", all, same, NULL) : same;
  }
  return reduced(c, "reduce_sum", cast_to(c, all, TN_F32), 1, &last, false);
}

/* The same with steps up to `most`. */
static uint32_t count_all(conversion *c, const ngrams *p, uint32_t x, int32_t n, int64_t most) {
  int64_t length = value_of(c, x)->shape[2];
  uint32_t sum = TNI_NO_VALUE;
  for (int64_t step = 1; ok(c) && step <= most && (n - 1) * step < length; step++) {
    uint32_t some = count_apart(c, p, x, n, step);
    sum = step == 1 ? some : emit2(c, "add", sum, some, NULL);
  }
  if (sum != TNI_NO_VALUE || !ok(c)) return sum;
  uint32_t zero = const_number(c, TN_F32, 0);
  set_ints(c, "shape", 2, (int64_t[]){value_of(c, x)->shape[0], grams_of(p, n)});
  return emit1(c, "expand", zero, NULL);
}

/* (rows, n-grams) of all lengths in the order of the pool; those that are not asked for are not there. */
static uint32_t count_lengths(conversion *c, const ngrams *p, uint32_t x) {
  int64_t least = attr_int(c, "min_gram_length", 1), most = attr_int(c, "max_gram_length", 1),
          skips = attr_int(c, "max_skip_count", 0);
  uint32_t *parts = TNI_NEW_ARRAY(&c->m->arena, uint32_t, p->start_count), count = 0;
  if (!parts) c->status = tni_fail_nomem(c->err);
  if (ok(c) && (least < 1 || most < least || skips < 0 || skips > MAX_INDEX))
    fail(c, TN_E_INVALID, "the lengths of n-grams are out of range");
  for (int32_t n = 1; ok(c) && n <= p->start_count; n++) {
    int64_t steps = n < least || n > most ? 0 : n == 1 ? 1 : 1 + skips;
    if (grams_of(p, n) > 0) parts[count++] = count_all(c, p, x, n, steps);
  }
  set_int(c, "axis", 1);
  return ok(c) ? emit_n(c, "concat", count, parts, NULL) : TNI_NO_VALUE;
}

static uint32_t weighted(conversion *c, const ngrams *p, uint32_t counts) {
  const char *mode = attr_string(c, "mode", "");
  int32_t count;
  const double *weights = attr_floats(c, "weights", &count);
  bool frequency = strcmp(mode, "TF") == 0, inverse = strcmp(mode, "IDF") == 0;
  if (ok(c) && !frequency && !inverse && strcmp(mode, "TFIDF") != 0)
    fail(c, TN_E_INVALID, "there is no mode `%.32s`", mode);
  if (ok(c) && weights && count != p->total)
    fail(c, TN_E_INVALID, "%d weights for %lld n-grams", count, (long long)p->total);
  if (inverse) counts = cast_to(c, with_number(c, "greater", counts, 0), TN_F32);
  if (frequency || !weights || !ok(c)) return counts;
  float *each = new_contents(c, TN_F32, count);
  for (int32_t i = 0; each && i < count; i++) each[i] = (float)weights[i];
  return each ? emit2(c, "mul", counts, add_const(c, TN_F32, 1, &p->total, each, NULL), NULL) : TNI_NO_VALUE;
}

/* Of every output which n-gram it is of; one past the last (a gather gives 0): none. */
static uint32_t sources(conversion *c, const ngrams *p) {
  int64_t *from = new_contents(c, TN_I64, p->outputs);
  for (int64_t i = 0; from && i < p->outputs; i++) from[i] = p->total;
  for (int64_t g = 0; from && g < p->total && ok(c); g++) {
    if (from[p->indexes[g]] != p->total) fail(c, TN_E_INVALID, "two n-grams have index %lld", (long long)p->indexes[g]);
    from[p->indexes[g]] = g;
  }
  return ok(c) ? add_const(c, TN_I64, 1, &p->outputs, from, NULL) : TNI_NO_VALUE;
}

void tni_convert_tf_idf_vectorizer(conversion *c) {
  tni_gvalue x = *in(c, 0);
  ngrams p = {0};
  read_ngrams(c, &p);
  if (ok(c) && ((x.type != TN_I32 && x.type != TN_I64) || x.rank < 1 || x.rank > 2))
    fail(c, TN_E_INVALID, "the input is not one row or several of i32 or i64");
  if (!ok(c)) return;
  int64_t rows[] = {x.rank == 2 ? x.shape[0] : 1, 1, x.shape[x.rank - 1]};
  uint32_t counts = count_lengths(c, &p, reshape(c, cast_to(c, input(c, 0), TN_I64), 3, rows, NULL));
  counts = weighted(c, &p, counts);
  uint32_t from = sources(c, &p);
  set_int(c, "axis", 1);
  uint32_t y = emit2(c, "gather", counts, from, NULL);
  finish(c, 0, x.rank == 2 ? y : reshape(c, y, 1, &p.outputs, NULL));
}
