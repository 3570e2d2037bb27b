# SPDX-License-Identifier: Apache-2.0
"$SCION" --version && "$SCION" -V && "$SCION" --version --verbose
