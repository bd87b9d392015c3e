#!/usr/bin/env python3
"""Makes tests/golden/tiny-v3: a tiny DeepSeek-V3 checkpoint with logits, loss and gradients from an implementation that
is not ours (transformers on PyTorch, FP32, CPU). Only the maker needs Python; the test reads the files.

    pip install torch==2.13.0 transformers==5.23.0 safetensors numpy
    python3 tools/make_golden.py tests/golden/tiny-v3
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(20261122)
config = dict(
    model_type="deepseek_v3", vocab_size=41, hidden_size=16, intermediate_size=24, moe_intermediate_size=8,
    num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, n_routed_experts=8, n_shared_experts=1,
    num_experts_per_tok=2, n_group=4, topk_group=2, first_k_dense_replace=1, norm_topk_prob=True,
    routed_scaling_factor=2.5, q_lora_rank=12, kv_lora_rank=8, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=6,
    rms_norm_eps=1e-6, rope_theta=10000.0, max_position_embeddings=64, tie_word_embeddings=False,
    num_nextn_predict_layers=0, attention_bias=False, hidden_act="silu", rope_interleave=True)
model = DeepseekV3ForCausalLM(DeepseekV3Config(**{k: v for k, v in config.items() if k != "model_type"})).float()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.copy_(torch.randn_like(p) * 0.2 + (1.0 if "norm" in name else 0.0))
    for name, b in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            b.copy_(torch.randn_like(b) * 0.1)
tokens = torch.randint(0, config["vocab_size"], (2, 24))
result = model(input_ids=tokens, labels=tokens)
result.loss.backward()


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


weights, expected = {}, {"tokens": tokens.int(), "logits": result.logits.detach(), "loss": result.loss.detach()[None]}
for name, p in model.named_parameters():
    weights.update({n: t.detach().clone().contiguous() for n, t in published(name, p)})
    expected.update({f"grad.{n}": t.clone().contiguous() for n, t in published(name, p.grad)})
for name, b in model.named_buffers():
    if name.endswith("e_score_correction_bias"):
        weights[name] = b.clone()
save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
save_file({k: v.contiguous() for k, v in expected.items()}, out / "expected.safetensors")
(out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
print(f"{out}: loss {result.loss.item():.6f}")
