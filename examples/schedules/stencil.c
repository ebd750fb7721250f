/* stencil.c -- two pipelines of stencils, scheduled step by step, beside the same blocking vectorised by hand.
 *
 *     blur     the mean of 3 x 3 pixels, u16: means across, then means down
 *     harris   how much of a corner each pixel is, f32 of u8 colours: gray, slopes, products, 3 x 3 sums, response
 *
 *     stencil [WIDTH HEIGHT ROUNDS [BYTES]]    a width that is a multiple of 512; not given: 2560 1600 31; BYTES: of the
 *                                              vectors, 16 or 32, on both sides, where the processor has wider ones
 *
 * What is computed never changes: each step adds lines of the schedule language. Behind them stand the time on one
 * thread, and how many times as fast as the step before it is. Every result is compared with that of plain C, to the
 * last bit. Times are medians over rounds in which all contestants run in turn, ratios those of the rounds' ratios.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure.h"
#include "steps.h"
#include "tenon/tenon.h"

enum { MAX_STEPS = 16 };
enum { BLUR_ROWS = 48, HARRIS_ROWS = 64, HARRIS_COLUMNS = 512 };

/* What a pipeline reads is larger: by 2 in both directions (blur) or by 4 (harris, three planes). */
typedef struct picture {
  int64_t width, height;
  const void *in;
  void *out;
} picture;

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

/* The width of these is what every C compiler has. */
#define BYTES 16
#define TARGET
#define NAME(x) x##_16
#define BYTES_AT(p)                                                                                                    \
  __builtin_convertvector(__builtin_convertvector(*(const NAME(bytes) *)(p), NAME(ints)), NAME(floats))
#include "by_hand.h"
#undef BYTES
#undef TARGET
#undef NAME
#undef BYTES_AT

#if defined(__x86_64__)
#define BYTES 32
#define TARGET __attribute__((target("avx2")))
#define NAME(x) x##_32
#define BYTES_AT(p) ((NAME(floats))_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p)))))
#include "by_hand.h"
#undef BYTES
#undef TARGET
#undef NAME
#undef BYTES_AT
#define BYTES 64
#define TARGET __attribute__((target("avx512f,avx512bw")))
#define NAME(x) x##_64
#define BYTES_AT(p) ((NAME(floats))_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)(p)))))
#include "by_hand.h"
#endif

/* Bytes in the vectors that are used, and the target that has no wider ones. */
static int vector_bytes = 16;
static const char *target_name = "host";

/* The widest vectors of this processor, of so many bytes at most; 0: any. */
static void choose_vectors(int most) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) vector_bytes = 32;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) vector_bytes = 64;
  if (most && most < vector_bytes) {
    vector_bytes = most;
    target_name = most == 16 ? "x86-64-v2" : "x86-64-v3";
  }
#else
  (void)most;
#endif
}

/* ---- plain C ----------------------------------------------------------------------------------------------------- */

static void *allocate(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!p) {
    fprintf(stderr, "stencil: no memory\n");
    exit(1);
  }
  memset(p, 0xff, bytes);
  return p;
}

static void blur_plain(const picture *p) {
  int64_t width = p->width, height = p->height;
  const uint16_t *in = p->in;
  uint16_t *across = allocate((size_t)((height + 2) * width) * sizeof *across), *out = p->out;
  for (int64_t y = 0; y < height + 2; y++)
    for (int64_t x = 0; x < width; x++) {
      const uint16_t *from = in + y * (width + 2) + x;
      across[y * width + x] = (uint16_t)(from[0] + from[1] + from[2]) / 3;
    }
  for (int64_t i = 0; i < height * width; i++)
    out[i] = (uint16_t)(across[i] + across[i + width] + across[i + 2 * width]) / 3;
  free(across);
}

/* Over 3 x 3 elements, of rows that have so many. */
static float sum_of_products(const float *a, const float *b, int64_t width) {
  float rows[3];
  for (int64_t r = 0; r < 3; r++, a += width, b += width) rows[r] = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  return rows[0] + rows[1] + rows[2];
}

