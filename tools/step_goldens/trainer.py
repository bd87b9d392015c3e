"""The optimizer's steps: schedules, AdamW, clip, router bias, average, phases (docs/recipe/training.md sections 1, 4.3, 7).
A recipe must name every key that is used here: no default of the program is repeated."""
import math

import torch

from batches import Loader, Tokenizer, documents
from counter import Key
from model import Config, Router, forward, shapes


def initial_weights(c, seed, deviation):
    """Norms 1, biases 0, matrices normal."""
    out = {}
    for name, shape in shapes(c).items():
        if name.endswith("norm"):
            out[name] = torch.ones(shape, dtype=torch.float64)
        elif name.endswith("bias"):
            out[name] = torch.zeros(shape, dtype=torch.float64)
        else:
            key = Key(seed).at("init").at(name)
            values = torch.tensor([key.normal(i) for i in range(math.prod(shape))], dtype=torch.float64) * deviation
            out[name] = values.float().double().view(shape)  # masters are FP32
    return out


def phases(recipe):
    """[train], then the long-context phases: tokens and steps of each."""
    t = recipe["train"]
    b0, b1, length, share = t["batch_start"], t["batch_size"], t["sequence_length"], t["batch_ramp"]
    tokens = t["steps"] * b1 * length
    if b0 and b0 != b1:  # steps = tokens/T * (share * mean of 1/b over the ramp + (1 - share)/b1)
        tokens = t["steps"] * length / (share * math.log(b1 / b0) / (b1 - b0) + (1 - share) / b1)
    first = dict(steps=t["steps"], tokens=tokens, length=length, micro=t["micro_batch_size"], last=b1, lr=None, yarn=None,
                 first=b0 or b1, ramp=share * tokens if b0 and b0 != b1 else 0, begin=0.0)
    out = [first]
    for p in recipe.get("long_context", []):
        out.append(dict(steps=p["steps"], tokens=p["steps"] * p["batch_size"] * p["sequence_length"], lr=p["lr"],
                        length=p["sequence_length"], micro=p["micro_batch_size"], first=p["batch_size"],
                        last=p["batch_size"], ramp=0, begin=out[-1]["begin"] + out[-1]["tokens"],
                        yarn=(p["yarn_factor"], length) if p["yarn_factor"] > 1 else None))
    return out


def decay_range(t):
    """Shares of the run between which the learning rate falls; the MTP weight and the router bias follow it."""
    return (t["drops"][0], t["drops"][-1]) if t["schedule"] == "step" else (t["decay_begin"], t["decay_end"])


def learning_rate(t, phase, step, x):
    """Of the update that follows `step` finished ones, after x tokens."""
    if phase["lr"]:
        return phase["lr"]
    warmup, n, peak = round(t["warmup"] * t["steps"]), phase["tokens"], t["lr"]
    if step < warmup:
        return peak * (step + 1) / warmup
    if t["schedule"] == "step":
        return peak * t["drop_factor"] ** sum(x >= at * n for at in t["drops"])
    begin, end = t["decay_begin"] * n, t["decay_end"] * n
    if x >= t["last_begin"] * n:
        return peak * t["last_ratio"]
    if x < begin:
        return peak
    low = peak * t["low_ratio"]
    return low if x >= end else low + 0.5 * (peak - low) * (1 + math.cos(math.pi * (x - begin) / (end - begin)))


def batch_size(phase, x):
    x -= phase["begin"]
    if x >= phase["ramp"]:
        return phase["last"]
    exact = phase["first"] + (phase["last"] - phase["first"]) * x / phase["ramp"]
    return max(phase["micro"], phase["micro"] * math.floor(exact / phase["micro"] + 0.5))


def bf16(x):
    """Rounded to 8 bits, ties to even."""
    return x.float().bfloat16().double()


