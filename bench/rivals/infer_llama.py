#!/usr/bin/env python3
"""Inference in minke and in the bench programs of llama.cpp and ik_llama.cpp, in turn, on one file.

  infer_llama.py --model model.gguf --minke build/release/bin/minke \\
      --rival 'llama.cpp=LLAMA/llama-bench' --rival 'ik=IK/llama-bench' --rival 'ik -rtr=IK/llama-bench -rtr 1'

--rival NAME=COMMAND names a llama-bench that was built elsewhere, with arguments of its own: of ik_llama.cpp -rtr 1 repacks
weights at run time, and -fmoe and -mla choose its products of experts and its attention; what is not given is as it comes.

Each turn runs each program once, as a process of its own, minke first: a prompt of -p tokens with nothing in the cache and
an answer of -n tokens, -r times each, on -t threads. A figure of a turn is the median of its runs. Ratios are taken turn by
turn, because what else runs on the machine changes meanwhile.

--isa sets MINKE_ISA. A llama-bench computes with what it was built for, so give one that was built for the same. Weights lie
as the file has them; other ways of minke, such as --weights int8, are a row of their own: --minke-args.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import time

median = statistics.median


def spread(values, digits=1):
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def output_of(name, command, env=None):
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env)
    except OSError as error:
        raise SystemExit(f"{name}: {error}")
    if done.returncode != 0:
        raise SystemExit(f"{name} failed with {done.returncode}: {shlex.join(map(str, command))}\n{done.stderr[-2000:]}")
    lines = done.stdout.splitlines()
    return json.loads("\n".join(line for line in lines if line[:1] in "[ ]"))  # ik_llama.cpp puts warnings between them


def flags(o):
    return ["-m", o.model, "-p", str(o.prompt), "-n", str(o.answer), "-r", str(o.repetitions), "-t", str(o.threads)]


def run_minke(o):
    """Tokens/s by test, and what minke says of itself."""
    env = os.environ | ({"MINKE_ISA": o.isa} if o.isa else {})
    rows = output_of("minke", [o.minke, "bench", "infer", *flags(o), "--json", *shlex.split(o.minke_args)], env)
    return {r["test"]: r["tok_s"] for r in rows}, {r["test"]: r for r in rows}


def run_rival(o, name, command):
    rates = {}
    for r in output_of(name, [*command, *flags(o), "-o", "json"]):
        test = f"pp{r['n_prompt']}" if r["n_prompt"] else f"tg{r['n_gen']}"
        rates[test] = median(r["samples_ts"]) if r.get("samples_ts") else r["avg_ts"]
    return rates


def rival_of(text):
    name, equals, command = text.partition("=")
    if not name or not equals or not command.strip():
        raise argparse.ArgumentTypeError(f"{text}: NAME=COMMAND is needed")
    return name, shlex.split(command)


def show(test, rates, row):
    print(f"\n{test}, tokens/s")
    ours, ratios = rates["minke"], {}
    for name, theirs in rates.items():
        line = f"  {name:<16}{spread(theirs):>28}"
        if name == "minke":
            shares = [f"{100 * row[key]:.1f} % of {what}" for key, what in
                      (("bandwidth_share", "the best read bandwidth"), ("ceiling_share", "the best products")) if row[key]]
            line += "   " + ", ".join(shares)
        else:
            ratios[name] = [a / b for a, b in zip(ours, theirs)]
            line += f"   minke is {median(ours) / median(theirs):.2f} times as fast; turn by turn {spread(ratios[name], 2)}"
        print(line)
    return ratios


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, help="GGUF file")
    p.add_argument("--minke", required=True, metavar="PATH")
    p.add_argument("--rival", type=rival_of, action="append", required=True, metavar="NAME=COMMAND")
    p.add_argument("-p", "--prompt", type=int, default=512)
    p.add_argument("-n", "--answer", type=int, default=32)
    p.add_argument("-r", "--repetitions", type=int, default=3, help="runs of a row in a turn")
    p.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--turns", type=int, default=5)
    p.add_argument("--isa", help="MINKE_ISA")
    p.add_argument("--minke-args", default="", help="further flags of minke bench infer, in one argument")
    p.add_argument("--json", metavar="FILE")
    o = p.parse_args()

    rivals = dict(o.rival)
    if len(rivals) != len(o.rival) or "minke" in rivals:
        p.error("every --rival needs a name of its own")
    print(f"{pathlib.Path(o.model).name}, {o.threads} threads, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f}")
    turns = []
    for turn in range(o.turns):
        ours, rows = run_minke(o)
        if turn == 0:
            row = next(iter(rows.values()))
            print(f"minke: {row['isa']}, weights {row['weights']}, read {row['read_ceiling'] / 1e9:.1f} GB/s, "
                  f"products {row['product_ceiling'] / 1e9:.0f} GFLOP/s")
        turns.append({"minke": ours} | {name: run_rival(o, name, command) for name, command in rivals.items()})
        print(f"  {turn + 1}: " + "  ".join(f"{name} " + " ".join(f"{rate:.1f}" for rate in rates.values())
                                            for name, rates in turns[-1].items()), flush=True)
    result = {}
    for test, row in rows.items():
        rates = {name: [t[name][test] for t in turns] for name in turns[0]}
        result[test] = dict(tok_s=rates, ratios=show(test, rates, row))
    if o.json:
        about = dict(model=o.model, threads=o.threads, turns=o.turns, minke=rows, rivals=rivals)
        pathlib.Path(o.json).write_text(json.dumps(about | {"tests": result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
