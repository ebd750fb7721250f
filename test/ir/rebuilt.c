/* rebuilt.c -- programs that were written as C by tn_program_dump_c, compiled: each is rebuilt and prints the same text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rebuilt.h"

#include <stdio.h>
#include <string.h>

static int check(tn_context *ctx, const struct rebuilt *r) {
  tn_program *program;
  tn_error *err;
  char *text = NULL;
  tn_status status = r->rebuild(ctx, NULL, 0, &program, &err);
  if (!status) status = tn_program_print(program, &text, &err);
  int same = !status && strcmp(text, r->text) == 0;
  if (status) printf("%s: %s\n", r->file, tn_error_text(err));
  if (!status && !same) printf("%s: rebuilt is\n%s\nwas\n%s\n", r->file, text, r->text);
  tn_error_destroy(err);
  tn_text_destroy(text);
  tn_program_destroy(program);
  return same;
}

int main(void) {
  int count = 0, failed = 0;
  tn_context *ctx;
  if (tn_context_create(NULL, &ctx, NULL)) return 1;
  for (const struct rebuilt *r = rebuilt; r->file; r++, count++) failed += !check(ctx, r);
  tn_context_destroy(ctx);
  printf("%d programs, %d differ\n", count, failed);
  return count == 0 || failed != 0;
}
