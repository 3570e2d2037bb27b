/* SPDX-License-Identifier: Apache-2.0 */
/* How the state of a multi-token-prediction head looks. */
#ifndef CLI_REPORT_MTP_H
#define CLI_REPORT_MTP_H

#include "graft/status.h"

void report_mtp_text(struct buf *out, const struct mtp_status *st, bool verbose);
void report_mtp_json(struct buf *out, const struct mtp_status *st);

#endif
