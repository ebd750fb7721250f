/* bench.h -- the directory board of tenon-bench: contestants run in turn, ratios are of one round.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_BENCH_H
#define TN_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenon/tenon.h"

enum { MAX_ROUNDS = 501, MAX_PEERS = 16 };

/* ---- measure.c: clocks, peaks, statistics, memory ---------------------------------------------------------------- */

/* Seconds of this thread's processor time (one thread: what else runs drops out), or of the wall. */
double bench_now(bool wall);
/* GFLOP/s of about 2 ms of independent f32 multiply-adds in the widest vectors on one thread; 0: no loop for this CPU. */
double bench_peak_f32(void);
/* Reads all of it, in the widest vectors; a multiple of 64 bytes. */
void bench_read(const void *from, size_t bytes);
/* Sorts the values. */
double bench_median(double *values, int count);
/* Of that type, the same in every run: floats in -1..1, integers over all of their range. */
void bench_fill(tn_type type, void *to, size_t count, uint64_t seed);
/* Number i of an array of that type. */
double bench_number(tn_type type, const void *of, size_t i);
/* Of 64-byte alignment, touched; ends the program when there is no memory. */
void *bench_alloc(size_t bytes);
/* Ends the program with the error when there is one. */
void bench_must(tn_status status, tn_error *const *error);

/* ---- compiled.c: what Tenon makes of a program ------------------------------------------------------------------- */

typedef struct bench_compiled {
  tn_program *program;
  tn_module *module;
  const tn_model *model; /* NULL: a program of functions */
  double seconds;        /* that compiling took */
} bench_compiled;

/* Takes the program. `desc`: as of tn_compile. */
bench_compiled bench_compile(tn_program *program);
bench_compiled bench_compile_by(tn_program *program, const tn_compile_desc *desc);
/* Takes the file's bytes, of malloc. */
bench_compiled bench_compile_onnx(tn_context *ctx, void *file, size_t size);
bench_compiled bench_compile_onnx_by(tn_context *ctx, void *file, size_t size, const tn_compile_desc *desc);
/* Of one output. */
void bench_run_model(const bench_compiled *c, const DLTensor *const *inputs, size_t count, const DLTensor *output);
void bench_drop_compiled(bench_compiled *c);
/* Row major, without gaps. */
DLTensor bench_view(tn_type type, const void *data, int32_t rank, int64_t *shape);

/* ---- peers/: libraries, opened at run time ----------------------------------------------------------------------- */

/* One way of one library to do the problems of a suite. Tables of them end with a row without name. */
typedef struct bench_peer {
  const char *name;
  bool named; /* no mean without it */
  bool (*open)(const char *folder, int threads);
  void *(*prepare)(const void *operands); /* NULL: it cannot do that */
  void (*run)(void *prepared);
  void (*fetch)(void *prepared); /* brings what run left to the operands; NULL: it is there */
  void (*drop)(void *prepared);
  unsigned types; /* those of enum bench_type that it has; 0: whatever the suite has */
} bench_peer;

/* The types of a product: of A, of B, and of C, in which the products are summed. */
enum bench_type { BENCH_F32, BENCH_F64, BENCH_BF16, BENCH_F16, BENCH_U8S8, BENCH_S8S8, BENCH_TYPES };
typedef struct bench_types {
  const char *name;
  tn_type a, b, c;
} bench_types;
extern const bench_types bench_type_table[BENCH_TYPES]; /* gemm.c */

/* C[m,n] = A[m,k] B[k,n], all row major without gaps; `constant`: B may be packed before the time runs. */
typedef struct bench_gemm {
  enum bench_type type;
  int64_t m, n, k;
  const void *a, *b;
  void *c;
  bool constant;
} bench_gemm;

/* Of bench_peer.types. */
enum { ON_F32 = 1 << BENCH_F32, ON_F64 = 1 << BENCH_F64, ON_SHORT = 1 << BENCH_BF16 | 1 << BENCH_F16 };
enum { ON_U8S8 = 1 << BENCH_U8S8, ON_INT8 = 1 << BENCH_U8S8 | 1 << BENCH_S8S8 };
extern const bench_peer bench_blas_peers[], bench_onednn_peers[], bench_xsmm_peers[];

/* y[out, result] = conv(x[in, size], w[out, in / groups, kernel]), f32, row major without gaps, one image; w is
 * constant. */
typedef struct bench_conv {
  int64_t in, out, groups, stride;
  int64_t size[2], kernel[2], pad[2], result[2]; /* rows, columns; padding is the same on both sides */
  const float *x, *w;
  float *y;
} bench_conv;
size_t bench_conv_weights(const bench_conv *g); /* how many; conv.c */

extern const bench_peer bench_blas_conv_peers[], bench_onednn_conv_peers[];

/* y = op(x, w): one operator over f32, row major without gaps. Lines of `count` elements, `inner` apart, of which there are
 * `outer` times `inner`, are summed up or normed; elementwise operators have lines of 1. */
