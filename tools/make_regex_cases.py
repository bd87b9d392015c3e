#!/usr/bin/env python3
"""Writes tests/tokenize/regex_cases.jsonl: patterns, texts, and the pieces into which the Hugging Face `tokenizers` library
(Oniguruma) splits them. Usage: make_regex_cases.py > tests/tokenize/regex_cases.jsonl   (made with tokenizers 0.23)"""
import json
import random

from tokenizers import Regex, pre_tokenizers

# What people's tokenizer.json files have, constructs that other dialects read otherwise, and the places where Oniguruma
# surprises.
PUBLISHED = [
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # gpt-4o, gpt-oss, Llama-4
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # Kimi
    r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))",
    r"(?:\r?\n)+(?!\r?\n)",
    r"[0-9][0-9][0-9]|\d+",
]
DIALECT = [
    "a{1,2}+b", "a{,2}", "a{,}", "a{ 1,2}", "a{2}?", "a{2}?b", "a{1,2}?b", "a++b", "a?+a", "(?:ab){1,2}+c", r"\h+", r"\H+",
    r"\R", r"\N+", r"\O+", r"\Aa", r"b\Z", r"b\z", "^b", "b$", ".+", "(?m:.+)", "(?x: a b # c\n)", "(?i)AB", "a(?i)b|c",
    "(a(?i)b)c", "(?i:s+)", "(?i:k+)", "(?i:[a-c]+)", "(?i:[s])", r"(?i:\p{Lu})", r"(?i:[\p{Lu}\d])", "(?i:[^a])", "(?-i:a)",
    "(?i:a(?-i:b))", "(?#c)a", "(?<n>a)", "(?'n'a)", "(?<=a)b", "(?<=a|bc)d", "(?<!a)d", r"(?<!^)a", "(?>a+)b", "(?>a|ab)c",
    "(?:a|ab)++c", "[[:alpha:]]+", "[[:^alpha:]]+", "[[:digit:]]", "[[:punct:]]+", r"\p{Punct}+", "[[:word:]]+", r"\w+",
    r"[\w]+", r"\W+", r"[^\W]+", r"\b", r"\B", r"\w+\b", "[[:space:]]+", r"\s+", r"[\S]+", r"[\s\S]", "[[:alnum:]]+",
    "[[:xdigit:]]+", "[[:graph:]]+", "[[:print:]]+", "[[:blank:]]+", "[[:cntrl:]]+", "[[:upper:]]+", "[[:lower:]]+",
    "[a-z&&[^aeiou]]+", "[a-z&&b-d&&c]", "[a[bc]d]+", "[^a[bc]]+", "[]a]+", "[a-]+", "[-a]+", r"[a\-z]+", r"[\w-]+", "[a&&]",
    "[+--]", "[--a]", "[a&b]", "[a&&&b]", r"[\b]", r"\p{Han}+", r"\p{han}+", r"\p{Hiragana}|\p{Katakana}", r"\p{Latin}+",
    r"\p{Greek}|\p{Cyrillic}", r"\p{Letter}+", r"\p{uppercase letter}", r"\p{LC}+", r"\p{^L}+", r"\P{^L}+", r"\p{Any}",
    r"\p{ASCII}+", r"\p{Emoji}", r"\p{Extended_Pictographic}", r"\p{InBasicLatin}+", r"\p{Alphabetic}+", r"\p{White_Space}+",
    r"\x{e9}", r"\u00e9", r"\x41", r"\0", r"\o{101}", r"\-", r"\é", "x|", "|x", "()", "a{0}b", "a{", "a{1", "}", "]", "$", "^",
    r"\Z", "(?:a?){3}", r"(?<=\s)a", r"\d{2,}?", r"(?=a)", r"(?!a)", r"(?i:'S)", r"\n", r"[\n]", r"[^\n]+", r"\t|\e|\a|\f|\v",
]
TEXTS = [
    "", "a", "ab aaab AB a-b 12 bcd adbcd", "ſſ k K \u212a SS s'S I'LL we're", "é\u0301 中文。カな \n x\r\n{a} a{1} [a] ]-&",
    "\u00a0\u2003 \u200d_b\tBcd\u0085\u2028\u180e CC abc! Ⓐ½ ²\x08\x1b\0", "Ünïcode Привет κόσμε 1٣Ⅳ \u1c89\ua7cb\U00010d42\U0002ebf0",
    "😀👍🏽 $+<=>^`|~ #!.,;", "aaaaaaa", "\n\n a\n", "HelloWORLD don't  \n\n  12345.678\t\tfoo_bar(x);/*c*/  ",
]
ATOMS = ["a", "b", ".", r"\s", r"\S", r"\d", r"\w", r"\W", r"\h", r"\p{L}", r"\p{Lu}", r"\P{N}", "[ab]", "[^a]", "[a-c&&[^b]]",
         r"[\w&&[^\d]]", "[[:alpha:]]", "[^[:space:]x]", r"\R", r"\b", r"\B", "^", "$", r"[\s\S]", "中", r"\p{Han}", "é", "'", " ",
         r"\n", "-", "[[:punct:]]", r"\x{61}"]
LETTERS = list("abcABCsSkxé中。1²½ _-'\n\r\t ") + ["\u0301", "\u2028", "ſ", "\u00a0", "٣", "Ⓐ", "😀", "\u212a"]


def random_pattern(rng, depth):
    kind = rng.random()
    if depth <= 0 or kind < 0.4:
        return rng.choice(ATOMS)
    if kind < 0.65:
        return random_pattern(rng, depth - 1) + random_pattern(rng, depth - 1)
    if kind < 0.75:
        return f"(?:{random_pattern(rng, depth - 1)}|{random_pattern(rng, depth - 1)})"
    if kind < 0.9:
        count = rng.choice(["*", "+", "?", "{2}", "{1,2}", "{,2}", "{2,}"]) + rng.choice(["", "", "?", "+"])
        return f"(?:{random_pattern(rng, depth - 1)}x?{rng.choice('abc1')}){count}"
    opening = rng.choice(["(?=", "(?!", "(?>", "(?<!", "(?<=", "(?i:", "("])
    return opening + random_pattern(rng, depth - 2) + ")"


def main():
    rng = random.Random(1)
    cases = [(p, t) for p in PUBLISHED + DIALECT for t in TEXTS]
    for _ in range(500):
        cases.append((random_pattern(rng, 4), "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 20)))))
    for pattern, text in cases:
        try:
            pieces = [piece for piece, _ in pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)]
        except Exception:  # the library refuses the pattern
            continue
        print(json.dumps({"pattern": pattern, "text": text, "pieces": pieces}, ensure_ascii=False))


main()
