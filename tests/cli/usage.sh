# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# Refused command lines: exit status 2, the sentence and the nearest on standard error.
exec 2>&1
run "$SCION"
run "$SCION" inpsect x
run "$SCION" flibbertigibbet
run "$SCION" help hepl
run "$SCION" --vers
run "$SCION" --verbose inspect x
run "$SCION" --version x
run "$SCION" inspect
run "$SCION" inspect a b
run "$SCION" inspect --tensor a
run "$SCION" inspect --json=yes a
run "$SCION" inspect a -tm
run "$SCION" inspect a -- --json
run "$SCION" help --completion tcsh
run "$SCION" help --completion
run "$SCION" help --markdown inspect
run "$SCION" help --man a --man b
run "$SCION" help --man=
run "$SCION" inspect "$(printf 'a\033[31m')" b
