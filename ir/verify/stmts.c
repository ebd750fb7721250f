/* stmts.c -- the rules of statements, one function for each kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "verify/verify.h"

enum { MAX_OPEN = 1000 };
static const char too_many[] = "allocations, lets, asserts and assumes are nested";

static bool check_inside(tni_verifier *v, const tn_stmt *s) {
  if (v->depth == v->max_depth) return tni_verify_limit(v, "statements are nested", v->max_depth);
  v->depth++;
  bool good = tni_verify_body(v, s);
  v->depth--;
  return good;
}

static bool check_annotations(tni_verifier *v, const tn_stmt *s) {
  tni_annotations notes = tni_annotations_of(s);
  for (int32_t i = 0; i < notes.count; i++) {
    const tni_annotation *note = &notes.items[i];
    if (!tni_is_identifier(note->key)) return tni_verify_fail(v, s, "the key of an annotation is a name");
    if (note->text && !*note->text) return tni_verify_fail(v, s, "annotation `%s` is an empty text", note->key);
    if (tni_find_annotation(notes, note->key) != note)
      return tni_verify_fail(v, s, "annotation `%s` is there twice", note->key);
  }
  return true;
}

/* The axis joins those that are bound around the body. */
static bool bind_axis(tni_verifier *v, const tn_stmt *s) {
  enum tni_loop_kind kind = s->as.loop.kind;
  if (!tni_is_bound(kind)) return true;
  if (v->bound >> kind & 1)
    return tni_verify_fail(v, s, "a loop around is bound to %s already", tni_loop_kind_names[kind]);
  if (!tni_is_thread_bound(kind) && v->bound >> TNI_THREAD_X)
    return tni_verify_fail(v, s, "a loop over blocks is around those over threads");
  if (tni_is_thread_bound(kind) && !tni_is_const(s->as.loop.extent))
    return tni_verify_fail(v, s->as.loop.extent, "a loop over threads needs a constant extent");
  if (!tni_is_thread_bound(kind) && v->shared)
    return tni_verify_fail(v, s, "a shared buffer is allocated inside of the loops over blocks");
  v->bound |= UINT32_C(1) << kind;
  return true;
}

static bool check_for(tni_verifier *v, const tn_stmt *s) {
  size_t facts = v->facts.count, mistakes = v->findings->count;
  uint32_t bound = v->bound;
  bool empty = false;
  enum tni_loop_kind kind = s->as.loop.kind;
  const char *parted = v->parted;
  if (!tni_verify_typed(v, s->as.loop.extent, TN_INDEX, "an extent")) return false;
  tni_scoped var = {.varies = tni_verify_varies(v, s->as.loop.extent) || tni_is_thread_bound(kind)};
  if (kind == TNI_PARALLEL || kind == TNI_VECTORIZED)
    tni_verify_part(v, true, "this barrier stands in a parallel or vectorized loop of a thread");
  else if (!tni_is_thread_bound(kind))
    tni_verify_part(v, var.varies, "this barrier stands in a loop that threads may run differently often");
  if (!bind_axis(v, s) || !tni_verify_bind_range(v, s->as.loop.var, s->as.loop.extent, var, &empty) ||
      !check_inside(v, s->as.loop.body))
    return false;
  v->parted = parted;
  tni_verify_unbind(v, s->as.loop.var);
  v->bound = bound;
  tni_facts_pop(&v->facts, facts);
  v->guards -= empty;
  bool sound = v->findings->count == mistakes; /* else the body is not walked once more */
  return v->guards || !sound || !tni_is_concurrent(kind) || tni_verify_meetings(v, s);
}

typedef struct collector {
  tni_map *map;
  bool failed;
} collector;

static bool collect_stored(void *self, const tn_stmt *s) {
  collector *c = self;
  if (tni_is_write(s)) c->failed |= tni_map_add(c->map, s->as.store.buffer, 0, NULL) == TNI_MAP_NONE;
  return true;
}

