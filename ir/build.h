/* build.h -- what the files of the public builder share: the builder, and its sticky errors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_BUILD_H
#define TNI_BUILD_H

#include <stdio.h>

#include "text.h"

enum { MAX_ITERS = 4 * TN_MAX_RANK }; /* of a block */

typedef struct axis {
  const tn_expr *var, *extent;
  bool reduce, used;
} axis;

struct tn_builder {
  tn_program *program;
  tni_region *r;
  tn_context *ctx;
  const char *name;
  tn_error *error; /* the first */
  tn_status status;
  tni_param *params;
  size_t param_count, param_capacity;
  const tn_stmt **stmts;
  size_t stmt_count, stmt_capacity;
  const tn_buffer **allocs;
  size_t alloc_count, alloc_capacity;
  axis *axes;
  size_t axis_count, axis_capacity;
};

static inline bool broken(const tn_builder *b) { return !b || b->status != TN_OK; }

static inline void fail(tn_builder *b, const char *reason, ...) TN_PRINTF(2, 3);
static inline void fail(tn_builder *b, const char *reason, ...) {
  if (broken(b)) return;
  char text[512];
  va_list args;
  va_start(args, reason);
  vsnprintf(text, sizeof text, reason, args);
  va_end(args);
  b->status = tni_fail(b->ctx, &b->error, TN_E_INVALID, "build", b->name, "%s", text);
}

static inline void *fail_nomem(tn_builder *b) {
  if (!broken(b)) b->status = tni_fail_nomem(&b->error);
  return NULL;
}

/* The result of a constructor: NULL means that there was no memory, since operands were checked. */
static inline const tn_expr *made(tn_builder *b, const tn_expr *x) { return x ? x : fail_nomem(b); }
static inline const tn_stmt *made_stmt(tn_builder *b, const tn_stmt *s) { return s ? s : fail_nomem(b); }

static inline bool push(tn_builder *b, void *array, size_t *count, size_t *capacity, size_t size, const void *item) {
  void **items = array;
  if (!tni_reserve(b->ctx, items, capacity, *count + 1, size)) {
    fail_nomem(b);
    return false;
  }
  memcpy((char *)*items + (*count)++ * size, item, size);
  return true;
}

/* Is the value of the buffer's type? */
static inline bool check_value(tn_builder *b, const tn_buffer *out, const tn_expr *value) {
  char want[16], have[16];
  if (broken(b) || !out || !value) return false;
  if (value->type != out->type)
    return fail(b, "`%s` holds %s, but the value is %s", out->name, tn_type_text(out->type, want),
                tn_type_text(value->type, have)),
           false;
  return true;
}

#endif
