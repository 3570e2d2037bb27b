# SPDX-License-Identifier: Apache-2.0
# What is said of heads: promised, there, complete, where, in which layout, how their norms are encoded.
. "$CASES/lib.bash"

exec 2>&1
status() {
    run "$SCION" mtp status "$@"
}
small_model dense dense
small_model moe fused
small_model moe numbered --per-expert --shards 2
small_model dense without --no-mtp

status dense
status -v fused
status numbered
status without
"$SCION" convert -q fused -o moe.gguf
status moe.gguf
"$SCION" convert -q dense --mtp drop -o drop.gguf
status drop.gguf
sample_gguf part.gguf
status part.gguf

echo "== outside the index"
"$SCION" mtp extract -q dense -o without/mtp.safetensors
status without
mkdir without/optiq
mv without/mtp.safetensors without/optiq
sed -i 's/^{/{"quantization": {"bits": 4, "group_size": 64}, "mtp_norm_encoding": "delta",/' without/config.json
status without
edit_header without/optiq/mtp.safetensors 's/"mtp\./"language_model.mtp./g'
status without | grep -E 'found|norms'
echo x >without/optiq/mtp.safetensors
status without

echo "== quantized for MLX"
safetensors '{"mtp.fc.weight":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},
"mtp.layers.0.input_layernorm.weight":{"dtype":"BF16","shape":[64],"data_offsets":[4,132]},
"mtp.layers.0.self_attn.q_proj.weight":{"dtype":"U32","shape":[1,8],"data_offsets":[132,164]},
"mtp.layers.0.self_attn.q_proj.scales":{"dtype":"BF16","shape":[1,1],"data_offsets":[164,166]},
"mtp.layers.0.self_attn.q_proj.biases":{"dtype":"BF16","shape":[1,1],"data_offsets":[166,168]}}' 168 >q.safetensors
status q.safetensors

echo "== contradictions"
sed -i 's/^{/{"num_nextn_predict_layers": 2,/' dense/config.json
status dense
sed -i 's/"num_nextn_predict_layers": 2/"num_nextn_predict_layers": -1/' dense/config.json
status dense
edit_header fused/model.safetensors 's/"mtp\.layers\.0\.mlp\.experts\.down_proj"/"mtp.layers.0.mlp.experts.0.down_proj.weight"/'
status fused
edit_header numbered/model-00002-of-00002.safetensors 's/"mtp\.layers\.0\.mlp\.experts\.3\./"mtp.layers.0.mlp.experts.4./g'
sed -i 's/"mtp\.layers\.0\.mlp\.experts\.3\./"mtp.layers.0.mlp.experts.4./' numbered/model.safetensors.index.json
status --json numbered
