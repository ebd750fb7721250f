/* invoke.c -- calls of kernels that take nothing but pointers, whose count is known when a plan is bound.
 *
 *     call(code, env, args)  ->  code(env, args[0], .., args[n - 1])
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "lib.h"

/* The types of so many pointers, and their values. */
#define T0
#define T1 , void *
#define T2 T1, void *
#define T3 T2, void *
#define T4 T3, void *
#define T5 T4, void *
#define T6 T5, void *
#define T7 T6, void *
#define T8 T7, void *
#define T9 T8, void *
#define T10 T9, void *
#define T11 T10, void *
#define T12 T11, void *
#define T13 T12, void *
#define T14 T13, void *
#define T15 T14, void *
#define T16 T15, void *
#define V0
#define V1 , a[0]
#define V2 V1, a[1]
#define V3 V2, a[2]
#define V4 V3, a[3]
#define V5 V4, a[4]
#define V6 V5, a[5]
#define V7 V6, a[6]
#define V8 V7, a[7]
#define V9 V8, a[8]
#define V10 V9, a[9]
#define V11 V10, a[10]
#define V12 V11, a[11]
#define V13 V12, a[12]
#define V14 V13, a[13]
#define V15 V14, a[14]
#define V16 V15, a[15]

#define CALL(n)                                                                                                        \
  static int32_t call_##n(tni_machine_code code, const tn_env *env, void *const *a) {                                          \
    (void)a;                                                                                                           \
    return ((int32_t(*)(const tn_env * T##n)) code)(env V##n);                                                         \
  }
CALL(0)
CALL(1)
CALL(2)
CALL(3)
CALL(4)
CALL(5)
CALL(6)
CALL(7)
CALL(8)
CALL(9)
CALL(10)
CALL(11)
CALL(12)
CALL(13)
CALL(14)
CALL(15)
CALL(16)

tni_kernel_call tni_caller_of(size_t count) {
  assert(count <= TNI_MOST_POINTERS);
  static const tni_kernel_call calls[TNI_MOST_POINTERS + 1] = {call_0, call_1,  call_2,  call_3,  call_4,  call_5,
                                                        call_6, call_7,  call_8,  call_9,  call_10, call_11,
                                                        call_12, call_13, call_14, call_15, call_16};
  return calls[count];
}

int32_t tni_call_packed(tni_machine_code code, const tn_env *env, void *const *args) {
  return ((tni_packed_kernel)code)(env, args);
}
