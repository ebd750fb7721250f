/* instruction.c -- tensor instructions that a host adds: what it says of one, checked and made a unit.
 *
 *     func sad8(C: i64[1], A: u8[8], B: u8[8]) {                 llvm.x86.avx2.psad.bw, which gives what is added to C
 *       for t in 0..8 {
 *         C[0] = C[0] + cast(i64, max(A[t], B[t]) - min(A[t], B[t]))
 *       }
 *     }
 *
 * The loop's body is the unit's step, and the steps written out, one into the other, are its meaning: so it gives the
 * bits of the steps one by one, whatever they do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "targets.h"
#include "text.h"

/* What is being added; all of it stands in the program's memory. */
typedef struct maker {
  tn_context *ctx;
  const tn_instruction_desc *desc;
  tn_error **err;
  tn_program *program;
  tni_region *r;
  const tn_stmt *loop, *store;
  tni_added_unit *made;
} maker;

static tn_status refuse(const maker *m, const char *reason, ...) TN_PRINTF(2, 3);
static tn_status refuse(const maker *m, const char *reason, ...) {
  tni_text text;
  va_list args;
  tni_text_init(&text, m->ctx);
  va_start(args, reason);
  tni_text_add_v(&text, reason, args);
  va_end(args);
  tn_status status = text.failed
                         ? tni_fail_nomem(m->err)
                         : tni_fail(m->ctx, m->err, TN_E_INVALID, "instruction", m->desc->name, "%s", text.data);
  tni_text_destroy(&text);
  return status;
}

/* ---- the meaning ------------------------------------------------------------------------------------------------- */

/* Buffer parameter number i, of one dimension of constant extent; or NULL. */
static const tn_buffer *parameter(const tn_func *f, uint32_t i) {
  const tn_buffer *b = i < f->param_count ? f->params[i].buffer : NULL;
  return b && b->rank == 1 && tni_is_const(b->shape[0]) && tni_is_row_major(b) ? b : NULL;
}

