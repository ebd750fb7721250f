/* units.c -- tensor instructions: what they mean, in Tenon's own text, and which target has them.
 *
 * A meaning is a function of one store: C[0] = the new sum, of C[0] and the factors in A and B. Matching and making it go by
 * its expression, so that nothing but the text says what an instruction does. test/jit/test_units.c runs each row beside it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "targets.h"
#include "text.h"

/* ---- meanings ---------------------------------------------------------------------------------------------------- */

#define PRODUCT(t) " + cast(i32, A[" #t "]) * cast(i32, B[" #t "])"
#define DOT4(a, b) "(C: i32[1], A: " a "[4], B: " b "[4]) { C[0] = C[0]" PRODUCT(0) PRODUCT(1) PRODUCT(2) PRODUCT(3) " }\n"
#define DOT2(a, b) "(C: i32[1], A: " a "[2], B: " b "[2]) { C[0] = C[0]" PRODUCT(0) PRODUCT(1) " }\n"

/* Of floats a number below the normal ones counts as 0, and becomes 0. Whether a result is one is told after it was rounded
 * without a bound of the exponent: by the same result times 2^24. */
#define FLUSHED(to, x) "  " to " = select(abs(" x ") < 0x1p-126:f32, " x " * 0.0:f32, " x ")\n"
#define STEP(to, a, b, c)                                                                                              \
  "  %20 = fma(" a ", " b ", " c ")\n"                                                                                 \
  "  %21 = fma(" a " * 0x1p24:f32, " b ", " c " * 0x1p24:f32)\n"                                                       \
  "  " to " = select(abs(%21) < 0x1p-102:f32, %20 * 0.0:f32, %20)\n"

/* A tile of bf16 sums the even and the odd steps apart, from 0 on, then adds both, and these
 * to the sum so far (seen on Sapphire Rapids). */
#define STEP_OF_TILE(sum, t)                                                                                           \
  "  %2 = cast(f32, A[" #t "])\n" "  %3 = cast(f32, B[" #t "])\n"                                                      \
  FLUSHED("%4", "%2") FLUSHED("%5", "%3") STEP(sum, "%4", "%5", sum)
#define STEPS_OF_TILE(a, b) STEP_OF_TILE("%0", a) STEP_OF_TILE("%1", b)

/* clang-format off */
static const struct {
  const char *name;
  int32_t steps;
  bool exact;
  const char *text; /* behind the name */
} meanings[] = {
    {"dot4_u8s8", 4, true, DOT4("u8", "i8")},
    {"dot4_s8s8", 4, true, DOT4("i8", "i8")},
    {"dot4_u8u8", 4, true, DOT4("u8", "u8")},
    {"dot2_u8s8", 2, true, DOT2("u8", "i8")},
    {"dot2_s8s8", 2, true, DOT2("i8", "i8")},
    {"dot2_u8u8", 2, true, DOT2("u8", "u8")},
    {"dot2_s16", 2, true, DOT2("i16", "i16")},
    {"dot2_bf16", 2, false,
     "(C: f32[1], A: bf16[2], B: bf16[2]) {\n"
     "  %0 = cast(f32, A[0])\n" "  %1 = cast(f32, A[1])\n" "  %2 = cast(f32, B[0])\n" "  %3 = cast(f32, B[1])\n"
     "  %4 = C[0]\n"
     FLUSHED("%10", "%0") FLUSHED("%11", "%1") FLUSHED("%12", "%2") FLUSHED("%13", "%3") FLUSHED("%14", "%4")
     STEP("%15", "%11", "%13", "%14") STEP("%16", "%10", "%12", "%15")
     "  C[0] = %16\n}\n"},
    {"tile_bf16", 32, false,
     "(C: f32[1], A: bf16[32], B: bf16[32]) {\n" "  %0 = 0.0:f32\n" "  %1 = 0.0:f32\n"
     STEPS_OF_TILE(0, 1) STEPS_OF_TILE(2, 3) STEPS_OF_TILE(4, 5) STEPS_OF_TILE(6, 7)
     STEPS_OF_TILE(8, 9) STEPS_OF_TILE(10, 11) STEPS_OF_TILE(12, 13) STEPS_OF_TILE(14, 15)
     STEPS_OF_TILE(16, 17) STEPS_OF_TILE(18, 19) STEPS_OF_TILE(20, 21) STEPS_OF_TILE(22, 23)
     STEPS_OF_TILE(24, 25) STEPS_OF_TILE(26, 27) STEPS_OF_TILE(28, 29) STEPS_OF_TILE(30, 31)
     "  %6 = C[0]\n" FLUSHED("%7", "%6") "  %8 = %0 + %1\n" FLUSHED("%9", "%8") "  %10 = %7 + %9\n" FLUSHED("%11", "%10")
     "  C[0] = %11\n}\n"},
};
/* clang-format on */
enum { UNIT_COUNT = TNI_COUNT(meanings) };

