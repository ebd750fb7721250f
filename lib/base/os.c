/* os.c -- the calls of the operating system that touch files, behind one table that a test can replace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

/* The size of the open regular file, or an errno value. */
static int regular_size(int file, size_t *size) {
  struct stat stat;
  if (fstat(file, &stat)) return errno;
  if (S_ISDIR(stat.st_mode)) return EISDIR;
  if (!S_ISREG(stat.st_mode)) return EINVAL;
  if ((uint64_t)stat.st_size > SIZE_MAX) return EFBIG;
  *size = (size_t)stat.st_size;
  return 0;
}

static int map_file(const char *path, const void **data, size_t *size) {
  *data = NULL;
  *size = 0;
  int file;
  do file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait for its writer */
  while (file < 0 && errno == EINTR);
  if (file < 0) return errno;
  int failure = regular_size(file, size);
  if (!failure && *size) {
    void *mapped = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED)
      failure = errno;
    else
      *data = mapped;
  }
  close(file);
  if (failure) *size = 0;
  return failure;
}

static void unmap_file(const void *data, size_t size) {
  if (data) munmap((void *)data, size);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const tni_os tni_os_default = {map_file, unmap_file, seconds};