typedef struct init_search {
  const tni_map *stored;
  const tn_stmt *wrong;
} init_search;

static bool find_wrong_store(void *self, const tn_stmt *s) {
  init_search *search = self;
  if (tni_is_write(s) && !search->wrong && tni_map_find(search->stored, s->as.store.buffer, 0) == TNI_MAP_NONE)
    search->wrong = s;
  return true;
}

/* Behind the body, so that the nesting of both is known to be bounded when they are walked. */
static bool check_init(tni_verifier *v, const tn_stmt *s) {
  collector c = {.map = &v->stored};
  init_search search = {.stored = &v->stored};
  v->in_init = true;
  bool good = check_inside(v, s->as.block.init);
  v->in_init = false;
  if (!good) return false;
  tni_map_clear(&v->stored);
  tni_stmt_visit(s->as.block.body, collect_stored, &c);
  if (c.failed) return tni_verify_nomem(v);
  tni_stmt_visit(s->as.block.init, find_wrong_store, &search);
  if (!search.wrong) return true;
  v->stmt = search.wrong;
  return tni_verify_fail(v, NULL, "init stores to `%s`, which the body of the block does not",
                         search.wrong->as.store.buffer->name);
}

static bool check_header(tni_verifier *v, const tn_stmt *s) {
  const char *name = s->as.block.name;
  bool added;
  if (!*name) return tni_verify_fail(v, s, "a block needs a name");
  if (tni_map_add(&v->names, name, strlen(name), &added) == TNI_MAP_NONE) return tni_verify_nomem(v);
  if (!added) return tni_verify_fail(v, s, "there are two blocks of the name `%s`", name);
  for (int32_t i = 0; i < s->as.block.count; i++) {
    const tni_iter *iter = &s->as.block.iters[i];
    if (!tni_verify_typed(v, iter->extent, TN_INDEX, "an extent") ||
        !tni_verify_typed(v, iter->binding, TN_INDEX, "a binding"))
      return false;
  }
  return tni_verify_typed(v, s->as.block.where, TN_BOOL, "the condition of a block");
}

static bool check_block(tni_verifier *v, const tn_stmt *s) {
  size_t facts = v->facts.count;
  uint32_t guards = v->guards;
  bool empty, outer_init = v->in_init;
  if (!check_header(v, s)) return false;
  v->in_init = false; /* the iterators of this block are its own */
  v->blocks++;
  v->guards += s->as.block.where != NULL;
  for (int32_t i = 0; i < s->as.block.count; i++)
    if (!tni_verify_bind_range(v, s->as.block.iters[i].var, s->as.block.iters[i].extent,
                               (tni_scoped){.iterator = true, .reduce = s->as.block.iters[i].reduce}, &empty))
      return false;
  if (!check_inside(v, s->as.block.body) || (s->as.block.init && !check_init(v, s))) return false;
  v->in_init = outer_init;
  for (int32_t i = 0; i < s->as.block.count; i++) tni_verify_unbind(v, s->as.block.iters[i].var);
  tni_facts_pop(&v->facts, facts);
  v->guards = guards;
  v->blocks--;
  return true;
}

static bool check_store(tni_verifier *v, const tn_stmt *s) {
  const tn_buffer *buffer = s->as.store.buffer;
  int32_t count = s->as.store.count, want = tni_subscript_count(v->func->level, buffer);
  const char *why = NULL;
  if (!tni_verify_buffer(v, buffer, s)) return false;
  if (tni_buffer_overlaps_itself(buffer))
    return tni_verify_fail(v, s, "`%s` is stored to, but its strides put two elements in one place", buffer->name);
  if (count != want) return tni_verify_fail(v, s, "%d subscripts, but the buffer has %d", count, want);
  for (int32_t i = 0; i < count; i++) {
    if (!tni_verify_expr(v, s->as.store.index[i])) return false;
    if ((why = tni_check_subscript(s->as.store.index[i]))) return tni_verify_fail(v, s->as.store.index[i], "%s", why);
  }
  if (!tni_verify_expr(v, s->as.store.where)) return false;
  tn_type type = tni_access_type(buffer, count, s->as.store.index, s->as.store.where, &why);
  if (!type) return tni_verify_fail(v, s, "%s", why);
  if (!tni_verify_typed(v, s->as.store.value, type, "the value")) return false;
  return v->guards || s->as.store.where || tni_verify_bounds(v, buffer, count, s->as.store.index);
}

