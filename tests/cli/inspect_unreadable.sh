# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

exec 2>&1
mkfifo fifo
mkdir empty
ln -s nowhere dangling
for path in fifo empty dangling /dev/zero org/name ''; do
    run timeout 10 "$SCION" inspect "$path"
done
