# chroot.sh -- proves the set-up scripts on a machine that has nothing: a fresh Debian 12 in a debootstrap chroot.
#
#   sh test/chroot.sh [FOLDER]              as root; about fifteen minutes; not part of the tests
#
# FOLDER (a temporary one if not given) receives bookworm, with its security suite, from the mirror of this machine's own
# apt sources. The committed tree is copied in (git archive of HEAD; TN_WORK_TREE=1: the files as they lie here), then
# examples/quickstart.sh and test/run.sh run there. An existing FOLDER is used again: only what follows debootstrap is done.
#
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$(mktemp -d)}
[ "$(id -u)" -eq 0 ] || { echo "chroot.sh: mounting needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || sh "$root/examples/packages.sh" debootstrap

# The address of an archive, as apt knows it.
archive() { apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | awk -v suite="$1" '$1 == suite { print $2; exit }'; }
main=$(archive bookworm)
security=$(archive bookworm-security)
[ -n "$main" ] && [ -n "$security" ] || { echo "chroot.sh: this machine's apt has no bookworm and bookworm-security" >&2; exit 1; }

[ -x "$folder/usr/bin/apt-get" ] || debootstrap --variant=minbase bookworm "$folder" "$main"
{
  echo "deb $main bookworm main"
  echo "deb $main bookworm-updates main"
  echo "deb $security bookworm-security main"
} >"$folder/etc/apt/sources.list"

# How this machine reaches its mirror and its registry: name servers, apt's own settings for fetching, certificates.
cp /etc/resolv.conf "$folder/etc/resolv.conf"
apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' >"$folder/etc/apt/apt.conf.d/90outside" || true
mkdir -p "$folder/etc/ssl"
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/outside.crt"

unmount() { for what in sys proc; do umount "$folder/$what" 2>/dev/null || true; done; }
trap unmount EXIT
mount -t proc proc "$folder/proc"
mount -t sysfs -o ro sysfs "$folder/sys"

rm -rf "$folder/tenon"
mkdir "$folder/tenon"
if [ "${TN_WORK_TREE:-0}" = 1 ]; then
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf -)
else
  git -C "$root" archive HEAD
fi | tar -xf - -C "$folder/tenon"

# Of this machine's environment only what tells the way to the network passes.
inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TN_REQUIRE_MODELS=1 PIP_CERT=/etc/ssl/outside.crt \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
    ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} chroot "$folder" /bin/sh -c "cd /tenon && $1"
}
inside 'sh examples/quickstart.sh'
inside 'sh test/run.sh'
echo "chroot: quickstart and tests passed on a fresh Debian 12"
