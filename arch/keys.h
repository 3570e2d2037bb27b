/* SPDX-License-Identifier: Apache-2.0 */
/* From a config's hyper-parameters to metadata, by key rules. */
#ifndef ARCH_KEYS_H
#define ARCH_KEYS_H

#include "arch/arch.h"

/* Applies the rules in order, up to the one without a key; rules may be NULL. */
enum status keys_apply(const struct hparams *hp, const struct key_rule *rules, struct meta *out,
                       struct err *err);

#endif
