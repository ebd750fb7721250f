/* sample_tile.c -- factors of a loop's extent, as numbers for split.
 *
 *     t0, t1 = sample_perfect_tile(i, 2, max_innermost=16) @ [8, 4]       i in 0..32
 *     split(i, [t0, t1])
 *     p, q = sample_partitioned_tile(i, 2, 1, 8) @ [4, 8]                 q is a multiple of 8
 *
 * All ways to write the extent as such a product are equally likely. They are numbered: first by the innermost factor (or, of
 * a partitioned tile, the product of the inner part), then by the next one, each running over the divisors as an odometer
 * over the exponents of the primes.
 *
 * needs: a constant extent up to 2^40
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_PRIMES = 12 }; /* different ones of a number up to 2^40 */

typedef struct factored {
  int count;
  int64_t primes[MAX_PRIMES];
  int powers[MAX_PRIMES];
} factored;

static factored factor(int64_t n) {
  factored f = {0};
  for (int64_t p = 2; p * p <= n; p += p == 2 ? 1 : 2) {
    if (n % p) continue;
    f.primes[f.count] = p;
    while (n % p == 0) n /= p, f.powers[f.count]++;
    f.count++;
  }
  if (n > 1) f.primes[f.count] = n, f.powers[f.count++] = 1;
  return f;
}

static int64_t product(const factored *f) {
  int64_t n = 1;
  for (int i = 0; i < f->count; i++)
    for (int k = 0; k < f->powers[i]; k++) n *= f->primes[i];
  return n;
}

/* In how many ways is it a product of `parts` factors, in order? Of each prime its power is shared out. */
static uint64_t ways(const factored *f, size_t parts) {
  uint64_t all = 1;
  if (!parts) return product(f) == 1;
  for (int i = 0; i < f->count; i++) {
    uint64_t share = 1; /* powers[i] + parts - 1 over parts - 1 */
    for (uint64_t k = 1; k <= (uint64_t)f->powers[i]; k++) share = share * (parts - 1 + k) / k;
    all *= share;
  }
  return all;
}

/* The next divisor in `d` (powers of f's primes); false after the last. Begins with all powers 0. */
static bool next_divisor(const factored *f, factored *d) {
  for (int i = 0; i < f->count; i++) {
    if (d->powers[i]++ < f->powers[i]) return true;
    d->powers[i] = 0;
  }
  return false;
}

static factored first_divisor(const factored *f) {
  factored d = *f;
  memset(d.powers, 0, sizeof d.powers);
  return d;
}

static factored quotient(const factored *f, const factored *d) {
  factored q = *f;
  for (int i = 0; i < f->count; i++) q.powers[i] -= d->powers[i];
  return q;
}

/* The way number k to write f as a product of `parts` factors, the last one found first. */
static void pick(factored f, size_t parts, uint64_t k, int64_t *out) {
  for (size_t i = parts; i > 1; i--) {
    factored d = first_divisor(&f), rest;
    do {
      rest = quotient(&f, &d);
      uint64_t here = ways(&rest, i - 1);
      if (k < here) break;
      k -= here;
    } while (next_divisor(&f, &d));
    out[i - 1] = product(&d);
    f = rest;
  }
  if (parts) out[0] = product(&f);
}

/* What is sampled: `parts` factors of `extent`, of which those from `inner` on have a product that is a multiple of `unit` and
 * not above `limit`. */
typedef struct tile {
  factored extent;
  size_t parts, inner;
  int64_t unit, limit;
} tile;

/* The inner parts that are possible: calls for each, in order, how many tiles have it, until one holds number *k. */
static bool find_inner(const tile *t, uint64_t *k, factored *found) {
  factored d = first_divisor(&t->extent);
  do {
    int64_t p = product(&d);
    if (p % t->unit || p > t->limit) continue;
    factored rest = quotient(&t->extent, &d);
    uint64_t here = ways(&rest, t->inner) * ways(&d, t->parts - t->inner);
    if (*k < here) {
      *found = d;
      return true;
    }
    *k -= here;
  } while (next_divisor(&t->extent, &d));
  return false;
}

static uint64_t count_tiles(const tile *t) {
  uint64_t left = UINT64_MAX;
  factored none;
  find_inner(t, &left, &none);
  return UINT64_MAX - left;
}

static void tile_number(const tile *t, uint64_t k, int64_t *out) {
  factored inner;
  if (!find_inner(t, &k, &inner)) return;
  uint64_t inners = ways(&inner, t->parts - t->inner);
  pick(inner, t->parts - t->inner, k % inners, out + t->inner);
  pick(quotient(&t->extent, &inner), t->inner, k / inners, out);
}