/* ---- rows: of several of a unit, the first that a target has is its -----------------------------------------------
 *
 * Gains: 8-bit products one by one are widened to 32 bits, multiplied and added: 1 vector in 2 cycles or less (uops.info; vpmulld).
 * vdpbf16ps begins once in 2 cycles on Sapphire Rapids, where 2 multiply-adds do in 1, and once in 1 on Zen 4, where one does
 * (measured on both). On Neoverse N1, N2, V1 and V2 sdot, udot and usdot begin twice as often as a multiply-add of 32 bits, N1
 * four times (LLVM's models of them), and do four steps; the widening is not counted. RISC-V's vectors have no dot product in
 * what is ratified: LLVM makes vwmacc, of factors of 16 bits, of steps one by one. */

#define VPDPBUSD(bits) "llvm.x86.avx512.vpdpbusd." bits
#define VPMADDWD "llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512"
#define VDPBF16PS(bits) "llvm.x86.avx512bf16.dpbf16ps." bits
#define NEON(dot) {"llvm.aarch64.neon." dot, NULL, NULL}
/* clang-format off */
static const tni_unit_row rows[] = {
    {"dot4_u8s8", TNI_ISA_X86_64, "avx512vnni", "", TNI_UNIT_DOT, {VPDPBUSD("128"), VPDPBUSD("256"), VPDPBUSD("512")}, 1600},
    {"dot4_u8s8", TNI_ISA_X86_64, "avxvnni", "", TNI_UNIT_DOT, {VPDPBUSD("128"), VPDPBUSD("256"), NULL}, 1600},
    {"dot4_s8s8", TNI_ISA_X86_64, "avx512vnni", "", TNI_UNIT_TURN_A, {VPDPBUSD("128"), VPDPBUSD("256"), VPDPBUSD("512")}, 800},
    {"dot4_s8s8", TNI_ISA_X86_64, "avxvnni", "", TNI_UNIT_TURN_A, {VPDPBUSD("128"), VPDPBUSD("256"), NULL}, 800},
    {"dot4_u8u8", TNI_ISA_X86_64, "avx512vnni", "", TNI_UNIT_TURN_B, {VPDPBUSD("128"), VPDPBUSD("256"), VPDPBUSD("512")}, 800},
    {"dot4_u8u8", TNI_ISA_X86_64, "avxvnni", "", TNI_UNIT_TURN_B, {VPDPBUSD("128"), VPDPBUSD("256"), NULL}, 800},
    {"dot2_u8s8", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_s8s8", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_u8u8", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_s16", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_bf16", TNI_ISA_X86_64, "avx512bf16", "AuthenticAMD", TNI_UNIT_DOT, {VDPBF16PS("128"), VDPBF16PS("256"), VDPBF16PS("512")}, 200},
    {"dot2_bf16", TNI_ISA_X86_64, "avx512bf16", "", TNI_UNIT_DOT, {VDPBF16PS("128"), VDPBF16PS("256"), VDPBF16PS("512")}, 50},
    {"dot4_u8s8", TNI_ISA_AARCH64, "i8mm", "", TNI_UNIT_DOT, NEON("usdot"), 800},
    {"dot4_u8s8", TNI_ISA_AARCH64, "dotprod", "", TNI_UNIT_TURN_A, NEON("sdot"), 400},
    {"dot4_s8s8", TNI_ISA_AARCH64, "dotprod", "", TNI_UNIT_DOT, NEON("sdot"), 800},
    {"dot4_u8u8", TNI_ISA_AARCH64, "dotprod", "", TNI_UNIT_DOT, NEON("udot"), 800},
};
/* clang-format on */