static void harris_plain(const picture *p) {
  int64_t width = p->width, height = p->height, wide = width + 4, plane = wide * (height + 4);
  const uint8_t *in = p->in;
  size_t bytes = (size_t)plane * sizeof(float);
  float *gray = allocate(bytes), *dx = allocate(bytes), *dy = allocate(bytes), *out = p->out;
  for (int64_t i = 0; i < plane; i++)
    gray[i] = (float)in[i] * 0.299f + (float)in[plane + i] * 0.587f + (float)in[2 * plane + i] * 0.114f;
  for (int64_t y = 0; y < height + 2; y++)
    for (int64_t x = 0; x < width + 2; x++) {
      const float *a = gray + y * wide + x, *b = a + wide, *c = b + wide;
      dx[y * wide + x] = a[2] - a[0] + (b[2] - b[0]) * 2.0f + (c[2] - c[0]);
      dy[y * wide + x] = c[0] - a[0] + (c[1] - a[1]) * 2.0f + (c[2] - a[2]);
    }
  for (int64_t y = 0; y < height; y++)
    for (int64_t x = 0; x < width; x++) {
      const float *sx = dx + y * wide + x, *sy = dy + y * wide + x;
      float xx = sum_of_products(sx, sx, wide), xy = sum_of_products(sx, sy, wide), yy = sum_of_products(sy, sy, wide);
      float trace = xx + yy;
      out[y * width + x] = xx * yy - xy * xy - trace * trace * 0.04f;
    }
  free(gray), free(dx), free(dy);
}

/* ---- the pipelines: definitions, and the steps of their schedules ------------------------------------------------ */

/* In texts W and H are the width and height of the picture, with a digit behind it so much more; LANES is how many
 * elements a vector has, TILE how many vectors a row of a tile. */

typedef int32_t strips(const tn_env *env, void *closure, int64_t begin, int64_t end);

typedef struct pipeline {
  const char *name, *program;
  const step *steps;
  int step_count, more, planes, strip; /* more: rows and columns that are read above those written; rows of a strip */
  size_t in_bytes, out_bytes, lane_bytes; /* of an element */
  void (*plain)(const picture *);
  strips *by_hand[3]; /* for vectors of 16, 32, 64 bytes */
} pipeline;

/* A stage: one element of it for each pixel of a picture of h rows and w columns. */
#define STAGE(name, h, w, value)                                                                                       \
  "  for y in 0.." h " { for x in 0.." w " { block " name "(a: 0.." h " = y, b: 0.." w " = x) { " name                 \
  "[a, b] = " value " } } }\n"
/* The innermost loop above a block in vectors. */
#define VECTORS(block) "v, l = split(" block "[-1], [0, LANES])\nvectorize(l)\n"

/* clang-format off */
static const char blur_text[] =
    "func blur(In: u16[H2, W2], Out: u16[H, W]) {\n"
    "  alloc A: u16[H2, W]\n"
    STAGE("A", "H2", "W", "(In[a, b] + In[a, b + 1] + In[a, b + 2]) / 3:u16")
    STAGE("Out", "H", "W", "(A[a, b] + A[a + 1, b] + A[a + 2, b]) / 3:u16")
    "}\n";

static const step blur_steps[] = {
    {"as it is defined: all means across, then all means down", ""},
    {"vectors", VECTORS("A") "y, x = get_loops(Out)\n" VECTORS("Out")},
    {"strips of 48 rows for the threads, in columns of two vectors: what a part reads is in the cache when it is read",
     "s, r = split(y, [0, 48])\n"
     "c, i = split(v, [0, 2])\n"
     "reorder([c, r])\n"
     "compute_at(A, c)\n"
     "parallel(s)\n" VECTORS("A")},
    {"a row of A when it is needed, of which three go round; three rows of the strip written out: where each of A\n"
     "stands is known then, and they stay in registers",
     "compute_at(A, r)\n"
     "rolling_buffer(A, r)\n" VECTORS("A")
     "q, r3 = split(r, [0, 3])\n"
     "unroll(r3)\n"
     "unroll(A[-3])\n"
     "unroll(v)\n"
     "unroll(i)\n"
     "set_scope(A, \"register\")\n"},
};

