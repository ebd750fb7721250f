/* text.h -- what the files of the text form and the verifier share: maps, constants, tokens, the printer, the parser.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_TEXT_H
#define TNI_TEXT_H

#include "ir.h"

/* ---- map.c ----------------------------------------------------------------------------------------------------- */

/* A map whose entries keep the order in which they were added, so that no walk over it depends on an address. A key is
 * `length` bytes, or with length 0 the pointer itself. */
typedef struct tni_map_entry {
  const void *key;
  size_t length;
  uint64_t hash;
  size_t value; /* 0 when added; the owner's */
} tni_map_entry;

typedef struct tni_dag_frame {
  const tn_expr *node;
  uint32_t next;
} tni_dag_frame;

typedef struct tni_map {
  tn_context *ctx;
  tni_map_entry *entries;
  size_t count, capacity;
  size_t *slots; /* open addressing: entry + 1, 0 is free */
  size_t slot_count;
  tni_dag_frame *stack; /* of tni_map_add_dag */
  size_t stack_capacity;
} tni_map;

#define TNI_MAP_NONE SIZE_MAX

void tni_map_init(tni_map *map, tn_context *ctx);
void tni_map_destroy(tni_map *map);
/* Empties the map in the time that filling it took. */
void tni_map_clear(tni_map *map);
/* The entry's number, or TNI_MAP_NONE. */
size_t tni_map_find(const tni_map *map, const void *key, size_t length);
/* The entry's number, a new one if there was none (then *added, which may be NULL, is true). TNI_MAP_NONE: no memory.
 */
size_t tni_map_add(tni_map *map, const void *key, size_t length, bool *added);
/* Adds every node under `root` (NULL: none), arguments before their users, by pointer. Iterative. False: no memory. */
bool tni_map_add_dag(tni_map *map, const tn_expr *root);
/* Have the expressions (NULL: none) at most 32 nodes with arguments, each met once? */
bool tni_is_small_tree(size_t count, const tn_expr *const *roots);
/* How many nodes the expression has when written as a tree, saturated. 0: no memory. */
size_t tni_tree_size(tn_context *ctx, const tn_expr *x);
enum { TNI_MAX_PARAM_EXTENT = 200 }; /* nodes of a parameter's extent, which is always written as a tree */

/* ---- check.c: the rules of nodes without a row in the typing table, for parser and verifier ---------------------- */

/* Each gives NULL when it is right, else why not (static text). */
const char *tni_check_convert(enum tn_op op, tn_type to, tn_type from);
const char *tni_check_ramp(const tn_expr *base, const tn_expr *stride, uint64_t lanes);
const char *tni_check_broadcast(const tn_expr *a, uint64_t lanes);
enum { TNI_MAX_SHUFFLE = 1024 }; /* lanes of a list */
const char *tni_check_shuffle(size_t operands, const tn_expr *const *args, size_t count, const uint32_t *lanes);
const char *tni_check_subscript(const tn_expr *index);
const char *tni_check_extent(const tn_expr *extent);
const char *tni_check_stride(const tn_expr *stride);
const char *tni_check_offset(const tn_expr *offset);
/* align: bytes, 0 for the default. */
const char *tni_check_align(tn_type type, uint64_t align);
/* A layout's subscripts by themselves: what they are made of. */
const char *tni_check_layout(const tni_layout *layout, int32_t rank);
/* The ranges of a layout's variables of which it is asked whether it sends different elements to different places: then
 * tni_itermap_invert knows the way back. False: there is nothing to ask, *injective tells. */
bool tni_layout_ranges(const tn_buffer *buffer, int64_t *extents, bool *injective);
/* All that a buffer's form must keep, beyond the types of its expressions. NULL with *nomem set without memory. */
const char *tni_check_form(tn_context *ctx, const tn_buffer *buffer, bool is_param, bool *nomem);
/* How many subscripts an access has on that level. */
int32_t tni_subscript_count(enum tni_level level, const tn_buffer *buffer);
/* The type of an access: the buffer's with the lanes of its subscripts. 0 with *why: lanes do not agree. */
tn_type tni_access_type(const tn_buffer *buffer, int32_t count, const tn_expr *const *index, const tn_expr *where,
                        const char **why);

