"""The models in float64, straight from the equations; gradients by autograd. Sections are those of
docs/recipe/architecture.md and docs/recipe/training.md. Weights are a dict under the names that a run's
train/state.safetensors has."""
import math

import torch
import torch.nn.functional as F


class Config(dict):
    def __getattr__(self, key):
        return self[key]

    @property
    def is_mla(self):
        return self.model_type in ("deepseek_v2", "deepseek_v3")

    def is_moe(self, layer):
        return self.get("n_routed_experts", 0) > 0 and layer >= self.first_k_dense_replace

    @property
    def experts(self):
        return self.n_routed_experts


def shapes(c):
    """Every stored tensor and its shape; gate and up projections are one matrix, experts one stack."""
    d, all_layers = c.hidden_size, c.num_hidden_layers + c.get("num_nextn_predict_layers", 0)
    out = {"embed_tokens": (c.vocab_size, d), "norm": (d,)}
    if not c.tie_word_embeddings:
        out["lm_head"] = (c.vocab_size, d)
    for n in range(all_layers):
        p = f"layers.{n}."
        out |= {p + "input_layernorm": (d,), p + "post_attention_layernorm": (d,)}
        heads = c.num_attention_heads
        if c.is_mla:
            query = heads * (c.qk_nope_head_dim + c.qk_rope_head_dim)
            if c.q_lora_rank:
                out |= {p + "q_a_proj": (c.q_lora_rank, d), p + "q_a_layernorm": (c.q_lora_rank,),
                        p + "q_b_proj": (query, c.q_lora_rank)}
            else:
                out[p + "q_proj"] = (query, d)
            out |= {p + "kv_a_proj_with_mqa": (c.kv_lora_rank + c.qk_rope_head_dim, d), p + "kv_a_layernorm": (c.kv_lora_rank,),
                    p + "kv_b_proj": (heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank),
                    p + "o_proj": (d, heads * c.v_head_dim)}
        else:
            dh = d // heads
            out |= {p + "q_proj": (d, d), p + "k_proj": (c.num_key_value_heads * dh, d),
                    p + "v_proj": (c.num_key_value_heads * dh, d), p + "o_proj": (d, d)}
        if c.is_moe(n):
            width = c.moe_intermediate_size
            out |= {p + "gate": (c.experts, d), p + "experts.gate_up": (c.experts, 2 * width, d),
                    p + "experts.down": (c.experts, d, width), p + "shared_experts.gate_up": (2 * c.n_shared_experts * width, d),
                    p + "shared_experts.down": (d, c.n_shared_experts * width)}
            if c.model_type == "deepseek_v3":
                out[p + "gate.e_score_correction_bias"] = (c.experts,)
        else:
            out |= {p + "gate_up": (2 * c.intermediate_size, d), p + "down": (d, c.intermediate_size)}
        if n >= c.num_hidden_layers:
            out |= {p + "enorm": (d,), p + "hnorm": (d,), p + "eh_proj": (d, 2 * d), p + "shared_head.norm": (d,)}
    return out


def rms_norm(x, gain, eps=1e-6):
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * gain


def swiglu(x, gate_up, down):
    gate, up = (x @ gate_up.T).chunk(2, dim=-1)
    return (F.silu(gate) * up) @ down.T


