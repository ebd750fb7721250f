/* compare.c -- `tenon compare`: a model against what another runtime made of the same inputs, and how long both take.
 *
 *     DIR/model.onnx
 *     DIR/test_data_set_0/input_0.pb ... output_0.pb ...      also _1, _2 ...: all are run by one compiled model
 *     DIR/reference_ms                                        may say how long the other one took for each set
 *     DIR/reference_first_ms                                  and how long from the file to the first output
 *
 * The worst difference is that of any element over the largest magnitude of its output in that set. A reference that
 * could hide every mistake is refused: over all sets, an output has DISTINCT different values (or all its elements
 * differ), and their range is at least RANGE of the largest magnitude.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"

enum { MAX_TENSORS = 32, MAX_SETS = 512, DISTINCT = 10 };
static const double RANGE = 1e-3, MOST = 1e-4;

typedef struct data_set {
  array in[MAX_TENSORS], out[MAX_TENSORS];
  size_t in_count, out_count;
} data_set;

typedef struct compare {
  session s;
  const char *folder;
  int32_t repeat;
  data_set *sets;
  size_t set_count;
  tn_module *module;
  const tn_model *model;
  double worst;
  size_t distinct; /* of the output that has fewest */
  tn_input_shape shapes[MAX_TENSORS]; /* of the sets */
  double first_seconds, *set_seconds;
  double cached_seconds; /* the same as first_seconds, when the cache has the code */
} compare;

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool is_there(const char *path) {
  struct stat info;
  return !stat(path, &info);
}

static bool read_tensors(compare *c, size_t set, const char *kind, array *out, size_t *count) {
  for (*count = 0; *count < MAX_TENSORS; ++*count) {
    const char *path = take_text("%s/test_data_set_%zu/%s_%zu.pb", c->folder, set, kind, *count);
    if (!is_there(path)) return true;
    if (!read_array(&c->s, path, &out[*count])) return false;
  }
  fprintf(stderr, "tenon: %s: more than %d %ss\n", c->folder, MAX_TENSORS, kind);
  return false;
}

static bool read_sets(compare *c) {
  c->sets = take(MAX_SETS, sizeof *c->sets);
  while (c->set_count < MAX_SETS && is_there(take_text("%s/test_data_set_%zu", c->folder, c->set_count))) {
    data_set *d = &c->sets[c->set_count];
    if (!read_tensors(c, c->set_count, "input", d->in, &d->in_count) ||
        !read_tensors(c, c->set_count, "output", d->out, &d->out_count))
      return false;
    if (!d->out_count) return fprintf(stderr, "tenon: %s: set %zu has no output\n", c->folder, c->set_count), false;
    c->set_count++;
  }
  c->set_seconds = take(c->set_count + 1, sizeof *c->set_seconds);
  return c->set_count || (fprintf(stderr, "tenon: %s: there is no test_data_set_0 in it\n", c->folder), false);
}

/* The other runtime's milliseconds in a line of a file; 0: nothing is known. */
static double other_ms(const compare *c, const char *file, size_t line) {
  texts lines;
  const char *path = take_text("%s/%s", c->folder, file);
  if (!is_there(path) || !read_lines(path, &lines) || line >= lines.count) return 0;
  return strtod(lines.items[line], NULL);
}

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static bool same_shapes(const data_set *a, const data_set *b) {
  if (a->in_count != b->in_count) return false;
  for (size_t i = 0; i < a->in_count; i++)
    if (a->in[i].rank != b->in[i].rank || memcmp(a->in[i].shape, b->in[i].shape, sizeof a->in[i].shape)) return false;
  return true;
}

static bool build(compare *c, const tn_import_desc *desc, tn_cache *cache) {
  tn_program *program = NULL;
  tn_error *error = NULL;
  const char *path = take_text("%s/model.onnx", c->folder);
  tn_compile_desc how = session_compile_desc(&c->s);
  how.cache = cache;
  tn_module_destroy(c->module);
  c->module = NULL;
  tn_status status = tn_onnx_load(c->s.context, path, desc, &program, &error);
  if (!status) status = tn_compile(program, &how, &c->module, &error);
  if (!status) status = tn_module_model(c->module, "main", &c->model, &error);
  tn_program_destroy(program);
  progress_clear(&c->s);
  return status ? report(path, error), false : true;
}

