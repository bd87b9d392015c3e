#!/usr/bin/env python3
"""Makes the step goldens: for every tests/steps/<case>/recipe.toml the state that `minke pretrain` must have after its
last step, and what its log must say, from a trainer in float64 that shares no code with minke and is written from
docs/recipe. tests/steps/steps_test.cpp runs the program and compares.

    pip install torch==2.13.0 safetensors numpy
    python3 tools/step_goldens tests/steps              # or only some cases: tests/steps v3 v2
    python3 tools/step_goldens --check tests/steps      # make again, compare with what is there

expected.safetensors: the names of train/state.safetensors as F32 (w. weights, m. and v. moments, e. average), and log.*
[steps, …] as F64. A case is refused in which a choice of experts is nearer than 1e-5 to another one, or which does not
clip some step and leave another: rounding must decide nothing.
"""
import pathlib
import sys
import tomllib

import torch
from safetensors.torch import load_file, save_file

from trainer import train

torch.set_num_threads(1)
arguments = [a for a in sys.argv[1:] if a != "--check"]
root = pathlib.Path(arguments[0])
for folder in sorted(root.glob("*/")):
    if not (folder / "recipe.toml").exists() or (arguments[1:] and folder.name not in arguments[1:]):
        continue
    recipe = tomllib.loads((folder / "recipe.toml").read_text())
    state, log, gap = train(recipe, folder)
    clipped = sum(line["clipped"] for line in log)
    out = {name: value.detach().float().flatten().contiguous() for name, value in state.items()}
    for key in ("loss", "mtp_loss", "lr", "grad_norm", "balance_loss", "tokens", "max_vio", "dropped"):
        values = torch.tensor([line[key] for line in log], dtype=torch.float64)
        if values.numel():
            out["log." + key] = values
    print(f"{folder.name}: {len(log)} steps, loss {log[0]['loss']:.4f} to {log[-1]['loss']:.4f}, {clipped} clipped, "
          f"nearest choice {gap:.1e}, {sum(x.numel() for x in state.values())} values")
    if gap < 1e-5:
        sys.exit(f"{folder}: a choice of experts is within {gap:.1e} of another: change the seed")
    if "--check" in sys.argv:
        old = load_file(folder / "expected.safetensors")
        assert old.keys() == out.keys(), f"{folder}: other names"
        worst = max(((out[k] - old[k]).abs().max().item() if old[k].numel() else 0.0) for k in out)
        assert worst < 1e-6, f"{folder}: differs by {worst}"
    else:
        save_file(out, folder / "expected.safetensors")
