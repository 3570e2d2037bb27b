# SPDX-License-Identifier: Apache-2.0
# Heads beside folders for MLX: the sets of tensors that readers know, what config.json says of them, and that a head
# comes back from there.
. "$CASES/lib.bash"

exec 2>&1
# side_car NAME TARGET DONOR [OPTION]...: the head's file, and what config.json says of it.
side_car() {
    echo "-- $1: ${*:4}"
    "$SCION" graft -q --target "$2" --donor "$3" -o "$1" "${@:4}" || return
    "$SCION" mtp status "$1" | grep -E '^(found|layout|norms|types|verdict)' | sed 's/, mean.*//'
    grep -E '"(mtp_file|mtp_tensor_count|mtp_policy|mtplx_[a-z_]*)":' "$1/config.json"
    [ "$(cat "$2"/* | cksum)" = "$before" ] || echo "the target has changed"
}

for kind in dense moe; do
    wide_model $kind donor-$kind --per-expert
    wide_model $kind plain-$kind --no-mtp
    "$SCION" convert -q plain-$kind --to mlx --bits 4 --group-size 32 -o $kind
done

echo "== dense"
before=$(cat dense/* | cksum)
side_car d15 dense donor-dense
side_car d29 dense donor-dense --policy cyankiwi --group-size 32
side_car d31 dense donor-dense --policy all --bits 8
side_car at-load dense donor-dense --policy all --at-load --dtype f16
side_car optiq dense donor-dense --side-car optiq --contract base_hidden_variant=pre_norm --contract mtp_position_mode=local
find optiq | sort
[ optiq/model.safetensors -ef dense/model.safetensors ] && echo "the shard is the same file"

echo "== experts"
before=$(cat moe/* | cksum)
side_car m20 moe donor-moe --side-car-file mtp.safetensors
side_car m42 moe donor-moe --bits 4
side_car m46 moe donor-moe --policy all --group-size 32
side_car m19 moe donor-moe --experts fused --store-norms delta
side_car m37 moe donor-moe --side-car optiq --mlx-rounding metal
side_car split moe donor-moe --experts split
side_car split4 moe donor-moe --experts split --bits 4

echo "== one from the other: quantized matrices stay as they are"
side_car kept moe m46
cmp kept/mtp/weights.safetensors m46/mtp/weights.safetensors && echo "the same head"
side_car as-optiq moe m46 --side-car optiq
run "$SCION" mtp extract m46 -o m46.safetensors
side_car lone moe m46.safetensors
cmp lone/mtp/weights.safetensors m46/mtp/weights.safetensors && echo "the same head"
side_car decoded moe m46 --policy none
side_car again moe m46 --bits 8 --allow-requantize
side_car delta moe donor-moe --store-norms delta
side_car to-fused moe delta --experts fused --store-norms delta
cmp to-fused/mtp/weights.safetensors m19/mtp/weights.safetensors && echo "whichever way, the same head"

"$SCION" convert -q donor-moe --to mlx --mode mxfp4 --mtp keep -o mxfp4
"$SCION" graft --target moe --donor mxfp4 -o of-mxfp4
"$SCION" mtp status of-mxfp4 | grep -E '^(found|types)'
# A drafter has nothing but the head, under names without "mtp.", and may not say what its numbers are.
mkdir drafter
cp m46/mtp/weights.safetensors drafter/model.safetensors
edit_header drafter/model.safetensors 's/"mtp\./"/g'
echo '{"model_type": "qwen3_5_mtp"}' >drafter/config.json
side_car of-drafter moe drafter

echo "== to and from other kinds of files"
"$SCION" graft --target plain-moe --donor m46 -o hf
"$SCION" mtp status hf | grep -E '^(found|layout|types)'
"$SCION" convert -q plain-moe -o plain.gguf
"$SCION" graft -q --target plain.gguf --donor m20 -o a.gguf
"$SCION" graft -q --target plain.gguf --donor donor-moe -o b.gguf
side_car of-gguf moe b.gguf
"$SCION" mtp status a.gguf | grep -E '^(types|verdict)'
# What bf16 can say of absolute norms; all else is the same.
cmp of-gguf/mtp/weights.safetensors m20/mtp.safetensors | sed 's/differ.*/differ in the origin/'

echo "== in place, and another head"
cp -r moe place
"$SCION" graft --target place --donor donor-moe --in-place
run "$SCION" graft --target place --donor donor-moe --in-place
run "$SCION" graft --target place --donor donor-moe --in-place --replace --side-car optiq
"$SCION" mtp status place | grep -E '^(found|verdict)'
run "$SCION" graft -q --target place --donor donor-moe -o out --replace --experts fused
find out -name '*.safetensors' | sort

echo "== conversions of a folder with a side-car"
"$SCION" convert m20 --type bf16 --name x -o one.gguf
"$SCION" convert -q moe --type bf16 --name x -o trunk.gguf
"$SCION" graft -q --target trunk.gguf --donor m20 -o two.gguf
"$SCION" mtp status one.gguf | grep -E '^(found|types|verdict)'
# The same tensors, in the order of either command.
diff <("$SCION" inspect --tensors one.gguf | grep '\.weight' | sort) <("$SCION" inspect --tensors two.gguf | grep '\.weight' | sort) &&
    echo "the same tensors"
"$SCION" convert -q moe --graft m20 --type bf16 --name x -o graft.gguf && cmp graft.gguf one.gguf && echo "the same as --graft"
"$SCION" mtp extract -q m20 -o head.gguf && "$SCION" mtp status head.gguf | grep -E '^(found|verdict)'
"$SCION" convert -q m20 --type bf16 --mtp drop --name x -o none.gguf && cmp none.gguf trunk.gguf && echo "the trunk alone"
run "$SCION" convert m20 --to hf -o hf-of-mlx
run "$SCION" convert m20 --to hf --mtp keep -o hf-kept
run "$SCION" mtp status hf-of-mlx | grep verdict
run "$SCION" repack -q as-optiq --experts split -o repacked
cmp repacked/optiq/mtp.safetensors as-optiq/optiq/mtp.safetensors && echo "the side-car went along"

echo "== the file alone"
# of NAME DONOR [OPTION]...: what a graft of it puts beside the folder
of() {
    rm -f alone.safetensors
    "$SCION" mtp extract -q "$2" -o alone.safetensors "${@:3}"
    cmp alone.safetensors "$1"/*/*.safetensors && echo "that of $1"
}
of d15 donor-dense --side-car mtplx
of d31 donor-dense --policy all --bits 8
of m42 donor-moe --bits 4
of m37 donor-moe --side-car optiq --mlx-rounding metal
of of-gguf b.gguf --side-car mtplx
run "$SCION" mtp extract b.gguf -o of-blocks.safetensors
"$SCION" mtp status of-blocks.safetensors | grep -E '^(found|layout|norms|types)'
"$SCION" quantize -q b.gguf --type Q8_0 -o q8_0.gguf
run "$SCION" mtp extract q8_0.gguf -o q.safetensors --bits 4
run "$SCION" mtp extract q8_0.gguf -o q.safetensors --bits 4 --allow-requantize
run "$SCION" mtp extract q8_0.gguf -o q.gguf --side-car mtplx
run "$SCION" mtp extract donor-moe -o q.safetensors --norms delta -f
