# SPDX-License-Identifier: Apache-2.0
# Tensors that the config does not describe, or not so.
. "$CASES/lib.bash"

exec 2>&1
small_model dense dense
small_model moe fused
small_model moe single --per-expert
prefix=model.language_model.layers

# with DIR SED_SCRIPT [ARGUMENT]...: the model with the header of its tensors changed.
with() {
    local dir=$1 script=$2
    shift 2
    cp "$dir/model.safetensors" original.safetensors
    edit_header "$dir/model.safetensors" "$script"
    cmp -s original.safetensors "$dir/model.safetensors" && echo "nothing changed: $script"
    convert_to out.gguf "$@" "$dir"
    mv original.safetensors "$dir/model.safetensors"
}

# Missing, unknown, twice.
with dense "s/$prefix.0.input_layernorm/gone/" --allow-unknown 'gone*'
with dense "s/($prefix.[01]).input_layernorm/gone.\\1/g" --allow-unknown 'gone*'
with dense 's/lm_head/gone/' --allow-unknown 'gone*'
with dense 's/mtp.norm/gone/' --allow-unknown 'gone*'
with dense 's/mtp.norm/mtp.other/'
with dense 's/mtp.norm/mtp.other/' --mtp drop
with dense 's/mtp.norm.weight/model.layers.0.input_layernorm.weight/'
with dense 's/mtp.norm.weight/model.layers.00.input_layernorm.weight/'
with dense 's/mtp.norm.weight/model.layers.2.input_layernorm.weight/'
with dense 's/mtp.norm.weight/model.layers.18446744073709551616.input_layernorm.weight/'
with dense 's/mtp.norm.weight/mtp.layers.1.input_layernorm.weight/'
with dense 's/mtp.norm.weight/mtp.layers.4294967295.input_layernorm.weight/'
with dense 's/mtp.norm.weight/..\/..\/etc\/\\u001b[31mx/'
with dense 's/mtp.norm.weight//'
with dense 's/visual.blocks.0.norm1.weight/visual.blocks.1.norm1.weight/' --mmproj
with dense 's/visual.blocks.0.norm1.weight/visual.other/' --mmproj
with dense 's/model.visual/mtp.gone/g' --mmproj
with dense 's/"mtp\.[^"]*/&_/g' --mtp keep --allow-unknown '*'
with dense 's/"mtp\./"other./g' --mtp keep --allow-unknown 'other*'
with dense 's/"mtp\./"other./g' --mtp only --allow-unknown 'other*'

# Shapes and types.
with dense 's/(layers.0.input_layernorm.weight":\{"dtype":"BF16","shape":)\[32\]/\1[4,8]/'
with dense 's/(layers.0.input_layernorm.weight":\{"dtype":"BF16","shape":)\[32\]/\1[1,1,1,1,1,1,1,32]/'
with dense 's/(layers.0.input_layernorm.weight":\{"dtype":"BF16","shape":)\[32\]/\1[1,1,1,1,1,1,1,1,32]/'
with dense 's/(lm_head.weight":\{"dtype":"BF16","shape":)\[320,32\]/\1[32,320]/'
with dense 's/(lm_head.weight":\{"dtype":"BF16","shape":)\[320,32\]/\1[2,9223372036854775807]/'
with dense 's/(layers.0.input_layernorm.weight":\{"dtype":)"BF16","shape":\[32\]/\1"F4","shape":[128]/'
with dense 's/(layers.0.input_layernorm.weight":\{"dtype":)"BF16","shape":\[32\]/\1"F32","shape":[16]/'
with dense 's/(lm_head.weight":\{"dtype":)"BF16","shape":\[320,32\]/\1"F8_E4M3","shape":[320,64]/'
sed -i 's/"hidden_size": 32,/"hidden_size": 64,/' dense/config.json
with dense 's/(lm_head.weight":\{"dtype":)"BF16","shape":\[320,32\]/\1"F8_E4M3","shape":[320,64]/'

# Sets of experts.
with single "s/$prefix.0.mlp.experts.2.up_proj/gone/" --allow-unknown 'gone*'
with single "s/$prefix.0.mlp.experts.2.([a-z]*_proj)/gone.\\1/g" --allow-unknown 'gone*'
with single "s/$prefix.0.mlp.experts.[0-9].([a-z]*_proj)/gone.&/g" --allow-unknown 'gone*'
with single "s/$prefix.0.mlp.experts.2.up_proj/$prefix.0.mlp.experts.007.up_proj/"
with single "s/$prefix.0.mlp.experts.2.up_proj/$prefix.0.mlp.experts.4.up_proj/"
with single "s/$prefix.0.mlp.experts.2.up_proj/$prefix.0.mlp.experts.-1.up_proj/"
with single "s/$prefix.0.mlp.experts.2.up_proj/$prefix.0.mlp.experts.18446744073709551618.up_proj/"
with single "s/$prefix.0.mlp.experts.2.up_proj/model.layers.0.mlp.experts.1.up_proj/"
with single 's/(experts.0.up_proj.weight":\{"dtype":"BF16","shape":)\[16,32\]/\1[32,16]/'
with fused "s/$prefix.0.mlp.experts.gate_up_proj/gone/" --allow-unknown 'gone*'
with fused "s/$prefix.0.mlp.experts.down_proj/$prefix.0.mlp.experts.gate_up_proj.weight/"
with fused "s/$prefix.0.mlp.shared_expert.up_proj/$prefix.0.mlp.experts.1.up_proj/"
with fused 's/(experts.gate_up_proj":\{"dtype":"BF16","shape":)\[4,32,32\]/\1[32,4,32]/'

# Allowed: the fused names may end in .weight.
with fused 's/(experts.[a-z_]*_proj)"/\1.weight"/g'
