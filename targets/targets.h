/* targets.h -- the directory board of targets/: what hardware is, and how loop programs become code for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_TARGETS_H
#define TNI_TARGETS_H

#include "ir.h"
#include "tenon/target.h"

/* ---- table.c, host.c ------------------------------------------------------------------------------------------- */

enum tni_isa { TNI_ISA_X86_64, TNI_ISA_AARCH64, TNI_ISA_RISCV64, TNI_ISA_NVPTX };

/* An operator that code generation emits itself on some types (any lanes). */
enum { TNI_ON_INT = 1 /* and index, bool */, TNI_ON_F32 = 2, TNI_ON_F64 = 4, TNI_ON_LONG = 8 /* one i64 or u64 */ };
typedef struct tni_native {
  enum tn_op op;
  unsigned on;
} tni_native;

struct tn_target {
  const char *name; /* "host" or a row's name */
  enum tni_isa isa;
  const char *triple;   /* LLVM's */
  const char *cpu;      /* a level ("x86-64-v4"), never a product name: features are explicit */
  const char *features; /* "+avx512f,-amx-tile,..." */
  const char *maker;    /* of the host: what CPUID says of who made it and which model it is; else "" */
  int32_t level;        /* 2 to 4: it is that level of x86-64, and no more; 0: another */
  int32_t vector_bits;  /* of the widest registers worth using */
  int32_t vector_registers;
  bool has_fma, has_ldexp_vector; /* a vector fma instruction; vscalefps */
  bool has_f16;                   /* conversions f16 <-> f32 (F16C, NEON) */
  const tni_native *natives;      /* of its code generation, of the operators that are not basic */
  size_t native_count;
  int32_t cores;
  size_t l1d, l2, l3, cache_line; /* bytes of one core's */
  const char *text;
  bool runs_here; /* code for it can be executed by this process */
};

/* Has it the feature, or all of several apart by commas, as LLVM calls them: by name, or as part of its level? */
bool tni_target_has_feature(const tn_target *target, const char *features);
/* Are masks of vectors registers of their own, so that loads and stores of some lanes cost what those of all do? */
bool tni_target_has_masks(const tn_target *target);
/* The last target of that architecture, the first part of its triple; NULL: there is none. Does any of an architecture know
 * the feature, whether it has it or not? */
tn_status tni_target_of_architecture(tn_context *ctx, const char *architecture, const tn_target **out, tn_error **err);
bool tni_isa_has_feature(tn_context *ctx, enum tni_isa isa, const char *name, size_t length);
/* The x86-64 level that a feature is part of; 0: of none; -1: it is not known. */
int tni_x86_feature_level(const char *name, size_t length);
/* The highest x86-64 level (1 to 4) whose features CPU and system enable; 0 on other machines. */
int tni_host_level(void);
/* What a program asks CPUID to know whether it may run code of a level: for each question the leaf, the subleaf and
 * which of eax, ebx, ecx, edx answers (there is no answer, 0, when the leaf is above the highest of its kind); the bits
 * that must be set in each answer, and in XCR0: what the system saves, to be read if bit 27 of answer number 0 is
 * set. */
enum { TNI_X86_QUESTIONS = 6, TNI_X86_HAS_XGETBV = 27 };
typedef struct tni_x86_question {
  uint32_t leaf, subleaf;
  unsigned reg;
} tni_x86_question;
extern const tni_x86_question tni_x86_questions[TNI_X86_QUESTIONS];
typedef struct tni_x86_needs {
  uint32_t answers[TNI_X86_QUESTIONS], xcr0;
} tni_x86_needs;
void tni_x86_level_needs(int level, tni_x86_needs *out);
/* On AArch64 and RISC-V: do CPU and system enable all features of such a string, "+neon,+dotprod"? False on other machines. */
bool tni_host_has(const char *features);
/* LLVM's feature string of the host, every feature that we know with + or -; nothing on other machines than x86-64. */
void tni_host_features(tni_text *out);
/* Who made this CPU, its family and model, as CPUID tells: "AuthenticAMD 26 2"; "this CPU" on other machines. */
enum { TNI_MAKER_BYTES = 48 };
void tni_host_maker(char *out);

