// Walking over maps, vector by vector.
#pragma once
#include <cstdint>
#include <type_traits>

#include "vector.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {

static inline float total(vec sum) {
  float out = 0;
  for (int lane = 0; lane < lanes; ++lane) out += sum[lane];
  return out;
}

// go(i, number of neighbours) for every vector; the compiler knows that number for all but the last.
template <typename Go>
static inline void vectors(int64_t from, int64_t to, Go&& go) {
  int64_t i = from;
  for (; i + lanes <= to; i += lanes) go(i, std::integral_constant<int, lanes>{});
  if (i < to) go(i, static_cast<int>(to - i));
}

// What there is one of per channel: of neighbours if channels come last, else of one channel.
template <bool last, typename Count>
static inline vec of_channel(const float* from, Count count) {
  if constexpr (last)
    return load(from, count);
  else
    return splat(*from);
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
