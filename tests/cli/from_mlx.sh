# SPDX-License-Identifier: Apache-2.0
# MLX folders and GGUF files as sources; Hugging Face folders made of them.
. "$CASES/lib.bash"

exec 2>&1
small_model moe model
small_model dense plain
run "$SCION" convert -q model --to mlx --bits 4 --group-size 32 --mtp keep -o q4
run "$SCION" convert -q plain --to mlx --bits 4 --group-size 32 -o dense4

echo "--- inspect"
"$SCION" inspect q4 | sed -n '2,/^all/p'
"$SCION" inspect --tensors q4 | grep -E 'layers.0.mlp|vision_tower.patch'

echo "--- to Hugging Face"
run "$SCION" convert q4 --to hf -o hf
ls hf
diff <(sed -n '/"arch/,/text_config/p' model/config.json) <(sed -n '/"arch/,/text_config/p' hf/config.json)
grep -E 'quantization|mtp_num' hf/config.json
"$SCION" inspect --tensors hf | grep -E 'layers.0.mlp|visual.patch|mtp.*experts'
head -c 60 hf/model.safetensors | tail -c +9
echo
run "$SCION" convert -q q4 --to hf --type f16 --mtp drop -o f16
grep mtp_num f16/config.json
"$SCION" inspect f16 | sed -n '/^type/,/^all/p'

echo "--- of text alone: the class within the wrapper"
run "$SCION" convert -q model --to mlx --text-only -o text
run "$SCION" convert -q text --to hf -o text-hf
grep -vE 'rope|mrope|partial' text-hf/config.json | head -n 12
"$SCION" inspect --tensors text-hf | grep -E 'layers.0.mlp|embed'

echo "--- to GGUF"
run "$SCION" convert q4 -o a.gguf
run "$SCION" convert dense4 --type q4_1 -o q.gguf
run "$SCION" convert dense4 --type q4_1 --allow-requantize -o q.gguf
run "$SCION" convert q4 --mmproj -o mmproj.gguf

echo "--- to MLX"
run "$SCION" convert q4 --to mlx --bits 4 --group-size 32 -o same
run "$SCION" convert q4 --to mlx --bits 8 --group-size 32 -o other
run "$SCION" convert -q q4 --to mlx --bits 8 --group-size 32 --allow-requantize -o other

echo "--- of GGUF"
run "$SCION" convert a.gguf -o b.gguf
run "$SCION" convert -q a.gguf --to hf -o told
ls told
"$SCION" inspect --tensors told | grep -E 'layers.0'
run "$SCION" convert -q a.gguf --to mlx --bits 4 --group-size 32 -o told-mlx
run "$SCION" convert q.gguf --to mlx --bits 4 --group-size 32 -o repacked
run "$SCION" convert -q q.gguf --to mlx --bits 4 --group-size 32 --dtype f16 --allow-requantize -o repacked

echo "--- experts in other layouts: the same model"
run "$SCION" convert -q q4 -o stacked.gguf --name q4
for layout in fused split; do
    run "$SCION" repack -q q4 -o "$layout" --experts $layout
    run "$SCION" convert -q "$layout" -o "$layout.gguf" --name q4
    run "$SCION" convert -q "$layout" --to hf -o "$layout-hf"
    cmp stacked.gguf "$layout.gguf"
done
cmp hf/model.safetensors fused-hf/model.safetensors
"$SCION" inspect split-hf | sed -n '/^type/,/^all/p'
"$SCION" inspect --tensors split-hf | grep -E 'layers.0.mlp.experts.0'

echo "--- a head whose experts had numbers"
sed '/"vision_config"/,/^  }/d; s/^  },$/  }/' <(small_config moe) >bare.json
"$MKSAMPLE" bare.json -o bare
run "$SCION" repack -q bare -o numbered --experts split
for name in bare numbered; do
    run "$SCION" convert -q $name --to mlx --mtp keep -o $name-mlx
    head -c 100 $name-mlx/model.safetensors | tail -c +9 | cut -d, -f1,2
    run "$SCION" convert -q $name-mlx --to hf -o $name-back
    "$SCION" inspect --tensors $name-back | grep -E 'mtp.*experts.(0|d)'
done

echo "--- room for scales"
to_mlx=(q8.gguf --to mlx --bits 8 --group-size 32)
pure=(--pure --tensor-type ssm_out=bf16) # whose columns lie in another order, across blocks
run "$SCION" convert -q plain --recipe Q8_0 "${pure[@]}" -o q8.gguf
run "$SCION" convert "${to_mlx[@]}" -o fits
grep dtype fits/config.json
run "$SCION" convert "${to_mlx[@]}" --dtype bf16 -o rounded
run "$SCION" convert "${to_mlx[@]}" --dtype bf16 --allow-requantize -o rounded
run "$SCION" convert dense4 --recipe Q4_0 "${pure[@]}" -o q4_0.gguf
# A group of zeros: its scale, -1e-7, is too small for float16.
n=$(od -An -t u8 -N 8 plain/model.safetensors | tr -d ' ')
at=$(head -c $((n + 8)) plain/model.safetensors | grep -ao '"lm_head.weight":{[^}]*' | sed 's/.*offsets":\[//; s/,.*//')
head -c 64 /dev/zero | dd of=plain/model.safetensors bs=1 seek=$((n + 8 + at)) conv=notrunc status=none
run "$SCION" convert -q plain --to mlx --bits 4 --group-size 32 -o zeros4
run "$SCION" convert zeros4 --recipe Q4_1 "${pure[@]}" -o q4_1.gguf

echo "--- refused"
run "$SCION" convert q4 --to hf -o out --type q8_0
run "$SCION" convert q4 --to hf -o out --mtp only
run "$SCION" convert q4 --to hf -o out --bits 4
run "$SCION" convert q4 --to hf
# broken SED_SCRIPT: of the folder's header
broken() {
    rm -rf bad && cp -r q4 bad && rm bad/model.safetensors.index.json
    edit_header bad/model.safetensors "$1"
    run "$SCION" convert -q bad --to hf -o out
}
broken 's/layers\.0\.mlp\.switch_mlp\.up_proj/layers.0.mlp.switch_mlp.UP_proj/g'
broken 's/layers\.0\.mlp\.shared_expert\.up_proj\.scales/layers.0.mlp.shared_expert.up_proj.SCALES/'
broken 's/layers\.0\.mlp\.switch_mlp\.down_proj\./layers.0.mlp.switch_mlp.DOWN_proj./g'
broken 's/layers\.0\.input_layernorm/layers.7.input_layernorm/'
broken 's/vision_tower\.blocks\.0\.norm1\.bias/vision_tower.blocks.0.norm3.bias/'
cp -r q4 sizes
sed -i 's/"hidden_size": 32/"hidden_size": 64/' sizes/config.json
run "$SCION" convert -q sizes --to hf -o out
cp -r q4 bits
sed -i 's/"bits": 4/"bits": 8/' bits/config.json
run "$SCION" convert -q bits --to hf -o out
cp -r q4 class
sed -i 's/Qwen3_5Moe/Qwen9/' class/config.json
run "$SCION" convert -q class --to hf -o out
ls -d out
