# SPDX-License-Identifier: Apache-2.0
"""The gguf package reads scion's files, every key and every tensor's bytes; scion reads the package's."""
import os
import struct

import gguf
import numpy as np
import safetensors

from common import SHARED, WORK, equal, inspect, sample, scion


def convert(folder, *options):
    path = os.path.join(WORK, "out.gguf")
    scion("convert", folder, "-o", path, "--force", "--quiet", *options)
    return path


def source_bytes(folder):
    """Raw bytes of every tensor of a folder, read by the safetensors package."""
    found = {}
    for file in os.listdir(folder):
        if file.endswith(".safetensors"):
            with open(os.path.join(folder, file), "rb") as f:
                found.update({name: (e["dtype"], bytes(e["data"])) for name, e in safetensors.deserialize(f.read())})
    return found


def as_floats(dtype, data):
    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, {"F16": np.float16, "F32": np.float32}[dtype]).astype(np.float32)


def simple(value):
    """A key's value as JSON has it."""
    if isinstance(value, list):
        return [simple(v) for v in value]
    return value


def package_reads(folder, *options):
    """Every key and tensor: as scion describes its own file, and as the sources have the values."""
    path = convert(folder, *options)
    report = inspect(path)
    reader = gguf.GGUFReader(path)
    keys = {k: f for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    equal(set(report["metadata"]), set(keys), "keys")
    for key, field in keys.items():
        want, got = simple(field.contents()), report["metadata"][key]
        if isinstance(want, float):
            want, got = np.float32(want), np.float32(got)
        equal(got, want, key)
    ours = {t["name"]: t for t in report["tensors"]}
    equal(set(ours), {t.name for t in reader.tensors}, "tensors")
    for t in reader.tensors:
        equal(ours[t.name]["shape"], [int(n) for n in reversed(t.shape)], t.name)
        equal(ours[t.name]["type"], t.tensor_type.name.lower(), t.name)
        equal(ours[t.name]["nbytes"], int(t.n_bytes), t.name)
    return reader


# GGUF name -> end of the source name, for tensors whose values do not change
UNCHANGED = {"token_embd.weight": "embed_tokens.weight", "blk.0.ffn_down.weight": "layers.0.mlp.down_proj.weight"}


def values_agree(folder, *options):
    sources = source_bytes(folder)
    found = 0
    for t in package_reads(folder, *options).tensors:
        if t.name not in UNCHANGED:
            continue
        dtype, data = next(v for k, v in sources.items() if k.endswith(UNCHANGED[t.name]) and "mtp" not in k)
        want = as_floats(dtype, data)
        got = gguf.quants.dequantize(t.data, t.tensor_type).reshape(-1)
        bound = {"Q8_0": np.abs(want).max() / 127, "F16": np.abs(want).max() / 1024,
                 "BF16": 0 if dtype == "BF16" else np.abs(want).max() / 256}.get(t.tensor_type.name, 0)
        if not np.all(np.abs(got - want) <= bound):
            raise AssertionError(f"{t.name}: values differ by up to {np.abs(got - want).max()}, bound {bound}")
        found += 1
    if found == 0:
        raise AssertionError("no tensor was compared")


def split_is_read(folder):
    path = os.path.join(WORK, "split.gguf")
    scion("convert", folder, "-o", path, "--split-max-size", "300K", "--force", "--quiet")
    parts = sorted(f for f in os.listdir(WORK) if f.startswith("split-"))
    total = 0
    for i, part in enumerate(parts):
        reader = gguf.GGUFReader(os.path.join(WORK, part))
        equal(reader.fields["split.no"].contents(), i, "split.no")
        equal(reader.fields["split.count"].contents(), len(parts), "split.count")
        total += len(reader.tensors)
    equal(reader.fields["split.tensors.count"].contents(), total, "split.tensors.count")
    equal(inspect(os.path.join(WORK, parts[0]))["n_tensors"], total, "scion's count")


def grafts_are_read(target, donor, *options):
    """A quantized file that got a head, from a folder and from a GGUF file: what it had stays, what it got is counted."""
    whole, trunk, path = (os.path.join(WORK, n + ".gguf") for n in ("donor", "trunk", "grafted"))
    scion("convert", donor, "-o", whole, "--force", "--quiet", "--type", "q8_0")
    scion("convert", target, "-o", trunk, "--force", "--quiet", "--mtp", "drop", *options)
    before, theirs = gguf.GGUFReader(trunk), gguf.GGUFReader(whole)
    n = len(before.tensors)
    arch = before.fields["general.architecture"].contents()
    blocks = before.fields[f"{arch}.block_count"].contents()
    for source in (donor, whole):
        scion("graft", "--target", trunk, "--donor", source, "-o", path, "--force", "--quiet")
        after = gguf.GGUFReader(path)
        got = {t.name: t for t in after.tensors}
        for t in before.tensors:
            equal((got[t.name].tensor_type, got[t.name].data.tobytes()), (t.tensor_type, t.data.tobytes()), t.name)
        head = [t for t in theirs.tensors if t.name.startswith(f"blk.{blocks}.")]
        equal(len(got), n + len(head), "tensors")
        for t in head:
            values = (gguf.quants.dequantize(x.data, x.tensor_type) for x in (t, got[t.name]))
            equal(next(values).tobytes(), next(values).tobytes(), t.name)
        equal(after.fields[f"{arch}.block_count"].contents(), blocks + 1, "block_count")
        equal(after.fields[f"{arch}.nextn_predict_layers"].contents(), 1, "nextn_predict_layers")
        scion("mtp", "remove", path, "-o", whole + ".out", "--force", "--quiet")
        with open(whole + ".out", "rb") as a, open(trunk, "rb") as b:
            equal(a.read() == b.read(), True, "without the head again")


def edits_are_read(folder):
    path, out = convert(folder), os.path.join(WORK, "edited.gguf")
    want = {"general.name": "Ä", "t.ints": [1, -2], "t.strs": ["a", ""], "t.f64": 0.1, "t.u8": 200, "t.flag": True}
    scion("edit", path, "-o", out, "--force", "--quiet", "--set", "general.name=Ä", "--set", "t.ints=[1, -2]", "--set",
          't.strs=["a", ""]', "--set", "t.f64=f64:0.1", "--set", "t.u8=u8:200", "--set", "t.flag=true", "--remove", "general.size_label")
    before, after = gguf.GGUFReader(path), gguf.GGUFReader(out)
    for key, value in want.items():
        equal(after.fields[key].contents(), value, key)
    equal("general.size_label" in after.fields, False, "the removed key")
    for a, b in zip(before.tensors, after.tensors, strict=True):
        equal((a.name, a.data.tobytes()), (b.name, b.data.tobytes()), "tensor")


def scion_reads_package():
    path = os.path.join(WORK, "package.gguf")
    w = gguf.GGUFWriter(path, "llama")
    want = {"general.architecture": "llama", "t.u8": 200, "t.i8": -5, "t.u16": 65535, "t.i16": -300, "t.u32": 4000000000,
            "t.i32": -7, "t.u64": 2**53 - 1, "t.i64": -(2**40), "t.f32": 0.5, "t.f64": 0.1, "t.bool": True,
            "t.str": "é\n\"", "t.ints": [1, 2, 3], "t.strs": ["a", "", "ü"], "t.floats": [0.25, -1.0], "t.bools": [True, False]}
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -5)
    w.add_uint16("t.u16", 65535)
    w.add_int16("t.i16", -300)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -7)
    w.add_uint64("t.u64", 2**53 - 1)
    w.add_int64("t.i64", -(2**40))
    w.add_float32("t.f32", 0.5)
    w.add_float64("t.f64", 0.1)
    w.add_bool("t.bool", True)
    w.add_string("t.str", want["t.str"])
    for key in ("t.ints", "t.strs", "t.floats", "t.bools"):
        w.add_array(key, want[key])
    rng = np.random.default_rng(2)
    shapes = {}
    for t in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.BF16,
              gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q5_1):
        data = gguf.quants.quantize(rng.standard_normal((4, 64)).astype(np.float32), t)
        w.add_tensor(f"t.{t.name}", data, raw_dtype=t)
        shapes[f"t.{t.name}"] = ([4, 64], t.name.lower(), data.nbytes)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    report = inspect(path)
    equal(report["metadata"], want, "metadata")
    equal({t["name"]: (t["shape"], t["type"], t["nbytes"]) for t in report["tensors"]}, shapes, "tensors")


