# SPDX-License-Identifier: Apache-2.0
# Side-cars under odd names, what an earlier head left in config.json, and matrices of more than one setting.
. "$CASES/lib.bash"

exec 2>&1
wide_model moe donor
wide_model moe plain --no-mtp
"$SCION" convert -q plain --to mlx --bits 4 --group-size 32 -o mlx

echo "== a long name"
deep=$(printf 'a%.0s' {1..200})/$(printf 'b%.0s' {1..200})
run "$SCION" graft -q --target mlx --donor donor --side-car-file "$deep.safetensors" -o deep
"$SCION" mtp status deep | grep verdict

echo "== a shard whose name ends as the side-car's"
cp -r mlx ends
mv ends/model.safetensors ends/model-p.safetensors
sed -i 's/model\.safetensors/model-p.safetensors/' ends/model.safetensors.index.json
"$SCION" graft -q --target ends --donor donor --side-car-file p.safetensors -o p
"$SCION" graft -q --target p --donor donor --replace -o q
find q -name '*.safetensors' | sort

echo "== a name spelled in another way"
"$SCION" graft -q --target mlx --donor donor -o dots
sed -i 's#"mtp/weights#".//mtp//./weights#' dots/config.json
run "$SCION" graft --target dots --donor donor --replace --in-place
"$SCION" graft -q --target mlx --donor donor --side-car-file head.safetensors -o root
sed -i 's#"head#"./head#' root/config.json
"$SCION" mtp normalize root -o normal
"$SCION" mtp remove -q root -o removed
find normal removed -name '*.safetensors' | sort

echo "== entries of an earlier head's modules"
cp -r mlx stale
sed -i '0,/"mode": "affine"/s//"mode": "affine", "language_model.mtp.layers.0.self_attn.q_proj": {"bits": 8, "group_size": 64}, "mtp.fc": false/' \
    stale/config.json
"$SCION" graft --target stale --donor donor --policy all -o fresh
"$SCION" mtp status fresh | grep -E '^(types|verdict)'

echo "== more than one setting, which nothing declares"
"$SCION" convert -q donor --to mlx --bits 4 --group-size 32 --mtp keep -o within
"$SCION" mtp extract -q within -o mixed.safetensors
"$SCION" mtp status mixed.safetensors | grep -E '^(found|types)'
"$SCION" graft -q --target mlx --donor mixed.safetensors -o of-mixed
"$SCION" mtp status of-mixed | grep -E '^(found|types|verdict)'

echo "== once more over what is there"
before=$(cat mlx/* | cksum)
run "$SCION" graft -q --target mlx --donor donor -o deep -f --side-car optiq
run "$SCION" graft -q --target mlx --donor donor -o deep -f --link copy
[ deep/README.md -ef mlx/README.md ] && echo "README.md is the same file still"
ln -s mlx name
run "$SCION" graft -q --target mlx --donor donor -o name -f
[ "$(cat mlx/* | cksum)" = "$before" ] || echo "the target has changed"
find deep -name '*.partial'

echo "== in place, with other names of the same files"
cp -r mlx place
mkdir others
ln place/* others
before=$(cat others/* | cksum)
"$SCION" graft -q --target place --donor donor --in-place
[ "$(cat others/* | cksum)" = "$before" ] || echo "other names have changed"
