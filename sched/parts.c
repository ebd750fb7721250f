/* parts.c -- a loop over a part of another one's range.
 *
 *     for i in 0..n { S }  ->  for i in 0..count { S[i := first + i] }
 *
 * The part from 0 on keeps what S declares, so that handles of it stay good; others have variables and buffers of their own.
 * Names of blocks that are there several times are told apart by tni_rename_blocks, when the parts stand in the body. A
 * reduction that never is at its first step in that part has no init there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"
#include "lower/lower.h"

static bool learn_loop(void *self, const tn_stmt *s) {
  tni_facts *facts = self;
  int64_t lo, hi;
  if (s->kind != TNI_FOR) return s->kind != TNI_BLOCK;
  tni_bounds(facts, s->as.loop.extent, &lo, &hi);
  return tni_facts_push(facts, s->as.loop.var, 0, hi >= TNI_INF ? TNI_INF : hi - 1);
}

/* Without the init that never runs. */
static const tn_stmt *drop_init(void *self, tni_region *r, const tn_stmt *s) {
  const tni_facts *facts = self;
  bool never = false;
  if (s->kind != TNI_BLOCK || !s->as.block.init) return s;
  for (int32_t i = 0; i < s->as.block.count; i++) {
    const tni_iter *it = &s->as.block.iters[i];
    never |= it->reduce && tni_prove(r, facts, tni_op2(r, TN_OP_ne, it->binding, tni_index(r, 0)));
  }
  return never ? tni_block_like(r, s, s->as.block.iters, s->as.block.where, NULL, s->as.block.body) : s;
}

const tn_stmt *tni_loop_part(tni_region *r, const tn_stmt *root, const tn_stmt *loop, const tn_expr *first,
                             const tn_expr *count) {
  tni_facts facts;
  const tn_expr *var = tni_var(r, loop->as.loop.var->as.name, TN_INDEX), *index = tni_add(r, first, var);
  tni_subst subst = {1, &loop->as.loop.var, &index};
  const tn_stmt *body = index ? tni_stmt_subst(r, loop->as.loop.body, &subst) : NULL;
  if (first && !tni_is_int(first, 0)) body = tni_stmt_refresh(r, body);
  const tn_stmt *part = tni_for_like(r, loop, var, count, loop->as.loop.kind, body);
  if (!part) return NULL;
  tni_facts_init(&facts, r->arena.ctx);
  tni_stmt_visit(root, learn_loop, &facts);
  tni_stmt_visit(part, learn_loop, &facts);
  part = tni_stmt_rewrite(r, part, NULL, drop_init, &facts);
  tni_facts_destroy(&facts);
  return part;
}

/* ---- names of blocks ---------------------------------------------------------------------------------------------- */

typedef struct namer {
  const tn_stmt *root;
  const char **taken;
  size_t count, capacity;
} namer;

static bool is_taken(const namer *n, const char *name) {
  for (size_t i = 0; i < n->count; i++)
    if (strcmp(n->taken[i], name) == 0) return true;
  return false;
}

/* The name, or the first of name_1, name_2, ... that nobody has. */
static const char *free_name(const namer *n, tni_region *r, const char *base) {
  const char *name = base;
  for (int i = 1; name && is_taken(n, name); i++) {
    name = tni_arena_format(&r->arena, "%s_%d", base, i);
    while (name && tni_find_block(n->root, name)) name = tni_arena_format(&r->arena, "%s_%d", base, ++i);
  }
  return name;
}

static const tn_stmt *rename_block(void *self, tni_region *r, const tn_stmt *s) {
  namer *n = self;
  if (s->kind != TNI_BLOCK) return s;
  const char *name = free_name(n, r, s->as.block.name);
  if (!name || !tni_reserve(r->arena.ctx, (void **)&n->taken, &n->capacity, n->count + 1, sizeof *n->taken)) return NULL;
  n->taken[n->count++] = name;
  if (name == s->as.block.name) return s;
  const tn_stmt *made = tni_block(r, name, s->as.block.count, s->as.block.iters, s->as.block.where, s->as.block.init,
                                  s->as.block.body);
  return s->as.block.notes.count ? tni_annotated(r, made, s->as.block.notes) : made;
}

const tn_stmt *tni_rename_blocks(tni_region *r, const tn_stmt *root) {
  namer n = {.root = root};
  const tn_stmt *made = root ? tni_stmt_rewrite(r, root, NULL, rename_block, &n) : NULL;
  tni_free(r->arena.ctx, n.taken, n.capacity * sizeof *n.taken);
  return made;
}
