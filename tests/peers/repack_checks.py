# SPDX-License-Identifier: Apache-2.0
"""Blocks that change their form between GGUF and MLX: each side's own package decodes its file, to the same bits."""
import json
import os
import re
import shutil

import gguf
import mlx.core as mx
import numpy as np

from common import SHARED, WORK, equal, sample, scion
from mlx_checks import convert, convert_peer

# Tensors whose rows and columns lie alike in both: GGUF's name, the module's end in MLX.
ALIKE = (("token_embd", "embed_tokens"), ("output", "lm_head"), (r"blk\.(\d+)\.ffn_(gate|up|down)", r"layers.\1.mlp.\2_proj"),
         (r"blk\.(\d+)\.ffn_(gate|up|down)_exps", r"layers.\1.mlp.switch_mlp.\2_proj"))


def module(name):
    for pattern, end in ALIKE:
        if re.fullmatch(pattern + r"\.weight", name):
            return re.sub(pattern + r"\.weight", end, name)
    return None


def decoded(folder):
    """Of every quantized module, in float32: 16-bit scales as the numbers that they are."""
    arrays, out = {}, {}
    for file in sorted(os.listdir(folder)):
        if file.endswith(".safetensors"):
            arrays.update(mx.load(os.path.join(folder, file)))
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        settings = json.load(f)["quantization"]
    for name, scales in arrays.items():
        if not name.endswith(".scales"):
            continue
        path = name.removesuffix(".scales")
        biases = arrays.get(path + ".biases")
        own = {k: settings.get(path, settings).get(k, "affine") for k in ("group_size", "bits", "mode")}
        if biases is not None:
            scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
        out[path] = np.array(mx.dequantize(arrays[path + ".weight"], scales, biases, **own).astype(mx.float32))
    return out


def same_values(path, folder, kind):
    ours, n = decoded(folder), 0
    for t in gguf.GGUFReader(path).tensors:
        end = module(t.name)
        if t.tensor_type.name != kind or not end:
            continue
        found = [v for k, v in ours.items() if k.endswith(end)]
        if not found:
            continue
        values = gguf.quants.dequantize(t.data, t.tensor_type)
        equal(np.array_equal(values, found[0].reshape(values.shape)), True, f"values of {t.name}")
        n += 1
    equal(n > 2, True, f"{n} tensors compared")


def quantized_data(path, kind):
    return {t.name: t.data.tobytes() for t in gguf.GGUFReader(path).tensors if t.tensor_type.name == kind}


def make_gguf(source, name, kind):
    path = os.path.join(WORK, name)
    scion("convert", source, "-o", path, "--recipe", "Q4_0", "--pure", "--tensor-type", f".={kind.lower()}", "--mtp", "drop",
          "--force", "--quiet")
    return path


def there_and_back(folder, kind, *setting):
    path = make_gguf(folder, "a.gguf", kind)
    ours = convert(path, *setting)
    same_values(path, ours, kind)
    equal(quantized_data(make_gguf(ours, "b.gguf", kind), kind), quantized_data(path, kind), "blocks")


def from_their_folder(folder, kind, ours, *setting):
    """What mlx_lm quantized becomes GGUF's blocks, and those MLX's again."""
    theirs = convert_peer("mlx_lm", folder, "-q", *setting)
    kept = os.path.join(WORK, "theirs")
    shutil.rmtree(kept, ignore_errors=True)
    os.rename(theirs, kept)
    path = make_gguf(kept, "a.gguf", kind)
    same_values(path, kept, kind)
    same_values(path, convert(path, *ours), kind)


def checks():
    folders = [sample("tiny-qwen35"), sample("tiny-qwen35moe")]
    if os.path.isdir(SHARED):
        folders = [os.path.join(SHARED, name) for name in ("tiny-qwen35", "tiny-qwen35moe")]
    for folder in folders:
        name = os.path.basename(folder)
        for kind, setting in (("Q4_0", ("--bits", "4", "--group-size", "32")), ("Q4_1", ("--bits", "4", "--group-size", "32")),
                              ("Q8_0", ("--bits", "8", "--group-size", "32")), ("MXFP4", ("--mode", "mxfp4"))):
            yield f"{name}: {kind} to MLX and back", lambda f=folder, k=kind, s=setting: there_and_back(f, k, *s)
        for group in ("32", "64"):
            yield f"{name}: MLX's groups of {group} to Q4_1 and back", lambda f=folder, g=group: from_their_folder(
                f, "Q4_1", ("--bits", "4", "--group-size", "32"), "--q-group-size", g)
        yield f"{name}: MLX's mxfp4 to MXFP4 and back", lambda f=folder: from_their_folder(
            f, "MXFP4", ("--mode", "mxfp4"), "--q-mode", "mxfp4")
