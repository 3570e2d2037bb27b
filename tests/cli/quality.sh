# SPDX-License-Identifier: Apache-2.0
# The quality report, and values that are not finite.
. "$CASES/lib.bash"

exec 2>&1
small_model dense model
quantize() {
    run "$SCION" convert model "$@"
}

# What it says, and that no thread or tile changes it.
quantize -o x.gguf --type q8_0 --report r.json --threads 1 | sed 's/  *$//'
grep -v '"scion"' r.json | sed '/"output.weight"/q'
tail -n 26 r.json
mv r.json r1.json
for memory in 64M 512M; do
    "$SCION" convert model -o x.gguf -f -q --type q8_0 --report r.json -f --threads 4 --max-memory $memory
    cmp r1.json r.json
done

# Several outputs from one reading: the same numbers as alone.
quantize -o 'x-{type}.gguf' --type q8_0,f16 --report ladder.json -j 3
grep -c '"relative_error"' r.json ladder.json
diff <(grep -A4 '"rms"' r1.json) <(grep -A4 '"rms"' ladder.json | head -n "$(grep -A4 '"rms"' r1.json | wc -l)") && echo same
quantize -o x.gguf -f --type q8_0 --report r.json -q
quantize -o x.gguf -f --type q8_0 --report r.json --json | grep -c relative_error
quantize -o y.gguf --type q8_0 --report s.json --dry-run | head -n 1

# Where it cannot be written, nothing is done.
rm x*.gguf
quantize -o x.gguf --report r.json
quantize -o x.gguf --report x.gguf
quantize -o x.gguf --report model/config.json --force
quantize -o x.gguf --report missing/r.json
mkdir folder
quantize -o x.gguf --report folder
ln -s r.json link.partial
quantize -o x.gguf --report link
ls

# poke TENSOR ELEMENT BITS: puts a bf16 value into the model.
poke() {
    local file=model/model.safetensors n off
    n=$(od -An -t u8 -N 8 $file)
    off=$(tail -c +9 $file | head -c "$n" | sed -E "s/.*\"$1\":[^[]*\[[0-9,]*\],\"data_offsets\":\[([0-9]*).*/\1/")
    le 2 "$3" | dd of=$file bs=1 seek=$((8 + n + off + 2 * $2)) conv=notrunc status=none
}
down=model.language_model.layers.1.mlp.down_proj.weight
convert() {
    convert_to x.gguf "$@" model
}
rm -f x.gguf link.partial
for bits in 0x7fc0 0xff80; do
    poke $down 131 $bits
    convert --type q8_0
    convert --type q8_0 --allow-nonfinite --report r.json -f
    grep n_nonfinite r.json | sort | uniq -c
    convert --type bf16
    convert --type f16
done
poke $down 131 0x4780 # 65536
convert --type f16
convert --type f16 --allow-nonfinite
convert --type q8_0
poke $down 131 0x4c00 # 2^25: the scale is too large
convert --type q8_0
"$SCION" convert -q model -o y.gguf --type bf16
run "$SCION" quantize -q y.gguf -o z.gguf --type Q4_0 --tensor-type 'down=iq4_nl'
run "$SCION" quantize -q y.gguf -o z.gguf --type Q4_0 --allow-nonfinite
