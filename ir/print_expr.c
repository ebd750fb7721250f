/* print_expr.c -- names and expressions as text.
 *
 * Names are given at their first use, in print order: the node's own, made an identifier; when that is taken, with _1,
 * _2 ...
 *
 * Expressions are DAGs. When printing the expressions of a statement as trees would more than double the text, the
 * nodes with several users come first, one line each; so do nodes that would nest deeper than MAX_DEPTH:
 *
 *     %0 = x * x
 *     %1 = %0 * %0
 *     B[i] = %1 * %1
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "text.h"

enum { MAX_DEPTH = 48, LEAST_SHARED_SIZE = 3 };

void tni_printer_init(tni_printer *p, tni_text *out) {
  memset(p, 0, sizeof *p);
  p->out = out;
  p->ctx = out->ctx;
  p->line = out->length;
  tni_arena_init(&p->arena, p->ctx);
  tni_map_init(&p->names, p->ctx);
  tni_map_init(&p->taken, p->ctx);
  tni_map_init(&p->nodes, p->ctx);
}

void tni_printer_destroy(tni_printer *p) {
  tni_free(p->ctx, p->shares, p->share_capacity * sizeof *p->shares);
  tni_map_destroy(&p->nodes);
  tni_map_destroy(&p->taken);
  tni_map_destroy(&p->names);
  tni_arena_destroy(&p->arena);
}

/* ---- lines and marks ---- */

void tni_print_indent(tni_printer *p) {
  static const char spaces[] = "                                ";
  for (size_t left = 2 * (size_t)p->indent, n; left > 0; left -= n) {
    n = left < sizeof spaces - 1 ? left : sizeof spaces - 1;
    tni_text_add_bytes(p->out, spaces, n);
  }
}

void tni_print_newline(tni_printer *p) {
  size_t end = p->out->length;
  if (p->mark_open) {
    p->mark_open = false;
    p->mark_end = end;
  }
  tni_text_add_bytes(p->out, "\n", 1);
  if (p->marked && p->marked_end == 0) {
    tni_text_add(p->out, "%*s", (int)(p->mark_begin - p->line), "");
    for (size_t i = p->mark_begin; i < p->mark_end; i++) tni_text_add_bytes(p->out, "^", 1);
    p->marked_line = p->line;
    p->marked_end = p->out->length;
    tni_text_add_bytes(p->out, "\n", 1);
  }
  p->line = p->out->length;
}

static bool is_marked(const tni_printer *p, const void *node) {
  return node == p->mark && p->armed && !p->marked && node;
}

static void set_mark(tni_printer *p, size_t begin) {
  p->marked = true;
  p->mark_begin = begin;
  p->mark_end = p->out->length;
}

/* ---- names ---- */

