/* stmt.c -- statements into blocks: loops, branches, buffers of the function, early exits.
 *
 *     for v in 0..n { S }   ->   if 0 < n { v = 0; do { S; v = v + 1 } while v < n }
 *
 * Whatever fails (a parallel region, an external, scratch memory) goes through the unwind blocks: each releases what
 * one allocation holds and passes the status on; the outermost returns it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "llvm.h"

LLVMBasicBlockRef tni_ll_block(tni_ll_function *f, const char *name) {
  return LLVMAppendBasicBlockInContext(f->m->llvm, f->value, name);
}

/* ---- early exits ----------------------------------------------------------------------------------------------- */

static LLVMValueRef status_value(tni_ll_module *m, tn_status status) {
  return LLVMConstInt(m->i32, (uint64_t)status, 0);
}

/* Branches to the unwind blocks when `failed` is true, with `status`. */
static void leave_if(tni_ll_function *f, LLVMValueRef failed, LLVMValueRef status) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(f->m->b), next = tni_ll_block(f, "ok");
  LLVMBuildCondBr(f->m->b, failed, f->unwind->block, next);
  LLVMAddIncoming(f->unwind->status, &status, &here, 1);
  LLVMPositionBuilderAtEnd(f->m->b, next);
}

void tni_ll_check(tni_ll_function *f, LLVMValueRef status) {
  leave_if(f, LLVMBuildICmp(f->m->b, LLVMIntNE, status, status_value(f->m, 0), ""), status);
}

/* A new innermost unwind block, empty but for its phi. NULL without memory. */
static tni_ll_unwind *push_unwind(tni_ll_function *f) {
  tni_ll_module *m = f->m;
  tni_ll_unwind *u = TNI_NEW(&m->arena, tni_ll_unwind);
  if (!u) return NULL;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  u->block = tni_ll_block(f, "unwind");
  LLVMPositionBuilderAtEnd(m->b, u->block);
  u->status = LLVMBuildPhi(m->b, m->i32, "status");
  u->outer = f->unwind;
  f->unwind = u;
  if (here) LLVMPositionBuilderAtEnd(m->b, here);
  return u;
}

static void call_release(tni_ll_function *f, LLVMValueRef pointer) {
  tni_ll_module *m = f->m;
  LLVMTypeRef params[] = {m->ptr, m->ptr};
  LLVMValueRef args[] = {f->env, pointer};
  LLVMValueRef release = tni_ll_env_function(f, offsetof(tn_env, release), "release");
  LLVMBuildCall2(m->b, LLVMFunctionType(m->void_type, params, 2, 0), release, args, 2, "");
}

/* Ends the innermost unwind block: releases `pointer` (may be NULL) and goes on outwards. Unused blocks vanish. */
static void pop_unwind(tni_ll_function *f, LLVMValueRef pointer) {
  tni_ll_module *m = f->m;
  tni_ll_unwind *u = f->unwind;
  f->unwind = u->outer;
  if (LLVMCountIncoming(u->status) == 0) {
    LLVMDeleteBasicBlock(u->block);
    return;
  }
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  LLVMMoveBasicBlockAfter(u->block, here);
  LLVMPositionBuilderAtEnd(m->b, u->block);
  if (pointer) call_release(f, pointer);
  if (u->outer) {
    LLVMAddIncoming(u->outer->status, &u->status, &u->block, 1);
    LLVMBuildBr(m->b, u->outer->block);
  } else {
    tni_ll_release_tiles(f);
    LLVMBuildRet(m->b, u->status);
  }
  LLVMPositionBuilderAtEnd(m->b, here);
}

void tni_ll_function_begin(tni_ll_function *f, tni_ll_module *m, const tn_func *func, LLVMValueRef value) {
  *f = (tni_ll_function){.m = m, .func = func, .value = value, .env = LLVMGetParam(value, 0), .epoch = 1};
  tni_ll_scope_init(&f->scope, &m->arena);
  LLVMBasicBlockRef entry = tni_ll_block(f, "entry"), start = tni_ll_block(f, "start");
  LLVMPositionBuilderAtEnd(m->b, entry);
  f->entry_end = LLVMBuildBr(m->b, start);
  LLVMPositionBuilderAtEnd(m->b, start);
  push_unwind(f);
}

