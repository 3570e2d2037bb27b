/* SPDX-License-Identifier: Apache-2.0 */
/* Where a head comes from: what its file says of that, and under which licence it is. */
#ifndef GRAFT_ORIGIN_H
#define GRAFT_ORIGIN_H

#include "arch/head.h"
#include "plan/folder.h"

/*
 * __metadata__ of a head's file: its format ("pt", "mlx"), mtp_donor (the model's name) and mtp_donor_files.
 * The latter lists "FILE sha256:DIGEST" of what was read, header and head in their order; of a file that is
 * nothing but a head that is the file's own digest. A head that was taken out or grafted before keeps what
 * its file says. Values lie in meta's arena.
 */
enum status origin_metadata(struct meta *meta, const struct source *donor, const struct head *h,
                            const char *format, struct err *err);

/* Carries the donor's LICENSE and NOTICE files over to the folder of the target, and says in MTP-ORIGIN.txt
 * and a note which tensors they cover: those in `file`. Nothing when the donor has none, or the target the
 * same. */
enum status origin_licences(struct folder *f, struct source *target, struct source *donor, const char *file,
                            struct err *err);

/* Lets stay behind what came with the head that the source has: the note and the files that it names, and
 * evidence of how the head drafts. In place nothing goes; a note tells of such evidence. */
enum status origin_leave(struct folder *f, struct source *source, struct err *err);

#endif
