/* test_flow_items.c -- models that take and give sequences and optionals, item by item.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow.h"

enum { IS_TENSOR = 1, IS_SEQUENCE = 4, IS_OPTIONAL = 9 };

/* Input "x": f32, or the kind around it, or around a sequence of it. */
static void add_held(bytes *g, int kind, bool sequence) {
  bytes elem = {0}, type = {0}, v = {0};
  put_int(&elem, 1, ONNX_FLOAT);
  put_message(&type, IS_TENSOR, elem);
  for (int i = 0; i < (kind != IS_TENSOR) + sequence; i++) {
    bytes holder = {0};
    put_message(&holder, 1, type);
    type = (bytes){0};
    put_message(&type, sequence && i == 0 ? IS_SEQUENCE : (uint32_t)kind, holder);
  }
  put_text(&v, 1, "x");
  put_message(&v, 2, type);
  put_message(g, 11, v);
}

/* Nodes "Op name name > name" that make y of x, and of t: f32[2]. */
static bytes holding(const char *nodes, int kind, bool sequence) {
  bytes g = {0};
  add_nodes(&g, nodes);
  add_held(&g, kind, sequence);
  add_input(&g, "t", 1, &two);
  add_output(&g, "y");
  return model(18, g);
}

static const float pair[] = {1, 2}, single[] = {7};

/* Two tensors of different shapes, then t. */
static tn_status call_held(const tn_module *module, int32_t kind, tn_type type, size_t count, tn_items **out,
                           tn_error **error) {
  const DLTensor a = tensor(TN_F32, 1, &two, pair), b = tensor(TN_F32, 1, &one, single), *list[] = {&a, &b, NULL};
  const tn_item in[] = {{kind, type, count, list}, {TN_ITEM_TENSOR, 0, 1, list}};
  return tn_model_call_items(model_of(module), in, 2, out, error);
}

