"""One row of train_torch.py: trains one model in one way and says how long every step took.

  torch_row.py '{"preset": "v3-11m", "experts": "eager", "compile": false, "precision": "fp32", …}'

Prints one line of JSON for what is known so far (parameters, every step, an error), each with the most memory held
until then, so that a row stopped from outside still says what it had measured. Needs torch and transformers.
"""
import contextlib
import json
import os
import resource
import sys
import time

# src/recipe/presets.cpp in transformers' words. minke_parameters: as `minke inspect` counts, router biases among them.
COMMON = dict(
    q_lora_rank=None, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, first_k_dense_replace=1,
    n_shared_experts=1, n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5, num_mtp_layers=0,
    tie_word_embeddings=False, use_cache=False, pad_token_id=None, bos_token_id=0, eos_token_id=0)
PRESETS = {
    "v3-11m": dict(
        batch=16, sequence=256, minke_parameters=10821328,
        model=dict(
            vocab_size=1024, hidden_size=256, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=4,
            kv_lora_rank=64, intermediate_size=768, n_routed_experts=16, num_experts_per_tok=2,
            moe_intermediate_size=128)),
    "v3-82m": dict(
        batch=8, sequence=512, minke_parameters=81749728,
        model=dict(
            vocab_size=4096, hidden_size=512, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=8,
            kv_lora_rank=128, intermediate_size=1536, n_routed_experts=32, num_experts_per_tok=4,
            moe_intermediate_size=192)),
}


def peak_bytes(pid="self"):
    """The high-water mark of this process alone, without the compilers that it started."""
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), 0)


def say(**known):
    print(json.dumps(known | {"peak_bytes": peak_bytes()}), flush=True)


def build(row, preset):
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.DeepseekV3Config(
        **COMMON, **preset["model"], max_position_embeddings=preset["sequence"],
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.bfloat16 if row["precision"] == "bf16" else torch.float32,
        attn_implementation=row["attention"], experts_implementation=row["experts"])
    biases = sum(b.numel() for name, b in model.named_buffers() if name.endswith("e_score_correction_bias"))
    say(parameters=sum(p.numel() for p in model.parameters()), router_biases=biases, config=model.config.to_dict(),
        torch=torch.__version__, transformers=transformers.__version__, isa=torch.backends.cpu.get_cpu_capability())
    return model.train()


def train(row):
    import numpy
    import torch

    torch.set_num_threads(row["threads"])
    torch.set_num_interop_threads(1)
    preset = PRESETS[row["preset"]]
    model = build(row, preset)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1,
                                  **{row["adamw"]: True})
    forward = torch.compile(model) if row["compile"] else model
    shape = (16, preset["batch"], preset["sequence"])  # a shard's tokens, gone through round and round
    shard = numpy.random.default_rng(0).integers(model.config.vocab_size, size=shape, dtype=numpy.uint16)
    autocast = row["precision"] == "autocast"
    for step in range(row["warmup"] + row["steps"]):
        begin, cpu = time.perf_counter(), time.process_time()
        tokens = torch.from_numpy(shard[step % len(shard)].astype(numpy.int64))
        with torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext():
            loss = forward(input_ids=tokens, labels=tokens).loss  # the model shifts the labels
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        value = loss.item()
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        say(**{"warmup" if step < row["warmup"] else "step": seconds, "cpu": cpu, "loss": value})


def main():
    row = json.loads(sys.argv[1])
    # On a shared machine this process is the one to go: an allocation fails before the memory of all is gone.
    resource.setrlimit(resource.RLIMIT_DATA, (row["memory_bytes"], row["memory_bytes"]))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    try:
        train(row)
    except Exception as e:  # a row that cannot run is a result
        lines = [line for line in str(e).splitlines() if line.strip()] or [""]
        say(error=f"{type(e).__name__}: {lines[0].strip()[:160]}")
        if os.environ.get("TRACE"):
            raise
        sys.exit(1)


if __name__ == "__main__":
    main()
