# run.sh -- builds Tenon for testing and runs every test: the one command.
#
#   sh test/run.sh [TEST...]               all tests, or those of these names (meson test's own)
#
# Installs what is missing with apt (through sudo when not root), fetches the models that are not committed, and runs the
# tests twice: all of them in build-test/ with the address and undefined behaviour sanitizers, and those with several
# threads again in build-tsan/ with the thread sanitizer. Ends with one line: N passed, N failed, N skipped.
# TN_REQUIRE_MODELS=1: a model that cannot be fetched is a failure. TN_WERROR=1: so is a warning.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh examples/packages.sh gcc libc6-dev binutils meson ninja-build pkg-config llvm-22-dev libffi-dev libhwloc-dev libsodium-dev libpng-dev \
  zlib1g-dev check python3 python3-pip ca-certificates dataset-fashion-mnist pocketsphinx-testdata
sh test/models/fetch.sh

werror=false
[ "${TN_WERROR:-0}" = 1 ] && werror=true
# build FOLDER MESON-OPTIONS...
build() {
  folder=$1
  shift
  [ -f "$folder/build.ninja" ] || meson setup "$folder" -Dtests=enabled -Dexamples=enabled "$@"
  meson configure "$folder" -Dwerror=$werror
  ninja -C "$folder"
}

code=0
# run FOLDER ARGUMENTS...: meson test's, its output added to the log
run() {
  folder=$1
  shift
  meson test -C "$folder" --no-rebuild --print-errorlogs "$@" >"$folder/output.txt" 2>&1 || code=$?
  cat "$folder/output.txt"
}

# What a sanitizer finds ends the test with a failure.
export ASAN_OPTIONS="detect_leaks=1:exitcode=99"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
export TSAN_OPTIONS="suppressions=$PWD/test/tsan.supp:halt_on_error=1:exitcode=99"

build build-test -Db_sanitize=address,undefined
run build-test "$@"
logs=build-test/output.txt
if [ $# -eq 0 ]; then
  build build-tsan -Db_sanitize=thread
  run build-tsan --suite threads
  logs="$logs build-tsan/output.txt"
fi

# shellcheck disable=SC2086
awk '
  /^Ok:/ { passed += $NF }
  /^Fail:|^Unexpected Pass:|^Timeout:/ { failed += $NF }
  /^Skipped:/ { skipped += $NF }
  END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit passed == 0 }' $logs || code=1
exit $code
