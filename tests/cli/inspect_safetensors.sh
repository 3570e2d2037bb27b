# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

safetensors '{"__metadata__":{"made_by":"hand"},"mtp.fc.weight":{"dtype":"F8_E4M3","shape":[3,4],"data_offsets":[0,12]}}' 12 \
    >one.safetensors
"$SCION" inspect -t -m one.safetensors
safetensors '{}' 0 >none.safetensors
"$SCION" inspect none.safetensors