static bool is_power_of_two(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

static tn_status take_parameters(maker *m) {
  const tn_func *f = tn_program_func_at(m->program, 0);
  tni_unit *unit = &m->made->unit;
  unit->sum = parameter(f, 0), unit->left = parameter(f, 1), unit->right = parameter(f, 2);
  if (f->param_count != 3 || !unit->sum || !unit->left || !unit->right || !tni_is_int(unit->sum->shape[0], 1) ||
      unit->left->shape[0] != unit->right->shape[0])
    return refuse(m,
                  "its parameters are not a sum of one element and two buffers of as many factors, C[1], A[n], B[n]");
  int64_t steps = unit->left->shape[0]->as.i;
  if (!is_power_of_two(steps) || steps > TNI_UNIT_STEPS)
    return refuse(m, "it has %lld steps; there may be 1, 2, 4, 8, 16 or %d", (long long)steps, TNI_UNIT_STEPS);
  unit->steps = (int32_t)steps;
  unit->c = unit->sum->type, unit->a = unit->left->type, unit->b = unit->right->type;
  uint32_t bits = TN_TYPE_BITS(unit->c);
  if (bits < 32 || !(tni_type_is_int(unit->c) || tni_type_is_float(unit->c)))
    return refuse(m, "sums are of integers or floats of 32 or 64 bits");
  if (TN_TYPE_BITS(unit->a) < 8 || TN_TYPE_BITS(unit->b) < 8 || unit->a == TN_BOOL || unit->b == TN_BOOL)
    return refuse(m, "factors are numbers of whole bytes");
  return TN_OK;
}

/* Loads that are no element of the step. */
typedef struct load_search {
  const maker *m;
  const tn_expr *strange;
} load_search;

static void look_at_load(void *self, const tn_expr *x) {
  load_search *q = self;
  const tni_unit *unit = &q->m->made->unit;
  if (x->op == TN_OP_call || x->op == TNI_OP_ADDRESS) q->strange = x;
  if (x->op != TN_OP_load) return;
  bool good = x->as.buffer == unit->sum ? tni_is_int(x->arg[0], 0) : x->arg[0] == q->m->loop->as.loop.var;
  if (!good || tni_load_where(x)) q->strange = x;
}

static tn_status take_step(maker *m) {
  const tn_func *f = tn_program_func_at(m->program, 0);
  tni_unit *unit = &m->made->unit;
  m->loop = f->body;
  m->store = m->loop && m->loop->kind == TNI_FOR ? m->loop->as.loop.body : NULL;
  if (!m->store || m->store->kind != TNI_STORE || m->store->as.store.where || m->store->as.store.buffer != unit->sum ||
      m->loop->as.loop.extent != unit->left->shape[0])
    return refuse(m, "its body is not a loop over all %d factors of one store, to the sum", (int)unit->steps);
  load_search q = {m, NULL};
  tni_expr_visit(m->ctx, m->store->as.store.value, look_at_load, &q);
  if (q.strange) return refuse(m, "a step reads other elements than C[0], A[t] and B[t], where t is the loop's");
  unit->step = m->store->as.store.value;
  return TN_OK;
}

/* Element t of the factors, the sum so far. */
typedef struct writer {
  const tni_unit *unit;
  const tn_expr *t, *sum;
  bool zeros; /* of all factors */
} writer;

static const tn_expr *put_operand(void *self, tni_region *r, const tn_expr *x) {
  const writer *w = self;
  if (x->op != TN_OP_load) return x;
  if (x->as.buffer == w->unit->sum) return w->sum;
  return w->zeros ? tni_zero(r, x->type) : tni_load(r, x->type, x->as.buffer, 1, &w->t, NULL);
}

static tn_status make_meaning(maker *m) {
  tni_unit *unit = &m->made->unit;
  const tn_expr *zero = tni_index(m->r, 0), *sum = tni_load(m->r, unit->c, unit->sum, 1, &zero, NULL);
  writer w = {unit, NULL, sum, true};
  const tn_expr *idle = sum ? tni_expr_rewrite(m->r, unit->step, put_operand, &w) : NULL;
  unit->idle = idle && idle == sum;
  w.zeros = false;
  for (int32_t t = 0; idle && w.sum && t < unit->steps; t++)
    w.sum = (w.t = tni_index(m->r, t)) ? tni_expr_rewrite(m->r, unit->step, put_operand, &w) : NULL;
  unit->meaning = w.sum;
  unit->exact = true;
  if (!idle || !w.sum) return tni_fail_nomem(m->err);
  if (tni_unit_list_nodes(&m->r->arena, unit)) return TN_OK;
  if (unit->count <= TNI_UNIT_NODES) return tni_fail_nomem(m->err);
  return refuse(m, "its steps have more than %d operations", TNI_UNIT_NODES);
}

static tn_status parse_meaning(maker *m) {
  const char *text = m->desc->meaning;
  tn_error *why = NULL;
  tn_status status = tn_program_parse(m->ctx, text, strlen(text), m->desc->name, &m->program, &why);
  if (status) {
    if (m->err)
      *m->err = why;
    else
      tn_error_destroy(why);
    return status;
  }
  m->r = &m->program->region;
  if (m->program->func_count != 1 || m->program->graph_count || m->program->extern_count)
    return refuse(m, "its meaning is not one function");
  return TN_OK;
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

static tn_status check_desc(const maker *m) {
  const tn_instruction_desc *d = m->desc;
  if (!d->meaning || !d->architecture || d->gain < 0)
    return refuse(m, "it has no meaning, no architecture, or a gain below 0");
  if (d->code < TN_INSTRUCTION_INTRINSIC || d->code > TN_INSTRUCTION_ASSEMBLY)
    return refuse(m, "there is no such kind of code: %d", (int)d->code);
  if (!d->emission[0] && !d->emission[1] && !d->emission[2])
    return refuse(m, "it has no code for vectors of any width");
  return TN_OK;
}

static tn_status make_row(maker *m, const tn_target *target) {
  static const enum tni_unit_form forms[] = {TNI_UNIT_DOT, TNI_UNIT_TERM, TNI_UNIT_ASSEMBLY};
  const tn_instruction_desc *d = m->desc;
  tni_unit_row *row = &m->made->row;
  tni_arena *arena = &m->r->arena;
  *row = (tni_unit_row){.unit = tni_arena_text(arena, d->name),
                        .isa = target->isa,
                        .feature = tni_arena_text(arena, d->features ? d->features : ""),
                        .maker = "",
                        .form = forms[d->code - TN_INSTRUCTION_INTRINSIC],
                        .gain = d->gain ? d->gain : 100 * m->made->unit.steps};
  for (int i = 0; i < 3; i++) row->names[i] = d->emission[i] ? tni_arena_text(arena, d->emission[i]) : NULL;
  m->made->unit.name = row->unit;
  m->made->unit.own = row;
  return arena->failed ? tni_fail_nomem(m->err) : TN_OK;
}

/* The comma-separated features: does some target of the architecture know each of them? */
static tn_status check_features(const maker *m, const tn_target *target) {
  for (const char *at = m->made->row.feature; *at; at += *at == ',') {
    size_t length = strcspn(at, ",");
    if (!tni_isa_has_feature(m->ctx, target->isa, at, length))
      return refuse(m, "no target of %s knows a feature `%.*s`", m->desc->architecture, (int)length, at);
    at += length;
  }
  return TN_OK;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static tn_status make_all(maker *m) {
  const tn_target *target = NULL;
  tn_status status = check_desc(m);
  if (!status) status = tni_target_of_architecture(m->ctx, m->desc->architecture, &target, m->err);
  if (!status && !target) return refuse(m, "no target is of the architecture `%s`", m->desc->architecture);
  if (!status) status = parse_meaning(m);
  if (!status) status = take_parameters(m);
  if (!status) status = take_step(m);
  if (!status) status = make_meaning(m);
  if (!status) status = make_row(m, target);
  if (!status) status = check_features(m, target);
  if (!status) status = tni_codegen_check_unit(m->ctx, target, &m->made->unit, m->err);
  return status;
}

tn_status tn_instruction_add(tn_context *context, const tn_instruction_desc *desc, tn_error **err) {
  if (err) *err = NULL;
  if (desc->struct_size != sizeof *desc || !desc->name)
    return tni_fail(context, err, TN_E_INVALID, "instruction", "", "the description has another size, or no name");
  tni_added_unit *made = tni_alloc_zero(context, sizeof *made);
  maker m = {.ctx = context, .desc = desc, .err = err, .made = made};
  if (!made) return tni_fail_nomem(err);
  tn_status status = make_all(&m);
  made->program = m.program;
  if (!status) status = tni_unit_publish(context, made, err);
  if (!status) return TN_OK;
  tn_program_destroy(made->program);
  tni_free(context, made, sizeof *made);
  return status;
}
