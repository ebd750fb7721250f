/* test_wire.c -- the protobuf reader: what it takes, what it refuses, and where.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import/import.h"
#include "onnx_writer.h"
#include "suite.h"

static tn_context *ctx;

static void setup(void) { ck_assert_int_eq(tn_context_create(NULL, &ctx, NULL), TN_OK); }
static void teardown(void) { tn_context_destroy(ctx); }

/* Checks the bytes as a model. "" when they are right, else "place: reason". */
static const char *check_model(const void *data, size_t size) {
  static char text[512];
  tn_error *err = NULL;
  tn_status status = tni_wire_check(ctx, &tni_onnx_model, (tni_view){data, size}, &err);
  ck_assert_int_eq(status, err ? tn_error_status(err) : TN_OK);
  snprintf(text, sizeof text, "%s%s%s", tn_error_place(err), err ? ": " : "", tn_error_reason(err));
  tn_error_destroy(err);
  return text;
}

START_TEST(fields_are_read_in_order)
{
  bytes b = {0};
  put_int(&b, 1, -1);
  put_text(&b, 2, "two");
  put_float(&b, 3, 1.5f);
  tni_view rest = {b.data, b.size};
  tni_wire_item item;
  ck_assert(tni_wire_next(&rest, &item));
  ck_assert_uint_eq(item.number, 1);
  ck_assert_uint_eq(item.value, UINT64_MAX);
  ck_assert(tni_wire_next(&rest, &item));
  ck_assert_uint_eq(item.view.size, 3);
  ck_assert_mem_eq(item.view.data, "two", 3);
  ck_assert(tni_wire_next(&rest, &item));
  ck_assert_uint_eq(item.value, 0x3fc00000);
  ck_assert(!tni_wire_next(&rest, &item));
  free(b.data);
}
END_TEST

static bool add(void *self, uint64_t value) {
  *(uint64_t *)self = *(uint64_t *)self * 1000 + value;
  return true;
}

START_TEST(packed_and_single_numbers_are_the_same)
{
  static const uint8_t packed[] = {0x0a, 0x04, 0x01, 0xac, 0x02, 0x03}; /* 1, 300, 3 */
  tni_view rest = {packed, sizeof packed};
  tni_wire_item item;
  uint64_t seen = 0;
  ck_assert(tni_wire_next(&rest, &item));
  ck_assert(tni_wire_numbers(&item, TNI_WIRE_VARINT, add, &seen));
  ck_assert_uint_eq(seen, 1300003);
}
END_TEST

START_TEST(numbers_have_ten_bytes_at_most)
{
  static const uint8_t most[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  static const uint8_t more[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
  static const uint8_t longer[] = {0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
  ck_assert_str_eq(check_model(most, sizeof most), "");
  ck_assert_str_eq(check_model(more, sizeof more), "offset 0: ModelProto: a number is over 64 bits");
  ck_assert_str_eq(check_model(longer, sizeof longer), "offset 0: ModelProto: a number is over 64 bits");
}
END_TEST

START_TEST(lengths_stay_inside_the_message_around)
{
  /* graph of 2 bytes, whose name claims 5 */
  static const uint8_t over[] = {0x3a, 0x02, 0x12, 0x05, 'a', 'b', 'c', 'd', 'e'};
  static const uint8_t huge[] = {0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  ck_assert_str_eq(check_model(over, sizeof over), "offset 2: GraphProto: a length runs past the end");
  ck_assert_str_eq(check_model(huge, sizeof huge), "offset 0: ModelProto: a length runs past the end");
}
END_TEST

START_TEST(wire_types_fit_the_table)
{
  static const uint8_t graph_as_number[] = {0x08, 0x08, 0x38, 0x01};
  static const uint8_t group[] = {0x0b, 0x0c};
  static const uint8_t field_zero[] = {0x00, 0x01};
  ck_assert_str_eq(check_model(graph_as_number, sizeof graph_as_number),
                   "offset 2: ModelProto.graph: a value of the wrong wire type");
  ck_assert_str_eq(check_model(group, sizeof group), "offset 0: ModelProto: an unknown wire type");
  ck_assert_str_eq(check_model(field_zero, sizeof field_zero), "offset 0: ModelProto: a field number is out of range");
}
END_TEST

START_TEST(unknown_fields_are_skipped)
{
  bytes b = {0};
  put_text(&b, 1000, "\xff\xff\xff");
  put_int(&b, 1001, 7);
  put_float(&b, 1002, 0);
  ck_assert_str_eq(check_model(b.data, b.size), "");
  free(b.data);
}
END_TEST

/* graph { node { attribute { g { node { ... } } } } }: each level wraps the one inside. */
static bytes nested(int levels) {
  static const uint32_t fields[] = {1, 5, 6};
  bytes inner = {0};
  for (int i = levels; i > 0; i--) {
    bytes outer = {0};
    put_message(&outer, i == 1 ? 7 : fields[(i - 2) % 3], inner);
    inner = outer;
  }
  return inner;
}

START_TEST(nesting_is_limited)
{
  bytes deep = nested(12000), fine = nested(99), over = nested(100);
  ck_assert_str_eq(check_model(deep.data, deep.size), "offset 396: more than 100 messages in messages");
  ck_assert_str_eq(check_model(fine.data, fine.size), "");
  ck_assert_str_eq(check_model(over.data, over.size), "offset 234: more than 100 messages in messages");
  free(deep.data);
  free(fine.data);
  free(over.data);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("wire");
  TCase *tests = tcase_create("wire");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, fields_are_read_in_order);
  tcase_add_test(tests, packed_and_single_numbers_are_the_same);
  tcase_add_test(tests, numbers_have_ten_bytes_at_most);
  tcase_add_test(tests, lengths_stay_inside_the_message_around);
  tcase_add_test(tests, wire_types_fit_the_table);
  tcase_add_test(tests, unknown_fields_are_skipped);
  tcase_add_test(tests, nesting_is_limited);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
