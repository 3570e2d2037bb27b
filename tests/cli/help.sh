# SPDX-License-Identifier: Apache-2.0
# The overview in its three ways, and its lines for two commands.
"$SCION" help >one && "$SCION" --help >two && "$SCION" -h >three || exit
cmp one two && cmp one three
grep -E '^(Usage:.*|  (inspect|help) .*)$' one
