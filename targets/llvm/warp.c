/* warp.c -- products of tiles by the 32 threads of an NVIDIA warp (mma.sync m16n8k32 of 8-bit integers).
 *
 *     T in registers of all threads; for ko in 0..n { for k in 0..K by 32 { mma.sync T, A, B } }; T to memory
 *
 * Code for this target is a device function that the threads of a warp call together, with the same arguments. A register of
 * A holds four steps of a row, one of B four steps of a column, as they stand in memory; thread t has rows t / 4 and
 * t / 4 + 8 of A and of the sums, column t / 4 of B, groups t % 4 and t % 4 + 4 of steps, and columns t % 4 * 2 and the next
 * of the sums. Everything else that threads would write at the same time is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tile.h"

enum { ROWS = 16, COLUMNS = 8, STEPS = 32, HALF = 8, MOST_SUMS = 64, SUM_WORDS = 4 };

bool tni_ll_warp_fits(const tni_ll_product *p) {
  int64_t columns = p->extent[TNI_LANE] * p->extent[TNI_VECTOR];
  return p->extent[TNI_ROW] % ROWS == 0 && p->extent[TNI_LANE] % COLUMNS == 0 && p->steps % STEPS == 0 &&
         p->extent[TNI_ROW] / ROWS * (columns / COLUMNS) * SUM_WORDS <= MOST_SUMS;
}

typedef struct warp {
  tni_ll_function *f;
  const tni_ll_product *p;
  const char *name;             /* of the instruction */
  LLVMValueRef sums[MOST_SUMS]; /* slots: four of each 16 rows and 8 columns */
  LLVMValueRef base;            /* of this thread's first sum */
} warp;

static LLVMValueRef load_word(tni_ll_module *m, LLVMValueRef at, unsigned align) {
  LLVMValueRef word = LLVMBuildLoad2(m->b, m->i32, at, "");
  LLVMSetAlignment(word, align);
  return word;
}

/* base + index * bytes */
static LLVMValueRef offset_by(tni_ll_module *m, LLVMValueRef base, LLVMValueRef index, int64_t bytes) {
  LLVMValueRef by = LLVMBuildNSWMul(m->b, index, tni_ll_index(m, bytes), "");
  return LLVMBuildInBoundsGEP2(m->b, m->i8, base, &by, 1, "");
}

static int64_t blocks_of(const tni_ll_product *p) { return p->extent[TNI_LANE] / COLUMNS; }

/* Which 8 columns, of which vector. */
static int64_t columns_at(const warp *w, int64_t block, int64_t by_vector, int64_t by_column) {
  return block / blocks_of(w->p) * by_vector + block % blocks_of(w->p) * COLUMNS * by_column;
}

static LLVMValueRef sum_at(const warp *w, int64_t rows, int64_t block, int word) {
  const tni_ll_operand *o = &w->p->sum;
  int64_t row = rows * ROWS + word / 2 * HALF;
  int64_t at = row * o->by[TNI_ROW] + columns_at(w, block, o->by[TNI_VECTOR], 1) + word % 2;
  return tni_ll_moved(w->f->m, w->base, at * 4);
}

/* The sums to their slots (fresh: zeros), or back. */
static void move_sums(const warp *w, bool back, bool fresh) {
  tni_ll_module *m = w->f->m;
  int64_t blocks = blocks_of(w->p) * w->p->extent[TNI_VECTOR];
  for (int64_t i = 0; i < w->p->extent[TNI_ROW] / ROWS; i++)
    for (int64_t j = 0; j < blocks; j++)
      for (int k = 0; k < SUM_WORDS; k++) {
        LLVMValueRef slot = w->sums[(i * blocks + j) * SUM_WORDS + k];
        if (back)
          LLVMSetAlignment(LLVMBuildStore(m->b, load_word(m, slot, 4), sum_at(w, i, j, k)), 4);
        else
          LLVMBuildStore(m->b, fresh ? LLVMConstNull(m->i32) : load_word(m, sum_at(w, i, j, k), 4), slot);
      }
}

/* Of 16 rows and 8 columns, 32 steps: args are 4 registers of A and 2 of B. */
static void multiply_block(const warp *w, const LLVMValueRef *a, const LLVMValueRef *b, const LLVMValueRef *slots) {
  tni_ll_module *m = w->f->m;
  LLVMValueRef args[] = {a[0], a[1], a[2], a[3], b[0], b[1], NULL, NULL, NULL, NULL};
  for (int k = 0; k < SUM_WORDS; k++) args[6 + k] = load_word(m, slots[k], 4);
  LLVMValueRef all = tni_ll_intrinsic(m, w->name, 0, NULL, 10, args);
  for (int k = 0; k < SUM_WORDS; k++) LLVMBuildStore(m->b, LLVMBuildExtractValue(m->b, all, (unsigned)k, ""), slots[k]);
}

