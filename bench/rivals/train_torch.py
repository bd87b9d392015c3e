#!/usr/bin/env python3
"""Training speed of a preset's model in transformers + PyTorch on the processor, for itself and beside minke.

  train_torch.py --preset v3-82m --venv DIR            every way to train it, a row each; DIR is made if it is not there
  train_torch.py --preset v3-82m --minke build/release/bin/minke --rows fastest --isa avx2 --json FILE

The rows: experts {eager, grouped_mm, batched_mm} x {plain, compile} x {bf16, autocast, fp32}.
  bf16      everything in BF16, the weights and AdamW's moments too: there are no FP32 masters
  autocast  FP32 masters, products in BF16 where PyTorch's autocast does so (grouped_mm is not among them)
  fp32      everything in FP32
  compile   torch.compile(model); needs a C++ compiler
--rows takes all, fastest (without batched_mm, which copies an expert's matrices for every token and runs out of memory
or time) or patterns of its own, such as 'eager/*/fp32,grouped_mm/compile/*'.

A step is: a batch of random tokens from a buffer like a loader's, forward with the loss over all positions, backward,
clip_grad_norm_ 1.0, AdamW (weight decay 0.1, betas 0.9 and 0.95), zero_grad, and the loss as a number. No bias update,
which transformers lacks and minke does. Attention (sdpa, eager) and AdamW (fused, foreach) are tried first, with
grouped_mm/plain/fp32; the faster ones serve all rows. The first two steps, with the compilation in them, do not count.

Each row is a process of its own (torch_row.py): its high-water mark of memory is its own, and a row that fails, wants
more than --memory or is not done after --limit seconds says so. With --minke, the fastest row that has FP32 masters and
the fastest of all alternate with `minke bench train`, a fresh process each turn; ratios are taken turn by turn. Other
jobs on the machine slow PyTorch's threads, which wait for each other, out of proportion; CPU s is a step's CPU time.

--venv: torch==2.13.0 on x86 Linux comes with CUDA from PyPI; PIP_INDEX_URL or PIP_EXTRA_INDEX_URL can name an index
with the CPU build, which is all that is needed.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from torch_row import PRESETS, peak_bytes

PACKAGES = ["torch==2.13.0", "transformers==5.24.0", "numpy"]
WAYS = [f"{experts}/{mode}/{precision}" for experts in ("eager", "grouped_mm", "batched_mm")
        for mode in ("plain", "compile") for precision in ("bf16", "autocast", "fp32")]
ROWS = {"all": "*", "fastest": "eager/*,grouped_mm/*"}
ISAS = {
    "default": {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
             "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3", "MINKE_ISA": "avx2"},
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512", "DNNL_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512",
               "TORCHINDUCTOR_CPP_MARCH": "x86-64-v4", "MINKE_ISA": "avx512"},
}
KNOWN = ("parameters", "router_biases", "config", "isa", "torch", "transformers")  # said by every row
HEADER = (f"{'experts':<11}{'mode':<9}{'precision':<11}{'tokens/s (min–max)':>25}{'s/step':>10}{'CPU s':>8}"
          f"{'GiB':>7}  note")


def python_of(venv):
    if not venv:
        return sys.executable
    python = pathlib.Path(venv, "bin", "python").absolute()
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)  # nothing to do if all are there
    return str(python)


def environment(isa):
    ours = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    return ours | ISAS[isa] | {"HF_HUB_OFFLINE": "1"}


def free_memory():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


class Rival:
    def __init__(self, o):
        self.o, self.python, self.known = o, python_of(o.venv), {}

    def run(self, way, steps, attention, adamw):
        """Runs one way in a process of its own: what it measured, with "note" if it was not all that was asked for."""
        experts, mode, precision = way.split("/")
        limit = min(self.o.memory * 2**30, 0.85 * free_memory())
        row = dict(preset=self.o.preset, experts=experts, compile=mode == "compile", precision=precision, steps=steps,
                   warmup=2, attention=attention, adamw=adamw, threads=self.o.threads, memory_bytes=int(limit))
        script = pathlib.Path(__file__).with_name("torch_row.py")
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen([self.python, script, json.dumps(row)], stdout=out, stderr=err,
                                       env=environment(self.o.isa), process_group=0)  # a new session would escape nice
            note, peak = "", 0
            try:
                process.wait(self.o.limit)
            except subprocess.TimeoutExpired:
                note, peak = f"cut after {self.o.limit:g} s", peak_bytes(process.pid)
            finally:  # also when we are stopped; the compilers that the row left behind go with it
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            out.seek(0), err.seek(0)
            said = [json.loads(line) for line in out if line.startswith("{") and line.endswith("}\n")]
            errors = [line.strip() for line in err if line.strip()]
        times = [s for s in said if "step" in s]
        errors = [s["error"] for s in said if "error" in s] or errors
        if process.returncode < 0 and not note:
            note = f"killed by signal {-process.returncode}"
        elif process.returncode > 0:
            note = errors[-1][:200] if errors else f"exit status {process.returncode}"
        if "can't allocate memory" in note:
            note = f"wants more than {limit / 2**30:.1f} GiB"
        if note and not times:
            note += f", {sum('warmup' in s for s in said)} of 2 warm-up steps done"
        elif note:
            note += f", {len(times)} of {steps} steps done"
        for s in said:
            self.known |= {k: v for k, v in s.items() if k in KNOWN}
        tokens = PRESETS[self.o.preset]["batch"] * PRESETS[self.o.preset]["sequence"]
        return dict(way=way, attention=attention, adamw=adamw, note=note, seconds=[s["step"] for s in times],
                    cpu_seconds=[s["cpu"] for s in times], tokens_per_second=[tokens / s["step"] for s in times],
                    warmup_seconds=[s["warmup"] for s in said if "warmup" in s],
                    losses=[s["loss"] for s in said if "loss" in s],
                    peak_bytes=max([peak] + [s["peak_bytes"] for s in said]))

    def choose(self):
        """The faster attention and AdamW, each tried in a short run; those given on the command line are not tried."""
        attention, adamw = self.o.attention, self.o.adamw
        tried = {}

        def speed(a, w):
            if (a, w) not in tried:
                r = self.run("grouped_mm/plain/fp32", 3, a, w)
                tried[a, w] = median(r["tokens_per_second"])
                print(f"  attention {a:<6} AdamW {w:<8}{tried[a, w]:>10.0f} tokens/s  {r['note']}", flush=True)
            return tried[a, w]

        attention = attention or max(("sdpa", "eager"), key=lambda a: speed(a, adamw or "fused"))
        adamw = adamw or max(("fused", "foreach"), key=lambda w: speed(attention, w))
        print(f"all rows: attention {attention}, AdamW {adamw}\n")
        return attention, adamw


def median(values):
    return statistics.median(values) if values else 0.0


def spread(values, digits=0):
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})" if values else "-"


def print_row(r):
    experts, mode, precision = r["way"].split("/")
    step, cpu = (f"{median(x):.2f}" if x else "-" for x in (r["seconds"], r["cpu_seconds"]))
    print(f"{experts:<11}{mode:<9}{precision:<11}{spread(r['tokens_per_second']):>25}{step:>10}{cpu:>8}"
          f"{r['peak_bytes'] / 2**30:>7.2f}  {r['note']}", flush=True)


def print_header(known, minke, o):
    if "config" not in known:
        return
    counted = known["parameters"] + known["router_biases"]
    ours = minke.parameters(known["config"]) if o.minke else PRESETS[o.preset]["minke_parameters"]
    print(f"PyTorch {known['torch']} ({known['isa']}), transformers {known['transformers']}")
    print(f"parameters with {known['router_biases']} router biases: transformers {counted:,}, minke {ours:,}")
    if counted != ours:
        raise SystemExit("these are not the same model")
    print("\n" + HEADER, flush=True)


class Minke:
    def __init__(self, o):
        self.o = o

    def parameters(self, config):
        """What minke counts for the config that transformers wrote."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "config.json")
            file.write_text(json.dumps(config | {"architectures": ["DeepseekV3ForCausalLM"]}))
            out = subprocess.run([self.o.minke, "inspect", "--config", file, "--json"], check=True, capture_output=True)
        return json.loads(out.stdout)["parameters"]["total"]

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "bench.json")
            command = [self.o.minke, "bench", "train", "--preset", self.o.preset, "--steps", str(self.o.steps),
                       "--threads", str(self.o.threads), "--json", file, *(f"--set={s}" for s in self.o.set)]
            process = subprocess.Popen(command, env=environment(self.o.isa), stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            if status != 0:
                raise SystemExit(f"minke bench train failed, exit status {os.waitstatus_to_exitcode(status)}")
            return json.loads(file.read_text())["tokens_per_second"], usage.ru_maxrss * 1024


def alternate(rival, minke, rows, turns):
    """Each of the rival's rows and minke in turn: medians, the ratio of medians, the ratios turn by turn."""
    speeds, peaks = {r["way"]: [] for r in rows} | {"minke": []}, dict.fromkeys([r["way"] for r in rows] + ["minke"], 0)
    print(f"\n{turns} turns of {' – '.join(speeds)}, tokens/s:")
    for turn in range(turns):
        for name in speeds:
            if name == "minke":
                speed, peak = minke.run()
            else:
                row = next(r for r in rows if r["way"] == name)
                r = rival.run(name, rival.o.steps, row["attention"], row["adamw"])
                speed, peak = median(r["tokens_per_second"]), r["peak_bytes"]
                if not speed:
                    raise SystemExit(f"{name}: {r['note']}")
            speeds[name].append(speed)
            peaks[name] = max(peaks[name], peak)
        print(f"  {turn + 1}: " + "  ".join(f"{s[-1]:.0f}" for s in speeds.values()), flush=True)
    ours, result = speeds["minke"], {}
    print()
    for name, s in speeds.items():
        ratios = [a / b for a, b in zip(ours, s)]
        result[name] = dict(tokens_per_second=s, peak_bytes=peaks[name], ratios=ratios)
        line = f"{name:<28}{spread(s):>25} tokens/s{peaks[name] / 2**30:>7.2f} GiB"
        if name != "minke":
            line += f"   minke is {median(ours) / median(s):.2f} times as fast; turn by turn {spread(ratios, 2)}"
        print(line)
    return result


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--preset", choices=PRESETS, default="v3-82m")
    p.add_argument("--rows", default="all", help="all, fastest, or patterns with commas between them")
    p.add_argument("--steps", type=int, default=10, help="measured steps a row and turn")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--isa", choices=ISAS, default="default")
    p.add_argument("--attention", choices=["sdpa", "eager"], help="instead of trying both")
    p.add_argument("--adamw", choices=["fused", "foreach"], help="instead of trying both")
    p.add_argument("--limit", type=float, default=240, help="seconds for a row, its compilation too")
    p.add_argument("--memory", type=float, default=1024, help="GiB for a row; never over 85 %% of what is free")
    p.add_argument("--minke", metavar="PATH", help="then alternate with this program")
    p.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="for minke: train.precision=f32")
    p.add_argument("--turns", type=int, default=5, help="of the alternation")
    p.add_argument("--venv", metavar="DIR", help="virtual environment to run the rows in")
    p.add_argument("--json", metavar="FILE")
    o = p.parse_args()
    patterns = ROWS.get(o.rows, o.rows).split(",")
    ways = [w for w in WAYS if any(fnmatch.fnmatch(w, x) for x in patterns)]
    if not ways:
        p.error(f"--rows {o.rows} names no row; there are\n  " + "\n  ".join(WAYS))

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rival, minke = Rival(o), Minke(o)
    print(f"{o.preset}, {o.threads} threads, --isa {o.isa}, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f}")
    attention, adamw = rival.choose()
    rows = []
    for way in ways:
        rows.append(rival.run(way, o.steps, attention, adamw))
        if len(rows) == 1:
            print_header(rival.known, minke, o)
        print_row(rows[-1])
    result = dict(preset=o.preset, threads=o.threads, isa_asked_for=o.isa, rows=rows, **rival.known)
    best = sorted((r for r in rows if r["seconds"]), key=lambda r: -median(r["tokens_per_second"]))
    if best:
        masters = next((r for r in best if not r["way"].endswith("/bf16")), None)
        picked = list({r["way"]: r for r in (masters, best[0]) if r}.values())
        print(f"\nfastest of all: {best[0]['way']}; with FP32 masters: {masters['way'] if masters else '-'}")
        if o.minke:
            result["alternation"] = alternate(rival, minke, picked, o.turns)
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
