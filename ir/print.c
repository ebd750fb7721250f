/* print.c -- programs as text (see LANGUAGE.md). Parsing the text gives the same program, whose text is the same again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/graph_text.h"

enum { MAX_ROOTS = TN_MAX_RANK + 2, DEEPEST = 1000 }; /* MAX_ROOTS: of a store */

static void print_list(tni_printer *p, const tn_stmt *s);

static void print_body(tni_printer *p, const tn_stmt *s) {
  p->indent++;
  p->depth++;
  if (p->depth <= DEEPEST) {
    print_list(p, s);
  } else {
    tni_print_indent(p);
    tni_text_add(p->out, "# ...");
    tni_print_newline(p);
  }
  p->depth--;
  p->indent--;
}

static void close_brace(tni_printer *p) {
  tni_print_indent(p);
  tni_text_add(p->out, "}");
}

/* The lines `%N = ...`, then the indentation; from here on the statement can be marked as a whole. */
static void begin(tni_printer *p, const tn_stmt *s, const tn_expr *const *roots, size_t count) {
  tni_print_shared(p, roots, count, NULL);
  tni_print_indent(p);
  if (p->armed && !p->marked && s == p->mark) {
    p->marked = p->mark_open = true;
    p->mark_begin = p->out->length;
  }
}

/* ` with key = 2, note = "text"` */
static void print_annotations(tni_printer *p, tni_annotations notes) {
  for (int32_t i = 0; i < notes.count; i++) {
    const tni_annotation *note = &notes.items[i];
    tni_text_add(p->out, "%s%s = ", i ? ", " : " with ", note->key);
    if (note->text)
      tni_print_quoted(p->out, note->text);
    else
      tni_text_add(p->out, "%lld", (long long)note->number);
  }
}

static void print_for(tni_printer *p, const tn_stmt *s) {
  begin(p, s, &s->as.loop.extent, 1);
  const char *name = tni_printer_name(p, s->as.loop.var, s->as.loop.var->as.name);
  if (p->wanted && !p->found && strcmp(name, p->wanted) == 0) p->found = s->as.loop.var;
  tni_text_add(p->out, "for ");
  tni_print_var(p, s->as.loop.var);
  tni_text_add(p->out, " in 0..");
  tni_print_operand(p, s->as.loop.extent);
  enum tni_loop_kind kind = s->as.loop.kind;
  if (kind != TNI_SERIAL) tni_text_add(p->out, " %s%s", tni_is_bound(kind) ? "bind " : "", tni_loop_kind_names[kind]);
  print_annotations(p, s->as.loop.notes);
  tni_text_add(p->out, " {");
  tni_print_newline(p);
  print_body(p, s->as.loop.body);
  close_brace(p);
  tni_print_newline(p);
}

static bool is_empty(const tn_stmt *s) { return !s || (s->kind == TNI_SEQ && s->as.seq.count == 0); }

static void print_iters(tni_printer *p, const tn_stmt *s) {
  for (int32_t i = 0; i < s->as.block.count; i++) {
    const tni_iter *iter = &s->as.block.iters[i];
    tni_text_add(p->out, "%s%s", i ? ", " : "", iter->reduce ? "reduce " : "");
    tni_print_var(p, iter->var);
    tni_text_add(p->out, ": 0..");
    tni_print_operand(p, iter->extent);
    tni_text_add(p->out, " = ");
    tni_print_operand(p, iter->binding);
  }
}

static void begin_block(tni_printer *p, const tn_stmt *s) {
  size_t count = 2 * (size_t)s->as.block.count + 1;
  const tn_expr **roots = TNI_NEW_ARRAY(&p->arena, const tn_expr *, count);
  if (!roots) {
    p->out->failed = true;
    return;
  }
  for (int32_t i = 0; i < s->as.block.count; i++) {
    roots[2 * i] = s->as.block.iters[i].extent;
    roots[2 * i + 1] = s->as.block.iters[i].binding;
  }
  roots[count - 1] = s->as.block.where;
  begin(p, s, roots, count);
}

