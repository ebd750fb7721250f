#!/usr/bin/env python3
"""Whole models in Tenon and in other engines, a process each, in turn.

usage: models.py prepare TENON FOLDER ZOO [--threads N,N] [--peers NAME,NAME] [--again] [NAME...]
       models.py measure TENON FOLDER ZOO [--threads N,N] [--peers NAME,NAME] [--hold COMMAND] [NAME...]
       models.py table FOLDER

FOLDER is where models.sh set the peers up; ZOO has what test/models/zoo.sh made.

prepare: each peer runs each model once, by itself; what it compiles is kept in FOLDER/work/NAME, and whether it could
in PEER-THREADS.json there. What is there is not tried again; --again: failures are.

measure: of peers that could. All engines of a model, at all numbers of threads, are started first; then those of one
number run in rounds, while the others are stopped: a few runs of each, of which the least time counts. A ratio is the
median over the rounds of peer's time / Tenon's; a round in which either had to wait for a processor for more than 3 %
of its turn does not count, as far as others are left. The first output is of other processes, started between the two.
--hold: these and the rounds wait until COMMAND prints a line, and its standard input is closed when they are over:
something that keeps the machine quiet meanwhile. What was measured is in FOLDER/results, and goes into the table; what
is there of peers that are not named now stays.
"""
import concurrent.futures
import glob
import json
import os
import re
import select
import shlex
import signal
import statistics
import subprocess
import sys
import time

import numpy as np

from models_table import FIRST, LEAST, PEERS, print_table, row_text

ROUNDS, TURN_MS, BUDGET_SECONDS, WAITED = 25, 60.0, 14.0, 0.03
SLOW_MS = 1500                  # such engines run in the first rounds only
PREPARE_SECONDS, START_SECONDS, TURN_SECONDS = 900, 180, 300
DIFFERENCE = 1e-3               # of an output, over its largest magnitude: more is a failure
NO_FAILURE, NOT_SET_UP, NOT_PREPARED = "", "is not set up", "is not prepared"
HERE = os.path.dirname(os.path.abspath(__file__))


def read_json(path):
    with open(path) as f:
        return json.load(f)


def write_json(path, value):
    with open(path + ".part", "w") as f:
        json.dump(value, f, indent=1)
    os.replace(path + ".part", path)


def read_pb(path):
    import onnx
    t = onnx.TensorProto()
    with open(path, "rb") as f:
        t.ParseFromString(f.read())
    return onnx.numpy_helper.to_array(t)


