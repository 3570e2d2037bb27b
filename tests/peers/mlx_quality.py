# SPDX-License-Identifier: Apache-2.0
"""How far an MLX folder is from another: divergence of the next token's distribution on held-out text."""
import json
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.utils import dequantize_model, load_model, load_tokenizer

WINDOW, BATCH = 128, 64  # MLX steps through linear attention token by token on a CPU


def windows(folder, text, limit=None):
    tokens = load_tokenizer(Path(folder)).encode(text)[:limit]
    n = len(tokens) // WINDOW
    return mx.array(np.array(tokens[: n * WINDOW]).reshape(n, WINDOW))


def log_probs(folder, tokens):
    """Of every position but the last, window by window. In float32, as MLX's CPU has experts in no other type; the
    codes become numbers once, as it is slow with codes."""
    model, _ = load_model(Path(folder), strict=True)
    model.set_dtype(mx.float32)
    if "quantization" in json.loads((Path(folder) / "config.json").read_text(encoding="utf-8")):
        model = dequantize_model(model)
        model.set_dtype(mx.float32)
    out = []
    for i in range(0, tokens.shape[0], BATCH):
        logits = model(tokens[i : i + BATCH])[:, :-1].astype(mx.float32)
        out.append(np.array(nn.log_softmax(logits, axis=-1)).reshape(-1, logits.shape[-1]))
    return np.concatenate(out)


def measure(base, other, tokens):
    """Mean and 99th percentile of the divergence from base (nats), agreement on the first choice, perplexity."""
    next_token = np.array(tokens[:, 1:]).reshape(-1)
    kl = (np.exp(base) * (base - other)).sum(-1)
    return (
        float(kl.mean()),
        float(np.percentile(kl, 99)),
        float((base.argmax(-1) == other.argmax(-1)).mean()),
        float(np.exp(-other[np.arange(next_token.size), next_token].mean())),
    )
