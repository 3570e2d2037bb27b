# SPDX-License-Identifier: Apache-2.0
# What was measured of a head, in the file that MTPLX believes: checked, completed, tied to the head.
. "$CASES/lib.bash"

exec 2>&1
small_model dense donor
small_model dense plain --no-mtp
"$SCION" convert -q plain --to mlx -o mlx
"$SCION" graft -q --target mlx --donor donor -o folder

# evidence SED_SCRIPT: the bundled evidence with a change.
evidence() {
    sed -E "$1" >e.json <<END
{
  "mtplx_version": "2.12.2",
  "mtp_depth_max": 3,
  "recommended_profile": "stable",
  "exactness_baseline": {"status": "passed"},
  "verified_on": {"hardware": "M3 Max", "timestamp": "2026-11-20T10:00:00Z"},
  "speed_evidence": {"depth": 2, "verdict": "mtp_depth_wins"}
}
END
}
runtime() {
    evidence "$1"
    run "$SCION" mtp runtime folder --evidence e.json -o "${2-out.json}"
    [ -e out.json ] && rm out.json
}

echo "== written"
evidence ''
"$SCION" mtp runtime folder --evidence e.json -o folder/mtplx_runtime.json
cat folder/mtplx_runtime.json
mark=$({ printf 'config.json\0'; cat folder/config.json; printf '\0mtp\0'; cat folder/mtp/weights.safetensors; printf '\0'; } | sha256sum)
grep -c "sha256:${mark%% *}" folder/mtplx_runtime.json
cp folder/mtplx_runtime.json e.json
run "$SCION" mtp runtime folder --evidence e.json -o again.json
cmp again.json e.json && echo "complete evidence stays as it is"
runtime '' folder/mtplx_runtime.json
evidence '/speed_evidence/d; s/Z"},/Z"}/'
run "$SCION" mtp runtime folder --evidence e.json -o - --dry-run

echo "== not believed"
runtime '/verified_on/d'
runtime 's/("mtp_depth_max"): 3/\1: 0/'
runtime 's/("mtplx_version"): .*,/\1: 2,/'
runtime 's/"stable"/"fast"/'
runtime 's/("verified_on"): .*,/\1: {},/'
runtime 's/"passed"/"Needs-Repair-Soon"/'
runtime 's/"passed"/"pending"/'
runtime 's/"status": "passed"/"public_release_blocker": true/'
runtime 's/mtp_depth_wins/mtp_acceptance_collapsed/'
runtime 's/"depth": 2/"artifact_fingerprint": "sha256:00"/'
runtime '2s/^/  "arch_id": "glm4-moe-mtp",\n/'
runtime '1s/.*/[/; $s/.*/]/'
runtime '1s/\{/{{/'

echo "== other mistakes"
run "$SCION" mtp runtime folder -o out.json
evidence ''
run "$SCION" mtp runtime folder --evidence e.json
run "$SCION" mtp runtime folder --evidence missing.json -o out.json
run "$SCION" mtp runtime folder --evidence e.json -o e.json -f
run "$SCION" mtp runtime folder --evidence e.json -o folder/config.json -f
run "$SCION" mtp runtime donor --evidence e.json -o out.json
run "$SCION" mtp runtime mlx --evidence e.json -o out.json

echo "== of this head alone"
"$SCION" mtp remove -q folder -o without
"$SCION" graft -q --target folder --donor donor --replace -o other
"$SCION" convert -q folder --to mlx -o again
ls without other again | grep runtime
run "$SCION" graft --target folder --donor donor --replace --in-place

echo "== a config.json that changes"
sed -i 's/"mtp_num_hidden_layers": 1/"mtp_num_hidden_layers": 2/' folder/config.json
run "$SCION" mtp normalize folder -o normal
[ -e normal/mtplx_runtime.json ] && echo "the evidence is there"
run "$SCION" mtp normalize folder --in-place
