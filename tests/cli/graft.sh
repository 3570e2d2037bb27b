# SPDX-License-Identifier: Apache-2.0
# A head from one model to another: what is written, what is not touched, and that the way back gives the same bytes.
. "$CASES/lib.bash"

exec 2>&1
graft() {
    run "$SCION" graft --target "$1" --donor "$2" "${@:3}"
}

# same A B: whether two folders hold the same.
same() {
    diff -rq "$1" "$2" && echo "$1 = $2"
}

gguf_of() {
    "$SCION" convert -q --name x "$1" -o "$1.gguf" && cksum <"$1.gguf"
}

for kind in dense moe; do
    echo "== $kind"
    small_model $kind donor-$kind --shards 2 --per-expert
    small_model $kind target-$kind --shards 2 --no-mtp --per-expert
    before=$(cat target-$kind/* | cksum)
    graft target-$kind donor-$kind -o $kind
    "$SCION" mtp status $kind | grep -E 'found|layout|verdict'
    [ "$(cat target-$kind/* | cksum)" = "$before" ] || echo "the target has changed"
    [ target-$kind/tokenizer.json -ef $kind/tokenizer.json ] && echo "tokenizer.json is the same file"
    [ target-$kind/config.json -ef $kind/config.json ] || echo "config.json is not"
    # The conversion cannot tell it from the model that had its head all along.
    [ "$(gguf_of $kind)" = "$(gguf_of donor-$kind)" ] && echo "converts to the same"
    run "$SCION" mtp extract donor-$kind -o $kind.safetensors
    cmp $kind.safetensors $kind/model-mtp.safetensors && echo "the head is the added file"
    graft target-$kind $kind.safetensors -q -o again-$kind
    same again-$kind $kind
    "$SCION" convert -q --mtp only donor-$kind -o only.gguf
    "$SCION" mtp extract -q donor-$kind -o head.gguf
    cmp only.gguf head.gguf && echo "the GGUF head is that of convert"
    graft target-$kind only.gguf -q -o from-gguf
    "$SCION" convert -q --name x from-gguf -f -o y.gguf && cmp y.gguf $kind.gguf && echo "a GGUF donor gives the same"
    rm -r from-gguf only.gguf head.gguf
done

echo "== one file, in place"
small_model moe single --no-mtp
ln single/config.json kept.json
graft single donor-moe --in-place
graft single donor-moe --in-place
graft single donor-moe --in-place --replace --dtype f32
"$SCION" mtp status single | grep -E 'found|types'
sed -n '/total_size/p; /weight_map/,+2p' single/model.safetensors.index.json
cmp kept.json target-moe/config.json

echo "== other layouts"
small_model moe fused # one file: its index is made
graft target-moe fused -o of-fused
"$SCION" mtp status of-fused | grep -E 'found|layout'
# The same bytes under the names of stacked experts.
read -r from to < <(sed -E 's/.*"mtp\.layers\.0\.mlp\.experts\.gate_up_proj":\{[^}]*\[([0-9]+),([0-9]+)\]\}.*/\1 \2\n/;q' \
    < <(tail -c +9 fused/model.safetensors | head -c 100000 | tr -d '\0'))
middle=$(((from + to) / 2))
stacked=mtp.layers.0.mlp.switch_mlp
entry='"dtype":"BF16","shape":[4,16,32]'
edit_header fused/model.safetensors "s/\"mtp\.layers\.0\.mlp\.experts\.gate_up_proj\":\{[^}]*\}/\
\"$stacked.gate_proj.weight\":{$entry,\"data_offsets\":[$from,$middle]},\
\"$stacked.up_proj.weight\":{$entry,\"data_offsets\":[$middle,$to]}/
s/mtp\.layers\.0\.mlp\.experts\.down_proj/$stacked.down_proj.weight/"
graft target-moe fused -o of-stacked
"$SCION" mtp status of-stacked | grep -E 'found|layout'
"$SCION" convert of-stacked -o x.gguf -q && "$SCION" mtp status x.gguf | grep found

echo "== a drafter: names without a prefix"
"$SCION" mtp extract -q donor-dense -o bare.safetensors
edit_header bare.safetensors 's/"mtp\./"/g'
"$SCION" mtp status bare.safetensors | grep -E 'found|layout'
graft target-dense bare.safetensors -q -o of-bare
"$SCION" convert -q --name x of-bare -f -o y.gguf && cmp y.gguf dense.gguf && echo "the same"

echo "== a quantized GGUF file, whose shapes lack leading ones"
"$SCION" convert -q donor-moe -o q.gguf --type Q4_0 --tensor-type 'exps|shexp=bf16'
graft target-moe q.gguf -o of-quantized
"$SCION" mtp status of-quantized | grep -E 'found|types'
run "$SCION" convert -q of-quantized -o z.gguf

echo "== licences"
echo donor >donor-dense/LICENSE
echo notice >donor-dense/NOTICE.txt
graft target-dense donor-dense -o licensed
echo target >target-dense/LICENSE
echo notice >target-dense/NOTICE.txt
graft target-dense donor-dense -o both
ls both | grep -E 'LICENSE|NOTICE|ORIGIN'
cat both/MTP-ORIGIN.txt both/LICENSE both/LICENSE-MTP
# Another head's licence goes with that head.
echo other >donor-dense/LICENSE
graft licensed donor-dense --replace -q -o other && cat other/LICENSE
graft both donor-dense --replace -q -o other-both && ls other-both | grep -E 'LICENSE|NOTICE|ORIGIN'

echo "== a dry run"
graft target-dense donor-dense -o dry --dry-run | tail -n 4
ls dry
