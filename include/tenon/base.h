/* tenon/base.h -- contexts, status codes, errors, limits: what every other header stands on.
 *
 * Conventions of the whole C API
 *   - A function that can fail returns a tn_status and takes a `tn_error **err` as its last argument, which may be
 *     NULL. On failure *err receives an error that the caller owns (tn_error_destroy); on success *err is NULL.
 *     Every other output argument is always written, with NULL or 0 on failure.
 *   - What a `_create`, `_parse`, `_load`, `_import` or `_compile` function returns is the caller's to `_destroy`.
 *     `_destroy(NULL)` does nothing. Nothing else changes an owner.
 *   - A `const` handle may be used by several threads at once; a non-const one by one thread at a time.
 *   - Structs that the host fills start with `struct_size`, set to sizeof(the struct); zero means the default in every
 *     other field.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_BASE_H
#define TENON_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TN_API __attribute__((visibility("default")))
#define TN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define TN_API
#define TN_PRINTF(fmt, first)
#endif

#define TN_VERSION_MAJOR 0
#define TN_VERSION_MINOR 1
#define TN_VERSION_PATCH 0

/* The version of the library that runs, "0.1.0". Static storage. Any thread. */
TN_API const char *tn_version(void);

/* ---- status ---------------------------------------------------------------------------------------------------- */

/* Says what a caller can do about a failure; the error's text says what happened. Values are never reused. */
typedef int32_t tn_status;
enum {
  TN_OK = 0,
  TN_E_INVALID = 1,     /* the input is wrong: mend it */
  TN_E_NOMEM = 2,       /* the allocator said no: free something, try again */
  TN_E_UNSUPPORTED = 3, /* well-formed, but this version cannot do it */
  TN_E_LIMIT = 4,       /* over a limit of tn_limits: raise it if the input is trusted */
  TN_E_VERIFY = 5,      /* the program breaks a rule of the IR */
  TN_E_REFUSED = 6,     /* a schedule primitive is not legal here; the program is as it was */
  TN_E_IO = 7,          /* the operating system said no */
  TN_E_NOT_FOUND = 8,   /* no such file, name or entry */
  TN_E_COMPILER = 9,    /* code generation failed; the process is sound */
  TN_E_HOST = 10,       /* a function of the host returned a failure */
  TN_E_VERSION = 11,    /* header and library do not match */
  TN_E_EXEC_DENIED = 12 /* the system does not allow executable memory */
};

/* The name of a status, "TN_E_INVALID". Static storage; "unknown" for other values. */
TN_API const char *tn_status_name(tn_status status);

/* ---- errors ---------------------------------------------------------------------------------------------------- */

typedef struct tn_error tn_error;

TN_API tn_status tn_error_status(const tn_error *error);
/* The part of the library that refused: "build", "import", "parse", "verify", "schedule", "lower", "codegen",
 * "load", "call", "interpret", "context", "instruction", "cache". */
TN_API const char *tn_error_phase(const tn_error *error);
/* Where in the input: a file and line, a node's name, a loop's path. "" when there is no place. */
TN_API const char *tn_error_place(const tn_error *error);
/* One sentence, or several lines when program text is shown with a mark under the place. */
TN_API const char *tn_error_reason(const tn_error *error);
/* The error beneath this one, or NULL. It belongs to `error`. */
TN_API const tn_error *tn_error_cause(const tn_error *error);
/* The whole as one text, "phase: place: reason", causes below. It belongs to `error`. NULL gives "". */
TN_API const char *tn_error_text(const tn_error *error);
TN_API void tn_error_destroy(tn_error *error);

/* Frees a text or bytes that a function gave to its caller, wherever it says so. NULL does nothing. */
TN_API void tn_text_destroy(char *text);

/* ---- contexts -------------------------------------------------------------------------------------------------- */

/* All memory of a context comes from here (LLVM's own excepted). One function, as realloc with the old size:
 *   resize(self, NULL, 0, n, align)   allocates        resize(self, p, old, n, align)   moves and keeps min(old, n) bytes
 *   resize(self, p, old, 0, align)    frees, gives NULL
 * `align` is a power of two, the same for one block all its life. NULL for n > 0 means that there is no memory. Called
 * from several threads at once. */
typedef struct tn_allocator {
  void *self;
  void *(*resize)(void *self, void *block, size_t old_size, size_t new_size, size_t align);
} tn_allocator;

enum { TN_LOG_ERROR = 1, TN_LOG_WARN = 2, TN_LOG_INFO = 3, TN_LOG_DEBUG = 4 };

/* Receives one line without its newline, NUL-terminated. May be called from worker threads; must not call tn_*. */
typedef struct tn_log_sink {
  void *self;
  void (*write)(void *self, int32_t level, const char *line);
  int32_t max_level; /* lines above this level are not formatted; 0 = none */
} tn_log_sink;

/* Bounds on what untrusted input may ask for. 0 takes the default named beside the field. */
typedef struct tn_limits {
  uint64_t model_bytes;  /* size of a model or program file; 2 GiB */
  uint64_t tensor_bytes; /* one tensor; 2 GiB */
  uint64_t total_bytes;  /* all intermediates of one compiled model; 16 GiB */
  uint32_t nodes;        /* nodes of a graph; 1,000,000 */
  uint32_t nesting;      /* messages in messages, blocks in blocks, parentheses; 100 */
} tn_limits;

/* A parallel region: call body(closure, begin, end) over disjoint ranges that cover 0..count, from any threads, and
 * return when all have returned: 0, or the first status that was not 0. */
typedef int32_t (*tn_parallel_body)(void *closure, int64_t begin, int64_t end);

typedef struct tn_threads {
  int32_t count;           /* threads of kernels, the caller's among them; 0 = one per core (hwloc), 1 = no pool */
  int32_t compile_workers; /* threads that compile and make weights ready; 0 = one per core */
  /* 1 binds the pool's own threads to a core each. 0: they run where the host's process may, but one that was in the way of
   * the caller's thread, on its core, is barred from the core where that is. The caller's thread is never bound. */
  uint8_t pin;
  /* Not NULL: the host's executor is used and no pool is made. `grain` is the least useful size of a range. */
  int32_t (*parallel_for)(void *self, tn_parallel_body body, void *closure, int64_t count, int64_t grain);
  void *self;
} tn_threads;

typedef struct tn_context_desc {
  size_t struct_size;
  tn_allocator allocator; /* resize == NULL: the C library's */
  tn_log_sink log;
  tn_limits limits;
  tn_threads threads;
} tn_context_desc;

/* A context owns threads, limits and the compiler's state. All other objects stand on one and must be destroyed
 * before it. Several may exist. Every function that takes a tn_context may be called from several threads at once. */
typedef struct tn_context tn_context;

/* `desc` may be NULL: all defaults. Errors: TN_E_INVALID, TN_E_NOMEM, TN_E_VERSION. */
TN_API tn_status tn_context_create(const tn_context_desc *desc, tn_context **out, tn_error **err);
TN_API void tn_context_destroy(tn_context *context);

/* Gives memory of the process that nobody uses back to the system: what LLVM freed after a compilation, some tens of
 * MB, which malloc would keep (glibc's malloc_trim(0), which concerns the host's own heap as well; with another malloc
 * nothing happens), and on Linux LLVM's own code, some 60 MB: the pages that are as in its file, which the next
 * compilation reads again, in some milliseconds. It takes some milliseconds itself, so Tenon never calls it by itself:
 * call it when models are loaded. From any thread, while others compile, too. */
TN_API void tn_context_trim(tn_context *context);

#ifdef __cplusplus
}
#endif
#endif
