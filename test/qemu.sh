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
for cpu in "$@"; do
  for test in sched_test_default jit_test_operators; do
    printf '%s %s: ' "$cpu" "$test"
    TN_SOURCE_ROOT="$root" CK_FORK=no qemu-x86_64 -cpu "$cpu" "$build/test/$test" | tail -1
  done
done
