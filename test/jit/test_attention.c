/* test_attention.c -- the graph operator attention: the interpreter's bits in compiled code, however many rows are
 * done at a time, and both within stated bounds of f64.
 *
 * A score of sums in f32 is wrong by (size + 4) u scale sum |q k| at most, and with it a weight by as much of itself,
 * which the sum of weights is, too. Sums over keys, weights made smaller from block to block and exp add (keys + 16
 * blocks) u. So an output is within (2 score + (keys + 16 blocks) u) sum p |v|. u = 2^-24.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>

#include "session.h"

#include "graph/graph.h"

enum { NONE, ADDED, PICKED };

static const struct {
  int64_t batch, heads, rows, queries, keys, size, wide;
  int64_t block, past; /* of keys */
  bool causal;
  int mask;
} cases[] = {
    {1, 2, 5, 5, 7, 3, 4, 7, 0, false, NONE},
    {2, 3, 20, 20, 33, 16, 8, 33, 0, false, NONE},
    {1, 2, 20, 20, 33, 16, 8, 8, 0, false, NONE}, /* four blocks, and one key */
    {1, 2, 40, 40, 128, 24, 24, 32, 0, false, NONE},
    {1, 1, 64, 64, 64, 8, 8, 16, 0, true, NONE},
    {1, 1, 50, 50, 50, 8, 8, 16, 0, true, NONE},
    {1, 2, 12, 3, 40, 8, 16, 16, 37, true, NONE}, /* four heads share keys, of which 37 came before */
    {1, 2, 64, 16, 16, 8, 8, 8, 0, true, NONE},
    {1, 2, 4, 1, 100, 16, 16, 32, 0, false, NONE},
    {2, 2, 20, 20, 33, 8, 8, 33, 0, false, ADDED},
    {2, 2, 20, 20, 33, 8, 8, 16, 0, false, PICKED},
    {1, 2, 12, 3, 33, 8, 8, 16, 0, false, ADDED}, /* the mask is of three queries */
    {1, 1, 33, 33, 33, 8, 8, 32, 0, true, NONE},  /* a block, and one key, of which rows see a part */
    {1, 1, 4, 4, 3, 4, 4, 2, 0, false, NONE},
};

static uint64_t state;
static double some(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 40) / (1 << 23) - 1;
}

static float *filled(int64_t count, double scale) {
  float *x = malloc((size_t)count * sizeof *x);
  for (int64_t i = 0; i < count; i++) x[i] = (float)(scale * some());
  return x;
}

typedef struct problem {
  tn_context *ctx;
  float *q, *k, *v, *added, *y[3];
  uint8_t *picked;
} problem;

static bool counts(const problem *p, int c, int64_t row, int64_t key, double *score) {
  int64_t query = row % cases[c].queries, at = key * cases[c].queries + query;
  if (cases[c].causal && key > query + cases[c].past) return false;
  if (cases[c].mask == ADDED) *score += (double)p->added[at];
  return cases[c].mask != PICKED || p->picked[at];
}

static void check_row(const problem *p, int c, int64_t head, int64_t row) {
  int64_t keys = cases[c].keys, size = cases[c].size, wide = cases[c].wide;
  const float *q = p->q + (head * cases[c].rows + row) * size, *k = p->k + head * keys * size,
              *v = p->v + head * keys * wide, *y = p->y[0] + (head * cases[c].rows + row) * wide;
  double weights[256], most = -INFINITY, total = 0, u = FLT_EPSILON / 2, largest = 0;
  for (int64_t j = 0; j < keys; j++) {
    double sum = 0, all = 0;
    for (int64_t d = 0; d < size; d++) {
      sum += (double)q[d] * (double)k[j * size + d];
      all += fabs((double)q[d] * (double)k[j * size + d]);
    }
    weights[j] = sum / 2;
    if (!counts(p, c, row, j, &weights[j])) weights[j] = -INFINITY;
    most = fmax(most, weights[j]);
    largest = fmax(largest, all / 2 + 1);
  }
  for (int64_t j = 0; j < keys; j++) total += weights[j] = exp(weights[j] - most);
  double blocks = (double)((keys + cases[c].block - 1) / cases[c].block);
  double wrong = 2 * (double)(size + 4) * u * largest + ((double)keys + 16 * blocks) * u;
  for (int64_t w = 0; w < wide; w++) {
    double want = 0, all = 0;
    for (int64_t j = 0; j < keys; j++) {
      want += weights[j] / total * (double)v[j * wide + w];
      all += weights[j] / total * fabs((double)v[j * wide + w]);
    }
    ck_assert_msg(fabs((double)y[w] - want) <= wrong * all, "case %d, row %lld: %.9g, not %.17g", c, (long long)row,
                  (double)y[w], want);
  }
}

