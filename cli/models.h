/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint that a command converts, and where its multi-token-prediction head is from. */
#ifndef CLI_MODELS_H
#define CLI_MODELS_H

#include "convert/convert.h"
#include "graft/match.h"

struct models {
    struct source *source;
    struct source *donor;     /* of a head that is not the source's own tensors; NULL */
    struct convert_head head; /* of that */
};

/* What becomes of a head that lies beside the shards of a folder for MLX. */
enum models_side_car {
    SIDE_CAR_UNASKED,
    SIDE_CAR_TAKEN,
    SIDE_CAR_NOTED, /* that it is left behind */
    SIDE_CAR_REFUSED,
};

struct models_wishes {
    const char *path;
    const char *donor; /* takes its head over; NULL: none */
    struct graft_wishes graft;
    enum models_side_car side_car;
};

/* Opens like canon_open; what comes of a graft is then in the source, too. Errors also as of graft_match, and
 * E_UNSUPPORTED for a side-car that must not be. Notes go to the plan's. To be closed even after a failure.
 */
enum status models_open(struct models *m, const struct models_wishes *w, struct notes *notes,
                        struct err *err);
void models_close(struct models *m);

/* For the options of a conversion: NULL where the head is the source's own. */
const struct convert_head *models_head(const struct models *m);

#endif
