/* codegen.c -- one LLVM context and module per run, one target machine per worker; bytes out.
 *
 *     functions -> module -> verify -> sroa, early-cse, licm, for some dse -> machine code -> closed?
 *
 * The IR is scheduled and vectorised already, so LLVM's own pipelines would cost time for nothing. sroa makes registers
 * of the stack buffers whose subscripts are constants; licm takes masks and row addresses out of inner loops; where buffers are
 * left on the stack, dse drops sums that the next line writes again.
 *
 * What LLVM keeps per process (its target table, the fatal handler) is set up once; making a target machine writes a
 * global for some targets, hence a lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

#include <assert.h>
#include <llvm/Config/llvm-config.h>
#include <pthread.h>
#include <stdio.h>

static const char passes[] = "function(sroa,early-cse,loop-mssa(licm))", passes_of_stack[] = "dse";

/* ---- the process's LLVM ---------------------------------------------------------------------------------------- */

static pthread_mutex_t machine_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local tni_fatal_hook fatal_hook;
char tni_llvm_host_cpu[64];

static void on_fatal(const char *reason) {
  if (fatal_hook.run) fatal_hook.run(fatal_hook.self, reason ? reason : "");
}

static void find_host_cpu(void) {
  char *host = LLVMGetHostCPUName();
  if (strcmp(host, "generic") != 0) snprintf(tni_llvm_host_cpu, sizeof tni_llvm_host_cpu, "%s", host);
  LLVMDisposeMessage(host);
}

void tni_llvm_set_up(void) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMInitializeX86AsmParser(); /* of what asks the CPU: variant.c */
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeAArch64AsmParser(); /* of what saves ZA: za.c */
  LLVMInitializeRISCVTargetInfo();
  LLVMInitializeRISCVTarget();
  LLVMInitializeRISCVTargetMC();
  LLVMInitializeRISCVAsmPrinter();
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  LLVMInstallFatalErrorHandler(on_fatal);
  find_host_cpu();
}

const char *tni_codegen_version(void) { return LLVM_VERSION_STRING; }

void tni_codegen_on_fatal(const tni_fatal_hook *hook) { fatal_hook = hook ? *hook : (tni_fatal_hook){NULL, NULL}; }

/* ---- codegens -------------------------------------------------------------------------------------------------- */

static LLVMTargetMachineRef create_machine(const tn_target *target, LLVMTargetRef llvm_target) {
  LLVMTargetMachineOptionsRef options = LLVMCreateTargetMachineOptions();
  LLVMTargetMachineOptionsSetCPU(options, target->cpu);
  LLVMTargetMachineOptionsSetFeatures(options, target->features);
  if (target->isa == TNI_ISA_RISCV64) LLVMTargetMachineOptionsSetABI(options, "lp64d");
  LLVMTargetMachineOptionsSetCodeGenOptLevel(options, LLVMCodeGenLevelLess);
  LLVMTargetMachineOptionsSetRelocMode(options, LLVMRelocPIC);
  LLVMTargetMachineOptionsSetCodeModel(options, LLVMCodeModelSmall);
  pthread_mutex_lock(&machine_lock);
  LLVMTargetMachineRef machine = LLVMCreateTargetMachineWithOptions(llvm_target, target->triple, options);
  pthread_mutex_unlock(&machine_lock);
  LLVMDisposeTargetMachineOptions(options);
  return machine;
}

tn_status tni_codegen_create(tn_context *ctx, const tn_target *target, tni_codegen **out, tn_error **err) {
  LLVMTargetRef llvm_target = NULL;
  char *message = NULL;
  *out = NULL;
  if (err) *err = NULL;
  tn_status opened = tni_llvm_open(ctx, err);
  if (opened) return opened;
  if (LLVMGetTargetFromTriple(target->triple, &llvm_target, &message)) {
    tn_status status = tni_fail(ctx, err, TN_E_UNSUPPORTED, "codegen", target->name, "%s", message);
    LLVMDisposeMessage(message);
    return status;
  }
  tni_codegen *codegen = tni_alloc_zero(ctx, sizeof *codegen);
  if (!codegen) return tni_fail_nomem(err);
  codegen->ctx = ctx;
  codegen->target = target;
  codegen->machine = create_machine(target, llvm_target);
  assert(codegen->machine); /* there is one for every target that init_llvm registers */
  *out = codegen;
  return TN_OK;
}