/* y[way], with so many rows at a time. */
static void evaluate(problem *p, int c, int64_t rows, const tni_evaluator *evaluator, float *y) {
  char text[1024];
  tn_program *program;
  tn_error *error;
  snprintf(
      text, sizeof text,
      "graph main(q: f32[%d, %d, %d, %d], k: f32[%d, %d, %d, %d], v: f32[%d, %d, %d, %d]%s%s) -> (y) {\n"
      "  y: f32[%d, %d, %d, %d] = attention(q, k, v%s) {queries = %d, keys = %d, rows = %d, causal = %d, past = %d, "
      "scale = 0.5}\n}\n",
      (int)cases[c].batch, (int)cases[c].heads, (int)cases[c].rows, (int)cases[c].size, (int)cases[c].batch,
      (int)cases[c].heads, (int)cases[c].keys, (int)cases[c].size, (int)cases[c].batch, (int)cases[c].heads,
      (int)cases[c].keys, (int)cases[c].wide, cases[c].mask == NONE ? "" : ", m: ",
      cases[c].mask == NONE    ? ""
      : cases[c].mask == ADDED ? "f32[1, 1, KEYS, QUERIES]"
                               : "bool[1, 1, KEYS, QUERIES]",
      (int)cases[c].batch, (int)cases[c].heads, (int)cases[c].rows, (int)cases[c].wide,
      cases[c].mask == NONE ? "" : ", m", (int)cases[c].queries, (int)cases[c].block, (int)rows, cases[c].causal,
      (int)cases[c].past);
  char *at = strstr(text, "KEYS, QUERIES"), number[32];
  if (at) {
    snprintf(number, sizeof number, "%4d, %7d", (int)cases[c].keys, (int)cases[c].queries);
    memcpy(at, number, strlen(number));
  }
  must(tn_program_parse(p->ctx, text, strlen(text), "t.tn", &program, &error), error);
  const tn_graph *g = tn_program_graph(program, "main");
  tni_gvalue in[4];
  const tni_gvalue *inputs[4];
  const void *data[] = {p->q, p->k, p->v, cases[c].mask == ADDED ? (void *)p->added : p->picked};
  for (uint32_t i = 0; i < g->input_count; i++) {
    in[i] = g->values[g->inputs[i]];
    in[i].data = data[i];
    inputs[i] = &in[i];
  }
  void *out = y;
  must(tni_gnode_evaluate(p->ctx, &g->nodes[0], inputs, &g->values[g->outputs[0]], evaluator, &out, &error), error);
  tn_program_destroy(program);
}

START_TEST(attention_is_within_its_bounds_and_the_same_bits)
{
  static const tni_evaluator interpreted = {NULL, tni_evaluate_interpreted}, compiled = {NULL, session_evaluate};
  int c = _i;
  int64_t heads = cases[c].batch * cases[c].heads, outputs = heads * cases[c].rows * cases[c].wide;
  state = (uint64_t)c;
  problem p = {.ctx = session_open(),
               .q = filled(heads * cases[c].rows * cases[c].size, 2),
               .k = filled(heads * cases[c].keys * cases[c].size, 2),
               .v = filled(heads * cases[c].keys * cases[c].wide, 1),
               .added = filled(cases[c].keys * cases[c].queries, 1),
               .picked = malloc((size_t)(cases[c].keys * cases[c].queries))};
  for (int64_t i = 0; i < cases[c].keys * cases[c].queries; i++)
    p.picked[i] = i < cases[c].queries || some() > 0; /* the first key is seen by all */
  for (int i = 0; i < 3; i++) p.y[i] = filled(outputs, 0);
  evaluate(&p, c, 16, &interpreted, p.y[0]);
  evaluate(&p, c, 16, &compiled, p.y[1]);
  evaluate(&p, c, 8, &compiled, p.y[2]);
  for (int64_t h = 0; h < heads; h++)
    for (int64_t r = 0; r < cases[c].rows; r++) check_row(&p, c, h, r);
  ck_assert_msg(memcmp(p.y[0], p.y[1], (size_t)outputs * sizeof(float)) == 0, "case %d: code is not what it means", c);
  ck_assert_msg(memcmp(p.y[0], p.y[2], (size_t)outputs * sizeof(float)) == 0, "case %d: rows at a time matter", c);
  free(p.q), free(p.k), free(p.v), free(p.added), free(p.picked);
  for (int i = 0; i < 3; i++) free(p.y[i]);
  tn_context_destroy(p.ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("attention");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, attention_is_within_its_bounds_and_the_same_bits, 0, sizeof cases / sizeof *cases);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
