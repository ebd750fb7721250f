/* voice.c -- how many steps of a recording the voice detector silero-vad takes for speech; and of as much silence.
 *
 *     voice MODEL.onnx RECORDING.wav                 prints "speech in N of M steps, in N of M of silence"
 *
 * The recording is 16 kHz, mono, 16 bits. A step is 512 samples behind the last 64 of the step before (zeros first);
 * the model's state starts at zero and is fed back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"

enum { CONTEXT = 64, STEP = 512, STATE = 2 * 128, HEAD = 44 };

static int64_t input_shape[] = {1, CONTEXT + STEP}, state_shape[] = {2, 1, 128};
static float input[CONTEXT + STEP], state[STATE];
static int64_t rate = 16000;

static DLTensor view(const char *name) {
  DLTensor t = {
      .data = input, .device = {kDLCPU, 0}, .ndim = 2, .dtype = tn_type_to_dlpack(TN_F32), .shape = input_shape};
  if (!strcmp(name, "state")) t.data = state, t.ndim = 3, t.shape = state_shape;
  if (!strcmp(name, "sr")) t.data = &rate, t.ndim = 0, t.dtype = tn_type_to_dlpack(TN_I64);
  return t;
}

/* One step; the state goes on. */
static tn_status run_step(const tn_model *model, float *speech, tn_error **error) {
  DLTensor views[3];
  const DLTensor *inputs[3];
  tn_tensor *out[2] = {NULL};
  for (size_t i = 0; i < 3; i++) {
    tn_tensor_info info;
    tn_model_input(model, i, &info);
    views[i] = view(info.name);
    inputs[i] = &views[i];
  }
  tn_status status = tn_model_call(model, inputs, 3, out, 2, error);
  if (!status) {
    *speech = *(float *)tn_tensor_data(out[0]);
    memcpy(state, tn_tensor_data(out[1]), sizeof state);
  }
  tn_tensor_destroy(out[0]);
  tn_tensor_destroy(out[1]);
  return status;
}

/* Steps with a probability of speech above one half; -1: failed. `samples` NULL: silence. */
static long count_speech(const tn_model *model, const int16_t *samples, long steps, tn_error **error) {
  long count = 0;
  memset(input, 0, sizeof input);
  memset(state, 0, sizeof state);
  for (long i = 0; i < steps; i++) {
    float speech;
    memmove(input, input + STEP, CONTEXT * sizeof *input);
    for (long k = 0; samples && k < STEP; k++) input[CONTEXT + k] = (float)samples[i * STEP + k] / 32768;
    if (run_step(model, &speech, error)) return -1;
    count += speech > 0.5f;
  }
  return count;
}

/* The samples of a WAV file with the usual head. */
static int16_t *read_samples(const char *path, long *steps) {
  FILE *file = fopen(path, "rb");
  int16_t *samples = NULL;
  long size = file && !fseek(file, 0, SEEK_END) ? ftell(file) - HEAD : 0;
  *steps = size / (STEP * 2);
  if (*steps > 0) samples = malloc((size_t)*steps * STEP * sizeof *samples);
  if (samples && (fseek(file, HEAD, SEEK_SET) || fread(samples, STEP * 2, (size_t)*steps, file) != (size_t)*steps)) {
    free(samples);
    samples = NULL;
  }
  if (file) fclose(file);
  return samples;
}

int main(int argc, char **argv) {
  long steps, speech = -1, silence = -1;
  if (argc != 3) return fprintf(stderr, "usage: voice MODEL.onnx RECORDING.wav\n"), 2;
  int16_t *samples = read_samples(argv[2], &steps);
  if (!samples) return fprintf(stderr, "voice: %s cannot be read\n", argv[2]), 1;
  const tn_import_desc desc = {.struct_size = sizeof desc, .keep_open = 1};
  tn_context *context = NULL;
  tn_program *program = NULL;
  tn_module *module = NULL;
  const tn_model *model;
  tn_error *error = NULL;
  if (!tn_context_create(NULL, &context, &error) && !tn_onnx_load(context, argv[1], &desc, &program, &error) &&
      !tn_compile(program, NULL, &module, &error) && !tn_module_model(module, "main", &model, &error)) {
    speech = count_speech(model, samples, steps, &error);
    if (speech >= 0) silence = count_speech(model, NULL, steps, &error);
  }
  if (error)
    fprintf(stderr, "voice: %s\n", tn_error_text(error));
  else
    printf("speech in %ld of %ld steps, in %ld of %ld of silence\n", speech, steps, silence, steps);
  tn_error_destroy(error);
  tn_module_destroy(module);
  tn_program_destroy(program);
  tn_context_destroy(context);
  free(samples);
  return silence < 0;
}