/* Nothing is accessed: the subscripts may be anything that can be computed without reading memory. */
static bool check_prefetch(tni_verifier *v, const tn_stmt *s) {
  const tn_buffer *buffer = s->as.store.buffer;
  int32_t count = s->as.store.count, want = tni_subscript_count(v->func->level, buffer);
  if (!tni_verify_buffer(v, buffer, s)) return false;
  if (buffer->scope == TNI_SCOPE_REGISTER)
    return tni_verify_fail(v, s, "`%s` is in registers, which nothing brings nearer", buffer->name);
  if (count != want) return tni_verify_fail(v, s, "%d subscripts, but the buffer has %d", count, want);
  for (int32_t i = 0; i < count; i++) {
    if (!tni_verify_typed(v, s->as.store.index[i], TN_INDEX, "a subscript of a prefetch")) return false;
    if (tni_expr_reads(s->as.store.index[i]))
      return tni_verify_fail(v, s->as.store.index[i], "a subscript of a prefetch reads memory");
  }
  return true;
}

static bool check_reduce(tni_verifier *v, const tn_stmt *s) {
  const tn_expr *value = s->as.store.value, *args[] = {value, value};
  const char *why = NULL;
  if (!check_store(v, s)) return false;
  if (!tni_is_reducing(s->as.store.op)) return tni_verify_fail(v, s, "%s", tni_reducing_operators);
  if (!tni_op_type(s->as.store.op, args, &why)) return tni_verify_fail(v, s, "`%s`: %s", tni_ops[s->as.store.op].name, why);
  return true;
}

static bool check_if(tni_verifier *v, const tn_stmt *s) {
  if (!tni_verify_typed(v, s->as.cond.cond, TN_BOOL, "the condition of an if")) return false;
  v->guards++;
  const char *parted = tni_verify_part(v, tni_verify_varies(v, s->as.cond.cond),
                                       "this barrier stands under a condition that threads may see differently");
  bool good = check_inside(v, s->as.cond.then) && (!s->as.cond.otherwise || check_inside(v, s->as.cond.otherwise));
  v->parted = parted;
  v->guards--;
  return good;
}

static bool check_while(tni_verifier *v, const tn_stmt *s) {
  if (!tni_verify_typed(v, s->as.repeat.cond, TN_BOOL, "the condition of a while")) return false;
  v->guards++;
  const char *parted = tni_verify_part(v, true, "this barrier stands in a while");
  bool good = check_inside(v, s->as.repeat.body);
  v->parted = parted;
  v->guards--;
  return good;
}

bool tni_verify_declaration(tni_verifier *v, const tn_buffer *buffer) {
  if (buffer->rank < 0 || buffer->rank > TN_MAX_RANK || !tni_is_element_type(buffer->type))
    return tni_verify_fail(v, buffer, "buffer `%s`: not a rank or not an element type", buffer->name);
  const tn_expr *held[TNI_BUFFER_EXPRS];
  bool nomem;
  for (int32_t i = 0, count = tni_buffer_exprs(buffer, held); i < count; i++)
    if (!(i < buffer->rank ? tni_verify_extent(v, held[i]) : tni_verify_expr(v, held[i]))) return false;
  const char *why = tni_check_form(v->ctx, buffer, v->stmt == NULL, &nomem);
  if (nomem) return tni_verify_nomem(v);
  if (why) return tni_verify_fail(v, buffer, "buffer `%s`: %s", buffer->name, why);
  return tni_verify_bind(v, buffer, true, (tni_scoped){.param = v->stmt == NULL});
}

