/* parallel.c -- a parallel loop becomes a function of its own.
 *
 *     parallel for v in 0..n { S }
 *       ->
 *     closure = {buffers and variables that S uses}; status = env->parallel_for(env, NAME.parallel.K, &closure, n, 1)
 *
 *     NAME.parallel.K(env, closure, begin, end) { captures = *closure; for v in begin..end { S } }
 *
 * Nothing else reaches a buffer in the closure (alias.c). Loops inside S are serial.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "llvm.h"

/* What the body uses of the function around it, in order of first use. */
typedef struct capture {
  const void *key;
  tn_type type; /* of a variable; TN_POINTER: a buffer */
  const tni_ll_entry *outer;
} capture;

typedef struct captures {
  tni_ll_function *f;
  tni_ll_scope seen;
  capture *items;
  size_t count, capacity;
} captures;

/* True the first time. */
static bool visit_once(captures *c, const void *key) {
  return !tni_ll_scope_find(&c->seen, key) && tni_ll_scope_add(&c->seen, key, NULL);
}

static void add_capture(captures *c, const void *key, tn_type type) {
  tni_ll_module *m = c->f->m;
  const tni_ll_entry *outer = tni_ll_scope_find(&c->f->scope, key);
  if (!outer || !outer->binding) return;
  if (c->count == c->capacity) {
    size_t capacity = c->capacity ? 2 * c->capacity : 16;
    capture *items = TNI_NEW_ARRAY(&m->arena, capture, capacity);
    if (!items) return;
    if (c->count) memcpy(items, c->items, c->count * sizeof *items);
    c->items = items;
    c->capacity = capacity;
  }
  c->items[c->count++] = (capture){key, type, outer};
}

static void collect_buffer(captures *c, const tn_buffer *buffer) {
  if (visit_once(c, buffer)) add_capture(c, buffer, TN_POINTER);
}

static void collect_expr(captures *c, const tn_expr *x) {
  if (!x || !visit_once(c, x)) return;
  if (x->op == TN_OP_var) add_capture(c, x, x->type);
  if (x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) collect_buffer(c, x->as.buffer);
  if (x->op == TNI_OP_ADDRESS) collect_expr(c, x->as.buffer->offset);
  for (unsigned i = 0; i < x->nargs; i++) collect_expr(c, x->arg[i]);
}

static void collect_store(captures *c, const tn_stmt *s) {
  collect_buffer(c, s->as.store.buffer);
  for (int32_t i = 0; i < s->as.store.count; i++) collect_expr(c, s->as.store.index[i]);
  collect_expr(c, s->as.store.value);
  collect_expr(c, s->as.store.where);
}

static void collect_stmt(captures *c, const tn_stmt *s) {
  if (!s) return;
  switch (s->kind) {
  case TNI_FOR:
    collect_expr(c, s->as.loop.extent);
    collect_stmt(c, s->as.loop.body);
    break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) collect_stmt(c, s->as.seq.stmts[i]);
    break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY:
  case TNI_PREFETCH: collect_store(c, s); break;
  case TNI_IF:
    collect_expr(c, s->as.cond.cond);
    collect_stmt(c, s->as.cond.then);
    collect_stmt(c, s->as.cond.otherwise);
    break;
  case TNI_ALLOC:
    for (int32_t i = 0; i < s->as.alloc.buffer->rank; i++) collect_expr(c, s->as.alloc.buffer->shape[i]);
    collect_stmt(c, s->as.alloc.body);
    break;
  case TNI_WHILE:
    collect_expr(c, s->as.repeat.cond);
    collect_stmt(c, s->as.repeat.body);
    break;
  case TNI_LET:
    collect_expr(c, s->as.let.value);
    collect_stmt(c, s->as.let.body);
    break;
  case TNI_ASSERT:
  case TNI_ASSUME:
    collect_expr(c, s->as.claim.cond);
    collect_stmt(c, s->as.claim.body);
    break;
  case TNI_EVALUATE: collect_expr(c, s->as.evaluate.call); break;
  default: break;
  }
}

/* ---- the function ---------------------------------------------------------------------------------------------- */

/* A vector wants more than the closure is aligned to. */
static void align_capture(const capture *item, LLVMValueRef access) {
  if (TN_TYPE_LANES(item->type) > 1) LLVMSetAlignment(access, 1);
}

static LLVMValueRef load_capture(tni_ll_module *m, const captures *c, LLVMTypeRef closure, LLVMValueRef from, size_t i) {
  LLVMValueRef slot = LLVMBuildStructGEP2(m->b, closure, from, (unsigned)i, "");
  LLVMValueRef loaded = LLVMBuildLoad2(m->b, tni_ll_memory_type(m, c->items[i].type), slot, "");
  align_capture(&c->items[i], loaded);
  return loaded;
}