static void print_block(tni_printer *p, const tn_stmt *s) {
  begin_block(p, s);
  tni_text_add(p->out, "block ");
  tni_print_name(p->out, s->as.block.name);
  tni_text_add(p->out, "(");
  print_iters(p, s);
  tni_text_add(p->out, ")");
  if (s->as.block.where) {
    tni_text_add(p->out, " where ");
    tni_print_operand(p, s->as.block.where);
  }
  print_annotations(p, s->as.block.notes);
  tni_text_add(p->out, " {");
  tni_print_newline(p);
  if (!is_empty(s->as.block.init)) {
    p->indent++;
    tni_print_indent(p);
    tni_text_add(p->out, "init {");
    tni_print_newline(p);
    print_body(p, s->as.block.init);
    close_brace(p);
    tni_print_newline(p);
    p->indent--;
  }
  print_body(p, s->as.block.body);
  close_brace(p);
  tni_print_newline(p);
}

static void print_store(tni_printer *p, const tn_stmt *s) {
  const tn_expr *roots[MAX_ROOTS];
  size_t count = (size_t)s->as.store.count;
  for (size_t i = 0; i < count; i++) roots[i] = s->as.store.index[i];
  roots[count++] = s->as.store.where;
  roots[count++] = s->as.store.value;
  begin(p, s, roots, count);
  bool reduces = s->kind == TNI_REDUCE;
  tni_text_add(p->out, reduces ? "reduce " : s->kind == TNI_COPY ? "copy " : "");
  tni_print_access(p, s->as.store.buffer, s->as.store.count, s->as.store.index, s->as.store.where);
  tni_text_add(p->out, " %s= ", reduces ? tni_ops[s->as.store.op].name : "");
  tni_print_operand(p, s->as.store.value);
  tni_print_newline(p);
}

static void print_prefetch(tni_printer *p, const tn_stmt *s) {
  begin(p, s, s->as.store.index, (size_t)s->as.store.count);
  tni_text_add(p->out, "prefetch ");
  tni_print_access(p, s->as.store.buffer, s->as.store.count, s->as.store.index, NULL);
  tni_print_newline(p);
}

static void print_if(tni_printer *p, const tn_stmt *s) {
  begin(p, s, &s->as.cond.cond, 1);
  tni_text_add(p->out, "if ");
  tni_print_operand(p, s->as.cond.cond);
  tni_text_add(p->out, " {");
  tni_print_newline(p);
  print_body(p, s->as.cond.then);
  close_brace(p);
  if (!is_empty(s->as.cond.otherwise)) {
    tni_text_add(p->out, " else {");
    tni_print_newline(p);
    print_body(p, s->as.cond.otherwise);
    close_brace(p);
  }
  tni_print_newline(p);
}

static void print_while(tni_printer *p, const tn_stmt *s) {
  begin(p, s, &s->as.repeat.cond, 1);
  tni_text_add(p->out, "while ");
  tni_print_operand(p, s->as.repeat.cond);
  tni_text_add(p->out, " {");
  tni_print_newline(p);
  print_body(p, s->as.repeat.body);
  close_brace(p);
  tni_print_newline(p);
}

static void print_extent(tni_printer *p, const tn_expr *extent) {
  if (p->depth == 0 && tni_tree_size(p->ctx, extent) > TNI_MAX_PARAM_EXTENT)
    tni_text_add(p->out, "..."); /* the verifier refuses it */
  else
    tni_print_operand(p, extent);
}

static void print_extents(tni_printer *p, int32_t count, const tn_expr *const *items) {
  for (int32_t i = 0; i < count; i++) {
    tni_text_add(p->out, i ? ", " : "");
    print_extent(p, items[i]);
  }
}

