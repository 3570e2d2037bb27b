# SPDX-License-Identifier: Apache-2.0
"$SCION" inspect nothing.gguf
