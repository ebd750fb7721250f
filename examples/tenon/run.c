/* run.c -- `tenon run`: a model on inputs from files.
 *
 * With --batch N the leading dimension of all inputs is cut into runs of N rows and, for the rest, one shorter run; the
 * model is compiled once for each of the two lengths.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"

typedef struct run_options {
  texts in;
  const char *out;
  classes_options classes;
  int32_t batch, repeat;
} run_options;

/* A model compiled for one number of rows. */
typedef struct built {
  int64_t rows;
  tn_module *module;
  const tn_model *model;
} built;

/* A run of the command. built[1] is for the rest, if there is one. */
typedef struct job {
  session *s;
  const run_options *options;
  const char *file;
  inputs in;
  input **order; /* the model's inputs, in its order */
  array *out;
  size_t input_count, output_count;
  int64_t rows, batch; /* of all inputs and of one run; 0, 0: not split */
  built built[2];
  tn_compile_stats stats;
  double import_seconds, compile_seconds, run_seconds; /* run: the median over the repetitions */
} job;

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static bool build(job *j, built *b, int64_t rows) {
  tn_error *error = NULL;
  tn_program *program;
  tn_input_shape *shapes = take(j->in.count + 1, sizeof *shapes);
  for (size_t i = 0; i < j->in.count; i++) {
    const array *a = &j->in.items[i].array;
    int64_t *shape = take(TN_MAX_RANK, sizeof *shape);
    memcpy(shape, a->shape, sizeof a->shape);
    if (rows) shape[0] = rows;
    shapes[i] = (tn_input_shape){j->in.items[i].name, a->rank, shape};
  }
  double start = seconds();
  if (!session_load(j->s, j->file, j->in.count, shapes, &program)) return false;
  j->import_seconds += seconds() - start;

  tn_compile_desc desc = session_compile_desc(j->s);
  start = seconds();
  tn_status status = tn_compile(program, &desc, &b->module, &error);
  j->compile_seconds += seconds() - start;
  tn_program_destroy(program);
  progress_clear(j->s);
  if (!status) status = tn_module_model(b->module, "main", &b->model, &error);
  if (status) return report(j->file, error), false;
  b->rows = rows;
  return true;
}

/* How many rows there are, and how many go into one run. */
static bool count_rows(job *j) {
  if (!j->options->batch) return true;
  for (size_t i = 0; i < j->in.count; i++) {
    const array *a = &j->in.items[i].array;
    if (a->rank && (i == 0 || a->shape[0] == j->rows)) {
      j->rows = a->shape[0];
      continue;
    }
    fprintf(stderr, "tenon: --batch: the inputs do not have the same leading dimension\n");
    return false;
  }
  j->batch = j->rows < j->options->batch ? j->rows : j->options->batch;
  if (j->batch == j->rows) j->rows = j->batch = 0;
  return true;
}

static bool build_all(job *j) {
  if (!count_rows(j) || !build(j, &j->built[0], j->batch)) return false;
  j->stats.struct_size = sizeof j->stats;
  tn_module_stats(j->built[0].module, &j->stats);
  return !j->batch || j->rows % j->batch == 0 || build(j, &j->built[1], j->rows % j->batch);
}

/* ---- inputs and outputs ------------------------------------------------------------------------------------------ */

static bool is_float(tn_type type) { return type == TN_F32 || type == TN_F64 || type == TN_F16; }

static bool bind_inputs(job *j) {
  const tn_model *model = j->built[0].model;
  j->input_count = tn_model_input_count(model);
  j->order = take(j->input_count, sizeof *j->order);
  for (size_t i = 0; i < j->input_count; i++) {
    tn_tensor_info info;
    tn_model_input(model, i, &info);
    input *in = j->order[i] = inputs_find(&j->in, info.name);
    if (!in) {
      fprintf(stderr, "tenon: input `%s` (%s) is not given: use --in %s=FILE\n", info.name,
              shape_text(info.type, info.rank, info.shape), info.name);
      return false;
    }
    in->used = true;
    if (j->batch && rows_share_bytes(info.type, info.rank, info.shape)) {
      fprintf(stderr, "tenon: --batch: rows of input `%s` share bytes\n", info.name);
      return false;
    }
    if (in->array.picture && is_float(info.type) && !array_pictures_to(&in->array, info.type, in->name)) return false;
  }
  for (size_t i = 0; i < j->in.count; i++) {
    if (j->in.items[i].used) continue;
    fprintf(stderr, "tenon: --in %s: the model has no such input\n", j->in.items[i].name);
    return false;
  }
  return true;
}

