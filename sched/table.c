/* table.c -- the primitives as a table, and what their rows say of arguments.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* clang-format off */
#define ARG(kind, name) {#name, TNI_ARG_##kind, false, NULL}
#define WORD(name, words) {#name, TNI_ARG_word, false, words}
#define OPTION(kind, name, fallback) {#name, TNI_ARG_##kind, true, fallback}
#define UNPACK(...) __VA_ARGS__
#define PRIMITIVE(name, args, results, flags, meaning, doc) \
  {#name, {UNPACK args}, #results, flags, tni_apply_##name, meaning, doc},

const tni_primitive tni_primitives[TNI_PRIMITIVE_COUNT] = {
#include "primitives.def"
};
/* clang-format on */

const tni_primitive *tni_primitive_find(const char *name, size_t length) {
  for (size_t i = 0; i < TNI_PRIMITIVE_COUNT; i++)
    if (strlen(tni_primitives[i].name) == length && memcmp(tni_primitives[i].name, name, length) == 0)
      return &tni_primitives[i];
  return NULL;
}

int tni_argument_count(const tni_primitive *p) {
  int count = 0;
  while (count < TNI_MAX_ARGS && p->params[count].name) count++;
  return count;
}

bool tni_is_list(enum tni_kind kind) {
  return kind == TNI_ARG_loops || kind == TNI_ARG_ints || kind == TNI_ARG_floats;
}

int tni_find_word(const char *words, const char *text) {
  size_t length = strlen(text);
  for (int i = 0;; i++) {
    size_t n = strcspn(words, "|");
    if (n == length && memcmp(words, text, n) == 0) return i;
    if (!words[n]) return -1;
    words += n + 1;
  }
}
