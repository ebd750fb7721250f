/* graph.h -- the directory board of ir/graph/: graph functions, their operators, target-independent passes.
 *
 * A graph is arrays of values and nodes in topological order, in a region of the program. Shapes are constants (open
 * dimensions are bound at import). A node is a graph operator with attributes, or a call of a tensor function. Passes
 * make a new graph; graphs are not changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_GRAPH_H
#define TNI_GRAPH_H

#include "ir.h"
#include "tenon/graph.h"

typedef struct tni_gop tni_gop;

enum { TNI_NO_VALUE = 0xffffffffu }; /* an optional input or output that is absent */

typedef struct tni_gvalue {
  const char *name; /* unique in the graph */
  tn_type type;
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  const void *data; /* contents of a constant (compact, in a blob or arena of the program; see align.c), else NULL */
} tni_gvalue;

enum tni_attr_kind { TNI_ATTR_INT, TNI_ATTR_FLOAT, TNI_ATTR_INTS, TNI_ATTR_FLOATS, TNI_ATTR_STRING };
typedef struct tni_attr {
  const char *name;
  enum tni_attr_kind kind;
  int64_t i;
  double f;
  int32_t count; /* of ints or floats */
  const int64_t *ints;
  const double *floats;
  const char *string;
} tni_attr;

/* What a call is made of, for profiles; not in the text. */
typedef struct tni_origin {
  const char *operators; /* their names, with spaces between */
  const char *nodes;     /* their names, with ", " between */
} tni_origin;

typedef struct tni_gnode {
  const char *name;    /* of the source, for errors and profiles */
  const tni_gop *op;   /* or NULL: call */
  const tn_func *call; /* parameters: inputs in order, then outputs; all buffers */
  uint32_t input_count, output_count;
  const uint32_t *inputs, *outputs; /* values; TNI_NO_VALUE where optional and absent */
  uint32_t attr_count;
  union {
    const tni_attr *attrs;    /* of an operator */
    const tni_origin *origin; /* of a call, or NULL; attr_count is 0 */
  };
} tni_gnode;

struct tn_graph {
  const char *name;
  tn_program *program;
  uint32_t value_count, node_count, input_count, output_count;
  const tni_gvalue *values;
  const tni_gnode *nodes;
  const uint32_t *inputs, *outputs;
};

/* ---- op.c and the table of ops_*.c ----------------------------------------------------------------------------- */

/* What an operator sees while its output types and shapes are inferred. Values whose contents are known give them. */
typedef struct tni_infer {
  tn_context *ctx;
  tni_arena *arena; /* for contents of outputs that are known without running anything */
  const tni_gnode *node;
  const tni_gvalue *const *in; /* NULL where absent */
  tni_gvalue *out;             /* to fill: type, rank, shape; data if its contents are known */
  char reason[256];            /* why it is refused */
} tni_infer;

/* What it sees while it is defined as blocks of one tensor function. */
typedef struct tni_define {
  tn_builder *b;
  const tni_gnode *node;
  const tni_gvalue *const *in_value;
  const tni_gvalue *const *out_value;
  const tn_buffer *const *in; /* NULL where absent, or where the contents are only read at compile time */
  const tn_buffer *const *out;
} tni_define;

/* How fusion may treat it. ELEMENTWISE: one block, each output element from the input elements at the same place (with
 * broadcasting): may be the epilogue of a producer of the same shape. INJECTIVE: one block, each output element from input
 * elements at an index of its own (transpose, slice, pad, gather): starts a group, an epilogue may follow. REDUCTION: has a
 * reduce block; an epilogue may follow. VIEW: the same elements in the same order under another shape. OPAQUE: alone. */
enum tni_gkind { TNI_GOP_ELEMENTWISE, TNI_GOP_INJECTIVE, TNI_GOP_REDUCTION, TNI_GOP_VIEW, TNI_GOP_OPAQUE };

