# run.sh -- looks for bytes that harm the parser, the ONNX reader and the cache's, with libFuzzer under the sanitizers.
#
#   sh test/fuzz/run.sh SECONDS [parse|onnx|cache]...     all, each that long
#
# Installs clang with apt when it is missing (through sudo when not root; TN_CLANG names another one), builds in
# build-fuzz/, and begins with the inputs of test/fuzz/corpus/TARGET. What is new goes to build-fuzz/corpus/TARGET; an input
# that harms is kept in build-fuzz/ and ends the run with a failure. To keep the interesting ones of a run:
#
#   build-fuzz/fuzz_TARGET -merge=1 -max_len=4096 test/fuzz/corpus/TARGET build-fuzz/corpus/TARGET
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
shift
[ $# -gt 0 ] || set -- parse onnx cache
clang=${TN_CLANG:-clang}
command -v "$clang" >/dev/null || sh examples/packages.sh clang libclang-rt-14-dev

# Adding 0 to a null pointer, which is all that clang's check of pointers adds to gcc's here, is no mistake.
[ -f build-fuzz/build.ninja ] || CC=$clang meson setup build-fuzz -Dtests=disabled -Dexamples=disabled -Db_lundef=false \
  -Db_sanitize=address,undefined -Dc_args="-fsanitize=fuzzer-no-link -fno-sanitize=pointer-overflow"
rooms=
for room in jit sched targets ir lib; do rooms="$rooms build-fuzz/$room/lib${room}_room.a"; done
ninja -C build-fuzz $(echo "$rooms" | sed 's, build-fuzz/, ,g')
libraries="$(pkg-config --libs hwloc libffi) $(pkg-config --libs libsodium 2>/dev/null || true) -lm -lpthread"
llvm="$(llvm-config-22 --ldflags --link-shared --libs 2>/dev/null || llvm-config --ldflags --link-shared --libs)"
for target; do
  "$clang" -g -O1 -std=c11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize=pointer-overflow -Iinclude \
    -iquote lib -iquote ir -iquote targets -iquote sched -iquote jit "test/fuzz/fuzz_$target.c" $rooms \
    -o "build-fuzz/fuzz_$target" $libraries $llvm
done
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1" ASAN_OPTIONS="detect_leaks=1"
# The words of both languages, from the tables that define them.
words() { sed -nE "$1" "$2" | sed 's/.*/"&"/'; }
{ words 's/^ *(OP|MATH)\(([a-z_0-9]+),.*/\2/p' include/tenon/ops.h; words 's/^ *OP\(([a-z_0-9]+),.*/\1/p' ir/graph/ops.h
  tr -c 'a-z' '\n' <ir/lex.c | grep -E '^[a-z]{2,}$' | sort -u | sed 's/.*/"&"/'; } >build-fuzz/parse.dict
words 's/^ *OP\(([A-Za-z0-9]+),.*/\1/p' ir/import/onnx_ops.h >build-fuzz/onnx.dict
printf '"TNCODE1\\x0a"\n"fuzz"\n"\\x7fELF"\n' >build-fuzz/cache.dict
for target; do
  mkdir -p "build-fuzz/corpus/$target"
  "build-fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
    -dict="build-fuzz/$target.dict" -artifact_prefix="build-fuzz/$target-" "build-fuzz/corpus/$target" \
    "test/fuzz/corpus/$target"
done
