// The attention gate, from the projection of its signal on. Compiled once per instruction set.
//
// The gating signal stays at its own resolution: a row of it is interpolated where it is used, so the map that
// torch would write and read three times is never there. Pixels are taken by the tile of a few rows: the skip's
// projection where it is not given, then their weights, then the channels of the skip.
#include <algorithm>
#include <vector>

#include "maps.h"
#include "merges.h"
#include "parallel.h"
#include "product.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {
namespace {

constexpr int64_t tile_pixels = 1024;  // of 64 channels, a quarter of a second-level cache

// Where the columns of one vector come from.
struct Columns {
  int64_t base;
  ivec from[2];
  vec weight[2];
};

std::vector<Columns> blocks_of_columns(const unetzoo_gate& g) {
  std::vector<Columns> out((g.columns + lanes - 1) / lanes);
  for (int64_t j = 0; j < g.columns; ++j) {
    Columns& block = out[j / lanes];
    const int lane = static_cast<int>(j % lanes);
    if (lane == 0) block = {g.column_from[2 * j], {}, {}};
    for (int k = 0; k < 2; ++k) {
      block.from[k][lane] = static_cast<int32_t>(g.column_from[2 * j + k] - block.base);
      block.weight[k][lane] = g.column_weight[2 * j + k];
    }
  }
  return out;
}

inline vec relu(vec x) { return x < 0 ? vec{} : x; }

struct Tile {
  const unetzoo_gate& g;
  const std::vector<Columns>& columns;
  int64_t image, row, rows;
  // of every pixel the sigmoid, and the gradient of what it is of
  std::vector<float> open, d;
  std::vector<float> line;
  std::vector<float> projected;
  Matrix<const float> theta;  // rows are channels, or pixels where channels come last

  static int64_t rows_of(const unetzoo_gate& g) { return std::max<int64_t>(1, tile_pixels / g.columns); }
  static int64_t tiles(const unetzoo_gate& g) { return (g.rows + rows_of(g) - 1) / rows_of(g); }

  Tile(const unetzoo_gate& g, const std::vector<Columns>& columns, int64_t item)
      : g(g),
        columns(columns),
        image(item / tiles(g)),
        row(item % tiles(g) * rows_of(g)),
        rows(std::min(rows_of(g), g.rows - row)),
        open(rows * g.columns),
        d(rows * g.columns),
        line(g.coarse_columns * (g.size.channels_last ? g.inner_channels : 1) + lanes),
        projected(g.project ? rows * g.columns * g.inner_channels : 0),
        theta(g.project ? project() : of_tile(g.theta, g.inner_channels)) {}

  // The tile of a map of so many channels.
  Matrix<const float> of_tile(const float* map, int64_t channels) const {
    const int64_t pixels = g.size.pixels, first = row * g.columns;
    if (g.size.channels_last) return {map + (image * pixels + first) * channels, channels};
    return {map + image * channels * pixels + first, pixels};
  }

  Matrix<const float> project() {
    const Matrix<const float> skip = of_tile(g.skip, g.size.channels);
    const int64_t pixels = rows * g.columns, inner = g.inner_channels, channels = g.size.channels;
    const int64_t apart = g.size.channels_last ? inner : pixels;
    if (g.size.channels_last)
      product(skip, {g.project, inner}, {projected.data(), apart}, pixels, channels, inner);
    else
      product({g.project, channels}, skip, {projected.data(), apart}, inner, channels, pixels);
    return {projected.data(), apart};
  }

  // Coarse rows of `width` neighbours, `apart` from one another, interpolated for one row.
  void interpolate(int64_t r, const float* coarse, int64_t width) {
    const int32_t* const from = g.row_from + r * g.ways;
    const float* const weight = g.row_weight + r * g.ways;
    vectors(0, width, [&](int64_t i, auto n) {
      vec sum = load(coarse + from[0] * width + i, n) * weight[0];
      for (int64_t k = 1; k < g.ways; ++k) sum += load(coarse + from[k] * width + i, n) * weight[k];
      store(&line[i], sum, n);
    });
  }

