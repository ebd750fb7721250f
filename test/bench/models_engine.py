#!/usr/bin/env python3
"""One engine with one model, in a process of its own, for models.py.

usage: models_engine.py ENGINE FOLDER THREADS   ENGINE: onnxruntime openvino torch iree ncnn tvm

FOLDER has model.onnx, whose shapes are fixed, folded.onnx (models.py), and input_K.npy, reference_K.npy. What is
compiled is kept there, and only read the next time. Prints a line of JSON after the first output; then, for each line
of standard input, the times of as many runs as it says. Settings are what each project's own manual advises for the
latency of one call on so many cores, in f32.
"""
import glob
import json
import os
import subprocess
import sys
import time

import numpy as np


def load(folder, kind):
    """The arrays KIND_0.npy, KIND_1.npy ... of the folder."""
    paths = sorted(glob.glob(os.path.join(folder, kind + "_*.npy")), key=lambda p: int(p.rsplit("_", 1)[1][:-4]))
    return [np.load(p) for p in paths]


def kept(folder, name, make):
    """The path of FOLDER/NAME; make(path) makes it if it is not there, whole or not at all."""
    path, part = os.path.join(folder, name), os.path.join(folder, "part-" + name)
    if not os.path.exists(path):
        make(part)
        os.replace(part, path)
    return path


def convert(folder, by):
    """by(path) of the model; of the folded one if that fails: some importers want shapes that are constants."""
    try:
        by(os.path.join(folder, "model.onnx"))
    except Exception as why:
        print("the model as it is: %s" % why, file=sys.stderr)
        by(os.path.join(folder, "folded.onnx"))