void tni_codegen_destroy(tni_codegen *codegen) {
  if (!codegen) return;
  LLVMDisposeTargetMachine(codegen->machine);
  tni_free(codegen->ctx, codegen, sizeof *codegen);
}

void tni_codegen_abandon(tni_codegen *codegen) {
  if (codegen->current) {
    tn_error_destroy(codegen->current->error);
    tni_region_destroy(&codegen->current->region);
    tni_arena_destroy(&codegen->current->arena);
  }
  tni_free(codegen->ctx, codegen, sizeof *codegen);
}

void tni_codegen_break(tni_codegen *codegen) { codegen->broken = true; }

/* ---- modules --------------------------------------------------------------------------------------------------- */

/* The first failure. LLVM gives a reason with each of its own. */
static void record(tni_ll_module *m, tn_status status, const char *place, const char *reason) {
  if (m->status != TN_OK) return;
  m->status = tni_fail(m->ctx, &m->error, status, "codegen", place, "%s", reason);
}

void tni_ll_fail(tni_ll_module *m, tn_status status, const char *place, const char *reason, ...) {
  va_list args;
  if (m->status != TN_OK) return;
  tni_text text;
  tni_text_init(&text, m->ctx);
  va_start(args, reason);
  tni_text_add_v(&text, reason, args);
  va_end(args);
  record(m, text.failed ? TN_E_NOMEM : status, place, text.data);
  tni_text_destroy(&text);
}

/* Without a handler LLVM would print the diagnostic and end the process. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *self) {
  if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
  char *text = LLVMGetDiagInfoDescription(info);
  record(self, TN_E_COMPILER, NULL, text);
  LLVMDisposeMessage(text);
}

static void find_types(tni_ll_module *m) {
  LLVMContextRef c = m->llvm;
  m->void_type = LLVMVoidTypeInContext(c);
  m->i1 = LLVMInt1TypeInContext(c);
  m->i2 = LLVMIntTypeInContext(c, 2);
  m->i4 = LLVMIntTypeInContext(c, 4);
  m->i8 = LLVMInt8TypeInContext(c);
  m->i16 = LLVMInt16TypeInContext(c);
  m->i32 = LLVMInt32TypeInContext(c);
  m->i64 = LLVMInt64TypeInContext(c);
  m->half = LLVMHalfTypeInContext(c);
  m->f32 = LLVMFloatTypeInContext(c);
  m->f64 = LLVMDoubleTypeInContext(c);
  m->ptr = LLVMPointerTypeInContext(c, 0);
  LLVMTypeRef fields[] = {m->i64, m->i64};
  m->value_type = LLVMStructTypeInContext(c, fields, 2, 0);
}

static void open_module(tni_ll_module *m, tni_codegen *codegen) {
  *m = (tni_ll_module){.ctx = codegen->ctx, .target = codegen->target};
  tni_arena_init(&m->arena, codegen->ctx);
  tni_region_init(&m->region, codegen->ctx, NULL);
  m->llvm = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(m->llvm, on_diagnostic, m);
  m->module = LLVMModuleCreateWithNameInContext("tenon", m->llvm);
  LLVMSetTarget(m->module, codegen->target->triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(codegen->machine);
  LLVMSetModuleDataLayout(m->module, layout);
  LLVMDisposeTargetData(layout);
  m->b = LLVMCreateBuilderInContext(m->llvm);
  find_types(m);
  codegen->current = m;
}

static void close_module(tni_ll_module *m, tni_codegen *codegen) {
  codegen->current = NULL;
  LLVMDisposeBuilder(m->b);
  LLVMDisposeModule(m->module);
  LLVMContextDispose(m->llvm);
  tni_region_destroy(&m->region);
  tni_arena_destroy(&m->arena);
}

/* A function that no target can select code for: LLVM calls its fatal handler. */
static void add_broken_function(tni_ll_module *m) {
  unsigned id = LLVMLookupIntrinsicID("llvm.wasm.memory.size", strlen("llvm.wasm.memory.size"));
  LLVMValueRef function = LLVMAddFunction(m->module, "broken", LLVMFunctionType(m->i32, NULL, 0, 0));
  LLVMValueRef zero = LLVMConstInt(m->i32, 0, 0);
  LLVMPositionBuilderAtEnd(m->b, LLVMAppendBasicBlockInContext(m->llvm, function, "entry"));
  LLVMTypeRef type = LLVMIntrinsicGetType(m->llvm, id, &m->i32, 1);
  LLVMValueRef declaration = LLVMGetIntrinsicDeclaration(m->module, id, &m->i32, 1);
  LLVMBuildRet(m->b, LLVMBuildCall2(m->b, type, declaration, &zero, 1, ""));
}

