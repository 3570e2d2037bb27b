# SPDX-License-Identifier: Apache-2.0
# --dry-run's sizes are the file's, whatever the recipe; bits per weight are those of its tensors.
. "$CASES/lib.bash"

# Rows of 256 and of 96, experts, a head, and what is never quantized.
{
    kv_str general.architecture qwen35moe
    kv_u32 qwen35moe.block_count 2
    kv_u32 qwen35moe.nextn_predict_layers 1
    kv_u32 qwen35moe.expert_count 4
    kv_u32 qwen35moe.attention.head_count 4
    kv_u32 qwen35moe.attention.head_count_kv 2
    tensor token_embd.weight 30 0 256 16
    tensor output.weight 30 8192 256 16
    tensor blk.0.attn_norm.weight 0 16384 256
    tensor blk.0.attn_v.weight 30 17408 256 16
    tensor blk.0.ssm_alpha.weight 30 25600 256 2
    tensor blk.0.ffn_down_exps.weight 30 26624 256 32 4
    tensor blk.0.ffn_gate_inp.weight 0 92160 256 4
    tensor blk.1.nextn.eh_proj.weight 30 96256 512 32
    tensor blk.1.attn_q.weight 30 129024 96 16
} | gguf 9 6 >in.gguf
pad in.gguf
zeros 132096 >>in.gguf

# number KEY: of the JSON on standard input.
number() {
    grep -o "\"$1\": *[0-9.]*" | head -n 1 | sed 's/.*: *//'
}

for recipe in $("$SCION" recipe list --json | grep "\"name\"" | cut -d"\"" -f4); do
    set -- --type "$recipe" --imatrix-missing neutral --quiet
    planned=$("$SCION" quantize in.gguf -o "$recipe.gguf" "$@" --dry-run --json 2>err) || { cat err; continue; }
    ls "$recipe.gguf" 2>/dev/null
    "$SCION" quantize in.gguf -o "$recipe.gguf" "$@"
    bytes=$(wc -c <"$recipe.gguf")
    bits=$("$SCION" inspect --json "$recipe.gguf" | number bits_per_weight)
    [ "$(number file_bytes <<<"$planned")" = "$bytes" ] || echo "$recipe: the file has other than the planned size: $bytes"
    [ "$(number bits_per_weight <<<"$planned")" = "$bits" ] || echo "$recipe: other bits per weight: $bits"
    echo "$recipe $bytes $bits"
done
