#!/usr/bin/env python3
"""Writes src/tokenize/unicode_table.inc: the general category of every code point, as ranges.

The source of truth is the regex engine inside the Hugging Face `tokenizers` library, because identical ids are what the
table is for: its Unicode version (16 in tokenizers 0.23) is ahead of Debian 12's ICU (15.0).
An entry is first << 8 | category; a range ends where the next begins.
Usage: make_unicode_table.py > src/tokenize/unicode_table.inc   (needs tokenizers)
"""
import sys

from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cs".split()
BLOCK = 4096


def main():
    category = [0] * 0x110000
    category[0xD800:0xE000] = [CATEGORIES.index("Cs")] * 0x800
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for index, name in enumerate(CATEGORIES):
        if name in ("Cn", "Cs"):
            continue
        remove = pre_tokenizers.Split(Regex(r"\p{%s}" % name), "removed")
        for start in range(0, len(points), BLOCK):
            block = points[start : start + BLOCK]
            kept = set("".join(t for t, _ in remove.pre_tokenize_str("".join(map(chr, block)))))
            for c in block:
                if chr(c) not in kept:
                    category[c] = index
    entries = []
    for c in range(0x110000):
        if not entries or entries[-1] & 0xFF != category[c]:
            entries.append(c << 8 | category[c])
    print("// Made by tools/make_unicode_table.py: first code point << 8 | general category.")
    for i in range(0, len(entries), 10):
        print(",".join(f"{e:#x}" for e in entries[i : i + 10]) + ",")
    print(f"{len(entries)} ranges", file=sys.stderr)


main()
