/* verify.c -- the rules that a function must keep on its level.
 *
 *     both     types of all nodes agree; every variable is bound once, by a loop, an iterator or a parameter around its
 * use; every buffer is a parameter or allocated around its use, once; externals are declared and called as declared; a
 * subscript that surely leaves its buffer is refused tensor   as many subscripts as dimensions, one lane everywhere. A
 * block's bindings and condition use what is around it, its body only its own iterators (and what is bound in the body,
 * and parameters); its init stores only what its body stores, and uses no reduce iterator; names of blocks are unique
 *     loop     no blocks; loops serial or parallel; buffers flat: one subscript
 *
 * The error shows the line of the printed function, with a mark under the piece.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "text.h"

/* What is walked by recursion elsewhere is bounded here. */
enum { MAX_NESTING = 1000, MAX_ALLOCS = 1000, MAX_EXPR_DEPTH = 4000, MAX_EXACT_VARS = 16, MAX_EXACT_DEPTH = 24 };

/* A variable or buffer, by the entry of `known`. */
typedef struct binding {
  bool live;
  bool exact;  /* takes each value of its range, whatever the others are */
  bool reduce; /* an iterator of a reduction */
  bool param;
  uint32_t blocks; /* how many blocks were around it when it was bound */
} binding;

typedef struct verifier {
  const tn_func *func;
  tn_context *ctx;
  tn_error **err;
  tn_status status;
  tni_map known; /* variables and buffers */
  binding *bindings;
  size_t binding_capacity;
  tni_map names;  /* of blocks */
  tni_map stored; /* buffers that the body of the block at hand stores to */
  tni_map typed;  /* nodes whose types were found right; value: depth */
  tni_map nodes;  /* of the statement at hand */
  tni_facts facts;
  const tn_stmt *stmt; /* at hand; NULL: the parameters */
  uint32_t blocks, depth, max_depth, allocs;
  uint32_t guards; /* conditions (or empty loops) around: an access may never happen */
  bool in_init;
} verifier;

/* ---- failing ---- */

static bool fail_nomem(verifier *v) {
  v->status = tni_fail_nomem(v->err);
  return false;
}

/* Shows the line with `mark` (NULL: the statement at hand, or none for parameters). */
static bool fail(verifier *v, const void *mark, const char *reason, ...) TN_PRINTF(3, 4);
static bool fail(verifier *v, const void *mark, const char *reason, ...) {
  tni_text text, message;
  size_t begin, end, line;
  va_list args;
  tni_text_init(&text, v->ctx);
  tni_text_init(&message, v->ctx);
  va_start(args, reason);
  tni_text_add_v(&message, reason, args);
  va_end(args);
  tni_print_func_at(&text, v->func, v->stmt, mark ? mark : (const void *)v->stmt, &begin, &end, &line);
  char place[160];
  snprintf(place, sizeof place, line ? "%.120s:%zu" : "%.120s", v->func->name, line);
  if (text.failed || message.failed)
    v->status = tni_fail_nomem(v->err);
  else
    v->status = tni_fail(v->ctx, v->err, TN_E_VERIFY, "verify", place, "%s%s%.*s", message.data, line ? "\n" : "",
                         line ? (int)(end - begin) : 0, text.data + begin);
  tni_text_destroy(&message);
  tni_text_destroy(&text);
  return false;
}

static bool fail_limit(verifier *v, const char *what, uint32_t limit) {
  v->status =
      tni_fail(v->ctx, v->err, TN_E_LIMIT, "verify", v->func->name, "%s deeper than the limit of %u", what, limit);
  return false;
}

/* ---- what is bound ---- */

static const binding *find(const verifier *v, const void *node) {
  size_t entry = tni_map_find(&v->known, node, 0);
  return entry == TNI_MAP_NONE ? NULL : &v->bindings[entry];
}

static const char *name_of(const void *node, bool buffer) {
  return buffer ? ((const tn_buffer *)node)->name : ((const tn_expr *)node)->as.name;
}

