"""quantize.py -- an ONNX model in 8 bits, by ONNX Runtime's quantizer.

    python3 quantize.py MODEL OUT.onnx [--format qdq|qoperator] [--types u8s8|s8s8|u8u8] [--per-channel]
                        [--data FOLDER] [--seed N]

Static quantization: the ranges of activations are those that 64 inputs have. These are pictures of Fashion-MNIST's
training set (Debian's dataset-fashion-mnist, or FOLDER) where the model takes pictures of that size, else random
numbers. Needs onnxruntime and onnx.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import gzip
import os
import tempfile

import numpy as np
import onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

TYPES = {"u": quantization.QuantType.QUInt8, "s": quantization.QuantType.QInt8}
FORMATS = {"qdq": quantization.QuantFormat.QDQ, "qoperator": quantization.QuantFormat.QOperator}
INPUTS, CHUNK = 64, 16


class Reader(quantization.CalibrationDataReader):
    """The inputs, CHUNK at a time, or as many as the model has a fixed dimension for."""

    def __init__(self, name, values, count):
        self.parts = iter([{name: values[i:i + count]} for i in range(0, len(values) // count * count, count)])

    def get_next(self):
        return next(self.parts, None)


def pictures(folder):
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return pixels[:INPUTS].astype(np.float32) / 255


def inputs_of(value, folder, seed):
    dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
    if dims[1:] == [1, 28, 28]:
        return pictures(folder)
    return np.random.default_rng(seed).standard_normal((INPUTS, *dims[1:]), dtype=np.float32)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("out")
    p.add_argument("--format", choices=FORMATS, default="qdq")
    p.add_argument("--types", choices=["u8s8", "s8s8", "u8u8"], default="u8s8")
    p.add_argument("--per-channel", action="store_true")
    p.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    value = onnx.load(a.model).graph.input[0]
    fixed = value.type.tensor_type.shape.dim[0].dim_value
    with tempfile.TemporaryDirectory() as scratch:
        prepared = os.path.join(scratch, "prepared.onnx")
        quant_pre_process(a.model, prepared, skip_symbolic_shape=True)
        reader = Reader(value.name, inputs_of(value, a.data, a.seed), fixed or CHUNK)
        quantization.quantize_static(prepared, a.out, reader, quant_format=FORMATS[a.format],
                                     per_channel=a.per_channel, activation_type=TYPES[a.types[0]],
                                     weight_type=TYPES[a.types[2]], extra_options={"ActivationSymmetric": False})


main()
