# SPDX-License-Identifier: Apache-2.0
# MLX folders that are not made.
. "$CASES/lib.bash"

exec 2>&1
small_model dense model
no_tower() {
    sed '/"vision_config"/,/^  }/d; s/^  },$/  }/' "$@"
}
small_config dense | no_tower >plain.json
"$MKSAMPLE" plain.json -o plain

# refused MODEL ARGUMENT...: what a conversion answers, leaving nothing behind.
refused() {
    echo "${*:2}"
    run "$SCION" convert "$1" --to mlx -o out "${@:2}"
    rm -rf out
}

refused model --bits 7
refused model --bits 0
refused model --bits 4 --group-size 48
refused model --mode mxfp4 --bits 8
refused model --mode nvfp4 --group-size 32
refused model --mode x
refused model --type q8_0
refused model --type Q4_K_M
refused model --type bf16,f16
refused model --type bf16 --bits 4
refused model --type bf16 --dtype f16
refused model --dtype f32
refused model --mtp only
refused model --mlx-rounding metal
refused model --mmproj
refused model --pre x
refused model --imatrix x
refused model --ladder x
run "$SCION" convert model --to mlx
run "$SCION" convert model --to onnx -o out
run "$SCION" convert model --bits 4 -o out.gguf
run "$SCION" convert model --text-only -o out.gguf

echo "--- models"
run "$SCION" convert model -q --to mlx --bits 4 --group-size 32 -o q4
refused q4
refused missing
small_model dense headless --no-mtp
refused headless --mtp keep

echo "--- towers"
refused plain -q
refused plain --text-only
cp -r model undescribed && no_tower -i undescribed/config.json
refused undescribed --bits 4 --group-size 32
cp -r model bare && edit_header bare/model.safetensors 's/model\.visual\./model.VISUAL./g'
refused bare
refused bare --allow-unknown 'model.VISUAL.*'
refused bare -q --text-only --allow-unknown 'model.VISUAL.*'

echo "--- outputs"
run "$SCION" convert model -q --to mlx -o q4
run "$SCION" convert model -q --to mlx -o model --force
run "$SCION" convert model -q --to mlx -o model/sub
run "$SCION" convert model -q --to mlx -o no/such/folder
