// One version of the scan per instruction set.
#pragma once
#include "unetzoo_kernels.h"

#define UNETZOO_DECLARE(isa)                                                          \
  namespace unetzoo {                                                                 \
  namespace isa {                                                                     \
  void scan_forward(const unetzoo_scan&, float* y, float* starts);                    \
  void scan_backward(const unetzoo_scan&, const float* dy, const float* starts,       \
                     const unetzoo_scan_gradients&);                                  \
  }                                                                                   \
  }
UNETZOO_DECLARE(baseline)
UNETZOO_DECLARE(avx2)
UNETZOO_DECLARE(avx512)
#undef UNETZOO_DECLARE
