# voice.sh -- a model with If and a state: speech is found in a recording of speech, and none in silence.
#
#   sh test/models/voice.sh VOICE                        called by meson; exit code 77 = skipped
#
# The recording's 221 steps have speech in 204 in ONNX Runtime 1.23.2.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
model=$(cd "$(dirname "$0")" && pwd)/cache/silero_vad.onnx
recording=/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0870.wav
for file in "$model" "$recording"; do
  [ -f "$file" ] && continue
  echo "SKIP: $file is not there: run test/models/fetch.sh, and install Debian's pocketsphinx-testdata"
  [ "${TN_REQUIRE_MODELS:-0}" = 1 ] && exit 1
  exit 77
done
out=$("$1" "$model" "$recording")
echo "$out"
[ "$out" = "speech in 204 of 221 steps, in 0 of 221 of silence" ]
