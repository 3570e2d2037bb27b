# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# A full disk and a closed descriptor are failures, a reader who leaves is none.
sample_gguf model.gguf
"$SCION" inspect model.gguf >/dev/full
echo "full: $?"
"$SCION" inspect model.gguf >&-
echo "closed: $?"
kv_str general.name "$(printf '%0300000d' 0)" | gguf 0 1 >large.gguf # more than a pipe holds
"$SCION" inspect --json -m large.gguf | head -n 1
echo "left: ${PIPESTATUS[0]}"
