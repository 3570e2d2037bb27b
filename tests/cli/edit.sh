# SPDX-License-Identifier: Apache-2.0
# Changes of metadata in a copy.
. "$CASES/lib.bash"

exec 2>&1
sample_gguf a.gguf

# edited ARGUMENT...: what an edit says, and its metadata's differences.
edited() {
    run "$SCION" edit a.gguf -o b.gguf --force "$@"
    diff <("$SCION" inspect -m a.gguf | grep -A99 '^general') <("$SCION" inspect -m b.gguf | grep -A99 '^general')
}

edited --set general.name='My Model' --set qwen35.attention.layer_norm_rms_epsilon=0.5
edited --set general.version=1.0 --set general.tags='["a", "b=c"]' --set tokenizer.ggml.eos_token_id=7
edited --set my.int=5 --set my.neg=-5 --set my.float=1.5 --set my.flag=true --set my.text='7 days' --set my.list='[1, 2]'
edited --set my.a=u8:5 --set my.b=str:5 --set my.c='u16[]:[1, 65535]' --set my.d=i64:-1 --set my.e=str: --set 'my.f=str[]:[]'
edited --remove general.name --remove tokenizer.ggml.pre
printf '{%% if x %%}\n{{ y }}' >template
edited --set-file tokenizer.chat_template=template
edited --set my.a=5 --set qwen35.block_count=2

# The same again changes nothing; the way back gives the same bytes.
run "$SCION" edit -q a.gguf -o b.gguf --force --set general.name=x --set my.a=1
run "$SCION" edit -q b.gguf -o c.gguf --set general.name=x --set my.a=1
cmp b.gguf c.gguf
run "$SCION" edit -q a.gguf -o d.gguf --set tokenizer.ggml.pre=x
run "$SCION" edit -q d.gguf -o e.gguf --set tokenizer.ggml.pre=qwen35
cmp a.gguf e.gguf

# Another alignment moves the tensors.
run "$SCION" edit a.gguf -o wide.gguf --set general.alignment=4096
"$SCION" inspect wide.gguf | grep alignment
run "$SCION" edit -q wide.gguf -o narrow.gguf --remove general.alignment
cmp a.gguf narrow.gguf

run "$SCION" edit a.gguf -o plan.gguf --set my.a=1 --dry-run
run "$SCION" edit a.gguf -o plan.gguf --set my.a=1 --dry-run --json | grep -A3 -E '"notes"|"path"'
ls plan.gguf
