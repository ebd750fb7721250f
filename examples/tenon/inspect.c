/* inspect.c -- `tenon inspect`: what a model takes and gives, what it is made of, what a run of it computes, and the
 * memory it takes; the functions of a program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "command.h"

typedef struct facts {
  session s;
  const char *file, *json;
  bool steps;
  int32_t largest; /* tensors to list */
  tn_program *program;
  const tn_graph *graph; /* NULL: there is none */
  tn_plan *plan;         /* of the graph */
  tn_graph_stats stats;
  tn_plan_info info;
} facts;

typedef void info_at(const tn_graph *graph, size_t i, tn_tensor_info *out);

static const char *const kinds[] = {[TN_PLAN_INPUT] = "input",
                                    [TN_PLAN_OUTPUT] = "output",
                                    [TN_PLAN_WEIGHT] = "weight",
                                    [TN_PLAN_INTERMEDIATE] = "intermediate"};

static uint64_t listed(const facts *f) {
  return f->info.tensors < (uint64_t)f->largest ? f->info.tensors : (uint64_t)f->largest;
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static void print_tensors(const char *what, const tn_graph *graph, size_t count, info_at *at) {
  for (size_t i = 0; i < count; i++) {
    tn_tensor_info info;
    at(graph, i, &info);
    printf("%-12s %s  %s\n", what, info.name, shape_text(info.type, info.rank, info.shape));
  }
}

static void print_memory(const facts *f) {
  const tn_plan_info *i = &f->info;
  double least = (double)i->liveness_bytes;
  printf("%-12s %.3f million in %" PRIu64 " steps, %.3f MB read, %.3f MB written\n", "operations", 1e-6 * i->operations,
         i->steps, 1e-6 * i->read_bytes, 1e-6 * i->written_bytes);
  printf("%-12s %" PRIu64 " bytes of weights; %" PRIu64 " of inputs, %" PRIu64 " of outputs\n", "memory", i->weight_bytes,
         i->input_bytes, i->output_bytes);
  printf("%-12s %" PRIu64 " bytes of intermediates in a run; no plan takes less than %" PRIu64, "", i->arena_bytes,
         i->liveness_bytes);
  if (least > 0) printf(" (%.1f %% above it)", 100 * ((double)i->arena_bytes / least - 1));
  printf("\nlargest\n");
  for (uint64_t k = 0; k < listed(f); k++) {
    tn_plan_tensor t = {.struct_size = sizeof t};
    tn_plan_get_tensor(f->plan, k, &t);
    printf("%12" PRIu64 "  %-12s  %s  %s\n", t.bytes, kinds[t.kind], t.info.name,
           shape_text(t.info.type, t.info.rank, t.info.shape));
  }
}

static void print_steps(const facts *f) {
  printf("steps%9s %10s %10s\n", "MFLOP", "MB read", "MB written");
  for (uint64_t i = 0; i < f->info.steps; i++) {
    tn_step_info s = {.struct_size = sizeof s};
    tn_plan_step(f->plan, i, &s);
    printf("%14.3f %10.3f %10.3f  %s  (%s)\n", 1e-6 * s.operations, 1e-6 * s.read_bytes, 1e-6 * s.written_bytes, s.name,
           s.nodes);
  }
}

static void print_graph(const facts *f) {
  const char *op;
  uint64_t count;
  print_tensors("input", f->graph, tn_graph_input_count(f->graph), tn_graph_input);
  print_tensors("output", f->graph, tn_graph_output_count(f->graph), tn_graph_output);
  printf("%-12s %" PRIu64 "\n", "nodes", f->stats.nodes);
  printf("%-12s %" PRIu64 " (%" PRIu64 " tensors, %" PRIu64 " bytes)\n", "parameters", f->stats.parameters,
         f->stats.constants, f->stats.constant_bytes);
  printf("%-12s %.3f million\n", "mult-adds", 1e-6 * (double)f->stats.multiply_adds);
  print_memory(f);
  printf("operators\n");
  for (size_t i = 0; tn_graph_op_count(f->graph, i, &op, &count); i++) printf("%7" PRIu64 "  %s\n", count, op);
  if (f->steps) print_steps(f);
}

static void print_text(const facts *f) {
  size_t count = tn_program_func_count(f->program);
  for (size_t i = 0; i < count; i++) printf("%-12s %s\n", "function", tn_func_name(tn_program_func_at(f->program, i)));
  if (f->graph)
    print_graph(f);
  else if (!count)
    printf("shapes are known only while the model runs\n");
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void json_tensor(FILE *to, const tn_tensor_info *info) {
  char type[16];
  fputs("\"name\": ", to);
  json_text(to, info->name);
  fprintf(to, ", \"type\": \"%s\", \"shape\": ", tn_type_text(info->type, type));
  json_shape(to, info->rank, info->shape);
}

static void json_tensors(FILE *to, const char *what, const tn_graph *graph, size_t count, info_at *at) {
  fprintf(to, ",\n\"%s\": [", what);
  for (size_t i = 0; i < count; i++) {
    tn_tensor_info info;
    at(graph, i, &info);
    fputs(i ? ", {" : "{", to);
    json_tensor(to, &info);
    fputc('}', to);
  }
  fputc(']', to);
}

static void json_steps(const facts *f, FILE *to) {
  fputs(",\n\"steps\": [", to);
  for (uint64_t i = 0; i < f->info.steps; i++) {
    tn_step_info s = {.struct_size = sizeof s};
    tn_plan_step(f->plan, i, &s);
    fputs(i ? ",\n{\"name\": " : "\n{\"name\": ", to);
    json_text(to, s.name);
    fputs(", \"operators\": ", to);
    json_text(to, s.operators);
    fputs(", \"nodes\": ", to);
    json_text(to, s.nodes);
    fputs(", \"operations\": ", to);
    json_number(to, s.operations);
    fputs(", \"read_bytes\": ", to);
    json_number(to, s.read_bytes);
    fputs(", \"written_bytes\": ", to);
    json_number(to, s.written_bytes);
    fputc('}', to);
  }
  fputc(']', to);
}

static void json_memory(const facts *f, FILE *to) {
  const tn_plan_info *i = &f->info;
  fputs(",\n\"operations\": ", to);
  json_number(to, i->operations);
  fprintf(to, ", \"weight_bytes\": %" PRIu64 ", \"input_bytes\": %" PRIu64 ", \"output_bytes\": %" PRIu64, i->weight_bytes,
          i->input_bytes, i->output_bytes);
  fprintf(to, ", \"arena_bytes\": %" PRIu64 ", \"liveness_bytes\": %" PRIu64 ",\n\"largest\": [", i->arena_bytes,
          i->liveness_bytes);
  for (uint64_t k = 0; k < listed(f); k++) {
    tn_plan_tensor t = {.struct_size = sizeof t};
    tn_plan_get_tensor(f->plan, k, &t);
    fprintf(to, "%s{\"bytes\": %" PRIu64 ", \"kind\": \"%s\", ", k ? ",\n" : "\n", t.bytes, kinds[t.kind]);
    json_tensor(to, &t.info);
    fputc('}', to);
  }
  fputc(']', to);
}

static void json_graph(const facts *f, FILE *to) {
  const char *op;
  uint64_t count;
  json_tensors(to, "inputs", f->graph, tn_graph_input_count(f->graph), tn_graph_input);
  json_tensors(to, "outputs", f->graph, tn_graph_output_count(f->graph), tn_graph_output);
  fprintf(to, ",\n\"nodes\": %" PRIu64 ", \"parameters\": %" PRIu64 ", \"constants\": %" PRIu64, f->stats.nodes,
          f->stats.parameters, f->stats.constants);
  fprintf(to, ", \"constant_bytes\": %" PRIu64 ", \"multiply_adds\": %" PRIu64, f->stats.constant_bytes,
          f->stats.multiply_adds);
  json_memory(f, to);
  fputs(",\n\"operators\": {", to);
  for (size_t i = 0; tn_graph_op_count(f->graph, i, &op, &count); i++)
    fprintf(to, "%s\"%s\": %" PRIu64, i ? ", " : "", op, count);
  fputc('}', to);
  json_steps(f, to);
}

static void print_json(const facts *f, FILE *to) {
  size_t count = tn_program_func_count(f->program);
  fputs("{\"file\": ", to);
  json_text(to, f->file);
  fputs(", \"functions\": [", to);
  for (size_t i = 0; i < count; i++) {
    if (i) fputs(", ", to);
    json_text(to, tn_func_name(tn_program_func_at(f->program, i)));
  }
  fprintf(to, "], \"open\": %s", !f->graph && !count ? "true" : "false");
  if (f->graph) json_graph(f, to);
  fputs("}\n", to);
}

/* ---- the command ----------------------------------------------------------------------------------------------------- */

static bool learn(facts *f) {
  tn_error *error = NULL;
  if (!session_load(&f->s, f->file, 0, NULL, &f->program)) return false;
  f->graph = tn_program_graph(f->program, "main");
  if (!f->graph) return true;
  f->stats.struct_size = sizeof f->stats;
  tn_graph_get_stats(f->graph, &f->stats);
  tn_compile_desc desc = session_compile_desc(&f->s);
  if (tn_plan_create(f->program, &desc, "main", &f->plan, &error)) return report(f->file, error), false;
  f->info.struct_size = sizeof f->info;
  tn_plan_get_info(f->plan, &f->info);
  return true;
}

static bool tell(const facts *f) {
  FILE *json;
  if (!json_open(f->json, &json)) return false;
  if (json != stdout) print_text(f);
  if (json) print_json(f, json);
  return json_close(f->json, json);
}

static int run(const command *self, int argc, char **argv) {
  facts f = {.largest = 5};
  const option options[] = {
      {"--shape", "NAME=2x3", OPTION_LIST, &f.s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &f.s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {"--target", "NAME", OPTION_TEXT, &f.s.target, "steps and memory for another CPU than this one: x86-64-v3, ..."},
      {"--direct", NULL, OPTION_FLAG, &f.s.direct, DIRECT_HELP},
      {"--largest", "N", OPTION_COUNT, &f.largest, "how many of the largest tensors are listed; 5 if not given"},
      {"--steps", NULL, OPTION_FLAG, &f.steps, "list the steps: what kernels compute, read and write"},
      {"--json", "FILE|-", OPTION_TEXT, &f.json, "write all of that as JSON; -: on standard output, in the text's place"},
      {0}};
  int code = read_options(self, options, argc, argv, &f.file);
  if (code >= 0) return code;
  if (!session_open(&f.s)) return EXIT_FAILED;
  code = learn(&f) && tell(&f) ? EXIT_OK : EXIT_FAILED;
  tn_plan_destroy(f.plan);
  tn_program_destroy(f.program);
  session_close(&f.s);
  return code;
}

const command command_inspect = {"inspect", "FILE", "Tells a model's inputs, operators, size, work and memory.", run};
