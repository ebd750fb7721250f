/* inspect.c -- `tenon inspect`: what a model takes and gives, what it is made of; the functions of a program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "command.h"

typedef void info_at(const tn_graph *graph, size_t i, tn_tensor_info *out);

static void print_tensors(const char *what, const tn_graph *graph, size_t count, info_at *at) {
  for (size_t i = 0; i < count; i++) {
    tn_tensor_info info;
    at(graph, i, &info);
    printf("%-12s %s  %s\n", what, info.name, shape_text(info.type, info.rank, info.shape));
  }
}

static void print_graph(const tn_graph *graph) {
  tn_graph_stats stats = {.struct_size = sizeof stats};
  const char *op;
  uint64_t count;
  print_tensors("input", graph, tn_graph_input_count(graph), tn_graph_input);
  print_tensors("output", graph, tn_graph_output_count(graph), tn_graph_output);
  tn_graph_get_stats(graph, &stats);
  printf("%-12s %" PRIu64 "\n", "nodes", stats.nodes);
  printf("%-12s %" PRIu64 " (%" PRIu64 " tensors, %" PRIu64 " bytes)\n", "parameters", stats.parameters,
         stats.constants, stats.constant_bytes);
  printf("%-12s %.3f million\n", "mult-adds", 1e-6 * (double)stats.multiply_adds);
  printf("operators\n");
  for (size_t i = 0; tn_graph_op_count(graph, i, &op, &count); i++) printf("%7" PRIu64 "  %s\n", count, op);
}

static void print_functions(const tn_program *program) {
  size_t count = tn_program_func_count(program);
  for (size_t i = 0; i < count; i++) printf("%-12s %s\n", "function", tn_func_name(tn_program_func_at(program, i)));
}

static int inspect(session *s, const char *file) {
  tn_program *program;
  if (!session_load(s, file, 0, NULL, &program)) return EXIT_FAILED;
  const tn_graph *graph = tn_program_graph(program, "main");
  print_functions(program);
  if (graph)
    print_graph(graph);
  else if (!tn_program_func_count(program))
    printf("shapes are known only while the model runs\n");
  tn_program_destroy(program);
  return EXIT_OK;
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  const char *file;
  const option options[] = {
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {0}};
  int code = read_options(self, options, argc, argv, &file);
  if (code >= 0) return code;
  if (!session_open(&s)) return EXIT_FAILED;
  code = inspect(&s, file);
  session_close(&s);
  return code;
}

const command command_inspect = {"inspect", "FILE", "Tells a model's inputs, outputs, operators and size.", run};
