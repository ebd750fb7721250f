# packages.sh -- installs the Debian packages named as arguments that are not installed yet.
#
#   sh examples/packages.sh PACKAGE...
#
# SPDX-License-Identifier: Apache-2.0
set -eu
missing=
for package; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "not root, and there is no sudo: as root, run apt-get install$missing" >&2
    exit 1
  }
  sudo=sudo
fi
echo "installing:$missing"
# Words are meant to be split: a list of package names.
# shellcheck disable=SC2086
{
  $sudo apt-get update -q
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}