static void multiply_steps(const warp *w, LLVMValueRef left, LLVMValueRef right) {
  tni_ll_module *m = w->f->m;
  const tni_ll_operand *x = &w->p->left, *y = &w->p->right;
  int64_t blocks = blocks_of(w->p) * w->p->extent[TNI_VECTOR];
  for (int64_t j = 0; j < blocks; j++) {
    LLVMValueRef b[2], at = tni_ll_moved(m, right, columns_at(w, j, y->by[TNI_VECTOR], TNI_GROUP_BYTES));
    for (int k = 0; k < 2; k++) b[k] = load_word(m, tni_ll_moved(m, at, k * 4 * y->by_group), 1);
    for (int64_t i = 0; i < w->p->extent[TNI_ROW] / ROWS; i++) {
      LLVMValueRef a[4];
      for (int k = 0; k < 4; k++)
        a[k] = load_word(m, tni_ll_moved(m, left, (i * ROWS + k % 2 * HALF) * x->by[TNI_ROW] + k / 2 * (STEPS / 2)), 1);
      multiply_block(w, a, b, &w->sums[(i * blocks + j) * SUM_WORDS]);
    }
  }
}

static void multiply(void *self, LLVMValueRef left, LLVMValueRef right) {
  const warp *w = self;
  for (int64_t k = 0; k < w->p->steps; k += STEPS)
    multiply_steps(w, tni_ll_moved(w->f->m, left, k),
                   tni_ll_moved(w->f->m, right, k / TNI_GROUP_BYTES * w->p->right.by_group));
}

void tni_ll_warp(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh) {
  tni_ll_module *m = f->m;
  warp w = {.f = f, .p = p, .name = name};
  LLVMValueRef sums = tni_ll_start_of(f, &p->sum), left = tni_ll_start_of(f, &p->left),
               right = tni_ll_start_of(f, &p->right);
  if (!sums || !left || !right) return; /* that has failed */
  int64_t count = p->extent[TNI_ROW] / ROWS * blocks_of(p) * p->extent[TNI_VECTOR] * SUM_WORDS;
  for (int64_t i = 0; i < count; i++) w.sums[i] = tni_ll_alloca(f, m->i32, 1, 4, "mma");
  LLVMValueRef lane = tni_ll_intrinsic(m, "llvm.nvvm.read.ptx.sreg.laneid", 0, NULL, 0, NULL);
  lane = LLVMBuildZExt(m->b, lane, m->i64, "");
  LLVMValueRef high = LLVMBuildLShr(m->b, lane, tni_ll_index(m, 2), ""),
               low = LLVMBuildAnd(m->b, lane, tni_ll_index(m, 3), "");
  w.base = offset_by(m, offset_by(m, sums, high, p->sum.by[TNI_ROW] * 4), low, 8);
  left = offset_by(m, offset_by(m, left, high, p->left.by[TNI_ROW]), low, TNI_GROUP_BYTES);
  right = offset_by(m, offset_by(m, right, high, TNI_GROUP_BYTES), low, p->right.by_group);
  move_sums(&w, false, fresh);
  tni_ll_run_outer(f, p, left, right, multiply, &w);
  move_sums(&w, true, false);
  LLVMValueRef all = LLVMConstAllOnes(m->i32);
  tni_ll_intrinsic(m, "llvm.nvvm.bar.warp.sync", 0, NULL, 1, &all); /* they see each other's sums */
  f->epoch++;
}

/* ---- what a warp can run ----------------------------------------------------------------------------------------- */

bool tni_ll_runs_in_warp(tni_ll_module *m, const tn_stmt *s) {
  if (!s) return true;
  switch (s->kind) {
  case TNI_FOR:
    if (tni_ll_is_tile(m, NULL, s)) return true;
    return s->as.loop.kind != TNI_PARALLEL && s->as.loop.kind != TNI_OUTLINED &&
           tni_ll_runs_in_warp(m, s->as.loop.body);
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) {
      if (i + 1 < s->as.seq.count && tni_ll_is_tile(m, s->as.seq.stmts[i], s->as.seq.stmts[i + 1]))
        i++;
      else if (!tni_ll_runs_in_warp(m, s->as.seq.stmts[i]))
        return false;
    }
    return true;
  case TNI_LET: return tni_ll_runs_in_warp(m, s->as.let.body);
  case TNI_ASSUME: return tni_ll_runs_in_warp(m, s->as.claim.body);
  default: return false;
  }
}