static void print_layout(tni_printer *p, const tn_buffer *buffer) {
  const tni_layout *l = buffer->layout;
  tni_text_add(p->out, " layout (");
  for (int32_t i = 0; i < buffer->rank; i++) {
    tni_text_add(p->out, i ? ", " : "");
    tni_print_var(p, l->vars[i]);
  }
  tni_text_add(p->out, ") -> (");
  print_extents(p, l->rank, l->index);
  tni_text_add(p->out, ")");
}

/* The name, the type, the shape; and what is not the default. */
static void print_buffer(tni_printer *p, const tn_buffer *buffer) {
  tni_print_buffer_name(p, buffer);
  tni_text_add(p->out, ": ");
  tni_print_type(p->out, buffer->type);
  tni_text_add(p->out, "[");
  print_extents(p, buffer->rank, buffer->shape);
  tni_text_add(p->out, "]");
  if (buffer->strides) {
    tni_text_add(p->out, " strides (");
    print_extents(p, tni_memory_rank(buffer), buffer->strides);
    tni_text_add(p->out, ")");
  }
  if (buffer->offset) {
    tni_text_add(p->out, " offset ");
    print_extent(p, buffer->offset);
  }
  if (buffer->align) tni_text_add(p->out, " align %u", buffer->align);
  if (buffer->layout) print_layout(p, buffer);
  if (buffer->scope != TNI_SCOPE_GLOBAL) tni_text_add(p->out, " in %s", tni_scope_names[buffer->scope]);
}

static void print_alloc(tni_printer *p, const tn_stmt *s) {
  const tn_buffer *buffer = s->as.alloc.buffer;
  const tn_expr *roots[TNI_BUFFER_EXPRS];
  int32_t count = tni_buffer_exprs(buffer, roots);
  begin(p, s, roots, (size_t)count);
  tni_text_add(p->out, "alloc ");
  print_buffer(p, buffer);
  tni_print_newline(p);
}

static void print_let(tni_printer *p, const tn_stmt *s) {
  begin(p, s, &s->as.let.value, 1);
  tni_text_add(p->out, "let ");
  tni_print_var(p, s->as.let.var);
  tni_text_add(p->out, " = ");
  tni_print_operand(p, s->as.let.value);
  tni_print_newline(p);
}

static void print_claim(tni_printer *p, const tn_stmt *s) {
  begin(p, s, &s->as.claim.cond, 1);
  tni_text_add(p->out, s->kind == TNI_ASSERT ? "assert " : "assume ");
  tni_print_operand(p, s->as.claim.cond);
  if (s->kind == TNI_ASSERT) {
    tni_text_add(p->out, ", ");
    tni_print_quoted(p->out, s->as.claim.message);
  }
  tni_print_newline(p);
}

/* A statement that holds for those behind it. */
static void print_open(tni_printer *p, const tn_stmt *s) {
  if (s->kind == TNI_ALLOC)
    print_alloc(p, s);
  else if (s->kind == TNI_LET)
    print_let(p, s);
  else
    print_claim(p, s);
}

static void print_evaluate(tni_printer *p, const tn_stmt *s) {
  const tn_expr *call = s->as.evaluate.call;
  begin(p, s, call->arg, call->nargs);
  tni_text_add(p->out, "call ");
  tni_print_name(p->out, call->op == TN_OP_call ? call->as.name : "");
  tni_text_add(p->out, "(");
  for (int i = 0; i < call->nargs; i++) {
    tni_text_add(p->out, i ? ", " : "");
    tni_print_operand(p, call->arg[i]);
  }
  tni_text_add(p->out, ")");
  tni_print_result(p, call);
  if (p->armed && !p->marked && call == p->mark)
    p->marked = p->mark_open = true, p->mark_begin = p->line + 2 * (size_t)p->indent;
  tni_print_newline(p);
}

