#!/bin/sh
# models.sh -- whole models in Tenon and in the engines people use, in turn: who is faster, by how much.
#
#     sh test/bench/models.sh BUILD FOLDER ZOO [NAME...]
#
# Models come from test/models/zoo.sh, into ZOO. ONNX Runtime, OpenVINO, PyTorch (compiled), IREE, ncnn and TVM are
# Python wheels, in an environment each below FOLDER (17 GB); what cannot be had is named and left away. models.py
# compiles for each (an hour, once: what is made is kept there), measures at one and at two threads (a minute for a
# model), keeps the figures as JSON in FOLDER/results, and prints the table.
#
# STEPS=prepare or STEPS=measure: only that. HOLD: a command that keeps the machine quiet while it measures (models.py
# --hold). PEERS: only these, with commas between.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
[ $# -ge 3 ] || { echo "usage: sh test/bench/models.sh BUILD FOLDER ZOO [NAME...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
build=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd) zoo=$3
peers=${PEERS:-onnxruntime,openvino,torch,iree,ncnn,tvm}
shift 3
# The models of several shapes are others of the list again.
[ $# -gt 0 ] || set -- $(sh "$here/../models/zoo.sh" --list | tr ' ' '\n' | grep -v _shapes)
sh "$here/../models/zoo.sh" "$zoo" "$@" >&2
zoo=$(cd "$zoo" && pwd)

# environment NAME PACKAGE...
environment() {
  name=$1
  shift
  case ,$peers, in *,$name,*) ;; *) return 0 ;; esac
  [ ! -f "$folder/$name/ready" ] || return 0
  python3 -m venv "$folder/$name"
  if "$folder/$name/bin/pip" install -q --disable-pip-version-check "$@" >"$folder/$name/log" 2>&1; then
    touch "$folder/$name/ready"
  else
    echo "$name cannot be had: $(tail -n 1 "$folder/$name/log")" >&2
    rm -f "$folder/$name/bin/python"
  fi
}
environment onnxruntime onnxruntime==1.31.1 onnx numpy
environment openvino openvino==2026.4.1 numpy
environment ncnn ncnn==1.0.20261020 pnnx numpy
environment iree iree-base-compiler==3.13.0 iree-base-runtime==3.13.0 onnx numpy
environment tvm apache-tvm==0.27.0.post1 onnx numpy
environment torch torch==2.15.0 onnx2torch onnx numpy

python=$folder/onnxruntime/bin/python
[ -x "$python" ] || python=$zoo/env/bin/python
for step in ${STEPS:-prepare measure}; do
  "$python" "$here/models.py" $step "$build/examples/tenon" "$folder" "$zoo" --peers "$peers" --hold "${HOLD:-}" \
    "$@" >&2
done
"$python" "$here/models.py" table "$folder"