/* The inputs' names in the order of the model, which is that of the files; their shapes are those of the first set. */
static bool name_shapes(compare *c) {
  const data_set *d = &c->sets[0];
  if (tn_model_input_count(c->model) != d->in_count) {
    fprintf(stderr, "tenon: %s: the model has %zu inputs, there are %zu files\n", c->folder,
            tn_model_input_count(c->model), d->in_count);
    return false;
  }
  for (size_t i = 0; i < d->in_count; i++) {
    tn_tensor_info info;
    tn_model_input(c->model, i, &info);
    c->shapes[i] = (tn_input_shape){take_text("%s", info.name), d->in[i].rank, d->in[i].shape};
  }
  return true;
}

/* A model of open dimensions is compiled for the sets' shapes, if these are the same: as one who knows them would. */
static bool build_for_sets(compare *c, double *spent) {
  tn_import_desc desc = {.struct_size = sizeof desc, .data_directory = c->folder};
  for (size_t i = 1; i < c->set_count; i++) desc.keep_open |= !same_shapes(&c->sets[0], &c->sets[i]);
  if (!desc.keep_open) desc.shapes = c->shapes, desc.shape_count = c->sets[0].in_count;
  double start = seconds();
  bool good = build(c, &desc, c->s.cache_opened);
  *spent = seconds() - start;
  return good;
}

