/* SPDX-License-Identifier: Apache-2.0 */
/* A config read with its architecture's tables, for the tests of arch/. Included after cmocka.h. */
#ifndef TESTS_UNIT_ARCH_MODEL_H
#define TESTS_UNIT_ARCH_MODEL_H

#define CONFIG_MAX MIB

struct model {
    struct json *config;
    struct hparams hp, vision;
    bool tower;
};

static void read_model(struct model *m, struct json *config, const char *name)
{
    struct err err = {0};

    *m = (struct model){.config = config};
    if (hparams_read(&m->hp, config, name, &err) != OK)
        fail_msg("%s", err.text);
    m->hp.n_mtp = m->hp.promised;
    m->tower = m->hp.arch->vision && json_get(config, "vision_config");
    if (m->tower && hparams_vision(&m->hp, &m->vision, &err) != OK)
        fail_msg("%s", err.text);
}

static void load_model(struct model *m, const char *path)
{
    struct json *config = NULL;
    struct err err = {0};

    if (json_load(path, CONFIG_MAX, &config, &err) != OK)
        fail_msg("%s", err.text);
    read_model(m, config, path);
}

static void parse_model(struct model *m, const char *text)
{
    struct json *config = NULL;
    struct err err = {0};

    if (json_parse(text, strlen(text), "config.json", false, &config, &err) != OK)
        fail_msg("%s", err.text);
    read_model(m, config, "config.json");
}

#endif