/* Tiles. Gains: AMX multiplies 16 x 16 x 64 bytes in 16 cycles (Sapphire Rapids, measured), 128 times what vectors do one by
 * one; smmla and its like begin as often as sdot and do twice as much (LLVM's models of Neoverse N2 and V1). Apple's M4 does
 * 2.3 Tflop/s of f32 by fmopa (Remke, Breuer, "Hello SME!", 2024), where its vectors do 0.14, and about twice as many 8-bit
 * products. An A100 does 624 Tops of 8-bit products by its tensor cores and 19.5 of others (NVIDIA's figures); how they
 * round sums of f16 and bf16 is not told, so that there is no row of them. */
#define MMLA(sign) "llvm.aarch64.neon." sign "mmla"
#define MMA(types) "llvm.nvvm.mma.m16n8k32.row.col." types
#define MOPA(sign) "llvm.aarch64.sme." sign "mopa.wide"
/* clang-format off */
static const tni_tile_row tile_rows[] = {
    {TNI_ISA_X86_64, "amx-int8", TNI_TILE_AMX, TN_I32, TN_U8, TN_I8, "llvm.x86.tdpbusd", 12800},
    {TNI_ISA_X86_64, "amx-int8", TNI_TILE_AMX, TN_I32, TN_I8, TN_I8, "llvm.x86.tdpbssd", 12800},
    {TNI_ISA_X86_64, "amx-int8", TNI_TILE_AMX, TN_I32, TN_U8, TN_U8, "llvm.x86.tdpbuud", 12800},
    {TNI_ISA_X86_64, "amx-int8", TNI_TILE_AMX, TN_I32, TN_I8, TN_U8, "llvm.x86.tdpbsud", 12800},
    {TNI_ISA_X86_64, "amx-bf16", TNI_TILE_AMX, TN_F32, TN_BF16, TN_BF16, "llvm.x86.tdpbf16ps", 1600},
    {TNI_ISA_AARCH64, "i8mm", TNI_TILE_PAIRS, TN_I32, TN_U8, TN_I8, MMLA("us"), 1600},
    {TNI_ISA_AARCH64, "i8mm", TNI_TILE_PAIRS, TN_I32, TN_I8, TN_I8, MMLA("s"), 1600},
    {TNI_ISA_AARCH64, "i8mm", TNI_TILE_PAIRS, TN_I32, TN_U8, TN_U8, MMLA("u"), 1600},
    {TNI_ISA_AARCH64, "i8mm", TNI_TILE_PAIRS, TN_I32, TN_I8, TN_U8, MMLA("us"), 1600},
    {TNI_ISA_AARCH64, "sme", TNI_TILE_ZA, TN_I32, TN_U8, TN_I8, MOPA("us"), 3200},
    {TNI_ISA_AARCH64, "sme", TNI_TILE_ZA, TN_I32, TN_I8, TN_I8, MOPA("s"), 3200},
    {TNI_ISA_AARCH64, "sme", TNI_TILE_ZA, TN_I32, TN_U8, TN_U8, MOPA("u"), 3200},
    {TNI_ISA_AARCH64, "sme", TNI_TILE_ZA, TN_I32, TN_I8, TN_U8, MOPA("su"), 3200},
    {TNI_ISA_AARCH64, "sme", TNI_TILE_ZA, TN_F32, TN_F32, TN_F32, "llvm.aarch64.sme.mopa", 1600},
    {TNI_ISA_NVPTX, "ptx70", TNI_TILE_WARP, TN_I32, TN_U8, TN_I8, MMA("u8.s8"), 3200},
    {TNI_ISA_NVPTX, "ptx70", TNI_TILE_WARP, TN_I32, TN_I8, TN_I8, MMA("s8"), 3200},
    {TNI_ISA_NVPTX, "ptx70", TNI_TILE_WARP, TN_I32, TN_U8, TN_U8, MMA("u8"), 3200},
    {TNI_ISA_NVPTX, "ptx70", TNI_TILE_WARP, TN_I32, TN_I8, TN_U8, MMA("s8.u8"), 3200},
};
/* clang-format on */

