# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# Samples of released sizes have the tensors of the released checkpoints, where their lists are there. In
# Qwen3.5-35B-A3B the head's experts are numbered and the trunk's are not, which takes two samples to compare.
lists=$CASES/../../../shared/models/real-shapes

# tensors FOLDER: "name <tab> type <tab> [shape]" as in the lists, by name
tensors() {
    "$SCION" inspect --tensors "$1" | sed '1,/^name /d' |
        awk '{ shape = $0; sub(/^[^[]*/, "", shape); sub(/\].*/, "]", shape); gsub(/ /, "", shape)
               print $1 "\t" toupper($2) "\t" shape }' | sort
}
# made NAME: as its list lays the experts out
made() {
    "$MKSAMPLE" "$lists/$1.json" -o "$1" --sparse
    if grep -q '^mtp\..*experts\.0\.' "$lists/$1.tsv"; then
        "$MKSAMPLE" "$lists/$1.json" -o "$1-numbered" --sparse --per-expert
        {
            tensors "$1" | grep -v '^mtp\..*\.experts\.'
            tensors "$1-numbered" | grep '^mtp\..*\.experts\.'
        } | sort
    else
        tensors "$1"
    fi
}
# compare NAME FIELDS
compare() {
    if [ -d "$lists" ]; then
        made "$1" >made
        [ "$(wc -l <made)" -gt 400 ] || echo "too few"
        diff <(tail -n +2 "$lists/$1.tsv" | sort | cut -f"$2") <(cut -f"$2" made) | head -n 5
    fi
    echo "$1 compared"
}
compare Qwen3.5-0.8B 1-3
compare Qwen3.5-9B 1-3
compare Qwen3.5-35B-A3B 1-3
compare Qwen3.6-35B-A3B 1,3 # its config is that of 3.5, but its types are not
