/* test_import.c -- ONNX models into graphs: what is imported, what is refused, and that no bytes do harm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import/import.h"
#include "lib/fault.h"
#include "onnx_writer.h"

static tn_context *ctx;

static void setup(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void teardown(void) { tn_context_destroy(ctx); }

/* Imports and destroys the model. The graph's text, or "STATUS: the error's text". */
static const char *import_with(bytes m, const tn_import_desc *desc) {
  static char text[8192];
  tn_program *program;
  tn_error *err = NULL;
  tn_status status = tn_onnx_import(ctx, m.data, m.size, desc, &program, &err);
  if (status != TN_OK) {
    ck_assert_ptr_null(program);
    snprintf(text, sizeof text, "%s: %s", tn_status_name(status), tn_error_text(err));
    tn_error_destroy(err);
  } else {
    tni_text t;
    tni_text_init(&t, ctx);
    tni_graph_print(&t, tn_program_graph(program, "main"));
    snprintf(text, sizeof text, "%s", t.data);
    tni_text_destroy(&t);
    tn_program_destroy(program);
  }
  free(m.data);
  return text;
}
static const char *import(bytes m) { return import_with(m, NULL); }

static const int64_t image[] = {1, 2, 4, 4}, kernel[] = {3, 2, 3, 3}, ones[] = {1, 1, 1, 1};
static const float zeros[64];

/* x -> Conv (padded) -> Relu -> y */
static bytes small_graph(void) {
  bytes g = {0}, conv = node("Conv", "c1", "x w", "c");
  attr_ints(&conv, "pads", 4, ones);
  add_node(&g, conv);
  add_node(&g, node("Relu", "r1", "c", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 4, kernel, zeros, 54 * 4));
  add_input(&g, "x", 4, image);
  add_output(&g, "y");
  return g;
}

/* A graph of one node with input x of [2, 1, 3], and its output y. */
static bytes one_node(bytes n) {
  static const int64_t shape[] = {2, 1, 3};
  bytes g = {0};
  add_node(&g, n);
  add_input(&g, "x", 3, shape);
  add_output(&g, "y");
  return g;
}

/* ---- what is imported ------------------------------------------------------------------------------------------ */

/* What the contents decide is decided where they are known. */
START_TEST(places_in_a_constant_are_known)
{
  static const int64_t four = 4;
  static const int32_t list[] = {0, 3, 0, 5};
  bytes g = {0};
  add_node(&g, node("NonZero", "n", "c", "y"));
  add_weight(&g, tensor_raw("c", ONNX_INT32, 1, &four, list, sizeof list));
  add_output(&g, "y");
  ck_assert_str_eq(import(model(13, g)), "graph main() -> (y) {\n  const y: i64[1, 2] = [1, 3]\n}\n");
}
END_TEST

/* The formula is that of the integers, though the zero point of a float is mostly 0. */
START_TEST(floats_are_quantized_about_their_zero_point)
{
  static const int64_t two = 2;
  static const float x[] = {1, 3}, scale = 0.5f;
  for (uint8_t zero_point = 0; zero_point < 4; zero_point += 2) { /* 0 and 1 */
    bytes g = {0};
    add_node(&g, node("QuantizeLinear", "q", "x s z", "y"));
    add_weight(&g, tensor_raw("x", ONNX_FLOAT, 1, &two, x, sizeof x));
    add_weight(&g, tensor_raw("s", ONNX_FLOAT, 0, NULL, &scale, sizeof scale));
    add_weight(&g, tensor_raw("z", 23, 0, NULL, &zero_point, 1));
    add_output(&g, "y");
    const char *text = import(model(23, g));
    ck_assert_ptr_nonnull(strstr(text, "f4e2m1[2] = cast(v"));
    ck_assert_msg((strstr(text, " = add(") != NULL) == (zero_point != 0), "%s", text);
  }
}
END_TEST

/* ---- items ------------------------------------------------------------------------------------------------------- */

