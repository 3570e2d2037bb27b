# SPDX-License-Identifier: Apache-2.0
# Cutting a file into a set, and making the same file of it again.
. "$CASES/lib.bash"

exec 2>&1
small_model moe model
"$SCION" convert -q model -o a.gguf

# back FIRST: what merging gives, against what was split.
back() {
    run "$SCION" merge -q "$1" -o b.gguf --force
    cmp a.gguf b.gguf && echo "the same bytes"
}

run "$SCION" split a.gguf -o x.gguf --split-max-tensors 20
"$SCION" inspect -m x-00001-of-00003.gguf | grep split
back x-00001-of-00003.gguf

# The bytes of llama-gguf-split.
small_model dense dense
"$SCION" convert -q dense -o dense.gguf
"$SCION" split -q dense.gguf -o d.gguf --split-max-tensors 20
"$SCION" split -q dense.gguf -o e.gguf --split-max-size 50K
"$SCION" split -q dense.gguf -o f.gguf --split-max-tensors 30 --no-tensor-first-split
cksum [def]-0*
rm [def]-0*

# A set is cut anew; what fits is one file.
run "$SCION" split -q x-00001-of-00003.gguf -o y.gguf --split-max-size 60K
ls y-*
back y-00001-of-*.gguf
run "$SCION" split x-00001-of-00003.gguf -o z.gguf --split-max-size 1G
cmp a.gguf z.gguf

# The metadata alone comes first.
run "$SCION" split -q a.gguf -o m.gguf --split-max-tensors 1000 --no-tensor-first-split
ls m-*
back m-00001-of-00002.gguf

# An alignment holds in every file.
run "$SCION" edit -q a.gguf -o aligned.gguf --set general.alignment=256
run "$SCION" split -q aligned.gguf -o al.gguf --split-max-tensors 30
run "$SCION" merge -q al-00001-of-00002.gguf -o al.gguf
cmp al.gguf aligned.gguf
"$SCION" inspect aligned.gguf | grep format

# Without tensors; with a scalar, an empty tensor, integers, a value that is empty and a NaN.
kv_str general.architecture vocab | gguf 0 1 >vocab.gguf
pad vocab.gguf
run "$SCION" split vocab.gguf -o v.gguf --split-max-tensors 1
cmp vocab.gguf v.gguf
{
    kv_str general.architecture odd
    kv_str general.name ''
    tensor integers 26 0 8
    tensor empty 0 32 0
    tensor nans 30 32 4
    tensor q8_1 9 64 32
} | gguf 4 2 >odd.gguf
pad odd.gguf
{
    zeros 28 && le 4 7
    le 2 32705 && le 2 65409 && le 2 32641 && le 2 1 && zeros 24
    zeros 35 && le 1 9 && zeros 28
} >>odd.gguf
run "$SCION" split odd.gguf -o o.gguf --split-max-tensors 1
run "$SCION" merge o-00001-of-00004.gguf -o odd2.gguf
cmp odd.gguf odd2.gguf && echo "the same bytes"

# Refused.
run "$SCION" split a.gguf -o x.gguf
run "$SCION" split a.gguf --split-max-tensors 1
run "$SCION" split a.gguf -o x.gguf --split-max-tensors 0
run "$SCION" split a.gguf -o x.gguf --split-max-tensors 20
run "$SCION" split model -o n.gguf --split-max-tensors 20
run "$SCION" split none.gguf -o n.gguf --split-max-tensors 20
run "$SCION" merge a.gguf -o n.gguf
run "$SCION" merge x-00001-of-00003.gguf
run "$SCION" merge x-00002-of-00003.gguf -o n.gguf
run "$SCION" merge x-00001-of-00003.gguf -o a.gguf
run "$SCION" merge x-00001-of-00003.gguf -o x-00002-of-00003.gguf --force
rm x-00003-of-00003.gguf
run "$SCION" merge x-00001-of-00003.gguf -o n.gguf
run "$SCION" split a.gguf -o n.gguf --split-max-tensors 40 --dry-run | grep file
ls n* 2>&1