/* A barrier, commit or wait. */
static void print_sync(tni_printer *p, const tn_stmt *s) {
  begin(p, s, NULL, 0);
  if (s->kind == TNI_BARRIER)
    tni_text_add(p->out, "barrier %s", tni_scope_names[s->as.barrier.scope]);
  else if (s->kind == TNI_WAIT)
    tni_text_add(p->out, "wait %lld", (long long)s->as.wait.pending);
  else
    tni_text_add(p->out, "commit");
  tni_print_newline(p);
}

static void print_stmt(tni_printer *p, const tn_stmt *s) {
  switch (s->kind) {
  case TNI_FOR: print_for(p, s); break;
  case TNI_BLOCK: print_block(p, s); break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: print_store(p, s); break;
  case TNI_PREFETCH: print_prefetch(p, s); break;
  case TNI_IF: print_if(p, s); break;
  case TNI_WHILE: print_while(p, s); break;
  case TNI_EVALUATE: print_evaluate(p, s); break;
  case TNI_BARRIER:
  case TNI_COMMIT:
  case TNI_WAIT: print_sync(p, s); break;
  case TNI_SEQ:
  case TNI_ALLOC: /* not the last of its list: braces end its scope */
  case TNI_LET:
  case TNI_ASSERT:
  case TNI_ASSUME:
    tni_print_indent(p);
    tni_text_add(p->out, "{");
    tni_print_newline(p);
    print_body(p, s);
    close_brace(p);
    tni_print_newline(p);
    break;
  case TNI_STMT_KIND_COUNT: break;
  }
}

/* Statements up to the closing brace; the body of an alloc is the rest of them. */
static void print_list(tni_printer *p, const tn_stmt *s) {
  while (s) {
    p->armed |= s == p->within;
    if (tni_rest(s)) {
      print_open(p, s);
      s = tni_rest(s);
    } else if (s->kind == TNI_SEQ) {
      int32_t last = s->as.seq.count - 1;
      for (int32_t i = 0; i < last; i++) {
        p->armed |= s->as.seq.stmts[i] == p->within;
        print_stmt(p, s->as.seq.stmts[i]);
      }
      s = last >= 0 ? s->as.seq.stmts[last] : NULL;
    } else {
      print_stmt(p, s);
      s = NULL;
    }
  }
}

/* ---- functions ---- */

static void print_params(tni_printer *p, const tn_func *func) {
  for (uint32_t i = 0; i < func->param_count; i++) { /* names first: in the order of the parameters */
    const tni_param *param = &func->params[i];
    if (param->buffer)
      tni_printer_name(p, param->buffer, param->buffer->name);
    else
      tni_printer_name(p, param->scalar, param->scalar->as.name);
  }
  p->share_count = 0;
  for (uint32_t i = 0; i < func->param_count; i++) {
    const tni_param *param = &func->params[i];
    tni_text_add(p->out, i ? ", " : "");
    if (param->buffer) {
      print_buffer(p, param->buffer);
    } else {
      tni_print_var(p, param->scalar);
      tni_text_add(p->out, ": ");
      tni_print_type(p->out, param->scalar->type);
    }
  }
}

static void print_func(tni_printer *p, const tn_func *func) {
  p->armed = p->within == NULL;
  tni_text_add(p->out, "%s%sfunc ", func->scheduled ? "scheduled " : "", func->level == TNI_LEVEL_LOOP ? "loop " : "");
  tni_print_name(p->out, p->canonical ? "_" : func->name);
  tni_text_add(p->out, "(");
  print_params(p, func);
  tni_text_add(p->out, ") {");
  tni_print_newline(p);
  if (func->body) print_body(p, func->body);
  tni_text_add(p->out, "}");
  tni_print_newline(p);
}

