/* test_hostile.c -- files made to harm: each is refused with its reason, or imported without being computed, within a
 * second of processor time and 64 MB.
 *
 * A child of its own imports the file, with an allocator that has no more; another child that does nothing says what a
 * process takes by itself. Sanitizers take more: with them what is resident is not compared, and the time is longer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "graph/graph.h"
#include "import/import.h"
#include "onnx_writer.h"
#include "suite.h"

enum { KIB = 1 << 10, MIB = 1 << 20, MAX_BYTES = 64 * MIB };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MAX_MILLISECONDS = 20000, MAX_RESIDENT_KILOBYTES = INT32_MAX };
#else
enum { MAX_MILLISECONDS = 1000, MAX_RESIDENT_KILOBYTES = MAX_BYTES / KIB };
#endif
static const int64_t tera = INT64_C(1) << 40;
static char folder[64];

/* ---- files --------------------------------------------------------------------------------------------------------- */

static const float zeros[64];
static const int64_t four = 4;

/* The graph, with input x of that shape and output y. */
static bytes model_of(bytes g, int rank, const int64_t *shape) {
  add_input(&g, "x", rank, shape);
  add_output(&g, "y");
  return model(21, g);
}
static bytes model_of_four(bytes g) { return model_of(g, 1, &four); }

static bytes one_node(bytes n, int rank, const int64_t *shape) {
  bytes g = {0};
  add_node(&g, n);
  return model_of(g, rank, shape);
}

/* y = op(x, list) with a list of integers that the file holds. */
static bytes with_list(bytes n, int64_t count, const int64_t *list) {
  bytes g = {0};
  add_node(&g, n);
  add_weight(&g, tensor_ints("list", count, list));
  return model_of_four(g);
}

static bytes with_weight(bytes w) {
  bytes g = {0};
  add_node(&g, node("Add", "n", "x w", "y"));
  add_weight(&g, w);
  return model_of_four(g);
}

static bytes numbered(const char *op, const char *inputs, int64_t input, const char *output, int64_t number) {
  char in[64], out[32];
  snprintf(in, sizeof in, inputs, (long long)input);
  snprintf(out, sizeof out, "%s%lld", output, (long long)number);
  return node(op, out, in, out);
}

/* ---- sizes that are no sizes */

static bytes weight_beyond_all(void) {
  const int64_t shape[] = {tera, tera, tera};
  return with_weight(tensor_raw("w", ONNX_FLOAT, 3, shape, zeros, 4));
}
static bytes weight_that_wraps_to_four(void) {
  const int64_t shape[] = {INT64_C(1) << 33, INT64_C(1) << 31, 4}; /* 4 of 2^64 */
  return with_weight(tensor_raw("w", ONNX_FLOAT, 3, shape, zeros, 16));
}
static bytes weight_of_minus_four(void) {
  const int64_t minus = -4;
  return with_weight(tensor_raw("w", ONNX_FLOAT, 1, &minus, zeros, 16));
}
static bytes weight_without_contents(void) {
  const int64_t large = 256 * MIB;
  return with_weight(tensor_raw("w", ONNX_FLOAT, 1, &large, zeros, 0));
}
static bytes input_beyond_all(void) {
  const int64_t shape[] = {tera, tera};
  return one_node(node("Relu", "n", "x", "y"), 2, shape);
}
static bytes expanded(void) {
  const int64_t shape[] = {tera, tera, 4};
  return with_list(node("Expand", "n", "x list", "y"), 3, shape);
}
static bytes tiled(void) { return with_list(node("Tile", "n", "x list", "y"), 1, &tera); }
static bytes padded(void) {
  const int64_t pads[] = {INT64_MAX, INT64_MAX};
  return with_list(node("Pad", "n", "x list", "y"), 2, pads);
}
static bytes reshaped(void) {
  const int64_t shape[] = {INT64_C(1) << 62, 4, -1};
  return with_list(node("Reshape", "n", "x list", "y"), 3, shape);
}
static bytes constant_of_shape(void) {
  const int64_t shape[] = {tera, tera};
  return with_list(node("ConstantOfShape", "n", "list", "y"), 2, shape);
}

