/* command.h -- what the files of the `tenon` command share. It stands on Tenon's public headers alone.
 *
 * Prototypes are grouped by file. Functions that can fail print one message on stderr and give false (or NULL): what
 * failed, in one place, once. Memory that a run of the command takes lives until its end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "tenon/tenon.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- options.c ------------------------------------------------------------------------------------------------- */

/* A list of texts: the values of an option that may be repeated. */
typedef struct texts {
  const char **items;
  size_t count;
} texts;

/* Which member of `to` is written: FLAG bool, COUNT int32_t (1 and up), TEXT const char *, LIST texts. */
enum option_kind { OPTION_FLAG, OPTION_COUNT, OPTION_TEXT, OPTION_LIST };
typedef struct option {
  const char *name;  /* "--in" */
  const char *value; /* "NAME=FILE", NULL for a flag */
  enum option_kind kind;
  void *to;
  const char *help; /* lines after the first are indented by the printer */
} option;

/* A subcommand. */
typedef struct command {
  const char *name, *arguments, *summary;
  int (*run)(const struct command *self, int argc, char **argv);
} command;
extern const command command_bench, command_inspect, command_profile, command_run, command_print, command_sched, command_compile, command_conform,
    command_check, command_compare;

/* Reads options and exactly one positional argument into *file. Gives -1 to go on, else the exit code: help was asked
 * for and printed, or the use was wrong and stderr says how. Options end with a row without a name. */
int read_options(const command *self, const option *options, int argc, char **argv, const char **file);

/* ---- session.c: a context, and the model or program the command works on ------------------------------------------ */

/* The options that several subcommands have, and what they make. */
typedef struct session {
  int32_t threads;      /* --threads */
  const char *target;   /* --target */
  const char *unproven; /* --unproven; NULL: check */
  bool integers;        /* --integers */
  bool direct;          /* --direct */
  texts shapes;         /* --shape NAME=2x3 */
  texts dims;           /* --dim NAME=2 */
  const char *cache;    /* --cache; NULL: none */
  const char *cache_key; /* --cache-key */
  bool progress;        /* --progress */
  tn_context *context;
  const tn_target *target_found;
  enum tn_unproven unproven_found;
  tn_cache *cache_opened;
} session;
#define CACHE_HELP                                                                                                     \
  "keep compiled code in this directory, made if there is none, and take it from\n"                                   \
  "there: whoever may write to it can run code here, unless there is a --cache-key"
#define CACHE_KEY_HELP "the file of a secret that seals the cache's entries: 16 to 64 bytes, mode 0600"
#define UNPROVEN_HELP                                                                                                  \
  "subscripts and loops that are not proven sound:\n"                                                                  \
  "check   are checked when they run, or run in order (the default)\n"                                                 \
  "refuse  are refused\n"                                                                                              \
  "trust   are compiled as they are: a wrong one corrupts memory"

#define DIRECT_HELP "convolutions as sums over their windows, none from transformed tiles"
#define INTEGERS_HELP "products of quantized numbers in integers, as ONNX's QLinear operators have them"

/* Prints the error and destroys it. Gives EXIT_FAILED. */
int report(const char *what, tn_error *error);
void *take(size_t count, size_t size); /* zeroed memory; ends the command when there is none */
char *take_text(const char *format, ...) TN_PRINTF(1, 2);
double seconds(void); /* of a monotonic clock */

bool session_open(session *s);
void session_close(session *s);
/* A .tn text, or else an ONNX model with its open dimensions bound: by `given` (may be NULL), by --shape and --dim, and 1
 * for all others when there is no `given`. */
bool session_load(session *s, const char *path, size_t given_count, const tn_input_shape *given, tn_program **out);
tn_compile_desc session_compile_desc(session *s);
/* "2x3x4" into shape (room for TN_MAX_RANK); "" is rank 0. */
bool parse_shape(const char *text, int64_t *shape, int32_t *rank);
/* Is progress shown? Clears the line of progress, if there is one. */
bool progress_wanted(const session *s);
void progress_clear(const session *s);