static void verify_module(tni_ll_module *m) {
  char *message = NULL;
  if (LLVMVerifyModule(m->module, LLVMReturnStatusAction, &message)) {
    record(m, TN_E_COMPILER, NULL, message);
  }
  LLVMDisposeMessage(message);
}

static void check(tni_ll_module *m, LLVMErrorRef error) {
  if (!error) return;
  char *text = LLVMGetErrorMessage(error);
  record(m, TN_E_COMPILER, NULL, text);
  LLVMDisposeErrorMessage(text);
}

/* Has the function a buffer on the stack? They are in its first block. */
static bool has_stack(LLVMValueRef function) {
  LLVMBasicBlockRef entry = LLVMGetFirstBasicBlock(function);
  for (LLVMValueRef x = entry ? LLVMGetFirstInstruction(entry) : NULL; x; x = LLVMGetNextInstruction(x))
    if (LLVMIsAAllocaInst(x) && LLVMGetTypeKind(LLVMGetAllocatedType(x)) == LLVMArrayTypeKind) return true;
  return false;
}

static void run_passes(tni_ll_module *m, LLVMTargetMachineRef machine) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  check(m, LLVMRunPasses(m->module, passes, machine, options));
  for (LLVMValueRef f = LLVMGetFirstFunction(m->module); f && m->status == TN_OK; f = LLVMGetNextFunction(f))
    if (has_stack(f)) check(m, LLVMRunPassesOnFunction(f, passes_of_stack, machine, options));
  LLVMDisposePassBuilderOptions(options);
  if (m->status == TN_OK) tni_ll_store_single_lanes(m);
  if (m->status == TN_OK) tni_ll_advance_pointers(m);
}

/* ---- bytes ----------------------------------------------------------------------------------------------------- */

static void keep_bytes(tni_ll_module *m, const char *bytes, size_t length, char **out, size_t *size) {
  *out = tni_text_block(m->ctx, bytes, length);
  *size = *out ? length : 0;
  if (!*out) m->status = tni_fail_nomem(&m->error);
}

static void print_module(tni_ll_module *m, char **out, size_t *size) {
  char *text = LLVMPrintModuleToString(m->module);
  keep_bytes(m, text, strlen(text), out, size);
  LLVMDisposeMessage(text);
}