def fix(source, work):
    """Into WORK: the model with its shapes fixed, the same folded, inputs and references as .npy. Gives the inputs."""
    if os.path.exists(os.path.join(work, "inputs.json")):
        return read_json(os.path.join(work, "inputs.json"))
    import onnx
    os.makedirs(work, exist_ok=True)
    data = os.path.join(source, "test_data_set_0")
    model = onnx.load(os.path.join(source, "model.onnx"))
    whole = any(n.op_type == "If" for n in model.graph.node)  # a branch may be none of these shapes: left as it is
    constants = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    for k, info in enumerate(inputs):
        value = read_pb(os.path.join(data, "input_%d.pb" % k))
        np.save(os.path.join(work, "input_%d.npy" % k), value)
        for d, size in enumerate(() if whole else value.shape):
            info.type.tensor_type.shape.dim[d].dim_value = size
    for k in range(len(model.graph.output)):
        np.save(os.path.join(work, "reference_%d.npy" % k), read_pb(os.path.join(data, "output_%d.pb" % k)))
    for out in () if whole else model.graph.output:  # what they are follows from the inputs
        for d in out.type.tensor_type.shape.dim:
            if d.dim_param:
                d.Clear()
    for i in [i for i in model.graph.input if i.name in constants]:  # as files of old versions list them
        model.graph.input.remove(i)
    model.ir_version = max(model.ir_version, 8)
    onnx.save(model, os.path.join(work, "model.onnx"))
    fold(work)
    names = [i.name for i in inputs]
    write_json(os.path.join(work, "inputs.json"), names)
    return names


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
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, start_new_session=True)

    def answer(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if line.startswith("{"):
            return json.loads(line)
        raise RuntimeError(self.complaint() if ready else "no answer in %d s" % seconds)

    def complaint(self):
        """The line of its log that says why it ended."""
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        if code < 0:
            return "it was ended by signal %d" % -code
        self.log.seek(0)
        said = [line.strip() for line in self.log.read().splitlines() if line.strip()]
        diagnostics = [line for line in said if re.search(r"\berror: |\bnot exists\b", line)]
        errors = [line for line in said if re.match(r"[\w.]*(Error|Exception|Unsupported\w*)\b", line)]
        line = (diagnostics[:1] + errors[::-1] + said[::-1] + ["it ended"])[0]
        return re.sub(r"^.*?\berror: ", "", line)[:200]

    def start(self, seconds):
        self.record = self.answer(seconds)
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
        """So many runs: their times, and the share of its time in which it waited for a processor."""
        self.process.send_signal(signal.SIGCONT)
        before, start = self.waited(), time.monotonic()
        self.process.stdin.write("%d\n" % runs)
        self.process.stdin.flush()
        times = self.answer(TURN_SECONDS)
        times["waited"] = (self.waited() - before) / (time.monotonic() - start)
        self.stop()
        return times

    def end(self):
        """With all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()


def quiet(command):
    """The command that keeps the machine quiet, once it does; None for none."""
    if not command:
        return None
    p = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdout.readline()
    return p


def run_rounds(engines, failures):
    """Until the budget is spent; at least LEAST rounds. Engines that fail are taken out. Gives the number of rounds."""
    took = {}

    def run(e, runs):
        try:
            return e.turn(runs)
        except (RuntimeError, OSError) as why:
            failures[e.name] = str(why)
            e.end()
            engines.remove(e)
            return None

    for e in list(engines):
        times = run(e, 1)
        if times and times["min_ms"] < SLOW_MS:  # the first one is a warm-up
            times = run(e, 1)
        took[e.name] = times["min_ms"] if times else 0
    start, done = time.monotonic(), 0
    while done < ROUNDS and (done < LEAST or time.monotonic() - start < BUDGET_SECONDS):
        for e in [e for e in engines if took[e.name] < SLOW_MS or done < LEAST]:
            e.rounds.append(run(e, max(1, min(100, int(TURN_MS / max(took[e.name], 1e-3)) + 1))))
        done += 1
    return done


def compare(own, other):
    """Milliseconds of the other, over Tenon's, and of how many undisturbed rounds."""
    pairs = sorted((max(a["waited"], b["waited"]), a["min_ms"], b["min_ms"]) for a, b in zip(own.rounds, other.rounds))
    clean = [p for p in pairs if p[0] <= WAITED]
    chosen = clean if len(clean) >= LEAST else pairs[:LEAST]
    return statistics.median(b for _, _, b in chosen), statistics.median(b / a for _, a, b in chosen), len(clean)


class Job:
    """A model at a number of threads: its engines, started; then what they took."""

    def __init__(self, tenon, folder, zoo, name, threads, peers):
        self.tenon, self.folder, self.name, self.threads, self.peers = tenon, folder, name, threads, peers
        self.work, self.source = os.path.join(folder, "work", name), os.path.join(zoo, name)
        self.inputs = fix(self.source, self.work)
        self.engines, self.failures, self.first, self.count = [], {}, {}, 0

    def path(self, peer, ending):
        return os.path.join(self.work, "%s-%d.%s" % (peer, self.threads, ending))

    def engine(self, name, prefix):
        """The engine's process; the command that prefix starts is given it."""
        if name == "tenon":
            model = os.path.join(self.source, "model.onnx")
            command = [self.tenon, "bench", model, "--paced", "--threads", str(self.threads)]
            for k, given in enumerate(self.inputs):
                command.append("--in=%s=%s" % (given, os.path.join(self.work, "input_%d.npy" % k)))
        else:
            python = os.path.join(self.folder, name, "bin", "python")
            command = [python, os.path.join(HERE, "models_engine.py"), name, self.work, str(self.threads)]
        return Engine(name, prefix + command, self.path(name, "log"))

    def pinned(self, name):
        return self.engine(name, ["taskset", "-c", "0-%d" % (self.threads - 1) if self.threads > 1 else "1"])

    def known(self, peer):
        """What prepare wrote of the peer; or why it did not."""
        path = self.path(peer, "json")
        if not os.path.exists(os.path.join(self.folder, peer, "bin", "python")):
            return {"failure": NOT_SET_UP}
        return read_json(path) if os.path.exists(path) else {"failure": NOT_PREPARED}

    def prepare(self, peer):
        """Starts the peer once, by itself."""
        begun, e = time.monotonic(), self.engine(peer, ["nice"])
        try:
            e.start(PREPARE_SECONDS)
            record = e.record
        except (RuntimeError, OSError) as why:
            record = {"failure": str(why)}
        e.end()
        record["seconds"] = time.monotonic() - begun
        write_json(self.path(peer, "json"), record)
        print("%s, %s, threads %d: %s in %.0f s" % (self.name, peer, self.threads, record.get("failure", "ready"),
                                                    record["seconds"]), flush=True)

    def start(self):
        """Tenon and the peers that can, each to its first output."""
        for name in ("tenon",) + tuple(self.peers):
            if name != "tenon" and "failure" in self.known(name):
                self.failures[name] = self.known(name)["failure"]
                continue
            e = self.pinned(name)
            try:
                e.start(START_SECONDS)
                self.engines.append(e)
            except (RuntimeError, OSError) as why:
                self.failures[name] = str(why)
                e.end()

    def measure(self):
        for name in [e.name for e in self.engines if e.name in FIRST and self.threads == 1]:
            again = self.pinned(name)
            try:
                again.start(START_SECONDS)
                self.first[name] = again.record["first_output_ms"]
            except (RuntimeError, OSError) as why:
                print("%s: %s, once more: %s" % (self.name, name, why), file=sys.stderr)
            again.end()
        self.count = run_rounds(self.engines, self.failures)

    def keep(self):
        """What was measured goes to its file; peers that were not to be measured stay there."""
        if not self.count or not self.engines or self.engines[0].name != "tenon":
            print("%s: tenon: %s" % (self.name, self.failures.get("tenon", "not measured")), file=sys.stderr)
            return
        os.makedirs(os.path.join(self.folder, "results"), exist_ok=True)
        path = os.path.join(self.folder, "results", "%s-%d.json" % (self.name, self.threads))
        old = read_json(path) if os.path.exists(path) else {"engines": {}, "failures": {}}
        here = self.peers + ["tenon"]
        out = {"model": self.name, "threads": self.threads, "rounds": self.count}
        out["failures"] = {**{p: why for p, why in old["failures"].items() if p not in here}, **self.failures}
        out["engines"] = {p: e for p, e in old["engines"].items() if p not in here}
        for e in self.engines:
            ms, ratio, clean = compare(self.engines[0], e)
            out["engines"][e.name] = {**e.record, "ms": ms, "ratio": ratio, "clean": clean,
                                      "steady_bytes": e.rounds[-1].get("steady_bytes", e.record.get("steady_bytes")),
                                      "first_output_ms": self.first.get(e.name)}
        write_json(path, out)
        print(row_text(out), flush=True)

    def end(self):
        for e in self.engines:
            e.end()


def measure(jobs, command):
    """The jobs of one model."""
    try:
        with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(Job.start, jobs))
        holder = quiet(command)
        try:
            for job in jobs:
                job.measure()
        finally:
            if holder:
                holder.stdin.close()
                holder.wait()
        for job in jobs:
            job.keep()
    finally:
        for job in jobs:
            job.end()


