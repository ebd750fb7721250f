/* foreign.h -- running compiled functions as a process of another architecture.
 *
 *     foreign_open      an empty folder, in `parent`
 *     foreign_object    an object into it, of functions
 *     foreign_add       one of these is to be called on these arguments
 *     foreign_run       the folder's calls.h, `input`; a shell command that makes a program of them and guest.c, and
 *                       runs it; `output`: what became of the calls is in them and in the memory of their buffers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_TARGETS_FOREIGN_H
#define TEST_TARGETS_FOREIGN_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "foreign_call.h"
#include "jit.h"
#include "suite.h"

enum { FOREIGN_CALLS = 1024 };

/* An argument: a buffer of so many bytes at `at`; or, if that is NULL, an index. */
typedef struct foreign_argument {
  void *at;
  size_t bytes;
  int64_t index;
} foreign_argument;

typedef struct foreign_entry {
  char name[32];
  size_t count;
  foreign_argument args[FOREIGN_ARGS];
  foreign_end end; /* after the run */
} foreign_entry;

typedef struct foreign {
  char folder[1024];
  size_t objects, count;
  foreign_entry calls[FOREIGN_CALLS];
} foreign;

static inline FILE *foreign_file(const foreign *f, const char *name, const char *mode) {
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", f->folder, name);
  FILE *file = fopen(path, mode);
  ck_assert_msg(file != NULL, "no %s", path);
  return file;
}

static inline void foreign_open(foreign *f, const char *parent) {
  snprintf(f->folder, sizeof f->folder, "%s/XXXXXX", parent);
  ck_assert_msg(mkdtemp(f->folder) != NULL, "%s cannot be made", f->folder);
  f->objects = f->count = 0;
}

static inline void foreign_object(foreign *f, const char *bytes, size_t size) {
  char name[32];
  snprintf(name, sizeof name, "object%zu.o", f->objects++);
  FILE *file = foreign_file(f, name, "wb");
  ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
  fclose(file);
}

static inline foreign_entry *foreign_add(foreign *f, const char *name, size_t count, const foreign_argument *args) {
  ck_assert_uint_lt(f->count, FOREIGN_CALLS);
  ck_assert_uint_le(count, FOREIGN_ARGS);
  foreign_entry *call = &f->calls[f->count++];
  *call = (foreign_entry){.count = count};
  snprintf(call->name, sizeof call->name, "%s", name);
  memcpy(call->args, args, count * sizeof *args);
  return call;
}

/* The function's prototype, and a function that calls it on buffers alone. */
static inline void foreign_write_call(FILE *out, size_t i, const foreign_entry *call) {
  fprintf(out, "int32_t %s(const tn_env *", call->name);
  for (size_t a = 0; a < call->count; a++) fprintf(out, ", %s", call->args[a].at ? "void *" : "int64_t");
  fprintf(out, ");\nstatic int32_t call_%zu(const tn_env *env, void *const *at) {\n  (void)at;\n  return %s(env", i,
          call->name);
  for (size_t a = 0, buffers = 0; a < call->count; a++) {
    if (call->args[a].at)
      fprintf(out, ", at[%zu]", buffers++);
    else
      fprintf(out, ", INT64_C(%" PRId64 ")", call->args[a].index);
  }
  fprintf(out, ");\n}\n");
}

static inline void foreign_write_row(FILE *out, size_t i, const foreign_entry *call) {
  size_t buffers = 0;
  for (size_t a = 0; a < call->count; a++) buffers += call->args[a].at != NULL;
  fprintf(out, "    {call_%zu, %zu, {", i, buffers);
  for (size_t a = 0; a < call->count; a++)
    if (call->args[a].at) fprintf(out, "%zu, ", call->args[a].bytes);
  fprintf(out, "0}},\n");
}

static inline void foreign_write(foreign *f) {
  FILE *out = foreign_file(f, "calls.h", "w"), *input = foreign_file(f, "input", "wb");
  for (size_t i = 0; i < f->count; i++) foreign_write_call(out, i, &f->calls[i]);
  fprintf(out, "static const foreign_row rows[] = {\n");
  for (size_t i = 0; i < f->count; i++) foreign_write_row(out, i, &f->calls[i]);
  fprintf(out, "};\n");
  for (size_t i = 0; i < f->count; i++)
    for (size_t a = 0; a < f->calls[i].count; a++) {
      const foreign_argument *arg = &f->calls[i].args[a];
      if (arg->at) ck_assert_uint_eq(fwrite(arg->at, 1, arg->bytes, input), arg->bytes);
    }
  ck_assert_int_eq(fclose(out), 0);
  ck_assert_int_eq(fclose(input), 0);
}

static inline void foreign_read(foreign *f) {
  FILE *output = foreign_file(f, "output", "rb");
  for (size_t i = 0; i < f->count; i++) {
    ck_assert_uint_eq(fread(&f->calls[i].end, sizeof f->calls[i].end, 1, output), 1);
    for (size_t a = 0; a < f->calls[i].count; a++) {
      const foreign_argument *arg = &f->calls[i].args[a];
      if (arg->at) ck_assert_uint_eq(fread(arg->at, 1, arg->bytes, output), arg->bytes);
    }
  }
  ck_assert_int_eq(fgetc(output), EOF);
  fclose(output);
}

/* `command` runs in the folder. */
static inline void foreign_run(foreign *f, const char *command) {
  char line[4096];
  foreign_write(f);
  int length = snprintf(line, sizeof line, "cd '%s' && %s", f->folder, command);
  ck_assert_int_lt(length, (int)sizeof line);
  ck_assert_msg(system(line) == 0, "failed: %s", line);
  foreign_read(f);
}

#endif