static bytes sequence_of(int elem, int first, int second) {
  bytes m = {0};
  put_int(&m, 2, elem);
  if (first) put_message(&m, 3, tensor_raw("", first, 0, NULL, zeros, 4));
  if (second) put_message(&m, 3, tensor_raw("", second, 0, NULL, zeros, 4));
  return m;
}
static bytes optional_of(int elem, uint32_t field, bytes m) {
  bytes o = {0};
  put_int(&o, 2, elem);
  if (field) put_message(&o, field, m);
  return o;
}

/* "tensor", "sequence of N", "nothing", or the error. */
static const char *item(int32_t kind, bytes m) {
  static char text[256];
  tn_items *items;
  tn_error *err = NULL;
  tn_status status = tn_onnx_item(ctx, kind, m.data, m.size, &items, &err);
  const tn_item *i = tn_items_at(items, 0);
  if (status != TN_OK)
    snprintf(text, sizeof text, "%s: %s", tn_status_name(status), tn_error_text(err));
  else if (i->kind == TN_ITEM_SEQUENCE)
    snprintf(text, sizeof text, "sequence of %zu", i->count);
  else
    snprintf(text, sizeof text, "%s", i->kind == TN_ITEM_TENSOR ? "tensor" : "nothing");
  ck_assert_int_eq(!items, status != TN_OK);
  tn_error_destroy(err);
  tn_items_destroy(items);
  free(m.data);
  return text;
}

START_TEST(items_are_read_as_their_kind)
{
  const bytes none = {0};
  ck_assert_str_eq(item(TN_ITEM_TENSOR, tensor_raw("", ONNX_FLOAT, 0, NULL, zeros, 4)), "tensor");
  ck_assert_str_eq(item(TN_ITEM_SEQUENCE, sequence_of(1, ONNX_FLOAT, ONNX_FLOAT)), "sequence of 2");
  ck_assert_str_eq(item(TN_ITEM_SEQUENCE, sequence_of(1, 0, 0)), "sequence of 0");
  ck_assert_str_eq(item(TN_ITEM_OPTIONAL, optional_of(1, 3, tensor_raw("", ONNX_FLOAT, 0, NULL, zeros, 4))), "tensor");
  ck_assert_str_eq(item(TN_ITEM_OPTIONAL, optional_of(3, 5, sequence_of(1, ONNX_INT32, 0))), "sequence of 1");
  ck_assert_str_eq(item(TN_ITEM_OPTIONAL, optional_of(0, 0, none)), "nothing");
  ck_assert_str_eq(item(TN_ITEM_OPTIONAL, optional_of(1, 0, none)), "nothing");
  ck_assert_str_eq(item(3, none), "TN_E_INVALID: import: item: there is no kind 3");
  ck_assert_str_eq(item(TN_ITEM_SEQUENCE, sequence_of(1, ONNX_FLOAT, ONNX_INT32)),
                   "TN_E_INVALID: import: sequence: its tensors are of different types");
  ck_assert_str_eq(item(TN_ITEM_SEQUENCE, sequence_of(3, 0, 0)),
                   "TN_E_UNSUPPORTED: import: sequence: its elements are no tensors");
  ck_assert_str_eq(item(TN_ITEM_OPTIONAL, optional_of(4, 0, none)),
                   "TN_E_UNSUPPORTED: import: optional: it holds neither a tensor nor a sequence");
}
END_TEST

static tn_status read_sequence(tn_context *own, const void *what) {
  const bytes *m = what;
  tn_items *items;
  tn_status status = tn_onnx_item(own, TN_ITEM_SEQUENCE, m->data, m->size, &items, NULL);
  tn_items_destroy(items);
  return status;
}

START_TEST(an_item_needs_memory)
{
  bytes m = sequence_of(1, ONNX_FLOAT, ONNX_FLOAT);
  fault_walk(read_sequence, &m, false);
  free(m.data);
}
END_TEST

START_TEST(a_model_becomes_a_graph)
{
  ck_assert_str_eq(import(model(13, small_graph())), "graph main(x: f32[1, 2, 4, 4]) -> (y) {\n"
                                                     "  const w: f32[3, 2, 3, 3] = blob(0, 0x37f6c513119a37a2f8719b5f470e64de)\n"
                                                     "  c: f32[1, 3, 4, 4] = conv(x, w) {pads = [1, 1, 1, 1]} as c1\n"
                                                     "  y: f32[1, 3, 4, 4] = relu(c) as r1\n"
                                                     "}\n");
}
END_TEST

