/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mtplx_runtime.json: what somebody measured of a folder for MLX and its head, in the form in which MTPLX
 * takes a model for verified. scion measures nothing: it checks that evidence would be believed, and says
 * which config and head it is about. The rules are those of MTPLX 2.12 (its backends/registry.py and
 * commands/forge.py).
 */
#ifndef GRAFT_RUNTIME_H
#define GRAFT_RUNTIME_H

#include "formats/source.h"
#include "plan/plan.h"

/* Fills an empty plan with the one file. `evidence` is a JSON file with all of its contents; "arch_id" and
 * "speed_evidence"."artifact_fingerprint" are added where they are not there, and must be right where they
 * are. E_FORMAT for evidence that MTPLX would not take, or that is about another head; for a folder whose
 * head is not complete. E_UNSUPPORTED for what is no folder for MLX. */
enum status runtime_write(struct plan *plan, struct source *folder, const char *evidence, const char *out,
                          struct err *err);

#endif
