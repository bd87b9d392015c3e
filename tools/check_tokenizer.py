#!/usr/bin/env python3
"""Compares minke's tokenizer with the Hugging Face library: the ids of random texts (and of given texts) must be equal.

  check_tokenizer.py --tokenizer DIR [--minke build/release/bin/minke] [--texts 1000] [--seed 1] [--jsonl FILE]
  check_tokenizer.py --families TEXT.jsonl …   every family of tokenizer_families.py, trained on the given texts

The texts mix words, digits, whitespace, punctuation, scripts, combining marks, emoji, newly assigned and unassigned code
points, and the tokenizer's own added tokens. Needs Python with `tokenizers`; no test depends on it. Exit code 1 if any
text differs; the first ones are printed.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

import tokenizers

import tokenizer_families

PARTS = [
    " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\v", "\u00a0", "\u3000", "\u2028", "\u0085", "\u180e", "\u200b", "\x00", "\x01",
    "the", "The", "house", " and", " DON'T", "can't", "we'll", "I'D", "'\u017f", "'S", "x", "\u00e9t\u00e9", "na\u00efve", "e\u0301",
    "a\u0323\u0307", "\u0301", "\u0301\u0301x", "\u1e9b\u0323", "\u212b", "0", "7", "42", "2024", "3.14159", "1,000,000",
    "\u0664\u0665", "\u00bd", "\u2167", "\uff12", ".", ",", "!", "...", "?!", "()", "{}", "==", "->", "//", "#include", "_x", "$5",
    "\u20ac", "\u00ab", "\u300c", "\u3002", "\uff0c", "\u30fb", "\u4e2d\u6587", "\u6df1\u5ea6\u6c42\u7d22", "\u3072\u3089\u304c\u306a", "\u30ab\u30bf\u30ab\u30ca",
    "\u3099", "\u3040", "\u30a0", "\ud55c\uad6d\uc5b4", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e44\u0e17\u0e22", "\u05e9\u05dc\u05d5\u05dd",
    "\U0001f642", "\U0001f468\u200d\U0001f469", "\U0001f1e9\U0001f1ea", "\U00020000", "\U0002ebf0", "\U00010d4a", "\u1c89", "\u2ffc",
    "\U0001fae9", "\u0378", "\ue000", "\U0010ffff", "\ufeff", "\ufffd", "<", "<|", "think>", "\uff5c", "\u1100\u1161\u11a8", "\uac00\u11a8",
    "\u00c5", "A\u030a", "\ufb01", "\u01c5", "\u0130", "\u03a3", "\u13a0", "\uab70", "\U00010400", "\u2018", "\uff5e", "a" * 40,
    "\u4e00" * 12, "ab" * 70, "\ufdfa", "\u0344", "\u0958",
]


def random_texts(count, seed, special):
    rng = random.Random(seed)
    parts = PARTS + special
    for _ in range(count):
        kind = rng.random()
        if kind < 0.1:
            points = [rng.randrange(0x110000) for _ in range(rng.randrange(40))]
            yield "".join(chr(c) for c in points if not 0xD800 <= c < 0xE000)
        elif kind < 0.2 and special:
            yield "".join(rng.choice(special + PARTS[:12]) for _ in range(rng.randrange(12)))
        else:
            yield "".join(rng.choice(parts) for _ in range(rng.randrange(60)))


def jsonl_texts(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield record["text"] if "text" in record else "\n".join(v for v in record.values() if isinstance(v, str))


def differences(minke, folder, count, seed, more_texts, name=""):
    """How many texts get other ids; prints the first ones and a summary."""
    reference = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    added = [t.content for t in reference.get_added_tokens_decoder().values()]
    texts = list(random_texts(count, seed, added if len(added) < 40 else added[:20] + added[-20:])) + more_texts
    with tempfile.TemporaryDirectory() as scratch:
        source, out = os.path.join(scratch, "in.jsonl"), os.path.join(scratch, "out.jsonl")
        with open(source, "w", encoding="utf-8") as f:
            f.writelines(json.dumps({"text": t}, ensure_ascii=i % 2 == 0) + "\n" for i, t in enumerate(texts))
        subprocess.run([minke, "tokenizer", "encode", "--tokenizer", folder, "--jsonl", source, "--out", out], check=True,
                       stderr=subprocess.DEVNULL if name else None)
        with open(out, encoding="utf-8") as f:
            ours = [json.loads(line)["ids"] for line in f]
    assert len(ours) == len(texts), f"{len(ours)} lines came out for {len(texts)} texts"
    wrong = 0
    for text, ids in zip(texts, ours):
        expected = reference.encode(text, add_special_tokens=False).ids
        if ids != expected:
            wrong += 1
            if wrong <= 3:
                print(f"{text!r}\n  minke    {ids}\n  expected {expected}")
    print(f"{name + ': ' if name else ''}{len(texts)} texts, {wrong} differ (tokenizers {tokenizers.__version__})", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minke", default="build/release/bin/minke")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tokenizer", help="folder of a tokenizer.json")
    what.add_argument("--families", nargs="+", metavar="JSONL", help="texts to train one tokenizer of each family on")
    parser.add_argument("--only", help="only the families whose name holds this")
    parser.add_argument("--keep", help="folder to leave the trained families in")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jsonl", help="also the texts of this file")
    args = parser.parse_args()

    more = list(jsonl_texts(args.jsonl)) if args.jsonl else []
    if args.tokenizer:
        return 1 if differences(args.minke, args.tokenizer, args.texts, args.seed, more) else 0
    corpus = [text for path in args.families for text in jsonl_texts(path)]
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in tokenizer_families.FAMILIES:
            if args.only and not any(o in name for o in args.only.split(",")):
                continue
            folder = tokenizer_families.build(name, corpus, os.path.join(args.keep or scratch, name))
            wrong += differences(args.minke, folder, args.texts, args.seed, more, name)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
