/* options.c -- the command line: a table of options per subcommand, from which both the reader and the help are made.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

static void print_option(FILE *to, const option *o) {
  char left[64];
  snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
  fprintf(to, "  %-22s", left);
  for (const char *c = o->help; *c; c++) {
    fputc(*c, to);
    if (*c == '\n') fprintf(to, "%24s", "");
  }
  fputc('\n', to);
}

static void print_help(FILE *to, const command *self, const option *options) {
  fprintf(to, "usage: tenon %s %s [OPTIONS]\n\n%s\n\n", self->name, self->arguments, self->summary);
  for (const option *o = options; o->name; o++) print_option(to, o);
  print_option(to, &(option){"--help", NULL, OPTION_FLAG, NULL, "this text"});
}

static int refuse(const command *self, const char *what, const char *which) {
  fprintf(stderr, "tenon %s: %s%s; see `tenon %s --help`\n", self->name, what, which, self->name);
  return EXIT_USAGE;
}

static const option *find_option(const option *options, const char *name, size_t length) {
  for (const option *o = options; o->name; o++) {
    if (strlen(o->name) == length && !memcmp(o->name, name, length)) return o;
  }
  return NULL;
}

static void add_text(texts *list, const char *text) {
  const char **grown = take(list->count + 1, sizeof *grown);
  if (list->count) memcpy(grown, list->items, list->count * sizeof *grown);
  grown[list->count++] = text;
  list->items = grown;
}

/* False: the value is not of the option's kind. */
static bool set_option(const option *o, const char *value) {
  char *end;
  switch (o->kind) {
  case OPTION_FLAG: return *(bool *)o->to = true;
  case OPTION_TEXT: return *(const char **)o->to = value, true;
  case OPTION_LIST: return add_text(o->to, value), true;
  case OPTION_COUNT: {
    long n = strtol(value, &end, 10);
    if (end == value || *end || n < 1 || n > INT32_MAX) return false;
    return *(int32_t *)o->to = (int32_t)n, true;
  }
  }
  return false;
}

int read_options(const command *self, const option *options, int argc, char **argv, const char **file) {
  *file = NULL;
  for (int i = 0; i < argc; i++) {
    const char *arg = argv[i];
    if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) return print_help(stdout, self, options), EXIT_OK;
    if (arg[0] != '-' || !arg[1]) {
      if (*file) return refuse(self, "one file at a time, and here is another: ", arg);
      *file = arg;
      continue;
    }
    const char *equals = strchr(arg, '=');
    const option *o = find_option(options, arg, equals ? (size_t)(equals - arg) : strlen(arg));
    if (!o) return refuse(self, "no such option: ", arg);
    if (!o->value && equals) return refuse(self, "takes no value: ", o->name);
    const char *value = equals ? equals + 1 : o->value && i + 1 < argc ? argv[++i] : NULL;
    if (o->value && !value) return refuse(self, "a value is missing after ", o->name);
    if (!set_option(o, value)) return refuse(self, "not a whole number above 0: ", arg);
  }
  if (!*file) return refuse(self, "no file is given", "");
  return -1;
}