  // go(layout, place in theta, pixel of the tile, channel, neighbours, theta + up(signal)).
  template <typename Go>
  void visit_inner(Go&& go) {
    const int64_t inner = g.inner_channels, coarse = g.coarse_rows * g.coarse_columns;
    if (g.size.channels_last) {
      const float* const signal = g.signal + image * coarse * inner;
      for (int64_t r = 0; r < rows; ++r) {
        interpolate(row + r, signal, g.coarse_columns * inner);
        for (int64_t j = 0; j < g.columns; ++j) {
          const float* const a = &line[g.column_from[2 * j] * inner];
          const float* const b = &line[g.column_from[2 * j + 1] * inner];
          const float of_a = g.column_weight[2 * j], of_b = g.column_weight[2 * j + 1];
          const int64_t p = r * g.columns + j, first = (image * g.size.pixels + row * g.columns + p) * inner;
          vectors(0, inner, [&](int64_t c, auto n) {
            const vec up = load(a + c, n) * of_a + load(b + c, n) * of_b;
            go(std::true_type{}, first + c, p, c, n, load(theta.first + p * theta.row + c, n) + up);
          });
        }
      }
      return;
    }
    for (int64_t c = 0; c < inner; ++c)
      for (int64_t r = 0; r < rows; ++r) {
        interpolate(row + r, g.signal + (image * inner + c) * coarse, g.coarse_columns);
        const int64_t first = (image * inner + c) * g.size.pixels + (row + r) * g.columns;
        vectors(0, g.columns, [&](int64_t j, auto n) {
          const Columns& from = columns[j / lanes];
          const vec window = load(&line[from.base], lanes);
          const vec up = permuted(window, from.from[0]) * from.weight[0] +
                         permuted(window, from.from[1]) * from.weight[1];
          const int64_t p = r * g.columns + j;
          go(std::false_type{}, first + j, p, c, n, load(theta.first + c * theta.row + p, n) + up);
        });
      }
  }

  // go(layout, place in the skip, pixel of the tile, neighbours).
  template <typename Go>
  void visit_skip(Go&& go) const {
    const int64_t channels = g.size.channels, first = row * g.columns, count = rows * g.columns;
    if (g.size.channels_last)
      for (int64_t p = 0; p < count; ++p)
        vectors(0, channels, [&](int64_t c, auto n) {
          go(std::true_type{}, (image * g.size.pixels + first + p) * channels + c, p, n);
        });
    else
      for (int64_t c = 0; c < channels; ++c)
        vectors(0, count, [&](int64_t p, auto n) {
          go(std::false_type{}, (image * channels + c) * g.size.pixels + first + p, p, n);
        });
  }

  void open_up() {
    std::fill(open.begin(), open.end(), *g.bias);
    visit_inner([&](auto last, int64_t, int64_t p, int64_t c, auto n, vec x) {
      const vec term = relu(x) * of_channel<last.value>(g.psi + c, n);
      add_to_pixel<last.value>(&open[p], term, n);
    });
    vectors(0, rows * g.columns, [&](int64_t p, auto n) { store(&open[p], sigmoid(load(&open[p], n)), n); });
  }

  // One number of a pixel, or those of neighbours.
  template <bool last, typename Count>
  static vec of_pixel(const float* from, Count n) {
    return of_channel<!last>(from, n);
  }