/* One row of the operator table. */
struct tni_gop {
  const char *name; /* the canonical name, lower case with underscores: "conv", "global_average_pool" */
  enum tni_gkind kind;
  uint8_t min_inputs, max_inputs, outputs; /* max_inputs 255: any number */
  const char *attrs;                       /* what it may carry: "axis:i perm:I"; kinds i f I F s as tni_attr_kind */
  bool (*infer)(tni_infer *x);             /* false: x->reason says why */
  bool (*define)(tni_define *d);           /* false: not definable (the builder's error or none) */
  const char *meaning;
};
const tni_gop *tni_gop_find(const char *name);
const tni_gop *tni_gop_find_spelled(const char *name, size_t length);
size_t tni_gop_count(void);
const tni_gop *tni_gop_at(size_t i);

/* Attribute access with defaults, for infer and define. */
int64_t tni_attr_int(const tni_gnode *node, const char *name, int64_t otherwise);
double tni_attr_float(const tni_gnode *node, const char *name, double otherwise);
/* The list (count in *count), or NULL when absent. */
const int64_t *tni_attr_ints(const tni_gnode *node, const char *name, int32_t *count);
const char *tni_attr_string(const tni_gnode *node, const char *name, const char *otherwise);
/* The kind letter that the operator's row gives the attribute of that name, or 0. */
char tni_gop_attr_kind(const tni_gop *op, const char *name, size_t length);

/* ops_attention.c: so many keys and rows at a time are best. */
void tni_attention_blocks(int64_t rows, int64_t keys, bool causal, int64_t *keys_out, int64_t *rows_out);

/* ops_winograd.c: how tiles of so many pixels along one side are made: from `points` numbers, B of the picture and G of the taps,
 * and back, A of the products; by point, infinity last. False: there are no such tiles. */
enum { TNI_WINOGRAD_POINTS = 6 };
typedef struct tni_winograd {
  int64_t points;
  double a[TNI_WINOGRAD_POINTS][4], b[TNI_WINOGRAD_POINTS][TNI_WINOGRAD_POINTS], g[TNI_WINOGRAD_POINTS][3];
} tni_winograd;
int64_t tni_winograd_points(int64_t tile);
bool tni_winograd_matrices(int64_t tile, tni_winograd *out);

/* ---- define.c: one node as a tensor function ------------------------------------------------------------------- */

/* The type that sums of `type` are kept in: f32 for shorter floats, else itself. */
tn_type tni_sum_type(tn_type type);

/* Is the value a constant of one element that an operator of this kind takes as an immediate number? */
bool tni_is_immediate(const tni_gop *op, const tni_gvalue *value);
/* Runs one operator on constants: in[i]->data are the inputs (NULL where absent), out_data[i] has room for output i. */
tn_status tni_gnode_evaluate(tn_context *ctx, const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out,
                             const tni_evaluator *evaluator, void *const *out_data, tn_error **err);
/* Bytes of a value; false when that overflows or is over the limit of tensors. */
bool tni_gvalue_bytes(tn_context *ctx, const tni_gvalue *value, size_t *bytes);
static inline int64_t tni_gvalue_numel(const tni_gvalue *v) {
  int64_t n = 1;
  for (int32_t i = 0; i < v->rank; i++)
    if (v->shape[i] == 0) return 0;
  for (int32_t i = 0; i < v->rank; i++) n *= v->shape[i];
  return n;
}

/* ---- build.c --------------------------------------------------------------------------------------------------- */

/* Makes a graph: values and nodes in any amount, shapes inferred as nodes are added. Errors are sticky. */
typedef struct tni_gbuilder tni_gbuilder;
tn_status tni_gbuilder_create(tn_program *program, const char *name, tni_gbuilder **out, tn_error **err);
void tni_gbuilder_destroy(tni_gbuilder *b);
/* The sticky error, if there is one (it is given once). */
tn_status tni_gbuilder_check(tni_gbuilder *b, tn_error **err);
uint32_t tni_g_input(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape);
/* `data` must live as long as the program. */
uint32_t tni_g_const(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape,
                     const void *data);
/* Adds a node and infers its outputs; out[] receives the values (output_count of them; may name fewer than the operator has).
 * Output names may be NULL: made up; so may `node_name`: that of the first output. Small integer results whose inputs are
 * all known (shape arithmetic) are computed at once. TN_E_INVALID with the operator's reason, place = the node. */
