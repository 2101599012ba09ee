// State space duality, once per instruction set.
#pragma once
#include "unetzoo_kernels.h"

#define UNETZOO_DECLARE(isa)                                                                      \
  namespace unetzoo {                                                                             \
  namespace isa {                                                                                 \
  void ssd_forward(const unetzoo_ssd&, float* y, float* starts);                                  \
  void ssd_backward(const unetzoo_ssd&, const float* dy, const float* starts,                     \
                    const unetzoo_ssd_gradients&);                                                \
  }                                                                                               \
  }
UNETZOO_DECLARE(baseline)
UNETZOO_DECLARE(avx2)
UNETZOO_DECLARE(avx512)
#undef UNETZOO_DECLARE
