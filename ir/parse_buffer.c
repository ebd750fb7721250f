/* parse_buffer.c -- the form of a buffer from text: what stands behind its element type.
 *
 *     [512, n] strides (s, 1) offset 4 align 64 layout (i, j) -> (i // 16, j, i % 16) in local
 *
 * Attributes stand in any order, each once; the printer writes this one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "text.h"

/* `item { "," item } CLOSE` of index expressions, at most `room`; -1: reported. */
static int32_t parse_list(tni_parser *p, enum tni_token_kind close, const char *what, const char *end, int32_t room,
                          const char *(*check)(const tn_expr *x), const tn_expr **out) {
  int32_t count = 0;
  while (p->tok.kind != close) {
    size_t begin = p->tok.offset;
    if (count == room) {
      tni_report(p, begin, p->tok.length, "more than %d %s", room, what);
      return -1;
    }
    const tn_expr *x = out[count++] = tni_parse_expr(p);
    const char *why = x && check ? check(x) : NULL;
    if (why) tni_report(p, begin, p->last_end - begin, "%s", why);
    if (!x || why) return -1;
    if (!tni_accept(p, TNI_TOK_COMMA)) break;
  }
  return tni_expect(p, close, end) ? count : -1;
}

/* Strides are counted against the memory's dimensions when all attributes are known. */
typedef struct attributes {
  tn_buffer *form;
  const tn_expr *strides[TN_MAX_RANK];
  int32_t stride_count;
  tni_token strides_at;
  bool has_scope, is_param;
} attributes;

static bool parse_strides(tni_parser *p, attributes *a) {
  a->strides_at = p->tok;
  a->form->strides = a->strides;
  if (!tni_expect(p, TNI_TOK_LPAREN, "`(` and the strides")) return false;
  a->stride_count =
      parse_list(p, TNI_TOK_RPAREN, "strides", "`)` or `,` after a stride", TN_MAX_RANK, tni_check_stride, a->strides);
  return a->stride_count >= 0;
}

static bool parse_offset(tni_parser *p, attributes *a) {
  size_t begin = p->tok.offset;
  const tn_expr *x = a->form->offset = tni_parse_expr(p);
  const char *why = x ? tni_check_offset(x) : NULL;
  if (x && tni_is_int(x, 0)) a->form->offset = NULL;
  if (x && !a->is_param) why = "an offset belongs to a parameter";
  if (why) tni_report(p, begin, p->last_end - begin, "%s", why);
  return x && !why;
}

static bool parse_align(tni_parser *p, attributes *a) {
  tni_token tok = p->tok;
  uint64_t bytes = 0;
  if (!tni_expect(p, TNI_TOK_NUMBER, "an alignment in bytes")) return false;
  for (size_t i = 0; i < tok.length && bytes < UINT32_MAX; i++) {
    char c = p->text[tok.offset + i];
    bytes = c >= '0' && c <= '9' ? bytes * 10 + (uint64_t)(c - '0') : UINT32_MAX;
  }
  const char *why = tni_check_align(a->form->type, bytes ? bytes : UINT32_MAX);
  if (why) tni_report(p, tok.offset, tok.length, "%s", why);
  a->form->align = tni_normal_align(a->form->type, a->is_param, bytes);
  return !why;
}

/* `(i, j)`: as many names as the buffer has dimensions, declared until the caller closes the scope. */
static bool parse_layout_vars(tni_parser *p, int32_t rank, const tn_expr **vars) {
  tni_token open = p->tok, name;
  int32_t count = 0;
  if (!tni_expect(p, TNI_TOK_LPAREN, "`(` and a name for each dimension")) return false;
  while (p->tok.kind != TNI_TOK_RPAREN && count < rank) {
    if (!tni_parse_new_name(p, "a dimension of a layout", &name) ||
        !(vars[count++] = tni_declare_var(p, &name, TN_INDEX)))
      return false;
    if (!tni_accept(p, TNI_TOK_COMMA)) break;
  }
  if (!tni_expect(p, TNI_TOK_RPAREN, "`)` after a name for each dimension")) return false;
  if (count == rank) return true;
  tni_report(p, open.offset, p->last_end - open.offset, "the layout names %d of %d dimensions", count, rank);
  return false;
}