def train(recipe, folder):
    """State after the last step, by name, and what the log says of each step."""
    t, balance = recipe["train"], recipe["balance"]
    tokenizer = Tokenizer(folder / recipe["tokenizer"]["path"])
    docs = documents(folder / recipe["data"]["train"][0], tokenizer)
    c = Config(recipe["model"] | {"vocab_size": tokenizer.size})
    w = initial_weights(c, t["seed"], t["initializer_range"])
    trained = [name for name in w if not name.endswith("bias")]
    m, v = ({name: torch.zeros_like(w[name]) for name in trained} for _ in range(2))
    average = {name: x.clone() for name, x in w.items()}
    stored = bf16 if t["moments"] == "bf16" else lambda x: x
    depths = c.get("num_nextn_predict_layers", 0)
    log, step, x, gap, epoch = [], 0, 0.0, float("inf"), 0
    for number, phase in enumerate(phases(recipe)):
        loader = Loader(docs, recipe, phase["length"], epoch, tokenizer)
        for _ in range(phase["steps"]):
            decayed = phase["lr"] is not None or x >= decay_range(t)[0] * phase["tokens"]
            mtp_weight = t["mtp_weight_late"] if decayed else t["mtp_weight"]
            frozen = phase["lr"] is not None or x >= decay_range(t)[1] * phase["tokens"]
            size = batch_size(phase, x)
            batch = loader.batch(size)
            drop = Key(t["seed"]).at("token dropping").at(step)
            protected = [drop.uniform(i) < balance["protected"] for i in range(size)]
            for name in trained:
                w[name].requires_grad_().grad = None
            router = Router(balance, None)
            sums, balances = None, []
            for first in range(0, size, phase["micro"]):
                part = batch[first : first + phase["micro"]]
                tokens = torch.tensor([s[0] for s in part])
                targets = tokens[:, 1:].clone()
                for row, (_, valid, _) in zip(targets, part):
                    row[valid - 1 :] = -1
                starts = torch.tensor([s[2] for s in part]) if recipe["data"]["mask_documents"] else torch.zeros_like(targets)
                real = torch.arange(targets.shape[1]) < torch.tensor([[valid] for _, valid, _ in part])
                router.protected, router.loss = protected[first : first + phase["micro"]], 0.0
                losses = forward(w, c, tokens[:, :-1], targets, starts, real, phase["yarn"], router, mtp_weight > 0)
                sums = losses if sums is None else [(a + b, n + k) for (a, n), (b, k) in zip(sums, losses)]
                balances.append(router.loss)
            means = [total / max(count, 1) for total, count in sums]
            balance_loss = sum(balances) / len(balances)
            (means[0] + sum(mtp_weight / depths * mean for mean in means[1:]) + balance_loss).backward()
            gap = min(gap, router.gap)

            lr, step = learning_rate(t, phase, step, x), step + 1
            with torch.no_grad():
                norm = math.sqrt(sum(w[name].grad.pow(2).sum().item() for name in trained))
                scale = t["clip"] / norm if 0 < t["clip"] < norm else 1.0
                for name in trained:
                    g = w[name].grad * scale
                    m1 = t["beta1"] * m[name] + (1 - t["beta1"]) * g
                    v1 = t["beta2"] * v[name] + (1 - t["beta2"]) * g * g
                    update = m1 / (1 - t["beta1"] ** step) / ((v1 / (1 - t["beta2"] ** step)).sqrt() + t["eps"])
                    decay = t["weight_decay"] if w[name].dim() > 1 else 0.0
                    w[name] = (w[name] - lr * (update + decay * w[name])).detach()
                    m[name], v[name] = stored(m1), stored(v1)
                for p, load in router.load.items():
                    bias = p + "gate.e_score_correction_bias"
                    if bias in w and not frozen:
                        load = load.double()
                        w[bias] = w[bias] + balance["bias_speed"] * (load.mean() - load).sign()
                d = min(t["ema_decay"], step / (9 + step))  # section 9; step counts this one
                for name in w:
                    average[name] = d * average[name] + (1 - d) * w[name]
            log.append(dict(loss=means[0].item(), mtp_loss=[mean.item() for mean in means[1:]], lr=lr, grad_norm=norm,
                            balance_loss=float(torch.as_tensor(balance_loss).detach()), clipped=scale < 1, tokens=size * phase["length"],
                            max_vio=[int(load.max()) * len(load) / int(load.sum()) - 1 for load in router.load.values()],
                            dropped=sum(router.dropped.values()) / max(1, sum(int(l.sum()) for l in router.load.values()))))
            x += size * phase["length"]
        epoch = loader.epoch + 1  # sequences of another length: a new epoch
    state = {"w." + name: value for name, value in w.items()}
    state |= {"m." + name: value for name, value in m.items()} | {"v." + name: value for name, value in v.items()}
    if t["ema_decay"] > 0:
        state |= {"e." + name: value for name, value in average.items()}
    return state, log, gap