static const char harris_text[] =
    "func harris(In: u8[3, H4, W4], Out: f32[H, W]) {\n"
    "  alloc G: f32[H4, W4]\n"
    "  alloc X: f32[H2, W2]\n  alloc Y: f32[H2, W2]\n"
    "  alloc PXX: f32[H2, W2]\n  alloc PXY: f32[H2, W2]\n  alloc PYY: f32[H2, W2]\n"
    "  alloc RXX: f32[H2, W]\n  alloc RXY: f32[H2, W]\n  alloc RYY: f32[H2, W]\n"
    "  alloc SXX: f32[H, W]\n  alloc SXY: f32[H, W]\n  alloc SYY: f32[H, W]\n"
    STAGE("G", "H4", "W4", "cast(f32, In[0, a, b]) * 0.299:f32 + cast(f32, In[1, a, b]) * 0.587:f32"
                           " + cast(f32, In[2, a, b]) * 0.114:f32")
    STAGE("X", "H2", "W2", "G[a, b + 2] - G[a, b] + (G[a + 1, b + 2] - G[a + 1, b]) * 2.0:f32"
                          " + (G[a + 2, b + 2] - G[a + 2, b])")
    STAGE("Y", "H2", "W2", "G[a + 2, b] - G[a, b] + (G[a + 2, b + 1] - G[a, b + 1]) * 2.0:f32"
                          " + (G[a + 2, b + 2] - G[a, b + 2])")
    STAGE("PXX", "H2", "W2", "X[a, b] * X[a, b]")
    STAGE("PXY", "H2", "W2", "X[a, b] * Y[a, b]")
    STAGE("PYY", "H2", "W2", "Y[a, b] * Y[a, b]")
    STAGE("RXX", "H2", "W", "PXX[a, b] + PXX[a, b + 1] + PXX[a, b + 2]")
    STAGE("RXY", "H2", "W", "PXY[a, b] + PXY[a, b + 1] + PXY[a, b + 2]")
    STAGE("RYY", "H2", "W", "PYY[a, b] + PYY[a, b + 1] + PYY[a, b + 2]")
    STAGE("SXX", "H", "W", "RXX[a, b] + RXX[a + 1, b] + RXX[a + 2, b]")
    STAGE("SXY", "H", "W", "RXY[a, b] + RXY[a + 1, b] + RXY[a + 2, b]")
    STAGE("SYY", "H", "W", "RYY[a, b] + RYY[a + 1, b] + RYY[a + 2, b]")
    STAGE("Out", "H", "W", "SXX[a, b] * SYY[a, b] - SXY[a, b] * SXY[a, b]"
                           " - (SXX[a, b] + SYY[a, b]) * (SXX[a, b] + SYY[a, b]) * 0.04:f32")
    "}\n";

static const step harris_steps[] = {
    {"as it is defined: thirteen stages, each over the whole picture", ""},
    {"what is cheap is computed where it is used: products in the sums across, sums down in the response",
     "compute_inline(PXX)\ncompute_inline(PXY)\ncompute_inline(PYY)\n"
     "compute_inline(SXX)\ncompute_inline(SXY)\ncompute_inline(SYY)\n"},
    {"vectors",
     VECTORS("G") VECTORS("X") VECTORS("Y") VECTORS("RXX") VECTORS("RXY") VECTORS("RYY")
     "y, x = get_loops(Out)\n" VECTORS("Out")},
    {"strips of 64 rows for the threads, in tiles of 512 columns: there a row of each stage when it is needed; the\n"
     "rows that the next one needs again go round, the last stage's first",
     "s, r = split(y, [0, 64])\n"
     "c, i = split(v, [0, TILE])\n"
     "reorder([c, r])\n"
     "compute_at(RXX, r)\ncompute_at(RXY, r)\ncompute_at(RYY, r)\n"
     "compute_at(X, r)\ncompute_at(Y, r)\ncompute_at(G, r)\n"
     "rolling_buffer(RXX, r)\nrolling_buffer(RXY, r)\nrolling_buffer(RYY, r)\n"
     "rolling_buffer(X, r)\nrolling_buffer(Y, r)\nrolling_buffer(G, r, spare=1)\n"
     "parallel(s)\n"
     VECTORS("G") VECTORS("X") VECTORS("Y") VECTORS("RXX") VECTORS("RXY") VECTORS("RYY")},
    {"what reads the same elements side by side: the slopes, the sums across",
     "merge([Y[3], X[3]])\n"
     "merge([Y[4], X[4]])\n"
     "merge([Y[5], X[5]])\n"
     "merge([RYY[3], RXY[3], RXX[3]])\n"
     "merge([RYY[4], RXY[4], RXX[4]])\n"
     "merge([RYY[5], RXY[5], RXX[5]])\n"},
    {"double buffering: gray has a row to spare, in which the next one is made while this one is worked on",
     "software_pipeline(r, [0, 1, 1, 1], tail=guard)\n"},
};