def as_list(outputs):
    """What a call gave, one value or a sequence of them, as a list."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


class OnnxRuntime:
    """All optimizations, threads that spin, inputs and outputs bound once."""

    def open(self, folder, threads, inputs):
        import onnxruntime as ort
        self.version = ort.__version__
        o = ort.SessionOptions()
        o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
        o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        o.add_session_config_entry("session.intra_op.allow_spinning", "1")
        o.log_severity_level = 3
        self.session = ort.InferenceSession(os.path.join(folder, "model.onnx"), o, ["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        for info, value in zip(self.session.get_inputs(), inputs):
            self.binding.bind_cpu_input(info.name, value)
        for info in self.session.get_outputs():
            self.binding.bind_output(info.name, "cpu")

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.binding.copy_outputs_to_cpu()


class OpenVino:
    """The latency hint, one stream, pinned threads, f32."""

    def open(self, folder, threads, inputs):
        import openvino as ov
        self.version = ov.__version__.split("-")[0]
        self.request = ov.Core().compile_model(os.path.join(folder, "model.onnx"), "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads),
            "ENABLE_CPU_PINNING": True, "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
        for i, value in enumerate(inputs):
            self.request.set_input_tensor(i, ov.Tensor(np.ascontiguousarray(value), shared_memory=value.ndim > 0))

    def run(self):
        self.request.infer()

    def outputs(self):
        return [np.array(t.data) for t in self.request.output_tensors]


class Torch:
    """What torch.compile makes (inductor), with max-autotune and weights frozen; ahead of time: no guards in a call."""

    def open(self, folder, threads, inputs):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(os.path.dirname(folder), "inductor"))
        import torch
        self.torch, self.version = torch, torch.__version__
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.set_float32_matmul_precision("highest")
        self.inputs = [torch.from_numpy(np.array(v)) for v in inputs]
        with torch.no_grad():
            made = kept(folder, "torch-%d.pt2" % threads, lambda path: self.make(folder, path))
            self.compiled = torch._inductor.aoti_load_package(made)

    def make(self, folder, path):
        from models_torch import traced
        program = traced(os.path.join(folder, "folded.onnx"), self.inputs)
        self.torch._inductor.aoti_compile_and_package(
            self.torch.export.export(program, tuple(self.inputs)), package_path=path,
            inductor_configs={"max_autotune": True, "freezing": True})

    def run(self):
        with self.torch.no_grad():
            self.out = self.compiled(*self.inputs)

    def outputs(self):
        return [t.numpy() for t in as_list(self.out)]


class Iree:
    """-O3 for this CPU; convolutions as tiled products, more than ten times faster in it, where it can. One thread:
    local-sync."""

    def open(self, folder, threads, inputs):
        import iree.compiler.version
        import iree.runtime as rt
        self.version = iree.compiler.version.VERSION
        made = kept(folder, "iree.vmfb", lambda path: convert(folder, lambda source: self.make(source, path)))
        if threads > 1:
            rt.flags.parse_flags("--task_topology_group_count=%d" % threads)
        config = rt.Config("local-task" if threads > 1 else "local-sync")
        module = rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, made), config)
        names = [n for n in module.vm_module.function_names if not n.startswith("__") and not n.endswith("$async")]
        self.function = module[names[0]]
        self.inputs = [rt.asdevicearray(config.device, np.ascontiguousarray(v).reshape(v.shape)) for v in inputs]

    def make(self, source, path):
        import iree.compiler
        text = path + ".mlir"
        read = [sys.executable, "-m", "iree.compiler.tools.import_onnx", source, "-o", text]
        if subprocess.run(read + ["--opset-version", "17"], stderr=subprocess.DEVNULL).returncode:
            subprocess.run(read, check=True)  # it cannot convert the version
        flags = ["--iree-opt-level=O3", "--iree-llvmcpu-target-cpu=host"]
        products = ["--iree-global-opt-use-im2col-for-convs", "--iree-opt-data-tiling"]
        try:
            self.compile(text, path, flags + products)
        except iree.compiler.CompilerToolError:  # some need vectors that it finds too large
            self.compile(text, path, flags)
        os.remove(text)

    def compile(self, text, path, flags):
        import iree.compiler
        iree.compiler.compile_file(text, output_file=path, input_type="onnx", target_backends=["llvm-cpu"],
                                   extra_args=flags)

    def run(self):
        self.out = self.function(*self.inputs)

    def outputs(self):
        return [np.asarray(o) for o in as_list(self.out)]


class Ncnn:
    """Packed layouts, f32; the model by pnnx."""

    def open(self, folder, threads, inputs):
        import ncnn
        self.version = ncnn.__version__
        made = kept(folder, "ncnn", lambda path: self.make(folder, path, inputs))
        self.net = ncnn.Net()
        o = self.net.opt
        o.num_threads, o.use_packing_layout = threads, True
        o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = o.use_bf16_storage = False
        if self.net.load_param(os.path.join(made, "model.ncnn.param")) or \
           self.net.load_model(os.path.join(made, "model.ncnn.bin")):
            raise RuntimeError("ncnn does not load what pnnx made")
        self.inputs = [ncnn.Mat(np.ascontiguousarray(v[0])).clone() for v in inputs]
        self.names = self.net.input_names(), self.net.output_names()

    def make(self, folder, path, inputs):
        import pnnx
        os.makedirs(path, exist_ok=True)
        link = os.path.join(path, "model.onnx")
        os.path.lexists(link) or os.symlink("../model.onnx", link)
        kinds = {"float32": "f32", "int64": "i64", "int32": "i32"}
        shapes = ",".join("[%s]%s" % (",".join(map(str, v.shape)), kinds[str(v.dtype)]) for v in inputs)
        subprocess.run([pnnx.EXEC_PATH, "model.onnx", "inputshape=" + shapes, "fp16=0"], cwd=path, check=True)

    def run(self):
        ex = self.net.create_extractor()
        for name, value in zip(self.names[0], self.inputs):
            ex.input(name, value)
        self.out = []
        for name in self.names[1]:
            code, value = ex.extract(name)
            if code:
                raise RuntimeError("ncnn: extract gives %d" % code)
            self.out.append(value)

    def outputs(self):
        return [np.array(o)[None] for o in self.out]


class Tvm:
    """Untuned: the `zero` pipeline (folds, fuses), LLVM for this CPU."""

    def open(self, folder, threads, inputs):
        os.environ["TVM_NUM_THREADS"] = str(threads)
        import tvm
        from tvm import relax
        self.version = tvm.__version__
        made = kept(folder, "tvm.so", lambda path: convert(folder, lambda source: self.make(source, path)))
        device = tvm.cpu()
        self.vm = relax.VirtualMachine(tvm.runtime.load_module(made), device)
        self.inputs = [tvm.runtime.tensor(v, device) for v in inputs]

    def make(self, source, path):
        import onnx
        import tvm
        from tvm import relax
        from tvm.relax.frontend.onnx import from_onnx
        model = from_onnx(onnx.load(source), keep_params_in_input=False)
        target = tvm.target.Target({"kind": "llvm", "mcpu": tvm.get_global_func("target.llvm_get_system_cpu")()})
        with target:
            tvm.compile(relax.get_pipeline("zero")(model), target=target).export_library(path)

    def run(self):
        self.out = self.vm["main"](*self.inputs)

    def outputs(self):
        return [o.numpy() for o in ([self.out] if hasattr(self.out, "numpy") else list(self.out))]


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "torch": Torch, "iree": Iree, "ncnn": Ncnn, "tvm": Tvm}


def difference(outputs, references):
    """The largest difference over the largest magnitude of the reference."""
    worst = 0.0
    if len(outputs) < len(references):
        raise RuntimeError("%d outputs, not %d" % (len(outputs), len(references)))
    for have, want in zip(outputs, references):
        if have.size != want.size:
            raise RuntimeError("an output of shape %s, not %s" % (have.shape, want.shape))
        d = np.abs(have.reshape(-1).astype("f8") - want.reshape(-1).astype("f8")).max(initial=0)
        worst = max(worst, float(d / max(np.abs(want).max(initial=0), 1e-30)) if d == d else float("inf"))
    return worst


def memory(name):
    """Bytes of a line of /proc/self/status."""
    with open("/proc/self/status") as f:
        return next(1024 * int(line.split()[1]) for line in f if line.startswith(name + ":"))


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ENGINES:
        sys.exit(__doc__)
    name, folder, threads = sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    inputs, engine = load(folder, "input"), ENGINES[name]()
    start = time.perf_counter()
    engine.open(folder, threads, inputs)
    engine.run()
    first = time.perf_counter() - start
    record = {"engine": name, "version": engine.version, "first_output_ms": 1e3 * first,
              "difference": difference(engine.outputs(), load(folder, "reference")), "peak_bytes": memory("VmHWM")}
    print(json.dumps(record), file=answers, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            engine.run()
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps({"runs": len(times), "median_ms": float(np.median(times)), "min_ms": min(times),
                          "steady_bytes": memory("VmRSS")}), file=answers, flush=True)


main()
