# SPDX-License-Identifier: Apache-2.0
"""llama.cpp itself loads scion's files and decodes a few tokens, each in a process of its own."""
import os
import subprocess
import sys

from common import SHARED, WORK, sample, scion

DECODE = """
import sys
import xllamacpp

p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.n_ctx = 128
p.n_parallel = 1
p.warmup = False
p.verbosity = 0
p.cpuparams.n_threads = 2
reply = xllamacpp.Server(p).handle_completions({"prompt": "The meaning of", "n_predict": 4, "temperature": 0})
count = reply["usage"]["completion_tokens"]
sys.exit(0 if 1 <= count <= 4 else f"{count} tokens came back")
"""


def loads(folder, *options):
    path = os.path.join(WORK, "load.gguf")
    scion("convert", folder, "-o", path, "--force", "--quiet", *options)
    decodes(path)


def decodes(path):
    done = subprocess.run([sys.executable, "-c", DECODE, path], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stderr[-600:])


def pruned_loads(folder, blocks):
    whole, path = os.path.join(WORK, "whole.gguf"), os.path.join(WORK, "load.gguf")
    scion("convert", folder, "-o", whole, "--force", "--quiet")
    scion("edit", whole, "-o", path, "--force", "--quiet", "--prune-layers", blocks)
    decodes(path)


def grafted_loads(target, donor, *options):
    whole, path = os.path.join(WORK, "whole.gguf"), os.path.join(WORK, "load.gguf")
    scion("convert", target, "-o", whole, "--force", "--quiet", "--mtp", "drop", *options)
    scion("graft", "--target", whole, "--donor", donor, "-o", path, "--force", "--quiet")
    decodes(path)
    scion("convert", target, "--graft", donor, "-o", path, "--force", "--quiet", "--mtp", "keep", *options)
    decodes(path)


def checks():
    for name, flags in (("tiny-qwen35", ()), ("tiny-qwen35", ("--no-mtp",)), ("tiny-qwen35moe", ("--per-expert",)),
                        ("tiny-qwen3next", ("--per-expert",)), ("tiny-llama", ()), ("tiny-qwen3", ()), ("tiny-qwen3moe", ())):
        label = " ".join((name,) + flags)
        yield f"llama.cpp loads {label}", lambda n=name, f=flags: loads(sample(n, *f))
    for name, blocks in (("tiny-qwen35", "4"), ("tiny-llama", "0"), ("tiny-qwen3moe", "1")):
        yield f"llama.cpp loads {name} without {blocks}", lambda n=name, b=blocks: pruned_loads(sample(n), b)
    yield "llama.cpp loads q8_0", lambda: loads(sample("tiny-qwen35"), "--type", "q8_0")
    if os.path.isdir(SHARED):
        for name in sorted(os.listdir(SHARED)):
            if name in ("tiny-qwen35", "tiny-ornith"):
                yield f"llama.cpp loads shared {name} without 1-4", lambda n=name: pruned_loads(os.path.join(SHARED, n), "1-4")
            if name.startswith("tiny-ornith"):
                donor = os.path.join(SHARED, name.replace("tiny-ornith-", "tiny-qwen35").replace("tiny-ornith", "tiny-qwen35"))
                for options in ((), ("--type", "Q4_K_M")):
                    yield (f"llama.cpp loads shared {name} with a head {' '.join(options)}",
                           lambda n=name, d=donor, o=options: grafted_loads(os.path.join(SHARED, n), d, *o))
            if name.startswith("tiny-"):
                yield f"llama.cpp loads shared {name}", lambda n=name: loads(os.path.join(SHARED, n))
