# SPDX-License-Identifier: Apache-2.0
# Several files from one reading: each is what it would be alone.
. "$CASES/lib.bash"

exec 2>&1
"$MKSAMPLE" "$CASES/../../samples/tiny-qwen35.json" -o model >/dev/null
mkdir out

# alone OUTPUT OPTION...: compares with a run of its own.
alone() {
    local rung=$1
    shift
    "$SCION" convert model -q --force -o alone.gguf "$@" && cmp alone.gguf "$rung" && echo "$rung: as alone"
}

"$SCION" convert model -q -o 'out/m-{type}.gguf' --type bf16,F16,Q4_K_M,iq4_xs,q8_0 | sed 's/:.*//'
for type in bf16 F16 Q4_K_M iq4_xs q8_0; do
    alone "out/m-$type.gguf" --type "$type"
done

cat >ladder <<'END'
# type   output            options of the rung
Q4_K_M   out/drop.gguf     mtp=drop
q8_0     out/head.gguf     mtp=only
Q6_K     "out/with blank"  --output-type=q8_0 pure	# a comment

IQ3_M    out/pin.gguf      mtp-type=q8_0 tensor-type=attn_v=q6_k imatrix-missing=neutral
f32      out/f32-{type}.gguf
END
"$SCION" convert model -q --ladder ladder | sed 's/, .*//'
alone out/drop.gguf --type Q4_K_M --mtp drop
alone out/head.gguf --type q8_0 --mtp only
alone 'out/with blank' --type Q6_K --output-type q8_0 --pure
alone out/pin.gguf --type IQ3_M --mtp-type q8_0 --tensor-type attn_v=q6_k --imatrix-missing neutral
alone out/f32-f32.gguf --type f32

# What there is to say of the model is said once, whatever the modes of its head.
printf '%s\n' 'q8_0 out/1.gguf mtp=keep' 'q8_0 out/2.gguf mtp=drop' 'q8_0 out/3.gguf mtp=only' >modes
"$SCION" convert model --dry-run --ladder modes >/dev/null

# From a GGUF file, split: sets of files.
"$SCION" quantize out/m-bf16.gguf -q -o 'out/{type}.gguf' --type Q5_K_M,Q4_0 --split-max-tensors 30 | sed 's/:.*//'
"$SCION" quantize out/m-bf16.gguf -q -o alone.gguf --type Q4_0 --split-max-tensors 30
for part in alone-*; do
    cmp "$part" "out/Q4_0${part#alone}" && echo "${part#alone-}: as alone"
done

# Planned sizes are those of the files; the source is read once.
rm -r out
mkdir out
"$SCION" convert model -q --dry-run --ladder ladder | sed -n 1,7p
"$SCION" convert model -q --dry-run --json --ladder ladder >plan.json
grep -o '"rungs":\[[^]]*\]' plan.json
one=$("$SCION" convert model -q --dry-run --json --type bf16 -o x.gguf | grep -o '"bytes_read":[0-9]*')
grep -o '"bytes_read":[0-9]*' plan.json | sed "s/^$one$/reads what one file does/"
"$SCION" convert model -q --ladder ladder >/dev/null
for file in out/*; do
    echo "$(wc -c <"$file") $file"
done