/* ---- native.c -------------------------------------------------------------------------------------------------- */

extern const tni_native tni_llvm_natives[];
extern const size_t tni_llvm_native_count;
/* Is the operator, on operands of this type, with lanes, emitted as it is? For those that are not basic. */
bool tni_target_emits(const tn_target *target, enum tn_op op, tn_type type);

/* ---- units.c --------------------------------------------------------------------------------------------------- */

/* A tensor instruction: some steps of a sum of products at once, as an expression (its meaning, which every target computes) over
 * the sum so far and the steps' factors. Targets that have the instruction emit it where they meet that expression. */
enum { TNI_UNIT_STEPS = 32, TNI_UNIT_NODES = 1024 };
typedef struct tni_unit_node {
  const tn_expr *expr;
  uint16_t args[3]; /* numbers of nodes */
} tni_unit_node;
typedef struct tni_unit {
  const char *name;
  int32_t steps;
  bool exact; /* the same bits as steps one by one */
  bool idle;  /* a step of factors that are 0 leaves the sum as it is */
  const tn_buffer *sum, *left, *right; /* of which step and meaning load */
  tn_type c, a, b;                     /* of these */
  const tn_expr *step;                 /* what loops do in a step: over one element of each */
  const tn_expr *meaning;              /* of all: over elements 0.. of left and right, one of the sum */
  size_t count;           /* its nodes, at most TNI_UNIT_NODES, arguments first */
  const tni_unit_node *nodes;
  const struct tni_unit_row *own; /* of one that a host added: its only row; else NULL */
} tni_unit;
typedef struct tni_unit_operands {
  const tn_expr *c, *a[TNI_UNIT_STEPS], *b[TNI_UNIT_STEPS];
} tni_unit_operands;

/* How a target emits a unit. */
enum tni_unit_form {
  TNI_UNIT_DOT,      /* instruction(c, a, b) */
  TNI_UNIT_TURN_A,   /* the same of a with the first bit of each turned, and of that bit alone, taken away */
  TNI_UNIT_TURN_B,   /* of b */
  TNI_UNIT_PRODUCTS, /* c + instruction(a, b), of factors widened to 16 bits */
  TNI_UNIT_TERM,     /* c + instruction(a, b) */
  TNI_UNIT_ASSEMBLY  /* the names are assembly: $0 is c, $1 is a, $2 is b */
};
typedef struct tni_unit_row {
  const char *unit;
  enum tni_isa isa;
  const char *feature; /* those that it needs, as LLVM calls them, apart by commas */
  const char *maker;   /* the processors it is about: how tn_target's begins */
  enum tni_unit_form form;
  const char *names[3]; /* LLVM's intrinsics for vectors of 128, 256, 512 bits, maybe for the types of c and a; NULL: none */
  int32_t gain; /* steps in the time of as many steps one by one, in per cent: 100 is no gain */
} tni_unit_row;

/* One that a host added, with all that it is made of (instruction.c). */
typedef struct tni_added_unit {
  tni_unit unit;
  tni_unit_row row;
  tn_program *program;
  struct tni_added_unit *next;
} tni_added_unit;

/* The unit behind another one, the first behind NULL; NULL: it is the last one, or there is no memory (then there is
 * no first one). */
