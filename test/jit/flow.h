/* flow.h -- what the tests of models without one graph share: they are compiled, called, and go without memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_FLOW_H
#define TEST_JIT_FLOW_H

#include "ir/onnx_writer.h"
#include "session.h"

static const int64_t one = 1, two = 2, open_list[] = {-1};

/* Nodes "Op name name > name", with ; between. */
static inline void add_nodes(bytes *g, const char *text) {
  char spelled[512], *save, *save_word;
  snprintf(spelled, sizeof spelled, "%s", text);
  for (char *line = strtok_r(spelled, ";", &save); line; line = strtok_r(NULL, ";", &save)) {
    char *op = strtok_r(line, " ", &save_word), in[128] = "", out[128] = "", *to = in;
    for (char *word = strtok_r(NULL, " ", &save_word); word; word = strtok_r(NULL, " ", &save_word))
      if (*word == '>')
        to = out;
      else
        strcat(strcat(to, word), " ");
    add_node(g, node(op, op, in, out));
  }
}

/* Values of these names, inputs (field 11) or outputs (12) of a graph. */
static inline void add_ports(bytes *g, uint32_t field, const char *names) {
  char spelled[128], *save;
  snprintf(spelled, sizeof spelled, "%s", names);
  for (char *word = strtok_r(spelled, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
    bytes v = {0};
    put_text(&v, 1, word);
    put_message(g, field, v);
  }
}

static inline tn_module *compile(tn_context *ctx, bytes m) {
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  tn_program *program;
  tn_error *error = NULL;
  must(tn_onnx_import(ctx, m.data, m.size, &desc, &program, &error), error);
  free(m.data);
  tn_module *module = session_compile(program, NULL);
  tn_program_destroy(program);
  return module;
}

static inline const tn_model *model_of(const tn_module *module) {
  const tn_model *model;
  tn_error *error = NULL;
  must(tn_module_model(module, "main", &model, &error), error);
  return model;
}

static inline DLTensor tensor(tn_type type, int32_t rank, const int64_t *shape, const void *data) {
  return (DLTensor){.data = (void *)data, .device = {kDLCPU, 0}, .ndim = rank, .dtype = tn_type_to_dlpack(type),
                    .shape = (int64_t *)shape};
}

/* The output is f32 of that shape with these elements. */
static inline void gives(const tn_module *module, size_t count, const DLTensor *in, int32_t rank, const int64_t *shape,
                         const float *want) {
  const DLTensor *inputs[4];
  tn_tensor *out;
  tn_error *error = NULL;
  int64_t n = 1;
  for (size_t i = 0; i < count; i++) inputs[i] = &in[i];
  must(tn_model_call(model_of(module), inputs, count, &out, 1, &error), error);
  const DLTensor *t = tn_tensor_view(out);
  ck_assert_int_eq(t->ndim, rank);
  for (int32_t i = 0; i < rank; i++) {
    ck_assert_int_eq(t->shape[i], shape[i]);
    n *= shape[i];
  }
  if (n) ck_assert_mem_eq(tn_tensor_data(out), want, (size_t)n * sizeof *want); /* of nothing there is no address */
  tn_tensor_destroy(out);
}

/* ---- no memory --------------------------------------------------------------------------------------------------- */

static inline tn_status go_all_the_way(tn_context *ctx, bytes m, tn_status (*call)(const tn_model *model)) {
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  tn_program *program;
  tn_module *module = NULL;
  const tn_model *model;
  tn_status status = tn_onnx_import(ctx, m.data, m.size, &desc, &program, NULL);
  if (!status) status = tn_compile(program, NULL, &module, NULL);
  if (!status) status = tn_module_model(module, "main", &model, NULL);
  if (!status) status = call(model);
  tn_module_destroy(module);
  tn_program_destroy(program);
  return status;
}

/* From the bytes, which it takes, to the end of a call every allocation fails once; of many in a row not every one. */
static inline void fail_each_once(bytes m, tn_status (*call)(const tn_model *model)) {
  tn_status status = TN_E_NOMEM;
  for (long at = 1; status == TN_E_NOMEM; at += 1 + at / 40) {
    fault f = {.fail_at = 0};
    tn_context_desc desc = fault_desc(&f);
    tn_context *ctx;
    desc.threads.compile_workers = 1;
    ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
    f.fail_at = f.calls + at;
    f.once = true;
    status = go_all_the_way(ctx, m, call);
    ck_assert_msg(status == TN_OK || status == TN_E_NOMEM, "allocation %ld: %s", at, tn_status_name(status));
    f.fail_at = 0;
    tn_context_destroy(ctx);
    ck_assert_int_eq(f.blocks, 0);
  }
  free(m.data);
}

#endif
