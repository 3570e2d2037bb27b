# SPDX-License-Identifier: Apache-2.0
# Options with values that mean nothing.
. "$CASES/lib.bash"

exec 2>&1
small_model dense model
for option in --split-max-size=0 --split-max-size= --split-max-size=1x --split-max-size=-1 --split-max-size=99999999T \
    --split-max-tensors=0 --split-max-tensors=18446744073709551616 --threads=257 --threads=x --threads=-1 \
    --max-memory=0 --max-memory=1 --max-memory=1.5G --mtp=x --pre= --pre=garbage \
    --metadata=x --metadata=model --metadata=model/model.safetensors --metadata=general.sampling.temp=nan \
    --metadata=general.sampling.top_k=99999999999 --metadata=general.alignment=7; do
    echo "$option"
    convert_to out.gguf "$option" model 2>&1 | cut -c 1-160
done
convert_to out.gguf --mmproj --mtp only model
run "$SCION" convert model
run "$SCION" convert -o out.gguf
run "$SCION" convert '' -o out.gguf
run "$SCION" convert model model -o out.gguf
run "$SCION" convert model -o out.gguf -o other.gguf
run "$SCION" convert org/../name -o out.gguf
run "$SCION" convert org/name -o out.gguf 2>&1 | sed "s|$PWD|.|"

# Allowed: the smallest pieces, the largest numbers.
convert_to out.gguf --split-max-size 1 model
ls out* | wc -l
rm out*
convert_to out.gguf --max-memory 18446744073709551615 --threads 256 --split-max-tensors 18446744073709551615 model
mv out.gguf first.gguf
convert_to out.gguf --max-memory 64M --threads 1 model
cmp first.gguf out.gguf && rm out.gguf
convert_to out.gguf --name "$(zeros 100000 | tr '\0' x)" model
convert_to out2.gguf --name $'a\e[31m\n\tb' model
"$SCION" inspect -m out2.gguf | grep general.name
