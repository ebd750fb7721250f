/* test_plan_text.c -- plans as text: what is printed reads back as the same plan; what bad text is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../lib/fault.h"
#include "ir.h"

static const char *const kernels[] = {"add_bias", NULL, "copy", "conv/1"};

static const tni_plan_buffer buffers[] = {{TNI_PLAN_INPUT, 0, 0, 64},   {TNI_PLAN_CONST, 0, 0, 64},
                                          {TNI_PLAN_ARENA, 0, 64, 64},  {TNI_PLAN_OUTPUT, 0, 0, 64},
                                          {TNI_PLAN_OUTPUT, 1, 0, 64},  {TNI_PLAN_ARENA, 0, 128, 0},
                                          {TNI_PLAN_PART, 3, 16, 48}};
static const tni_plan_step steps[] = {{0, 3, 0}, {1, 3, 3}, {TNI_PLAN_COPY, 2, 6}, {2, 0, 8}, {3, 1, 8}};
static const uint32_t args[] = {0, 1, 2, 2, 0, 6, 4, 2, 5};
static const tni_plan plan = {1, 2, 1, 7, 5, 9, 128, buffers, steps, args};

static const char plan_text[] = "plan \"main graph\"(1 inputs, 2 outputs, 1 constants, 128 bytes) {\n"
                                "  b0 = input[0]: 64\n"
                                "  b1 = const[0]: 64\n"
                                "  b2 = arena[64]: 64\n"
                                "  b3 = output[0]: 64\n"
                                "  b4 = output[1]: 64\n"
                                "  b5 = arena[128]: 0\n"
                                "  b6 = b3[16]: 48\n"
                                "  call add_bias(b0, b1, b2)\n"
                                "  call 1(b2, b0, b6)\n"
                                "  copy(b4, b2)\n"
                                "  call copy()\n"
                                "  call \"conv/1\"(b5)\n"
                                "}\n";

static tn_status parse(tn_context *ctx, const char *text, tni_arena *arena, tni_plan *out, const char **name,
                       tn_error **err) {
  tni_arena_init(arena, ctx);
  return tni_plan_parse(arena, text, strlen(text), "p.plan", TNI_COUNT(kernels), kernels, out, name, err);
}

START_TEST(plans_print_and_read_back)
{
  tn_context *ctx;
  tni_text text;
  tni_arena arena;
  tni_plan back;
  const char *name;
  tn_error *err;
  ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK);
  tni_text_init(&text, ctx);
  tni_plan_print(&text, "main graph", &plan, kernels);
  ck_assert_str_eq(text.data, plan_text);
  tn_status status = parse(ctx, text.data, &arena, &back, &name, &err);
  ck_assert_msg(status == TN_OK, "%s", tn_error_text(err));
  ck_assert_str_eq(name, "main graph");
  ck_assert_uint_eq(back.input_count, 1);
  ck_assert_uint_eq(back.output_count, 2);
  ck_assert_uint_eq(back.const_count, 1);
  ck_assert_uint_eq(back.arena_bytes, 128);
  ck_assert_uint_eq(back.buffer_count, 7);
  ck_assert_uint_eq(back.step_count, 5);
  ck_assert_uint_eq(back.arg_count, 9);
  for (uint32_t i = 0; i < 7; i++) {
    const tni_plan_buffer *a = &buffers[i], *b = &back.buffers[i];
    ck_assert(a->kind == b->kind && a->index == b->index && a->offset == b->offset && a->bytes == b->bytes);
  }
  ck_assert_mem_eq(back.steps, steps, sizeof steps);
  ck_assert_mem_eq(back.args, args, sizeof args);
  tni_text_destroy(&text);
  tni_arena_destroy(&arena);
  tn_context_destroy(ctx);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void check_text_refused(const char *text, tn_status status, const char *want) {
  tn_context *ctx;
  tni_arena arena;
  tni_plan out;
  const char *name;
  tn_error *err;
  const tn_context_desc desc = {.struct_size = sizeof desc, .limits = {.total_bytes = 1000}};
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
  ck_assert_msg(parse(ctx, text, &arena, &out, &name, &err) == status, "%s", text);
  ck_assert_ptr_null(name);
  ck_assert_uint_eq(out.step_count, 0);
  ck_assert_str_eq(tn_error_text(err), want);
  tn_error_destroy(err);
  tni_arena_destroy(&arena);
  tn_context_destroy(ctx);
}

/* One mistake in the line, which is the 3rd of a plan with buffer b0 of 64 bytes: at `column`, `length` long. */
static void check_refused(const char *line, int column, int length, const char *reason) {
  char text[512], want[512];
  snprintf(text, sizeof text, "plan p(1 inputs, 1 outputs, 1 constants, 128 bytes) {\nb0 = input[0]: 64\n%s\n}", line);
  int n = snprintf(want, sizeof want, "parse: p.plan:3:%d: %s\n  %s\n  %*s", column, reason, line, column - 1, "");
  for (int i = 0; i < length; i++) want[n++] = '^';
  want[n] = '\0';
  check_text_refused(text, TN_E_INVALID, want);
}