/* The buffer stays bound: its scope ends with the list, which the caller unbinds. */
static bool check_alloc(tni_verifier *v, const tn_buffer *buffer) {
  bool formed = buffer->rank > 1 || !tni_is_row_major(buffer);
  if (formed && !tni_verify_thing(v, TNI_THING_formed, buffer)) return false;
  if (v->open++ == MAX_OPEN) return tni_verify_limit(v, too_many, MAX_OPEN);
  if (!tni_verify_declaration(v, buffer) || !tni_verify_scope(v, buffer)) return false;
  bool stacked = buffer->scope == TNI_SCOPE_LOCAL && v->func->level == TNI_LEVEL_LOOP;
  for (int32_t i = 0; (stacked || buffer->scope == TNI_SCOPE_REGISTER) && i < buffer->rank; i++)
    if (!tni_is_const(buffer->shape[i]))
      return tni_verify_fail(v, buffer->shape[i], "a buffer %s has constant extents",
                             stacked ? "on the stack of the loop level" : "in registers");
  return true;
}

/* The variable stays bound, as the buffer of an alloc does. */
static bool check_let(tni_verifier *v, const tn_stmt *s) {
  const tn_expr *var = s->as.let.var, *value = s->as.let.value;
  int64_t lo, hi;
  if (var->op != TN_OP_var || var->type != value->type)
    return tni_verify_fail(v, s, "a let needs a variable of its value's type");
  if (v->open++ == MAX_OPEN) return tni_verify_limit(v, too_many, MAX_OPEN);
  if (!tni_verify_expr(v, value)) return false;
  if (TN_TYPE_CODE(var->type) != TN_CODE_INDEX && !tni_is_element_type(TN_TYPE_WITH_LANES(var->type, 1)))
    return tni_verify_fail(v, value, "a let binds an index, a number or a bool");
  if (var->type == TN_INDEX) {
    tni_bounds(&v->facts, value, &lo, &hi);
    if (!tni_facts_push(&v->facts, var, lo, hi)) return tni_verify_nomem(v);
  }
  return tni_verify_bind(v, var, false, (tni_scoped){.varies = tni_verify_varies(v, value)});
}

static bool check_claim(tni_verifier *v, const tn_stmt *s) {
  bool asserts = s->kind == TNI_ASSERT;
  if (v->open++ == MAX_OPEN) return tni_verify_limit(v, too_many, MAX_OPEN);
  if (asserts && !*s->as.claim.message) return tni_verify_fail(v, s, "an assert needs a message");
  if (!tni_verify_typed(v, s->as.claim.cond, TN_BOOL, asserts ? "what is asserted" : "what is assumed")) return false;
  v->guards++; /* what follows may never happen */
  return tni_facts_learn(&v->facts, s->as.claim.cond, true) || tni_verify_nomem(v);
}

static bool check_evaluate(tni_verifier *v, const tn_stmt *s) {
  if (s->as.evaluate.call->op != TN_OP_call)
    return tni_verify_fail(v, s, "only a call can be evaluated for its effect");
  return tni_verify_expr(v, s->as.evaluate.call);
}

