# check.sh -- `tenon check` over the test programs and the committed model, and on what it must find.
#
#   sh check.sh TENON                                    called by meson
#
# SPDX-License-Identifier: Apache-2.0
set -u
tenon=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
code=0

# holds FILE [OPTIONS]: every function passes
holds() {
  "$tenon" check "$@" >"$work/out" 2>&1 && tail -n 1 "$work/out" | grep -q "^[1-9][0-9]* passed, 0 failed$" && return
  echo "FAIL: $1"
  cat "$work/out"
  code=1
}

# finds TEXT [OPTIONS]: the program on standard input fails, and the output says so
finds() {
  text=$1
  shift
  cat >"$work/bad.tn"
  "$tenon" check "$work/bad.tn" "$@" >"$work/out" 2>&1
  [ $? -eq 1 ] && grep -qF -- "$text" "$work/out" && return
  echo "FAIL: expected: $text"
  cat "$work/out"
  code=1
}

for program in "$root"/test/ir/programs/*.tn; do
  [ "$(basename "$program")" = matmul.tn ] && continue # 512 cubed: long for an interpreter under sanitizers
  case $(head -n 1 "$program") in
  "# check: "*) finds "$(head -n 1 "$program" | cut -c 10-)" <"$program" ;; # what it is refused with
  *) holds "$program" ;;
  esac
done
holds "$root/examples/models/fashion_resnet8.onnx" --runs 1

# says TEXT OPTIONS...: the program in $work/good.tn passes, and the output says so
says() {
  text=$1
  shift
  holds "$work/good.tn" "$@"
  grep -qF -- "$text" "$work/out" && return
  echo "FAIL: expected: $text"
  cat "$work/out"
  code=1
}

cat >"$work/good.tn" <<'END'
func gather(I: i32[4], A: f32[8], B: f32[4]) {
  for i in 0..4 {
    B[i] = A[cast(index, I[i])]
  }
}
END
finds "it is not known whether this subscript of \`A\` is inside" <"$work/good.tn"
says "gather: 2 subscripts proven, 1 questions open; interpreter and code agree on 5 inputs, and fail on 5 of them" \
  --unproven check --runs 5
finds "interpret: gather: i = 0: A[-3]: subscript 0 is -3, outside 0..8" --unproven trust <"$work/good.tn"
cat >"$work/good.tn" <<'END'
func bits(I: i32[4], A: f32[33], B: f32[4]) {
  for i in 0..4 {
    B[i] = A[cast(index, popcount(I[i]))]
  }
}
END
says "interpreter and code agree on 4 inputs" --unproven check
says "interpreter and code agree on 4 inputs" --unproven trust
finds "--unproven maybe: expected check, refuse or trust" --unproven maybe <"$work/good.tn"
finds "T[0] is read here, and nothing is written to it before" <<'END'
func unwritten(B: f32[4]) {
  alloc T: f32[4]
  for i in 0..4 {
    B[i] = T[i]
  }
}
END
exit $code
