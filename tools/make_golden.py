#!/usr/bin/env python3
"""Makes the folders of tests/golden: tiny checkpoints in the published layout with logits, losses and gradients from
implementations that are not ours (transformers on PyTorch, FP32, CPU). Only the maker needs Python.

    pip install torch==2.13.0 transformers==5.24.0 safetensors numpy
    python3 tools/make_golden.py tests/golden            # or only some: tests/golden v2 v3-mtp

expected.safetensors holds tokens i32 [B,T], logits [B,T,V], loss [1] (mean next-token cross-entropy, nats) and
grad.<published name>. With MTP modules also main_loss [1], mtp_loss [D], mtp<k>_logits [B,T-k,V] (position i of module k
predicts token i+k+1), and loss = main + 0.3/D * sum of mtp. With a balance loss also balance_terms (alpha of experts,
devices and communication; devices D, devices a token may use M; affinities normalised first, counts without the bias) and
balance_loss [1]; gradients are those of loss + balance_loss.

What transformers lacks is written out here from docs/recipe: the MTP modules around its V3 block (architecture.md §4)
and the balance losses (training.md §4.1, §4.4). deepseek is DeepSeekMoE-16B's architecture (MHA, softmax router,
split-half rotary), which transformers has as the text decoder of DeepSeek-OCR 2.
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2TextConfig
from transformers.models.deepseek_ocr2.modeling_deepseek_ocr2 import DeepseekOcr2TextModel
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3DecoderLayer, DeepseekV3RMSNorm

MTP_WEIGHT = 0.3
FP8_BLOCK = 16  # published files have 128; with 16 a tiny matrix has several blocks and partial ones
BASE = dict(vocab_size=41, hidden_size=16, num_hidden_layers=2, intermediate_size=24, rms_norm_eps=1e-6,
            rope_theta=10000.0, max_position_embeddings=64, tie_word_embeddings=False, hidden_act="silu")
GQA = BASE | dict(num_attention_heads=4, num_key_value_heads=2)
MOE = BASE | dict(moe_intermediate_size=8, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=2,
                  first_k_dense_replace=1, num_attention_heads=2, num_key_value_heads=2, attention_bias=False)
MLA = MOE | dict(q_lora_rank=12, kv_lora_rank=8, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=6)
V2 = MLA | dict(n_shared_experts=2, num_experts_per_tok=3, norm_topk_prob=False, scoring_func="softmax")
V3 = MLA | dict(n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5, rope_interleave=True,
                num_nextn_predict_layers=0)
YARN = dict(type="yarn", factor=8.0, original_max_position_embeddings=16, beta_fast=32.0, beta_slow=1.0, mscale=1.0,
            mscale_all_dim=0.8)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
V2_BALANCE = dict(alpha=(0.03, 0.05, 0.02), devices=4, top_devices=2, normalise=False, unbiased=False)
V3_BALANCE = dict(alpha=(0.02, 0.0, 0.0), devices=1, top_devices=1, normalise=True, unbiased=True)

# name: model_type, config.json's fields, what to add.
GOLDENS = {
    "llama": ("llama", GQA | dict(tie_word_embeddings=True), {}),
    "llama3-rope": ("llama", GQA | dict(rope_theta=500.0, rope_scaling=LLAMA3), {}),
    "qwen2": ("qwen2", GQA, {}),
    "qwen3": ("qwen3", GQA | dict(head_dim=6), {}),
    "deepseek": ("deepseek", MOE | dict(n_shared_experts=2, num_experts_per_tok=3, norm_topk_prob=False,
                                        scoring_func="softmax", moe_layer_freq=1), {}),
    "v2-lite": ("deepseek_v2", V2 | dict(q_lora_rank=None, topk_method="greedy", n_group=1, topk_group=1,
                                         routed_scaling_factor=1.0), {}),
    "v2": ("deepseek_v2", V2 | dict(topk_method="group_limited_greedy", n_group=4, topk_group=2,
                                    routed_scaling_factor=4.0), dict(balance=V2_BALANCE)),
    "v3": ("deepseek_v3", V3, dict(balance=V3_BALANCE)),
    "v3-yarn": ("deepseek_v3", V3 | dict(max_position_embeddings=128, rope_scaling=YARN), {}),
    "v3-mtp": ("deepseek_v3", V3 | dict(num_nextn_predict_layers=1), {}),
    "v3-mtp2": ("deepseek_v3", V3 | dict(num_nextn_predict_layers=2), dict(balance=V3_BALANCE)),
    "v3-fp8": ("deepseek_v3", V3 | dict(hidden_size=24, quantization_config=dict(
        quant_method="fp8", fmt="e4m3", activation_scheme="dynamic", weight_block_size=[FP8_BLOCK, FP8_BLOCK])), {}),
}


class Mtp(torch.nn.Module):
    """One MTP module: eh_proj of [enorm(embedding); hnorm(h)], a V3 block, shared_head.norm."""

    def __init__(self, config, layer):
        super().__init__()
        self.enorm = DeepseekV3RMSNorm(config.hidden_size)
        self.hnorm = DeepseekV3RMSNorm(config.hidden_size)
        self.eh_proj = torch.nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.block = DeepseekV3DecoderLayer(config, layer)
        self.shared_head = torch.nn.ModuleDict({"norm": DeepseekV3RMSNorm(config.hidden_size)})

    def forward(self, h, embedding, rotary):
        x = self.eh_proj(torch.cat([self.enorm(embedding), self.hnorm(h)], dim=-1))
        t = x.shape[1]
        mask = torch.full((t, t), float("-inf")).triu(1)[None, None]
        x = self.block(x, attention_mask=mask, position_embeddings=rotary(x, torch.arange(t)[None]))
        return self.shared_head["norm"](x)


class Model(torch.nn.Module):
    """A model of transformers and, for V3, the MTP modules; parameters under the published names."""

    def __init__(self, model_type, fields):
        super().__init__()
        fields = {k: v for k, v in fields.items() if k not in ("quantization_config", "scoring_func")}
        if model_type == "deepseek":
            kept = {k: v for k, v in fields.items() if k not in ("first_k_dense_replace", "rope_theta",
                                                                 "norm_topk_prob", "moe_layer_freq")}
            self.model = DeepseekOcr2TextModel(DeepseekOcr2TextConfig(
                **kept, head_dim=fields["hidden_size"] // fields["num_attention_heads"], topk_method="greedy",
                mlp_layer_types=["dense", "sparse"],
                rope_parameters={"rope_type": "default", "rope_theta": fields["rope_theta"]}))
            self.lm_head = torch.nn.Linear(fields["hidden_size"], fields["vocab_size"], bias=False)
        else:
            config = transformers.AutoConfig.for_model(model_type, **fields)
            config._attn_implementation = "eager"
            whole = transformers.AutoModelForCausalLM.from_config(config)
            self.model, self.lm_head = whole.model, whole.lm_head
            for k in range(fields.get("num_nextn_predict_layers", 0)):
                self.model.layers.append(Mtp(config, fields["num_hidden_layers"] + k))

    def forward(self, tokens):
        """Logits of the main model and of each module."""
        h = self.model(input_ids=tokens).last_hidden_state
        logits = [self.lm_head(h)]
        modules = [m for m in self.model.layers if isinstance(m, Mtp)]
        for k, module in enumerate(modules, 1):
            h = module(h[:, : tokens.shape[1] - k], self.model.embed_tokens(tokens[:, k:]), self.model.rotary_emb)
            logits.append(self.lm_head(h))
        return logits


def published(name, tensor):
    """Name and rows as the published files have them: fused experts one by one, the block of a module without a name."""
    name = name.replace(".block.", ".")
    if name.endswith("mlp.experts.gate_up_proj"):
        base, half = name[: -len("gate_up_proj")], tensor.shape[1] // 2
        for e in range(tensor.shape[0]):
            yield f"{base}{e}.gate_proj.weight", tensor[e, :half]
            yield f"{base}{e}.up_proj.weight", tensor[e, half:]
    elif name.endswith("mlp.experts.down_proj"):
        base = name[: -len("down_proj")]
        for e in range(tensor.shape[0]):
            yield f"{base}{e}.down_proj.weight", tensor[e]
    else:
        yield name, tensor


def is_fp8(name):
    return "_proj" in name


def fp8_blocks(w):
    """Values in FP8 E4M3 and the scale of each block, amax/448."""
    rows, columns = (-(-n // FP8_BLOCK) for n in w.shape)
    padded = F.pad(w, (0, columns * FP8_BLOCK - w.shape[1], 0, rows * FP8_BLOCK - w.shape[0]))
    blocks = padded.view(rows, FP8_BLOCK, columns, FP8_BLOCK)
    scale = blocks.abs().amax(dim=(1, 3)) / 448
    q = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
    back = (q.float() * scale[:, None, :, None]).view(padded.shape)[: w.shape[0], : w.shape[1]]
    return q.view(padded.shape)[: w.shape[0], : w.shape[1]].contiguous(), scale, back


def balance_loss(affinity, chosen, sequences, alpha, devices, top_devices, normalise, unbiased):
    """Mean over sequences of sum_i w_i P_i; counts are constants. affinity [N,E], chosen [N,K]."""
    experts, k = affinity.shape[1], chosen.shape[1]
    total = 0
    if unbiased:
        chosen = affinity.topk(k, dim=-1).indices
    if normalise:
        affinity = affinity / affinity.sum(-1, keepdim=True)
    for s, c in zip(affinity.chunk(sequences), chosen.chunk(sequences)):
        t = s.shape[0]
        hits = F.one_hot(c, experts).sum(1).float()
        p, f = s.mean(0), hits.sum(0) * experts / (k * t)
        on_device = hits.view(t, devices, -1)
        p_device, f_device = p.view(devices, -1).sum(1), f.view(devices, -1).mean(1)
        sent = (on_device.sum(2) > 0).float().sum(0) * devices / (top_devices * t)
        total = total + alpha[0] * (f * p).sum() + alpha[1] * (f_device * p_device).sum() + alpha[2] * (sent * p_device).sum()
    return total / sequences


def make(folder, model_type, fields, balance=None):
    torch.manual_seed(20261122)
    model = Model(model_type, fields).float()
    fp8 = "quantization_config" in fields
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn_like(p) * 0.2 + (1.0 if "norm" in name and not name.endswith("bias") else 0.0))
            if fp8:  # what a published file holds, dequantised: FP8 blocks and BF16
                parts = p if p.dim() == 3 else [p]
                for part in parts:
                    for half in part.chunk(2) if name.endswith("gate_up_proj") else [part]:
                        half.copy_(fp8_blocks(half)[2] if is_fp8(name) else half.bfloat16().float())
        for name, b in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                b.copy_(torch.randn_like(b) * 0.1)
    routed = []
    for module in model.modules():
        if type(module).__name__.endswith("TopkRouter"):
            module.register_forward_hook(lambda m, i, out: routed.append((out[0], out[2])))
    tokens = torch.randint(0, fields["vocab_size"], (2, 24))
    logits = model(tokens)
    losses = [F.cross_entropy(z[:, :-1].flatten(0, 1), tokens[:, k + 1 :].flatten()) for k, z in enumerate(logits)]
    depths = len(losses) - 1
    loss = losses[0] + MTP_WEIGHT / max(depths, 1) * sum(losses[1:])
    expected = {"tokens": tokens.int(), "logits": logits[0], "loss": loss[None]}
    if depths:
        expected |= {"main_loss": losses[0][None], "mtp_loss": torch.stack(losses[1:])}
        expected |= {f"mtp{k}_logits": z for k, z in enumerate(logits) if k}
    total = loss
    if balance:
        affinity = torch.sigmoid if balance["normalise"] else lambda z: z.softmax(-1)
        term = sum(balance_loss(affinity(z), chosen, len(tokens), **balance) for z, chosen in routed)
        expected |= {"balance_loss": term[None], "balance_terms": torch.tensor(
            [*balance["alpha"], balance["devices"], balance["top_devices"], balance["normalise"], balance["unbiased"]])}
        total = loss + term
    total.backward()
    weights = {}
    for name, p in model.named_parameters():
        if name == "lm_head.weight" and fields["tie_word_embeddings"]:
            continue
        for n, t in published(name, p.detach()):
            weights[n] = t
            if fp8 and is_fp8(n):
                weights[n], weights[n + "_scale_inv"], _ = fp8_blocks(t)
            elif fp8:
                weights[n] = t.bfloat16()
        expected |= {f"grad.{n}": t for n, t in published(name, p.grad)}
    for name, b in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            weights[name.replace(".block.", ".")] = b
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().clone().contiguous() for k, v in weights.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    save_file({k: v.detach().clone().contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type} | fields, indent=1) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{folder}: loss {loss.item():.6f}, {size / 1000:.0f} kB")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for golden in sys.argv[2:] or GOLDENS:
        kind, config_fields, extra = GOLDENS[golden]
        make(out / golden, kind, config_fields, **extra)
