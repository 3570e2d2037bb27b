# SPDX-License-Identifier: Apache-2.0
# Importance data with holes: what each policy makes of them, and data that cannot be this model's.
. "$CASES/lib.bash"

exec 2>&1
# matrix NAME COLUMNS COUNT...: sums and counts of a stack of as many matrices, every value 1, for the files below.
names=() shapes=() counts=()
matrix() {
    names+=("$1")
    shapes+=("$2")
    counts+=("${*:3}")
}
ones() {
    local i
    for ((i = 0; i < $1; i++)); do
        printf '\0\0\x80\x3f'
    done
}
# imatrix FILE: the matrices collected so far.
imatrix() {
    local i c offset=0 n
    {
        kv_str general.type imatrix
        kv_strs imatrix.datasets text
        kv_u32 imatrix.chunk_count 1
        kv_u32 imatrix.chunk_size 512
        for i in "${!names[@]}"; do
            read -ra c <<<"${counts[i]}"
            n=$((shapes[i] * ${#c[@]} * 4))
            tensor "${names[i]}.in_sum2" 0 $offset "${shapes[i]}" ${#c[@]}
            offset=$((offset + (n + 31) / 32 * 32))
            tensor "${names[i]}.counts" 0 $offset 1 ${#c[@]}
            offset=$((offset + (${#c[@]} * 4 + 31) / 32 * 32))
        done
    } | gguf $((2 * ${#names[@]})) 4 >"$1"
    pad "$1"
    for i in "${!names[@]}"; do
        read -ra c <<<"${counts[i]}"
        ones $((shapes[i] * ${#c[@]})) >>"$1"
        pad "$1"
        for n in "${c[@]}"; do
            if [ "$n" = 0 ]; then zeros 4; else ones 1; fi
        done >>"$1"
        pad "$1"
    done
}
quantize() {
    run "$SCION" convert model --force -o out.gguf "$@" 2>&1 | grep -v pre-tokenizer
}

"$MKSAMPLE" "$CASES/../../samples/tiny-qwen35moe.json" -o model >/dev/null

# None at all: every tensor that needs it is named.
quantize --type IQ2_XXS | grep -vE 'blk\.[1-9]'
quantize --type IQ2_XXS -q
for policy in neutral borrow; do
    quantize --type IQ2_XXS --imatrix-missing $policy -n | grep -c 'all columns weigh alike'
done
quantize --type Q4_K_M -q # needs none

# The first two layers have some; of the experts of the second one, 1 and 3 were never hit.
for block in 0 1; do
    matrix blk.$block.attn_qkv.weight 256 1
    matrix blk.$block.ffn_gate_shexp.weight 256 1
done
matrix blk.0.ffn_down_exps.weight 256 1 1 1 0 1 1 1 1
matrix blk.1.ffn_gate_exps.weight 256 1 0 1 1 1 1 1 1
matrix blk.1.ffn_down_exps.weight 256 1 0 1 0 1 1 1 1
imatrix part.imatrix
quantize --type IQ2_XXS --imatrix part.imatrix --imatrix-missing borrow -n | grep -E 'blk\.[01]\.(ffn|attn_gate)|exit'
quantize --type IQ2_XXS --imatrix part.imatrix --imatrix-missing neutral -n | grep -E 'blk\.[01]\.(ffn|attn_gate)|exit'
quantize --type IQ2_XXS --imatrix part.imatrix --imatrix-missing borrow -q
quantize --type Q4_K_M --imatrix part.imatrix --imatrix-missing borrow -n | grep -E 'never|exit'

# The data of a whole model where the head is left out, and a head's own file.
quantize --type Q4_K_M --imatrix part.imatrix --mtp drop -q
quantize --type Q4_K_M --imatrix part.imatrix --mtp only -q

# Not this model's.
matrix blk.99.attn_q.weight 256 1
imatrix foreign.imatrix
quantize --type Q4_K_M --imatrix foreign.imatrix -q
names=() shapes=() counts=()
matrix blk.0.attn_qkv.weight 128 1
imatrix narrow.imatrix
quantize --type Q4_K_M --imatrix narrow.imatrix -q
head -c 600 part.imatrix >short.imatrix
quantize --type Q4_K_M --imatrix short.imatrix -q
quantize --type Q4_K_M --imatrix out.gguf -q
mv out.gguf model.gguf
quantize --type Q4_K_M --imatrix model.gguf -q
sed 's/\x00\x00\x80\x3f/\x00\x00\xc0\x7f/' part.imatrix >nan.imatrix
quantize --type Q4_K_M --imatrix nan.imatrix -q
sed 's/\x00\x00\x80\x3f/\x00\x00\x80\xbf/' part.imatrix >negative.imatrix
quantize --type Q4_K_M --imatrix negative.imatrix -q
ls