static bool bind(verifier *v, const void *node, bool buffer, binding b) {
  bool added;
  size_t entry = tni_map_add(&v->known, node, 0, &added);
  if (entry == TNI_MAP_NONE ||
      !tni_reserve(v->ctx, (void **)&v->bindings, &v->binding_capacity, entry + 1, sizeof *v->bindings))
    return fail_nomem(v);
  if (!added)
    return fail(v, node, buffer ? "buffer `%s` is declared twice" : "variable `%s` is bound twice",
                name_of(node, buffer));
  b.live = true;
  b.blocks = v->blocks;
  v->bindings[entry] = b;
  return true;
}

static void unbind(verifier *v, const void *node) {
  size_t entry = tni_map_find(&v->known, node, 0);
  if (entry != TNI_MAP_NONE) v->bindings[entry].live = false;
}

/* Binds a variable over 0..extent. An empty range is a guard: what is inside never runs. */
static bool bind_range(verifier *v, const tn_expr *var, const tn_expr *extent, bool reduce, bool *empty) {
  int64_t lo, hi;
  if (var->op != TN_OP_var || var->type != TN_INDEX) return fail(v, NULL, "a loop or iterator needs an index variable");
  tni_bounds(&v->facts, extent, &lo, &hi);
  *empty = hi <= 0;
  v->guards += *empty;
  int64_t last = *empty ? 0 : hi >= TNI_INF ? TNI_INF : hi - 1;
  if (!tni_facts_push(&v->facts, var, 0, last)) return fail_nomem(v);
  return bind(v, var, false, (binding){.exact = tni_is_const(extent) && !*empty, .reduce = reduce});
}

/* ---- scopes of uses ---- */

static bool check_var(verifier *v, const tn_expr *x) {
  const binding *b = find(v, x);
  if (!b || !b->live) return fail(v, x, "`%s` is not bound by a loop, block or parameter around", x->as.name);
  if (!b->param && b->blocks != v->blocks)
    return fail(v, x, "`%s` is bound outside of the block; the body of a block uses its iterators only", x->as.name);
  if (b->reduce && v->in_init)
    return fail(v, x, "`%s` is a reduce iterator; init runs before the reduction", x->as.name);
  return true;
}

static bool check_buffer(verifier *v, const tn_buffer *buffer, const void *mark) {
  const binding *b = find(v, buffer);
  if (!b || !b->live) return fail(v, mark, "buffer `%s` is neither a parameter nor allocated around", buffer->name);
  return true;
}

/* ---- types of nodes ---- */

static bool check_lanes(verifier *v, const tn_expr *x) {
  if (!tni_type_is_valid(x->type)) return fail(v, x, "not a type");
  if (v->func->level == TNI_LEVEL_TENSOR && TN_TYPE_LANES(x->type) != 1)
    return fail(v, x, "vectors belong to the loop level");
  return true;
}

static bool check_load(verifier *v, const tn_expr *x) {
  const char *why = NULL;
  int32_t count = tni_load_count(x), want = tni_subscript_count(v->func->level, x->as.buffer);
  if (count != want) return fail(v, x, "%d subscripts, but the buffer has %d", count, want);
  for (int32_t i = 0; i < count; i++)
    if ((why = tni_check_subscript(x->arg[i]))) return fail(v, x->arg[i], "%s", why);
  tn_type type = tni_access_type(x->as.buffer, count, x->arg, tni_load_where(x), &why);
  if (!type) return fail(v, x, "%s", why);
  return type == x->type || fail(v, x, "the type of a load is not that of its buffer");
}

static bool check_call(verifier *v, const tn_expr *x) {
  const tni_extern *e = v->func->program ? tni_program_find_extern(v->func->program, x->as.name) : NULL;
  if (!e) return fail(v, x, "there is no external `%s`", x->as.name);
  if (x->nargs != e->param_count)
    return fail(v, x, "external `%s` takes %u arguments, not %u", e->name, e->param_count, x->nargs);
  for (uint32_t i = 0; i < e->param_count; i++)
    if (x->arg[i]->type != e->params[i]) {
      char want[16], have[16];
      return fail(v, x, "external `%s`: argument %u is %s, declared is %s", e->name, i + 1,
                  tn_type_text(x->arg[i]->type, have), tn_type_text(e->params[i], want));
    }
  return x->type == e->result || fail(v, x, "the type of the call is not the result of external `%s`", e->name);
}

