# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

sample_gguf model.gguf
"$SCION" inspect model.gguf
echo ---
"$SCION" inspect --tensors --metadata model.gguf | sed '1,/^all/d'
