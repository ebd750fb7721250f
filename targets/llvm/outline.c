/* outline.c -- outlined loops become functions, loops of one text the same.
 *
 *     for i in 0..4 outlined { S }   ->   status = NAME.outlined.K(env, &C[a], &A[b], n, 512); if status != 0 leave with it
 *
 * ir/outline.c takes the loops apart. Those of one text are a group. A number that is the same in all of a group is a constant
 * of the function, others are parameters, or multiples of one or two (ir/vary.c); a loop that would need more than MAX_PARAMS
 * begins a group of its own. So all loops of a module are looked at before the first is compiled. A loop inside an outlined
 * one is met when that is compiled, and joins a group that fits as it is.
 *
 * Pointers are aligned as an element is: a tile may begin anywhere. A group has several functions when what it does depends on
 * being in a parallel loop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

enum { MAX_PARAMS = 8 };

/* What the code depends on beside the text: is a parallel loop in it inside of another one; which buffers need care since they are
 * shared. */
typedef struct outlined {
  struct outlined *next;
  const char *flags;
  LLVMValueRef value;
  uint64_t stack_bytes;
  bool fails; /* may it give another status than TN_OK? */
} outlined;

struct tni_ll_group {
  tni_ll_group *next;
  const tni_outline *first;
  tni_variation variation; /* of their numbers */
  outlined *functions;
};

struct tni_ll_site {
  tni_ll_site *next;
  const tn_stmt *loop;
  tni_outline outline;
  const tni_ll_group *group;
};

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* A group with functions stays as it is. A text does not tell variables from numbers. */
static bool join(tni_ll_group *g, const tni_outline *o) {
  tni_variation made;
  if (g->first->owner != o->owner || g->first->scalar_count != o->scalar_count || strcmp(g->first->text, o->text) != 0)
    return false;
  if (!tni_variation_widened(&g->variation, o->values, &made) || made.parameter_count > MAX_PARAMS) return false;
  if (g->functions && made.numbers != g->variation.numbers) return false;
  g->variation = made;
  return true;
}

static tni_ll_group *add_group(tni_ll_module *m, const tni_outline *first) {
  tni_ll_group *g = TNI_NEW(&m->arena, tni_ll_group);
  if (!g || !tni_variation_begin(&m->arena, first->number_count, first->values, &g->variation)) return NULL;
  g->variation.sums = true;
  g->first = first;
  g->next = m->groups;
  return m->groups = g;
}

static tni_ll_group *group_for(tni_ll_module *m, const tni_outline *o) {
  for (tni_ll_group *g = m->groups; g; g = g->next)
    if (join(g, o)) return g;
  return add_group(m, o);
}

static tni_ll_site *add_site(tni_ll_module *m, const tn_func *func, const tn_stmt *loop) {
  tni_ll_site *site = TNI_NEW(&m->arena, tni_ll_site);
  bool ok = site && tni_outline_of(&m->region, func, loop, &site->outline);
  if (ok) {
    site->loop = loop;
    site->group = group_for(m, &site->outline);
    site->next = m->sites;
    m->sites = site;
    ok = site->group != NULL;
  }
  m->arena.failed |= !ok;
  return ok ? site : NULL;
}

static const tni_ll_site *site_of(tni_ll_function *f, const tn_stmt *loop) {
  for (const tni_ll_site *s = f->m->sites; s; s = s->next)
    if (s->loop == loop) return s;
  return add_site(f->m, f->func, loop);
}

/* ---- all loops of a function ------------------------------------------------------------------------------------- */

typedef struct scan {
  tni_ll_module *m;
  const tn_func *func;
} scan;

static bool see_outlined(void *self, const tn_stmt *s) {
  *(bool *)self |= s->kind == TNI_FOR && s->as.loop.kind == TNI_OUTLINED;
  return !*(bool *)self;
}

static bool scan_loop(void *self, const tn_stmt *s) {
  scan *q = self;
  bool found = s->kind == TNI_FOR && s->as.loop.kind == TNI_OUTLINED;
  if (found && !q->m->arena.failed) add_site(q->m, q->func, s);
  return !found;
}

const tn_func *tni_ll_prepare(tni_ll_module *m, const tn_func *func) {
  bool found = false;
  if (func->level == TNI_LEVEL_LOOP) tni_stmt_visit(func->body, see_outlined, &found);
  if (!found) return func;
  scan q = {m, tni_func_clone(&m->region, func, func->program)};
  m->arena.failed |= !q.func;
  if (q.func) tni_stmt_visit(q.func->body, scan_loop, &q);
  return q.func;
}

/* ---- the function ------------------------------------------------------------------------------------------------ */

static const char *flags_of(tni_ll_function *f, const tni_outline *o) {
  char *flags = TNI_NEW_ARRAY(&f->m->arena, char, o->buffer_count + 2), *at = flags;
  if (!flags) return NULL;
  *at++ = f->in_parallel && o->forks ? 'p' : '-';
  for (size_t i = 0; i < o->buffer_count; i++) {
    const tni_ll_entry *entry = tni_ll_scope_find(&f->scope, o->buffers[i]);
    bool cares = o->reduces || tni_type_is_packed(o->buffers[i]->type);
    *at++ = entry && entry->shared && cares ? 's' : '-';
  }
  return flags;
}

