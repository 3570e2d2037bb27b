# SPDX-License-Identifier: Apache-2.0
# Edits that make no sense, or would make a file that cannot be loaded.
. "$CASES/lib.bash"

exec 2>&1
sample_gguf a.gguf
before=$(cksum a.gguf)

refused() {
    run "$SCION" edit a.gguf -o b.gguf "$@"
    [ ! -e b.gguf ] || echo "a file was written"
}

refused
refused --set
refused --set general.name
refused --set =x
refused --set 'a b=1'
refused --set $'a\nb=1'
refused --set $'a\xff=1'
refused --set a=$'\xff'
refused --set a=1 --set a=2
refused --set a=1 --remove a
refused --remove general.nam
refused --remove no.such.thing.at.all
refused --set qwen35.block_count=many
refused --set qwen35.block_count=-1
refused --set qwen35.block_count=4294967296
refused --set qwen35.block_count=3
refused --set qwen35.block_count=str:2
refused --set qwen35.block_count=u64:2
refused --remove qwen35.block_count
refused --set qwen35.nextn_predict_layers=0
refused --remove qwen35.nextn_predict_layers
refused --set qwen35.embedding_length=64
refused --set qwen35.vocab_size=9
refused --set tokenizer.ggml.tokens='["a", "b"]'
refused --set tokenizer.ggml.tokens=a
refused --set general.architecture=llama
refused --set general.architecture=
refused --remove general.architecture
refused --set general.alignment=24
refused --set general.alignment=0
refused --set general.alignment=1048576
refused --set general.alignment=u64:64
refused --set general.name=u32:5
refused --set split.count=3
refused --set GGUF.tensor_count=1
refused --set 'a=[1, "b"]'
refused --set 'a=[]'
refused --set a=u8:256
refused --set a=f32:1e39
refused --set-file tokenizer.chat_template=missing
refused --set-file tokenizer.chat_template=a.gguf
refused --set-file qwen35.block_count=/dev/null
refused --prune-layers 5
refused --prune-layers 0
refused --in-place --set a=1
run "$SCION" edit a.gguf --set a=1
run "$SCION" edit a.gguf --in-place --set a=1 --split-max-tensors 1
run "$SCION" edit a.gguf -o a.gguf --force --set a=1
run "$SCION" edit none.gguf -o b.gguf --set a=1
run "$SCION" edit none.gguf --in-place --set a=1
touch b.gguf
run "$SCION" edit a.gguf -o b.gguf --set a=1
printf GGUF >short.gguf
run "$SCION" edit short.gguf --in-place --set a=1
cksum short.gguf
[ "$(cksum a.gguf)" = "$before" ] || echo "the input has changed"
ls
