/* pairs.c -- products of tiles by AArch64's instructions of two rows by two columns (i8mm).
 *
 *     the sums of T, four to a register; for ko in 0..n { for k in 0..K by 8 {
 *       A[i, k..k+8] A[i+1, k..k+8] | B[k..k+8, j] B[k..k+8, j+1]   ->   smmla } }; the sums to T
 *
 * Eight rows by eight columns at a time stay in registers. Columns come by fours: 16 bytes of groups of 4 steps, and as
 * many of the next 4 steps, zipped. There is no instruction of signed rows and unsigned columns: the one of unsigned rows takes
 * the columns for rows, and a slot holds two columns by two rows. Steps that are left over, 4, are filled up with zeros; of a last row that has no
 * other beside it there are two, and one is not stored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tile.h"

enum { STRIP = 8, QUAD = 4, PAIRS = STRIP / 2, STEPS = 8 };

/* The rows and columns that are at work. */
typedef struct strip {
  tni_ll_function *f;
  const tni_ll_product *p;
  const char *name; /* of the instruction */
  bool turned;      /* it takes columns for rows */
  int64_t row, rows, columns;
  LLVMValueRef sums[PAIRS][PAIRS]; /* slots: rows 2i and 2i + 1 of columns 2j and 2j + 1 */
} strip;

bool tni_ll_pairs_fit(const tni_ll_product *p) { return p->extent[TNI_LANE] % QUAD == 0; }

static LLVMValueRef load(tni_ll_module *m, LLVMTypeRef type, LLVMValueRef pointer, unsigned align) {
  LLVMValueRef value = LLVMBuildLoad2(m->b, type, pointer, "");
  LLVMSetAlignment(value, align);
  return value;
}

/* Four elements of a and b, of eight. */
static LLVMValueRef choose(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b, const int *which) {
  LLVMValueRef numbers[QUAD];
  for (int i = 0; i < QUAD; i++) numbers[i] = LLVMConstInt(m->i32, (uint64_t)which[i], 0);
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(numbers, QUAD), "");
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

/* Which of eight sums, a row's four and the next one's, are in the slots of the first two columns and of the last two; and which
 * of eight in the slots are the row's, the next one's. Turned: of columns by rows. */
static const int slots_of[2][2][QUAD] = {{{0, 1, 4, 5}, {2, 3, 6, 7}}, {{0, 4, 1, 5}, {2, 6, 3, 7}}};
static const int rows_of[2][2][QUAD] = {{{0, 1, 4, 5}, {2, 3, 6, 7}}, {{0, 2, 4, 6}, {1, 3, 5, 7}}};

/* Of a row, four from that column on. */
static LLVMValueRef sums_at(const strip *s, LLVMValueRef base, int64_t row, int64_t column) {
  return tni_ll_moved(s->f->m, base, ((s->row + row) * s->p->sum.by[TNI_ROW] + column) * 4);
}

static void load_sums(strip *s, LLVMValueRef base) {
  tni_ll_module *m = s->f->m;
  LLVMTypeRef type = LLVMVectorType(m->i32, QUAD);
  for (int64_t i = 0; i < s->rows; i += 2)
    for (int64_t j = 0; j < s->columns; j += QUAD) {
      LLVMValueRef first = load(m, type, sums_at(s, base, i, j), 4);
      LLVMValueRef second = i + 1 < s->rows ? load(m, type, sums_at(s, base, i + 1, j), 4) : first;
      for (int64_t k = 0; k < 2; k++)
        LLVMBuildStore(m->b, choose(m, first, second, slots_of[s->turned][k]), s->sums[i / 2][j / 2 + k]);
    }
}

static void store_sums(const strip *s, LLVMValueRef base) {
  tni_ll_module *m = s->f->m;
  LLVMTypeRef type = LLVMVectorType(m->i32, QUAD);
  for (int64_t i = 0; i < s->rows; i += 2)
    for (int64_t j = 0; j < s->columns; j += QUAD) {
      LLVMValueRef low = load(m, type, s->sums[i / 2][j / 2], 16), high = load(m, type, s->sums[i / 2][j / 2 + 1], 16);
      for (int64_t k = i; k < i + 2 && k < s->rows; k++)
        LLVMSetAlignment(
            LLVMBuildStore(m->b, choose(m, low, high, rows_of[s->turned][k - i]), sums_at(s, base, k, j)), 4);
    }
}

static void clear_sums(strip *s) {
  for (int64_t i = 0; i < s->rows; i += 2)
    for (int64_t j = 0; j < s->columns; j += 2)
      LLVMBuildStore(s->f->m->b, LLVMConstNull(LLVMVectorType(s->f->m->i32, QUAD)), s->sums[i / 2][j / 2]);
}

/* ---- factors ----------------------------------------------------------------------------------------------------- */

/* Steps of a row as 8 bytes: all, or the first 4 and zeros. */
static LLVMValueRef row_at(const strip *s, LLVMValueRef left, int64_t row, bool half) {
  tni_ll_module *m = s->f->m;
  LLVMValueRef at = tni_ll_moved(m, left, row * s->p->left.by[TNI_ROW]);
  return half ? LLVMBuildZExt(m->b, load(m, m->i32, at, 1), m->i64, "") : load(m, m->i64, at, 1);
}

