# run.sh -- looks for bytes that harm the parser and the ONNX reader, with libFuzzer under the sanitizers.
#
#   sh test/fuzz/run.sh SECONDS [parse|onnx]...     both, each that long
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
[ $# -gt 0 ] || set -- parse onnx
clang=${TN_CLANG:-clang}
command -v "$clang" >/dev/null || sh examples/packages.sh clang libclang-rt-14-dev

# Adding 0 to a null pointer, which is all that clang's check of pointers adds to gcc's here, is no mistake.
[ -f build-fuzz/build.ninja ] || CC=$clang meson setup build-fuzz -Dtests=disabled -Dexamples=disabled -Db_lundef=false \
  -Db_sanitize=address,undefined -Dc_args="-fsanitize=fuzzer-no-link -fno-sanitize=pointer-overflow"
ninja -C build-fuzz lib/liblib_room.a ir/libir_room.a
for target; do
  "$clang" -g -O1 -std=c11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize=pointer-overflow -Iinclude \
    -iquote lib -iquote ir "test/fuzz/fuzz_$target.c" build-fuzz/ir/libir_room.a build-fuzz/lib/liblib_room.a \
    -o "build-fuzz/fuzz_$target" -lhwloc -lm -lpthread
done
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1" ASAN_OPTIONS="detect_leaks=1"
# The words of both languages, from the tables that define them.
words() { sed -nE "$1" "$2" | sed 's/.*/"&"/'; }
{ words 's/^ *(OP|MATH)\(([a-z_0-9]+),.*/\2/p' include/tenon/ops.h; words 's/^ *OP\(([a-z_0-9]+),.*/\1/p' ir/graph/ops.h
  tr -c 'a-z' '\n' <ir/lex.c | grep -E '^[a-z]{2,}$' | sort -u | sed 's/.*/"&"/'; } >build-fuzz/parse.dict
words 's/^ *OP\(([A-Za-z0-9]+),.*/\1/p' ir/import/onnx_ops.h >build-fuzz/onnx.dict
for target; do
  mkdir -p "build-fuzz/corpus/$target"
  "build-fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
    -dict="build-fuzz/$target.dict" -artifact_prefix="build-fuzz/$target-" "build-fuzz/corpus/$target" \
    "test/fuzz/corpus/$target"
done
