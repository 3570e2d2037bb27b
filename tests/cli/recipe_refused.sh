# SPDX-License-Identifier: Apache-2.0
. "$CASES/lib.bash"

exec 2>&1
run "$SCION" recipe
run "$SCION" recipe show
run "$SCION" recipe list Q4_K_M
run "$SCION" recipe lists
run "$SCION" recipe show Q4_KM
run "$SCION" recipe show W4A16
printf 'default q4_k\nattn_v layer<1/8 q8_0\n' >a.recipe
run "$SCION" recipe show a.recipe
printf 'default q4_k\n\nattn_v place<1/8 sprad -> q8_0\n' >a.recipe
run "$SCION" recipe show a.recipe
printf 'attn_v -> q8_0\033[31m\n' >a.recipe
run "$SCION" recipe show a.recipe
printf 'attn_v -> q8_0\n' >a.recipe
run "$SCION" recipe show a.recipe
run "$SCION" recipe show .
