#!/usr/bin/env python3
"""Does minke compute what llama.cpp computes? One GGUF file in both programs, token by token.

  llama_agreement.py --model FILE.gguf --questions gsm8k/test.jsonl --text tinyshakespeare/input.txt \\
      --minke build/release/bin/minke --work DIR

Needs llama-cpp-python, numpy, jinja2 and gguf (pip install llama-cpp-python gguf); DIR gets the files on the way.

1. tokens: the first questions, in the file's own chat template, have the same ids in both programs.
2. quantised: llama.cpp answers each question greedily with --answer tokens from the file as it is (it rounds activations
   to 8 bits on the way). minke gets question and answer ('minke score', --dtype, --activations) and says for each token of the answer
   which one it would have chosen. Counted: how often the same; where not, the gap between the two largest logits, in
   minke and in llama.cpp.
3. F32: the file's weights dequantised to a file of F32, and the same in FP32 arithmetic on both sides. 'minke generate'
   answers greedily by itself; its answer must be llama.cpp's up to a token where llama.cpp's own choice was within 1e-3.
4. perplexity of the beginning of --text, in the same windows of --window tokens.
"""
import argparse
import json
import pathlib
import sys

import gguf
import jinja2
import llama_cpp
import numpy as np

from minke_program import Minke


# Without the repacked and AMX forms of weights: the plain products are what every machine computes, and ggml 0.25 stops
# with an illegal instruction in its AMX code on the virtual machine (Emerald Rapids) where this was first run.
defaults = llama_cpp.llama_model_default_params


def plain_products():
    params = defaults()
    params.use_extra_bufts = False
    return params


llama_cpp.llama_model_default_params = llama_cpp.llama_cpp.llama_model_default_params = plain_products


def dequantise(source, target):
    """The same file with every tensor in F32."""
    reader = gguf.GGUFReader(source)
    arch = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(target, arch)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, values.reshape(tuple(reversed([int(n) for n in tensor.shape]))))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Llama:
    def __init__(self, model, context, cache, threads):
        self.llm = llama_cpp.Llama(model_path=str(model), n_ctx=context, n_batch=context, n_ubatch=context,
                                   logits_all=True, n_threads=threads, n_threads_batch=threads, type_k=cache,
                                   type_v=cache, flash_attn=False, verbose=False)

    def ids(self, text):
        return self.llm.tokenize(text.encode(), add_bos=False, special=True)

    def text(self, ids):
        return self.llm.detokenize(ids, special=True).decode(errors="replace")

    def logits(self, ids):
        self.llm.reset()
        self.llm.eval(ids)
        return np.array(self.llm.scores[:len(ids)], dtype=np.float64)

    def greedy(self, prompt, count):
        """The answer, and the gap between the two largest logits at each of its tokens."""
        self.llm.reset()
        self.llm.eval(prompt)
        answer, gaps = [], []
        while len(answer) < count:
            row = np.array(self.llm.scores[self.llm.n_tokens - 1], dtype=np.float64)
            second, first = np.argsort(row)[-2:]
            answer.append(int(first))
            gaps.append(float(row[first] - row[second]))
            if first == self.llm.token_eos():
                break
            self.llm.eval([int(first)])
        return answer, gaps


def prompts_of(args, template):
    with open(args.questions) as lines:
        questions = [json.loads(line)["question"] for line, _ in zip(lines, range(args.count))]
    render = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(template).render
    return [render(messages=[{"role": "user", "content": q}], add_generation_prompt=True) for q in questions]


def teacher_forced(minke, llama, model, answers, dtype, activations="dtype"):
    same = total = 0
    gaps = []
    for prompt, answer, own in answers:
        ids = llama.ids(prompt)
        logits = minke.logits(model, ids + answer, dtype, activations)
        for i, token in enumerate(answer):
            row = logits[len(ids) + i - 1].astype(np.float64)
            total += 1
            if int(row.argmax()) == token:
                same += 1
            else:
                second, first = np.sort(row)[-2:]
                gaps.append((float(first - second), own[i]))
    print(f"{pathlib.Path(model).name}, minke in {dtype}, activations in {activations}: {same} of {total} tokens the same "
          f"({100 * same / total:.2f} %), {len(gaps)} others with gaps (minke | llama.cpp) of "
          f"{', '.join(f'{m:.4f} | {l:.4f}' for m, l in sorted(gaps)) or '-'}", flush=True)