START_TEST(bad_buffers_are_told)
{
  check_refused("b2 = input[0]: 64", 1, 2, "buffers are numbered in order, this one is b1");
  check_refused("b0 = input[0]: 64", 1, 2, "buffers are numbered in order, this one is b1");
  check_refused("b01 = input[0]: 64", 1, 3, "expected a buffer, `call` or `copy`, found `b01`");
  check_refused("b1 input[0]: 64", 4, 5, "expected `=` and where the buffer is, found `input`");
  check_refused("b1 = inputs[0]: 64", 6, 6, "expected `input`, `output`, `const`, `arena` or a buffer, found `inputs`");
  check_refused("b1 = input 0: 64", 12, 1, "expected `[` and its number or offset, found `0`");
  check_refused("b1 = input[x]: 64", 12, 1, "expected a number, found `x`");
  check_refused("b1 = input[0.5]: 64", 12, 3, "an integer type needs a number without point and exponent");
  check_refused("b1 = input[4294967295]: 64", 12, 10, "the number is too large");
  check_refused("b1 = input[18446744073709551616]: 64", 12, 20, "the number is too large for its type");
  check_refused("b1 = input[0: 64", 13, 1, "expected `]`, found `:`");
  check_refused("b1 = input[0] 64", 15, 2, "expected `:` and its bytes, found `64`");
  check_refused("b1 = input[0]: x", 16, 1, "expected a number of bytes, found `x`");
  check_refused("b1 = input[1]: 64", 1, 2, "there is no input 1");
  check_refused("b1 = output[1]: 64", 1, 2, "there is no output 1");
  check_refused("b1 = const[1]: 64", 1, 2, "there is no const 1");
  check_refused("b1 = arena[65]: 64", 1, 2, "the slice ends beyond the arena");
  check_refused("b1 = arena[18446744073709551615]: 64", 1, 2, "the slice ends beyond the arena");
  check_refused("b1 = b1[0]: 64", 6, 2, "there is no such buffer above that is no part");
  check_refused("b1 = b0[0]: 8; b2 = b1[0]: 8", 21, 2, "there is no such buffer above that is no part");
  check_refused("b1 = b0[1]: 64", 1, 2, "the part ends beyond its buffer");
  check_refused("b1 = b0[65]: 0", 1, 2, "the part ends beyond its buffer");
  check_refused("b1 = arena[0]: 64 b2 = arena[0]: 64", 19, 2, "expected a new line or `;` after a step, found `b2`");
}
END_TEST

START_TEST(bad_steps_are_told)
{
  check_refused("launch(b0)", 1, 6, "expected a buffer, `call` or `copy`, found `launch`");
  check_refused("call add(b0)", 6, 3, "there is no kernel of this name");
  check_refused("call 0(b0)", 6, 1, "there is no kernel of this number");
  check_refused("call 4(b0)", 6, 1, "there is no kernel of this number");
  check_refused("call (b0)", 6, 1, "expected the name of a kernel, found `(`");
  check_refused("call add_bias b0", 15, 2, "expected `(` and the buffers, found `b0`");
  check_refused("call add_bias(0)", 15, 1, "expected a buffer such as `b0`, found `0`");
  check_refused("call add_bias(b1)", 15, 2, "there is no such buffer above");
  check_refused("call add_bias(b)", 15, 1, "there is no such buffer above");
  check_refused("call add_bias(b0 b0)", 18, 2, "expected `)` or `,` after a buffer, found `b0`");
  check_refused("copy(b0)", 1, 4, "a copy takes two buffers of one size");
  check_refused("b1 = arena[0]: 8; copy(b0, b1)", 19, 4, "a copy takes two buffers of one size");
}
END_TEST

