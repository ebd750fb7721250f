# rooms.sh -- shows that the rooms depend one way only: lib <- ir <- targets <- sched <- jit.
#
#   sh rooms.sh SOURCE_ROOT CC SANITIZERS LIB.a IR.a TARGETS.a SCHED.a JIT.a
#
# Each prefix of the order is linked whole into a shared object with no undefined symbol left, and sources are searched
# for headers that their room may not use. Called by meson.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$1 cc=$2 sanitizers=$3
shift 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fails=0
fail() {
  echo "FAIL: $1" >&2
  fails=$((fails + 1))
}

case $sanitizers in none) sanitize= ;; *) sanitize=-fsanitize=$sanitizers ;; esac
outside="$(pkg-config --libs hwloc libffi) $(pkg-config --libs libsodium 2>/dev/null || true) -pthread -lm"

prefix=
for room; do
  prefix="$prefix $room"
  name=$(basename "$room" .a)
  # shellcheck disable=SC2086
  $cc -shared $sanitize -Wl,--no-undefined -o "$work/$name.so" -Wl,--whole-archive $prefix -Wl,--no-whole-archive \
    $outside >"$work/log" 2>&1 || {
    fail "the rooms up to $name need a symbol from above:"
    grep -o 'undefined reference.*' "$work/log" | sort | uniq -c >&2 || cat "$work/log" >&2
  }
done

cd "$root"
# forbid PATTERN ALLOWED FOLDER...: no #include in the folders may match PATTERN, but for lines that match ALLOWED
forbid() {
  pattern=$1 allowed=$2
  shift 2
  found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$pattern" "$@" --include='*.c' --include='*.h' |
    grep -vE "$allowed" || true)
  [ -z "$found" ] || fail "headers that a room may not use:
$found"
}
# A name that nobody calls would be looked for in vain some day.
for name in $(grep -v '^#' targets/llvm/calls.txt); do
  grep -qw "$name" targets/llvm/*.c jit/loader.c || fail "targets/llvm/calls.txt has $name, which nobody calls"
done
none='^$'
forbid '[<"]llvm-c/' '^targets/llvm/api\.h:' include lib ir targets sched jit examples
forbid '"(llvm/)?api\.h' '^(targets/llvm/llvm\.h:|jit/loader\.c:)' include lib ir targets sched jit examples
forbid '[<"]hwloc' '^lib/' include lib ir targets sched jit examples
forbid '[<"]sodium' '^lib/' include lib ir targets sched jit examples
forbid '[<"]ffi\.h' '^jit/' include lib ir targets sched jit examples
forbid '"([^"]*/)?(ir|targets|sched|jit|graph/graph|tenon/(ir|graph|ops|target|sched|jit|tenon))\.h' "$none" lib
forbid '"([^"]*/)?(targets|sched|jit|tenon/(target|sched|jit|tenon))\.h' "$none" ir
forbid '"([^"]*/)?(sched|jit|tenon/(sched|jit|tenon))\.h' "$none" targets
forbid '"([^"]*/)?(jit|tenon/(jit|tenon))\.h' "$none" sched
forbid '"(lib|ir|targets|sched|jit|graph/graph)\.h' "$none" examples

[ "$fails" -eq 0 ] || exit 1
echo "five prefixes linked, no header out of its room"
