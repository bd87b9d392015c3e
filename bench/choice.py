#!/usr/bin/env python3
"""Is the instruction set that minke chooses by itself the fastest? `minke bench train` without MINKE_ISA and with every
MINKE_ISA of this machine, in turn, a fresh process each time; medians of the turns, and of the ratios turn by turn.

  choice.py build/release/bin/minke --preset v3-11m --steps 4 --turns 5

Fails (exit code 1) where a named instruction set is faster than the choice by more than --margin.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile


def measured(o, isa):
    environment = {k: v for k, v in os.environ.items() if k != "MINKE_ISA"} | ({"MINKE_ISA": isa} if isa else {})
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "bench.json")
        command = [o.minke, "bench", "train", "--preset", o.preset, "--steps", str(o.steps), "--warmup", "1",
                   "--seconds", "0.02", "--json", file] + (["-t", str(o.threads)] if o.threads else [])
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(file.read_text())


def available(minke):
    """The names that the message about a wrong one lists."""
    run = subprocess.run([minke, "bench", "machine", "--seconds", "0"], env=os.environ | {"MINKE_ISA": "?"},
                         capture_output=True, text=True)
    return re.search(r"this machine has ([\w, ]+)", run.stderr)[1].split(", ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minke")
    parser.add_argument("--preset", default="v3-11m")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--margin", type=float, default=0.03)
    parser.add_argument("--isas", default="", help="only these, separated by commas")
    o = parser.parse_args()
    isas = o.isas.split(",") if o.isas else [isa for isa in available(o.minke) if isa != "baseline"]
    rates, used = {isa: [] for isa in ["", *isas]}, {}
    for turn in range(o.turns):
        for isa in rates:
            result = measured(o, isa)
            rates[isa].append(result["tokens_per_second"])
            if turn == 0:
                used[isa] = result["isa"]
                print(f"{isa or 'chosen':<14}{result['description']}", flush=True)
    slow = []
    for isa, all_turns in rates.items():
        ratio = statistics.median(x / chosen for x, chosen in zip(all_turns, rates[""]))
        print(f"{isa or 'chosen':<14}{statistics.median(all_turns):10.0f} tokens/s ({min(all_turns):.0f} to "
              f"{max(all_turns):.0f}); {ratio:.3f} of the chosen one")
        if ratio > 1 + o.margin and used[isa] != used[""]:  # the chosen one by its name differs by noise alone
            slow.append(isa)
    if slow:
        sys.exit(f"the choice is slower than {', '.join(slow)}")


if __name__ == "__main__":
    main()
