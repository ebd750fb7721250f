/* lib.h -- the directory board of the ground floor: what every room may use of lib/. Prototypes are grouped by file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_LIB_H
#define TNI_LIB_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "tenon/runtime.h"

#define TNI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- base/memory.c --------------------------------------------------------------------------------------------- */

/* The context's allocator, 16-byte aligned. NULL when there is no memory, and for size 0. Contents are not cleared. */
void *tni_alloc(tn_context *ctx, size_t size);
void *tni_alloc_zero(tn_context *ctx, size_t size);
void *tni_resize(tn_context *ctx, void *block, size_t old_size, size_t new_size);
void tni_free(tn_context *ctx, void *block, size_t size);
/* The same with an alignment of the caller's, the same for alloc and free. */
void *tni_alloc_aligned(tn_context *ctx, size_t size, size_t align);
void tni_free_aligned(tn_context *ctx, void *block, size_t size, size_t align);

/* The C library's, of contexts that bring none; errors made without a context use it too (ctx NULL in all of the above). */
extern const tn_allocator tni_allocator_default;

/* Makes room for `need` items of `item_size` bytes in the array *items of capacity *capacity. False: no memory, and all is
 * as it was. */
bool tni_reserve(tn_context *ctx, void **items, size_t *capacity, size_t need, size_t item_size);
/* *out = a * b, or a + b; false when that overflows. */
bool tni_mul_size(size_t a, size_t b, size_t *out);
bool tni_add_size(size_t a, size_t b, size_t *out);

/* ---- base/arena.c ---------------------------------------------------------------------------------------------- */

/* Memory that is freed all at once. After one allocation failed, `failed` stays true (and later ones may succeed). */
typedef struct tni_arena_chunk tni_arena_chunk;
typedef struct tni_arena {
  tn_context *ctx;
  tni_arena_chunk *chunks;
  char *next, *end;
  size_t used; /* bytes handed out */
  bool failed;
} tni_arena;

void tni_arena_init(tni_arena *arena, tn_context *ctx);
void tni_arena_destroy(tni_arena *arena);
/* Zeroed, 16-byte aligned; size 0 gives a valid pointer. NULL when there is no memory. */
void *tni_arena_alloc(tni_arena *arena, size_t size);
/* Copies of bytes and of NUL-terminated text. */
void *tni_arena_copy(tni_arena *arena, const void *bytes, size_t size);
char *tni_arena_text(tni_arena *arena, const char *text);
char *tni_arena_format(tni_arena *arena, const char *format, ...) TN_PRINTF(2, 3);
#define TNI_NEW(arena, type) ((type *)tni_arena_alloc(arena, sizeof(type)))
/* The same for `count` items; also NULL, and failed, when the size overflows. */
void *tni_arena_alloc_array(tni_arena *arena, size_t item_size, size_t count);
/* At a multiple of `align`, a power of two. */
void *tni_arena_alloc_aligned(tni_arena *arena, size_t size, size_t align);
#define TNI_NEW_ARRAY(arena, type, count) ((type *)tni_arena_alloc_array(arena, sizeof(type), (size_t)(count)))

/* ---- base/text.c ----------------------------------------------------------------------------------------------- */

/* A growing text. Failure is sticky: `failed` is true once there was no memory. `data` is NUL-terminated, never NULL. */
typedef struct tni_text {
  tn_context *ctx;
  char *data;
  size_t length, capacity;
  bool failed;
} tni_text;

void tni_text_init(tni_text *text, tn_context *ctx);
void tni_text_destroy(tni_text *text);
void tni_text_add(tni_text *text, const char *format, ...) TN_PRINTF(2, 3);
void tni_text_add_number(tni_text *text, int64_t value);
/* The number's digits at the end of the room, which holds a sign before any. */
enum { TNI_DIGITS = 22 };
char *tni_digits(char room[TNI_DIGITS], uint64_t value);
void tni_text_add_v(tni_text *text, const char *format, va_list args);
void tni_text_add_bytes(tni_text *text, const char *bytes, size_t length);
void tni_text_clear(tni_text *text);
/* The contents as a block for tn_text_destroy, NULL when out of memory; the tni_text is empty afterwards. */
char *tni_text_take(tni_text *text);
/* A copy of bytes as such a block (a NUL follows). */
char *tni_text_block(tn_context *ctx, const char *bytes, size_t length);

