/* region.c -- arenas with an intern table: where nodes live, and why equal expressions are identical.
 *
 * The table is open addressing, a power of two, at most half full. A node that a parent of the region holds is found there
 * and never made twice; then it stands in the child's table, too, where it is found at once the next time. A slot has the
 * node's hash beside it: most probes end without a look at a node.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { FIRST_TABLE_SIZE = 256 };

void tni_region_init(tni_region *region, tn_context *ctx, tni_region *parent) {
  memset(region, 0, sizeof *region);
  tni_arena_init(&region->arena, ctx);
  region->parent = parent;
  region->next_uid = parent ? parent->next_uid : 1;
  region->depth = !parent ? 0 : parent->depth == UINT8_MAX ? UINT8_MAX : (uint8_t)(parent->depth + 1);
}

void tni_region_init_below(tni_region *region, const tn_func *func) {
  tni_region_init(region, func->program->ctx, func->region ? func->region : &func->program->region);
}

void tni_region_destroy(tni_region *region) {
  tni_free(region->arena.ctx, region->table, region->table_size * sizeof *region->table);
  tni_arena_destroy(&region->arena);
  region->table = NULL;
  region->table_size = region->table_used = 0;
}

static uint32_t mix(uint32_t hash, uint64_t value) {
  uint64_t h = ((uint64_t)hash ^ value) * 0x9e3779b97f4a7c15u;
  return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

/* Structural: arguments count by their own hashes, variables by uid, so that the order of creation alone decides. */
static uint32_t hash_node(const tn_expr *x) {
  uint32_t h = mix(x->op, x->type);
  if (x->op == TN_OP_load || x->op == TNI_OP_ADDRESS)
    h = mix(h, x->as.buffer->uid);
  else if (x->op == TN_OP_call)
    for (const char *c = x->as.name; *c; c++) h = mix(h, (unsigned char)*c);
  else if (x->op == TN_OP_shuffle)
    for (uint32_t i = 0; i < TN_TYPE_LANES(x->type); i++) h = mix(h, x->as.lanes[i]);
  else
    h = mix(h, (uint64_t)x->as.i);
  for (int i = 0; i < x->nargs; i++) h = mix(h, x->arg[i]->hash);
  return h;
}

static bool same_payload(const tn_expr *a, const tn_expr *b) {
  if (a->op == TN_OP_call) return strcmp(a->as.name, b->as.name) == 0;
  if (a->op == TN_OP_shuffle)
    return memcmp(a->as.lanes, b->as.lanes, TN_TYPE_LANES(a->type) * sizeof *a->as.lanes) == 0;
  return a->as.i == b->as.i; /* pointers and doubles too: the union's 8 bytes */
}

static bool same_node(const tn_expr *a, const tn_expr *b) {
  if (a->op != b->op || a->type != b->type || a->nargs != b->nargs) return false;
  for (int i = 0; i < a->nargs; i++)
    if (a->arg[i] != b->arg[i]) return false;
  return same_payload(a, b);
}

static uint32_t held_by(const tn_expr *x) {
  uint32_t held = x->op == TN_OP_load      ? TNI_HOLDS_LOAD
                  : x->op == TN_OP_call    ? TNI_HOLDS_CALL
                  : x->op == TNI_OP_ADDRESS ? TNI_HOLDS_ADDRESS
                                           : 0;
  for (int i = 0; i < x->nargs; i++) held |= tni_held(x->arg[i]);
  return held;
}

static const tn_expr *find(const tni_region *region, const tn_expr *x) {
  if (region->table_size)
    for (size_t mask = region->table_size - 1, i = x->hash & mask; region->table[i].node; i = (i + 1) & mask)
      if (region->table[i].hash == x->hash && same_node(region->table[i].node, x)) return region->table[i].node;
  return NULL;
}

/* What a parent has of the node: none above that of an argument, since nodes do not outlive those they are made of. */
static const tn_expr *inherit(const tni_region *region, const tn_expr *x) {
  const tn_expr *known = NULL;
  int least = 0;
  for (int i = 0; i < x->nargs; i++) least = x->arg[i]->depth > least ? x->arg[i]->depth : least;
  for (const tni_region *p = region->parent; p && p->depth >= least && !known; p = p->parent) known = find(p, x);
  return known;
}

static void insert(tni_interned *table, size_t size, tni_interned x) {
  size_t i = x.hash & (size - 1);
  while (table[i].node) i = (i + 1) & (size - 1);
  table[i] = x;
}

static bool grow_table(tni_region *region) {
  tn_context *ctx = region->arena.ctx;
  size_t size = region->table_size ? 2 * region->table_size : FIRST_TABLE_SIZE;
  tni_interned *table = tni_alloc_zero(ctx, size * sizeof *table);
  if (!table) return !(region->arena.failed = true);
  for (size_t i = 0; i < region->table_size; i++)
    if (region->table[i].node) insert(table, size, region->table[i]);
  tni_free(ctx, region->table, region->table_size * sizeof *region->table);
  region->table = table;
  region->table_size = size;
  return true;
}

const tn_expr *tni_region_intern(tni_region *region, const tn_expr *head, size_t count, const tn_expr *const *args) {
  union {
    tn_expr node;
    char room[sizeof(tn_expr) + 64 * sizeof(tn_expr *)];
  } probe;
  size_t size = sizeof(tn_expr) + count * sizeof(tn_expr *);
  tn_expr *large = size <= sizeof probe ? NULL : tni_arena_alloc(&region->arena, size);
  tn_expr *x = size <= sizeof probe ? &probe.node : large;
  if (!x) return NULL;
  x->op = head->op; /* one by one, as they were written a moment ago: a wider load would wait for these */
  x->type = head->type;
  x->as = head->as;
  x->nargs = (uint16_t)count;
  for (size_t i = 0; i < count; i++) {
    if (!args[i]) return NULL;
    x->arg[i] = args[i];
  }
  x->hash = hash_node(x);
  const tn_expr *known = find(region, x);
  if (known) return known;
  if (region->table_used * 2 >= region->table_size && !grow_table(region)) return NULL;
  const tn_expr *made = inherit(region, x);
  x->held = held_by(x);
  x->depth = region->depth;
  if (!made) made = large ? large : tni_arena_copy(&region->arena, x, size);
  if (!made) return NULL;
  insert(region->table, region->table_size, (tni_interned){x->hash, made});
  region->table_used++;
  return made;
}
