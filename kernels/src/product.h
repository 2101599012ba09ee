// A matrix product whose factors lie in the nearest cache, in registers.
#pragma once
#include <algorithm>

#include "maps.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {

// Rows are `row` numbers apart and columns `column`; one of them is 1, and where it is a right factor or what is
// made, that of columns.
template <typename Number>
struct Matrix {
  Number* first;
  int64_t row, column = 1;

  Matrix from(int64_t i, int64_t k) const { return {first + i * row + k * column, row, column}; }
};

// `height` rows of `width` vectors of out = keep before + a b, which lies as out does; the vector of a width of one may be partly filled.
template <int height, int width, typename Count>
static inline void product_block(Matrix<const float> a, Matrix<const float> b, Matrix<float> out,
                                 int64_t inner, Count n, float keep, const float* before) {
  vec sum[height][width];
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) {
      sum[i][j] = vec{};
      if (keep != 0.0f) sum[i][j] = load(before + i * out.row + j * lanes, n) * keep;
    }
  // the compiler knows which of the left factor's distances is one, and needs no pointer per row for that
  const auto add = [&](auto row, auto column) {
    for (int64_t k = 0; k < inner; ++k) {
      vec x[width];
      for (int j = 0; j < width; ++j) x[j] = load(b.first + k * b.row + j * lanes, n);
      for (int i = 0; i < height; ++i)
        for (int j = 0; j < width; ++j) sum[i][j] += a.first[i * row + k * column] * x[j];
    }
  };
  if (a.row == 1)
    add(std::integral_constant<int, 1>{}, a.column);
  else
    add(a.row, std::integral_constant<int, 1>{});
  for (int i = 0; i < height; ++i)
    for (int j = 0; j < width; ++j) store(out.first + i * out.row + j * lanes, sum[i][j], n);
}

// out (rows, columns) = keep before + a (rows, inner) b (inner, columns); before is what out holds, or lies as it.
static inline void product(Matrix<const float> a, Matrix<const float> b, Matrix<float> out, int64_t rows,
                           int64_t inner, int64_t columns, float keep = 0.0f,
                           const float* before = nullptr) {
  if (!before) before = out.first;
  constexpr int height = lanes == 16 ? 8 : 4, width = 2;  // what the registers hold
  const auto down = [&](int64_t j, auto vectors_wide, auto n) {
    constexpr int w = vectors_wide.value;
    int64_t i = 0;
    for (; i + height <= rows; i += height)
      product_block<height, w>(a.from(i, 0), b.from(0, j), out.from(i, j), inner, n, keep,
                               before + i * out.row + j);
    for (; i < rows; ++i) product_block<1, w>(a.from(i, 0), b.from(0, j), out.from(i, j), inner, n, keep, before + i * out.row + j);
  };
  int64_t j = 0;
  for (; j + width * lanes <= columns; j += width * lanes)
    down(j, std::integral_constant<int, width>{}, std::integral_constant<int, lanes>{});
  vectors(j, columns, [&](int64_t at, auto n) { down(at, std::integral_constant<int, 1>{}, n); });
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