/* ---- base/error.c ---------------------------------------------------------------------------------------------- */

/* Makes an error (err may be NULL) and returns `status`. `place` may be NULL. Never fails: without memory the error is the
 * static out-of-memory one and the status TN_E_NOMEM. */
tn_status tni_fail(tn_context *ctx, tn_error **err, tn_status status, const char *phase, const char *place,
                   const char *reason, ...) TN_PRINTF(6, 7);
/* The same with a cause, which becomes the new error's. */
tn_status tni_fail_because(tn_context *ctx, tn_error **err, tn_error *cause, tn_status status, const char *phase,
                           const char *place, const char *reason, ...) TN_PRINTF(7, 8);
tn_status tni_fail_nomem(tn_error **err);

/* ---- base/digest.c --------------------------------------------------------------------------------------------- */

/* Keyed BLAKE2b of 32 bytes. */
enum { TNI_DIGEST_BYTES = 32, TNI_DIGEST_LEAST_KEY = 16, TNI_DIGEST_KEY_BYTES = 64 };
typedef struct tni_digest {
  _Alignas(64) unsigned char state[512];
} tni_digest;
/* False: built without libsodium, and the rest does nothing. */
bool tni_digest_ready(void);
void tni_digest_begin(tni_digest *d, const void *key, size_t key_bytes); /* key_bytes 0: without a key */
void tni_digest_add(tni_digest *d, const void *bytes, size_t size);
void tni_digest_end(tni_digest *d, unsigned char *out);
bool tni_digest_equal(const unsigned char *a, const unsigned char *b); /* in the same time whatever they are */
/* Poly1305: six times as fast. Under a key of 32 bytes that nobody else knows, and tags that nobody sees, no two texts that
 * somebody chose have one tag. */
enum { TNI_TAG_BYTES = 16, TNI_TAG_KEY_BYTES = 32 };
void tni_tag(const void *bytes, size_t size, const unsigned char *key, unsigned char *out);
void tni_random(unsigned char *out, size_t size);

/* ---- base/build.c ---------------------------------------------------------------------------------------------- */

size_t tni_build_id(const void *address, unsigned char *id, size_t room); /* these two are of tni_os */
size_t tni_file_build_id(const char *path, unsigned char *id, size_t room);

/* ---- base/os.c ------------------------------------------------------------------------------------------------- */

/* directory.c: a file as the system describes it. */
typedef struct tni_file {
  uint64_t size, device, number, links;
  int64_t changed; /* ns */
  uint32_t user, mode;
  bool is_regular;
} tni_file;
enum tni_open { TNI_OPEN_DIRECTORY, TNI_OPEN_READ, TNI_OPEN_NEW /* of mode 0600, that was not there */ };
enum { TNI_NO_DIRECTORY = -1 };

/* Every call of the operating system that touches files goes through this table, so that a test can make each fail. On
 * failure they give an errno value, on success 0. */