/* Within the limits, but not for an import to compute. */
static bytes a_gigabyte_of_zeros(void) {
  const int64_t shape = 256 * MIB;
  return with_list(node("ConstantOfShape", "n", "list", "y"), 1, &shape);
}
static bytes a_gigabyte_of_list(void) {
  const int64_t repeats = 32 * MIB;
  bytes g = {0};
  add_node(&g, node("Tile", "n", "list repeats", "z"));
  add_node(&g, node("Neg", "m", "z", "y"));
  add_weight(&g, tensor_ints("list", 4, (const int64_t[]){1, 2, 3, 4}));
  add_weight(&g, tensor_ints("repeats", 1, &repeats));
  return model_of_four(g);
}

/* ---- bytes that are too few or too many */

static bytes raw_too_long(void) { return with_weight(tensor_raw("w", ONNX_FLOAT, 1, &four, zeros, 20)); }
static bytes raw_too_short(void) { return with_weight(tensor_raw("w", ONNX_FLOAT, 1, &four, zeros, 15)); }
static bytes half_bytes_too_few(void) { return with_weight(tensor_raw("w", ONNX_INT4, 1, &four, zeros, 1)); }
static bytes raw_and_typed(void) {
  bytes w = tensor_raw("w", ONNX_FLOAT, 1, &four, zeros, 16);
  put_float(&w, 4, 1);
  return with_weight(w);
}

/* ---- what comes back to itself, or goes deep */

static bytes long_cycle(void) {
  enum { COUNT = 20000 };
  bytes g = {0};
  for (int i = 0; i < COUNT; i++) add_node(&g, numbered("Add", "x v%lld", (i + 1) % COUNT, "v", i));
  add_node(&g, node("Relu", "n", "v0", "y"));
  return model_of_four(g);
}

/* If in If: three messages a level. */
static bytes deep_ifs(void) {
  bytes inner = {0};
  add_node(&inner, node("Relu", "n", "x", "y"));
  add_output(&inner, "y");
  for (int i = 0; i < 1000; i++) {
    bytes n = node("If", "n", "c", "y"), outer = {0};
    attr_graph(&n, "then_branch", inner);
    add_node(&outer, n);
    inner = outer;
  }
  return model_of_four(inner);
}

/* A tag and a length again and again: as deep as the file is long. */
static bytes deep_messages(void) {
  bytes m = {0};
  for (int i = 0; i < 3000; i++) { /* a graph with a node with an attribute with a graph ... */
    static const uint32_t fields[] = {6, 5, 1};
    bytes outer = {0};
    put_message(&outer, fields[i % 3], m);
    m = outer;
  }
  return model(21, m);
}

static bytes call(const char *function, const char *name, const char *input, const char *output) {
  bytes n = node(function, name, input, output);
  put_text(&n, 7, "d");
  return n;
}
static bytes function(const char *name) {
  bytes f = {0};
  put_text(&f, 1, name);
  put_text(&f, 4, "a");
  put_text(&f, 5, "b");
  put_text(&f, 10, "d");
  return f;
}

static bytes calls_itself(void) {
  bytes m = one_node(call("f", "n", "x", "y"), 1, &four), f = function("f");
  put_message(&f, 7, call("f", "inner", "a", "b"));
  put_message(&m, 25, f);
  return m;
}

/* Each function calls the next one twice. */
static bytes doubling_calls(void) {
  bytes m = one_node(call("f0", "n", "x", "y"), 1, &four);
  for (int i = 0; i < 60; i++) {
    char name[8], next[8];
    snprintf(name, sizeof name, "f%d", i);
    snprintf(next, sizeof next, "f%d", i + 1);
    bytes f = function(name);
    put_message(&f, 7, i < 59 ? call(next, "p", "a", "t") : node("Relu", "p", "a", "t"));
    put_message(&f, 7, i < 59 ? call(next, "q", "t", "b") : node("Relu", "q", "t", "b"));
    put_message(&m, 25, f);
  }
  return m;
}

/* ---- files that ask for other files */

