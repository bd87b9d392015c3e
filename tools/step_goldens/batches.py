"""From text to batches: tokens, fill-in-the-middle, packing, order (docs/recipe/training.md section 2; src/data/packing.h
says what the program chooses where V3 is silent)."""
import json
from collections import defaultdict

from counter import Key, permutation


class Tokenizer:
    """The hand-made tokenizer beside the cases: one token a character, and special tokens."""

    def __init__(self, folder):
        data = json.loads((folder / "tokenizer.json").read_text())
        self.ids = dict(data["model"]["vocab"])
        special = {t["content"]: t["id"] for t in data["added_tokens"]}
        self.bos, self.eos = special["<｜begin▁of▁sentence｜>"], special["<｜end▁of▁sentence｜>"]
        self.fim = [special[f"<｜fim▁{part}｜>"] for part in ("begin", "hole", "end")]
        self.size = len(self.ids) + len(special)

    def document(self, text):
        return [self.bos] + [self.ids[{" ": "Ġ", "\n": "Ċ"}.get(c, c)] for c in text] + [self.eos]


def documents(path, tokenizer):
    """One at each blank line."""
    return [tokenizer.document("\n".join(part.split("\n"))) for part in path.read_text().strip("\n").split("\n\n")]


class Epoch:
    """The sequences of one epoch: T+1 tokens each, how many are real, and where the document of each begins."""

    def __init__(self, docs, recipe, length, epoch, tokenizer):
        data, self.length, self.padding = recipe["data"], length, tokenizer.eos
        key = Key(recipe["train"]["seed"]).at("packing").at(epoch)
        docs = [self.fim(d, i, key, data["fim_rate"], tokenizer.fim) for i, d in enumerate(docs)]
        order = permutation(key.at("documents"), len(docs))
        ordered = [docs[order(k)] for k in range(len(docs))]
        pack = self.best_fit if data["packing"] == "best-fit" else self.concatenated
        sequences = pack(ordered, key)
        shuffled = permutation(key.at("sequences"), len(sequences))
        self.sequences = [self.filled(sequences[shuffled(i)]) for i in range(len(sequences))]

    @staticmethod
    def fim(doc, index, key, rate, markers):
        if rate == 0 or key.at("fim").uniform(index) >= rate or len(doc) < 5:
            return doc
        text, cuts = doc[1:-1], key.at("fim cut").at(index)  # between bos and eos
        a, b = sorted(cuts.below(i, len(text) + 1) for i in range(2))
        begin, hole, end = markers
        return [doc[0], begin, *text[:a], hole, *text[b:], end, *text[a:b], doc[-1]]

    def concatenated(self, docs, key):
        """Joined, rotated, cut every T tokens; sequences overlap by one token."""
        joined = [(token, d) for d, doc in enumerate(docs) for token in doc]
        total = len(joined)
        rotation = key.at("rotation").below(0, total)
        sequences = []
        for s in range(-(-total // self.length)):
            pieces, previous = [], None
            for i in range(self.length + 1):
                position = (rotation + s * self.length + i) % total
                token, document = joined[position]
                if document != previous or position == 0:
                    pieces.append([])
                pieces[-1].append(token)
                previous = document
            sequences.append(pieces)
        return sequences

    def best_fit(self, docs, key):
        """Whole documents into the fullest sequence with room, the longest first; longer ones are cut before."""
        room, bins, rest = self.length + 1, [], []
        for doc in docs:
            begin = 0
            while len(doc) - begin > room:
                bins.append([doc[begin : begin + room]])
                begin += self.length
            rest.append(doc[begin:])
        rest.sort(key=lambda piece: -len(piece))
        free = defaultdict(list)  # room left: bins, the last one made first
        for piece in rest:
            fitting = [left for left in free if left >= len(piece) and free[left]]
            left = min(fitting, default=room)
            if fitting:
                chosen = free[left].pop()
            else:
                chosen = len(bins)
                bins.append([])
            bins[chosen].append(piece)
            if left > len(piece):
                free[left - len(piece)].append(chosen)
        return bins

    def filled(self, pieces):
        tokens, starts = [], []
        for piece in pieces:
            starts += [len(tokens)] * len(piece)
            tokens += piece
        valid = len(tokens)
        for i in range(valid, self.length + 1):  # each pad is a document of its own
            tokens.append(self.padding)
            starts.append(i)
        return tokens, valid, starts[: self.length]


class Loader:
    """Sequences one after the other, epoch after epoch."""

    def __init__(self, docs, recipe, length, first_epoch, tokenizer):
        self.make = lambda epoch: Epoch(docs, recipe, length, epoch, tokenizer)
        self.epoch, self.index, self.current = first_epoch, 0, self.make(first_epoch)

    def batch(self, size):
        batch = []
        for _ in range(size):
            batch.append(self.current.sequences[self.index])
            self.index += 1
            if self.index == len(self.current.sequences):
                self.epoch, self.index = self.epoch + 1, 0
                self.current = self.make(self.epoch)
        return batch