static bool check_op(verifier *v, const tn_expr *x) {
  const char *why = NULL;
  if (x->op >= TN_OP_COUNT || tni_ops[x->op].typing == TNI_TYPING_OTHER || tni_ops[x->op].arity != x->nargs)
    return fail(v, x, "not an operator");
  tn_type type = tni_op_type(x->op, x->arg, &why);
  if (!type) return fail(v, x, "`%s`: %s", tni_ops[x->op].name, why);
  if (TN_TYPE_CODE(type) == TN_CODE_VOID || TN_TYPE_CODE(type) == kDLOpaqueHandle)
    return fail(v, x, "`%s` works on numbers and bools", tni_ops[x->op].name);
  return type == x->type || fail(v, x, "`%s` has a type that its operands do not give", tni_ops[x->op].name);
}

/* Rules of one node whose arguments were found right. */
static bool check_type(verifier *v, const tn_expr *x) {
  const char *why = NULL;
  if (!check_lanes(v, x)) return false;
  switch (x->op) {
  case TN_OP_const:
  case TN_OP_var:
  case TNI_OP_ADDRESS: break;
  case TN_OP_cast: why = tni_check_cast(x->type, x->arg[0]->type); break;
  case TN_OP_reinterpret: why = tni_check_reinterpret(x->type, x->arg[0]->type); break;
  case TN_OP_ramp: why = tni_check_ramp(x->arg[0], x->arg[1], TN_TYPE_LANES(x->type)); break;
  case TN_OP_broadcast: why = tni_check_broadcast(x->arg[0], TN_TYPE_LANES(x->type)); break;
  case TN_OP_load: return check_load(v, x);
  case TN_OP_call: return check_call(v, x);
  default: return check_op(v, x);
  }
  return !why || fail(v, x, "%s", why);
}

/* ---- bounds ---- */

typedef struct exact {
  const tn_expr *vars[MAX_EXACT_VARS];
  int count;
} exact;

/* The range of a sum of different variables with constant factors, when both ends are reached for sure. */
static bool exact_range(verifier *v, exact *e, const tn_expr *x, int depth, __int128 *lo, __int128 *hi) {
  __int128 a, b, c, d;
  if (depth > MAX_EXACT_DEPTH) return false;
  if (tni_is_const(x)) {
    *lo = *hi = x->as.i;
    return true;
  }
  if (x->op == TN_OP_var) {
    const binding *bound = find(v, x);
    for (int i = 0; i < e->count; i++)
      if (e->vars[i] == x) return false;
    if (!bound || !bound->exact || e->count == MAX_EXACT_VARS) return false;
    int64_t first, last;
    tni_bounds(&v->facts, x, &first, &last);
    e->vars[e->count++] = x;
    *lo = first;
    *hi = last;
    return true;
  }
  bool product = x->op == TN_OP_mul && tni_is_const(x->arg[1]);
  if ((x->op != TN_OP_add && x->op != TN_OP_sub && !product) || !exact_range(v, e, x->arg[0], depth + 1, &a, &b) ||
      !exact_range(v, e, x->arg[1], depth + 1, &c, &d))
    return false;
  __int128 limit = (__int128)1 << 62;
  if (a < -limit || b > limit || c < -limit || d > limit) return false;
  if (product) {
    *lo = c < 0 ? b * c : a * c;
    *hi = c < 0 ? a * c : b * c;
  } else {
    *lo = x->op == TN_OP_add ? a + c : a - d;
    *hi = x->op == TN_OP_add ? b + d : b - c;
  }
  return true;
}

/* Elements along that subscript, or -1. */
static int64_t extent_along(const verifier *v, const tn_buffer *buffer, int32_t i) {
  if (v->func->level == TNI_LEVEL_TENSOR) return tni_is_const(buffer->shape[i]) ? buffer->shape[i]->as.i : -1;
  __int128 total = 1;
  for (int32_t k = 0; k < buffer->rank; k++) {
    if (!tni_is_const(buffer->shape[k])) return -1;
    total *= buffer->shape[k]->as.i;
    if (total > TNI_INF) return -1;
  }
  return (int64_t)total;
}

