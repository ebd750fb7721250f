/* test_nomem.c -- each allocation is made to fail, one at a time: always a clean TN_E_NOMEM, never a leak.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <unistd.h>

#include "fault.h"

/* A piece of work on a fresh context; gives its status, or the first one that was not TN_OK. */
typedef tn_status (*scenario)(tn_context *ctx);

static tn_status do_work(tn_context *ctx, const void *work) { return (*(const scenario *)work)(ctx); }

static void step_both_ways(scenario work) {
  fault_walk(do_work, &work, false);
  fault_walk(do_work, &work, true);
}

/* The status, after checking that the error says the same and that it came with an output or not. */
static tn_status agreed(tn_status status, tn_error *err, bool has_output) {
  ck_assert_int_eq(tn_error_status(err), status);
  ck_assert(has_output == !status);
  tn_error_destroy(err);
  return status;
}

static tn_status do_nothing(tn_context *ctx) {
  (void)ctx;
  return TN_OK;
}
START_TEST(context_create)
{ step_both_ways(do_nothing); }
END_TEST

static tn_status make_tensor(tn_context *ctx) {
  tn_tensor *tensor;
  tn_error *err;
  int64_t shape[] = {3, 5};
  tn_status status = tn_tensor_create(ctx, TN_F32, 2, shape, &tensor, &err);
  if (agreed(status, err, tensor)) return status;
  DLManagedTensorVersioned *managed;
  status = tn_tensor_to_dlpack(tensor, &managed, &err);
  if (agreed(status, err, managed)) {
    tn_tensor_destroy(tensor);
    return status;
  }
  status = tn_tensor_from_dlpack(ctx, managed, &tensor, &err); /* deletes what it was given also when it fails */
  agreed(status, err, tensor);
  tn_tensor_destroy(tensor);
  return status;
}
START_TEST(tensor_create_and_dlpack)
{ step_both_ways(make_tensor); }
END_TEST

static tn_status refuse_tensor(tn_context *ctx) {
  int64_t shape[] = {3, 5}, other[] = {3, 6};
  DLTensor t = {.data = shape, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape};
  tn_error *err;
  tn_status status = tni_tensor_check(ctx, &t, "input `x`", TN_F32, 2, other, &err);
  agreed(status, err, false);
  return status == TN_E_INVALID ? TN_OK : status;
}
START_TEST(tensor_check)
{ step_both_ways(refuse_tensor); }
END_TEST

static tn_status fill_arena(tn_context *ctx) {
  tni_arena arena;
  tni_arena_init(&arena, ctx);
  for (int i = 0; i < 100; i++) {
    char *text = tni_arena_format(&arena, "%0300d", i);
    ck_assert(text || arena.failed);
  }
  tn_status status = arena.failed ? TN_E_NOMEM : TN_OK;
  tni_arena_destroy(&arena);
  return status;
}
START_TEST(arena)
{ step_both_ways(fill_arena); }
END_TEST

static tn_status write_text(tn_context *ctx) {
  tni_text text;
  tni_text_init(&text, ctx);
  for (int i = 0; i < 300; i++) tni_text_add(&text, "line %d\n", i);
  char *taken = tni_text_take(&text);
  if (!taken) return TN_E_NOMEM;
  tn_text_destroy(taken);
  return TN_OK;
}
START_TEST(text)
{ step_both_ways(write_text); }
END_TEST

static tn_status chain_errors(tn_context *ctx) {
  tn_error *err;
  tn_status status = tni_fail(ctx, &err, TN_E_IO, "import", "byte 7", "it is %s", "bad");
  status = tni_fail_because(ctx, &err, err, TN_E_INVALID, "load", NULL, "no model");
  ck_assert_int_eq(tn_error_status(err), status);
  ck_assert_uint_gt(strlen(tn_error_text(err)), 0);
  tn_error_destroy(err);
  return status == TN_E_INVALID ? TN_OK : status;
}
START_TEST(errors)
{ step_both_ways(chain_errors); }
END_TEST

static tn_status map_file(tn_context *ctx) {
  char path[] = "/tmp/tenon-test-XXXXXX";
  int file = mkstemp(path);
  ck_assert_int_eq(write(file, "bytes", 5), 5);
  close(file);
  tni_blob *blob;
  tn_error *err;
  tn_status status = tni_blob_map(ctx, path, 100, "import", &blob, &err);
  agreed(status, err, blob);
  unlink(path);
  tni_blob_unref(blob);
  if (status) return status;
  blob = tni_blob_create(ctx, 100);
  tni_blob_unref(blob);
  return blob ? TN_OK : TN_E_NOMEM;
}
START_TEST(blobs)
{ step_both_ways(map_file); }
END_TEST

static int32_t copy_four(const tn_env *env, void *const *args) {
  (void)env;
  memcpy(args[1], args[0], 4);
  return 0;
}

static tn_status run_plan(tn_context *ctx) {
  const tni_plan_buffer buffers[] = {{TNI_PLAN_INPUT, 0, 0, 4}, {TNI_PLAN_ARENA, 0, 0, 4}, {TNI_PLAN_OUTPUT, 0, 0, 4}};
  const uint32_t args[] = {0, 1, 2, 1};
  const tni_plan_step steps[] = {{0, 2, 0}, {TNI_PLAN_COPY, 2, 2}};
  const tni_plan plan = {1, 1, 0, 3, 2, 4, 64, buffers, steps, args};
  const tni_callee kernels[] = {{tni_call_packed, (tni_machine_code)copy_four}};
  tni_executor *e;
  tn_error *err;
  tn_status status = tni_executor_create(ctx, &plan, NULL, kernels, NULL, &e, &err);
  if (agreed(status, err, e)) return status;
  int32_t in = 42, out = 0;
  uint32_t failed;
  status = tni_executor_run(e, (void *[]){&in}, (void *[]){&out}, &failed);
  ck_assert_uint_eq(failed, TNI_PLAN_NO_STEP);
  ck_assert_int_eq(out, status ? 0 : 42);
  tni_executor_destroy(e);
  return status;
}
START_TEST(executor_create_and_run)
{ step_both_ways(run_plan); }
END_TEST

static int32_t add_up(void *closure, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i++) atomic_fetch_add((_Atomic int64_t *)closure, i);
  return 0;
}

/* A region needs no memory to be right: without a pool it runs on its caller. */
static tn_status run_region(tn_context *ctx) {
  _Atomic int64_t sum = 0;
  ck_assert_int_eq(tni_parallel_for(ctx, add_up, &sum, 100, 1), 0);
  ck_assert_int_eq(atomic_load(&sum), 4950);
  return TN_OK;
}
START_TEST(parallel_region)
{ step_both_ways(run_region); }
END_TEST

static tn_status use_scratch(tn_context *ctx) {
  void *block = tni_scratch_get(ctx, 1000);
  tni_scratch_release(ctx, block);
  ck_assert_int_ge(tni_topology_get(ctx)->cores, 1);
  return block ? TN_OK : TN_E_NOMEM;
}
START_TEST(scratch_and_topology)
{ step_both_ways(use_scratch); }
END_TEST

int main(void) {
  const TTest *const tests[] = {
      context_create,          tensor_create_and_dlpack, tensor_check,        arena, text, errors, blobs,
      executor_create_and_run, parallel_region,          scratch_and_topology};
  return suite_run_tests("nomem", tests, TNI_COUNT(tests), NULL, NULL);
}
