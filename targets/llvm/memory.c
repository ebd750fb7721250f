/* memory.c -- loads and stores at flat subscripts.
 *
 *     ramp(b, 1, n)          one vector access                     broadcast(b)   one scalar access, splat
 *     ramp(b, constant, n)   one access per lane, or see apart.c   else           see near.c; gather, scatter
 *
 * Where a condition is false nothing is accessed: vectors use LLVM's masked intrinsics, a scalar load reads a constant
 * zero instead, a scalar store is jumped over. A constant at the end of a subscript becomes a displacement of the
 * address.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

enum { ZERO_BYTES = 64 };

static unsigned element_bytes(const tni_ll_access *a) { return (unsigned)tn_type_bytes(a->buffer->type); }

/* The subscript and the condition among the arguments of a load: the condition is the one of type bool. */
static void split_load_args(const tn_expr *x, tni_ll_access *a) {
  for (unsigned i = 0; i < x->nargs; i++) {
    if (tni_ll_is_bool(x->arg[i]->type)) {
      a->where = x->arg[i];
    } else {
      a->index = x->arg[i];
    }
  }
}

/* Fills in the types and the base; false: the buffer is not bound. */
static bool find_buffer(tni_ll_function *f, tni_ll_access *a) {
  const tni_ll_entry *entry = tni_ll_scope_find(&f->scope, a->buffer);
  if (!entry) {
    tni_ll_fail(f->m, TN_E_COMPILER, f->func->name, "buffer `%s` is not bound", a->buffer->name);
    return false;
  }
  a->element = tni_ll_memory_type(f->m, a->buffer->type);
  a->type = tni_ll_memory_type(f->m, TN_TYPE_WITH_LANES(a->buffer->type, a->lanes));
  a->base = entry->value;
  a->align = entry->align;
  a->shared = entry->shared;
  return true;
}

/* ---- subscripts ------------------------------------------------------------------------------------------------ */

/* What the access is sure to be aligned to: at least an element, at most the base's alignment. */
static unsigned access_align(const tni_ll_access *a) {
  unsigned bytes = element_bytes(a), zeros = tni_ll_zero_bits(a->index);
  uint64_t align = (uint64_t)bytes << (zeros < 16 ? zeros : 16);
  return align < a->align ? (unsigned)align : a->align;
}

/* pointer + index elements. A conditional access may compute an address outside the buffer. */
static LLVMValueRef offset_pointer(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef pointer,
                                   LLVMValueRef index) {
  LLVMGEPNoWrapFlags flags = a->where ? 0 : LLVMGEPFlagNUSW;
  return LLVMBuildGEPWithNoWrapFlags(f->m->b, a->element, pointer, &index, 1, "", flags);
}

/* A constant summand comes last. */
LLVMValueRef tni_ll_first_pointer(tni_ll_function *f, const tni_ll_access *a) {
  const tn_expr *x = a->index;
  if (!x) return a->base;
  if (x->op == TN_OP_ramp || x->op == TN_OP_broadcast) x = x->arg[0];
  if (x->op != TN_OP_add || TN_TYPE_LANES(x->type) > 1) return offset_pointer(f, a, a->base, tni_ll_first_lane(f, x));
  const tn_expr *rest = x->arg[0], *constant = x->arg[1];
  if (rest->op == TN_OP_const) rest = x->arg[1], constant = x->arg[0];
  if (constant->op != TN_OP_const) return offset_pointer(f, a, a->base, tni_ll_expr(f, x));
  LLVMValueRef pointer = offset_pointer(f, a, a->base, tni_ll_expr(f, rest));
  return offset_pointer(f, a, pointer, tni_ll_index(f->m, constant->as.i));
}

LLVMValueRef tni_ll_behind(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef pointer, int64_t elements) {
  return elements ? offset_pointer(f, a, pointer, tni_ll_index(f->m, elements)) : pointer;
}

