/* program.c -- programs: the functions, externals, graphs and blobs that live and die together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "import/import.h"

tn_status tn_program_create(tn_context *context, tn_program **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_program *program = tni_alloc_zero(context, sizeof *program);
  if (!program) return tni_fail_nomem(err);
  program->ctx = context;
  tni_region_init(&program->region, context, NULL);
  *out = program;
  return TN_OK;
}

void tn_program_destroy(tn_program *program) {
  if (!program) return;
  tn_context *ctx = program->ctx;
  program->moves = NULL; /* nobody asks */
  tni_program_fill(program);
  for (size_t i = 0; i < program->blob_count; i++) tni_blob_unref(program->blobs[i]);
  tni_free(ctx, program->funcs, program->func_capacity * sizeof *program->funcs);
  tni_free(ctx, program->externs, program->extern_capacity * sizeof *program->externs);
  tni_free(ctx, program->graphs, program->graph_capacity * sizeof *program->graphs);
  tni_free(ctx, program->blobs, program->blob_capacity * sizeof *program->blobs);
  tni_flow_unref(program->flow);
  tni_region_destroy(&program->region);
  tni_free(ctx, program, sizeof *program);
}

static size_t find_func(const tn_program *program, const char *name) {
  size_t i = 0;
  while (i < program->func_count && strcmp(program->funcs[i]->name, name) != 0) i++;
  return i;
}

const tn_func *tn_program_func(const tn_program *program, const char *name) {
  size_t i = find_func(program, name);
  return i < program->func_count ? program->funcs[i] : NULL;
}

size_t tn_program_func_count(const tn_program *program) { return program->func_count; }
const tn_func *tn_program_func_at(const tn_program *program, size_t i) {
  return i < program->func_count ? program->funcs[i] : NULL;
}
const char *tn_func_name(const tn_func *func) { return func->name; }

tn_status tni_program_add(tn_program *program, const tn_func *func, tn_error **err) {
  size_t i = find_func(program, func->name);
  if (i == program->func_count) {
    if (!tni_reserve(program->ctx, (void **)&program->funcs, &program->func_capacity, i + 1, sizeof *program->funcs))
      return tni_fail_nomem(err);
    program->func_count++;
  }
  program->funcs[i] = func;
  return TN_OK;
}

void tni_program_drop_last(tn_program *program, const tn_func *func) {
  assert(program->func_count && program->funcs[program->func_count - 1] == func);
  (void)func;
  program->func_count--;
}

tn_status tni_program_keep_blob(tn_program *program, tni_blob *blob, tn_error **err) {
  if (!tni_reserve(program->ctx, (void **)&program->blobs, &program->blob_capacity, program->blob_count + 1,
                   sizeof *program->blobs)) {
    tni_blob_unref(blob);
    return tni_fail_nomem(err);
  }
  program->blobs[program->blob_count++] = blob;
  return TN_OK;
}

/* ---- externals ---- */

const tni_extern *tni_program_find_extern(const tn_program *program, const char *name) {
  for (size_t i = 0; i < program->extern_count; i++)
    if (strcmp(program->externs[i].name, name) == 0) return &program->externs[i];
  return NULL;
}

static bool is_c_scalar(tn_type type) {
  return type == TN_BOOL || tni_type_is_int(type) || type == TN_F32 || type == TN_F64 || type == TN_INDEX ||
         type == TN_POINTER;
}

static bool is_name(const char *name) {
  if (!name || !*name || (*name >= '0' && *name <= '9')) return false;
  for (; *name; name++)
    if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') ||
          *name == '_' || *name == '.'))
      return false;
  return true;
}

static bool same_signature(const tni_extern *e, tn_type result, size_t count, const tn_type *params) {
  return e->result == result && e->param_count == count &&
         (count == 0 || memcmp(e->params, params, count * sizeof *params) == 0);
}