void tni_ll_function_end(tni_ll_function *f) {
  tni_ll_release_tiles(f);
  LLVMBuildRet(f->m->b, status_value(f->m, TN_OK));
  if (f->unwind) pop_unwind(f, NULL);
}

/* ---- loops ----------------------------------------------------------------------------------------------------- */

static LLVMMetadataRef string_metadata(tni_ll_module *m, const char *text) {
  return LLVMMDStringInContext2(m->llvm, text, strlen(text));
}

/* Tells LLVM to leave the loop as we wrote it. */
static void mark_loop(tni_ll_module *m, LLVMValueRef branch) {
  LLVMMetadataRef off = LLVMValueAsMetadata(LLVMConstInt(m->i1, 0, 0));
  LLVMMetadataRef unroll = string_metadata(m, "llvm.loop.unroll.disable");
  LLVMMetadataRef vectorize[] = {string_metadata(m, "llvm.loop.vectorize.enable"), off};
  LLVMMetadataRef self = LLVMTemporaryMDNode(m->llvm, NULL, 0);
  LLVMMetadataRef parts[] = {self, LLVMMDNodeInContext2(m->llvm, &unroll, 1),
                             LLVMMDNodeInContext2(m->llvm, vectorize, 2)};
  LLVMMetadataRef node = LLVMMDNodeInContext2(m->llvm, parts, 3);
  LLVMMetadataReplaceAllUsesWith(self, node);
  LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(m->llvm, "llvm.loop", 9), LLVMMetadataAsValue(m->llvm, node));
}

static void bind_loop_variable(tni_ll_function *f, const tn_expr *var, LLVMValueRef value) {
  tni_ll_entry *entry = tni_ll_scope_add(&f->scope, var, value);
  if (!entry) return;
  entry->binding = entry->nonneg = true;
}

void tni_ll_loop(tni_ll_function *f, const tn_expr *var, LLVMValueRef begin, LLVMValueRef end, bool enters,
                 const tn_stmt *body) {
  tni_ll_module *m = f->m;
  LLVMBuilderRef b = m->b;
  tni_ll_counters counters;
  tni_ll_counters_find(f, var, begin, body, &counters);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), loop = tni_ll_block(f, var->as.name),
                    after = tni_ll_block(f, "after");
  if (enters) {
    LLVMBuildBr(b, loop);
  } else {
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, begin, end, ""), loop, after);
  }
  LLVMPositionBuilderAtEnd(b, loop);
  LLVMValueRef i = LLVMBuildPhi(b, m->i64, var->as.name);
  LLVMAddIncoming(i, &begin, &before, 1);
  size_t mark = f->scope.used;
  bind_loop_variable(f, var, i);
  tni_ll_counters_begin(f, &counters, before);
  tni_ll_stmt(f, body);
  tni_ll_scope_pop(&f->scope, mark);
  tni_ll_counters_next(f, &counters);
  LLVMValueRef next = LLVMBuildNSWAdd(b, i, tni_ll_index(m, 1), "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
  LLVMAddIncoming(i, &next, &latch, 1);
  mark_loop(m, LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, end, ""), loop, after));
  LLVMMoveBasicBlockAfter(after, latch);
  LLVMPositionBuilderAtEnd(b, after);
}

