"""refusals.py -- every message that refuses a program stands, whole, in some test.

    python3 refusals.py SOURCE_ROOT [--list]          called by meson

Takes the texts given to the failing functions of ir/ (and what checks return as a reason), with their conversions as
wildcards, and looks for each in what the tests expect. A message that no test holds is a refusal that nobody has seen.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys

CALLS = r"\b\w*(?:fail|fail_at|fail_argument|refuse|report|report_at|report_expected|expect|mistake|because|bad)\s*\("
LITERAL = r'"(?:[^"\\]|\\.)*"'
ROOMS = ("ir",)
# Phases and places are literals in the same calls; so are formats that only pass on a reason.
SHORT = 12
CONVERSION = r"%(?:[-0-9.*]*(?:ll|z|l)?[a-z]|%)"


def literals_of_call(text, start):
    """The string literals among the arguments of the call whose parenthesis is at `start`, adjacent ones joined."""
    depth, at, found, last_end = 0, start, [], None
    while at < len(text):
        c = text[at]
        if c == '"':
            m = re.compile(LITERAL).match(text, at)
            if last_end is not None and not text[last_end:at].strip():
                found[-1] += m.group()[1:-1]
            else:
                found.append(m.group()[1:-1])
            at = last_end = m.end()
            continue
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return found
        at += 1
    return found


def code_of(path):
    """The file without comments and character constants, which may hold quotes."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return re.sub(r"'(?:\\.|[^'\\])'", "0", text)


def messages(path):
    text = code_of(path)
    out = set()
    for m in re.finditer(CALLS, text):
        out.update(literals_of_call(text, m.end() - 1))
    for m in re.finditer(r"(?:" + LITERAL + r"\s*)+", text):
        if re.search(r"(?:return|why =|\?|:)\s*$", text[max(0, m.start() - 40) : m.start()]):
            out.add("".join(x[1:-1] for x in re.findall(LITERAL, m.group())))
    return {s for s in out if len(re.sub(CONVERSION, "", s)) >= SHORT and " " in s.strip()}


def unescape(s):
    return s.encode().decode("unicode_escape").encode("latin1", "replace").decode("utf8", "replace")


def pattern(s):
    first_line = unescape(s).split("\n")[0]
    return re.compile(r"[^\n]{0,120}?".join(re.escape(part) for part in re.split(CONVERSION, first_line)))


def expected_texts(root):
    """All that tests hold, with the literals of C joined across lines."""
    out = []
    for path in sorted((root / "test").rglob("*")):
        if path.suffix in (".c", ".h") and "fuzz" not in path.parts:
            out.append(unescape_c(path.read_text()))
        elif path.suffix in (".tn", ".sh", ".txt", ".cases"):
            out.append(path.read_text(errors="replace"))
    return "\n".join(out)


def unescape_c(text):
    joined = re.sub(r'"\s*\n\s*"', "", text)
    joined = re.sub(r'" *"', "", joined)
    return joined.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


def main():
    root = pathlib.Path(sys.argv[1])
    texts = expected_texts(root)
    missing, count = [], 0
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.c")):
            for s in sorted(messages(path)):
                count += 1
                if not pattern(s).search(texts):
                    missing.append(f"{path.relative_to(root)}: {s}")
    for line in missing:
        print(line)
    print(f"{count} messages, {len(missing)} in no test")
    return 1 if missing else 0


sys.exit(main())
