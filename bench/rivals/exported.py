#!/usr/bin/env python3
"""Is what `minke convert` writes the same model in other programs?

  exported.py greedy --gguf FILE.gguf --minke build/release/bin/minke --work DIR
      llama.cpp (pip install llama-cpp-python gguf jinja2) and `minke generate` continue the same prompts greedily, in FP32:
      the same text? And the logits of both, token by token.
  exported.py logits --folder FOLDER --minke build/release/bin/minke --work DIR
      transformers (pip install torch transformers) and `minke score` on the same tokens, in FP32.
  exported.py quantisers --gguf F32.gguf --minke build/release/bin/minke --work DIR
      Root-mean-square errors of minke's Q8_0, Q4_0 and Q4_K against those of llama.cpp's quantiser without an importance
      matrix, matrix by matrix.
"""
import argparse
import collections
import ctypes
import pathlib

import numpy as np

from minke_program import Minke

PROMPTS = ["Once upon a time", "从前", "def ", "Anna has 12 ", "The little whale", "1 + 2 =", "A boy and",
           "It was a dark night"]


def greedy(args):
    from llama_agreement import Llama
    minke = Minke(args.minke, args.work)
    llama = Llama(args.gguf, 512, 0, args.threads)  # 0: a cache in F32
    begin = llama.llm.token_bos()
    same = 0
    for prompt in PROMPTS:
        ids = ([begin] if begin >= 0 else []) + llama.ids(prompt)  # as `minke generate` begins
        answer, gaps = llama.greedy(ids, args.answer)
        if answer and answer[-1] == llama.llm.token_eos():
            answer.pop()
        text = minke.greedy_text(args.gguf, prompt, args.answer, "f32")
        same += text == llama.text(answer)
        difference = np.abs(llama.logits(ids + answer) - minke.logits(args.gguf, ids + answer, "f32")).max()
        print(f"{prompt!r}: {'same' if text == llama.text(answer) else 'ANOTHER'} text of {len(answer)} tokens, logits "
              f"within {difference:.1e}, smallest gap of the two largest {min(gaps):.1e}", flush=True)
    print(f"{args.gguf}: {same} of {len(PROMPTS)} the same")


def logits(args):
    import torch
    import transformers
    model = transformers.AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    text = "Once upon a time there was a little whale. Anna has 12 apples. def f(x): return x"
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        theirs = model(torch.tensor([ids])).logits[0].numpy()
    minke = Minke(args.minke, args.work)
    ours = minke.logits(args.folder, ids, "f32")
    print(f"{args.folder}: ids {'the same' if minke.ids(args.folder, text) == ids else 'OTHERS'}, logits of "
          f"{len(ids)} tokens within {np.abs(theirs - ours).max():.1e}, the largest is {np.abs(theirs).max():.1f}")


def quantisers(args):
    import gguf
    import llama_cpp
    types = {"q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
             "q4_k": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S}

    def values(tensor):
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64).reshape(-1)

    source = {t.name: t for t in gguf.GGUFReader(args.gguf).tensors}
    for name, kind in types.items():
        ours, theirs = args.work / f"minke-{name}.gguf", args.work / f"llama-{name}.gguf"
        for file in (ours, theirs):
            file.unlink(missing_ok=True)
        Minke(args.minke, args.work).run("convert", args.gguf, "--out", ours, "--dtype", name)
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype, params.nthread, params.pure = kind, args.threads, True
        assert llama_cpp.llama_model_quantize(str(args.gguf).encode(), str(theirs).encode(), ctypes.byref(params)) == 0
        read = [{t.name: t for t in gguf.GGUFReader(file).tensors} for file in (ours, theirs)]
        ratios = collections.defaultdict(list)
        for tensor in source.values():
            if len(tensor.shape) < 2:
                continue
            exact = values(tensor)
            mine, other = (np.sqrt(((values(r[tensor.name]) - exact) ** 2).mean()) for r in read)
            ratios[tuple(r[tensor.name].tensor_type.name for r in read)].append(mine / other if other else 1.0)
        for (mine, other), all_ratios in ratios.items():
            print(f"{name}: minke {mine}, llama.cpp {other}, {len(all_ratios)} matrices: error {min(all_ratios):.4f} to "
                  f"{max(all_ratios):.4f} of llama.cpp's", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["greedy", "logits", "quantisers"])
    parser.add_argument("--gguf")
    parser.add_argument("--folder")
    parser.add_argument("--minke", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--answer", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    {"greedy": greedy, "logits": logits, "quantisers": quantisers}[args.what](args)


if __name__ == "__main__":
    main()
