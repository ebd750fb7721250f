# cross.sh -- compiled code run as a process of another architecture: the results that it has here.
#
#   sh test/cross.sh BUILD [TARGET...]     BUILD: a folder of meson with tests; TARGETs: rows of the table below
#                                          (aarch64-neon aarch64-dotprod aarch64-i8mm)
#
# Objects of random programs with their default schedules, of every operator, of tensor instructions are linked with
# test/targets/guest.c by the architecture's C compiler and run by qemu-user as a processor that has no more than the
# target says; a minute each.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- aarch64-neon aarch64-dotprod aarch64-i8mm

# A target's architecture, and a processor that is no more than the target, as qemu calls them.
machine() {
  case $1 in
    aarch64-neon) arch=aarch64 cpu=cortex-a57 ;;
    aarch64-dotprod) arch=aarch64 cpu=cortex-a76 ;;
    aarch64-i8mm) arch=aarch64 cpu=max,sve=off,sme=off ;;
    x86-64-v2) arch=x86_64 cpu=Nehalem ;;
    x86-64-v3) arch=x86_64 cpu=Haswell ;;
    *) echo "$1: no such target in the table of $0"; exit 1 ;;
  esac
}

need() { command -v "$1" >/dev/null || { echo "$1 is missing (Debian: $2)"; exit 1; }; }

failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for target in "$@"; do
  machine "$target"
  package=$(echo "$arch" | tr _ -)
  need "$arch-linux-gnu-gcc" "gcc-$package-linux-gnu"
  need "qemu-$arch" qemu-user
  mkdir "$folder/$target"
  compile="$arch-linux-gnu-gcc -std=c11 -O1 -Wall -static -iquote . -iquote '$root/test' -I '$root/include'"
  "$build/test/cross" "$target" "$folder/$target" \
    "$compile '$root/test/targets/guest.c' *.o -o guest && qemu-$arch -cpu $cpu ./guest" || failed=1
done
exit $failed