/* ---- number.c: constants as text --------------------------------------------------------------------------------- */

/* The number without its type. */
void tni_print_scalar(tni_text *out, tn_type type, tni_scalar value);
/* The constant with its type: `5`, `true`, `0.5:f32`, `0x1.8p+100:f64`. The same in every locale. */
void tni_print_const(tni_text *out, const tn_expr *x);
/* The constant that these characters write: a number token, "inf" or "nan"; negated if asked. NULL with *why (static
 * text) when it is none of that type; NULL with *why NULL without memory. */
const tn_expr *tni_parse_const(tni_region *r, tn_type type, const char *text, size_t length, bool negative,
                               const char **why);
/* The same as a value; false with *why. */
bool tni_parse_scalar(tn_type type, const char *text, size_t length, bool negative, tni_scalar *out, const char **why);

/* ---- lex.c ----------------------------------------------------------------------------------------------------- */

/* clang-format off */
#define TNI_PUNCTUATION(P) /* longer spellings before their beginnings */ \
  P(DOTS, "..") P(ARROW, "->") P(EQ, "==") P(NE, "!=") P(LE, "<=") P(GE, ">=") P(SHL, "<<") P(SHR, ">>") P(AND, "&&") P(OR, "||") \
  P(FLOORDIV, "//") P(LPAREN, "(") P(RPAREN, ")") P(LBRACKET, "[") P(RBRACKET, "]") P(LBRACE, "{") P(RBRACE, "}") \
  P(COMMA, ",") P(COLON, ":") P(SEMICOLON, ";") P(ASSIGN, "=") P(LT, "<") P(GT, ">") P(PLUS, "+") P(MINUS, "-") \
  P(DOT, ".") P(STAR, "*") P(SLASH, "/") P(PERCENT, "%") P(AMPERSAND, "&") P(BAR, "|") P(CARET, "^") P(TILDE, "~") P(BANG, "!") P(AT, "@")
/* clang-format on */

enum tni_token_kind {
  TNI_TOK_END,
  TNI_TOK_NAME,
  TNI_TOK_QUOTED, /* a name between double quotes */
  TNI_TOK_NUMBER,
  TNI_TOK_BAD,
#define P(name, text) TNI_TOK_##name,
  TNI_PUNCTUATION(P)
#undef P
};

typedef struct tni_token {
  enum tni_token_kind kind;
  bool line_start; /* the first of its line */
  size_t offset, length;
} tni_token;

/* Reads the token at or after *position and moves behind it. */
tni_token tni_lex(const char *text, size_t length, size_t *position);
/* Is that word one of the grammar, which no variable may be called? */
bool tni_is_reserved(const char *name, size_t length);
/* [A-Za-z_][A-Za-z0-9_]* */
bool tni_is_identifier(const char *name);

/* ---- print_expr.c ---------------------------------------------------------------------------------------------- */

typedef struct tni_share {
  uint32_t refs;   /* edges that lead to the node */
  uint32_t number; /* %number - 1 when it is named, else 0 */
  uint32_t depth;
  double size; /* nodes of the tree */
} tni_share;

typedef struct tni_printer {
  tni_text *out;
  tn_context *ctx;
  tni_arena arena; /* names */
  tni_map names;   /* variables and buffers; value: const char * */
  tni_map taken;   /* names given out; value: the next suffix to try */
  tni_map nodes;   /* of the statement at hand */
  tni_share *shares;
  size_t share_capacity;
  uint32_t share_count;
  /* the mark: counts inside `within` only, if that is not NULL */
  const void *mark;
  const tn_stmt *within;
  bool armed, marked, mark_open;
  size_t line, mark_begin, mark_end; /* offsets in `out` */
  size_t marked_line, marked_end;    /* the line with the mark, and the end of the line under it */
  int32_t indent, depth;
  bool canonical;     /* variables and buffers are v0, v1, ... in print order; calls have types; functions no name */
  const char *wanted; /* a loop's name to find */
  const tn_expr *found;
} tni_printer;

