/* units.c -- tensor instructions: what they mean, in Tenon's own text, and which target has them.
 *
 * A meaning is a function of one store: C[0] = the new sum, of C[0] and the factors in A and B. Matching and making it go by
 * its expression, so that nothing but the text says what an instruction does. test/jit/test_units.c runs each row beside it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "targets.h"

/* ---- meanings ------------------------------------------------------------------------------------------------------ */

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

/* clang-format off */
static const struct {
  const char *name;
  int32_t steps;
  bool exact;
  const char *text; /* behind the name */
} meanings[] = {
    {"dot4_u8s8", 4, true, DOT4("u8", "i8")},
    {"dot4_s8s8", 4, true, DOT4("i8", "i8")},
    {"dot2_u8s8", 2, true, DOT2("u8", "i8")},
    {"dot2_s8s8", 2, true, DOT2("i8", "i8")},
    {"dot2_s16", 2, true, DOT2("i16", "i16")},
    {"dot2_bf16", 2, false,
     "(C: f32[1], A: bf16[2], B: bf16[2]) {\n"
     "  %0 = cast(f32, A[0])\n" "  %1 = cast(f32, A[1])\n" "  %2 = cast(f32, B[0])\n" "  %3 = cast(f32, B[1])\n"
     "  %4 = C[0]\n"
     FLUSHED("%10", "%0") FLUSHED("%11", "%1") FLUSHED("%12", "%2") FLUSHED("%13", "%3") FLUSHED("%14", "%4")
     STEP("%15", "%11", "%13", "%14") STEP("%16", "%10", "%12", "%15")
     "  C[0] = %16\n}\n"},
};
/* clang-format on */
enum { UNIT_COUNT = TNI_COUNT(meanings) };

/* ---- rows: of several that fit, the first is the best ----------------------------------------------------------------
 *
 * Gains: 8-bit products one by one are widened to 32 bits, multiplied and added: 1 vector in 2 cycles or less (uops.info; vpmulld).
 * vdpbf16ps begins once in 2 cycles on Sapphire Rapids, where 2 multiply-adds do in 1, and once in 1 on Zen 4, where one does
 * (measured on both). */

#define VPDPBUSD(bits) "llvm.x86.avx512.vpdpbusd." bits
#define VPMADDWD "llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512"
#define VDPBF16PS(bits) "llvm.x86.avx512bf16.dpbf16ps." bits
/* clang-format off */
static const tni_unit_row rows[] = {
    {"dot4_u8s8", TNI_ISA_X86_64, "avx512vnni", "", TNI_UNIT_DOT, {VPDPBUSD("128"), VPDPBUSD("256"), VPDPBUSD("512")}, 1600},
    {"dot4_u8s8", TNI_ISA_X86_64, "avxvnni", "", TNI_UNIT_DOT, {VPDPBUSD("128"), VPDPBUSD("256"), NULL}, 1600},
    {"dot4_s8s8", TNI_ISA_X86_64, "avx512vnni", "", TNI_UNIT_OFFSET, {VPDPBUSD("128"), VPDPBUSD("256"), VPDPBUSD("512")}, 800},
    {"dot4_s8s8", TNI_ISA_X86_64, "avxvnni", "", TNI_UNIT_OFFSET, {VPDPBUSD("128"), VPDPBUSD("256"), NULL}, 800},
    {"dot2_u8s8", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_s8s8", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_s16", TNI_ISA_X86_64, "", "", TNI_UNIT_PRODUCTS, {VPMADDWD}, 400},
    {"dot2_bf16", TNI_ISA_X86_64, "avx512bf16", "znver", TNI_UNIT_DOT, {VDPBF16PS("128"), VDPBF16PS("256"), VDPBF16PS("512")}, 200},
    {"dot2_bf16", TNI_ISA_X86_64, "avx512bf16", "", TNI_UNIT_DOT, {VDPBF16PS("128"), VDPBF16PS("256"), VDPBF16PS("512")}, 50},
};
/* clang-format on */

/* ---- the meanings, parsed once a context ------------------------------------------------------------------------------ */

typedef struct unit_set {
  tn_program *program;
  tni_unit units[UNIT_COUNT];
} unit_set;