typedef struct tni_os {
  /* Maps a regular file read-only; an empty file gives *data NULL, *size 0. */
  int (*map)(const char *path, const void **data, size_t *size);
  int (*map_open)(int file, size_t size, const void **data); /* so much of one that is open, which is not empty */
  void (*unmap)(const void *data, size_t size);
  void (*cool)(const void *data, size_t size); /* what is mapped stays, but takes no memory until it is read again */
  double (*seconds)(void); /* a monotonic clock */
  /* Opens a regular file beneath a directory. EXDEV: the name is absolute or has a `..`; ELOOP: there is a symbolic link
   * on its way; EMLINK: the file has other names as well. */
  int (*open_beneath)(const char *directory, const char *name, int *file, uint64_t *size);
  int (*read_at)(int file, uint64_t offset, void *to, size_t size); /* ENODATA: the file ends before */
  void (*close)(int file);
  int (*map_memory)(size_t size, void **memory); /* whole pages of our own, to be written; unmap ends it */
  int (*seal_memory)(void *memory, size_t size, bool executable); /* not to be written any more */
  int (*make_directory)(const char *path); /* of mode 0700 */
  /* ELOOP: it is a symbolic link. Of a directory that is open, or (TNI_NO_DIRECTORY) by its path. */
  int (*open_at)(int directory, const char *name, enum tni_open how, int *file);
  int (*describe)(int file, tni_file *out);
  int (*write_all)(int file, const void *bytes, size_t size);
  int (*rename_at)(int directory, const char *from, const char *to);
  int (*unlink_at)(int directory, const char *name);
  int (*touch)(int file); /* changed now */
  int (*list)(int directory, void (*visit)(void *self, const char *name), void *self);
  /* The build id of the library or program that holds the address; how many bytes, 0: it has none. */
  size_t (*build_id)(const void *address, unsigned char *id, size_t room);
  size_t (*file_build_id)(const char *path, unsigned char *id, size_t room); /* the same of a library's file */
  uint32_t (*user)(void);
  bool (*is_privileged)(void); /* as a setuid program is */
} tni_os;
extern const tni_os tni_os_default;

/* ---- base/context.c -------------------------------------------------------------------------------------------- */

/* State of upper rooms that lives as long as the context, made on first use. */
enum tni_slot {
  TNI_SLOT_TOPOLOGY,
  TNI_SLOT_POOL,
  TNI_SLOT_SCRATCH,
  TNI_SLOT_TARGETS,
  TNI_SLOT_UNITS,
  TNI_SLOT_COMPILER,
  TNI_SLOT_LOADER,
  TNI_SLOT_COUNT
};

struct tn_context {
  tn_allocator allocator;
  tn_log_sink log;
  tn_limits limits; /* no zeros: defaults are filled in */
  tn_threads threads;
  const tni_os *os;
  atomic_size_t misses; /* requests for memory that failed, on any thread */
  _Atomic(void *) library; /* an address in the one that tn_context_trim lets go of; or NULL */
  struct tni_context_private *p;
};

/* The slot's object; on first use create(ctx, arg) makes it (under a lock of the slot, so once). NULL: create failed, and
 * *err (may be NULL) holds its error. `destroy` runs in tn_context_destroy, later slots first. */
void *tni_context_slot(tn_context *ctx, enum tni_slot slot, void *(*create)(tn_context *, tn_error **),
                       void (*destroy)(tn_context *, void *), tn_error **err);
void tni_log(tn_context *ctx, int32_t level, const char *format, ...) TN_PRINTF(3, 4);
static inline double tni_seconds(tn_context *ctx) { return ctx->os->seconds(); }

/* ---- base/trim.c ----------------------------------------------------------------------------------------------- */

/* tn_context_trim lets go of the library with this address, too: one that is needed at times. */
void tni_trims_library(tn_context *ctx, const void *address);

/* ---- base/blob.c ----------------------------------------------------------------------------------------------- */

/* Bytes with a reference count (atomic): model files, constants. Programs and modules hold references. */
typedef struct tni_blob {
  const void *data;
  size_t size;
  tn_context *ctx;
  atomic_int refs;
  bool mapped; /* by os->map; else by tni_alloc_aligned(64) */
} tni_blob;

/* One reference, the caller's. NULL without memory. */
tni_blob *tni_blob_create(tn_context *ctx, size_t size); /* contents not cleared; write through (void *)data */
tn_status tni_blob_map(tn_context *ctx, const char *path, uint64_t limit, const char *phase, tni_blob **out,
                       tn_error **err);
