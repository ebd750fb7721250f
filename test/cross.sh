# cross.sh -- compiled code run as a process of another architecture: the results that it has here.
#
#   sh test/cross.sh BUILD [TARGET...]     BUILD: a folder of meson with tests; TARGETs: rows of the table below
#                                          (aarch64-neon aarch64-dotprod aarch64-i8mm aarch64-sme riscv64-rvv)
#
# Objects of random programs with their default schedules, of every operator, of tensor instructions, products and
# convolutions are linked with test/targets/guest.c by the architecture's C compiler and run by qemu-user as a processor that has no more than the
# target says; a minute each. CROSS=cross_units: of these only tensor instructions.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- aarch64-neon aarch64-dotprod aarch64-i8mm aarch64-sme riscv64-rvv

# A target's architecture, and processors that are no more than the target, as qemu calls them: all is run by the first,
# tensor instructions by the others too, whose vectors have other lengths.
machine() {
  case $1 in
    aarch64-neon) arch=aarch64 cpus=cortex-a57 ;;
    aarch64-dotprod) arch=aarch64 cpus=cortex-a76 ;;
    aarch64-i8mm) arch=aarch64 cpus=max,sve=off,sme=off ;;
    aarch64-sme) arch=aarch64 cpus=$(for bytes in 64 16 32 128; do echo "max,sme-default-vector-length=$bytes"; done) ;;
    riscv64-rvv) arch=riscv64 cpus="rv64,v=true,vext_spec=v1.0,vlen=128 rv64,v=true,vext_spec=v1.0,vlen=256" ;;
    x86-64-v2) arch=x86_64 cpus=Nehalem ;;
    x86-64-v3) arch=x86_64 cpus=Haswell ;;
    *) echo "$1: no such target in the table of $0"; exit 1 ;;
  esac
}

# Why qemu cannot run the target's code; nothing: it can. Version 7.2 sums smopa and its like wrongly and dies of
# some vectors of RISC-V; 10.0 does neither.
unfit() {
  version=$("qemu-$arch" --version | sed -n 's/.* version \([0-9]*\).*/\1/p')
  case $1 in aarch64-sme | riscv64-rvv) ;; *) return ;; esac
  [ "$version" -ge 10 ] || echo "qemu-$arch is of version $version, 10 is needed (Debian 12: qemu-user of bookworm-backports)"
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
  reason=$(unfit "$target")
  [ -z "$reason" ] || { echo "$target: skipped: $reason"; continue; }
  programs=${CROSS:-cross cross_units}
  for cpu in $cpus; do
    for program in $programs; do
      "$build/test/$program" "$target" "$folder/$target" \
        "$compile '$root/test/targets/guest.c' *.o -o guest && qemu-$arch -cpu $cpu ./guest" || failed=1
    done
    programs=cross_units
  done
done
exit $failed