LLVMValueRef tni_ll_mask(tni_ll_function *f, const tni_ll_access *a) {
  if (!a->where) return LLVMConstAllOnes(LLVMVectorType(f->m->i1, a->lanes));
  LLVMValueRef where = tni_ll_expr(f, a->where);
  return tni_ll_lanes(a->where) == 1 ? tni_ll_splat(f->m, where, a->lanes) : where;
}

static LLVMValueRef both(tni_ll_function *f, LLVMValueRef a, LLVMValueRef b) {
  return a ? LLVMBuildAnd(f->m->b, a, b, "") : b;
}

static void add_condition(tni_ll_function *f, const tn_expr *x, tni_ll_condition *c) {
  if (x->op == TN_OP_and) {
    add_condition(f, x->arg[0], c);
    add_condition(f, x->arg[1], c);
  } else if (x->op == TN_OP_broadcast || tni_ll_lanes(x) == 1) {
    c->shared = both(f, c->shared, tni_ll_expr(f, x->op == TN_OP_broadcast ? x->arg[0] : x));
  } else {
    c->own = both(f, c->own, tni_ll_expr(f, x));
  }
}

tni_ll_condition tni_ll_condition_of(tni_ll_function *f, const tni_ll_access *a) {
  tni_ll_condition c = {NULL, NULL};
  if (a->where && element_bytes(a) * a->lanes <= ZERO_BYTES)
    add_condition(f, a->where, &c);
  else if (a->where)
    c.own = tni_ll_mask(f, a);
  return c;
}

/* The pointers of a general vector subscript. */
static LLVMValueRef lane_pointers(tni_ll_function *f, const tni_ll_access *a) {
  LLVMValueRef index = tni_ll_expr(f, a->index);
  if (tni_ll_lanes(a->index) == 1) index = tni_ll_splat(f->m, index, a->lanes);
  return offset_pointer(f, a, a->base, index);
}

static void set_pointer_align(tni_ll_module *m, LLVMValueRef call, unsigned argument, unsigned align) {
  unsigned kind = LLVMGetEnumAttributeKindForName("align", 5);
  LLVMAddCallSiteAttribute(call, argument + 1, LLVMCreateEnumAttribute(m->llvm, kind, align));
}

/* ---- loads ----------------------------------------------------------------------------------------------------- */

LLVMValueRef tni_ll_load_at(tni_ll_module *m, LLVMTypeRef type, LLVMValueRef pointer, unsigned align) {
  LLVMValueRef load = LLVMBuildLoad2(m->b, type, pointer, "");
  LLVMSetAlignment(load, align);
  return load;
}

LLVMValueRef tni_ll_zeros(tni_ll_module *m) {
  if (m->zeros) return m->zeros;
  LLVMTypeRef type = LLVMArrayType2(m->i8, ZERO_BYTES);
  m->zeros = LLVMAddGlobal(m->module, type, "zeros");
  LLVMSetInitializer(m->zeros, LLVMConstNull(type));
  LLVMSetGlobalConstant(m->zeros, 1);
  LLVMSetLinkage(m->zeros, LLVMPrivateLinkage);
  LLVMSetAlignment(m->zeros, ZERO_BYTES);
  return m->zeros;
}

static LLVMValueRef load_scalar(tni_ll_function *f, const tni_ll_access *a) {
  LLVMValueRef pointer = tni_ll_first_pointer(f, a);
  if (a->where) pointer = LLVMBuildSelect(f->m->b, tni_ll_expr(f, a->where), pointer, tni_ll_zeros(f->m), "");
  return tni_ll_load_at(f->m, a->element, pointer, a->where ? element_bytes(a) : access_align(a));
}

LLVMValueRef tni_ll_pointer_if(tni_ll_function *f, const tni_ll_condition *c, LLVMValueRef pointer) {
  return c->shared ? LLVMBuildSelect(f->m->b, c->shared, pointer, tni_ll_zeros(f->m), "") : pointer;
}