/* ---- the meanings, parsed once a context ------------------------------------------------------------------------- */

/* Those that a host adds come before all that were there, and stay: readers need no lock. */
typedef struct unit_set {
  tn_program *program;
  tni_unit units[UNIT_COUNT];
  _Atomic(tni_added_unit *) added;
} unit_set;

static void destroy_units(tn_context *ctx, void *self) {
  unit_set *set = self;
  for (tni_added_unit *unit = atomic_load(&set->added), *next; unit; unit = next) {
    next = unit->next;
    tn_program_destroy(unit->program);
    tni_free(ctx, unit, sizeof *unit);
  }
  tn_program_destroy(set->program);
  tni_free(ctx, set, sizeof *set);
}

static bool parse_meanings(tn_context *ctx, unit_set *set) {
  tni_text text;
  tni_text_init(&text, ctx);
  for (size_t i = 0; i < UNIT_COUNT; i++) tni_text_add(&text, "func %s%s", meanings[i].name, meanings[i].text);
  bool good = !text.failed && tn_program_parse(ctx, text.data, text.length, "units", &set->program, NULL) == TN_OK;
  tni_text_destroy(&text);
  return good;
}

/* The nodes of a unit's meaning in post-order, with the numbers of their arguments. */
bool tni_unit_list_nodes(tni_arena *arena, tni_unit *unit) {
  tni_map map;
  tni_map_init(&map, arena->ctx);
  bool good = tni_map_add_dag(&map, unit->meaning) && map.count <= TNI_UNIT_NODES;
  unit->count = map.count;
  tni_unit_node *nodes = good ? TNI_NEW_ARRAY(arena, tni_unit_node, map.count) : NULL;
  for (size_t i = 0; nodes && i < map.count; i++) {
    const tn_expr *x = nodes[i].expr = map.entries[i].key;
    for (int k = 0; x->op != TN_OP_load && k < x->nargs; k++)
      nodes[i].args[k] = (uint16_t)tni_map_find(&map, x->arg[k], 0);
  }
  tni_map_destroy(&map);
  unit->nodes = nodes;
  return nodes != NULL;
}

/* C[0] + cast(A[t]) * cast(B[t]) */
static const tn_expr *product_step(tni_region *r, const tni_unit *unit) {
  const tn_expr *t = tni_var(r, "t", TN_INDEX), *zero = tni_index(r, 0);
  const tn_expr *x = tni_cast(r, unit->c, tni_load(r, unit->a, unit->left, 1, &t, NULL));
  const tn_expr *y = tni_cast(r, unit->c, tni_load(r, unit->b, unit->right, 1, &t, NULL));
  return tni_add(r, tni_load(r, unit->c, unit->sum, 1, &zero, NULL), tni_mul(r, x, y));
}

static bool make_unit(unit_set *set, size_t i) {
  const tn_func *f = set->program->funcs[i];
  tni_unit *unit = &set->units[i];
  *unit = (tni_unit){.name = meanings[i].name,
                     .steps = meanings[i].steps,
                     .exact = meanings[i].exact,
                     .idle = true,
                     .sum = f->params[0].buffer,
                     .left = f->params[1].buffer,
                     .right = f->params[2].buffer,
                     .c = f->params[0].buffer->type,
                     .a = f->params[1].buffer->type,
                     .b = f->params[2].buffer->type,
                     .meaning = f->body->as.store.value};
  unit->step = product_step(&set->program->region, unit);
  return unit->step && tni_unit_list_nodes(&set->program->region.arena, unit);
}

static void *create_units(tn_context *ctx, tn_error **err) {
  unit_set *set = tni_alloc_zero(ctx, sizeof *set);
  bool good = set && parse_meanings(ctx, set);
  for (size_t i = 0; good && i < UNIT_COUNT; i++) good = make_unit(set, i);
  if (good) return set;
  if (set) destroy_units(ctx, set);
  tni_fail_nomem(err);
  return NULL;
}

