# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

# A page for the program and one for each command; --man makes its folder and may be repeated.
"$SCION" help --man man1 && "$SCION" help --man man1 || exit
ls man1 | grep -E '^scion(-inspect|-help)?\.1$'
[ "$(ls man1 | wc -l)" -eq $(("$("$SCION" help | grep -c '^  [a-z]')" + 1)) ] || echo "a page is missing"
grep -A1 -x '.Nm scion-inspect' man1/scion-inspect.1
grep -F -x '.It Fl t , Fl \-tensors' man1/scion-inspect.1
run "$SCION" help --man nowhere/man1
