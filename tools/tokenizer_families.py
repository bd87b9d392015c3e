"""Tokenizers of every family that minke reads, trained small by the Hugging Face library itself on a given text, each
with the pre-tokenizer, normaliser, added tokens and model options of the published files; and files whose options are
rare but allowed. check_tokenizer.py --families holds minke against all of them."""
import json
import os

import tokenizers
from tokenizers import models, trainers

LETTERS = (  # DeepSeek V1 and V2: cased letters of Unicode 11, spelled out
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
    "\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
    "\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943")
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
TIKTOKEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|"
            r"\s*[\r\n]+|\s+(?!\S)|\s+")


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def byte_level(use_regex=False, trim_offsets=True, add_prefix_space=False):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets, "use_regex": use_regex}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def digits(individual=True):
    return {"type": "Digits", "individual_digits": individual}


def added(content, special=True, normalized=False, lstrip=False, rstrip=False, single_word=False):
    return dict(content=content, special=special, normalized=normalized, lstrip=lstrip, rstrip=rstrip, single_word=single_word)


BAR = "\uff5c"
DEEPSEEK_V3 = sequence(
    split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
    split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
          "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"), byte_level())
DEEPSEEK_LLM = sequence(split("[\r\n]"), split(r"\s?[" + LETTERS + "]+"),
                        split("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"), split(r"\s+$"), split(CJK),
                        digits(), byte_level())
DEEPSEEK_CODER = sequence(split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(CJK), digits(), byte_level())
DEEPSEEK_ADDED = [added(f"<{BAR}begin\u2581of\u2581sentence{BAR}>", normalized=True), added(f"<{BAR}end\u2581of\u2581sentence{BAR}>", normalized=True),
                  added(f"<{BAR}fim\u2581hole{BAR}>", special=False, normalized=True), added(f"<{BAR}User{BAR}>", special=False), added("<think>", special=False)]
GPT2_ADDED = [added("<|endoftext|>", normalized=True)]
QWEN_ADDED = [added("<|endoftext|>"), added("<|im_start|>"), added("<|im_end|>"), added("<tool_call>", special=False), added("<think>", special=False)]
LLAMA_ADDED = [added("<|begin_of_text|>"), added("<|end_of_text|>"), added("<|start_header_id|>"), added("<|eot_id|>")]
EMPTY = {"type": "Sequence", "normalizers": []}
NFC = {"type": "NFC"}

# name: (normaliser, pre-tokenizer, added tokens, options)
FAMILIES = {
    "gpt2": (None, byte_level(True), GPT2_ADDED, dict(continuing_subword_prefix="", end_of_word_suffix="", merges_as_text=True)),
    "llama3": (None, sequence(split(TIKTOKEN % r"\p{N}{1,3}"), byte_level()), LLAMA_ADDED, dict(ignore_merges=True)),
    "qwen2": (NFC, sequence(split(TIKTOKEN % r"\p{N}"), byte_level(trim_offsets=False)), QWEN_ADDED, {}),
    "smollm2": (None, sequence(digits(), byte_level(True)), QWEN_ADDED[:3], {}),
    "deepseek-v1": (EMPTY, DEEPSEEK_LLM, DEEPSEEK_ADDED[:2], {}),
    "deepseek-coder": (EMPTY, DEEPSEEK_CODER, DEEPSEEK_ADDED, {}),
    "deepseek-v2": (EMPTY, DEEPSEEK_LLM, DEEPSEEK_ADDED, {}),
    "deepseek-v3": (EMPTY, DEEPSEEK_V3, DEEPSEEK_ADDED, {}),
    # Rare, but legal: each must be right.
    "flags": (NFC, sequence(split(TIKTOKEN % r"\p{N}"), byte_level()),
              [added("<l>", lstrip=True), added("<r>", rstrip=True, special=False), added("<lr>", lstrip=True, rstrip=True),
               added("house", special=False, single_word=True), added("The", special=False, single_word=True, normalized=True),
               added("caf\u00e9", special=False, normalized=True), added("e\u0301t", special=False), added("\u212b", special=False, normalized=True),
               added("<both>", lstrip=True, rstrip=True, single_word=True, normalized=True)], {}),
    "overlaps": (None, byte_level(True), [added("<a>"), added("<a><b>"), added("><", special=False), added("  ", special=False),
                                          added("the", special=False, normalized=True), added("\n", special=False)], {}),
    "prefix-space": (None, byte_level(True, add_prefix_space=True), GPT2_ADDED, {}),
    "prefix-space-split": (None, sequence(split(r"\p{N}"), byte_level(True, add_prefix_space=True)), GPT2_ADDED, {}),
    "nested": (None, sequence(sequence(digits(False)), sequence(sequence(split(r"\s+", "MergedWithNext")), byte_level())), [], {}),
    "nfkc": ({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFC"}]}, byte_level(True), GPT2_ADDED, {}),
    "nfd": ({"type": "NFD"}, byte_level(True), GPT2_ADDED, {}),
    "no-regex": (None, byte_level(False), GPT2_ADDED, {}),
    "missing-bytes-unk": (None, byte_level(True), GPT2_ADDED, dict(drop="\u0100\u0139ez", unk_token="<unk>")),
    "missing-bytes-fuse": (None, byte_level(True), GPT2_ADDED, dict(drop="\u0100\u0139ez", unk_token="<unk>", fuse_unk=True)),
    "ignore-merges-off-path": (None, byte_level(True), [], dict(ignore_merges=True, extra=["\u0120qqq", "zzzz", "\u0120The\u0120end"])),
}
for name, behavior in [("removed", "Removed"), ("previous", "MergedWithPrevious"), ("next", "MergedWithNext"), ("contiguous", "Contiguous")]:
    for invert in (False, True):
        FAMILIES[f"split-{name}{'-invert' if invert else ''}"] = (None, sequence(split(r"\w+|[^\w\s]", behavior, invert), byte_level()), [], {})
FAMILIES["split-string"] = (None, sequence({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}, byte_level()), [], {})


def build(name, texts, folder, vocab_size=3000):
    """Writes folder/tokenizer.json and returns the folder."""
    normalizer, pretokenizer, tokens, options = FAMILIES[name]
    blank = json.loads(tokenizers.Tokenizer(models.BPE()).to_str())
    blank["normalizer"], blank["pre_tokenizer"] = normalizer, pretokenizer
    trained = tokenizers.Tokenizer.from_str(json.dumps(blank))
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, special_tokens=[], show_progress=False))
    data = json.loads(trained.to_str())
    model = data["model"]
    vocab, merges = model["vocab"], [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    gone = set(options.get("drop", ""))
    merges = [m for m in merges if not gone & set("".join(m))]
    kept = [t for t in sorted(vocab, key=vocab.get) if not gone & set(t)] + options.get("extra", [])
    if "unk_token" in options:
        kept.insert(0, options["unk_token"])
    model["vocab"] = {t: i for i, t in enumerate(kept)}
    model["merges"] = [" ".join(m) for m in merges] if options.get("merges_as_text") else merges
    for key in ("ignore_merges", "fuse_unk", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"):
        if key in options:
            model[key] = options[key]
    fresh = (t["content"] for t in tokens if t["content"] not in model["vocab"])
    ids = {**model["vocab"], **{content: len(kept) + i for i, content in enumerate(fresh)}}
    data["added_tokens"] = sorted((dict(id=ids[t["content"]], **t) for t in tokens), key=lambda t: t["id"])
    data["decoder"] = byte_level(True)
    data["post_processor"] = byte_level(True)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(data, f, ensure_ascii=False)
    return folder