/* ---- passes.c: the compiler's passes ------------------------------------------------------------------------------- */

typedef struct passes_options {
  const char *after;    /* the pass whose result is printed, or NULL */
  const char *function; /* only of the graph or function of that name; NULL: of all */
  bool diff;            /* instead: what it changed */
  bool times;           /* the time of each pass, code generation too */
} passes_options;
/* Is `after` a pass that has a text? Says on stderr which there are. */
bool passes_check(const passes_options *options);
/* Compiles and prints what the options ask for; the exit code. */
int passes_show(session *s, const char *file, const tn_program *program, const passes_options *options);
/* What TN_DUMP of the environment asks for: letters of passes whose results go to stderr. */
void passes_dump(tn_compile_desc *desc);

/* ---- diff.c -------------------------------------------------------------------------------------------------------- */

/* Prints the lines that differ, with - and +, and some around them. Gives whether there are any. */
bool print_difference(const char *before, const char *after);

/* ---- array.c: tensors as files have them -------------------------------------------------------------------------- */

/* Compact row-major. `picture`: bytes 0..255 which an input of floating type takes as 0..1. */
typedef struct array {
  tn_type type;
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  bool picture;
  void *data;
} array;

/* Zeroed data. */
bool array_create(array *a, tn_type type, int32_t rank, const int64_t *shape, const char *what);
void array_destroy(array *a);
/* An array of the same memory; nothing to destroy. */
array array_of(const DLTensor *view);
/* Of the same type and shape? */
bool array_is_like(const array *a, const array *b);
int64_t array_count(const array *a); /* elements */
size_t array_bytes(const array *a);
/* Does a row of packed elements begin within the byte in which another ends? */
bool rows_share_bytes(tn_type type, int32_t rank, const int64_t *shape);
/* A view of `rows` along the leading dimension from `first`, in `shape` (room for TN_MAX_RANK). */
DLTensor array_rows(const array *a, int64_t first, int64_t rows, int64_t *shape);
double array_get(const array *a, int64_t i); /* element i as a number */
/* The pictures as floating-point numbers of that type, divided by 255. */
bool array_pictures_to(array *a, tn_type type, const char *what);
/* "f32[2, 3]" into a text that is the command's. */
char *shape_text(tn_type type, int32_t rank, const int64_t *shape);

/* ---- files.c ----------------------------------------------------------------------------------------------------- */

/* A whole file, of at most 2 GiB; a gzip file is inflated. A NUL follows. free() it. */
bool read_file(const char *path, char **bytes, size_t *size);
bool write_file(const char *path, const void *bytes, size_t size);
/* The last part of a path. */
const char *base_name(const char *path);
bool has_suffix(const char *text, const char *suffix);
/* The lines of a file, without empty ones at its end. */
bool read_lines(const char *path, texts *out);

/* One file in any format below, told by its first bytes (by its name: .pb). */
bool read_array(session *s, const char *path, array *out);
/* The formats. `name` is for messages. */
bool npy_read(const char *name, const char *bytes, size_t size, array *out);
bool npy_write(const char *path, const array *a);
bool png_read(const char *name, const char *bytes, size_t size, array *out); /* [1, 1 or 3, height, width] */
bool idx_read(const char *name, const char *bytes, size_t size, array *out);
bool pb_read(session *s, const char *name, const char *bytes, size_t size, array *out);

/* ---- inputs.c ---------------------------------------------------------------------------------------------------- */

/* What the --in options give for one input: the files, one after the other along the leading dimension. */
typedef struct input {
  const char *name;
  array array;
  texts files;
  bool used; /* by the model */
} input;
typedef struct inputs {
  input *items;
  size_t count;
} inputs;

