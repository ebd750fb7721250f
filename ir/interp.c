/* interp.c -- the reference interpreter: runs a tensor or loop function as its text reads, statement by statement.
 *
 * A function is made ready once: each statement becomes an action with a tape for its expressions (interp_tape.c). Then
 * the actions run. Loops of every kind run serially, from 0 up, but for threads that wait for each other (interp_team.c);
 * interp_race.c watches over concurrent ones.
 *
 *     for     the extent is evaluated once                 if       one branch
 *     block   `where`, then the bindings, each checked     alloc    memory whose elements count as unwritten
 *             against its extent; init when all reduce     store    `where`, then subscripts and value; nothing is
 *             iterators are 0; body                                 evaluated when `where` is false in every lane
 *     let     the value, once; then the rest               assert   the condition, which must be true; then the rest;
 *                                                                   an assume alike
 *     while   the condition before each run of the body    reduce   as store; lanes read and write in order
 *     copy    as store, but done when the thread waits     wait     copies are done (interp_async.c)
 *
 * Refused, with the place ("matmul: block C: i = 3, j = 7"): subscripts out of bounds, reads of elements of an alloc
 * that were not written, races of iterations, of what copies are on their way to, iterators outside their extents,
 * negative extents of buffers, allocs over the limit of a tensor, a failing external. Lanes whose condition is false
 * touch no memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>

#include "interp.h"

/* ---- failure --------------------------------------------------------------------------------------------------- */

static const tni_frame *parent_of(const tni_frame *frame) { return frame ? frame->parent : NULL; }

/* The values of the loops, outermost first. Recursion is as deep as the statements. */
static void add_loop_text(tni_text *text, const tni_frame *frame, const char **separator) {
  if (!frame) return;
  add_loop_text(text, parent_of(frame), separator);
  if (frame->action->stmt->kind != TNI_FOR) return;
  tni_text_add(text, "%s%s = %lld", *separator, frame->action->stmt->as.loop.var->as.name,
               (long long)frame->action->vars[0].at->i);
  *separator = ", ";
}

static void add_place(tni_text *text, const tni_machine *m) {
  const char *separator = ": ";
  const tni_frame *frame = m->frame;
  tni_text_add(text, "%s", m->func->name);
  while (frame && frame->action->stmt->kind != TNI_BLOCK) frame = frame->parent;
  if (frame) tni_text_add(text, ": block %s", frame->action->stmt->as.block.name);
  add_loop_text(text, m->frame, &separator);
}

bool tni_machine_fail(tni_machine *m, tn_status status, const char *format, ...) {
  if (m->status != TN_OK) return false;
  tni_text place, reason;
  va_list args;
  tni_text_init(&place, m->ctx);
  tni_text_init(&reason, m->ctx);
  add_place(&place, m);
  va_start(args, format);
  tni_text_add_v(&reason, format, args);
  va_end(args);
  m->status = place.failed || reason.failed
                  ? tni_fail_nomem(m->err)
                  : tni_fail(m->ctx, m->err, status, "interpret", place.data, "%s", reason.data);
  tni_text_destroy(&place);
  tni_text_destroy(&reason);
  return false;
}

bool tni_machine_step(tni_machine *m) {
  return m->steps++ != m->how.steps || !m->how.steps ||
         tni_machine_fail(m, TN_E_LIMIT, "more than %llu statements run", (unsigned long long)m->how.steps);
}

bool tni_machine_nomem(tni_machine *m) {
  if (m->status == TN_OK) m->status = tni_fail_nomem(m->err);
  return false;
}

/* ---- making actions -------------------------------------------------------------------------------------------- */

/* A tape of what says how large the buffer's memory is: shape, strides, offset, the layout's shape. */
static tni_tape *make_form(tni_machine *m, const tn_buffer *buffer) {
  const tn_expr *roots[TNI_BUFFER_EXPRS + TN_MAX_RANK];
  int32_t count = tni_buffer_exprs(buffer, roots);
  for (int32_t k = 0; buffer->layout && k < buffer->layout->rank; k++) roots[count++] = buffer->layout->shape[k];
  return tni_tape_make(m, (size_t)count, roots);
}