/* The inputs' names are known of a model that was compiled. */
static bool build_first(compare *c) {
  const tn_import_desc open = {.struct_size = sizeof open, .keep_open = 1, .data_directory = c->folder};
  return build(c, &open, NULL) && name_shapes(c) && build_for_sets(c, &c->first_seconds);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int64_t count_output(const data_set *d, size_t k) { return k < d->out_count ? array_count(&d->out[k]) : 0; }

/* The elements of output k of all sets, in ascending order. NULL: one is not finite. */
static const double *gather(const compare *c, size_t k, size_t *count) {
  *count = 0;
  for (size_t i = 0; i < c->set_count; i++) *count += (size_t)count_output(&c->sets[i], k);
  double *values = take(*count + 1, sizeof *values), *next = values;
  for (size_t i = 0; i < c->set_count; i++)
    for (int64_t at = 0; at < count_output(&c->sets[i], k); at++) {
      *next = array_get(&c->sets[i].out[k], at);
      if (isfinite(*next++)) continue;
      fprintf(stderr, "tenon: %s: output %zu of set %zu is not finite\n", c->folder, k, i);
      return NULL;
    }
  qsort(values, *count, sizeof *values, by_value);
  return values;
}

/* False, with the reason on stderr, if output k is no reference. */
static bool check_reference(compare *c, size_t k) {
  size_t count, distinct = 0;
  const double *values = gather(c, k, &count);
  if (!values) return false;
  double least = count ? values[0] : 0, most = count ? values[count - 1] : 0;
  for (size_t i = 0; i < count; i++) distinct += i == 0 || values[i] != values[i - 1];
  if (k == 0 || distinct < c->distinct) c->distinct = distinct;
  bool many = distinct > 1 && (distinct >= DISTINCT || distinct == count);
  if (many && most - least >= RANGE * fmax(fabs(least), fabs(most))) return true;
  fprintf(stderr, "tenon: %s: output %zu is no reference: %zu values, %zu different ones, from %g to %g\n", c->folder,
          k, count, distinct, least, most);
  return false;
}

static bool compare_output(compare *c, size_t set, size_t k, tn_tensor *made) {
  const array have = array_of(tn_tensor_view(made)), *want = &c->sets[set].out[k];
  double most = 0, worst = 0;
  if (!array_is_like(&have, want)) {
    fprintf(stderr, "tenon: %s: set %zu: output %zu is %s, not %s\n", c->folder, set, k,
            shape_text(have.type, have.rank, have.shape), shape_text(want->type, want->rank, want->shape));
    return false;
  }
  for (int64_t i = 0; i < array_count(want); i++) {
    double a = array_get(&have, i), b = array_get(want, i), d = fabs(a - b);
    if (!(d <= worst)) worst = isnan(d) ? (double)INFINITY : d;
    if (fabs(b) > most) most = fabs(b);
  }
  if (worst > 0) worst = most > 0 ? worst / most : (double)INFINITY;
  if (worst > c->worst) c->worst = worst;
  return true;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Runs the set once: *spent is the time; what comes out is compared. */
static bool run_set(compare *c, size_t set, double *spent) {
  data_set *d = &c->sets[set];
  DLTensor views[MAX_TENSORS];
  const DLTensor *inputs[MAX_TENSORS];
  int64_t shapes[MAX_TENSORS][TN_MAX_RANK];
  tn_tensor *made[MAX_TENSORS] = {0};
  tn_error *error = NULL;
  size_t count = tn_model_output_count(c->model);
  if (count != d->out_count || d->in_count != c->sets[0].in_count)
    return fprintf(stderr, "tenon: %s: set %zu does not have the model's inputs and outputs\n", c->folder, set), false;
  for (size_t i = 0; i < d->in_count; i++) {
    views[i] = array_rows(&d->in[i], 0, d->in[i].rank ? d->in[i].shape[0] : 0, shapes[i]);
    inputs[i] = &views[i];
  }
  double start = seconds();
  tn_status status = tn_model_call(c->model, inputs, d->in_count, made, count, &error);
  *spent = seconds() - start;
  bool good = status ? (report(c->folder, error), false) : true;
  for (size_t i = 0; i < count && good; i++) good = compare_output(c, set, i, made[i]);
  for (size_t i = 0; i < count; i++) tn_tensor_destroy(made[i]);
  return good;
}

static bool run_sets(compare *c) {
  double *times = take((size_t)c->repeat, sizeof *times), first;
  for (size_t set = 0; set < c->set_count; set++) {
    if (!run_set(c, set, &first)) return false;
    if (set == 0) c->first_seconds += first;
    for (int32_t i = 0; i < c->repeat; i++)
      if (!run_set(c, set, &times[i])) return false;
    qsort(times, (size_t)c->repeat, sizeof *times, by_value);
    c->set_seconds[set] = times[c->repeat / 2];
  }
  return true;
}

/* Once more, with the code in the cache. */
static bool build_again(compare *c) {
  double first;
  if (!c->s.cache_opened) return true;
  if (!build_for_sets(c, &c->cached_seconds) || !run_set(c, 0, &first)) return false;
  c->cached_seconds += first;
  return true;
}

/* NAME, OK or FAILED, the worst difference, different values, sets, seconds until the first output, milliseconds of a
 * run (of the set in the middle), of the other runtime, the first of these over the second, the other runtime's seconds
 * until its first output; of a cache ours when it has the code. */
static int print_line(const compare *c) {
  bool good = c->worst <= MOST;
  printf("%-22s %-6s", base_name(c->folder), good ? "OK" : "FAILED");
  printf(" %9.2e %8zu %5zu %8.3f", c->worst, c->distinct, c->set_count, c->first_seconds);
  size_t middle = c->set_count / 2; /* sets lie from small to large */
  double own = 1e3 * c->set_seconds[middle], other = other_ms(c, "reference_ms", middle);
  double other_first = other_ms(c, "reference_first_ms", 0) / 1e3;
  printf(" %9.3f", own);
  if (other > 0) printf(" %9.3f %6.2f", other, own / other);
  if (other > 0 && other_first > 0) printf(" %9.3f", other_first);
  if (c->s.cache_opened) printf("   cached %.3f", c->cached_seconds);
  printf("\n");
  return good ? EXIT_OK : EXIT_FAILED;
}

static int compare_all(compare *c) {
  bool good = read_sets(c);
  for (size_t k = 0; good && k < c->sets[0].out_count; k++) good = check_reference(c, k);
  good = good && build_first(c) && run_sets(c) && build_again(c);
  return good ? print_line(c) : (printf("%-22s FAILED\n", base_name(c->folder)), EXIT_FAILED);
}

static void destroy(compare *c) {
  for (size_t i = 0; c->sets && i < MAX_SETS; i++)
    for (size_t k = 0; k < MAX_TENSORS; k++) array_destroy(&c->sets[i].in[k]), array_destroy(&c->sets[i].out[k]);
  tn_module_destroy(c->module);
}

static int run(const command *self, int argc, char **argv) {
  compare c = {.repeat = 5};
  const option options[] = {
      {"--repeat", "N", OPTION_COUNT, &c.repeat, "times each set is run for the median; 5 if not given"},
      {"--threads", "N", OPTION_COUNT, &c.s.threads, "threads of kernels; one per core if not given"},
      {"--integers", NULL, OPTION_FLAG, &c.s.integers, INTEGERS_HELP},
      {"--direct", NULL, OPTION_FLAG, &c.s.direct, DIRECT_HELP},
      {"--cache", "DIR", OPTION_TEXT, &c.s.cache, CACHE_HELP},
      {"--cache-key", "FILE", OPTION_TEXT, &c.s.cache_key, CACHE_KEY_HELP},
      {"--progress", NULL, OPTION_FLAG, &c.s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &c.folder);
  if (code >= 0) return code;
  if (!session_open(&c.s)) return EXIT_FAILED;
  code = compare_all(&c);
  destroy(&c);
  session_close(&c.s);
  return code;
}

const command command_compare = {"compare", "DIR", "Runs a model beside the outputs of another runtime.", run};
