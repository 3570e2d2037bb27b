# SPDX-License-Identifier: Apache-2.0
for shell in bash zsh fish; do
    "$SCION" help --completion "$shell" >"$shell" || exit
    grep -c -- 'made by "scion help --completion '"$shell"'"' "$shell"
done
bash -n bash || exit
. ./bash
complete_line() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _scion
    echo "$*: ${COMPREPLY[*]}"
}
complete_line scion ins
complete_line scion --ver
complete_line scion inspect --te
complete_line scion help insp
complete_line scion help --completion ''
complete_line scion help --completion f
