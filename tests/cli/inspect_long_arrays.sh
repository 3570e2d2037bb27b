# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# Arrays of more than 1000 elements: counted in JSON, complete with --metadata, six elements in text.
{
    kv_str general.architecture llama
    eval "kv_strs tokenizer.ggml.tokens t{1..1001}"
    eval "kv_strs tokenizer.ggml.merges m{1..1000}"
} | gguf 0 3 >long.gguf
"$SCION" inspect --json long.gguf >short && "$SCION" inspect --json -m long.gguf >complete || exit
grep -A4 '"tokenizer.ggml.tokens"' short
grep -c '"m[0-9]*"' short
grep -c '"t[0-9]*"' complete
"$SCION" inspect -m long.gguf | grep '^tokenizer.ggml'