static tn_status check_decision(tni_step *step, const tn_stmt *loop, const tile *t) {
  const tni_arg *given = &step->decision;
  int64_t all = 1, inner = 1, extent = loop->as.loop.extent->as.i;
  if (given->count != t->parts)
    return tni_step_refuse(step, loop->as.loop.var, "the decision has %zu factors, not %zu", given->count, t->parts);
  for (size_t i = 0; i < given->count; i++) {
    if (given->numbers[i] < 1 || given->numbers[i] > extent || all > extent)
      return tni_step_refuse(step, loop->as.loop.var, "the factors of the decision are not those of the extent");
    all *= given->numbers[i];
    if (i >= t->inner) inner *= given->numbers[i];
  }
  if (all != extent)
    return tni_step_refuse(step, loop->as.loop.var, "the factors of the decision are not those of the extent");
  if (inner > t->limit)
    return tni_step_refuse(step, loop->as.loop.var, "the innermost factor of the decision is above %lld",
                           (long long)t->limit);
  if (inner % t->unit)
    return tni_step_refuse(step, loop->as.loop.var, "the inner factors of the decision are no multiple of %lld",
                           (long long)t->unit);
  return TN_OK;
}

static tn_status sample(tni_step *step, tile t) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  int64_t factors[TNI_MAX_OUT];
  tn_status status = TN_OK;
  if (!loop) return TN_E_REFUSED;
  const tn_expr *extent = loop->as.loop.extent;
  if (!tni_is_const(extent) || extent->as.i < 1 || extent->as.i > INT64_C(1) << 40)
    return tni_step_refuse(step, loop->as.loop.var, "the extent is not a constant from 1 to 2^40");
  t.extent = factor(extent->as.i);
  if (step->decision.given) {
    if ((status = check_decision(step, loop, &t)) != TN_OK) return status;
    memcpy(factors, step->decision.numbers, t.parts * sizeof *factors);
  } else {
    uint64_t count = count_tiles(&t);
    if (!count)
      return tni_step_refuse(step, loop->as.loop.var,
                             "the extent is no multiple of %lld\n"
                             "needs: a loop that is split with a tail before, or another multiple",
                             (long long)t.unit);
    tile_number(&t, tni_choose(step->s, count), factors);
  }
  for (size_t i = 0; i < t.parts && !status; i++) status = tni_give_number(step, factors[i]);
  return status;
}

static bool has_parts(const tni_arg *count) { return count->number >= 1 && count->number <= TNI_MAX_OUT; }

tn_status tni_apply_sample_perfect_tile(tni_step *step) {
  int64_t limit = step->args[2].number;
  if (!has_parts(&step->args[1])) return tni_step_refuse(step, NULL, "ask for 1 to %d factors", TNI_MAX_OUT);
  if (limit < 1) return tni_step_refuse(step, NULL, "max_innermost must be positive");
  size_t parts = (size_t)step->args[1].number;
  if (parts == 1) limit = INT64_MAX; /* there is no choice */
  return sample(step, (tile){.parts = parts, .inner = parts - 1, .unit = 1, .limit = limit});
}

tn_status tni_apply_sample_partitioned_tile(tni_step *step) {
  int64_t inner = step->args[2].number, unit = step->args[3].number;
  if (!has_parts(&step->args[1])) return tni_step_refuse(step, NULL, "ask for 1 to %d factors", TNI_MAX_OUT);
  if (inner < 0 || inner >= step->args[1].number)
    return tni_step_refuse(step, NULL, "the inner part must begin at one of the factors");
  if (unit < 1) return tni_step_refuse(step, NULL, "the multiple must be positive");
  tile t = {.parts = (size_t)step->args[1].number, .inner = (size_t)inner, .unit = unit, .limit = INT64_MAX};
  return sample(step, t);
}

static tn_status call(tn_schedule *s, enum tni_primitive_id id, size_t args_count, const tni_arg *args, size_t count,
                      int64_t *out, tn_error **err) {
  int32_t handles[TNI_MAX_OUT] = {0};
  size_t room = count < TNI_MAX_OUT ? count : TNI_MAX_OUT;
  tn_status status = tni_perform(s, id, args_count, args, room, handles, NULL, err);
  tni_numbers_of(room, handles, out);
  return status;
}

tn_status tn_sample_perfect_tile(tn_schedule *s, tn_loop loop, size_t count, int64_t max_innermost, int64_t *out,
                                 tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_int((int64_t)count), tni_of_int(max_innermost)};
  return call(s, TNI_PRIMITIVE_sample_perfect_tile, 3, args, count, out, err);
}

tn_status tn_sample_partitioned_tile(tn_schedule *s, tn_loop loop, size_t count, size_t position, int64_t multiple,
                                     int64_t *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_int((int64_t)count), tni_of_int((int64_t)position),
                    tni_of_int(multiple)};
  return call(s, TNI_PRIMITIVE_sample_partitioned_tile, 4, args, count, out, err);
}
