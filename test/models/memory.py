#!/usr/bin/env python3
"""memory.py -- what models take once they run, beside the least that any plan takes.

    python3 memory.py TENON FOLDER [NAME...]

FOLDER has models (zoo.sh), each NAME one whose shapes are fixed. Code comes from a cache that a run before has filled: LLVM
is not in the process. Prints, in MB, the weights, inputs and outputs; the bound (the most bytes of intermediates that are
alive at once); what the plan takes of them; and the resident memory of the process after twelve runs, once without and
once with code in the cache. ok: with it that is within 1.1 x (weights, inputs, outputs and bound) + 10 MB.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import subprocess
import sys
import tempfile

NAMES = ("resnet50 squeezenet mobilenet_v2 mobilenet_v3_small minilm basic_pitch magika alexnet vgg11 googlenet inception_v3 "
         "densenet121 shufflenet_v2_x1_0 mnasnet1_0 efficientnet_b0 regnet_y_400mf resnext50_32x4d convnext_tiny vit_b_16 "
         "swin_t")
SHAPES = {"minilm": ("input_ids=1x32", "attention_mask=1x32")}
MB = 1e6


def ask(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def measure(tenon, model, shapes):
    told = ask(tenon, "inspect", model, *shapes)
    given = [int(x) for x in re.search(r"(\d+) bytes of weights; (\d+) of inputs, (\d+) of outputs", told).groups()]
    plan, bound = [int(x) for x in re.search(r"(\d+) bytes of intermediates in a run; no plan takes less than (\d+)",
                                             told).groups()]
    with tempfile.TemporaryDirectory() as cache:
        run = (tenon, "bench", model, "--threads", "1", "--repeat", "10", "--warmup", "2", "--cache", cache, "--json", "-")
        cold, warm = [json.loads(ask(*run, *shapes))["steady_bytes"] for _ in range(2)]
    return sum(given), bound, plan, cold, warm


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tenon, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:] or NAMES.split()
    kept = 0
    print("%-20s %8s %7s %7s %9s %9s %7s" % ("model", "weights", "bound", "plan", "uncached", "cached", "limit"))
    for name in names:
        shapes = [word for shape in SHAPES.get(name, ()) for word in ("--shape", shape)]
        weights, bound, plan, cold, warm = measure(tenon, os.path.join(folder, name, "model.onnx"), shapes)
        limit = 1.1 * (weights + bound) + 10 * MB
        kept += warm <= limit
        row = tuple(x / MB for x in (weights, bound, plan, cold, warm, limit))
        print(("%-20s %8.1f %7.1f %7.1f %9.1f %9.1f %7.1f " % ((name,) + row)) + ("ok" if warm <= limit else "OVER"), flush=True)
    print("within the limit: %d of %d" % (kept, len(names)))
    sys.exit(kept < len(names))


main()
