# compare.sh -- `tenon compare`: agreement, each way to disagree, and references that are none.
#
#   sh compare.sh TENON                                  called by meson
#
# SPDX-License-Identifier: Apache-2.0
set -u
tenon=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=$work/fashion
code=0
mkdir -p "$dir"
cp "$root/examples/models/fashion_resnet8.onnx" "$dir/model.onnx"

# tensor FILE SHAPE WHAT: a TensorProto; WHAT: a .npy, a number for all elements, or `ramp`
tensor() {
  python3 - "$@" <<'END'
import struct, sys
path, shape, what = sys.argv[1], [int(d) for d in sys.argv[2].split("x")], sys.argv[3]
count = 1
for d in shape:
    count *= d
if what.endswith(".npy"):
    data = open(what, "rb").read()[-4 * count:]
else:
    data = b"".join(struct.pack("<f", i % 97 / 97 if what == "ramp" else float(what)) for i in range(count))
def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
head = b"".join(b"\x08" + varint(d) for d in shape) + b"\x10\x01\x4a" + varint(len(data))
open(path, "wb").write(head + data)
END
}

# set_of NUMBER ROWS: a data set of so many pictures, with what Tenon makes of them
set_of() {
  mkdir -p "$dir/test_data_set_$1"
  tensor "$dir/test_data_set_$1/input_0.pb" "$2x1x28x28" ramp
  "$tenon" run "$dir/model.onnx" --in "x=$dir/test_data_set_$1/input_0.pb" --out "$work/out" >/dev/null
  tensor "$dir/test_data_set_$1/output_0.pb" "$2x10" "$work/out/y.npy"
}

# says CODE TEXT: of the folder
says() {
  "$tenon" compare "$dir" --repeat 1 >"$work/text" 2>&1
  [ $? -eq "$1" ] && grep -qE -- "$2" "$work/text" && return
  echo "FAIL: expected exit code $1 and: $2"
  cat "$work/text"
  code=1
}

says 1 "^tenon: $dir: there is no test_data_set_0 in it$"
set_of 0 1
says 0 "^fashion +OK +0\.00e\+00 +10 +1 "
set_of 1 3
printf '1000\n500\n' >"$dir/reference_ms"
says 0 "^fashion +OK +0\.00e\+00 +[1-9][0-9]+ +2 .* 500\.000 +0\.[0-9]+$"
printf '1500\n' >"$dir/reference_first_ms"
says 0 "^fashion +OK +0\.00e\+00 +[1-9][0-9]+ +2 .* 500\.000 +0\.[0-9]+ +1\.500$"
tensor "$dir/test_data_set_1/output_0.pb" 3x10 ramp
says 1 "^fashion +FAILED +[1-9]"
tensor "$dir/test_data_set_1/output_0.pb" 2x10 ramp
says 1 "^tenon: $dir: set 1: output 0 is f32\[3, 10\], not f32\[2, 10\]$"
tensor "$dir/test_data_set_1/output_0.pb" 3x10 nan
says 1 "^tenon: $dir: output 0 of set 1 is not finite$"
rm "$dir/test_data_set_1/output_0.pb"
says 1 "^tenon: $dir: set 1 has no output$"
rm -r "$dir/test_data_set_1"
tensor "$dir/test_data_set_0/output_0.pb" 1x10 2
says 1 "^tenon: $dir: output 0 is no reference: 10 values, 1 different ones, from 2 to 2$"
set_of 0 1
cp "$dir/test_data_set_0/output_0.pb" "$dir/test_data_set_0/output_1.pb"
says 1 "^tenon: $dir: set 0 does not have the model's inputs and outputs$"
cp "$dir/test_data_set_0/input_0.pb" "$dir/test_data_set_0/input_1.pb"
says 1 "^tenon: $dir: the model has 1 inputs, there are 2 files$"
for i in $(seq 2 31); do ln "$dir/test_data_set_0/input_0.pb" "$dir/test_data_set_0/input_$i.pb"; done
says 1 "^tenon: $dir: more than 32 inputs$"
[ $code -eq 0 ] && echo "compare: all as expected"
exit $code
