/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/head_config.h"

#define TEXT_SECTION "text_config"
#define FILE_SECTION "mlx_lm_extra_tensors"
#define FILE_KEY     "mtp_file"

const char *const head_config_counts[] = {"mtp_num_hidden_layers", "num_nextn_predict_layers",
                                          "num_mtp_modules", NULL};

const char *const head_config_side_car[] = {FILE_SECTION,
                                            FILE_KEY,
                                            "mtp_tensor_count",
                                            "mtp_policy",
                                            "mtp_norm_encoding",
                                            "mtplx_mtp_norm_encoding",
                                            "mtplx_mtp_quantization",
                                            "mtplx_mtp_contract",
                                            NULL};

const char *const head_config_modules[] = {"quantization", "quantization_config", NULL};

bool head_config_is_seen(const struct json *config)
{
    const struct json *text = json_get(config, TEXT_SECTION);
    bool wrapped = text && json_kind(text) == JSON_K_OBJECT;

    for (size_t i = 0; head_config_counts[i]; i++)
        if (json_get(text, head_config_counts[i]) ||
            ((i > 0 || !wrapped) && json_get(config, head_config_counts[i])))
            return true;
    return false;
}

const char *head_config_file(const struct json *config, size_t i)
{
    const char *name = json_str(json_get(i == 0 ? json_get(config, FILE_SECTION) : config, FILE_KEY));

    return name && name[0] ? name : NULL;
}

const char *head_side_car(const struct json *config, size_t i)
{
    static const char *const habits[] = {"mtp/weights.safetensors", "optiq/mtp.safetensors"};

    if (i >= HEAD_CONFIG_FILES)
        return habits[i - HEAD_CONFIG_FILES];
    const char *name = head_config_file(config, i);
    return name && name[0] != '/' && !strstr(name, "..") ? name : NULL;
}