void tni_printer_init(tni_printer *p, tni_text *out);
void tni_printer_destroy(tni_printer *p);
/* Ends the line, and underlines it if the mark lies on it. */
void tni_print_newline(tni_printer *p);
void tni_print_indent(tni_printer *p);
/* The name of a variable or buffer in this text, made at its first use. */
const char *tni_printer_name(tni_printer *p, const void *node, const char *base);
void tni_print_var(tni_printer *p, const tn_expr *var);
void tni_print_buffer_name(tni_printer *p, const tn_buffer *buffer);
/* A name as it is, or quoted if it is no identifier. */
void tni_print_name(tni_text *out, const char *name);
/* Between quotes, with escapes. */
void tni_print_quoted(tni_text *out, const char *text);
void tni_print_type(tni_text *out, tn_type type);
/* `: TYPE` behind a call of an external, in canonical text only: it depends on no declaration. */
void tni_print_result(tni_printer *p, const tn_expr *call);
/* Finds what the expressions of a statement share, and prints a line `%N = ...` for each; then they are printed with
 * tni_print_operand. NULLs among them are skipped. `end` goes behind each definition; NULL is a new line. */
void tni_print_shared(tni_printer *p, const tn_expr *const *roots, size_t count, const char *end);
void tni_print_operand(tni_printer *p, const tn_expr *x);
void tni_print_access(tni_printer *p, const tn_buffer *buffer, int32_t count, const tn_expr *const *index,
                      const tn_expr *where);

/* ---- print.c --------------------------------------------------------------------------------------------------- */

/* As tni_print_func, with the mark only inside the statement `within`; *begin and *end (may be NULL) tell where the
 * marked line and its underline lie, *line its number from 1; 0 when nothing was marked. */
void tni_print_func_at(tni_text *out, const tn_func *func, const tn_stmt *within, const void *mark, size_t *begin,
                       size_t *end, size_t *line);

/* ---- parse.c --------------------------------------------------------------------------------------- */

enum tni_binding_kind { TNI_BOUND_VAR, TNI_BOUND_BUFFER, TNI_BOUND_BAD };
typedef struct tni_binding {
  enum tni_binding_kind kind; /* BAD: its declaration was wrong; uses fail in silence */
  const tn_expr *var;
  const tn_buffer *buffer;
  size_t entry;  /* of the name, in `scope` */
  size_t hidden; /* what the entry was before */
} tni_binding;

typedef struct tni_parser {
  tn_program *program;
  tn_context *ctx;
  tni_region *r;
  const char *text, *file;
  size_t length, position; /* behind `tok` */
  tni_token tok;
  size_t last_end; /* of the token before */
  tni_text report;
  char place[256]; /* of the first mistake */
  uint32_t errors;
  size_t last_report; /* offset */
  tn_status fatal;    /* TN_E_NOMEM, TN_E_LIMIT: nothing is read any more */
  bool stopped;
  uint32_t expr_depth, stmt_depth, max_depth;
  enum tni_level level;
  tni_map scope; /* names; value: binding + 1, 0 out of scope */
  tni_binding *bindings;
  size_t binding_count, binding_capacity;
  const tn_expr **shares;
  size_t share_count, share_capacity;
  const tn_stmt **stmts; /* of the lists being read; an open alloc stands here with an empty body */
  size_t stmt_count, stmt_capacity;
  const tn_func **funcs;
  size_t func_count, func_capacity;
  const struct tn_graph **graphs;
  size_t graph_count, graph_capacity;
  const tni_blob *blob; /* the side blob, or NULL; the program keeps it */
  const struct tni_contents *contents; /* of a bare text, in its place; or NULL */
  size_t content_count;
} tni_parser;

/* Starts at the first token of a text, whose nodes and names go to `r`. On success tni_parser_end frees what the parser
 * holds, and gives the mistakes that were reported as one error. */
tn_status tni_parser_begin(tni_parser *p, tni_region *r, const char *text, size_t length, const char *file,
                           tn_error **err);
