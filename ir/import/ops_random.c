/* ops_random.c -- converters of random numbers, and of dropout. The numbers are constants of the import: element i is the same
 * function of the seed and i on every machine and in every run.
 *
 *     u(seed, i) = the upper 53 bits of mix(seed + (i + 1) * 0x9e3779b97f4a7c15), in 0..1
 *
 * with the mixer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). Normal numbers are
 * Box and Muller's of elements 2 i and 2 i + 1. Without the attribute the seed is a hash of the node's name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

enum { MAX_NUMBERS = 1 << 22 };

static uint64_t seed_of(conversion *c) {
  uint64_t seed = 0xcbf29ce484222325u; /* FNV-1a */
  if (has_attr(c, "seed")) {
    double x = c->n->op_type[0] == 'D' ? (double)attr_int(c, "seed", 0)
                                       : attr_float(c, "seed", 0); /* Dropout's is an integer */
    memcpy(&seed, &x, sizeof seed);
    return seed;
  }
  for (const char *s = c->n->name; *s; s++) seed = (seed ^ (uint8_t)*s) * 0x100000001b3u;
  return seed;
}

static double uniform(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (double)(z >> 11) * 0x1p-53;
}

static double normal(uint64_t seed, uint64_t i) {
  double radius = sqrt(-2 * log(1 - uniform(seed, 2 * i)));
  return radius * cos(2 * 3.14159265358979323846 * uniform(seed, 2 * i + 1));
}

/* A constant of that shape: base + scale * a number of 0..1, or of the normal distribution. */
static uint32_t random_const(conversion *c, tn_type type, int32_t rank, const int64_t *shape, bool bell, double base,
                             double scale) {
  int64_t count = 1;
  bool fits = rank <= TN_MAX_RANK;
  for (int32_t i = 0; fits && i < rank; i++)
    fits = shape[i] >= 0 && !__builtin_mul_overflow(count, shape[i], &count) && count <= MAX_NUMBERS;
  if (!fits) return fail(c, TN_E_LIMIT, "the shape is out of range"), TNI_NO_VALUE;
  if (!tni_type_is_float(type)) return fail(c, TN_E_INVALID, "random numbers are not integers"), TNI_NO_VALUE;
  void *data = new_contents(c, type, count);
  uint64_t seed = seed_of(c);
  for (int64_t i = 0; data && i < count; i++) {
    double x = base + scale * (bell ? normal(seed, (uint64_t)i) : uniform(seed, (uint64_t)i));
    tni_write_element(type, data, i, (tni_scalar){.f = tni_round_to(type, x)});
  }
  return data ? add_const(c, type, rank, shape, data, NULL) : TNI_NO_VALUE;
}

static void emit_random(conversion *c, bool like, bool bell) {
  int32_t count;
  const int64_t *shape = attr_ints(c, "shape", &count);
  tni_gvalue x = like ? *in(c, 0) : (tni_gvalue){.type = TN_F32, .rank = count};
  int64_t onnx = attr_int(c, "dtype", 0);
  tn_type type = onnx ? tni_onnx_type(onnx) : x.type;
  double low = attr_float(c, "low", 0), high = attr_float(c, "high", 1);
  if (!type) return fail(c, TN_E_UNSUPPORTED, "data type %lld is not supported", (long long)onnx);
  double base = bell ? attr_float(c, "mean", 0) : low, scale = bell ? attr_float(c, "scale", 1) : high - low;
  if (ok(c)) finish(c, 0, random_const(c, type, x.rank, like ? x.shape : shape, bell, base, scale));
}

void tni_convert_random_uniform(conversion *c) { emit_random(c, false, false); }
void tni_convert_random_normal(conversion *c) { emit_random(c, false, true); }
void tni_convert_random_uniform_like(conversion *c) { emit_random(c, true, false); }
void tni_convert_random_normal_like(conversion *c) { emit_random(c, true, true); }

/* true with the probability that the input is. */
void tni_convert_bernoulli(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t onnx = attr_int(c, "dtype", 0);
  tn_type type = onnx ? tni_onnx_type(onnx) : x.type;
  if (!type) return fail(c, TN_E_UNSUPPORTED, "data type %lld is not supported", (long long)onnx);
  if (!ok(c)) return;
  uint32_t drawn = random_const(c, x.type, x.rank, x.shape, false, 0, 1);
  finish(c, 0, cast_to(c, emit2(c, "less", drawn, input(c, 0), NULL), type));
}

/* Samples of each row (batch, classes) of logarithms of probabilities: how many sums of probabilities are at most u. */
void tni_convert_multinomial(conversion *c) {
  tni_gvalue x = *in(c, 0);
  int64_t samples = attr_int(c, "sample_size", 1), onnx = attr_int(c, "dtype", 6), last = -1;
  if (!ok(c)) return;
  if (x.rank != 2 || samples < 1 || samples > MAX_NUMBERS || (onnx != 6 && onnx != 7))
    return fail(c, TN_E_INVALID, "the input or an attribute does not fit");
  int64_t drawn[] = {x.shape[0], samples, 1}, sums[] = {x.shape[0], 1, x.shape[1]};
  set_int(c, "axis", 1);
  uint32_t p = emit1(c, "softmax", input(c, 0), NULL);
  set_int(c, "axis", 1);
  p = emit1(c, "cum_sum", p, NULL);
  uint32_t below =
      emit2(c, "less_or_equal", reshape(c, p, 3, sums, NULL), random_const(c, x.type, 3, drawn, false, 0, 1), NULL);
  uint32_t count = reduced(c, "reduce_sum", cast_to(c, below, TN_I64), 1, &last, false);
  count = with_number(c, "min", count, (double)(x.shape[1] - 1));
  finish(c, 0, cast_to(c, count, tni_onnx_type(onnx)));
}

/* ---- dropout ------------------------------------------------------------------------------------------------------- */

/* Everything stays, unless the third input says that this is training: then elements stay where the number drawn is at least
 * the ratio, over 1 - ratio. */
void tni_convert_dropout(conversion *c) {
  tni_gvalue x = *in(c, 0);
  const tni_gvalue *training = has_input(c, 2) ? in(c, 2) : NULL;
  bool known = !training || training->data,
       trains = training && known && tni_read_element(TN_BOOL, training->data, 0).i;
  uint32_t y = input(c, 0), yes = const_number(c, TN_BOOL, 1), ratio;
  if (training && training->type != TN_BOOL) fail(c, TN_E_INVALID, "training mode is not a bool");
  if (!ok(c)) return;
  if (known && !trains) {
    give(c, 0, emit1(c, "identity", y, out_name(c, 0)));
    if (!wants(c, 1)) return;
    set_ints(c, "shape", x.rank, x.shape);
    give(c, 1, emit1(c, "expand", yes, out_name(c, 1)));
    return;
  }
  ratio = has_input(c, 1) ? cast_to(c, input(c, 1), x.type) : const_number(c, x.type, 0.5);
  uint32_t stays = emit2(c, "greater_or_equal", random_const(c, x.type, x.rank, x.shape, false, 0, 1), ratio, NULL);
  uint32_t scaled = emit2(c, "div", y, emit2(c, "sub", const_number(c, x.type, 1), ratio, NULL), NULL);
  uint32_t kept = emit3(c, "where", stays, scaled, const_number(c, x.type, 0));
  finish(c, 0, emit3(c, "where", input(c, 2), kept, y));
  finish(c, 1, emit3(c, "where", input(c, 2), stays, yes));
}
