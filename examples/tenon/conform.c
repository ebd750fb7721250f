/* conform.c -- `tenon conform`: ONNX's own backend tests, read from their files, compiled and run.
 *
 *     DIR/.../TEST/model.onnx
 *     DIR/.../TEST/test_data_set_0/input_0.pb ... output_0.pb ...      one each, what kind of item the model says
 *
 * A test passes when every output has the type and shape of its file, and its values by upstream's rule: equal, or
 * |a - b| <= atol + rtol * |b|, with rtol 1e-3 and atol 1e-7 unless a data.json beside the model says otherwise; NaN equals
 * NaN. What Tenon refuses as not supported is skipped. With --skips, only the tests that this file lists may be skipped
 * (one `NAME  reason` a line): a skip that it does not list is a failure, and so is a listed test that passes. A test whose
 * reason begins with `not checkable` (its numbers are random, or its reference is not exact) must run, whatever comes out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"

enum { MAX_ITEMS = 64 };
enum verdict { PASSED, FAILED, SKIPPED };
static const char *const verdict_names[] = {"passed", "failed", "skipped"};

typedef struct conform {
  session s;
  const char *filter, *skips, *json;
  bool verbose;
  regex_t pattern;
  texts tests, allowed;
  int counts[3];
  FILE *json_file;
} conform;

typedef struct outcome {
  enum verdict verdict;
  bool compared; /* it ran */
  char reason[400];
} outcome;

/* Of one file each. */
typedef struct items {
  size_t count;
  tn_items *items[MAX_ITEMS];
} items;

static void decide(outcome *o, enum verdict verdict, const char *format, ...) TN_PRINTF(3, 4);
static void decide(outcome *o, enum verdict verdict, const char *format, ...) {
  va_list args;
  va_start(args, format);
  o->verdict = verdict;
  vsnprintf(o->reason, sizeof o->reason, format, args);
  va_end(args);
  for (char *c = o->reason; *c; c++)
    if (*c == '\n') *c = ' ';
}

/* What is not supported is a skip, everything else a failure. */
static bool refused(outcome *o, tn_status status, tn_error **error) {
  if (status) decide(o, status == TN_E_UNSUPPORTED ? SKIPPED : FAILED, "%s", tn_error_text(*error));
  tn_error_destroy(*error);
  *error = NULL;
  return status != TN_OK;
}

/* ---- the files of a test --------------------------------------------------------------------------------------------- */

/* Items input_0.pb, input_1.pb ... until one is missing. Without a model they are tensors. */
static bool read_items(conform *c, const char *test, const char *kind, const tn_model *model, items *out, outcome *o) {
  bool inputs = !strcmp(kind, "input");
  struct stat info;
  for (out->count = 0; out->count < MAX_ITEMS; out->count++) {
    char *bytes, path[1024];
    size_t size, i = out->count;
    tn_tensor_info says = {.kind = TN_ITEM_TENSOR};
    tn_error *error = NULL;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", test, kind, i);
    if (stat(path, &info)) return true;
    if (!read_file(path, &bytes, &size)) return decide(o, FAILED, "%s cannot be read", path), false;
    if (model && inputs && i < tn_model_input_count(model)) tn_model_input(model, i, &says);
    if (model && !inputs && i < tn_model_output_count(model)) tn_model_output(model, i, &says);
    tn_status status = tn_onnx_item(c->s.context, says.kind, bytes, size, &out->items[i], &error);
    free(bytes);
    if (status) { /* an element type that there is not */
      decide(o, SKIPPED, "%s_%zu.pb: %s", kind, i, tn_error_text(error));
      return tn_error_destroy(error), false;
    }
  }
  return decide(o, SKIPPED, "more than %d %ss", MAX_ITEMS, kind), false;
}

static const tn_item *item_of(const items *list, size_t i) { return tn_items_at(list->items[i], 0); }

static void read_number(const char *text, const char *key, double *out) {
  const char *at = strstr(text, key);
  at = at ? strchr(at, ':') : NULL;
  if (at) *out = strtod(at + 1, NULL);
}

