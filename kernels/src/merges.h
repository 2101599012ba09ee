// One version of the merges per instruction set.
#pragma once
#include "unetzoo_kernels.h"

#define UNETZOO_DECLARE(isa)                                                                               \
  namespace unetzoo {                                                                                      \
  namespace isa {                                                                                          \
  void mfms_forward(const unetzoo_mfms&, float* out);                                                      \
  void mfms_backward(const unetzoo_mfms&, const float* dout, const unetzoo_mfms_gradients&);               \
  void sk_forward(const unetzoo_sk&, float* out);                                                          \
  void sk_backward(const unetzoo_sk&, const float* dout, float* const* dmaps, float* dweights);            \
  void gate_forward(const unetzoo_gate&, float* out);                                                      \
  void gate_backward(const unetzoo_gate&, const float* dout, const unetzoo_gate_gradients&);               \
  }                                                                                                        \
  }
UNETZOO_DECLARE(baseline)
UNETZOO_DECLARE(avx2)
UNETZOO_DECLARE(avx512)
#undef UNETZOO_DECLARE
