#!/usr/bin/env python3
"""Train a small residual CNN on Fashion-MNIST, export it to ONNX and write what the examples need beside it.

    /usr/bin/python3 train_fashion.py [--seed N] [--epochs N] [--data DIR] [--out DIR] [--pictures DIR]

Needs Debian's python3-torch, python3-onnx and dataset-fashion-mnist; about ten minutes on two cores. Writes

    OUT/fashion_resnet8.onnx     opset 13, input "x" f32 [n,1,28,28] (pixels / 255), output "y" f32 [n,10] (logits)
    OUT/fashion_resnet8.txt      how it was made, and how many of the 10,000 test pictures PyTorch gets right
    OUT/fashion_labels.txt       the ten names, one a line
    PICTURES/NN_label.png        the first test picture of each class, 28x28 gray

The count is taken from the exported file itself: its operators are run by PyTorch, one by one. Training is not
reproducible bit by bit across machines, so the file and its count are committed together.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import gzip
import os
import struct
import time
import zlib

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn as nn
import torch.nn.functional as F

LABELS = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"]
BATCH = 128


# ---- data ----------------------------------------------------------------------------------------------------------

def read_idx(path, offset):
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def read_set(folder, name):
    """(pixels as bytes [n,28,28], labels as int64 [n]) of "train" or "t10k"."""
    pixels = read_idx(os.path.join(folder, name + "-images-idx3-ubyte.gz"), 16).reshape(-1, 28, 28)
    labels = read_idx(os.path.join(folder, name + "-labels-idx1-ubyte.gz"), 8)
    return pixels, torch.tensor(labels.astype(np.int64))


def to_input(pixels):
    return torch.tensor(pixels.astype(np.float32) / 255).unsqueeze(1)


# ---- the net -------------------------------------------------------------------------------------------------------

def conv_bn_relu(inputs, outputs, kernel, stride=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs),
                         nn.ReLU())


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the stride is above 1."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = conv_bn_relu(inputs, outputs, 3, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


def make_resnet8():
    return nn.Sequential(conv_bn_relu(1, 16, 3), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def train(model, x, y, epochs):
    """Adam under a one-cycle schedule; pictures are mirrored at random."""
    steps = (len(x) + BATCH - 1) // BATCH
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * steps)
    for epoch in range(epochs):
        model.train()
        start, total = time.time(), 0.0
        for rows in torch.randperm(len(x)).split(BATCH):
            batch = x[rows]
            mirror = torch.rand(len(rows)) < 0.5
            batch[mirror] = batch[mirror].flip(3)
            loss = F.cross_entropy(model(batch), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        print("epoch %2d  loss %.4f  %.0f s" % (epoch + 1, total / len(x), time.time() - start), flush=True)
    return model.eval()


# ---- the exported file -----------------------------------------------------------------------------------------------

def export(model, path):
    torch.onnx.export(model, torch.zeros(1, 1, 28, 28), path, opset_version=13, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})


def run_node(node, args):
    attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Conv":
        return F.conv2d(*args, stride=attrs["strides"], padding=attrs["pads"][:2])
    if node.op_type == "Gemm":
        return F.linear(*args)
    simple = {"Relu": torch.relu, "Add": torch.add, "Identity": lambda x: x, "Flatten": lambda x: x.flatten(1),
              "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True)}
    return simple[node.op_type](*args)


def run_file(graph, x):
    values = {t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in graph.initializer}
    values[graph.input[0].name] = x
    for node in graph.node:
        values[node.output[0]] = run_node(node, [values[name] for name in node.input])
    return values[graph.output[0].name]


def count_right(path, x, y):
    graph = onnx.load(path).graph
    with torch.no_grad():
        return sum((run_file(graph, a).argmax(1) == b).sum().item() for a, b in zip(x.split(1000), y.split(1000)))


# ---- pictures --------------------------------------------------------------------------------------------------------

def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, pixels):
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
                   + png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b""))


def write_pictures(folder, pixels, y):
    os.makedirs(folder, exist_ok=True)
    for label, name in enumerate(LABELS):
        first = int((y == label).nonzero()[0])
        write_png(os.path.join(folder, "%02d_%s.png" % (label, name)), pixels[first])


# ----------------------------------------------------------------------------------------------------------------------

def parse_arguments():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="train and export the Fashion-MNIST example")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", default=here)
    parser.add_argument("--pictures", default=os.path.join(os.path.dirname(here), "pictures"))
    return parser.parse_args()


def main():
    args = parse_arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(2)
    train_pixels, train_y = read_set(args.data, "train")
    test_pixels, test_y = read_set(args.data, "t10k")
    path = os.path.join(args.out, "fashion_resnet8.onnx")
    write_pictures(args.pictures, test_pixels, test_y)
    with open(os.path.join(args.out, "fashion_labels.txt"), "w") as file:
        file.write("".join(name + "\n" for name in LABELS))
    model = train(make_resnet8(), to_input(train_pixels), train_y, args.epochs)
    export(model, path)
    right = count_right(path, to_input(test_pixels), test_y)
    with open(os.path.join(args.out, "fashion_resnet8.txt"), "w") as file:
        file.write("correct: %d of %d\n" % (right, len(test_y)))
        file.write("made by: train_fashion.py --seed %d --epochs %d, PyTorch %s\n"
                   % (args.seed, args.epochs, torch.__version__))
    print("correct: %d of %d" % (right, len(test_y)))


if __name__ == "__main__":
    main()
