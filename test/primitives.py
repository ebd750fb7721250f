"""primitives.py -- every primitive has its C function in the public header, and cases: applied, refused, with others.

    python3 primitives.py SOURCE_ROOT                called by meson; prints what is missing

A row of sched/primitives.def is the list of them. Applied: a line of it in a schedule that has an expected text. Refused:
an expected error that names it. With others: an applied one beside another primitive that is no query.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys

ROW = r"^PRIMITIVE\((\w+),.*?(TNI_PLAIN|TNI_\w+(?:\s*\|\s*TNI_\w+)*),\s*\"(?:[^\"\\]|\\.)*\"\s*,"
NEVER_REFUSED = {"outputs"}  # takes nothing, and may give nothing


def sections(text):
    """The schedules of a file of cases: (lines, title of what follows, what follows)."""
    parts = re.split(r"^--- (schedule|expect|refused)\n", text, flags=re.M)[1:]
    for i in range(0, len(parts) - 3, 4):
        yield parts[i + 1], parts[i + 2], parts[i + 3]


def names_of(lines):
    code = [re.sub(r'"[^"]*"', '""', line.split("#")[0]) for line in lines.splitlines()]
    return {m.group(1) for line in code if (m := re.match(r"\s*(?:[\w., ]+=\s*)?(\w+)\(", line))}


def main():
    root = pathlib.Path(sys.argv[1])
    rows = dict(re.findall(ROW, (root / "sched/primitives.def").read_text(), flags=re.M | re.S))
    header = (root / "include/tenon/sched.h").read_text()
    queries = {name for name, flags in rows.items() if "TNI_QUERY" in flags}
    applied, refused, composed = set(), set(), set()
    for path in sorted((root / "test/sched/cases").glob("*.tn")):
        for lines, title, after in sections(path.read_text()):
            names = names_of(lines)
            if title == "expect":
                applied |= names
                composed |= {n for n in names if names - queries - {n}}
            elif m := re.match(r"schedule: (\w+): ", after):
                refused.add(m.group(1))
    missing = [f"{n}: no tn_{n} or tn_schedule_{n} in include/tenon/sched.h" for n in rows
               if not re.search(rf"\btn_(?:schedule_)?{n}\(", header)]
    for what, found in (("applied", applied), ("refused", refused | NEVER_REFUSED), ("with another primitive", composed)):
        missing += [f"{n}: no case in which it is {what}" for n in rows if n not in found]
    print(*missing, f"{len(rows)} primitives, {len(missing)} things missing", sep="\n")
    return 1 if missing or not rows else 0


sys.exit(main())