START_TEST(a_sequence_goes_in_and_out)
{
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  tn_tensor_info info;
  tn_module *module = compile(ctx, holding("SequenceInsert x t > y", IS_SEQUENCE, false));
  tn_model_input(model_of(module), 0, &info);
  ck_assert_int_eq(info.kind, TN_ITEM_SEQUENCE);
  ck_assert_uint_eq(info.type, TN_F32);
  must(call_held(module, TN_ITEM_SEQUENCE, 0, 2, &out, &error), error);
  const tn_item *y = tn_items_at(out, 0);
  ck_assert_uint_eq(tn_items_count(out), 1);
  ck_assert_ptr_null(tn_items_at(out, 1));
  ck_assert_int_eq(y->kind, TN_ITEM_SEQUENCE);
  ck_assert_uint_eq(y->type, TN_F32);
  ck_assert_uint_eq(y->count, 3);
  ck_assert_int_eq(y->tensors[1]->shape[0], 1);
  ck_assert_mem_eq(y->tensors[1]->data, single, sizeof single);
  ck_assert_mem_eq(y->tensors[2]->data, pair, sizeof pair);
  tn_items_destroy(out);
  must(call_held(module, TN_ITEM_SEQUENCE, 0, 0, &out, &error), error);
  ck_assert_uint_eq(tn_items_at(out, 0)->count, 1);
  tn_items_destroy(out);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(an_optional_may_be_nothing)
{
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  tn_module *module = compile(ctx, holding("OptionalHasElement x > y", IS_OPTIONAL, true)),
            *same = compile(ctx, holding("Identity x > y", IS_OPTIONAL, true));
  for (int32_t kind = TN_ITEM_SEQUENCE; kind <= TN_ITEM_OPTIONAL; kind++) {
    must(call_held(module, kind, 0, kind == TN_ITEM_SEQUENCE ? 2 : 0, &out, &error), error);
    ck_assert_int_eq(*(const uint8_t *)tn_items_at(out, 0)->tensors[0]->data, kind == TN_ITEM_SEQUENCE);
    ck_assert_uint_eq(tn_items_at(out, 0)->type, 0);
    tn_items_destroy(out);
    must(call_held(same, kind, 0, kind == TN_ITEM_SEQUENCE ? 2 : 0, &out, &error), error);
    ck_assert_int_eq(tn_items_at(out, 0)->kind, kind);
    tn_items_destroy(out);
  }
  tn_module_destroy(module);
  tn_module_destroy(same);
  tn_context_destroy(ctx);
}
END_TEST

static void item_refused(const tn_module *module, int32_t kind, tn_type type, size_t count, tn_status status,
                         const char *want) {
  tn_error *error = NULL;
  tn_items *out;
  refused(call_held(module, kind, type, count, &out, &error), error, status, want);
  ck_assert_ptr_null(out);
}

START_TEST(items_are_what_the_model_says)
{
  tn_context *ctx = session_open();
  tn_module *sequence = compile(ctx, holding("SequenceInsert x t > y", IS_SEQUENCE, false));
  tn_module *graph = compile(ctx, holding("Add x t > y", IS_TENSOR, false));
  item_refused(sequence, 7, 0, 1, TN_E_INVALID, "call: x: the item is of no kind that there is");
  item_refused(sequence, TN_ITEM_TENSOR, 0, 1, TN_E_INVALID, "call: x: is not a sequence");
  item_refused(sequence, TN_ITEM_OPTIONAL, 0, 0, TN_E_INVALID, "call: x: is not a sequence");
  item_refused(sequence, TN_ITEM_SEQUENCE, TN_I64, 0, TN_E_INVALID,
               "call: x: the sequence is not of the type of elements that the model has");
  item_refused(sequence, TN_ITEM_SEQUENCE, 0, 3, TN_E_INVALID, "call: x: no tensor was given");
  item_refused(sequence, TN_ITEM_SEQUENCE, 0, SIZE_MAX, TN_E_LIMIT,
               "call: x: more tensors than a graph may have nodes");
  item_refused(graph, TN_ITEM_SEQUENCE, 0, 2, TN_E_INVALID, "call: x: is not a tensor");
  tn_module_destroy(graph);
  tn_module_destroy(sequence);
  tn_context_destroy(ctx);
}
END_TEST

/* Of an item that says it has tensors, no tensor is there. */
START_TEST(tensors_of_an_item_may_be_missing)
{
  static const tn_item none[][2] = {{{TN_ITEM_SEQUENCE, TN_F32, 2, NULL}, {TN_ITEM_TENSOR, 0, 1, NULL}},
                                    {{TN_ITEM_TENSOR, 0, 1, NULL}, {TN_ITEM_TENSOR, 0, 1, NULL}}};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  tn_module *sequence = compile(ctx, holding("SequenceInsert x t > y", IS_SEQUENCE, false));
  tn_module *graph = compile(ctx, holding("Add x t > y", IS_TENSOR, false));
  refused(tn_model_call_items(model_of(sequence), none[0], 2, &out, &error), error, TN_E_INVALID,
          "call: x: no tensor was given");
  refused(tn_model_call_items(model_of(graph), none[1], 2, &out, &error), error, TN_E_INVALID,
          "call: x: no tensor was given");
  tn_module_destroy(graph);
  tn_module_destroy(sequence);
  tn_context_destroy(ctx);
}
END_TEST

/* A graph's tensors are items too. */
START_TEST(a_graph_takes_items)
{
  static const float want[] = {2, 4};
  bytes g = {0};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_items *out;
  const DLTensor x = tensor(TN_F32, 1, &two, pair), *list[] = {&x};
  const tn_item in[] = {{TN_ITEM_TENSOR, 0, 1, list}}, none[] = {{TN_ITEM_TENSOR, 0, 0, list}},
                odd[] = {{TN_ITEM_OPTIONAL, 0, 0, NULL}}, empty[] = {{TN_ITEM_TENSOR, 0, 1, NULL}};
  add_node(&g, node("Add", "n", "x x", "y"));
  add_input(&g, "x", 1, &two);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  must(tn_model_call_items(model_of(module), in, 1, &out, &error), error);
  ck_assert_int_eq(tn_items_at(out, 0)->kind, TN_ITEM_TENSOR);
  ck_assert_mem_eq(tn_items_at(out, 0)->tensors[0]->data, want, sizeof want);
  tn_items_destroy(out);
  refused(tn_model_call_items(model_of(module), none, 1, &out, &error), error, TN_E_INVALID,
          "call: x: no tensor was given");
  refused(tn_model_call_items(model_of(module), empty, 1, &out, &error), error, TN_E_INVALID,
          "call: x: no tensor was given");
  refused(tn_model_call_items(model_of(module), odd, 1, &out, &error), error, TN_E_INVALID, "call: x: is not a tensor");
  refused(tn_model_call_items(model_of(module), in, 0, &out, &error), error, TN_E_INVALID,
          "call: main: 0 inputs were given, the model has 1");
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

START_TEST(what_is_no_tensor_is_an_item)
{
  const DLTensor t = tensor(TN_F32, 1, &two, pair), *in[] = {&t};
  bytes g = {0};
  tn_context *ctx = session_open();
  tn_error *error = NULL;
  tn_tensor *made;
  add_node(&g, node("SequenceConstruct", "n", "x", "y"));
  add_input(&g, "x", 1, open_list);
  add_output(&g, "y");
  tn_module *module = compile(ctx, model(13, g));
  refused(tn_model_call(model_of(module), in, 1, &made, 1, &error), error, TN_E_INVALID,
          "call: y: the output is not a tensor: tn_model_call_items gives it");
  ck_assert_ptr_null(made);
  tn_module_destroy(module);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------------------------- */

static tn_status call_appending(const tn_model *model) {
  const DLTensor a = tensor(TN_F32, 1, &two, pair), *list[] = {&a, &a};
  const tn_item in[] = {{TN_ITEM_SEQUENCE, 0, 2, list}, {TN_ITEM_TENSOR, 0, 1, list}};
  tn_items *out;
  tn_status status = tn_model_call_items(model, in, 2, &out, NULL);
  if (!status) ck_assert_uint_eq(tn_items_at(out, 0)->count, 3);
  tn_items_destroy(out);
  return status;
}

START_TEST(any_allocation_may_fail)
{
  fail_each_once(holding("SequenceInsert x t > y", IS_SEQUENCE, false), call_appending);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {a_sequence_goes_in_and_out,
                                an_optional_may_be_nothing,
                                items_are_what_the_model_says,
                                tensors_of_an_item_may_be_missing,
                                a_graph_takes_items,
                                what_is_no_tensor_is_an_item,
                                any_allocation_may_fail};
  return suite_run_tests("flow_items", tests, TNI_COUNT(tests), NULL, NULL);
}
