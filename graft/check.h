/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a head fits a model: all that is asked before a graft. */
#ifndef GRAFT_CHECK_H
#define GRAFT_CHECK_H

#include "graft/match.h"

/* The donor has one head, complete and of plain numbers. E_FORMAT, E_UNSUPPORTED. */
enum status check_donor(const struct mtp_status *donor, struct err *err);

/* The target is a Hugging Face folder that can take a head. E_UNSUPPORTED. */
enum status check_folder(const struct source *s, struct err *err);

#endif
