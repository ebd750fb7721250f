# page.sh -- the lines of a file as C strings.
#
#   sh page.sh FILE                                      called by meson
#
# SPDX-License-Identifier: Apache-2.0
sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$/\\n",/' "$1"