static LLVMValueRef load_contiguous(tni_ll_function *f, const tni_ll_access *a) {
  LLVMValueRef pointer = tni_ll_first_pointer(f, a);
  tni_ll_condition c = tni_ll_condition_of(f, a);
  pointer = tni_ll_pointer_if(f, &c, pointer);
  if (c.own) return tni_ll_masked_load(f->m, a->type, pointer, c.own, element_bytes(a));
  return tni_ll_load_at(f->m, a->type, pointer, c.shared ? element_bytes(a) : access_align(a));
}

static LLVMValueRef load_strided(tni_ll_function *f, const tni_ll_access *a, int64_t stride) {
  LLVMValueRef first = tni_ll_first_pointer(f, a), value = LLVMGetPoison(a->type);
  for (uint32_t i = 0; i < a->lanes; i++) {
    LLVMValueRef lane = tni_ll_load_at(f->m, a->element, tni_ll_behind(f, a, first, stride * i), element_bytes(a));
    value = LLVMBuildInsertElement(f->m->b, value, lane, tni_ll_index(f->m, i), "");
  }
  return value;
}

static LLVMValueRef load_gathered(tni_ll_function *f, const tni_ll_access *a) {
  LLVMValueRef pointers = lane_pointers(f, a);
  LLVMTypeRef types[] = {a->type, LLVMTypeOf(pointers)};
  LLVMValueRef args[] = {pointers, tni_ll_mask(f, a), LLVMConstNull(a->type)};
  LLVMValueRef call = tni_ll_intrinsic(f->m, "llvm.masked.gather", 2, types, 3, args);
  set_pointer_align(f->m, call, 0, element_bytes(a));
  return call;
}

LLVMValueRef tni_ll_load(tni_ll_function *f, const tn_expr *x) {
  tni_ll_access a = {.buffer = x->as.buffer, .lanes = TN_TYPE_LANES(x->type)};
  split_load_args(x, &a);
  if (!find_buffer(f, &a)) return NULL;
  if (tni_type_is_packed(a.buffer->type)) return tni_ll_load_packed(f, &a);
  int64_t stride;
  bool linear = tni_ll_is_linear(a.index, &stride);
  LLVMValueRef value;
  if (a.lanes <= 1) {
    value = load_scalar(f, &a);
  } else if (linear && stride == 0 && tni_ll_lanes(a.where) == 1) {
    value = tni_ll_splat(f->m, load_scalar(f, &a), a.lanes);
  } else if (linear && stride == 1) {
    value = load_contiguous(f, &a);
  } else if (linear && !a.where) {
    value = tni_ll_load_apart(f, &a, stride);
    if (!value) value = load_strided(f, &a, stride);
  } else if (!(value = linear ? NULL : tni_ll_load_near(f, &a))) {
    value = load_gathered(f, &a);
  }
  return tni_ll_from_memory(f->m, x->type, value);
}

LLVMValueRef tni_ll_load_behind(tni_ll_function *f, const tn_expr *x, int64_t offset, uint32_t lanes) {
  tni_ll_access a = {.buffer = x->as.buffer, .lanes = lanes};
  split_load_args(x, &a);
  if (!find_buffer(f, &a)) return NULL;
  LLVMValueRef pointer = tni_ll_first_pointer(f, &a);
  if (offset) pointer = offset_pointer(f, &a, pointer, tni_ll_index(f->m, offset));
  return tni_ll_load_at(f->m, a.type, pointer, element_bytes(&a));
}

