/* types.c -- the types of all nodes of an expression agree, and its variables and buffers are bound around.
 *
 * A node that was found right is remembered for the function; a statement asks for each of its nodes once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

enum { MAX_EXPR_DEPTH = 4000 };

/* ---- types of nodes ---- */

static bool check_lanes(tni_verifier *v, const tn_expr *x) {
  if (!tni_type_is_valid(x->type)) return tni_verify_fail(v, x, "not a type");
  return TN_TYPE_LANES(x->type) == 1 || tni_verify_thing(v, TNI_THING_vector, x);
}

static bool check_load(tni_verifier *v, const tn_expr *x) {
  const char *why = NULL;
  int32_t count = tni_load_count(x), want = tni_subscript_count(v->func->level, x->as.buffer);
  if (count != want) return tni_verify_fail(v, x, "%d subscripts, but the buffer has %d", count, want);
  for (int32_t i = 0; i < count; i++)
    if ((why = tni_check_subscript(x->arg[i]))) return tni_verify_fail(v, x->arg[i], "%s", why);
  tn_type type = tni_access_type(x->as.buffer, count, x->arg, tni_load_where(x), &why);
  if (!type) return tni_verify_fail(v, x, "%s", why);
  return type == x->type || tni_verify_fail(v, x, "the type of a load is not that of its buffer");
}

static bool check_call(tni_verifier *v, const tn_expr *x) {
  const tni_extern *e = v->func->program ? tni_program_find_extern(v->func->program, x->as.name) : NULL;
  if (!e) return tni_verify_fail(v, x, "there is no external `%s`", x->as.name);
  if (x->nargs != e->param_count)
    return tni_verify_fail(v, x, "external `%s` takes %u argument%s, not %u", e->name, e->param_count,
                           e->param_count == 1 ? "" : "s", x->nargs);
  for (uint32_t i = 0; i < e->param_count; i++)
    if (x->arg[i]->type != e->params[i]) {
      char want[16], have[16];
      return tni_verify_fail(v, x, "external `%s`: argument %u is %s, declared is %s", e->name, i + 1,
                             tn_type_text(x->arg[i]->type, have), tn_type_text(e->params[i], want));
    }
  return x->type == e->result ||
         tni_verify_fail(v, x, "the type of the call is not the result of external `%s`", e->name);
}

static bool check_op(tni_verifier *v, const tn_expr *x) {
  const char *why = NULL;
  if (!tni_op_has_rule(x->op) || tni_ops[x->op].arity != x->nargs)
    return tni_verify_fail(v, x, "not an operator");
  tn_type type = tni_op_type(x->op, x->arg, &why);
  if (!type) return tni_verify_fail(v, x, "`%s`: %s", tni_ops[x->op].name, why);
  if (TN_TYPE_CODE(type) == TN_CODE_VOID || TN_TYPE_CODE(type) == kDLOpaqueHandle)
    return tni_verify_fail(v, x, "`%s` works on numbers and bools", tni_ops[x->op].name);
  return type == x->type || tni_verify_fail(v, x, "`%s` has a type that its operands do not give", tni_ops[x->op].name);
}

/* Rules of one node whose arguments were found right. */
bool tni_verify_type(tni_verifier *v, const tn_expr *x) {
  const char *why = NULL;
  if (!check_lanes(v, x)) return false;
  switch (x->op) {
  case TN_OP_const:
  case TN_OP_var:
  case TNI_OP_ADDRESS: break;
  case TN_OP_cast:
  case TN_OP_cast_sat:
  case TN_OP_reinterpret: why = tni_check_convert((enum tn_op)x->op, x->type, x->arg[0]->type); break;
  case TN_OP_ramp: why = tni_check_ramp(x->arg[0], x->arg[1], TN_TYPE_LANES(x->type)); break;
  case TN_OP_broadcast: why = tni_check_broadcast(x->arg[0], TN_TYPE_LANES(x->type)); break;
  case TN_OP_shuffle: why = tni_check_shuffle(x->nargs, x->arg, TN_TYPE_LANES(x->type), x->as.lanes); break;
  case TN_OP_load: return check_load(v, x);
  case TN_OP_call: return check_call(v, x);
  default: return check_op(v, x);
  }
  return !why || tni_verify_fail(v, x, "%s", why);
}

/* ---- expressions ---- */

/* Remembers that the node is right, and how deep it is. */
static bool note_typed(tni_verifier *v, const tn_expr *x) {
  size_t depth = 1;
  for (int i = 0; i < x->nargs; i++) {
    size_t below = v->typed.entries[tni_map_find(&v->typed, x->arg[i], 0)].value;
    depth = below >= depth ? below + 1 : depth;
  }
  if (depth > MAX_EXPR_DEPTH) return tni_verify_limit(v, "expressions are nested", MAX_EXPR_DEPTH);
  size_t entry = tni_map_add(&v->typed, x, 0, NULL);
  if (entry == TNI_MAP_NONE) return tni_verify_nomem(v);
  v->typed.entries[entry].value = depth;
  return true;
}

static bool check_node(tni_verifier *v, const tn_expr *x) {
  if (x->op == TN_OP_var && !tni_verify_var(v, x)) return false;
  if ((x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) && !tni_verify_buffer(v, x->as.buffer, x)) return false;
  if (x->op == TNI_OP_ADDRESS) tni_verify_set_addressed(v, x->as.buffer);
  if (tni_map_find(&v->typed, x, 0) == TNI_MAP_NONE && (!tni_verify_type(v, x) || !note_typed(v, x))) return false;
  if (x->op == TN_OP_load && v->guards == 0 && !tni_load_where(x))
    return tni_verify_bounds(v, x->as.buffer, tni_load_count(x), x->arg);
  return true;
}

bool tni_verify_expr(tni_verifier *v, const tn_expr *x) {
  size_t n = v->nodes.count;
  if (!tni_map_add_dag(&v->nodes, x)) return tni_verify_nomem(v);
  for (; n < v->nodes.count; n++)
    if (!check_node(v, v->nodes.entries[n].key)) return false;
  return true;
}

bool tni_verify_typed(tni_verifier *v, const tn_expr *x, tn_type type, const char *what) {
  char want[16], have[16];
  if (!tni_verify_expr(v, x)) return false;
  if (x && x->type != type) /* a constant may stand in the statement more than once */
    return tni_verify_fail(v, tni_is_const(x) ? NULL : x, "%s must be %s, this is %s", what, tn_type_text(type, want),
                           tn_type_text(x->type, have));
  return true;
}

bool tni_verify_extent(tni_verifier *v, const tn_expr *x) {
  if (!tni_verify_typed(v, x, TN_INDEX, "an extent")) return false;
  const char *why = tni_check_extent(x);
  return !why || tni_verify_fail(v, x, "%s", why);
}
