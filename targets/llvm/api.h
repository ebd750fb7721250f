/* api.h -- LLVM's C API as Tenon calls it: through a table that tni_llvm_open fills, since LLVM is no library that Tenon is linked
 * with. A function that is not in calls.txt does not link.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_LLVM_API_H
#define TNI_LLVM_API_H

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "llvm_calls.h"

#endif