START_TEST(nodes_may_come_in_any_order)
{
  bytes g = {0};
  add_node(&g, node("Relu", "", "b", "y"));
  add_node(&g, node("Neg", "", "a", "b"));
  add_node(&g, node("Abs", "", "x", "a"));
  add_input(&g, "x", 2, image);
  add_output(&g, "y");
  ck_assert_str_eq(import(model(13, g)), "graph main(x: f32[1, 2]) -> (y) {\n"
                                         "  a: f32[1, 2] = abs(x) as \"Abs:a\"\n"
                                         "  b: f32[1, 2] = neg(a) as \"Neg:b\"\n"
                                         "  y: f32[1, 2] = relu(b) as \"Relu:y\"\n"
                                         "}\n");
}
END_TEST

START_TEST(weights_may_be_inputs_too_or_constants)
{
  bytes g = {0}, c = node("Constant", "", "", "k");
  int64_t two = 2;
  float values[] = {1, 2};
  attr_tensor(&c, "value", tensor_raw("", ONNX_FLOAT, 1, &two, values, 8));
  add_node(&g, c);
  add_node(&g, node("Add", "", "x w", "s"));
  add_node(&g, node("Mul", "", "s k", "y"));
  add_weight(&g, tensor_raw("w", ONNX_FLOAT, 1, &two, values, 8));
  add_input(&g, "x", 1, &two);
  add_input(&g, "w", 1, &two); /* as IR 3 and 4 list it */
  add_output(&g, "y");
  ck_assert_str_eq(import(model(9, g)), "graph main(x: f32[2]) -> (y) {\n"
                                        "  const w: f32[2] = [1.0, 2.0]\n"
                                        "  const k: f32[2] = [1.0, 2.0]\n"
                                        "  s: f32[2] = add(x, w) as \"Add:s\"\n"
                                        "  y: f32[2] = mul(s, k) as \"Mul:y\"\n"
                                        "}\n");
}
END_TEST

START_TEST(random_numbers_are_those_of_the_stated_generator)
{
  static const int64_t three = 3;
  bytes g = {0}, uniform = node("RandomUniform", "r", "", "u"), normal = node("RandomNormal", "r", "", "y");
  attr_ints(&uniform, "shape", 1, &three);
  attr_float(&uniform, "seed", 0);
  attr_ints(&normal, "shape", 1, &three);
  attr_float(&normal, "seed", 0);
  add_node(&g, uniform);
  add_node(&g, normal);
  add_output(&g, "u");
  add_output(&g, "y");
  ck_assert_str_eq(import(model(13, g)), "graph main() -> (u, y) {\n"
                                         "  const u: f32[3] = [0.8833108, 0.431528, 0.026433771]\n"
                                         "  const y: f32[3] = [-1.8839084, 0.22760794, -0.22143789]\n"
                                         "}\n");
}
END_TEST

START_TEST(open_dimensions_are_bound)
{
  static const int64_t open[] = {-1, 3}, five[] = {5, 3};
  tn_dim dim = {"n", 7};
  tn_input_shape shape = {"x", 2, five};
  tn_import_desc by_name = {.struct_size = sizeof by_name, .dim_count = 1, .dims = &dim};
  tn_import_desc by_shape = {.struct_size = sizeof by_shape, .shape_count = 1, .shapes = &shape};
  tn_import_desc by_default = {.struct_size = sizeof by_default, .default_dim = 9};
  const tn_import_desc *descs[] = {&by_name, &by_shape, &by_default, NULL};
  static const char *const want[] = {"graph main(x: f32[7, 3])", "graph main(x: f32[5, 3])", "graph main(x: f32[9, 3])",
                                     "TN_E_INVALID: import: x: dimension 0 (`n`) is open: give it a value in "
                                     "tn_import_desc (dims, shapes, default_dim or keep_open)"};
  for (int i = 0; i < 4; i++) {
    bytes g = {0};
    add_node(&g, node("Relu", "", "x", "y"));
    add_input(&g, "x", 2, open);
    add_output(&g, "y");
    ck_assert_ptr_nonnull(strstr(import_with(model(13, g), descs[i]), want[i]));
  }
}
END_TEST

