// One version of the squeeze per instruction set.
#pragma once
#include "unetzoo_kernels.h"

#define UNETZOO_DECLARE(isa)                                                                            \
  namespace unetzoo {                                                                                   \
  namespace isa {                                                                                       \
  void wave_statistics_forward(const unetzoo_waves&, float* statistics, int32_t* at);                   \
  void wave_statistics_backward(const unetzoo_waves&, const float* dstatistics, const int32_t* at, float* dx); \
  }                                                                                                     \
  }
UNETZOO_DECLARE(baseline)
UNETZOO_DECLARE(avx2)
UNETZOO_DECLARE(avx512)
#undef UNETZOO_DECLARE