static bool check_bounds(verifier *v, const tn_buffer *buffer, int32_t count, const tn_expr *const *index) {
  for (int32_t i = 0; i < count; i++) {
    const tn_expr *x = index[i];
    int64_t extent = extent_along(v, buffer, i), lo, hi;
    __int128 first, last;
    exact e = {.count = 0};
    if (extent < 0 || x->type != TN_INDEX) continue;
    tni_bounds(&v->facts, x, &lo, &hi);
    if (exact_range(v, &e, x, 0, &first, &last) && first > -TNI_INF && last < TNI_INF)
      lo = (int64_t)first, hi = (int64_t)last;
    else if (lo < extent && hi >= 0)
      continue;
    if (lo < 0 || hi >= extent) {
      char range[64];
      if (lo == hi)
        snprintf(range, sizeof range, "%lld", (long long)lo);
      else if (lo <= -TNI_INF || hi >= TNI_INF)
        snprintf(range, sizeof range, "always outside");
      else
        snprintf(range, sizeof range, "%lld..%lld", (long long)lo, (long long)hi);
      return fail(v, x, "a subscript of `%s` is %s, outside 0..%lld", buffer->name, range, (long long)extent - 1);
    }
  }
  return true;
}

/* ---- expressions ---- */

/* Remembers that the node is right, and how deep it is. */
static bool note_typed(verifier *v, const tn_expr *x) {
  size_t depth = 1;
  for (int i = 0; i < x->nargs; i++) {
    size_t below = v->typed.entries[tni_map_find(&v->typed, x->arg[i], 0)].value;
    depth = below >= depth ? below + 1 : depth;
  }
  if (depth > MAX_EXPR_DEPTH) return fail_limit(v, "expressions are nested", MAX_EXPR_DEPTH);
  size_t entry = tni_map_add(&v->typed, x, 0, NULL);
  if (entry == TNI_MAP_NONE) return fail_nomem(v);
  v->typed.entries[entry].value = depth;
  return true;
}

static bool check_node(verifier *v, const tn_expr *x) {
  if (x->op == TN_OP_var && !check_var(v, x)) return false;
  if ((x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) && !check_buffer(v, x->as.buffer, x)) return false;
  if (tni_map_find(&v->typed, x, 0) == TNI_MAP_NONE && (!check_type(v, x) || !note_typed(v, x))) return false;
  if (x->op == TN_OP_load && v->guards == 0 && !tni_load_where(x))
    return check_bounds(v, x->as.buffer, tni_load_count(x), x->arg);
  return true;
}

/* All nodes under x that were not seen in this statement. NULL is right. */
static bool check_expr(verifier *v, const tn_expr *x) {
  size_t n = v->nodes.count;
  if (!tni_map_add_dag(&v->nodes, x)) return fail_nomem(v);
  for (; n < v->nodes.count; n++)
    if (!check_node(v, v->nodes.entries[n].key)) return false;
  return true;
}

static bool check_typed(verifier *v, const tn_expr *x, tn_type type, const char *what) {
  char want[16], have[16];
  if (!check_expr(v, x)) return false;
  if (x && x->type != type) /* a constant may stand in the statement more than once */
    return fail(v, tni_is_const(x) ? NULL : x, "%s must be %s, this is %s", what, tn_type_text(type, want),
                tn_type_text(x->type, have));
  return true;
}

static bool check_extent(verifier *v, const tn_expr *x) {
  if (!check_typed(v, x, TN_INDEX, "an extent")) return false;
  const char *why = tni_check_extent(x);
  return !why || fail(v, x, "%s", why);
}

/* ---- statements ---- */

static bool check_stmt(verifier *v, const tn_stmt *s);

