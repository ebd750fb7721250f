/* tenon/target.h -- what hardware is: the facts that schedules and code generation are chosen from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_TARGET_H
#define TENON_TARGET_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable, owned by its context. */
typedef struct tn_target tn_target;

/* `name` is "host" (the CPU this process runs on, with the features that CPU and system both enable) or a row of the target
 * table: "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64-neon",
 * "aarch64-dotprod" (with sdot, udot), "aarch64-i8mm" (and usdot, smmla), "aarch64-sme" (and outer
 * products), "riscv64-rvv" (RV64GCV, vectors of 128 bits at least). Errors: TN_E_NOT_FOUND lists the names.
 *
 * Where the CPU has tile registers (AMX), the first call asks Linux for the process's permission to use them, once; from then
 * on Linux wants signal stacks that hold their 8 KiB too. If it refuses, the host has none. */
TN_API tn_status tn_target_get(tn_context *context, const char *name, const tn_target **out, tn_error **err);
/* One line: triple, CPU, vector bits, registers, caches, cores. Lives as long as the target. */
TN_API const char *tn_target_text(const tn_target *target);

#ifdef __cplusplus
}
#endif
#endif
