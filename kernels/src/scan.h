// The sizes of a selective scan, and one version of it per instruction set.
#pragma once
#include <cstdint>

namespace unetzoo {

struct ScanSizes {
  int64_t batch, length, groups, width, state, steps;
  bool reverse;
  int threads;
};

struct ScanInputs {
  const float *u, *delta, *A, *B, *C;
};

struct ScanGradients {
  float *du, *ddelta, *dA, *dB, *dC;
  int64_t parts;
};

#define UNETZOO_DECLARE(isa)                                                                            \
  namespace isa {                                                                                       \
  void scan_forward(const ScanInputs&, float* y, float* starts, const ScanSizes&);                      \
  void scan_backward(const ScanInputs&, const float* dy, const float* starts, const ScanGradients&,     \
                     const ScanSizes&);                                                                 \
  }
UNETZOO_DECLARE(baseline)
UNETZOO_DECLARE(avx2)
UNETZOO_DECLARE(avx512)
#undef UNETZOO_DECLARE

}  // namespace unetzoo