static bytes outside(const char *location, const char *offset, const char *length) {
  const char *const entries[][2] = {{"location", location}, {"offset", offset}, {"length", length}};
  bytes w = {0};
  put_int(&w, 1, 4);
  put_int(&w, 2, ONNX_FLOAT);
  put_text(&w, 8, "w");
  for (int i = 0; i < 3; i++) {
    bytes entry = {0};
    if (!entries[i][1]) continue;
    put_text(&entry, 1, entries[i][0]);
    put_text(&entry, 2, entries[i][1]);
    put_message(&w, 13, entry);
  }
  put_int(&w, 14, 1);
  return with_weight(w);
}
static bytes above(void) { return outside("../secret", NULL, NULL); }
static bytes above_by_a_detour(void) { return outside("sub/../../secret", NULL, NULL); }
static bytes absolute(void) { return outside("/etc/passwd", NULL, NULL); }
static bytes through_a_link(void) { return outside("link", NULL, NULL); }
static bytes address_of_memory(void) { return outside("*/_ORT_MEM_ADDR_/*", "4096", "16"); }
static bytes offset_that_wraps(void) { return outside("weights", "18446744073709551600", "16"); }
static bytes length_beyond_all(void) { return outside("weights", "0", "1125899906842624"); }

/* ---- little that asks for much */

static bytes nodes_of_nothing(size_t count) {
  static const uint8_t empty[] = {0x0a, 0};
  bytes g = {malloc(2 * count + 64), 2 * count};
  for (size_t i = 0; i < count; i++) memcpy(g.data + 2 * i, empty, 2);
  return model_of_four(g);
}
static bytes nodes_beyond_the_limit(void) { return nodes_of_nothing(1500000); }
static bytes nodes_below_the_limit(void) { return nodes_of_nothing(999999); }

static bytes operators_of_all_names(void) {
  bytes g = {0};
  for (int i = 0; i < 20000; i++) {
    char op[16];
    snprintf(op, sizeof op, "Op%d", i);
    add_node(&g, numbered(op, "x", 0, "v", i));
  }
  return model_of_four(g);
}

