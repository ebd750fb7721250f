/* jit.h -- the directory board of jit/: programs made callable.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_JIT_H
#define TNI_JIT_H

#include "graph/graph.h"
#include "import/import.h"
#include "sched.h"
#include "targets.h"
#include "tenon/jit.h"

/* ---- worker.c: compile workers --------------------------------------------------------------------------------- */

/* One unit of code generation: some loop-level functions into object bytes. */
typedef struct tni_job {
  size_t count;
  const tn_func *const *funcs;
  /* Not NULL: who makes funcs, on the worker, before code is made of them, and releases them after it. No functions: no code. */
  tn_status (*lower)(struct tni_job *job, tn_error **err);
  void (*release)(struct tni_job *job);
  void *self; /* of these */
  enum tni_emit what;
  char *bytes; /* out: a text block */
  size_t size;
  tn_status status;
  tn_error *error;
  /* 0: funcs are for the batch's target; else see tni_codegen_variants, the batch's target is the first. */
  size_t target_count;
  const tn_target *const *targets;
  bool break_llvm; /* in: for tests, see tni_codegen_break */
} tni_job;
/* Runs all jobs on the context's workers (threads with 8 MiB stacks, each with its own tni_codegen per target; started on
 * first use, kept) and returns when all are done. Several threads may call at once. `progress` may be NULL; a value other
 * than 0 drops the jobs that have not begun. A fatal error of LLVM fails its job and parks that worker; another takes
 * its place; after TNI_MAX_PARKED of them compilation is refused. TN_OK when every job is: the bytes are the caller's. Else
 * the first failed job's error, and no job has bytes or an error of its own. */
enum { TNI_MAX_PARKED = 4 };
tn_status tni_compile_jobs(tn_context *ctx, const tn_target *target, size_t count, tni_job *jobs,
                           int32_t (*progress)(void *self, int32_t done, int32_t total), void *progress_self,
                           tn_error **err);
/* Starts a worker before there is a job, since it opens LLVM first: that takes 10 ms, while graphs are worked on. */
void tni_compilers_start(tn_context *ctx);

/* ---- image.c: closed x86-64 objects into this process, by our own linker --------------------------------------- */

typedef struct tni_image tni_image;
/* Tells the addresses of all that the objects define. The bytes need not be trusted; to run what they become, they must be.
 * TN_E_UNSUPPORTED: the objects are damaged or hold what the linker does not know. */
tn_status tni_image_load(tn_context *ctx, size_t count, char *const *objects, const size_t *sizes,
                         void (*define)(void *self, const char *name, void *address), void *self, tni_image **out,
                         tn_error **err);
void tni_image_unload(tni_image *image);

/* ---- loader.c: objects into this process, through image.c or ORC ----------------------------------------------- */

typedef struct tni_library tni_library; /* loaded objects, removed together */
/* `strict`: by our own linker or not at all. */
tn_status tni_library_load(tn_context *ctx, bool strict, size_t count, char *const *objects, const size_t *sizes,
                           tni_library **out, tn_error **err);
/* The address of a symbol, or NULL. */
void *tni_library_find(const tni_library *library, const char *symbol);
size_t tni_library_count(const tni_library *library); /* of symbols */
void tni_library_unload(tni_library *library); /* NULL is fine */

/* ---- call.c: libffi -------------------------------------------------------------------------------------------- */

/* How to call `RESULT f(void *first, PARAMS...)`: a prepared libffi signature. Immutable; any number of threads. Kernels have
 * this form (first: the environment; result TN_I32; buffers as TN_POINTER), and so have externals (first: self). */
typedef struct tni_caller tni_caller;
tn_status tni_caller_create(tn_context *ctx, tn_type result, size_t count, const tn_type *params, tni_caller **out,
                            tn_error **err);
void tni_caller_destroy(tni_caller *caller);
/* Spreads the values over the signature: ints of the parameter's range, floats (rounded to the type; ints are taken too),
 * pointers, tensors (their first element). `count` must fit. *result: the value, its tag NONE for void. TN_E_INVALID names the
 * argument by its number; `what` names the callee in the error. */
tn_status tni_caller_call(const tni_caller *caller, const char *what, void (*function)(void), void *first,
                          const tn_value *args, size_t count, tn_value *result, tn_error **err);

/* Calls function(self, args...) as its signature says; *result receives the value (its tag NONE for void). TN_E_HOST when the
 * result is a status (TN_I32) other than TN_OK; *result still holds it. TN_E_INVALID: not bound, or the arguments do not fit. */
