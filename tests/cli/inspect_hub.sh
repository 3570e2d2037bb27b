# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# org/name is looked up in the cache that the environment names.
hub=models--org--name
sample_folder "elsewhere/hub/$hub/snapshots/0123abc"
mkdir "elsewhere/hub/$hub/refs"
printf 0123abc >"elsewhere/hub/$hub/refs/main"
run env HF_HOME="$PWD/elsewhere" "$SCION" inspect org/name | head -n 2
run env HF_HUB_CACHE="$PWD/elsewhere/hub" "$SCION" inspect org/name | grep architecture
mkdir -p .cache && mv elsewhere .cache/huggingface
run "$SCION" inspect org/name | grep architecture
run env HF_HOME= XDG_CACHE_HOME="$PWD/.cache" "$SCION" inspect org/name | grep architecture
run env HF_HOME=/nowhere "$SCION" inspect org/name
