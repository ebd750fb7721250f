# shifted.py -- ONNX's node tests as files, with inputs that other random numbers made.
#
#   python3 test/conform/shifted.py FOLDER SHIFT          the package onnx says which tests; ml_dtypes and numpy are its own
#
# The package seeds numpy before each case with a number of its own; here SHIFT is added to it. With SHIFT 0 the files are
# those that the wheel carries. Cases that draw no random numbers are the same for every SHIFT.
#
# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import numpy
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case import node

folder, shift = pathlib.Path(sys.argv[1]), int(sys.argv[2])
set_seed = numpy.random.seed
numpy.random.seed = lambda seed=0: set_seed(seed + shift)


def item(value, info):
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    return value if isinstance(value, TensorProto) else numpy_helper.from_array(numpy.asarray(value), info.name)


cases = node.collect_testcases(None)
for case in cases:
    data = folder / case.name / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (data.parent / "model.onnx").write_bytes(case.model.SerializeToString())
    inputs, outputs = case.data_sets[0]
    for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
        for i, value in enumerate(values):
            (data / f"{kind}_{i}.pb").write_bytes(item(value, infos[i]).SerializeToString())
print(f"{len(cases)} node tests, shifted by {shift}")