tn_status tni_call_extern(tn_context *ctx, const tni_extern *external, const tn_value *args, size_t count,
                          tn_value *result, tn_error **err);

/* ---- pipeline.c: the passes between a program and objects --------------------------------------------------------- */

/* A program on its way: what is there of it depends on the last stage that ran. */
typedef struct tni_pipeline {
  tn_context *ctx;
  size_t target_count; /* more than one: functions are scheduled and lowered for each */
  const tn_target **targets;
  const tn_target *target;     /* the last, for which graphs are */
  const tn_compile_desc *desc; /* the host's, or the defaults; never NULL */
  const tn_program *source;    /* the host's; not changed */
  tn_program *aligned;         /* of the source's graphs, for integers, whose contents are not; until they are folded */
  const tn_graph **graphs;     /* the source's, or in their place what the first stage made of them */
  tn_program *work;            /* a copy that the stages change: functions by index are the kernels */
  tni_region lowered_region;   /* a child of the work program's region */
  const tn_func **scheduled; /* one per target and function of `work`, those of a target together; it has the last's */
  const tn_func **lowered;     /* of each of these */
  size_t lowered_count;
  tn_compile_stats stats;
  int ran;     /* stages */
  bool failed; /* no memory for what the observer was to see */
} tni_pipeline;

/* The stages, in their order. `tni_pass_count` and the like count lowering's passes one by one in LOWER's place. */
enum tni_stage {
  TNI_STAGE_INTEGERS,
  TNI_STAGE_FOLD,
  TNI_STAGE_LAYOUT,
  TNI_STAGE_FUSE,
  TNI_STAGE_GUARD,
  TNI_STAGE_SCHEDULE,
  TNI_STAGE_LOWER,
  TNI_STAGE_COUNT
};

/* Copies the program's functions and declarations; graphs are taken over by the first stage. */
tn_status tni_pipeline_create(const tn_program *program, const tn_compile_desc *desc, tni_pipeline **out,
                              tn_error **err);
void tni_pipeline_destroy(tni_pipeline *p);
/* The source's externals into another program. */
tn_status tni_pipeline_copy_externs(const tni_pipeline *p, tn_program *to, tn_error **err);
/* Of a pipeline that has not run: takes what FUSE would leave as its program. */
tn_status tni_pipeline_replace(tni_pipeline *p, tn_program *made, tn_error **err);
void tni_pipeline_drop_lowered(tni_pipeline *p);
/* Of several targets leaves the best that runs here. */
void tni_pipeline_stay_here(tni_pipeline *p);
/* Runs the stages up to and with `last` that did not run before. Contents of constants may still be on their way then:
 * tni_program_fill. */
tn_status tni_pipeline_run(tni_pipeline *p, enum tni_stage last, tn_error **err);
/* GUARD for one function: it is verified, and what is not proven of it is checked in *out, made in `r`. */
tn_status tni_pipeline_guard(const tni_pipeline *p, tni_region *r, const tn_func *func, const tn_func **out,
                             tn_error **err);
/* Has the function no schedule, so that one is chosen? */
bool tni_gets_schedule(const tni_pipeline *p, const tn_func *func);

/* ---- objects.c: code ------------------------------------------------------------------------------------------------ */

/* What code generation makes, by groups of functions (group.c, for the last target) or of the whole program for all targets:
 * tni_jobs_destroy frees it. What of GUARD, SCHEDULE and LOWER did not run is done there: kernel.c. */
tn_status tni_pipeline_codegen(tni_pipeline *p, enum tni_emit what, bool whole, size_t *count, tni_job **jobs,
                               tn_error **err);
void tni_jobs_destroy(tn_context *ctx, size_t count, tni_job *jobs);

/* ---- kernel.c: one kernel, on a worker ------------------------------------------------------------------------------ */

typedef struct tni_kernel {
  tni_pipeline *pipeline;        /* its program does not grow while jobs run */
  const tn_func *source;         /* the program's */
  const tn_func *lowered, *code; /* code: it, or an entry of what it shares */
  tni_form form;
  tni_shared shared; /* of an entry */
  double seconds;    /* out: of scheduling and lowering */
  double weight;     /* out: tni_kernel_weight of what is lowered */
  tn_schedule *schedule; /* from here on of its job alone */
  tni_region region;     /* of what became of the source */
  bool open;
} tni_kernel;
/* A job that lowers the kernel, if it is not, and finds its form. */
void tni_kernel_job(tni_kernel *k, tni_job *out);
void tni_kernel_close(tni_kernel *k);
/* How long it takes to compile a function, compared with others of the program. */
double tni_kernel_weight(const tn_func *func);