static void emit_for(tni_ll_function *f, const tn_stmt *s) {
  const tn_expr *extent = s->as.loop.extent;
  bool constant = extent->op == TN_OP_const;
  if (constant && extent->as.i <= 0) return;
  if (tni_ll_tile(f, s)) return;
  if (s->as.loop.kind == TNI_PARALLEL && !f->in_parallel && !(constant && extent->as.i == 1)) {
    tni_ll_parallel(f, s);
    return;
  }
  if (s->as.loop.kind == TNI_OUTLINED) {
    tni_ll_outline(f, s);
    return;
  }
  tni_ll_loop(f, s->as.loop.var, tni_ll_index(f->m, 0), tni_ll_expr(f, extent), constant, s->as.loop.body);
}

/* ---- branches -------------------------------------------------------------------------------------------------- */

static void emit_branch(tni_ll_function *f, LLVMBasicBlockRef block, const tn_stmt *s, LLVMBasicBlockRef after) {
  LLVMPositionBuilderAtEnd(f->m->b, block);
  size_t mark = f->scope.used;
  tni_ll_stmt(f, s);
  tni_ll_scope_pop(&f->scope, mark);
  LLVMBuildBr(f->m->b, after);
}

static void emit_if(tni_ll_function *f, const tn_stmt *s) {
  const tn_stmt *otherwise = s->as.cond.otherwise;
  LLVMValueRef condition = tni_ll_expr(f, s->as.cond.cond);
  LLVMBasicBlockRef then = tni_ll_block(f, "then"), other = otherwise ? tni_ll_block(f, "else") : NULL;
  LLVMBasicBlockRef after = tni_ll_block(f, "end");
  LLVMBuildCondBr(f->m->b, condition, then, other ? other : after);
  emit_branch(f, then, s->as.cond.then, after);
  if (other) emit_branch(f, other, otherwise, after);
  LLVMMoveBasicBlockAfter(after, LLVMGetInsertBlock(f->m->b));
  LLVMPositionBuilderAtEnd(f->m->b, after);
}

/* ---- buffers of the function ----------------------------------------------------------------------------------- */

LLVMValueRef tni_ll_alloca(tni_ll_function *f, LLVMTypeRef type, uint64_t count, unsigned align, const char *name) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(f->m->b);
  LLVMPositionBuilderBefore(f->m->b, f->entry_end);
  LLVMValueRef slot = LLVMBuildAlloca(f->m->b, count == 1 ? type : LLVMArrayType2(type, count), name);
  LLVMSetAlignment(slot, align);
  LLVMPositionBuilderAtEnd(f->m->b, here);
  return slot;
}

static unsigned align_of(const tn_buffer *buffer) {
  return buffer->align > TNI_LL_ALIGN ? buffer->align : TNI_LL_ALIGN;
}

/* The number of elements, if it is a constant that is no overflow. */
static bool constant_size(const tn_buffer *buffer, uint64_t *count) {
  *count = 1;
  for (int32_t i = 0; i < buffer->rank; i++) {
    if (buffer->shape[i]->op != TN_OP_const || buffer->shape[i]->as.i < 0) return false;
    if (__builtin_mul_overflow(*count, (uint64_t)buffer->shape[i]->as.i, count)) return false;
  }
  return true;
}

static void bind_buffer(tni_ll_function *f, const tn_buffer *buffer, LLVMValueRef pointer, unsigned align) {
  tni_ll_entry *entry = tni_ll_scope_add(&f->scope, buffer, pointer);
  if (!entry) return;
  entry->binding = true;
  entry->align = align;
}

bool tni_ll_has_stack(tni_ll_function *f, uint64_t bytes, const char *what) {
  if (bytes <= TNI_LL_STACK_BYTES - f->stack_bytes - f->callee_bytes) return true;
  tni_ll_fail(f->m, TN_E_LIMIT, f->func->name, "with `%s` the function needs more than %d bytes of stack", what,
              TNI_LL_STACK_BYTES);
  return false;
}

