#!/usr/bin/env python3
"""Makes what minke's GGUF code is held against, and the grids that its formats of 1 to 3 bits are made of, from the gguf
library (PyPI: gguf 0.19; needs numpy and safetensors):

    make_gguf_goldens.py --blocks tests/blocks/blocks.safetensors   3 random blocks of each format and their values
    make_gguf_goldens.py --grids src/blocks/grids.inc               see src/blocks/grids.h
    make_gguf_goldens.py --seeds tests/fuzz/seeds/gguf                    small files for the fuzz target

Scales are drawn so that no value is infinite or no number; all other bits are random.
"""
import argparse
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

BLOCKS = 3
# Where the F16 scales of a block are.
SCALES = {"F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64],
          "IQ1_S": [0], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0]}
OTHERS = ["BF16", "MXFP4", "IQ1_M"]


def random_blocks(name, rng):
    _, size = gguf.GGML_QUANT_SIZES[Type[name]]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    half = lambda: rng.normal(0, 0.02, BLOCKS).astype(np.float16)
    for at in SCALES.get(name, []):
        blocks[:, at : at + 2] = half().view(np.uint8).reshape(BLOCKS, 2)
    if name == "MXFP4":
        blocks[:, 0] = [0, 1, 121]  # the two smallest scales, which are not normal numbers, and a usual one
    if name == "BF16":
        blocks[:] = (rng.normal(0, 0.02, BLOCKS).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(
            np.uint8).reshape(BLOCKS, 2)
    if name == "IQ1_M":  # four bits of the scale on top of each of the last four words
        words = blocks[:, 48:].copy().view(np.uint16) & 0x0FFF
        bits = half().view(np.uint16)
        for w in range(4):
            words[:, w] |= (bits >> (4 * w) & 15) << 12
        blocks[:, 48:] = words.view(np.uint8)
    return blocks


def make_blocks(out):
    rng = np.random.default_rng(15)
    tensors = {}
    for name in [*SCALES, *OTHERS]:
        blocks = random_blocks(name, rng)
        values = gguf.quants.dequantize(blocks, Type[name]).astype(np.float32)
        assert np.isfinite(values).all(), name
        tensors[f"{name}.blocks"], tensors[f"{name}.values"] = blocks, values
    save_file(tensors, out)


def make_grids(out):
    classes = {"Iq1": "IQ1_S", "Iq2Xxs": "IQ2_XXS", "Iq2Xs": "IQ2_XS", "Iq2S": "IQ2_S", "Iq3Xxs": "IQ3_XXS", "Iq3S": "IQ3_S"}
    lines = ["// Made by tools/make_gguf_goldens.py from the gguf library, whose tables are ggml's (MIT licence, © 2023-2026 The",
             "// ggml authors): one bit for each possible vector, four to a hexadecimal digit, lowest first."]
    for name, cls in classes.items():
        quant = getattr(gguf.quants, cls)
        quant.init_grid()
        levels = list(quant.grid_map)
        grid = quant.grid.reshape(quant.grid_shape)
        codes = [sum(levels.index(v) * len(levels) ** i for i, v in enumerate(vector)) for vector in grid.tolist()]
        assert codes == sorted(set(codes)), f"{cls}: the vectors are not in ascending order"
        possible = len(levels) ** grid.shape[1]
        digits = [0] * ((possible + 3) // 4)
        for code in codes:
            digits[code // 4] |= 1 << code % 4
        text = "".join(f"{d:x}" for d in digits)
        lines.append(f"constexpr const char* k{name} =")
        lines += [f'    "{text[i : i + 110]}"' for i in range(0, len(text), 110)]
        lines[-1] += ";"
    pathlib.Path(out).write_text("\n".join(lines) + "\n")


def make_seed(path, arch, rng):
    """A model of one layer in less than 4 KB, which is what the fuzz driver takes of a seed."""
    w = gguf.GGUFWriter(path, arch)
    mla = arch == "deepseek2"
    w.add_block_count(1), w.add_context_length(64), w.add_embedding_length(32), w.add_feed_forward_length(1)
    w.add_head_count(2), w.add_layer_norm_rms_eps(1e-6), w.add_rope_freq_base(10000.0), w.add_rope_dimension_count(2)
    tensors = {"token_embd.weight": (4, 32), "output_norm.weight": (32,), "blk.0.attn_q.weight": (8 if mla else 4, 32)}
    if mla:
        w.add_kv_lora_rank(4), w.add_key_length(6), w.add_value_length(4), w.add_key_length_mla(4), w.add_value_length_mla(2)
        w.add_head_count_kv(1), w.add_expert_count(2), w.add_expert_used_count(1), w.add_expert_shared_count(1)
        w.add_expert_feed_forward_length(1), w.add_leading_dense_block_count(0), w.add_expert_weights_scale(2.5)
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID), w.add_expert_weights_norm(True)
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN), w.add_rope_scaling_factor(4.0)
        w.add_rope_scaling_orig_ctx_len(16), w.add_rope_scaling_yarn_log_mul(0.1)
        tensors |= {"blk.0.attn_kv_a_mqa.weight": (6, 32), "blk.0.attn_kv_a_norm.weight": (4,),
                    "blk.0.attn_k_b.weight": (2, 4, 2), "blk.0.attn_v_b.weight": (2, 2, 4),
                    "blk.0.ffn_gate_inp.weight": (2, 32), "blk.0.exp_probs_b.bias": (2,),
                    "blk.0.ffn_gate_exps.weight": (2, 1, 32), "blk.0.ffn_down_exps.weight": (2, 32, 1)}
    else:
        w.add_head_count_kv(1), w.add_vocab_size(4), w.add_key_length(2), w.add_value_length(2)
        tensors |= {"blk.0.attn_output.weight": (32, 4), "blk.0.attn_k.weight": (2, 32), "blk.0.attn_v.weight": (2, 32),
                    "blk.0.ffn_gate.weight": (1, 32), "blk.0.ffn_down.weight": (32, 1), "rope_freqs.weight": (1,)}
    w.add_tokenizer_model("gpt2"), w.add_tokenizer_pre("deepseek-v3"), w.add_token_list(["<s>", "a", "b", "ab"])
    w.add_token_types([3, 1, 1, 1]), w.add_token_merges(["a b"]), w.add_bos_token_id(0), w.add_eos_token_id(0)
    w.add_add_bos_token(True), w.add_chat_template("{{ messages[0].content }}")
    for name, shape in tensors.items():
        values = np.ones(shape, np.float32) if name == "rope_freqs.weight" else rng.normal(0, 1, shape).astype(np.float32)
        if shape[-1] % 32 or len(shape) == 1:
            w.add_tensor(name, values)
        else:
            kind = Type.Q4_0 if "ffn" in name else Type.Q8_0
            w.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in ("--blocks", "--grids", "--seeds"):
        parser.add_argument(kind, metavar="OUT")
    args = parser.parse_args()
    if args.blocks:
        make_blocks(args.blocks)
    if args.grids:
        make_grids(args.grids)
    if args.seeds:
        pathlib.Path(args.seeds).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(15)
        for arch in ("llama", "deepseek2"):
            make_seed(pathlib.Path(args.seeds) / arch, arch, rng)


if __name__ == "__main__":
    main()