static LLVMValueRef declare(tni_ll_function *f, const tni_ll_group *g) {
  tni_ll_module *m = f->m;
  const tni_outline *o = g->first;
  size_t count = 1 + o->buffer_count + o->scalar_count + g->variation.parameter_count, n = 0;
  LLVMTypeRef *params = TNI_NEW_ARRAY(&m->arena, LLVMTypeRef, count);
  if (!params) return NULL;
  while (n < 1 + o->buffer_count) params[n++] = m->ptr;
  for (size_t i = 0; i < o->scalar_count; i++) params[n++] = tni_ll_memory_type(m, o->scalars[i]->type);
  while (n < count) params[n++] = m->i64;
  LLVMTypeRef type = LLVMFunctionType(m->i32, params, (unsigned)count, 0);
  return tni_ll_internal(m, f->func->name, "outlined", m->outlined++, type);
}

static tni_ll_entry *bind(tni_ll_function *f, const void *key, tn_type type, unsigned *param) {
  LLVMValueRef value = tni_ll_from_memory(f->m, type, LLVMGetParam(f->value, (*param)++));
  tni_ll_entry *entry = tni_ll_scope_add(&f->scope, key, value);
  if (entry) entry->binding = true;
  return entry;
}

static void bind_all(tni_ll_function *f, const tni_ll_group *g, const char *flags) {
  const tni_outline *o = g->first;
  unsigned param = 1;
  flags++;
  for (size_t i = 0; i < o->buffer_count; i++, flags++) {
    tni_ll_buffer_attributes(f->m, f->value, param);
    tni_ll_entry *entry = bind(f, o->formal[i], TN_POINTER, &param);
    if (!entry) return;
    entry->align = (uint32_t)tn_type_bytes(o->formal[i]->type);
    entry->shared = *flags == 's';
  }
  for (size_t i = 0; i < o->scalar_count; i++) bind(f, o->scalars[i], o->scalars[i]->type, &param);
  for (size_t i = 0; i < o->number_count; i++)
    if (tni_variation_is_parameter(&g->variation, i)) bind(f, o->numbers[i], TN_INDEX, &param);
}

static const tn_stmt *body_of(tni_ll_module *m, const tni_ll_group *g) {
  const tn_expr *values[TNI_OUTLINE_NUMBERS];
  for (size_t i = 0; i < g->first->number_count; i++)
    if (!(values[i] = tni_variation_number(&m->region, &g->variation, g->first->numbers, i))) return NULL;
  return tni_outline_body(&m->region, g->first, values);
}

/* Leaves the builder where it was. */
static void define(tni_ll_function *f, const tni_ll_group *g, outlined *made) {
  tni_ll_module *m = f->m;
  tni_ll_function inner;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
  const tn_stmt *body = body_of(m, g);
  m->arena.failed |= !body;
  tni_ll_function_begin(&inner, m, f->func, made->value);
  if (!inner.unwind) return;
  inner.in_parallel = made->flags[0] == 'p';
  bind_all(&inner, g, made->flags);
  tni_ll_stmt(&inner, body);
  made->fails = LLVMCountIncoming(inner.unwind->status) > 0;
  made->stack_bytes = inner.stack_bytes + inner.callee_bytes;
  tni_ll_function_end(&inner);
  LLVMPositionBuilderAtEnd(m->b, here);
}

static const outlined *function_of(tni_ll_function *f, const tni_ll_site *site) {
  tni_ll_group *g = (tni_ll_group *)site->group;
  const char *flags = flags_of(f, &site->outline);
  for (const outlined *k = g->functions; flags && k; k = k->next)
    if (strcmp(k->flags, flags) == 0) return k;
  outlined *made = flags ? TNI_NEW(&f->m->arena, outlined) : NULL;
  if (!made) return NULL;
  *made = (outlined){.next = g->functions, .flags = flags, .value = declare(f, g)};
  if (!made->value) return NULL;
  g->functions = made;
  define(f, g, made);
  return made;
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

/* The pointer of buffer k, moved by its base. */
static LLVMValueRef moved_pointer(tni_ll_function *f, const tni_outline *o, size_t k) {
  tni_ll_module *m = f->m;
  LLVMValueRef pointer = tni_ll_base(f, o->buffers[k]);
  if (!pointer || tni_is_int(o->bases[k], 0)) return pointer;
  LLVMValueRef by = tni_ll_expr(f, o->bases[k]);
  return LLVMBuildGEP2(m->b, tni_ll_memory_type(m, o->buffers[k]->type), pointer, &by, 1, "");
}

void tni_ll_outline(tni_ll_function *f, const tn_stmt *s) {
  tni_ll_module *m = f->m;
  const tni_ll_site *site = site_of(f, s);
  const outlined *callee = site ? function_of(f, site) : NULL;
  if (!callee || m->status != TN_OK) return;
  const tni_outline *o = &site->outline;
  unsigned count = LLVMCountParams(callee->value), n = 0;
  LLVMValueRef *args = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, count);
  uint64_t more = callee->stack_bytes > f->callee_bytes ? callee->stack_bytes - f->callee_bytes : 0;
  if (!args || !tni_ll_has_stack(f, more, s->as.loop.var->as.name)) return;
  f->callee_bytes += more;
  args[n++] = f->env;
  for (size_t k = 0; k < o->buffer_count; k++)
    if (!(args[n++] = moved_pointer(f, o, k))) return;
  for (size_t k = 0; k < o->scalar_count; k++)
    args[n++] = tni_ll_to_memory(m, o->scalars[k]->type, tni_ll_expr(f, o->scalars[k]));
  for (size_t k = 0; k < o->number_count; k++)
    if (tni_variation_is_parameter(&site->group->variation, k)) args[n++] = tni_ll_index(m, o->values[k]);
  LLVMValueRef status = LLVMBuildCall2(m->b, LLVMGlobalGetValueType(callee->value), callee->value, args, count, "");
  tni_ll_forget_tiles(f);
  if (callee->fails) tni_ll_check(f, status);
}