static void emit_on_stack(tni_ll_function *f, const tn_buffer *buffer, const tn_stmt *body) {
  uint64_t count;
  if (!constant_size(buffer, &count)) {
    tni_ll_fail(f->m, TN_E_UNSUPPORTED, f->func->name, "`%s` is on the stack and has no constant size", buffer->name);
    return;
  }
  uint64_t bytes = tn_array_bytes(buffer->type, count > INT64_MAX ? -1 : (int64_t)count);
  if (!tni_ll_has_stack(f, bytes, buffer->name)) return;
  f->stack_bytes += bytes;
  LLVMTypeRef type = tni_ll_memory_type(f->m, buffer->type);
  if (tni_type_is_packed(buffer->type)) count = bytes;
  unsigned align = align_of(buffer);
  bind_buffer(f, buffer, tni_ll_alloca(f, type, count ? count : 1, align, buffer->name), align);
  tni_ll_stmt(f, body);
}

/* Bytes of the buffer, at least 1: scratch memory of size 0 would be NULL. */
static LLVMValueRef byte_size(tni_ll_function *f, const tn_buffer *buffer) {
  tni_ll_module *m = f->m;
  LLVMTypeRef i64 = m->i64;
  LLVMValueRef size = tni_ll_index(m, (int64_t)tn_type_bytes(buffer->type));
  for (int32_t i = 0; i < buffer->rank; i++) {
    size = LLVMBuildNSWMul(m->b, size, tni_ll_expr(f, buffer->shape[i]), "");
  }
  if (tni_type_is_packed(buffer->type)) { /* several elements to a byte, rounded up */
    int64_t each = 8 / TN_TYPE_BITS(buffer->type);
    size = LLVMBuildNSWAdd(m->b, size, tni_ll_index(m, each - 1), "");
    size = LLVMBuildUDiv(m->b, size, tni_ll_index(m, each), "");
  }
  LLVMValueRef args[] = {size, tni_ll_index(m, 1)};
  return tni_ll_intrinsic(m, "llvm.smax", 1, &i64, 2, args);
}

static LLVMValueRef call_scratch(tni_ll_function *f, LLVMValueRef bytes, const char *name) {
  tni_ll_module *m = f->m;
  LLVMTypeRef params[] = {m->ptr, m->i64};
  LLVMValueRef args[] = {f->env, bytes};
  LLVMValueRef scratch = tni_ll_env_function(f, offsetof(tn_env, scratch), "scratch");
  LLVMValueRef pointer = LLVMBuildCall2(m->b, LLVMFunctionType(m->ptr, params, 2, 0), scratch, args, 2, name);
  unsigned noalias = LLVMGetEnumAttributeKindForName("noalias", 7);
  LLVMAddCallSiteAttribute(pointer, LLVMAttributeReturnIndex, LLVMCreateEnumAttribute(m->llvm, noalias, 0));
  return pointer;
}

/* The first address from `pointer` on, which is a multiple of TNI_LL_ALIGN, that has the buffer's alignment. */
static LLVMValueRef align_pointer(tni_ll_function *f, LLVMValueRef pointer, unsigned align) {
  tni_ll_module *m = f->m;
  LLVMValueRef slack = tni_ll_index(m, align - TNI_LL_ALIGN), mask = tni_ll_index(m, -(int64_t)align);
  LLVMValueRef last = LLVMBuildGEP2(m->b, m->i8, pointer, &slack, 1, "");
  LLVMTypeRef types[] = {m->ptr, m->i64};
  LLVMValueRef args[] = {last, mask};
  return tni_ll_intrinsic(m, "llvm.ptrmask", 2, types, 2, args);
}

/* Scratch memory is aligned to TNI_LL_ALIGN; more takes more of it. */
static void emit_scratch(tni_ll_function *f, const tn_buffer *buffer, const tn_stmt *body) {
  tni_ll_module *m = f->m;
  unsigned align = align_of(buffer);
  LLVMValueRef bytes = byte_size(f, buffer);
  if (align > TNI_LL_ALIGN) bytes = LLVMBuildNSWAdd(m->b, bytes, tni_ll_index(m, align - TNI_LL_ALIGN), "");
  LLVMValueRef pointer = call_scratch(f, bytes, buffer->name);
  LLVMValueRef none = LLVMBuildICmp(m->b, LLVMIntEQ, pointer, LLVMConstNull(m->ptr), "");
  leave_if(f, none, status_value(m, TN_E_NOMEM));
  if (!push_unwind(f)) return;
  bind_buffer(f, buffer, align > TNI_LL_ALIGN ? align_pointer(f, pointer, align) : pointer, align);
  tni_ll_stmt(f, body);
  call_release(f, pointer);
  pop_unwind(f, pointer);
}