/* Range(0, 2^20, 1), 100 times. */
static bytes ranges(void) {
  static const int64_t zero = 0, end = MIB, one = 1;
  bytes g = {0};
  add_weight(&g, tensor_raw("zero", ONNX_INT64, 0, NULL, &zero, 8));
  add_weight(&g, tensor_raw("end", ONNX_INT64, 0, NULL, &end, 8));
  add_weight(&g, tensor_raw("one", ONNX_INT64, 0, NULL, &one, 8));
  for (int i = 0; i < 100; i++) add_node(&g, numbered("Range", "zero end one", 0, "r", i));
  add_node(&g, node("Relu", "n", "x", "y"));
  return model_of_four(g);
}
static bytes random_numbers(void) {
  const int64_t shape[] = {1024, 4096};
  bytes g = {0};
  for (int i = 0; i < 50; i++) {
    bytes n = numbered("RandomNormal", "", 0, "r", i);
    attr_ints(&n, "shape", 2, shape);
    add_node(&g, n);
  }
  add_node(&g, node("Relu", "n", "x", "y"));
  return model_of_four(g);
}
static bytes transforms(void) {
  const int64_t shape[] = {1, 1400, 1};
  bytes g = {0};
  for (int i = 0; i < 50; i++) add_node(&g, numbered("DFT", "x", 0, "t", i));
  add_node(&g, node("Relu", "n", "x", "y"));
  return model_of(g, 3, shape);
}
static bytes long_diagonal(void) {
  const int64_t shape[] = {256 * MIB, 1};
  return one_node(node("EyeLike", "n", "x", "y"), 2, shape);
}
static bytes split_one_by_one(void) {
  const int64_t many = MIB;
  bytes g = {0};
  add_node(&g, node("SplitToSequence", "n", "x", "s"));
  add_node(&g, node("SequenceLength", "m", "s", "y"));
  return model_of(g, 1, &many);
}
static bytes growing_sequence(void) {
  enum { COUNT = 12000 };
  bytes g = {0};
  add_node(&g, node("SequenceEmpty", "n", "", "s0"));
  for (int i = 0; i < COUNT; i++) add_node(&g, numbered("SequenceInsert", "s%lld x", i, "s", i + 1));
  add_node(&g, numbered("SequenceAt", "s%lld zero", COUNT, "t", 0));
  add_node(&g, node("Relu", "m", "t0", "y"));
  static const int64_t zero = 0;
  add_weight(&g, tensor_raw("zero", ONNX_INT64, 0, NULL, &zero, 8));
  return model_of_four(g);
}
/* A list joined to itself, over and over. */
static bytes doubling_list(void) {
  bytes g = {0};
  add_weight(&g, tensor_ints("v0", 4, (const int64_t[]){1, 2, 3, 4}));
  for (int i = 0; i < 60; i++) {
    char both[32];
    snprintf(both, sizeof both, "v%d v%%lld", i);
    bytes n = numbered("Concat", both, i, "v", i + 1);
    attr_int(&n, "axis", 0);
    add_node(&g, n);
  }
  add_node(&g, node("Relu", "n", "x", "y"));
  return model_of_four(g);
}
/* Arithmetic on short lists, 20,000 times. */
static bytes much_arithmetic(void) {
  static int64_t list[KIB];
  bytes g = {0};
  add_weight(&g, tensor_ints("v0", KIB, list));
  for (int i = 0; i < 20000; i++) add_node(&g, numbered("Add", "v0 v%lld", i, "v", i + 1));
  add_node(&g, node("Relu", "n", "x", "y"));
  return model_of_four(g);
}
/* Products of small matrices of integers, 2,000 times. */
static bytes many_products(void) {
  static int64_t list[KIB];
  const int64_t shape[] = {32, 32};
  bytes g = {0};
  add_weight(&g, tensor_raw("v0", ONNX_INT64, 2, shape, list, sizeof list));
  for (int i = 0; i < 2000; i++) add_node(&g, numbered("MatMul", "v0 v%lld", i, "v", i + 1));
  add_node(&g, node("Relu", "n", "x", "y"));
  return model_of_four(g);
}
static bytes endless_loop(void) {
  bytes g = {0}, n = node("Loop", "n", "trips c x", "y"), body = {0};
  static const int64_t trips = INT64_C(1) << 62;
  static const uint8_t yes = 1;
  add_weight(&g, tensor_raw("trips", ONNX_INT64, 0, NULL, &trips, 8));
  add_weight(&g, tensor_raw("c", ONNX_BOOL, 0, NULL, &yes, 1));
  add_node(&body, node("Identity", "", "c_in", "c_out"));
  add_node(&body, node("Relu", "", "v_in", "v_out"));
  put_message(&body, 11, value_info("i", ONNX_INT64, 0, NULL));
  put_message(&body, 11, value_info("c_in", ONNX_BOOL, 0, NULL));
  put_message(&body, 11, value_info("v_in", ONNX_FLOAT, 1, &four));
  add_output(&body, "c_out");
  add_output(&body, "v_out");
  attr_graph(&n, "body", body);
  add_node(&g, n);
  return model_of_four(g);
}

/* ---- what is said of each ------------------------------------------------------------------------------------------ */

static const char tensor_limit[] = "TN_E_LIMIT: import: w: the tensor is over tn_limits.tensor_bytes";