static tn_status check_signature(tn_program *program, const char *name, tn_type result, size_t count,
                                 const tn_type *params, tn_error **err) {
  if (!is_name(name))
    return tni_fail(program->ctx, err, TN_E_INVALID, "build", name,
                    "the name of an external is made of letters, digits, _ and .");
  char text[16];
  if (result != TN_VOID && (result == TN_POINTER || !is_c_scalar(result)))
    return tni_fail(program->ctx, err, TN_E_INVALID, "build", name, "an external cannot return %s",
                    tn_type_text(result, text));
  for (size_t i = 0; i < count; i++)
    if (!is_c_scalar(params[i]))
      return tni_fail(program->ctx, err, TN_E_INVALID, "build", name, "parameter %zu: an external cannot take %s",
                      i + 1, tn_type_text(params[i], text));
  return TN_OK;
}

static tn_status add_extern(tn_program *program, const char *name, tn_type result, size_t count, const tn_type *params,
                            tni_extern **out, tn_error **err) {
  char *kept = tni_arena_text(&program->region.arena, name);
  tn_type *types = tni_arena_copy(&program->region.arena, params, count * sizeof *params);
  if (!kept || !types ||
      !tni_reserve(program->ctx, (void **)&program->externs, &program->extern_capacity, program->extern_count + 1,
                   sizeof *program->externs))
    return tni_fail_nomem(err);
  *out = &program->externs[program->extern_count++];
  **out = (tni_extern){.name = kept, .result = result, .param_count = (uint32_t)count, .params = types};
  return TN_OK;
}

tn_status tni_program_declare(tn_program *program, const char *name, tn_type result, size_t count,
                              const tn_type *params, tn_error **err) {
  tni_extern *e = (tni_extern *)tni_program_find_extern(program, name);
  tn_status status = check_signature(program, name, result, count, params, err);
  if (status) return status;
  if (e && !same_signature(e, result, count, params))
    return tni_fail(program->ctx, err, TN_E_INVALID, "build", name, "this external is declared with another signature");
  return e ? TN_OK : add_extern(program, name, result, count, params, &e, err);
}

tn_status tn_program_extern(tn_program *program, const char *name, tn_type result, size_t count, const tn_type *params,
                            void (*function)(void), void *self, tn_error **err) {
  if (err) *err = NULL;
  tn_status status = tni_program_declare(program, name, result, count, params, err);
  if (status) return status;
  tni_extern *e = (tni_extern *)tni_program_find_extern(program, name);
  e->function = function;
  e->self = self;
  return TN_OK;
}

/* ---- deep copies ---- */

/* Copies nodes into another region: variables and buffers get new identities, remembered by uid. */
typedef struct cloner {
  tni_region *r;
  const tn_expr **vars; /* old, new, old, new ... */
  size_t var_count, var_capacity;
  const tn_buffer **buffers;
  size_t buffer_count, buffer_capacity;
  tni_rewrites done;
  bool failed;
} cloner;

static const tn_expr *clone_expr(cloner *c, const tn_expr *x);

static const tn_expr *clone_var(cloner *c, const tn_expr *x) {
  for (size_t i = c->var_count; i > 0; i -= 2)
    if (c->vars[i - 2] == x) return c->vars[i - 1];
  const tn_expr *y = tni_var(c->r, x->as.name, x->type);
  if (!y || !tni_reserve(c->r->arena.ctx, (void **)&c->vars, &c->var_capacity, c->var_count + 2, sizeof *c->vars)) {
    c->failed = true;
    return NULL;
  }
  c->vars[c->var_count++] = x;
  c->vars[c->var_count++] = y;
  return y;
}

static const tni_layout *clone_layout(cloner *c, const tn_buffer *b, const tn_expr *const *shape) {
  const tn_expr *vars[TN_MAX_RANK], *index[TN_MAX_RANK];
  for (int32_t i = 0; i < b->rank; i++) vars[i] = clone_var(c, b->layout->vars[i]);
  for (int32_t i = 0; i < b->layout->rank; i++) index[i] = clone_expr(c, b->layout->index[i]);
  return tni_layout_make(c->r, b->rank, shape, vars, b->layout->rank, index);
}