START_TEST(shape_arithmetic_is_computed)
{
  /* reshape(x, concat(shape(x)[0:1], [-1])) */
  static const int64_t zero = 0, one = 1, minus = -1;
  bytes g = {0}, cat = node("Concat", "", "first rest", "shape");
  attr_int(&cat, "axis", 0);
  add_node(&g, node("Shape", "", "x", "s"));
  add_node(&g, node("Slice", "", "s zero one", "first"));
  add_node(&g, cat);
  add_node(&g, node("Reshape", "", "x shape", "y"));
  add_weight(&g, tensor_ints("zero", 1, &zero));
  add_weight(&g, tensor_ints("one", 1, &one));
  add_weight(&g, tensor_ints("rest", 1, &minus));
  add_input(&g, "x", 4, image);
  add_output(&g, "y");
  ck_assert_str_eq(import(model(13, g)), "graph main(x: f32[1, 2, 4, 4]) -> (y) {\n"
                                         "  y: f32[1, 32] = reshape(x) {shape = [1, 32]} as \"Reshape:y\"\n"
                                         "}\n");
}
END_TEST

/* ---- differences between opsets -------------------------------------------------------------------------------- */

START_TEST(axes_were_attributes)
{
  static const int64_t axis = 1;
  bytes old = node("Squeeze", "", "x", "y"), new = one_node(node("Squeeze", "", "x axes", "y"));
  attr_ints(&old, "axes", 1, &axis);
  add_weight(&new, tensor_ints("axes", 1, &axis));
  ck_assert_ptr_nonnull(strstr(import(model(11, one_node(old))), "y: f32[2, 3] = reshape(x) {shape = [2, 3]}"));
  ck_assert_ptr_nonnull(strstr(import(model(13, new)), "y: f32[2, 3] = reshape(x) {shape = [2, 3]}"));
}
END_TEST

START_TEST(softmax_was_over_a_matrix)
{
  const char *old = import(model(11, one_node(node("Softmax", "", "x", "y"))));
  ck_assert_ptr_nonnull(strstr(old, "f32[2, 3] = reshape(x) {shape = [2, 3]}"));
  ck_assert_ptr_nonnull(strstr(old, "softmax(v0) {axis = 1}"));
  ck_assert_ptr_nonnull(strstr(import(model(13, one_node(node("Softmax", "", "x", "y")))), "softmax(x) {axis = 2}"));
}
END_TEST

