#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""What documents quote stands where they say: `check_quotes.py ROOT`.

A block that begins with three backticks, a language and from=PATH quotes a file that is compiled or run elsewhere: its lines
are in it, one after the other, whatever the indentation. `...` alone on a line leaves lines out.
"""

import re
import sys
from pathlib import Path


def quotes(text):
    for found in re.finditer(r"^```\w+ from=(\S+)\n(.*?)^```$", text, re.M | re.S):
        yield text.count("\n", 0, found.start()) + 1, found.group(1), found.group(2)


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def missing(quote, source):
    """The first part of the quote that the source does not have, or None."""
    at = 0
    for part in re.split(r"^\s*\.\.\.\s*$", quote, flags=re.M):
        wanted = lines_of(part)
        place = next((i for i in range(at, len(source) - len(wanted) + 1) if source[i:i + len(wanted)] == wanted), None)
        if place is None:
            return "\n".join(wanted)
        at = place + len(wanted)
    return None


def main():
    root = Path(sys.argv[1])
    count, wrong = 0, 0
    for document in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        for line, path, quote in quotes(document.read_text()):
            count += 1
            file = root / path
            lost = missing(quote, lines_of(file.read_text())) if file.is_file() else f"(there is no file {path})"
            if lost is not None:
                wrong += 1
                print(f"{document.relative_to(root)}:{line}: {path} does not have:\n{lost}\n")
    print(f"{count} quotes, {wrong} wrong")
    return 0 if count != 0 and wrong == 0 else 1


sys.exit(main())