tn_status tni_g_node(tni_gbuilder *b, const tni_gop *op, const char *node_name, uint32_t input_count,
                     const uint32_t *inputs, uint32_t attr_count, const tni_attr *attrs, uint32_t output_count,
                     const char *const *output_names, uint32_t *out, tn_error **err);
uint32_t tni_g_call(tni_gbuilder *b, const tn_func *func, const char *node_name, uint32_t input_count,
                    const uint32_t *inputs, uint32_t output_count, const uint32_t *outputs);
/* Says what the call added last is made of, see tni_origin. Copied. */
void tni_g_origin(tni_gbuilder *b, const char *operators, const char *nodes);
/* A value made by nobody yet, for tni_g_call. */
uint32_t tni_g_value(tni_gbuilder *b, const char *name, tn_type type, int32_t rank, const int64_t *shape);
const tni_gvalue *tni_g_get(const tni_gbuilder *b, uint32_t value); /* until the next addition */
void tni_g_output(tni_gbuilder *b, uint32_t value);
/* The value of that name, or TNI_NO_VALUE. */
uint32_t tni_g_find(const tni_gbuilder *b, const char *name);
/* Drops the sticky error, so that the mistakes behind it can be found too; what failed was not added. */
void tni_gbuilder_forgive(tni_gbuilder *b);
/* The graph, not added to its program yet. The builder is as it was. */
tn_status tni_gbuilder_assemble(tni_gbuilder *b, tn_graph **out, tn_error **err);
/* Adds a graph, or puts it in the place of the one of that name. */
tn_status tni_program_add_graph(tn_program *program, const tn_graph *g, tn_error **err);
/* Adds the graph to its program (in the place of one of that name) and destroys the builder, also on failure. */
tn_status tni_gbuilder_finish(tni_gbuilder *b, const tn_graph **out, tn_error **err);

/* ---- passes: each makes a new graph in the program `to` (which may be the graph's own) ---------------------------- */

/* copy.c: what passes share when they carry values over: map[i] is the new value of old value i, TNI_NO_VALUE as long as it
 * has none. Names are kept. Contents that live in the old program's blobs or arena stay alive with the new one. */
typedef struct tni_gcopy {
  const tn_graph *from;
  tn_program *to;
  tni_gbuilder *b;
  uint32_t *map;
} tni_gcopy;
tn_status tni_gcopy_begin(tni_gcopy *c, const tn_graph *from, tn_program *to, tn_error **err); /* adds the inputs */
void tni_gcopy_end(tni_gcopy *c); /* frees; the builder too unless tni_gcopy_finish took it */
/* The new value of an old constant, added on first use. */
tn_status tni_gcopy_const(tni_gcopy *c, uint32_t value, uint32_t *out, tn_error **err);
/* The new value of an old one; of a constant as tni_gcopy_const. */
tn_status tni_gcopy_value(tni_gcopy *c, uint32_t old, uint32_t *out, tn_error **err);
/* The node as it was, of the new values of its inputs; its outputs get new values. */
tn_status tni_gcopy_node(tni_gcopy *c, const tni_gnode *n, tn_error **err);
/* Adds the outputs and finishes the graph. */
tn_status tni_gcopy_finish(tni_gcopy *c, const tn_graph **out, tn_error **err);
/* live[i] is set for the nodes that an output depends on. */
void tni_graph_live_nodes(const tn_graph *g, uint32_t *scratch, bool *live);

/* contents.c: contents in another order. Element (r, c) of rows that are from_stride elements apart becomes (c, r), of rows
 * that are to_stride apart; elements of 1, 2, 4 or 8 bytes, anywhere. */
void tni_turn_contents(void *to, size_t to_stride, const void *from, size_t from_stride, size_t rows, size_t columns,
                       size_t bytes);
/* A transpose of x. False: the node is none, or not of whole bytes, and nothing was done. */
bool tni_transpose_contents(const tni_gnode *node, const tni_gvalue *x, void *to);

/* A concatenation, of constants of one type. As above. */
bool tni_concat_contents(const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out, void *to);

/* A sum, difference, product, quotient or square root of f32, with the evaluator's bits. False: the node is none, or its operands
 * are of other shapes, or a result is not finite; the evaluator is to be asked. */
bool tni_number_contents(const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out, void *to);

