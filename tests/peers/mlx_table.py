# SPDX-License-Identifier: Apache-2.0
"""The table of docs/mlx.md: tests/peers/run BUILD_DIR mlx_table FOLDER"""
import os
import sys

from common import SHARED
from mlx_checks import arrays, convert, convert_peer
from mlx_quality import log_probs, measure, windows

SETTINGS = [
    "--bits 8 --group-size 64", "--bits 6 --group-size 64", "--bits 5 --group-size 64",
    "--bits 4 --group-size 32", "--bits 4 --group-size 64", "--bits 4 --group-size 128",
    "--bits 3 --group-size 64", "--bits 2 --group-size 64", "--mode mxfp8", "--mode mxfp4", "--mode nvfp4",
]
MEASURED_TOO = "--bits 4 --group-size 64"  # also mlx_lm's own folder, which it makes with -q alone


def row(label, folder, numbers, note):
    size = sum(len(data) for _, _, data in arrays(folder).values())
    kl, tail, same, ppl = numbers
    print(f"| {label} | {size / 1e6:.1f} | {kl:.5f} | {tail:.4f} | {100 * same:.2f} % | {ppl:.3f} | {note} |", flush=True)


def table(model):
    with open(os.path.join(SHARED, "heldout.txt"), encoding="utf-8") as f:
        text = f.read()
    plain = convert(model, "--text-only")
    tokens = windows(plain, text)
    base = log_probs(plain, tokens)
    print("| options | MB | mean KLD | 99 % KLD | same first choice | perplexity | arrays |\n|---|---|---|---|---|---|---|")
    for options in ["--type bf16"] + SETTINGS:
        ours = convert(model, "--text-only", *options.split())
        asked = ["-q", *options.replace("--", "--q-").split()] if options in SETTINGS else []
        theirs = convert_peer("mlx_lm", model, *asked)
        same = "as mlx_lm's" if arrays(ours) == arrays(theirs) else "differ from mlx_lm's"
        row(f"`{options}`", ours, measure(base, log_probs(ours, tokens), tokens), same)
        if options == MEASURED_TOO:
            theirs = convert_peer("mlx_lm", model, "-q")
            row("`mlx_lm convert -q`", theirs, measure(base, log_probs(theirs, tokens), tokens), "")


table(sys.argv[4])