tni_blob *tni_blob_mapped(tn_context *ctx, const void *data, size_t size); /* by os->map_open; NULL: it is unmapped */
/* A copy of `size` bytes of a file beneath the directory (tni_os.open_beneath). No memory is taken for bytes that are
 * not there. */
tn_status tni_blob_read_beneath(tn_context *ctx, const char *directory, const char *name, uint64_t offset, size_t size,
                                const char *phase, const char *place, tni_blob **out, tn_error **err);
tni_blob *tni_blob_ref(tni_blob *blob);
void tni_blob_unref(tni_blob *blob); /* NULL is fine */

/* ---- base/kept.c ----------------------------------------------------------------------------------------------- */

/* Any number of threads. */
typedef struct tni_kept tni_kept;
tni_kept *tni_kept_create(tn_context *ctx); /* NULL without memory; nothing is allowed yet */
void tni_kept_destroy(tni_kept *kept);      /* NULL is fine */
void tni_kept_allow(tni_kept *kept, uint64_t bytes); /* so many more */
/* A reference to the blob of that key, the caller's; NULL: there is none. */
tni_blob *tni_kept_find(tni_kept *kept, const void *key, size_t size);
/* Takes a reference of its own; not beyond what is allowed, and not when there is one of that key. False: no memory. */
bool tni_kept_add(tni_kept *kept, const void *key, size_t size, tni_blob *blob);
/* Do the bytes lie in one of the blobs? Then they stay. */
bool tni_kept_holds(tni_kept *kept, const void *data, size_t bytes);

/* ---- base/hash.c ----------------------------------------------------------------------------------------------- */

typedef struct tni_hash {
  uint64_t low, high;
} tni_hash;
/* The same on every platform. `data` may be NULL when size is 0. */
tni_hash tni_hash_bytes(const void *data, size_t size);

/* ---- runtime/type.c -------------------------------------------------------------------------------------------- */

bool tni_type_has_float_format(tn_type type);
/* f64 to f4e2m1, and f8e8m0. Most types of a program are decided by their code. */
static inline bool tni_type_is_float(tn_type type) {
  switch (TN_TYPE_CODE(type)) {
  case kDLInt:
  case kDLUInt:
  case kDLBool:
  case TN_CODE_INDEX: return false;
  case kDLFloat: if (TN_TYPE_BITS(type) == 32) return true; /* fall through */
  default: return tni_type_has_float_format(type);
  }
}
/* Signed and unsigned data integers; neither bool nor index. */
static inline bool tni_type_is_int(tn_type type) { return TN_TYPE_CODE(type) == kDLInt || TN_TYPE_CODE(type) == kDLUInt; }
/* i2..i64 and index */
static inline bool tni_type_is_signed(tn_type type) {
  return TN_TYPE_CODE(type) == kDLInt || TN_TYPE_CODE(type) == TN_CODE_INDEX;
}
/* Do elements share bytes in memory? */
static inline bool tni_type_is_packed(tn_type type) {
  return TN_TYPE_BITS(type) < 8 && TN_TYPE_CODE(type) != TN_CODE_VOID;
}
/* f8e8m0: a float that is not computed with; all its bits 0 are its least number, as it has no zero. */
static inline bool tni_type_is_scale(tn_type type) { return TN_TYPE_CODE(type) == kDLFloat8_e8m0fnu; }
bool tni_type_is_valid(tn_type type);
bool tni_is_element_type(tn_type type); /* of buffers and tensors: a number or bool, one lane */
/* The type of that text, 0 when it is none. */
tn_type tni_type_parse(const char *text, size_t length);

/* ---- runtime/float.c ------------------------------------------------------------------------------------------- */

