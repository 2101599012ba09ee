// The C interface of unetzoo-kernels: float32, contiguous, every size checked before memory is touched.
#pragma once
#include <stdint.h>

#define UNETZOO_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

// Changes with every change of a signature below.
UNETZOO_API int32_t unetzoo_abi(void);

// The instruction set that calls run on: baseline, avx2 or avx512. UNETZOO_ISA chooses a lower one.
UNETZOO_API const char* unetzoo_isa(void);

// Let work run in the threads of another OpenMP runtime, by its GOMP_parallel; null for threads of our own.
UNETZOO_API void unetzoo_use_threads_of(void* gomp_parallel);

// Selective scan: u, delta, y (batch, length, groups, width); A (groups, width, state); B, C (batch, length,
// groups, state); starts (segments, batch, groups, width, state), the state before each segment of `steps`
// tokens in the order of the scan. Returns 0, or -1 for a size or pointer that makes no sense.
UNETZOO_API int32_t unetzoo_scan_forward(const float* u, const float* delta, const float* A, const float* B, const float* C,
                             float* y, float* starts, int64_t batch, int64_t length, int64_t groups,
                             int64_t width, int64_t state, int64_t steps, int32_t reverse, int32_t threads);

// Its gradients. dA (batch, groups, width, state) and dB, dC (parts, batch, length, groups, state) are
// partial sums over the first axis, so that their order never depends on threads.
UNETZOO_API int32_t unetzoo_scan_backward(const float* dy, const float* u, const float* delta, const float* A,
                              const float* B, const float* C, const float* starts, float* du, float* ddelta,
                              float* dA, float* dB, float* dC, int64_t parts, int64_t batch, int64_t length,
                              int64_t groups, int64_t width, int64_t state, int64_t steps, int32_t reverse,
                              int32_t threads);

#ifdef __cplusplus
}
#endif
