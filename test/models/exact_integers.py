"""exact_integers.py -- a quantized model in Tenon's integers beside ONNX's reference evaluator, picture by picture.

    python3 exact_integers.py TENON QDQ.onnx [--count N] [--data FOLDER]

What runs in the evaluator is what the QDQ graph spells: each DequantizeLinear -> Conv or Gemm -> QuantizeLinear is one
QLinearConv of the same numbers (a Gemm one of a single pixel, which has a bias), all else is as it is. Prints how many
outputs, and how many of all, are the same bit by bit; the exit code is 1 if one is not. The floats of the QDQ graph as it
is are compared with, too: these may differ. Needs onnx, numpy; pictures of Debian's dataset-fashion-mnist.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import gzip
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def integers_of(model):
    """The graph with QLinearConv in the place of what is dequantized, convolved and quantized."""
    graph = model.graph
    made_by = {o: n for n in graph.node for o in n.output}
    readers = {}
    for n in graph.node:
        for i in n.input:
            readers.setdefault(i, []).append(n)
    known = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    gone, more = [], []

    def constant(name, array):
        graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    for n in list(graph.node):
        after = readers.get(n.output[0], []) if n.op_type in ("Conv", "Gemm") else []
        if len(after) != 1 or after[0].op_type != "QuantizeLinear":
            continue
        x, w, b = (made_by[i] for i in n.input)
        q = after[0]
        bias, weights = b.input[0], w.input[0]
        zero = constant(weights + ".zero", np.zeros((), known[w.input[2]].dtype))
        if n.op_type == "Conv":
            inputs = [*x.input, weights, w.input[1], zero, *q.input[1:], bias]
            new = [helper.make_node("QLinearConv", inputs, [q.output[0]], **{a.name: helper.get_attribute_value(a) for a in n.attribute})]
        else:
            assert next(a.i for a in n.attribute if a.name == "transB") == 1
            pixel = constant(weights + ".pixel", known[weights].reshape(*known[weights].shape, 1, 1))
            up = constant(weights + ".up", np.array([0, -1, 1, 1], np.int64))
            down = constant(weights + ".down", np.array([0, -1], np.int64))
            names = [weights + ".image", weights + ".sums"]
            new = [helper.make_node("Reshape", [x.input[0], up], [names[0]]),
                   helper.make_node("QLinearConv", [names[0], *x.input[1:], pixel, w.input[1], zero, *q.input[1:], bias], [names[1]]),
                   helper.make_node("Reshape", [names[1], down], [q.output[0]])]
        gone += [n, q]
        more.append((q, new))
    nodes = []
    for n in graph.node:
        nodes += next((new for q, new in more if q is n), [] if any(n is g for g in gone) else [n])
    del model.opset_import[:]  # the evaluator has these operators from 19 on, with the same meaning
    model.opset_import.append(helper.make_opsetid("", 19))
    del graph.node[:]
    graph.node.extend(nodes)
    return model, len(more)


def run_tenon(tenon, model, pictures, *options):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "x.npy")
        np.save(path, pictures)
        subprocess.run([tenon, "run", model, "--in", "x=" + path, "--out", scratch, "--batch", str(len(pictures)), *options], check=True, stdout=subprocess.DEVNULL)
        return np.load(os.path.join(scratch, "y.npy"))


def same(name, got, want):
    rows = int(np.sum(np.all(got == want, axis=1)))
    print(f"{name}: {rows} of {len(want)} rows the same, {int(np.sum(got == want))} of {want.size} numbers")
    return rows == len(want)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tenon")
    p.add_argument("model")
    p.add_argument("--count", type=int, default=200)
    p.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    a = p.parse_args()
    with gzip.open(os.path.join(a.data, "t10k-images-idx3-ubyte.gz")) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)[:a.count]
    pictures = pixels.astype(np.float32) / 255
    spelled, count = integers_of(onnx.load(a.model))
    want = ReferenceEvaluator(spelled).run(None, {"x": pictures})[0]
    print(f"{count} products; {len(np.unique(want))} different numbers in {want.shape}")
    good = count > 0 and same("integers", run_tenon(a.tenon, a.model, pictures, "--integers"), want)
    same("floats of the graph as it is", run_tenon(a.tenon, a.model, pictures), want)
    sys.exit(0 if good else 1)


main()
