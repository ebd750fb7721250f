# qemu.sh -- compiled code on processors that this machine is not: no instruction that they lack, the same results.
#
#   sh test/qemu.sh BUILD [CPU...]         BUILD: a folder of meson with tests; CPUs of qemu-x86_64 (Nehalem SandyBridge Haswell)
#
# Runs the tests of the default schedule and of every operator as a process of that CPU; some minutes each.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- Nehalem SandyBridge Haswell
command -v qemu-x86_64 >/dev/null || { echo "qemu-x86_64 is missing (Debian: qemu-user)"; exit 1; }
failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for cpu in "$@"; do
  for test in sched_test_default jit_test_operators; do
    printf '%s %s: ' "$cpu" "$test"
    if TN_SOURCE_ROOT="$root" CK_FORK=no qemu-x86_64 -cpu "$cpu" "$build/test/$test" >"$out" 2>&1; then
      tail -1 "$out"
    else
      failed=1
      grep -v 'qemu-x86_64: warning: TCG' "$out"
    fi
  done
done
exit $failed
