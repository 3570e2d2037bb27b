# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

sample_folder model
"$SCION" inspect --tensors --verbose model
echo ---
"$SCION" inspect --quiet --metadata ./model/ | sed '1,/^all/d'
