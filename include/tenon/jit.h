/* tenon/jit.h -- compiling a program into functions and models that run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_JIT_H
#define TENON_JIT_H

#include "graph.h"
#include "sched.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A compiled program: its code and its models. Immutable: any number of threads may call into one. The program it was
 * compiled from may be destroyed before it. */
typedef struct tn_module tn_module;
typedef struct tn_function tn_function; /* owned by its module */
typedef struct tn_model tn_model;       /* owned by its module */

struct tn_pass_event;

/* What becomes of what tn_func_check does not know: subscripts that may leave their buffers, iterations that may meet. */
enum tn_unproven {
  TN_UNPROVEN_CHECK,  /* subscripts are checked when they are used, and fail the call with TN_E_INVALID as the interpreter does;
                         loops that may race run in order. So the code means what the program means, and reads and writes
                         nothing that is not the program's. What cannot be checked (an external is called for it) is refused */
  TN_UNPROVEN_REFUSE, /* tn_compile gives the TN_E_VERIFY of tn_func_check: no checks are hidden in the code */
  TN_UNPROVEN_TRUST   /* the host knows better: what leaves its buffer there corrupts memory */
};

typedef struct tn_compile_desc {
  size_t struct_size;
  const tn_target *target; /* NULL: "host". Others compile, but do not run: see tn_program_emit */
  /* Functions that carry no schedule get the default one, unless this is 1. */
  uint8_t keep_schedules;
  uint8_t unproven; /* enum tn_unproven */
  /* 1: convolutions and matrix products of dequantized numbers (DequantizeLinear ... QuantizeLinear of ONNX) sum integers,
   * exactly, and what is quantized right behind them is what QLinearConv and QLinearMatMul give. As the graph has them
   * they sum floats, which are rounded: near a tie that may be the next number. */
  uint8_t integers;
  /* 1: convolutions are sums of products of what is in their windows, always. Else those by 3 x 3 constant weights of f32,
   * in steps of 1, over enough channels, are made from transformed tiles of 4 x 4 or 2 x 2 pixels (Winograd's short
   * convolutions) where that takes less time, often less than half. Sums are then in another order: the error, estimated
   * from the weights of each convolution, is below 1e-5 of the results, in roots of mean squares; measured it is up to
   * twice that of direct sums. A number of the input that is infinite, NaN or above 1e37 spoils whole tiles, of all
   * channels, not only the pixels whose windows hold it. Weights take up to 4 times as much memory. */
  uint8_t direct;
  /* Called now and then on the calling thread with how many of `total` pieces of code are made: a kernel's, or that of
   * several which are small or one but for their numbers; may be NULL. Other than 0 ends the compilation with TN_E_HOST. */
  int32_t (*progress)(void *self, int32_t done, int32_t total);
  void *progress_self;
  /* Called on the calling thread after each pass over each graph or function; may be NULL. */
  void (*observe)(void *self, const struct tn_pass_event *event);
  void *observe_self;
  /* The letters of the passes whose events carry the text of what they made, "*" for all; NULL: none do. TN_E_INVALID for a
   * letter that is no pass. */
  const char *dump;
  /* Better targets than `target`, levels of x86-64 as it is, in rising order; TN_E_INVALID for others. tn_program_emit
   * makes code for each, and every function runs that of the best one that CPU and system enable, `target`'s if none: a
   * program can be given away before it is known where it will run. The choice is made in the first call, by any thread,
   * and imports nothing. Graphs, and stages that are text of programs, are made for the last. tn_compile makes code for the
   * best that runs here alone. */
  const tn_target *const *better;
  size_t better_count;
  /* Where compiled code is looked for and kept, see tn_cache_open; NULL: nowhere. It is used by tn_compile alone, which
   * runs no pass behind "guard" when it finds all kernels there, and no pass at all when it finds the whole program: not
   * with `observe`, which is told of all of them. It is closed after the module. */
  struct tn_cache *cache;
} tn_compile_desc;

/* A row of the table of passes. Static storage. */
typedef struct tn_pass_info {
  const char *name;  /* "fuse" */
  char letter;       /* its own; for choosing several in a short text */
  const char *level; /* what it works on: "graph", "tensor", "loop", "code" */
  const char *does;  /* one phrase */
} tn_pass_info;

/* Passes in the order in which they run; tn_pass_at wants i below the count. Any thread. */
TN_API size_t tn_pass_count(void);
TN_API tn_pass_info tn_pass_at(size_t i);

/* A pass ran over one graph or function. Pointers are valid during the call. */
typedef struct tn_pass_event {
  size_t struct_size;
  size_t pass;        /* its number */
  const char *object; /* the name of the graph or function; "" for code, which is made of all of them at once */
  double seconds;
  const char *text; /* what it became, see `dump`; NULL otherwise, and always for code (tn_program_emit gives that) */
} tn_pass_event;

