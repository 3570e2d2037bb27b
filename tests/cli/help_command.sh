# SPDX-License-Identifier: Apache-2.0
"$SCION" help inspect >one && "$SCION" inspect --help >two && "$SCION" inspect nothing -h >three || exit
cmp one two && cmp one three
cat one
