// A matrix product of few rows or columns, in registers.
#pragma once
#include <algorithm>

#include "maps.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {

// A matrix whose rows are contiguous and `row` numbers apart.
template <typename Number>
struct Matrix {
  Number* first;
  int64_t row;
};

// `height` rows of `width` vectors of out = a b; the vector of a width of one may be partly filled.
template <int height, int width, typename Count>
static inline void product_block(Matrix<const float> a, Matrix<const float> b, Matrix<float> out,
                                 int64_t inner, Count n) {
  vec sum[height][width] = {};
  for (int64_t k = 0; k < inner; ++k) {
    vec x[width];
    for (int j = 0; j < width; ++j) x[j] = load(b.first + k * b.row + j * lanes, n);
    for (int i = 0; i < height; ++i)
      for (int j = 0; j < width; ++j) sum[i][j] += a.first[i * a.row + k] * x[j];
  }
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) store(out.first + i * out.row + j * lanes, sum[i][j], n);
}

// out (rows, columns) = a (rows, inner) b (inner, columns).
static inline void product(Matrix<const float> a, Matrix<const float> b, Matrix<float> out, int64_t rows,
                           int64_t inner, int64_t columns) {
  constexpr int height = lanes == 16 ? 8 : 4, width = 2;  // what the registers hold
  const auto down = [&](int64_t j, auto vectors_wide, auto n) {
    constexpr int w = vectors_wide.value;
    const Matrix<const float> right{b.first + j, b.row};
    int64_t i = 0;
    for (; i + height <= rows; i += height)
      product_block<height, w>({a.first + i * a.row, a.row}, right, {out.first + i * out.row + j, out.row},
                               inner, n);
    for (; i < rows; ++i)
      product_block<1, w>({a.first + i * a.row, a.row}, right, {out.first + i * out.row + j, out.row}, inner,
                          n);
  };
  int64_t j = 0;
  for (; j + width * lanes <= columns; j += width * lanes)
    down(j, std::integral_constant<int, width>{}, std::integral_constant<int, lanes>{});
  vectors(j, columns, [&](int64_t at, auto n) { down(at, std::integral_constant<int, 1>{}, n); });
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
