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
echo "== several places"
moved='/mtp_num_hidden_layers/d; s/^\{/{"mtp_num_hidden_layers": 1,/'
rest='s/"mtp_num_hidden_layers": 1/"num_mtp_modules": 0, "num_nextn_predict_layers": 2/; s/^\{/{"num_nextn_predict_layers": 1, "num_mtp_modules": null,/'
normalize with "$moved" # readers pass over that where there is a text_config
normalize without "$moved"
normalize with 's/mtp_num_hidden_layers/num_mtp_modules/'
normalize with '/mtp_num_hidden_layers/d; s/^\{/{"num_mtp_modules": 1,/'
normalize with "$rest"
normalize without "$rest"
echo "== a file of its own"
named='s/^\{/{"mlx_lm_extra_tensors": {"mtp_file": "mtp.safetensors"}, "mtp_norm_encoding": "delta",/'
normalize without "$named"
normalize with "$named"
"$SCION" mtp extract -q with -o without/mtp.safetensors
normalize without "$named; s/\"mtp_num_hidden_layers\": 1/\"mtp_num_hidden_layers\": 0/"
rm without/mtp.safetensors
echo "== what conversions promise"
promises() {
    "$SCION" convert -q "$1" -o converted "${@:2}" || return
    "$SCION" mtp status converted | grep -E 'promised|num_|verdict'
    rm -r converted
}
for sed in "$moved" "$rest" "$named" /mtp_num_hidden_layers/d; do
    for model in with without; do
        rm -rf model
        cp -r $model model
        sed -i -E "$sed" model/config.json
        for to in mlx hf; do
            for mtp in keep drop; do
                [ $model-$mtp = without-keep ] && continue
                echo "-- $model $to $mtp"
                promises model --to $to --mtp $mtp
            done
        done
    done
done
echo "-- a text model out of its wrapper"
sed -i -E '/"vision_config"/,/^  \}/d; s/^  \},$/  }/' model/config.json
cp -r with/. model && sed -i -E '/"vision_config"/,/^  \}/d; s/^  \},$/  }/; '"$moved" model/config.json
"$SCION" convert -q model --to mlx --text-only --mtp keep -o mlx && promises mlx --to hf
"$SCION" convert -q model -o m.gguf && promises m.gguf --to hf
rm -r mlx
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
