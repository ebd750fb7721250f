# quickstart.sh -- from a fresh Debian 12 to answers: installs what Tenon needs, builds it into build/, and lets it
# compile the committed model and label ten pictures.
#
#   sh examples/quickstart.sh
#
# May be run again at any time. Packages come through apt, with sudo when not root; nothing is asked for that is there.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
cd "$(dirname "$0")/.."
sh examples/packages.sh gcc libc6-dev meson ninja-build pkg-config llvm-22-dev libffi-dev libhwloc-dev libsodium-dev libpng-dev zlib1g-dev

[ -f build/build.ninja ] || meson setup build --buildtype=release
ninja -C build

models=examples/models
pictures=
for picture in examples/pictures/*.png; do pictures="$pictures${pictures:+,}$picture"; done
build/examples/tenon run "$models/fashion_resnet8.onnx" --in "x=$pictures" --top 1 --labels "$models/fashion_labels.txt"
