/* rebuilt.h -- the programs that dump_c wrote as C.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <tenon/tenon.h>

extern const struct rebuilt {
  const char *file;
  tn_status (*rebuild)(tn_context *context, const void *blob, size_t blob_size, tn_program **out, tn_error **err);
  const char *text; /* what the program printed */
} rebuilt[];          /* the last has no file */
