# SPDX-License-Identifier: Apache-2.0
# Numbers and kinds in config.json that no model can have.
. "$CASES/lib.bash"

exec 2>&1
small_model dense dense
small_model moe moe

# with DIR SED_SCRIPT [ARGUMENT]...: the model with its config changed.
with() {
    local dir=$1 script=$2
    shift 2
    sed -E "$script" "$dir/config.json" >changed.json
    cmp -s changed.json "$dir/config.json" && echo "nothing changed: $script"
    mv "$dir/config.json" original.json
    mv changed.json "$dir/config.json"
    convert_to out.gguf "$@" "$dir"
    mv original.json "$dir/config.json"
}

# set KEY VALUE: a sed script.
set_key() {
    printf 's/"%s": [^,}]*$|"%s": [^]]*\\]|"%s": [^,]*/"%s": %s/' "$1" "$1" "$1" "$1" "$2"
}

for value in -1 0 2147483648 9223372036854775808 1e308 48.5 NaN '"48"' '[4]' '{}' true null 1 3; do
    with dense "$(set_key num_hidden_layers "$value")"
done
for key in hidden_size head_dim vocab_size intermediate_size num_attention_heads num_key_value_heads \
    linear_num_key_heads linear_num_value_heads linear_key_head_dim linear_value_head_dim linear_conv_kernel_dim \
    full_attention_interval max_position_embeddings; do
    with dense "s/\"$key\": [0-9]+/\"$key\": 0/"
done
for value in 3 5 1000000000 1e18; do
    with moe "$(set_key num_experts "$value")"
done
for value in 0 5 '"2"' '[2]' null; do
    with moe "$(set_key num_experts_per_tok "$value")"
done
for value in NaN 0 -0.25 1.5 '"x"' 0.06 '[]'; do
    with dense "$(set_key partial_rotary_factor "$value")"
done
for value in '"x"' NaN Infinity -1 0 1e300 '{}'; do
    with dense "$(set_key rope_theta "$value")"
done
for value in '[]' '[0]' '[-1, 1]' '["a"]' '[1.5]' 5 '"x"'; do
    with dense "s/\"mrope_section\": .*/\"mrope_section\": $value,/"
done
for value in '"x"' -1 Infinity true '[]'; do
    with dense "$(set_key rms_norm_eps "$value")"
done
with dense '/rms_norm_eps/d'
with dense '/max_position_embeddings/d'
with dense 's/"rope_type": .*/"rope_type": 5/'
with dense 's/"rope_type": .*/"rope_type": "yarn", "factor": "4"/'
with dense 's/"rope_type": .*/"rope_type": "yarn", "factor": 4/'
with dense 's/"tie_word_embeddings": .*/"tie_word_embeddings": "yes",/'
with dense 's/"mtp_num_hidden_layers": 1/"mtp_num_hidden_layers": 2147483648/'
with dense 's/"linear_num_value_heads": 4/"linear_num_value_heads": 3/'

for value in null '[]' '[5]' '"Qwen3_5ForCausalLM"' '{"a": "LlamaForCausalLM"}' '["../../x"]' '["Qwen3_5ForCausallm"]'; do
    with dense "s|\"architectures\": .*|\"architectures\": $value,|"
done
with dense 's/"text_config": \{/"text_config": [], "x": {/'
with dense 's/"vision_config": \{/"quantization_config": {"quant_method": "fp8"}, "vision_config": {/'
with dense 's/"vision_config": \{/"quantization": {"bits": null, "group_size": 128}, "vision_config": {/'
with dense 's/"vision_config": \{/"quantization_config": "fp8", "vision_config": {/'

for key in depth num_heads patch_size; do
    with dense "/vision_config/,\$s/\"$key\": [0-9]+/\"$key\": 0/" --mmproj
done
with dense '/vision_config/,$s/"depth": 1/"depth": 1000000000/' --mmproj
with dense '/vision_config/,$s/"num_heads": 2/"num_heads": 3/' --mmproj
with dense '/vision_config/,$s/"depth": 1/"depth": 1, "deepstack_visual_indexes": [1]/' --mmproj
with dense '/vision_config/,$s/"depth": 1/"depth": 1, "deepstack_visual_indexes": "0"/' --mmproj

# What is not JSON.
i=0
for text in '' '[]' '{"a": 1,}' '{/**/}' '{"a": 1, "a": 2}' '{"a": 1e400}' '{} x' '{"a": nan}' '{"a": "\u0000"}' \
    '{"a": "\ud800"}' 'version https://git-lfs.github.com/spec/v1' '<!DOCTYPE html>'; do
    mkdir "text$((++i))"
    ln -s ../dense/model.safetensors "text$i"
    printf %s "$text" >"text$i/config.json"
    convert_to out.gguf "text$i"
done
head -c 100000 /dev/zero | tr '\0' '[' >text1/config.json
convert_to out.gguf text1

# And what is allowed: values that Python writes, in keys that nobody reads.
with dense 's/"vision_config": \{/"x": [NaN, Infinity, -Infinity], "quantization_config": null, "vision_config": {/'