static LLVMValueRef two_rows(const strip *s, LLVMValueRef left, int64_t row, bool half) {
  tni_ll_module *m = s->f->m;
  LLVMValueRef both = LLVMGetPoison(LLVMVectorType(m->i64, 2));
  for (int i = 0; i < 2; i++) {
    int64_t which = row + i < s->rows ? row + i : row;
    both = LLVMBuildInsertElement(m->b, both, row_at(s, left, which, half), tni_ll_index(m, i), "");
  }
  return LLVMBuildBitCast(m->b, both, LLVMVectorType(m->i8, 16), "");
}

/* Columns j and j + 1, j + 2 and j + 3. */
static void four_columns(const strip *s, LLVMValueRef right, int64_t j, bool half, LLVMValueRef *out) {
  static const int low[] = {0, 4, 1, 5}, high[] = {2, 6, 3, 7};
  tni_ll_module *m = s->f->m;
  LLVMTypeRef type = LLVMVectorType(m->i32, QUAD), bytes = LLVMVectorType(m->i8, 16);
  LLVMValueRef at = tni_ll_moved(m, right, j * TNI_GROUP_BYTES), first = load(m, type, at, 1);
  LLVMValueRef second = half ? LLVMConstNull(type) : load(m, type, tni_ll_moved(m, at, s->p->right.by_group), 1);
  out[0] = LLVMBuildBitCast(m->b, choose(m, first, second, low), bytes, "");
  out[1] = LLVMBuildBitCast(m->b, choose(m, first, second, high), bytes, "");
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* 8 steps of them, or 4. */
static void multiply_steps(const strip *s, LLVMValueRef left, LLVMValueRef right, bool half) {
  tni_ll_module *m = s->f->m;
  LLVMTypeRef types[] = {LLVMVectorType(m->i32, QUAD), LLVMVectorType(m->i8, 16)};
  LLVMValueRef columns[PAIRS];
  for (int64_t j = 0; j < s->columns; j += QUAD) four_columns(s, right, j, half, &columns[j / 2]);
  for (int64_t i = 0; i < s->rows; i += 2) {
    LLVMValueRef rows = two_rows(s, left, i, half);
    for (int64_t j = 0; j < s->columns; j += 2) {
      LLVMValueRef slot = s->sums[i / 2][j / 2], args[] = {load(m, types[0], slot, 16), NULL, NULL};
      args[1 + s->turned] = rows, args[2 - s->turned] = columns[j / 2];
      LLVMBuildStore(m->b, tni_ll_intrinsic(m, s->name, 2, types, 3, args), slot);
    }
  }
}

static void multiply(void *self, LLVMValueRef left, LLVMValueRef right) {
  const strip *s = self;
  tni_ll_module *m = s->f->m;
  int64_t groups = s->p->right.by_group;
  left = tni_ll_moved(m, left, s->row * s->p->left.by[TNI_ROW]);
  for (int64_t k = 0; k < s->p->steps; k += STEPS)
    multiply_steps(s, tni_ll_moved(m, left, k), tni_ll_moved(m, right, k / TNI_GROUP_BYTES * groups),
                   k + STEPS > s->p->steps);
}

static void run_strip(strip *s, LLVMValueRef sums, LLVMValueRef left, LLVMValueRef right, bool fresh) {
  if (fresh)
    clear_sums(s);
  else
    load_sums(s, sums);
  tni_ll_run_outer(s->f, s->p, left, right, multiply, s);
  store_sums(s, sums);
}

void tni_ll_pairs(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh) {
  tni_ll_module *m = f->m;
  strip s = {.f = f, .p = p, .name = name, .turned = p->left.type == TN_I8 && p->right.type == TN_U8};
  LLVMValueRef sums = tni_ll_start_of(f, &p->sum), left = tni_ll_start_of(f, &p->left),
               right = tni_ll_start_of(f, &p->right);
  if (!sums || !left || !right) return; /* that has failed */
  for (int i = 0; i < PAIRS; i++)
    for (int j = 0; j < PAIRS; j++) s.sums[i][j] = tni_ll_alloca(f, LLVMVectorType(m->i32, QUAD), 1, 16, "pairs");
  for (int64_t v = 0; v < p->extent[TNI_VECTOR]; v++)
    for (int64_t j = 0; j < p->extent[TNI_LANE]; j += STRIP) {
      LLVMValueRef to = tni_ll_moved(m, sums, (v * p->sum.by[TNI_VECTOR] + j) * 4);
      LLVMValueRef from = tni_ll_moved(m, right, v * p->right.by[TNI_VECTOR] + j * TNI_GROUP_BYTES);
      s.columns = p->extent[TNI_LANE] - j < STRIP ? p->extent[TNI_LANE] - j : STRIP;
      for (s.row = 0; s.row < p->extent[TNI_ROW]; s.row += STRIP) {
        s.rows = p->extent[TNI_ROW] - s.row < STRIP ? p->extent[TNI_ROW] - s.row : STRIP;
        run_strip(&s, to, left, from, fresh);
      }
    }
  f->epoch++;
}
