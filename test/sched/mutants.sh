# mutants.sh -- with each check of sched/ switched off in turn, does the fuzzer find a wrong program?
#
#     sh test/sched/mutants.sh BUILD SECONDS [FILE...]
#
# Builds BUILD/test/schedule_mutants (mutate.py) and lets it run for so long, every other program one of the cases: where a
# line meets checks, it is tried without each of them (mutants.h). Prints which were found: those of legality, and of the
# others (mutate.py: KINDS) those that did harm, which then are none of the others. FILE: sources of sched/ to look at; else
# those with rules of legality.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
sched=$here/../../sched
shift 2
[ $# -gt 0 ] || set -- "$sched"/copies.c "$sched"/depend.c "$sched"/exact.c "$sched"/instance.c "$sched"/legal.c \
  "$sched"/motion.c "$sched"/pad.c "$sched"/places.c "$sched"/reduction.c "$sched"/site.c "$sched"/twice.c "$sched"/primitives/*.c
ninja -C "$build" test/schedule_mutants >/dev/null
seen=$(mktemp)
trap 'rm -f "$seen"' EXIT
"$build/test/schedule_mutants" --each --cases "$here/cases" --seconds "$seconds" | tee "$build/mutants.txt" |
  grep '^seen' >"$seen" || true
python3 "$here/mutate.py" --list "$@" | awk -v seen="$seen" '
  BEGIN { while ((getline line < seen) > 0) { split(line, word, " "); found[word[2]] = 1 } }
  $2 == "legality" || $1 in found { all++; n += $1 in found; print $1 in found ? "found     " : "not found ", $1, $2 }
  END { print n + 0 " of " all + 0 " found" }'