tn_status tni_parser_end(tni_parser *p, tn_error **err);
void tni_next(tni_parser *p);
bool tni_at_word(const tni_parser *p, const char *word);
bool tni_accept_word(tni_parser *p, const char *word);
/* Goes on if the token is there; else reports "expected WHAT, found `...`". */
bool tni_accept(tni_parser *p, enum tni_token_kind kind);
bool tni_expect(tni_parser *p, enum tni_token_kind kind, const char *what);
void tni_report(tni_parser *p, size_t offset, size_t length, const char *message, ...) TN_PRINTF(4, 5);
void tni_report_expected(tni_parser *p, const char *what);
void tni_parser_nomem(tni_parser *p);
/* One level deeper: false (and the end of parsing) beyond the limit. */
bool tni_enter(tni_parser *p, uint32_t *depth);

/* ---- parse_stmt.c ---------------------------------------------------------------------------------------------- */

/* The characters of a name token, NUL-terminated in the region; NULL without memory or (reported) when they are no
 * name. */
const char *tni_token_name(tni_parser *p, const tni_token *tok);
/* The same for a quoted text, which may be empty. */
const char *tni_token_text(tni_parser *p, const tni_token *tok);
/* A function's, block's or external's name, which may be quoted; NULL when reported. */
const char *tni_parse_name(tni_parser *p, const char *what);
/* The same for a name in a graph, which comes from outside and may be empty. */
const char *tni_parse_any_name(tni_parser *p, const char *what);
/* A name that a variable or buffer may have; false when reported. */
bool tni_parse_new_name(tni_parser *p, const char *what, tni_token *tok);
/* Binds the name until its scope is closed down to `count` bindings; false when reported. */
bool tni_declare(tni_parser *p, const tni_token *tok, tni_binding binding);
const tn_expr *tni_declare_var(tni_parser *p, const tni_token *tok, tn_type type);
void tni_close_scope(tni_parser *p, size_t count);
/* Goes behind the rest of a broken statement: to the next line, or the brace that closes the list it stands in. */
void tni_skip_statement(tni_parser *p, size_t begin);
/* `{ statements }`; NULL when something in them was reported. */
const tn_stmt *tni_parse_braces(tni_parser *p);

/* ---- parse_buffer.c -------------------------------------------------------------------------------------------- */

/* `[extents]` and attributes behind an element type: a buffer of that name, or NULL when reported. */
const tn_buffer *tni_parse_buffer(tni_parser *p, const char *name, tn_type type, bool is_param);
/* A text that is a layout, `(i, j) -> (j // 16, i, j % 16)`, of a buffer of that shape. TN_E_INVALID: it is none. */
tn_status tni_parse_layout(tn_program *program, tni_region *r, const char *text, int32_t rank,
                           const tn_expr *const *shape, const tni_layout **out, tn_error **err);
/* Is the token the first word of an attribute? */
bool tni_at_buffer_attribute(const tni_parser *p);

/* ---- parse_expr.c ---------------------------------------------------------------------------------------------- */

/* Is b within one edit of a: a letter more, less, other, or two swapped? Names of which nothing is left are not. */
bool tni_is_near(const char *a, size_t n, const char *b, size_t m);
/* What the name stands for here; NULL when reported. */
const tni_binding *tni_resolve(tni_parser *p, const tni_token *tok);
/* An expression; NULL when that was reported. */
const tn_expr *tni_parse_expr(tni_parser *p);
tn_type tni_parse_type(tni_parser *p);
/* `[i, j if m]` behind a buffer's name; the type of the access, or 0. index has room for TN_MAX_RANK. */
tn_type tni_parse_subscripts(tni_parser *p, const tn_buffer *buffer, int32_t *count, const tn_expr **index,
                             const tn_expr **where);
/* `name(args)`, an external's call; the current token is the name. */
const tn_expr *tni_parse_extern_call(tni_parser *p);
/* `%N`, the current token is the percent sign: N, or -1. */
int64_t tni_parse_share_number(tni_parser *p);

/* ---- graph/parse.c --------------------------------------------------------------------------------------------- */

/* Behind `graph`; false when something in it was reported. */
bool tni_parse_graph(tni_parser *p);

#endif
