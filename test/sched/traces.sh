# traces.sh -- every trace of the cases, run by another process, leads to the same text.
#
#   sh traces.sh CASES-RUNNER CASES
#
# SPDX-License-Identifier: Apache-2.0
set -eu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$1" "$2" --texts --traces "$out" >/dev/null
count=$(ls "$out" | wc -l)
[ "$count" -gt 100 ] || { echo "only $count traces" >&2; exit 1; }
"$1" "$out" --texts | tail -1
