/* tile.h -- a nest of loops that is a product of tiles: between tile.c, which finds it, and those who have instructions for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_LLVM_TILE_H
#define TNI_LLVM_TILE_H

#include "llvm.h"

enum { TNI_GROUP_BYTES = 4, TNI_TILE_LANES = 16, TNI_MAX_OUTER = 6 };

/* A load or store whose subscript is affine: how far it moves with each role's loop, in elements. */
enum tni_ll_role { TNI_ROW, TNI_VECTOR, TNI_LANE, TNI_ROLE_COUNT };
typedef struct tni_ll_operand {
  const tn_buffer *buffer;
  tn_type type;
  const tn_expr *index, *rest; /* rest: where all loops are at 0 */
  int64_t by[TNI_ROLE_COUNT], by_group, by_step;
} tni_ll_operand;

/* A loop of the sum around the steps: how far the factors move with it, in elements. */
typedef struct tni_ll_outer {
  int64_t extent, left, right;
} tni_ll_outer;

typedef struct tni_ll_product {
  tni_ll_operand sum, left, right;
  int64_t extent[TNI_ROLE_COUNT], steps, bytes; /* bytes: of an element of the factors */
  size_t outer_count;
  tni_ll_outer outer[TNI_MAX_OUTER]; /* the outermost first */
} tni_ll_product;

/* ---- tile.c ---- */

/* The address of an operand where all loops are at 0; NULL: that has failed. One that is so many bytes behind. */
LLVMValueRef tni_ll_start_of(tni_ll_function *f, const tni_ll_operand *o);
LLVMValueRef tni_ll_moved(tni_ll_module *m, LLVMValueRef pointer, int64_t bytes);
/* The outer loops, with pointers that go along: `step` emits what is in them. */
void tni_ll_run_outer(tni_ll_function *f, const tni_ll_product *p, LLVMValueRef left, LLVMValueRef right,
                      void (*step)(void *self, LLVMValueRef left, LLVMValueRef right), void *self);

/* ---- amx.c, pairs.c, warp.c, za.c ---- */

/* Do the registers hold the product? */
bool tni_ll_amx_fits(const tni_ll_product *p);
bool tni_ll_pairs_fit(const tni_ll_product *p);
bool tni_ll_warp_fits(const tni_ll_product *p);
bool tni_ll_za_fits(const tni_ll_product *p);
/* The product, by the instruction that LLVM calls so. Fresh: the sums are 0 at first, and their memory is not read. */
void tni_ll_amx(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh);
void tni_ll_pairs(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh);
void tni_ll_warp(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh);
void tni_ll_za(tni_ll_function *f, const tni_ll_product *p, const char *name, bool fresh);

#endif
