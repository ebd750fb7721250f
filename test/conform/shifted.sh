# shifted.sh -- ONNX's node tests once more, with other inputs than those that its wheel carries.
#
#   sh test/conform/shifted.sh TENON FOLDER [SHIFT]
#
# FOLDER keeps a Python environment with the package onnx, and the tests of each SHIFT (1): what is there already is not
# made again. What may be skipped is what may be with the wheel's own inputs.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$2 shift=${3:-1}
tests=$folder/shifted-$shift
if [ ! -x "$folder/env/bin/python" ]; then
  python3 -m venv "$folder/env"
  "$folder/env/bin/pip" install -q --disable-pip-version-check onnx==1.22.0
fi
if [ ! -d "$tests" ]; then
  rm -rf "$tests.part"
  "$folder/env/bin/python" -W ignore "$here/shifted.py" "$tests.part" "$shift"
  mv "$tests.part" "$tests"
fi
exec "$1" conform "$tests" --skips "$here/node.skips"