/* Compiles every function and graph of the program. The program is not changed. `desc` may be NULL. Errors:
 * TN_E_COMPILER, TN_E_VERIFY, TN_E_UNSUPPORTED, TN_E_LIMIT, TN_E_NOMEM, TN_E_EXEC_DENIED, TN_E_INVALID (an external
 * that is declared but not bound). */
TN_API tn_status tn_compile(const tn_program *program, const tn_compile_desc *desc, tn_module **out, tn_error **err);
/* No call may be under way in it. */
TN_API void tn_module_destroy(tn_module *module);

/* Seconds spent, and what was made. */
typedef struct tn_compile_stats {
  size_t struct_size;
  double optimize_seconds; /* graph passes, constant folding */
  double schedule_seconds; /* default schedules, lowering; of all threads together */
  double codegen_seconds;  /* wall clock of the workers, who schedule, lower and generate code */
  double load_seconds;
  uint64_t kernels;
  uint64_t code_bytes;
  uint64_t workspace_bytes; /* intermediates of the largest model */
  uint64_t cache_hits;      /* kernels that came from the cache; those that did not, when there was one */
  uint64_t cache_misses;
} tn_compile_stats;
TN_API void tn_module_stats(const tn_module *module, tn_compile_stats *out);

/* ---- caches of compiled code ----------------------------------------------------------------------------------- */

/* Opt-in: the host says where. A second process that compiles the same program for the same processor by the same builds of
 * Tenon and LLVM gets its code from the cache: no schedule is chosen, LLVM is not started. Code that constant folding
 * compiles is kept, too. On x86-64 only.
 *
 * Of a program with graphs, as an imported model is, what the passes made is kept as well: the fused graph, and its constants
 * as they were folded and packed, in a file of their own. It is found again by all that the program says and by the contents
 * of its constants, which are hashed; then what is left of a compilation is to check those bytes and to link. Constants are
 * used where the file is mapped, which processes share, or copied if there is a key; those that are as the model has them
 * stay where the program has them. The first compilation writes that file, which takes up to the room of the model and, of
 * weights of transformed convolutions, more. Not kept: models whose shapes are known only while they run, whose
 * parts' code is found alone; constants that are larger than the whole cache may be.
 *
 * An entry is code. Without a key, whoever may write to the directory can run code in the processes that read it; with
 * one, entries are sealed by a keyed hash (BLAKE2b), and whoever does not know the key can only make misses. An entry that is
 * damaged, foreign, made by another version or for another processor, or sealed with another key, is a miss: it is told
 * to the log, removed (not of a read-only cache) and made anew. So is one that cannot be written. */
typedef struct tn_cache tn_cache;

typedef struct tn_cache_desc {
  size_t struct_size;
  /* Made with mode 0700 when there is none (what is above it must be there). It must be this user's own (or root's, of a
   * read-only cache), not a symbolic link, and writable to nobody else, as must what is above it, but for directories with
   * the sticky bit. Any number of processes use it at once. Refused to a process that runs with privileges which its user
   * has not. */
  const char *directory;
  /* A secret of 16 to 64 bytes, copied; or the file that holds it, this user's alone (0600), which had better not be in the
   * directory. Caches of different keys share nothing. Neither: no secret. */
  const void *key;
  size_t key_bytes;
  const char *key_file;
  uint64_t limit_bytes; /* of all entries; those that were used longest ago are removed. 0: 2 GiB */
  uint8_t read_only;    /* entries are neither written nor removed, and the directory is not made */
  /* Instead of a directory: a storage of the host's. `get` calls take(to, ...) once, before it returns, if it has the entry
   * of that name (64 characters, 0-9a-f); the bytes are copied, and need not be trusted if there is a key. Of a model one
   * entry has its constants, so that entries have up to limit_bytes. `put`
   * may be NULL. Called from any thread that compiles; they must not call tn_*. */
  void *self;
  void (*get)(void *self, const char *name, void (*take)(void *to, const void *bytes, size_t size), void *to);
  void (*put)(void *self, const char *name, const void *bytes, size_t size);
} tn_cache_desc;

/* Errors: TN_E_INVALID (the place is the directory or key file that is not safe, or the field), TN_E_NOT_FOUND, TN_E_IO,
 * TN_E_NOMEM, TN_E_VERSION, TN_E_UNSUPPORTED (a library built without libsodium, or without a build id; another processor). */
TN_API tn_status tn_cache_open(tn_context *context, const tn_cache_desc *desc, tn_cache **out, tn_error **err);
/* After all modules that were compiled with it, and before its context. */
TN_API void tn_cache_close(tn_cache *cache);

