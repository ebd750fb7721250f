#!/bin/sh
# peers.sh -- sets up the libraries that tenon-bench measures against, in a folder.
#
#     sh test/bench/peers.sh FOLDER        then: tenon-bench gemm --peers FOLDER
#
# OpenBLAS, BLIS and libxsmm are Debian packages (installed when this runs as root); MKL, oneDNN, PyTorch and ONNX Runtime
# are Python wheels, in virtual environments below FOLDER (9 GB). What cannot be had is left away: tenon-bench names what it misses.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
[ $# -eq 1 ] || { echo "usage: sh test/bench/peers.sh FOLDER" >&2; exit 2; }
mkdir -p "$1/openmp"
folder=$(cd "$1" && pwd)

[ "$(id -u)" -ne 0 ] || apt-get install -y --no-install-recommends libopenblas0-pthread libblis4-pthread libxsmm-dev python3-venv

# wheels NAME PACKAGE...: prints the folder of their libraries
wheels() {
  name=$1
  shift
  [ -d "$folder/$name" ] || python3 -m venv "$folder/$name" >&2
  "$folder/$name/bin/pip" install -q "$@" >&2
  echo "$folder/$name/lib"
}
for library in "$(wheels newest mkl onednn)"/*.so*; do ln -sf "$library" "$folder/"; done
for library in "$(wheels openmp-build onednn-cpu-gomp)"/*.so*; do ln -sf "$library" "$folder/openmp/"; done
ln -sf "$(echo "$(wheels onnxruntime-build onnxruntime)"/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*)" \
  "$folder/libonnxruntime.so"
ln -sfn "$(echo "$(wheels torch-build torch)"/python3*/site-packages/torch)" "$folder/torch"

# Debian has libxsmm as an archive only.
if [ -f /usr/lib/libxsmm.a ]; then
  cc -shared -o "$folder/libxsmm.so" -Wl,--whole-archive /usr/lib/libxsmm.a -Wl,--no-whole-archive \
    /usr/lib/libxsmmnoblas.a -ldl -lpthread -lrt -lm
fi
ls "$folder"
