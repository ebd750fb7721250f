#!/usr/bin/env python3
"""mutate.py -- a source of sched/ with a switch at every check that refuses.

    python3 mutate.py SOURCE OUT        called by meson
    python3 mutate.py --list SOURCE...  the names of the switches: FILE:LINE

A check is a condition behind which a reason is given: by tni_step_refuse or refuse, or as the text that the function
returns. `if (cond) return "reason";` becomes `if ((cond) && tni_check_on("legal.c:88")) return "reason";`. The function
tni_check_on is the fuzzer's (fuzz.c): with --off it says no for one of them. The shipped sources know nothing of it.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys

REASON = r'\s*\{?\s*(?:return\s+"|(?:return\s+)?(?:tni_step_refuse|refuse\w*)\s*\()'


def closing(text, start):
    """The place of the parenthesis that closes the one at `start`."""
    depth, quote = 0, ""
    for i in range(start, len(text)):
        c = text[i]
        if quote:
            quote = "" if c == quote and text[i - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        else:
            depth += (c == "(") - (c == ")")
            if depth == 0:
                return i
    return -1


def sites(text):
    """(begin, end of the condition, does the reason follow when it is true?) of each check, in their order."""
    for m in re.finditer(r"\bif \(", text):
        end = closing(text, m.end() - 1)
        if re.match(REASON, text[end + 1 :]):
            yield m.end(), end, True
    # cond ? "reason" : ...    cond ? NULL : "reason"    cond ? tni_step_refuse(..) : ...
    for m in re.finditer(r"(?:\breturn|(?<=[^?]):|(?<![=!<>])=(?!=))\s+([^?:;\"{}]+?)\s*\?\s*(?=NULL\s*:\s*\"|\"|tni_step_refuse)", text):
        if closing("(" + m[1] + ")", 0) == len(m[1]) + 1:
            yield m.start(1), m.end(1), not text[m.end() :].startswith("NULL")


def mutate(path):
    text = path.read_text()
    found = sorted(set(sites(text)), reverse=True)
    names = []
    for begin, end, follows in found:
        name = "%s:%d" % (path.name, text.count("\n", 0, begin) + 1)
        if name in names:
            name += "b"
        names.append(name)
        wrap = '(%s) && tni_check_on("%s")' if follows else '(%s) || !tni_check_on("%s")'
        text = text[:begin] + wrap % (text[begin:end], name) + text[end:]
    return names[::-1], "extern int tni_check_on(const char *name);\n#line 1\n" + text


if sys.argv[1] == "--list":
    for source in sys.argv[2:]:
        print("\n".join(mutate(pathlib.Path(source))[0]))
else:
    pathlib.Path(sys.argv[2]).write_text(mutate(pathlib.Path(sys.argv[1]))[1])
