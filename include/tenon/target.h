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
 * products), "riscv64-rvv" (RV64GCV, vectors of 128 bits at least), "nvptx64-sm80" (PTX text: products of
 * tiles and nothing else). Errors: TN_E_NOT_FOUND lists the names.
 *
 * Where the CPU has tile registers (AMX), the first call asks Linux for the process's permission to use them, once; from then
 * on Linux wants signal stacks that hold their 8 KiB too. If it refuses, the host has none. */
TN_API tn_status tn_target_get(tn_context *context, const char *name, const tn_target **out, tn_error **err);
/* One line: triple, CPU, vector bits, registers, caches, cores. Lives as long as the target. */
TN_API const char *tn_target_text(const tn_target *target);

/* ---- tensor instructions of the host -------------------------------------------------------------------------------
 *
 * An instruction sums some steps at once in each lane of a vector: dot products and what is like them. Tenon knows some
 * (targets/units.c). A host adds others by what they mean, and how code for them is made:
 *
 *     func sad8(C: i64[1], A: u8[8], B: u8[8]) {                     the differences of 8 bytes, added up
 *       for t in 0..8 { C[0] = C[0] + cast(i64, max(A[t], B[t]) - min(A[t], B[t])) }
 *     }
 *
 * A meaning is a function of three buffers, the sum of one lane and as many factors of either kind as there are steps, over
 * which a loop runs with one store to the sum. It must be what the instruction does, to the bit: nothing proves that. */

/* The code: an intrinsic of LLVM, of the sums and the factors, that gives the new sums; an intrinsic of the factors that gives
 * what is added to the sums; or assembly in LLVM's way, "vpdpbusd $2, $1, $0": $0 is the register of the sums, which is read
 * and written, $1 that of A's factors, $2 that of B's. Factors of a lane stand side by side, lane after lane. */
enum tn_instruction_code { TN_INSTRUCTION_INTRINSIC = 1, TN_INSTRUCTION_TERM, TN_INSTRUCTION_ASSEMBLY };

typedef struct tn_instruction_desc {
  size_t struct_size;
  const char *name;         /* for tn_tensorize */
  const char *meaning;      /* the function, in the text form of programs */
  const char *architecture; /* of targets' triples: "x86_64", "aarch64" */
  const char *features;     /* all that a target must have, as LLVM calls them, apart by commas; NULL: none */
  enum tn_instruction_code code;
  const char *emission[3]; /* of sums in vectors of 128, 256, 512 bits; NULL where there is none */
  int32_t gain;            /* in the time of 100 steps one by one, so many; 0: 100 for each step of the instruction */
} tn_instruction_desc;

/* Adds an instruction, which from then on is used in all schedules and code of the context like those that Tenon has: by
 * tn_tensorize under its name, by tn_auto_tensorize and tn_schedule_default on targets that have the features. What the
 * description points to is copied; the instruction lives as long as the context. Any thread; what is being compiled may or may
 * not use it. Errors: TN_E_INVALID, TN_E_VERIFY with the place in the meaning, with LLVM's reason for code that it does not
 * take, and when there is one of that name. */
TN_API tn_status tn_instruction_add(tn_context *context, const tn_instruction_desc *desc, tn_error **err);

#ifdef __cplusplus
}
#endif
#endif
