"""The table of what models.py measured."""
import glob
import json
import math
import os

PEERS = ("onnxruntime", "openvino", "torch", "iree", "ncnn", "tvm")
UNTUNED = ("tvm",)                             # measured, but not what a ratio is of: compared apart
FIRST = ("tenon", "onnxruntime", "openvino")   # the others read what was compiled before
LEAST = 3                                      # undisturbed rounds that a figure needs


def best_of(result):
    """The fastest peer, and its time / Tenon's."""
    rivals = {n: e["ratio"] for n, e in result["engines"].items() if n != "tenon" and n not in UNTUNED}
    return min(rivals.items(), key=lambda item: item[1]) if rivals else ("-", math.nan)


def row_text(result):
    """A model's line: each engine's milliseconds, ~ after those of disturbed rounds."""
    row = "%-20s %9.3f" % (result["model"], result["engines"]["tenon"]["ms"])
    for peer in PEERS:
        e = result["engines"].get(peer)
        row += " %11s" % ("%.3f%s" % (e["ms"], "" if e["clean"] >= LEAST else "~") if e else "-")
    return row + "  %-11s %5.2f" % best_of(result)


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def print_summary(results):
    """What the rows say together: of the best peer, and of each."""
    ratios = [(best_of(r)[1], r["model"]) for r in results if len(r["engines"]) > 1 and best_of(r)[0] != "-"]
    if ratios:
        print("best of the peers / tenon: geometric mean %.2f over %d models, worst %.2f (%s)"
              % ((geometric_mean([r for r, _ in ratios]), len(ratios)) + min(ratios)))
    for peer in PEERS:
        there = [(r["engines"][peer]["ratio"], r["model"]) for r in results if peer in r["engines"]]
        if there:
            print("%-12s / tenon: geometric mean %.2f over %d models, worst %.2f (%s)"
                  % ((peer, geometric_mean([r for r, _ in there]), len(there)) + min(there)))


def print_first(results):
    print("\nfirst output, ms from opening the file in a started process; resident memory after the runs, MiB")
    heads = "".join(" %11s" % n for n in FIRST)
    print("%-20s%s  %s" % ("model", heads, heads))
    for r in results:
        row = "%-20s" % r["model"]
        for key, scale, gap in (("first_output_ms", 1, "  "), ("steady_bytes", 2.0 ** -20, "")):
            for name in FIRST:
                value = r["engines"].get(name, {}).get(key)
                row += " %11s" % ("%.1f" % (value * scale) if value else "-")
            row += gap
        print(row)


def print_failures(results):
    """Who could not run what, a line for each reason."""
    reasons = {}
    for r in results:
        for peer, why in r["failures"].items():
            models = reasons.setdefault((peer, why), [])
            if r["model"] not in models:
                models.append(r["model"])
    if reasons:
        print("\nnot measured")
    for (peer, why), models in sorted(reasons.items()):
        print("%-12s %s: %s" % (peer, " ".join(models), why))


def print_table(folder):
    """Of all results in the folder."""
    results = []
    for path in sorted(glob.glob(os.path.join(folder, "results", "*.json"))):
        with open(path) as f:
            results.append(json.load(f))
    versions = {name: e.get("version") or e.get("tenon") for r in results for name, e in r["engines"].items()}
    print("versions: " + ", ".join("%s %s" % v for v in sorted(versions.items())))
    for threads in sorted({r["threads"] for r in results}):
        chosen = [r for r in results if r["threads"] == threads]
        print("\n%d thread%s, ms a run (~: disturbed by others)" % (threads, "s" if threads > 1 else ""))
        heads = "".join(" %11s" % p for p in PEERS)
        print("%-20s %9s%s  %-11s %5s" % ("model", "tenon", heads, "best", "ratio"))
        for r in chosen:
            print(row_text(r))
        print_summary(chosen)
    print_failures(results)
    one = [r for r in results if r["threads"] == 1]
    if one:
        print_first(one)