/* makers.c: of each value the node that makes it, or TNI_NO_VALUE, and how many read it; who reads an output is the host,
 * too. False: no memory; destroy it in any case. */
typedef struct tni_gmakers {
  const tn_graph *g;
  uint32_t *maker, *users;
} tni_gmakers;
bool tni_gmakers_create(const tn_graph *g, tn_context *ctx, tni_gmakers *out);
void tni_gmakers_destroy(tni_gmakers *m, tn_context *ctx);
/* The node of that operator that makes the value; NULL: there is none. */
const tni_gnode *tni_made_by(const tni_gmakers *m, uint32_t value, const char *op);
/* The number that a constant of one f32 is. */
bool tni_is_number(const tni_gvalue *v, double *out);

/* rewrite.c: a pass that puts other nodes in the place of those for which `is_one` holds, which are asked for more than
 * once; `add` sets c.map of their results. *out is g when there are none, or its nodes are calls. */
typedef struct tni_grewriter {
  tni_gcopy c;
  tni_gmakers by;
} tni_grewriter;
typedef struct tni_grewrite {
  bool (*is_one)(const tni_grewriter *r, const tni_gnode *n);
  tn_status (*add)(tni_grewriter *r, const tni_gnode *n, tn_error **err);
} tni_grewrite;
tn_status tni_graph_rewrite(const tn_graph *g, tn_program *to, const tni_grewrite *how, const tn_graph **out,
                            tn_error **err);

/* kept.c: adds the attribute to a key. Every list and text is behind its length, so that no two have the same bytes. */
void tni_attr_key(tni_text *key, const tni_attr *a);
/* The key under which `kept` (NULL: nothing) may have the result `out`, made of constants (NULL: absent).
 * False: it is not to be kept, or there is no memory, which the text knows. */
bool tni_graph_key(tni_text *key, tni_kept *kept, const char *what, uint32_t attr_count, const tni_attr *attrs,
                   uint32_t input_count, const tni_gvalue *const *inputs, const tni_gvalue *out);
/* *data is what is kept under the key, which the program then holds, too; NULL: nothing. */
tn_status tni_graph_kept(tn_program *to, const tni_text *key, const void **data, tn_error **err);

/* same.c: the input that the node gives as it is; -1: it computes something. `in`: NULL where absent. */
int32_t tni_same_as_input(const tni_gnode *node, const tni_gvalue *const *in, const tni_gvalue *out);
/* Is it a gather of one constant position along an axis, whose rows are worth to be found where they lie? */
bool tni_is_slice(const tni_gnode *node, const tni_gvalue *const *in, int64_t *axis, int64_t *at);
/* fold.c: nodes whose inputs are all constants become constants, by the evaluator; nodes whose results nobody uses go; views of
 * constants and identities vanish. */
tn_status tni_graph_fold(const tn_graph *g, tn_program *to, const tni_evaluator *evaluator, const tn_graph **out,
                         tn_error **err);
/* integers.c: products of dequantized numbers sum integers, and are quantized again as ONNX's QLinear operators are. The graph
 * is as it was imported, not folded yet. *out is g when there is nothing to do. */
