# SPDX-License-Identifier: Apache-2.0
# Heads in GGUF files: given, exchanged, taken out and counted; what is refused.
. "$CASES/lib.bash"

exec 2>&1
scion() {
    run "$SCION" "$@"
}
quiet() {
    "$SCION" "$@" --quiet || echo "failed: $*"
}
# same A B: whether two files are the same.
same() {
    cmp "$1" "$2" && echo "$1 = $2"
}

for kind in dense moe; do
    echo "== $kind"
    mkdir $kind $kind-donor
    small_model $kind $kind/x --no-mtp --shards 2
    small_model $kind $kind-donor/x --per-expert
    quiet convert $kind/x -o $kind.gguf
    quiet convert $kind-donor/x -o $kind-donor.gguf
    quiet convert $kind-donor/x -o $kind-only.gguf --mtp only
    # From a folder, a file with a head alone, a whole GGUF file and one of its head: always the same.
    scion graft --target $kind.gguf --donor $kind-donor/x -o a.gguf
    quiet mtp extract $kind-donor/x -o head.safetensors
    quiet graft --target $kind.gguf --donor head.safetensors -o b.gguf
    quiet graft --target $kind.gguf --donor $kind-donor.gguf -o c.gguf
    quiet graft --target $kind.gguf --donor $kind-only.gguf -o d.gguf
    for other in b c d; do same a.gguf $other.gguf; done
    "$SCION" mtp status a.gguf | grep -E 'promised|found|verdict'
    # Both at once, in memory.
    quiet convert $kind/x --graft $kind-donor/x -o e.gguf
    same a.gguf e.gguf
    # The way back, and out.
    scion mtp remove a.gguf -o f.gguf
    same f.gguf $kind.gguf
    scion mtp extract $kind-donor.gguf -o g.gguf
    same g.gguf $kind-only.gguf
    rm [a-g].gguf head.safetensors
done

echo "== one pass"
quiet graft --target dense/x --donor dense-donor/x -o grafted --link copy
mkdir two && mv grafted two/x
quiet convert two/x -o a.gguf
quiet quantize a.gguf -o b.gguf --type Q4_0 --mtp-type q8_0
scion convert dense/x --graft dense-donor/x -o c.gguf --type Q4_0 --mtp-type q8_0
same b.gguf c.gguf
# The head of a GGUF file passes through the checkpoint's type.
quiet graft --target dense/x --donor b.gguf -o grafted --link copy
mkdir three && mv grafted three/x
quiet convert three/x -o d.gguf
scion convert dense/x --graft b.gguf -o 'l-{type}.gguf' --type bf16,Q8_0
same d.gguf l-bf16.gguf
scion convert dense-donor/x --graft b.gguf -o e.gguf
scion convert dense-donor/x --graft b.gguf -o e.gguf --replace
quiet graft --target dense-donor/x --donor b.gguf --replace -o grafted --link copy
mkdir four && mv grafted four/x
quiet convert four/x -o f.gguf
same e.gguf f.gguf
# Norms as the user says.
quiet graft --target dense/x --donor dense-donor/x --norms absolute -o grafted --link copy
mkdir five && mv grafted five/x
quiet convert five/x -o g.gguf
scion convert dense/x --graft dense-donor/x --graft-norms absolute -o h.gguf
same g.gguf h.gguf
cmp -s h.gguf dense-donor.gguf && echo "that makes no difference"
quiet convert dense/x --graft dense-donor/x --graft-norms delta -o i.gguf
quiet convert dense/x --graft dense-donor/x -o j.gguf
same i.gguf j.gguf
scion convert dense/x -o e.gguf --replace --force
scion convert dense/x -o e.gguf --graft-norms auto --force
scion convert dense/x --to mlx --graft dense-donor/x -o e
scion convert dense/x --graft dense-donor/x --mmproj -o e.gguf --force

echo "== into a quantized file"
quiet quantize dense.gguf -o q.gguf --type Q4_0
scion graft --target q.gguf --donor dense-donor/x -o a.gguf --force
same a.gguf b.gguf
scion graft --target q.gguf --donor dense-donor/x -o a.gguf --force --mtp-type bf16
"$SCION" mtp status a.gguf | grep types
scion graft --target q.gguf --donor b.gguf -o a.gguf --force --mtp-type q5_0
scion graft --target q.gguf --donor b.gguf -o a.gguf --force --mtp-type q5_0 --allow-requantize
scion graft --target b.gguf --donor dense-donor.gguf -o a.gguf --force
scion graft --target b.gguf --donor dense-donor.gguf -o a.gguf --force --replace
"$SCION" mtp status a.gguf | grep types
scion graft --target q.gguf --donor b.gguf -o s.gguf --split-max-tensors 40
scion graft --target s-00001-of-00002.gguf --donor dense-donor/x --replace -o t.gguf
same t.gguf b.gguf

echo "== refused"
scion graft --target moe.gguf --donor dense-donor.gguf -o n.gguf
scion graft --target dense.gguf --donor moe-donor/x -o n.gguf
scion graft --target moe.gguf --donor dense.gguf -o n.gguf
scion graft --target moe-only.gguf --donor moe-donor/x --replace -o n.gguf
scion graft --target moe.gguf --donor moe-donor/x --in-place
scion graft --target moe.gguf --donor moe-donor/x -o n.gguf --dtype f16
scion graft --target moe/x --donor moe-donor/x -o n --mtp-type q8_0
scion graft --target moe.gguf --donor moe-donor/x -o moe.gguf --force
scion mtp remove moe.gguf -o n.gguf
scion mtp remove moe/x -o n
scion mtp extract moe.gguf -o n.gguf
scion mtp extract b.gguf -o n.safetensors
ls n n.gguf

echo "== normalize"
LC_ALL=C sed 's/qwen35.nextn_predict_layers/qwen35.nextn_predict_layerz/' b.gguf >n.gguf
"$SCION" mtp status n.gguf | grep verdict
scion mtp normalize n.gguf --in-place
"$SCION" mtp status n.gguf | grep verdict
scion mtp normalize n.gguf --in-place
"$SCION" edit q.gguf -o n.gguf --force --quiet --set qwen35.block_counx=u32:3 --set qwen35.nextn_predict_layerz=u32:1
LC_ALL=C sed -i 's/qwen35.block_count/qwen35.block_couny/;s/qwen35.block_counx/qwen35.block_count/
s/qwen35.nextn_predict_layerz/qwen35.nextn_predict_layers/' n.gguf
"$SCION" mtp status n.gguf | grep verdict
scion mtp normalize n.gguf -o o.gguf
# rewrite VALUES: b.gguf with other numbers, which edit would refuse
rewrite() {
    rm -f n.gguf
    "$SCION" edit b.gguf -o n.gguf --quiet "$@"
    LC_ALL=C sed -i 's/qwen35.block_count/qwen35.block_couny/;s/qwen35.block_counx/qwen35.block_count/
s/qwen35.nextn_predict_layers/qwen35.nextn_predict_layert/;s/qwen35.nextn_predict_layerz/qwen35.nextn_predict_layers/' n.gguf
    "$SCION" mtp status n.gguf | grep -E 'found|verdict'
    scion mtp normalize n.gguf --in-place
    "$SCION" mtp status n.gguf | grep verdict
}
for counts in 2:1 3:2 4:1 3:0; do
    echo "-- block_count:nextn_predict_layers = $counts"
    rewrite --set qwen35.block_counx=u32:${counts%:*} --set qwen35.nextn_predict_layerz=u32:${counts#*:}
done
