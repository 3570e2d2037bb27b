# SPDX-License-Identifier: Apache-2.0
# Holes stay holes: the same bytes as of a file without, and 200 GB in a moment and next to no disk.
. "$CASES/lib.bash"

exec 2>&1
sample=$CASES/../../samples/tiny-qwen35moe.json

"$MKSAMPLE" "$sample" -o sparse --sparse --shards 3
cp -r --sparse=never sparse dense
for model in sparse dense; do
    run "$SCION" repack $model -o $model.split --experts split
    run "$SCION" repack $model -o $model.copied --experts split --split-max-size 1M
    run "$SCION" convert $model -o $model.gguf --name x -q
done
for what in .split .copied .gguf; do
    diff -r sparse$what dense$what && echo "the same: $what"
done

sed -E 's/("moe_intermediate_size": )[0-9]+/\132768/; s/("hidden_size": )[0-9]+/\18192/
    s/("num_experts": )[0-9]+/\132/' "$sample" >large.json
"$MKSAMPLE" large.json -o large --sparse
run "$SCION" repack large -o large.split --experts split -q
for model in large large.split; do
    [ "$(du -sk --apparent-size $model | cut -f1)" -gt 200000000 ] && echo "$model: more than 200 GB"
    [ "$(du -sk $model | cut -f1)" -lt 20000 ] && echo "$model: less than 20 MB"
done
