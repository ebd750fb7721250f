/* host.c -- the CPU this process runs on, asked itself.
 *
 * Features come from CPUID and, for what needs the system to save registers, XGETBV: a product name says what a CPU
 * could do, not what a hypervisor and the kernel let it do. The level (x86-64-v2, v3, v4) is the highest whose features
 * are all there; further features are named one by one, with + or -. AArch64's and RISC-V's are those that Linux tells in
 * the auxiliary vector.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "targets.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

enum { LEAF1_C, LEAF7_B, LEAF7_C, LEAF7_D, LEAF71_A, EXTENDED_C };
const tni_x86_question tni_x86_questions[TNI_X86_QUESTIONS] = {
    [LEAF1_C] = {1, 0, 2}, [LEAF7_B] = {7, 0, 1},  [LEAF7_C] = {7, 0, 2},
    [LEAF7_D] = {7, 0, 3}, [LEAF71_A] = {7, 1, 0}, [EXTENDED_C] = {0x80000001, 0, 2},
};

/* XCR0: bits 1 and 2 are SSE and AVX state, 5 to 7 the three parts of AVX-512's. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6 };
enum needs { NEEDS_NOTHING, NEEDS_AVX, NEEDS_AVX512, NEEDS_TILES };

typedef struct feature {
  const char *name; /* LLVM's */
  int reg;
  int bit;
  enum needs needs;
  int level; /* the x86-64 level it is part of; 0: of none */
} feature;

/* clang-format off */
static const feature features[] = {
    {"sse3", LEAF1_C, 0, NEEDS_NOTHING, 2},       {"ssse3", LEAF1_C, 9, NEEDS_NOTHING, 2},
    {"cx16", LEAF1_C, 13, NEEDS_NOTHING, 2},      {"sse4.1", LEAF1_C, 19, NEEDS_NOTHING, 2},
    {"sse4.2", LEAF1_C, 20, NEEDS_NOTHING, 2},    {"popcnt", LEAF1_C, 23, NEEDS_NOTHING, 2},
    {"sahf", EXTENDED_C, 0, NEEDS_NOTHING, 2},
    {"avx", LEAF1_C, 28, NEEDS_AVX, 3},           {"avx2", LEAF7_B, 5, NEEDS_AVX, 3},
    {"fma", LEAF1_C, 12, NEEDS_AVX, 3},           {"f16c", LEAF1_C, 29, NEEDS_AVX, 3},
    {"bmi", LEAF7_B, 3, NEEDS_NOTHING, 3},        {"bmi2", LEAF7_B, 8, NEEDS_NOTHING, 3},
    {"lzcnt", EXTENDED_C, 5, NEEDS_NOTHING, 3},   {"movbe", LEAF1_C, 22, NEEDS_NOTHING, 3},
    {"avx512f", LEAF7_B, 16, NEEDS_AVX512, 4},    {"avx512dq", LEAF7_B, 17, NEEDS_AVX512, 4},
    {"avx512cd", LEAF7_B, 28, NEEDS_AVX512, 4},   {"avx512bw", LEAF7_B, 30, NEEDS_AVX512, 4},
    {"avx512vl", LEAF7_B, 31, NEEDS_AVX512, 4},
    {"avxvnni", LEAF71_A, 4, NEEDS_AVX, 0},       {"gfni", LEAF7_C, 8, NEEDS_NOTHING, 0},
    {"avx512ifma", LEAF7_B, 21, NEEDS_AVX512, 0}, {"avx512vbmi", LEAF7_C, 1, NEEDS_AVX512, 0},
    {"avx512vbmi2", LEAF7_C, 6, NEEDS_AVX512, 0}, {"avx512vnni", LEAF7_C, 11, NEEDS_AVX512, 0},
    {"avx512bitalg", LEAF7_C, 12, NEEDS_AVX512, 0}, {"avx512vpopcntdq", LEAF7_C, 14, NEEDS_AVX512, 0},
    {"avx512bf16", LEAF71_A, 5, NEEDS_AVX512, 0}, {"avx512fp16", LEAF7_D, 23, NEEDS_AVX512, 0},
    {"amx-tile", LEAF7_D, 24, NEEDS_TILES, 0},    {"amx-int8", LEAF7_D, 25, NEEDS_TILES, 0},
    {"amx-bf16", LEAF7_D, 22, NEEDS_TILES, 0},
};
/* clang-format on */

int tni_x86_feature_level(const char *name, size_t length) {
  for (size_t i = 0; i < TNI_COUNT(features); i++)
    if (strlen(features[i].name) == length && memcmp(features[i].name, name, length) == 0) return features[i].level;
  return -1;
}

void tni_x86_level_needs(int level, tni_x86_needs *out) {
  *out = (tni_x86_needs){{0}, 0};
  for (size_t i = 0; i < TNI_COUNT(features); i++) {
    const feature *f = &features[i];
    if (!f->level || f->level > level) continue;
    out->answers[f->reg] |= UINT32_C(1) << f->bit;
    if (f->needs) out->xcr0 |= f->needs == NEEDS_AVX ? XCR0_AVX : XCR0_AVX512;
  }
}

#if defined(__x86_64__)

/* What CPUID gave, and which register files the system saves. */
typedef struct cpu {
  uint32_t leaf1_c, leaf7_b, leaf7_c, leaf7_d, leaf71_a, extended_c;
  bool saves_avx, saves_avx512, saves_tiles;
} cpu;

