# SPDX-License-Identifier: Apache-2.0
"""The safetensors package reads mksample's files; scion reads the package's."""
import os

import numpy as np
import safetensors
import safetensors.numpy

from common import WORK, equal, inspect, sample

NUMPY_TYPES = {
    "bool": np.bool_, "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16, "u32": np.uint32,
    "i32": np.int32, "u64": np.uint64, "i64": np.int64, "f16": np.float16, "f32": np.float32, "f64": np.float64,
}


def package_reads_sample(name, *flags):
    folder = sample(name, *flags)
    ours = {t["name"]: t for t in inspect(folder)["tensors"]}
    seen = 0
    for file in sorted(os.listdir(folder)):
        if not file.endswith(".safetensors"):
            continue
        with open(os.path.join(folder, file), "rb") as f:
            for tensor, entry in safetensors.deserialize(f.read()):
                equal(ours[tensor]["shape"], list(entry["shape"]), tensor)
                equal(ours[tensor]["type"], entry["dtype"].lower(), tensor)
                equal(ours[tensor]["nbytes"], len(entry["data"]), tensor)
                seen += 1
    equal(len(ours), seen, "tensors")


def scion_reads_package():
    rng = np.random.default_rng(1)
    tensors = {f"t.{n}": rng.integers(0, 2, (3, 5)).astype(t) for n, t in NUMPY_TYPES.items()}
    tensors["scalar"] = np.array(2.5, np.float32)
    tensors["empty"] = np.zeros((2, 0), np.float32)
    tensors["name with blanks, é and \"quotes\""] = np.arange(7, dtype=np.int16)
    path = os.path.join(WORK, "package.safetensors")
    safetensors.numpy.save_file(tensors, path, metadata={"format": "np", "é": "\n"})
    report = inspect(path)
    got = {t["name"]: t for t in report["tensors"]}
    equal(set(got), set(tensors), "names")
    for name, array in tensors.items():
        equal(got[name]["shape"], list(array.shape), name)
        equal(got[name]["nbytes"], array.nbytes, name)
    for name in NUMPY_TYPES:
        equal(got[f"t.{name}"]["type"], name, name)
    equal(report["metadata"]["safetensors"], {"format": "np", "é": "\n"}, "metadata")


def checks():
    yield "safetensors reads tiny-qwen35", lambda: package_reads_sample("tiny-qwen35")
    yield "safetensors reads tiny-qwen35moe in 3 shards", lambda: package_reads_sample(
        "tiny-qwen35moe", "--per-expert", "--shards=3")
    yield "scion reads a file of the safetensors package", scion_reads_package
