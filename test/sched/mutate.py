#!/usr/bin/env python3
"""mutate.py -- a source of sched/ with a switch at every check that refuses.

    python3 mutate.py SOURCE OUT          called by meson
    python3 mutate.py --list SOURCE...    the switches, a line each: FILE:LINE, and what kind of check it is

A check is a condition behind which a reason is given: by tni_step_refuse or refuse, or as the text that the function
returns. `if (cond) return "reason";` becomes `if ((cond) && tni_check_on("legal.c:88")) return "reason";`. The function
tni_check_on is the fuzzer's (mutants.h): it says no for the one that is switched off. The shipped sources know nothing of it.

Most checks are of legality: without one, some schedule makes a wrong program. The others, KINDS, cannot: mutants.sh tells
when one of them could after all.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys

GIVEN = r'(?:return\s+"|(?:return\s+|return\s+[\w>.-]+\s*\?\s*TN_E_NOMEM\s*:\s*|\w+\s*=\s*)?(?:tni_step_refuse|refuse\w*)\s*\()'
REASON = r"\s*\{?\s*" + GIVEN
# if (fine) return TN_OK; return refuse(..)
LEAVES = r"\s*return\s+(?:TN_OK|NULL|status|true|found);\s*\n\s*" + GIVEN

# What a check is, if it is not of legality, by the beginning of its reason, or the function that gives it.
#   room       how much an array holds, how much memory there is, how long something may take
#   argument   a thing that is not there, is none of those to choose from, or does not belong to the other things given
#   keeps      what it refuses would compute the same: an annotation would be lost, or nothing be won
#   words      what would be wrong, a check behind it refuses as well, and does not say so well why
#   nothing    only a program that means nothing (it reads what nobody wrote) could tell
KINDS = {
    "there is no memory to check it": "room",
    "the loops around the block are too many": "room",
    "there are too many loops": "room",
    "the block is too large": "room",
    "there are %d annotations already": "room",
    "the buffer has %d dimensions already": "room",
    "the unrolled loops would make more than %d copies": "room",
    "an unrolled loop needs a constant extent up to %d": "room",
    "a vectorized loop needs a constant extent up to %d": "room",
    "a step asks for %lld lines": "room",
    "give 1 to %d": "room",
    "there are more than %d iterators": "room",
    "the block is not at the place": "argument",
    "`%s` is not a scope": "argument",
    "no expression that is computed": "argument",
    "an expression stands in 1 or more": "argument",
    "give 2 to %d": "room",
    "the factors are too large": "room",
    "the loop is not above the block": "argument",
    "the block %s %zu buffers": "argument",
    "`%s` is a parameter, whose form": "argument",
    "the memory of the buffer has %d dimensions": "argument",
    "the factor is above 0": "argument",
    "there is no condition without which": "argument",
    "the block is not below the loop": "argument",
    "give a number for each": "argument",
    "extents can be made multiples": "argument",
    "`%s` is no number": "argument",
    "`%s` is no type of a number": "argument",
    "give a stage for each": "argument",
    "the order names each": "argument",
    "stages are from 0": "room",
    "the loop has more than %d statements": "room",
    "the body of the loop is not several": "argument",
    "it is not known that this stays inside of the region": "keeps",
    "the block has more than %d operands": "room",
    "ask for 2 to %d copies": "argument",
    "the buffer is allocated in the loop\\n": "keeps",
    "the buffer has strides or a layout": "keeps",
    "the stride would be larger": "room",
    "the key of an annotation is a name": "argument",
    "the text of an annotation": "argument",
    "there is no annotation": "argument",
    "the epilogue does not read what the reduction writes": "argument",
    "ask for 1 to %d factors": "argument",
    "max_innermost must be positive": "argument",
    "the inner part must begin at one of the factors": "argument",
    "the multiple must be positive": "argument",
    "the decision ": "argument",
    "the factors of the decision": "argument",
    "the innermost factor of the decision": "argument",
    "the inner factors of the decision": "argument",
    "the extent is not a constant from 1 to 2^40": "argument",
    "give one probability for each candidate": "argument",
    "the probabilities must be from 0 up": "argument",
    "the block cannot be computed there": "argument",
    "the loop is not serial any more": "keeps",
    "refuse_not_serial": "keeps",
    "its iterations run at the same time": "keeps",
    "its guard never lets the first step run": "keeps",
    "the extent is not constant": "keeps",
    "this buffer in registers is used inside and outside": "keeps",
    "this reader stands before the block": "keeps",
    "this loop is a function of its own": "keeps",
    "an iteration reads nothing again": "keeps",
    "the buffer is allocated in the loop, or": "keeps",
    "the block stores to several buffers": "keeps",
    "an iteration goes on with what the one before": "words",
    "the producer is a reduction": "words",
    "the buffer is allocated at the place": "words",
    "the block is not understood as a reduction": "words",
    "the loop feeds a reduce iterator of this block": "words",
    "this reduce loop stands outside the given one": "words",
    "threads wait here": "words",
    "this waits, or is waited for": "words",
    "steps that there are not would go into the reduction": "words",
    "the block writes a part of the buffer": "nothing",
}


kinds = {}


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
        if re.match(LEAVES, text[end + 1 :]):
            yield m.end(), end, False
    # cond ? "reason" : ...    cond ? NULL : "reason"    cond ? tni_step_refuse(..) : ...
    for m in re.finditer(r"(?:\breturn|(?<=[^?]):|(?<![=!<>])=(?!=))\s+([^?:;\"{}]+?)\s*\?\s*(?=NULL\s*:\s*\"|\"|tni_step_refuse|refuse\w*\()", text):
        if closing("(" + m[1] + ")", 0) == len(m[1]) + 1:
            yield m.start(1), m.end(1), not text[m.end() :].startswith("NULL")


def kind(text, end):
    """Of the check whose condition ends there."""
    given = re.match(r"\)?\s*\{?\s*(?:return\s+)?(refuse\w+)\s*\(", text[end:])
    reason = given[1] if given else (re.search(r'"((?:[^"\\]|\\.)*)"', text[end:]) or ["", ""])[1]
    return next((k for begin, k in KINDS.items() if reason.startswith(begin)), "legality")


def mutate(path):
    text = path.read_text()
    found = sorted(set(sites(text)), reverse=True)
    names = []
    for begin, end, follows in found:
        name = "%s:%d" % (path.name, text.count("\n", 0, begin) + 1)
        if name in names:
            name += "b"
        names.append(name)
        kinds[name] = kind(text, end)
        wrap = '(%s) && tni_check_on("%s")' if follows else '(%s) || !tni_check_on("%s")'
        text = text[:begin] + wrap % (text[begin:end], name) + text[end:]
    return names[::-1], "extern int tni_check_on(const char *name);\n#line 1\n" + text


if sys.argv[1] == "--list":
    for source in sys.argv[2:]:
        for name in mutate(pathlib.Path(source))[0]:
            print(name, kinds[name])
else:
    pathlib.Path(sys.argv[2]).write_text(mutate(pathlib.Path(sys.argv[1]))[1])
