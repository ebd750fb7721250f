# headers.sh -- every public header compiles alone, as strict C11 and as C++11, and the manual's sizes hold.
#
#   sh headers.sh SOURCE_ROOT CC [CXX]                   called by meson; without a C++ compiler that half is skipped
#
# SPDX-License-Identifier: Apache-2.0
set -u
root=$1 cc=$2 cxx=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check WHAT COMMAND...
check() {
  what=$1
  shift
  "$@" >"$work/out" 2>&1 || {
    echo "FAIL: $what"
    sed 's/^/    /' "$work/out"
    failed=1
  }
}

for header in "$root"/include/tenon/*.h; do
  name=tenon/$(basename "$header")
  printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$name" "$name" >"$work/one.c"
  check "$name as C11" "$cc" -std=c11 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -fsyntax-only \
    -I "$root/include" "$work/one.c"
  [ -n "$cxx" ] || continue
  cp "$work/one.c" "$work/one.cc"
  check "$name as C++11" "$cxx" -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$root/include" "$work/one.cc"
done

# What bindings rely on: the layout of the structs that cross the border by value or in arrays.
cat >"$work/layout.c" <<'C'
#include "tenon/tenon.h"
_Static_assert(sizeof(tn_value) == 16 && offsetof(tn_value, as) == 8, "a value is a tag and 8 bytes");
_Static_assert(sizeof(DLTensor) == 48, "DLPack's");
_Static_assert(sizeof(DLDataType) == 4 && sizeof(tn_type) == 4, "a type is 4 bytes");
_Static_assert(offsetof(DLManagedTensorVersioned, dl_tensor) == 32, "DLPack's");
_Static_assert(TN_F32 == 0x00012002u && TN_TYPE_LANES(TN_F32) == 1, "types are DLPack's bytes");
int main(void) { return 0; }
C
[ "$(getconf LONG_BIT)" != 64 ] || check "layout" "$cc" -std=c11 -Werror -fsyntax-only -I "$root/include" "$work/layout.c"

[ -n "$cxx" ] || echo "note: no C++ compiler: headers were checked as C only"
exit $failed
