/* table.c -- the targets that have a name, and "host".
 *
 * A row says what code generation and schedules are chosen from. Rows that are not this machine get the caches and
 * cores of an ordinary one, so that cross-compilation gives the same code everywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "targets.h"

typedef struct row {
  const char *name;
  enum tni_isa isa;
  const char *triple, *cpu, *features;
  int32_t vector_bits, vector_registers;
  bool has_fma, has_ldexp_vector, has_f16;
  int level; /* of x86-64: runs where tni_host_level() is at least this */
} row;

#define X86_TRIPLE "x86_64-unknown-linux-gnu"
#define ARM_TRIPLE "aarch64-unknown-linux-gnu"
#define PTX_TRIPLE "nvptx64-nvidia-cuda"
#define RISCV_TRIPLE "riscv64-unknown-linux-gnu"
static const row rows[] = {
    {"x86-64-v2", TNI_ISA_X86_64, X86_TRIPLE, "x86-64-v2", "", 128, 16, false, false, false, 2},
    {"x86-64-v3", TNI_ISA_X86_64, X86_TRIPLE, "x86-64-v3", "", 256, 16, true, false, true, 3},
    {"x86-64-v4", TNI_ISA_X86_64, X86_TRIPLE, "x86-64-v4", "", 512, 32, true, true, true, 4},
    {"aarch64-neon", TNI_ISA_AARCH64, ARM_TRIPLE, "generic", "+neon", 128, 32, true, false, true, 0},
    {"aarch64-dotprod", TNI_ISA_AARCH64, ARM_TRIPLE, "generic", "+neon,+dotprod", 128, 32, true, false, true, 0},
    {"aarch64-i8mm", TNI_ISA_AARCH64, ARM_TRIPLE, "generic", "+neon,+dotprod,+i8mm", 128, 32, true, false, true, 0},
    {"aarch64-sme", TNI_ISA_AARCH64, ARM_TRIPLE, "generic", "+neon,+dotprod,+i8mm,+sme", 128, 32, true, false, true, 0},
    {"riscv64-rvv", TNI_ISA_RISCV64, RISCV_TRIPLE, "generic-rv64", "+m,+a,+f,+d,+c,+v", 128, 32, true, false, false, 0},
    {"nvptx64-sm80", TNI_ISA_NVPTX, PTX_TRIPLE, "sm_80", "+ptx70", 128, 64, true, false, false, 0},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0], CORES = 4, L1D = 32 << 10, L2 = 512 << 10, L3 = 8 << 20, LINE = 64 };

/* The context's targets: the rows, then the host (name NULL when no row fits it). */
typedef struct target_set {
  tni_arena arena;
  tn_target targets[ROW_COUNT + 1];
} target_set;

static bool runs_here(const row *r) {
#if defined(__x86_64__)
  return r->isa == TNI_ISA_X86_64 && tni_host_level() >= r->level;
#elif defined(__aarch64__)
  return r->isa == TNI_ISA_AARCH64 && tni_host_has(r->features);
#elif defined(__riscv) && __riscv_xlen == 64
  return r->isa == TNI_ISA_RISCV64 && tni_host_has(r->features);
#else
  (void)r;
  return false;
#endif
}

static tn_target target_of(const row *r) {
  return (tn_target){
      .name = r->name,
      .isa = r->isa,
      .triple = r->triple,
      .cpu = r->cpu,
      .features = r->features,
      .maker = "",
      .level = r->level,
      .vector_bits = r->vector_bits,
      .vector_registers = r->vector_registers,
      .has_fma = r->has_fma,
      .has_ldexp_vector = r->has_ldexp_vector,
      .has_f16 = r->has_f16,
      .natives = tni_llvm_natives,
      .native_count = tni_llvm_native_count,
      .cores = CORES,
      .l1d = L1D,
      .l2 = L2,
      .l3 = L3,
      .cache_line = LINE,
      .runs_here = runs_here(r),
  };
}

/* The best row that runs here, with this machine's features, caches and cores. */
static tn_target host_target(tni_arena *arena) {
  tn_target host = {0};
  for (size_t i = 0; i < ROW_COUNT; i++) {
    if (runs_here(&rows[i])) host = target_of(&rows[i]);
  }
  if (!host.name) return host;
  const tni_topology *topology = tni_topology_get(arena->ctx);
  char maker[TNI_MAKER_BYTES];
  tni_text features;
  tni_text_init(&features, arena->ctx);
  tni_host_features(&features);
  tni_host_maker(maker);
  if (features.failed) arena->failed = true;
  host.name = "host";
  host.level = 0;
  host.maker = tni_arena_text(arena, maker);
  if (features.length) host.features = tni_arena_text(arena, features.data);
  host.cores = topology->cores;
  host.l1d = topology->l1d;
  host.l2 = topology->l2;
  host.l3 = topology->l3;
  host.cache_line = topology->cache_line;
  tni_text_destroy(&features);
  return host;
}

static const char *describe(tni_arena *arena, const tn_target *t) {
  return tni_arena_format(
      arena, "%s: %s, %s%s%s, %d-bit vectors in %d registers, %zu KiB L1d, %zu KiB L2, %zu KiB L3, %d core%s", t->name,
      t->triple, t->cpu, t->maker[0] ? " of " : "", t->maker, (int)t->vector_bits, (int)t->vector_registers,
      t->l1d >> 10, t->l2 >> 10, t->l3 >> 10, (int)t->cores, t->cores == 1 ? "" : "s");
}