static tni_action *make(tni_machine *m, const tn_stmt *s);

static bool make_for(tni_machine *m, tni_action *a) {
  a->vars = TNI_NEW(&m->arena, tni_operand);
  if (!a->vars) return tni_machine_nomem(m);
  return (a->tape = tni_tape_make(m, 1, &a->stmt->as.loop.extent)) &&
         tni_bind_variable(m, a->stmt->as.loop.var, a->vars) && (a->first = make(m, a->stmt->as.loop.body));
}

static bool make_block(tni_machine *m, tni_action *a) {
  size_t count = (size_t)a->stmt->as.block.count;
  const tni_iter *iters = a->stmt->as.block.iters;
  const tn_expr **roots = TNI_NEW_ARRAY(&m->arena, const tn_expr *, 2 * count);
  a->vars = TNI_NEW_ARRAY(&m->arena, tni_operand, count);
  if (!roots || !a->vars) return tni_machine_nomem(m);
  for (size_t i = 0; i < count; i++) {
    roots[i] = iters[i].binding;
    roots[count + i] = iters[i].extent;
  }
  if (a->stmt->as.block.where && !(a->where = tni_tape_make(m, 1, &a->stmt->as.block.where))) return false;
  if (!(a->tape = tni_tape_make(m, 2 * count, roots))) return false;
  for (size_t i = 0; i < count; i++)
    if (!tni_bind_variable(m, iters[i].var, &a->vars[i])) return false;
  if (a->stmt->as.block.init && !(a->second = make(m, a->stmt->as.block.init))) return false;
  return (a->first = make(m, a->stmt->as.block.body)) != NULL;
}

static bool make_store(tni_machine *m, tni_action *a) {
  const tn_buffer *buffer = a->stmt->as.store.buffer;
  const tn_expr *roots[TN_MAX_RANK + 1];
  int32_t count = a->stmt->as.store.count;
  tni_entry *entry = tni_entry_of(m, buffer, false);
  assert(count <= TN_MAX_RANK);
  if (!entry || !entry->memory)
    return tni_machine_fail(m, TN_E_INVALID, "buffer `%s` is written where it does not exist", buffer->name);
  a->lanes = TN_TYPE_LANES(a->stmt->as.store.value->type);
  for (int32_t i = 0; i < count; i++) {
    roots[i] = a->stmt->as.store.index[i];
    if (TN_TYPE_LANES(roots[i]->type) > a->lanes) a->lanes = TN_TYPE_LANES(roots[i]->type);
  }
  if (a->lanes > TNI_INTERP_LANES)
    return tni_machine_fail(m, TN_E_UNSUPPORTED, "a vector of %u lanes; the interpreter takes %d", a->lanes,
                            TNI_INTERP_LANES);
  roots[count] = a->stmt->as.store.value;
  a->access.memory = entry->memory;
  a->access.count = count;
  a->access.flat = m->func->level == TNI_LEVEL_LOOP;
  if (a->stmt->as.store.where && !(a->where = tni_tape_make(m, 1, &a->stmt->as.store.where))) return false;
  return (a->tape = tni_tape_make(m, (size_t)count + 1, roots)) != NULL;
}

static bool make_seq(tni_machine *m, tni_action *a) {
  a->parts = TNI_NEW_ARRAY(&m->arena, tni_action *, a->stmt->as.seq.count);
  if (!a->parts) return tni_machine_nomem(m);
  for (int32_t i = 0; i < a->stmt->as.seq.count; i++)
    if (!(a->parts[i] = make(m, a->stmt->as.seq.stmts[i]))) return false;
  for (int32_t i = 0; i < a->stmt->as.seq.count; i++) a->waits |= a->parts[i]->waits;
  return true;
}

static bool make_if(tni_machine *m, tni_action *a) {
  if (!(a->tape = tni_tape_make(m, 1, &a->stmt->as.cond.cond)) || !(a->first = make(m, a->stmt->as.cond.then)))
    return false;
  return !a->stmt->as.cond.otherwise || (a->second = make(m, a->stmt->as.cond.otherwise));
}