START_TEST(clip_had_attributes)
{
  bytes old = node("Clip", "", "x", "y");
  attr_float(&old, "min", 0);
  attr_float(&old, "max", 6);
  const char *text = import(model(9, one_node(old)));
  ck_assert_ptr_nonnull(strstr(text, "const v0: f32[] = [0.0]\n  const v1: f32[] = [6.0]\n"));
  ck_assert_ptr_nonnull(strstr(text, "clip(x, v0, v1)"));
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------------------------- */

START_TEST(all_unsupported_operators_are_listed)
{
  bytes g = {0}, other = node("Foo", "n3", "b", "c");
  put_text(&other, 7, "com.example");
  add_node(&g, node("Foo", "n1", "x", "a"));
  add_node(&g, node("Foo", "n2", "a", "b"));
  add_node(&g, other);
  add_node(&g, node("Relu", "n4", "c", "y"));
  add_output(&g, "y");
  ck_assert_str_eq(import(model(13, g)), "TN_E_UNSUPPORTED: import: graph: operators that are not supported: "
                                         "Foo (n1, n2), com.example.Foo (n3)");
}
END_TEST

START_TEST(names_must_be_defined_once_and_without_cycles)
{
  bytes undefined = one_node(node("Add", "n", "x q", "y")), twice = one_node(node("Relu", "n", "x", "x")), cycle = {0};
  add_node(&cycle, node("Add", "n1", "x b", "a"));
  add_node(&cycle, node("Relu", "n2", "a", "b"));
  add_input(&cycle, "x", 2, image);
  add_output(&cycle, "b");
  ck_assert_str_eq(import(model(13, undefined)), "TN_E_INVALID: import: n: nothing defines input `q`");
  ck_assert_str_eq(import(model(13, twice)), "TN_E_INVALID: import: x: two values have this name");
  ck_assert_str_eq(import(model(13, cycle)), "TN_E_INVALID: import: n2: a cycle: input `a` depends on this node");
  ck_assert_str_eq(import(model(13, one_node(node("Relu", "n", "x", "z")))),
                   "TN_E_INVALID: import: y: nothing defines this output");
}
END_TEST

/* Some writers put -1 where others put no size at all. */
START_TEST(a_size_of_minus_one_is_open)
{
  bytes dim = {0}, dims = {0}, tensor = {0}, type = {0}, x = {0}, g = {0};
  put_int(&dim, 1, -1);
  put_message(&dims, 1, dim);
  put_int(&tensor, 1, ONNX_FLOAT);
  put_message(&tensor, 2, dims);
  put_message(&type, 1, tensor);
  put_text(&x, 1, "x");
  put_message(&x, 2, type);
  add_node(&g, node("Relu", "n", "x", "y"));
  put_message(&g, 11, x);
  add_output(&g, "y");
  const tn_import_desc desc = {.struct_size = sizeof desc, .default_dim = 3};
  ck_assert_str_eq(import_with(model(13, g), &desc), "graph main(x: f32[3]) -> (y) {\n"
                                                     "  y: f32[3] = relu(x) as n\n"
                                                     "}\n");
}
END_TEST

START_TEST(shapes_must_fit)
{
  static const int64_t five_channels[] = {3, 5, 3, 3}, minus[] = {-2, 3};
  bytes short_raw = one_node(node("Relu", "n", "x", "y")), channels = {0}, negative = {0};
  bytes axis = node("Concat", "n", "x x", "y");
  add_weight(&short_raw, tensor_raw("w", ONNX_FLOAT, 4, five_channels, zeros, 16));
  ck_assert_str_eq(import(model(13, short_raw)), "TN_E_INVALID: import: w: raw_data has 16 bytes, the shape needs 540");
  add_node(&channels, node("Conv", "n", "x w", "y"));
  add_input(&channels, "x", 4, image);
  add_input(&channels, "w", 4, five_channels);
  add_output(&channels, "y");
  ck_assert_str_eq(import(model(13, channels)), "TN_E_INVALID: import: n: conv: 2 channels, but weights for 5");
  attr_int(&axis, "axis", 5);
  ck_assert_str_eq(import(model(13, one_node(axis))),
                   "TN_E_INVALID: import: n: concat: axis 5 is outside a tensor of rank 3");
  add_node(&negative, node("Relu", "n", "x", "y"));
  add_input(&negative, "x", 2, minus);
  add_output(&negative, "y");
  ck_assert_str_eq(import(model(13, negative)), "TN_E_INVALID: import: x: dimension 0 is -2");
}
END_TEST

START_TEST(attributes_must_be_of_the_right_kind)
{
  bytes bad = node("Concat", "n", "x x", "y"), many = node("Transpose", "n", "x", "y");
  static const int64_t perm[] = {0, 1, 1};
  attr_float(&bad, "axis", 1);
  attr_ints(&many, "perm", 3, perm);
  ck_assert_str_eq(import(model(13, one_node(bad))),
                   "TN_E_INVALID: import: n: Concat: attribute `axis` is of the wrong type");
  ck_assert_str_eq(import(model(13, one_node(many))),
                   "TN_E_INVALID: import: n: transpose: `perm` is not a permutation");
}
END_TEST

START_TEST(opsets_and_other_files_are_refused)
{
  ck_assert_str_eq(import(model(-1, small_graph())), "TN_E_UNSUPPORTED: import: model: opset -1: 1 to 27 are supported");
  ck_assert_str_eq(import(model(28, small_graph())),
                   "TN_E_UNSUPPORTED: import: model: opset 28: 1 to 27 are supported");
  ck_assert_str_eq(import((bytes){0}), "TN_E_INVALID: import: model: there is no graph: is this an ONNX model?");
}
END_TEST

START_TEST(loading_says_which_file_is_missing)
{
  tn_program *program;
  tn_error *err;
  ck_assert_int_eq(tn_onnx_load(ctx, "/nonexistent.onnx", NULL, &program, &err), TN_E_NOT_FOUND);
  ck_assert_str_eq(tn_error_place(err), "/nonexistent.onnx");
  ck_assert_ptr_null(program);
  tn_error_destroy(err);
}
END_TEST

/* ---- tensors --------------------------------------------------------------------------------------------------- */

static void read_tensor(bytes t, tn_type type, int64_t numel, const void *want) {
  tn_tensor *tensor;
  tn_error *err = NULL;
  ck_assert_msg(tn_onnx_tensor(ctx, t.data, t.size, &tensor, &err) == TN_OK, "%s", tn_error_text(err));
  ck_assert_uint_eq(tn_type_from_dlpack(tn_tensor_view(tensor)->dtype), type);
  ck_assert_int_eq(tn_dltensor_numel(tn_tensor_view(tensor)), numel);
  ck_assert_mem_eq(tn_tensor_data(tensor), want, tn_array_bytes(type, numel));
  tn_tensor_destroy(tensor);
  free(t.data);
}

START_TEST(tensors_have_raw_or_typed_elements)
{
  static const float floats[] = {1.5f, -2};
  static const int16_t shorts[] = {-1, 300};
  static const uint16_t halves[] = {0x3c00, 0xc000};
  static const uint8_t truths[] = {1, 0};
  int64_t two = 2;
  bytes t = {0};
  put_int(&t, 1, 2);
  put_int(&t, 2, 1);
  put_float(&t, 4, 1.5f);
  put_float(&t, 4, -2);
  read_tensor(t, TN_F32, 2, floats);
  read_tensor(tensor_raw("", 1, 1, &two, floats, 8), TN_F32, 2, floats);
  t = (bytes){0};
  put_int(&t, 1, 2);
  put_int(&t, 2, 5);
  put_int(&t, 5, -1);
  put_int(&t, 5, 300);
  read_tensor(t, TN_I16, 2, shorts);
  t = (bytes){0};
  put_int(&t, 1, 2);
  put_int(&t, 2, 10);
  put_int(&t, 5, 0x3c00);
  put_int(&t, 5, 0xc000);
  read_tensor(t, TN_F16, 2, halves);
  t = (bytes){0};
  put_int(&t, 1, 2);
  put_int(&t, 2, 17);
  put_int(&t, 5, 0x7e);
  put_int(&t, 5, 0x81);
  static const uint8_t bytes_of_floats[] = {0x7e, 0x81};
  read_tensor(t, TN_F8E4M3, 2, bytes_of_floats);
  read_tensor(tensor_raw("", 18, 1, &two, bytes_of_floats, 2), TN_F8E4M3UZ, 2, bytes_of_floats);
  read_tensor(tensor_raw("", 19, 1, &two, bytes_of_floats, 2), TN_F8E5M2, 2, bytes_of_floats);
  read_tensor(tensor_raw("", 20, 1, &two, bytes_of_floats, 2), TN_F8E5M2UZ, 2, bytes_of_floats);
  static const uint8_t packed[] = {0x21, 0x43, 0x0e};
  int64_t five = 5;
  t = (bytes){0};
  put_int(&t, 1, 5);
  put_int(&t, 2, 22);
  for (int i = 0; i < 3; i++) put_int(&t, 5, packed[i]);
  read_tensor(t, TN_I4, 5, packed);
  read_tensor(tensor_raw("", 21, 1, &five, packed, 3), TN_U4, 5, packed);
  read_tensor(tensor_raw("", 23, 1, &five, packed, 3), TN_F4E2M1, 5, packed);
  read_tensor(tensor_raw("", 24, 1, &two, bytes_of_floats, 2), TN_F8E8M0, 2, bytes_of_floats);
  static const uint8_t odd[] = {7, 0};
  read_tensor(tensor_raw("", 9, 1, &two, odd, 2), TN_BOOL, 2, truths); /* any byte but 0 is true */
}
END_TEST

START_TEST(tensors_must_be_complete)
{
  tn_tensor *tensor;
  tn_error *err;
  int64_t two = 2;
  bytes both = tensor_raw("", 1, 1, &two, zeros, 8), few = {0};
  put_float(&both, 4, 1);
  put_int(&few, 1, 2);
  put_int(&few, 2, 1);
  put_float(&few, 4, 1);
  ck_assert_int_eq(tn_onnx_tensor(ctx, both.data, both.size, &tensor, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_reason(err), "the tensor has elements in more than one field, or in the wrong one");
  tn_error_destroy(err);
  ck_assert_int_eq(tn_onnx_tensor(ctx, few.data, few.size, &tensor, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_reason(err), "the tensor has 1 elements, the shape needs 2");
  tn_error_destroy(err);
  bytes pairs = {0}, raw = tensor_raw("", 21, 1, (int64_t[]){5}, zeros, 5);
  put_int(&pairs, 1, 5);
  put_int(&pairs, 2, 22);
  put_int(&pairs, 5, 0x21);
  ck_assert_int_eq(tn_onnx_tensor(ctx, pairs.data, pairs.size, &tensor, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_reason(err), "the tensor has 1 bytes of elements, the shape needs 3");
  tn_error_destroy(err);
  ck_assert_int_eq(tn_onnx_tensor(ctx, raw.data, raw.size, &tensor, &err), TN_E_INVALID);
  ck_assert_str_eq(tn_error_reason(err), "raw_data has 5 bytes, the shape needs 3");
  tn_error_destroy(err);
  free(pairs.data);
  free(raw.data);
  free(both.data);
  free(few.data);
}
END_TEST

/* ---- hostile bytes --------------------------------------------------------------------------------------------- */

/* A model with shape arithmetic, weights, attributes: much to break. */
static bytes rich_model(void) {
  static const int64_t shape[] = {-1, 2}, two[] = {2, 2};
  static const float four[4] = {1, 2, 3, 4};
  bytes g = small_graph(), gemm = node("Gemm", "g1", "flat w2 -", "z"), pool = node("MaxPool", "p1", "y", "p");
  attr_ints(&pool, "kernel_shape", 2, two);
  attr_ints(&pool, "strides", 2, two);
  attr_int(&gemm, "transB", 1);
  add_node(&g, pool);
  add_node(&g, node("Reshape", "s1", "p shape", "flat"));
  add_node(&g, node("ReduceMean", "m1", "flat", "m"));
  add_node(&g, gemm);
  add_node(&g, node("Softmax", "o1", "z", "o"));
  add_weight(&g, tensor_ints("shape", 2, shape));
  add_weight(&g, tensor_raw("w2", ONNX_FLOAT, 2, two, four, 16));
  add_output(&g, "m");
  add_output(&g, "o");
  return model(13, g);
}

/* Imports bytes that may be wrong in any way; success or an error, nothing else. */
static void import_anything(const uint8_t *data, size_t size, int *taken) {
  tn_program *program;
  tn_error *err;
  tn_status status = tn_onnx_import(ctx, data, size, NULL, &program, &err);
  ck_assert_int_eq(status == TN_OK, err == NULL);
  ck_assert_int_eq(status == TN_OK, program != NULL);
  *taken += status == TN_OK;
  tn_program_destroy(program);
  tn_error_destroy(err);
}

START_TEST(every_cut_is_survived)
{
  bytes m = rich_model();
  int taken = 0;
  for (size_t size = 0; size < m.size; size++) {
    uint8_t *copy = malloc(size + 1); /* of that size exactly, for the sanitizer */
    memcpy(copy, m.data, size);
    copy = realloc(copy, size ? size : 1);
    import_anything(copy, size, &taken);
    free(copy);
  }
  ck_assert_int_eq(taken, 0);
  import_anything(m.data, m.size, &taken);
  ck_assert_int_eq(taken, 1);
  free(m.data);
}
END_TEST

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525 + 1013904223; }

START_TEST(mutations_are_survived)
{
  bytes m = rich_model();
  uint32_t seed = 2026;
  int taken = 0;
  for (int round = 0; round < 4000; round++) {
    uint8_t *copy = malloc(m.size);
    memcpy(copy, m.data, m.size);
    for (int k = 0; k < 1 + round % 4; k++) copy[(next(&seed) >> 8) % m.size] = (uint8_t)(next(&seed) >> 16);
    import_anything(copy, m.size, &taken);
    free(copy);
  }
  ck_assert_int_gt(taken, 100); /* changed weights and names are fine models */
  ck_assert_int_lt(taken, 3900);
  free(m.data);
}
END_TEST

START_TEST(noise_is_survived)
{
  uint32_t seed = 7;
  int taken = 0;
  for (int round = 0; round < 2000; round++) {
    uint8_t noise[64];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(next(&seed) >> 24);
    if (round % 2) noise[0] = 0x3a, noise[1] = 62; /* a graph */
    import_anything(noise, sizeof noise, &taken);
  }
  ck_assert_int_eq(taken, 0);
}
END_TEST

/* Every allocation on the way from bytes to a plan fails once: no memory, and nothing is left behind. */
static tn_status whole_way(tn_context *c, bytes m) {
  const tni_evaluator interpreter = {NULL, tni_evaluate_interpreted};
  tn_program *program, *to = NULL;
  const tn_graph *g;
  tni_arena arena;
  tni_plan plan;
  const void **constants;
  tn_status status = tn_onnx_import(c, m.data, m.size, NULL, &program, NULL);
  if (status != TN_OK) return status;
  tni_arena_init(&arena, c);
  g = tn_program_graph(program, "main");
  status = tn_program_create(c, &to, NULL);
  if (status == TN_OK) status = tni_graph_fold(g, to, &interpreter, &g, NULL);
  if (status == TN_OK) status = tni_graph_fuse(g, to, &g, NULL);
  if (status == TN_OK) status = tni_graph_plan(g, &arena, &plan, &constants, NULL);
  tni_arena_destroy(&arena);
  tn_program_destroy(to);
  tn_program_destroy(program);
  return status;
}

START_TEST(every_allocation_may_fail)
{
  bytes m = rich_model();
  tn_status status = TN_E_NOMEM;
  for (long at = 1; status == TN_E_NOMEM; at++) {
    fault f = {.fail_at = 0};
    tn_context_desc desc = fault_desc(&f);
    tn_context *c;
    ck_assert_int_eq(tn_context_create(&desc, &c, NULL), TN_OK);
    f.fail_at = f.calls + at;
    f.once = true;
    status = whole_way(c, m);
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "allocation %ld: %s", at, tn_status_name(status));
    tn_context_destroy(c);
    ck_assert_int_eq(f.blocks, 0);
  }
  free(m.data);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("import");
  TCase *tests = tcase_create("import");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, places_in_a_constant_are_known);
  tcase_add_test(tests, floats_are_quantized_about_their_zero_point);
  tcase_add_test(tests, items_are_read_as_their_kind);
  tcase_add_test(tests, an_item_needs_memory);
  tcase_add_test(tests, a_model_becomes_a_graph);
  tcase_add_test(tests, nodes_may_come_in_any_order);
  tcase_add_test(tests, weights_may_be_inputs_too_or_constants);
  tcase_add_test(tests, random_numbers_are_those_of_the_stated_generator);
  tcase_add_test(tests, open_dimensions_are_bound);
  tcase_add_test(tests, shape_arithmetic_is_computed);
  tcase_add_test(tests, axes_were_attributes);
  tcase_add_test(tests, softmax_was_over_a_matrix);
  tcase_add_test(tests, clip_had_attributes);
  tcase_add_test(tests, all_unsupported_operators_are_listed);
  tcase_add_test(tests, names_must_be_defined_once_and_without_cycles);
  tcase_add_test(tests, a_size_of_minus_one_is_open);
  tcase_add_test(tests, shapes_must_fit);
  tcase_add_test(tests, attributes_must_be_of_the_right_kind);
  tcase_add_test(tests, opsets_and_other_files_are_refused);
  tcase_add_test(tests, loading_says_which_file_is_missing);
  tcase_add_test(tests, tensors_have_raw_or_typed_elements);
  tcase_add_test(tests, tensors_must_be_complete);
  tcase_add_test(tests, every_cut_is_survived);
  tcase_add_test(tests, mutations_are_survived);
  tcase_add_test(tests, noise_is_survived);
  tcase_add_test(tests, every_allocation_may_fail);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
