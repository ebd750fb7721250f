/* interp_tape.c -- the interpreter's expressions made ready: a DAG becomes a tape of steps, each node once.
 *
 * A math operator is replaced by its definition (math/), made in the machine's own region. A broadcast costs nothing:
 * its consumers read one value with stride 0. The common (operator, type) pairs have steps of their own; all others go
 * through tni_eval_op, and test/ir/test_interp.c compares the two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "interp.h"

/* ---- steps ----------------------------------------------------------------------------------------------------- */

enum step_types { TYPES_F32, TYPES_F64, TYPES_FLOAT, TYPES_I64, TYPES_I32, TYPES_SIGNED, TYPES_INT, TYPES_ANY };

static bool serves(enum step_types types, tn_type type) {
  tn_type lane = TN_TYPE_WITH_LANES(type, 1);
  switch (types) {
  case TYPES_F32: return lane == TN_F32;
  case TYPES_F64: return lane == TN_F64;
  case TYPES_FLOAT: return tni_type_is_float(lane) && TN_TYPE_BITS(lane) > 8; /* which have a negative zero */
  case TYPES_I64: return lane == TN_I64 || lane == TN_INDEX;
  case TYPES_I32: return lane == TN_I32;
  case TYPES_SIGNED: return tni_type_is_signed(lane);
  case TYPES_INT: return !tni_type_is_float(lane);
  default: return true;
  }
}