def frequencies(dim, theta, yarn):
    """Section 5.1; with YaRN section 5.2. yarn = (factor, original length) or None."""
    f = [theta ** (-2 * i / dim) for i in range(dim // 2)]
    if not yarn:
        return torch.tensor(f, dtype=torch.float64)
    factor, original = yarn
    corr = lambda r: dim * math.log(original / (2 * math.pi * r)) / (2 * math.log(theta))
    low, high = max(math.floor(corr(32)), 0), min(math.ceil(corr(1)), dim - 1)
    ramp = [min(max((i - low) / (high - low if high != low else 0.001), 0), 1) for i in range(dim // 2)]
    return torch.tensor([a * (1 - r) + a / factor * r for a, r in zip(f, ramp)], dtype=torch.float64)


def rotate(x, angle, interleaved):
    """x [..., T, H, D], angle [T, D/2]; pairs (2i, 2i+1) or (i, i + D/2)."""
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, dim=-1)
    y = (a * cos - b * sin, a * sin + b * cos)
    return torch.stack(y, -1).flatten(-2) if interleaved else torch.cat(y, -1)


def attend(q, k, v, scale, starts):
    """Causal, from the start that each token may see. q, k [B,T,H,Dk], v [B,T,H,Dv], starts [B,T]."""
    t = q.shape[1]
    key = torch.arange(t)
    seen = (key[None, None] <= key[None, :, None]) & (key[None, None] >= starts[:, :, None])
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * scale
    p = scores.masked_fill(~seen[:, None], float("-inf")).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", p, v).flatten(-2)


class Router:
    """What the routers of one step decided: load, balance loss, and how near a decision was to another one."""

    def __init__(self, balance, protected):
        self.balance, self.protected = balance, protected
        self.load, self.dropped, self.loss, self.gap = {}, {}, 0.0, float("inf")

    def choose(self, candidates, k):
        values, chosen = candidates.topk(k, dim=-1)
        if k < candidates.shape[-1]:
            rest = candidates.scatter(-1, chosen, float("-inf")).max(-1).values
            gap = (values[..., -1] - rest)[rest > float("-inf")]
            if gap.numel():
                self.gap = min(self.gap, gap.min().item())
        return chosen


def moe(w, p, c, u, router, real):
    """Sections 3.1-3.3 for u [B,T,d]; load, dropping and balance loss: training.md section 4. real [B,T]: no padding."""
    sequences, x = u.shape[0], u.flatten(0, 1)
    experts, k = c.experts, c.num_experts_per_tok
    logits = x @ w[p + "gate"].T
    v3 = c.model_type == "deepseek_v3"
    s = logits.sigmoid() if v3 else logits.softmax(-1)
    candidates = s + w[p + "gate.e_score_correction_bias"] if v3 else s
    if v3 or c.get("topk_method") == "group_limited_greedy":
        groups = candidates.unflatten(-1, (c.n_group, -1))
        of_group = groups.topk(min(2, groups.shape[-1]), dim=-1).values.sum(-1) if v3 else groups.max(-1).values
        kept = torch.zeros_like(of_group).scatter(-1, router.choose(of_group, c.topk_group), 1.0).bool()
        candidates = groups.masked_fill(~kept[..., None], float("-inf")).flatten(-2)
    chosen = router.choose(candidates.detach(), k)
    weight = s.gather(-1, chosen)
    if c.get("norm_topk_prob", v3):
        weight = weight / (weight.sum(-1, keepdim=True) + 1e-20)
    weight = weight * c.get("routed_scaling_factor", 1.0)
    router.load[p] = router.load.get(p, 0) + F.one_hot(chosen[real.flatten()], experts).sum((0, 1))
    kept = real.reshape(-1, 1).expand_as(chosen)  # padding is no token: no expert sees it
    if router.balance["capacity"] > 0:
        kept = keep(router, p, s.detach(), chosen, kept, sequences)
    y = torch.zeros_like(x)
    for e in range(experts):
        token, slot = torch.where((chosen == e) & kept)
        if token.numel():
            out = swiglu(x[token], w[p + "experts.gate_up"][e], w[p + "experts.down"][e])
            y = y.index_add(0, token, out * weight[token, slot][:, None])
    y = y + swiglu(x, w[p + "shared_experts.gate_up"], w[p + "shared_experts.down"])
    router.loss = router.loss + balance_loss(router, s, chosen, sequences, real)
    return y.unflatten(0, u.shape[:2])


def keep(router, p, s, chosen, real, sequences):
    """Token dropping: training.md section 4.2. Of equal affinities the later assignment goes first."""
    n, k = chosen.shape
    devices = router.balance["devices"]
    limit = int(router.balance["capacity"] * int(real.sum()) / devices)
    device = torch.where(real, chosen // (s.shape[1] // devices), -1)
    kept = real.clone()
    for g in range(devices):
        mine = [(s[t, chosen[t, j]].item(), -(t * k + j)) for t in range(n) for j in range(k)
                if device[t, j] == g and not router.protected[t * sequences // n]]
        mine.sort()
        goes = min(len(mine), max(0, int((device == g).sum()) - limit))
        if 0 < goes < len(mine):
            router.gap = min(router.gap, mine[goes][0] - mine[goes - 1][0])
        for _, slot in mine[:goes]:
            kept[-slot // k, -slot % k] = False
        router.dropped[p] = router.dropped.get(p, 0) + goes
    return kept


def balance_loss(router, s, chosen, sequences, real):
    """training.md sections 4.1 and 4.4, mean over the sequences of the micro-batch; counts are constants."""
    b = router.balance
    if b["loss"] == "none":
        return torch.zeros((), dtype=torch.float64)
    experts, k = s.shape[1], chosen.shape[1]
    if b["loss"] != "expert":
        chosen = router.choose(s.detach(), k)
        s = s / (s.sum(-1, keepdim=True) + 1e-20)
    if b["loss"] == "batch":
        sequences, real = 1, real.reshape(1, -1)
    total = 0
    for part, choice, counts in zip(s.chunk(sequences), chosen.chunk(sequences), real):
        part, choice = part[counts], choice[counts]
        t = part.shape[0]
        hits = F.one_hot(choice, experts).sum(1).double()
        p, f = part.mean(0), hits.sum(0) * experts / (k * t)
        loss = b["alpha"] * (f * p).sum()
        if b["loss"] == "expert":
            g = b["devices"]
            p_device = p.unflatten(0, (g, -1)).sum(1)
            sent = (hits.unflatten(1, (g, -1)).sum(2) > 0).double().sum(0) * g / (b["top_devices"] * t)
            loss = loss + b["device_alpha"] * (f.unflatten(0, (g, -1)).mean(1) * p_device).sum()
            loss = loss + b["comm_alpha"] * (sent * p_device).sum()
        total = total + loss
    return total / sequences


def block(w, n, c, x, starts, yarn, router, real):
    p, heads = f"layers.{n}.", c.num_attention_heads
    t = x.shape[1]
    h = rms_norm(x, w[p + "input_layernorm"], c.rms_norm_eps)
    position = torch.arange(t, dtype=torch.float64)[:, None]
    if c.is_mla:  # section 2.2
        nope, rope = c.qk_nope_head_dim, c.qk_rope_head_dim
        angle = position * frequencies(rope, c.rope_theta, yarn)
        c_q = rms_norm(h @ w[p + "q_a_proj"].T, w[p + "q_a_layernorm"]) if c.q_lora_rank else h
        q = (c_q @ w[p + ("q_b_proj" if c.q_lora_rank else "q_proj")].T).unflatten(-1, (heads, -1))
        a = h @ w[p + "kv_a_proj_with_mqa"].T
        latent = rms_norm(a[..., : c.kv_lora_rank], w[p + "kv_a_layernorm"])
        kv = (latent @ w[p + "kv_b_proj"].T).unflatten(-1, (heads, -1))
        shared = rotate(a[..., None, c.kv_lora_rank :], angle, True).expand(-1, -1, heads, -1)
        q = torch.cat([q[..., :nope], rotate(q[..., nope:], angle, True)], -1)
        keys = torch.cat([kv[..., :nope], shared], -1)
        scale = (nope + rope) ** -0.5
        if yarn:  # section 5.3
            scale *= (0.1 * math.log(yarn[0]) + 1) ** 2
        out = attend(q, keys, kv[..., nope:], scale, starts)
    else:  # section 1
        dh = c.hidden_size // heads
        angle = position * frequencies(dh, c.rope_theta, None)
        q, k, v = ((h @ w[p + f"{name}_proj"].T).unflatten(-1, (-1, dh)) for name in "qkv")
        repeat = heads // c.num_key_value_heads
        k, v = (rotate(k, angle, False).repeat_interleave(repeat, 2), v.repeat_interleave(repeat, 2))
        out = attend(rotate(q, angle, False), k, v, dh**-0.5, starts)
    x = x + out @ w[p + "o_proj"].T
    h = rms_norm(x, w[p + "post_attention_layernorm"], c.rms_norm_eps)
    if c.is_moe(n):
        return x + moe(w, p, c, h, router, real)
    return x + swiglu(h, w[p + "gate_up"], w[p + "down"])


def nats(h, w, c, targets):
    """Sum of the losses of h [B,T,d] and the number of targets; -1 = none."""
    head = w["embed_tokens" if c.tie_word_embeddings else "lm_head"]
    return F.cross_entropy((h @ head.T).flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"), (targets >= 0).sum().item()


def forward(w, c, tokens, targets, starts, real, yarn, router, with_mtp):
    """(nats, targets) of the main model and of each MTP module (section 4). All [B,T]."""
    x = w["embed_tokens"][tokens]
    for n in range(c.num_hidden_layers):
        x = block(w, n, c, x, starts, yarn, router, real)
    h = rms_norm(x, w["norm"], c.rms_norm_eps)
    losses = [nats(h, w, c, targets)]
    for k in range(1, c.get("num_nextn_predict_layers", 0) + 1 if with_mtp else 1):
        p, t = f"layers.{c.num_hidden_layers + k - 1}.", tokens.shape[1] - k
        embedding = rms_norm(w["embed_tokens"][tokens[:, k:]], w[p + "enorm"], c.rms_norm_eps)
        joined = torch.cat([embedding, rms_norm(h[:, :t], w[p + "hnorm"], c.rms_norm_eps)], -1)
        x = block(w, c.num_hidden_layers + k - 1, c, joined @ w[p + "eh_proj"].T, starts[:, :t], yarn, router, real[:, k:])
        h = rms_norm(x, w[p + "shared_head.norm"], c.rms_norm_eps)
        losses.append(nats(h, w, c, targets[:, k:]))
    return losses