/* The count of pointers to buffers, which are listed. */
static size_t bind_captures(tni_ll_function *inner, const captures *c, LLVMTypeRef closure, LLVMValueRef *pointers) {
  tni_ll_module *m = inner->m;
  size_t count = 0;
  for (size_t i = 0; i < c->count; i++) {
    const capture *item = &c->items[i];
    LLVMValueRef loaded = load_capture(m, c, closure, LLVMGetParam(inner->value, 1), i);
    tni_ll_entry *entry = tni_ll_scope_add(&inner->scope, item->key, tni_ll_from_memory(m, item->type, loaded));
    if (!entry) return 0;
    entry->binding = true;
    entry->nonneg = item->outer->nonneg;
    entry->number = item->outer->number;
    entry->align = item->outer->align;
    entry->shared = item->outer->align != 0;
    if (item->outer->align) pointers[count++] = entry->value;
  }
  return count;
}

/* NAME.parallel.K */
static LLVMValueRef define_body(tni_ll_function *f, const captures *c, LLVMTypeRef closure, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  LLVMTypeRef params[] = {m->ptr, m->ptr, m->i64, m->i64}, type = LLVMFunctionType(m->i32, params, 4, 0);
  LLVMValueRef function = tni_ll_internal(m, f->func->name, "parallel", m->outlined++, type);
  LLVMValueRef *pointers = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, c->count);
  if (!function || !pointers) return NULL;
  tni_ll_function inner;
  tni_ll_function_begin(&inner, m, f->func, function);
  inner.in_parallel = true;
  inner.has_numbers = f->has_numbers;
  size_t count = bind_captures(&inner, c, closure, pointers);
  tni_ll_loop(&inner, s->as.loop.var, LLVMGetParam(function, 2), LLVMGetParam(function, 3), false, s->as.loop.body);
  tni_ll_function_end(&inner);
  tni_ll_tell_apart(m, function, LLVMGetValueName2(function, &(size_t){0}), count, pointers);
  return function;
}

/* ---- the call -------------------------------------------------------------------------------------------------- */

static LLVMTypeRef closure_type(tni_ll_module *m, const captures *c) {
  LLVMTypeRef *fields = TNI_NEW_ARRAY(&m->arena, LLVMTypeRef, c->count);
  if (!fields) return NULL;
  for (size_t i = 0; i < c->count; i++) fields[i] = tni_ll_memory_type(m, c->items[i].type);
  return LLVMStructTypeInContext(m->llvm, fields, (unsigned)c->count, 0);
}

static void call_parallel_for(tni_ll_function *f, const captures *c, LLVMTypeRef type, LLVMValueRef body,
                              LLVMValueRef extent) {
  tni_ll_module *m = f->m;
  LLVMValueRef closure = tni_ll_alloca(f, type, 1, 16, "closure");
  for (size_t i = 0; i < c->count; i++) {
    LLVMValueRef value = tni_ll_to_memory(m, c->items[i].type, c->items[i].outer->value);
    LLVMValueRef slot = LLVMBuildStructGEP2(m->b, type, closure, (unsigned)i, "");
    align_capture(&c->items[i], LLVMBuildStore(m->b, value, slot));
  }
  LLVMTypeRef params[] = {m->ptr, m->ptr, m->ptr, m->i64, m->i64};
  LLVMValueRef args[] = {f->env, body, closure, extent, tni_ll_index(m, 1)};
  LLVMValueRef parallel_for = tni_ll_env_function(f, offsetof(tn_env, parallel_for), "parallel_for");
  LLVMValueRef status = LLVMBuildCall2(m->b, LLVMFunctionType(m->i32, params, 5, 0), parallel_for, args, 5, "");
  tni_ll_forget_tiles(f);
  tni_ll_check(f, status);
}

void tni_ll_parallel(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  captures c = {.f = f};
  LLVMValueRef extent = tni_ll_expr(f, s->as.loop.extent);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  tni_ll_scope_init(&c.seen, &m->arena);
  collect_stmt(&c, s->as.loop.body);
  LLVMTypeRef type = closure_type(m, &c);
  if (m->arena.failed) return;
  LLVMValueRef body = define_body(f, &c, type, s);
  LLVMPositionBuilderAtEnd(m->b, here);
  if (body) call_parallel_for(f, &c, type, body, extent);
}

bool tni_ll_only_forks(const tn_stmt *s) {
  bool forks = true;
  switch (s->kind) {
  case TNI_FOR:
    return s->as.loop.kind == TNI_PARALLEL && s->as.loop.extent->op == TN_OP_const && s->as.loop.extent->as.i > 1 &&
           !tni_find_annotation(s->as.loop.notes, TNI_TILE_NOTE);
  case TNI_ALLOC: return tni_ll_only_forks(s->as.alloc.body);
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) forks &= tni_ll_only_forks(s->as.seq.stmts[i]);
    return forks;
  default: return false;
  }
}
