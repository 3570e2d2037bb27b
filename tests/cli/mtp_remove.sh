# SPDX-License-Identifier: Apache-2.0
# Folders without their heads: which shards are written again, what is left out, what comes back.
. "$CASES/lib.bash"

exec 2>&1
remove() {
    run "$SCION" mtp remove "$@"
}
# tensors FOLDER: name, type and shape, and bytes of each, of all its shards.
tensors() {
    local file n
    for file in "$1"/model*.safetensors; do
        n=$(od -An -t u8 -N 8 "$file" | tr -d ' ')
        {
            tail -c +9 "$file" | head -c "$n" |
                grep -oE '"[^"]+":\{"dtype":"[^"]+","shape":\[[^]]*\],"data_offsets":\[[0-9]+,[0-9]+\]' |
                sed -E 's/"([^"]+)":(.*),"data_offsets":\[([0-9]+),([0-9]+)\]/\1 \2 \3 \4/'
            od -An -v -t x1 -j $((n + 8)) "$file" | tr -d ' \n'
        } | awk 'NF > 1 { about[++k] = $1 " " $2; from[k] = $3; to[k] = $4 }
                 NF == 1 { for (i = 1; i <= k; i++) print about[i], substr($0, 2 * from[i] + 1, 2 * (to[i] - from[i])) }'
    done | sort
}
same_tensors() {
    diff <(tensors "$1") <(tensors "$2") && echo "the tensors of $1 = $2"
}

index=model.safetensors.index.json
for kind in dense moe; do
    echo "== $kind: what a graft added"
    small_model $kind donor-$kind --per-expert
    small_model $kind target-$kind --no-mtp --shards 2
    echo donor >donor-$kind/LICENSE
    "$SCION" mtp normalize -q target-$kind --in-place >log # promises no head then
    "$SCION" graft -q --target target-$kind --donor donor-$kind -o grafted-$kind
    remove grafted-$kind -o removed-$kind
    diff -rq target-$kind removed-$kind
    diff <(tr -d ' \n' <target-$kind/$index) <(tr -d ' \n' <removed-$kind/$index) && echo "only in blanks"
    same_tensors target-$kind removed-$kind
    [ target-$kind/tokenizer.json -ef removed-$kind/tokenizer.json ] && echo "tokenizer.json is the same file"
    "$SCION" mtp status removed-$kind | grep -E 'promised|found|verdict'
done

echo "== a head within shards"
small_model moe whole --shards 3 --per-expert
before=$(cat whole/* | cksum)
remove whole -o out --link copy
[ "$(cat whole/* | cksum)" = "$before" ] || echo "the source has changed"
for f in out/*; do
    cmp -s "$f" "whole/${f#*/}" || echo "differs: ${f#*/}"
done
diff <(tensors whole | grep -v mtp | cut -d ' ' -f 1) <(tensors out | cut -d ' ' -f 1) && echo "all others are there"
"$SCION" convert -q out --name x -o a.gguf
"$SCION" convert -q whole --mtp drop --name x -o b.gguf
cmp a.gguf b.gguf && echo "converts as without a head"
remove out -o again
"$SCION" graft -q --target out --donor whole -o again
same_tensors whole again

echo "== one file"
small_model dense single
remove single -o one
ls one | grep model
"$SCION" mtp status one | grep -E 'promised|verdict'
same_tensors one target-dense

echo "== beside the index"
"$SCION" mtp extract -q single -o one/mtp.safetensors
"$SCION" mtp status one | grep -E 'found|verdict'
remove one -o two
ls two | grep safetensors
cp -r whole hidden
sed -i '/"mtp\./d' hidden/$index
sed -i -z 's/,\n  }/\n  }/' hidden/$index
"$SCION" mtp status hidden | grep -E 'found|note'
remove hidden -o three
same_tensors three out

echo "== incomplete, promised under other names"
cp -r single part
edit_header part/model.safetensors 's/"mtp\.norm\.weight"/"mtp.other"/'
sed -i 's/"mtp_num_hidden_layers": 1/"num_nextn_predict_layers": 1/; s/^{/{"num_mtp_modules": 1,/' part/config.json
remove part -o four
diff part/config.json four/config.json
same_tensors four one

echo "== for MLX"
"$SCION" convert -q target-moe --to mlx --bits 4 --group-size 32 -o mlx
"$SCION" graft -q --target mlx --donor donor-moe -o mlx-grafted
remove mlx-grafted -o mlx-removed
diff -rq mlx mlx-removed
diff mlx/config.json mlx-removed/config.json
"$SCION" convert -q donor-moe --to mlx --bits 4 --group-size 32 --mtp keep -o mlx-within
remove mlx-within -o mlx-without
"$SCION" mtp status mlx-without | grep -E 'promised|verdict'
"$SCION" convert -q donor-moe --to mlx --bits 4 --group-size 32 -o mlx-never
same_tensors mlx-never mlx-without
diff mlx-never/config.json mlx-without/config.json
"$SCION" mtp normalize -q mlx-grafted -o mlx-normal && diff -rq mlx-grafted mlx-normal && echo "nothing to normalize"

echo "== refused"
remove target-dense -o n
remove single/model.safetensors -o n
remove single
remove single -o n --in-place
remove single -o single
remove single -o whole
"$SCION" mtp extract -q single -o bare.safetensors
edit_header bare.safetensors 's/"mtp\./"/g'
mkdir drafter
cp bare.safetensors drafter/model.safetensors
cp single/config.json drafter
remove drafter -o n
ls n