/* Reads every NAME=FILE[,FILE...] of `specs`; --shape gives the form of pictures that is not [n, channels, height, width]. */
bool inputs_read(session *s, const texts *specs, inputs *out);
/* The input of that name, or NULL. */
input *inputs_find(const inputs *in, const char *name);

/* ---- subject.c: a compiled model with tensors to run it on ------------------------------------------------------- */

typedef struct subject {
  session *s;
  const char *file;
  inputs given;
  bool made_up; /* some inputs are not given */
  tn_module *module;
  const tn_model *model;
  size_t input_count, output_count;
  array *arrays; /* inputs, then outputs; also in the three below */
  DLTensor *tensors;
  const DLTensor **pointers;
  int64_t *shapes;
  double import_seconds, compile_seconds, first_seconds; /* first: from opening the file to the first output */
  tn_compile_stats stats;
} subject;
/* Compiles m->file in the session m->s for the inputs `in` (NAME=FILE each) and runs it once. To be closed in any case. */
bool subject_open(subject *m, const texts *in);
bool subject_run(subject *m);
void subject_close(subject *m);

/* Of times in seconds. */
typedef struct spread {
  size_t count;
  double least, median, p90; /* nine in ten are within p90 */
} spread;
spread spread_of(double *times, size_t count); /* sorts them; count > 0 */
/* Runs the model; `repeat` 0: for a second, 10 to 1000 times. */
bool subject_measure(subject *m, int32_t warm_up, int32_t repeat, spread *out);

/* ---- roof.c -------------------------------------------------------------------------------------------------------- */

/* What the machine can do, a second. */
typedef struct roof {
  double operations; /* on f32: a multiply-add is two */
  double bytes;      /* read */
} roof;
/* Measures with so many threads, reading `bytes` again and again; what is more than in *best goes there. */
bool roof_measure(session *s, int32_t threads, double bytes, roof *best);
/* The least time that the roof allows, over `spent`. */
double roof_share(const roof *r, double operations, double bytes, double spent);

/* ---- profile.c, page.c --------------------------------------------------------------------------------------------- */

/* A step, or all steps of a kernel. */
typedef struct profile_step {
  tn_step_info info;
  size_t calls;   /* in a run */
  double seconds; /* of a run; the median over runs */
} profile_step;

/* On the timeline: a step, or a part of a parallel loop of it. Seconds since the run began. */
typedef struct profile_span {
  uint32_t step, thread;
  bool range;
  double begin, end;
} profile_span;

typedef struct profile {
  subject subject;
  int32_t threads, repeat;
  bool by_step;
  const char *html, *json;
  profile_step *steps, *kernels, total; /* kernels: the slowest first */
  size_t step_count, kernel_count, runs;
  double plain_seconds, observed_seconds; /* of a run */
  double accounted;                       /* part of an observed run that is in steps */
  roof roof;
  profile_span *spans;
  size_t span_count, thread_count;
} profile;
double profile_bytes(const profile_step *s);
double profile_roof(const profile *p, const profile_step *s); /* roof_share */
void profile_json(const profile *p, FILE *to);
void profile_page(const profile *p, FILE *to);

/* ---- json.c -------------------------------------------------------------------------------------------------------- */

void json_text(FILE *to, const char *text); /* with quotes */
void json_number(FILE *to, double x);       /* null for what is not finite */
void json_shape(FILE *to, int32_t rank, const int64_t *shape);
/* The file that --json names, NULL for none, "-" for standard output. */
bool json_open(const char *path, FILE **out);
bool json_close(const char *path, FILE *file);

/* ---- classes.c --------------------------------------------------------------------------------------------------- */

typedef struct classes_options {
  int32_t top;
  const char *labels, *expect; /* files, NULL if not given */
} classes_options;
/* Prints the K best classes of each row of `scores`, and right or wrong where `expect` or the names of `files` (one per row,
 * or none) tell. */
bool classes_print(session *s, const classes_options *options, const char *name, const array *scores,
                   const texts *files);

#endif