/* ---- group.c: kernels that are compiled together -------------------------------------------------------------------- */

typedef struct tni_group {
  size_t count, capacity;
  tni_kernel **kernels;
  tni_variation variation; /* of their forms' numbers */
  bool outlined;           /* they are together for their outlined loops */
  double weight;
} tni_group;
/* By the kernels' forms, in order. False: no memory. */
bool tni_group_kernels(tni_arena *arena, size_t count, tni_kernel *kernels, size_t *group_count, tni_group **groups);
/* Sets the kernels' code, made in their regions. False: no memory. */
bool tni_group_share(const tni_group *g);

/* ---- code.c: a program's code from a cache, and into it; cache.h has what is behind it ------------------------------ */

/* What an entry is for. */
typedef struct tni_cache_key {
  unsigned char digest[TNI_DIGEST_BYTES]; /* of all that the code depends on */
  const char *identity;                   /* the versions and the target, as text */
  const unsigned char *secret;            /* the host's, of the seal */
  size_t secret_bytes;                    /* 0: there is none */
} tni_cache_key;
typedef struct tni_code {
  tni_arena arena;
  tni_cache_key key;
  bool keyed;
  tni_library *library; /* what was found, linked; NULL: nothing. Whoever takes it leaves NULL */
} tni_code;
/* Of a pipeline that ran up to GUARD; no cache has nothing. Cannot fail: what goes wrong is a miss. `known`: the key's digest,
 * or NULL. */
void tni_code_find(tni_pipeline *p, const unsigned char *known, tni_code *out);
/* Stores what the jobs made. */
void tni_code_keep(tni_pipeline *p, tni_code *code, size_t count, const tni_job *jobs);
void tni_code_close(tni_code *code);

/* ---- passed.c: a program behind its passes from a cache, and into it ------------------------------------------------- */

typedef struct tni_passed {
  tni_arena arena;
  tni_cache_key key;
  unsigned char seed[TNI_TAG_KEY_BYTES]; /* of hashes of contents */
  unsigned char code[TNI_DIGEST_BYTES];  /* of what was found: the key of its code */
  size_t source_count;
  tni_contents *sources; /* what lies in the side blob of the source */
  bool keyed, found;
} tni_passed;
/* Of a pipeline that has not run: if it is found, the pipeline is as if it ran up to GUARD. Cannot fail. */
void tni_passed_find(tni_pipeline *p, tni_passed *out);
/* Stores what was not found, of a pipeline that ran up to GUARD, and whose code is kept under its key. */
void tni_passed_keep(tni_pipeline *p, tni_passed *passed, const tni_code *code);
void tni_passed_close(tni_passed *passed);

/* ---- passes.c: the table of passes, and what a host learns of them -------------------------------------------------- */

/* Are all letters of desc->dump passes? */
tn_status tni_passes_check(tn_context *ctx, const tn_compile_desc *desc, tn_error **err);
/* Each tells the host's observer what a pass made of an object, in the seconds since `start`. */
void tni_tell_graph(tni_pipeline *p, enum tni_stage stage, const tn_graph *graph, double start);
void tni_tell_func(tni_pipeline *p, enum tni_stage stage, const tn_func *func, double start);
void tni_tell_code(tni_pipeline *p, double start);
/* For lowering: an observer that tells the host's. */
tni_observer tni_lower_observer(tni_pipeline *p);

/* ---- evaluate.c ------------------------------------------------------------------------------------------------ */

/* A tni_evaluator's `run`, its self a tn_cache or NULL: interprets small functions, compiles large ones for this CPU; what cannot be compiled is
 * interpreted. */
tn_status tni_evaluate_func(void *self, const tn_func *func, void *const *buffers, tn_error **err);
/* Operators that one run executes, roughly: loop extents times the nodes of what is in them. */
double tni_estimate_work(const tn_func *func);
enum { TNI_COMPILE_WORK = 1 << 22 }; /* above it a function is compiled */

/* ---- module.c, function.c, arguments.c, model.c, constants.c, env.c ------------------------------------------------------------- */

struct tn_function {
  const tn_module *module;
  const tn_func *func;
  void (*direct)(void);
  tni_callee kernel; /* for plans; none when a parameter is a scalar */
  tni_caller *caller;
  bool *written;    /* by parameter: a buffer that the function may write */
  bool has_offsets; /* of parameters: their kernels take the tensor's `data`, whatever its byte_offset */
};

struct tn_model {
  const tn_module *module;
  struct tni_parts *parts; /* of a model whose shapes are known only while it runs; the rest is NULL then */
  const tni_onnx_port *flow_inputs;
  const tn_graph *graph;
  tni_executor *executor;
  size_t step_count;
  const tn_step_info *steps;
  const size_t *bytes; /* of inputs, then outputs */
};

