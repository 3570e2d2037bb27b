# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# Refused command lines and configs: the exit status tells the kind.
exec 2>&1
tiny=$CASES/../../samples/tiny-llama.json
config() {
    sed "$1" "$tiny" >"$2"
}
run "$MKSAMPLE"
run "$MKSAMPLE" "$tiny"
run "$MKSAMPLE" one two -o out
run "$MKSAMPLE" --sprase "$tiny" -o out
run "$MKSAMPLE" "$tiny" -o out --shards 0
run "$MKSAMPLE" "$tiny" -o out --shards x
run "$MKSAMPLE" "$tiny" -o out --shards
run "$MKSAMPLE" "$tiny" -o out --seed -1
run "$MKSAMPLE" missing.json -o out
run "$MKSAMPLE" "$tiny" -o no/such/folder
echo '{' >cut.json
run "$MKSAMPLE" cut.json -o out
config 's/LlamaForCausalLM/LamaForCausalLM/' unknown.json
run "$MKSAMPLE" unknown.json -o out
config '/intermediate_size/d' missing_key.json
run "$MKSAMPLE" missing_key.json -o out
config 's/bfloat16/int8/' type.json
run "$MKSAMPLE" type.json -o out
[ -e out ] || echo "nothing was made"

# A folder with anything in it is left alone; an empty one is used.
mkdir full empty
echo mine >full/.hidden
run "$MKSAMPLE" "$tiny" -o full
ls -A full
run "$MKSAMPLE" "$tiny" -o empty
run "$MKSAMPLE" "$tiny" -o empty
