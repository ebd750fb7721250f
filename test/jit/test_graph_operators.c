/* test_graph_operators.c -- graph operators on constants that fit a line: what the interpreter and compiled code make of
 * them is the same, and what is said here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "session.h"

#include "graph/graph.h"

static tn_error *error;

static const struct {
  const char *graph; /* constants, and the node that makes y */
  const char *want;  /* y */
} rows[] = {
    /* scatter: equal places in order, from the end, outside */
    {"const x: f32[4] = [1.0, 2.0, 3.0, 4.0]\n const i: i64[4] = [1, 1, -1, 4]\n const u: f32[4] = [5.0, 6.0, 7.0, "
     "8.0]\n"
     "y: f32[4] = scatter_elements(x, i, u)",
     "const y: f32[4] = [1.0, 6.0, 3.0, 7.0]"},
    {"const x: f32[4] = [1.0, 2.0, 3.0, 4.0]\n const i: i64[4] = [1, 1, -1, 4]\n const u: f32[4] = [5.0, 6.0, 7.0, "
     "8.0]\n"
     "y: f32[4] = scatter_elements(x, i, u) {reduction = \"add\"}",
     "const y: f32[4] = [1.0, 13.0, 3.0, 11.0]"},
    {"const x: i32[2, 2] = [1, 2, 3, 4]\n const i: i32[1, 2] = [1, 0]\n const u: i32[1, 2] = [9, -9]\n"
     "y: i32[2, 2] = scatter_elements(x, i, u) {axis = 0, reduction = \"max\"}",
     "const y: i32[2, 2] = [1, 2, 9, 4]"},
    {"const x: f32[2, 2] = [1.0, 2.0, 3.0, 4.0]\n const i: i64[2, 1] = [1, 2]\n const u: f32[2, 2] = [5.0, 6.0, 7.0, "
     "8.0]\n"
     "y: f32[2, 2] = scatter_nd(x, i, u) {reduction = \"mul\"}",
     "const y: f32[2, 2] = [1.0, 2.0, 15.0, 24.0]"},
    {"const x: bool[3] = [false, false, true]\n const i: i64[2, 1] = [0, 2]\n const u: bool[2] = [true, false]\n"
     "y: bool[3] = scatter_nd(x, i, u)",
     "const y: bool[3] = [true, false, false]"},
    /* rows of nothing that counts, and of what nothing is beside */
    {"const x: f32[4, 2] = [-inf, -inf, inf, -inf, nan, inf, 0.0, -inf]\n"
     "y: f32[4] = reduce_log_sum_exp(x) {axes = [1], keepdims = 0}",
     "const y: f32[4] = [-inf, inf, nan, 0.0]"},
    /* the first of equal ones first, -0 as 0, NaN above all */
    {"const x: f32[6] = [1.0, -0.0, 0.0, nan, 1.0, -inf]\n y: i64[5] = top_k_indices(x) {k = 5}",
     "const y: i64[5] = [3, 0, 4, 1, 2]"},
    {"const x: f32[6] = [1.0, -0.0, 0.0, nan, 1.0, -inf]\n y: i64[3] = top_k_indices(x) {k = 3, largest = 0}",
     "const y: i64[3] = [5, 1, 2]"},
    {"const x: u64[2, 3] = [1, 18446744073709551615, 2, 7, 7, 8]\n y: i64[2, 1] = top_k_indices(x) {k = 1, axis = -1}",
     "const y: i64[2, 1] = [1, 2]"},
    {"const x: i8[3, 2] = [1, -1, -128, 127, 3, 3]\n y: i64[2, 2] = top_k_indices(x) {axis = 0, k = 2}",
     "const y: i64[2, 2] = [2, 1, 0, 2]"},
    /* how many, then where: -0 is 0, NaN is not */
    {"const x: f32[6] = [1.0, -0.0, 0.0, nan, 1.0, -inf]\n y: i64[1, 7] = non_zero(x)",
     "const y: i64[1, 7] = [4, 0, 3, 4, 5, 0, 0]"},
    {"const x: bool[2, 2] = [false, true, true, false]\n y: i64[2, 5] = non_zero(x)",
     "const y: i64[2, 5] = [2, 0, 1, 0, 0, 0, 1, 0, 0, 0]"},
    {"const x: u8[2, 0] = []\n y: i64[2, 1] = non_zero(x)", "const y: i64[2, 1] = [0, 0]"},
    /* rows in order, equal ones grouped: -0 as 0, NaN above all and equal to itself */
    {"const x: f32[7, 1] = [2.0, nan, -0.0, 2.0, 0.0, -1.0, nan]\n y: i64[3, 8] = unique_rows(x)",
     "const y: i64[3, 8] = [4, 5, 2, 0, 1, 0, 0, 0, 0, 2, 3, 1, 2, 1, 0, 3, 0, 1, 2, 2, 2, 0, 0, 0]"},
    {"const x: f32[7, 1] = [2.0, nan, -0.0, 2.0, 0.0, -1.0, nan]\n y: i64[3, 8] = unique_rows(x) {sorted = 0}",
     "const y: i64[3, 8] = [4, 0, 1, 2, 5, 0, 0, 0, 0, 0, 1, 2, 0, 2, 3, 1, 0, 2, 2, 2, 1, 0, 0, 0]"},
    {"const x: i32[3, 2] = [1, 2, 1, -3, 1, 2]\n y: i64[3, 4] = unique_rows(x)",
     "const y: i64[3, 4] = [2, 1, 0, 0, 0, 1, 0, 1, 0, 1, 2, 0]"},
    {"const x: i32[0, 2] = []\n y: i64[3, 1] = unique_rows(x)", "const y: i64[3, 1] = [0, 0, 0]"},
    /* boxes: of equal scores the first; one that is covered goes, one at the threshold stays */
    {"const x: f32[1, 3, 4] = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]\n"
     "const s: f32[1, 1, 3] = [0.5, 0.5, 0.25]\n const t: f32[] = [0.5]\n"
     "y: i64[4, 3] = non_max_suppression(x, s, t) {most = 9}",
     "const y: i64[4, 3] = [2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]"},
    {"const x: f32[1, 3, 4] = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]\n"
     "const s: f32[1, 2, 3] = [0.5, 0.5, 0.25, 0.0, 0.25, 1.0]\n const l: f32[1] = [0.25]\n"
     "y: i64[5, 3] = non_max_suppression(x, s, _, l) {center = 1, most = 2}",
     "const y: i64[5, 3] = [3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 0, 0, 0]"},
    /* a score that is NaN: no other is better, but it is above no least score */
    {"const x: f32[1, 3, 4] = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, nan]\n"
     "const s: f32[1, 1, 3] = [nan, 0.5, nan]\n const t: f32[] = [0.5]\n"
     "y: i64[4, 3] = non_max_suppression(x, s, t) {most = 9}",
     "const y: i64[4, 3] = [2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]"},
    {"const x: f32[1, 3, 4] = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]\n"
     "const s: f32[1, 1, 3] = [nan, 0.5, nan]\n const l: f32[] = [0.25]\n"
     "y: i64[4, 3] = non_max_suppression(x, s, _, l) {most = 9}",
     "const y: i64[4, 3] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]"},
    {"const x: f32[1, 0, 4] = []\n const s: f32[1, 2, 0] = []\n y: i64[1, 3] = non_max_suppression(x, s) {most = 2}",
     "const y: i64[1, 3] = [0, 0, 0]"},
    {"const x: f32[1, 1, 4] = [0.0, 0.0, 1.0, 1.0]\n const s: f32[1, 1, 1] = [0.5]\n"
     "y: i64[1, 3] = non_max_suppression(x, s) {most = -1}",
     "const y: i64[1, 3] = [0, 0, 0]"},
    /* pools: the padding never wins, equal ones the first */
    {"const x: f32[1, 1, 4] = [-1.0, -2.0, -2.0, -1.0]\n"
     "y: i64[1, 1, 3] = max_pool_indices(x) {kernel_shape = [2], pads = [1, 1], strides = [2]}",
     "const y: i64[1, 1, 3] = [0, 1, 3]"},
    {"const x: f32[1, 1, 2, 3] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n"
     "y: i64[1, 1, 1, 2] = max_pool_indices(x) {kernel_shape = [2, 2], storage_order = 1}",
     "const y: i64[1, 1, 1, 2] = [3, 5]"},
    {"const x: f32[1, 1, 4] = [3.0, -4.0, 0.0, 2.0]\n y: f32[1, 1, 2] = lp_pool(x) {kernel_shape = [2], strides = [2]}",
     "const y: f32[1, 1, 2] = [5.0, 2.0]"},
    {"const x: f32[1, 1, 4] = [3.0, -4.0, 0.0, 2.0]\n y: f32[1, 1, 2] = lp_pool(x) {kernel_shape = [2], p = 1, strides "
     "= [2]}",
     "const y: f32[1, 1, 2] = [7.0, 2.0]"},
    {"const x: i32[4] = [2, 3, 4, 5]\n y: i32[4] = cum_prod(x) {exclusive = 1, reverse = 1}",
     "const y: i32[4] = [60, 20, 5, 1]"},
    {"const x: f32[2] = [1.0, -0.0]\n y: i32[2] = bit_cast(x) {to = \"i32\"}",
     "const y: i32[2] = [1065353216, -2147483648]"},
    {"const x: u8[3] = [0, 1, 1]\n y: bool[3] = bit_cast(x) {to = \"bool\"}", "const y: bool[3] = [false, true, true]"},
    /* the same images and weights, however they stand */
    {"const x: f32[1, 2, 3] = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]\n"
     "const w: f32[1, 2, 2] = [1.0, 2.0, 3.0, 4.0]\n y: f32[1, 1, 2] = conv(x, w)",
     "const y: f32[1, 1, 2] = [115.0, 188.0]"},
    {"const x: f32[1, 3, 2] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]\n"
     "const w: f32[1, 2, 2] = [1.0, 2.0, 3.0, 4.0]\n y: f32[1, 2, 1] = conv(x, w) {channels_last = 1}",
     "const y: f32[1, 2, 1] = [115.0, 188.0]"},
    {"const x: f32[1, 3, 2] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]\n"
     "const w: f32[1, 2, 2, 3] = [1.0, 0.0, 9.0, 2.0, 0.0, 9.0, 3.0, 0.0, 9.0, 4.0, 1.0, 9.0]\n"
     "const b: f32[2] = [0.5, 0.0]\n"
     "y: f32[1, 2, 2] = conv(x, w, b) {channels_last = 1, columns = 2, panel = 3}",
     "const y: f32[1, 2, 2] = [115.5, 20.0, 188.5, 30.0]"},
    {"const x: f32[1, 3, 2] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]\n"
     "const w: f32[1, 2, 2, 3] = [1.0, 3.0, 2.0, 9.0, 9.0, 9.0, 4.0, 0.0, 0.0, 9.0, 9.0, 9.0]\n"
     "y: f32[1, 2, 1] = conv(x, w) {channels_last = 1, columns = 1, joined = 2, panel = 2, side = 3}",
     "const y: f32[1, 2, 1] = [115.0, 188.0]"},
    {"const x: f32[1, 3, 2] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]\n"
     "const w: f32[1, 2, 2, 3] = [1.0, 3.0, 2.0, 9.0, 9.0, 9.0, 4.0, 0.0, 0.0, 9.0, 9.0, 9.0]\n"
     "y: f32[1, 2, 1] = conv(x, w) {channels_last = 1, columns = 1, joined = 2, outside = 5, pads = [1, 0], panel = 2, "
     "side = 3, strides = [2]}",
     "const y: f32[1, 2, 1] = [62.0, 188.0]"},
    {"const x: f32[1, 4, 2] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0]\n"
     "const w: f32[2, 2, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 6.0, 0.0]\n"
     "y: f32[1, 2, 2] = conv(x, w) {channels_last = 1, group = 2, joined = 3, oc_last = 1, side = 2}",
     "const y: f32[1, 2, 2] = [20.0, 290.0, 28.0, 420.0]"},
    {"const x: f32[1, 3, 2] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]\n"
     "const w: f32[1, 2, 2] = [1.0, 2.0, 3.0, 4.0]\n"
     "y: f32[1, 3, 2] = conv(x, w) {channels_last = 1, group = 2, oc_last = 1, pads = [1, 0]}",
     "const y: f32[1, 3, 2] = [3.0, 40.0, 7.0, 100.0, 11.0, 160.0]"},
    /* taps over padding are left out of bounded dimensions: an infinite weight is not multiplied by it */
    {"const x: f32[1, 3, 1] = [1.0, 2.0, 3.0]\n const w: f32[1, 1, 3] = [1.0, 2.0, inf]\n"
     "y: f32[1, 3, 1] = conv(x, w) {bounded = [1], channels_last = 1, pads = [1, 1]}",
     "const y: f32[1, 3, 1] = [inf, inf, 8.0]"},
    {"const x: f32[1, 1, 2, 2] = [1.0, 2.0, 3.0, 4.0]\n const w: f32[1, 1, 2, 2] = [1.0, 10.0, 100.0, 1000.0]\n"
     "y: f32[1, 1, 2, 3] = conv(x, w) {bounded = [1, 0], pads = [0, 1, 2, 1], strides = [2, 1]}",
     "const y: f32[1, 1, 2, 3] = [3010.0, 4321.0, 402.0, 0.0, 0.0, 0.0]"},
    {"const x: f32[1, 3, 2] = [1.0, -10.0, 2.0, -20.0, 3.0, -30.0]\n"
     "y: f32[1, 3, 2] = max_pool(x) {channels_last = 1, kernel_shape = [2], pads = [1, 0]}",
     "const y: f32[1, 3, 2] = [1.0, -10.0, 2.0, -10.0, 3.0, -20.0]"},
    {"const x: f32[1, 3, 2] = [1.0, -10.0, 2.0, -20.0, 3.0, -30.0]\n"
     "y: f32[1, 3, 2] = average_pool(x) {channels_last = 1, kernel_shape = [2], pads = [1, 0]}",
     "const y: f32[1, 3, 2] = [1.0, -10.0, 1.5, -15.0, 2.5, -25.0]"},
    /* windows over edges: what is nearest is in them, unless taps are apart or all of them are outside */
    {"const x: f32[1, 3, 2, 1] = [-5.0, -1.0, nan, -2.0, -4.0, -3.0]\n"
     "y: f32[1, 2, 2, 1] = max_pool(x) {channels_last = 1, ceil_mode = 1, kernel_shape = [2, 2], pads = [1, 1, 0, 0], "
     "strides = [2, 1]}",
     "const y: f32[1, 2, 2, 1] = [-5.0, -1.0, nan, nan]"},
    {"const x: i8[1, 3, 1] = [5, 1, -2]\n"
     "y: i8[1, 3, 1] = max_pool(x) {channels_last = 1, dilations = [2], kernel_shape = [2], pads = [1, 1]}",
     "const y: i8[1, 3, 1] = [1, 5, 1]"},
    {"const x: f32[1, 2, 1] = [5.0, 1.0]\n"
     "y: f32[1, 4, 1] = max_pool(x) {channels_last = 1, kernel_shape = [1], pads = [1, 1]}",
     "const y: f32[1, 4, 1] = [-inf, 5.0, 1.0, -inf]"},
    {"const x: f32[1, 1, 2, 2] = [-5.0, -1.0, -2.0, -4.0]\n"
     "y: f32[1, 1, 3, 3] = max_pool(x) {kernel_shape = [2, 2], pads = [1, 1, 1, 1]}",
     "const y: f32[1, 1, 3, 3] = [-5.0, -1.0, -1.0, -2.0, -1.0, -1.0, -2.0, -2.0, -4.0]"},
    /* determinants: a swap, a singular matrix, nothing */
    {"const x: f32[2, 2, 2] = [0.0, 1.0, 2.0, 3.0, 1.0, 2.0, 2.0, 4.0]\n y: f32[2] = det(x)",
     "const y: f32[2] = [-2.0, -0.0]"},
    {"const x: f64[0, 0] = []\n y: f64[] = det(x)", "const y: f64[] = [1.0]"},
    /* places between elements */
    {"const x: f32[1, 1, 4] = [1.0, 2.0, 3.0, 4.0]\n const g: f32[1, 3, 1] = [-1.0, 0.0, 1.5]\n"
     "y: f32[1, 1, 3] = grid_sample(x, g)",
     "const y: f32[1, 1, 3] = [0.5, 2.5, 0.0]"},
    {"const x: f32[1, 1, 4] = [1.0, 2.0, 3.0, 4.0]\n const g: f32[1, 3, 1] = [-1.0, 0.0, 1.5]\n"
     "y: f32[1, 1, 3] = grid_sample(x, g) {padding_mode = \"border\"}",
     "const y: f32[1, 1, 3] = [1.0, 2.5, 4.0]"},
    {"const x: f32[1, 1, 4] = [1.0, 2.0, 3.0, 4.0]\n const g: f32[1, 3, 1] = [-1.0, 0.0, 2.0]\n"
     "y: f32[1, 1, 3] = grid_sample(x, g) {align_corners = 1, padding_mode = \"reflection\"}",
     "const y: f32[1, 1, 3] = [1.0, 2.5, 2.5]"},
    {"const x: i32[1, 1, 4] = [1, 2, 3, 4]\n const g: f32[1, 3, 1] = [-0.2, 0.4, 3.0]\n"
     "y: i32[1, 1, 3] = grid_sample(x, g) {mode = \"nearest\"}",
     "const y: i32[1, 1, 3] = [2, 3, 0]"},
    {"const x: f32[1, 1, 4] = [1.0, 2.0, 3.0, 4.0]\n const g: f32[1, 2, 1] = [1.5, 2.0]\n"
     "y: f32[1, 1, 2] = grid_sample(x, g) {mode = \"cubic\", places = 1}",
     "const y: f32[1, 1, 2] = [2.5, 3.0]"},
    {"const x: f32[1, 1, 2, 2] = [1.0, 2.0, 3.0, 4.0]\n const r: f32[2, 4] = [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, 2.0]\n"
     "const i: i64[2] = [0, 1]\n y: f32[2, 1, 1, 1] = roi_align(x, r, i)",
     "const y: f32[2, 1, 1, 1] = [2.5, 0.0]"},
    /* layers: the state stays behind the end of a sequence */
    {"const w: f32[3, 2, 1] = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]\n const r: f32[1, 1] = [0.5]\n const h: f32[2, 1] = [0.0, "
     "2.0]\n"
     "const l: i32[2] = [3, 1]\n y: f32[3, 2, 1] = rnn(w, r, h, l) {activations = \"relu\"}",
     "const y: f32[3, 2, 1] = [1.0, 2.0, 2.5, 2.0, 4.25, 2.0]"},
    {"const w: f32[1, 1, 3] = [0.0, 1.0, 3.0]\n const r: f32[1, 3] = [0.0, 0.0, 1.0]\n const h: f32[1, 1] = [4.0]\n"
     "y: f32[1, 1, 1] = gru(w, r, h) {activations = \"hard_sigmoid relu\", alpha = [0.5, 0.0], beta = [0.5, 0.0]}",
     "const y: f32[1, 1, 1] = [5.5]"},
    {"const w: f32[1, 1, 3] = [0.0, -1.0, 3.0]\n const r: f32[1, 3] = [0.0, 0.0, 1.0]\n const h: f32[1, 1] = [4.0]\n"
     "const b: f32[1] = [7.0]\n y: f32[1, 1, 1] = gru(w, r, h, b) {activations = \"hard_sigmoid relu\", alpha = [0.5, "
     "0.0], "
     "beta = [0.5, 0.0], linear_before_reset = 1}",
     "const y: f32[1, 1, 1] = [3.5]"},
    {"const w: f32[1, 1, 4] = [1.0, 1.0, 0.0, 2.0]\n const r: f32[1, 4] = [0.0, 0.0, 0.0, 1.0]\n const h: f32[1, 1] = "
     "[1.0]\n"
     "const c: f32[1, 1] = [4.0]\n y: f32[1, 1, 2] = lstm(w, r, h, c) {activations = \"hard_sigmoid relu relu\", "
     "alpha = [0.5, 0.0, 0.0], beta = [0.5, 0.0, 0.0]}",
     "const y: f32[1, 1, 2] = [5.0, 5.0]"},
    {"const q: f32[1, 1, 2, 1] = [1.0, 1.0]\n const k: f32[1, 1, 2, 1] = [1.0, 2.0]\n const v: f32[1, 1, 2, 1] = [3.0, "
     "4.0]\n"
     "const s: f32[1, 1, 1, 1] = [1.0]\n const d: f32[1, 1, 2, 1] = [0.5, 0.5]\n const b: f32[1, 1, 2, 1] = [1.0, "
     "1.0]\n"
     "y: f32[1, 1, 2, 1] = linear_attention(q, k, v, s, d, b)",
     "const y: f32[1, 1, 2, 1] = [3.0, 3.5]"},
    {"const q: f32[1, 1, 2, 1] = [1.0, 1.0]\n const k: f32[1, 1, 2, 1] = [1.0, 2.0]\n const v: f32[1, 1, 2, 1] = [3.0, "
     "4.0]\n"
     "const s: f32[1, 1, 1, 1] = [1.0]\n const d: f32[1, 1, 2, 1] = [0.5, 0.5]\n const b: f32[1, 1, 2, 1] = [1.0, "
     "1.0]\n"
     "y: f32[1, 1, 1, 1] = linear_attention(q, k, v, s, d, b) {last = 1}",
     "const y: f32[1, 1, 1, 1] = [3.5]"},
};

