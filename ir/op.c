/* op.c -- the operator table as data, and the typing rules of its rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "ir.h"

#define NONE 0
#define COMM TN_OPF_COMM
#define ASSOC TN_OPF_ASSOC
#define LEAF TN_OPF_LEAF
#define CORE 0
#define DERIVED TN_OPF_DERIVED
#define MATH (TN_OPF_DERIVED | TN_OPF_MATH)
const tni_op_info tni_ops[TN_OP_COUNT] = {
#define ROW(name, arity, typing, origin, flags, meaning)                                                               \
  {#name, arity, TNI_TYPING_##typing, (origin) | (flags), meaning},
    TN_OPS(ROW)
#undef ROW
};

int tni_op_find(const char *name, size_t length) {
  for (int op = 0; op < TN_OP_COUNT; op++)
    if (strlen(tni_ops[op].name) == length && memcmp(tni_ops[op].name, name, length) == 0) return op;
  return -1;
}

static bool is_number(tn_type type) {
  return tni_type_is_float(type) || tni_type_is_int(type) || TN_TYPE_CODE(type) == TN_CODE_INDEX;
}

static bool is_bits(tn_type type) {
  return tni_type_is_int(type) || TN_TYPE_CODE(type) == kDLBool || TN_TYPE_CODE(type) == TN_CODE_INDEX;
}

bool tni_op_has_rule(int op) { return op < TN_OP_COUNT && tni_ops[op].typing < TNI_TYPING_CONVERT; }

tn_type tni_op_type(enum tn_op op, const tn_expr *const *args, const char **why) {
  const tni_op_info *info = &tni_ops[op];
  tn_type type = args[info->typing == TNI_TYPING_SELECT ? 1 : 0]->type;
  for (int i = info->typing == TNI_TYPING_SELECT ? 2 : 1; i < info->arity; i++)
    if (args[i]->type != type) {
      *why = "the operands have different types";
      return 0;
    }
  *why = "f8e8m0 is for scales, which are stored, compared and cast, not computed with";
  if (tni_type_is_scale(type) && (info->typing == TNI_TYPING_SAME || info->typing == TNI_TYPING_FLOAT)) return 0;
  switch ((enum tni_typing)info->typing) {
  case TNI_TYPING_SAME: *why = "the operands must be numbers"; return is_number(type) ? type : 0;
  case TNI_TYPING_FLOAT:
    *why = "the operands must be floating-point numbers";
    return tni_type_is_float(type) ? type : 0;
  case TNI_TYPING_INT: *why = "the operands must be integers or bool"; return is_bits(type) ? type : 0;
  case TNI_TYPING_COMPARE:
    *why = "the operands must be numbers or bool";
    return is_number(type) || is_bits(type) ? TN_TYPE_WITH_LANES(TN_BOOL, TN_TYPE_LANES(type)) : 0;
  case TNI_TYPING_SELECT:
    *why = "the condition must be bool with as many lanes as the operands";
    return args[0]->type == TN_TYPE_WITH_LANES(TN_BOOL, TN_TYPE_LANES(type)) ? type : 0;
  case TNI_TYPING_DATA:
    *why = "the operands must be integers of a fixed width, neither bool nor index";
    return tni_type_is_int(type) ? type : 0;
  case TNI_TYPING_CONVERT:
  case TNI_TYPING_OTHER: break;
  }
  assert(false); /* callers ask tni_op_has_rule first */
  return 0;
}

tn_type tni_operand_type(const tn_expr *x) { return x->arg[x->op == TN_OP_select]->type; }

const char tni_reducing_operators[] = "a reduce is by add, mul, min, max, and, or, xor";

bool tni_is_reducing(enum tn_op op) {
  return op == TN_OP_add || op == TN_OP_mul || op == TN_OP_min || op == TN_OP_max || op == TN_OP_and || op == TN_OP_or ||
         op == TN_OP_xor;
}
