# SPDX-License-Identifier: Apache-2.0
# Ladders that say too little, too much, or something else.
. "$CASES/lib.bash"

exec 2>&1
"$MKSAMPLE" "$CASES/../../samples/tiny-qwen35.json" -o model >/dev/null
convert() {
    run "$SCION" convert model -q "$@"
}
ladder() {
    printf '%b' "$1" >ladder
    convert --ladder ladder
}

convert -o out.gguf --type Q4_K_M,Q6_K
convert -o '{type}.gguf' --type Q4_K_M,,Q6_K
convert -o '{type}.gguf' --type Q4_K_M,Q4_K_M
convert -o '{type}.gguf' --type Q4_K_M,Q4_K_N
convert -o '{type}.gguf' --type bf16,f16 --imatrix missing.gguf
convert -o '{type}.gguf' --type bf16,Q4_0 --imatrix missing.gguf
convert --ladder missing
convert --ladder model
convert --ladder ladder -o out.gguf
ladder ''
ladder '# nothing\n\n'
ladder 'Q4_K_M\n'
ladder 'Q4_K_M a.gguf\n\nQ6_K b.gguf c.gguf\n'
ladder 'Q4_K_M a.gguf mtp-typ=q8_0\n'
ladder 'Q4_K_M a.gguf --mtp-typ=q8_0\n'
ladder 'Q4_K_M a.gguf mtp=ony\n'
ladder 'Q4_K_M a.gguf pure=yes\n'
ladder 'Q4_K_M a.gguf imatrix\n'
ladder 'Q4_K_M "a.gguf\n'
ladder 'Q4_K_M a.gguf tensor-type=nowhere=q8_0\nQ6_K b.gguf\n'
ladder 'Q4_K_M a.gguf\nQ6_K a.gguf\n'
ladder 'bf16 a.gguf mtp-type=q8_0\nQ6_K b.gguf\n'
ladder 'IQ2_XXS a.gguf\nIQ1_S b.gguf imatrix-missing=neutral\n'
ladder 'Q4_K_M\0 a.gguf\n'
: >b.gguf
ladder 'Q4_K_M a.gguf\nQ6_K b.gguf\n'
rm b.gguf
"$SCION" convert model -q -o model.gguf --type bf16 >/dev/null
printf 'Q4_K_M a.gguf mtp=drop\n' >ladder
run "$SCION" quantize model.gguf --ladder ladder
run "$SCION" quantize model.gguf -o '{type}.gguf' --type Q4_K_M,bad
printf 'Q4_K_M a.gguf\nQ4_0 model.gguf\n' >ladder
run "$SCION" quantize model.gguf --force --ladder ladder
ls
