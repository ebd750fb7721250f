/* tree.c -- looking around in a function's body: paths, loops, blocks, who uses a buffer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "text.h"

static int walk_path(const tn_stmt *s, const tn_stmt *target, const tn_stmt **path, int depth) {
  if (!s || depth == TNI_MAX_PATH) return 0;
  path[depth] = s;
  if (s == target) return depth + 1;
  int found = 0;
  switch (s->kind) {
  case TNI_FOR: return walk_path(s->as.loop.body, target, path, depth + 1);
  case TNI_WHILE: return walk_path(s->as.repeat.body, target, path, depth + 1);
  case TNI_ALLOC:
  case TNI_LET:
  case TNI_ASSERT:
  case TNI_ASSUME: return walk_path(tni_rest(s), target, path, depth + 1);
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count && !found; i++)
      found = walk_path(s->as.seq.stmts[i], target, path, depth + 1);
    return found;
  case TNI_IF:
    found = walk_path(s->as.cond.then, target, path, depth + 1);
    return found ? found : walk_path(s->as.cond.otherwise, target, path, depth + 1);
  default: return 0;
  }
}

int tni_path_to(const tn_stmt *root, const tn_stmt *target, const tn_stmt **path) {
  return walk_path(root, target, path, 0);
}

typedef struct search {
  const tn_expr *var;
  const char *name;
  const tn_stmt *target, *found;
} search;

static bool look(void *self, const tn_stmt *s) {
  search *q = self;
  if ((s->kind == TNI_FOR && q->var && s->as.loop.var == q->var) ||
      (s->kind == TNI_BLOCK && q->name && strcmp(s->as.block.name, q->name) == 0) || (q->target && s == q->target))
    q->found = s;
  return !q->found && s->kind != TNI_BLOCK;
}

const tn_stmt *tni_find_loop(const tn_stmt *root, const tn_expr *var) {
  search q = {.var = var};
  tni_stmt_visit(root, look, &q);
  return q.found;
}

const tn_stmt *tni_find_block(const tn_stmt *root, const char *name) {
  search q = {.name = name};
  tni_stmt_visit(root, look, &q);
  return q.found;
}

bool tni_is_below(const tn_stmt *outer, const tn_stmt *inner) {
  search q = {.target = inner};
  tni_stmt_visit(outer, look, &q);
  return q.found != NULL;
}

const tn_stmt *tni_loop_above(const tn_stmt *root, const tn_stmt *target, int64_t index, size_t *count) {
  const tn_stmt *path[TNI_MAX_PATH], *loops[TNI_MAX_PATH];
  int depth = tni_path_to(root, target, path);
  int64_t found = 0;
  for (int i = 0; i < depth; i++)
    if (path[i]->kind == TNI_FOR && path[i] != target) loops[found++] = path[i];
  if (count) *count = (size_t)found;
  if (index < 0) index += found;
  return index >= 0 && index < found ? loops[index] : NULL;
}

typedef struct number_search {
  int64_t left;
  const tn_stmt *found;
} number_search;

static bool see_loop(void *self, const tn_stmt *s) {
  number_search *q = self;
  if (s->kind == TNI_FOR && !q->found && q->left-- == 0) q->found = s;
  return !q->found && s->kind != TNI_BLOCK;
}

const tn_stmt *tni_loop_number(const tn_stmt *root, int64_t index) {
  number_search q = {index, NULL};
  if (index >= 0) tni_stmt_visit(root, see_loop, &q);
  return q.found;
}

/* ---- edits ---- */

typedef struct swap {
  const tn_stmt *old, *made;
} swap;

static const tn_stmt *swap_one(void *self, tni_region *r, const tn_stmt *s) {
  (void)r;
  const swap *w = self;
  return s == w->old ? w->made : s;
}

const tn_stmt *tni_replace(tni_region *r, const tn_stmt *root, const tn_stmt *old, const tn_stmt *made) {
  swap w = {old, made};
  return made ? tni_stmt_rewrite(r, root, NULL, swap_one, &w) : NULL;
}

static bool is_empty(const tn_stmt *s) { return s->kind == TNI_SEQ && s->as.seq.count == 0; }

static const tn_stmt *drop(void *self, tni_region *r, const tn_stmt *s) {
  const char *name = self;
  if (s->kind == TNI_BLOCK && strcmp(s->as.block.name, name) == 0) return tni_seq(r, 0, NULL);
  if (s->kind == TNI_FOR && is_empty(s->as.loop.body)) return s->as.loop.body;
  if (s->kind == TNI_IF && is_empty(s->as.cond.then) && !s->as.cond.otherwise) return s->as.cond.then;
  return s;
}

const tn_stmt *tni_drop_block(tni_region *r, const tn_stmt *root, const char *name) {
  return root ? tni_stmt_rewrite(r, root, NULL, drop, (void *)name) : NULL;
}

