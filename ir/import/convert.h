/* convert.h -- what the converters of ONNX's operators (ops_*.c) see of a node, and how they emit graph nodes.
 *
 * A converter is a few lines that emit graph nodes; its errors are sticky in the conversion, as a builder's are.
 * Attributes that the graph operator shares with ONNX's are passed on; what ONNX gives as an input but must be known (a
 * shape, axes, pads) is read from the input's contents. Differences between opsets stand where they matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_CONVERT_H
#define TNI_CONVERT_H

#include "import.h"
#include "onnx_ops.h"

enum { MAX_SET = 8 };

/* One node being converted. */
typedef struct conversion {
  tni_onnx *m;
  tni_onnx_node *n;
  const tni_onnx_op *row;
  tn_error **err;
  tn_status status;
  tni_attr set[MAX_SET + 1]; /* attributes of the next emit; behind them one that is written to after an error */
  uint32_t set_count;
} conversion;

struct tni_onnx_op {
  const char *name;
  const char *op; /* the graph operator it mainly is, or "" */
  void (*convert)(conversion *c);
  const char *domain; /* "": ONNX's own */
};

#define TNI_CONVERTER_PROTOTYPE(name, op, converter) void tni_convert_##converter(conversion *c);
TNI_ONNX_OPS(TNI_CONVERTER_PROTOTYPE)
TNI_ONNX_PREVIEW_OPS(TNI_CONVERTER_PROTOTYPE)

/* The functions below have short names in these files, and names of the house for the linker. */
#define fail tni_c_fail
#define value_of tni_c_value_of
#define find_attr tni_c_find_attr
#define has_attr tni_c_has_attr
#define attr_int tni_c_attr_int
#define attr_float tni_c_attr_float
#define attr_string tni_c_attr_string
#define attr_ints tni_c_attr_ints
#define attr_floats tni_c_attr_floats
#define attr_text_at tni_c_attr_text_at
#define known tni_c_known
#define known_ints tni_c_known_ints
#define known_int tni_c_known_int
#define ints_since tni_c_ints_since
#define normal_axis tni_c_normal_axis
#define add_attr tni_c_add_attr
#define set_int tni_c_set_int
#define set_float tni_c_set_float
#define set_string tni_c_set_string
#define set_ints tni_c_set_ints
#define emit_n tni_c_emit_n
#define emit1 tni_c_emit1
#define emit2 tni_c_emit2
#define add_const tni_c_add_const
#define new_contents tni_c_new_contents
#define new_values tni_c_new_values
#define const_number tni_c_const_number
#define const_ints tni_c_const_ints
#define reshape tni_c_reshape
#define pass_attrs tni_c_pass_attrs
#define emit3 tni_c_emit3
#define with_number tni_c_with_number
#define cast_to tni_c_cast_to
#define reduced tni_c_reduced
#define sliced tni_c_sliced
#define permuted tni_c_permuted
#define counting tni_c_counting
#define finish tni_c_finish
#define finish_narrowed tni_c_finish_narrowed

/* ---- errors, inputs, attributes (convert.c) -------------------------------------------------------------------- */

/* The first failure is kept, with the node as its place and the operator before the text. */
void fail(conversion *c, tn_status status, const char *format, ...) TN_PRINTF(3, 4);
static inline bool ok(const conversion *c) { return c->status == TN_OK; }

/* Input i, or TNI_NO_VALUE. */
static inline uint32_t input(const conversion *c, uint32_t i) {
  return i < c->n->input_count ? c->n->inputs[i] : TNI_NO_VALUE;
}
static inline bool has_input(const conversion *c, uint32_t i) { return input(c, i) != TNI_NO_VALUE; }
/* Does the node give output i a name? */
static inline bool wants(const conversion *c, uint32_t i) { return i < c->n->output_count && c->n->output_names[i]; }

/* A value until the next emit; after an error, or with one, a scalar without contents. */
const tni_gvalue *value_of(conversion *c, uint32_t value);
static inline const tni_gvalue *in(conversion *c, uint32_t i) { return value_of(c, input(c, i)); }

