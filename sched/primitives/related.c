/* related.c -- what stands below a loop, and which blocks give each other their data.
 *
 *     j, b = children(i)       the loops and blocks below, down to the first ones on each way
 *     p = producers(b)         the other blocks that write what b reads
 *     c = consumers(b)         the other blocks that read what b writes
 *     o = outputs()            the blocks that write parameters
 *
 * In the order in which they stand. Statements outside blocks have no handles, and are passed over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Walks over the blocks of the function, and gives those that `belongs`. */
typedef struct search {
  tni_step *step;
  bool (*belongs)(const struct search *q, const tn_stmt *block);
  const tn_stmt *of; /* the block in question, or NULL */
  tn_status status;
} search;

static bool see_block(void *self, const tn_stmt *s) {
  search *q = self;
  if (s->kind == TNI_BLOCK && s != q->of && !q->status && q->belongs(q, s))
    q->status = tni_give_block(q->step, s->as.block.name);
  return s->kind != TNI_BLOCK;
}

static tn_status give_blocks(tni_step *step, bool (*belongs)(const search *q, const tn_stmt *block),
                             const tn_stmt *of) {
  search q = {.step = step, .belongs = belongs, .of = of};
  tni_stmt_visit(step->s->func->body, see_block, &q);
  return q.status;
}

typedef struct flow {
  tn_context *ctx;
  const tn_stmt *reader;
  const tn_func *params_of; /* or a function: are its parameters written? */
  bool found;
} flow;

static bool see_write(void *self, const tn_stmt *s) {
  flow *f = self;
  if (!f->found && tni_is_write(s))
    f->found = f->reader ? tni_uses_of(f->ctx, f->reader, s->as.store.buffer).readers > 0
                         : tni_is_param(f->params_of, s->as.store.buffer);
  return !f->found;
}

/* Does a block write what another one reads? */
static bool flows(tn_context *ctx, const tn_stmt *writer, const tn_stmt *reader) {
  flow f = {.ctx = ctx, .reader = reader};
  tni_stmt_visit(writer, see_write, &f);
  return f.found;
}

static bool is_producer(const search *q, const tn_stmt *block) { return flows(q->step->s->ctx, block, q->of); }
static bool is_consumer(const search *q, const tn_stmt *block) { return flows(q->step->s->ctx, q->of, block); }

static bool is_output(const search *q, const tn_stmt *block) {
  flow f = {.ctx = q->step->s->ctx, .params_of = q->step->s->func};
  tni_stmt_visit(block, see_write, &f);
  return f.found;
}

static tn_status give_related(tni_step *step, bool (*belongs)(const search *q, const tn_stmt *block)) {
  const tn_stmt *block = tni_arg_block(step, 0);
  return block ? give_blocks(step, belongs, block) : TN_E_REFUSED;
}

tn_status tni_apply_producers(tni_step *step) { return give_related(step, is_producer); }
tn_status tni_apply_consumers(tni_step *step) { return give_related(step, is_consumer); }
tn_status tni_apply_outputs(tni_step *step) { return give_blocks(step, is_output, NULL); }

static bool see_child(void *self, const tn_stmt *s) {
  search *q = self;
  if (q->status) return false;
  if (s->kind == TNI_FOR) q->status = tni_give_loop(q->step, s->as.loop.var);
  if (s->kind == TNI_BLOCK) q->status = tni_give_block(q->step, s->as.block.name);
  return s->kind != TNI_FOR && s->kind != TNI_BLOCK;
}

tn_status tni_apply_children(tni_step *step) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  search q = {.step = step};
  if (!loop) return TN_E_REFUSED;
  tni_stmt_visit(loop->as.loop.body, see_child, &q);
  return q.status;
}

static tn_status ask(tn_schedule *s, enum tni_primitive_id id, size_t given, int32_t handle, int32_t *out,
                     size_t *count, tn_error **err) {
  tni_arg args[] = {tni_of_handle(handle)};
  return tni_perform(s, id, given, args, *count, out, count, err);
}

tn_status tn_children(tn_schedule *s, tn_loop loop, tn_place *out, size_t *count, tn_error **err) {
  return ask(s, TNI_PRIMITIVE_children, 1, loop, out, count, err);
}
tn_status tn_producers(tn_schedule *s, tn_block_ref block, tn_block_ref *out, size_t *count, tn_error **err) {
  return ask(s, TNI_PRIMITIVE_producers, 1, block, out, count, err);
}
tn_status tn_consumers(tn_schedule *s, tn_block_ref block, tn_block_ref *out, size_t *count, tn_error **err) {
  return ask(s, TNI_PRIMITIVE_consumers, 1, block, out, count, err);
}
tn_status tn_outputs(tn_schedule *s, tn_block_ref *out, size_t *count, tn_error **err) {
  return ask(s, TNI_PRIMITIVE_outputs, 0, 0, out, count, err);
}