def options_of(arguments):
    """The words, and the options by their names."""
    options, words = {"--threads": "1,2", "--peers": ",".join(PEERS), "--hold": "", "--again": False}, []
    while arguments:
        a = arguments.pop(0)
        if a == "--again":
            options[a] = True
        elif a in options and arguments:
            options[a] = arguments.pop(0)
        elif a.startswith("-"):
            sys.exit(__doc__)
        else:
            words.append(a)
    return words, options


def main():
    words, options = options_of(sys.argv[1:])
    if len(words) == 2 and words[0] == "table":
        return print_table(words[1])
    if len(words) < 4 or words[0] not in ("measure", "prepare"):
        sys.exit(__doc__)
    peers = options["--peers"].split(",")
    for p in peers:
        if p not in PEERS:
            sys.exit("models.py: there is no peer %s; they are %s" % (p, " ".join(PEERS)))
    tenon, folder, zoo = (os.path.abspath(w) for w in words[1:4])
    models = words[4:] or sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(zoo + "/*/test_data_set_0"))
    for name in models:
        jobs = [Job(tenon, folder, zoo, name, int(threads), peers) for threads in options["--threads"].split(",")]
        if words[0] == "measure":
            measure(jobs, options["--hold"])
        else:
            for job, peer in ((j, p) for p in peers for j in jobs):
                failure = job.known(peer).get("failure", NO_FAILURE)
                if failure == NOT_PREPARED or options["--again"] and failure not in (NO_FAILURE, NOT_SET_UP):
                    job.prepare(peer)


main()
