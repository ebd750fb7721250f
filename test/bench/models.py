#!/usr/bin/env python3
"""Whole models in Tenon and in other engines, a process each, in turn.

usage: models.py prepare TENON FOLDER ZOO [--threads N,N] [--peers NAME,NAME] [NAME...]    compiles what can be kept
       models.py measure TENON FOLDER ZOO [--threads N,N] [--peers NAME,NAME] [--hold COMMAND] [NAME...]
       models.py table FOLDER

FOLDER is where models.sh set the peers up; ZOO has what test/models/zoo.sh made. All engines of a model are started
first; then they run in rounds, while the others are stopped: a few runs of each, of which the least time counts. A ratio
is the median over the rounds of peer's time / Tenon's. --hold: the rounds wait until COMMAND prints a line, and its
standard input is closed when they are over: something that keeps the machine quiet meanwhile.
"""
import glob, json, math, os, select, shlex, signal, statistics, subprocess, sys, time
import numpy as np

PEERS = ("onnxruntime", "openvino", "torch", "iree", "ncnn", "tvm")
UNTUNED = ("tvm",)                    # measured, but not what a ratio is of: compared apart
ROUNDS, LEAST, TURN_MS, BUDGET = 15, 3, 60.0, 12.0
START_SECONDS, DIFFERENCE = 900, 1e-3
HERE = os.path.dirname(os.path.abspath(__file__))


def read_pb(path):
    import onnx
    t = onnx.TensorProto()
    with open(path, "rb") as f:
        t.ParseFromString(f.read())
    return onnx.numpy_helper.to_array(t)


def prepare(folder, zoo, name):
    """FOLDER/work/NAME: the model with its shapes fixed, inputs and references as .npy; the names of the inputs."""
    import onnx
    to, source = os.path.join(folder, "work", name), os.path.join(zoo, name)
    os.makedirs(to, exist_ok=True)
    data = os.path.join(source, "test_data_set_0")
    model = onnx.load(os.path.join(source, "model.onnx"))
    whole = any(n.op_type == "If" for n in model.graph.node)  # a branch may be none of these shapes: left as it is
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    for k, info in enumerate(inputs):
        value = read_pb(os.path.join(data, "input_%d.pb" % k))
        np.save(os.path.join(to, "input_%d.npy" % k), value)
        for d, size in enumerate(() if whole else value.shape):
            info.type.tensor_type.shape.dim[d].dim_value = size
    for k in range(len(model.graph.output)):
        np.save(os.path.join(to, "reference_%d.npy" % k), read_pb(os.path.join(data, "output_%d.pb" % k)))
    if not os.path.exists(os.path.join(to, "model.onnx")):
        for out in () if whole else model.graph.output:  # what they are follows from the inputs
            for d in out.type.tensor_type.shape.dim:
                if d.dim_param:
                    d.Clear()
        for i in [i for i in model.graph.input if i.name in constants]:  # as files of old versions list them
            model.graph.input.remove(i)
        model.ir_version = max(model.ir_version, 8)
        onnx.save(model, os.path.join(to, "model.onnx"))
    return [i.name for i in inputs]