#define HEAD(column, mark, line, reason) \
  check_text_refused(line, TN_E_INVALID, "parse: p.plan:1:" column ": " reason "\n  " line "\n  " mark)

START_TEST(bad_heads_are_told)
{
  HEAD("1", "^^^^", "func p", "expected `plan`, found `func`");
  HEAD("6", "     ^", "plan 3", "expected the name of the plan, found `3`");
  HEAD("8", "       ^", "plan p 3", "expected `(` and the counts, found `3`");
  HEAD("8", "       ^", "plan p(x", "expected a number, found `x`");
  HEAD("10", "         ^", "plan p(1 x", "expected `inputs` behind the number, found `x`");
  HEAD("17", "                ^", "plan p(1 inputs 1", "expected `,` behind the count, found `1`");
  HEAD("53", "                                                    ^",
       "plan p(1 inputs, 2 outputs, 3 constants, 1000 bytes ]", "expected `)` behind the counts, found `]`");
  HEAD("54", "                                                     ^",
       "plan p(1 inputs, 2 outputs, 3 constants, 1000 bytes) 1", "expected `{`, found `1`");
  HEAD("54", "                                                     ^^^^", "plan p(1 inputs, 2 outputs, 3 constants, 0 bytes) {} plan",
       "expected the end of the text, found `plan`");
  check_text_refused("plan p(1 inputs, 1 outputs, 1 constants, 1001 bytes) {\n}", TN_E_LIMIT,
                     "parse: p.plan:1:42: intermediates are over tn_limits.total_bytes\n"
                     "  plan p(1 inputs, 1 outputs, 1 constants, 1001 bytes) {\n"
                     "                                           ^^^^");
  check_text_refused("plan p(1 inputs, 1 outputs, 1 constants, 1 bytes) {\n", TN_E_INVALID,
                     "parse: p.plan:1:52: expected `}`, found the end of the text\n"
                     "  plan p(1 inputs, 1 outputs, 1 constants, 1 bytes) {\n"
                     "                                                     ^");
}
END_TEST

START_TEST(one_run_finds_many_mistakes)
{
  check_text_refused("plan p(1 inputs, 1 outputs, 0 constants, 0 bytes) {\nb0 = const[0]: 4\ncall none()\ncopy(b7, b8)\n}",
                     TN_E_INVALID,
                     "parse: p.plan:2:1: there is no const 0\n  b0 = const[0]: 4\n  ^^\n"
                     "p.plan:3:6: there is no kernel of this name\n  call none()\n       ^^^^\n"
                     "p.plan:4:6: there is no such buffer above\n  copy(b7, b8)\n       ^^");
}
END_TEST

START_TEST(no_memory_is_reported)
{
  tn_status status = TN_E_NOMEM;
  for (long step = 1; status; step++) {
    fault f = {.fail_at = 0};
    tn_context *ctx = fault_context(&f);
    tni_arena arena;
    tni_plan out;
    const char *name;
    tn_error *err;
    f.fail_at = atomic_load(&f.calls) + step;
    status = parse(ctx, plan_text, &arena, &out, &name, &err);
    ck_assert(status == TN_OK || status == TN_E_NOMEM);
    tn_error_destroy(err);
    tni_arena_destroy(&arena);
    fault_finish(&f, ctx);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {plans_print_and_read_back,   bad_buffers_are_told,  bad_steps_are_told, bad_heads_are_told,
                                one_run_finds_many_mistakes, no_memory_is_reported};
  return suite_run_tests("plan text", tests, TNI_COUNT(tests), NULL, NULL);
}
