/* subject.c -- a compiled model with tensors to run it on: what `tenon bench` and `tenon profile` measure.
 *
 * Inputs come from files (--in); those that are not given are made up, the same in every process: floats between 0 and 1,
 * integers 0 or 1, which are indices, lengths and masks to any model.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static bool build(subject *m) {
  tn_error *error = NULL;
  tn_program *program;
  tn_input_shape *shapes = take(m->given.count + 1, sizeof *shapes);
  for (size_t i = 0; i < m->given.count; i++) {
    const array *a = &m->given.items[i].array;
    shapes[i] = (tn_input_shape){m->given.items[i].name, a->rank, a->shape};
  }
  double start = seconds();
  if (!session_load(m->s, m->file, m->given.count, m->given.count ? shapes : NULL, &program)) return false;
  m->import_seconds = seconds() - start;
  tn_compile_desc desc = session_compile_desc(m->s);
  start = seconds();
  tn_status status = tn_compile(program, &desc, &m->module, &error);
  m->compile_seconds = seconds() - start;
  tn_program_destroy(program);
  progress_clear(m->s);
  if (!status) status = tn_module_model(m->module, "main", &m->model, &error);
  if (status) return report(m->file, error), false;
  m->stats.struct_size = sizeof m->stats;
  tn_module_stats(m->module, &m->stats);
  return true;
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

/* Bits of a number from 0 to 1 in a floating-point type of 16 bits, cut off. */
static uint16_t short_float(tn_type type, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (type == TN_BF16) return (uint16_t)(bits >> 16);
  int32_t exponent = (int32_t)(bits >> 23) - 127 + 15;
  return exponent <= 0 ? 0 : (uint16_t)(exponent << 10 | (int32_t)(bits >> 13 & 1023));
}

static void make_up(array *a, uint64_t seed) {
  int64_t count = array_count(a);
  size_t bytes = tn_type_bytes(a->type);
  bool is_f64 = a->type == TN_F64, is_f32 = a->type == TN_F32, is_short = a->type == TN_F16 || a->type == TN_BF16;
  bool is_whole = TN_TYPE_CODE(a->type) == kDLInt || TN_TYPE_CODE(a->type) == kDLUInt || a->type == TN_BOOL;
  if (!is_f64 && !is_f32 && !is_short && (!is_whole || TN_TYPE_BITS(a->type) < 8)) return; /* others stay 0 */
  for (int64_t i = 0; i < count; i++) {
    uint32_t r = next_random(&seed);
    float x = (float)(r >> 7) * 0x1p-24f;
    if (is_f64)
      ((double *)a->data)[i] = x;
    else if (is_f32)
      ((float *)a->data)[i] = x;
    else if (is_short)
      ((uint16_t *)a->data)[i] = short_float(a->type, x);
    else
      ((uint8_t *)a->data)[(size_t)i * bytes] = r >> 30 & 1;
  }
}

static bool is_open(const tn_tensor_info *info) {
  bool open = info->rank < 0 || !info->type || info->kind != TN_ITEM_TENSOR;
  for (int32_t k = 0; k < info->rank; k++) open |= info->shape[k] < 0;
  return open;
}

static bool take_given(input *in, const tn_tensor_info *info, array *out) {
  bool is_float = info->type == TN_F32 || info->type == TN_F64 || info->type == TN_F16;
  if (in->array.picture && is_float && !array_pictures_to(&in->array, info->type, in->name)) return false;
  *out = in->array;
  in->array.data = NULL;
  return true;
}

static bool make_input(subject *m, size_t i, array *out) {
  tn_tensor_info info;
  tn_model_input(m->model, i, &info);
  input *in = inputs_find(&m->given, info.name);
  if (in) return take_given(in, &info, out);
  if (is_open(&info)) {
    fprintf(stderr, "tenon: input `%s` has no fixed shape: use --in %s=FILE\n", info.name, info.name);
    return false;
  }
  if (!array_create(out, info.type, info.rank, info.shape, info.name)) return false;
  make_up(out, i + 1);
  m->made_up = true;
  return true;
}

