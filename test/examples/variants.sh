# variants.sh -- an object for three levels of x86-64, linked into a C program: it runs the best that there is, here and on
# older processors.
#
#   sh variants.sh TENON                                 called by meson; with qemu-x86_64 there are older processors
#
# SPDX-License-Identifier: Apache-2.0
set -eu
tenon=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cc=${CC:-cc}
case $(uname -m) in
  x86_64) ;;
  *) exit 77 ;; # its C compiler links other objects
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >scale.tn <<'END'
func scale(A: f32[100], B: f32[100]) {
  for i in 0..100 {
    block B(x: 0..100 = i) { B[x] = A[x] * 2.5:f32 }
  }
}
END
cat >main.c <<'END'
#include <stdint.h>
#include <stdio.h>
int32_t scale(const void *env, const float *a, float *b);
extern uint32_t variant_known; /* the object's own: which of its targets, from 1 on; 0: not asked yet */
static uint32_t best(void) { /* by the compiler's own look at the processor */
  __builtin_cpu_init();
  int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  int v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return v3 && v4 ? 3 : v3 ? 2 : 1;
}
int main(void) {
  float a[100], b[100];
  for (int i = 0; i < 100; i++) a[i] = (float)i;
  int32_t status = scale(0, a, b);
  for (int i = 0; i < 100; i++)
    if (b[i] != 2.5f * (float)i) return printf("b[%d] is %g\n", i, (double)b[i]), 1;
  if (variant_known != best()) return printf("variant %u was chosen, not %u\n", variant_known, best()), 1;
  return status;
}
END
"$tenon" compile scale.tn --target x86-64-v2,x86-64-v3,x86-64-v4 -o scale.o
objcopy --redefine-sym variant.known=variant_known scale.o
objcopy --globalize-symbol=variant_known scale.o
"$cc" main.c scale.o -o main
./main || { echo "wrong on this processor"; exit 1; }
command -v qemu-x86_64 >/dev/null || exit 0
for cpu in Nehalem SandyBridge Haswell; do # what they lack would end by SIGILL
  qemu-x86_64 -cpu "$cpu" ./main 2>/dev/null || { echo "wrong on $cpu"; exit 1; }
done