/* clang-format on */

#if defined(__x86_64__)
#define BY_HAND(name)                                                                                                  \
  { name##_16, name##_32, name##_64 }
#else
#define BY_HAND(name)                                                                                                  \
  { name##_16 }
#endif
#define STEPS(list) list, sizeof(list) / sizeof *(list)

static const pipeline pipelines[] = {
    {"blur", blur_text, STEPS(blur_steps), 2, 1, BLUR_ROWS, 2, 2, 2, blur_plain, BY_HAND(blur)},
    {"harris", harris_text, STEPS(harris_steps), 4, 3, HARRIS_ROWS, 1, 4, 4, harris_plain, BY_HAND(harris)},
};

/* Adds lines to the text, with numbers for the words. */
static void add_text(char *text, const char *lines, const pipeline *p, const picture *of) {
  int lanes = vector_bytes / (int)p->lane_bytes, width = (int)of->width, height = (int)of->height;
  const word words[] = {{"LANES", lanes, NULL},   {"TILE", HARRIS_COLUMNS / lanes, NULL},
                        {"W4", width + 4, NULL},  {"W2", width + 2, NULL},  {"W", width, NULL},
                        {"H4", height + 4, NULL}, {"H2", height + 2, NULL}, {"H", height, NULL}};
  add_lines(text, lines, sizeof words / sizeof *words, words);
}

/* ---- contestants ------------------------------------------------------------------------------------------------- */

typedef int32_t pipeline_code(const tn_env *env, const void *in, void *out);

typedef struct contestant {
  compiled made; /* without code: by hand */
  double seconds[MAX_ROUNDS];
} contestant;

/* The definition under the lines. */
static void compile(tn_context *ctx, const pipeline *p, const picture *of, const char *lines, contestant *c) {
  char text[LINES] = "";
  add_text(text, p->program, p, of);
  compile_lines(ctx, p->name, target_name, text, lines, &c->made);
}

static void run(const pipeline *p, const contestant *c, picture *of) {
  int width = vector_bytes == 64 ? 2 : vector_bytes == 32;
  const tn_env *env = c->made.env;
  if (c->made.code)
    must(((pipeline_code *)c->made.code)(env, of->in, of->out), NULL);
  else
    must(env->parallel_for(env, p->by_hand[width], of, (of->height + p->strip - 1) / p->strip, 1), NULL);
}

static void check(const pipeline *p, const contestant *c, picture *of, const void *want, const char *what) {
  size_t bytes = (size_t)(of->width * of->height) * p->out_bytes;
  memset(of->out, 0xff, bytes);
  run(p, c, of);
  if (memcmp(of->out, want, bytes) == 0) return;
  fprintf(stderr, "stencil: %s: %s: the picture is another one than that of plain C\n", p->name, what);
  exit(1);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* In every other round they run in the opposite order, so that none has always the same one before it. */
static void measure(const pipeline *p, contestant *list, int count, picture *of, bool wall, int rounds) {
  for (int r = 0; r < rounds; r++)
    for (int n = 0; n < count; n++) {
      contestant *c = &list[r % 2 ? count - 1 - n : n];
      double start = seconds(wall);
      run(p, c, of);
      c->seconds[r] = seconds(wall) - start;
    }
}

/* ---- step by step ------------------------------------------------------------------------------------------------ */

static void tell_step(const char *what, const char *lines, const contestant *c, const contestant *before, int rounds) {
  printf("%s\n", what);
  print_lines(lines);
  printf("  -> %.2f ms", 1e3 * median(c->seconds, rounds));
  if (before) printf(", %.2f times the step before", median_ratio(before->seconds, c->seconds, rounds));
  printf("\n\n");
}

/* The code under all steps beside that by hand, on the threads of that context. */
static void tell_ratio(tn_context *ctx, const char *threads, const pipeline *p, picture *of, const char *lines,
                       const void *want, int rounds) {
  static contestant both[2];
  compile(ctx, p, of, lines, &both[0]);
  both[1] = (contestant){.made.env = both[0].made.env};
  check(p, &both[0], of, want, threads);
  check(p, &both[1], of, want, "by hand");
  measure(p, both, 2, of, true, rounds);
  printf("%s, %s: by hand %.2f ms, Tenon %.2f ms: %.2f times as fast\n", p->name, threads,
         1e3 * median(both[1].seconds, rounds), 1e3 * median(both[0].seconds, rounds),
         median_ratio(both[1].seconds, both[0].seconds, rounds));
  drop_compiled(&both[0].made);
}

static void tell(tn_context *one, tn_context *all, const pipeline *p, picture *of, const void *want, int rounds) {
  static contestant list[MAX_STEPS];
  char lines[LINES] = "", added[LINES];
  for (int n = 0; n < p->step_count; n++) {
    add_text(lines, p->steps[n].lines, p, of);
    compile(one, p, of, lines, &list[n]);
    check(p, &list[n], of, want, p->steps[n].what);
  }
  measure(p, list, p->step_count, of, false, rounds);
  printf("---- %s, %lld x %lld, vectors of %d bytes\n\n", p->name, (long long)of->width, (long long)of->height,
         vector_bytes);
  for (int n = 0; n < p->step_count; n++) {
    *added = 0;
    add_text(added, p->steps[n].lines, p, of);
    tell_step(p->steps[n].what, added, &list[n], n ? &list[n - 1] : NULL, rounds);
    drop_compiled(&list[n].made);
  }
  tell_ratio(one, "one thread", p, of, lines, want, rounds);
  tell_ratio(all, "all threads", p, of, lines, want, rounds);
  printf("\n");
}

static void show(tn_context *one, tn_context *all, const pipeline *p, picture of, int rounds) {
  size_t in_bytes = (size_t)((of.width + p->more) * (of.height + p->more) * p->planes) * p->in_bytes;
  size_t out_bytes = (size_t)(of.width * of.height) * p->out_bytes;
  uint8_t *in = allocate(in_bytes);
  void *want = allocate(out_bytes), *out = allocate(out_bytes);
  unsigned seed = 1;
  for (size_t i = 0; i < in_bytes; i++) in[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  of.in = in;
  of.out = want;
  p->plain(&of);
  of.out = out;
  tell(one, all, p, &of, want, rounds);
  free(in), free(want), free(out);
}

int main(int argc, char **argv) {
  picture of = {.width = argc > 1 ? atoi(argv[1]) : 2560, .height = argc > 2 ? atoi(argv[2]) : 1600};
  int rounds = argc > 3 ? atoi(argv[3]) : 31, bytes = argc > 4 ? atoi(argv[4]) : 0;
  tn_error *error = NULL;
  tn_context *one, *all;
  tn_context_desc alone = {.struct_size = sizeof alone, .threads = {.count = 1}};
  if (of.width < 1 || of.width % HARRIS_COLUMNS || of.width > 65536 || of.height < 1 || of.height > 65536 ||
      rounds < 1 || rounds > MAX_ROUNDS || (bytes && bytes != 16 && bytes != 32)) {
    fprintf(stderr,
            "usage: stencil [WIDTH HEIGHT ROUNDS [BYTES]]: a width that is a multiple of %d, at most %d rounds, vectors of\n"
            "16 or 32 bytes\n",
            HARRIS_COLUMNS, MAX_ROUNDS);
    return 2;
  }
  choose_vectors(bytes);
  must(tn_context_create(&alone, &one, &error), &error);
  must(tn_context_create(NULL, &all, &error), &error);
  for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) show(one, all, &pipelines[i], of, rounds);
  tn_context_destroy(all);
  tn_context_destroy(one);
  return 0;
}
