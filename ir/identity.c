/* identity.c -- which functions are the same: those of one canonical text, in which numbers stand for names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

/* Makes `out` the canonical text; to be destroyed also after a failure. */
static tn_status make_canonical(const tn_func *func, tni_text *out, tn_error **err) {
  tni_text_init(out, func->program->ctx);
  tni_text_add(out, "tenon %d\n", TN_LANGUAGE_VERSION);
  tni_print_canonical(out, func);
  return out->failed ? tni_fail_nomem(err) : TN_OK;
}

tn_status tn_func_equal(const tn_func *a, const tn_func *b, uint8_t *equal, tn_error **err) {
  tni_text left, right;
  if (err) *err = NULL;
  *equal = 0;
  tn_status status = make_canonical(a, &left, err);
  if (status == TN_OK) {
    status = make_canonical(b, &right, err);
    *equal = status == TN_OK && left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
    tni_text_destroy(&right);
  }
  tni_text_destroy(&left);
  return status;
}

tn_status tn_func_hash(const tn_func *func, uint64_t hash[2], tn_error **err) {
  tni_text text;
  if (err) *err = NULL;
  hash[0] = hash[1] = 0;
  tn_status status = make_canonical(func, &text, err);
  if (status == TN_OK) {
    tni_hash h = tni_hash_bytes(text.data, text.length);
    hash[0] = h.low;
    hash[1] = h.high;
  }
  tni_text_destroy(&text);
  return status;
}