static const tn_buffer *clone_buffer(cloner *c, const tn_buffer *b) {
  for (size_t i = c->buffer_count; i > 0; i -= 2)
    if (c->buffers[i - 2] == b) return c->buffers[i - 1];
  tn_buffer form = *b;
  const tn_expr *strides[TN_MAX_RANK];
  for (int32_t i = 0; i < b->rank; i++) form.shape[i] = clone_expr(c, b->shape[i]);
  for (int32_t i = 0; b->strides && i < tni_memory_rank(b); i++) strides[i] = clone_expr(c, b->strides[i]);
  form.strides = b->strides ? strides : NULL;
  form.offset = clone_expr(c, b->offset);
  form.layout = b->layout ? clone_layout(c, b, form.shape) : NULL;
  const tn_buffer *d = b->layout && !form.layout ? NULL : tni_buffer_make(c->r, &form);
  if (!d || !tni_reserve(c->r->arena.ctx, (void **)&c->buffers, &c->buffer_capacity, c->buffer_count + 2,
                         sizeof *c->buffers)) {
    c->failed = true;
    return NULL;
  }
  c->buffers[c->buffer_count++] = b;
  c->buffers[c->buffer_count++] = d;
  return d;
}

/* The node, of clones of its arguments. */
static const tn_expr *clone_node(void *self, tni_region *r, const tn_expr *x, const tn_expr *const *args) {
  cloner *c = self;
  if (x->op == TN_OP_var) return clone_var(c, x);
  if (x->op == TNI_OP_ADDRESS) return tni_address(r, clone_buffer(c, x->as.buffer));
  if (x->op == TN_OP_load) {
    int32_t count = tni_load_count(x);
    return tni_load(r, x->type, clone_buffer(c, x->as.buffer), (size_t)count, args, count < x->nargs ? args[count] : NULL);
  }
  if (x->op == TN_OP_shuffle) return tni_shuffle(r, x->nargs, args, TN_TYPE_LANES(x->type), x->as.lanes);
  tn_expr head = *x;
  if (x->op == TN_OP_call && !(head.as.name = tni_arena_text(&r->arena, x->as.name))) return NULL;
  return tni_region_intern(r, &head, x->nargs, args);
}

/* NULL gives NULL. A condition that got lost would be none: so a failure is noted here. */
static const tn_expr *clone_expr(cloner *c, const tn_expr *x) {
  const tn_expr *y = x ? tni_expr_remake(c->r, &c->done, x, clone_node, c) : NULL;
  c->failed |= x && !y;
  return y;
}

static const tn_stmt *clone_stmt(cloner *c, const tn_stmt *s);

static const tn_stmt *clone_block(cloner *c, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  tni_iter *iters = tni_arena_copy(&c->r->arena, s->as.block.iters, (size_t)count * sizeof *iters);
  for (int32_t i = 0; iters && i < count; i++) {
    iters[i].extent = clone_expr(c, iters[i].extent);
    iters[i].binding = clone_expr(c, iters[i].binding);
    iters[i].var = clone_var(c, iters[i].var);
  }
  const tn_stmt *init = s->as.block.init ? clone_stmt(c, s->as.block.init) : NULL;
  if (!iters || (s->as.block.init && !init)) return NULL;
  return tni_block(c->r, s->as.block.name, count, iters, clone_expr(c, s->as.block.where), init,
                   clone_stmt(c, s->as.block.body));
}

static const tn_stmt *clone_seq(cloner *c, const tn_stmt *s) {
  const tn_stmt **items = TNI_NEW_ARRAY(&c->r->arena, const tn_stmt *, s->as.seq.count);
  for (int32_t i = 0; items && i < s->as.seq.count; i++) items[i] = clone_stmt(c, s->as.seq.stmts[i]);
  return items ? tni_seq(c->r, s->as.seq.count, items) : NULL;
}

static const tn_stmt *clone_bare(cloner *c, const tn_stmt *s);

