/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/runtime.h"

#include "core/sha256.h"
#include "formats/mlx.h"
#include "graft/status.h"

#define EVIDENCE_MAX (16 * MIB)
#define ARCH_ID      "qwen3-next-mtp" // of every family that has an MLX class and a head
#define CHUNK        MIB
#define FINGERPRINT  "sha256:"

struct runtime {
    struct plan *plan;
    struct source *folder;
    const char *path; /* of the evidence */
    struct json *json;
    struct mtp_status status;
};

/* ---- the evidence ---- */

static const struct {
    const char *key;
    enum json_kind kind;
    const char *what;
} required[] = {
    {"mtplx_version", JSON_K_STRING, "a text"},       {"mtp_depth_max", JSON_K_NUMBER, "a number from 1 on"},
    {"recommended_profile", JSON_K_STRING, "a text"}, {"exactness_baseline", JSON_K_OBJECT, "an object"},
    {"verified_on", JSON_K_OBJECT, "an object"},
};

static const char *const profiles[] = {"stable", "performance-cold", "sustained", "turbo",
                                       "exact",  "max-diagnostic"};

/* A status that says that something is still open: one of these, or one of the second list with an underscore
 * and more behind it. */
static const char *const open_statuses[] = {"candidate",
                                            "candidate_build_only_benchmark_pending",
                                            "candidate_build_only",
                                            "failed",
                                            "fail",
                                            "failing",
                                            "pending",
                                            "blocked",
                                            "blocker",
                                            "needs_repair",
                                            "needs_reverify",
                                            "unverified"};
static const char *const open_prefixes[] = {"candidate_", "fail_",  "pending_",   "blocked_",
                                            "blocker_",   "needs_", "unverified_"};
static const char *const bad_verdicts[] = {"mtp_acceptance_collapsed", "no_mtp_depth_beat_ar",
                                           "no_quality_passed_mtp_depth_beat_ar"};

static bool is_among(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

/* As MTPLX compares: without case, "-" as "_". */
static bool is_open(const char *status)
{
    char text[128];
    size_t n = 0;

    for (; status[n] && n + 1 < sizeof text; n++)
        text[n] = status[n] == '-'                       ? '_'
                  : status[n] >= 'A' && status[n] <= 'Z' ? (char)(status[n] + 32)
                                                         : status[n];
    text[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(open_prefixes); i++)
        if (str_starts(text, open_prefixes[i]))
            return true;
    return is_among(text, open_statuses, ARRAY_LEN(open_statuses));
}

static enum status check_keys(const struct runtime *r, struct err *err)
{
    int64_t depth = 1;

    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        const struct json *v = json_get(r->json, required[i].key);

        if (!v)
            return fail(err, E_FORMAT, "%s: %s is missing", r->path, required[i].key);
        if (json_kind(v) != required[i].kind ||
            (required[i].kind == JSON_K_NUMBER && (!json_int(v, &depth) || depth < 1)))
            return fail(err, E_FORMAT, "%s: %s: must be %s", r->path, required[i].key, required[i].what);
    }
    const char *profile = json_str(json_get(r->json, "recommended_profile"));
    if (!is_among(profile, profiles, ARRAY_LEN(profiles)))
        return fail(err, E_FORMAT,
                    "%s: recommended_profile=%s: MTPLX has stable, performance-cold, sustained, turbo, "
                    "exact and max-diagnostic",
                    r->path, profile);
    if (json_count(json_get(r->json, "verified_on")) == 0)
        return fail(err, E_FORMAT, "%s: verified_on: says nothing of where this was measured", r->path);
    return OK;
}

/* What makes MTPLX take a model for unverified. */
static enum status check_section(const struct runtime *r, const char *section, struct err *err)
{
    const struct json *s = json_get(r->json, section);
    const char *status = json_str(json_get(s, "status")), *verdict = json_str(json_get(s, "verdict"));
    bool blocked = false;

    if (json_bool(json_get(s, "public_release_blocker"), &blocked) && blocked)
        return fail(err, E_FORMAT, "%s: %s.public_release_blocker=true: is no evidence for a release",
                    r->path, section);
    if (status && is_open(status))
        return fail(err, E_FORMAT, "%s: %s.status=%s: is no evidence yet", r->path, section, status);
    if (verdict && is_among(verdict, bad_verdicts, ARRAY_LEN(bad_verdicts)))
        return fail(err, E_FORMAT, "%s: %s.verdict=%s: speaks against the head", r->path, section, verdict);
    return OK;
}

static enum status check_evidence(const struct runtime *r, struct err *err)
{
    const struct json *arch = json_get(r->json, "arch_id");
    const char *id = json_str(arch);
    enum status s = OK;

    if (json_kind(r->json) != JSON_K_OBJECT)
        return fail(err, E_FORMAT, "%s: must be an object", r->path);
    s = check_keys(r, err);
    if (s == OK && arch && !(id && strcmp(id, ARCH_ID) == 0))
        s = fail(err, E_FORMAT, "%s: arch_id=%s: of %s it is " ARCH_ID, r->path,
                 id ? id : json_kind_name(json_kind(arch)), r->folder->path);
    if (s == OK)
        s = check_section(r, "exactness_baseline", err);
    return s == OK ? check_section(r, "speed_evidence", err) : s;
}