/* `(i, j) -> (j // 16, i, j % 16)` for a buffer of that shape; NULL: reported. */
static const tni_layout *parse_map(tni_parser *p, int32_t rank, const tn_expr *const *shape) {
  tni_layout l = {0};
  size_t scope = p->binding_count, begin;
  bool good = parse_layout_vars(p, rank, l.vars) && tni_expect(p, TNI_TOK_ARROW, "`->` and the memory's subscripts");
  begin = p->tok.offset;
  if (good && (good = tni_expect(p, TNI_TOK_LPAREN, "`(` and the memory's subscripts"))) {
    l.rank = parse_list(p, TNI_TOK_RPAREN, "dimensions", "`)` or `,` after a subscript", TN_MAX_RANK, NULL, l.index);
    good = l.rank >= 0;
  }
  tni_close_scope(p, scope);
  const char *why = good ? tni_check_layout(&l, rank) : NULL;
  if (why) tni_report(p, begin, p->last_end - begin, "%s", why);
  if (!good || why) return NULL;
  const tni_layout *made = tni_layout_make(p->r, rank, shape, l.vars, l.rank, l.index);
  if (!made) tni_parser_nomem(p);
  return made;
}

static bool parse_layout(tni_parser *p, attributes *a) {
  a->form->layout = parse_map(p, a->form->rank, a->form->shape);
  return a->form->layout != NULL;
}

tn_status tni_parse_layout(tn_program *program, tni_region *r, const char *text, int32_t rank,
                           const tn_expr *const *shape, const tni_layout **out, tn_error **err) {
  tni_parser p;
  *out = NULL;
  tn_status status = tni_parser_begin(&p, r, text, strlen(text), "map", err);
  if (status) return status;
  p.program = program;
  const tni_layout *made = parse_map(&p, rank, shape);
  if (made) tni_expect(&p, TNI_TOK_END, "the end of the map");
  status = tni_parser_end(&p, err);
  if (!status) *out = made;
  return status;
}

static bool parse_scope(tni_parser *p, attributes *a) {
  for (int scope = 0; scope < TNI_SCOPE_COUNT && !a->is_param; scope++)
    if (tni_accept_word(p, tni_scope_names[scope])) {
      a->form->scope = (enum tni_scope)scope;
      a->has_scope = true;
      return true;
    }
  if (a->is_param)
    tni_report(p, p->tok.offset, p->tok.length, "a parameter is in global scope");
  else
    tni_report_expected(p, "`global`, `local`, `register` or `shared`");
  return false;
}

/* A row: the word, what reads behind it, whether it was there already. */
static const struct {
  const char *word;
  bool (*parse)(tni_parser *p, attributes *a);
} rows[] = {{"strides", parse_strides},
            {"offset", parse_offset},
            {"align", parse_align},
            {"layout", parse_layout},
            {"in", parse_scope}};

bool tni_at_buffer_attribute(const tni_parser *p) {
  for (size_t i = 0; i < TNI_COUNT(rows); i++)
    if (tni_at_word(p, rows[i].word)) return true;
  return false;
}

/* In a body a new line ends the declaration. */
static bool parse_attributes(tni_parser *p, attributes *a) {
  bool seen[TNI_COUNT(rows)] = {false};
  while (tni_at_buffer_attribute(p) && (a->is_param || !p->tok.line_start)) {
    size_t i = 0;
    while (!tni_at_word(p, rows[i].word)) i++;
    if (seen[i]) {
      tni_report(p, p->tok.offset, p->tok.length, "`%s` is given twice", rows[i].word);
      return false;
    }
    seen[i] = true;
    tni_next(p);
    if (!rows[i].parse(p, a)) return false;
  }
  int32_t rank = tni_memory_rank(a->form);
  if (!a->form->strides || a->stride_count == rank) return true;
  tni_report(p, a->strides_at.offset, a->strides_at.length, "%d strides, but the memory has %d dimensions",
             a->stride_count, rank);
  return false;
}

const tn_buffer *tni_parse_buffer(tni_parser *p, const char *name, tn_type type, bool is_param) {
  tn_buffer form = {.name = name, .type = type};
  attributes a = {.form = &form, .is_param = is_param};
  if (!tni_expect(p, TNI_TOK_LBRACKET, "`[` and the extents")) return NULL;
  form.rank = parse_list(p, TNI_TOK_RBRACKET, "dimensions", "`]` or `,` after an extent", TN_MAX_RANK, tni_check_extent,
                         form.shape);
  if (form.rank < 0 || !parse_attributes(p, &a)) return NULL;
  const tn_buffer *buffer = tni_buffer_make(p->r, &form);
  if (!buffer) tni_parser_nomem(p);
  return buffer;
}
