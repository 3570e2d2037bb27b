# SPDX-License-Identifier: Apache-2.0
# MLX folders: what lies in them, names and types, config.json, the index.
. "$CASES/lib.bash"

exec 2>&1
small_model moe model --per-expert
# tensors FOLDER: name, type and shape of each.
tensors() {
    "$SCION" inspect --tensors --stored "$1" | grep -E ' (bf16|f16|f32|u32|u8) '
}

run "$SCION" convert model --to mlx --bits 4 --group-size 32 -o q4
ls q4
cat q4/config.json
echo
cat q4/README.md
head -n 8 q4/model.safetensors.index.json
tensors q4

echo "--- text only, with the head, float16"
run "$SCION" convert -q model --to mlx --text-only --mtp keep --type f16 -o text/
ls text
grep -E 'vision|mtp|dtype' text/config.json
tensors text | grep -E 'mtp|layers.0.linear|vision'

echo "--- rows that are no whole groups"
run "$SCION" convert model --to mlx --bits 8 -o skipped
run "$SCION" convert model --to mlx --bits 8 --group-size 128 -o nothing
ls -d nothing

echo "--- shards"
run "$SCION" convert -q model --to mlx --split-max-size 100K -o shards
(cd shards && wc -c model-*)
run "$SCION" convert model --to mlx --split-max-size 100K -o dry --dry-run
ls -d dry

echo "--- GPU rounding, narrow floats"
run "$SCION" convert -q model --to mlx --mode mxfp4 --mlx-rounding metal -o metal
run "$SCION" convert -q model --to mlx --mode mxfp4 -o cpu
cmp -s metal/model.safetensors cpu/model.safetensors || echo differ
head -c 100 metal/model.safetensors | tail -c +9 | cut -d: -f1-4
grep -A 3 '"quantization"' metal/config.json