/* A floating-point format: from the most significant bit sign (f8e8m0 has none), exponent, fraction. */
typedef struct tni_float_format {
  tn_type type;
  int exponent_bits, fraction_bits, bias;
  bool infinity;      /* has infinities: the pattern after `largest` */
  bool negative_zero; /* false: -0 becomes +0, and the only NaN stands in its place */
  uint64_t largest;   /* of the finite numbers */
  uint64_t nan;       /* one of the NaNs; 0: there is none */
} tni_float_format;
/* Of one lane of the type; NULL when it is not floating-point. */
const tni_float_format *tni_float_format_of(tn_type type);
/* To nearest, ties to even (f8e8m0: up), once; what is too large becomes infinity, or NaN in a type that has none, or the
 * largest number in one that has no NaN either, where NaN becomes 0. */
uint64_t tni_float_to_bits(tn_type type, double value);
/* Exact. */
double tni_float_from_bits(tn_type type, uint64_t bits);
/* The largest finite number, the least, and what no value of the type is above: infinity, or the largest. */
double tni_float_largest(tn_type type);
double tni_float_least(tn_type type);
double tni_float_highest(tn_type type);

/* ---- runtime/tensor.c ------------------------------------------------------------------------------------------ */

/* What a tensor that the host hands over must be, beyond sound: on the CPU, one lane, data not NULL unless it is empty. */
typedef struct tni_tensor_form {
  tn_type type;         /* 0: any */
  int32_t rank;         /* negative: any */
  const int64_t *shape; /* NULL, or negative sizes in it: any */
  const int64_t
      *strides;    /* in elements; NULL: row-major. Nobody steps along a dimension of size 1, or in an empty tensor */
  bool has_offset; /* byte_offset must be `offset` elements; else it may be any */
  int64_t offset;
  size_t align; /* bytes, 0: an element's. Of `data` when there is an offset, else of the first element */
} tni_tensor_form;
/* `what` names the tensor in the error: "input `x`". */
tn_status tni_tensor_check_form(tn_context *ctx, const DLTensor *tensor, const char *what, const tni_tensor_form *form,
                                tn_error **err);
/* Of that type and shape, row-major. */
tn_status tni_tensor_check(tn_context *ctx, const DLTensor *tensor, const char *what, tn_type type, int32_t rank,
                           const int64_t *shape, tn_error **err);
/* True: the check of a tensor that is not empty, of so many bytes, would pass. False says nothing. For what is called
 * a million times a second: it costs a tenth. */
bool tni_tensor_is_plain(const DLTensor *tensor, tn_type type, int32_t rank, const int64_t *shape, size_t bytes);
/* Elements from the first to behind the last one of strides >= 0 (NULL: row-major); 0: there are none; -1: beyond 64 bits. */
int64_t tni_span(int32_t rank, const int64_t *shape, const int64_t *strides);
/* May two elements stand in one place? No when the smaller steps together never reach the next one. */
bool tni_strides_overlap(int32_t rank, const int64_t *shape, const int64_t *strides);
/* Bytes from the first element to behind the last one, of a tensor that was checked. */
size_t tni_tensor_bytes(const DLTensor *t);
/* "f32[2, 3]" appended. */
void tni_shape_text(tni_text *text, tn_type type, int32_t rank, const int64_t *shape);
static inline void *tni_tensor_pointer(const DLTensor *t) { return t->data ? (char *)t->data + t->byte_offset : NULL; }

/* ---- runtime/topology.c ---------------------------------------------------------------------------------------- */

typedef struct tni_topology {
  int32_t cores; /* that this process may run on */
  size_t l1d, l2, l3,
      cache_line; /* bytes, of the caches above one core, whole also when shared; guesses where hwloc does
                                      not know */
} tni_topology;
/* Never NULL (falls back to guesses). */
const tni_topology *tni_topology_get(tn_context *ctx);
/* Binds the calling thread to one core, number `place` modulo their count; only for threads that are ours. */
void tni_topology_bind(tn_context *ctx, int32_t place);

/* ---- runtime/pool.c -------------------------------------------------------------------------------------------- */

