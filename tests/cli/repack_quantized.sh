# SPDX-License-Identifier: Apache-2.0
# Quantized experts: all parts move alike, and the settings in config.json follow.
. "$CASES/lib.bash"

exec 2>&1

# header of tensors: NAME DTYPE SHAPE NBYTES, one a line, on standard input
tensors() {
    local name dtype shape nbytes off=0 comma=
    printf '{"__metadata__":{"format":"mlx"},'
    while read -r name dtype shape nbytes; do
        printf '%s"%s":{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}' "$comma" "$name" "$dtype" "$shape" \
            $off $((off + nbytes))
        off=$((off + nbytes))
        comma=,
    done
    printf '}'

}

# numbered NBYTES: bytes that tell where they are
numbered() {
    local i
    for ((i = 0; i < $1; i += 4)); do
        le 4 $i
    done
}

# model FOLDER: a file of the tensors on standard input
model() {
    local header
    mkdir "$1"
    header=$(tensors)
    safetensors "$header" 0 >"$1/model.safetensors"
    numbered "$2" >>"$1/model.safetensors"
}

show() {
    "$SCION" inspect --tensors --stored "$1" | sed -n '/^name /,$p'
    [ -e "$1/config.json" ] && cat "$1/config.json"
}

model mlx 448 <<'END'
language_model.model.layers.0.mlp.switch_mlp.down_proj.biases BF16 [2,4,1] 16
language_model.model.layers.0.mlp.switch_mlp.down_proj.scales BF16 [2,4,1] 16
language_model.model.layers.0.mlp.switch_mlp.down_proj.weight U32 [2,4,4] 128
language_model.model.layers.0.mlp.switch_mlp.gate_proj.biases BF16 [2,4,1] 16
language_model.model.layers.0.mlp.switch_mlp.gate_proj.scales BF16 [2,4,1] 16
language_model.model.layers.0.mlp.switch_mlp.gate_proj.weight U32 [2,4,2] 64
language_model.model.layers.0.mlp.switch_mlp.up_proj.biases BF16 [2,4,1] 16
language_model.model.layers.0.mlp.switch_mlp.up_proj.scales BF16 [2,4,1] 16
language_model.model.layers.0.mlp.switch_mlp.up_proj.weight U32 [2,4,2] 64
language_model.mtp.layers.0.mlp.switch_mlp.down_proj.tq_bits U8 [1] 1
language_model.mtp.layers.0.mlp.switch_mlp.down_proj.tq_norms F16 [2,2] 8
language_model.mtp.layers.0.mlp.switch_mlp.down_proj.tq_packed U32 [2,2,1] 16
language_model.mtp.layers.0.mlp.switch_mlp.gate_up_proj.tq_bits U8 [1] 1
language_model.mtp.layers.0.mlp.switch_mlp.gate_up_proj.tq_norms F16 [2,4] 16
language_model.mtp.layers.0.mlp.switch_mlp.gate_up_proj.tq_packed U32 [2,4,1] 32
model.norm.weight F16 [11] 22
END
cat >mlx/config.json <<'END'
{"text_config": {"num_experts": 2},
 "quantization": {"group_size": 64, "bits": 4, "mode": "affine",
  "language_model.model.layers.0.mlp.gate": {"group_size": 64, "bits": 8},
  "language_model.model.layers.0.mlp.switch_mlp.down_proj": {"group_size": 64, "bits": 8, "mode": "affine"},
  "lm_head": false}}
END
run "$SCION" repack -q mlx -o split --experts split
show split
run "$SCION" repack -q split -o fused --experts fused
show fused
run "$SCION" repack -q fused -o stacked --experts stacked
show stacked
run "$SCION" repack -q stacked -o split2 --experts split
cmp split/model.safetensors split2/model.safetensors
cmp split/config.json split2/config.json
