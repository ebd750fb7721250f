# cache.sh -- `tenon run --cache`: a second process takes all kernels from the directory, and gives the same outputs.
#
#   sh cache.sh TENON                                    called by meson
#
# SPDX-License-Identifier: Apache-2.0
set -u
tenon=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
code=0
fail() {
  echo "FAIL: $1"
  code=1
}

# run OUT OPTION...: the model on a picture, its outputs in OUT, what it says in OUT.txt
run() {
  out=$1
  shift
  "$tenon" run "$root/examples/models/fashion_resnet8.onnx" --in "x=$root/examples/pictures/09_ankle-boot.png" \
    --out "$work/$out" "$@" >"$work/$out.txt" 2>&1
}
# taken OUT: how many kernels came from the cache, of how many
taken() { sed -nE 's/.*\(([0-9]+) kernels, .* ([0-9]+) kernels from the cache\).*/\2 of \1/p' "$work/$1.txt"; }

run none
grep -q cache "$work/none.txt" && fail "without --cache there is none"
run first --cache "$work/cache" || fail "the first run: $(cat "$work/first.txt")"
run second --cache "$work/cache" || fail "the second run: $(cat "$work/second.txt")"
kernels=$(taken second | sed 's/.* of //')
[ "$(taken first)" = "0 of $kernels" ] || fail "the first run takes $(taken first)"
[ "$(taken second)" = "$kernels of $kernels" ] && [ "$kernels" -gt 5 ] || fail "the second run takes $(taken second)"
for run in first second; do
  cmp -s "$work/none/"*.npy "$work/$run/"*.npy || fail "the outputs of the $run run differ"
done

head -c 32 /dev/urandom >"$work/key"
chmod 600 "$work/key"
run sealed --cache "$work/cache" --cache-key "$work/key" || fail "with a key: $(cat "$work/sealed.txt")"
[ "$(taken sealed)" = "0 of $kernels" ] || fail "with a key, the first run takes $(taken sealed)"
run again --cache "$work/cache" --cache-key "$work/key"
[ "$(taken again)" = "$kernels of $kernels" ] || fail "with a key, the second run takes $(taken again)"

chmod 666 "$work/key"
run open --cache "$work/cache" --cache-key "$work/key" && fail "a key that others may read is taken"
[ "$(cat "$work/open.txt")" = "tenon: --cache: cache: $work/key: others than this user may read or write the key" ] ||
  fail "a key that others may read: $(cat "$work/open.txt")"
exit $code
