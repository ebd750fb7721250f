#!/usr/bin/env python3
"""open_shapes.py -- MiniLM with its lengths open, beside the same model compiled for each length.

    python3 open_shapes.py TENON FOLDER [ROUNDS]

FOLDER has minilm_shapes (zoo.sh). For each of its inputs that has a batch of one, and the largest, in ROUNDS (5) turns: the
median of 40 runs of the open model, and of one whose shapes were fixed when it was compiled. Prints both and the median of
their ratios; fails where that is above 1.15. One thread.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile

MOST = 1.15


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def dims_of(path):
    """The dimensions of a TensorProto, which are its first field."""
    with open(path, "rb") as f:
        data = f.read(64)
    dims, at = [], 0
    while data[at] == 0x08:                          # one by one
        value, at = varint(data, at + 1)
        dims.append(value)
    if data[at] == 0x0a:                             # packed
        size, at = varint(data, at + 1)
        end = at + size
        while at < end:
            value, at = varint(data, at)
            dims.append(value)
    return dims


def ask(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def time_open(tenon, model, data):
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(model, os.path.join(folder, "model.onnx"))
        os.symlink(data, os.path.join(folder, "test_data_set_0"))
        return float(ask(tenon, "compare", folder, "--threads", "1", "--repeat", "40").split("\n")[-2].split()[6])


def time_fixed(tenon, model, shape):
    shapes = [word for name in ("input_ids", "attention_mask") for word in ("--shape", "%s=%s" % (name, shape))]
    return json.loads(ask(tenon, "bench", model, "--threads", "1", "--repeat", "40", "--json", "-", *shapes))["median_ms"]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tenon, folder = sys.argv[1], os.path.abspath(os.path.join(sys.argv[2], "minilm_shapes"))
    rounds, model = int(sys.argv[3]) if len(sys.argv) > 3 else 5, os.path.join(folder, "model.onnx")
    sets = {tuple(dims_of(os.path.join(d, "input_0.pb"))): d for d in glob.glob(os.path.join(folder, "test_data_set_*"))}
    worst = 0
    print("%-8s %9s %9s %7s" % ("shape", "open", "fixed", "ratio"))
    for dims in sorted(d for d in sets if d[0] == 1 or d == max(sets)):
        shape = "x".join(map(str, dims))
        pairs = [(time_open(tenon, model, sets[dims]), time_fixed(tenon, model, shape)) for _ in range(rounds)]
        ratio = statistics.median(a / b for a, b in pairs)
        worst = max(worst, ratio)
        print("%-8s %9.3f %9.3f %7.3f" % ((shape,) + tuple(statistics.median(x) for x in zip(*pairs)) + (ratio,)), flush=True)
    print("worst %.3f" % worst)
    sys.exit(worst > MOST)


main()
