/* SPDX-License-Identifier: Apache-2.0 */
/* What a config must fulfil before anything is made of it. */
#ifndef ARCH_CHECK_H
#define ARCH_CHECK_H

#include "arch/hparams.h"

/* The rows of a table of checks (NULL: none). E_FORMAT with both values. */
enum status check_symbols(const struct hparams *hp, const struct config_check *rows, struct err *err);

/* That rope parameters and quantization sections have the kinds of values that later reading takes for
 * granted. E_FORMAT. */
enum status check_kinds(const struct hparams *hp, struct err *err);

#endif
