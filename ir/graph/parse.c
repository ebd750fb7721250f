/* parse.c -- graphs from text. The builder infers what every node gives; the types in the text must be the same.
 *
 * A wrong node still declares its results, with the types that the text gives them, so that what follows can be read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_text.h"

enum { MAX_ATTRS = 32, HASH_DIGITS = 32 };

typedef struct result {
  tni_token tok;
  const char *name;
  tni_gvalue value; /* type and shape as declared */
} result;

typedef struct gparser {
  tni_parser *p;
  tni_gbuilder *b;
  tni_arena scratch; /* lists of the attributes */
  result *results;   /* of the node at hand, as the following */
  size_t result_count, result_capacity;
  uint32_t *args;
  size_t arg_count, arg_capacity;
  tni_scalar *numbers; /* the list at hand */
  size_t number_count, number_capacity;
  tni_attr attrs[MAX_ATTRS];
  uint32_t attr_count;
} gparser;

/* Room for one more; false without memory. */
static bool grow(gparser *g, void *items, size_t *capacity, size_t count, size_t size) {
  void **array = items;
  bool ok = tni_reserve(g->p->ctx, array, capacity, count + 1, size);
  if (!ok) tni_parser_nomem(g->p);
  return ok;
}

static bool report_at(gparser *g, const tni_token *tok, const char *message) {
  tni_report(g->p, tok->offset, tok->length, "%s", message);
  return false;
}

/* Reports a failure of the builder, which can be used again then. */
static bool report_error(gparser *g, const tni_token *tok, tn_status status, tn_error *err) {
  if (status == TN_E_NOMEM)
    tni_parser_nomem(g->p);
  else
    report_at(g, tok, tn_error_reason(err));
  if (status == TN_E_LIMIT) {
    g->p->fatal = TN_E_LIMIT;
    g->p->stopped = true;
  }
  tn_error_destroy(err);
  tni_gbuilder_forgive(g->b);
  return false;
}

