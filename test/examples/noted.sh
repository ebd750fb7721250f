# noted.sh -- what scripts that try the tenon command share: sourced by them, behind `set -u`.
#
# $tenon is the command, $root the source tree, $model a model in it, $work a folder that goes with the script.
#
# SPDX-License-Identifier: Apache-2.0
tenon=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
model=$root/examples/models/fashion_resnet8.onnx
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# note STATUS WHAT: counts; of what failed the output is shown, which stands in $work/out and $work/err
note() {
  if [ "$1" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL: $2"
    sed 's/^/    /' "$work/out" "$work/err" | head -n 40
  fi
}

# conclude: the last line, and the exit code
conclude() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
