# SPDX-License-Identifier: Apache-2.0
# Outputs that must not be written, or cannot be.
. "$CASES/lib.bash"

exec 2>&1
small_model dense model
sum() {
    cat model/* | cksum
}
before=$(sum)

# refused OUT [ARGUMENT]...: what a conversion answers.
refused() {
    local out=$1
    shift
    run "$SCION" convert -q "$@" model -o "$out"
    [ "$(sum)" = "$before" ] || echo "the input has changed"
}

for name in model.safetensors config.json tokenizer.json tokenizer_config.json generation_config.json; do
    refused "model/$name" --force
done
ln model/model.safetensors hard.gguf
refused hard.gguf --force
ln -s model/config.json soft.gguf
refused soft.gguf --force
ln -s model other
refused other/config.json --force
ln model/config.json a.gguf.partial
refused a.gguf --force
rm a.gguf.partial
ln -s model/config.json a.gguf.journal
refused a.gguf --force
rm a.gguf.journal
touch victim
ln -s victim a.gguf.partial
refused a.gguf --force
rm a.gguf.partial

# What is no file is never replaced.
mkfifo pipe a.gguf.partial b.gguf.journal
refused pipe
refused pipe --force
refused a.gguf --force
refused b.gguf
[ -p pipe ] && [ -p a.gguf.partial ] && [ -p b.gguf.journal ] || echo "a FIFO is gone"
rm a.gguf.partial b.gguf.journal
ln -s pipe link
refused link --force
mkdir -p folder/x.gguf.partial
refused folder/x.gguf

refused missing/x.gguf
refused missing/
refused model/config.json/x.gguf
refused "$(zeros 300 | tr '\0' x)" 2>&1 | sed 's/x\{100,\}/xxx/'
touch there
refused there
refused there --force
ls

# A limit on file sizes is a failed write.
(
    ulimit -f 64
    refused limited.gguf
)
ls

# Names of control bytes.
refused $'a\nb\e.gguf'
refused $'a\nb\e.gguf'
