#!/usr/bin/env python3
"""Makes tests/golden/{tiny-v3,tiny-deepseek}: tiny checkpoints with logits, loss and gradients from implementations that
are not ours (transformers on PyTorch, FP32, CPU). Only the maker needs Python; the test reads the files.

    pip install torch==2.13.0 transformers==5.23.0 safetensors numpy
    python3 tools/make_golden.py tests/golden

tiny-deepseek is DeepSeekMoE-16B's architecture (model_type deepseek: MHA, softmax gate, split-half rotary), which
transformers has as the text decoder of DeepSeek-OCR 2.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2TextConfig
from transformers.models.deepseek_ocr2.modeling_deepseek_ocr2 import DeepseekOcr2TextModel

TINY = dict(
    vocab_size=41, hidden_size=16, intermediate_size=24, moe_intermediate_size=8, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=2, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=2,
    first_k_dense_replace=1, rms_norm_eps=1e-6, rope_theta=10000.0, max_position_embeddings=64,
    tie_word_embeddings=False, attention_bias=False, hidden_act="silu")
V3 = TINY | dict(
    n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5, q_lora_rank=12, kv_lora_rank=8,
    qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=6, num_nextn_predict_layers=0, rope_interleave=True)
DEEPSEEK = TINY | dict(
    n_shared_experts=2, num_experts_per_tok=3, norm_topk_prob=False, scoring_func="softmax", moe_layer_freq=1)


class Deepseek(torch.nn.Module):
    """The published names: model.* and lm_head."""

    def __init__(self):
        super().__init__()
        fields = {k: v for k, v in DEEPSEEK.items()
                  if k not in ("first_k_dense_replace", "rope_theta", "norm_topk_prob", "scoring_func", "moe_layer_freq")}
        self.model = DeepseekOcr2TextModel(DeepseekOcr2TextConfig(
            **fields, head_dim=8, topk_method="greedy", mlp_layer_types=["dense", "sparse"],
            rope_parameters={"rope_type": "default", "rope_theta": DEEPSEEK["rope_theta"]}))
        self.lm_head = torch.nn.Linear(DEEPSEEK["hidden_size"], DEEPSEEK["vocab_size"], bias=False)

    def forward(self, tokens):
        return self.lm_head(self.model(input_ids=tokens).last_hidden_state)


class DeepseekV3(DeepseekV3ForCausalLM):
    def forward(self, tokens):
        return super().forward(input_ids=tokens).logits


def published(name, tensor):
    """Name and rows as the published files have them: fused experts one by one."""
    if name.endswith("mlp.experts.gate_up_proj"):
        base = name[: -len("gate_up_proj")]
        half = tensor.shape[1] // 2
        for e in range(tensor.shape[0]):
            yield f"{base}{e}.gate_proj.weight", tensor[e, :half]
            yield f"{base}{e}.up_proj.weight", tensor[e, half:]
    elif name.endswith("mlp.experts.down_proj"):
        base = name[: -len("down_proj")]
        for e in range(tensor.shape[0]):
            yield f"{base}{e}.down_proj.weight", tensor[e]
    else:
        yield name, tensor


def make(out, make_model, config):
    torch.manual_seed(20261122)
    model = make_model().float()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn_like(p) * 0.2 + (1.0 if "norm" in name else 0.0))
        for name, b in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                b.copy_(torch.randn_like(b) * 0.1)
    tokens = torch.randint(0, config["vocab_size"], (2, 24))
    logits = model(tokens)
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    loss.backward()
    weights, expected = {}, {"tokens": tokens.int(), "logits": logits.detach(), "loss": loss.detach()[None]}
    for name, p in model.named_parameters():
        weights.update({n: t.detach().clone().contiguous() for n, t in published(name, p)})
        expected.update({f"grad.{n}": t.clone().contiguous() for n, t in published(name, p.grad)})
    for name, b in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            weights[name] = b.clone()
    out.mkdir(parents=True, exist_ok=True)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    save_file({k: v.contiguous() for k, v in expected.items()}, out / "expected.safetensors")
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    print(f"{out}: loss {loss.item():.6f}")


folder = pathlib.Path(sys.argv[1])
make(folder / "tiny-v3", lambda: DeepseekV3(DeepseekV3Config(**V3)), {"model_type": "deepseek_v3"} | V3)
make(folder / "tiny-deepseek", Deepseek, {"model_type": "deepseek"} | DEEPSEEK)