static void read_tolerances(const char *test, double *rtol, double *atol) {
  char path[1024], *text;
  size_t size;
  struct stat info;
  *rtol = 1e-3;
  *atol = 1e-7;
  snprintf(path, sizeof path, "%s/data.json", test);
  if (stat(path, &info) || !read_file(path, &text, &size)) return;
  read_number(text, "\"rtol\"", rtol);
  read_number(text, "\"atol\"", atol);
  free(text);
}

/* ---- comparing ------------------------------------------------------------------------------------------------------- */

static bool is_close(double a, double b, double rtol, double atol) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return a == b || fabs(a - b) <= atol + rtol * fabs(b);
}

static bool compare_tensors(size_t k, const DLTensor *have, const DLTensor *want, double rtol, double atol,
                            outcome *o) {
  const array a = array_of(have), b = array_of(want);
  bool is_int = TN_TYPE_CODE(a.type) == kDLInt || TN_TYPE_CODE(a.type) == kDLUInt || a.type == TN_BOOL;
  if (!array_is_like(&a, &b)) {
    decide(o, FAILED, "output %zu is %s, not %s", k, shape_text(a.type, a.rank, a.shape),
           shape_text(b.type, b.rank, b.shape));
    return false;
  }
  if (is_int && TN_TYPE_BITS(a.type) >= 8) { /* of the last byte of packed ones half may not belong to them */
    if (!array_bytes(&a) || !memcmp(a.data, b.data, array_bytes(&a))) return true;
    return decide(o, FAILED, "output %zu differs", k), false;
  }
  for (int64_t i = 0; i < array_count(&a); i++) {
    double x = array_get(&a, i), y = array_get(&b, i);
    if (!is_close(x, y, rtol, atol))
      return decide(o, FAILED, "output %zu: element %" PRId64 " is %.9g, not %.9g", k, i, x, y), false;
  }
  return true;
}

static bool compare(size_t k, const tn_item *have, const tn_item *want, double rtol, double atol, outcome *o) {
  static const char *const kinds[] = {"a tensor", "a sequence", "nothing"};
  if (have->kind != want->kind)
    return decide(o, FAILED, "output %zu is %s, not %s", k, kinds[have->kind], kinds[want->kind]), false;
  if (have->count != want->count)
    return decide(o, FAILED, "output %zu has %zu tensors, not %zu", k, have->count, want->count), false;
  for (size_t i = 0; i < have->count; i++)
    if (!compare_tensors(k, have->tensors[i], want->tensors[i], rtol, atol, o)) return false;
  return true;
}

/* ---- one test ---------------------------------------------------------------------------------------------------------- */

typedef struct test_data {
  items inputs, outputs;
  tn_items *made;
} test_data;

/* A model whose shapes are known only while it runs. */
static bool load_open(conform *c, const char *path, tn_program **out, outcome *o) {
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  tn_error *error = NULL;
  tn_program_destroy(*out);
  return !refused(o, tn_onnx_load(c->s.context, path, &desc, out, &error), &error);
}

/* A graph, whose inputs are read, with their shapes; or else a model that can say of what kind they are when it is
 * compiled. */
static bool load_model(conform *c, const char *test, test_data *d, tn_program **out, outcome *o) {
  char path[1024];
  tn_error *error = NULL;
  tn_input_shape shapes[MAX_ITEMS];
  tn_import_desc desc = {.struct_size = sizeof desc, .default_dim = 1};
  snprintf(path, sizeof path, "%s/model.onnx", test);
  /* Once for the names of the inputs, in order; and again with their shapes, when they differ from what the model says. */
  tn_status status = tn_onnx_load(c->s.context, path, &desc, out, &error);
  if (refused(o, status, &error)) return false;
  const tn_graph *graph = tn_program_graph(*out, "main");
  if (!graph) return load_open(c, path, out, o);
  if (!read_items(c, test, "input", NULL, &d->inputs, o)) return false;
  if (tn_graph_input_count(graph) != d->inputs.count)
    return decide(o, SKIPPED, "%zu inputs, and %zu files", tn_graph_input_count(graph), d->inputs.count), false;
  bool open = false;
  for (size_t i = 0; i < d->inputs.count; i++) {
    tn_tensor_info info;
    const DLTensor *view = item_of(&d->inputs, i)->tensors[0];
    tn_graph_input(graph, i, &info);
    shapes[i] = (tn_input_shape){take_text("%s", info.name), view->ndim, view->shape};
    open |= info.rank != view->ndim || memcmp(info.shape, view->shape, sizeof *info.shape * (size_t)info.rank);
  }
  if (!open) return true;
  tn_program_destroy(*out);
  desc.shape_count = d->inputs.count;
  desc.shapes = shapes;
  status = tn_onnx_load(c->s.context, path, &desc, out, &error);
  return !refused(o, status, &error);
}

