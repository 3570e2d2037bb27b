# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

sample_gguf model.gguf
"$SCION" inspect --json model.gguf