static enum tni_step_code code_of(enum tn_op op, tn_type type) {
#define STEP_MATCH(name, its_op, types, member, value)                                                                 \
  if (op == TN_OP_##its_op && serves(TYPES_##types, type)) return STEP_##name;
  TNI_FAST_STEPS(STEP_MATCH)
#undef STEP_MATCH
  return STEP_EVAL;
}

/* ---- what nodes became ----------------------------------------------------------------------------------------- */

static size_t place_of(const tni_machine *m, const void *key) {
  size_t mask = m->entry_capacity - 1;
  size_t i = (size_t)(((uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u) >> 20) & mask;
  while (m->entries[i].key && m->entries[i].key != key) i = (i + 1) & mask;
  return i;
}

static bool grow_entries(tni_machine *m) {
  size_t old_capacity = m->entry_capacity, capacity = old_capacity ? old_capacity * 2 : 64;
  tni_entry *old = m->entries, *entries = tni_alloc_zero(m->ctx, capacity * sizeof *entries);
  if (!entries) return false;
  m->entries = entries;
  m->entry_capacity = capacity;
  for (size_t i = 0; i < old_capacity; i++)
    if (old[i].key) entries[place_of(m, old[i].key)] = old[i];
  tni_free(m->ctx, old, old_capacity * sizeof *old);
  return true;
}

tni_entry *tni_entry_of(tni_machine *m, const void *key, bool add) {
  if (add && m->entry_count * 2 >= m->entry_capacity && !grow_entries(m)) {
    tni_machine_nomem(m);
    return NULL;
  }
  if (!m->entry_capacity) return NULL;
  tni_entry *entry = &m->entries[place_of(m, key)];
  if (!entry->key && !add) return NULL;
  if (!entry->key) {
    *entry = (tni_entry){.key = key, .stamp = UINT32_MAX};
    m->entry_count++;
  }
  return entry;
}

/* Fixed slots that start with `value`, for the lanes of `key`. */
static tni_entry *add_fixed(tni_machine *m, const void *key, uint32_t lanes, tni_scalar value) {
  tni_entry *entry = tni_entry_of(m, key, true);
  if (!entry) return NULL;
  if (!tni_reserve(m->ctx, (void **)&m->fixed, &m->fixed_capacity, m->fixed_count + lanes, sizeof *m->fixed)) {
    tni_machine_nomem(m);
    return NULL;
  }
  entry->stamp = 0;
  entry->value = (tni_operand){.slot = (uint32_t)m->fixed_count, .stride = lanes > 1};
  for (uint32_t l = 0; l < lanes; l++) m->fixed[m->fixed_count++] = value;
  return entry;
}

bool tni_bind_variable(tni_machine *m, const tn_expr *var, tni_operand *out) {
  tni_entry *entry = tni_entry_of(m, var, false);
  if (!entry) entry = add_fixed(m, var, TN_TYPE_LANES(var->type), (tni_scalar){0});
  if (entry) *out = entry->value;
  return entry != NULL;
}

tni_memory *tni_bind_memory(tni_machine *m, const tn_buffer *buffer) {
  tni_entry *entry = tni_entry_of(m, buffer, true);
  if (!entry || entry->memory) return entry ? entry->memory : NULL;
  tni_memory *memory = TNI_NEW(&m->arena, tni_memory);
  if (!memory) {
    tni_machine_nomem(m);
    return NULL;
  }
  memory->buffer = buffer;
  memory->next = m->memories;
  m->memories = memory;
  return entry->memory = memory;
}

/* ---- making a tape --------------------------------------------------------------------------------------------- */

typedef struct builder {
  tni_machine *m;
  tni_tape *tape;
  size_t temporaries;
  size_t depth;
} builder;

static bool push(builder *b, const tn_expr *x) {
  tni_machine *m = b->m;
  if (!tni_reserve(m->ctx, (void **)&m->stack, &m->stack_capacity, b->depth + 1, sizeof *m->stack))
    return tni_machine_nomem(m);
  m->stack[b->depth++] = (tni_visit){x, 0};
  return true;
}

static bool is_known(const tni_machine *m, const tni_entry *entry) {
  return entry && (entry->stamp == 0 || entry->stamp == m->stamp);
}

/* The value of a node that has one. */
static tni_operand value_of(const builder *b, const tn_expr *x) {
  tni_entry *entry = tni_entry_of(b->m, x, false);
  assert(is_known(b->m, entry));
  return entry->value;
}

static bool settle(builder *b, const tn_expr *x, tni_operand value) {
  tni_entry *entry = tni_entry_of(b->m, x, true);
  if (!entry) return false;
  entry->stamp = b->m->stamp;
  entry->value = value;
  return true;
}

static tni_step *add_step(builder *b, const tn_expr *x, enum tni_step_code code) {
  tni_tape *tape = b->tape;
  uint32_t lanes = TN_TYPE_LANES(x->type);
  if (lanes > TNI_INTERP_LANES) {
    tni_machine_fail(b->m, TN_E_UNSUPPORTED, "a vector of %u lanes; the interpreter takes %d", lanes, TNI_INTERP_LANES);
    return NULL;
  }
  if (!tni_reserve(b->m->ctx, (void **)&tape->steps, &tape->step_capacity, tape->step_count + 1, sizeof *tape->steps)) {
    tni_machine_nomem(b->m);
    return NULL;
  }
  tni_step *step = &tape->steps[tape->step_count++];
  memset(step, 0, sizeof *step);
  step->code = (uint16_t)code;
  step->op = x->op;
  step->lanes = lanes;
  step->type = step->from = TN_TYPE_WITH_LANES(x->type, 1);
  step->out = (tni_operand){.slot = TNI_TEMPORARY | (uint32_t)b->temporaries, .stride = lanes > 1};
  b->temporaries += lanes;
  return settle(b, x, step->out) ? step : NULL;
}

/* Operators with operands; those that a step does not use repeat the first. */
static bool add_operator(builder *b, const tn_expr *x, enum tni_step_code code) {
  tni_step *step = add_step(b, x, code);
  if (!step) return false;
  for (int i = 0; i < 3; i++) step->in[i] = value_of(b, x->arg[i < x->nargs ? i : 0]);
  step->from = TN_TYPE_WITH_LANES(x->arg[x->op == TN_OP_select]->type, 1);
  return true;
}

static bool add_reinterpret(builder *b, const tn_expr *x) {
  uint32_t lanes = TN_TYPE_LANES(x->arg[0]->type);
  bool same = lanes == TN_TYPE_LANES(x->type);
  if (!add_operator(b, x, same ? STEP_CONVERT : STEP_REGROUP)) return false;
  if (!same) b->tape->steps[b->tape->step_count - 1].as.from_lanes = lanes;
  return true;
}

static bool add_shuffle(builder *b, const tn_expr *x) {
  if (!add_operator(b, x, STEP_SHUFFLE)) return false;
  b->tape->steps[b->tape->step_count - 1].as.shuffle = x;
  return true;
}

/* The memory of a buffer that is alive here. */
static tni_memory *memory_of(tni_machine *m, const tn_buffer *buffer) {
  tni_entry *entry = tni_entry_of(m, buffer, false);
  if (entry && entry->memory) return entry->memory;
  tni_machine_fail(m, TN_E_INVALID, "buffer `%s` is used where it does not exist", buffer->name);
  return NULL;
}

static bool add_load(builder *b, const tn_expr *x) {
  tni_machine *m = b->m;
  tni_place *access = TNI_NEW(&m->arena, tni_place);
  if (!access) return tni_machine_nomem(m);
  access->memory = memory_of(m, x->as.buffer);
  access->flat = m->func->level == TNI_LEVEL_LOOP;
  if (!access->memory) return false;
  for (int i = 0; i < x->nargs; i++)
    if (TN_TYPE_CODE(x->arg[i]->type) == kDLBool) {
      access->guarded = true;
      access->where = value_of(b, x->arg[i]);
    } else {
      assert(access->count < TN_MAX_RANK);
      access->index[access->count++] = value_of(b, x->arg[i]);
    }
  tni_step *step = add_step(b, x, STEP_LOAD);
  if (step) step->as.access = access;
  return step != NULL;
}

static bool add_address(builder *b, const tn_expr *x) {
  tni_memory *memory = memory_of(b->m, x->as.buffer);
  tni_step *step = memory ? add_step(b, x, STEP_ADDRESS) : NULL;
  if (step) step->as.memory = memory;
  return step != NULL;
}

static bool add_call(builder *b, const tn_expr *x) {
  tni_machine *m = b->m;
  const tni_extern *external = tni_program_find_extern(m->func->program, x->as.name);
  if (!external) return tni_machine_fail(m, TN_E_INVALID, "the program has no external `%s`", x->as.name);
  tni_call_site *site = TNI_NEW(&m->arena, tni_call_site);
  tni_operand *args = TNI_NEW_ARRAY(&m->arena, tni_operand, x->nargs);
  tn_type *types = TNI_NEW_ARRAY(&m->arena, tn_type, x->nargs);
  tn_value *values = TNI_NEW_ARRAY(&m->arena, tn_value, x->nargs);
  if (!site || !args || !types || !values) return tni_machine_nomem(m);
  for (int i = 0; i < x->nargs; i++) {
    args[i] = value_of(b, x->arg[i]);
    types[i] = TN_TYPE_WITH_LANES(x->arg[i]->type, 1);
  }
  *site = (tni_call_site){external, x->nargs, args, types, values};
  tni_step *step = add_step(b, x, STEP_CALL);
  if (step) step->as.call = site;
  return step != NULL;
}

static bool add_const(builder *b, const tn_expr *x) {
  tni_scalar value;
  if (tni_type_is_float(x->type))
    value.f = x->as.f;
  else
    value.i = x->as.i;
  return add_fixed(b->m, x, 1, value) != NULL;
}

/* Gives x its value; its arguments have theirs. */
static bool finish(builder *b, const tn_expr *x) {
  switch (x->op) {
  case TN_OP_const: return add_const(b, x);
  case TN_OP_var: return tni_machine_fail(b->m, TN_E_INVALID, "variable `%s` has no value here", x->as.name);
  case TN_OP_cast:
  case TN_OP_cast_sat: return add_operator(b, x, STEP_CONVERT);
  case TN_OP_reinterpret: return add_reinterpret(b, x);
  case TN_OP_load: return add_load(b, x);
  case TNI_OP_ADDRESS: return add_address(b, x);
  case TN_OP_call: return add_call(b, x);
  case TN_OP_ramp: return add_operator(b, x, STEP_RAMP);
  case TN_OP_shuffle: return add_shuffle(b, x);
  case TN_OP_broadcast: return settle(b, x, value_of(b, x->arg[0]));
  default: return add_operator(b, x, code_of((enum tn_op)x->op, x->arg[x->op == TN_OP_select]->type));
  }
}

/* The definition of a math node, made once. */
static const tn_expr *expansion_of(tni_machine *m, const tn_expr *x) {
  tni_entry *entry = tni_entry_of(m, x, true);
  if (!entry || entry->expansion) return entry ? entry->expansion : NULL;
  entry->expansion = tni_math_expand(&m->region, x, false);
  if (!entry->expansion) tni_machine_nomem(m);
  return entry->expansion;
}

static bool is_math(const tn_expr *x) { return x->op < TN_OP_COUNT && (tni_ops[x->op].flags & TN_OPF_MATH); }

/* Walks the DAG below x, arguments first, with a stack of its own: expressions may be deep. */
static bool add_expr(builder *b, const tn_expr *x) {
  tni_machine *m = b->m;
  if (is_known(m, tni_entry_of(m, x, false))) return true;
  if (!push(b, x)) return false;
  while (b->depth > 0) {
    tni_visit *top = &m->stack[b->depth - 1];
    const tn_expr *node = top->x, *expansion = NULL;
    if (is_math(node) && !(expansion = expansion_of(m, node))) return false;
    if (top->next < (expansion ? 1u : node->nargs)) {
      const tn_expr *arg = expansion ? expansion : node->arg[top->next];
      top->next++;
      if (!is_known(m, tni_entry_of(m, arg, false)) && !push(b, arg)) return false;
      continue;
    }
    b->depth--;
    if (!(expansion ? settle(b, node, value_of(b, expansion)) : finish(b, node))) return false;
  }
  return true;
}

tni_tape *tni_tape_make(tni_machine *m, size_t count, const tn_expr *const *roots) {
  tni_tape *tape = TNI_NEW(&m->arena, tni_tape);
  if (!tape || !(tape->roots = TNI_NEW_ARRAY(&m->arena, tni_operand, count))) {
    tni_machine_nomem(m);
    return NULL;
  }
  tape->next = m->tapes;
  m->tapes = tape;
  m->stamp++;
  builder b = {.m = m, .tape = tape};
  for (size_t i = 0; i < count; i++) {
    if (!add_expr(&b, roots[i])) return NULL;
    tape->roots[tape->root_count++] = value_of(&b, roots[i]);
  }
  if (b.temporaries > m->temporaries) m->temporaries = b.temporaries;
  return tape;
}

/* ---- slots into addresses --------------------------------------------------------------------------------------- */

void tni_operand_resolve(const tni_machine *m, tni_operand *operand) {
  size_t slot = operand->slot & ~TNI_TEMPORARY;
  operand->at = m->pool + slot + (operand->slot & TNI_TEMPORARY ? m->fixed_count : 0);
}

static void resolve_step(tni_machine *m, tni_step *step) {
  tni_operand_resolve(m, &step->out);
  for (int i = 0; i < 3; i++) tni_operand_resolve(m, &step->in[i]);
  if (step->code == STEP_LOAD) {
    for (int32_t i = 0; i < step->as.access->count; i++) tni_operand_resolve(m, &step->as.access->index[i]);
    tni_operand_resolve(m, &step->as.access->where);
  }
  if (step->code == STEP_CALL)
    for (uint32_t i = 0; i < step->as.call->count; i++) tni_operand_resolve(m, (tni_operand *)&step->as.call->args[i]);
}

bool tni_pool_make(tni_machine *m) {
  m->pool_count = m->fixed_count + m->temporaries + 1;
  m->pool = tni_alloc_zero(m->ctx, m->pool_count * sizeof *m->pool);
  if (!m->pool) return tni_machine_nomem(m);
  if (m->fixed_count) memcpy(m->pool, m->fixed, m->fixed_count * sizeof *m->pool);
  for (tni_tape *tape = m->tapes; tape; tape = tape->next) {
    for (size_t i = 0; i < tape->step_count; i++) resolve_step(m, &tape->steps[i]);
    for (size_t i = 0; i < tape->root_count; i++) tni_operand_resolve(m, &tape->roots[i]);
  }
  return true;
}
