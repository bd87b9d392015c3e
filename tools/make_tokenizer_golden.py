#!/usr/bin/env python3
"""Makes tests/golden/tokenizer-deepseek-v3: a small tokenizer.json with DeepSeek-V3's pre-tokenizer and added tokens,
trained by the Hugging Face library on texts from a seed, and 200 texts with the ids that library gives. It stands in
for the published file, which is not ours to commit.

    pip install tokenizers==0.23.3
    python3 tools/make_tokenizer_golden.py tests/golden/tokenizer-deepseek-v3
"""
import json
import os
import sys

import tokenizers

import check_tokenizer
import tokenizer_families

folder = tokenizer_families.build("deepseek-v3", check_tokenizer.random_texts(600, 1, []), sys.argv[1], vocab_size=700)
reference = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
special = [token.content for token in reference.get_added_tokens_decoder().values()]
begin, end = (token["content"] for token in tokenizer_families.DEEPSEEK_ADDED[:2])
with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as out:
    json.dump({"bos_token": begin, "eos_token": end}, out)
with open(os.path.join(folder, "cases.jsonl"), "w", encoding="utf-8") as out:
    for text in check_tokenizer.random_texts(200, 2, special):
        ids = reference.encode(text, add_special_tokens=False).ids
        out.write(json.dumps({"text": text, "ids": ids}) + "\n")