static void destroy_units(tn_context *ctx, void *self) {
  unit_set *set = self;
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

static void *create_units(tn_context *ctx, tn_error **err) {
  unit_set *set = tni_alloc_zero(ctx, sizeof *set);
  if (!set || !parse_meanings(ctx, set)) {
    if (set) destroy_units(ctx, set);
    tni_fail_nomem(err);
    return NULL;
  }
  for (size_t i = 0; i < UNIT_COUNT; i++) {
    const tn_func *f = set->program->funcs[i];
    set->units[i] = (tni_unit){meanings[i].name,
                               meanings[i].steps,
                               meanings[i].exact,
                               f->params[0].buffer->type,
                               f->params[1].buffer->type,
                               f->params[2].buffer->type,
                               f->body->as.store.value};
  }
  return set;
}

static const unit_set *units_of(tn_context *ctx) {
  tn_error *error = NULL;
  const unit_set *set = tni_context_slot(ctx, TNI_SLOT_UNITS, create_units, destroy_units, &error);
  tn_error_destroy(error);
  return set;
}

size_t tni_unit_count(void) { return UNIT_COUNT; }

const tni_unit *tni_unit_at(tn_context *ctx, size_t i) {
  const unit_set *set = units_of(ctx);
  return set ? &set->units[i] : NULL;
}

const tni_unit *tni_unit_find(tn_context *ctx, const char *name) {
  for (size_t i = 0; i < UNIT_COUNT; i++)
    if (strcmp(meanings[i].name, name) == 0) return tni_unit_at(ctx, i);
  return NULL;
}

/* ---- matching and making ------------------------------------------------------------------------------------------------ */

/* The operand that an element of the meaning's buffers stands for. */
static const tn_expr **operand_of(const tn_expr *element, tni_unit_operands *o) {
  const char *name = element->as.buffer->name;
  return *name == 'C' ? &o->c : &(*name == 'A' ? o->a : o->b)[element->arg[0]->as.i];
}

static bool same_number(const tn_expr *a, const tn_expr *b) {
  return b->op == TN_OP_const && (tni_type_is_float(a->type) ? memcmp(&a->as.f, &b->as.f, sizeof a->as.f) == 0
                                                             : a->as.i == b->as.i);
}

/* Meanings are a few nodes deep, and a node of theirs has few ways to it. */
static bool matches(const tn_expr *meaning, const tn_expr *x, tni_unit_operands *o) {
  if (x->op == TN_OP_broadcast) x = x->arg[0];
  if (TN_TYPE_WITH_LANES(x->type, 1) != meaning->type) return false;
  if (meaning->op == TN_OP_load) {
    const tn_expr **operand = operand_of(meaning, o);
    if (!*operand) *operand = x;
    return *operand == x;
  }
  if (meaning->op == TN_OP_const) return same_number(meaning, x);
  if (x->op != meaning->op || x->nargs != meaning->nargs) return false;
  for (int i = 0; i < x->nargs; i++)
    if (!matches(meaning->arg[i], x->arg[i], o)) return false;
  return true;
}

bool tni_unit_matches(const tni_unit *unit, const tn_expr *x, tni_unit_operands *out) {
  *out = (tni_unit_operands){NULL, {NULL}, {NULL}};
  return matches(unit->meaning, x, out);
}

static const tn_expr *make(tni_region *r, const tn_expr *meaning, tni_unit_operands *o) {
  const tn_expr *args[3];
  if (meaning->op == TN_OP_load) return *operand_of(meaning, o);
  if (meaning->op == TN_OP_const)
    return tni_type_is_float(meaning->type) ? tni_const_float(r, meaning->type, meaning->as.f)
                                            : tni_const_int(r, meaning->type, meaning->as.i);
  for (int i = 0; i < meaning->nargs; i++)
    if (!(args[i] = make(r, meaning->arg[i], o))) return NULL;
  return tni_with_args(r, meaning, args);
}

const tn_expr *tni_unit_of(tni_region *r, const tni_unit *unit, const tni_unit_operands *operands) {
  tni_unit_operands o = *operands;
  return make(r, unit->meaning, &o);
}

/* ---- targets ------------------------------------------------------------------------------------------------------------ */

/* Is "+feature" one of the names between commas? */
static bool has_feature(const tn_target *target, const char *feature) {
  size_t length = strlen(feature);
  if (!length) return true;
  for (const char *at = target->features; *at; at += strcspn(at, ","), at += *at == ',')
    if (*at == '+' && strncmp(at + 1, feature, length) == 0 && (at[1 + length] == ',' || !at[1 + length])) return true;
  return false;
}

const tni_unit_row *tni_target_unit(const tn_target *target, const tni_unit *unit, int64_t bits) {
  if ((bits != 128 && bits != 256 && bits != 512) || bits > target->vector_bits) return NULL;
  for (size_t i = 0; i < TNI_COUNT(rows); i++) {
    const tni_unit_row *row = &rows[i];
    if (row->isa == target->isa && row->names[bits / 256] && strcmp(row->unit, unit->name) == 0 &&
        has_feature(target, row->feature) && strncmp(target->tune, row->tune, strlen(row->tune)) == 0)
      return row;
  }
  return NULL;
}

const tni_unit *tni_target_best_unit(tn_context *ctx, const tn_target *target, tn_type c, tn_type a, tn_type b) {
  const unit_set *set = units_of(ctx);
  for (size_t i = 0; set && i < UNIT_COUNT; i++) {
    const tni_unit *unit = &set->units[i];
    if (unit->c != c || unit->a != a || unit->b != b) continue;
    const tni_unit_row *row = tni_target_unit(target, unit, target->vector_bits);
    if (row && row->gain > 100) return unit;
  }
  return NULL;
}

bool tni_target_has_tiles(const tn_target *target, tn_type c, tn_type a, tn_type b) {
  bool bytes = c == TN_I32 && (a == TN_U8 || a == TN_I8) && b == TN_I8;
  return bytes && target->isa == TNI_ISA_X86_64 && has_feature(target, "amx-int8");
}