static bool run_model(conform *c, const char *test, const tn_module *module, test_data *d, outcome *o) {
  tn_item inputs[MAX_ITEMS];
  const tn_model *model;
  tn_error *error = NULL;
  if (refused(o, tn_module_model(module, "main", &model, &error), &error)) return false;
  if (!d->inputs.count && !read_items(c, test, "input", model, &d->inputs, o)) return false;
  if (!read_items(c, test, "output", model, &d->outputs, o)) return false;
  if (tn_model_input_count(model) != d->inputs.count)
    return decide(o, SKIPPED, "%zu inputs, and %zu files", tn_model_input_count(model), d->inputs.count), false;
  if (tn_model_output_count(model) < d->outputs.count)
    return decide(o, FAILED, "the model has %zu outputs", tn_model_output_count(model)), false;
  for (size_t i = 0; i < d->inputs.count; i++) inputs[i] = *item_of(&d->inputs, i);
  return !refused(o, tn_model_call_items(model, inputs, d->inputs.count, &d->made, &error), &error);
}

static void run_test(conform *c, const char *test, test_data *d, outcome *o) {
  tn_program *program = NULL;
  tn_module *module = NULL;
  tn_error *error = NULL;
  double rtol, atol;
  bool good = load_model(c, test, d, &program, o);
  good = good && !refused(o, tn_compile(program, NULL, &module, &error), &error) && run_model(c, test, module, d, o);
  read_tolerances(test, &rtol, &atol);
  o->compared = good;
  for (size_t i = 0; good && i < d->outputs.count; i++)
    good = compare(i, tn_items_at(d->made, i), item_of(&d->outputs, i), rtol, atol, o);
  tn_module_destroy(module);
  tn_program_destroy(program);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------- */

/* The reason why the test may be skipped, or NULL. */
static const char *find_skip(const conform *c, const char *name) {
  for (size_t i = 0; i < c->allowed.count; i++) {
    const char *line = c->allowed.items[i];
    size_t length = strcspn(line, " \t");
    if (strlen(name) == length && !strncmp(line, name, length)) return line + length + strspn(line + length, " \t");
  }
  return NULL;
}

/* A test whose numbers cannot be compared: it must run, and that is all. */
static bool is_not_checkable(const char *reason) { return reason && !strncmp(reason, "not checkable", 13); }

static void print_json(conform *c, const char *name, const outcome *o) {
  fprintf(c->json_file, "%s\n  {\"test\": \"%s\", \"verdict\": \"%s\", \"reason\": \"",
          c->counts[0] + c->counts[1] + c->counts[2] ? "," : "", name, verdict_names[o->verdict]);
  for (const char *r = o->reason; *r; r++) {
    if (*r == '"' || *r == '\\') fputc('\\', c->json_file);
    if ((unsigned char)*r >= ' ') fputc(*r, c->json_file);
  }
  fprintf(c->json_file, "\"}");
}

static void judge(conform *c, const char *test) {
  test_data d = {0};
  outcome o = {.verdict = PASSED};
  const char *name = base_name(test);
  run_test(c, test, &d, &o);
  for (size_t i = 0; i < MAX_ITEMS; i++) {
    tn_items_destroy(d.inputs.items[i]);
    tn_items_destroy(d.outputs.items[i]);
  }
  tn_items_destroy(d.made);
  const char *skip = c->skips ? find_skip(c, name) : NULL;
  if (is_not_checkable(skip)) {
    if (o.verdict == SKIPPED) o.verdict = FAILED;
    if (o.compared) o.verdict = SKIPPED;
  } else if (c->skips && o.verdict == SKIPPED && !skip) {
    char reason[300];
    snprintf(reason, sizeof reason, "%.280s", o.reason);
    decide(&o, FAILED, "not in the list of skips: %s", reason);
  } else if (skip && o.verdict == PASSED) {
    decide(&o, FAILED, "it passes: take it from the list of skips");
  }
  if (c->json_file) print_json(c, name, &o);
  c->counts[o.verdict]++;
  if (o.verdict == FAILED || c->verbose) printf("%-8s %s  %s\n", verdict_names[o.verdict], name, o.reason);
}

static void add_test(texts *list, const char *path) {
  if ((list->count & (list->count - 1)) == 0) { /* the room doubles */
    const char **grown = take(list->count ? 2 * list->count : 1, sizeof *grown);
    if (list->count) memcpy(grown, list->items, list->count * sizeof *grown);
    list->items = grown;
  }
  list->items[list->count++] = path;
}

/* Tests in the folder and the folders below it, three deep. */
static void find_tests(conform *c, const char *folder, int depth) {
  struct dirent **entries;
  struct stat info;
  if (!stat(take_text("%s/model.onnx", folder), &info)) {
    if (!c->filter || !regexec(&c->pattern, base_name(folder), 0, NULL, 0)) add_test(&c->tests, folder);
    return;
  }
  int count = depth > 3 ? 0 : scandir(folder, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    const char *path = take_text("%s/%s", folder, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && !stat(path, &info) && S_ISDIR(info.st_mode)) find_tests(c, path, depth + 1);
    free(entries[i]);
  }
  if (count > 0) free(entries);
}

static int conform_all(conform *c, const char *folder) {
  if (c->skips && !read_lines(c->skips, &c->allowed)) return EXIT_FAILED;
  if (c->json && !(c->json_file = fopen(c->json, "w")))
    return fprintf(stderr, "tenon: %s: cannot be written\n", c->json), EXIT_FAILED;
  find_tests(c, folder, 0);
  if (c->json_file) fprintf(c->json_file, "[");
  for (size_t i = 0; i < c->tests.count; i++) {
    if (progress_wanted(&c->s)) fprintf(stderr, "\r%zu of %zu ", i, c->tests.count);
    judge(c, c->tests.items[i]);
  }
  progress_clear(&c->s);
  if (c->json_file) {
    fprintf(c->json_file, "\n]\n");
    fclose(c->json_file);
  }
  printf("%d passed, %d failed, %d skipped\n", c->counts[PASSED], c->counts[FAILED], c->counts[SKIPPED]);
  if (!c->tests.count) fprintf(stderr, "tenon: %s: there is no test in it\n", folder);
  return c->counts[FAILED] || !c->tests.count ? EXIT_FAILED : EXIT_OK;
}

static int run(const command *self, int argc, char **argv) {
  conform c = {0};
  const char *folder;
  const option options[] = {
      {"--filter", "REGEX", OPTION_TEXT, &c.filter, "only tests whose name matches (POSIX extended)"},
      {"--skips", "FILE", OPTION_TEXT, &c.skips, "the tests that may be skipped, `NAME  reason` a line; others fail"},
      {"--json", "FILE", OPTION_TEXT, &c.json, "writes every test's verdict and reason"},
      {"--verbose", NULL, OPTION_FLAG, &c.verbose, "prints every test, not only failures"},
      {"--threads", "N", OPTION_COUNT, &c.s.threads, "threads of kernels; one per core if not given"},
      {"--progress", NULL, OPTION_FLAG, &c.s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &folder);
  if (code >= 0) return code;
  if (c.filter && regcomp(&c.pattern, c.filter, REG_EXTENDED | REG_NOSUB)) {
    fprintf(stderr, "tenon conform: --filter %s is not a regular expression\n", c.filter);
    return EXIT_USAGE;
  }
  if (!session_open(&c.s)) return EXIT_FAILED;
  code = conform_all(&c, folder);
  session_close(&c.s);
  if (c.filter) regfree(&c.pattern);
  return code;
}

const command command_conform = {"conform", "DIR", "Runs ONNX's backend tests from their files.", run};
