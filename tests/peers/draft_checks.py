# SPDX-License-Identifier: Apache-2.0
"""llama.cpp drafts with heads that scion gave to trained models: whichever way they came there, and as the head of the
reference converter's file, the same tokens are drafted and accepted."""
import hashlib
import json
import os
import subprocess
import sys

from common import SHARED, WORK, equal, scion

EXPECTED = os.path.join(SHARED, "..", "expected", "convert.json")
PAIRS = (("tiny-ornith", "tiny-qwen35"), ("tiny-ornith-moe", "tiny-qwen35moe"))

DRAFT = """
import json
import sys
import xllamacpp

p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.n_ctx = 256
p.n_parallel = 1
p.warmup = False
p.verbosity = 0
p.cpuparams.n_threads = 2
if sys.argv[2] != "no":
    p.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_MTP]
if len(sys.argv) > 3:
    p.speculative.draft.mparams.path = sys.argv[3]
reply = xllamacpp.Server(p).handle_completions({"prompt": "The meaning of", "n_predict": 64, "temperature": 0})
t = reply["timings"]
print(json.dumps([reply["choices"][0]["text"], t.get("draft_n", 0), t.get("draft_n_accepted", 0)]))
"""


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


known = {}  # the same bytes give the same


def complete(path, *how):
    """The text, and how many tokens were drafted and accepted on the way."""
    key = digest(path), how[:1], *map(digest, how[1:])
    if key not in known:
        known[key] = run_alone(path, *how)
    return known[key]


def run_alone(path, *how):
    done = subprocess.run([sys.executable, "-c", DRAFT, path, *how], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stderr[-600:])
    return json.loads(done.stdout.splitlines()[-1])


def drafted(path, *how):
    text, tried, accepted = complete(path, "yes", *how)
    if not 0 < accepted <= tried:
        raise AssertionError(f"{path}: {accepted} of {tried} tokens were accepted")
    equal(text, complete(path, "no")[0], "text with drafts and without")
    return tried, accepted


def out(name):
    return os.path.join(WORK, "draft-" + name)


def grafted(target, donor, folder, *options):
    """The grafted folder, under the target's name."""
    path = out(os.path.join(folder, os.path.basename(target)))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    scion("graft", "--target", target, "--donor", donor, "-o", path, "--force", "--quiet", *options)
    return path


def to_gguf(folder, name, *options):
    path = out(name + ".gguf")
    scion("convert", folder, "-o", path, "--force", "--quiet", *options)
    return path


def all_ways_draft_alike(name, donor_name):
    target, donor = os.path.join(SHARED, name), os.path.join(SHARED, donor_name)
    bf16 = "--type", "bf16"
    steps = to_gguf(grafted(target, donor, "folder"), "steps", *bf16)
    with open(EXPECTED, encoding="utf-8") as f:
        equal(digest(steps), json.load(f)[name + "-grafted-bf16.gguf"]["sha256"], "the reference converter's file")
    want = drafted(steps)
    equal(drafted(to_gguf(target, "pass", *bf16, "--graft", donor)), want, "grafted while converting")
    whole, headless, into = to_gguf(donor, "whole", *bf16), to_gguf(target, "headless", *bf16), out("into.gguf")
    scion("graft", "--target", headless, "--donor", whole, "-o", into, "--force", "--quiet")
    equal(drafted(into), want, "grafted from one GGUF file into another")


def donor_drafts_alone(name):
    donor = os.path.join(SHARED, name)
    want = drafted(to_gguf(donor, "whole"))
    head, trunk = out("head.gguf"), out("trunk.gguf")
    scion("mtp", "extract", donor, "-o", head, "--force", "--quiet")
    scion("mtp", "remove", out("whole.gguf"), "-o", trunk, "--force", "--quiet")
    equal(drafted(trunk, head), want, "trunk and head in files of their own")


def quantized_drafts(name, donor_name):
    target, donor = os.path.join(SHARED, name), os.path.join(SHARED, donor_name)
    path = out("q.gguf")
    trunk = to_gguf(target, "trunk-q", "--type", "Q4_K_M")
    scion("graft", "--target", trunk, "--donor", donor, "-o", path, "--force", "--quiet")
    equal(drafted(to_gguf(target, "pass-q", "--type", "Q4_K_M", "--mtp-type", "q8_0", "--graft", donor)), drafted(path),
          "grafted into a quantized file, and while it is made")


def wrong_norms_are_noticed(name, donor_name):
    """That the numbers tell something: norms that are off by 1 draft next to nothing."""
    target, donor = os.path.join(SHARED, name), os.path.join(SHARED, donor_name)
    right = complete(to_gguf(target, "right", "--graft", donor), "yes")
    wrong = complete(to_gguf(target, "wrong", "--graft", donor, "--graft-norms", "absolute"), "yes")
    equal(wrong[0], right[0], "text")
    if wrong[2] * right[1] * 4 > right[2] * wrong[1]:
        raise AssertionError(f"{wrong[2]} of {wrong[1]} tokens accepted with wrong norms, {right[2]} of {right[1]} with right ones")


def checks():
    for target, donor in PAIRS if os.path.exists(EXPECTED) else ():
        yield f"llama.cpp drafts with {target}'s new head", lambda t=target, d=donor: all_ways_draft_alike(t, d)
        yield f"llama.cpp drafts with {donor}'s own head", lambda d=donor: donor_drafts_alone(d)
        yield f"llama.cpp drafts with a head of quantized {target}", lambda t=target, d=donor: quantized_drafts(t, d)
        yield f"llama.cpp drafts badly with {target}'s norms off by 1", lambda t=target, d=donor: wrong_norms_are_noticed(t, d)