/* What happened since it was opened. */
typedef struct tn_cache_counts {
  size_t struct_size;
  uint64_t hits, misses;       /* kernels, those of constant folding among them */
  uint64_t refused;            /* entries that were there and not used */
  uint64_t stored, not_stored; /* entries; those that could not be written */
  uint64_t evicted;            /* entries removed for the limit */
  uint64_t program_hits, program_misses; /* programs with graphs: those whose passes need not run, and others */
} tn_cache_counts;
TN_API void tn_cache_count(const tn_cache *cache, tn_cache_counts *out);

/* ---- what a stage makes ---------------------------------------------------------------------------------------- */

/* What one stage makes of a program, as text or bytes that the caller frees with tn_text_destroy:
 *   "graph"   the graph after the target-independent passes     "tensor"  tensor functions, fused, with their schedules
 *   "loop"    loop programs                                     "plan"    the steps and memory of each model
 *   "ll"      LLVM IR      "asm"  assembly      "obj"  an object file
 * *size receives the length (a NUL follows, not counted). */
TN_API tn_status tn_program_emit(const tn_program *program, const tn_compile_desc *desc, const char *stage, char **out,
                                 size_t *size, tn_error **err);

/* ---- what a model will take, without making code ------------------------------------------------------------------ */

/* A step of a model: what it is made of, and what it has to do by definition, whatever the code does for it. */
typedef struct tn_step_info {
  size_t struct_size;
  const char *name;      /* of the kernel; "copy" */
  const char *operators; /* of the graph, in order, with spaces between: "conv add relu"; "" of a copy */
  const char *nodes;     /* of the graph, as the model names them, with ", " between */
  double operations;     /* arithmetic on numbers: additions, products, functions one each, fma two */
  double read_bytes;     /* of inputs, weights and intermediates, each once */
  double written_bytes;
  size_t from_count; /* steps whose results it reads, */
  const uint32_t *from; /* in rising order */
} tn_step_info;

/* The steps and the memory of a graph as tn_compile would have them. Immutable. */
typedef struct tn_plan tn_plan;
/* Graph passes run, with constants folded; no kernel is compiled but for that. `desc` may be NULL. Errors: those of tn_compile;
 * TN_E_NOT_FOUND: no graph of that name; TN_E_UNSUPPORTED: the model's shapes are known only while it runs. */
TN_API tn_status tn_plan_create(const tn_program *program, const tn_compile_desc *desc, const char *graph, tn_plan **out,
                                tn_error **err);
TN_API void tn_plan_destroy(tn_plan *plan); /* NULL is fine */

typedef struct tn_plan_info {
  size_t struct_size;
  uint64_t steps; /* of a run: kernels and copies */
  double operations, read_bytes, written_bytes; /* of all of them: see tn_step_info */
  uint64_t weight_bytes;
  uint64_t input_bytes, output_bytes; /* the host's tensors */
  uint64_t arena_bytes;    /* of intermediates, for each call under way */
  uint64_t liveness_bytes; /* the most that intermediates take at any step: no arena is smaller */
  uint64_t tensors;        /* see tn_plan_tensor */
} tn_plan_info;
TN_API void tn_plan_get_info(const tn_plan *plan, tn_plan_info *out);
/* `i` must be below the count. What is pointed to lives as long as the plan. */
TN_API void tn_plan_step(const tn_plan *plan, size_t i, tn_step_info *out);

enum tn_plan_kind { TN_PLAN_INPUT, TN_PLAN_OUTPUT, TN_PLAN_WEIGHT, TN_PLAN_INTERMEDIATE };
typedef struct tn_plan_tensor {
  size_t struct_size;
  int32_t kind; /* enum tn_plan_kind */
  uint64_t bytes;
  tn_tensor_info info;
} tn_plan_tensor;
/* The i-th largest tensor; of equal ones the first in the graph. `i` must be below the count. */
TN_API void tn_plan_get_tensor(const tn_plan *plan, size_t i, tn_plan_tensor *out);

/* ---- functions: the direct and the packed call ----------------------------------------------------------------- */

TN_API tn_status tn_module_function(const tn_module *module, const char *name, const tn_function **out, tn_error **err);

/* The compiled code. Cast it to
 *     int32_t (*)(const tn_env *env, PARAMS...)
 * with a pointer for each buffer (to memory of the declared form: row-major and aligned as its elements are, unless
 * tn_buffer_desc said otherwise) and, for each scalar, its C type (index: int64_t, bool: uint8_t, floats that C lacks:
 * uint16_t or uint8_t). Gives a tn_status. Distinct buffers must not overlap, and no two elements of one that is written
 * stand in one place. Nothing is checked. */
