/* dump_c.c -- C source that rebuilds a program through the public API.
 *
 * A function of the tensor level becomes calls of the builder: one line for each node, in order, so that nodes with several
 * users are made once. What the builder does not make -- the loop level, schedules, graphs -- is embedded as text, which
 * tn_program_extend parses; so is a function that uses something this file does not know.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "build.h"
#include "graph/graph_text.h"

typedef struct dumper {
  tni_text *out;
  tn_context *ctx;
  const char *prefix;
  tni_map nodes;   /* expressions that are made; named eN */
  tni_map buffers; /* named bN */
  uint32_t stmts;  /* named sN */
  bool unknown;    /* something the builder does not make */
} dumper;

/* ---- C ----------------------------------------------------------------------------------------------------------- */

static void write_string(tni_text *out, const char *s) {
  tni_text_add(out, "\"");
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\' || c == '?') /* no trigraphs */
      tni_text_add(out, "\\%c", c);
    else if (c < 0x20 || c >= 0x7f)
      tni_text_add(out, "\\%03o", c);
    else
      tni_text_add(out, "%c", c);
  }
  tni_text_add(out, "\"");
}

/* The macro of a type with one lane. */
static void write_type(tni_text *out, tn_type type) {
  char text[16];
  tni_text_add(out, "TN_");
  for (const char *c = type == TN_POINTER ? "pointer" : tn_type_text(type, text); *c; c++)
    tni_text_add(out, "%c", *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
}

/* A double as mantissa and exponent, exact and without a point, which a locale could change. */
static void write_double(tni_text *out, double value) {
  if (isnan(value)) {
    tni_text_add(out, "NAN");
    return;
  }
  int exponent = 0;
  uint64_t mantissa = isinf(value) ? 0 : (uint64_t)ldexp(frexp(fabs(value), &exponent), 53);
  exponent = mantissa ? exponent - 53 : 0;
  for (; mantissa && !(mantissa & 1); mantissa >>= 1) exponent++;
  tni_text_add(out, signbit(value) ? "-" : "");
  if (isinf(value))
    tni_text_add(out, "INFINITY");
  else
    tni_text_add(out, "0x%llxp%d", (unsigned long long)mantissa, exponent);
}

static void write_int(tni_text *out, int64_t value) {
  if (value == INT64_MIN)
    tni_text_add(out, "-INT64_MAX - 1");
  else
    tni_text_add(out, "INT64_C(%lld)", (long long)value);
}

static uint32_t number_of(const tni_map *map, const void *key) { return (uint32_t)tni_map_find(map, key, 0); }

static void write_expr(dumper *d, const tn_expr *x) {
  if (x)
    tni_text_add(d->out, "e%u", number_of(&d->nodes, x));
  else
    tni_text_add(d->out, "NULL");
}

static void write_buffer(dumper *d, const tn_buffer *buffer) {
  tni_text_add(d->out, "b%u", number_of(&d->buffers, buffer));
}

static void write_exprs(dumper *d, int32_t count, const tn_expr *const *items) {
  if (count == 0) tni_text_add(d->out, "NULL");
  for (int32_t i = 0; i < count; i++) {
    tni_text_add(d->out, i ? ", " : "(const tn_expr *[]){");
    write_expr(d, items[i]);
  }
  if (count) tni_text_add(d->out, "}");
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */

static void write_operator(dumper *d, const tn_expr *x) {
  const tni_op_info *info = &tni_ops[x->op];
  if (info->typing == TNI_TYPING_CONVERT) {
    tni_text_add(d->out, "tn_%s(b, ", info->name);
    write_type(d->out, x->type);
  } else {
    tni_text_add(d->out, "tn_op%d(b, TN_OP_%s", x->nargs, info->name);
    d->unknown |= info->typing == TNI_TYPING_OTHER || x->nargs < 1 || x->nargs > 3;
  }
  for (int i = 0; i < x->nargs; i++) {
    tni_text_add(d->out, ", ");
    write_expr(d, x->arg[i]);
  }
  tni_text_add(d->out, ")");
}

static void write_const(dumper *d, const tn_expr *x) {
  tni_text_add(d->out, tni_type_is_float(x->type) ? "tn_float(b, " : "tn_int(b, ");
  write_type(d->out, x->type);
  tni_text_add(d->out, ", ");
  if (tni_type_is_float(x->type))
    write_double(d->out, x->as.f);
  else
    write_int(d->out, x->as.i);
  tni_text_add(d->out, ")");
}

static void write_node(dumper *d, const tn_expr *x) {
  switch (x->op) {
  case TN_OP_const: write_const(d, x); break;
  case TN_OP_var:
    tni_text_add(d->out, "tn_var(b, ");
    write_string(d->out, x->as.name);
    tni_text_add(d->out, ", ");
    write_type(d->out, x->type);
    tni_text_add(d->out, ")");
    break;
  case TN_OP_load:
    tni_text_add(d->out, "tn_load(b, ");
    write_buffer(d, x->as.buffer);
    tni_text_add(d->out, ", ");
    write_exprs(d, tni_load_count(x), x->arg);
    tni_text_add(d->out, ", ");
    write_expr(d, tni_load_where(x));
    tni_text_add(d->out, ")");
    break;
  case TN_OP_call:
    tni_text_add(d->out, "tn_call(b, ");
    write_string(d->out, x->as.name);
    tni_text_add(d->out, ", %u, ", x->nargs);
    write_exprs(d, x->nargs, x->arg);
    tni_text_add(d->out, ")");
    break;
  case TNI_OP_ADDRESS:
    tni_text_add(d->out, "tn_address(b, ");
    write_buffer(d, x->as.buffer);
    tni_text_add(d->out, ")");
    break;
  default: write_operator(d, x);
  }
}

/* The lines that make the nodes under x which are not made yet. */
static void make(dumper *d, const tn_expr *x) {
  size_t first = d->nodes.count;
  if (!x) return;
  if (!tni_map_add_dag(&d->nodes, x)) d->out->failed = true;
  for (size_t i = first; i < d->nodes.count && !d->out->failed; i++) {
    const tn_expr *node = d->nodes.entries[i].key;
    d->unknown |= TN_TYPE_LANES(node->type) != 1;
    tni_text_add(d->out, "  const tn_expr *e%zu = ", i);
    write_node(d, node);
    tni_text_add(d->out, ";\n");
  }
}

static void make_all(dumper *d, int32_t count, const tn_expr *const *items) {
  for (int32_t i = 0; i < count; i++) make(d, items[i]);
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static const char *const scopes[TNI_SCOPE_COUNT] = {"TN_GLOBAL", "TN_LOCAL", "TN_REGISTER", "TN_SHARED"};

/* `const tn_buffer *bN = FUNCTION(b, NAME, &(tn_buffer_desc){...});` with what its form needs before it. */
static void make_buffer(dumper *d, const char *function, const tn_buffer *buffer) {
  const tn_expr *exprs[TNI_BUFFER_EXPRS];
  const tni_layout *l = buffer->layout;
  make_all(d, tni_buffer_exprs(buffer, exprs), exprs);
  if (l) make_all(d, buffer->rank, l->vars);
  if (l) make_all(d, l->rank, l->index);
  size_t entry = tni_map_add(&d->buffers, buffer, 0, NULL);
  d->out->failed |= entry == TNI_MAP_NONE;
  tni_text_add(d->out, "  const tn_buffer *b%zu = %s(b, ", entry, function);
  write_string(d->out, buffer->name);
  tni_text_add(d->out, ", &(tn_buffer_desc){.struct_size = sizeof(tn_buffer_desc), .type = ");
  write_type(d->out, buffer->type);
  tni_text_add(d->out, ", .rank = %d, .shape = ", buffer->rank);
  write_exprs(d, buffer->rank, buffer->shape);
  if (buffer->strides) {
    tni_text_add(d->out, ", .strides = ");
    write_exprs(d, tni_memory_rank(buffer), buffer->strides);
  }
  if (buffer->offset) {
    tni_text_add(d->out, ", .offset = ");
    write_expr(d, buffer->offset);
  }
  if (buffer->align) tni_text_add(d->out, ", .align = %u", buffer->align);
  if (l) {
    tni_text_add(d->out, ", .layout_rank = %d, .layout_vars = ", l->rank);
    write_exprs(d, buffer->rank, l->vars);
    tni_text_add(d->out, ", .layout_index = ");
    write_exprs(d, l->rank, l->index);
  }
  if (buffer->scope != TNI_SCOPE_GLOBAL) tni_text_add(d->out, ", .scope = %s", scopes[buffer->scope]);
  tni_text_add(d->out, "});\n  (void)b%zu;\n", entry); /* it may have no use */
}

/* ---- statements: each gives the number of the variable that holds it ----------------------------------------------- */

static uint32_t make_stmt(dumper *d, const tn_stmt *s);

/* Begins `const tn_stmt *sN = FUNCTION(b`. */
static uint32_t begin(dumper *d, const char *function) {
  tni_text_add(d->out, "  const tn_stmt *s%u = %s(b", d->stmts, function);
  return d->stmts++;
}

static void add_expr(dumper *d, const tn_expr *x) {
  tni_text_add(d->out, ", ");
  write_expr(d, x);
}

static void end(dumper *d) { tni_text_add(d->out, ");\n"); }

/* The body may be missing. */
static void add_stmt(dumper *d, const tn_stmt *s, uint32_t number) {
  if (s)
    tni_text_add(d->out, ", s%u", number);
  else
    tni_text_add(d->out, ", NULL");
}

static uint32_t make_body(dumper *d, const tn_stmt *s) { return s ? make_stmt(d, s) : 0; }

/* The statement with its annotations, if it has any. */
static uint32_t annotate(dumper *d, uint32_t number, const tni_annotations *notes) {
  for (int32_t i = 0; i < notes->count; i++) {
    const tni_annotation *note = &notes->items[i];
    uint32_t annotated = begin(d, note->text ? "tn_annotate_text" : "tn_annotate");
    tni_text_add(d->out, ", s%u, ", number);
    write_string(d->out, note->key);
    tni_text_add(d->out, ", ");
    if (note->text)
      write_string(d->out, note->text);
    else
      write_int(d->out, note->number);
    end(d);
    number = annotated;
  }
  return number;
}

static uint32_t make_for(dumper *d, const tn_stmt *s) {
  static const char *const kinds[TNI_LOOP_KIND_COUNT] = {"TN_SERIAL",   "TN_PARALLEL", "TN_VECTORIZED", "TN_UNROLLED",
                                                         "TN_OUTLINED", "TN_BLOCK_X",  "TN_BLOCK_Y",    "TN_BLOCK_Z",
                                                         "TN_THREAD_X", "TN_THREAD_Y", "TN_THREAD_Z"};
  make(d, s->as.loop.extent);
  make(d, s->as.loop.var);
  uint32_t body = make_body(d, s->as.loop.body), number = begin(d, "tn_for_kind");
  tni_text_add(d->out, ", %s", kinds[s->as.loop.kind]);
  add_expr(d, s->as.loop.var);
  add_expr(d, s->as.loop.extent);
  add_stmt(d, s->as.loop.body, body);
  end(d);
  return annotate(d, number, &s->as.loop.notes);
}

/* One column of a block's iterators as an array. */
enum column { VARS, EXTENTS, BINDINGS };
static void add_column(dumper *d, const tn_stmt *s, enum column column) {
  int32_t count = s->as.block.count;
  tni_text_add(d->out, count ? ", (const tn_expr *[]){" : ", NULL");
  for (int32_t i = 0; i < count; i++) {
    const tni_iter *it = &s->as.block.iters[i];
    tni_text_add(d->out, i ? ", " : "");
    write_expr(d, column == VARS ? it->var : column == EXTENTS ? it->extent : it->binding);
  }
  tni_text_add(d->out, count ? "}" : "");
}

static uint32_t make_block(dumper *d, const tn_stmt *s) {
  int32_t count = s->as.block.count;
  d->unknown |= count > MAX_ITERS;
  for (int32_t i = 0; i < count; i++) {
    make(d, s->as.block.iters[i].extent);
    make(d, s->as.block.iters[i].binding);
    make(d, s->as.block.iters[i].var);
  }
  make(d, s->as.block.where);
  uint32_t init = make_body(d, s->as.block.init), body = make_body(d, s->as.block.body), number = begin(d, "tn_block");
  tni_text_add(d->out, ", ");
  write_string(d->out, s->as.block.name);
  tni_text_add(d->out, ", %d", count);
  add_column(d, s, VARS);
  add_column(d, s, EXTENTS);
  tni_text_add(d->out, count ? ", (const uint8_t[]){" : ", NULL");
  for (int32_t i = 0; i < count; i++) tni_text_add(d->out, "%s%d", i ? ", " : "", s->as.block.iters[i].reduce);
  tni_text_add(d->out, count ? "}" : "");
  add_column(d, s, BINDINGS);
  add_expr(d, s->as.block.where);
  add_stmt(d, s->as.block.init, init);
  add_stmt(d, s->as.block.body, body);
  end(d);
  return annotate(d, number, &s->as.block.notes);
}

static uint32_t make_store(dumper *d, const tn_stmt *s) {
  make_all(d, s->as.store.count, s->as.store.index);
  make(d, s->as.store.value);
  make(d, s->as.store.where);
  uint32_t number = begin(d, s->kind == TNI_REDUCE ? "tn_reduce_store_where"
                             : s->kind == TNI_COPY ? "tn_copy"
                                                   : "tn_store_where");
  if (s->kind == TNI_REDUCE) tni_text_add(d->out, ", TN_OP_%s", tni_ops[s->as.store.op].name);
  tni_text_add(d->out, ", ");
  write_buffer(d, s->as.store.buffer);
  tni_text_add(d->out, ", ");
  write_exprs(d, s->as.store.count, s->as.store.index);
  add_expr(d, s->as.store.value);
  add_expr(d, s->as.store.where);
  end(d);
  return number;
}

static uint32_t make_prefetch(dumper *d, const tn_stmt *s) {
  make_all(d, s->as.store.count, s->as.store.index);
  uint32_t number = begin(d, "tn_prefetch_line");
  tni_text_add(d->out, ", ");
  write_buffer(d, s->as.store.buffer);
  tni_text_add(d->out, ", ");
  write_exprs(d, s->as.store.count, s->as.store.index);
  end(d);
  return number;
}

static uint32_t make_seq(dumper *d, const tn_stmt *s) {
  uint32_t *items = tni_alloc(d->ctx, ((size_t)s->as.seq.count + 1) * sizeof *items);
  if (!items) {
    d->out->failed = true;
    return 0;
  }
  for (int32_t i = 0; i < s->as.seq.count; i++) items[i] = make_stmt(d, s->as.seq.stmts[i]);
  uint32_t number = begin(d, "tn_seq");
  tni_text_add(d->out, ", %d, ", s->as.seq.count);
  for (int32_t i = 0; i < s->as.seq.count; i++)
    tni_text_add(d->out, "%ss%u", i ? ", " : "(const tn_stmt *[]){", items[i]);
  tni_text_add(d->out, s->as.seq.count ? "}" : "NULL");
  end(d);
  tni_free(d->ctx, items, ((size_t)s->as.seq.count + 1) * sizeof *items);
  return number;
}

static uint32_t make_if(dumper *d, const tn_stmt *s) {
  make(d, s->as.cond.cond);
  uint32_t then = make_body(d, s->as.cond.then), otherwise = make_body(d, s->as.cond.otherwise);
  uint32_t number = begin(d, "tn_if");
  add_expr(d, s->as.cond.cond);
  add_stmt(d, s->as.cond.then, then);
  add_stmt(d, s->as.cond.otherwise, otherwise);
  end(d);
  return number;
}

static uint32_t make_while(dumper *d, const tn_stmt *s) {
  make(d, s->as.repeat.cond);
  uint32_t body = make_body(d, s->as.repeat.body), number = begin(d, "tn_while");
  add_expr(d, s->as.repeat.cond);
  add_stmt(d, s->as.repeat.body, body);
  end(d);
  return number;
}

static uint32_t make_alloc(dumper *d, const tn_stmt *s) {
  make_buffer(d, "tn_buffer_with", s->as.alloc.buffer);
  uint32_t body = make_body(d, s->as.alloc.body), number = begin(d, "tn_allocate");
  tni_text_add(d->out, ", ");
  write_buffer(d, s->as.alloc.buffer);
  add_stmt(d, s->as.alloc.body, body);
  end(d);
  return number;
}

static uint32_t make_let(dumper *d, const tn_stmt *s) {
  make(d, s->as.let.value);
  make(d, s->as.let.var);
  uint32_t body = make_body(d, s->as.let.body), number = begin(d, "tn_let");
  add_expr(d, s->as.let.var);
  add_expr(d, s->as.let.value);
  add_stmt(d, s->as.let.body, body);
  end(d);
  return number;
}

static uint32_t make_claim(dumper *d, const tn_stmt *s) {
  make(d, s->as.claim.cond);
  uint32_t body = make_body(d, s->as.claim.body), number = begin(d, s->kind == TNI_ASSERT ? "tn_assert" : "tn_assume");
  add_expr(d, s->as.claim.cond);
  if (s->kind == TNI_ASSERT) {
    tni_text_add(d->out, ", ");
    write_string(d->out, s->as.claim.message);
  }
  add_stmt(d, s->as.claim.body, body);
  end(d);
  return number;
}

static uint32_t make_evaluate(dumper *d, const tn_stmt *s) {
  make(d, s->as.evaluate.call);
  uint32_t number = begin(d, "tn_evaluate");
  add_expr(d, s->as.evaluate.call);
  end(d);
  return number;
}

static uint32_t make_sync(dumper *d, const tn_stmt *s) {
  uint32_t number = begin(d, s->kind == TNI_BARRIER ? "tn_barrier" : s->kind == TNI_WAIT ? "tn_wait" : "tn_commit");
  if (s->kind == TNI_BARRIER) tni_text_add(d->out, ", %s", scopes[s->as.barrier.scope]);
  if (s->kind == TNI_WAIT) tni_text_add(d->out, ", %lld", (long long)s->as.wait.pending);
  end(d);
  return number;
}

static uint32_t make_stmt(dumper *d, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: return make_for(d, s);
  case TNI_BLOCK: return make_block(d, s);
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: return make_store(d, s);
  case TNI_PREFETCH: return make_prefetch(d, s);
  case TNI_SEQ: return make_seq(d, s);
  case TNI_IF: return make_if(d, s);
  case TNI_WHILE: return make_while(d, s);
  case TNI_ALLOC: return make_alloc(d, s);
  case TNI_LET: return make_let(d, s);
  case TNI_ASSERT:
  case TNI_ASSUME: return make_claim(d, s);
  case TNI_EVALUATE: return make_evaluate(d, s);
  case TNI_BARRIER:
  case TNI_COMMIT:
  case TNI_WAIT: return make_sync(d, s);
  default: d->unknown = true; return 0;
  }
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

static void make_params(dumper *d, const tn_func *func) {
  for (uint32_t i = 0; i < func->param_count; i++) {
    const tni_param *param = &func->params[i];
    if (param->buffer) {
      make_buffer(d, "tn_param_with", param->buffer);
      continue;
    }
    make(d, param->scalar);
    tni_text_add(d->out, "  tn_param_var(b");
    add_expr(d, param->scalar);
    end(d);
  }
}

/* A static function that builds it. False: the builder does not make all of it, and nothing was written. */
static bool build_func(dumper *d, size_t index, const tn_func *func) {
  size_t before = d->out->length;
  if (func->level != TNI_LEVEL_TENSOR || func->scheduled) return false;
  tni_map_init(&d->nodes, d->ctx);
  tni_map_init(&d->buffers, d->ctx);
  d->stmts = 0;
  d->unknown = false;
  tni_text_add(d->out, "static tn_status %s_%zu(tn_program *program, tn_error **err) {\n  tn_builder *b;\n"
               "  tn_status status = tn_builder_create(program, ", d->prefix, index);
  write_string(d->out, func->name);
  tni_text_add(d->out, ", &b, err);\n  if (status) return status;\n");
  make_params(d, func);
  if (func->body) {
    uint32_t body = make_stmt(d, func->body);
    tni_text_add(d->out, "  tn_emit(b, s%u);\n", body);
  }
  tni_text_add(d->out, "  return tn_builder_finish(b, NULL, err);\n}\n\n");
  tni_map_destroy(&d->nodes);
  tni_map_destroy(&d->buffers);
  if (d->unknown && !d->out->failed) {
    d->out->length = before;
    d->out->data[before] = '\0';
  }
  return !d->unknown;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* A static function that parses the text, a line of C for each of its lines. */
static void embed(dumper *d, size_t index, const char *text) {
  tni_text line;
  tni_text_init(&line, d->ctx);
  tni_text_add(d->out, "static tn_status %s_%zu(tn_program *program, const void *blob, size_t blob_size, tn_error **err) {\n"
               "  static const char text[] =\n", d->prefix, index);
  while (*text) {
    size_t length = strcspn(text, "\n");
    tni_text_clear(&line);
    tni_text_add_bytes(&line, text, length + (text[length] == '\n'));
    tni_text_add(d->out, "      ");
    write_string(d->out, line.data);
    tni_text_add(d->out, "\n");
    text += line.length;
    if (line.failed) break;
  }
  tni_text_add(d->out, "      \"\";\n"
               "  return tn_program_extend(program, text, sizeof text - 1, ");
  write_string(d->out, d->prefix);
  tni_text_add(d->out, ", blob, blob_size, err);\n}\n\n");
  d->out->failed |= line.failed;
  tni_text_destroy(&line);
}

static void embed_func(dumper *d, size_t index, const tn_func *func) {
  tni_text text;
  tni_text_init(&text, d->ctx);
  tni_print_func(&text, func, NULL);
  embed(d, index, text.data);
  d->out->failed |= text.failed;
  tni_text_destroy(&text);
}

/* All graphs as one text: they share a blob. */
static void embed_graphs(dumper *d, size_t index, const tn_program *program) {
  tni_text text;
  tni_text_init(&text, d->ctx);
  tni_print_graphs(&text, program);
  embed(d, index, text.data);
  d->out->failed |= text.failed;
  tni_text_destroy(&text);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static void declare_extern(dumper *d, const tni_extern *e) {
  tni_text_add(d->out, "  if (!status) status = tn_program_extern(program, ");
  write_string(d->out, e->name);
  tni_text_add(d->out, ", ");
  write_type(d->out, e->result);
  tni_text_add(d->out, ", %u, ", e->param_count);
  for (uint32_t i = 0; i < e->param_count; i++) {
    tni_text_add(d->out, i ? ", " : "(const tn_type[]){");
    write_type(d->out, e->params[i]);
  }
  tni_text_add(d->out, e->param_count ? "}, NULL, NULL, err);\n" : "NULL, NULL, NULL, err);\n");
}

static void write_program(dumper *d, const tn_program *program, bool *built) {
  size_t count = program->func_count;
  tni_text_add(d->out, "#include <math.h>\n\n#include <tenon/tenon.h>\n\n");
  for (size_t i = 0; i < count; i++) {
    built[i] = build_func(d, i, program->funcs[i]);
    if (!built[i]) embed_func(d, i, program->funcs[i]);
  }
  if (program->graph_count) embed_graphs(d, count, program);
  tni_text_add(d->out,
               "tn_status %s(tn_context *context, const void *blob, size_t blob_size, tn_program **out, tn_error **err);\n"
               "tn_status %s(tn_context *context, const void *blob, size_t blob_size, tn_program **out, tn_error **err) {\n"
               "  tn_program *program;\n"
               "  (void)blob, (void)blob_size;\n"
               "  tn_status status = tn_program_create(context, &program, err);\n",
               d->prefix, d->prefix);
  for (size_t i = 0; i < program->extern_count; i++) declare_extern(d, &program->externs[i]);
  for (size_t i = 0; i < count + (program->graph_count != 0); i++)
    tni_text_add(d->out, "  if (!status) status = %s_%zu(program, %serr);\n", d->prefix, i,
                 i < count && built[i] ? "" : i < count ? "NULL, 0, " : "blob, blob_size, ");
  tni_text_add(d->out, "  if (status) {\n    tn_program_destroy(program);\n    program = NULL;\n  }\n"
                       "  *out = program;\n  return status;\n}\n");
}

tn_status tn_program_dump_c(const tn_program *program, const char *name, char **out, tn_error **err) {
  tni_text text;
  tn_context *ctx = program->ctx;
  if (err) *err = NULL;
  *out = NULL;
  if (!name || !tni_is_identifier(name))
    return tni_fail(ctx, err, TN_E_INVALID, "print", name, "the C function needs a name of letters, digits and _");
  bool *built = tni_alloc(ctx, program->func_count + 1);
  if (!built) return tni_fail_nomem(err);
  tni_text_init(&text, ctx);
  dumper d = {.out = &text, .ctx = ctx, .prefix = name};
  write_program(&d, program, built);
  tni_free(ctx, built, program->func_count + 1);
  if (!text.failed) *out = tni_text_take(&text);
  tni_text_destroy(&text);
  return *out ? TN_OK : tni_fail_nomem(err);
}
