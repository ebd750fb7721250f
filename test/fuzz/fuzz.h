/* fuzz.h -- what the fuzz targets share: a context with tight limits, texts and side blobs of programs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "ir.h"
#include "tenon/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition) \
  do { \
    if (!(condition)) fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort(); \
  } while (0)

static inline tn_context *fuzz_context(void) {
  static tn_context *ctx;
  const tn_context_desc desc = {
      .struct_size = sizeof desc,
      .limits = {.model_bytes = 1 << 20, .tensor_bytes = 1 << 22, .total_bytes = 1 << 24, .nodes = 1000, .nesting = 50}};
  if (!ctx) MUST(tn_context_create(&desc, &ctx, NULL) == TN_OK);
  return ctx;
}

static inline tn_status fuzz_keep(void *self, const void *bytes, size_t size) {
  tni_text_add_bytes(self, bytes, size);
  return TN_OK;
}

/* A success without an error, or a failure with one that says why. */
static inline bool fuzz_is_ok(tn_status status, const void *made, tn_error *err) {
  MUST((status == TN_OK) == (made != NULL) && (status == TN_OK) == (err == NULL));
  MUST(status == TN_OK || *tn_error_reason(err));
  tn_error_destroy(err);
  return status == TN_OK;
}

/* The program's text, its blob in `blob`. */
static inline char *fuzz_print(const tn_program *program, tni_text *blob) {
  char *text;
  MUST(tn_program_print(program, &text, NULL) == TN_OK);
  tni_text_init(blob, fuzz_context());
  MUST(tn_program_write_blob(program, fuzz_keep, blob, NULL) == TN_OK && !blob->failed);
  return text;
}

/* What the program prints is parsed, and prints as the same. */
static inline void fuzz_round_trip(const tn_program *program) {
  tni_text blob, blob_again;
  tn_program *back;
  tn_error *err;
  char *text = fuzz_print(program, &blob);
  tn_status status =
      tn_program_parse_with(fuzz_context(), text, strlen(text), "back", blob.data, blob.length, &back, &err);
  if (status) fprintf(stderr, "%s\n----\n%s\n", text, tn_error_text(err));
  MUST(fuzz_is_ok(status, back, err));
  char *again = fuzz_print(back, &blob_again);
  if (strcmp(text, again) != 0) fprintf(stderr, "%s\n----\n%s\n", text, again);
  MUST(strcmp(text, again) == 0);
  MUST(blob.length == blob_again.length && memcmp(blob.data, blob_again.data, blob.length) == 0);
  tni_text_destroy(&blob);
  tni_text_destroy(&blob_again);
  tn_text_destroy(text);
  tn_text_destroy(again);
  tn_program_destroy(back);
}

#endif