LLVMValueRef tni_ll_load_groups(tni_ll_function *f, const tn_expr *x, LLVMTypeRef group, uint32_t lanes) {
  tni_ll_access a = {.buffer = x->as.buffer, .lanes = lanes};
  split_load_args(x, &a);
  if (!find_buffer(f, &a)) return NULL;
  if (a.index->op == TN_OP_ramp) a.index = a.index->arg[0];
  LLVMTypeRef type = lanes > 1 ? LLVMVectorType(group, lanes) : group;
  LLVMValueRef pointer = tni_ll_first_pointer(f, &a);
  if (!a.where) return tni_ll_load_at(f->m, type, pointer, access_align(&a));
  return tni_ll_masked_load(f->m, type, pointer, tni_ll_mask(f, &a), element_bytes(&a));
}

/* ---- stores ---------------------------------------------------------------------------------------------------- */

static void store_at(tni_ll_module *m, LLVMValueRef value, LLVMValueRef pointer, unsigned align) {
  LLVMSetAlignment(LLVMBuildStore(m->b, value, pointer), align);
}

/* Is it a buffer meant for registers, and all lanes surely in it? */
static bool is_all_ours(const tni_ll_access *a) {
  const tn_expr *first = a->index->op == TN_OP_ramp ? a->index->arg[0] : NULL;
  return a->buffer->scope == TNI_SCOPE_REGISTER && !a->shared && first && tni_is_const(first) && first->as.i >= 0 &&
         first->as.i + a->lanes <= tni_buffer_constant_size(a->buffer);
}

/* In registers lanes that are not stored are those that were there: memory would not give on what a mask wrote. */
static void store_contiguous(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value) {
  LLVMValueRef pointer = tni_ll_first_pointer(f, a);
  if (a->where && !is_all_ours(a)) {
    tni_ll_masked_store(f->m, value, pointer, tni_ll_mask(f, a), element_bytes(a));
    return;
  }
  if (a->where)
    value = LLVMBuildSelect(f->m->b, tni_ll_mask(f, a), value, tni_ll_load_at(f->m, a->type, pointer, access_align(a)), "");
  store_at(f->m, value, pointer, access_align(a));
}

void tni_ll_store_vector(tni_ll_function *f, const tn_buffer *buffer, const tn_expr *first, int64_t offset,
                         LLVMValueRef value) {
  tni_ll_access a = {.buffer = buffer, .index = first, .lanes = LLVMGetVectorSize(LLVMTypeOf(value))};
  if (!find_buffer(f, &a)) return;
  LLVMValueRef pointer = tni_ll_first_pointer(f, &a);
  if (offset) pointer = offset_pointer(f, &a, pointer, tni_ll_index(f->m, offset));
  store_at(f->m, value, pointer, offset ? element_bytes(&a) : access_align(&a));
}

static void store_strided(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value, int64_t stride) {
  LLVMValueRef first = tni_ll_first_pointer(f, a);
  for (uint32_t i = 0; i < a->lanes; i++) {
    LLVMValueRef lane = LLVMBuildExtractElement(f->m->b, value, tni_ll_index(f->m, i), "");
    store_at(f->m, lane, tni_ll_behind(f, a, first, stride * i), element_bytes(a));
  }
}

/* Lanes are written in order, so that the last of equal subscripts stays. */
static void store_scattered(tni_ll_function *f, const tni_ll_access *a, LLVMValueRef value) {
  LLVMValueRef pointers = lane_pointers(f, a);
  LLVMTypeRef types[] = {a->type, LLVMTypeOf(pointers)};
  LLVMValueRef args[] = {value, pointers, tni_ll_mask(f, a)};
  set_pointer_align(f->m, tni_ll_intrinsic(f->m, "llvm.masked.scatter", 2, types, 3, args), 1, element_bytes(a));
}

