#!/usr/bin/env python3
"""steps.py -- how many kernels a model's run launches, beside the nodes that ONNX Runtime executes.

    python3 steps.py TENON FOLDER [NAME...]

FOLDER has models and inputs (zoo.sh), whose shapes are fixed to those of the first set. Nodes are those of ONNX Runtime's graph
after all of its optimizations; steps are those of Tenon's plan, copies among them. Prints both and their ratio, then the ratio
of the sums and the geometric mean of ratios. Needs onnx, onnxruntime: zoo.sh's FOLDER/env has them.

SPDX-License-Identifier: Apache-2.0
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import onnx
import onnxruntime

NAMES = ("resnet50 squeezenet mobilenet_v2 mobilenet_v3_small ppocr_det ppocr_rec ppocr_cls minilm basic_pitch magika alexnet "
         "vgg11 googlenet inception_v3 densenet121 shufflenet_v2_x1_0 mnasnet1_0 efficientnet_b0 regnet_y_400mf "
         "resnext50_32x4d convnext_tiny vit_b_16 swin_t")


def shapes_of(folder):
    """The inputs' names and shapes in the first set."""
    model = onnx.load(os.path.join(folder, "model.onnx"), load_external_data=False)
    constants = {i.name for i in model.graph.initializer}
    found = []
    for k, info in enumerate(i for i in model.graph.input if i.name not in constants):
        tensor = onnx.TensorProto()
        with open(os.path.join(folder, "test_data_set_0", "input_%d.pb" % k), "rb") as f:
            tensor.ParseFromString(f.read())
        found.append((info.name, list(tensor.dims), info))
    return model, found


def count_nodes(folder):
    _, inputs = shapes_of(folder)
    with tempfile.TemporaryDirectory() as to:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = os.path.join(to, "model.onnx")
        options.log_severity_level = 4
        for name, dims, info in inputs:
            for d, size in zip(info.type.tensor_type.shape.dim, dims):
                if d.dim_param:
                    options.add_free_dimension_override_by_name(d.dim_param, size)
        onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options, ["CPUExecutionProvider"])
        return len(onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node)


def count_steps(tenon, folder):
    _, inputs = shapes_of(folder)
    shapes = [word for name, dims, _ in inputs for word in ("--shape", "%s=%s" % (name, "x".join(map(str, dims))))]
    out = subprocess.run([tenon, "bench", os.path.join(folder, "model.onnx"), "--threads", "1", "--repeat", "1", "--json", "-"] +
                         shapes, check=True, capture_output=True, text=True).stdout
    return json.loads(out)["steps"]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tenon, names, all_steps, all_nodes, logs = sys.argv[1], sys.argv[3:] or NAMES.split(), 0, 0, 0
    print("%-20s %6s %6s %6s" % ("model", "steps", "nodes", "ratio"))
    for name in names:
        folder = os.path.join(sys.argv[2], name)
        steps, nodes = count_steps(tenon, folder), count_nodes(folder)
        all_steps, all_nodes, logs = all_steps + steps, all_nodes + nodes, logs + math.log(steps / nodes)
        print("%-20s %6d %6d %6.2f" % (name, steps, nodes, steps / nodes), flush=True)
    print("sums %.2f, geometric mean %.3f over %d models" % (all_steps / all_nodes, math.exp(logs / len(names)), len(names)))


main()