static unit_set *units_of(tn_context *ctx) {
  tn_error *error = NULL;
  unit_set *set = tni_context_slot(ctx, TNI_SLOT_UNITS, create_units, destroy_units, &error);
  tn_error_destroy(error);
  return set;
}

const tni_unit *tni_unit_after(tn_context *ctx, const tni_unit *unit) {
  unit_set *set = units_of(ctx);
  const tni_added_unit *next;
  if (!set) return NULL;
  if (!unit) return &set->units[0];
  if (!unit->own && unit + 1 < set->units + UNIT_COUNT) return unit + 1;
  next = unit->own ? ((const tni_added_unit *)unit)->next : atomic_load(&set->added);
  return next ? &next->unit : NULL;
}

const tni_unit *tni_unit_find(tn_context *ctx, const char *name) {
  const tni_unit *unit = NULL;
  while ((unit = tni_unit_after(ctx, unit)) && strcmp(unit->name, name) != 0)
    ;
  return unit;
}

tn_status tni_unit_publish(tn_context *ctx, tni_added_unit *made, tn_error **err) {
  unit_set *set = units_of(ctx);
  if (!set) return tni_fail_nomem(err);
  made->next = atomic_load(&set->added);
  do {
    if (tni_unit_find(ctx, made->unit.name))
      return tni_fail(ctx, err, TN_E_INVALID, "instruction", made->unit.name, "there is one of that name");
  } while (!atomic_compare_exchange_weak(&set->added, &made->next, made));
  return TN_OK;
}

/* ---- matching and making ----------------------------------------------------------------------------------------- */

/* The operand that an element of the meaning's buffers stands for. */
static const tn_expr **operand_of(const tni_unit *unit, const tn_expr *element, tni_unit_operands *o) {
  if (element->as.buffer == unit->sum) return &o->c;
  return &(element->as.buffer == unit->left ? o->a : o->b)[element->arg[0]->as.i];
}

bool tni_same_number(const tn_expr *a, const tn_expr *b) {
  return b->op == TN_OP_const && (tni_type_is_float(a->type) ? memcmp(&a->as.f, &b->as.f, sizeof a->as.f) == 0
                                                             : a->as.i == b->as.i);
}

/* Is x what the node of the meaning is, but for its arguments? */
static bool matches(const tni_unit *unit, const tn_expr *meaning, const tn_expr *x, tni_unit_operands *o) {
  if (TN_TYPE_WITH_LANES(x->type, 1) != meaning->type) return false;
  if (meaning->op == TN_OP_load) {
    const tn_expr **operand = operand_of(unit, meaning, o);
    if (!*operand) *operand = x;
    return *operand == x;
  }
  if (meaning->op == TN_OP_const) return tni_same_number(meaning, x);
  return x->op == meaning->op && x->nargs == meaning->nargs;
}

static const tn_expr *scalar_of(const tn_expr *x) { return x->op == TN_OP_broadcast ? x->arg[0] : x; }

/* From the root on, so that a node is looked at behind all of which it is an argument. */
bool tni_unit_matches(const tni_unit *unit, const tn_expr *x, tni_unit_operands *out) {
  const tn_expr *found[TNI_UNIT_NODES] = {NULL};
  *out = (tni_unit_operands){NULL, {NULL}, {NULL}};
  found[unit->count - 1] = scalar_of(x);
  for (size_t i = unit->count; i-- > 0;) {
    const tni_unit_node *node = &unit->nodes[i];
    if (!found[i]) continue; /* a subscript of an element */
    if (!matches(unit, node->expr, found[i], out)) return false;
    for (int k = 0; node->expr->op != TN_OP_load && k < found[i]->nargs; k++) {
      const tn_expr **known = &found[node->args[k]], *arg = scalar_of(found[i]->arg[k]);
      if (!*known) *known = arg;
      if (*known != arg) return false;
    }
  }
  return true;
}