/* The graph's text, folded if there is an evaluator; of more than 8 elements it shows the hash. */
static void print_graph(tn_context *ctx, const char *body, const tni_evaluator *evaluator, char out[1024]) {
  tn_program *program;
  snprintf(out, 1024, "graph main() -> (y) {\n%s\n}\n", body);
  must(tn_program_parse(ctx, out, strlen(out), "t.tn", &program, &error), error);
  const tn_graph *g = tn_program_graph(program, "main");
  if (evaluator) must(tni_graph_fold(g, program, evaluator, &g, &error), error);
  tni_text t;
  tni_text_init(&t, ctx);
  tni_graph_print(&t, g);
  snprintf(out, 1024, "%s", t.data);
  tni_text_destroy(&t);
  tn_program_destroy(program);
}

START_TEST(operators_are_what_they_say)
{
  static const tni_evaluator ways[] = {{NULL, tni_evaluate_interpreted}, {NULL, session_evaluate}};
  tn_context *ctx = session_open();
  char want[1024], have[1024];
  print_graph(ctx, rows[_i].want, NULL, want);
  for (size_t i = 0; i < 2; i++) {
    print_graph(ctx, rows[_i].graph, &ways[i], have);
    ck_assert_str_eq(have, want);
  }
  tn_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("graph_operators");
  TCase *tests = tcase_create("all");
  tcase_add_loop_test(tests, operators_are_what_they_say, 0, sizeof rows / sizeof *rows);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
