#!/usr/bin/env python3
"""Whole models in Tenon and in other engines, a process each, in turn.

usage: models.py prepare TENON FOLDER ZOO [--threads N,N] [--peers NAME,NAME] [NAME...]    compiles what can be kept
       models.py measure TENON FOLDER ZOO [--threads N,N] [--peers NAME,NAME] [--hold COMMAND] [--batch N] [NAME...]
       models.py table FOLDER

FOLDER is where models.sh set the peers up; ZOO has what test/models/zoo.sh made. All engines of a model are started
first; then they run in rounds, while the others are stopped: a few runs of each, of which the least time counts. A ratio
is the median over the rounds of peer's time / Tenon's; a round in which either had to wait for a processor for more than
3 % of its turn does not count, as far as others are left. --hold: the rounds wait until COMMAND prints a line, and its
standard input is closed when they are over: something that keeps the machine quiet meanwhile. --batch: so many models, or models at another number of threads, are
started before it is asked for. The first output is of other processes, which start while the machine is quiet.
"""
import concurrent.futures, glob, json, math, os, select, shlex, signal, statistics, subprocess, sys, time
import numpy as np

PEERS = ("onnxruntime", "openvino", "torch", "iree", "ncnn", "tvm")
UNTUNED = ("tvm",)                    # measured, but not what a ratio is of: compared apart
ROUNDS, LEAST, TURN_MS, BUDGET, WAITED = 25, 3, 60.0, 14.0, 0.03
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
        fold(to)
    return [i.name for i in inputs]


def fold(work):
    """folded.onnx beside model.onnx: the same with what is constant computed, for importers that cannot."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = os.path.join(work, "folded.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(os.path.join(work, "model.onnx"), options, ["CPUExecutionProvider"])


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

    def waited(self):
        """Seconds that its threads were ready to run and did not."""
        total = 0
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.process.pid):
            try:
                with open(path) as f:
                    total += int(f.read().split()[1])
            except OSError:  # the thread has ended
                pass
        return 1e-9 * total

    def turn(self, runs):
        self.process.send_signal(signal.SIGCONT)
        before, start = self.waited(), time.monotonic()
        self.process.stdin.write("%d\n" % runs)
        self.process.stdin.flush()
        times = self.answer(300)
        times["waited"] = (self.waited() - before) / (time.monotonic() - start)
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


def compare(own, other):
    """Milliseconds of the other, over Tenon's, and of how many undisturbed rounds."""
    pairs = sorted(((max(a["waited"], b["waited"]), a["min_ms"], b["min_ms"]) for a, b in zip(own.rounds, other.rounds)))
    clean = [p for p in pairs if p[0] <= WAITED]
    chosen = clean if len(clean) >= LEAST else pairs[:LEAST]
    return statistics.median(b for _, _, b in chosen), statistics.median(b / a for _, a, b in chosen), len(clean)


class Job:
    """A model at a number of threads: its engines, started; then what they took."""

    def __init__(self, tenon, folder, zoo, name, threads, peers):
        self.folder, self.name, self.threads, self.peers = folder, name, threads, peers
        self.inputs, self.work = prepare(folder, zoo, name), os.path.join(folder, "work", name)
        self.tools = tenon, folder, self.work, os.path.join(zoo, name, "model.onnx"), self.inputs, threads
        self.engines, self.failures, self.first, self.count = [], {}, {}, 0

    def engine(self, peer):
        return Engine(peer, command_of(peer, *self.tools), os.path.join(self.folder, "log-%s-%s-%d" % (peer, self.name, self.threads)))

    def start(self):
        for peer in ("tenon",) + tuple(self.peers):
            if peer != "tenon" and not os.path.exists(os.path.join(self.folder, peer, "bin", "python")):
                self.failures[peer] = "is not set up"
                continue
            e = self.engine(peer)
            try:
                e.start()
                self.engines.append(e)
            except (RuntimeError, OSError) as why:
                self.failures[peer] = str(why)[:300]
                e.end()
        return self

    def measure(self):
        if not self.engines or self.engines[0].name != "tenon":
            return
        for e in self.engines if self.threads == 1 else ():
            if e.name not in UNTUNED + ("torch", "iree"):  # these read what was compiled before
                again = self.engine(e.name)
                try:
                    again.start()
                    self.first[e.name] = again.record
                except (RuntimeError, OSError):
                    pass
                again.end()
        self.count = run_rounds(self.engines, self.failures)

    def keep(self):
        if not self.count or self.engines[0].name != "tenon":
            print("%s: tenon: %s" % (self.name, self.failures.get("tenon")), file=sys.stderr)
            return
        out = {"model": self.name, "threads": self.threads, "rounds": self.count, "failures": self.failures, "engines": {}}
        for e in self.engines:
            ms, ratio, clean = compare(self.engines[0], e)
            out["engines"][e.name] = dict(e.record, ms=ms, ratio=ratio, clean=clean,
                                          steady_bytes=e.rounds[-1].get("steady_bytes", e.record.get("steady_bytes")))
            out["engines"][e.name].pop("first_output_ms", None)
            if e.name in self.first:
                out["engines"][e.name]["first_output_ms"] = self.first[e.name]["first_output_ms"]
        os.makedirs(os.path.join(self.folder, "results"), exist_ok=True)
        path = os.path.join(self.folder, "results", "%s-%d.json" % (self.name, self.threads))
        if os.path.exists(path):                     # peers that were not measured this time stay
            with open(path) as f:
                old = json.load(f)
            for peer, record in old["engines"].items():
                if peer not in self.peers and peer != "tenon":
                    out["engines"].setdefault(peer, record)
            for peer, why in old["failures"].items():
                if peer not in self.peers:
                    self.failures.setdefault(peer, why)
        with open(path, "w") as f:
            json.dump(out, f, indent=1)
        print(row_text(out), flush=True)


def measure_batch(jobs, holder):
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(Job.start, jobs))
    held = hold(holder)
    try:
        for job in jobs:
            job.measure()
    finally:
        if held:
            held.stdin.close()
            held.wait()
        for job in jobs:
            job.keep()
            for e in job.engines:
                e.end()


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
        row += " %11s" % ("%.3f%s" % (e["ms"], "" if e.get("clean", 0) >= LEAST else "~") if e else "-")
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
        print("\n%d thread%s, ms a run (~: disturbed by others)" % (threads, "s" if threads > 1 else ""))
        print("%-20s %9s" % ("model", "tenon") + "".join(" %11s" % p for p in PEERS) + "  %-11s %5s" % ("best", "ratio"))
        for r in chosen:
            print(row_text(r))
        print_summary(chosen)
        print_failures(chosen)
    one = sorted((r for r in results if r["threads"] == 1), key=lambda r: r["model"])
    if one:
        print_first(one)


def main():
    arguments, options, names = sys.argv[1:], {"--threads": "1,2", "--peers": ",".join(PEERS), "--hold": "", "--batch": "1"}, []
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
    models = names[4:] or sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(zoo + "/*/test_data_set_0"))
    rows = [(name, threads) for name in models for threads in map(int, options["--threads"].split(","))]
    batch = int(options["--batch"])
    if names[0] == "prepare":
        for name, threads in rows:
            prepare_one(tenon, folder, zoo, name, threads, peers)
        return
    for i in range(0, len(rows), batch):
        measure_batch([Job(tenon, folder, zoo, name, threads, peers) for name, threads in rows[i:i + batch]], options["--hold"])


main()