static void emit_alloc(tni_ll_function *f, const tn_stmt *s) {
  const tn_buffer *buffer = s->as.alloc.buffer;
  size_t mark = f->scope.used;
  if (buffer->scope == TNI_SCOPE_GLOBAL) {
    emit_scratch(f, buffer, s->as.alloc.body);
  } else {
    emit_on_stack(f, buffer, s->as.alloc.body);
  }
  tni_ll_scope_pop(&f->scope, mark);
}

/* head: if cond { S; goto head } */
static void emit_while(tni_ll_function *f, const tn_stmt *s) {
  LLVMBuilderRef b = f->m->b;
  LLVMBasicBlockRef head = tni_ll_block(f, "while"), body = tni_ll_block(f, "body"), after = tni_ll_block(f, "after");
  size_t mark = f->scope.used;
  LLVMBuildBr(b, head);
  LLVMPositionBuilderAtEnd(b, head);
  f->epoch++; /* each time anew */
  LLVMBuildCondBr(b, tni_ll_expr(f, s->as.repeat.cond), body, after);
  LLVMPositionBuilderAtEnd(b, body);
  tni_ll_stmt(f, s->as.repeat.body);
  mark_loop(f->m, LLVMBuildBr(b, head));
  tni_ll_scope_pop(&f->scope, mark);
  LLVMMoveBasicBlockAfter(after, LLVMGetInsertBlock(b));
  LLVMPositionBuilderAtEnd(b, after);
}

/* ---- lets ------------------------------------------------------------------------------------------------------- */

static void emit_let(tni_ll_function *f, const tn_stmt *s) {
  const tn_expr *value = s->as.let.value;
  LLVMValueRef computed = tni_ll_expr(f, value);
  size_t mark = f->scope.used;
  tni_ll_entry *entry = tni_ll_scope_add(&f->scope, s->as.let.var, computed);
  if (!entry) return;
  entry->binding = true;
  entry->nonneg = tni_ll_nonneg(f, value);
  tni_ll_stmt(f, s->as.let.body);
  tni_ll_scope_pop(&f->scope, mark);
}

/* ---- asserts ---------------------------------------------------------------------------------------------------- */

/* "f: the message", in the object. */
static LLVMValueRef assertion_text(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  const char *text = tni_arena_format(&m->arena, "%s: %s", f->func->name, s->as.claim.message);
  if (!text) return NULL;
  LLVMValueRef bytes = LLVMConstStringInContext2(m->llvm, text, strlen(text), 0);
  LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(bytes), "assertion");
  LLVMSetInitializer(global, bytes);
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  return global;
}

/* if !cond leave with env->assertion(env, text) */
static void emit_assert(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  LLVMBasicBlockRef failed = tni_ll_block(f, "failed"), held = tni_ll_block(f, "held");
  LLVMBuildCondBr(m->b, tni_ll_expr(f, s->as.claim.cond), held, failed);
  LLVMPositionBuilderAtEnd(m->b, failed);
  LLVMTypeRef params[] = {m->ptr, m->ptr};
  LLVMValueRef args[] = {f->env, assertion_text(f, s)};
  if (!args[1]) return;
  LLVMValueRef assertion = tni_ll_env_function(f, offsetof(tn_env, assertion), "assertion");
  LLVMValueRef status = LLVMBuildCall2(m->b, LLVMFunctionType(m->i32, params, 2, 0), assertion, args, 2, "");
  LLVMBuildBr(m->b, f->unwind->block);
  LLVMAddIncoming(f->unwind->status, &status, &failed, 1);
  LLVMPositionBuilderAtEnd(m->b, held);
  tni_ll_stmt(f, s->as.claim.body);
}

