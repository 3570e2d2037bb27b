/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that lose errors or run past buffers do not compile here. */
#ifndef CORE_BANNED_H
#define CORE_BANNED_H

/* Declare them before poisoning, so that including their headers later is no error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets
#pragma GCC poison atoi atol atoll atof gmtime localtime ctime asctime

#endif
