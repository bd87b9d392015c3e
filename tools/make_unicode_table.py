#!/usr/bin/env python3
"""Writes src/tokenize/unicode_table.inc: the general category of every code point, as ranges.

The source of truth is the regex engine inside the Hugging Face `tokenizers` library, because identical ids are what the
table is for: its Unicode version (16 in tokenizers 0.23) is ahead of Debian 12's ICU (15.0) and PCRE2 (14.0).
An entry is first << 8 | newer << 5 | category; a range ends where the next begins. `newer` marks what Unicode 14 does
not have. Usage: make_unicode_table.py > src/tokenize/unicode_table.inc   (needs Python 3.11: Unicode 14, and tokenizers)
"""
import sys
import unicodedata

from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cs".split()
BLOCK = 4096


def main():
    assert unicodedata.unidata_version == "14.0.0", "the `newer` bit is relative to Unicode 14: run with Python 3.11"
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
        newer = category[c] != 0 and unicodedata.category(chr(c)) == "Cn"
        value = newer << 5 | category[c]
        if not entries or entries[-1] & 0xFF != value:
            entries.append(c << 8 | value)
    print("// Made by tools/make_unicode_table.py: first code point << 8 | newer than Unicode 14 << 5 | general category.")
    for i in range(0, len(entries), 10):
        print(",".join(f"{e:#x}" for e in entries[i : i + 10]) + ",")
    print(f"{len(entries)} ranges", file=sys.stderr)


main()