static bool check_inside(verifier *v, const tn_stmt *s) {
  if (v->depth == v->max_depth) return fail_limit(v, "statements are nested", v->max_depth);
  v->depth++;
  bool good = check_stmt(v, s);
  v->depth--;
  return good;
}

static bool check_for(verifier *v, const tn_stmt *s) {
  size_t facts = v->facts.count;
  bool empty = false;
  enum tni_loop_kind kind = s->as.loop.kind;
  if (v->func->level == TNI_LEVEL_LOOP && kind != TNI_SERIAL && kind != TNI_PARALLEL)
    return fail(v, s, "loops of the loop level are serial or parallel");
  if (!check_typed(v, s->as.loop.extent, TN_INDEX, "an extent") ||
      !bind_range(v, s->as.loop.var, s->as.loop.extent, false, &empty) || !check_inside(v, s->as.loop.body))
    return false;
  unbind(v, s->as.loop.var);
  tni_facts_pop(&v->facts, facts);
  v->guards -= empty;
  return true;
}

typedef struct collector {
  tni_map *map;
  bool failed;
} collector;

static bool collect_stored(void *self, const tn_stmt *s) {
  collector *c = self;
  if (s->kind == TNI_STORE) c->failed |= tni_map_add(c->map, s->as.store.buffer, 0, NULL) == TNI_MAP_NONE;
  return true;
}

typedef struct init_search {
  const tni_map *stored;
  const tn_stmt *wrong;
} init_search;

static bool find_wrong_store(void *self, const tn_stmt *s) {
  init_search *search = self;
  if (s->kind == TNI_STORE && !search->wrong && tni_map_find(search->stored, s->as.store.buffer, 0) == TNI_MAP_NONE)
    search->wrong = s;
  return true;
}

/* Behind the body, so that the nesting of both is known to be bounded when they are walked. */
static bool check_init(verifier *v, const tn_stmt *s) {
  collector c = {.map = &v->stored};
  init_search search = {.stored = &v->stored};
  v->in_init = true;
  bool good = check_inside(v, s->as.block.init);
  v->in_init = false;
  if (!good) return false;
  tni_map_clear(&v->stored);
  tni_stmt_visit(s->as.block.body, collect_stored, &c);
  if (c.failed) return fail_nomem(v);
  tni_stmt_visit(s->as.block.init, find_wrong_store, &search);
  if (!search.wrong) return true;
  v->stmt = search.wrong;
  return fail(v, NULL, "init stores to `%s`, which the body of the block does not",
              search.wrong->as.store.buffer->name);
}

static bool check_header(verifier *v, const tn_stmt *s) {
  const char *name = s->as.block.name;
  bool added;
  if (v->func->level == TNI_LEVEL_LOOP) return fail(v, s, "there are no blocks on the loop level");
  if (!*name) return fail(v, s, "a block needs a name");
  if (tni_map_add(&v->names, name, strlen(name), &added) == TNI_MAP_NONE) return fail_nomem(v);
  if (!added) return fail(v, s, "there are two blocks of the name `%s`", name);
  for (int32_t i = 0; i < s->as.block.count; i++) {
    const tni_iter *iter = &s->as.block.iters[i];
    if (!check_typed(v, iter->extent, TN_INDEX, "an extent") || !check_typed(v, iter->binding, TN_INDEX, "a binding"))
      return false;
  }
  return check_typed(v, s->as.block.where, TN_BOOL, "the condition of a block");
}

static bool check_block(verifier *v, const tn_stmt *s) {
  size_t facts = v->facts.count;
  uint32_t guards = v->guards;
  bool empty, outer_init = v->in_init;
  if (!check_header(v, s)) return false;
  v->in_init = false; /* the iterators of this block are its own */
  v->blocks++;
  v->guards += s->as.block.where != NULL;
  for (int32_t i = 0; i < s->as.block.count; i++)
    if (!bind_range(v, s->as.block.iters[i].var, s->as.block.iters[i].extent, s->as.block.iters[i].reduce, &empty))
      return false;
  if (!check_inside(v, s->as.block.body) || (s->as.block.init && !check_init(v, s))) return false;
  v->in_init = outer_init;
  for (int32_t i = 0; i < s->as.block.count; i++) unbind(v, s->as.block.iters[i].var);
  tni_facts_pop(&v->facts, facts);
  v->guards = guards;
  v->blocks--;
  return true;
}