const tni_unit *tni_unit_after(tn_context *ctx, const tni_unit *unit);
/* Adds it, which then belongs to the context; or tells that there is one of that name. Any thread. */
tn_status tni_unit_publish(tn_context *ctx, tni_added_unit *made, tn_error **err);
/* NULL: none of that name, or no memory. */
const tni_unit *tni_unit_find(tn_context *ctx, const char *name);
/* Is the expression, of any lanes, the unit's meaning? Then of what: operands that all lanes share may be scalars. */
bool tni_unit_matches(const tni_unit *unit, const tn_expr *x, tni_unit_operands *out);
/* Has the meaning no more nodes than there may be? Lists them in the arena. */
bool tni_unit_list_nodes(tni_arena *arena, tni_unit *unit);
/* Is b the constant a? */
bool tni_same_number(const tn_expr *a, const tn_expr *b);
/* The meaning, of these operands. NULL without memory. */
const tn_expr *tni_unit_of(tni_region *r, const tni_unit *unit, const tni_unit_operands *operands);
/* How the target emits the unit in vectors of so many bits; NULL: it does not. */
const tni_unit_row *tni_target_unit(const tn_target *target, const tni_unit *unit, int64_t bits);
/* Of those that fit, the unit that the target gains most by, in its widest vectors; NULL: there is none that is faster than
 * steps one by one, or no memory. */
const tni_unit *tni_target_best_unit(tn_context *ctx, const tn_target *target,
                                     bool (*fits)(void *self, const tni_unit *), void *self);
/* The same of those that sum products of such factors. */
const tni_unit *tni_target_product_unit(tn_context *ctx, const tn_target *target, tn_type c, tn_type a, tn_type b);
/* Do so many taps of a channel by itself, one by one in most other ways, fill half of an instruction's steps? */
static inline bool tni_unit_suits_taps(const tni_unit *unit, int64_t taps) {
  return ((taps - 1) / unit->steps + 1) * 2 <= taps;
}

/* Products of 8-bit integers, of f32, and of bf16 in the meaning of tile_bf16, by tiles: loops with this note, row by row,
 * column by column, at most TNI_TILE_BYTES of steps each, that sum into rows of memory are compiled so, where the target has
 * an instruction for it (llvm/tile.c). What they mean is what the loops say. */
#define TNI_TILE_NOTE "tile"
enum { TNI_TILE_ROWS = 16, TNI_TILE_BYTES = 64 };
enum tni_tile_form {
  TNI_TILE_AMX,   /* registers of 16 rows of 64 bytes */
  TNI_TILE_PAIRS, /* 2 x 8 by 8 x 2 bytes into 2 x 2 sums: i8mm */
  TNI_TILE_ZA,    /* outer products of vectors, of 4 bytes of steps: SME */
  TNI_TILE_WARP   /* 16 x 32 by 32 x 8 bytes, by 32 threads: mma.sync */
};
typedef struct tni_tile_row {
  enum tni_isa isa;
  const char *feature;
  enum tni_tile_form form;
  tn_type c, a, b;
  const char *name; /* LLVM's intrinsic */
  int32_t gain;     /* as of units */
} tni_tile_row;
/* The best that the target has for such products; NULL: none. */
const tni_tile_row *tni_target_tile(const tn_target *target, tn_type c, tn_type a, tn_type b);
/* Is there one that the default schedule uses? Not of f32, nor of warps. */
bool tni_target_has_tiles(const tn_target *target, tn_type c, tn_type a, tn_type b);

/* Does LLVM take the code of each of the unit's rows, for vectors of all widths? Else TN_E_INVALID with LLVM's reason. The target
 * is one of the row's architecture, whatever its features. (llvm/unit.c) */
tn_status tni_codegen_check_unit(tn_context *ctx, const tn_target *target, const tni_unit *unit, tn_error **err);

/* ---- step.c ---------------------------------------------------------------------------------------------------- */

typedef struct tni_unit_step {
  const tn_expr *sum, *x, *y; /* the element that is stored; what stands in the place of A and B, of their types */
} tni_unit_step;
/* Is the store a step of the unit? */
bool tni_unit_is_step(const tni_unit *unit, const tn_stmt *store, tni_unit_step *out);

/* ---- llvm/ ----------------------------------------------------------------------------------------------------- */

/* What code generation makes of a set of loop-level functions. All symbols that a loader may want:
 *   NAME          int32_t (const tn_env *, PARAMS...)        the direct call
 *   NAME.packed   int32_t (const tn_env *, void *const *)    where tni_has_thunk: the same with its pointers in an array
 * Externals are called through env->call_external by their index in the program. */
