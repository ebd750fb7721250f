/* tenon/tenon.h -- the whole C API of Tenon, an embeddable tensor-program JIT compiler.
 *
 *   base.h     contexts, errors, limits            target.h   what hardware is
 *   runtime.h  types, tensors, packed values       sched.h    how a function runs
 *   ir.h       what a function computes            jit.h      compiled functions and models
 *   graph.h    models; ONNX
 *
 * A first program: create a context, build or import a program, tn_compile it, call it. See examples/matmul.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include "base.h"
#include "graph.h"
#include "ir.h"
#include "jit.h"
#include "runtime.h"
#include "sched.h"
#include "target.h"

#endif
