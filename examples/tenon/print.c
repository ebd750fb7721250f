/* print.c -- `tenon print`: the text of a program at one stage of its way through the compiler, or after one pass.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

static const char *const stages[] = {"graph", "tensor", "loop", "plan", "ll", "asm"};
enum { STAGE_COUNT = sizeof stages / sizeof *stages };

static bool is_stage(const char *name) {
  for (int i = 0; i < STAGE_COUNT; i++) {
    if (!strcmp(stages[i], name)) return true;
  }
  fprintf(stderr, "tenon print: --stage %s: expected graph, tensor, loop, plan, ll or asm\n", name);
  return false;
}

static int print_stage(session *s, const char *file, const tn_program *program, const char *stage) {
  tn_error *error = NULL;
  char *text;
  size_t size;
  tn_compile_desc desc = session_compile_desc(s);
  tn_status status = tn_program_emit(program, &desc, stage, &text, &size, &error);
  if (status) return report(file, error);
  progress_clear(s);
  bool good = fwrite(text, 1, size, stdout) == size && !fflush(stdout);
  tn_text_destroy(text);
  if (!good) fprintf(stderr, "tenon: standard output could not be written\n");
  return good ? EXIT_OK : EXIT_FAILED;
}

static int print(session *s, const char *file, const char *stage, const passes_options *passes) {
  tn_program *program;
  if (!session_load(s, file, 0, NULL, &program)) return EXIT_FAILED;
  int code =
      passes->after || passes->times ? passes_show(s, file, program, passes) : print_stage(s, file, program, stage);
  tn_program_destroy(program);
  return code;
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  passes_options passes = {0};
  const char *file, *stage = "tensor";
  const option options[] = {
      {"--stage", "STAGE", OPTION_TEXT, &stage,
       "graph   the model after the passes that know no target\n"
       "tensor  tensor functions, fused, with their schedules (the default)\n"
       "loop    loop programs, vectors explicit\n"
       "plan    the steps and the memory of a model\n"
       "ll      LLVM IR\n"
       "asm     assembly"},
      {"--after", "PASS", OPTION_TEXT, &passes.after, "instead: what that pass made (--times lists the passes)"},
      {"--diff", NULL, OPTION_FLAG, &passes.diff, "with --after: the lines that the pass changed"},
      {"--function", "NAME", OPTION_TEXT, &passes.function, "with --after: of this graph or function only"},
      {"--times", NULL, OPTION_FLAG, &passes.times, "instead, or after it: the time that each pass took"},
      {"--target", "NAME", OPTION_TEXT, &s.target, "for another CPU than this one: x86-64-v3, aarch64-neon, ..."},
      {"--integers", NULL, OPTION_FLAG, &s.integers, INTEGERS_HELP},
      {"--direct", NULL, OPTION_FLAG, &s.direct, DIRECT_HELP},
      {"--unproven", "HOW", OPTION_TEXT, &s.unproven, UNPROVEN_HELP},
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {"--progress", NULL, OPTION_FLAG, &s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &file);
  if (code >= 0) return code;
  if (!is_stage(stage) || !passes_check(&passes)) return EXIT_USAGE;
  if (!session_open(&s)) return EXIT_FAILED;
  code = print(&s, file, stage, &passes);
  session_close(&s);
  return code;
}

const command command_print = {"print", "FILE", "Prints a model or a program at any stage of its compilation.", run};
