# tools.sh -- `tenon bench`, `profile` and `inspect`: what they say of a model, the JSON and the page they write, and how
# they refuse.
#
#   sh tools.sh TENON                                    called by meson
#
# SPDX-License-Identifier: Apache-2.0
set -u
. "$(dirname "$0")/noted.sh"
picture=$root/examples/pictures/00_t-shirt.png

# works WHAT PATTERN ARGS...: exit code 0, a line of stdout is of that form, stderr is empty
works() {
  what=$1 pattern=$2
  shift 2
  "$tenon" "$@" >"$work/out" 2>"$work/err" && grep -qE -- "$pattern" "$work/out" && [ ! -s "$work/err" ]
  note $? "$what"
}

# refuses WHAT CODE MESSAGE ARGS...: that exit code, and on stderr that line alone
refuses() {
  what=$1 wanted=$2 message=$3
  shift 3
  "$tenon" "$@" >"$work/out" 2>"$work/err" </dev/null
  [ $? -eq "$wanted" ] && [ "$(cat "$work/err")" = "$message" ]
  note $? "$what"
}

# holds WHAT EXPRESSION: of `d`, the JSON in $work/json, in Python
holds() {
  python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$work/json" "$2" >"$work/out" 2>"$work/err"
  note $? "$1"
}

for command in bench profile inspect; do works "help of $command" "^usage: tenon $command" $command --help; done

# ---- bench -------------------------------------------------------------------------------------------------------------

works "bench: times" "^run +[0-9]+\.[0-9]{3} ms  median of 7 runs; least [0-9.]+, nine in ten within [0-9.]+$" \
  bench "$model" --repeat 7 --warmup 1 --json "$work/json"
grep -qE "^memory +[0-9.]+ MiB peak, [0-9.]+ after the runs$" "$work/out" && grep -q "^inputs  *made up$" "$work/out"
note $? "bench: memory, inputs"
holds "bench: JSON agrees with itself" 'd["runs"] == 7 and 0 < d["min_ms"] <= d["median_ms"] <= d["p90_ms"]'
holds "bench: the first output comes after import and compilation" \
  'd["first_output_ms"] >= d["import_ms"] + d["compile_ms"] > 0'
holds "bench: memory, kernels, threads" \
  'd["peak_bytes"] >= d["steady_bytes"] > 1e6 and d["kernels"] == 10 and d["steps"] == 10 and d["threads"] == 0'
works "bench: JSON on standard output" '^\{"model": .*"threads": 1, "inputs": "given".*\}$' \
  bench "$model" --in "x=$picture" --threads 1 --repeat 2 --json -
[ "$(wc -l <"$work/out")" -eq 1 ]
note $? "bench: nothing but JSON there"
printf '3\n1\n' | "$tenon" bench "$model" --paced >"$work/out" 2>"$work/err" && [ "$(wc -l <"$work/out")" -eq 3 ] &&
  sed -n 2p "$work/out" | grep -q '^{"runs": 3, "median_ms": ' && sed -n 3p "$work/out" | grep -q '^{"runs": 1, '
note $? "bench --paced: a line for each line"
for line in x 0 -1 1x 1000001 ""; do
  echo "$line" | "$tenon" bench "$model" --paced >"$work/out" 2>"$work/err"
  [ $? -eq 1 ] && [ "$(cat "$work/err")" = "tenon bench: --paced: a line is a number of runs, not \`$line\`" ]
  note $? "bench --paced refuses \"$line\""
done
for command in bench profile; do
  works "$command --integers: what has no quantized numbers is as it was" "." "$command" "$model" --integers --repeat 2
done
refuses "bench: a folder that is not there" 1 "tenon: $work/none/json: No such file or directory" \
  bench "$model" --json "$work/none/json"
refuses "bench: no whole number" 2 "tenon bench: not a whole number above 0: --repeat; see \`tenon bench --help\`" \
  bench "$model" --repeat 0
refuses "bench: an input that there is not" 1 "tenon: $model: import: y: the model has no input of this name" \
  bench "$model" --in "y=$picture" --dim n=1 --in "x=$picture"
refuses "bench: no model" 2 "tenon bench: no file is given; see \`tenon bench --help\`" bench
echo 'func f(A: f32[4]) { }' >"$work/f.tn"
for command in bench profile; do
  refuses "$command: a program" 1 "tenon: $work/f.tn: is the text of a program: this command takes models" \
    $command "$work/f.tn"
done

# ---- profile -----------------------------------------------------------------------------------------------------------

works "profile: accounts" "^accounted  [0-9.]+ % of the wall time of an observed run is in its 10 steps$" \
  profile "$model" --direct --threads 2 --repeat 40 --json "$work/json" --html "$work/page.html"
