#!/usr/bin/env python3
"""quantized.py -- a QDQ model in integers, beside the model in f32 that it was made of.

    python3 quantized.py TENON MODEL.onnx QDQ.onnx [ROUNDS]

In ROUNDS (9) turns: the median of 200 runs of each, at one thread and at two. Prints the median of the ratios f32 /
integers; fails where one is below 1.8. quantize.py makes QDQ.onnx; exact_integers.py tells whether its numbers are right.

SPDX-License-Identifier: Apache-2.0
"""
import json
import statistics
import subprocess
import sys

LEAST = 1.8


def time_of(tenon, threads, *model):
    out = subprocess.run((tenon, "bench") + model + ("--threads", str(threads), "--repeat", "200", "--json", "-"), check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)["median_ms"]


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    tenon, model, quantized = sys.argv[1:4]
    rounds, least = int(sys.argv[4]) if len(sys.argv) > 4 else 9, float("inf")
    for threads in (1, 2):
        pairs = [(time_of(tenon, threads, model), time_of(tenon, threads, quantized, "--integers")) for _ in range(rounds)]
        ratio = statistics.median(a / b for a, b in pairs)
        least = min(least, ratio)
        print("%d threads: %.4f ms in f32, %.4f in integers, ratio %.2f"
              % ((threads,) + tuple(statistics.median(x) for x in zip(*pairs)) + (ratio,)), flush=True)
    sys.exit(least < LEAST)


main()