def free_running(args, minke, llama, model, answers):
    equal = 0
    for n, (prompt, answer, gaps) in enumerate(answers):
        if answer[-1] == llama.llm.token_eos():
            answer = answer[:-1]
        text = minke.greedy_text(model, prompt, args.answer, "f32")
        if text == llama.text(answer):
            equal += 1
            continue
        at = next((i for i in range(len(answer)) if not text.startswith(llama.text(answer[:i + 1]))), len(answer))
        gap = gaps[at] if at < len(gaps) else float("nan")
        verdict = "allowed" if gap <= 1e-3 else "NOT ALLOWED"
        print(f"  question {n + 1}: another token {at + 1}; llama.cpp's own gap there {gap:.6f}: {verdict}")
    print(f"{pathlib.Path(model).name}: {equal} of {len(answers)} answers equal, running by themselves", flush=True)


def llama_perplexity(args, llama):
    """And the number of tokens predicted."""
    text = pathlib.Path(args.text).read_bytes()[:args.text_bytes]
    ids = llama.llm.tokenize(text, add_bos=False, special=False)
    ids = [llama.llm.token_eos()] + ids  # what 'minke eval text' puts in front where there is no bos
    nats, count = 0.0, 0
    for begin in range(0, len(ids) - 1, args.window - 1):
        window = ids[begin:begin + args.window]
        rows = llama.logits(window)[:-1]
        top = rows.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(rows - top).sum(axis=1)) + top[:, 0]
        nats += float((log_sum - rows[np.arange(len(rows)), window[1:]]).sum())
        count += len(rows)
    return np.exp(nats / count), count


def perplexity(args, minke, model, dtype, theirs, count, activations="dtype"):
    part, figures = minke.work / "text.txt", minke.work / "eval.json"
    part.write_bytes(pathlib.Path(args.text).read_bytes()[:args.text_bytes])
    minke.run("eval", "text", "-m", model, part, "-c", args.window, "--dtype", dtype, "--activations", activations,
              "--out", figures)
    ours = json.loads(figures.read_text())
    mine = np.exp(ours["nats_per_token"])
    print(f"{pathlib.Path(model).name}, minke in {dtype}, activations in {activations}: perplexity of {count} tokens (minke: {ours['tokens']}) "
          f"{mine:.4f}, llama.cpp {theirs:.4f}: {100 * (mine / theirs - 1):+.3f} %", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--questions", required=True)
    p.add_argument("--text", required=True)
    p.add_argument("--minke", required=True)
    p.add_argument("--work", required=True, type=pathlib.Path)
    p.add_argument("--count", type=int, default=20)
    p.add_argument("--answer", type=int, default=64)
    p.add_argument("--window", type=int, default=512)
    p.add_argument("--text-bytes", type=int, default=50_000)
    p.add_argument("--threads", type=int, default=1, help="of llama.cpp: more wait for each other where others compute")
    args = p.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    minke = Minke(args.minke, args.work)
    print(f"llama-cpp-python {llama_cpp.__version__}", flush=True)

    llama = Llama(args.model, 1024, llama_cpp.GGML_TYPE_F16, args.threads)
    prompts = prompts_of(args, llama.llm.metadata["tokenizer.chat_template"])
    for prompt in prompts:
        ours, theirs = minke.ids(args.model, prompt), llama.ids(prompt)
        if ours != theirs:
            sys.exit(f"other ids for {prompt!r}: {ours} {theirs}")
    print(f"tokens: {len(prompts)} prompts have the same ids", flush=True)
    answers = [(prompt, *llama.greedy(llama.ids(prompt), args.answer)) for prompt in prompts]
    arithmetic = (("f32", "dtype"), ("bf16", "dtype"), ("f32", "int8"), ("bf16", "int8"))
    for dtype, activations in arithmetic:
        teacher_forced(minke, llama, args.model, answers, dtype, activations)
    theirs = llama_perplexity(args, llama)
    for dtype, activations in arithmetic:
        perplexity(args, minke, args.model, dtype, *theirs, activations)

    whole = args.work / (pathlib.Path(args.model).stem + ".F32.gguf")
    if not whole.exists():
        dequantise(args.model, whole)
    del llama
    llama = Llama(whole, 1024, llama_cpp.GGML_TYPE_F32, args.threads)
    answers = [(prompt, *llama.greedy(llama.ids(prompt), args.answer)) for prompt in prompts]
    teacher_forced(minke, llama, whole, answers, "f32")
    free_running(args, minke, llama, whole, answers)
    perplexity(args, minke, whole, "f32", *llama_perplexity(args, llama))


if __name__ == "__main__":
    main()