enum bench_op {
  BENCH_SOFTMAX, BENCH_LOG_SOFTMAX, BENCH_LAYER_NORM, BENCH_RMS_NORM, BENCH_GROUP_NORM,
  BENCH_GELU, BENCH_GELU_TANH, BENCH_SILU, BENCH_HARD_SWISH, BENCH_TANH, BENCH_SIGMOID, BENCH_EXP, BENCH_RELU, BENCH_ADD,
  BENCH_SUM, BENCH_MEAN, BENCH_MAX, BENCH_OPS
};
typedef struct bench_node {
  enum bench_op op;
  int rank, axis, axes;
  int64_t shape[4], result[4]; /* of y: reduced dimensions are 1 */
  int64_t outer, count, inner;
  const float *x, *w, *b; /* w: the other summand, or scales, with b to shift by; NULL: none */
  float *y;
} bench_node;
#define BENCH_EPSILON 1e-5f /* of norms */

extern const bench_peer bench_onednn_node_peers[];

/* y = softmax(scale * q k^T + mask) v of each head, over (batch, heads, sequence, size), f32, row major without gaps. Heads
 * share keys and values, heads / kv_heads each. The keys before the last `queries` came earlier. */
typedef struct bench_attention {
  int64_t batch, heads, kv_heads, queries, keys, size;
  bool causal;
  double scale;
  const float *q, *k, *v, *mask; /* mask: (heads, queries, keys), or NULL */
  float *y;
} bench_attention;

extern const bench_peer bench_torch_attention_peers[];

/* A recurrent layer as ONNX's LSTM or GRU has it, f32, row major without gaps: x (steps, batch, in), states h and c
 * (directions, batch, hidden), w (directions, gates * hidden, in), r (.., hidden), b (directions, 2 * gates * hidden); y
 * (steps, directions, batch, hidden), and the states behind the last step. Weights are constant. */
typedef struct bench_rnn {
  bool lstm, linear; /* linear: a GRU resets behind the product */
  int64_t gates, batch, steps, in, hidden, directions;
  const float *x, *h, *c, *w, *r, *b;
  float *y, *y_h, *y_c; /* c, y_c: of an LSTM */
} bench_rnn;
typedef struct bench_value {
  const char *name;
  void *data;
  int rank;
  int64_t shape[4];
} bench_value;
/* Inputs, then outputs, by the names of bench_rnn_model: six at most; rnn.c. */
size_t bench_rnn_values(const bench_rnn *g, bench_value *out, size_t *inputs);
/* An ONNX model of that layer, with its weights: of malloc; rnn.c. */
void *bench_rnn_model(const bench_rnn *g, size_t *size);

extern const bench_peer bench_onnxruntime_rnn_peers[], bench_onednn_rnn_peers[];

/* y = x by w, u8 by s8, plus the bias, quantized again with a scale for each channel of y (int8.c): a convolution of one
 * image, (rows, columns, channels), w (out, in / groups, kernel, kernel), or a product of rows of x, without a bias. */
typedef struct bench_int8 {
  bool product;
  int64_t in, out, groups, kernel, stride, pad, rows, columns, y_rows, y_columns;
  const uint8_t *x;
  const int8_t *w;
  const int32_t *bias;
  float x_scale, y_scale;
  const float *w_scales;
  uint8_t *y;
} bench_int8;

extern const bench_peer bench_onednn_int8_peers[];

/* Opens one of the names (first in the folder, then where the system looks), with its symbols to itself; NULL: none. */
void *bench_open(const char *folder, const char *const *names);

/* ---- contest.c: contestants in turn, and the report -------------------------------------------------------------- */

typedef struct bench_options {
  int rounds, threads;
  enum bench_type type;
  const char *only;        /* part of a name, or NULL */
  const char *peer_folder; /* or NULL */
  const char *json, *svg;  /* files to write, or NULL */
} bench_options;

enum { BENCH_OURS = MAX_PEERS }; /* Tenon's place among the contestants */

typedef struct bench_contest {
  const bench_options *options;
  const char *ratio;            /* what the ratio is */
  bool by_bytes;                /* rates are bytes', of no peak */
  const char *names[MAX_PEERS]; /* of the libraries that were opened */
  size_t peer_count;
  bool aside[MAX_PEERS]; /* it is another way of Tenon's: the best other one is none of these */
  bool complete; /* all named ones are there */
  /* of the problem at hand; NULL does not take part */
  void (*run[MAX_PEERS + 1])(void *prepared);
  void *prepared[MAX_PEERS + 1];
  void (*drop[MAX_PEERS])(void *prepared);
  const void *read; /* so many bytes as have to be read, to read in turn as well; NULL: none */
  size_t read_bytes;
  double seconds[MAX_PEERS + 1][MAX_ROUNDS], peak[MAX_ROUNDS], reading[MAX_ROUNDS];
} bench_contest;

