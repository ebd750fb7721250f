/* error.c -- status codes and errors: phase, place, reason, cause.
 *
 * An error is one block that holds all of its texts, whole text included, so that reading it needs no memory. There is
 * one error that needs none at all, for when memory is out; destroying it does nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "lib.h"

struct tn_error {
  tn_allocator allocator; /* resize == NULL: static */
  size_t size;
  tn_status status;
  const char *phase, *place, *reason, *text;
  tn_error *cause;
};

static const tn_error out_of_memory = {
    .status = TN_E_NOMEM,
    .phase = "memory",
    .place = "",
    .reason = "out of memory",
    .text = "memory: out of memory",
};

const char *tn_status_name(tn_status status) {
  switch (status) {
  case TN_OK: return "TN_OK";
  case TN_E_INVALID: return "TN_E_INVALID";
  case TN_E_NOMEM: return "TN_E_NOMEM";
  case TN_E_UNSUPPORTED: return "TN_E_UNSUPPORTED";
  case TN_E_LIMIT: return "TN_E_LIMIT";
  case TN_E_VERIFY: return "TN_E_VERIFY";
  case TN_E_REFUSED: return "TN_E_REFUSED";
  case TN_E_IO: return "TN_E_IO";
  case TN_E_NOT_FOUND: return "TN_E_NOT_FOUND";
  case TN_E_COMPILER: return "TN_E_COMPILER";
  case TN_E_HOST: return "TN_E_HOST";
  case TN_E_VERSION: return "TN_E_VERSION";
  case TN_E_EXEC_DENIED: return "TN_E_EXEC_DENIED";
  default: return "unknown";
  }
}

tn_status tn_error_status(const tn_error *error) { return error ? error->status : TN_OK; }
const char *tn_error_phase(const tn_error *error) { return error ? error->phase : ""; }
const char *tn_error_place(const tn_error *error) { return error ? error->place : ""; }
const char *tn_error_reason(const tn_error *error) { return error ? error->reason : ""; }
const tn_error *tn_error_cause(const tn_error *error) { return error ? error->cause : NULL; }
const char *tn_error_text(const tn_error *error) { return error ? error->text : ""; }

/* A chain of causes is freed by a loop: its length is the depth of somebody's input. */
void tn_error_destroy(tn_error *error) {
  while (error && error->allocator.resize) {
    tn_error *cause = error->cause;
    tn_allocator allocator = error->allocator;
    allocator.resize(allocator.self, error, error->size, 0, 16);
    error = cause;
  }
}

tn_status tni_fail_nomem(tn_error **err) {
  if (err) *err = (tn_error *)&out_of_memory; /* never written to */
  return TN_E_NOMEM;
}

/* "phase: place: reason" and the causes into text[0..size); gives the length, as snprintf does. */
static int print_whole(char *text, size_t size, const tn_error *error) {
  return snprintf(text, size, "%s%s%s%s%s%s%s", error->phase, *error->phase ? ": " : "", error->place,
                  *error->place ? ": " : "", error->reason, error->cause ? "\n  because: " : "",
                  error->cause ? error->cause->text : "");
}

/* Copies `text` with its NUL to *at, which moves behind it. */
static const char *put(char **at, const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = memcpy(*at, text, size);
  *at += size;
  return copy;
}

/* The error as one block, or NULL: no memory. */
static tn_error *make(tn_context *ctx, const tn_error *draft, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int reason_length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (reason_length < 0) return NULL;
  tn_error empty = *draft; /* the text's length without the reason */
  empty.reason = "";
  int rest_length = print_whole(NULL, 0, &empty);
  if (rest_length < 0) return NULL;
  size_t text_size = (size_t)rest_length + (size_t)reason_length + 1;
  size_t size =
      sizeof(tn_error) + strlen(draft->phase) + 1 + strlen(draft->place) + 1 + (size_t)reason_length + 1 + text_size;
  tn_error *error = tni_alloc(ctx, size);
  if (!error) return NULL;
  char *at = (char *)(error + 1);
  *error = *draft;
  error->allocator = ctx ? ctx->allocator : tni_allocator_default;
  error->size = size;
  error->phase = put(&at, draft->phase);
  error->place = put(&at, draft->place);
  error->reason = at;
  vsnprintf(at, (size_t)reason_length + 1, format, args);
  at += (size_t)reason_length + 1;
  error->text = at;
  print_whole(at, text_size, error);
  return error;
}

static tn_status fail(tn_context *ctx, tn_error **err, tn_error *cause, tn_status status, const char *phase,
                      const char *place, const char *format, va_list args) {
  tn_error draft = {.status = status, .phase = phase ? phase : "", .place = place ? place : "", .cause = cause};
  if (!err) {
    tn_error_destroy(cause);
    return status;
  }
  *err = make(ctx, &draft, format, args);
  if (*err) return status;
  tn_error_destroy(cause);
  return tni_fail_nomem(err);
}

tn_status tni_fail(tn_context *ctx, tn_error **err, tn_status status, const char *phase, const char *place,
                   const char *reason, ...) {
  va_list args;
  va_start(args, reason);
  status = fail(ctx, err, NULL, status, phase, place, reason, args);
  va_end(args);
  return status;
}

tn_status tni_fail_because(tn_context *ctx, tn_error **err, tn_error *cause, tn_status status, const char *phase,
                           const char *place, const char *reason, ...) {
  va_list args;
  va_start(args, reason);
  status = fail(ctx, err, cause, status, phase, place, reason, args);
  va_end(args);
  return status;
}