static uint64_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Linux keeps the 8 KiB of the tile registers of a thread only for processes that have asked once. It refuses one that has a
 * signal stack without room for them. */
static bool may_use_tiles(uint64_t xcr0) {
#if defined(__linux__)
  enum { ARCH_PRCTL = 158, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  return (xcr0 >> 17 & 3) == 3 && syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  (void)xcr0;
  return false;
#endif
}

static cpu read_cpu(void) {
  cpu c = {0};
  uint32_t a, b, x, d;
  if (__get_cpuid(1, &a, &b, &x, &d)) c.leaf1_c = x;
  if (__get_cpuid_count(7, 0, &a, &b, &x, &d)) {
    c.leaf7_b = b;
    c.leaf7_c = x;
    c.leaf7_d = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &x, &d)) c.leaf71_a = a;
  }
  if (__get_cpuid(0x80000001, &a, &b, &x, &d)) c.extended_c = x;
  bool has_xgetbv = c.leaf1_c >> 27 & 1;
  uint64_t xcr0 = has_xgetbv ? read_xcr0() : 0;
  c.saves_avx = (xcr0 & XCR0_AVX) == XCR0_AVX;
  c.saves_avx512 = (xcr0 & XCR0_AVX512) == XCR0_AVX512;
  c.saves_tiles = c.saves_avx512 && (c.leaf7_d >> 24 & 1) && may_use_tiles(xcr0);
  return c;
}

static bool has(const cpu *c, const feature *f) {
  const uint32_t regs[] = {c->leaf1_c, c->leaf7_b, c->leaf7_c, c->leaf7_d, c->leaf71_a, c->extended_c};
  if (f->needs == NEEDS_AVX && !c->saves_avx) return false;
  if (f->needs == NEEDS_AVX512 && !c->saves_avx512) return false;
  if (f->needs == NEEDS_TILES && !c->saves_tiles) return false;
  return regs[f->reg] >> f->bit & 1;
}

int tni_host_level(void) {
  cpu c = read_cpu();
  int level = 4;
  for (size_t i = 0; i < TNI_COUNT(features); i++) {
    if (features[i].level && features[i].level <= level && !has(&c, &features[i])) level = features[i].level - 1;
  }
  return level;
}

/* A feature below the level is implied by it and named all the same; what is above it is off, even if the CPU has it:
 * extensions of a level that is not whole are of no use. */
void tni_host_features(tni_text *out) {
  cpu c = read_cpu();
  int level = tni_host_level();
  for (size_t i = 0; i < TNI_COUNT(features); i++) {
    const feature *f = &features[i];
    bool wanted = f->level ? f->level <= level : f->needs < NEEDS_AVX512 || level >= 4;
    tni_text_add(out, "%s%c%s", i ? "," : "", wanted && has(&c, f) ? '+' : '-', f->name);
  }
}

void tni_host_maker(char *out) {
  uint32_t a = 0, name[4] = {0}, b, c, d;
  __get_cpuid(0, &a, &name[0], &name[2], &name[1]);
  if (!__get_cpuid(1, &a, &b, &c, &d)) a = 0;
  uint32_t family = a >> 8 & 15, model = a >> 4 & 15;
  if (family == 15) family += a >> 20 & 255;
  if (family >= 15 || family == 6) model |= a >> 12 & 0xf0;
  snprintf(out, TNI_MAKER_BYTES, "%s %u %u", (const char *)name, family, model);
}

bool tni_host_has(const char *features) {
  (void)features;
  return false;
}

#else

int tni_host_level(void) { return 0; }
void tni_host_maker(char *out) { snprintf(out, TNI_MAKER_BYTES, "this CPU"); }
void tni_host_features(tni_text *out) { (void)out; }

#if defined(__aarch64__)

typedef struct arm_feature {
  const char *name; /* LLVM's */
  unsigned long in; /* 0: all have it */
  int bit;
} arm_feature;

static const arm_feature arm_features[] = {
    {"neon", 0, 0},
#if defined(__linux__)
    {"dotprod", AT_HWCAP, 20},
    {"i8mm", AT_HWCAP2, 13},
    {"sme", AT_HWCAP2, 23},
#endif
};

static bool has_word(unsigned long which, int bit) {
#if defined(__linux__)
  return !which || (getauxval(which) >> bit & 1);
#else
  (void)bit;
  return !which;
#endif
}

static bool has_named(const char *name, size_t length) {
  for (size_t i = 0; i < TNI_COUNT(arm_features); i++) {
    const arm_feature *f = &arm_features[i];
    if (strlen(f->name) == length && strncmp(f->name, name, length) == 0) return has_word(f->in, f->bit);
  }
  return false;
}

#elif defined(__riscv) && defined(__linux__)

/* Extensions of one letter. */
static bool has_named(const char *name, size_t length) {
  return length == 1 && (getauxval(AT_HWCAP) >> (name[0] - 'a') & 1);
}

#else

static bool has_named(const char *name, size_t length) {
  (void)name;
  (void)length;
  return false;
}

#endif

bool tni_host_has(const char *features) {
  while (*features) {
    size_t length = strcspn(features, ",");
    if (!has_named(features + 1, length - 1)) return false;
    features += length + (features[length] == ',');
  }
  return true;
}

#endif
