/* amx.h -- AMX's instructions done by a handler of SIGILL: for tests on CPUs that have no tile registers, or where the system
 * does not let this process use them.
 *
 *     amx_emulate     from now on, in this process
 *     amx_host        the target "host", with the tiles that it has not been given
 *
 * The registers are this file's. Linux gives them to a process that asks for them, which Tenon does when it looks at the
 * host; it refuses one whose alternate signal stack is too small for them, and so this one gets such a stack. Without
 * leave what touches the registers faults, though a CPU that has them still does ldtilecfg and tilerelease itself: then
 * the configuration is in what the system saved of the registers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_JIT_AMX_H
#define TEST_JIT_AMX_H

#include "session.h"
#include "suite.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { AMX_TILES = 8, AMX_ROWS = 16, AMX_BYTES = 64 };

/* What ldtilecfg loads. */
typedef struct amx_config {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} amx_config;

/* Each thread has its own. */
typedef struct amx_state {
  amx_config config;
  uint8_t tiles[AMX_TILES][AMX_ROWS][AMX_BYTES];
} amx_state;

static _Thread_local amx_state amx;
static unsigned amx_kept_at; /* where saved registers have the configuration, if the CPU takes it itself; or 0 */

/* ---- what they do ------------------------------------------------------------------------------------------------ */

static void amx_configure(const uint8_t *from) {
  if (from)
    memcpy(&amx.config, from, sizeof amx.config);
  else
    memset(&amx.config, 0, sizeof amx.config);
  memset(amx.tiles, 0, sizeof amx.tiles);
}

static void amx_load(int tile, const uint8_t *from, int64_t stride) {
  memset(amx.tiles[tile], 0, sizeof amx.tiles[tile]);
  for (int i = 0; i < amx.config.rows[tile]; i++) memcpy(amx.tiles[tile][i], from + i * stride, amx.config.bytes[tile]);
}

static void amx_store(int tile, uint8_t *to, int64_t stride) {
  for (int i = 0; i < amx.config.rows[tile]; i++) memcpy(to + i * stride, amx.tiles[tile][i], amx.config.bytes[tile]);
}

static int32_t amx_byte(uint8_t byte, bool is_signed) { return is_signed ? (int8_t)byte : byte; }

/* Of bytes: c += a b, in groups of four. */
static void amx_dot_bytes(int c, int a, int b, bool a_signed, bool b_signed) {
  for (int m = 0; m < amx.config.rows[c]; m++)
    for (int n = 0; n < amx.config.bytes[c] / 4; n++) {
      uint32_t sum;
      memcpy(&sum, &amx.tiles[c][m][4 * n], 4);
      for (int k = 0; k < amx.config.bytes[a]; k++)
        sum +=
            (uint32_t)(amx_byte(amx.tiles[a][m][k], a_signed) * amx_byte(amx.tiles[b][k / 4][4 * n + k % 4], b_signed));
      memcpy(&amx.tiles[c][m][4 * n], &sum, 4);
    }
}

static float amx_short(const uint8_t *at) {
  uint16_t bits;
  float x;
  memcpy(&bits, at, 2);
  uint32_t wide = (uint32_t)bits << 16;
  memcpy(&x, &wide, 4);
  return x;
}

__attribute__((target("fma"))) static float amx_fma(float a, float b, float c) {
  return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}

/* Of bf16: even and odd steps apart, both, and these to c; what is below the normal numbers is 0. */
static void amx_dot_shorts(int c, int a, int b) {
  _mm_setcsr(_mm_getcsr() | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
  for (int m = 0; m < amx.config.rows[c]; m++)
    for (int n = 0; n < amx.config.bytes[c] / 4; n++) {
      float parts[2] = {0, 0}, sum;
      for (int k = 0; k < amx.config.bytes[a] / 2; k++)
        parts[k % 2] = amx_fma(amx_short(&amx.tiles[a][m][2 * k]), amx_short(&amx.tiles[b][k / 2][4 * n + 2 * (k % 2)]),
                               parts[k % 2]);
      memcpy(&sum, &amx.tiles[c][m][4 * n], 4);
      sum = _mm_cvtss_f32(_mm_add_ss(_mm_set_ss(sum), _mm_add_ss(_mm_set_ss(parts[0]), _mm_set_ss(parts[1]))));
      memcpy(&amx.tiles[c][m][4 * n], &sum, 4);
    }
}

/* ---- reading them ------------------------------------------------------------------------------------------------ */

/* An instruction with a three-byte VEX prefix, 0F38, W0, 128 bits. */
typedef struct amx_code {
  const uint8_t *next;                         /* behind it */
  uint8_t prefix, opcode, mod, reg, rm, third; /* prefix: 0 none, 1 66, 2 F3, 3 F2 */
  uint8_t *memory;
  int64_t stride;
} amx_code;

static int64_t amx_register(const ucontext_t *at, int number) {
  static const int names[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return at->uc_mcontext.gregs[names[number]];
}

static int32_t amx_displacement(const uint8_t **next, int bytes) {
  int32_t value = 0;
  if (bytes == 1) value = (int8_t) * *next;
  if (bytes == 4) memcpy(&value, *next, 4);
  *next += bytes;
  return value;
}

static void amx_read_memory(const ucontext_t *at, uint8_t inverted, amx_code *c) {
  int base = c->rm | (inverted & 0x20 ? 0 : 8), bytes = c->mod == 1 ? 1 : c->mod == 2 ? 4 : 0;
  bool relative = c->mod == 0 && c->rm == 5, has_base = !relative;
  if (c->rm == 4) {
    uint8_t sib = *c->next++;
    int index = (sib >> 3 & 7) | (inverted & 0x40 ? 0 : 8);
    base = (sib & 7) | (inverted & 0x20 ? 0 : 8);
    if (index != 4) c->stride = amx_register(at, index) << (sib >> 6);
    if (c->mod == 0 && (sib & 7) == 5) has_base = false, bytes = 4;
  }
  if (relative) bytes = 4;
  int64_t address = amx_displacement(&c->next, bytes);
  if (has_base) address += amx_register(at, base);
  if (relative) address += (int64_t)(intptr_t)c->next;
  c->memory = (uint8_t *)(intptr_t)address;
}

static bool amx_read(const ucontext_t *at, amx_code *c) {
  const uint8_t *code = (const uint8_t *)(intptr_t)at->uc_mcontext.gregs[REG_RIP];
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84)) return false;
  *c = (amx_code){.next = code + 5,
                  .prefix = code[2] & 3,
                  .opcode = code[3],
                  .mod = code[4] >> 6,
                  .reg = code[4] >> 3 & 7,
                  .rm = code[4] & 7,
                  .third = ~code[2] >> 3 & 15};
  if (c->mod != 3) amx_read_memory(at, code[1], c);
  return c->third < AMX_TILES;
}

