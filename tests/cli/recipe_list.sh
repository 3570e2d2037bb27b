# SPDX-License-Identifier: Apache-2.0
"$SCION" recipe list || exit
"$SCION" recipe list --json >list || exit
grep -c '"file_type"' list