/* ---- stores behind each other ------------------------------------------------------------------------------------ */

enum { MAX_RUN = 16 };

/* Stores of which none reads what one before it writes: what one has loaded, the next ones need not load again. */
typedef struct run {
  size_t count;
  const tn_buffer *stored[MAX_RUN];
  bool apart; /* the statement looked at cannot be one of them */
} run;

static void see_read(void *self, const tn_expr *x) {
  run *q = self;
  q->apart |= x->op == TN_OP_call || x->op == TNI_OP_ADDRESS;
  for (size_t i = 0; i < q->count; i++) q->apart |= x->op == TN_OP_load && x->as.buffer == q->stored[i];
}

/* Does the statement go on with the run? */
static bool goes_on(run *q, tn_context *ctx, const tn_stmt *s) {
  q->apart = s->kind != TNI_STORE || q->count == MAX_RUN;
  if (!q->apart) tni_stmt_visit_exprs(ctx, s, see_read, q);
  return !q->apart;
}

static void emit_one(tni_ll_function *f, run *q, const tn_stmt *s) {
  if (!goes_on(q, f->m->ctx, s)) {
    q->count = 0;
    f->epoch++; /* what was read before may have been written */
  }
  if (goes_on(q, f->m->ctx, s)) {
    tni_ll_store(f, s);
    q->stored[q->count++] = s->as.store.buffer;
  } else {
    tni_ll_stmt(f, s);
    f->epoch++;
  }
}

/* Some statements are done together with those behind them. */
static void emit_seq(tni_ll_function *f, const tn_stmt *s) {
  int32_t count = s->as.seq.count, done;
  const tn_stmt *const *stmts = s->as.seq.stmts;
  run q = {0};
  for (int32_t i = 0; i < count && f->m->status == TN_OK; i += done) {
    uint32_t of_run = f->epoch++; /* what is done together reads what the run wrote */
    bool tile = i + 1 < count && tni_ll_tile_behind(f, stmts[i], stmts[i + 1]);
    done = tile ? 2 : tni_ll_store_interleaved(f, count - i, stmts + i);
    if (!done) done = tni_ll_store_transposed(f, count - i, stmts + i);
    if (done) {
      q.count = 0;
      f->epoch++;
    } else {
      f->epoch = of_run;
      emit_one(f, &q, stmts[i]);
      done = 1;
    }
  }
  f->epoch++;
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

void tni_ll_stmt(tni_ll_function *f, const tn_stmt *s) {
  if (!s || f->m->status != TN_OK || f->m->arena.failed) return;
  f->epoch++; /* what was read before may have been written */
  switch (s->kind) {
  case TNI_FOR: emit_for(f, s); break;
  case TNI_SEQ: emit_seq(f, s); break;
  case TNI_STORE:
  case TNI_COPY: tni_ll_store(f, s); break; /* done at once: nobody looks before it is waited for */
  case TNI_COMMIT:
  case TNI_WAIT: break;
  case TNI_REDUCE: tni_ll_reduce(f, s); break;
  case TNI_PREFETCH: tni_ll_prefetch(f, s); break;
  case TNI_IF: emit_if(f, s); break;
  case TNI_ALLOC: emit_alloc(f, s); break;
  case TNI_WHILE: emit_while(f, s); break;
  case TNI_LET: emit_let(f, s); break;
  case TNI_ASSERT: emit_assert(f, s); break;
  case TNI_ASSUME: tni_ll_stmt(f, s->as.claim.body); break;
  case TNI_EVALUATE: tni_ll_expr(f, s->as.evaluate.call); break;
  default: tni_ll_fail(f->m, TN_E_COMPILER, f->func->name, "a block or a barrier on the loop level"); break;
  }
}