static bool amx_do(const amx_code *c) {
  enum { NONE, P66, F3, F2 };
  if (c->opcode == 0x49 && c->prefix == NONE && c->mod != 3) return amx_configure(c->memory), true;
  if (c->opcode == 0x49 && c->prefix == NONE) return amx_configure(NULL), true;
  if (c->opcode == 0x49 && c->prefix == F2) return memset(amx.tiles[c->reg], 0, sizeof amx.tiles[0]), true;
  if (c->opcode == 0x4b && c->prefix == F3) return amx_store(c->reg, c->memory, c->stride), true;
  if (c->opcode == 0x4b) return amx_load(c->reg, c->memory, c->stride), true;
  if (c->opcode == 0x5e)
    return amx_dot_bytes(c->reg, c->rm, c->third, c->prefix == F2 || c->prefix == F3,
                         c->prefix == F2 || c->prefix == P66),
           true;
  if (c->opcode == 0x5c && c->prefix == F3) return amx_dot_shorts(c->reg, c->rm, c->third), true;
  return false;
}

/* What the CPU has been told, from the state of its registers when it stopped. */
static void amx_see_configuration(const uint8_t *state) {
  enum { HEADER = 512, CONFIGURATION = 17 };
  uint64_t kept;
  memcpy(&kept, state + HEADER, sizeof kept);
  memset(&amx.config, 0, sizeof amx.config);
  if (kept >> CONFIGURATION & 1) memcpy(&amx.config, state + amx_kept_at, sizeof amx.config);
}

static void amx_on_signal(int number, siginfo_t *info, void *context) {
  ucontext_t *at = context;
  amx_code c;
  (void)info;
  if (amx_kept_at) amx_see_configuration((const uint8_t *)at->uc_mcontext.fpregs);
  if (!amx_read(at, &c) || !amx_do(&c)) {
    signal(number, SIG_DFL); /* it is not ours: again, and to its end */
    return;
  }
  at->uc_mcontext.gregs[REG_RIP] = (greg_t)(intptr_t)c.next;
}

/* ---- set up ------------------------------------------------------------------------------------------------------ */

/* Does the system know the registers? */
static bool amx_is_enabled(void) {
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3) == 3;
}

static inline void amx_emulate(void) {
  static uint8_t small[2048];
  const stack_t stack = {.ss_sp = small, .ss_size = sizeof small};
  struct sigaction action = {.sa_sigaction = amx_on_signal, .sa_flags = SA_SIGINFO};
  unsigned a, b, c, d;
  ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
  ck_assert_int_eq(sigaction(SIGILL, &action, NULL), 0);
  bool has_tiles = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1);
  if (has_tiles && amx_is_enabled() && __get_cpuid_count(13, 17, &a, &b, &c, &d)) amx_kept_at = b;
}

#else

static inline void amx_emulate(void) { ck_abort_msg("AMX is of x86-64, and this of Linux"); }

#endif

/* Where tiles are emulated the host has not been given any, and code is as if it had. */
static inline const tn_target *amx_host(tn_context *ctx) {
  static char features[2048];
  static tn_target with_tiles;
  const tn_target *host;
  tn_error *error = NULL;
  must(tn_target_get(ctx, "host", &host, &error), error);
  ck_assert(!tni_target_has_tiles(host, TN_I32, TN_U8, TN_I8));
  snprintf(features, sizeof features, "%s", host->features);
  for (char *at = features; (at = strstr(at, "-amx-")); at++) *at = '+';
  with_tiles = *host;
  with_tiles.features = features;
  return &with_tiles;
}

#endif
