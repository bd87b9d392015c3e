#!/usr/bin/env python3
"""Plants small faults in C++ files, one at a time, and runs the tests on each: what no test notices is listed.

    tools/mutate.py src/train src/model src/eval --sample 200 --jobs 2

Works on a copy of the tree under build/mutate and never touches your files; ../shared is not seen. All faults are compiled
at once, behind a switch (mutate_faults.py), so one build is enough. First every test runs without a fault, which tells how
long it takes and which faults it reaches; then each fault is given to the tests that reach it, the quickest first, until
one fails, crashes or takes too long. docs/testing.md says what counts and what it costs.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import mutate_faults

MEMORY = 4 << 30  # bytes a test may take
ROUNDS = 15  # until every fault that is left compiles


def die(text):
    print(f"mutate.py: {text}", file=sys.stderr)
    sys.exit(2)


def sources(root, names):
    files = []
    for name in names:
        path = root / name
        if not path.exists():
            die(f"{name}: no such file or folder in {root}")
        files += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in (".cpp", ".h"))
    return [str(f.relative_to(root)) for f in dict.fromkeys(files)]


def copy_tree(root, tree):
    """A file that is there already with the same contents keeps its date, so that a second start builds less."""
    names = []
    try:
        names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, text=True,
                               capture_output=True, check=True).stdout.split("\0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        pass
    if not any(names):  # no git, or no repository
        names = [str(p.relative_to(root)) for p in root.rglob("*")]
    wanted = {n for n in names if n and (root / n).is_file() and n.split("/")[0] != "build"}
    for old in list(tree.rglob("*")):
        name = str(old.relative_to(tree))
        if old.is_file() and name.split("/")[0] != "build" and name not in wanted:
            old.unlink()
    for name in wanted:
        target, contents = tree / name, (root / name).read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != contents:
            target.write_bytes(contents)
            shutil.copymode(root / name, target)


def sample(faults, rng):
    """Places at random, then one of the faults at each, so that a place with many does not weigh more."""
    places = collections.defaultdict(list)
    for f in faults:
        if f.kind != "off by one" or rng.random() < 0.25:  # there are so many
            places[(f.file, f.place)].append(f)
    order = sorted(places)
    rng.shuffle(order)
    return [rng.choice(places[p]) for p in order]


class Planted:
    """A copy of the tree with faults in it, built."""

    def __init__(self, root, work, args):
        self.root, self.work, self.args = root, work, args
        self.tree, self.build = work / "tree", work / "tree/build/release"
        self.faults, self.left_out = [], []

    def make(self):
        files = sources(self.root, self.args.files)
        copy_tree(self.root, self.tree)
        self.texts = {name: (self.tree / name).read_text() for name in files}
        all_faults = [f for name in files for f in mutate_faults.find_faults(name, self.texts[name])]
        rng = random.Random(self.args.seed)
        queue = sample(all_faults, rng) if self.args.sample else all_faults
        if len(queue) > 60000:
            die("more than 60000 places: name fewer files")
        for number, fault in enumerate(queue):
            fault.number = number
        wanted = min(self.args.sample or len(queue), len(queue))
        print(f"{len(all_faults)} faults in {len(files)} files; {wanted} taken", flush=True)
        if self.args.list:
            self.faults = queue[:wanted]
            return
        subprocess.run(["cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *self.args.cmake],
                       check=True, stdout=subprocess.DEVNULL)
        # More than asked for, as some do not compile; what the compiler overlooks beside other errors, the build finds.
        good = []
        while len(good) < wanted and queue:
            more = 2 * (wanted - len(good))
            taken, queue = queue[:more], queue[more:]
            self.faults = good + taken
            self.plant()
            bad = self.check({f.file for f in taken})
            self.left_out += [f for f in self.faults if f.number in bad]
            good = [f for f in self.faults if f.number not in bad]
        self.faults = good[:wanted]
        self.plant()
        print(f"{len(self.faults)} compile one by one; building them together", flush=True)
        for attempt in range(ROUNDS):
            output = self.compile()
            if output is None:
                return
            bad = self.complained_about(output)
            if not bad:
                print(output[-6000:])
                die("the copy does not build, and not because of a fault")
            self.left_out += [f for f in self.faults if f.number in bad]
            self.faults = [f for f in self.faults if f.number not in bad]
            self.plant()
        die("the copy does not build")

    def plant(self):
        for name, text in self.texts.items():
            mine = [f for f in self.faults if f.file == name]
            planted = mutate_faults.plant(text, mine) if mine else text
            if (self.tree / name).read_text() != planted:
                (self.tree / name).write_text(planted)

    def check(self, files):
        """Faults that do not compile, by the compiler's look at each file alone: much quicker than a build."""
        commands = {os.path.relpath(e["file"], self.tree): shlex.split(e["command"])
                    for e in json.loads((self.build / "compile_commands.json").read_text())}

        def look_at(name):
            neighbours = [name] + sorted(c for c in commands if pathlib.Path(c).parent == pathlib.Path(name).parent)
            command = next((commands[n] for n in neighbours if n in commands), None)
            if command is None or not any(f.file == name for f in self.faults):
                return ""
            command = [c for c in command if not c.endswith("ccache")]
            command = command[:command.index("-o")] + ["-fsyntax-only", "-x", "c++", "-"]
            return subprocess.run(command, cwd=self.build, input=f'#include "{self.tree / name}"\n', text=True,
                                  stderr=subprocess.PIPE).stderr
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            outputs = list(pool.map(look_at, sorted(files)))
        return set().union(*(self.complained_about(o) for o in outputs if "error" in o)) if outputs else set()

    def compile(self):
        done = subprocess.run(["cmake", "--build", self.build, "-j", str(self.args.jobs),
                               *(["--target", *self.args.target] if self.args.target else []), "--", "-k", "0"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return None if done.returncode == 0 else done.stdout

    def complained_about(self, output):
        bad = set()
        for pattern in (r"(\S+):(\d+):\d+: (?:fatal )?error", r"(\S+):(\d+):\d+:"):
            for path, line in re.findall(pattern, output):
                name = os.path.relpath((self.build / path).resolve(), self.tree.resolve())
                if any(f.file == name for f in self.faults):
                    bad |= set(mutate_faults.faults_at((self.tree / name).read_text(), int(line)))
            if bad & {f.number for f in self.faults}:
                return bad
        return bad


class Test:
    def __init__(self, entry):
        self.name, self.command = entry["name"], entry.get("command", [])
        properties = {p["name"]: p["value"] for p in entry.get("properties", [])}
        self.folder = properties.get("WORKING_DIRECTORY", ".")
        self.environment = dict(e.split("=", 1) for e in properties.get("ENVIRONMENT", []))
        self.skip_code = properties.get("SKIP_RETURN_CODE")
        self.will_fail = bool(properties.get("WILL_FAIL"))
        self.disabled = bool(properties.get("DISABLED"))
        self.seconds, self.reached = 1.0, b""


def limits(cpu_seconds):
    def set_them():
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 5))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 30, 4 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return set_them


