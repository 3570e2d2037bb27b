# SPDX-License-Identifier: Apache-2.0
# Experts there and back again, in one shard and in many, quantized or not.
. "$CASES/lib.bash"

exec 2>&1
sample=$CASES/../../samples/tiny-qwen35moe.json

# repack FROM TO LAYOUT [ARGUMENT]...
repack() {
    local from=$1 to=$2 layout=$3
    shift 3
    run "$SCION" repack "$from" -o "$to" --experts "$layout" "$@"
}

# same FOLDER FOLDER: the second has the files of the first, byte for byte, but for the index.
same() {
    local file
    for file in "$1"/*.safetensors "$1"/config.json "$1"/tokenizer.json; do
        cmp "$file" "$2/${file##*/}" || return
    done
    echo "$2 is $1"
}

# names FOLDER PATTERN: how many tensors have such names
names() {
    "$SCION" inspect --tensors "$1" | grep -cE "$2"
}

"$MKSAMPLE" "$sample" -o split --per-expert
repack split stacked stacked
names stacked 'switch_mlp\.(gate|up|down)_proj\.weight .*\[8, '
repack stacked fused fused
names fused 'experts\.gate_up_proj .*\[8, '
repack fused stacked2 stacked
same stacked stacked2
repack fused split2 split
same split split2
names split2 'experts\.[0-9]+\.(gate|up|down)_proj\.weight '

# Shards keep their names and what is not an expert; those without experts are links, or copies.
"$MKSAMPLE" "$sample" -o fused8 --shards 8
repack fused8 stacked8 stacked
repack stacked8 again8 fused --link copy
same fused8 again8
find stacked8 -type f -links 2 | wc -l
find again8 -type f -links 2 | wc -l
repack fused8 hard stacked --link hard -q
same stacked8 hard

# Experts of one layer in several shards; a shard that is left without tensors is gone.
"$MKSAMPLE" "$sample" -o split20 --per-expert --shards 20
repack split20 gathered stacked
cd gathered && ls ./*.safetensors && cd ..
repack split20 cut split --split-max-size 2M
repack gathered cut2 split --split-max-size 2M
same cut cut2

# A plan in JSON, and a folder that is in the way.
repack split there stacked --dry-run --json | head -n 8
ls -d there
mkdir there
repack split there stacked
repack split there stacked
repack split there stacked --force
touch there/model-00001-of-00002.safetensors
repack split there stacked --force
repack split split/inside stacked
repack split split stacked --force
ls split
