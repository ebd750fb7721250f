# magika.sh -- a model of somebody else's: a Python source and a PNG are given their file types.
#
#   sh test/models/magika.sh TENON MAGIKA_INPUT          called by meson; exit code 77 = skipped
#
# SPDX-License-Identifier: Apache-2.0
set -eu
tenon=$1 magika_input=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
model=$here/cache/magika.onnx
if [ ! -f "$model" ]; then
  echo "SKIP: test/models/cache/magika.onnx is not there: run test/models/fetch.sh"
  [ "${TN_REQUIRE_MODELS:-0}" = 1 ] && exit 1
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# expect FILE LABEL: LABEL is the best class of FILE, with a probability above 0.9
expect() {
  "$magika_input" "$1" "$work/in.npy"
  "$tenon" run "$model" --in "bytes=$work/in.npy" --top 1 --labels "$here/cache/magika.labels" --expect "$2" >"$work/out"
  cat "$work/out"
  awk -v label="$2" '/^in\.npy/ { good = $2 == label && $3 > 0.9 } END { exit !good }' "$work/out" || {
    echo "FAIL: $1 is not labelled $2" >&2
    exit 1
  }
}
expect "$root/examples/models/train_fashion.py" python
expect "$root/examples/pictures/06_shirt.png" png
