#!/usr/bin/env python3
"""What rounding activations to 8 bits costs, in minke and in llama.cpp: the divergence of each from exact logits.

  rounding.py --model FILE.gguf --text input.txt --minke build/release/bin/minke --work DIR

FILE.gguf has quantised weights. Exact: 'minke score' in FP32 with FP32 activations. Then the mean over the tokens of the text's
beginning of KL(exact || rounded) in nats, for 'minke score --activations int8' and for llama.cpp, which rounds activations to
8 bits, too. Needs llama-cpp-python and numpy.
"""
import argparse
import pathlib

import llama_cpp
import numpy as np

from llama_agreement import Llama
from minke_program import Minke


def log_softmax(rows):
    rows = rows.astype(np.float64)
    rows = rows - rows.max(axis=1, keepdims=True)
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--text", required=True)
    p.add_argument("--minke", required=True)
    p.add_argument("--work", required=True, type=pathlib.Path)
    p.add_argument("--windows", type=int, default=8)
    p.add_argument("--window", type=int, default=256)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    minke = Minke(args.minke, args.work)
    llama = Llama(args.model, args.window, llama_cpp.GGML_TYPE_F32, args.threads)
    ids = llama.llm.tokenize(pathlib.Path(args.text).read_bytes()[:8 * args.windows * args.window], add_bos=False, special=False)
    sums, tokens, same = np.zeros(2), 0, np.zeros(2, dtype=int)
    for begin in range(0, args.windows * args.window, args.window):
        window = ids[begin:begin + args.window]
        exact = log_softmax(minke.logits(args.model, window, "f32"))
        others = [minke.logits(args.model, window, "f32", "int8"), llama.logits(window)]
        for i, rows in enumerate(others):
            rows = log_softmax(rows)
            sums[i] += (np.exp(exact) * (exact - rows)).sum()
            same[i] += (exact.argmax(axis=1) == rows.argmax(axis=1)).sum()
        tokens += len(window)
        for name, total, count in zip(("minke int8", "llama.cpp"), sums, same):
            print(f"{tokens:6} tokens  {name:10}  KL {total / tokens:.6f} nats, same first token {100 * count / tokens:.2f} %",
                  flush=True)


if __name__ == "__main__":
    main()