def processes(pid):
    """The process and all below it."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid] + [p for child in children for p in processes(int(child))]


def memory_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def wait_for(process, seconds, most_memory):
    """The exit code; None if it took too long or too much and was killed."""
    end = time.monotonic() + seconds
    while True:
        try:
            return process.wait(0.5)
        except subprocess.TimeoutExpired:
            running = processes(process.pid)
            if time.monotonic() < end and sum(map(memory_of, running)) < most_memory:
                continue
            for pid in running:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()
            return None


class Runner:
    def __init__(self, planted, args):
        self.planted, self.args, self.work = planted, args, planted.work
        self.kills = collections.Counter()
        self.lock = threading.Lock()
        self.folders = 0

    def read_tests(self):
        listed = subprocess.run(["ctest", "--test-dir", self.planted.build, "--show-only=json-v1"], text=True,
                                capture_output=True, check=True)
        tests = [Test(e) for e in json.loads(listed.stdout)["tests"]]
        return [t for t in tests if t.command and not t.disabled and re.search(self.args.tests, t.name)]

    def run(self, test, number, slack):
        """(how it ended, seconds, bytes that say which faults it reached); ended is "passed" if nothing was noticed."""
        with self.lock:
            self.folders += 1
            folder = self.work / "tmp" / str(self.folders)
        folder.mkdir(parents=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MINKE_", "PLANTED_"))}
        environment |= {"TMPDIR": str(folder), "PLANTED_FAULT": str(number), **test.environment}
        reached = folder.with_suffix(".reached")
        if number < 0:
            reached.write_bytes(bytes(65536))
            environment["PLANTED_FAULTS_REACHED"] = str(reached)
        begin = time.monotonic()
        process = subprocess.Popen(test.command, cwd=test.folder if os.path.isdir(test.folder) else self.planted.build,
                                   env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=limits(20 + slack * test.seconds))
        code = wait_for(process, 300 + 3 * slack * test.seconds, MEMORY)
        ended = "passed" if code == 0 or code == test.skip_code else "failed"
        if test.will_fail:
            ended = "passed" if ended == "failed" else "failed"
        if code in (None, -signal.SIGXCPU, -signal.SIGKILL, 128 + signal.SIGXCPU):
            ended = "too slow or too large"
        elif code < 0:
            ended = "crashed"
        seconds = time.monotonic() - begin
        seen = reached.read_bytes() if number < 0 else b""
        reached.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        return ended, seconds, seen

    def baseline(self, file):
        """Runs every test without a fault, or reads what an earlier start found."""
        tests = self.read_tests()
        known = {}
        if self.args.resume and file.exists():
            known = {e["name"]: e for e in json.loads(file.read_text())}
        unknown = [t for t in tests if t.name not in known]
        if unknown:
            print(f"{len(unknown)} tests run without a fault", flush=True)
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            for test, (ended, seconds, reached) in zip(unknown, pool.map(lambda t: self.run(t, -1, 600), unknown)):
                known[test.name] = {"name": test.name, "ended": ended, "seconds": seconds,
                                    "reached": [i for i, b in enumerate(reached) if b]}
        file.write_text(json.dumps(list(known.values())))
        passing = []
        for test in tests:
            if known[test.name]["ended"] != "passed":
                print(f"left out, as it fails without a fault: {test.name}")
                continue
            test.seconds, test.reached = known[test.name]["seconds"], set(known[test.name]["reached"])
            passing.append(test)
        return passing

    def notice(self, fault, tests):
        reaching = [t for t in tests if fault.number in t.reached]
        layer = pathlib.Path(fault.file).parent.name
        begin = time.monotonic()

        def cost(test):
            near = 1 if test.name.startswith(layer + ".") else 3
            return (0.05 + test.seconds) * near / (1 + self.kills[test.name])
        result = {"key": fault.key(), "file": fault.file, "line": fault.line, "kind": fault.kind, "before": fault.before,
                  "after": fault.after, "noticed": False, "by": "", "how": "" if reaching else "no test reaches it"}
        ran = 0
        while reaching:
            test = min(reaching, key=cost)
            reaching.remove(test)
            ran += 1
            ended = self.run(test, fault.number, 10)[0]
            if ended != "passed":
                self.kills[test.name] += 1
                result |= {"noticed": True, "by": test.name, "how": ended}
                break
        return result | {"tests": ran, "seconds": round(time.monotonic() - begin, 1)}


def summary(results, left_out):
    noticed = [r for r in results if r["noticed"]]
    survivors = [r for r in results if not r["noticed"]]
    if survivors:
        print("\nSurvivors:")
    for r in sorted(survivors, key=lambda r: (r["file"], r["line"])):
        after = r["after"] or "(nothing)"
        print(f"{r['file']}:{r['line']}  {r['kind']}{', ' + r['how'] if r['how'] else ''}\n    - {r['before']}\n    + {after}")
    how = collections.Counter(r["how"] for r in noticed)
    share = 100 * len(noticed) / max(1, len(results))
    print(f"\n{len(noticed)} of {len(results)} faults noticed: {share:.1f} % ({', '.join(f'{n} {k}' for k, n in how.most_common())})"
          + (f"; {left_out} did not compile behind the switch and were left out" if left_out else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="C++ files, or folders of them, of the tree")
    parser.add_argument("--sample", type=int, default=200, help="faults to plant, at random (default 200; 0 = all)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice (default 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="builds and tests at once (default: all cores)")
    parser.add_argument("--tests", default="", metavar="REGEX", help="only tests with such a name; all if left out")
    parser.add_argument("--resume", action="store_true", help="go on where the last start of the same sample stopped")
    parser.add_argument("--out", type=pathlib.Path, help="results, one JSON object a line (default: <work>/results.jsonl)")
    parser.add_argument("--work", type=pathlib.Path, help="folder of the copy and its build (default: build/mutate)")
    parser.add_argument("--list", action="store_true", help="only print the faults")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent,
                        help="the tree, with a CMakeLists.txt (default: this one)")
    parser.add_argument("--target", nargs="+", default=[], help="build only these targets, and so have only their tests")
    parser.add_argument("--cmake", action="append", default=[], help="an option for cmake, as --cmake=-DX=Y")
    args = parser.parse_args()
    root = args.root.resolve()
    work = (args.work or root / "build/mutate").resolve()
    out = args.out or work / "results.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / "tmp", ignore_errors=True)
    planted, state = Planted(root, work, args), work / "faults.json"
    told = {"files": args.files, "sample": args.sample, "seed": args.seed}
    if args.resume and state.exists():
        stored = json.loads(state.read_text())
        if stored["told"] != told:
            die(f"{state} is of {stored['told']}: start without --resume, or elsewhere with --work")
        planted.faults = [mutate_faults.Fault(**f) for f in stored["faults"]]
        planted.left_out = [None] * stored["left_out"]
    else:
        planted.make()
        if args.list:
            print("\n".join(str(f) for f in sorted(planted.faults, key=lambda f: (f.file, f.line))))
            return
        out.unlink(missing_ok=True)
        (work / "baseline.json").unlink(missing_ok=True)
        state.write_text(json.dumps({"told": told, "left_out": len(planted.left_out), "faults": [vars(f) for f in planted.faults]}))
    runner = Runner(planted, args)
    tests = runner.baseline(work / "baseline.json")
    results = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {r["key"] for r in results}
    todo = [f for f in planted.faults if f.key() not in done]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool, out.open("a") as file:
        for result in pool.map(lambda f: runner.notice(f, tests), todo):
            results.append(result)
            print(json.dumps(result), file=file, flush=True)
            if len(results) % 20 == 0:
                print(f"{len(results)} of {len(planted.faults)}: {sum(r['noticed'] for r in results)} noticed", flush=True)
    summary(results, len(planted.left_out))


if __name__ == "__main__":
    main()
