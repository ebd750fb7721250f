/* directory.h -- what os.c puts into its table from directory.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_DIRECTORY_H
#define TNI_DIRECTORY_H

#include "lib.h"

int tni_make_directory(const char *path);
int tni_open_at(int directory, const char *name, enum tni_open how, int *file);
int tni_describe_file(int file, tni_file *out);
int tni_write_all(int file, const void *bytes, size_t size);
int tni_rename_at(int directory, const char *from, const char *to);
int tni_unlink_at(int directory, const char *name);
int tni_touch(int file);
int tni_list(int directory, void (*visit)(void *self, const char *name), void *self);
uint32_t tni_user(void);
bool tni_is_privileged(void);

#endif
