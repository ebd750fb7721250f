/* compile.c -- `tenon compile`: LLVM IR, assembly or an object file made of a model or a program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

enum { MAX_TARGETS = 8 };

/* The targets between the commas: how many, or 0 and stderr says why. */
static size_t find_targets(session *s, char *names, const tn_target **out) {
  size_t count = 0;
  for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
    tn_error *error;
    if (count == MAX_TARGETS) return fprintf(stderr, "tenon compile: --target: more than %d\n", MAX_TARGETS), 0;
    if (tn_target_get(s->context, name, &out[count++], &error)) return report("--target", error), 0;
  }
  if (!count) fprintf(stderr, "tenon compile: --target: no name\n");
  return count;
}

static int compile(session *s, const char *file, char *targets, const char *what, const char *to) {
  tn_program *program;
  tn_error *error = NULL;
  char *bytes;
  size_t size;
  const tn_target *found[MAX_TARGETS];
  size_t target_count = find_targets(s, targets, found);
  if (!target_count || !session_load(s, file, 0, NULL, &program)) return EXIT_FAILED;
  tn_compile_desc desc = session_compile_desc(s);
  desc.target = found[0];
  desc.better = found + 1;
  desc.better_count = target_count - 1;
  tn_status status = tn_program_emit(program, &desc, what, &bytes, &size, &error);
  tn_program_destroy(program);
  if (status) return report(file, error);
  progress_clear(s);
  bool good = write_file(to, bytes, size);
  tn_text_destroy(bytes);
  if (good) printf("%s  %zu bytes\n", to, size);
  return good ? EXIT_OK : EXIT_FAILED;
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  const char *file, *targets = "host", *what = "obj", *to = NULL;
  const option options[] = {
      {"--emit", "KIND", OPTION_TEXT, &what, "obj (the default), asm or ll (LLVM IR)"},
      {"-o", "FILE", OPTION_TEXT, &to, "where to write it"},
      {"--target", "NAME", OPTION_TEXT, &targets,
       "for another CPU than this one: x86-64-v3, aarch64-neon, ...\n"
       "or for several: of x86-64-v2,x86-64-v3,x86-64-v4 the code chooses when it runs"},
      {"--integers", NULL, OPTION_FLAG, &s.integers, INTEGERS_HELP},
      {"--direct", NULL, OPTION_FLAG, &s.direct, DIRECT_HELP},
      {"--unproven", "HOW", OPTION_TEXT, &s.unproven, UNPROVEN_HELP},
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "the shape of an input that the model leaves open"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name; those not given are taken as 1"},
      {"--progress", NULL, OPTION_FLAG, &s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &file);
  if (code >= 0) return code;
  if (strcmp(what, "obj") && strcmp(what, "asm") && strcmp(what, "ll")) {
    fprintf(stderr, "tenon compile: --emit %s: expected obj, asm or ll\n", what);
    return EXIT_USAGE;
  }
  if (!to) {
    fprintf(stderr, "tenon compile: -o FILE is missing\n");
    return EXIT_USAGE;
  }
  if (!session_open(&s)) return EXIT_FAILED;
  code = compile(&s, file, take_text("%s", targets), what, to);
  session_close(&s);
  return code;
}

const command command_compile = {"compile", "FILE", "Writes the code of a model or a program to a file.", run};
