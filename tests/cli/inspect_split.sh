# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"
# A split set whose metadata promises an MTP head that no file has.
part() { # NO TENSOR_INFO...
    {
        kv_str general.architecture qwen35
        kv_u32 qwen35.block_count 3
        kv_u32 qwen35.nextn_predict_layers 1
        kv_u16 split.no "$1"
        kv_u16 split.count 2
        kv_i32 split.tensors.count 3
        shift
        "$@"
    }
}
first() {
    tensor a.weight 0 0 4
    tensor b.weight 1 32 2 3
}
second() {
    tensor c.weight 0 0 8
}
part 0 first | gguf 2 6 >model-00001-of-00002.gguf
pad model-00001-of-00002.gguf
zeros 64 >>model-00001-of-00002.gguf
part 1 second | gguf 1 6 >model-00002-of-00002.gguf
pad model-00002-of-00002.gguf
zeros 32 >>model-00002-of-00002.gguf
"$SCION" inspect --tensors model-00001-of-00002.gguf
run "$SCION" inspect model-00002-of-00002.gguf
rm model-00002-of-00002.gguf
run "$SCION" inspect model-00001-of-00002.gguf
