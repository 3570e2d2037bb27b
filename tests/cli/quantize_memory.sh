# SPDX-License-Identifier: Apache-2.0
# The peak memory of quantizing a stack of experts that is eleven times --max-memory, and the same bytes however many
# threads there are. The stack is a hole.
. "$CASES/lib.bash"

limit=24 # MiB
{
    kv_str general.architecture qwen35moe
    kv_u32 qwen35moe.block_count 1
    kv_u32 qwen35moe.expert_count 64
    tensor blk.0.ffn_down_exps.weight 30 0 1024 2112 64
} | gguf 1 3 >in.gguf
pad in.gguf
truncate -s +$((1024 * 2112 * 64 * 2)) in.gguf

# peak_of PID: the most memory in kB that the process had, looking on until it ends.
peak_of() {
    local key value now peak=0
    while :; do
        now=
        { while read -r key value _; do [ "$key" != VmHWM: ] || now=$value; done <"/proc/$1/status"; } 2>/dev/null
        [ -n "$now" ] || break
        peak=$now
        sleep 0.01
    done
    echo "$peak"
}

# quantize TYPE THREADS: to TYPE-THREADS.gguf.
quantize() {
    local peak
    "$SCION" quantize -q in.gguf -o "$1-$2.gguf" --recipe "$1" --max-memory ${limit}M --threads "$2" &
    peak=$(peak_of $!)
    wait $!
    echo "$1, $2 threads: exit $?"
    grep -q __asan_init "$SCION" && return # which takes memory of its own
    [ "$peak" -ge 2048 ] || echo "not measured: $peak kB"
    [ "$peak" -le $((limit * 1024)) ] || echo "$peak kB is more than --max-memory ${limit}M"
}

quantize iq4_nl 1
quantize iq4_nl 3
cmp iq4_nl-1.gguf iq4_nl-3.gguf
quantize q8_0 2
