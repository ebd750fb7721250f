# onnx.sh -- ONNX's own backend tests, compiled and run: those of single operators and simple models but for the skips,
# PyTorch's whole.
#
#   sh test/conform/onnx.sh TENON          called by meson; exit code 77 = skipped
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tests=$here/../models/cache/onnx
if [ ! -d "$tests/node" ]; then
  echo "SKIP: test/models/cache/onnx is not there: run test/models/fetch.sh"
  [ "${TN_REQUIRE_MODELS:-0}" = 1 ] && exit 1
  exit 77
fi
"$1" conform "$tests/pytorch-converted" --skips /dev/null
"$1" conform "$tests/pytorch-operator" --skips /dev/null
"$1" conform "$tests/simple" --skips "$here/simple.skips"
exec "$1" conform "$tests/node" --skips "$here/node.skips"
