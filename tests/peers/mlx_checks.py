# SPDX-License-Identifier: Apache-2.0
"""MLX folders against those that mlx_lm's and mlx_vlm's own convert make of the same checkpoints, array by array;
their loaders, strict; and quality against the unquantized folder."""
import json
import os
import shutil
import subprocess
import sys

from common import SHARED, WORK, equal, run, sample, scion

os.environ["HF_HUB_OFFLINE"] = "1"

LOAD = {
    "mlx_lm": """
import sys, pathlib, mlx.core as mx
from mlx_lm.utils import load_model
model, _ = load_model(pathlib.Path(sys.argv[1]), strict=True)
model.set_dtype(mx.float32)
mx.eval(model(mx.array([[1, 2, 3, 4]])))
""",
    "mlx_vlm": """
import sys, pathlib, mlx.core as mx
from mlx_vlm.utils import load_model
model = load_model(pathlib.Path(sys.argv[1]), strict=True)
model.set_dtype(mx.float32)
mx.eval(model(mx.array([[1, 2, 3, 4]]), None, None).logits)
""",
}


def config(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        return json.load(f)


def complete(name, *flags):
    """A bundled sample with the keys that mlx_lm's classes want."""
    folder = sample(name, *flags)
    keys = {"decoder_sparse_step": 1, "mlp_only_layers": [], "norm_topk_prob": True, **config(folder)}
    if name in ("tiny-qwen3moe", "tiny-qwen3next"):
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
            json.dump(keys, f, indent=2)
    return folder


def arrays(folder):
    out = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".safetensors"):
            continue
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        start = 8 + int.from_bytes(data[:8], "little")
        for key, value in json.loads(data[8:start]).items():
            if key != "__metadata__":
                first, last = value["data_offsets"]
                out[key] = value["dtype"], value["shape"], data[start + first : start + last]
    return out


def fresh(name):
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def convert(folder, *options):
    ours = fresh("mlx-ours")
    scion("convert", folder, "--to", "mlx", "-o", ours, "--quiet", *options)
    return ours


def convert_peer(package, folder, *options):
    theirs = fresh("mlx-theirs")
    run(sys.executable, "-m", package, "convert", "--hf-path", folder, "--mlx-path", theirs, *options)
    return theirs


def same_folder(package, folder, our_options, their_options):
    text_only = ["--text-only"] if package == "mlx_lm" and "vision_config" in config(folder) else []
    ours, theirs = convert(folder, *our_options, *text_only), convert_peer(package, folder, *their_options)
    got, want = arrays(ours), arrays(theirs)
    equal(sorted(got), sorted(want), "names")
    for name in want:
        equal(got[name][:2], want[name][:2], name)
        equal(got[name][2] == want[name][2], True, f"values of {name}")
    for key in ("quantization", "quantization_config", "eos_token_id"):
        equal(config(ours).get(key), config(theirs).get(key), key)
    for package in ("mlx_lm", "mlx_vlm") if package == "mlx_vlm" else ("mlx_lm",):
        loads(package, ours)


def loads(package, folder):
    done = subprocess.run([sys.executable, "-c", LOAD[package], folder], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{package}: {done.stderr[-600:]}")


def loads_with_head(folder):
    for options in ((), ("--bits", "4")):
        ours = convert(folder, "--mtp", "keep", *options)
        equal(sum("mtp." in name for name in arrays(ours)) > 0, True, "head")
        loads("mlx_lm", ours)
        loads("mlx_vlm", ours)


def same_quality(folder):
    from mlx_quality import log_probs, measure, windows

    with open(os.path.join(SHARED, "heldout.txt"), encoding="utf-8") as f:
        text = f.read()
    plain = convert(folder, "--text-only")
    tokens = windows(plain, text, 2048)
    base = log_probs(plain, tokens)
    ours = measure(base, log_probs(convert(folder, "--text-only", "--bits", "4"), tokens), tokens)
    theirs = measure(base, log_probs(convert_peer("mlx_lm", folder, "-q"), tokens), tokens)
    equal(ours, theirs, "divergence and perplexity")
    equal(0 < ours[0] < 0.1 and ours[2] > 0.8, True, f"plausible {ours}")


SETTINGS = [
    ((), ()),
    (("--bits", "4"), ("-q",)),
    (("--bits", "3", "--group-size", "128"), ("-q", "--q-bits", "3", "--q-group-size", "128")),
    (("--mode", "mxfp4"), ("-q", "--q-mode", "mxfp4")),
    (("--mode", "mxfp8"), ("-q", "--q-mode", "mxfp8")),
    (("--mode", "nvfp4"), ("-q", "--q-mode", "nvfp4")),
    (("--bits", "4", "--dtype", "f16"), ("-q", "--dtype", "float16")),
    (("--type", "f32"), ("--dtype", "float32")),
]


def cases():
    for name, flags in (("tiny-llama", ()), ("tiny-qwen3", ()), ("tiny-qwen3moe", ("--per-expert",)),
                        ("tiny-qwen3next", ("--per-expert",))):
        for ours, theirs in SETTINGS[:2]:
            yield "mlx_lm", name, lambda n=name, f=flags: complete(n, *f), ours, theirs
    for package in ("mlx_lm", "mlx_vlm"):
        for ours, theirs in SETTINGS:
            yield package, "tiny-qwen35", lambda: complete("tiny-qwen35"), ours, theirs
    if os.path.isdir(SHARED):
        for package in ("mlx_lm", "mlx_vlm"):
            for name in ("tiny-qwen35", "tiny-qwen35moe"):
                for ours, theirs in SETTINGS[:6]:
                    yield package, f"shared {name}", lambda n=name: os.path.join(SHARED, n), ours, theirs


def checks():
    for package, name, folder, ours, theirs in cases():
        label = " ".join((name, *ours))
        yield f"{package} converts {label}", lambda p=package, f=folder, o=ours, t=theirs: same_folder(p, f(), o, t)
    yield "folders with a head load", lambda: loads_with_head(complete("tiny-qwen35"))
    if os.path.isdir(SHARED):
        for name in ("tiny-qwen35", "tiny-qwen35moe"):
            yield f"quality of {name}", lambda n=name: same_quality(os.path.join(SHARED, n))
