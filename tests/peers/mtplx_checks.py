# SPDX-License-Identifier: Apache-2.0
"""Heads beside MLX folders: MTPLX's own inspection accepts every form, its runtime loads them completely, and what they
draft is the same whatever layout and encoding of norms they are stored in."""
import json
import os
import shutil
import subprocess
import sys

from common import SHARED, WORK, equal, sample, scion

# Options of scion graft, the tensors that MTPLX counts for a dense model and for a mixture of E experts, and the name
# it has for the form.
DENSE = [
    ((), 15, "bf16"),
    (("--policy", "cyankiwi"), 29, "prequantized-mlx-affine"),
    (("--policy", "all", "--bits", "8"), 31, "prequantized-mlx-affine"),
    (("--policy", "all", "--at-load"), 15, "bf16"),
    (("--side-car", "optiq"), 29, "prequantized-mlx-affine"),
    (("--store-norms", "delta", "--dtype", "f16"), 15, "fp16"),
]
MIXTURE = [
    ((), lambda e: 20, "bf16-qwen-moe-switch-mlx"),
    (("--policy", "cyankiwi"), lambda e: 42, "prequantized-mlx-affine-qwen-moe-switch-mlx"),
    (("--policy", "all"), lambda e: 46, "prequantized-mlx-affine-qwen-moe-switch-mlx"),
    (("--experts", "fused"), lambda e: 19, "bf16-qwen-moe"),
    (("--side-car", "optiq"), lambda e: 37, "prequantized-mlx-affine-qwen-moe"),
    (("--experts", "split", "--store-norms", "delta"), lambda e: 17 + 3 * e, "bf16-qwen-moe-experts"),
    (("--experts", "split", "--bits", "4"), lambda e: 17 + 9 * e, "prequantized-mlx-affine-qwen-moe-experts"),
]

EVIDENCE = {
    "mtplx_version": "2.12.2",
    "mtp_depth_max": 1,
    "recommended_profile": "stable",
    "exactness_baseline": {},
    "verified_on": {"hardware": "none: a test of this file's form"},
    "speed_evidence": {"depth": 1},
}

# Loads each folder in MTPLX's way, in float32 as the CPU wants it, and prints how often the head's first choice for the
# token after the next is the trunk's; names that were not loaded are an error.
DRAFT = """
import json, pathlib, sys
import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model
from mtplx import mtp_patch
from tokenizers import Tokenizer

text = open(sys.argv[1], encoding="utf-8").read(6000)
for path in map(pathlib.Path, sys.argv[2:]):
    model, _ = load_model(path, strict=True)
    config = json.loads((path / "config.json").read_text())
    loaded = []
    original = mtp_patch._finalize_mtp_weights
    def finalize(*args, **options):
        weights = original(*args, **options)
        loaded.extend(weights)
        return weights
    mtp_patch._finalize_mtp_weights = finalize
    contract = mtp_patch.MTPContract().with_config_defaults(config)
    if not mtp_patch.inject_mtp_support(model, path, config, contract):
        raise SystemExit(f"{path}: no head")
    mtp_patch._finalize_mtp_weights = original
    head = model.language_model.mtp
    wanted = {name for name, _ in tree_flatten(head.parameters())}
    if not contract.mtp_prequantized and contract.mtp_quant_bits:
        wanted = set(loaded)  # quantized after loading
    if wanted != set(loaded):
        raise SystemExit(f"{path}: {sorted(wanted ^ set(loaded))[:6]}")
    model.set_dtype(mx.float32)
    head.set_dtype(mx.float32)
    tokens = mx.array(Tokenizer.from_file(str(path / "tokenizer.json")).encode(text).ids[:256])[None]
    logits, hidden = model(tokens, return_hidden=True)
    drafts = model.language_model.mtp_forward(hidden[:, :-1], tokens[:, 1:])
    same = np.array(mx.argmax(drafts, -1)) == np.array(mx.argmax(logits, -1))[:, 1:]
    print(float(same.mean()))
"""


def fresh(name):
    path = os.path.join(WORK, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def folder(target, donor, name, options):
    out = fresh(name)
    scion("graft", "--target", target, "--donor", donor, "-o", out, "--quiet", *options)
    return out


def mlx(source, name, *options):
    out = fresh(name)
    scion("convert", source, "--to", "mlx", "-o", out, "--quiet", *options)
    return out


def accepts(path, count, form):
    from mtplx.artifacts import inspect_model

    found = inspect_model(path)
    head = found.mtp
    equal(head.missing_expected_keys, (), "missing")
    equal(head.extra_keys, (), "extra")
    equal((head.passes_tensor_gate, head.tensor_count, head.sidecar_format), (True, count, form), "head")
    equal(found.compatibility["can_run"], True, "can_run")
    equal(found.compatibility["exit_code"], 0, found.compatibility.get("message"))
    return found.compatibility


def inspects():
    for kind, forms in (("tiny-qwen35", DENSE), ("tiny-qwen35moe", MIXTURE)):
        donor, target = sample(kind), mlx(sample(kind, "--no-mtp"), "mtplx-target", "--bits", "4")
        with open(os.path.join(donor, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        experts = config.get("text_config", config).get("num_experts")
        for options, count, form in forms:
            path = folder(target, donor, "mtplx", options)
            accepts(path, count(experts) if experts else count, form)


def verified():
    donor, target = sample("tiny-qwen35"), mlx(sample("tiny-qwen35", "--no-mtp"), "mtplx-target")
    path, evidence = folder(target, donor, "mtplx", ()), os.path.join(WORK, "evidence.json")
    equal(accepts(path, 15, "bf16")["tier"], "family-compatible-unverified", "tier")
    with open(evidence, "w", encoding="utf-8") as f:
        json.dump(EVIDENCE, f)
    scion("mtp", "runtime", path, "--evidence", evidence, "-o", os.path.join(path, "mtplx_runtime.json"), "--quiet")
    equal(accepts(path, 15, "bf16")["tier"], "verified", "tier")
    from mtplx.commands.forge import _verification_artifact_fingerprint
    from pathlib import Path

    with open(os.path.join(path, "mtplx_runtime.json"), encoding="utf-8") as f:
        said = json.load(f)["speed_evidence"]["artifact_fingerprint"]
    equal(said, _verification_artifact_fingerprint(Path(path)), "fingerprint")


def drafts(target, donor, forms):
    """The first form is the measure; what is quantized drafts nearly as well."""
    base = mlx(os.path.join(SHARED, target), "mtplx-target", "--bits", "4")
    paths = [folder(base, os.path.join(SHARED, donor), f"mtplx{i}", f[0]) for i, f in enumerate(forms)]
    done = subprocess.run([sys.executable, "-c", DRAFT, os.path.join(SHARED, "heldout.txt"), *paths],
                          capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise AssertionError(done.stderr[-800:])
    agreement = [float(line) for line in done.stdout.split()]
    equal(len(agreement), len(forms), "folders")
    equal(agreement[0] > 0.4, True, f"drafts at all: {agreement}")
    for (options, _, form), got in zip(forms, agreement):
        near = 0.05 if "prequantized" in form or "--at-load" in options else 0.005
        equal(abs(got - agreement[0]) <= near, True, f"{options}: {agreement}")


def checks():
    yield "MTPLX inspects", inspects
    yield "MTPLX verifies", verified
    if os.path.isdir(SHARED):
        yield "MTPLX drafts", lambda: drafts("tiny-ornith", "tiny-qwen35", DENSE)
        yield "MTPLX drafts with experts", lambda: drafts("tiny-ornith-moe", "tiny-qwen35moe", MIXTURE)
