/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in recipes, as they stand in recipes.txt, with a NUL behind them. The path is from the root,
 * where the build runs. */
#include "quantize/recipe_int.h"

__asm__(".pushsection .rodata\n"
        ".global recipe_text\n"
        ".hidden recipe_text\n"
        "recipe_text:\n"
        ".incbin \"quantize/recipes.txt\"\n"
        ".byte 0\n"
        ".popsection\n");
