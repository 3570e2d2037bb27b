# SPDX-License-Identifier: Apache-2.0
# Experts that make no whole, and command lines that ask for nothing.
. "$CASES/lib.bash"

exec 2>&1

# tensors NAME:DTYPE:SHAPE... : a folder "model" of them, of zeros; the config is on standard input
model() {
    local item name dtype shape size dim n off=0 header=
    rm -rf model
    mkdir model
    cat >model/config.json
    for item in "$@"; do
        IFS=: read -r name dtype shape <<<"$item"
        size=2
        [ "$dtype" = F32 ] && size=4
        [ "$dtype" = U8 ] && size=1
        n=$size
        for dim in ${shape//,/ }; do
            n=$((n * dim))
        done
        header=$header${header:+,}"\"$name\":{\"dtype\":\"$dtype\",\"shape\":[$shape],\"data_offsets\":[$off,$((off + n))]}"
        off=$((off + n))
    done
    safetensors "{$header}" $off >model/model.safetensors
}

# experts N [UNWANTED]: the numbered tensors of a layer
experts() {
    local e p
    for ((e = 0; e < $1; e++)); do
        for p in gate:4,8 up:4,8 down:8,4; do
            [ "$e.${p%%:*}" = "${2-}" ] || echo "model.layers.0.mlp.experts.$e.${p%%:*}_proj.weight:BF16:${p#*:}"
        done
    done
}

# refused LAYOUT: what it answers
refused() {
    run "$SCION" repack -q model -o out --experts "$1"
    [ ! -e out ] || echo "left behind: out"
}
m=model.layers.0.mlp

# shellcheck disable=SC2046 # the words are wanted
{
    model $(experts 3 1.up) <<<'{}' && refused stacked && refused split
    model $(experts 3) <<<'{"text_config": {"num_experts": 5}}' && refused split
    model $(experts 3) <<<'{"text_config": {"num_experts": 5}}' && refused fused
    model $(experts 3) <<<'{"num_local_experts": 2}' && refused stacked
    model $(experts 3) $m.experts.70000.up_proj.weight:BF16:4,8 <<<'{}' && refused stacked
    model $(experts 2) $m.experts.900.up_proj.weight:BF16:4,8 <<<'{}' && refused stacked
    model $(experts 2 1.up) $m.experts.1.up_proj.weight:F32:4,8 <<<'{}' && refused stacked
    model $(experts 2 1.up) $m.experts.1.up_proj.weight:BF16:8,4 <<<'{}' && refused stacked
    model $(experts 2) $m.experts.1.w1.weight:BF16:4,8 <<<'{}' && refused stacked
    model $(experts 2) $m.experts.down_proj:BF16:2,8,4 <<<'{}' && refused stacked
    model $(experts 2) <<<'{}' && refused split
    model $(experts 2) <<<'{"quantization": {"model.layers.0.mlp.experts.1.up_proj": {"bits": 8}}}' && refused stacked
    model $(experts 2) <<<'{"quantization": {"model.layers.0.mlp.experts.2.up_proj": {"bits": 8}}}' && refused stacked
}
model $m.experts.0.gate_proj.weight:BF16:4,8 $m.experts.0.up_proj.weight:BF16:4,8 <<<'{}' && refused stacked
model $m.switch_mlp.gate_proj.weight:BF16:2,4,8 $m.switch_mlp.up_proj.weight:F32:2,4,8 \
    $m.switch_mlp.down_proj.weight:BF16:2,8,4 <<<'{}' && refused fused
model $m.switch_mlp.gate_proj.weight:BF16:2,4,8 $m.switch_mlp.up_proj.weight:BF16:3,4,8 \
    $m.switch_mlp.down_proj.weight:BF16:2,8,4 <<<'{}' && refused split
model $m.switch_mlp.gate_proj.weight:BF16:2,0,8 $m.switch_mlp.up_proj.weight:BF16:2,0,8 \
    $m.switch_mlp.down_proj.weight:BF16:2,8,0 <<<'{}' && refused split
model $m.switch_mlp.up_proj.weight:BF16:2,4,8 $m.switch_mlp.down_proj.weight:BF16:2,8,4 <<<'{}' && refused fused
model $m.switch_mlp.gate_proj.weight:BF16:2,4,8 $m.switch_mlp.up_proj.weight:BF16:2,4,8 \
    $m.switch_mlp.down_proj.weight:BF16:2,8,4 $m.switch_mlp.gate_proj.input_scale:F32:2 \
    $m.switch_mlp.up_proj.input_scale:F32:2 <<<'{}' && refused fused
model $m.switch_mlp.gate_proj.weight:BF16:2,4,8 $m.switch_mlp.up_proj.weight:BF16:2,4,8 \
    $m.switch_mlp.down_proj.weight:BF16:2,8,4 \
    <<<'{"quantization": {"model.layers.0.mlp.switch_mlp.gate_proj": {"bits": 8}}}' && refused fused
model $m.experts.gate_up_proj:BF16:2,8,8 $m.experts.down_proj:BF16:2,4,8 <<<'{}' && refused stacked
model $m.experts.gate_up_proj:BF16:2,7,8 $m.experts.down_proj:BF16:2,8,4 <<<'{}' && refused stacked
model $m.experts.down_proj:BF16:2,8,4 $m.experts.gate_up_proj:BF16:2,8,8 $m.experts.up_proj:BF16:2,4,8 <<<'{}' &&
    refused stacked
model model.norm.weight:BF16:8 <<<'{}' && refused stacked
model $m.experts.gate_up_proj:BF16:2,8,8 $m.experts.down_proj:BF16:2,8,4 <<<'{}' && refused fused

sample_gguf x.gguf
run "$SCION" repack x.gguf -o out --experts split
run "$SCION" repack model
run "$SCION" repack model -o out
run "$SCION" repack model -o out --experts loose
run "$SCION" repack model -o out --experts split --link soft
run "$SCION" repack model -o none/out --experts split
touch file
run "$SCION" repack model -o file --experts split
run "$SCION" repack model -o file --experts split --force
ls
