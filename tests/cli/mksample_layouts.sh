# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# The head and the layouts of experts, by the names of tensors.
samples=$CASES/../../samples
# count FOLDER: tensors in all, of the head, of experts, of the vision tower, output matrices
count() {
    "$SCION" inspect --tensors "$1" | sed '1,/^name /d' >list
    echo "$1: $(wc -l <list)," \
        "head $(grep -c '^mtp\.' list)," \
        "fused $(grep -c 'mlp\.experts\.[a-z]' list)," \
        "numbered $(grep -c 'mlp\.experts\.[0-9]' list)," \
        "tower $(grep -c '^model\.visual\.' list)," \
        "output $(grep -c '^lm_head\.' list)"
}
# sample NAME [OPTION]...
sample() {
    local name=$1 folder
    shift
    folder=$name${*/--/-}
    "$MKSAMPLE" "$samples/$name.json" -o "$folder" --sparse "$@"
    count "$folder"
}
for name in tiny-qwen35 tiny-qwen35moe tiny-qwen3next tiny-qwen3 tiny-qwen3moe tiny-llama; do
    sample "$name"
done
sample tiny-qwen35 --no-mtp
sample tiny-qwen35moe --no-mtp
sample tiny-qwen35moe --per-expert
sample tiny-qwen3moe --per-expert
sample tiny-llama --per-expert
sed 's/"tie_word_embeddings": true/"tie_word_embeddings": false/' "$samples/tiny-llama.json" >untied.json
"$MKSAMPLE" untied.json -o untied --sparse
count untied
