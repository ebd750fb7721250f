/* access.h -- what loads and stores share: an access taken apart, and what is known of its subscript.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_LLVM_ACCESS_H
#define TNI_LLVM_ACCESS_H

#include "llvm.h"

/* One access: what, where, how wide. */
typedef struct tni_ll_access {
  const tn_buffer *buffer;
  const tn_expr *index; /* NULL: element 0 */
  const tn_expr *where; /* NULL: always */
  uint32_t lanes;
  LLVMTypeRef element, type; /* in memory: one lane, all lanes */
  LLVMValueRef base;
  unsigned align; /* of the base */
  bool shared;    /* other threads may access the buffer meanwhile */
} tni_ll_access;

static inline uint32_t tni_ll_lanes(const tn_expr *x) { return x ? TN_TYPE_LANES(x->type) : 1; }

/* ---- subscript.c ----------------------------------------------------------------------------------------------- */

/* Trailing zero bits that lane 0 of the subscript is sure to have; NULL is 0. */
unsigned tni_ll_zero_bits(const tn_expr *x);
/* Is x base + stride * lane with a constant stride? NULL is 0. */
bool tni_ll_is_linear(const tn_expr *x, int64_t *stride);
/* How far each lane is from lane 0; false: it is not known. */
bool tni_ll_distances(const tn_expr *x, int64_t *out);
/* Lane 0 of a subscript that is linear, or whose distances are known. */
LLVMValueRef tni_ll_first_lane(tni_ll_function *f, const tn_expr *x);

/* ---- interleave.c ---------------------------------------------------------------------------------------------- */

/* Lane by lane an element of a, then one of b. */
LLVMValueRef tni_ll_interleave(tni_ll_module *m, LLVMValueRef a, LLVMValueRef b);

/* ---- near.c ---------------------------------------------------------------------------------------------------- */

/* A load whose lanes rise, by steps that are known, within one vector: as in memory. NULL: it is another one. */
LLVMValueRef tni_ll_load_near(tni_ll_function *f, const tni_ll_access *a);

/* ---- apart.c --------------------------------------------------------------------------------------------------- */

/* A load without a condition whose lanes are a few elements apart. NULL: it is another one. */
LLVMValueRef tni_ll_load_apart(tni_ll_function *f, const tni_ll_access *a, int64_t stride);

/* ---- memory.c, packed.c ---------------------------------------------------------------------------------------- */

/* The address of lane 0 of such a subscript. */
LLVMValueRef tni_ll_first_pointer(tni_ll_function *f, const tni_ll_access *a);
/* So many elements behind a pointer. */
LLVMValueRef tni_ll_behind(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef pointer, int64_t elements);
LLVMValueRef tni_ll_load_at(tni_ll_module *m, LLVMTypeRef type, LLVMValueRef pointer, unsigned align);
/* The condition as a mask of all lanes. */
LLVMValueRef tni_ll_mask(tni_ll_function *f, const tni_ll_access *a);
/* A condition in two parts: what all lanes share, and what each has for itself; NULL: nothing. A vector that is longer than
 * there are zeros (tni_ll_zeros) has no shared part. */
typedef struct tni_ll_condition {
  LLVMValueRef shared, own;
} tni_ll_condition;
tni_ll_condition tni_ll_condition_of(tni_ll_function *f, const tni_ll_access *a);
/* Where the shared part is false, zeros are read: a mask of no lanes would do, too, but a processor takes hundreds of cycles
 * for one whose memory is not there, as before the first row of a picture. */
LLVMValueRef tni_ll_pointer_if(tni_ll_function *f, const tni_ll_condition *c, LLVMValueRef pointer);
/* A whole vector, as it is in memory, to neighbours from that element on. */
void tni_ll_store_vector(tni_ll_function *f, const tn_buffer *buffer, const tn_expr *first, int64_t offset,
                         LLVMValueRef value);
/* So many neighbours, as they are in memory, from `offset` elements behind lane 0 of the load x on. */
LLVMValueRef tni_ll_load_behind(tni_ll_function *f, const tn_expr *x, int64_t offset, uint32_t lanes);
/* Zeros that a load reads where its condition is false. */
LLVMValueRef tni_ll_zeros(tni_ll_module *m);
/* Accesses to buffers of elements that share bytes; values as in registers, of all the lanes. */
LLVMValueRef tni_ll_load_packed(tni_ll_function *f, const tni_ll_access *a);
void tni_ll_store_packed(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value);
/* The byte of element `index`; how far up its bits are in it (an i8); the element there, and the byte with another one. */
LLVMValueRef tni_ll_packed_byte(tni_ll_module *m, tn_type type, LLVMValueRef base, LLVMValueRef index);
LLVMValueRef tni_ll_packed_shift(tni_ll_module *m, tn_type type, LLVMValueRef index);
LLVMValueRef tni_ll_packed_get(tni_ll_module *m, tn_type type, LLVMValueRef byte, LLVMValueRef shift);
LLVMValueRef tni_ll_packed_put(tni_ll_module *m, tn_type type, LLVMValueRef byte, LLVMValueRef shift, LLVMValueRef value);

#endif
