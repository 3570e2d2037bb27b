# SPDX-License-Identifier: Apache-2.0
# Folders whose files are not what their names say.
. "$CASES/lib.bash"

exec 2>&1
first=model-00001-of-00002.safetensors
second=model-00002-of-00002.safetensors
index=model.safetensors.index.json
small_model dense whole --shards 2

# fresh: a copy of the model to break, in "model".
fresh() {
    rm -rf model
    cp -R whole model
}
refused() {
    convert_to out.gguf model
}

# Shards.
for size in 0 7 8 100 -1 -1000; do
    fresh
    truncate -s "${size/-/-}" model/$second
    refused
done
fresh; printf 'PK\003\004' >>model/$second; refused
fresh; rm model/$second; refused
fresh; mv model/$second model/$second.incomplete; refused
fresh; rm model/$second; ln -s gone model/$second; refused
fresh; rm model/$second; ln -s $second model/$second; refused
fresh; rm model/$second; mkdir model/$second; refused
fresh; rm model/$second; mkfifo model/$second; refused
fresh; ln -sf ../whole/$second model/$second; refused # a link is followed
for text in 'version https://git-lfs.github.com/spec/v1' '<html>' '{"a": 1}' 'GGUF and eight bytes more' 'PK\003\004zip'; do
    fresh
    printf '%b' "$text" >model/$second
    refused
done
fresh; head -c 1000 /dev/zero >model/$second; refused
fresh; rm model/$index model/$second; cp model/$first model/$second; refused

# The index.
for text in '' 'x' '[]' '{}' '{"weight_map": null}' '{"weight_map": {}}' "{\"weight_map\": {\"a\": \"$first\"}}" \
    "{\"weight_map\": {\"a\": \"$first\", \"a\": \"$second\"}}" \
    '{"weight_map": {"a": "../whole/model.safetensors"}}' '{"weight_map": {"a": "/etc/passwd"}}' \
    '{"weight_map": {"a": "https://example.org/a"}}' '{"weight_map": {"a": ".."}}' '{"weight_map": {"a": ""}}' \
    '{"weight_map": {"a": 5}}' '{"weight_map": {"a": "x\ny"}}' "{\"weight_map\": {\"\": \"$first\"}}" \
    'version https://git-lfs.github.com/spec/v1'; do
    fresh
    printf %s "$text" >model/$index
    refused
done
fresh; sed -i "s/\"mtp.norm.weight\"/\"mtp.other.weight\"/" model/$index; refused
fresh; sed -i -E "s/(\"lm_head.weight\": *\")[^\"]*/\\1$second/" model/$index; refused
fresh; rm model/$index; mkfifo model/$index; refused

# Tensors that the index does not name: a promised head is converted, others are named.
fresh
grep -v '"mtp\.' whole/$index | sed -E -z 's/,(\n *\})/\1/' >model/$index
run "$SCION" convert model -o out.gguf 2>&1 | grep -v fingerprint
run "$SCION" inspect out.gguf | grep MTP
run "$SCION" inspect model | grep -E 'MTP|index'
fresh; edit_header model/$second 's/mtp.norm.weight/stray/'; sed -i '/mtp.norm.weight/d' model/$index
run "$SCION" convert --force --mtp drop model -o out.gguf 2>&1 | grep -v fingerprint
rm out.gguf

# So for whole shards: one with all tensors gives its head, one that cannot be read is only named.
fresh
grep -v '"mtp\.' whole/$index | sed -E -z 's/,(\n *\})/\1/' >model/$index
edit_header model/$second 's/"mtp\./"old./g'
small_model dense all
cp all/model.safetensors model/all.safetensors
printf 'version https://git-lfs.github.com/spec/v1' >model/pointer.safetensors
run "$SCION" convert model -o out.gguf 2>&1 | grep -v fingerprint
run "$SCION" inspect out.gguf | grep MTP
run "$SCION" convert --force model -o model/all.safetensors 2>&1 | grep -v fingerprint
run "$SCION" convert --force --mtp drop model -o model/pointer.safetensors 2>&1 | grep -v fingerprint
rm out.gguf

# What stands beside the tensors.
for name in config.json tokenizer.json tokenizer_config.json; do
    for kind in fifo folder link empty array pointer; do
        fresh
        rm -f "model/$name"
        case $kind in
        fifo) mkfifo "model/$name" ;;
        folder) mkdir "model/$name" ;;
        link) ln -s gone "model/$name" ;;
        empty) : >"model/$name" ;;
        array) printf '[]' >"model/$name" ;;
        pointer) printf 'version https://git-lfs.github.com/spec/v1\n' >"model/$name" ;;
        esac
        refused
    done
    fresh
    rm "model/$name"
    truncate -s 1T "model/$name"
    refused
done
fresh; rm model/tokenizer.json; refused
fresh; rm model/config.json; refused
for text in '{}' '{"image_mean": [], "image_std": []}' '{"image_mean": [NaN, 1, 1], "image_std": [1, 1, 1]}' \
    '{"image_mean": [0.5, 0.5, 0.5], "image_std": 5}' '{"image_mean": [1, 1, 1.5], "image_std": [1, 1, 1]}'; do
    fresh
    printf %s "$text" >model/preprocessor_config.json
    convert_to out.gguf --mmproj model
done
rm -f out.gguf
# Hints alone: a note, and the file without them.
fresh; printf '{' >model/generation_config.json; mkdir model/README.md
run "$SCION" convert model -o out.gguf 2>&1 | grep -v fingerprint