/* Runs body over 0..count in ranges of at least `grain`, on the pool or the host's executor; nested calls and calls while
 * another thread holds the pool run serially on the caller. Gives 0 or a failing status of a range. */
int32_t tni_parallel_for(tn_context *ctx, tn_parallel_body body, void *closure, int64_t count, int64_t grain);
/* Threads that a region may use, the caller's among them. */
int32_t tni_parallel_width(tn_context *ctx);

/* ---- runtime/spread.c ------------------------------------------------------------------------------------------ */

/* Runs body over each of 0..count by itself, on the threads that compile, of which the caller's is one. What it gives does
 * not count. Where no thread can be had the caller does all. */
void tni_spread(tn_context *ctx, tn_parallel_body body, void *self, int64_t count);
/* The same in two halves, between which the caller goes on while other threads work: at the end it takes what is left, and waits.
 * NULL: no memory, nothing was done. */
typedef struct tni_spreading tni_spreading;
tni_spreading *tni_spread_begin(tn_context *ctx, tn_parallel_body body, void *self, int64_t count);
void tni_spread_end(tni_spreading *s);
/* Threads that may compile. */
int32_t tni_compile_width(tn_context *ctx);

/* ---- runtime/scratch.c ----------------------------------------------------------------------------------------- */

/* Memory for the length of a kernel, 64-byte aligned, from a free list that keeps blocks between calls. NULL: none. */
void *tni_scratch_get(tn_context *ctx, size_t bytes);
void tni_scratch_release(tn_context *ctx, void *block);

/* ---- runtime/invoke.c ------------------------------------------------------------------------------------------- */

typedef void (*tni_machine_code)(void);
/* Calls what takes its pointers one by one, or in an array. */
typedef int32_t (*tni_kernel_call)(tni_machine_code code, const tn_env *env, void *const *args);
typedef int32_t (*tni_packed_kernel)(const tn_env *env, void *const *args);
typedef struct tni_callee {
  tni_kernel_call call;
  tni_machine_code code; /* NULL: there is none */
} tni_callee;
enum { TNI_MOST_POINTERS = 16 };
tni_kernel_call tni_caller_of(size_t count); /* up to TNI_MOST_POINTERS */
int32_t tni_call_packed(tni_machine_code code, const tn_env *env, void *const *args);

/* ---- runtime/plan.c -------------------------------------------------------------------------------------------- */

/* A plan is what a model becomes: steps over buffers, no pointers. Buffers are inputs, outputs, constants, slices of one
 * arena, or parts of buffers before them, which are no parts; a step calls a kernel with pointers to buffers. */
enum tni_plan_kind { TNI_PLAN_INPUT, TNI_PLAN_OUTPUT, TNI_PLAN_CONST, TNI_PLAN_ARENA, TNI_PLAN_PART };

typedef struct tni_plan_buffer {
  enum tni_plan_kind kind;
  uint32_t index;  /* which input, output or constant; of a part: the buffer that it is a part of */
  uint64_t offset; /* into the arena, or into that buffer */
  uint64_t bytes;
} tni_plan_buffer;

typedef struct tni_plan_step {
  uint32_t kernel; /* index into the module's kernels; TNI_PLAN_COPY: args[0] = destination, args[1] = source */
  uint32_t arg_count;
  uint32_t first_arg; /* into tni_plan.args */
} tni_plan_step;
enum { TNI_PLAN_COPY = 0xffffffffu };

typedef struct tni_plan {
  uint32_t input_count, output_count, const_count, buffer_count, step_count, arg_count;
  uint64_t arena_bytes;
  const tni_plan_buffer *buffers;
  const tni_plan_step *steps;
  const uint32_t *args; /* indices of buffers */
} tni_plan;

typedef struct tni_executor tni_executor;
/* Binds a plan to code and constants; copies what it needs of `plan`, keeps `env`, kernels' code and constants. */
tn_status tni_executor_create(tn_context *ctx, const tni_plan *plan, const tn_env *env,
                              const tni_callee *kernels, void *const *constants, tni_executor **out, tn_error **err);
