# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

sample_folder model
"$SCION" inspect --json model