static bool check_store(verifier *v, const tn_stmt *s) {
  const tn_buffer *buffer = s->as.store.buffer;
  int32_t count = s->as.store.count, want = tni_subscript_count(v->func->level, buffer);
  const char *why = NULL;
  if (!check_buffer(v, buffer, s)) return false;
  if (count != want) return fail(v, s, "%d subscripts, but the buffer has %d", count, want);
  for (int32_t i = 0; i < count; i++) {
    if (!check_expr(v, s->as.store.index[i])) return false;
    if ((why = tni_check_subscript(s->as.store.index[i]))) return fail(v, s->as.store.index[i], "%s", why);
  }
  if (!check_expr(v, s->as.store.where)) return false;
  tn_type type = tni_access_type(buffer, count, s->as.store.index, s->as.store.where, &why);
  if (!type) return fail(v, s, "%s", why);
  if (!check_typed(v, s->as.store.value, type, "the value")) return false;
  return v->guards || s->as.store.where || check_bounds(v, buffer, count, s->as.store.index);
}

static bool check_if(verifier *v, const tn_stmt *s) {
  if (!check_typed(v, s->as.cond.cond, TN_BOOL, "the condition of an if")) return false;
  v->guards++;
  bool good = check_inside(v, s->as.cond.then) && (!s->as.cond.otherwise || check_inside(v, s->as.cond.otherwise));
  v->guards--;
  return good;
}

static bool check_declaration(verifier *v, const tn_buffer *buffer) {
  if (buffer->rank < 0 || buffer->rank > TN_MAX_RANK || !tni_is_element_type(buffer->type))
    return fail(v, buffer, "buffer `%s`: not a rank or not an element type", buffer->name);
  for (int32_t i = 0; i < buffer->rank; i++)
    if (!check_extent(v, buffer->shape[i])) return false;
  return bind(v, buffer, true, (binding){.param = v->stmt == NULL});
}

/* The buffer stays bound: its scope ends with the list, which the caller unbinds. */
static bool check_alloc(verifier *v, const tn_buffer *buffer) {
  if (v->func->level == TNI_LEVEL_LOOP && buffer->rank > 1)
    return fail(v, buffer, "buffers of the loop level are flat");
  if (v->allocs++ == MAX_ALLOCS) return fail_limit(v, "allocations are nested", MAX_ALLOCS);
  if (!check_declaration(v, buffer)) return false;
  for (int32_t i = 0; buffer->scope == TNI_SCOPE_REGISTER && i < buffer->rank; i++)
    if (!tni_is_const(buffer->shape[i])) return fail(v, buffer->shape[i], "a buffer in registers has constant extents");
  return true;
}

static bool check_evaluate(verifier *v, const tn_stmt *s) {
  if (s->as.evaluate.call->op != TN_OP_call) return fail(v, s, "only a call can be evaluated for its effect");
  return check_expr(v, s->as.evaluate.call);
}

static bool check_one(verifier *v, const tn_stmt *s) {
  v->stmt = s;
  tni_map_clear(&v->nodes);
  switch (s->kind) {
  case TNI_FOR: return check_for(v, s);
  case TNI_BLOCK: return check_block(v, s);
  case TNI_STORE: return check_store(v, s);
  case TNI_IF: return check_if(v, s);
  case TNI_EVALUATE: return check_evaluate(v, s);
  case TNI_ALLOC: return check_alloc(v, s->as.alloc.buffer);
  case TNI_SEQ:
  case TNI_STMT_KIND_COUNT: break;
  }
  return fail(v, s, "not a statement");
}