/* The builder's sticky error, if there is one. */
static bool check_builder(gparser *g, const tni_token *tok) {
  tn_error *err;
  tn_status status = tni_gbuilder_check(g->b, &err);
  return status ? report_error(g, tok, status, err) : true;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* `[-] NUMBER`, `inf`, `nan`, or of bools `true` and `false`. */
static bool parse_number(gparser *g, tn_type type, tni_scalar *out) {
  tni_parser *p = g->p;
  const char *why;
  bool is_bool = type == TN_BOOL, truth = tni_at_word(p, "true");
  if (is_bool && (truth || tni_at_word(p, "false"))) {
    tni_next(p);
    out->i = truth;
    return true;
  }
  bool negative = !is_bool && tni_accept(p, TNI_TOK_MINUS);
  tni_token tok = p->tok;
  if (is_bool || (tok.kind != TNI_TOK_NUMBER && !tni_at_word(p, "inf") && !tni_at_word(p, "nan"))) {
    tni_report_expected(p, is_bool ? "`true` or `false`" : "a number");
    return false;
  }
  tni_next(p);
  return tni_parse_scalar(type, p->text + tok.offset, tok.length, negative, out, &why) || report_at(g, &tok, why);
}

/* A number of an attribute: an f32, or an f64 when it says so. */
static bool parse_float(gparser *g, tni_scalar *out) {
  tni_token tok = g->p->tok;
  if (!parse_number(g, TN_F64, out)) return false;
  if (tni_accept(g->p, TNI_TOK_COLON)) {
    if (tni_accept_word(g->p, "f64")) return true;
    tni_report_expected(g->p, "`f64`");
    return false;
  }
  double single = tni_round_to(TN_F32, out->f);
  if (single - single != 0 && out->f - out->f == 0) return report_at(g, &tok, "the number is too large for its type");
  out->f = single;
  return true;
}

/* `[a, b, c]` into numbers; of type 0: numbers of an attribute. */
static bool parse_numbers(gparser *g, tn_type type, const char *what) {
  g->number_count = 0;
  if (!tni_expect(g->p, TNI_TOK_LBRACKET, what)) return false;
  if (tni_accept(g->p, TNI_TOK_RBRACKET)) return true;
  do {
    if (!grow(g, &g->numbers, &g->number_capacity, g->number_count, sizeof *g->numbers)) return false;
    tni_scalar *x = &g->numbers[g->number_count++];
    if (type ? !parse_number(g, type, x) : !parse_float(g, x)) return false;
  } while (tni_accept(g->p, TNI_TOK_COMMA));
  return tni_expect(g->p, TNI_TOK_RBRACKET, "`]` or `,` after a number");
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool parse_extents(gparser *g, tni_gvalue *v) {
  tni_scalar extent;
  if (!tni_expect(g->p, TNI_TOK_LBRACKET, "`[` and the extents")) return false;
  if (tni_accept(g->p, TNI_TOK_RBRACKET)) return true;
  do {
    tni_token tok = g->p->tok;
    if (v->rank == TN_MAX_RANK) {
      tni_report(g->p, tok.offset, tok.length, "more than %d dimensions", TN_MAX_RANK);
      return false;
    }
    if (!parse_number(g, TN_I64, &extent)) return false;
    if (extent.i < 0) return report_at(g, &tok, "an extent is not negative");
    v->shape[v->rank++] = extent.i;
  } while (tni_accept(g->p, TNI_TOK_COMMA));
  return tni_expect(g->p, TNI_TOK_RBRACKET, "`]` or `,` after an extent");
}

/* `: TYPE[extents]` */
static bool parse_shaped(gparser *g, tni_gvalue *v) {
  size_t bytes;
  *v = (tni_gvalue){.rank = 0};
  if (!tni_expect(g->p, TNI_TOK_COLON, "`:` and the type of the value")) return false;
  tni_token tok = g->p->tok;
  if (!(v->type = tni_parse_type(g->p))) return false;
  if (!tni_is_element_type(v->type)) return report_at(g, &tok, "elements are numbers or bools with one lane");
  if (!parse_extents(g, v)) return false;
  if (tni_gvalue_bytes(g->p->ctx, v, &bytes)) return true;
  report_at(g, &tok, "the tensor is over tn_limits.tensor_bytes");
  g->p->fatal = TN_E_LIMIT;
  g->p->stopped = true;
  return false;
}

static bool is_nothing(const gparser *g, const tni_token *tok) {
  return tok->kind == TNI_TOK_NAME && tok->length == 1 && g->p->text[tok->offset] == '_';
}

/* `NAME: TYPE[extents]` of a value that is not there yet. */
static bool parse_declaration(gparser *g, result *r) {
  r->tok = g->p->tok;
  if (is_nothing(g, &r->tok)) return report_at(g, &r->tok, "`_` stands for no value, it cannot be the name of one");
  if (!(r->name = tni_parse_any_name(g->p, "the name of a value"))) return false;
  if (tni_g_find(g->b, r->name) != TNI_NO_VALUE) return report_at(g, &r->tok, "this value is declared already");
  return parse_shaped(g, &r->value);
}

static void report_undeclared(gparser *g, const tni_token *tok, const char *name) {
  const tni_gvalue *v;
  int shown = 100;
  for (uint32_t i = 0; (v = tni_g_get(g->b, i)); i++)
    if (v->name && tni_is_near(name, strlen(name), v->name, strlen(v->name))) {
      tni_report(g->p, tok->offset, tok->length, "`%.*s` is not declared; did you mean `%.*s`?", shown, name, shown,
                 v->name);
      return;
    }
  tni_report(g->p, tok->offset, tok->length, "`%.*s` is not declared", shown, name);
}

/* The name of a value that is there. */
static bool parse_use(gparser *g, uint32_t *out) {
  tni_token tok = g->p->tok;
  const char *name = tni_parse_any_name(g->p, "the name of a value");
  if (!name) return false;
  *out = tni_g_find(g->b, name);
  if (*out == TNI_NO_VALUE) report_undeclared(g, &tok, name);
  return *out != TNI_NO_VALUE;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

/* `[...]`, all elements in row-major order. NULL when reported. */
static const void *parse_elements(gparser *g, const tni_gvalue *v) {
  tni_token tok = g->p->tok;
  size_t bytes, want = (size_t)tni_gvalue_numel(v);
  if (!parse_numbers(g, v->type, "`[` and the elements, or `blob`")) return NULL;
  if (g->number_count != want) {
    tni_report(g->p, tok.offset, tok.length, "%zu elements, but the constant has %zu", g->number_count, want);
    return NULL;
  }
  tni_gvalue_bytes(g->p->ctx, v, &bytes);
  void *data = tni_arena_alloc(&g->p->r->arena, bytes);
  if (!data) tni_parser_nomem(g->p);
  for (size_t i = 0; data && i < want; i++) tni_write_element(v->type, data, (int64_t)i, g->numbers[i]);
  return data;
}

static bool parse_hash(gparser *g, tni_hash *out) {
  tni_parser *p = g->p;
  tni_scalar half[2];
  const char *why;
  tni_token tok = p->tok;
  if (!tni_expect(p, TNI_TOK_NUMBER, "the hash of the contents")) return false;
  for (int i = 0; i < 2; i++) {
    char digits[HASH_DIGITS / 2 + 3] = "0x";
    if (tok.length != HASH_DIGITS + 2) return report_at(g, &tok, "a hash is 0x and 32 hexadecimal digits");
    memcpy(digits + 2, p->text + tok.offset + 2 + i * HASH_DIGITS / 2, HASH_DIGITS / 2);
    if (!tni_parse_scalar(TN_U64, digits, HASH_DIGITS / 2 + 2, false, &half[i], &why))
      return report_at(g, &tok, "a hash is 0x and 32 hexadecimal digits");
  }
  *out = (tni_hash){.low = (uint64_t)half[1].i, .high = (uint64_t)half[0].i};
  return true;
}

/* Of a bare text. */
static const void *find_contents(gparser *g, const tni_token *tok, uint64_t offset, uint64_t bytes) {
  const tni_contents *all = g->p->contents;
  size_t low = 0, high = g->p->content_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (all[middle].offset < offset)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < g->p->content_count && all[low].offset == offset && all[low].bytes == bytes) return all[low].data;
  report_at(g, tok, "there are no such contents");
  return NULL;
}

/* Are the contents where the text says, and what they were? */
static bool check_part(gparser *g, const tni_token *tok, uint64_t offset, uint64_t bytes, tni_hash want) {
  const tni_blob *blob = g->p->blob;
  if (!blob) return report_at(g, tok, "the contents are in a side blob, and none was given");
  if (offset % TNI_BLOB_ALIGN) return report_at(g, tok, "the offset is not a multiple of 64");
  if (offset > blob->size || bytes > blob->size - offset) {
    tni_report(g->p, tok->offset, tok->length, "the blob of %zu bytes ends before these contents of %llu bytes do",
               blob->size, (unsigned long long)bytes);
    return false;
  }
  tni_hash have = tni_hash_bytes((const char *)blob->data + offset, (size_t)bytes);
  return (have.low == want.low && have.high == want.high) ||
         report_at(g, tok, "the blob has other contents here: it is damaged, or of another program");
}

/* `(OFFSET, HASH)` behind `blob`. NULL when reported. */
static const void *parse_blob(gparser *g, const tni_token *tok, const tni_gvalue *v) {
  tni_scalar offset;
  tni_hash hash;
  size_t bytes;
  if (!tni_expect(g->p, TNI_TOK_LPAREN, "`(` and the offset") || !parse_number(g, TN_U64, &offset) ||
      !tni_expect(g->p, TNI_TOK_COMMA, "`,` and the hash of the contents") || !parse_hash(g, &hash) ||
      !tni_expect(g->p, TNI_TOK_RPAREN, "`)` after the hash"))
    return NULL;
  tni_gvalue_bytes(g->p->ctx, v, &bytes);
  if (g->p->contents) return find_contents(g, tok, (uint64_t)offset.i, bytes);
  if (!check_part(g, tok, (uint64_t)offset.i, bytes, hash)) return NULL;
  return (const char *)g->p->blob->data + offset.i;
}

/* Behind `const`. A wrong one is declared too, as a value that nobody makes. */
static bool parse_const(gparser *g) {
  result r;
  const void *data = NULL;
  if (!parse_declaration(g, &r)) return false;
  if (tni_expect(g->p, TNI_TOK_ASSIGN, "`=` and the contents")) {
    tni_token tok = g->p->tok;
    data = tni_accept_word(g->p, "blob") ? parse_blob(g, &tok, &r.value) : parse_elements(g, &r.value);
  }
  if (data)
    tni_g_const(g->b, r.name, r.value.type, r.value.rank, r.value.shape, data);
  else
    tni_g_value(g->b, r.name, r.value.type, r.value.rank, r.value.shape);
  return check_builder(g, &r.tok) && data;
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

/* The numbers that were read, as the attribute's. */
static bool keep_list(gparser *g, tni_attr *a) {
  int64_t *ints = TNI_NEW_ARRAY(&g->scratch, int64_t, g->number_count);
  double *floats = TNI_NEW_ARRAY(&g->scratch, double, g->number_count);
  if (!ints || !floats || g->number_count > INT32_MAX) {
    tni_parser_nomem(g->p);
    return false;
  }
  for (size_t i = 0; i < g->number_count; i++)
    if (a->kind == TNI_ATTR_INTS)
      ints[i] = g->numbers[i].i;
    else
      floats[i] = g->numbers[i].f;
  a->count = (int32_t)g->number_count;
  a->ints = a->kind == TNI_ATTR_INTS ? ints : NULL;
  a->floats = a->kind == TNI_ATTR_FLOATS ? floats : NULL;
  return true;
}

static bool parse_string(gparser *g, tni_attr *a) {
  tni_token tok = g->p->tok;
  if (!tni_expect(g->p, TNI_TOK_QUOTED, "a text between quotes")) return false;
  return (a->string = tni_token_text(g->p, &tok)) != NULL;
}

/* The value, as the operator's row says what it is. */
static bool parse_attr_value(gparser *g, char kind, tni_attr *a) {
  tni_scalar x;
  switch (kind) {
  case 'i':
    a->kind = TNI_ATTR_INT;
    if (!parse_number(g, TN_I64, &x)) return false;
    a->i = x.i;
    return true;
  case 'f':
    a->kind = TNI_ATTR_FLOAT;
    if (!parse_float(g, &x)) return false;
    a->f = x.f;
    return true;
  case 'I': a->kind = TNI_ATTR_INTS; return parse_numbers(g, TN_I64, "`[` and integers") && keep_list(g, a);
  case 'F': a->kind = TNI_ATTR_FLOATS; return parse_numbers(g, 0, "`[` and numbers") && keep_list(g, a);
  default: a->kind = TNI_ATTR_STRING; return parse_string(g, a);
  }
}

static bool parse_attr(gparser *g, const tni_gop *op) {
  tni_token tok = g->p->tok;
  tni_attr *a = &g->attrs[g->attr_count];
  *a = (tni_attr){.name = NULL};
  if (!tni_expect(g->p, TNI_TOK_NAME, "the name of an attribute")) return false;
  const char *name = g->p->text + tok.offset;
  char kind = tni_gop_attr_kind(op, name, tok.length);
  if (!kind) {
    tni_report(g->p, tok.offset, tok.length, *op->attrs ? "`%s` has no such attribute; its row says: %s" : "`%s` has no attributes%s",
               op->name, op->attrs);
    return false;
  }
  for (uint32_t i = 0; i < g->attr_count; i++)
    if (strlen(g->attrs[i].name) == tok.length && memcmp(g->attrs[i].name, name, tok.length) == 0)
      return report_at(g, &tok, "this attribute stands before already");
  if (!(a->name = tni_token_name(g->p, &tok)) || !tni_expect(g->p, TNI_TOK_ASSIGN, "`=` and the attribute's value"))
    return false;
  g->attr_count++;
  return parse_attr_value(g, kind, a);
}

/* Goes behind the brace that closes the attributes, if it is on this line. */
static bool skip_attrs(gparser *g) {
  while (g->p->tok.kind != TNI_TOK_END && g->p->tok.kind != TNI_TOK_RBRACE && !g->p->tok.line_start) tni_next(g->p);
  if (!g->p->tok.line_start) tni_accept(g->p, TNI_TOK_RBRACE);
  return false;
}

/* Each at most once, so there are not more than in the operator's row. */
static bool parse_attrs(gparser *g, const tni_gop *op) {
  g->attr_count = 0;
  if (!tni_accept(g->p, TNI_TOK_LBRACE)) return true;
  do
    if (!parse_attr(g, op)) return skip_attrs(g);
  while (tni_accept(g->p, TNI_TOK_COMMA));
  return tni_expect(g->p, TNI_TOK_RBRACE, "`}` or `,` after an attribute") || skip_attrs(g);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static bool parse_results(gparser *g) {
  g->result_count = 0;
  do {
    if (!grow(g, &g->results, &g->result_capacity, g->result_count, sizeof *g->results)) return false;
    if (!parse_declaration(g, &g->results[g->result_count])) return false;
    g->result_count++;
  } while (tni_accept(g->p, TNI_TOK_COMMA));
  return true;
}

static bool parse_args(gparser *g) {
  g->arg_count = 0;
  if (!tni_expect(g->p, TNI_TOK_LPAREN, "`(` and the arguments")) return false;
  if (tni_accept(g->p, TNI_TOK_RPAREN)) return true;
  do {
    if (!grow(g, &g->args, &g->arg_capacity, g->arg_count, sizeof *g->args)) return false;
    uint32_t *arg = &g->args[g->arg_count++];
    *arg = TNI_NO_VALUE;
    if (is_nothing(g, &g->p->tok))
      tni_next(g->p);
    else if (!parse_use(g, arg))
      return false;
  } while (tni_accept(g->p, TNI_TOK_COMMA));
  return tni_expect(g->p, TNI_TOK_RPAREN, "`)` or `,` after an argument");
}

/* [`as` NAME] */
static bool parse_node_name(gparser *g, const char **out) {
  *out = NULL;
  return !tni_accept_word(g->p, "as") || (*out = tni_parse_any_name(g->p, "the name of the node")) != NULL;
}

static bool same_type(const tni_gvalue *a, const tni_gvalue *b) {
  return a->type == b->type && a->rank == b->rank &&
         memcmp(a->shape, b->shape, sizeof(int64_t) * (size_t)a->rank) == 0;
}

static void report_other_type(gparser *g, const result *r, const char *op, const tni_gvalue *have) {
  tni_text types;
  tni_text_init(&types, g->p->ctx);
  tni_shape_text(&types, have->type, have->rank, have->shape);
  tni_text_add(&types, ", declared is ");
  tni_shape_text(&types, r->value.type, r->value.rank, r->value.shape);
  tni_report(g->p, r->tok.offset, r->tok.length, "`%s` gives %s", op, types.data);
  tni_text_destroy(&types);
}

/* The results that are not there yet, as values of the declared types. */
static bool declare_results(gparser *g) {
  for (size_t i = 0; i < g->result_count; i++) {
    const result *r = &g->results[i];
    if (tni_g_find(g->b, r->name) != TNI_NO_VALUE) continue;
    tni_g_value(g->b, r->name, r->value.type, r->value.rank, r->value.shape);
    if (!check_builder(g, &r->tok)) return false;
  }
  return true;
}

static bool add_node(gparser *g, const tni_token *tok, const tni_gop *op, const char *name) {
  enum { MAX_RESULTS = 255 };
  const char *names[MAX_RESULTS];
  uint32_t out[MAX_RESULTS];
  tn_error *err;
  if (g->result_count > op->outputs) return report_at(g, tok, "the operator has fewer results");
  for (size_t i = 0; i < g->result_count; i++) {
    names[i] = g->results[i].name;
    for (size_t k = 0; k < i; k++)
      if (strcmp(names[k], names[i]) == 0) return report_at(g, &g->results[i].tok, "this value is declared already");
  }
  tn_status status = tni_g_node(g->b, op, name, (uint32_t)g->arg_count, g->args, g->attr_count, g->attrs,
                                (uint32_t)g->result_count, names, out, &err);
  if (status) return report_error(g, tok, status, err);
  for (size_t i = 0; i < g->result_count; i++)
    if (!same_type(tni_g_get(g->b, out[i]), &g->results[i].value)) {
      report_other_type(g, &g->results[i], op->name, tni_g_get(g->b, out[i]));
      return false;
    }
  return true;
}

/* `OP(args) {attributes} as NAME` */
static bool parse_op(gparser *g) {
  tni_parser *p = g->p;
  const char *name;
  tni_token tok = p->tok;
  if (!tni_expect(p, TNI_TOK_NAME, "a graph operator or `call`")) return false;
  const tni_gop *op = tni_gop_find_spelled(p->text + tok.offset, tok.length);
  if (op) return parse_args(g) && parse_attrs(g, op) && parse_node_name(g, &name) && add_node(g, &tok, op, name);
  for (size_t i = 0; (op = tni_gop_at(i)); i++)
    if (tni_is_near(p->text + tok.offset, tok.length, op->name, strlen(op->name))) {
      tni_report(p, tok.offset, tok.length, "there is no graph operator of this name; did you mean `%s`?", op->name);
      return false;
    }
  return report_at(g, &tok, "there is no graph operator of this name");
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static const tn_func *find_func(const tni_parser *p, const char *name) {
  for (size_t i = 0; i < p->func_count; i++)
    if (strcmp(p->funcs[i]->name, name) == 0) return p->funcs[i];
  return tn_program_func(p->program, name);
}

/* May the value be handed over as this parameter? Whether it lies in such strides is seen when the graph is planned. */
static bool fits(const tni_param *param, const tni_gvalue *v) {
  const tn_buffer *buffer = param->buffer;
  if (!buffer || buffer->type != v->type || buffer->rank != v->rank || buffer->offset || buffer->layout || buffer->align)
    return false;
  for (int32_t i = 0; i < v->rank; i++)
    if (!tni_is_int(buffer->shape[i], v->shape[i]) || (buffer->strides && !tni_is_const(buffer->strides[i]))) return false;
  return true;
}

static bool check_call(gparser *g, const tni_token *tok, const tn_func *func) {
  size_t count = g->arg_count + g->result_count;
  if (func->param_count != count) {
    tni_report(g->p, tok->offset, tok->length, "the function has %u parameters, not %zu arguments and %zu results",
               func->param_count, g->arg_count, g->result_count);
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (i < g->arg_count && g->args[i] == TNI_NO_VALUE) return report_at(g, tok, "a function needs all its arguments");
    const tni_gvalue *v =
        i < g->arg_count ? tni_g_get(g->b, g->args[i]) : &g->results[i - g->arg_count].value;
    if (fits(&func->params[i], v)) continue;
    tni_report(g->p, tok->offset, tok->length, "parameter %zu of the function is no buffer of this type and shape", i + 1);
    return false;
  }
  return true;
}

/* Behind `call`: `NAME(args) as NAME` */
static bool parse_call(gparser *g) {
  tni_parser *p = g->p;
  const char *name;
  tni_token tok = p->tok;
  const char *callee = tni_parse_name(p, "the name of a function");
  if (!callee || !parse_args(g) || !parse_node_name(g, &name)) return false;
  const tn_func *func = find_func(p, callee);
  if (!func) return report_at(g, &tok, "there is no function of this name above");
  if (!check_call(g, &tok, func) || !declare_results(g)) return false;
  uint32_t *out = TNI_NEW_ARRAY(&g->scratch, uint32_t, g->result_count);
  if (!out) return tni_parser_nomem(p), false;
  for (size_t i = 0; i < g->result_count; i++) out[i] = tni_g_find(g->b, g->results[i].name);
  tni_g_call(g->b, func, name, (uint32_t)g->arg_count, g->args, (uint32_t)g->result_count, out);
  return check_builder(g, &tok);
}

static bool parse_node(gparser *g) {
  bool good = parse_results(g) && tni_expect(g->p, TNI_TOK_ASSIGN, "`=` and what gives the value") &&
              (tni_accept_word(g->p, "call") ? parse_call(g) : parse_op(g));
  if (!good && !g->p->stopped) declare_results(g);
  return good;
}

/* ---- graphs ------------------------------------------------------------------------------------------------------ */

static bool parse_inputs(gparser *g) {
  result r;
  if (!tni_expect(g->p, TNI_TOK_LPAREN, "`(` and the inputs")) return false;
  if (tni_accept(g->p, TNI_TOK_RPAREN)) return true;
  do {
    if (!parse_declaration(g, &r)) return false;
    tni_g_input(g->b, r.name, r.value.type, r.value.rank, r.value.shape);
    if (!check_builder(g, &r.tok)) return false;
  } while (tni_accept(g->p, TNI_TOK_COMMA));
  return tni_expect(g->p, TNI_TOK_RPAREN, "`)` or `,` after an input");
}

/* The outputs are values of the body: they are passed over here, and read behind it. */
static bool skip_outputs(gparser *g, tni_token *tok, size_t *position) {
  if (!tni_expect(g->p, TNI_TOK_ARROW, "`->` and the outputs")) return false;
  *tok = g->p->tok;
  *position = g->p->position;
  if (!tni_expect(g->p, TNI_TOK_LPAREN, "`(` and the outputs")) return false;
  while (g->p->tok.kind != TNI_TOK_RPAREN && g->p->tok.kind != TNI_TOK_LBRACE && g->p->tok.kind != TNI_TOK_END)
    tni_next(g->p);
  return tni_expect(g->p, TNI_TOK_RPAREN, "`)` after the outputs");
}

static bool read_outputs(gparser *g) {
  uint32_t value;
  tni_token tok = g->p->tok;
  tni_next(g->p);
  if (tni_accept(g->p, TNI_TOK_RPAREN)) return true;
  do {
    if (!parse_use(g, &value)) return false;
    tni_g_output(g->b, value);
  } while (tni_accept(g->p, TNI_TOK_COMMA));
  return tni_expect(g->p, TNI_TOK_RPAREN, "`)` or `,` after an output") && check_builder(g, &tok);
}

static bool parse_outputs(gparser *g, tni_token tok, size_t position) {
  tni_parser *p = g->p;
  tni_token tok_here = p->tok;
  size_t position_here = p->position;
  p->tok = tok;
  p->position = position;
  bool good = read_outputs(g);
  p->tok = tok_here;
  p->position = position_here;
  if (p->stopped) tni_next(p);
  return good;
}

/* Constants and nodes up to the closing brace. */
static bool parse_body(gparser *g) {
  tni_parser *p = g->p;
  uint32_t errors = p->errors;
  if (!tni_expect(p, TNI_TOK_LBRACE, "`{`")) return false;
  bool separated = true;
  while (!p->stopped && p->tok.kind != TNI_TOK_RBRACE && p->tok.kind != TNI_TOK_END) {
    size_t begin = p->tok.offset;
    bool good = separated || p->tok.line_start;
    if (!good) tni_report_expected(p, "a new line or `;` after a node");
    tni_arena_destroy(&g->scratch);
    tni_arena_init(&g->scratch, p->ctx);
    if (!good || !(tni_accept_word(p, "const") ? parse_const(g) : parse_node(g))) tni_skip_statement(p, begin);
    separated = tni_accept(p, TNI_TOK_SEMICOLON);
  }
  return p->errors == errors && !p->stopped;
}

static bool parse_graph(gparser *g) {
  tni_token tok;
  size_t position;
  if (!parse_inputs(g) || !skip_outputs(g, &tok, &position)) return false;
  bool good = parse_body(g);
  if (!g->p->stopped) good &= parse_outputs(g, tok, position);
  return tni_expect(g->p, TNI_TOK_RBRACE, "`}`") && good;
}

static bool keep_graph(gparser *g, const tni_token *tok) {
  tn_error *err;
  tn_graph *made;
  tni_parser *p = g->p;
  if (!grow(g, &p->graphs, &p->graph_capacity, p->graph_count, sizeof *p->graphs)) return false;
  tn_status status = tni_gbuilder_assemble(g->b, &made, &err);
  if (status) return report_error(g, tok, status, err);
  p->graphs[p->graph_count++] = made;
  return true;
}

bool tni_parse_graph(tni_parser *p) {
  gparser g = {.p = p};
  tni_token tok = p->tok;
  const char *name = tni_parse_any_name(p, "the name of the graph");
  if (!name) return false;
  for (size_t i = 0; i < p->graph_count; i++)
    if (strcmp(p->graphs[i]->name, name) == 0) return report_at(&g, &tok, "a graph of this name stands above");
  if (tni_gbuilder_create(p->program, name, &g.b, NULL) != TN_OK) return tni_parser_nomem(p), false;
  tni_arena_init(&g.scratch, p->ctx);
  bool good = parse_graph(&g) && keep_graph(&g, &tok);
  tni_arena_destroy(&g.scratch);
  tni_gbuilder_destroy(g.b);
  tni_free(p->ctx, g.results, g.result_capacity * sizeof *g.results);
  tni_free(p->ctx, g.args, g.arg_capacity * sizeof *g.args);
  tni_free(p->ctx, g.numbers, g.number_capacity * sizeof *g.numbers);
  return good;
}
