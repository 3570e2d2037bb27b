# SPDX-License-Identifier: Apache-2.0
"$SCION" recipe show --json Q2_K_S