/* The base as an identifier, in the printer's arena. */
static char *clean_name(tni_printer *p, const char *base) {
  bool digit = *base >= '0' && *base <= '9';
  char *name = tni_arena_format(&p->arena, "%s%s", digit ? "_" : "", *base ? base : "v");
  for (char *c = name; c && *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9'))) *c = '_';
  return name;
}

/* Takes the name; false when it is taken already. *entry is its place in `taken`. */
static bool take_name(tni_printer *p, const char *name, size_t *entry) {
  bool added;
  *entry = tni_map_add(&p->taken, name, strlen(name), &added);
  return added && !tni_is_reserved(name, strlen(name));
}

static const char *unique_name(tni_printer *p, const char *base) {
  size_t entry, ignored;
  const char *name = clean_name(p, base), *longer = name;
  if (!name) return NULL;
  bool free_name = take_name(p, name, &entry);
  while (!free_name) {
    if (entry == TNI_MAP_NONE) return NULL;
    longer = tni_arena_format(&p->arena, "%s_%zu", name, ++p->taken.entries[entry].value);
    if (!longer) return NULL;
    free_name = take_name(p, longer, &ignored);
    if (ignored == TNI_MAP_NONE) return NULL;
  }
  return longer;
}

static const char *new_name(tni_printer *p, const char *base) {
  char room[TNI_DIGITS], *number;
  if (!p->canonical) return unique_name(p, base);
  number = tni_digits(room, p->names.count - 1);
  *--number = 'v';
  return tni_arena_text(&p->arena, number);
}

const char *tni_printer_name(tni_printer *p, const void *node, const char *base) {
  size_t entry = tni_map_add(&p->names, node, 0, NULL);
  if (entry != TNI_MAP_NONE && !p->names.entries[entry].value)
    p->names.entries[entry].value = (size_t)(uintptr_t)new_name(p, base);
  const char *name = entry == TNI_MAP_NONE ? NULL : (const char *)(uintptr_t)p->names.entries[entry].value;
  p->out->failed |= !name;
  return name ? name : "";
}

static void print_marked_name(tni_printer *p, const void *node, const char *base) {
  size_t begin = p->out->length;
  tni_text_add(p->out, "%s", tni_printer_name(p, node, base));
  if (is_marked(p, node)) set_mark(p, begin);
}

void tni_print_var(tni_printer *p, const tn_expr *var) { print_marked_name(p, var, var->as.name); }
void tni_print_buffer_name(tni_printer *p, const tn_buffer *buffer) { print_marked_name(p, buffer, buffer->name); }

void tni_print_name(tni_text *out, const char *name) {
  if (tni_is_identifier(name) && !tni_is_reserved(name, strlen(name))) {
    tni_text_add(out, "%s", name);
    return;
  }
  tni_print_quoted(out, name);
}

void tni_print_quoted(tni_text *out, const char *text) {
  tni_text_add(out, "\"");
  for (const unsigned char *c = (const unsigned char *)text; *c; c++)
    if (*c == '"' || *c == '\\')
      tni_text_add(out, "\\%c", *c);
    else if (*c < 0x20 || *c == 0x7f)
      tni_text_add(out, "\\x%02x", *c);
    else
      tni_text_add_bytes(out, (const char *)c, 1);
  tni_text_add(out, "\"");
}

void tni_print_type(tni_text *out, tn_type type) {
  char text[16];
  const char *name = tn_type_text(type, text);
  tni_text_add_bytes(out, name, strlen(name));
}

/* ---- operators ---- */

/* Binding strength, C's. */
enum {
  PREC_NONE,
  PREC_OR,
  PREC_AND,
  PREC_BITOR,
  PREC_XOR,
  PREC_BITAND,
  PREC_EQ,
  PREC_LT,
  PREC_SHIFT,
  PREC_ADD,
  PREC_MUL,
  PREC_UNARY
};

typedef struct infix {
  const char *text;
  int prec; /* PREC_NONE: written as a call */
} infix;

static infix infix_of(const tn_expr *x) {
  bool is_bool = TN_TYPE_CODE(x->type) == kDLBool;
  switch (x->op) {
  case TN_OP_or: return is_bool ? (infix){"||", PREC_OR} : (infix){"|", PREC_BITOR};
  case TN_OP_and: return is_bool ? (infix){"&&", PREC_AND} : (infix){"&", PREC_BITAND};
  case TN_OP_xor: return (infix){"^", PREC_XOR};
  case TN_OP_eq: return (infix){"==", PREC_EQ};
  case TN_OP_ne: return (infix){"!=", PREC_EQ};
  case TN_OP_lt: return (infix){"<", PREC_LT};
  case TN_OP_le: return (infix){"<=", PREC_LT};
  case TN_OP_shl: return (infix){"<<", PREC_SHIFT};
  case TN_OP_shr: return (infix){">>", PREC_SHIFT};
  case TN_OP_add: return (infix){"+", PREC_ADD};
  case TN_OP_sub: return (infix){"-", PREC_ADD};
  case TN_OP_mul: return (infix){"*", PREC_MUL};
  case TN_OP_div: return (infix){"/", PREC_MUL};
  case TN_OP_floordiv: return (infix){"//", PREC_MUL};
  case TN_OP_floormod: return (infix){"%", PREC_MUL};
  default: return (infix){NULL, PREC_NONE};
  }
}

static void print_expr(tni_printer *p, const tn_expr *x, int prec);

static void print_args(tni_printer *p, const tn_expr *x) {
  for (int i = 0; i < x->nargs; i++) {
    if (i) tni_text_add(p->out, ", ");
    print_expr(p, x->arg[i], PREC_NONE);
  }
}

void tni_print_result(tni_printer *p, const tn_expr *call) {
  if (!p->canonical) return;
  tni_text_add(p->out, ": ");
  tni_print_type(p->out, call->type);
}

/* A constant with its sign turned, without its node. */
static void print_negated(tni_printer *p, const tn_expr *c) {
  tn_expr negated = *c;
  negated.as.i = -c->as.i;
  tni_print_const(p->out, &negated);
}

/* x + -1, as the constructors make it of x - 1: is x the sum of something and a negative integer? */
static bool is_decrement(const tn_expr *x) {
  const tn_expr *c = x->op == TN_OP_add ? x->arg[1] : NULL;
  return c && tni_is_const(c) && tni_type_is_signed(c->type) && c->as.i < 0 && c->as.i > INT64_MIN &&
         tni_wrap(c->type, -c->as.i) == -c->as.i;
}

static void print_infix(tni_printer *p, const tn_expr *x, infix op, int prec) {
  bool parens = op.prec < prec;
  tni_text_add(p->out, parens ? "(" : "");
  print_expr(p, x->arg[0], op.prec);
  if (is_decrement(x)) {
    tni_text_add(p->out, " - ");
    print_negated(p, x->arg[1]);
  } else {
    tni_text_add(p->out, " %s ", op.text);
    print_expr(p, x->arg[1], op.prec + 1);
  }
  tni_text_add(p->out, parens ? ")" : "");
}

static void print_prefix(tni_printer *p, const tn_expr *x) {
  bool is_bool = TN_TYPE_CODE(x->type) == kDLBool;
  tni_text_add(p->out, x->op == TN_OP_neg ? "-" : is_bool ? "!" : "~");
  print_expr(p, x->arg[0], PREC_UNARY);
}

static void print_list(tni_printer *p, uint32_t count, const uint32_t *numbers) {
  tni_text_add(p->out, ", [");
  for (uint32_t i = 0; i < count; i++) tni_text_add(p->out, "%s%u", i ? ", " : "", numbers[i]);
  tni_text_add(p->out, "]");
}

/* `name(args)`, with a type before the arguments or lanes behind them. */
static void print_call(tni_printer *p, const tn_expr *x) {
  tni_text_add(p->out, "%s(", tni_ops[x->op].name);
  if (tni_ops[x->op].typing == TNI_TYPING_CONVERT) {
    tni_print_type(p->out, x->type);
    tni_text_add(p->out, ", ");
  }
  print_args(p, x);
  if (x->op == TN_OP_ramp || x->op == TN_OP_broadcast) tni_text_add(p->out, ", %u", TN_TYPE_LANES(x->type));
  if (x->op == TN_OP_shuffle) print_list(p, TN_TYPE_LANES(x->type), x->as.lanes);
  tni_text_add(p->out, ")");
}

static void print_access(tni_printer *p, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                         const tn_expr *where) {
  tni_print_buffer_name(p, buffer);
  tni_text_add(p->out, "[");
  for (int32_t i = 0; i < count; i++) {
    if (i) tni_text_add(p->out, ", ");
    print_expr(p, index[i], PREC_NONE);
  }
  if (where) {
    tni_text_add(p->out, count ? " if " : "if ");
    print_expr(p, where, PREC_NONE);
  }
  tni_text_add(p->out, "]");
}

/* The node itself, whether it has a %name or not. */
static void print_node(tni_printer *p, const tn_expr *x, int prec) {
  infix op = infix_of(x);
  if (x->op == TN_OP_const) {
    tni_print_const(p->out, x);
  } else if (x->op == TN_OP_var) {
    tni_print_var(p, x);
  } else if (op.prec != PREC_NONE) {
    print_infix(p, x, op, prec);
  } else if (x->op == TN_OP_neg || x->op == TN_OP_not) {
    print_prefix(p, x);
  } else if (x->op == TN_OP_load) {
    print_access(p, x->as.buffer, tni_load_count(x), x->arg, tni_load_where(x));
  } else if (x->op == TNI_OP_ADDRESS) {
    tni_text_add(p->out, "&");
    tni_print_buffer_name(p, x->as.buffer);
  } else if (x->op == TN_OP_call) {
    tni_text_add(p->out, "@");
    tni_print_name(p->out, x->as.name);
    tni_text_add(p->out, "(");
    print_args(p, x);
    tni_text_add(p->out, ")");
    tni_print_result(p, x);
  } else {
    print_call(p, x);
  }
}

static void print_marked_node(tni_printer *p, const tn_expr *x, int prec) {
  bool mark = is_marked(p, x);
  size_t begin = p->out->length;
  print_node(p, x, prec);
  if (mark) set_mark(p, begin);
}

static uint32_t share_number(const tni_printer *p, const tn_expr *x) {
  size_t entry = p->share_count && x->nargs ? tni_map_find(&p->nodes, x, 0) : TNI_MAP_NONE;
  return entry == TNI_MAP_NONE ? 0 : p->shares[entry].number;
}

static void print_expr(tni_printer *p, const tn_expr *x, int prec) {
  uint32_t number = share_number(p, x);
  if (number)
    tni_text_add(p->out, "%%%u", number - 1);
  else
    print_marked_node(p, x, prec);
}

void tni_print_operand(tni_printer *p, const tn_expr *x) { print_expr(p, x, PREC_NONE); }

void tni_print_access(tni_printer *p, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                      const tn_expr *where) {
  print_access(p, buffer, count, index, where);
}

/* ---- sharing ---- */

static tni_share *share_of(tni_printer *p, const tn_expr *x) { return &p->shares[tni_map_find(&p->nodes, x, 0)]; }

/* Fills nodes and shares (sizes, references); gives the size as trees, and in *once that with each node written once.
 */
static bool measure(tni_printer *p, const tn_expr *const *roots, size_t count, double *tree, double *once) {
  tni_map_clear(&p->nodes);
  for (size_t i = 0; i < count; i++)
    if (!tni_map_add_dag(&p->nodes, roots[i])) return false;
  *tree = *once = 0;
  if (p->nodes.count == 0) return true;
  if (!tni_reserve(p->ctx, (void **)&p->shares, &p->share_capacity, p->nodes.count, sizeof *p->shares)) return false;
  memset(p->shares, 0, p->nodes.count * sizeof *p->shares);
  for (size_t n = 0; n < p->nodes.count; n++) {
    const tn_expr *x = p->nodes.entries[n].key;
    tni_share *share = &p->shares[n];
    share->size = 1;
    *once += x->nargs > 0;
    for (int i = 0; i < x->nargs; i++) {
      tni_share *arg = share_of(p, x->arg[i]);
      share->size += arg->size;
      arg->refs++;
      *once += x->arg[i]->nargs == 0;
    }
  }
  for (size_t i = 0; i < count; i++)
    if (roots[i]) {
      tni_share *root = share_of(p, roots[i]);
      root->refs++;
      *tree += root->size;
      *once += roots[i]->nargs == 0;
    }
  return true;
}

static void give_number(tni_printer *p, tni_share *share) {
  if (share->number == 0) share->number = ++p->share_count;
}

/* Chooses the nodes that get a %name, and numbers them such that each comes behind those it uses. */
static void choose(tni_printer *p, bool share_all) {
  for (size_t n = 0; n < p->nodes.count; n++) {
    const tn_expr *x = p->nodes.entries[n].key;
    tni_share *share = &p->shares[n];
    for (int i = 0; i < x->nargs; i++) {
      tni_share *arg = share_of(p, x->arg[i]);
      if (arg->number == 0 && arg->depth >= MAX_DEPTH) give_number(p, arg);
      if (arg->number == 0 && arg->depth >= share->depth) share->depth = arg->depth + 1;
    }
    if (share_all && share->refs > 1 && share->size >= LEAST_SHARED_SIZE) give_number(p, share);
  }
}

static void print_definitions(tni_printer *p, const char *end) {
  const tn_expr **order = TNI_NEW_ARRAY(&p->arena, const tn_expr *, p->share_count);
  if (!order) {
    p->out->failed = true;
    return;
  }
  for (size_t n = 0; n < p->nodes.count; n++)
    if (p->shares[n].number) order[p->shares[n].number - 1] = p->nodes.entries[n].key;
  for (uint32_t i = 0; i < p->share_count; i++) {
    if (!end) tni_print_indent(p);
    tni_text_add(p->out, "%%%u = ", i);
    print_marked_node(p, order[i], PREC_NONE);
    if (end)
      tni_text_add(p->out, "%s", end);
    else
      tni_print_newline(p);
  }
}

void tni_print_shared(tni_printer *p, const tn_expr *const *roots, size_t count, const char *end) {
  double tree, once;
  p->share_count = 0;
  if (tni_is_small_tree(count, roots)) return;
  if (!measure(p, roots, count, &tree, &once)) {
    p->out->failed = true;
    return;
  }
  choose(p, tree > 2 * once);
  if (p->share_count) print_definitions(p, end);
}

void tni_print_expr(tni_text *out, const tn_expr *x) {
  tni_printer p;
  tni_printer_init(&p, out);
  tni_print_shared(&p, &x, 1, "; ");
  tni_print_operand(&p, x);
  tni_printer_destroy(&p);
}
