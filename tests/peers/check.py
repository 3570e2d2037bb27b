# SPDX-License-Identifier: Apache-2.0
"""All checks in turn; the last line counts them."""
import traceback

import draft_checks
import gguf_checks
import load_checks
import mlx_checks
import mtplx_checks
import repack_checks
import safetensors_checks

passed = failed = 0
for module in (
    safetensors_checks, gguf_checks, load_checks, draft_checks, mlx_checks, repack_checks, mtplx_checks
):
    for name, check in module.checks():
        try:
            check()
            passed += 1
        except Exception:  # a failed check must not hide the others
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc()
print(f"{passed} passed, {failed} failed")
raise SystemExit(failed != 0)