void tni_executor_destroy(tni_executor *executor);
enum { TNI_PLAN_NO_STEP = 0xffffffffu };
/* Any number of threads at once. Pointers are to first elements. Gives the first failing status of a step, TN_E_NOMEM, or
 * TN_OK; *failed_step (may be NULL) tells which step, TNI_PLAN_NO_STEP when none was to blame. */
tn_status tni_executor_run(tni_executor *executor, void *const *inputs, void *const *outputs, uint32_t *failed_step);
/* The same in another environment, with word of each step, on the calling thread; times are tni_seconds. */
typedef struct tni_watch {
  void (*before)(void *self, uint32_t step);
  void (*after)(void *self, uint32_t step, double begin, double end);
  void *self;
} tni_watch;
tn_status tni_executor_watch(tni_executor *executor, const tn_env *env, const tni_watch *watch, void *const *inputs,
                             void *const *outputs, uint32_t *failed_step);

/* ---- runtime/items.c ------------------------------------------------------------------------------------------- */

/* `count` items that are nothing. */
tn_status tni_items_create(tn_context *ctx, size_t count, tn_items **out, tn_error **err);
/* Item i, once, becomes one of that kind with room for so many tensors; they are added then, and taken over. */
tn_status tni_items_set(tn_items *items, size_t i, int32_t kind, tn_type type, size_t room, tn_error **err);
void tni_items_add(tn_items *items, size_t i, tn_tensor *tensor);
/* The tensor that item i is, taken out; NULL where it is none. */
tn_tensor *tni_items_take(tn_items *items, size_t i);
/* Tensor i of a host's item; NULL: it is not there. */
const DLTensor *tni_item_tensor(const tn_item *item, size_t i);

/* ---- runtime/object.c ------------------------------------------------------------------------------------------ */

/* A value of a model's run whose shape is known only then. NONE: an optional without a value. */
enum tni_object_kind { TNI_OBJECT_NONE, TNI_OBJECT_TENSOR, TNI_OBJECT_SEQUENCE };
typedef struct tni_object {
  tn_context *ctx;
  uint32_t refs;
  enum tni_object_kind kind;
  tn_type type; /* of elements; of a sequence: of its tensors' */
  int32_t rank;
  int64_t shape[TN_MAX_RANK];
  const void *data; /* compact; NULL: only the form counts */
  uint32_t count;   /* of a sequence: */
  struct tni_object **items;
  void *own;    /* what `data` is in, of that many bytes; NULL: somebody else's */
  size_t bytes;
  struct tni_object *keeper; /* holds what `data` points to; may be NULL */
} tni_object;
/* With one reference. A sequence has room for `count` items, NULL at first. NULL: no memory. */
tni_object *tni_object_create(tn_context *ctx, enum tni_object_kind kind, uint32_t count);
/* A tensor with memory of its own, to be written through `own`; the size must not overflow. */
tni_object *tni_object_tensor(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape);
/* One whose elements are somebody else's: `keeper`'s, or (NULL) what outlives it. */
tni_object *tni_object_view(tn_context *ctx, tn_type type, int32_t rank, const int64_t *shape, const void *data,
                            tni_object *keeper);
/* The first `length` of the tensor along an axis: of its memory where they stand together, else a copy (of elements
 * that share no bytes). */
tni_object *tni_object_narrow(tni_object *o, int32_t axis, int64_t length);
tni_object *tni_object_ref(tni_object *o); /* NULL gives NULL */
void tni_object_unref(tni_object *o);      /* NULL is fine */
int64_t tni_object_numel(const tni_object *o);
size_t tni_object_bytes(const tni_object *o); /* of a tensor's elements */
/* Is it of the form of `like`, and of its contents where that has some? */
bool tni_object_matches(const tni_object *o, const tni_object *like);

#endif
