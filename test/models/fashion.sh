# fashion.sh -- the committed model over all 10,000 test pictures: as many right ones as PyTorch had, within 5.
#
#   sh test/models/fashion.sh TENON                      called by meson; exit code 77 = skipped
#
# SPDX-License-Identifier: Apache-2.0
set -eu
tenon=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
data=/usr/share/datasets/fashion-mnist
if [ ! -f "$data/t10k-images-idx3-ubyte.gz" ]; then
  echo "SKIP: Debian's dataset-fashion-mnist is not installed"
  [ "${TN_REQUIRE_MODELS:-0}" = 1 ] && exit 1
  exit 77
fi
wanted=$(awk '$1 == "correct:" { print $2 }' "$root/examples/models/fashion_resnet8.txt")
out=$("$tenon" run "$root/examples/models/fashion_resnet8.onnx" --in "x=$data/t10k-images-idx3-ubyte.gz" --batch 300 \
  --expect "$data/t10k-labels-idx1-ubyte.gz")
echo "$out"
got=$(echo "$out" | awk '$1 == "correct:" && $4 == 10000 { print $2 }')
echo "PyTorch: $wanted"
[ -n "$got" ] && [ "$got" -ge $((wanted - 5)) ] && [ "$got" -le $((wanted + 5)) ]