/* The attribute of that name; NULL when absent, or with an error when it is of another type. */
const tni_onnx_attr *find_attr(conversion *c, const char *name, int64_t type);
bool has_attr(const conversion *c, const char *name);
int64_t attr_int(conversion *c, const char *name, int64_t otherwise);
double attr_float(conversion *c, const char *name, double otherwise);
const char *attr_string(conversion *c, const char *name, const char *otherwise);
const int64_t *attr_ints(conversion *c, const char *name, int32_t *count);
const double *attr_floats(conversion *c, const char *name, int32_t *count);
/* Text number i of a list, as bytes; empty when there is none. */
tni_view attr_text_at(conversion *c, const char *name, int32_t i);

/* Input i, with its contents. Where they are not there the conversion is blocked: it ends without an error of its own. */
const tni_gvalue *known(conversion *c, uint32_t i);
/* The contents of input i as integers, in the import's arena. NULL with an error when they are not known. */
const int64_t *known_ints(conversion *c, uint32_t i, const char *what, int32_t *count);
int64_t known_int(conversion *c, uint32_t i, const char *what);
/* A list that was an attribute before opset `since` and is input i from then on. NULL when absent. */
const int64_t *ints_since(conversion *c, int64_t since, uint32_t i, const char *name, int32_t *count);
/* An axis of a tensor of `rank` dimensions, counted from 0. */
int32_t normal_axis(conversion *c, int64_t axis, int32_t rank);

/* ---- emitting (convert.c) -------------------------------------------------------------------------------------- */

/* Attributes of the next emit. */
tni_attr *add_attr(conversion *c, const char *name, enum tni_attr_kind kind);
void set_int(conversion *c, const char *name, int64_t value);
void set_float(conversion *c, const char *name, double value);
void set_string(conversion *c, const char *name, const char *s);
void set_ints(conversion *c, const char *name, int32_t count, const int64_t *ints);
/* Passes on the node's attributes that the graph operator has too. */
void pass_attrs(conversion *c, const char *op);

/* Adds a node with the attributes set so far; `name` is that of its value, or NULL. */
uint32_t emit_n(conversion *c, const char *op, uint32_t count, const uint32_t *inputs, const char *name);
uint32_t emit1(conversion *c, const char *op, uint32_t x, const char *name);
uint32_t emit2(conversion *c, const char *op, uint32_t x, uint32_t y, const char *name);
uint32_t reshape(conversion *c, uint32_t x, int32_t rank, const int64_t *shape, const char *name);

/* The name of output i, for the node that makes it. */
static inline const char *out_name(const conversion *c, uint32_t i) {
  return i < c->n->output_count && !c->m->inner ? c->n->output_names[i] : NULL;
}
static inline void give(conversion *c, uint32_t i, uint32_t value) {
  if (i < c->n->output_count) c->n->outputs[i] = value;
}

/* What compositions are made of; the values have no names. */
uint32_t emit3(conversion *c, const char *op, uint32_t x, uint32_t y, uint32_t z);
uint32_t with_number(conversion *c, const char *op, uint32_t x, double number); /* of x's type */
uint32_t cast_to(conversion *c, uint32_t x, tn_type type);
uint32_t reduced(conversion *c, const char *op, uint32_t x, int32_t count, const int64_t *axes, bool keep);
uint32_t sliced(conversion *c, uint32_t x, int64_t axis, int64_t start, int64_t end);
uint32_t permuted(conversion *c, uint32_t x, const int64_t *perm);
/* 0, 1, ... along one axis of `rank`; the other dimensions are 1. */
uint32_t counting(conversion *c, tn_type type, int64_t count, int32_t rank, int32_t axis);
/* The value becomes output i. */
void finish(conversion *c, uint32_t i, uint32_t value);
/* As much of the value becomes output i as `count` (i64[]) says, along the axis. Where its contents are not known the
 * output is known when the nodes so far have run: those that read it are converted then. */
void finish_narrowed(conversion *c, uint32_t i, uint32_t value, int32_t axis, uint32_t count);

uint32_t add_const(conversion *c, tn_type type, int32_t rank, const int64_t *shape, const void *data, const char *name);
/* Memory of the program for `count` elements. */
void *new_contents(conversion *c, tn_type type, int64_t count);
/* A list of values, for the length of the conversion. NULL after an error. */
uint32_t *new_values(conversion *c, uint32_t count);
uint32_t const_number(conversion *c, tn_type type, double value);
/* A list (rank 1) or a number (rank 0). */
uint32_t const_ints(conversion *c, int32_t rank, int64_t count, const int64_t *values, const char *name);

#endif
