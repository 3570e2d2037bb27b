/* SPDX-License-Identifier: Apache-2.0 */
/* From a config's hyper-parameters to metadata, by key rules. */
#ifndef ARCH_KEYS_H
#define ARCH_KEYS_H

#include "arch/arch.h"

/* Those of every text model; ends with key NULL. */
extern const struct key_rule keys_generic[];

/* Applies the rules in order, up to the one without a key; rules may be NULL. */
enum status keys_apply(const struct hparams *hp, const struct key_rule *rules, struct meta *out,
                       struct err *err);

/* Moves "<arch>.<suffix>", which is there, to where a converted file has it: before the first key that the
 * architecture's rules name after it. */
void keys_put_in_order(struct meta *meta, const struct arch *arch, const char *suffix);

#endif
