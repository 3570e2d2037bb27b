# SPDX-License-Identifier: Apache-2.0
# Leaving blocks out.
. "$CASES/lib.bash"

exec 2>&1
small_config dense | sed 's/"num_hidden_layers": 2/"num_hidden_layers": 6/' >config
"$MKSAMPLE" config -o model
"$SCION" convert -q model -o a.gguf
"$SCION" convert -q model -o nomtp.gguf --mtp drop

names() {
    "$SCION" inspect --tensors "$1" | grep -o 'blk\.[0-9]*' | uniq -c
    "$SCION" inspect -m "$1" | grep -E 'block_count|nextn'
}

run "$SCION" edit a.gguf -o b.gguf --prune-layers 2-3
names b.gguf
run "$SCION" edit -q a.gguf -o c.gguf --prune-layers 1,2,6
names c.gguf

# Without its head, the file is the one converted without it.
run "$SCION" edit -q a.gguf -o d.gguf --prune-layers 6 --set general.size_label=x
run "$SCION" edit -q nomtp.gguf -o e.gguf --set general.size_label=x
cmp d.gguf e.gguf
run "$SCION" edit -q a.gguf --in-place --prune-layers 6 --set general.size_label=x
cmp a.gguf d.gguf
"$SCION" convert -q model -o a.gguf --force

# Pruned and quantized at once, or one after the other.
run "$SCION" quantize -q a.gguf -o q.gguf --type q8_0 --prune-layers 2-3
run "$SCION" quantize -q b.gguf -o r.gguf --type q8_0
cmp q.gguf r.gguf
run "$SCION" quantize a.gguf -o s.gguf --type q8_0 --prune-layers 2-3 --dry-run | grep -v memory

run "$SCION" edit a.gguf -o n.gguf --prune-layers 1
run "$SCION" edit a.gguf -o n.gguf --prune-layers 0-6
run "$SCION" edit a.gguf -o n.gguf --prune-layers 7
run "$SCION" quantize a.gguf -o n.gguf --type q8_0 --prune-layers x
"$SCION" convert -q model -o v.gguf --mmproj
run "$SCION" edit v.gguf -o n.gguf --prune-layers 0
ls n.gguf
