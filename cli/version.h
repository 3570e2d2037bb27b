/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that says which release this is. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#define SCION_VERSION "0.1.0"
#define SCION_DATE    "November 21, 2026" /* of the release; man pages carry it */

#endif