static bool make_alloc(tni_machine *m, tni_action *a) {
  const tn_buffer *buffer = a->stmt->as.alloc.buffer;
  return (a->tape = make_form(m, buffer)) && (a->memory = tni_bind_memory(m, buffer)) &&
         (a->first = make(m, a->stmt->as.alloc.body));
}

static bool make_let(tni_machine *m, tni_action *a) {
  a->vars = TNI_NEW(&m->arena, tni_operand);
  if (!a->vars) return tni_machine_nomem(m);
  return (a->tape = tni_tape_make(m, 1, &a->stmt->as.let.value)) &&
         tni_bind_variable(m, a->stmt->as.let.var, a->vars) && (a->first = make(m, a->stmt->as.let.body));
}

/* The action of a statement; NULL: m->status tells why. */
static tni_action *make(tni_machine *m, const tn_stmt *s) {
  tni_action *a = TNI_NEW(&m->arena, tni_action);
  bool made = false;
  if (!a) {
    tni_machine_nomem(m);
    return NULL;
  }
  a->stmt = s;
  switch (s->kind) {
  case TNI_FOR: made = make_for(m, a); break;
  case TNI_BLOCK: made = make_block(m, a); break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: made = make_store(m, a); break;
  case TNI_COMMIT:
  case TNI_PREFETCH:
  case TNI_WAIT: made = true; break;
  case TNI_SEQ: made = make_seq(m, a); break;
  case TNI_IF: made = make_if(m, a); break;
  case TNI_WHILE:
    made = (a->tape = tni_tape_make(m, 1, &s->as.repeat.cond)) && (a->first = make(m, s->as.repeat.body));
    break;
  case TNI_ALLOC: made = make_alloc(m, a); break;
  case TNI_LET: made = make_let(m, a); break;
  case TNI_ASSERT:
  case TNI_ASSUME: made = (a->tape = tni_tape_make(m, 1, &s->as.claim.cond)) && (a->first = make(m, tni_rest(s))); break;
  case TNI_EVALUATE: made = (a->tape = tni_tape_make(m, 1, &s->as.evaluate.call)) != NULL; break;
  case TNI_BARRIER: made = a->waits = true; break;
  default: assert(!"a kind of statement that nobody runs");
  }
  a->waits |= made && ((a->first && a->first->waits) || (a->second && a->second->waits));
  return made ? a : NULL;
}

/* What the load reads that gives the value of a copy. */
static const tni_place *source_of(const tni_action *a) {
  const tni_step *step = a->tape->steps;
  while (step->code != STEP_LOAD || step->out.at != a->value.at) step++;
  return step->as.access;
}

/* Slots into addresses, once the pool exists. */
static void resolve(const tni_machine *m, tni_action *a) {
  if (!a) return;
  if (a->stmt->kind == TNI_FOR || a->stmt->kind == TNI_LET) tni_operand_resolve(m, a->vars);
  if (a->stmt->kind == TNI_BLOCK)
    for (int32_t i = 0; i < a->stmt->as.block.count; i++) tni_operand_resolve(m, &a->vars[i]);
  if (tni_is_write(a->stmt)) {
    memcpy(a->access.index, a->tape->roots, (size_t)a->access.count * sizeof *a->tape->roots);
    a->value = a->tape->roots[a->access.count];
    if (a->stmt->kind == TNI_COPY) a->source = source_of(a);
  }
  if (a->stmt->kind == TNI_SEQ)
    for (int32_t i = 0; i < a->stmt->as.seq.count; i++) resolve(m, a->parts[i]);
  resolve(m, a->first);
  resolve(m, a->second);
}

/* ---- memory of buffers ------------------------------------------------------------------------------------------ */

static bool fail_too_large(tni_machine *m, const tni_memory *memory) {
  return tni_machine_fail(m, TN_E_LIMIT, "buffer `%s` is too large to address", memory->buffer->name);
}

