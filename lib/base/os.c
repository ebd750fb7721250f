/* os.c -- the calls of the operating system that touch files, behind one table that a test can replace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "directory.h"

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

static int map_open(int file, size_t size, const void **data) {
  void *mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  *data = mapped == MAP_FAILED ? NULL : mapped;
  return *data ? 0 : errno;
}

static int map_file(const char *path, const void **data, size_t *size) {
  *data = NULL;
  *size = 0;
  int file;
  do file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait for its writer */
  while (file < 0 && errno == EINTR);
  if (file < 0) return errno;
  int failure = regular_size(file, size);
  if (!failure && *size) failure = map_open(file, *size, data);
  close(file);
  if (failure) *size = 0;
  return failure;
}

static void unmap_file(const void *data, size_t size) {
  if (data) munmap((void *)data, size);
}

static void cool(const void *data, size_t size) { madvise((void *)(uintptr_t)data, size, MADV_DONTNEED); }

/* One step of a way: the part of the name before the next slash. */
static int open_part(int directory, const char *part, size_t size, int flags) {
  char text[NAME_MAX + 1];
  int file;
  if (size > NAME_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(text, part, size);
  text[size] = 0;
  do file = openat(directory, text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags);
  while (file < 0 && errno == EINTR);
  struct stat stat; /* a link where a directory is asked for is told as none */
  if (file < 0 && errno == ENOTDIR)
    errno = !fstatat(directory, text, &stat, AT_SYMLINK_NOFOLLOW) && S_ISLNK(stat.st_mode) ? ELOOP : ENOTDIR;
  return file;
}

/* The file, opened step by step, no step over a link or up; or -1 and errno. */
static int walk(int directory, const char *name) {
  int at = fcntl(directory, F_DUPFD_CLOEXEC, 0);
  while (at >= 0 && *name) {
    size_t size = strcspn(name, "/");
    bool last = !name[size + strspn(name + size, "/")];
    if (size == 2 && memcmp(name, "..", 2) == 0) {
      close(at);
      errno = EXDEV;
      return -1;
    }
    int next = open_part(at, name, size, last ? 0 : O_DIRECTORY);
    int failure = errno;
    close(at);
    errno = failure;
    at = next;
    name += size;
    name += strspn(name, "/");
  }
  return at;
}

static int open_beneath(const char *directory, const char *name, int *file, uint64_t *size) {
  struct stat stat;
  *file = -1;
  if (!*name) return ENOENT;
  if (*name == '/') return EXDEV;
  int root;
  do root = open(directory, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  while (root < 0 && errno == EINTR);
  if (root < 0) return errno;
  int opened = walk(root, name), failure = opened < 0 ? errno : 0;
  close(root);
  if (failure) return failure;
  failure = fstat(opened, &stat) ? errno : S_ISDIR(stat.st_mode) ? EISDIR : !S_ISREG(stat.st_mode) ? EINVAL : 0;
  if (!failure && stat.st_nlink != 1) failure = EMLINK;
  if (failure) {
    close(opened);
    return failure;
  }
  *file = opened;
  *size = (uint64_t)stat.st_size;
  return 0;
}

static int read_at(int file, uint64_t offset, void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t some = pread(file, (char *)to + done, size - done, (off_t)(offset + done));
    if (some < 0 && errno != EINTR) return errno;
    if (some == 0) return ENODATA;
    done += some > 0 ? (size_t)some : 0;
  }
  return 0;
}

static void close_file(int file) { close(file); }

static int map_memory(size_t size, void **memory) {
  *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*memory != MAP_FAILED) return 0;
  *memory = NULL;
  return errno;
}

static int seal_memory(void *memory, size_t size, bool executable) {
  return mprotect(memory, size, executable ? PROT_READ | PROT_EXEC : PROT_READ) ? errno : 0;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const tni_os tni_os_default = {
    .map = map_file,
    .map_open = map_open,
    .unmap = unmap_file,
    .cool = cool,
    .seconds = seconds,
    .open_beneath = open_beneath,
    .read_at = read_at,
    .close = close_file,
    .map_memory = map_memory,
    .seal_memory = seal_memory,
    .make_directory = tni_make_directory,
    .open_at = tni_open_at,
    .describe = tni_describe_file,
    .write_all = tni_write_all,
    .rename_at = tni_rename_at,
    .unlink_at = tni_unlink_at,
    .touch = tni_touch,
    .list = tni_list,
    .build_id = tni_build_id,
    .file_build_id = tni_file_build_id,
    .user = tni_user,
    .is_privileged = tni_is_privileged,
};
