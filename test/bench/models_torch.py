"""An ONNX file as a PyTorch program of fixed shapes, for models_engine.py.

onnx2torch makes modules of the operators; many take shapes and axes as tensors, which no compiler of PyTorch sees
through. So the modules are traced once with the integers at hand: what is left are operators of ATen.
"""
import onnx
import onnx.version_converter
import onnx2torch
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map


class Known(torch.Tensor):
    """A constant; what is computed of such alone is one too, and tracing does not see it."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        with torch._C.DisableTorchFunctionSubclass():
            plain = tree_map(lambda t: t.as_subclass(torch.Tensor) if isinstance(t, Known) else t, (args, kwargs))
            if not all(isinstance(t, Known) for t in tensors):
                return function(*plain[0], **plain[1])
            with _disable_current_modes():
                out = function(*plain[0], **plain[1])
            return tree_map(lambda t: t.as_subclass(Known) if isinstance(t, torch.Tensor) else t, out)


def as_onnx2torch_wants(model):
    """Constants as initializers: it looks for weights there alone, not behind Identity, nor in Constant. No names for
    inputs that are left away, where nothing follows. Operators of version 13."""
    weights, nodes = {i.name: i for i in model.graph.initializer}, []
    for n in model.graph.node:
        value = n.attribute[0].t if n.op_type == "Constant" and n.attribute[0].name == "value" else \
            weights.get(n.input[0]) if n.op_type == "Identity" else None
        if value is None:
            nodes.append(n)
            continue
        copy = onnx.TensorProto()
        copy.CopyFrom(value)
        copy.name = n.output[0]
        model.graph.initializer.append(copy)
        weights[copy.name] = copy
    for n in nodes:
        while n.input and not n.input[-1]:
            n.input.pop()
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if max(s.version for s in model.opset_import if s.domain in ("", "ai.onnx")) < 13:
        model = onnx.version_converter.convert_version(model, 13)
    return model


def traced(path, inputs):
    """The model of the file as a graph of ATen operators, for inputs of these shapes."""
    model = onnx2torch.convert(as_onnx2torch_wants(onnx.load(path))).eval()
    for module in model.modules():
        for name, value in list(module.named_buffers(recurse=False)):
            if not value.is_floating_point():
                setattr(module, name, value.as_subclass(Known))
    return make_fx(model)(*inputs)
