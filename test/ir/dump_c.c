/* dump_c.c -- writes the C source that rebuilds the programs of some files, for rebuilt.c to run.
 *
 *     dump_c FILE.tn...          what stands behind a line of `---` is not read
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/tenon.h>

enum { MAX_TEXT = 1 << 20 };

static char *read_text(const char *path) {
  static char text[MAX_TEXT];
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  text[fread(text, 1, MAX_TEXT - 1, file)] = '\0';
  fclose(file);
  char *end = strstr(text, "\n---");
  if (end) end[1] = '\0';
  return text;
}

static void print_literal(const char *text) {
  for (printf("\""); *text; text++) printf(*text == '\n' ? "\\n\"\n\"" : "\\%03o", (unsigned char)*text);
  printf("\"");
}

/* The source of function rebuild_N; gives the canonical text, or NULL. */
static char *dump(tn_context *ctx, const char *path, int n) {
  char name[32], *text = read_text(path), *source = NULL, *printed = NULL;
  tn_program *program = NULL;
  tn_error *err = NULL;
  snprintf(name, sizeof name, "rebuild_%d", n);
  tn_status status = text ? tn_program_parse(ctx, text, strlen(text), path, &program, &err) : TN_E_NOT_FOUND;
  if (!status) status = tn_program_print(program, &printed, &err);
  if (!status) status = tn_program_dump_c(program, name, &source, &err);
  if (status) fprintf(stderr, "%s: %s\n", path, tn_error_text(err));
  if (source) printf("%s\n", source);
  tn_text_destroy(source);
  tn_program_destroy(program);
  tn_error_destroy(err);
  return printed;
}

int main(int argc, char **argv) {
  tn_context *ctx;
  char **texts = calloc((size_t)argc, sizeof *texts);
  if (!texts || tn_context_create(NULL, &ctx, NULL)) return 1;
  for (int i = 1; i < argc; i++)
    if (!(texts[i] = dump(ctx, argv[i], i))) return 1;
  printf("#include \"rebuilt.h\"\nconst struct rebuilt rebuilt[] = {\n");
  for (int i = 1; i < argc; i++) {
    printf("{\"%s\", rebuild_%d,\n", strrchr(argv[i], '/') + 1, i);
    print_literal(texts[i]);
    printf("},\n");
    tn_text_destroy(texts[i]);
  }
  printf("{0}};\n");
  free(texts);
  tn_context_destroy(ctx);
  return 0;
}