/* ---- what it is about ---- */

static enum status check_folder(struct runtime *r, struct err *err)
{
    struct mtp_status *st = &r->status;

    if (!mlx_is(r->folder))
        return fail(err, E_UNSUPPORTED, "%s: is no folder for MLX", r->folder->path);
    enum status s = mtp_status_read(st, r->folder, err);
    if (s == OK && (st->head.names == HEAD_NONE || !st->agrees))
        s = fail(err, E_FORMAT, "%s: %s", r->folder->path, st->verdict);
    return s;
}

static enum status add_file(struct sha256 *sha, const char *label, const char *path, struct err *err)
{
    unsigned char *chunk = malloc(CHUNK);
    struct file *f = NULL;
    enum status s = chunk ? file_open(&f, path, err) : fail_nomem(err);
    uint64_t nbytes = s == OK ? file_size(f) : 0;

    sha256_add(sha, label, strlen(label) + 1);
    for (uint64_t at = 0; at < nbytes && s == OK; at += CHUNK) {
        size_t n = (size_t)min_u64(CHUNK, nbytes - at);

        s = file_read_at(f, chunk, n, at, err);
        if (s == OK)
            sha256_add(sha, chunk, n);
    }
    sha256_add(sha, "", 1);
    file_close(f);
    free(chunk);
    return s;
}

/* Of config.json and the side-car: "LABEL\0BYTES\0" of each. */
static enum status fingerprint(struct runtime *r, char out[sizeof FINGERPRINT + SHA256_HEX], struct err *err)
{
    const char *config = source_beside(r->folder, "config.json");
    struct sha256 *sha = config ? sha256_new() : NULL;
    char hex[SHA256_HEX];
    enum status s = sha ? add_file(sha, "config.json", config, err) : fail_nomem(err);

    if (s == OK)
        s = add_file(sha, "mtp", r->status.side_car_path, err);
    if (s == OK) {
        sha256_end(sha, hex);
        snprintf(out, sizeof FINGERPRINT + SHA256_HEX, FINGERPRINT "%s", hex);
    }
    sha256_free(sha);
    return s;
}

/* ---- the file ---- */

static enum status set(const struct runtime *r, struct buf *text, const char *section, const char *key,
                       const char *value, struct err *err)
{
    const char *const path[] = {section, NULL};
    char quoted[256];
    const struct json_member members[] = {{key, quoted}, {0}};

    snprintf(quoted, sizeof quoted, "\"%s\"", value);
    return json_edit(text, r->path, path, members, err);
}

static enum status add_fingerprint(struct runtime *r, struct buf *text, struct err *err)
{
    const struct json *speed = json_get(r->json, "speed_evidence");
    const char *said = json_str(json_get(speed, "artifact_fingerprint"));
    char found[sizeof FINGERPRINT + SHA256_HEX];

    if (!speed || json_kind(speed) != JSON_K_OBJECT || !r->status.side_car)
        return OK;
    enum status s = fingerprint(r, found, err);
    if (s == OK && said && strcmp(said, found) != 0)
        return fail(err, E_FORMAT,
                    "%s: speed_evidence.artifact_fingerprint=%s: config.json and head of %s have %s", r->path,
                    said, r->folder->path, found);
    return s == OK && !said ? set(r, text, "speed_evidence", "artifact_fingerprint", found, err) : s;
}

static enum status make_text(struct runtime *r, struct buf *text, struct err *err)
{
    enum status s = file_load(r->path, text, err);

    if (s == OK)
        s = check_evidence(r, err);
    if (s == OK && !json_get(r->json, "arch_id"))
        s = set(r, text, NULL, "arch_id", ARCH_ID, err);
    return s == OK ? add_fingerprint(r, text, err) : s;
}

static enum status lay_out(const struct runtime *r, const char *out, const struct buf *text, struct err *err)
{
    const char *copy = arena_strndup(&r->plan->arena, text->p, text->n);
    uint32_t index;
    enum status s = copy ? plan_add_out(r->plan, out, &index, err) : fail_nomem(err);

    if (s == OK)
        s = plan_add_header(r->plan, index, copy, text->n, err);
    if (s == OK)
        r->plan->outs[index].nbytes = text->n;
    for (size_t i = 0; i < r->folder->nfile && s == OK; i++)
        s = plan_add_input(r->plan, r->folder->files[i].path, err);
    if (s == OK)
        s = plan_add_input(r->plan, source_beside(r->folder, "config.json"), err);
    return s == OK ? plan_add_input(r->plan, r->path, err) : s;
}

enum status runtime_write(struct plan *plan, struct source *folder, const char *evidence, const char *out,
                          struct err *err)
{
    struct runtime r = {.plan = plan, .folder = folder, .path = evidence};
    struct buf text;

    buf_init(&text, EVIDENCE_MAX);
    enum status s = check_folder(&r, err);
    if (s == OK)
        s = json_load(evidence, EVIDENCE_MAX, &r.json, err);
    if (s == OK)
        s = make_text(&r, &text, err);
    if (s == OK)
        s = lay_out(&r, out, &text, err);
    json_free(r.json);
    buf_free(&text);
    return s;
}
