# SPDX-License-Identifier: Apache-2.0
# Configs that promise what is there, in both directions; not a byte more changes.
. "$CASES/lib.bash"

exec 2>&1
small_model dense with
small_model dense without --no-mtp

# case MODEL SED_SCRIPT: normalizes a copy whose config was edited.
normalize() {
    rm -rf model
    cp -r "$1" model
    sed -i -E "$2" model/config.json
    cp model/config.json before.json
    ln model/config.json link.json
    run "$SCION" mtp normalize model --in-place
    diff before.json model/config.json
    cmp before.json link.json
    rm link.json
    "$SCION" mtp status model >log && tail -n 1 log
    run "$SCION" mtp normalize model --in-place
}

echo "== both agree"
normalize with ''
normalize without 's/"mtp_num_hidden_layers": 1/"mtp_num_hidden_layers": 0/'
echo "== promised, not there"
normalize without ''
normalize without 's/"mtp_num_hidden_layers": 1/"num_nextn_predict_layers" :  3/'
normalize without 's/^\{/{ "num_mtp_modules":2,/'
echo "== there, not promised"
normalize with '/mtp_num_hidden_layers/d'
normalize with 's/"mtp_num_hidden_layers": 1/"mtp_num_hidden_layers": null/'
normalize with 's/"mtp_num_hidden_layers": 1/"mtp_num_hidden_layers": 0/; s/^\{/{"mtp_num_hidden_layers": 2,/'
echo "== a new folder"
rm -r model
cp -r without model
run "$SCION" mtp normalize model -o out
for f in model/*; do
    cmp "$f" "out/${f#*/}" && [ "$f" -ef "out/${f#*/}" ] && echo "${f#*/} is linked"
done
run "$SCION" mtp normalize model -o copies --link copy --json
[ model/tokenizer.json -ef copies/tokenizer.json ] || echo "tokenizer.json is a copy"
run "$SCION" mtp normalize model --in-place --dry-run
cmp model/config.json without/config.json && echo "the dry run changed nothing"
echo "== refused"
run "$SCION" mtp normalize model
run "$SCION" mtp normalize model -o copies
run "$SCION" mtp normalize model/model.safetensors --in-place
run "$SCION" mtp forget model
run "$SCION" mtp status model -o out
run "$SCION" mtp extract with
run "$SCION" mtp extract without -o head.safetensors
edit_header with/model.safetensors 's/"mtp\.norm\.weight"/"other"/'
run "$SCION" mtp normalize with --in-place
run "$SCION" mtp extract with -o head.safetensors
sed -i 's/"mtp_num_hidden_layers": 1/"mtp_num_hidden_layers": "1"/' model/config.json
run "$SCION" mtp normalize model --in-place
