/* test_external.c -- weights in other files: read beneath the directory that the host names, and nowhere else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph/graph.h"
#include "import/import.h"
#include "lib/fault.h"
#include "onnx_writer.h"

static fault f;
static tn_context *ctx;
static char folder[64];
static const float numbers[] = {0, 0, 1, 2, 3, 4};

static const char *beneath(const char *name) {
  static char path[2][160];
  static int turn;
  turn = !turn;
  snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
  return path[turn];
}

static void write_file(const char *name, const void *data, size_t size) {
  FILE *file = fopen(beneath(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(data, 1, size, file), size);
  fclose(file);
}

/* FOLDER: weights.bin, sub/weights.bin, and ways that are not followed */
static void setup(void) {
  snprintf(folder, sizeof folder, "/tmp/tenon-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(mkdir(beneath("sub"), 0700), 0);
  write_file("weights.bin", numbers, sizeof numbers);
  write_file("sub/weights.bin", numbers, sizeof numbers);
  write_file("twice.bin", numbers, sizeof numbers);
  ck_assert_int_eq(link(beneath("twice.bin"), beneath("once_more.bin")), 0);
  ck_assert_int_eq(symlink("weights.bin", beneath("link.bin")), 0);
  ck_assert_int_eq(symlink("sub", beneath("way")), 0);
  ck_assert_int_eq(mkfifo(beneath("pipe"), 0600), 0);
  tn_context_desc desc = fault_desc(&f);
  ck_assert_int_eq(tn_context_create(&desc, &ctx, NULL), TN_OK);
}

static void teardown(void) {
  static const char *const made[] = {"weights.bin", "sub/weights.bin", "twice.bin", "once_more.bin",
                                     "link.bin",    "way",             "pipe"};
  tn_context_destroy(ctx);
  ck_assert_int_eq(atomic_load(&f.blocks), 0);
  for (size_t i = 0; i < TNI_COUNT(made); i++) unlink(beneath(made[i]));
  rmdir(beneath("sub"));
  ck_assert_int_eq(rmdir(folder), 0);
}

static void put_entry(bytes *tensor, const char *key, const char *value) {
  bytes entry = {0};
  if (!value) return;
  put_text(&entry, 1, key);
  put_text(&entry, 2, value);
  put_message(tensor, 13, entry);
}

typedef struct outside {
  const char *location, *offset, *length, *other;
  bool raw;
} outside;

/* The location `?`: of a kind that there is not. */
static bytes tensor_outside(const outside *o) {
  bytes t = {0};
  put_int(&t, 1, 4);
  put_int(&t, 2, ONNX_FLOAT);
  put_text(&t, 8, "w");
  if (o->raw) put_bytes(&t, 9, numbers, 16);
  put_entry(&t, "location", o->location);
  put_entry(&t, "offset", o->offset);
  put_entry(&t, "length", o->length);
  put_entry(&t, "basepath", o->other);
  put_int(&t, 14, o->location && strcmp(o->location, "?") == 0 ? 2 : 1);
  return t;
}

/* The four weights as the graph has them, or "STATUS: the error's text"; FOLDER stands for its path. */
static const char *import_graph(bytes g, bool named) {
  static char text[1024];
  tn_program *program;
  tn_error *err;
  bytes m = model(13, g);
  tn_import_desc desc = {.struct_size = sizeof desc, .data_directory = named ? folder : NULL};
  tn_status status = tn_onnx_import(ctx, m.data, m.size, &desc, &program, &err);
  free(m.data);
  if (status) {
    ck_assert_ptr_null(program);
    const char *said = tn_error_text(err), *at = strstr(said, folder);
    if (at)
      snprintf(text, sizeof text, "%s: %.*sFOLDER%s", tn_status_name(status), (int)(at - said), said,
               at + strlen(folder));
    else
      snprintf(text, sizeof text, "%s: %s", tn_status_name(status), said);
    tn_error_destroy(err);
    return text;
  }
  const tn_graph *graph = tn_program_graph(program, "main");
  *text = 0;
  for (uint32_t i = 0; i < graph->value_count; i++) {
    const float *weights = graph->values[i].data;
    for (int k = 0; weights && k < 4; k++)
      snprintf(text + strlen(text), sizeof text - strlen(text), "%g ", (double)weights[k]);
  }
  tn_program_destroy(program);
  return text;
}

/* y = x + w, w elsewhere. */
static const char *import(const outside *o, bool named) {
  const int64_t shape[] = {4};
  bytes g = {0};
  add_node(&g, node("Add", "n", "x w", "y"));
  add_weight(&g, tensor_outside(o));
  add_input(&g, "x", 1, shape);
  add_output(&g, "y");
  return import_graph(g, named);
}

START_TEST(weights_are_read_where_the_model_says)
{
  ck_assert_str_eq(import(&(outside){.location = "weights.bin"}, true), "0 0 1 2 ");
  ck_assert_str_eq(import(&(outside){.location = "weights.bin", .offset = "8", .length = "16"}, true), "1 2 3 4 ");
  ck_assert_str_eq(import(&(outside){.location = "./sub//weights.bin", .offset = "4"}, true), "0 1 2 3 ");
}
END_TEST

START_TEST(no_file_is_read_without_a_directory)
{
  ck_assert_str_eq(import(&(outside){.location = "weights.bin"}, false),
                   "TN_E_UNSUPPORTED: import: w: its elements are in `weights.bin`: other files are read only beneath "
                   "tn_import_desc.data_directory");
}
END_TEST

static const struct {
  outside o;
  const char *told;
} refused[] = {
    {{.location = "../weights.bin"},
     "TN_E_INVALID: import: w: cannot read `../weights.bin` beneath `FOLDER`: only what is beneath the "
     "directory is opened"},
    {{.location = "sub/../../x"},
     "TN_E_INVALID: import: w: cannot read `sub/../../x` beneath `FOLDER`: only what is beneath the directory "
     "is opened"},
    {{.location = "/etc/passwd"},
     "TN_E_INVALID: import: w: cannot read `/etc/passwd` beneath `FOLDER`: only what is beneath the directory "
     "is opened"},
    {{.location = "link.bin"},
     "TN_E_INVALID: import: w: cannot read `link.bin` beneath `FOLDER`: there is a symbolic link on its way"},
    {{.location = "way/weights.bin"},
     "TN_E_INVALID: import: w: cannot read `way/weights.bin` beneath `FOLDER`: there is a symbolic link on its way"},
    {{.location = "twice.bin"},
     "TN_E_INVALID: import: w: cannot read `twice.bin` beneath `FOLDER`: the file has another name as well"},
    {{.location = "pipe"}, "TN_E_IO: import: w: cannot read `pipe` beneath `FOLDER`: it is not a regular file"},
    {{.location = "sub"}, "TN_E_IO: import: w: cannot read `sub` beneath `FOLDER`: Is a directory"},
    {{.location = "none.bin"},
     "TN_E_NOT_FOUND: import: w: cannot read `none.bin` beneath `FOLDER`: No such file or directory"},
    {{.location = "weights.bin", .offset = "12"},
     "TN_E_INVALID: import: w: `weights.bin` has 24 bytes, 16 at offset 12 are asked for"},
    {{.location = "weights.bin", .offset = "18446744073709551608"},
     "TN_E_INVALID: import: w: `weights.bin` has 24 bytes, 16 at offset 18446744073709551608 are asked for"},
    {{.location = "weights.bin", .offset = "18446744073709551616"},
     "TN_E_INVALID: import: w: external data: `offset` is no number"},
    {{.location = "weights.bin", .offset = "-8"}, "TN_E_INVALID: import: w: external data: `offset` is no number"},
    {{.location = "weights.bin", .length = "1e3"}, "TN_E_INVALID: import: w: external data: `length` is no number"},
    {{.location = "weights.bin", .length = "12"},
     "TN_E_INVALID: import: w: external data has 12 bytes, the shape needs 16"},
    {{.location = "weights.bin", .other = "/"},
     "TN_E_INVALID: import: w: external data: keys are location, offset, length and checksum"},
    {{.location = "?"}, "TN_E_INVALID: import: w: the place of the elements is not known"},
    {{.location = NULL}, "TN_E_INVALID: import: w: external data: `location` is missing"},
    {{.location = ""}, "TN_E_INVALID: import: w: external data: `location` is missing"},
    {{.location = "weights.bin", .raw = true},
     "TN_E_INVALID: import: w: the tensor has elements in more than one field, or in the wrong one"},
};

START_TEST(what_is_not_beneath_or_not_there_is_refused)
{
  ck_assert_str_eq(import(&refused[_i].o, true), refused[_i].told);
}
END_TEST

/* y = OP(inputs), with a tensor elsewhere as its value */
static bytes with_value(const char *op, const char *inputs) {
  static const int64_t four = 4;
  bytes g = {0}, n = node(op, "n", inputs, "y");
  attr_tensor(&n, "value", tensor_outside(&(outside){.location = "weights.bin"}));
  add_node(&g, n);
  if (*inputs) add_weight(&g, tensor_ints(inputs, 1, &four));
  add_output(&g, "y");
  return g;
}

/* What Constant makes is a weight too. A tensor file is one of its own, and a value in another node is small. */
START_TEST(only_weights_are_read_from_other_files)
{
  const outside o = {.location = "weights.bin"};
  tn_tensor *tensor;
  tn_error *err;
  bytes t = tensor_outside(&o);
  ck_assert_str_eq(import_graph(with_value("Constant", ""), true), "0 0 1 2 ");
  ck_assert_str_eq(import_graph(with_value("ConstantOfShape", "s"), true),
                   "TN_E_UNSUPPORTED: import: n: elements in another file are read for weights only");
  ck_assert_int_eq(tn_onnx_tensor(ctx, t.data, t.size, &tensor, &err), TN_E_UNSUPPORTED);
  ck_assert_str_eq(tn_error_text(err), "import: tensor: elements in another file are read for weights only");
  tn_error_destroy(err);
  free(t.data);
}
END_TEST

static int fail_to_read(int file, uint64_t offset, void *to, size_t size) {
  (void)file, (void)offset, (void)to, (void)size;
  return EIO;
}
static int end_early(int file, uint64_t offset, void *to, size_t size) {
  return tni_os_default.read_at(file, offset + 1000, to, size);
}

START_TEST(failures_of_the_system_are_told)
{
  const outside o = {.location = "weights.bin"};
  tni_os os = tni_os_default;
  ctx->os = &os;
  os.read_at = fail_to_read;
  ck_assert_str_eq(import(&o, true),
                   "TN_E_IO: import: w: cannot read `weights.bin` beneath `FOLDER`: Input/output error");
  os.read_at = end_early; /* somebody cut the file after it was opened */
  ck_assert_str_eq(import(&o, true),
                   "TN_E_IO: import: w: cannot read `weights.bin` beneath `FOLDER`: No data available");
  ctx->os = &tni_os_default;
}
END_TEST

START_TEST(each_lack_of_memory_is_survived)
{
  const outside o = {.location = "weights.bin", .offset = "8"};
  bool done = false;
  for (long n = 1; !done; n++) {
    f.fail_at = atomic_load(&f.calls) + n;
    done = strcmp(import(&o, true), "1 2 3 4 ") == 0;
    f.fail_at = 0;
    ck_assert_int_lt(n, 10000);
  }
}
END_TEST

int main(void) {
  TCase *all = tcase_create("external");
  tcase_add_test(all, weights_are_read_where_the_model_says);
  tcase_add_test(all, no_file_is_read_without_a_directory);
  tcase_add_loop_test(all, what_is_not_beneath_or_not_there_is_refused, 0, TNI_COUNT(refused));
  tcase_add_test(all, only_weights_are_read_from_other_files);
  tcase_add_test(all, failures_of_the_system_are_told);
  tcase_add_test(all, each_lack_of_memory_is_survived);
  return suite_run_case("external", all, 60, setup, teardown);
}
