# SPDX-License-Identifier: Apache-2.0
"$SCION" help --markdown | grep -E -A12 '^# |^## scion inspect|^## Exit' | grep -vE '^\| .*(verbose|quiet)'
