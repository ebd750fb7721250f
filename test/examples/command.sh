# command.sh -- the tenon command from outside: what it prints, what it writes, and how it refuses.
#
#   sh command.sh TENON MAGIKA_INPUT                     called by meson
#
# MAGIKA_INPUT (test/models/magika_input.c) makes a .npy of another type and rank than the model asks for.
#
# SPDX-License-Identifier: Apache-2.0
set -u
. "$(dirname "$0")/noted.sh"
magika_input=$2
labels=$root/examples/models/fashion_labels.txt
pictures=$(ls "$root"/examples/pictures/*.png)
list=$(echo "$pictures" | paste -sd, -)
one=$(echo "$pictures" | head -n 1)

# works WHAT TEXT ARGS...: exit code 0, stdout holds TEXT, stderr is empty
works() {
  what=$1 text=$2
  shift 2
  "$tenon" "$@" >"$work/out" 2>"$work/err"
  code=$?
  [ $code -eq 0 ] && grep -qF -- "$text" "$work/out" && [ ! -s "$work/err" ]
  note $? "$what (exit code $code)"
}

# refuses WHAT CODE TEXT ARGS...: that exit code, stderr holds TEXT
refuses() {
  what=$1 wanted=$2 text=$3
  shift 3
  "$tenon" "$@" >"$work/out" 2>"$work/err"
  code=$?
  [ $code -eq "$wanted" ] && grep -qF -- "$text" "$work/err"
  note $? "$what (exit code $code, expected $wanted and \"$text\")"
}

# same WHAT FILE FILE
same() {
  cmp -s "$2" "$3"
  note $? "$1"
}

# ---- what it does ------------------------------------------------------------------------------------------------------

works "help" "usage: tenon" --help
for command in inspect run print sched compile check compare; do
  works "help of $command" "usage: tenon $command" $command --help
done
works "inspect names the input" "f32[1, 1, 28, 28]" inspect "$model"
works "inspect binds an open dimension" "f32[7, 1, 28, 28]" inspect "$model" --dim n=7
works "inspect counts operators" "conv" inspect "$model"
works "ten pictures are right" "correct: 10 of 10" run "$model" --in "x=$list" --top 1 --labels "$labels"
works "a list of labels as expectation" "correct: 0 of 1" run "$model" --in "x=$one" --labels "$labels" --expect dress
works "a distribution from logits" "softmax of output" run "$model" --in "x=$one" --top 3
works "a summary without options" "output y" run "$model" --in "x=$one"

works "outputs as .npy" "y.npy" run "$model" --in "x=$list" --out "$work/whole"
works "the same in runs of 4 and a rest of 2" "y.npy" run "$model" --in "x=$list" --batch 4 --out "$work/parts"
same "batches give the bytes of the whole" "$work/whole/y.npy" "$work/parts/y.npy"
works "one thread" "y.npy" run "$model" --in "x=$list" --threads 1 --out "$work/serial"
same "threads do not change the bytes" "$work/whole/y.npy" "$work/serial/y.npy"

for stage in graph tensor loop plan ll asm; do works "print --stage $stage" "" print "$model" --stage $stage; done
works "print --after a pass" "vectorized" print "$model" --after schedule
works "print --diff: what a pass changed" "+ scheduled func" print "$model" --after schedule --diff
works "print --function" "# main: fuse" print "$model" --after fuse --diff --function main
sed '1,/^--- expect/d; s/^func/scheduled func/' "$root/test/sched/cases/unsound_shared_rows.tn" >"$work/rows.tn"
works "print --after order: a loop that is concurrent no more" "-   for yT_1 in 0..3 parallel {" \
  print "$work/rows.tn" --after order --diff
works "print --times names the passes" "partition  loop" print "$model" --times
refuses "print --after an unknown pass" 2 "there is no such pass; they are integers, fold, layout" print "$model" --after nothing
cat >"$work/gather.tn" <<'END'
func gather(I: i32[4], A: f32[8], B: f32[4]) {
  for i in 0..4 {
    B[i] = A[cast(index, I[i])]
  }
}
END
works "print --unproven check" "assert " print "$work/gather.tn" --stage tensor --unproven check
works "print --unproven trust" "func gather" print "$work/gather.tn" --stage tensor --unproven trust
! grep -q "assert " "$work/out"
note $? "code that is trusted checks nothing"
refuses "print --unproven refuse" 1 "it is not known whether this subscript of \`A\` is inside" \
  print "$work/gather.tn" --unproven refuse
refuses "compile --unproven refuse" 1 "it is not known" compile "$work/gather.tn" -o "$work/gather.o" --unproven refuse
refuses "another word after --unproven" 1 "--unproven maybe: expected check, refuse or trust" \
  print "$work/gather.tn" --unproven maybe
works "run --unproven" "output y" run "$model" --in "x=$one" --unproven trust
works "help of --unproven" "trust   are compiled as they are: a wrong one corrupts memory" print --help
TN_DUMP=s "$tenon" print "$model" --stage tensor >"$work/out" 2>"$work/err" && grep -q "^# schedule " "$work/err"
note $? "TN_DUMP prints what the passes of its letters made"
TN_DUMP=Q "$tenon" print "$model" >"$work/out" 2>"$work/err" || grep -q "is the letter of no pass" "$work/err"
note $? "TN_DUMP refuses letters of no pass"
for kind in obj asm ll; do works "compile --emit $kind" "bytes" compile "$model" --emit $kind -o "$work/code.$kind"; done
works "compile again" "bytes" compile "$model" --emit obj -o "$work/again.obj"
same "the same input makes the same object" "$work/code.obj" "$work/again.obj"
nm -u "$work/code.obj" | awk '{ print $NF }' | grep -vE '^(memcpy|memset|memmove)$' >"$work/out"
[ ! -s "$work/out" ]
note $? "the object needs nothing but memcpy, memset, memmove"

# ---- how it refuses ------------------------------------------------------------------------------------------------------

refuses "no command" 2 "usage"
refuses "an unknown command" 2 "there is no command" dance
refuses "an unknown option" 2 "--fast" run "$model" --fast
refuses "an unknown stage" 2 "--stage" print "$model" --stage soup
refuses "no output file" 2 "-o" compile "$model" --emit obj
refuses "no target" 1 "tenon compile: --target: no name" compile "$model" -o "$work/none.o" --target ,
refuses "many targets" 1 "tenon compile: --target: more than 8" compile "$model" -o "$work/none.o" --target host,host,host,host,host,host,host,host,host
refuses "unlike targets" 1 "build: aarch64-neon: an object is for one architecture: x86-64-v2 is of another" \
  compile "$model" -o "$work/none.o" --target x86-64-v2,aarch64-neon
refuses "a missing model" 1 "$work/none.onnx" run "$work/none.onnx" --in "x=$one"
refuses "a missing input file" 1 "$work/none.png" run "$model" --in "x=$work/none.png"
refuses "an input that the model lacks" 1 "picture: the model has no input" run "$model" --in "picture=$one" --dim n=1
refuses "an input that is not given" 1 "x" run "$model"
refuses "an input without a name" 1 "NAME=FILE" run "$model" --in "$one"
refuses "another count of labels" 1 "--expect" run "$model" --in "x=$one" --labels "$labels" --expect dress,coat
"$magika_input" "$one" "$work/bytes.npy"
refuses "a wrong rank" 1 "x" run "$model" --in "x=$work/bytes.npy"
{
  printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }"
  head -c 3136 /dev/zero
} >"$work/whole.npy"
refuses "a wrong dtype" 1 "f32" run "$model" --in "x=$work/whole.npy"
refuses "a wrong shape" 1 "x" run "$model" --in "x=$one" --shape x=1x1x14x56
refuses "a shape of another size" 1 "--shape" run "$model" --in "x=$one" --shape x=1x2x28x28
head -c 300 "$one" >"$work/cut.png"
refuses "a PNG that is cut off" 1 "cut.png" run "$model" --in "x=$work/cut.png"
head -c 140 "$work/whole/y.npy" >"$work/cut.npy"
refuses "a .npy that is cut off" 1 "cut.npy" run "$model" --in "x=$work/cut.npy"
head -c 100000 "$model" >"$work/cut.onnx"
refuses "a model that is cut off" 1 "cut.onnx" run "$work/cut.onnx" --in "x=$one"
echo "func f(" >"$work/bad.tn"
# ---- schedules ---------------------------------------------------------------------------------------------------------

cat >"$work/twice.tn" <<'END'
func other(A: f32[4]) {
  A[0] = 1.0:f32
}
func twice(A: f32[64], B: f32[64]) {
  for i in 0..64 {
    block B(v: 0..64 = i) {
      B[v] = A[v] * 2.0:f32
    }
  }
}
END
printf 'io, ii = split(i, [0, 8])\nvectorize(ii)\n' >"$work/lines"
twice="sched $work/twice.tn --function twice"
works "a schedule from the command line" "for i_1 in 0..8 {" $twice --do 'split(i, [0, 8])'
works "a schedule from a file" "for i_1 in 0..8 vectorized {" $twice --do-file "$work/lines"
works "lines behind those of a file" "for i in 0..8 unrolled {" $twice --do-file "$work/lines" --do 'unroll(io)'
works "the trace of a schedule" "io, ii = split(B[0], [0, 8])" $twice --do-file "$work/lines" --trace
works "what a line rewrites" "+     for i_1 in 0..8 vectorized {" $twice --do-file "$work/lines" --explain
works "what a loop touches" "  for i_1 in 0..8 vectorized                       8           8          64 B" \
  $twice --do-file "$work/lines" --explain --target x86-64-v3
works "the traffic" "traffic: 512 B into L1 of 32.0 KiB, 512 B into L2 of 512.0 KiB, 512 B into L3 of 8.0 MiB" \
  $twice --explain --target x86-64-v3
works "a decision that is drawn" "@ [8, 8]" $twice --trace --seed 3 --do 'sample_perfect_tile(i, 2)'
works "the first function, without lines" "func other" sched "$work/twice.tn"
works "the manual" "split(loop, factors: integers, tail=guard|pad|cut|overlap) -> loops" sched --list
works "one page of the manual" "one loop into nested ones" sched --list split
refuses "a line that is not legal" 1 "schedule: split: the factors do not cover the extent" $twice --do 'split(i, [2])'
refuses "a line that is not legal, explained" 1 "needs: larger ones, or a factor 0, which is inferred" \
  $twice --do 'split(i, [2])' --explain
cat >"$work/sum.tn" <<'END'
func sum(A: f32[6, 8], S: f32[6]) {
  for i in 0..6 {
    for j in 0..8 {
      block S(a: 0..6 = i, reduce b: 0..8 = j) {
        init {
          S[a] = 0.0:f32
        }
        S[a] = S[a] + A[a, b]
      }
    }
  }
}
END
works "a sum in parts" "block S_rf" sched "$work/sum.tn" --do 'rfactor(j, 0)'
refuses "a sum in parts, where the order counts" 1 "needs: a schedule that does not forbid reassociation" \
  sched "$work/sum.tn" --do 'rfactor(j, 0)' --exact
cat >"$work/product.tn" <<'END'
func product(A: u8[8, 64], B: i8[64, 32], C: i32[8, 32]) {
  for i in 0..8 { for j in 0..32 { for k in 0..64 {
    block C(v: 0..8 = i, w: 0..32 = j, reduce q: 0..64 = k) {
      init { C[v, w] = 0:i32 }
      C[v, w] = C[v, w] + cast(i32, A[v, q]) * cast(i32, B[q, w])
    }
  } } }
}
END
works "how instructions could do sums" 'tensorize(t.block, "dot2_u8s8")' sched "$work/product.tn" --tensorize C \
  --target x86-64-v3
refuses "a target without instructions" 1 'schedule: aarch64-neon has no tensor instruction for block `C`' \
  sched "$work/product.tn" --tensorize C --target aarch64-neon
refuses "a block that is not there" 1 'get_block' sched "$work/product.tn" --tensorize D
refuses "a function that is not there" 1 "there is no function third" sched "$work/twice.tn" --function third
refuses "a page that is not there" 1 "there is no such primitive" sched --list nothing
refuses "a file of lines that is not there" 1 "nowhere" $twice --do-file "$work/nowhere"

refuses "a program with an error" 1 "bad.tn:1:" print "$work/bad.tn"

conclude