void tni_print_func_at(tni_text *out, const tn_func *func, const tn_stmt *within, const void *mark, size_t *begin_,
                       size_t *end, size_t *line) {
  tni_printer p;
  size_t start = out->length;
  tni_printer_init(&p, out);
  p.mark = mark;
  p.within = within;
  print_func(&p, func);
  if (begin_) {
    *begin_ = p.marked_line;
    *end = p.marked_end;
    *line = p.marked_end != 0;
    for (size_t i = start; p.marked_end && !out->failed && i < p.marked_line; i++) *line += out->data[i] == '\n';
  }
  tni_printer_destroy(&p);
}

void tni_print_func(tni_text *out, const tn_func *func, const void *mark) {
  tni_print_func_at(out, func, NULL, mark, NULL, NULL, NULL);
}

void tni_print_canonical(tni_text *out, const tn_func *func) {
  tni_printer p;
  tni_printer_init(&p, out);
  p.canonical = true;
  print_func(&p, func);
  tni_printer_destroy(&p);
}

const tn_expr *tni_find_loop_by_name(tn_context *ctx, const tn_func *func, const char *name, bool *no_memory) {
  tni_text scratch;
  tni_printer p;
  tni_text_init(&scratch, ctx);
  tni_printer_init(&p, &scratch);
  p.wanted = name;
  print_func(&p, func);
  const tn_expr *found = scratch.failed ? NULL : p.found;
  *no_memory |= scratch.failed;
  tni_printer_destroy(&p);
  tni_text_destroy(&scratch);
  return found;
}

/* ---- programs ---- */

void tni_print_externs(tni_text *out, const tn_program *program) {
  for (size_t i = 0; i < program->extern_count; i++) {
    const tni_extern *e = &program->externs[i];
    tni_text_add(out, "extern ");
    tni_print_name(out, e->name);
    tni_text_add(out, "(");
    for (uint32_t k = 0; k < e->param_count; k++) {
      tni_text_add(out, k ? ", " : "");
      tni_print_type(out, e->params[k]);
    }
    tni_text_add(out, "): ");
    tni_print_type(out, e->result);
    tni_text_add(out, "\n");
  }
}

static void print_graphs(tni_text *out, const tn_program *program, tni_blob_layout *layout) {
  for (size_t i = 0; i < program->graph_count; i++) {
    if (out->length) tni_text_add(out, "\n");
    tni_print_graph(out, program->graphs[i], layout, false);
  }
}

void tni_print_graphs(tni_text *out, const tn_program *program) {
  tni_blob_layout layout;
  tni_blob_layout_init(&layout, program->ctx);
  print_graphs(out, program, &layout);
  tni_blob_layout_destroy(&layout);
}

void tni_print_program(tni_text *out, const tn_program *program, tni_blob_layout *layout) {
  tni_print_externs(out, program);
  for (size_t i = 0; i < program->func_count; i++) {
    if (out->length) tni_text_add(out, "\n");
    tni_print_func(out, program->funcs[i], NULL);
  }
  print_graphs(out, program, layout);
}

static tn_status hand_over(tni_text *text, char **out, tn_error **err) {
  *out = text->failed ? NULL : tni_text_take(text);
  tni_text_destroy(text);
  return *out ? TN_OK : tni_fail_nomem(err);
}

tn_status tn_program_print(const tn_program *program, char **out, tn_error **err) {
  tni_text text;
  if (err) *err = NULL;
  if (program->flow)
    return *out = NULL, tni_fail(program->ctx, err, TN_E_UNSUPPORTED, "build", "main",
                                 "the model's shapes are known only while it runs: there is no text of it");
  tni_blob_layout layout;
  tni_text_init(&text, program->ctx);
  tni_blob_layout_init(&layout, program->ctx);
  tni_print_program(&text, program, &layout);
  tni_blob_layout_destroy(&layout);
  return hand_over(&text, out, err);
}

tn_status tn_func_print(const tn_func *func, char **out, tn_error **err) {
  tni_text text;
  if (err) *err = NULL;
  tni_text_init(&text, func->program->ctx);
  tni_print_func(&text, func, NULL);
  return hand_over(&text, out, err);
}
