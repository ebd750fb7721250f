# mutants.sh -- with each check of sched/ switched off in turn, does the fuzzer find a wrong program?
#
#     sh test/sched/mutants.sh BUILD SECONDS [FILE...]
#
# Builds BUILD/test/schedule_mutants (mutate.py), lets it run on each check for so long, every other program one of the cases, and
# prints which were found. FILE: sources of sched/ to look at; else those with rules of legality.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
sched=$here/../../sched
shift 2
[ $# -gt 0 ] || set -- "$sched"/depend.c "$sched"/exact.c "$sched"/instance.c "$sched"/legal.c "$sched"/motion.c "$sched"/pad.c \
  "$sched"/reduction.c "$sched"/site.c "$sched"/primitives/*.c
ninja -C "$build" test/schedule_mutants >/dev/null
found=0 all=0
for name in $(python3 "$here/mutate.py" --list "$@"); do
  all=$((all + 1))
  if "$build/test/schedule_mutants" --no-code --off "$name" --cases "$here/cases" --seconds "$seconds" >/dev/null 2>&1; then
    echo "not found  $name"
  else
    found=$((found + 1))
    echo "found      $name"
  fi
done
echo "$found of $all found"