/* An error that LLVM reports as a diagnostic fails the run although it gives bytes. */
static void emit_module(tni_ll_module *m, LLVMTargetMachineRef machine, enum tni_emit what, char **out, size_t *size) {
  LLVMMemoryBufferRef buffer = NULL;
  char *message = NULL;
  LLVMCodeGenFileType type = what == TNI_EMIT_OBJECT ? LLVMObjectFile : LLVMAssemblyFile;
  if (LLVMTargetMachineEmitToMemoryBuffer(machine, m->module, type, &message, &buffer)) {
    record(m, TN_E_COMPILER, NULL, message);
    LLVMDisposeMessage(message);
    return;
  }
  const char *bytes = LLVMGetBufferStart(buffer);
  size_t length = LLVMGetBufferSize(buffer);
  if (m->status == TN_OK && what == TNI_EMIT_OBJECT)
    m->status = tni_object_check_closed(m->ctx, bytes, length, &m->error);
  if (m->status == TN_OK) keep_bytes(m, bytes, length, out, size);
  LLVMDisposeMemoryBuffer(buffer);
}

/* The functions for the target, which share nothing with those for others. */
static void define_all(tni_ll_module *m, const tn_target *target, size_t count, const tn_func *const *funcs) {
  m->target = target;
  m->shared = NULL;
  m->groups = NULL;
  m->sites = NULL;
  m->codes = NULL;
  const tn_func **ready = TNI_NEW_ARRAY(&m->arena, const tn_func *, count);
  for (size_t i = 0; ready && i < count && !m->arena.failed; i++) ready[i] = tni_ll_prepare(m, funcs[i]);
  for (size_t i = 0; i < count && m->status == TN_OK && !m->arena.failed; i++) tni_ll_define(m, ready[i]);
}

tn_status tni_codegen_run(tni_codegen *codegen, size_t count, const tn_func *const *funcs, enum tni_emit what,
                          char **out, size_t *size, tn_error **err) {
  return tni_codegen_variants(codegen, 1, &codegen->target, count, funcs, what, out, size, err);
}

tn_status tni_codegen_variants(tni_codegen *codegen, size_t target_count, const tn_target *const *targets, size_t count,
                               const tn_func *const *funcs, enum tni_emit what, char **out, size_t *size,
                               tn_error **err) {
  tni_ll_module m;
  *out = NULL;
  *size = 0;
  if (err) *err = NULL;
  if (what == TNI_EMIT_OBJECT && codegen->target->isa == TNI_ISA_NVPTX)
    return tni_fail(codegen->ctx, err, TN_E_UNSUPPORTED, "codegen", codegen->target->name,
                    "code for it is text, which its driver compiles: there is no object");
  open_module(&m, codegen);
  m.variants = target_count > 1;
  for (size_t t = 0; t < target_count; t++) define_all(&m, targets[t], count, funcs + t * count);
  if (m.variants && m.status == TN_OK && !m.arena.failed) tni_ll_choose(&m, target_count, targets, count, funcs);
  if (codegen->broken) add_broken_function(&m);
  if (m.arena.failed && m.status == TN_OK) m.status = tni_fail_nomem(&m.error);
  if (m.status == TN_OK) verify_module(&m);
  if (m.status == TN_OK) run_passes(&m, codegen->machine);
  if (m.status == TN_OK && what == TNI_EMIT_LLVM) print_module(&m, out, size);
  if (m.status == TN_OK && what != TNI_EMIT_LLVM) emit_module(&m, codegen->machine, what, out, size);
  close_module(&m, codegen);
  if (err) {
    *err = m.error;
  } else {
    tn_error_destroy(m.error);
  }
  return m.status;
}

tn_status tni_codegen_try(tni_codegen *codegen, void (*define)(tni_ll_module *m, void *self), void *self, bool emit,
                          tn_error **err) {
  tni_ll_module m;
  char *bytes = NULL;
  size_t size;
  open_module(&m, codegen);
  define(&m, self);
  if (m.arena.failed && m.status == TN_OK) m.status = tni_fail_nomem(&m.error);
  if (m.status == TN_OK) verify_module(&m);
  if (m.status == TN_OK && emit) emit_module(&m, codegen->machine, TNI_EMIT_OBJECT, &bytes, &size);
  close_module(&m, codegen);
  tn_text_destroy(bytes);
  if (err) {
    *err = m.error;
  } else {
    tn_error_destroy(m.error);
  }
  return m.status;
}
