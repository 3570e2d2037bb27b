# SPDX-License-Identifier: Apache-2.0
# NVFP4 checkpoints: what is told of them, and what does not fit.
. "$CASES/lib.bash"

exec 2>&1

# nvfp4_model dense|moe FORMAT DIR [SED_SCRIPT] [MKSAMPLE_FLAG]...
nvfp4_model() {
    small_config "$1" | sed 's/"hidden_size": 32/"hidden_size": 64/; s/"linear_value_head_dim": 8/"linear_value_head_dim": 16/
        s/"moe_intermediate_size": 16/"moe_intermediate_size": 64/; s/"out_hidden_size": 32/"out_hidden_size": 64/' |
        sed "${4-}" >model.json
    "$MKSAMPLE" model.json -o "$3" --nvfp4 "$2" "${@:5}"
}

# with DIR FILE SED_SCRIPT [ARGUMENT]...: the model with a change in config.json, or in the header of its tensors.
with() {
    local dir=$1 file=$1/$2 script=$3
    shift 3
    cp "$file" original
    if [ "$file" = "$dir/config.json" ]; then
        sed -i -E "$script" "$file"
    else
        edit_header "$file" "$script"
    fi
    cmp -s original "$file" && echo "nothing changed: $script"
    convert_to out.gguf "$@" "$dir"
    mv original "$file"
}

nvfp4_model dense modelopt modelopt
nvfp4_model dense compressed-tensors compressed
nvfp4_model moe modelopt experts '' --per-expert
nvfp4_model dense compressed-tensors zeros '' --sparse
layer=model.language_model.layers.0.mlp.down_proj
out=model.safetensors

echo "# what converts"
"$SCION" convert modelopt -o a.gguf
"$SCION" convert compressed -o b.gguf
"$SCION" convert experts -o c.gguf
for file in a b c; do
    "$SCION" inspect $file.gguf | grep -A 9 '^type'
    rm $file.gguf
done
cp modelopt/config.json kept.json
sed -i 's/"quantization_config": .*/"dtype": "bfloat16"/' modelopt/config.json
echo '{"producer": {"name": "ModelOpt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}' >modelopt/hf_quant_config.json
convert_to a.gguf modelopt
"$SCION" convert -q modelopt -o out/ --type q8_0 --dry-run --json | grep '"path"'
"$SCION" convert -q modelopt -o out/ --type f16 --dry-run --json | grep '"path"'

echo "# other claims"
for claim in '{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}' \
    '{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4_AWQ"}}' \
    '{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 32}}' \
    '{"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP8"}}}}' \
    '{"quantization": {"quantized_layers": {"a": {"quant_algo": "NVFP4", "group_size": 8}}}}' \
    '{"quantization": '; do
    echo "$claim" >modelopt/hf_quant_config.json
    convert_to out.gguf modelopt
done
rm modelopt/hf_quant_config.json
mv kept.json modelopt/config.json
for method in gptq awq bitsandbytes fp8 mxfp4; do
    with modelopt config.json "s/modelopt/$method/; s/NVFP4/other/"
done
with modelopt config.json 's/"NVFP4"/"FP8"/'
with modelopt config.json 's/"quant_algo": "NVFP4", //'
with modelopt config.json 's/"group_size": 16/"group_size": 32/'
with modelopt config.json 's/"group_size": 16/"group_size": "16"/'
with compressed config.json 's/"group_size": 16/"group_size": 128/'
with compressed config.json 's/"num_bits": 4/"num_bits": 8/'
with compressed config.json 's/"type": "float"/"type": "int"/'
with compressed config.json 's/nvfp4-pack-quantized/mixed-precision/'
with compressed config.json 's/nvfp4-pack-quantized/pack-quantized/'

echo "# parts that are missing, or do not fit"
with modelopt $out "s/$layer.weight_scale\"/gone\"/" --allow-unknown gone
with modelopt $out "s/$layer.weight_scale_2\"/gone\"/" --allow-unknown gone
with modelopt $out "s/$layer.input_scale\"/gone\"/" --allow-unknown gone
with modelopt $out "s/$layer.weight\"/gone\"/" --allow-unknown gone
with modelopt $out "s/$layer.(weight_scale\":\{\"dtype\":\"F8_E4M3\",\"shape\":)\[64,4\]/$layer.\1[32,8]/"
with modelopt $out "s/$layer.(weight_scale\":\{\"dtype\":\"F8_E4M3\",\"shape\":)\[64,4\]/$layer.\1[64,2,2]/"
with modelopt $out "s/$layer.(weight_scale\":\{\"dtype\":)\"F8_E4M3\"/$layer.\1\"F8_E8M0\"/"
with modelopt $out "s/$layer.(weight\":\{\"dtype\":\"U8\",\"shape\":)\[64,32\]/$layer.\1[32,64]/"
with modelopt $out "s/$layer.(weight\":\{\"dtype\":)\"U8\"/$layer.\1\"I8\"/"
with modelopt $out "s/$layer.(weight_scale_2\":\{\"dtype\":)\"F32\",\"shape\":\[\]/$layer.\1\"BF16\",\"shape\":[2]/"
with modelopt $out "s/$layer.(weight_scale_2\":\{\"dtype\":)\"F32\"/$layer.\1\"I32\"/"
with modelopt $out "s/$layer.(weight_scale\":\{\"dtype\":)\"F8_E4M3\",\"shape\":\[64,4\]/$layer.\1\"F32\",\"shape\":[64]/"
with compressed $out "s/$layer.weight_scale\"/gone\"/" --allow-unknown gone
with compressed $out "s/$layer.weight_global_scale\"/gone\"/" --allow-unknown gone
with compressed $out "s/$layer.weight_packed\"/gone\"/" --allow-unknown gone
convert_to out.gguf zeros

echo "# experts that are not all alike"
expert=model.language_model.layers.0.mlp.experts.2.up_proj
safetensors "{\"$expert.weight\":{\"dtype\":\"BF16\",\"shape\":[64,64],\"data_offsets\":[0,8192]}}" 8192 >experts/model-2.safetensors
with experts $out "s/$expert/gone/g" --allow-unknown 'gone*'

echo "# values that views would cut"
nvfp4_model dense modelopt narrow 's/"linear_value_head_dim": 16/"linear_value_head_dim": 8/'
convert_to out.gguf narrow

echo "# quantized further"
"$SCION" convert modelopt -o q.gguf --type Q4_0 --dry-run
for recipe in Q4_0 F16 NVFP4 COPY; do
    "$SCION" convert -q modelopt -o one.gguf --recipe $recipe --force
    "$SCION" convert -q modelopt -o two.gguf --force
    "$SCION" quantize -q two.gguf -o three.gguf --type $recipe --force
    cmp one.gguf three.gguf && echo "$recipe in one pass or two: the same"
done
