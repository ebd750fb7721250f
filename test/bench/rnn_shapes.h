/* rnn_shapes.h -- the recurrent layers that tenon-bench measures: f32, from real networks.
 *
 * Committed before the code that is measured on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TN_RNN_SHAPES_H
#define TN_RNN_SHAPES_H

/* A cell of an LSTM; of a GRU that resets the state before its product, or behind it (linear_before_reset, as PyTorch and
 * cuDNN have it). */
enum rnn_cell { RNN_LSTM, RNN_GRU, RNN_GRU_LINEAR };

/* `steps` of sequences of `in` features each, from a state; one step: as a decoder or a listener goes on. */
static const struct rnn_shape {
  const char *from;
  enum rnn_cell cell;
  int batch, steps, in, hidden, directions;
} rnn_shapes[] = {
    {"silero-vad", RNN_LSTM, 1, 1, 128, 128, 1},
    {"keyword lstm", RNN_LSTM, 1, 49, 10, 118, 1},
    {"crnn text", RNN_LSTM, 1, 26, 512, 256, 2},
    {"pp-ocr rec", RNN_LSTM, 6, 80, 512, 256, 2},
    {"transducer predictor", RNN_LSTM, 1, 1, 640, 640, 1},
    {"seq2seq encoder", RNN_LSTM, 1, 30, 512, 512, 1},
    {"seq2seq encoder", RNN_LSTM, 32, 30, 512, 512, 1},
    {"gnmt decoder", RNN_LSTM, 4, 1, 1024, 1024, 1},
    {"rnnoise", RNN_GRU, 1, 1, 114, 96, 1},
    {"keyword gru", RNN_GRU, 1, 49, 10, 154, 1},
    {"gru4rec", RNN_GRU, 32, 1, 100, 100, 1},
    {"tacotron cbhg", RNN_GRU_LINEAR, 1, 100, 128, 128, 2},
    {"attention decoder", RNN_GRU_LINEAR, 1, 1, 1024, 512, 1},
    {"deep speech 2", RNN_GRU_LINEAR, 8, 50, 800, 800, 1},
};
enum { RNN_SHAPES = sizeof rnn_shapes / sizeof *rnn_shapes };

#endif