/* A graph as steps; `constants` are those of the plan, by number. */
typedef struct tni_planned {
  tni_plan plan;
  const void **constants;
} tni_planned;

/* constants.c: drops the blobs that no plan reads, and moves what plans read little of out of them. After it, the
 * program's graphs show no contents any more. */
tn_status tni_constants_settle(tn_program *program, size_t plan_count, const tni_planned *plans, tn_error **err);

/* What the host answered last, for the error of the call that it ended: who (an external's number) in the upper half, the
 * status in the lower; 0: nothing failed. One word, so that two that fail at once are not mixed. */
typedef struct tni_host_failure {
  _Atomic uint64_t word;
  _Atomic(const char *) assertion; /* that failed last: "function: message"; NULL: none */
} tni_host_failure;

struct tn_module {
  tn_context *ctx;
  tn_program *work; /* owned: functions, externals, graphs, constants */
  tni_library *library;
  tn_env env; /* self: &host */
  struct tni_env_self {
    const tn_module *module;
    tni_host_failure *failure;
  } env_self;
  tni_host_failure failure;    /* of direct calls and models */
  tni_arena arena;             /* of what functions and models hold */
  tni_caller **extern_callers; /* one per external of `work` */
  size_t function_count;
  tn_function *functions;
  size_t model_count;
  tn_model *models;
  tn_compile_stats stats;
};

/* ---- parts.c, flow.c: models whose shapes are known only while they run -------------------------------------------- */

/* Segments of a flow, compiled for what was there. */
typedef struct tni_parts tni_parts;
typedef struct tni_part {
  struct tni_part *next;
  uint64_t used;  /* when last */
  uint32_t users; /* runs that are in it */
  tni_segment segment;
  tn_module *module; /* NULL: nothing to compute */
  const tn_model *model;
} tni_part;
tn_status tni_parts_create(tn_context *ctx, tni_flow *flow, const tn_compile_desc *desc, tni_parts **out,
                            tn_error **err);
void tni_parts_destroy(tni_parts *parts);
const tni_flow *tni_parts_flow(const tni_parts *parts);
/* The part at a node for what is there, made if there is none; to be released. Any thread. */
tn_status tni_part_get(tni_parts *parts, const tni_onnx_region *region, uint32_t first, tni_object *const *there,
                        const tni_part **out, tn_error **err);
void tni_part_release(tni_parts *parts, const tni_part *part);

size_t tni_flow_input_count(const tn_model *model);
size_t tni_flow_output_count(const tn_model *model);
void tni_flow_input(const tn_model *model, size_t i, tn_tensor_info *out);
void tni_flow_output(const tn_model *model, size_t i, tn_tensor_info *out);
/* As tn_model_call_items, whose counts are right. */
tn_status tni_flow_call(const tn_model *model, const tn_item *inputs, const tn_observer *observer, tn_items **out,
                        tn_error **err);

/* steps.c: what the steps of a planned graph are; and a run of them, for `observer` (NULL: nobody) to see. */
tn_status tni_steps_create(tni_arena *arena, const tn_graph *g, const tni_plan *plan, const tn_step_info **out,
                           tn_error **err);
tn_status tni_steps_run(const tn_model *model, void *const *inputs, void *const *outputs, const tn_observer *observer,
                        uint32_t *failed_step);

/* The services of kernels (env.c): `out` with self = self. */
void tni_env_init(tn_env *out, struct tni_env_self *self);
/* A kernel's status as an error; `what` names the kernel or model. */
tn_status tni_kernel_error(const tn_module *module, const tni_host_failure *failure, tn_status status, const char *what,
                           tn_error **err);
tn_status tni_externs_create(tn_module *module, tn_error **err);
void tni_externs_destroy(tn_module *module);
/* A packed call's arguments: TN_OK, or which is wrong and why. */
tn_status tni_check_arguments(const tn_function *f, const tn_value *args, size_t count, tn_error **err);
/* Sets written[i] for the parameters that are stored to, or whose address is given away. */
void tni_find_written(tn_context *ctx, const tn_func *func, bool *written);
bool tni_memory_overlaps(const void *a, size_t a_bytes, const void *b, size_t b_bytes);
tn_status tni_functions_create(tn_module *module, tn_error **err);
void tni_functions_destroy(tn_module *module);
tn_status tni_models_create(tn_module *module, const tn_compile_desc *desc, tn_error **err);
void tni_models_destroy(tn_module *module);

#endif