/* One statement, or a list: allocs are followed without recursion, since their text does not nest either. */
static bool check_stmt(verifier *v, const tn_stmt *s) {
  const tn_stmt *first = s;
  while (s) {
    const tn_stmt *rest = NULL;
    if (s->kind == TNI_SEQ) {
      for (int32_t i = 0; i + 1 < s->as.seq.count; i++) {
        const tn_stmt *item = s->as.seq.stmts[i];
        bool nested = item->kind == TNI_SEQ || item->kind == TNI_ALLOC;
        if (!(nested ? check_inside(v, item) : check_one(v, item))) return false;
      }
      rest = s->as.seq.count ? s->as.seq.stmts[s->as.seq.count - 1] : NULL;
    } else {
      if (!check_one(v, s)) return false;
      rest = s->kind == TNI_ALLOC ? s->as.alloc.body : NULL;
    }
    s = rest;
  }
  for (s = first; s && (s->kind == TNI_ALLOC || (s->kind == TNI_SEQ && s->as.seq.count));) {
    if (s->kind == TNI_ALLOC) {
      unbind(v, s->as.alloc.buffer);
      v->allocs--;
    }
    s = s->kind == TNI_ALLOC ? s->as.alloc.body : s->as.seq.stmts[s->as.seq.count - 1];
  }
  return true;
}

/* ---- functions ---- */

static bool check_param_extent(verifier *v, const tn_expr *x) {
  size_t size = tni_tree_size(v->ctx, x);
  if (size == 0) return fail_nomem(v);
  if (size > TNI_MAX_PARAM_EXTENT)
    return fail(v, NULL, "the extent of a parameter is longer than %d operators", TNI_MAX_PARAM_EXTENT);
  size_t n = v->nodes.count;
  if (!tni_map_add_dag(&v->nodes, x)) return fail_nomem(v);
  for (; n < v->nodes.count; n++) {
    const tn_expr *node = v->nodes.entries[n].key;
    if (node->op == TN_OP_load || node->op == TN_OP_call || node->op == TNI_OP_ADDRESS ||
        TN_TYPE_LANES(node->type) != 1)
      return fail(v, x, "the extent of a parameter is made of constants and scalar parameters");
  }
  return true;
}

static bool check_params(verifier *v) {
  for (uint32_t i = 0; i < v->func->param_count; i++) {
    const tn_expr *scalar = v->func->params[i].scalar;
    if (v->func->params[i].buffer) continue;
    if (!scalar || scalar->op != TN_OP_var || (scalar->type != TN_INDEX && !tni_is_element_type(scalar->type)))
      return fail(v, scalar, "a parameter is a buffer, an index, a number or a bool");
    if (!bind(v, scalar, false, (binding){.param = true})) return false;
  }
  for (uint32_t i = 0; i < v->func->param_count; i++) {
    const tn_buffer *buffer = v->func->params[i].buffer;
    if (!buffer) continue;
    if (buffer->scope != TNI_SCOPE_GLOBAL) return fail(v, buffer, "a parameter is in global scope");
    for (int32_t k = 0; k < buffer->rank && k < TN_MAX_RANK; k++)
      if (!check_param_extent(v, buffer->shape[k])) return false;
    tni_map_clear(&v->nodes);
    if (!check_declaration(v, buffer)) return false;
  }
  return true;
}

tn_status tni_verify(const tn_func *func, tn_error **err) {
  tn_context *ctx = func->program->ctx;
  verifier v = {.func = func, .ctx = ctx, .err = err};
  v.max_depth = ctx->limits.nesting < MAX_NESTING ? ctx->limits.nesting : MAX_NESTING;
  v.depth = 1;
  if (err) *err = NULL;
  tni_map *maps[] = {&v.known, &v.names, &v.stored, &v.typed, &v.nodes};
  for (size_t i = 0; i < TNI_COUNT(maps); i++) tni_map_init(maps[i], ctx);
  tni_facts_init(&v.facts, ctx);
  if (check_params(&v) && func->body) check_stmt(&v, func->body);
  tni_facts_destroy(&v.facts);
  for (size_t i = 0; i < TNI_COUNT(maps); i++) tni_map_destroy(maps[i]);
  tni_free(ctx, v.bindings, v.binding_capacity * sizeof *v.bindings);
  return v.status;
}

tn_status tn_func_verify(const tn_func *func, tn_error **err) { return tni_verify(func, err); }