def magic_is_version_3():
    with open(convert(sample("tiny-llama")), "rb") as f:
        equal(struct.unpack("<4sI", f.read(8)), (b"GGUF", 3), "magic")


def checks():
    for name, flags in (("tiny-qwen35", ()), ("tiny-qwen35moe", ("--per-expert",)), ("tiny-qwen3next", ("--per-expert",)),
                        ("tiny-llama", ()), ("tiny-qwen3", ()), ("tiny-qwen3moe", ())):
        for kind in ("bf16", "f16", "f32", "q8_0"):
            yield f"gguf reads {name} {kind}", lambda n=name, f=flags, k=kind: values_agree(sample(n, *f), "--type", k)
    yield "gguf reads a head alone", lambda: package_reads(sample("tiny-qwen35"), "--mtp", "only")
    yield "gguf reads a vision tower", lambda: package_reads(sample("tiny-qwen35"), "--mmproj")
    yield "gguf reads a split set", lambda: split_is_read(sample("tiny-qwen35"))
    yield "gguf reads an edited file", lambda: edits_are_read(sample("tiny-qwen35"))
    for name, flags in (("tiny-qwen35", ()), ("tiny-qwen35moe", ("--per-expert",)), ("tiny-qwen3next", ("--per-expert",))):
        yield (f"gguf reads a head of quantized {name}",
               lambda n=name, f=flags: grafts_are_read(sample(n, "--seed", "2", "--no-mtp"), sample(n, *f), "--type", "Q4_K_M"))
    yield "gguf sees version 3", magic_is_version_3
    yield "scion reads a file of the gguf package", scion_reads_package
    if os.path.isdir(SHARED):
        for name in ("tiny-qwen35", "tiny-qwen35moe", "tiny-ornith"):
            yield f"gguf reads shared {name}", lambda n=name: values_agree(os.path.join(SHARED, n), "--type", "bf16")
