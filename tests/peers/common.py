# SPDX-License-Identifier: Apache-2.0
"""Running scion, and comparing."""
import json
import os
import subprocess
import sys

BUILD, ROOT, WORK = sys.argv[1:4]
SHARED = os.path.join(ROOT, "..", "shared", "models")


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def scion(*args):
    return run(os.path.join(BUILD, "scion"), *args)


def inspect(path):
    """scion's own account of a file or folder."""
    return json.loads(scion("inspect", path, "--json", "--tensors", "--metadata"))


def sample(name, *flags):
    """The folder of a bundled sample."""
    path = os.path.join(WORK, "".join((name,) + flags).replace("--", "+"), name)
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path))
        run(os.path.join(BUILD, "mksample"), os.path.join(ROOT, "samples", name + ".json"), "-o", path, *flags)
    return path


def equal(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")
