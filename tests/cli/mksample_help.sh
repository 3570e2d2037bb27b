# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

run "$MKSAMPLE" --help