const tn_expr *tni_unit_of(tni_region *r, const tni_unit *unit, const tni_unit_operands *operands) {
  const tn_expr *made[TNI_UNIT_NODES];
  tni_unit_operands o = *operands;
  for (size_t i = 0; i < unit->count; i++) {
    const tni_unit_node *node = &unit->nodes[i];
    const tn_expr *x = node->expr, *args[3];
    for (int k = 0; x->op != TN_OP_load && k < x->nargs; k++) args[k] = made[node->args[k]];
    if (x->op == TN_OP_load)
      made[i] = *operand_of(unit, x, &o);
    else if (x->op == TN_OP_const)
      made[i] = tni_type_is_float(x->type) ? tni_const_float(r, x->type, x->as.f) : tni_const_int(r, x->type, x->as.i);
    else
      made[i] = tni_with_args(r, x, args);
    if (!made[i]) return NULL;
  }
  return made[unit->count - 1];
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static bool is_of(const tni_unit_row *row, const tn_target *target, int64_t bits) {
  return row->isa == target->isa && row->names[bits / 256] && tni_target_has_feature(target, row->feature) &&
         strncmp(target->maker, row->maker, strlen(row->maker)) == 0;
}

const tni_unit_row *tni_target_unit(const tn_target *target, const tni_unit *unit, int64_t bits) {
  if ((bits != 128 && bits != 256 && bits != 512) || bits > target->vector_bits) return NULL;
  if (unit->own) return is_of(unit->own, target, bits) ? unit->own : NULL;
  for (size_t i = 0; i < TNI_COUNT(rows); i++)
    if (strcmp(rows[i].unit, unit->name) == 0 && is_of(&rows[i], target, bits)) return &rows[i];
  return NULL;
}

/* Of several the one that gains most; of equal ones the first. */
const tni_unit *tni_target_best_unit(tn_context *ctx, const tn_target *target, bool (*fits)(void *, const tni_unit *),
                                     void *self) {
  const tni_unit *best = NULL;
  int32_t gain = 100;
  for (const tni_unit *unit = NULL; (unit = tni_unit_after(ctx, unit));) {
    const tni_unit_row *row = tni_target_unit(target, unit, target->vector_bits);
    if (!row || row->gain <= gain || !fits(self, unit)) continue;
    best = unit;
    gain = row->gain;
  }
  return best;
}

/* A product of two factors that are cast to the type of the sum. */
typedef struct product {
  tn_type c, a, b;
} product;

static bool is_of_products(void *self, const tni_unit *unit) {
  const product *p = self;
  const tn_expr *step = unit->step;
  if (unit->c != p->c || unit->a != p->a || unit->b != p->b || step->op != TN_OP_add) return false;
  if (step->arg[0]->op != TN_OP_load || step->arg[1]->op != TN_OP_mul) return false;
  const tn_expr *x = step->arg[1]->arg[0], *y = step->arg[1]->arg[1];
  return x->op == TN_OP_cast && x->arg[0]->op == TN_OP_load && y->op == TN_OP_cast && y->arg[0]->op == TN_OP_load;
}

const tni_unit *tni_target_product_unit(tn_context *ctx, const tn_target *target, tn_type c, tn_type a, tn_type b) {
  return tni_target_best_unit(ctx, target, is_of_products, &(product){c, a, b});
}

const tni_tile_row *tni_target_tile(const tn_target *target, tn_type c, tn_type a, tn_type b) {
  const tni_tile_row *best = NULL;
  for (size_t i = 0; i < TNI_COUNT(tile_rows); i++) {
    const tni_tile_row *row = &tile_rows[i];
    if (row->isa != target->isa || row->c != c || row->a != a || row->b != b) continue;
    if (tni_target_has_feature(target, row->feature) && (!best || row->gain > best->gain)) best = row;
  }
  return best;
}

bool tni_target_has_tiles(const tn_target *target, tn_type c, tn_type a, tn_type b) {
  const tni_tile_row *row = tni_target_tile(target, c, a, b);
  return row && row->form != TNI_TILE_WARP && (c != TN_F32 || a == TN_BF16);
}
