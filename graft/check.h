/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a head fits a model: all that is asked before a graft. */
#ifndef GRAFT_CHECK_H
#define GRAFT_CHECK_H

#include "graft/graft.h"
#include "graft/status.h"

/* The donor has one head, complete and of plain numbers. E_FORMAT, E_UNSUPPORTED. */
enum status check_donor(const struct mtp_status *donor, struct err *err);

/* The target is a folder that can take a head, and has none unless it is to be replaced. */
enum status check_target(struct mtp_status *target, bool replace, struct err *err);

/* Family, experts, sizes and vocabulary agree. Reads the donor's head anew by the target's numbers. */
enum status check_match(const struct mtp_status *target, struct mtp_status *donor, struct err *err);

#endif
