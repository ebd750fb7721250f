/* text.c -- text that grows, and text blocks: char pointers which know their context, for tn_text_destroy.
 *
 * A block is a header and then the bytes; a tni_text grows such a block, so that taking its contents copies nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "lib.h"

enum { FIRST_SIZE = 128 };

struct header {
  tn_context *ctx;
  size_t size; /* with this header */
};

static struct header *header_of(char *data) { return (struct header *)(void *)data - 1; }

/* A block with `capacity` bytes for text, or `data` moved into one (NULL, which keeps `data`: no memory). */
static char *resize_block(tn_context *ctx, char *data, size_t capacity) {
  size_t size;
  if (!tni_add_size(capacity, sizeof(struct header), &size)) return NULL;
  struct header *old = data ? header_of(data) : NULL;
  struct header *header = tni_resize(ctx, old, old ? old->size : 0, size);
  if (!header) return NULL;
  *header = (struct header){ctx, size};
  return (char *)(header + 1);
}

void tn_text_destroy(char *text) {
  if (!text) return;
  struct header *header = header_of(text);
  tni_free(header->ctx, header, header->size);
}

char *tni_text_block(tn_context *ctx, const char *bytes, size_t length) {
  size_t capacity;
  char *data = tni_add_size(length, 1, &capacity) ? resize_block(ctx, NULL, capacity) : NULL;
  if (!data) return NULL;
  if (length) memcpy(data, bytes, length);
  data[length] = 0;
  return data;
}

/* An empty text owns no block; nobody writes through `data` while `capacity` is 0. */
void tni_text_init(tni_text *text, tn_context *ctx) { *text = (tni_text){.ctx = ctx, .data = (char *)""}; }

void tni_text_destroy(tni_text *text) {
  if (text->capacity) tn_text_destroy(text->data);
  tni_text_init(text, text->ctx);
}

/* Room for `extra` more bytes and the NUL. False: no memory, the text has failed. */
static bool reserve(tni_text *text, size_t extra) {
  size_t need, capacity = text->capacity * 2;
  if (text->failed) return false;
  if (extra < text->capacity - text->length) return true;
  if (tni_add_size(text->length, extra, &need) && tni_add_size(need, 1, &need)) {
    if (capacity < FIRST_SIZE) capacity = FIRST_SIZE;
    if (capacity < need) capacity = need;
    char *data = resize_block(text->ctx, text->capacity ? text->data : NULL, capacity);
    if (data) {
      text->data = data;
      text->capacity = capacity;
      text->data[text->length] = 0;
      return true;
    }
  }
  text->failed = true;
  return false;
}

void tni_text_add_bytes(tni_text *text, const char *bytes, size_t length) {
  if (!length || !reserve(text, length)) return;
  memcpy(text->data + text->length, bytes, length);
  text->length += length;
  text->data[text->length] = 0;
}

static void add_formatted(tni_text *text, const char *format, va_list args) {
  va_list again;
  size_t room = text->capacity - text->length;
  va_copy(again, args);
  int length = vsnprintf(text->capacity ? text->data + text->length : NULL, room, format, args);
  if (length < 0) text->failed = true;
  if (length > 0 && (size_t)length >= room && reserve(text, (size_t)length))
    vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
  va_end(again);
  if (!text->failed && length > 0) text->length += (size_t)length;
  if (text->capacity) text->data[text->length] = 0;
}

char *tni_digits(char room[TNI_DIGITS], uint64_t value) {
  char *at = room + TNI_DIGITS - 1;
  *at = 0;
  do *--at = (char)('0' + value % 10);
  while (value /= 10);
  return at;
}

static void add_digits(tni_text *text, uint64_t value, bool negative) {
  char room[TNI_DIGITS], *first = tni_digits(room, value);
  if (negative) *--first = '-';
  tni_text_add_bytes(text, first, (size_t)(room + TNI_DIGITS - 1 - first));
}

void tni_text_add_number(tni_text *text, int64_t value) {
  add_digits(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

/* A directive of those that most texts are made of; its length behind the %, or 0: it is none of them. */
static size_t add_directive(tni_text *text, const char *directive, va_list *args) {
  const char *word;
  switch (directive[0]) {
  case '%': tni_text_add_bytes(text, "%", 1); return 1;
  case 's':
    word = va_arg(*args, const char *);
    tni_text_add_bytes(text, word, strlen(word));
    return 1;
  case 'd': tni_text_add_number(text, va_arg(*args, int)); return 1;
  case 'u': add_digits(text, va_arg(*args, unsigned), false); return 1;
  case 'z':
    if (directive[1] != 'u') return 0;
    add_digits(text, va_arg(*args, size_t), false);
    return 2;
  default: return 0;
  }
}

/* What is left from the first other directive on is the C library's, which takes longer to begin than most texts take. */
void tni_text_add_v(tni_text *text, const char *format, va_list args) {
  va_list rest;
  size_t plain, directive;
  va_copy(rest, args);
  for (;; format += plain + 1 + directive) {
    for (plain = 0; format[plain] && format[plain] != '%';) plain++; /* most are shorter than a call */
    tni_text_add_bytes(text, format, plain);
    if (!format[plain]) break;
    directive = add_directive(text, format + plain + 1, &rest);
    if (!directive) {
      add_formatted(text, format + plain, rest);
      break;
    }
  }
  va_end(rest);
}

void tni_text_add(tni_text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  tni_text_add_v(text, format, args);
  va_end(args);
}

void tni_text_clear(tni_text *text) {
  text->length = 0;
  if (text->capacity) text->data[0] = 0;
}

char *tni_text_take(tni_text *text) {
  char *data = NULL;
  if (!text->failed && !text->capacity) return tni_text_block(text->ctx, "", 0);
  if (text->failed)
    tni_text_destroy(text);
  else
    data = text->data;
  tni_text_init(text, text->ctx);
  return data;
}
