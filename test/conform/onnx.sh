# onnx.sh -- ONNX's own backend tests for single operators, compiled and run.
#
#   sh test/conform/onnx.sh TENON          called by meson; exit code 77 = skipped
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tests=$here/../models/cache/onnx/node
if [ ! -d "$tests" ]; then
  echo "SKIP: test/models/cache/onnx is not there: run test/models/fetch.sh"
  [ "${TN_REQUIRE_MODELS:-0}" = 1 ] && exit 1
  exit 77
fi
exec "$1" conform "$tests" --skips "$here/node.skips"