/* `said`: "" when the file is imported, but not computed; what follows `...` is not compared. */
static const struct {
  bytes (*make)(void);
  const char *said;
} files[] = {
    {weight_beyond_all, tensor_limit},
    {weight_that_wraps_to_four, tensor_limit},
    {weight_of_minus_four, "TN_E_INVALID: import: w: dimension 0 is -4"},
    {weight_without_contents, "TN_E_INVALID: import: w: raw_data has 0 bytes, the shape needs 1073741824"},
    {input_beyond_all, "TN_E_LIMIT: import: x: the tensor is over tn_limits.tensor_bytes"},
    {expanded, "TN_E_LIMIT: import: n: expand: the result is over tn_limits.tensor_bytes"},
    {tiled, "TN_E_LIMIT: import: n: tile: the result is over tn_limits.tensor_bytes"},
    {padded, "TN_E_INVALID: import: n: pad: a pad is out of range"},
    {reshaped, "TN_E_INVALID: import: n: Reshape: the shape is too big"},
    {constant_of_shape, "TN_E_LIMIT: import: n: expand: the result is over tn_limits.tensor_bytes"},
    {a_gigabyte_of_zeros, ""},
    {a_gigabyte_of_list, ""},
    {raw_too_long, "TN_E_INVALID: import: w: raw_data has 20 bytes, the shape needs 16"},
    {raw_too_short, "TN_E_INVALID: import: w: raw_data has 15 bytes, the shape needs 16"},
    {half_bytes_too_few, "TN_E_INVALID: import: w: raw_data has 1 bytes, the shape needs 2"},
    {raw_and_typed, "TN_E_INVALID: import: w: the tensor has elements in more than one field, or in the wrong one"},
    {long_cycle, "TN_E_INVALID: import: v19999: a cycle: input `v0` depends on this node"},
    {deep_ifs, "TN_E_LIMIT: import: offset 1262: more than 100 messages in messages"},
    {deep_messages, "TN_E_LIMIT: import: offset 305: more than 100 messages in messages"},
    {calls_itself, "TN_E_LIMIT: import: inner: calls are nested deeper than the limit of 100"},
    {doubling_calls, "TN_E_LIMIT: import: q: bodies and calls make too many nodes"},
    {above,
     "TN_E_INVALID: import: w: cannot read `../secret` beneath `FOLDER`: only what is beneath the directory is opened"},
    {above_by_a_detour,
     "TN_E_NOT_FOUND: import: w: cannot read `sub/../../secret` beneath `FOLDER`: No such file or directory"},
    {absolute,
     "TN_E_INVALID: import: w: cannot read `/etc/passwd` beneath `FOLDER`: only what is beneath the directory is opened"},
    {through_a_link,
     "TN_E_INVALID: import: w: cannot read `link` beneath `FOLDER`: there is a symbolic link on its way"},
    {address_of_memory,
     "TN_E_NOT_FOUND: import: w: cannot read `*/_ORT_MEM_ADDR_/*` beneath `FOLDER`: No such file or directory"},
    {offset_that_wraps,
     "TN_E_INVALID: import: w: `weights` has 16 bytes, 16 at offset 18446744073709551600 are asked for"},
    {length_beyond_all, "TN_E_INVALID: import: w: external data has 1125899906842624 bytes, the shape needs 16"},
    {nodes_beyond_the_limit, "TN_E_LIMIT: import: graph: 1500000 nodes, the limit is 1000000"},
    {nodes_below_the_limit, "TN_E_INVALID: import: graph: 999999 nodes in 2000020 bytes"},
    {operators_of_all_names, "TN_E_UNSUPPORTED: import: graph: operators that are not supported: Op0 (v0), Op1 (v1), Op2 (v2), ..."},
    {ranges,
     "TN_E_LIMIT: import: r4: Range: what is made of this model takes too much memory for its size"},
    {random_numbers,
     "TN_E_LIMIT: import: r2: RandomNormal: what is made of this model takes too much memory for its size"},
    {transforms,
     "TN_E_LIMIT: import: t2: DFT: what is made of this model takes too much memory for its size"},
    {long_diagonal,
     "TN_E_LIMIT: import: n: EyeLike: what is made of this model takes too much memory for its size"},
    {split_one_by_one,
     "TN_E_LIMIT: import: n: SplitToSequence: what is made of this model takes too much memory for its size"},
    {growing_sequence,
     "TN_E_LIMIT: import: s4564: SequenceInsert: what is made of this model takes too much memory for its size"},
    {doubling_list, "TN_E_LIMIT: import: v27: concat: the result is over tn_limits.tensor_bytes"},
    {much_arithmetic, ""},
    {many_products, ""},
    {endless_loop, ""},
};

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

typedef struct measure {
  long milliseconds, kilobytes; /* of processor time; resident at most */
  char said[512];
} measure;

static void write_all(int to, const char *text) {
  for (size_t size = strlen(text); size > 0;) {
    ssize_t n = write(to, text, size);
    if (n <= 0) _exit(2);
    text += n;
    size -= (size_t)n;
  }
}

static size_t held;

/* What the library has at once is no more than MAX_BYTES. */
static void *resize(void *self, void *block, size_t old_size, size_t new_size, size_t align) {
  void *made = NULL;
  (void)self;
  if (held - old_size + new_size > MAX_BYTES) return NULL;
  if (new_size && posix_memalign(&made, align < sizeof made ? sizeof made : align, new_size)) return NULL;
  if (old_size && new_size) memcpy(made, block, old_size < new_size ? old_size : new_size);
  free(block);
  held = held - old_size + new_size;
  return made;
}

