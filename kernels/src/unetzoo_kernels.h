// The C interface of unetzoo-kernels: float32, contiguous, every size checked before memory is touched.
#pragma once
#include <stdint.h>

#define UNETZOO_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

// A selective scan: h_t = exp(w_t A) h_(t-1) + w_t u_t B_t, y_t = (sum_n C_t,n h_t,n + D u_t) silu(z_t), with
// step widths w = delta + bias, or softplus of it. Null for D, z or bias leaves that out.
typedef struct {
  const float *u, *delta, *z;  // (batch, length, groups, width)
  const float *A;              // (groups, width, state)
  const float *B, *C;          // (batch, length, groups, state)
  const float *D, *bias;       // (groups, width)
  int64_t batch, length, groups, width, state;
  // The state is kept before every so many tokens, for the backward pass.
  int64_t steps;
  // Tokens in memory are (length / (fast * apart), fast, apart); the scan runs along `fast` first, then along
  // `apart`. 1 and 1 is the order in memory, and rows and columns of a map its columns.
  int64_t fast, apart;
  int32_t softplus, reverse, threads;
} unetzoo_scan;

// Gradients: like the inputs, but for partial sums over a first axis, whose order never depends on threads.
typedef struct {
  float *u, *delta, *z;
  float *A;         // (batch, groups, width, state)
  float *B, *C;     // (parts, batch, length, groups, state)
  float *D, *bias;  // (batch, groups, width)
  int64_t parts;
} unetzoo_scan_gradients;

// Changes with every change of this file.
UNETZOO_API int32_t unetzoo_abi(void);

// The instruction set that calls run on: baseline, avx2 or avx512. UNETZOO_ISA chooses a narrower one.
UNETZOO_API const char* unetzoo_isa(void);

// Let work run in the threads of another OpenMP runtime, by its GOMP_parallel; null for threads of our own.
UNETZOO_API void unetzoo_use_threads_of(void* gomp_parallel);

// y like u, starts (segments, batch, groups, width, state) in the order of the scan. Returns 0, or -1 for a
// size or pointer that makes no sense; nothing is written then.
UNETZOO_API int32_t unetzoo_scan_forward(const unetzoo_scan* scan, float* y, float* starts);
UNETZOO_API int32_t unetzoo_scan_backward(const unetzoo_scan* scan, const float* dy, const float* starts,
                                          const unetzoo_scan_gradients* gradients);

#ifdef __cplusplus
}
#endif