static bool make_inputs(subject *m) {
  for (size_t i = 0; i < m->input_count; i++)
    if (!make_input(m, i, &m->arrays[i])) return false;
  return true;
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

static void bind(subject *m, size_t i) {
  const array *a = &m->arrays[i];
  m->tensors[i] = array_rows(a, 0, a->rank ? a->shape[0] : 0, m->shapes + i * TN_MAX_RANK);
  m->pointers[i] = &m->tensors[i];
}

/* Outputs as large as a run shows them to be. */
static bool call_for_outputs(subject *m) {
  tn_error *error = NULL;
  tn_tensor **made = take(m->output_count + 1, sizeof *made);
  if (tn_model_call(m->model, m->pointers, m->input_count, made, m->output_count, &error))
    return report(m->file, error), false;
  bool good = true;
  for (size_t i = 0; i < m->output_count && good; i++) {
    const array shown = array_of(tn_tensor_view(made[i]));
    good = array_create(&m->arrays[m->input_count + i], shown.type, shown.rank, shown.shape, "output");
  }
  for (size_t i = 0; i < m->output_count; i++) tn_tensor_destroy(made[i]);
  return good;
}

/* Outputs are made; those of open shape by a run, whose time is in *spent. */
static bool make_outputs(subject *m, double *spent) {
  bool open = false;
  for (size_t i = 0; i < m->output_count; i++) {
    tn_tensor_info info;
    tn_model_output(m->model, i, &info);
    open |= is_open(&info);
  }
  double start = seconds();
  if (open && !call_for_outputs(m)) return false;
  *spent = open ? seconds() - start : 0;
  for (size_t i = 0; i < m->output_count; i++) {
    tn_tensor_info info;
    tn_model_output(m->model, i, &info);
    array *a = &m->arrays[m->input_count + i];
    if (!open && !array_create(a, info.type, info.rank, info.shape, info.name)) return false;
    bind(m, m->input_count + i);
  }
  return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool subject_run(subject *m) {
  tn_error *error = NULL;
  if (!tn_model_run(m->model, m->pointers, m->input_count, m->pointers + m->input_count, m->output_count, &error))
    return true;
  return report(m->file, error), false;
}

bool subject_open(subject *m, const texts *in) {
  double called = 0;
  if (has_suffix(m->file, ".tn")) {
    fprintf(stderr, "tenon: %s: is the text of a program: this command takes models\n", m->file);
    return false;
  }
  if (!inputs_read(m->s, in, &m->given) || !build(m)) return false;
  m->input_count = tn_model_input_count(m->model);
  m->output_count = tn_model_output_count(m->model);
  size_t count = m->input_count + m->output_count + 1;
  m->arrays = take(count, sizeof *m->arrays);
  m->tensors = take(count, sizeof *m->tensors);
  m->pointers = take(count, sizeof *m->pointers);
  m->shapes = take(count, TN_MAX_RANK * sizeof *m->shapes);
  if (!make_inputs(m)) return false;
  for (size_t i = 0; i < m->input_count; i++) bind(m, i);
  if (!make_outputs(m, &called)) return false;
  double start = seconds();
  if (!subject_run(m)) return false;
  m->first_seconds = m->import_seconds + m->compile_seconds + (called > 0 ? called : seconds() - start);
  return true;
}

void subject_close(subject *m) {
  for (size_t i = 0; i < m->given.count; i++) array_destroy(&m->given.items[i].array);
  for (size_t i = 0; m->arrays && i < m->input_count + m->output_count; i++) array_destroy(&m->arrays[i]);
  tn_module_destroy(m->module);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

spread spread_of(double *times, size_t count) {
  qsort(times, count, sizeof *times, by_value);
  double median = count % 2 ? times[count / 2] : (times[count / 2 - 1] + times[count / 2]) / 2;
  return (spread){count, times[0], median, times[(9 * count + 9) / 10 - 1]};
}

bool subject_measure(subject *m, int32_t warm_up, int32_t repeat, spread *out) {
  enum { LEAST = 10, MOST = 1000 };
  static const double LONG = 1;
  size_t room = repeat ? (size_t)repeat : MOST, count = 0;
  double *times = take(room, sizeof *times), start = seconds();
  for (int32_t i = 0; i < warm_up; i++)
    if (!subject_run(m)) return false;
  start = seconds();
  while (count < room && (repeat || count < LEAST || seconds() - start < LONG)) {
    double begin = seconds();
    if (!subject_run(m)) return false;
    times[count++] = seconds() - begin;
  }
  *out = spread_of(times, count);
  return true;
}
