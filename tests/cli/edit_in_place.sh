# SPDX-License-Identifier: Apache-2.0
# Edits in place: a patch where that is safe, else a new file under the old name.
. "$CASES/lib.bash"

exec 2>&1
sample_gguf a.gguf
chmod 640 a.gguf
original=$(cksum <a.gguf)

inode() {
    stat -c %i "$1"
}
# edit FILE ARGUMENT...: what it says, and whether it is the same file still.
edit() {
    local file=$1 before
    shift
    before=$(inode "$file")
    run "$SCION" edit "$file" --in-place "$@"
    [ "$(inode "$file")" = "$before" ] && echo "written where it is" || echo "a new file"
}

edit a.gguf --set tokenizer.ggml.pre=QWEN35
edit a.gguf --set tokenizer.ggml.pre=QWEN35
edit a.gguf --set tokenizer.ggml.pre=qwen35
[ "$(cksum <a.gguf)" = "$original" ] || echo "not as it was"
edit a.gguf --set tokenizer.ggml.tokens='["A", "b", "c", "d", "e", "f", "g", "h"]'
edit a.gguf --set tokenizer.ggml.tokens='["AB", "", "c", "d", "e", "f", "g", "h"]'
edit a.gguf --set tokenizer.ggml.tokens='["a", "b", "c", "d", "e", "f", "g", "h"]'
edit a.gguf --set tokenizer.ggml.pre=longer
edit a.gguf --set tokenizer.ggml.pre=q --dry-run | grep -v memory
edit a.gguf --set tokenizer.ggml.pre=qwen35
[ "$(cksum <a.gguf)" = "$original" ] || echo "not as it was"
stat -c %a a.gguf

# Another name keeps the old content.
ln a.gguf hard.gguf
edit a.gguf --set tokenizer.ggml.pre=QWEN35
[ "$(cksum <hard.gguf)" = "$original" ] || echo "the other name has changed"
ln a.gguf again.gguf
edit a.gguf --set tokenizer.ggml.pre=QWEN35
rm again.gguf

# A link stays a link, to the new file.
mkdir links store
mv a.gguf store
ln -s ../store/a.gguf links/a.gguf
ln -s links/a.gguf b.gguf
before=$(inode store/a.gguf)
run "$SCION" edit b.gguf --in-place --set tokenizer.ggml.pre=qwen35
[ "$(inode store/a.gguf)" = "$before" ] && echo "written where it is" || echo "a new file"
[ "$(cksum <store/a.gguf)" = "$original" ] || echo "not as it was"
find . -type l -printf '%P -> %l\n' | sort
ls store

# Of a set, the first file.
run "$SCION" split -q store/a.gguf -o s.gguf --split-max-tensors 1
cksum s-00002* s-00003* >others
run "$SCION" edit -q s-00001-of-00003.gguf --in-place --set tokenizer.ggml.pre=new
run "$SCION" edit -q s-00001-of-00003.gguf --in-place --set general.name=new
run "$SCION" edit s-00001-of-00003.gguf --in-place --remove split.no
run "$SCION" edit s-00001-of-00003.gguf --in-place --prune-layers 1
cksum s-00002* s-00003* | cmp - others
run "$SCION" merge -q s-00001-of-00003.gguf -o m.gguf
run "$SCION" edit -q store/a.gguf -o e.gguf --set general.name=new --set tokenizer.ggml.pre=new
cmp m.gguf e.gguf
run "$SCION" edit -q s-00001-of-00003.gguf -o f.gguf --set general.name=new
cmp f.gguf e.gguf

# What llama-gguf-split leaves after a merge can be taken out.
{
    kv_str general.architecture vocab
    kv_u16 split.no 0
    kv_u16 split.count 0
} | gguf 0 3 >left.gguf
pad left.gguf
run "$SCION" merge left.gguf -o clean.gguf
run "$SCION" edit left.gguf --in-place --remove split.no --remove split.count
cmp left.gguf clean.gguf

# A failed write changes nothing, and leaves nothing.
small_model dense model
"$SCION" convert -q model -o g.gguf
cp g.gguf h.gguf
(
    ulimit -f 64
    run "$SCION" edit g.gguf --in-place --set general.name=longer
)
cmp g.gguf h.gguf
ls
