# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

exec 2>&1
sample_gguf good.gguf
head -c 100 good.gguf >cut.gguf
: >empty.gguf
printf 'PK\003\004 and so on, as an archive has it' >archive.gguf
safetensors '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}' 12 >short.safetensors
{ le 8 2000; printf '{}'; } >claims.safetensors
for path in cut.gguf empty.gguf archive.gguf short.safetensors claims.safetensors; do
    run "$SCION" inspect "$path"
done
sample_folder broken
printf '{"model": {"vocab": {"a": 0, "a": 1}}}' >broken/tokenizer.json
run "$SCION" inspect broken
printf '{' >broken/config.json
run "$SCION" inspect --json broken
