# calls.awk -- the names in calls.txt as a header: a table of pointers to LLVM's functions (open.c fills it), and for each name a
# macro that stands for its pointer, so that the sources read as if LLVM were linked.
#
# SPDX-License-Identifier: Apache-2.0
BEGIN { print "/* Made from targets/llvm/calls.txt. */"; print "typedef struct tni_llvm_calls {" }
/^LLVM/ { names[count++] = $1; print "  __typeof__(" $1 ") *" $1 ";" }
END {
  print "} tni_llvm_calls;\nextern tni_llvm_calls tni_llvm;\n\n#define TNI_LLVM_NAMES \\"
  for (i = 0; i < count; i++) print "  \"" names[i] "\"," (i + 1 < count ? " \\" : "\n")
  for (i = 0; i < count; i++) print "#define " names[i] " tni_llvm." names[i]
}