/* All buffers that are read, written or given away. */
typedef struct used_buffers {
  tni_map map;
  bool failed;
} used_buffers;

static void use(used_buffers *used, const tn_buffer *buffer) {
  used->failed |= tni_map_add(&used->map, buffer, 0, NULL) == TNI_MAP_NONE;
}

static void use_read(void *self, const tn_expr *x) {
  if (x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) use(self, x->as.buffer);
}

static bool use_written(void *self, const tn_stmt *s) {
  if (tni_has_subscripts(s)) use(self, s->as.store.buffer);
  return true;
}

static const tn_stmt *drop_alloc(void *self, tni_region *r, const tn_stmt *s) {
  const used_buffers *used = self;
  (void)r;
  bool unused = s->kind == TNI_ALLOC && tni_map_find(&used->map, s->as.alloc.buffer, 0) == TNI_MAP_NONE;
  return unused ? s->as.alloc.body : s;
}

const tn_stmt *tni_drop_unused_allocs(tni_region *r, const tn_stmt *root) {
  used_buffers used = {.failed = false};
  if (!root) return NULL;
  tni_map_init(&used.map, r->arena.ctx);
  tni_stmt_visit_memory(r->arena.ctx, root, use_read, &used);
  tni_stmt_visit(root, use_written, &used);
  const tn_stmt *made = used.failed ? NULL : tni_stmt_rewrite(r, root, NULL, drop_alloc, &used);
  tni_map_destroy(&used.map);
  return made;
}

const char *tni_free_block_name(tni_region *r, const tn_stmt *root, const char *base) {
  for (int n = 0;; n++) {
    const char *name = n ? tni_arena_format(&r->arena, "%s_%d", base, n) : tni_arena_text(&r->arena, base);
    if (!name || !tni_find_block(root, name)) return name;
  }
}

const char *tni_why_not_again(const tn_stmt *loop) {
  return tni_expr_reads(loop->as.loop.extent) ? "its extent reads memory, and is evaluated once\n"
                                              "needs: a let that binds the extent"
                                            : NULL;
}

/* ---- uses ---- */

typedef struct use_search {
  tn_context *ctx;
  const tn_buffer *buffer;
  const tn_stmt *block;
  tni_uses uses;
  bool reads, writes;
} use_search;

static void see_expr(void *self, const tn_expr *x) {
  use_search *u = self;
  if (x->op == TNI_OP_ADDRESS && x->as.buffer == u->buffer) u->uses.loose++;
  if (x->op == TN_OP_load && x->as.buffer == u->buffer) u->reads = true;
}

static bool see_store(void *self, const tn_stmt *s) {
  use_search *u = self;
  if (s->kind == TNI_PREFETCH && s->as.store.buffer == u->buffer) u->uses.loose++;
  bool own = tni_is_write(s) && s->as.store.buffer == u->buffer;
  u->writes |= own;
  u->reads |= own && s->kind == TNI_REDUCE;
  return true;
}

static bool see_stmt(void *self, const tn_stmt *s) {
  use_search *u = self;
  u->reads = u->writes = false;
  const tn_expr *own = s->kind == TNI_EVALUATE ? NULL : tni_own_expr(s);
  if (own) {
    tni_expr_visit_memory(u->ctx, own, see_expr, u);
    u->uses.loose += u->reads;
    return true;
  }
  if (s->kind == TNI_SEQ || s->kind == TNI_ALLOC) return true;
  tni_stmt_visit_memory(u->ctx, s, see_expr, u);
  tni_stmt_visit(s, see_store, u);
  if (s->kind != TNI_BLOCK) {
    u->uses.loose += u->reads + u->writes;
  } else {
    u->uses.readers += u->reads;
    u->uses.writers += u->writes;
  }
  return false;
}

tni_uses tni_uses_of(tn_context *ctx, const tn_stmt *root, const tn_buffer *buffer) {
  use_search u = {.ctx = ctx, .buffer = buffer};
  tni_stmt_visit(root, see_stmt, &u);
  return u.uses;
}

const tn_stmt *tni_block_store(const tn_stmt *block) {
  const tn_stmt *body = block->as.block.body;
  return body->kind == TNI_STORE && !body->as.store.where ? body : NULL;
}

/* ---- extents ---- */

typedef struct scope_search {
  const tn_func *func;
  bool wrong;
} scope_search;

static void see_foreign(void *self, const tn_expr *x) {
  scope_search *q = self;
  bool own = x->op != TN_OP_var;
  for (uint32_t i = 0; i < q->func->param_count; i++) own |= q->func->params[i].scalar == x;
  q->wrong |= !own || x->op == TN_OP_load || x->op == TN_OP_call;
}

bool tni_is_of_function(tn_schedule *s, const tn_expr *x) {
  scope_search q = {.func = s->func};
  tni_expr_visit(s->ctx, x, see_foreign, &q);
  return !q.wrong;
}
