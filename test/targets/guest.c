/* guest.c -- calls the functions of calls.h on the buffers of the file `input`; writes how each call ended, and the
 * buffers, to `output`. It is compiled for the architecture of the functions; see foreign.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "foreign_call.h"
#include "sched/externals.h"
#include "tenon/runtime.h"

typedef struct foreign_row {
  int32_t (*call)(const tn_env *env, void *const *at);
  size_t count;
  size_t bytes[FOREIGN_ARGS + 1];
} foreign_row;

#include "calls.h"

/* ---- the environment --------------------------------------------------------------------------------------------- */

static int32_t parallel_for(const tn_env *env, int32_t (*body)(const tn_env *, void *, int64_t, int64_t), void *closure,
                            int64_t count, int64_t grain) {
  (void)grain;
  for (int64_t begin = 0; begin < count; begin += 3) {
    int32_t status = body(env, closure, begin, begin + 3 < count ? begin + 3 : count);
    if (status) return status;
  }
  return 0;
}

static void *get_memory(size_t bytes) {
  void *at = aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (!at) abort();
  return at;
}

static void *scratch(const tn_env *env, size_t bytes) {
  ((foreign_end *)env->self)->held++;
  return get_memory(bytes);
}

static void release(const tn_env *env, void *block) {
  ((foreign_end *)env->self)->held--;
  free(block);
}

/* `bump` and `touch`, in the order in which programs declare them. */
static int32_t call_external(const tn_env *env, int32_t index, const tn_value *args, int32_t count, tn_value *result) {
  uint64_t *calls = &((foreign_end *)env->self)->externals;
  if (index == 0 && count == 1)
    *result = tn_value_float(external_bump(calls, args[0].as.i));
  else if (index == 1 && count == 2)
    *result = tn_value_float(external_touch(calls, args[0].as.pointer, args[1].as.i));
  else
    return TN_E_NOT_FOUND;
  return TN_OK;
}

static int32_t assertion(const tn_env *env, const char *text) {
  foreign_end *end = env->self;
  snprintf(end->assertion, sizeof end->assertion, "%s", text);
  return TN_E_INVALID;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void run(const foreign_row *row, FILE *input, FILE *output) {
  void *at[FOREIGN_ARGS] = {NULL};
  foreign_end end = {0};
  const tn_env env = {sizeof env, &end, parallel_for, scratch, release, call_external, assertion};
  for (size_t i = 0; i < row->count; i++) {
    at[i] = get_memory(row->bytes[i]);
    if (fread(at[i], 1, row->bytes[i], input) != row->bytes[i]) abort();
  }
  end.status = row->call(&env, at);
  fwrite(&end, sizeof end, 1, output);
  for (size_t i = 0; i < row->count; i++) {
    fwrite(at[i], 1, row->bytes[i], output);
    free(at[i]);
  }
}

int main(void) {
  FILE *input = fopen("input", "rb"), *output = fopen("output", "wb");
  if (!input || !output) return 1;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) run(&rows[i], input, output);
  fclose(input);
  int failed = ferror(output);
  return fclose(output) || failed;
}
