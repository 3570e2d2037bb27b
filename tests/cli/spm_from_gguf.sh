# SPDX-License-Identifier: Apache-2.0
# A vocabulary with scores goes into a GGUF file and comes back: tokenizer.model, and what was added beside it.
. "$CASES/lib.bash"

exec 2>&1
"$MKSAMPLE" "$CASES/../../samples/tiny-llama.json" -o hf
rm hf/tokenizer.json
# <unk>, <s>, </s>, a byte, two pieces with scores, an unused one
printf '\n\t\n\x05<unk>\x18\x02\n\x07\n\x03<s>\x18\x03\n\x08\n\x04</s>\x18\x03\n\n\n\x06<0x0A>\x18\x06\n\x0b\n\x04\xe2\x96\x81t\x15\x00\x00\x80\xbf\n\x08\n\x01u\x15\x00\x00\x00\xc0\n\x0a\n\x06<free>\x18\x05' >hf/tokenizer.model
cat >hf/tokenizer_config.json <<'END'
{"tokenizer_class": "LlamaTokenizer", "add_bos_token": true, "add_eos_token": false, "add_prefix_space": false,
 "added_tokens_decoder": {"0": {"content": "<unk>", "special": true}, "7": {"content": "<|turn|>", "special": true},
                          "8": {"content": "two words", "special": false}}}
END
echo '{"bos_token_id": 1, "eos_token_id": 2}' >hf/generation_config.json
sed -i 's/^{/{"bos_token_id": 1, "eos_token_id": 2,/' hf/config.json
"$SCION" convert -q hf --name x -o a.gguf
run "$SCION" convert a.gguf --to hf -o back
ls back
cat back/tokenizer_config.json
"$SCION" convert -q back --name x -o b.gguf
cmp a.gguf b.gguf && echo "the same file"
"$SCION" convert -q a.gguf --to mlx -o mlx
cmp back/tokenizer.model mlx/tokenizer.model && echo "the same for MLX"

echo "== broken"
"$SCION" edit a.gguf -q --set 'tokenizer.ggml.scores=[1, 2]' -o scores.gguf
run "$SCION" convert scores.gguf --to hf -o out
"$SCION" edit a.gguf -q --set tokenizer.ggml.model=t5 -o t5.gguf
run "$SCION" convert t5.gguf --to hf -o out
