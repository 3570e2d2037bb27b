# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# MLX folders of released sizes have just the parameters that mlx_lm's and mlx_vlm's classes declare, where their lists
# are there. The samples are nothing but holes, and so are the folders.
lists=$CASES/../../../shared/models/real-shapes

# parameters FOLDER: "name <tab> [shape]" by name
parameters() {
    "$SCION" inspect --tensors "$1" | sed '1,/^name /d' |
        awk '{ shape = $0; sub(/^[^[]*/, "", shape); sub(/\].*/, "]", shape); gsub(/ /, "", shape); print $1 "\t" shape }' | sort
}
# compare NAME PACKAGE [OPTION]...
compare() {
    if [ -d "$lists/mlx" ]; then
        [ -d "$1" ] || "$MKSAMPLE" "$lists/$1.json" -o "$1" --sparse
        "$SCION" convert -q "$1" --to mlx -o folder "${@:3}"
        parameters folder >made
        [ "$(wc -l <made)" -gt 300 ] || echo "too few"
        diff <(tail -n +2 "$lists/mlx/$1.$2.tsv" | cut -f1,3 | sort) made | head -n 5
        rm -r folder
    fi
    echo "$1 compared with $2"
}
compare Qwen3.5-0.8B mlx_lm --text-only
compare Qwen3.5-9B mlx_vlm
compare Qwen3.5-35B-A3B mlx_lm --text-only
compare Qwen3.6-35B-A3B mlx_vlm