static void destroy_targets(tn_context *ctx, void *self) {
  target_set *set = self;
  tni_arena_destroy(&set->arena);
  tni_free(ctx, set, sizeof *set);
}

static void *create_targets(tn_context *ctx, tn_error **err) {
  target_set *set = tni_alloc_zero(ctx, sizeof *set);
  if (!set) {
    tni_fail_nomem(err);
    return NULL;
  }
  tni_arena_init(&set->arena, ctx);
  for (size_t i = 0; i < ROW_COUNT; i++) set->targets[i] = target_of(&rows[i]);
  set->targets[ROW_COUNT] = host_target(&set->arena);
  for (size_t i = 0; i <= ROW_COUNT && !set->arena.failed; i++) {
    if (set->targets[i].name) set->targets[i].text = describe(&set->arena, &set->targets[i]);
  }
  if (!set->arena.failed) return set;
  destroy_targets(ctx, set);
  tni_fail_nomem(err);
  return NULL;
}

static tn_status refuse_name(tn_context *ctx, const char *name, tn_error **err) {
  tni_text names;
  tni_text_init(&names, ctx);
  for (size_t i = 0; i < ROW_COUNT; i++) tni_text_add(&names, ", %s", rows[i].name);
  tn_status status =
      tni_fail(ctx, err, TN_E_NOT_FOUND, "codegen", name, "no such target; there are: host%s", names.data);
  tni_text_destroy(&names);
  return status;
}

static const target_set *targets_of(tn_context *ctx, tn_error **err) {
  return tni_context_slot(ctx, TNI_SLOT_TARGETS, create_targets, destroy_targets, err);
}

tn_status tn_target_get(tn_context *context, const char *name, const tn_target **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  tn_error *error = NULL;
  const target_set *set = targets_of(context, &error);
  if (!set) {
    tn_status status = error ? tn_error_status(error) : TN_E_NOMEM;
    if (err)
      *err = error;
    else
      tn_error_destroy(error);
    return status;
  }
  for (size_t i = 0; name && i <= ROW_COUNT; i++) {
    const tn_target *t = &set->targets[i];
    if (t->name && strcmp(t->name, name) == 0) return *out = t, TN_OK;
  }
  return refuse_name(context, name ? name : "", err);
}

/* ---- features ---- */

/* Is it one of the names between commas, each with + or -? Gives the sign; 0: no. */
static char sign_of(const char *features, const char *name, size_t length) {
  for (const char *at = features; *at; at += strcspn(at, ","), at += *at == ',')
    if (strcspn(at, ",") == length + 1 && memcmp(at + 1, name, length) == 0) return *at;
  return 0;
}

static bool has_one(const tn_target *target, const char *name, size_t length) {
  char sign = sign_of(target->features, name, length);
  int level = target->isa == TNI_ISA_X86_64 ? tni_x86_feature_level(name, length) : 0;
  return sign ? sign == '+' : level > 0 && level <= target->level;
}

bool tni_target_has_feature(const tn_target *target, const char *features) {
  for (const char *at = features; *at; at += *at == ',') {
    size_t length = strcspn(at, ",");
    if (!has_one(target, at, length)) return false;
    at += length;
  }
  return true;
}

bool tni_target_has_masks(const tn_target *target) {
  return target->isa == TNI_ISA_RISCV64 || tni_target_has_feature(target, "avx512vl");
}

tn_status tni_target_of_architecture(tn_context *ctx, const char *architecture, const tn_target **out, tn_error **err) {
  const target_set *set = targets_of(ctx, NULL);
  size_t length = strlen(architecture);
  *out = NULL;
  if (!set) return tni_fail_nomem(err);
  for (size_t i = 0; length && i < ROW_COUNT; i++)
    if (strncmp(set->targets[i].triple, architecture, length) == 0 && set->targets[i].triple[length] == '-')
      *out = &set->targets[i];
  return TN_OK;
}

bool tni_isa_has_feature(tn_context *ctx, enum tni_isa isa, const char *name, size_t length) {
  const target_set *set = targets_of(ctx, NULL);
  if (isa == TNI_ISA_X86_64) return tni_x86_feature_level(name, length) >= 0;
  for (size_t i = 0; set && i < ROW_COUNT; i++)
    if (set->targets[i].isa == isa && sign_of(set->targets[i].features, name, length)) return true;
  return false;
}

tn_status tni_targets_check(tn_context *ctx, size_t count, const tn_target *const *targets, tn_error **err) {
  for (size_t i = 1; i < count; i++) {
    const tn_target *below = targets[i - 1], *t = targets[i];
    if (t->isa != below->isa)
      return tni_fail(ctx, err, TN_E_INVALID, "build", t->name,
                      "an object is for one architecture: %s is of another", below->name);
    if (!below->level || !t->level)
      return tni_fail(ctx, err, TN_E_INVALID, "build", below->level ? t->name : below->name,
                      "only between levels of x86-64 can a program choose when it runs");
    if (t->level <= below->level)
      return tni_fail(ctx, err, TN_E_INVALID, "build", t->name, "it is not above %s: the targets of an object rise",
                      below->name);
  }
  return TN_OK;
}

const char *tn_target_text(const tn_target *target) { return target->text; }