tn_status tni_graph_integers(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* pads.c: borders of zeros become those of the convolutions and means of windows that alone read them. *out is g when there is
 * nothing to do. */
tn_status tni_graph_pads(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* attend.c: a softmax between two products of f32, with a scale and a mask, becomes attention: sums in another order. */
tn_status tni_graph_attend(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* normalize.c: means, differences and a quotient that are a layer norm become that: a reciprocal instead of a division. */
tn_status tni_graph_normalize(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* subpixel.c: transposed convolutions whose taps are whole strides become convolutions, whose channels become pixels. */
tn_status tni_graph_subpixel(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* join.c: products of one value with several constant weights become one, whose parts are slices. *out is g when there are
 * none. The weights' concatenations are left to folding. */
tn_status tni_graph_join(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* place.c: where each value lies: in which value's memory, from which element on, in which strides; and which nodes are
 * still, which means that they need no code. */
typedef struct tni_gplace {
  uint32_t root; /* the value itself, or what it is a view or a part of */
  int64_t offset;
  int64_t strides[TN_MAX_RANK];
} tni_gplace;
typedef struct tni_gplaces {
  tni_gplace *of; /* by value */
  bool *still;   /* by node */
} tni_gplaces;
/* The arrays live in `arena`. False: no memory. */
bool tni_graph_place(const tn_graph *g, tni_arena *arena, tni_gplaces *out);
/* Can the node find its operand (the inputs, then the outputs) where that lies? */
bool tni_place_suits(const tn_graph *g, const tni_gplaces *p, const tni_gnode *n, uint32_t operand);
/* Is it all of what it lies in? */
bool tni_place_is_whole(const tn_graph *g, const tni_gplaces *p, uint32_t value);
/* groups.c: which nodes become one function; groups run in their order. Nodes that only show values are in none, but for
 * reshapes between two members, which are `still` no longer. */
typedef struct tni_ggroup {
  uint32_t first, count; /* into members */
  uint32_t head, last;   /* of the list of its members (next), while groups join */
  uint32_t shape_of;     /* the value whose shape all members had when it began */
  bool closed;
} tni_ggroup;
typedef struct tni_ggroups {
  const tn_graph *g;
  tni_gplaces places;
  bool *live, *loose;            /* by node; loose: it may go to its reader */
  uint32_t *group_of, *next;     /* by node; TNI_NO_VALUE: none. next: of its group */
  uint32_t *maker, *last_use;    /* by value: the node, or TNI_NO_VALUE; the last node that reads it */
  tni_ggroup *groups;
  uint32_t group_count;
  uint32_t *members; /* nodes, group by group, in order */
} tni_ggroups;
/* The arrays live in `arena`. False: no memory. */
bool tni_graph_group(const tn_graph *g, tni_arena *arena, tni_ggroups *out);
/* The longest piece that starts at nodes[0] and of which only the last value is used elsewhere. */
uint32_t tni_group_piece(const tni_ggroups *f, const uint32_t *nodes, uint32_t count);
/* alike.c: a piece of a graph that becomes one function: its nodes, in order, of which the last one's output is the function's,
 * and the values that they read from outside, which are its parameters. */
typedef struct tni_gpiece {
  const tn_graph *g;
  const tni_gplaces *places;
  const uint32_t *nodes;
  uint32_t count;
  const uint32_t *outside;
  uint32_t outside_count;
} tni_gpiece;
/* What the function depends on, beside its name. */
void tni_gpiece_key(tni_text *key, const tni_gpiece *p);
/* What those of one text have in common: the shapes of its parameters. */
void tni_gpiece_shapes(tni_text *key, const tni_gpiece *p);
/* fuse.c: groups of nodes become calls of one tensor function each ("fused_conv_relu_3"): a reduction with the elementwise
 * chain behind it and what is made for it alone, elementwise chains alone; all other nodes a function of their own. Equal
 * functions are one. Still nodes stay nodes; parameters of functions have the strides of the values' places. */
tn_status tni_graph_fuse(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);
/* memory.c: the plan of a fused graph: every call a step, intermediates at offsets of one arena (64-byte aligned) such
 * that values alive at the same time do not overlap. kernel numbers are indices of the program's functions. The arrays
 * live in `arena`. */
tn_status tni_graph_plan(const tn_graph *g, tni_arena *arena, tni_plan *out, const void ***constants, tn_error **err);

/* ---- align.c --------------------------------------------------------------------------------------------------- */

/* Has a constant contents whose elements are not aligned? Imported ones of some size may. */
bool tni_gvalue_is_loose(const tni_gvalue *v);
/* The graph with aligned contents, in a program which takes the place of its own but does not list it; g when all are. */
tn_status tni_graph_align(const tn_graph *g, tn_program *to, const tn_graph **out, tn_error **err);

/* ---- moves.c --------------------------------------------------------------------------------------------------- */

typedef struct tni_move tni_move;
/* Is the node a transpose or concatenation that may wait? Of constants of whole bytes. */
bool tni_move_suits(const tni_gnode *n, const tni_gvalue *const *in, const tni_gvalue *out);
/* The result, whose place in a blob of the program out->data is, is to be moved there when somebody asks. False: no memory. */
bool tni_move_add(tn_program *to, const tni_gnode *n, const tni_gvalue *const *in, const tni_gvalue *out);
/* Is the constant with these contents still to be moved? Then it is; all are. */
bool tni_move_waits(const tn_program *program, const void *data);
void tni_move_settle(tn_program *program, const void *data);
void tni_moves_settle(tn_program *program);
/* Settles what graphs of the program show, and forgets the others. */
void tni_moves_end(tn_program *program);
/* Sets the flags of the blobs that are read by what is still to be moved; they are sorted. */
void tni_moves_mark(const tn_program *program, bool *needed);
/* Channels side by side: where the first's first number is, and bytes from one to the next, of channels and of a channel's. */
typedef struct tni_stripe {
  const char *data;
  size_t count, step, sum_step;
} tni_stripe;
enum { TNI_MOST_STRIPES = 16 };
/* How w lies, whose channels are its rows or, axis 1, a matrix' columns; whatever waits. 0: not so, and it must be settled. */
uint32_t tni_move_stripes(const tn_program *program, const tni_gvalue *w, int32_t axis, tni_stripe *out);

/* ---- fillings.c ------------------------------------------------------------------------------------------------ */

/* What contents are made of: a constant, which may lie in stripes. */
typedef struct tni_source {
  tni_gvalue w;
  uint32_t stripe_count;
  tni_stripe stripes[TNI_MOST_STRIPES];
} tni_source;
/* Writes rows begin..end of the outermost dimension of what is made of it, in that shape; `to` is where its first one is. */
typedef void tni_filler(char *to, const tni_source *from, const int64_t *shape, int64_t begin, int64_t end);
typedef struct tni_fillings tni_fillings;
/* Contents at `to`, in a blob of the program, of the type and shape of `made`, that are still to be made of those of `from`, in
 * another one, or for ever. False: no memory. */
bool tni_filling_add(tn_program *program, tni_filler *fill, void *to, const tni_gvalue *made, const tni_source *from);
/* Begins to make all that were added, on the threads that compile: the caller goes on, and reads none. */
tn_status tni_program_begin_filling(tn_program *program, tn_error **err);
/* Returns when all of the program's contents are there. */
void tni_program_fill(tn_program *program);

/* ---- copy.c ---------------------------------------------------------------------------------------------------- */

tn_status tni_program_share_blobs(const tn_program *from, tn_program *to, tn_error **err);
/* Do the bytes lie in one of its blobs? */
bool tni_program_has(const tn_program *program, const void *data, size_t bytes);

/* ---- release.c ------------------------------------------------------------------------------------------------- */

/* Drops the program's references to blobs in which no used constant of its graphs lies. */
tn_status tni_program_release(tn_program *program, tn_error **err);
/* In steps: blobs by rising address, each once; the one in which `data` lies, blob_count if none does (they must be
 * sorted); those dropped that are not needed, flag by flag. */
void tni_program_sort_blobs(tn_program *program);
size_t tni_program_find_blob(const tn_program *program, const void *data);
void tni_program_drop_blobs(tn_program *program, const bool *needed);

/* ---- print.c --------------------------------------------------------------------------------------------------- */

/* As a part of a program's text, whose side blob is `layout`; canonical: with numbers in the place of names and offsets. */
typedef struct tni_blob_layout tni_blob_layout;
void tni_print_graph(tni_text *out, const tn_graph *g, tni_blob_layout *layout, bool canonical);
/* The text of a program that is this graph. */
void tni_graph_print(tni_text *out, const tn_graph *g);

/* ---- blob.c, parse.c -------------------------------------------------------------------------------------------- */

/* What lies in a program's side blob. */
typedef struct tni_contents {
  const void *data;
  uint64_t bytes, offset;
  size_t element; /* bytes of one */
} tni_contents;
/* The program's text with 0 for the hash of contents, and all of these, by their offsets; in the arena. False: no memory. */
bool tni_print_bare(tni_text *out, const tn_program *program, tni_arena *arena, size_t *count, tni_contents **contents);
/* Such a text into `program`, whose functions and graphs of these names are replaced. The contents, by rising offsets, live
 * as long as the program, and are known to be right: hashes are not looked at. */
tn_status tni_parse_bare(tn_program *program, const char *text, size_t length, size_t count, const tni_contents *contents,
                         tn_error **err);

#endif
