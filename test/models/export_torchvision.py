#!/usr/bin/env python3
"""Export torchvision classifiers with seeded random weights whose outputs are NOT degenerate.

Plain random weights give outputs near 1e-10 (any absolute tolerance passes): BatchNorm statistics are taken from
random batches first and zero-initialised layers are drawn anew. Needs Debian's python3-torch and python3-torchvision.
usage: export_torchvision.py OUT_DIR SEED NAME...      e.g. OUT_DIR 3 mobilenet_v2 mobilenet_v3_small
"""
import os, sys, warnings
import torch
import torch.nn as nn
import torchvision

if len(sys.argv) < 4:
    sys.exit(__doc__)
OUT, SEED = sys.argv[1], int(sys.argv[2])
warnings.filterwarnings("ignore")
torch.set_num_threads(2)
os.makedirs(OUT, exist_ok=True)


def live(m, shape, seed):
    g = torch.Generator().manual_seed(seed)
    for mod in m.modules():
        for _, p in mod.named_parameters(recurse=False):
            if p.abs().max() == 0 and p.dim() > 1:
                nn.init.normal_(p, 0, 0.02)
        if isinstance(mod, nn.modules.batchnorm._BatchNorm):
            mod.reset_running_stats()
            mod.momentum = None
        if isinstance(mod, nn.Conv2d):
            nn.init.kaiming_normal_(mod.weight, nonlinearity="relu")
    m.train()
    for mod in m.modules():
        if isinstance(mod, nn.Dropout):
            mod.eval()
    with torch.no_grad():
        for _ in range(3):
            m(torch.rand(8, *shape[1:], generator=g))
    return m.eval()


for name in sys.argv[3:]:
    torch.manual_seed(SEED)
    size = 299 if name == "inception_v3" else 224
    m = live(getattr(torchvision.models, name)(weights=None), (1, 3, size, size), SEED)
    x = torch.rand(1, 3, size, size)
    y = m(x)
    torch.onnx.export(m, x, os.path.join(OUT, name + ".onnx"), opset_version=13, input_names=["x"], output_names=["y"])
    print(name, "output std %.3g max %.3g" % (y.std(), y.abs().max()))
