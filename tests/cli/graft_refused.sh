# SPDX-License-Identifier: Apache-2.0
# Heads that do not fit, and targets that cannot take one: one sentence each, and nothing is written.
. "$CASES/lib.bash"

exec 2>&1
small_model dense target --no-mtp
small_model dense donor
small_model moe moe-target --no-mtp
small_model moe moe-donor --per-expert

refused() {
    run "$SCION" graft --target "$1" --donor "$2" -o out "${@:3}"
    [ -e out ] && echo "out is there" && rm -r out
}

# variant NAME KIND SED_SCRIPT [MKSAMPLE_FLAG]...: a model of another config.
variant() {
    small_config "$2" | sed -E "$3" >v.json
    "$MKSAMPLE" v.json -o "$1" "${@:4}"
    rm v.json
}

# fill FILE TENSOR BYTES: every bf16 value of a tensor becomes the two bytes.
fill() {
    local n from to i
    n=$(od -An -t u8 -N 8 "$1")
    read -r from to < <(tail -c +9 "$1" | head -c "$n" |
        sed -E "s/.*\"${2//./\\.}\":\{[^}]*\[([0-9]+),([0-9]+)\]\}.*/\1 \2\n/")
    for ((i = from; i < to; i += 2)); do printf '%b' "$3"; done |
        dd of="$1" seek=$((8 + n + from)) oflag=seek_bytes conv=notrunc 2>/dev/null
}
layer=mtp.layers.0
low=("$layer.input_layernorm.weight" "$layer.post_attention_layernorm.weight" mtp.pre_fc_norm_embedding.weight
    mtp.pre_fc_norm_hidden.weight)
qk=("$layer.self_attn.q_norm.weight" "$layer.self_attn.k_norm.weight")

echo "== the command"
run "$SCION" graft --donor donor -o out
run "$SCION" graft --target target -o out
run "$SCION" graft --target target --donor donor
run "$SCION" graft --target target --donor donor -o out --in-place
refused target target
run "$SCION" graft --target target --donor donor -o target
run "$SCION" graft --target target --donor donor -o target/inside
run "$SCION" graft --target target --donor donor -o target --force

echo "== the target"
refused donor moe-donor
refused target/model.safetensors donor
"$MKSAMPLE" "$CASES/../../samples/tiny-qwen3.json" -o plain
refused plain donor
cp -r target mlx
sed -i 's/^{/{"quantization": {"bits": 4, "group_size": 64},/' mlx/config.json
refused mlx donor
cp -r target headless
edit_header headless/model.safetensors 's/"lm_head.weight"/"lm_head_weight"/'
refused headless donor
cp -r target listed
echo '{"weight_map": {"mtp.fc.weight": "model.safetensors"}}' >listed/model.safetensors.index.json
refused listed donor

echo "== the donor"
refused target moe-target
refused moe-target donor
refused target moe-donor
cp -r donor lacks
edit_header lacks/model.safetensors 's/"mtp\.norm\.weight"/"other"/'
refused target lacks
cp -r moe-donor lacks-experts
edit_header lacks-experts/model.safetensors 's/"mtp(\.layers\.0\.mlp\.experts\.[13]\.up_proj\.weight)"/"other\1"/g'
refused moe-target lacks-experts
"$SCION" mtp status lacks-experts
cp -r donor more
edit_header more/model.safetensors 's/"mtp\.norm\.weight"/"mtp.embed_tokens.weight"/'
refused target more
variant wide dense 's/"hidden_size": 32/"hidden_size": 48/;s/"out_hidden_size": 32/"out_hidden_size": 48/'
refused target wide
"$SCION" mtp extract -q wide -o wide.safetensors
refused target wide.safetensors
variant words dense 's/320/352/'
refused target words
variant heads dense 's/"num_attention_heads": 4/"num_attention_heads": 2/'
refused target heads
variant experts moe 's/"num_experts": 4/"num_experts": 8/' --per-expert
refused moe-target experts
"$SCION" mtp extract -q experts -o experts.safetensors
refused moe-target experts.safetensors
variant tied dense 's/"tie_word_embeddings": false/"tie_word_embeddings": true/'
refused target tied

echo "== values"
cp -r donor huge
fill huge/model.safetensors mtp.fc.weight '\x80\x47' # 65536
refused target huge --dtype f16
run "$SCION" graft --target target --donor huge -o out
rm -r out
run "$SCION" graft --target target --donor huge -o out --dtype f16 --allow-nonfinite
"$SCION" mtp status out | grep types
rm -r out
"$SCION" convert -q target -o target.gguf --type f16
refused target.gguf huge --mtp-type f16
# A GGUF donor's head gets the target's type, also where the graft is in memory.
"$SCION" mtp extract -q huge -o huge.gguf
"$SCION" convert -q target --to hf --type f16 -o half
refused half huge.gguf
run "$SCION" convert half --graft huge.gguf --type bf16 -o out

echo "== norms"
"$SCION" mtp extract -q donor -o head.safetensors
cp head.safetensors unclear.safetensors
for t in "${low[@]}"; do fill unclear.safetensors "$t" '\x00\x3f'; done # 0.5
for t in "${qk[@]}"; do fill unclear.safetensors "$t" '\x6b\x3f'; done  # 0.918
refused target unclear.safetensors
run "$SCION" graft --target target --donor unclear.safetensors -o out --norms delta
rm -r out
cp head.safetensors mixed.safetensors
for t in "${qk[@]}"; do fill mixed.safetensors "$t" '\x80\x3f'; done # 1
refused target mixed.safetensors
"$SCION" mtp status mixed.safetensors | grep -A 9 norms
cp head.safetensors absolute.safetensors
for t in "${low[@]}" "${qk[@]}"; do fill absolute.safetensors "$t" '\x80\x3f'; done
run "$SCION" graft --target target --donor absolute.safetensors -o out
"$SCION" mtp status out | grep norms
rm -r out
cp -r donor declared
sed -i 's/^{/{"mtp_norm_encoding": "absolute",/' declared/config.json
refused target declared
