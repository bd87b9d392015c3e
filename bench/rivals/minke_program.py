"""The program minke as the comparisons in this folder call it."""
import json
import struct
import subprocess

import numpy as np


def write_tokens(path, rows):
    data = np.array(rows, dtype=np.int32)
    header = json.dumps({"tokens": {"dtype": "I32", "shape": list(data.shape),
                                    "data_offsets": [0, data.nbytes]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data.tobytes())


def read_tensor(path, name):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(length))[name]
        begin, end = entry["data_offsets"]
    return np.memmap(path, dtype=np.float32, mode="r", offset=8 + length + begin,
                     shape=tuple(entry["shape"]))


class Minke:
    def __init__(self, program, work):
        self.program, self.work = program, work

    def run(self, *args):
        return subprocess.run([self.program, *map(str, args)], check=True, capture_output=True, text=True,
                              errors="replace").stdout

    def ids(self, model, text):
        return [int(i) for i in self.run("tokenizer", "encode", "-t", model, text).split()]

    def logits(self, model, ids, dtype, activations="dtype"):
        tokens, scores = self.work / "tokens.safetensors", self.work / "scores.safetensors"
        write_tokens(tokens, [ids])
        self.run("score", "-m", model, "--tokens", tokens, "--out", scores, "--dtype", dtype,
                 "--activations", activations)
        return read_tensor(scores, "logits")[0]

    def greedy_text(self, model, prompt, count, dtype):
        out = self.run("generate", "-m", model, "-p", prompt, "-n", count, "--temp", 0, "-q", "--dtype", dtype,
                       "--cache-type", dtype)
        return out[:-1]  # a line end follows the answer
