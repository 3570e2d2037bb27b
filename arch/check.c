/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/check.h"

/* A side's value, which is 1 or more. */
static enum status side(const struct hparams *hp, const char *symbol, uint64_t *v, struct err *err)
{
    char text[HPARAMS_TEXT_MAX];
    enum status s = hparams_eval(hp, symbol, v, err);

    if (s == OK && *v == 0)
        s = fail(err, E_FORMAT, "%s: %s: must be 1 or more", hp->name, hparams_describe(hp, symbol, text));
    return s;
}

enum status check_symbols(const struct hparams *hp, const struct config_check *rows, struct err *err)
{
    for (; rows && rows->left; rows++) {
        char left_text[HPARAMS_TEXT_MAX], right_text[HPARAMS_TEXT_MAX];
        const char *reason = NULL;
        uint64_t left, right = 1;
        enum status s = side(hp, rows->left, &left, err);

        if (s == OK && rows->right)
            s = side(hp, rows->right, &right, err);
        if (s != OK)
            return s;
        if (rows->kind == CHECK_MULTIPLE && left % right != 0)
            reason = "is no multiple of";
        if (rows->kind == CHECK_AT_MOST && left > right)
            reason = "is more than";
        if (!reason)
            continue;
        hparams_describe(hp, rows->left, left_text);
        hparams_describe(hp, rows->right, right_text);
        return fail(err, E_FORMAT, "%s: %s: %s %s", hp->name, left_text, reason,
                    right_text[0] ? right_text : rows->right);
    }
    return OK;
}

/* Objects, where they are there and not null. */
static enum status check_object(const struct hparams *hp, const struct json *v, struct err *err)
{
    if (!v || json_kind(v) == JSON_K_NULL || json_kind(v) == JSON_K_OBJECT)
        return OK;
    return hparams_refuse(hp, v, "an object", err);
}

enum status check_kinds(const struct hparams *hp, struct err *err)
{
    static const char *const sections[] = {"rope_parameters", "rope_scaling", "quantization",
                                           "quantization_config"};
    static const char *const parts[] = {"full_attention", "sliding_attention"};
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(sections) && s == OK; i++) {
        const struct json *section = hparams_find(hp, sections[i]);

        s = check_object(hp, section, err);
        for (size_t k = 0; k < ARRAY_LEN(parts) && s == OK; k++)
            s = check_object(hp, json_get(section, parts[k]), err);
    }
    const struct json *type = hparams_rope(hp, "rope_type");
    if (s == OK && type && !json_str(type))
        s = hparams_refuse(hp, type, "a string", err);
    return s;
}