typedef struct bench_outcome {
  double ratio, gflops, share; /* the best other's time over ours; ours; ours of the peak */
  double reading; /* the time of reading the bytes over ours; 0: not looked at */
  double peer_ratio[MAX_PEERS];
  const char *best;
  double compile_ms;
} bench_outcome;

/* One problem of a suite. */
typedef struct bench_row {
  const char *from, *group; /* the group has a mean of its own */
  char shape[60], mark;
  char json[160]; /* the fields that say what it is */
  char note[60];  /* behind the row, or "" */
  bench_outcome o;
} bench_row;

void bench_begin(bench_contest *c, const bench_options *options, const char *ratio);
extern const char bench_library_ratio[]; /* beside libraries */
/* Opens a peer; without a `named` one there is no mean. True: it is the last of c->names. */
bool bench_enter(bench_contest *c, const char *name, bool named, bool (*open)(const char *folder, int threads));
/* Clears the result of each contestant, runs it and has the result judged; who of the libraries is wrong is dropped,
 * since a wrong result has no time. False: Tenon is wrong. */
bool bench_check(bench_contest *c, void (*clear)(void *self, size_t who), bool (*is_right)(void *self, size_t who),
                 void *self);
/* The libraries, from the problem at hand. */
void bench_drop_peers(bench_contest *c);
/* All rounds of the problem at hand. */
bench_outcome bench_measure(bench_contest *c, double flops, double compile_seconds);
bool bench_is_chosen(const bench_options *o, const bench_row *r);
/* `mark`: what the mark of a row means, or "". */
void bench_print_header(const bench_contest *c, const char *type, const char *shape, const char *mark);
void bench_print_row(const bench_contest *c, const bench_row *r);
void bench_print_mean(const bench_contest *c, const bench_row *rows, size_t count, const char *group); /* NULL: all */
/* Beside one library alone, whoever was the best. */
void bench_print_mean_beside(const bench_contest *c, const bench_row *rows, size_t count, size_t peer);
/* The median time of compiling. */
void bench_print_compile(const bench_row *rows, size_t count);
/* Writes the files that the options name. */
bool bench_finish(const bench_contest *c, const char *suite, const char *type, const bench_row *rows, size_t count);

/* ---- suite.c: the problems of one kind, each a contest ------------------------------------------------------------ */

typedef struct bench_suite {
  const char *name, *type;
  bool each_peer;                 /* has a mean of its own */
  const char *shape, *mark;       /* what the shapes of rows are, what their marks mean, or "" */
  const char *const *groups;      /* that have means of their own, then NULL */
  const bench_peer *const *peers; /* tables, then NULL */
  const bench_peer *aside;        /* other ways of Tenon's, or NULL */
  bool by_bytes;                  /* work is bytes, and rates have no peak */
  size_t count;                   /* of problems */
  size_t operand_size;            /* of the struct that operands are: what a peer prepares for, and where the result is */
  bool (*describe)(const struct bench_suite *suite, size_t problem, bench_row *row); /* false: of another suite */
  void (*make)(const bench_options *options, size_t problem, void *operands);
  void (*drop)(void *operands);
  double (*work)(const void *operands);    /* operations */
  size_t (*reading)(const void *operands); /* how many bytes are read in turn as well, or 0; NULL: none */
  void (*clear)(void *operands);           /* the result */
  void *(*expect)(const void *operands);   /* what is_right compares with, of malloc; NULL: nothing */
  bool (*is_right)(const void *operands, const void *expected, const char *by);
  void (*note)(bench_row *row);            /* what is to stand behind the row; NULL: nothing */
  struct {
    void *(*compile)(tn_context *ctx, const void *operands, double *seconds);
    void (*run)(void *compiled);
    void (*fetch)(void *compiled); /* or NULL */
    void (*drop)(void *compiled);
  } own; /* Tenon's way */
} bench_suite;
int bench_run_suite(const bench_suite *suite, const bench_options *options);

/* ---- plot.c ------------------------------------------------------------------------------------------------------ */

typedef struct bench_bar {
  const char *label;
  double ratio; /* over 1: Tenon is faster */
} bench_bar;
/* A drawing of the ratios, one bar each, on a logarithmic scale. */
bool bench_plot(const char *path, const char *title, const bench_bar *bars, size_t count);

/* ---- suites ------------------------------------------------------------------------------------------------------ */

int bench_run_gemm(const bench_options *o);
int bench_run_conv(const bench_options *o);
int bench_run_grouped(const bench_options *o);
int bench_run_epilogue(const bench_options *o);
int bench_run_norm(const bench_options *o);
int bench_run_eltwise(const bench_options *o);
int bench_run_reduce(const bench_options *o);
int bench_run_attention(const bench_options *o);
int bench_run_rnn(const bench_options *o);
int bench_run_int8(const bench_options *o);

#endif
