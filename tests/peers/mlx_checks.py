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
for folder in sys.argv[1:]:
    model, _ = load_model(pathlib.Path(folder), strict=True)
    model.set_dtype(mx.float32)
    mx.eval(model(mx.array([[1, 2, 3, 4]])))
""",
    "mlx_vlm": """
import sys, pathlib, mlx.core as mx
from mlx_vlm.utils import load_model
for folder in sys.argv[1:]:
    model = load_model(pathlib.Path(folder), strict=True)
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


def convert(folder, *options, name="mlx-ours"):
    ours = fresh(name)
    scion("convert", folder, "--to", "mlx", "-o", ours, "--quiet", *options)
    return ours


def convert_peer(package, folder, *options):
    theirs = fresh("mlx-theirs")
    run(sys.executable, "-m", package, "convert", "--hf-path", folder, "--mlx-path", theirs, *options)
    return theirs


def same_folder(package, folder, our_options, their_options):
    text_only = ["--text-only"] if package == "mlx_lm" and has_tower(folder) else []
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


def has_tower(folder):
    return "vision_config" in config(folder)


def loads(package, *folders):
    done = subprocess.run([sys.executable, "-c", LOAD[package], *folders], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{package}: {done.stderr[-600:]}")


def loads_with_head(folder):
    for options in ((), ("--bits", "4")):
        ours = convert(folder, "--mtp", "keep", *options)
        equal(sum("mtp." in name for name in arrays(ours)) > 0, True, "head")
        loads("mlx_lm", ours)
        loads("mlx_vlm", ours)


def loads_from_others(folder):
    """Folders made of GGUF files, and of the Hugging Face folders that other formats became."""
    gguf, told, returned = os.path.join(WORK, "load.gguf"), fresh("told"), fresh("returned")
    scion("convert", folder, "-o", gguf, "--type", "bf16", "--force", "--quiet")
    scion("convert", gguf, "--to", "hf", "-o", told, "--quiet")
    scion("convert", convert(folder), "--to", "hf", "-o", returned, "--quiet")
    text = ("--text-only",) if has_tower(returned) else ()
    folders = [convert(gguf, name="a"), convert(gguf, "--bits", "4", name="b"), convert(told, name="c"),
               convert(returned, *text, name="d")]
    scion("convert", folder, "-o", gguf, "--type", "q8_0", "--force", "--quiet")
    loads("mlx_lm", *folders, convert(gguf, "--bits", "8", "--group-size", "32", name="e"))
    if text:
        loads("mlx_vlm", convert(returned), convert(returned, "--bits", "4", name="b"))


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
    for name, flags in (("tiny-llama", ()), ("tiny-qwen3", ()), ("tiny-qwen3moe", ("--per-expert",)), ("tiny-qwen35", ()),
                        ("tiny-qwen3next", ("--per-expert", "--no-mtp")), ("tiny-qwen35moe", ())):
        yield f"{name} loads from other formats", lambda n=name, f=flags: loads_from_others(complete(n, *f))
    yield "folders with a head load", lambda: loads_with_head(complete("tiny-qwen35"))
    if os.path.isdir(SHARED):
        for name in ("tiny-qwen35", "tiny-qwen35moe"):
            yield f"shared {name} loads from other formats", lambda n=name: loads_from_others(os.path.join(SHARED, n))
            yield f"quality of {name}", lambda n=name: same_quality(os.path.join(SHARED, n))