grep -qE "^ +1 +[0-9.]+ +[0-9.]+% +3\.616 +[0-9.]+ +0\.173 +[0-9.]+ +[0-9.]+%  fused_conv_2 +conv$" "$work/out"
note $? "profile: a row for each kernel"
grep -qE "^ +10 +[0-9.]+ +100\.0% +18\.839 .*%  all *$" "$work/out"
note $? "profile: a row for all"
holds "profile: 97 % of the wall time is in steps" 'd["accounted"] >= 0.97'
holds "profile: the shares are of the whole" 'abs(sum(k["share"] for k in d["kernels"]) - 1) < 1e-6'
holds "profile: slowest first" 'all(a["ms"] >= b["ms"] for a, b in zip(d["kernels"], d["kernels"][1:]))'
holds "profile: rates are work over time" \
  'all(abs(k["gflops"] * k["ms"] - k["mflop"]) <= 1e-5 * k["mflop"] for k in d["kernels"])'
holds "profile: the roof is the machine's, measured" 'd["roof_gflops"] > 0.1 and d["roof_gbs"] > 0.1'
holds "profile: of the roof" 'all(abs(k["roof"] * k["ms"] - max(k["mflop"] / d["roof_gflops"], k["mb"] / d["roof_gbs"]))
  <= 1e-5 for k in d["kernels"])'
holds "profile: steps are where they come from" \
  'd["steps"][0]["operators"] == "conv relu" and d["steps"][2]["from"] == [0, 1] and len(d["steps"]) == 10'
holds "profile: the timeline has each step once, one after the other" \
  '[t[0] for t in d["timeline"] if not t[2]] == list(range(10)) and all(t[3] <= t[4] for t in d["timeline"])'
python3 - "$work/page.html" >"$work/out" 2>"$work/err" <<'END'
import json, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
assert len(data["steps"]) == 10 and "@DATA@" not in page
assert page.count("<script") == page.count("</script>") == 2
other = page.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
assert not re.search(r"https?://|src=|@import|url\(|<link", other), "the page asks for something else"
END
note $? "profile: a page that needs nothing else, with the figures in it"
works "profile: a row for each step, in order" "fused_reduce_mean_reshape_matmul_add +.*, " profile "$model" --threads 1 --repeat 2 --steps
[ "$(grep -c '^    1 ' "$work/out")" -eq 10 ]
note $? "profile: 10 steps"
works "profile: JSON on standard output" '^\{"model": ' profile "$model" --repeat 1 --json -
refuses "profile: a page that cannot be written" 1 "tenon: $work/none/page: No such file or directory" \
  profile "$model" --repeat 1 --json - --html "$work/none/page"
refuses "profile: a missing model" 1 \
  "tenon: $work/none.onnx: import: $work/none.onnx: cannot read the file: No such file or directory" profile "$work/none.onnx"

# ---- inspect -----------------------------------------------------------------------------------------------------------

works "inspect: the arena and what no plan goes below" \
  "^ +150528 bytes of intermediates in a run; no plan takes less than 150528 \(0\.0 % above it\)$" \
  inspect "$model" --direct --json "$work/json"
grep -q "^operations   18.839 million in 10 steps, 0.[0-9]* MB read, 0.[0-9]* MB written$" "$work/out"
note $? "inspect: operations"
holds "inspect: JSON" 'd["inputs"] == [{"name": "x", "type": "f32", "shape": [1, 1, 28, 28]}] and d["nodes"] == 24'
holds "inspect: parameters, operators, steps" 'd["parameters"] == 77418 and d["operators"]["conv"] == 9
  and len(d["steps"]) == 10 and d["open"] is False'
holds "inspect: memory" 'd["arena_bytes"] >= d["liveness_bytes"] == 150528 and d["weight_bytes"] == 309672'
holds "inspect: the largest first" 'len(d["largest"]) == 5 and d["largest"][0]["kind"] == "weight"
  and d["largest"][0]["bytes"] == 147456 and all(a["bytes"] >= b["bytes"] for a, b in zip(d["largest"], d["largest"][1:]))'
works "inspect: as many as wanted" "weight" inspect "$model" --largest 2
[ "$(grep -cE '^ +[0-9]+  (weight|intermediate|input|output) ' "$work/out")" -eq 2 ]
note $? "inspect: two of the largest"
works "inspect: steps" "fused_reduce_mean_reshape_matmul_add  \(" inspect "$model" --steps
works "inspect: a program has functions" "^function     f$" inspect "$work/f.tn" --json "$work/json"
holds "inspect: functions in JSON" 'd["functions"] == ["f"] and d["open"] is False and "nodes" not in d'
refuses "inspect: an unknown target" 1 \
  "$("$tenon" print "$model" --target nothing 2>&1)" inspect "$model" --target nothing

conclude
