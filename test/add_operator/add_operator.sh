# add_operator.sh -- shows that an operator is added in three places: in a copy of the tree, by three edits.
#
#   sh add_operator.sh SOURCE_ROOT
#
# `average` is the mean of two integers of a fixed width, rounded down, without overflow. The edits are what a person
# would write: a row of the op table, an evaluation, an expansion. After them use.c parses, prints, verifies, interprets
# and compiles a program with it, and the tests that walk the table hold its evaluation and its expansion together on
# every type. Called by meson.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$root" && tar -cf - --exclude=test/models meson.build meson_options.txt include lib ir targets sched jit \
  examples test) | tar -xf - -C "$work"

# insert FILE BEFORE TEXT: puts TEXT in front of the line that has BEFORE, which must be one line.
insert() {
  [ "$(grep -cF "$2" "$work/$1")" = 1 ] || { echo "FAIL: $1 has not one line with $2" >&2; exit 1; }
  LINE=$2 TEXT=$3 awk 'index($0, ENVIRON["LINE"]) { print ENVIRON["TEXT"] } { print }' "$work/$1" >"$work/edited"
  mv "$work/edited" "$work/$1"
}

insert include/tenon/ops.h 'OP(select,' \
  '  OP(average, 2, DATA, DERIVED, COMM, "(a + b) / 2, rounded down") \'
insert ir/eval.c 'case TN_OP_popcount:' \
  '  case TN_OP_average: return (int64_t)((widen(type, a) + widen(type, b)) >> 1);'
insert ir/expand.c '/* ---- floats ---' \
  'static expr expand_average(const maker *m, const expr *v) {
  expr half = right(m, differ(m, v[0], v[1]), number(m, m->type, 1));
  return add(m, both(m, v[0], v[1]), half);
}
'

build=$work/build
log=$work/log
{
  meson setup "$build" "$work" -Dtests=enabled -Dexamples=disabled -Dwerror=true -Ddebug=false -Doptimization=0 &&
    ninja -C "$build" test/add_operator_use test/ir_test_expand test/ir_test_ops
} >"$log" 2>&1 || { grep -E 'error|FAILED' "$log" >&2 || cat "$log" >&2; echo "FAIL: the tree with a new operator does not build" >&2; exit 1; }
"$build/test/add_operator_use"
"$build/test/ir_test_ops"
"$build/test/ir_test_expand"