bool tni_takes_pointers(const tn_func *func); /* and nothing else: every parameter is a buffer */
bool tni_has_thunk(const tn_func *func);      /* it takes pointers, more than a plan passes one by one */
enum tni_emit { TNI_EMIT_OBJECT, TNI_EMIT_ASSEMBLY, TNI_EMIT_LLVM };

/* A worker's own compiler: LLVM context and target machine. One thread at a time. */
typedef struct tni_codegen tni_codegen;
tn_status tni_codegen_create(tn_context *ctx, const tn_target *target, tni_codegen **out, tn_error **err);
void tni_codegen_destroy(tni_codegen *codegen);
/* Loop-level functions into one module's bytes (a tni_text_block, freed with tn_text_destroy). Deterministic. Objects are
 * checked to be closed: no undefined symbol beyond memcpy, memset, memmove. Names must differ. Recursion is as deep as the
 * program is nested: for threads with large stacks. Errors: TN_E_UNSUPPORTED, TN_E_INVALID, TN_E_LIMIT, TN_E_NOMEM,
 * TN_E_COMPILER. */
tn_status tni_codegen_run(tni_codegen *codegen, size_t count, const tn_func *const *funcs, enum tni_emit what,
                          char **out, size_t *size, tn_error **err);
/* The same for several targets, the codegen's first, each better than the one before: functions[t * count + i] is
 * function i for targets[t], and all have the same parameters. NAME then calls NAME.TARGET, the best that CPU and
 * system enable when it is first called, the first target's if none. */
tn_status tni_codegen_variants(tni_codegen *codegen, size_t target_count, const tn_target *const *targets, size_t count,
                               const tn_func *const *funcs, enum tni_emit what, char **out, size_t *size,
                               tn_error **err);
/* Why these are no targets of one object, the first as the fallback: TN_E_INVALID. */
tn_status tni_targets_check(tn_context *ctx, size_t count, const tn_target *const *targets, tn_error **err);
/* Frees what Tenon holds of a codegen that LLVM died in, and leaves LLVM's part alone. */
void tni_codegen_abandon(tni_codegen *codegen);
/* The version of LLVM that Tenon is built for. */
const char *tni_codegen_version(void);

/* LLVM ends the process on a fatal error, unless the handler never returns. `run` is called on the thread it happened on and
 * must not return if the process is to live. Of the calling thread; NULL takes it away. */
typedef struct tni_fatal_hook {
  void (*run)(void *self, const char *reason);
  void *self;
} tni_fatal_hook;
void tni_codegen_on_fatal(const tni_fatal_hook *hook);
/* Makes LLVM fail on purpose in the next tni_codegen_run of this codegen: for the tests of the above. */
void tni_codegen_break(tni_codegen *codegen);

/* ---- llvm/open.c ----------------------------------------------------------------------------------------------- */

/* Opens the process's LLVM and sets it up, once; tni_codegen_create does it too. TN_E_UNSUPPORTED: there is none. */
tn_status tni_llvm_open(tn_context *ctx, tn_error **err);
/* The linker's build id of the LLVM that is or would be opened, which this does not do; how many bytes, 0: it has none. */
size_t tni_llvm_build_id(tn_context *ctx, unsigned char *id, size_t room);

/* ---- elf.c ----------------------------------------------------------------------------------------------------- */

/* Calls `visit` for each global symbol of an ELF64 relocatable object in the order of its table, until it gives false. The
 * bytes are not trusted: TN_E_INVALID when they are no such object. */
tn_status tni_object_symbols(tn_context *ctx, const void *bytes, size_t size,
                             bool (*visit)(void *self, const char *name, bool defined), void *self, tn_error **err);
/* What objects may import. */
enum { TNI_OBJECT_IMPORTS = 3 };
extern const char *const tni_object_imports[TNI_OBJECT_IMPORTS];
/* TN_E_COMPILER, naming the symbol, when the object imports anything else. */
tn_status tni_object_check_closed(tn_context *ctx, const void *bytes, size_t size, tn_error **err);

#endif
