/* directory.c -- the system's calls on a directory that is held open: the part of tni_os that caches stand on.
 *
 * Nothing here follows a symbolic link in the last part of a name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"

int tni_make_directory(const char *path) { return mkdir(path, 0700) ? errno : 0; }

int tni_open_at(int directory, const char *name, enum tni_open how, int *file) {
  static const int flags[] = {[TNI_OPEN_DIRECTORY] = O_RDONLY | O_DIRECTORY,
                              [TNI_OPEN_READ] = O_RDONLY | O_NONBLOCK,
                              [TNI_OPEN_NEW] = O_WRONLY | O_CREAT | O_EXCL};
  int from = directory == TNI_NO_DIRECTORY ? AT_FDCWD : directory;
  do *file = openat(from, name, flags[how] | O_CLOEXEC | O_NOFOLLOW, 0600);
  while (*file < 0 && errno == EINTR);
  return *file < 0 ? errno : 0;
}

int tni_describe_file(int file, tni_file *out) {
  struct stat stat;
  *out = (tni_file){0};
  if (fstat(file, &stat)) return errno;
  *out = (tni_file){.size = (uint64_t)stat.st_size,
                    .device = (uint64_t)stat.st_dev,
                    .number = (uint64_t)stat.st_ino,
                    .links = (uint64_t)stat.st_nlink,
                    .changed = (int64_t)stat.st_mtim.tv_sec * 1000000000 + stat.st_mtim.tv_nsec,
                    .user = stat.st_uid,
                    .mode = stat.st_mode & 07777,
                    .is_regular = S_ISREG(stat.st_mode)};
  return 0;
}

int tni_write_all(int file, const void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t some = write(file, (const char *)bytes + done, size - done);
    if (some < 0 && errno != EINTR) return errno;
    done += some > 0 ? (size_t)some : 0;
  }
  return 0;
}

int tni_rename_at(int directory, const char *from, const char *to) {
  return renameat(directory, from, directory, to) ? errno : 0;
}

int tni_unlink_at(int directory, const char *name) { return unlinkat(directory, name, 0) ? errno : 0; }

int tni_touch(int file) { return futimens(file, NULL) ? errno : 0; }

int tni_list(int directory, void (*visit)(void *self, const char *name), void *self) {
  int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return errno;
  DIR *stream = fdopendir(own);
  if (!stream) {
    int failure = errno;
    close(own);
    return failure;
  }
  errno = 0;
  for (struct dirent *e; (e = readdir(stream)); errno = 0) visit(self, e->d_name);
  int failure = errno;
  closedir(stream);
  return failure;
}

uint32_t tni_user(void) { return geteuid(); }

bool tni_is_privileged(void) { return getauxval(AT_SECURE) != 0; }