static void store_value(tni_ll_function *f, tni_ll_access *a, const tn_expr *value) {
  int64_t stride;
  bool linear = tni_ll_is_linear(a->index, &stride);
  LLVMValueRef v = tni_ll_expr(f, value);
  if (f->m->status != TN_OK) return; /* v may be of any type */
  if (TN_TYPE_LANES(value->type) < a->lanes) v = tni_ll_splat(f->m, v, a->lanes);
  if (tni_type_is_packed(a->buffer->type)) {
    tni_ll_store_packed(f, a, v);
    return;
  }
  v = tni_ll_to_memory(f->m, TN_TYPE_WITH_LANES(value->type, a->lanes), v);
  if (a->lanes <= 1) {
    store_at(f->m, v, tni_ll_first_pointer(f, a), access_align(a));
  } else if (linear && stride == 1) {
    store_contiguous(f, a, v);
  } else if (linear && !a->where) {
    store_strided(f, a, v, stride);
  } else {
    store_scattered(f, a, v);
  }
}

/* if where { store } */
static void store_if(tni_ll_function *f, tni_ll_access *a, const tn_expr *where, const tn_expr *value) {
  LLVMBuilderRef b = f->m->b;
  LLVMValueRef condition = tni_ll_expr(f, where);
  LLVMBasicBlockRef then = tni_ll_block(f, "store"), after = tni_ll_block(f, "stored");
  LLVMBuildCondBr(b, condition, then, after);
  LLVMPositionBuilderAtEnd(b, then);
  size_t mark = f->scope.used;
  a->where = NULL;
  store_value(f, a, value);
  tni_ll_scope_pop(&f->scope, mark);
  LLVMBuildBr(b, after);
  LLVMPositionBuilderAtEnd(b, after);
}

void tni_ll_store(tni_ll_function *f, const tn_stmt *s) {
  const tn_expr *value = s->as.store.value, *where = s->as.store.where;
  tni_ll_access a = {
      .buffer = s->as.store.buffer, .index = s->as.store.count ? s->as.store.index[0] : NULL, .where = where};
  a.lanes = tni_ll_lanes(a.index) > TN_TYPE_LANES(value->type) ? tni_ll_lanes(a.index) : TN_TYPE_LANES(value->type);
  if (!find_buffer(f, &a)) return;
  if (where && where->op == TN_OP_broadcast) where = where->arg[0];
  if (where && tni_ll_lanes(where) == 1) {
    store_if(f, &a, where, value);
  } else {
    store_value(f, &a, value);
  }
}

/* For reading, into the nearest cache of data. */
void tni_ll_prefetch(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  tni_ll_access a = {.buffer = s->as.store.buffer, .index = s->as.store.index[0], .lanes = 1};
  if (!find_buffer(f, &a)) return;
  LLVMValueRef index = tni_ll_expr(f, a.index), pointer;
  if (tni_type_is_packed(a.buffer->type))
    pointer = tni_ll_packed_byte(m, a.buffer->type, a.base, index);
  else /* maybe outside of the buffer */
    pointer = LLVMBuildGEPWithNoWrapFlags(m->b, a.element, a.base, &index, 1, "", 0);
  LLVMTypeRef types[] = {m->ptr};
  LLVMValueRef args[] = {pointer, LLVMConstInt(m->i32, 0, 0), LLVMConstInt(m->i32, 3, 0), LLVMConstInt(m->i32, 1, 0)};
  tni_ll_intrinsic(m, "llvm.prefetch", 1, types, 4, args);
}

LLVMValueRef tni_ll_base(tni_ll_function *f, const tn_buffer *buffer) {
  tni_ll_access a = {.buffer = buffer, .lanes = 1};
  return find_buffer(f, &a) ? a.base : NULL;
}

LLVMValueRef tni_ll_address(tni_ll_function *f, const tn_buffer *buffer) {
  tni_ll_access a = {.buffer = buffer, .lanes = 1};
  if (!find_buffer(f, &a)) return NULL;
  if (!buffer->offset) return a.base;
  LLVMValueRef offset = tni_ll_expr(f, buffer->offset);
  if (tni_type_is_packed(buffer->type)) return tni_ll_packed_byte(f->m, buffer->type, a.base, offset);
  return offset_pointer(f, &a, a.base, offset);
}