/* Where elements stand, from the values behind the shape; memory->count. */
static bool measure_scattered(tni_machine *m, tni_memory *memory, const tni_operand *value) {
  const tn_buffer *b = memory->buffer;
  int32_t rank = tni_memory_rank(b);
  const int64_t *shape = b->layout ? memory->layout_shape : memory->shape;
  memory->scattered = true;
  for (int32_t k = 0; b->strides && k < rank; k++) {
    memory->strides[k] = (value++)->at->i;
    if (memory->strides[k] < 0)
      return tni_machine_fail(m, TN_E_INVALID, "buffer `%s`: stride %d is %lld", b->name, k,
                              (long long)memory->strides[k]);
  }
  memory->offset = b->offset ? (value++)->at->i : 0;
  if (memory->offset < 0)
    return tni_machine_fail(m, TN_E_INVALID, "buffer `%s`: the offset is %lld", b->name, (long long)memory->offset);
  for (int32_t k = 0; b->layout && k < rank; k++) memory->layout_shape[k] = (value++)->at->i;
  memory->overlaps = b->strides && tni_strides_overlap(rank, shape, memory->strides);
  int64_t span = tni_span(rank, shape, b->strides ? memory->strides : NULL), step = 1;
  if (span < 0 || __builtin_add_overflow(span, memory->offset, &memory->count) || memory->count > INT64_MAX / 8)
    return fail_too_large(m, memory);
  for (int32_t k = rank; !b->strides && k-- > 0; step *= shape[k]) memory->strides[k] = span ? step : 0;
  return true;
}

/* The form that the roots of `tape` have now, into `memory`. */
static bool measure(tni_machine *m, tni_memory *memory, const tni_tape *tape) {
  size_t count = 1;
  if (!tni_tape_run(m, tape)) return false;
  for (int32_t d = 0; d < memory->buffer->rank; d++) {
    int64_t extent = tape->roots[d].at->i;
    if (extent < 0)
      return tni_machine_fail(m, TN_E_INVALID, "buffer `%s`: extent %d is %lld", memory->buffer->name, d,
                              (long long)extent);
    if (!tni_mul_size(count, (size_t)extent, &count) || count > INT64_MAX / 8) return fail_too_large(m, memory);
    memory->shape[d] = extent;
  }
  memory->count = (int64_t)count;
  return tni_is_row_major(memory->buffer) || measure_scattered(m, memory, tape->roots + memory->buffer->rank);
}

static size_t align_of(const tni_memory *memory) { return memory->buffer->align > 64 ? memory->buffer->align : 64; }

void tni_memory_release(tni_machine *m, tni_memory *memory) {
  if (!memory->written) return;
  tni_free_aligned(m->ctx, memory->data, memory->data_bytes, align_of(memory));
  tni_free(m->ctx, memory->written, memory->written_bytes);
  memory->data = memory->written = NULL;
}

