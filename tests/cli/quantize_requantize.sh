# SPDX-License-Identifier: Apache-2.0
# Quantized input is refused, except where nothing is converted, where it was allowed, or where its values are 16-bit floats.
. "$CASES/lib.bash"

exec 2>&1
{
    kv_str general.architecture llama
    kv_u32 llama.block_count 1
    kv_u32 llama.attention.head_count 4
    kv_u32 llama.attention.head_count_kv 4
    tensor output.weight 30 0 256 8
    tensor blk.0.attn_q.weight 30 4096 256 8
    tensor blk.0.attn_norm.weight 0 8192 256
} | gguf 3 4 >bf16.gguf
pad bf16.gguf
zeros 9216 >>bf16.gguf

# quantize IN OUT ARGUMENT...
quantize() {
    rm -f "$2"
    run "$SCION" quantize "$1" -o "$2" -q "${@:3}"
    ls "$2"* 2>/dev/null
}

echo "# every type, quantized again"
for type in f16 q4_0 q4_1 q5_0 q5_1 q8_0 q1_0 q2_0 mxfp4 nvfp4 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs iq3_s iq3_xxs iq2_s \
    iq2_xs iq2_xxs iq1_m iq1_s tq1_0 tq2_0; do
    printf 'default keep\n*\t-> %s\n' $type >$type.recipe
    "$SCION" quantize bf16.gguf -o $type.gguf -q --recipe $type.recipe --imatrix-missing neutral || echo "$type: failed"
    quantize $type.gguf out.gguf --type Q4_1
    quantize $type.gguf out.gguf --type Q4_1 --allow-requantize >log || cat log
done

echo "# floats are no way round it, nor is one tensor"
quantize q8_0.gguf out.gguf --type F32
quantize q8_0.gguf out.gguf --type Q8_0 --tensor-type attn_q=q4_0
quantize q8_0.gguf out.gguf --type Q4_0 --dry-run

echo "# what stays as it is needs no leave, and its bytes are the same"
quantize q8_0.gguf out.gguf --type Q8_0
cmp <(tail -c 5376 q8_0.gguf) <(tail -c 5376 out.gguf)
quantize q8_0.gguf out.gguf --type COPY
cmp <(tail -c 5376 q8_0.gguf) <(tail -c 5376 out.gguf)
quantize q8_0.gguf out.gguf --type Q4_0 --keep 'weight$'
cmp <(tail -c 5376 q8_0.gguf) <(tail -c 5376 out.gguf)
quantize q8_0.gguf out.gguf --type Q4_0 --keep attn_q
quantize q8_0.gguf out.gguf --type Q4_0 --keep attn_q --leave-output
cmp <(tail -c 5376 q8_0.gguf) <(tail -c 5376 out.gguf)
