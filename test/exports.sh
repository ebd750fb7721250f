# exports.sh -- shows that libtenon.so exports tn_* under its version node and nothing else, and stays when it is closed.
#
#   sh exports.sh LIBTENON.so
#
# SPDX-License-Identifier: Apache-2.0
set -eu
names=$(nm -D --defined-only "$1" | awk '{print $NF}')
strange=$(echo "$names" | grep -vE '^(tn_[a-z0-9_]+@@TENON_0\.1|TENON_0\.1)$' || true)
count=$(echo "$names" | grep -c '^tn_' || true)
if [ -n "$strange" ]; then
  echo "FAIL: exported beside tn_*:" >&2
  echo "$strange" >&2
  exit 1
fi
if [ "$count" -eq 0 ]; then
  echo "FAIL: nothing is exported" >&2
  exit 1
fi
if ! readelf -d "$1" | grep -q NODELETE; then
  echo "FAIL: it can be unloaded, which LLVM's handler of fatal errors in it would not survive" >&2
  exit 1
fi
echo "$count symbols exported, all tn_*"
