/* main.c -- the `tenon` command: models and tensor programs inspected, run, printed and compiled from a shell.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "command.h"

static const command *const commands[] = {&command_inspect, &command_run,   &command_bench, &command_profile,
                                          &command_print, &command_sched,
                                          &command_compile, &command_check, &command_conform, &command_compare};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *to) {
  fprintf(to, "usage: tenon COMMAND FILE [OPTIONS]\n\nFILE is an ONNX model or the text of a program (.tn).\n\n");
  for (int i = 0; i < COMMAND_COUNT; i++) fprintf(to, "  %-9s%s\n", commands[i]->name, commands[i]->summary);
  fprintf(to, "\n`tenon COMMAND --help` tells more. Exit codes: 0 done, 1 failed, 2 used wrongly.\n");
}

int main(int argc, char **argv) {
  if (argc < 2) return print_help(stderr), EXIT_USAGE;
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
    return print_help(stdout), EXIT_OK;
  if (!strcmp(argv[1], "--version")) return printf("tenon %s\n", tn_version()), EXIT_OK;
  for (int i = 0; i < COMMAND_COUNT; i++) {
    if (!strcmp(argv[1], commands[i]->name)) return commands[i]->run(commands[i], argc - 2, argv + 2);
  }
  fprintf(stderr, "tenon: there is no command `%s`\n\n", argv[1]);
  print_help(stderr);
  return EXIT_USAGE;
}