/* Memory for an alloc; that of the last time is kept when it fits. Every element counts as unwritten. */
static bool allocate(tni_machine *m, tni_memory *memory) {
  size_t bytes = tn_array_bytes(memory->buffer->type, memory->count);
  size_t flags = (size_t)memory->count / 8 + 1;
  if (bytes > m->ctx->limits.tensor_bytes)
    return tni_machine_fail(m, TN_E_LIMIT, "buffer `%s` takes %zu bytes; the limit of a tensor is %llu",
                            memory->buffer->name, bytes, (unsigned long long)m->ctx->limits.tensor_bytes);
  if (bytes == 0) bytes = 1;
  if (!memory->written || memory->data_bytes != bytes || memory->written_bytes != flags) {
    tni_memory_release(m, memory);
    memory->data = tni_alloc_aligned(m->ctx, bytes, align_of(memory));
    memory->written = memory->data ? tni_alloc(m->ctx, flags) : NULL;
    if (!memory->written) {
      tni_free_aligned(m->ctx, memory->data, bytes, align_of(memory));
      memory->data = NULL;
      return tni_machine_nomem(m);
    }
    memory->data_bytes = bytes;
    memory->written_bytes = flags;
  }
  memset(memory->written, 0, flags);
  memory->born = m->concurrent ? m->concurrent->depth : 0;
  return true;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

bool tni_tape_holds(tni_machine *m, const tni_tape *condition, bool *out) {
  if (!tni_tape_run(m, condition)) return false;
  *out = condition->roots[0].at->i != 0;
  return true;
}

/* An iteration that waits for its own copies at its end. */
static bool run_thread(tni_machine *m, const tni_action *body) {
  tni_async own = {0}, *outer = m->async;
  m->async = &own;
  bool good = tni_action_run(m, body) && tni_async_end(m);
  tni_async_free(m, &own);
  m->async = outer;
  return good;
}

static bool run_for(tni_machine *m, const tni_action *a) {
  enum tni_loop_kind kind = a->stmt->as.loop.kind;
  bool (*run)(tni_machine *m, const tni_action *body) =
      kind == TNI_PARALLEL || tni_is_bound(kind) ? run_thread : tni_action_run;
  tni_frame frame = {m->frame, a};
  if (!tni_tape_run(m, a->tape)) return false;
  int64_t extent = a->tape->roots[0].at->i;
  m->frame = &frame;
  for (int64_t i = 0; i < extent; i++) {
    a->vars[0].at->i = i;
    if (m->concurrent && m->concurrent->loop == a->stmt) m->concurrent->iteration = i;
    if (!run(m, a->first)) return false;
  }
  m->frame = frame.parent;
  return true;
}

static bool run_loop(tni_machine *m, const tni_action *a) {
  enum tni_loop_kind kind = a->stmt->as.loop.kind;
  if (!tni_is_concurrent(kind)) return run_for(m, a);
  if (a->waits && tni_is_thread_bound(kind)) return tni_team_run(m, a);
  tni_concurrent here;
  tni_concurrent_begin(m, &here, a->stmt);
  bool good = run_for(m, a);
  tni_concurrent_end(m, &here);
  return good;
}

/* Gives the iterators their values; *first: all reduce iterators are 0. */
static bool bind_iterators(tni_machine *m, const tni_action *a, bool *first) {
  int32_t count = a->stmt->as.block.count;
  const tni_operand *roots = a->tape->roots;
  if (!tni_tape_run(m, a->tape)) return false;
  *first = true;
  for (int32_t i = 0; i < count; i++) {
    const tni_iter *iter = &a->stmt->as.block.iters[i];
    int64_t value = roots[i].at->i, extent = roots[count + i].at->i;
    if (value < 0 || value >= extent)
      return tni_machine_fail(m, TN_E_INVALID, "iterator `%s` is bound to %lld, outside 0..%lld", iter->var->as.name,
                              (long long)value, (long long)extent);
    a->vars[i].at->i = value;
    *first = *first && (!iter->reduce || value == 0);
  }
  return true;
}

static bool run_block(tni_machine *m, const tni_action *a) {
  tni_frame frame = {m->frame, a};
  bool wanted = true, first;
  m->frame = &frame;
  if (a->where && !tni_tape_holds(m, a->where, &wanted)) return false;
  if (wanted) {
    if (!bind_iterators(m, a, &first)) return false;
    if (a->second && first && !tni_action_run(m, a->second)) return false;
    if (!tni_action_run(m, a->first)) return false;
  }
  m->frame = frame.parent;
  return true;
}

static bool any_lane(const tni_operand *condition, uint32_t lanes) {
  for (uint32_t l = 0; l < lanes; l++)
    if (tni_lane(condition, l)) return true;
  return false;
}

/* The element and the value as one. */
static bool reduce_element(tni_machine *m, const tni_action *a, uint32_t lane, int64_t at, tni_scalar *value) {
  const tni_memory *memory = a->access.memory;
  if (!tni_place_written(m, &a->access, lane, at)) return false;
  tni_scalar args[] = {tni_read_element(memory->buffer->type, memory->data, at), *value, {0}};
  *value = tni_eval_op(a->stmt->as.store.op, memory->buffer->type, args);
  return true;
}

static bool store_lane(tni_machine *m, const tni_action *a, uint32_t lane) {
  tni_memory *memory = a->access.memory;
  tni_scalar value = a->value.at[(size_t)lane * a->value.stride];
  int64_t at;
  if (!tni_place_locate(m, &a->access, lane, &at)) return false;
  if (memory->overlaps)
    return tni_machine_fail(m, TN_E_INVALID, "buffer `%s` is written, and its strides put two elements in one place",
                            memory->buffer->name);
  if (m->pending_count && !tni_async_allows(m, &a->access, lane, at, true)) return false;
  if (m->concurrent &&
      !tni_concurrent_touch(m, &a->access, lane, at, true, a->stmt->kind == TNI_REDUCE ? (int)a->stmt->as.store.op : -1))
    return false;
  if (a->stmt->kind == TNI_COPY) return tni_async_start(m, a, lane, at, value);
  if (a->stmt->kind == TNI_REDUCE && !reduce_element(m, a, lane, at, &value)) return false;
  if (memory->buffer->type == TN_F32)
    ((float *)memory->data)[at] = (float)value.f;
  else
    tni_write_element(memory->buffer->type, memory->data, at, value);
  if (memory->written) memory->written[at >> 3] |= (uint8_t)(1u << (at & 7));
  return true;
}

/* The condition's lanes stand in slots that the second tape uses again, so they are kept aside. */
static bool run_store(tni_machine *m, const tni_action *a) {
  bool wanted[TNI_INTERP_LANES];
  if (a->where) {
    const tni_operand *condition = &a->where->roots[0];
    if (!tni_tape_run(m, a->where)) return false;
    if (!any_lane(condition, condition->stride ? a->lanes : 1)) return true;
    for (uint32_t l = 0; l < a->lanes; l++) wanted[l] = tni_lane(condition, l) != 0;
  }
  if (!tni_tape_run(m, a->tape)) return false;
  for (uint32_t l = 0; l < a->lanes; l++)
    if ((!a->where || wanted[l]) && !store_lane(m, a, l)) return false;
  return true;
}

static bool run_seq(tni_machine *m, const tni_action *a) {
  for (int32_t i = 0; i < a->stmt->as.seq.count; i++)
    if (!tni_action_run(m, a->parts[i])) return false;
  return true;
}

static bool run_if(tni_machine *m, const tni_action *a) {
  bool taken;
  if (!tni_tape_holds(m, a->tape, &taken)) return false;
  const tni_action *branch = taken ? a->first : a->second;
  return !branch || tni_action_run(m, branch);
}

static bool run_while(tni_machine *m, const tni_action *a) {
  bool more;
  while (tni_tape_holds(m, a->tape, &more)) {
    if (!more) return true;
    if (!tni_action_run(m, a->first)) return false;
  }
  return false;
}

bool tni_action_bind(tni_machine *m, const tni_action *a) {
  if (!tni_tape_run(m, a->tape)) return false;
  const tni_operand *value = &a->tape->roots[0];
  for (uint32_t l = 0; l < TN_TYPE_LANES(a->stmt->as.let.var->type); l++)
    a->vars[0].at[l] = value->at[(size_t)l * value->stride];
  return true;
}

static bool fail_claim(tni_machine *m, const tni_action *a) {
  tni_text text;
  if (a->stmt->kind == TNI_ASSERT)
    return tni_machine_fail(m, TN_E_INVALID, "the assertion failed: %s", a->stmt->as.claim.message);
  tni_text_init(&text, m->ctx);
  tni_print_expr(&text, a->stmt->as.claim.cond);
  if (text.failed)
    tni_machine_nomem(m);
  else
    tni_machine_fail(m, TN_E_INVALID, "what is assumed is false: %s", text.data);
  tni_text_destroy(&text);
  return false;
}

bool tni_action_claim(tni_machine *m, const tni_action *a) {
  bool good;
  if (!tni_tape_holds(m, a->tape, &good)) return false;
  return good || fail_claim(m, a);
}

bool tni_action_allocate(tni_machine *m, const tni_action *a) {
  return measure(m, a->memory, a->tape) && allocate(m, a->memory);
}

bool tni_action_run(tni_machine *m, const tni_action *a) {
  if (!tni_machine_step(m)) return false;
  switch (a->stmt->kind) {
  case TNI_FOR: return run_loop(m, a);
  case TNI_BLOCK: return run_block(m, a);
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: return run_store(m, a);
  case TNI_PREFETCH: return true;
  case TNI_COMMIT: m->async->commits++; return true;
  case TNI_WAIT: return tni_async_wait(m, a->stmt->as.wait.pending);
  case TNI_SEQ: return run_seq(m, a);
  case TNI_IF: return run_if(m, a);
  case TNI_WHILE: return run_while(m, a);
  case TNI_LET: return tni_action_bind(m, a) && tni_action_run(m, a->first);
  case TNI_ASSERT:
  case TNI_ASSUME: return tni_action_claim(m, a) && tni_action_run(m, a->first);
  case TNI_ALLOC:
    return tni_action_allocate(m, a) && tni_action_run(m, a->first) && tni_async_end_memory(m, a->memory);
  default: return tni_tape_run(m, a->tape);
  }
}

/* ---- arguments ------------------------------------------------------------------------------------------------- */

/* Parameters made ready: a scalar's slot, or a buffer's memory and the tape of its shape. */
typedef struct parameter {
  tni_operand scalar;
  tni_memory *memory;
  tni_tape *shape;
} parameter;

static bool make_parameters(tni_machine *m, parameter *params) {
  for (uint32_t i = 0; i < m->func->param_count; i++)
    if (!m->func->params[i].buffer && !tni_bind_variable(m, m->func->params[i].scalar, &params[i].scalar)) return false;
  for (uint32_t i = 0; i < m->func->param_count; i++) {
    const tn_buffer *buffer = m->func->params[i].buffer;
    if (buffer && (!(params[i].memory = tni_bind_memory(m, buffer)) || !(params[i].shape = make_form(m, buffer))))
      return false;
  }
  return true;
}

static bool fail_argument(tni_machine *m, uint32_t i, const char *name, const char *expected) {
  return tni_machine_fail(m, TN_E_INVALID, "argument %u, `%s`: expected %s", i, name, expected);
}

/* The number that a value gives to a parameter of `type`. */
static bool take_scalar(tni_machine *m, uint32_t i, const tn_value *value, const tni_operand *slot) {
  const tn_expr *var = m->func->params[i].scalar;
  char text[16], expected[64];
  int tag = tni_type_is_float(var->type) ? TN_VALUE_FLOAT : var->type == TN_POINTER ? TN_VALUE_POINTER : TN_VALUE_INT;
  static const char *const names[] = {"nothing", "TN_VALUE_INT", "TN_VALUE_FLOAT", "TN_VALUE_POINTER"};
  snprintf(expected, sizeof expected, "a %s for %s", names[tag], tn_type_text(var->type, text));
  if (value->tag != tag) return fail_argument(m, i, var->as.name, expected);
  if (tag == TN_VALUE_FLOAT)
    slot->at->f = tni_round_to(var->type, value->as.f);
  else if (tag == TN_VALUE_POINTER)
    slot->at->i = (int64_t)(uintptr_t)value->as.pointer;
  else if (tni_wrap(var->type, value->as.i) != value->as.i)
    return tni_machine_fail(m, TN_E_INVALID, "argument %u, `%s`: %lld does not fit %s", i, var->as.name,
                            (long long)value->as.i, text);
  else
    slot->at->i = value->as.i;
  return true;
}

static bool take_tensor(tni_machine *m, uint32_t i, const tn_value *value, tni_memory *memory) {
  char what[128];
  tn_error *cause = NULL;
  const tn_buffer *buffer = memory->buffer;
  snprintf(what, sizeof what, "argument %u, `%.80s`", i, buffer->name);
  if (value->tag != TN_VALUE_TENSOR || !value->as.tensor) return fail_argument(m, i, buffer->name, "a tensor");
  tni_tensor_form form = {.type = buffer->type,
                          .rank = tni_memory_rank(buffer),
                          .shape = buffer->layout ? memory->layout_shape : memory->shape,
                          .strides = buffer->strides ? memory->strides : NULL,
                          .has_offset = buffer->offset != NULL,
                          .offset = memory->offset,
                          .align = buffer->align};
  tn_status status = tni_tensor_check_form(m->ctx, value->as.tensor, what, &form, &cause);
  if (status != TN_OK) {
    tni_machine_fail(m, status, "%s: %s", what, tn_error_reason(cause));
    tn_error_destroy(cause);
    return false;
  }
  memory->data = buffer->offset ? value->as.tensor->data : tni_tensor_pointer(value->as.tensor);
  return true;
}

/* Where arguments come from: packed values, or bare pointers of buffers. */
typedef struct arguments {
  const tn_value *values;
  void *const *buffers;
} arguments;

static bool take_arguments(tni_machine *m, const parameter *params, const arguments *args) {
  size_t next = 0;
  for (uint32_t i = 0; i < m->func->param_count; i++)
    if (!params[i].memory && !take_scalar(m, i, &args->values[i], &params[i].scalar)) return false;
  for (uint32_t i = 0; i < m->func->param_count; i++) {
    tni_memory *memory = params[i].memory;
    if (!memory) continue;
    if (!measure(m, memory, params[i].shape)) return false;
    if (args->buffers)
      memory->data = args->buffers[next++];
    else if (!take_tensor(m, i, &args->values[i], memory))
      return false;
  }
  return true;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static void machine_init(tni_machine *m, const tn_func *func, const tni_interpretation *how, tn_error **err) {
  memset(m, 0, sizeof *m);
  m->ctx = func->program->ctx;
  m->func = func;
  m->how = *how;
  m->err = err;
  m->async = &m->whole;
  tni_arena_init(&m->arena, m->ctx);
  tni_region_init_below(&m->region, func);
}

static void machine_destroy(tni_machine *m) {
  for (tni_memory *memory = m->memories; memory; memory = memory->next) tni_memory_release(m, memory);
  for (tni_tape *tape = m->tapes; tape; tape = tape->next)
    tni_free(m->ctx, tape->steps, tape->step_capacity * sizeof *tape->steps);
  tni_free(m->ctx, m->entries, m->entry_capacity * sizeof *m->entries);
  tni_free(m->ctx, m->fixed, m->fixed_capacity * sizeof *m->fixed);
  tni_free(m->ctx, m->pool, m->pool_count * sizeof *m->pool);
  tni_free(m->ctx, m->stack, m->stack_capacity * sizeof *m->stack);
  tni_free(m->ctx, m->pending, m->pending_size * sizeof *m->pending);
  tni_async_free(m, &m->whole);
  tni_region_destroy(&m->region);
  tni_arena_destroy(&m->arena);
}

static void run_machine(tni_machine *m, const arguments *args) {
  tni_action *body = NULL;
  parameter *params = TNI_NEW_ARRAY(&m->arena, parameter, m->func->param_count);
  if (!params) {
    tni_machine_nomem(m);
    return;
  }
  if (!make_parameters(m, params) || (m->func->body && !(body = make(m, m->func->body))) || !tni_pool_make(m)) return;
  for (uint32_t i = 0; i < m->func->param_count; i++) tni_operand_resolve(m, &params[i].scalar);
  resolve(m, body);
  if (take_arguments(m, params, args) && body && tni_action_run(m, body)) tni_async_end(m);
}

static tn_status interpret(const tn_func *func, const tni_interpretation *how, const arguments *args, tn_error **err) {
  tni_machine m;
  if (err) *err = NULL;
  machine_init(&m, func, how, err);
  run_machine(&m, args);
  machine_destroy(&m);
  return m.status;
}

tn_status tni_interpret_with(const tn_func *func, const tn_value *args, size_t count, const tni_interpretation *how,
                             tn_error **err) {
  if (count != func->param_count)
    return tni_fail(func->program->ctx, err, TN_E_INVALID, "interpret", func->name,
                    "expected %u arguments, but there are %zu", func->param_count, count);
  return interpret(func, how, &(arguments){args, NULL}, err);
}

tn_status tni_interpret(const tn_func *func, const tn_value *args, size_t count, tn_error **err) {
  return tni_interpret_with(func, args, count, &(tni_interpretation){0}, err);
}

tn_status tni_evaluate_interpreted(void *self, const tn_func *func, void *const *buffers, tn_error **err) {
  (void)self;
  for (uint32_t i = 0; i < func->param_count; i++)
    if (!func->params[i].buffer)
      return tni_fail(func->program->ctx, err, TN_E_INVALID, "interpret", func->name,
                      "parameter %u is a scalar; only buffers can be evaluated", i);
  return interpret(func, &(tni_interpretation){0}, &(arguments){NULL, buffers}, err);
}