TN_API void (*tn_function_pointer(const tn_function *function))(void);
/* The first argument of the direct call. Lives as long as the module. */
TN_API const tn_env *tn_function_env(const tn_function *function);

/* The packed call: any signature, arguments checked (count, tags, ranges, dtype, rank, shape, strides, byte_offset, alignment,
 * device; index parameters of symbolic forms against the tensors; what is written overlaps nothing, itself neither: of two
 * tensors, everything between first and last element counts) and spread over
 * the C signature by libffi. `result` may be NULL; kernels return no value. Errors: TN_E_INVALID names the argument and what
 * was expected; TN_E_HOST when an external failed; TN_E_NOMEM. Any thread. */
TN_API tn_status tn_function_call(const tn_function *function, const tn_value *args, size_t count, tn_value *result,
                                  tn_error **err);

/* ---- models: tensors in, tensors out --------------------------------------------------------------------------- */

/* The model made of the graph of that name ("main" for imported ones). */
TN_API tn_status tn_module_model(const tn_module *module, const char *name, const tn_model **out, tn_error **err);
TN_API size_t tn_model_input_count(const tn_model *model);
TN_API size_t tn_model_output_count(const tn_model *model);
TN_API void tn_model_input(const tn_model *model, size_t i, tn_tensor_info *out);
TN_API void tn_model_output(const tn_model *model, size_t i, tn_tensor_info *out);
/* Runs the model: inputs and outputs in the order of the graph, in the host's own memory, used in place (compact
 * row-major; an output overlaps no other tensor). Any number of threads at once: each call takes an arena of
 * intermediates from a pool. Errors: TN_E_INVALID names the tensor and what was expected; TN_E_HOST; TN_E_NOMEM. */
TN_API tn_status tn_model_run(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                              const DLTensor *const *outputs, size_t output_count, tn_error **err);
/* The same, with outputs that the library makes, as large as they come out: the way to run a model whose shapes are
 * known only while it runs (tn_model_output says -1). Such a model is compiled in parts, when a run first brings
 * these shapes, and these contents where shapes depend on them; what was compiled is kept for the next run, for 256
 * parts. outputs[i] are the caller's; all NULL after a failure. Errors: as tn_model_run; what tn_onnx_import and
 * tn_compile give, since a mistake may show only now; TN_E_INVALID for an output that is not a tensor. */
TN_API tn_status tn_model_call(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                               tn_tensor **outputs, size_t output_count, tn_error **err);
/* The same of any model, also one that takes or gives others than tensors (tn_tensor_info.kind). Inputs are read in
 * the host's own memory. *out has an item for each output; it is the caller's, NULL after a failure. Errors: as
 * tn_model_call; TN_E_INVALID also for an item of another kind or type than the model has; TN_E_LIMIT for a sequence
 * of more tensors than tn_limits.nodes. */
TN_API tn_status tn_model_call_items(const tn_model *model, const tn_item *inputs, size_t input_count, tn_items **out,
                                     tn_error **err);
/* Plan steps of one run: kernels and copies; 0 when they are known only then. */
TN_API size_t tn_model_step_count(const tn_model *model);

/* ---- where a run's time goes ------------------------------------------------------------------------------------ */

/* `i` must be below the count. What is pointed to lives as long as the model. */
TN_API void tn_model_step(const tn_model *model, size_t i, tn_step_info *out);

enum tn_event_kind {
  TN_EVENT_STEP, /* a step ran, on the calling thread. It begins where the one before it ends: what an observer does itself
                    counts as the step after */
  TN_EVENT_RANGE /* so did a part of a parallel loop of it, on this thread */
};
typedef struct tn_event {
  size_t struct_size;
  int32_t kind; /* enum tn_event_kind */
  uint32_t number; /* the step's in its model, or in its part of a model whose shapes are known only while it runs */
  const tn_step_info *step; /* valid during the call */
  uint64_t thread;          /* a number that is another for each thread */
  uint64_t begin, end;      /* nanoseconds of the system's monotonic clock */
} tn_event;
typedef struct tn_observer {
  size_t struct_size;
  /* RANGE comes on the threads that do the work, several at a time; STEP on the calling thread, when all of its ranges have
   * come. It must not call into the model. */
  void (*event)(void *self, const tn_event *event);
  void *self;
  uint8_t ranges; /* 1: RANGE events too */
} tn_observer;
/* tn_model_run, observed. A run that is not observed pays nothing for this. Errors: as tn_model_run; TN_E_VERSION. */
TN_API tn_status tn_model_run_observed(const tn_model *model, const DLTensor *const *inputs, size_t input_count,
                                       const DLTensor *const *outputs, size_t output_count,
                                       const tn_observer *observer, tn_error **err);

#ifdef __cplusplus
}
#endif
#endif