static bool check_one(tni_verifier *v, const tn_stmt *s) {
  v->stmt = s;
  tni_map_clear(&v->nodes);
  if (!tni_verify_legal(v, s)) return false;
  switch (s->kind) {
  case TNI_FOR: return check_annotations(v, s) && check_for(v, s);
  case TNI_BLOCK: return check_annotations(v, s) && check_block(v, s);
  case TNI_STORE: return check_store(v, s);
  case TNI_REDUCE: return check_reduce(v, s);
  case TNI_IF: return check_if(v, s);
  case TNI_WHILE: return check_while(v, s);
  case TNI_EVALUATE: return check_evaluate(v, s);
  case TNI_ALLOC: return check_alloc(v, s->as.alloc.buffer);
  case TNI_LET: return check_let(v, s);
  case TNI_ASSERT:
  case TNI_ASSUME: return check_claim(v, s);
  case TNI_BARRIER: return tni_verify_barrier(v);
  case TNI_COPY: return tni_verify_async(v) && check_store(v, s);
  case TNI_COMMIT:
  case TNI_WAIT: return tni_verify_async(v);
  case TNI_PREFETCH: return check_prefetch(v, s);
  case TNI_SEQ:
  case TNI_STMT_KIND_COUNT: break;
  }
  assert(false); /* a sequence is taken apart before */
  return false;
}

/* What holds at a place, apart from what is bound. */
typedef struct place {
  size_t facts, known;
  uint32_t blocks, open, bound, guards, shared;
  bool in_init;
  const char *parted;
} place;

static place place_of(const tni_verifier *v) {
  return (place){v->facts.count, v->facts.known_count, v->blocks,  v->open,   v->bound,
                 v->guards,      v->shared,            v->in_init, v->parted};
}

static void return_to(tni_verifier *v, const place *p) {
  tni_facts_pop(&v->facts, p->facts);
  v->facts.known_count = p->known;
  v->blocks = p->blocks;
  v->open = p->open;
  v->bound = p->bound;
  v->guards = p->guards;
  v->shared = p->shared;
  v->in_init = p->in_init;
  v->parted = p->parted;
}

/* Goes on behind a statement with a mistake, as if it were right. False: it ends here. */
static bool recover(tni_verifier *v, const tn_stmt *s, const place *before) {
  return_to(v, before);
  v->guards += s->kind == TNI_ASSERT || s->kind == TNI_ASSUME;
  if (s->kind == TNI_ALLOC) tni_verify_bind_wrong(v, s->as.alloc.buffer);
  if (s->kind == TNI_LET) tni_verify_bind_wrong(v, s->as.let.var);
  return !v->status;
}

static bool check_next(tni_verifier *v, const tn_stmt *s) {
  place before = place_of(v);
  return check_one(v, s) || recover(v, s, &before);
}

/* Ends what holds to the end of a list. */
static bool close_list(tni_verifier *v, const tn_stmt *s, const place *before) {
  while (s && (tni_rest(s) || (s->kind == TNI_SEQ && s->as.seq.count))) {
    if (s->kind == TNI_ALLOC) tni_verify_private(v, s);
    if (s->kind == TNI_ALLOC) tni_verify_unbind(v, s->as.alloc.buffer);
    if (s->kind == TNI_LET) tni_verify_unbind(v, s->as.let.var);
    s = tni_rest(s) ? tni_rest(s) : s->as.seq.stmts[s->as.seq.count - 1];
  }
  return_to(v, before);
  return !v->status;
}

/* One statement, or a list: what holds to its end is followed without recursion, since the text does not nest either. */
bool tni_verify_body(tni_verifier *v, const tn_stmt *s) {
  const tn_stmt *first = s;
  place before = place_of(v);
  while (s) {
    const tn_stmt *rest = NULL;
    if (s->kind == TNI_SEQ) {
      for (int32_t i = 0; i + 1 < s->as.seq.count; i++) {
        const tn_stmt *item = s->as.seq.stmts[i];
        bool nested = item->kind == TNI_SEQ || tni_rest(item);
        if (!(nested ? check_inside(v, item) : check_next(v, item))) return false;
      }
      rest = s->as.seq.count ? s->as.seq.stmts[s->as.seq.count - 1] : NULL;
    } else {
      if (!check_next(v, s)) return false;
      rest = tni_rest(s);
    }
    s = rest;
  }
  return close_list(v, first, &before);
}
