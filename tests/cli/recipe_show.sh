# SPDX-License-Identifier: Apache-2.0
# A recipe as text, in any case of its name; what is printed reads back as the same; a file of one's own.
"$SCION" recipe show q4_k || exit
"$SCION" recipe show Q4_K_M >one && "$SCION" recipe show ./one >two || exit
cmp one two || exit
cat >my.recipe <<'END'
define edges   layer<1
define edges   layer>=7/8
/ssm_out/      edges  -> q8_0   # the state's way out
attn_v,attn_k  !edges -> keep
include        Q6_K
END
"$SCION" recipe show my.recipe