class Engine:
    """A process that answers a number of runs with a line of JSON."""

    def __init__(self, name, command, log):
        self.name, self.rounds, self.record = name, [], {}
        self.log = open(log, "w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def answer(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if line.startswith("{"):
            return json.loads(line)
        self.log.seek(0)
        said = [l.strip() for l in self.log.read().splitlines() if l.strip()]
        raise RuntimeError("no answer in %d s" % seconds if not ready else said[-1] if said else "it ended")

    def start(self):
        self.record = self.answer(START_SECONDS)
        self.stop()
        if self.record.get("difference", 0) > DIFFERENCE:
            raise RuntimeError("its output differs by %.1e" % self.record["difference"])

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def turn(self, runs):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write("%d\n" % runs)
        self.process.stdin.flush()
        times = self.answer(300)
        self.stop()
        return times

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.log.close()


def command_of(name, tenon, folder, work, zoo_model, inputs, threads):
    cores = "0-%d" % (threads - 1) if threads > 1 else "1"
    pinned = ["taskset", "-c", cores]
    if name == "tenon":
        given = ["--in=%s=%s" % (n, os.path.join(work, "input_%d.npy" % k)) for k, n in enumerate(inputs)]
        return pinned + [tenon, "bench", zoo_model, "--paced", "--threads", str(threads)] + given
    return pinned + [os.path.join(folder, name, "bin", "python"), os.path.join(HERE, "models_engine.py"), name, work,
                     str(threads)]


def hold(command):
    if not command:
        return None
    p = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    return p


def run_rounds(engines, failures):
    """Until the budget is spent; at least LEAST rounds. An engine that takes seconds has one run in each of the first."""
    took = {}
    for e in list(engines):
        try:
            e.turn(1)
            took[e.name] = e.turn(1)["min_ms"]
        except (RuntimeError, OSError) as why:
            failures[e.name] = str(why)
            engines.remove(e)
    start, done = time.monotonic(), 0
    while done < ROUNDS and (done < LEAST or time.monotonic() - start < BUDGET):
        for e in engines:
            slow = took[e.name] > 1500 and done >= LEAST
            if not slow:
                e.rounds.append(e.turn(max(1, min(100, int(TURN_MS / max(took[e.name], 1e-3)) + 1))))
            else:
                e.rounds.append(e.rounds[-1])
        done += 1
    return done


def measure_one(tenon, folder, zoo, name, threads, peers, holder):
    inputs, work = prepare(folder, zoo, name), os.path.join(folder, "work", name)
    engines, failures = [], {}
    for peer in ("tenon",) + tuple(peers):
        if peer != "tenon" and not os.path.exists(os.path.join(folder, peer, "bin", "python")):
            failures[peer] = "is not set up"
            continue
        command = command_of(peer, tenon, folder, work, os.path.join(zoo, name, "model.onnx"), inputs, threads)
        e = Engine(peer, command, os.path.join(folder, "log"))
        try:
            e.start()
            engines.append(e)
        except (RuntimeError, OSError) as why:
            failures[peer] = str(why)[:300]
            e.end()
    if not engines or engines[0].name != "tenon":
        print("%s: tenon: %s" % (name, failures.get("tenon")), file=sys.stderr)
        return
    held = hold(holder)
    try:
        count = run_rounds(engines, failures)
    finally:
        if held:
            held.stdin.close()
            held.wait()
    own = [r["min_ms"] for r in engines[0].rounds]
    out = {"model": name, "threads": threads, "rounds": count, "failures": failures, "engines": {}}
    for e in engines:
        times = [r["min_ms"] for r in e.rounds]
        out["engines"][e.name] = dict(e.record, ms=statistics.median(times),
                                      ratio=statistics.median(t / o for t, o in zip(times, own)),
                                      steady_bytes=e.rounds[-1].get("steady_bytes", e.record.get("steady_bytes")))
        e.end()
    os.makedirs(os.path.join(folder, "results"), exist_ok=True)
    path = os.path.join(folder, "results", "%s-%d.json" % (name, threads))
    if os.path.exists(path):                     # peers that were not measured this time stay
        with open(path) as f:
            old = json.load(f)
        for peer, record in old["engines"].items():
            if peer not in peers and peer != "tenon":
                out["engines"].setdefault(peer, record)
        for peer, why in old["failures"].items():
            if peer not in peers:
                failures.setdefault(peer, why)
    with open(path, "w") as f:
        json.dump(out, f, indent=1)
    print(row_text(out), flush=True)


def prepare_one(tenon, folder, zoo, name, threads, peers):
    """Starts each peer once, by itself."""
    inputs, work = prepare(folder, zoo, name), os.path.join(folder, "work", name)
    for peer in peers:
        begun, said = time.monotonic(), "ready"
        command = command_of(peer, tenon, folder, work, "", inputs, threads)
        e = Engine(peer, ["nice"] + command[3:], os.path.join(folder, "log-prepare"))
        try:
            e.start()
        except (RuntimeError, OSError) as why:
            said = str(why)
        e.end()
        print("%s, %s, %d threads: %s in %.0f s" % (name, peer, threads, said[:200], time.monotonic() - begun), flush=True)


# ---- the table


def best_of(result):
    rivals = {n: e["ratio"] for n, e in result["engines"].items() if n != "tenon" and n not in UNTUNED}
    return min(rivals.items(), key=lambda item: item[1]) if rivals else ("-", float("nan"))


def row_text(result):
    row = "%-20s %9.3f" % (result["model"], result["engines"]["tenon"]["ms"])
    for peer in PEERS:
        e = result["engines"].get(peer)
        row += " %11s" % ("%.3f" % e["ms"] if e else "-")
    who, ratio = best_of(result)
    return row + "  %-11s %5.2f" % (who, ratio)


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def print_summary(results):
    ratios = [(best_of(r)[1], r["model"]) for r in results if best_of(r)[1] == best_of(r)[1]]
    if not ratios:
        return
    worst = min(ratios)
    print("best of the peers / tenon: geometric mean %.2f over %d models, worst %.2f (%s)"
          % (geometric_mean([r for r, _ in ratios]), len(ratios), worst[0], worst[1]))
    for peer in PEERS:
        there = [r["engines"][peer]["ratio"] for r in results if peer in r["engines"]]
        if there:
            print("%-12s / tenon: geometric mean %.2f over %d models, worst %.2f"
                  % (peer, geometric_mean(there), len(there), min(there)))


def print_first(results):
    print("\nfirst output, ms from opening the file in a started process; resident memory after the runs, MiB")
    print("%-20s %9s %11s %9s   %9s %11s %9s" % (("model", "tenon", "onnxruntime", "openvino") + ("tenon", "onnxruntime", "openvino")))
    for r in results:
        row = "%-20s" % r["model"]
        for key, scale in (("first_output_ms", 1), ("steady_bytes", 2.0 ** -20)):
            for name, width in (("tenon", 9), ("onnxruntime", 11), ("openvino", 9)):
                e = r["engines"].get(name) or {}
                row += " %*s" % (width, "%.1f" % (e[key] * scale) if e.get(key) else "-")
            row += "  " if key == "first_output_ms" else ""
        print(row)


def print_failures(results):
    reasons = {}
    for r in results:
        for peer, why in r["failures"].items():
            reasons.setdefault((peer, why), []).append(r["model"])
    if reasons:
        print("\nnot measured")
    for (peer, why), models in sorted(reasons.items()):
        print("%-12s %s: %s" % (peer, " ".join(models), why))


def table(folder):
    results = []
    for path in glob.glob(os.path.join(folder, "results", "*.json")):
        with open(path) as f:
            results.append(json.load(f))
    versions = {}
    for r in results:
        for name, e in r["engines"].items():
            versions[name] = e.get("version") or e.get("tenon")
    print("versions: " + ", ".join("%s %s" % v for v in sorted(versions.items())))
    for threads in sorted({r["threads"] for r in results}):
        chosen = sorted((r for r in results if r["threads"] == threads), key=lambda r: r["model"])
        print("\n%d thread%s, ms a run" % (threads, "s" if threads > 1 else ""))
        print("%-20s %9s" % ("model", "tenon") + "".join(" %11s" % p for p in PEERS) + "  %-11s %5s" % ("best", "ratio"))
        for r in chosen:
            print(row_text(r))
        print_summary(chosen)
        print_failures(chosen)
    one = sorted((r for r in results if r["threads"] == 1), key=lambda r: r["model"])
    if one:
        print_first(one)


def main():
    arguments, options, names = sys.argv[1:], {"--threads": "1,2", "--peers": ",".join(PEERS), "--hold": ""}, []
    while arguments:
        a = arguments.pop(0)
        if a in options and arguments:
            options[a] = arguments.pop(0)
        elif a.startswith("-"):
            sys.exit(__doc__)
        else:
            names.append(a)
    if len(names) == 2 and names[0] == "table":
        return table(names[1])
    if len(names) < 4 or names[0] not in ("measure", "prepare"):
        sys.exit(__doc__)
    peers = options["--peers"].split(",")
    strange = [p for p in peers if p not in PEERS]
    if strange:
        sys.exit("models.py: there is no peer %s; they are %s" % (strange[0], " ".join(PEERS)))
    tenon, folder, zoo = (os.path.abspath(n) for n in names[1:4])
    for name in names[4:] or sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(zoo + "/*/test_data_set_0")):
        for threads in map(int, options["--threads"].split(",")):
            if names[0] == "prepare":
                prepare_one(tenon, folder, zoo, name, threads, peers)
            else:
                measure_one(tenon, folder, zoo, name, threads, peers, options["--hold"])


main()
