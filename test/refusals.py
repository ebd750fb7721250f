"""refusals.py -- every message that refuses something stands, whole, in some test.

    python3 refusals.py SOURCE_ROOT ROOM...          called by meson; prints the messages that no test holds

A message is a text given to a function that refuses (REFUSE), or one that a check gives back as its reason. Its
conversions are wildcards. Looked for in what tests hold: the literals of their C, their scripts and files of cases; what
they give to strstr does not count, since only the whole of a message shows that it reads well.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys

REFUSE = r"\b\w*(?:fail|refuse|report|report_at|report_expected|expect|because|malformed|parse_\w*name|typed|limit)\s*\("
REASON = r"\b(?:return|why\s*=|wrong\s*=|snprintf\s*\(\s*reason|strcpy\s*\(\s*reason)[^;]*;"
LITERAL = r'"(?:[^"\\]|\\.)*"'
LITERALS = r"(?:" + LITERAL + r"\s*)+"  # adjacent ones are one text
CONVERSION = r"%(?:[-0-9.*]*(?:ll|z|l)?[a-z]|%)"
SHORT = 9  # formats that only pass on a reason have fewer letters


def code_of(path):
    """The file without comments, preprocessor lines and character constants, which may hold quotes."""
    text = re.sub(r'(' + LITERAL + r')|/\*.*?\*/', lambda m: m.group(1) or " ", path.read_text(), flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return re.sub(r"'(?:\\.|[^'\\\n])'", "0", text)


def literals(text):
    for m in re.finditer(LITERALS, text):
        joined = "".join(x[1:-1] for x in re.findall(LITERAL, m.group()))
        yield joined.encode().decode("unicode_escape").encode("latin1", "replace").decode("utf8", "replace")


def argument_list(text, start):
    """From the parenthesis at `start` to the one that closes it."""
    depth = 0
    for m in re.compile(LITERAL + r"|[()]").finditer(text, start):
        depth += (m.group() == "(") - (m.group() == ")")
        if depth == 0:
            return text[start : m.end()]
    return ""


def messages(path):
    text = code_of(path)
    parts = [argument_list(text, m.end() - 1) for m in re.finditer(REFUSE, text)]
    parts += [m.group() for m in re.finditer(REASON, text)]
    found = {s for part in parts for s in literals(part)}
    return {s for s in found if len(re.sub(CONVERSION, "", s)) >= SHORT and " " in s.strip()}


def held_by_tests(root):
    for path in sorted((root / "test").rglob("*")):
        if path.suffix in (".c", ".h") and "fuzz" not in path.parts:
            yield from literals(re.sub(r"\bstrstr\s*\([^;]*;", ";", code_of(path)))
        elif path.suffix in (".tn", ".sh", ".cases"):
            yield path.read_text(errors="replace")


def is_held(message, held):
    pieces = re.split(CONVERSION, message)
    longest = max(pieces, key=len)
    pattern = re.compile("(?s:.{0,200}?)".join(map(re.escape, pieces)))
    return any(pattern.search(text) for text in held if longest in text)


def main():
    root, rooms = pathlib.Path(sys.argv[1]), sys.argv[2:]
    held = list(held_by_tests(root))
    count, missing = 0, []
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.c")):
        for s in sorted(messages(path)):
            count += 1
            if not is_held(s.rstrip("\n"), held):
                missing.append(f"{path.relative_to(root)}: {s!r}")
    print(*missing, f"{count} messages, {len(missing)} in no test", sep="\n")
    return 1 if missing or not count else 0


sys.exit(main())
