# SPDX-License-Identifier: Apache-2.0
# Side-cars that no reader would take, and folders that none can stand beside.
. "$CASES/lib.bash"

exec 2>&1
wide_model moe donor
wide_model moe plain --no-mtp
"$SCION" convert -q plain --to mlx -o mlx
refused() {
    run "$SCION" graft --target "$1" --donor "$2" -o out "${@:3}"
    [ -e out ] && echo "out is there" && rm -r out
}

echo "== options"
refused mlx donor --bits 7
refused mlx donor --bits 4 --policy none
refused mlx donor --at-load --policy none
refused mlx donor --bits 4 --group-size 128
refused mlx donor --policy all --experts fused
refused mlx donor --side-car-file ../head.safetensors
refused mlx donor --side-car-file model-mtp.safetensors
refused mlx donor --side-car-file head
refused mlx donor --contract hidden_variant=later
refused mlx donor --contract depth=3
refused mlx donor --contract concat_order
refused mlx donor --contract concat_order=hidden_embedding --contract concat_order=embedding_hidden
refused mlx donor --mtp-type q8_0
refused mlx donor --side-car ollama
refused plain donor --policy all
"$SCION" convert -q plain -o plain.gguf
refused plain.gguf donor --policy all

echo "== folders"
cp -r mlx split
"$SCION" repack -q mlx --experts split -o split -f
refused split donor
cp -r plain raw
sed -i 's/^{/{"quantization": {"bits": 4, "group_size": 64},/' raw/config.json
rm raw/model.safetensors
"$SCION" repack -q plain --experts stacked -o stacked
cp stacked/model.safetensors raw
refused raw donor
"$SCION" convert -q donor --to mlx --mtp keep -o within
refused within donor
refused within donor --replace

echo "== donors"
small_config moe | sed 's/"tie_word_embeddings": false/"tie_word_embeddings": true/; s/"hidden_size": 32/"hidden_size": 64/' >v.json
"$MKSAMPLE" v.json -o tied
"$SCION" convert -q tied -o tied.gguf
refused mlx tied.gguf
"$SCION" convert -q donor --mtp only -o only.gguf
"$MKSAMPLE" v.json -o bare --no-mtp
refused bare only.gguf
small_config moe | sed 's/"vocab_size": 320/"vocab_size": 352/; s/"hidden_size": 32/"hidden_size": 64/' >v.json
"$MKSAMPLE" v.json -o words
"$SCION" convert -q words -o words.gguf
refused plain.gguf words.gguf
"$SCION" graft -q --target mlx --donor donor -o quantized --bits 4
refused mlx quantized --bits 4
cp -r quantized odd
edit_header odd/mtp/weights.safetensors 's/self_attn\.q_proj\.biases/self_attn.q_proj.offset/'
refused mlx odd
"$SCION" graft -q --target mlx --donor donor -o wide --policy all
"$SCION" graft -q --target mlx --donor donor -o wide8 --policy all --bits 8
refused mlx wide --experts fused
sed -i 's/"bits": 4/"bits": 8/' wide/config.json
refused mlx wide
