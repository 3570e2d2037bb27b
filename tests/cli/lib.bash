# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For cases: . "$CASES/lib.bash"

# run COMMAND...: then its exit status on standard output.
run() {
    "$@"
    echo "exit $?"
}

# le SIZE VALUE: a little-endian number of SIZE bytes.
le() {
    local i v=$2 byte all=
    for ((i = 0; i < $1; i++)); do
        printf -v byte '\\x%02x' $((v & 255))
        all=$all$byte
        v=$((v >> 8))
    done
    printf '%b' "$all"
}

zeros() {
    head -c "$1" /dev/zero
}

# safetensors HEADER NBYTES: a file with that many zero bytes of data.
safetensors() {
    local header=$1
    while [ $((${#header} % 8)) -ne 0 ]; do
        header="$header "
    done
    le 8 ${#header}
    printf %s "$header"
    zeros "$2"
}

# The pieces of a GGUF file: string TEXT (printf's escapes hold), kv_str KEY TEXT, kv_u32 KEY VALUE
# (u16, i32 likewise), kv_f32 KEY BITS, kv_strs KEY TEXT..., tensor NAME TYPE_ID OFFSET DIMENSION... (innermost first).
string() {
    local text
    printf -v text '%b' "$1"
    le 8 ${#text}
    printf %s "$text"
}
kv_str() {
    string "$1"
    le 4 8
    string "$2"
}
kv_u32() {
    string "$1"
    le 4 4
    le 4 "$2"
}
kv_u16() {
    string "$1"
    le 4 2
    le 2 "$2"
}
kv_i32() {
    string "$1"
    le 4 5
    le 4 "$2"
}
kv_f32() {
    string "$1"
    le 4 6
    le 4 "$2"
}
kv_strs() {
    local text
    string "$1"
    le 4 9
    le 4 8
    shift
    le 8 $#
    for text in "$@"; do
        string "$text"
    done
}
tensor() {
    local name=$1 type=$2 offset=$3 dim
    shift 3
    string "$name"
    le 4 $#
    for dim in "$@"; do
        le 8 "$dim"
    done
    le 4 "$type"
    le 8 "$offset"
}

# gguf N_TENSORS N_KEYS: puts the head before the keys and tensors that come on standard input.
gguf() {
    printf GGUF
    le 4 3
    le 8 "$1"
    le 8 "$2"
    cat
}

# pad FILE: to a multiple of 32 bytes.
pad() {
    local n
    n=$(wc -c <"$1")
    zeros $(((32 - n % 32) % 32)) >>"$1"
}

# A small GGUF with two layers, one of them its MTP head.
sample_gguf() {
    {
        kv_str general.architecture qwen35
        kv_str general.name 'tab\there \xff\xc3\xa9'
        kv_u32 qwen35.block_count 2
        kv_u32 qwen35.nextn_predict_layers 1
        kv_f32 qwen35.attention.layer_norm_rms_epsilon 0x358637bd
        kv_str tokenizer.ggml.model gpt2
        kv_str tokenizer.ggml.pre qwen35
        kv_strs tokenizer.ggml.tokens a b c d e f g h
        tensor token_embd.weight 8 0 32 8
        tensor blk.0.attn_norm.weight 0 288 32
        tensor blk.1.nextn.eh_proj.weight 30 416 64 2
    } | gguf 3 8 >"$1"
    pad "$1"
    zeros 672 >>"$1"
}

# A small folder: a promised MTP head that is not there, and a shard that the index does not name.
sample_folder() {
    mkdir -p "$1"
    safetensors '{"a":{"dtype":"BF16","shape":[2,8],"data_offsets":[0,32]}}' 32 \
        >"$1/model-00001-of-00002.safetensors"
    safetensors '{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}' 16 \
        >"$1/model-00002-of-00002.safetensors"
    safetensors '{"c":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}' 4 >"$1/model-extra.safetensors"
    cat >"$1/model.safetensors.index.json" <<'END'
{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
END
    cat >"$1/config.json" <<'END'
{"architectures": ["Qwen3_5ForConditionalGeneration"], "model_type": "qwen3_5",
 "text_config": {"num_hidden_layers": 8, "mtp_num_hidden_layers": 1, "num_experts": 16, "num_experts_per_tok": 4}}
END
    cat >"$1/tokenizer.json" <<'END'
{"added_tokens": [{"id": 3, "content": "<end>"}],
 "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2}, "merges": [["a", "b"]]}}
END
}

# small_config dense|moe: two layers, a head, a vision tower.
small_config() {
    local kind=ForConditionalGeneration sizes='"intermediate_size": 64'
    if [ "$1" = moe ]; then
        kind=MoeForConditionalGeneration
        sizes='"moe_intermediate_size": 16,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "shared_expert_intermediate_size": 16'
    fi
    cat <<END
{
  "architectures": ["Qwen3_5$kind"],
  "text_config": {
    "full_attention_interval": 2,
    "head_dim": 16,
    "hidden_size": 32,
    $sizes,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_value_head_dim": 8,
    "max_position_embeddings": 1024,
    "mtp_num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_parameters": {
      "mrope_section": [1, 1, 0],
      "partial_rotary_factor": 0.25,
      "rope_theta": 10000,
      "rope_type": "default"
    },
    "tie_word_embeddings": false,
    "vocab_size": 320
  },
  "vision_config": {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_heads": 2,
    "num_position_embeddings": 16,
    "out_hidden_size": 32,
    "patch_size": 4,
    "temporal_patch_size": 2
  }
}
END
}

# wide_model dense|moe DIR [MKSAMPLE_FLAG]...: the same with rows of 64, whole groups for MLX.
wide_model() {
    small_config "$1" | sed -E 's/("(moe_|shared_expert_)?intermediate_size"): [0-9]+/\1: 64/; s/("hidden_size"): [0-9]+/\1: 64/' >"$2.json"
    "$MKSAMPLE" "$2.json" -o "$2" "${@:3}"
    rm "$2.json"
}

# small_model dense|moe DIR [MKSAMPLE_FLAG]...: a checkpoint of 150 kB.
small_model() {
    local config
    config=$(mktemp) && small_config "$1" >"$config"
    "$MKSAMPLE" "$config" -o "$2" "${@:3}"
    rm "$config"
}

# edit_header FILE SED_SCRIPT: changes the JSON header of a safetensors file in place.
edit_header() {
    local n header
    n=$(od -An -t u8 -N 8 "$1")
    header=$(tail -c +9 "$1" | head -c "$n" | sed -E "$2")
    { le 8 ${#header}; printf %s "$header"; tail -c +$((n + 9)) "$1"; } >"$1.new"
    mv "$1.new" "$1"
}

# convert_to OUT ARGUMENT...: what a conversion answers, and what it leaves behind when it fails.
convert_to() {
    local out=$1 status file
    shift
    rm -f "$out" "$out.partial" "$out.journal"
    "$SCION" convert -q "$@" -o "$out"
    status=$?
    echo "exit $status"
    [ $status -eq 0 ] && return
    for file in "$out" "$out.partial" "$out.journal"; do
        [ -e "$file" ] && echo "left behind: $file"
    done
}