static bool make_outputs(job *j) {
  const tn_model *model = j->built[0].model;
  j->output_count = tn_model_output_count(model);
  j->out = take(j->output_count, sizeof *j->out);
  for (size_t i = 0; i < j->output_count; i++) {
    tn_tensor_info info;
    tn_model_output(model, i, &info);
    bool open = info.rank < 0 || !info.type;
    for (int32_t k = 0; k < info.rank; k++) open |= info.shape[k] < 0;
    if (open) {
      fprintf(stderr, "tenon: output `%s`: its shape is known only while the model runs: not for this command\n", info.name);
      return false;
    }
    if (j->batch && (info.rank == 0 || info.shape[0] != j->batch)) {
      fprintf(stderr, "tenon: --batch: output `%s` has no row for each row of the inputs\n", info.name);
      return false;
    }
    if (j->batch && rows_share_bytes(info.type, info.rank, info.shape)) {
      fprintf(stderr, "tenon: --batch: rows of output `%s` share bytes\n", info.name);
      return false;
    }
    if (j->batch) info.shape[0] = j->rows;
    if (!array_create(&j->out[i], info.type, info.rank, info.shape, info.name)) return false;
  }
  return true;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static tn_status run_rows(job *j, const built *b, int64_t first, tn_error **error) {
  size_t count = j->input_count + j->output_count;
  DLTensor *tensors = calloc(count, sizeof *tensors);
  const DLTensor **pointers = calloc(count, sizeof *pointers);
  int64_t *shapes = calloc(count, TN_MAX_RANK * sizeof *shapes);
  tn_status status = TN_E_NOMEM;
  if (tensors && pointers && shapes) {
    for (size_t i = 0; i < count; i++) {
      const array *a = i < j->input_count ? &j->order[i]->array : &j->out[i - j->input_count];
      int64_t rows = b->rows ? b->rows : a->rank ? a->shape[0] : 0;
      tensors[i] = array_rows(a, first, rows, shapes + i * TN_MAX_RANK);
      pointers[i] = &tensors[i];
    }
    status = tn_model_run(b->model, pointers, j->input_count, pointers + j->input_count, j->output_count, error);
  }
  free(tensors);
  free(pointers);
  free(shapes);
  return status;
}

/* All rows once. */
static bool run_once(job *j) {
  tn_error *error = NULL;
  int64_t first = 0;
  do {
    const built *b = j->batch && j->rows - first < j->batch ? &j->built[1] : &j->built[0];
    if (run_rows(j, b, first, &error)) return report(j->file, error), false;
    first += j->batch;
    if (j->batch && progress_wanted(j->s)) fprintf(stderr, "\rrow %lld of %lld ", (long long)first, (long long)j->rows);
  } while (j->batch && first < j->rows);
  return true;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static bool run_all(job *j) {
  int32_t repeat = j->options->repeat;
  double *times = take((size_t)repeat, sizeof *times);
  for (int32_t i = 0; i < repeat; i++) {
    double start = seconds();
    if (!run_once(j)) return false;
    times[i] = seconds() - start;
  }
  progress_clear(j->s);
  qsort(times, (size_t)repeat, sizeof *times, by_value);
  j->run_seconds = repeat % 2 ? times[repeat / 2] : (times[repeat / 2 - 1] + times[repeat / 2]) / 2;
  return true;
}

/* ---- what comes out ---------------------------------------------------------------------------------------------- */

static void print_summary(const char *name, const array *a) {
  int64_t count = array_count(a);
  double low = 0, high = 0, sum = 0;
  for (int64_t i = 0; i < count; i++) {
    double x = array_get(a, i);
    if (i == 0 || x < low) low = x;
    if (i == 0 || x > high) high = x;
    sum += x;
  }
  printf("output %s  %s\n", name, shape_text(a->type, a->rank, a->shape));
  if (count) printf("  min %.6g  max %.6g  mean %.6g\n  first", low, high, sum / (double)count);
  for (int64_t i = 0; i < count && i < 8; i++) printf(" %.6g", array_get(a, i));
  if (count) printf("%s\n", count > 8 ? " ..." : "");
}

/* DIR/NAME.npy, with characters that a file name should not have as '_'. */
static char *output_path(const char *folder, const char *name) {
  char *path = take_text("%s/%s.npy", folder, name);
  for (char *c = path + strlen(folder) + 1; *c; c++) {
    if (strchr("/\\:*?\"<>| ", *c) || (unsigned char)*c < 32) *c = '_';
  }
  return path;
}

static bool write_outputs(job *j) {
  const char *folder = j->options->out;
  mkdir(folder, 0777); /* that it exists already is fine; npy_write reports what is not */
  for (size_t i = 0; i < j->output_count; i++) {
    tn_tensor_info info;
    tn_model_output(j->built[0].model, i, &info);
    char *path = output_path(folder, info.name);
    if (!npy_write(path, &j->out[i])) return false;
    printf("output %s  %s  %s\n", info.name, shape_text(j->out[i].type, j->out[i].rank, j->out[i].shape), path);
  }
  return true;
}

/* The files that name the rows of the outputs: those of an input that has one file per row. */
static const texts *row_files(const job *j, const array *scores) {
  static const texts none;
  for (size_t i = 0; i < j->input_count; i++) {
    const input *in = j->order[i];
    if (scores->rank && in->files.count == (size_t)scores->shape[0] && in->array.rank &&
        in->array.shape[0] == scores->shape[0])
      return &in->files;
  }
  return &none;
}

static bool print_results(job *j) {
  const run_options *o = j->options;
  tn_tensor_info info;
  if (o->out && !write_outputs(j)) return false;
  if (o->classes.top || o->classes.expect) {
    if (!j->output_count) return fprintf(stderr, "tenon: the model has no output\n"), false;
    tn_model_output(j->built[0].model, 0, &info);
    return classes_print(j->s, &o->classes, info.name, &j->out[0], row_files(j, &j->out[0]));
  }
  for (size_t i = 0; !o->out && i < j->output_count; i++) {
    tn_model_output(j->built[0].model, i, &info);
    print_summary(info.name, &j->out[i]);
  }
  return true;
}

static void print_times(const job *j) {
  printf("import   %9.3f ms\n", 1e3 * j->import_seconds);
  printf("compile  %9.3f ms  (%llu kernels, %llu bytes of code", 1e3 * j->compile_seconds,
         (unsigned long long)j->stats.kernels, (unsigned long long)j->stats.code_bytes);
  if (j->s->cache) printf(", %llu kernels from the cache", (unsigned long long)j->stats.cache_hits);
  printf(")\n");
  printf("run      %9.3f ms", 1e3 * j->run_seconds);
  if (j->batch) printf("  (%lld rows in runs of %lld)", (long long)j->rows, (long long)j->batch);
  if (j->options->repeat > 1) printf("  (median of %d)", (int)j->options->repeat);
  printf("\n");
}

static bool work(job *j) {
  if (!inputs_read(j->s, &j->options->in, &j->in) || !build_all(j) || !bind_inputs(j) || !make_outputs(j)) return false;
  if (!run_all(j) || !print_results(j)) return false;
  print_times(j);
  return true;
}

static void destroy(job *j) {
  for (size_t i = 0; i < j->in.count; i++) array_destroy(&j->in.items[i].array);
  for (size_t i = 0; j->out && i < j->output_count; i++) array_destroy(&j->out[i]);
  tn_module_destroy(j->built[0].module);
  tn_module_destroy(j->built[1].module);
}

static int run(const command *self, int argc, char **argv) {
  session s = {0};
  run_options o = {.repeat = 1};
  job j = {.s = &s, .options = &o};
  const option options[] = {
      {"--in", "NAME=FILE", OPTION_LIST, &o.in,
       "an input: .npy, ONNX .pb, PNG or IDX (also .gz); FILE,FILE or several --in\n"
       "make a batch. PNG and IDX pictures are [n, channels, height, width]; a\n"
       "floating-point input takes their bytes divided by 255"},
      {"--shape", "NAME=2x3", OPTION_LIST, &s.shapes, "another shape for the elements of an input's files"},
      {"--dim", "NAME=2", OPTION_LIST, &s.dims, "an open dimension, by its name"},
      {"--out", "DIR", OPTION_TEXT, &o.out, "write the outputs as DIR/NAME.npy"},
      {"--top", "K", OPTION_COUNT, &o.classes.top,
       "the K best classes of each row of the first output with their probabilities:\n"
       "the softmax of the row, unless its values are a distribution already"},
      {"--labels", "FILE", OPTION_TEXT, &o.classes.labels, "the names of the classes, one a line"},
      {"--expect", "FILE|LIST", OPTION_TEXT, &o.classes.expect,
       "the right class of each row: IDX, .npy, or numbers or labels with commas;\n"
       "without it, a file named like NN_label.png tells"},
      {"--batch", "N", OPTION_COUNT, &o.batch, "run N rows of the inputs at a time"},
      {"--threads", "N", OPTION_COUNT, &s.threads, "threads of kernels; one per core if not given"},
      {"--repeat", "N", OPTION_COUNT, &o.repeat, "run N times and print the median time"},
      {"--integers", NULL, OPTION_FLAG, &s.integers, INTEGERS_HELP},
      {"--direct", NULL, OPTION_FLAG, &s.direct, DIRECT_HELP},
      {"--cache", "DIR", OPTION_TEXT, &s.cache, CACHE_HELP},
      {"--cache-key", "FILE", OPTION_TEXT, &s.cache_key, CACHE_KEY_HELP},
      {"--unproven", "HOW", OPTION_TEXT, &s.unproven, UNPROVEN_HELP},
      {"--progress", NULL, OPTION_FLAG, &s.progress, "show progress on stderr, also when it is no terminal"},
      {0}};
  int code = read_options(self, options, argc, argv, &j.file);
  if (code >= 0) return code;
  if (!session_open(&s)) return EXIT_FAILED;
  code = work(&j) ? EXIT_OK : EXIT_FAILED;
  destroy(&j);
  session_close(&s);
  return code;
}

const command command_run = {"run", "MODEL", "Compiles a model for this CPU and runs it on inputs from files.", run};
