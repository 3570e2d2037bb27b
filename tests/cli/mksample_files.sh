# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# What a sample consists of, and that it depends on the command alone.
samples=$CASES/../../samples
same() {
    cmp -s "$1" "$2" && echo same || echo different
}
for config in "$samples"/*.json; do
    name=${config##*/}
    name=${name%.json}
    "$MKSAMPLE" "$config" -o "$name"
    echo "$name: $(ls "$name" | tr '\n' ' ')"
    cmp "$config" "$name/config.json"
    "$SCION" inspect "$name" | grep ^architecture
done

"$MKSAMPLE" "$samples/tiny-qwen35.json" -o again
diff -r tiny-qwen35 again && echo "the same bytes again"
"$MKSAMPLE" "$samples/tiny-qwen35.json" -o seed --seed 2
echo "another seed: $(same tiny-qwen35/model.safetensors seed/model.safetensors)," \
    "tokenizer $(same tiny-qwen35/tokenizer.json seed/tokenizer.json)"

# Holes: the same header and size, and no disk.
"$MKSAMPLE" "$samples/tiny-qwen35.json" -o sparse --sparse
echo "sparse: sizes $(same <(stat -c %s tiny-qwen35/*) <(stat -c %s sparse/*))," \
    "headers $(same <("$SCION" inspect --tensors tiny-qwen35 | tail -n +2) <("$SCION" inspect --tensors sparse | tail -n +2))"
[ "$(du -k sparse/model.safetensors | cut -f1)" -lt 100 ] && echo "no disk"

# Shards of about the same size, with the values of the whole.
mkdir whole shards
"$MKSAMPLE" "$samples/tiny-qwen35.json" -o whole/model
"$MKSAMPLE" "$samples/tiny-qwen35.json" -o shards/model --shards 3
ls shards/model
total=$(stat -c %s whole/model/model.safetensors)
for shard in shards/model/*.safetensors; do
    size=$(stat -c %s "$shard")
    [ "$size" -gt $((total / 5)) ] && [ "$size" -lt $((total / 2)) ] && echo "about a third"
done
for model in whole shards; do
    "$SCION" convert "$model/model" -o "$model.gguf" --quiet
done
echo "converted: $(same whole.gguf shards.gguf)"
