# read_text.sh -- a model of open picture sizes: the text in a picture is read right.
#
#   sh test/models/read_text.sh READ_TEXT                called by meson; exit code 77 = skipped
#
# The picture: `Tenon 2026` in DejaVu Sans, 34 pixels high. The model sees an ideographic space behind it, in every
# runtime.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
model=$here/cache/ppocr_rec.onnx
if [ ! -f "$model" ]; then
  echo "SKIP: test/models/cache/ppocr_rec.onnx is not there: run test/models/fetch.sh"
  [ "${TN_REQUIRE_MODELS:-0}" = 1 ] && exit 1
  exit 77
fi
out=$("$1" "$model" "$here/tenon_2026.png" "$here/cache/ppocr_rec.labels")
echo "$out"
[ "${out%　}" = "Tenon 2026" ]