  template <bool last, typename Count>
  static void add_to_pixel(float* to, vec value, Count n) {
    if constexpr (last)
      *to += total(value);
    else
      store(to, load(to, n) + value, n);
  }
};

// For every coarse row or column the fine ones that it went into, and with what weight.
struct Uses {
  struct Use {
    int64_t fine;
    float weight;
  };
  std::vector<std::vector<Use>> of;
  Uses(const int32_t* from, const float* weight, int64_t fine, int64_t ways, int64_t coarse) : of(coarse) {
    for (int64_t i = 0; i < fine * ways; ++i)
      if (weight[i] != 0) of[from[i]].push_back({i / ways, weight[i]});
  }
};

// The gradient of one coarse row: rows of `width` neighbours added up, then columns of `inner` neighbours.
void gather(const Uses::Use* use, const Uses::Use* end, const Uses& columns, const float* fine, int64_t width,
            int64_t inner, std::vector<float>& sum, float* to) {
  std::fill(sum.begin(), sum.end(), 0.0f);
  for (; use != end; ++use)
    vectors(0, width, [&](int64_t i, auto n) {
      store(&sum[i], load(&sum[i], n) + load(fine + use->fine * width + i, n) * use->weight, n);
    });
  for (size_t j = 0; j < columns.of.size(); ++j)
    if (inner == 1) {
      float out = 0;
      for (const Uses::Use& u : columns.of[j]) out += sum[u.fine] * u.weight;
      to[j] = out;
    } else {
      vectors(0, inner, [&](int64_t c, auto n) {
      vec out{};
        for (const Uses::Use& u : columns.of[j]) out += load(&sum[u.fine * inner + c], n) * u.weight;
        store(to + j * inner + c, out, n);
      });
    }
}

void signal_gradient(const unetzoo_gate& g, const float* dtheta, float* dsignal) {
  const Uses rows(g.row_from, g.row_weight, g.rows, g.ways, g.coarse_rows);
  const Uses columns(g.column_from, g.column_weight, g.columns, 2, g.coarse_columns);
  // a map has planes, or one plane whose pixels are vectors
  const int64_t inner = g.size.channels_last ? g.inner_channels : 1;
  const int64_t planes = g.size.batch * g.inner_channels / inner, coarse = g.coarse_columns * inner;
  constexpr int64_t some = 8;
  const int64_t runs = (g.coarse_rows + some - 1) / some;
  auto work = [&](int64_t item) {
    const int64_t plane = item / runs, from = item % runs * some;
    std::vector<float> sum(g.columns * inner);
    for (int64_t r = from; r < std::min(from + some, g.coarse_rows); ++r)
      gather(rows.of[r].data(), rows.of[r].data() + rows.of[r].size(), columns,
             dtheta + plane * g.size.pixels * inner, g.columns * inner, inner, sum,
             dsignal + (plane * g.coarse_rows + r) * coarse);
  };
  parallel_for(planes * runs, g.threads, work);
}

}  // namespace

void gate_forward(const unetzoo_gate& g, float* out) {
  const std::vector<Columns> columns = blocks_of_columns(g);
  auto work = [&](int64_t item) {
    Tile tile(g, columns, item);
    tile.open_up();
    tile.visit_skip([&](auto last, int64_t at, int64_t p, auto n) {
      store(out + at, g.gain * Tile::of_pixel<last.value>(&tile.open[p], n) * load(g.skip + at, n), n);
    });
  };
  parallel_for(g.size.batch * Tile::tiles(g), g.threads, work);
}

void gate_backward(const unetzoo_gate& g, const float* dout, const unetzoo_gate_gradients& to) {
  const std::vector<Columns> columns = blocks_of_columns(g);
  const int64_t items = g.size.batch * Tile::tiles(g), each = g.inner_channels + 1;
  std::vector<float> partial(items * each);
  auto work = [&](int64_t item) {
    Tile tile(g, columns, item);
    tile.open_up();
    tile.visit_skip([&](auto last, int64_t at, int64_t p, auto n) {
      const vec d = g.gain * load(dout + at, n);
      store(to.skip + at, d * Tile::of_pixel<last.value>(&tile.open[p], n), n);
      Tile::add_to_pixel<last.value>(&tile.d[p], d * load(g.skip + at, n), n);
    });
    float* const sums = &partial[item * each];
    vec of_bias{};
    vectors(0, tile.rows * g.columns, [&](int64_t p, auto n) {
      const vec open = load(&tile.open[p], n), d = load(&tile.d[p], n) * open * (1.0f - open);
      store(&tile.d[p], d, n);
      of_bias += d;
    });
    sums[g.inner_channels] = total(of_bias);
    tile.visit_inner([&](auto last, int64_t at, int64_t p, int64_t c, auto n, vec x) {
      const vec d = Tile::of_pixel<last.value>(&tile.d[p], n);
      const vec through = d * of_channel<last.value>(g.psi + c, n);
      store(to.theta + at, x > 0 ? through : vec{}, n);
      if constexpr (last.value)
        store(sums + c, load(sums + c, n) + d * relu(x), n);
      else
        sums[c] += total(d * relu(x));
    });
  };
  parallel_for(items, g.threads, work);
  for (int64_t f = 0; f < each; ++f) {
    float sum = 0;
    for (int64_t item = 0; item < items; ++item) sum += partial[item * each + f];
    (f < g.inner_channels ? to.psi[f] : *to.bias) = sum;
  }
  signal_gradient(g, to.theta, to.signal);
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
