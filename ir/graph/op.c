/* op.c -- the operator table: look-up, and access to attributes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ops.h"

/* clang-format off */
#define POINTWISE_ROW(name, least, most, rule, attrs, meaning) \
  {#name, TNI_GOP_ELEMENTWISE, least, most, 1, attrs, tni_infer_##rule, tni_define_##name, meaning},
#define BLOCKS_ROW(name, kind, least, most, rule, attrs, meaning) \
  {#name, TNI_GOP_##kind, least, most, 1, attrs, tni_infer_##rule, tni_define_##name, meaning},
/* clang-format on */

static const tni_gop table[] = {TNI_POINTWISE_OPS(POINTWISE_ROW) TNI_BLOCK_OPS(BLOCKS_ROW)};

size_t tni_gop_count(void) { return TNI_COUNT(table); }

const tni_gop *tni_gop_at(size_t i) { return i < TNI_COUNT(table) ? &table[i] : NULL; }

const tni_gop *tni_gop_find_spelled(const char *name, size_t length) {
  for (size_t i = 0; i < TNI_COUNT(table); i++)
    if (strncmp(table[i].name, name, length) == 0 && !table[i].name[length]) return &table[i];
  return NULL;
}

const tni_gop *tni_gop_find(const char *name) { return tni_gop_find_spelled(name, strlen(name)); }

/* The row's text is words "name:kind". */
char tni_gop_attr_kind(const tni_gop *op, const char *name, size_t length) {
  for (const char *word = op->attrs; *word;) {
    const char *colon = strchr(word, ':');
    if ((size_t)(colon - word) == length && memcmp(word, name, length) == 0) return colon[1];
    word = colon + 2;
    while (*word == ' ') word++;
  }
  return 0;
}

static const tni_attr *find_attr(const tni_gnode *node, const char *name, enum tni_attr_kind kind) {
  for (uint32_t i = 0; i < node->attr_count; i++)
    if (node->attrs[i].kind == kind && strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
  return NULL;
}

int64_t tni_attr_int(const tni_gnode *node, const char *name, int64_t otherwise) {
  const tni_attr *a = find_attr(node, name, TNI_ATTR_INT);
  return a ? a->i : otherwise;
}

double tni_attr_float(const tni_gnode *node, const char *name, double otherwise) {
  const tni_attr *a = find_attr(node, name, TNI_ATTR_FLOAT);
  return a ? a->f : otherwise;
}

const int64_t *tni_attr_ints(const tni_gnode *node, const char *name, int32_t *count) {
  static const int64_t none[1] = {0};
  const tni_attr *a = find_attr(node, name, TNI_ATTR_INTS);
  *count = a ? a->count : 0;
  if (!a) return NULL;
  return a->ints ? a->ints : none;
}

const char *tni_attr_string(const tni_gnode *node, const char *name, const char *otherwise) {
  const tni_attr *a = find_attr(node, name, TNI_ATTR_STRING);
  return a && a->string ? a->string : otherwise;
}
