# compare.sh -- real models in Tenon and in ONNX Runtime: the same results, and how long both take at one thread.
#
#   sh test/models/compare.sh BUILD FOLDER [NAME...]     models, environment and references go to FOLDER: zoo.sh
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tenon=$1/examples/tenon folder=$2
shift 2
[ $# -gt 0 ] || set -- $(sh "$here/zoo.sh" --list)
sh "$here/zoo.sh" "$folder" "$@" >&2
code=0
cat <<'END'
worst: difference over the largest magnitude of the reference; values: different ones in the reference; first: seconds
from the file to the first output; run, ort: median milliseconds of one inference in Tenon and in ONNX Runtime; ratio:
run / ort; ort-first: ONNX Runtime's seconds from the file to the first output
END
printf '%-22s %-6s %9s %8s %5s %8s %9s %9s %6s %9s\n' model "" worst values sets first run ort ratio ort-first
for name; do # one after the other, so that both have the machine in the same state
  "$folder/env/bin/python" "$here/reference.py" --times "$folder" "$name"
  "$tenon" compare "$folder/$name" --threads 1 || code=1
done
exit $code