/* Imports and verifies; writes what was said. NULL: nothing is done. */
static void run_child(const bytes *m, int to) {
  tn_context *ctx;
  tn_program *program = NULL;
  tn_error *err = NULL;
  const tn_import_desc desc = {.struct_size = sizeof desc, .data_directory = folder};
  const tn_context_desc all = {.struct_size = sizeof all, .allocator = {NULL, resize}, .threads = {.count = 1}};
  if (!m) _exit(0);
  if (tn_context_create(&all, &ctx, NULL) != TN_OK) _exit(1);
  tn_status status = tn_onnx_import(ctx, m->data, m->size, &desc, &program, &err);
  for (size_t i = 0; status == TN_OK && i < tn_program_func_count(program); i++)
    status = tn_func_verify(tn_program_func_at(program, i), &err);
  if (status != TN_OK) {
    write_all(to, tn_status_name(status));
    write_all(to, ": ");
    write_all(to, tn_error_text(err));
  }
  tn_error_destroy(err);
  tn_program_destroy(program);
  tn_context_destroy(ctx);
  _exit(0);
}

static measure measure_child(const bytes *m) {
  int ends[2], status;
  measure out = {0};
  size_t have = 0;
  struct rusage used;
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) run_child(m, ends[1]);
  close(ends[1]);
  for (ssize_t n; (n = read(ends[0], out.said + have, sizeof out.said - 1 - have)) > 0;) have += (size_t)n;
  close(ends[0]);
  ck_assert_int_eq(wait4(child, &status, 0, &used), child);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child died, status %d", status);
  out.milliseconds = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
                     (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
  out.kilobytes = used.ru_maxrss;
  return out;
}

/* As `want`, which has FOLDER in the place of the folder's name. */
static bool is_said(const char *have, const char *want) {
  const char *at = strstr(want, "FOLDER"), *rest = strstr(want, "...");
  if (rest) return strncmp(have, want, (size_t)(rest - want)) == 0;
  if (!at) return strcmp(have, want) == 0;
  size_t before = (size_t)(at - want), length = strlen(folder);
  return !strncmp(have, want, before) && !strncmp(have + before, folder, length) &&
         !strcmp(have + before + length, at + strlen("FOLDER"));
}

START_TEST(it_is_refused_in_time)
{
  bytes m = files[_i].make();
  measure idle = measure_child(NULL), busy = measure_child(&m);
  free(m.data);
  ck_assert_msg(is_said(busy.said, files[_i].said), "said: \"%s\", not \"%s\"", busy.said, files[_i].said);
  ck_assert_msg(busy.milliseconds <= MAX_MILLISECONDS, "%ld ms: %s", busy.milliseconds, files[_i].said);
  ck_assert_msg(busy.kilobytes - idle.kilobytes <= MAX_RESIDENT_KILOBYTES, "%ld KB: %s",
                busy.kilobytes - idle.kilobytes, files[_i].said);
}
END_TEST

/* FOLDER/secret, FOLDER/models/weights, and FOLDER/models/link, which is the secret. */
static const char *beneath(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%.*s/%s", (int)(strlen(folder) - strlen("/models")), folder, name);
  return path;
}

static void write_file(const char *name) {
  FILE *file = fopen(beneath(name), "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(zeros, 1, 16, file), 16);
  fclose(file);
}

static void setup(void) {
  snprintf(folder, sizeof folder, "/tmp/tenon-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  strcat(folder, "/models");
  ck_assert_int_eq(mkdir(folder, 0700), 0);
  write_file("secret");
  write_file("models/weights");
  ck_assert_int_eq(symlink("../secret", beneath("models/link")), 0);
}

static void teardown(void) {
  static const char *const made[] = {"secret", "models/weights", "models/link"};
  for (size_t i = 0; i < TNI_COUNT(made); i++) unlink(beneath(made[i]));
  rmdir(folder);
  rmdir(beneath(""));
}

int main(void) {
  Suite *suite = suite_create("hostile");
  TCase *tests = tcase_create("hostile");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, it_is_refused_in_time, 0, TNI_COUNT(files));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
