/* wire.c -- protobuf on the wire: a bounded, iterative reader driven by field tables.
 *
 * A message is a row of (tag, value); a tag is number << 3 | wire type. First the whole file is checked against the
 * tables, with an explicit stack; then importers walk over messages as views of the bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "import.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { MAX_VARINT = 10 };

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* NULL, or what is wrong (nothing was taken). */
static const char *take_varint(tni_view *rest, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = 0; i < MAX_VARINT; i++) {
    if (i >= rest->size) return "a number is cut off";
    uint8_t byte = rest->data[i];
    if (i == MAX_VARINT - 1 && byte > 1) return "a number is over 64 bits";
    value |= (uint64_t)(byte & 0x7f) << (7 * i);
    if (byte & 0x80) continue;
    rest->data += i + 1;
    rest->size -= i + 1;
    *out = value;
    return NULL;
  }
  return "a number is over 64 bits";
}

static uint64_t little_endian(const uint8_t *p, size_t n) {
  uint64_t value = 0;
  for (size_t i = 0; i < n; i++) value |= (uint64_t)p[i] << (8 * i);
  return value;
}

static void skip(tni_view *rest, size_t n) {
  rest->data += n;
  rest->size -= n;
}

static const char *take_item(tni_view *rest, tni_wire_item *item) {
  uint64_t tag, length;
  const char *wrong = take_varint(rest, &tag);
  if (wrong) return wrong;
  *item = (tni_wire_item){.number = (uint32_t)(tag >> 3), .wire = (uint32_t)(tag & 7)};
  if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return "a field number is out of range";
  switch (item->wire) {
  case WIRE_VARINT: return take_varint(rest, &item->value);
  case WIRE_FIXED32:
  case WIRE_FIXED64: {
    size_t n = item->wire == WIRE_FIXED32 ? 4 : 8;
    if (rest->size < n) return "a number is cut off";
    item->value = little_endian(rest->data, n);
    skip(rest, n);
    return NULL;
  }
  case WIRE_BYTES:
    if ((wrong = take_varint(rest, &length))) return wrong;
    if (length > rest->size) return "a length runs past the end";
    item->view = (tni_view){rest->data, (size_t)length};
    skip(rest, (size_t)length);
    return NULL;
  default: return "an unknown wire type";
  }
}

bool tni_wire_next(tni_view *rest, tni_wire_item *item) { return rest->size > 0 && !take_item(rest, item); }

tni_view tni_wire_find(tni_view message, uint32_t number) {
  tni_view found = {NULL, 0};
  tni_wire_item item;
  while (tni_wire_next(&message, &item))
    if (item.number == number && item.wire == 2) found = item.view;
  return found;
}

bool tni_view_is(tni_view view, const char *text) {
  return view.size == strlen(text) && (view.size == 0 || memcmp(view.data, text, view.size) == 0);
}

size_t tni_wire_count(tni_view message, uint32_t number) {
  size_t count = 0;
  tni_wire_item item;
  while (tni_wire_next(&message, &item)) count += item.number == number;
  return count;
}

bool tni_wire_numbers(const tni_wire_item *item, enum tni_wire_kind kind, bool (*add)(void *self, uint64_t value),
                      void *self) {
  if (item->wire != WIRE_BYTES) return add(self, item->value);
  tni_view rest = item->view;
  size_t n = kind == TNI_WIRE_FIXED32 ? 4 : 8;
  uint64_t value;
  while (rest.size > 0) {
    if (kind == TNI_WIRE_VARINT) {
      if (take_varint(&rest, &value)) return true;
    } else {
      if (rest.size < n) return true;
      value = little_endian(rest.data, n);
      skip(&rest, n);
    }
    if (!add(self, value)) return false;
  }
  return true;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* A message whose inside is being checked. */
typedef struct frame {
  const tni_wire_message *message;
  tni_view rest;
} frame;

static const tni_wire_field *find_field(const tni_wire_message *m, uint32_t number) {
  for (size_t i = 0; i < m->count; i++)
    if (m->fields[i].number == number) return &m->fields[i];
  return NULL;
}

static const char *check_packed(tni_view rest, enum tni_wire_kind kind) {
  uint64_t value;
  if (kind == TNI_WIRE_FIXED32 || kind == TNI_WIRE_FIXED64)
    return rest.size % (kind == TNI_WIRE_FIXED32 ? 4 : 8) ? "packed numbers are cut off" : NULL;
  while (rest.size > 0) {
    const char *wrong = take_varint(&rest, &value);
    if (wrong) return wrong;
  }
  return NULL;
}

/* Does the value on the wire fit the field's kind? */
static const char *check_value(const tni_wire_field *f, const tni_wire_item *item) {
  static const uint32_t single[] = {WIRE_VARINT, WIRE_FIXED32, WIRE_FIXED64, WIRE_BYTES, WIRE_BYTES};
  if (item->wire == single[f->kind]) return NULL;
  bool number = f->kind == TNI_WIRE_VARINT || f->kind == TNI_WIRE_FIXED32 || f->kind == TNI_WIRE_FIXED64;
  if (number && item->wire == WIRE_BYTES) return check_packed(item->view, f->kind);
  return "a value of the wrong wire type";
}

static tn_status malformed(tn_context *ctx, const tni_wire_message *m, const tni_wire_field *f, size_t offset,
                           const char *wrong, tn_error **err) {
  char place[32];
  snprintf(place, sizeof place, "offset %zu", offset);
  return tni_fail(ctx, err, TN_E_INVALID, "import", place, "%s%s%s: %s", m->name, f ? "." : "", f ? f->name : "",
                  wrong);
}

static tn_status check_all(tn_context *ctx, frame *stack, size_t capacity, const uint8_t *start, tn_error **err) {
  size_t depth = 1;
  while (depth > 0) {
    frame *top = &stack[depth - 1];
    if (top->rest.size == 0) {
      depth--;
      continue;
    }
    tni_wire_item item;
    size_t offset = (size_t)(top->rest.data - start);
    const char *wrong = take_item(&top->rest, &item);
    if (wrong) return malformed(ctx, top->message, NULL, offset, wrong, err);
    const tni_wire_field *f = find_field(top->message, item.number);
    if (!f) continue;
    if ((wrong = check_value(f, &item))) return malformed(ctx, top->message, f, offset, wrong, err);
    if (f->kind != TNI_WIRE_MESSAGE) continue;
    if (depth == capacity) {
      char place[32];
      snprintf(place, sizeof place, "offset %zu", offset);
      return tni_fail(ctx, err, TN_E_LIMIT, "import", place, "more than %zu messages in messages", capacity);
    }
    stack[depth++] = (frame){f->message, item.view};
  }
  return TN_OK;
}

tn_status tni_wire_check(tn_context *ctx, const tni_wire_message *message, tni_view bytes, tn_error **err) {
  size_t capacity = ctx->limits.nesting;
  frame *stack = tni_alloc(ctx, capacity * sizeof *stack);
  if (!stack) return tni_fail_nomem(err);
  stack[0] = (frame){message, bytes};
  tn_status status = check_all(ctx, stack, capacity, bytes.data, err);
  tni_free(ctx, stack, capacity * sizeof *stack);
  return status;
}