static const tn_stmt *clone_stmt(cloner *c, const tn_stmt *s) {
  const tn_stmt *t = clone_bare(c, s);
  tni_annotations notes = tni_annotations_of(s);
  return notes.count ? tni_annotated(c->r, t, notes) : t;
}

/* Without the annotations. */
static const tn_stmt *clone_bare(cloner *c, const tn_stmt *s) {
  const tn_expr *index[TN_MAX_RANK];
  const tn_stmt *otherwise;
  switch (s->kind) {
  case TNI_FOR:
    return tni_for(c->r, clone_var(c, s->as.loop.var), clone_expr(c, s->as.loop.extent), s->as.loop.kind,
                   clone_stmt(c, s->as.loop.body));
  case TNI_BLOCK: return clone_block(c, s);
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY:
  case TNI_PREFETCH:
    for (int32_t i = 0; i < s->as.store.count; i++) index[i] = clone_expr(c, s->as.store.index[i]);
    return tni_store_like(c->r, s, clone_buffer(c, s->as.store.buffer), s->as.store.count, index,
                     clone_expr(c, s->as.store.value), clone_expr(c, s->as.store.where));
  case TNI_SEQ: return clone_seq(c, s);
  case TNI_IF:
    otherwise = s->as.cond.otherwise ? clone_stmt(c, s->as.cond.otherwise) : NULL;
    c->failed |= s->as.cond.otherwise && !otherwise;
    return tni_if(c->r, clone_expr(c, s->as.cond.cond), clone_stmt(c, s->as.cond.then), otherwise);
  case TNI_WHILE: return tni_while(c->r, clone_expr(c, s->as.repeat.cond), clone_stmt(c, s->as.repeat.body));
  case TNI_ALLOC: return tni_alloc_stmt(c->r, clone_buffer(c, s->as.alloc.buffer), clone_stmt(c, s->as.alloc.body));
  case TNI_LET:
    return tni_let(c->r, clone_var(c, s->as.let.var), clone_expr(c, s->as.let.value), clone_stmt(c, s->as.let.body));
  case TNI_ASSERT:
  case TNI_ASSUME:
    return tni_claim(c->r, clone_expr(c, s->as.claim.cond), s->as.claim.message, clone_stmt(c, s->as.claim.body));
  case TNI_EVALUATE: return tni_evaluate(c->r, clone_expr(c, s->as.evaluate.call));
  case TNI_BARRIER: return tni_barrier(c->r, s->as.barrier.scope);
  case TNI_COMMIT: return tni_commit(c->r);
  case TNI_WAIT: return tni_wait(c->r, s->as.wait.pending);
  case TNI_STMT_KIND_COUNT: break;
  }
  return NULL;
}

tn_func *tni_func_clone(tni_region *region, const tn_func *func, tn_program *program) {
  cloner c = {.r = region, .done = {.ctx = region->arena.ctx}};
  tn_func *copy = tni_arena_copy(&region->arena, func, sizeof *func);
  tni_param *params = TNI_NEW_ARRAY(&region->arena, tni_param, func->param_count);
  for (uint32_t i = 0; params && i < func->param_count; i++) {
    if (func->params[i].buffer)
      params[i].buffer = clone_buffer(&c, func->params[i].buffer);
    else
      params[i].scalar = clone_var(&c, func->params[i].scalar);
    c.failed |= !params[i].buffer && !params[i].scalar;
  }
  const tn_stmt *body = func->body ? clone_stmt(&c, func->body) : NULL;
  bool ok = copy && params && !c.failed && (!func->body || body) && !region->arena.failed;
  if (ok) {
    copy->name = tni_arena_text(&region->arena, func->name);
    copy->params = params;
    copy->body = body;
    copy->program = program;
    copy->region = region;
    ok = copy->name != NULL;
  }
  tni_free(region->arena.ctx, c.vars, c.var_capacity * sizeof *c.vars);
  tni_free(region->arena.ctx, c.buffers, c.buffer_capacity * sizeof *c.buffers);
  tni_rewrites_destroy(&c.done);
  return ok ? copy : NULL;
}
