// Mean, maximum and minimum of a map times each of several waves. Compiled once per instruction set.
//
// A wave is one along the rows times one along the columns, and a factor that is the same all the way down a
// column cannot change which of its pixels is the extreme one. So a pixel meets the few waves along the rows
// alone, and all pairs of waves meet one number per column.
#include "squeeze.h"

#include <limits>
#include <vector>

#include "parallel.h"
#include "vector.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
// two accumulators each; the widest instruction set has registers for all seven frequencies
constexpr int together = lanes == 16 ? 7 : 4;
// rows that are read between two visits to the accumulators of a column
constexpr int64_t strip = 16;
// pixels that are worth handing to another thread
constexpr int64_t grain = 1 << 14;

// Columns in blocks of one vector each. The last one begins early where the width is no multiple, so that some
// columns are met twice; a map that is narrower than a vector is widened by what is no number.
struct Blocks {
  const int64_t columns, padded, count;
  explicit Blocks(int64_t columns)
      : columns(columns), padded(columns < lanes ? lanes : columns), count((padded + lanes - 1) / lanes) {}
  int64_t start(int64_t block) const { return block + 1 < count ? block * lanes : padded - lanes; }
  // columns of the block that no other block has met and that are there at all
  ivec fresh(int64_t block) const {
    ivec out;
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t column = start(block) + lane;
      out[lane] = column >= block * lanes && column < columns ? -1 : 0;
    }
    return out;
  }
};

// (rows, columns) to (rows, padded).
void widen(const float* from, int64_t rows, const Blocks& blocks, float filling, float* to) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < blocks.padded; ++c)
      to[r * blocks.padded + c] = c < blocks.columns ? from[r * blocks.columns + c] : filling;
}

// What all maps share.
struct Tables {
  const Blocks blocks;
  const float* mean_wave;        // (rows, padded)
  std::vector<vec> column_wave;  // (waves, blocks)
  std::vector<float> widened;
  explicit Tables(const unetzoo_waves& w)
      : blocks(w.columns), mean_wave(w.mean_wave), column_wave(w.waves * blocks.count) {
    std::vector<float> line(blocks.padded);
    for (int64_t k = 0; k < w.waves; ++k) {
      widen(w.along_columns + w.column_wave[k] * w.columns, 1, blocks, 0, line.data());
      for (int64_t b = 0; b < blocks.count; ++b)
        column_wave[k * blocks.count + b] = load(line.data() + blocks.start(b), lanes);
    }
    if (w.columns < blocks.padded) {
      widened.resize(w.rows * blocks.padded);
      widen(w.mean_wave, w.rows, blocks, 0, widened.data());
      mean_wave = widened.data();
    }
  }
};

// N waves along the rows times a column of vectors, and on the way its sum times the mean wave.
template <int N>
vec meet_rows(const float* x, const float* mean_wave, int64_t row, const float* waves, int64_t wave_row,
              int64_t rows, vec* highest, vec* lowest) {
  vec high[N], low[N], sum{};
#pragma GCC unroll 7
  for (int i = 0; i < N; ++i) high[i] = highest[i], low[i] = lowest[i];
  for (int64_t r = 0; r < rows; ++r) {
    const vec value = load(x + r * row, lanes);
    __builtin_prefetch(x + (r + strip) * row);
    sum += value * load(mean_wave + r * row, lanes);
#pragma GCC unroll 7
    for (int i = 0; i < N; ++i) {
      const vec product = value * waves[r * wave_row + i];
      high[i] = larger(product, high[i]);
      low[i] = smaller(product, low[i]);
    }
  }
#pragma GCC unroll 7
  for (int i = 0; i < N; ++i) highest[i] = high[i], lowest[i] = low[i];
  return sum;
}

constexpr decltype(&meet_rows<1>) meet[] = {meet_rows<1>, meet_rows<2>, meet_rows<3>, meet_rows<4>,
                                            meet_rows<5>, meet_rows<6>, meet_rows<7>};

// The largest so far, lane by lane, and the columns it is in.
struct Best {
  vec value;
  ivec at;
};

inline Best better(Best a, Best b) {
  const ivec second = b.value > a.value;
  return {second ? b.value : a.value, second ? b.at : a.at};
}

// As `fold` and `sums` of vector.h, with the better of two in place of their sum.
template <int H, int... lane>
inline Best fold_best(Best a, Best b, std::integer_sequence<int, lane...>) {
  const Best near = {
      __builtin_shufflevector(a.value, b.value, (lane % (2 * H) < H ? lane : lanes + lane - H)...),
      __builtin_shufflevector(a.at, b.at, (lane % (2 * H) < H ? lane : lanes + lane - H)...)};
  const Best far = {
      __builtin_shufflevector(a.value, b.value, (lane % (2 * H) < H ? lane + H : lanes + lane)...),
      __builtin_shufflevector(a.at, b.at, (lane % (2 * H) < H ? lane + H : lanes + lane)...)};
  return better(near, far);
}

template <int H = lanes / 2>
inline Best bests(const Best* from, int apart = lanes / 2) {
  constexpr std::make_integer_sequence<int, lanes> all{};
  if constexpr (H == 1)
    return fold_best<1>(from[0], from[apart], all);
  else
    return fold_best<H>(bests<H / 2>(from, apart / 2), bests<H / 2>(from + apart, apart / 2), all);
}

// As many lanes as there are waves, up to a multiple of a vector's.
int64_t padded(int64_t waves) { return (waves + lanes - 1) / lanes * lanes; }

struct Scratch {
  std::vector<vec> highest, lowest;  // (blocks, row_waves)
  std::vector<Best> high, low;       // (waves), with lows negated, up to a multiple of a vector's lanes
  std::vector<float> widened;
  Scratch(const unetzoo_waves& w, const Blocks& blocks)
      : highest(blocks.count * w.row_waves),
        lowest(highest.size()),
        high(padded(w.waves), Best{splat(-infinity), ivec{}}),
        low(high),
        widened(w.columns < blocks.padded ? w.rows * blocks.padded : 0) {}
};

// The sum of the map times the mean wave; extremes of every column times every wave along the rows on the way.
float meet_map(const unetzoo_waves& w, const Tables& tables, const float* x, Scratch& scratch) {
  const Blocks& blocks = tables.blocks;
  if (!scratch.widened.empty()) {
    widen(x, w.rows, blocks, nan, scratch.widened.data());
    x = scratch.widened.data();
  }
  for (vec& v : scratch.highest) v = splat(-infinity);
  for (vec& v : scratch.lowest) v = splat(infinity);
  vec total{};
  for (int64_t r = 0; r < w.rows; r += strip) {
    const int64_t rows = r + strip < w.rows ? strip : w.rows - r;
    vec part{};
    for (int64_t b = 0; b < blocks.count; ++b) {
      const int64_t from = r * blocks.padded + blocks.start(b);
      for (int64_t m = 0; m < w.row_waves; m += together) {
        const int64_t some = w.row_waves - m < together ? w.row_waves - m : together;
        const vec sum = meet[some - 1](x + from, tables.mean_wave + from, blocks.padded,
                                       w.along_rows + r * w.row_waves + m, w.row_waves, rows,
                                       &scratch.highest[b * w.row_waves + m], &scratch.lowest[b * w.row_waves + m]);
        if (m == 0) part += b + 1 < blocks.count ? sum : blocks.fresh(b) ? sum : vec{};
      }
    }
    total += part;
  }
  float sum = 0;
  for (int lane = 0; lane < lanes; ++lane) sum += total[lane];
  return sum;
}

void meet_columns(const unetzoo_waves& w, const Tables& tables, Scratch& scratch) {
  const Blocks& blocks = tables.blocks;
  ivec lane_of{};
  for (int lane = 0; lane < lanes; ++lane) lane_of[lane] = lane;
  for (int64_t k = 0; k < w.waves; ++k) {
    Best high{splat(-infinity), ivec{}}, low = high;
    for (int64_t b = 0; b < blocks.count; ++b) {
      const vec wave = tables.column_wave[k * blocks.count + b];
      const int64_t cell = b * w.row_waves + w.row_wave[k];
      const vec p = scratch.highest[cell] * wave, q = scratch.lowest[cell] * wave;
      const ivec column = lane_of + static_cast<int32_t>(blocks.start(b));
      high = better(high, {larger(p, q), column});
      low = better(low, {-smaller(p, q), column});
    }
    scratch.high[k] = high;
    scratch.low[k] = low;
  }
}

template <typename Do>
void over_maps(const unetzoo_waves& w, Do&& some_maps) {
  const int64_t pixels = w.rows * w.columns, each = pixels < grain ? grain / pixels : 1;
  auto work = [&](int64_t item) {
    some_maps(item * each, (item + 1) * each < w.maps ? (item + 1) * each : w.maps);
  };
  parallel_for((w.maps + each - 1) / each, w.threads, work);
}

// The row in which a column of x times a wave is largest; a wave and a column for every lane.
ivec largest_down(const float* x, int64_t rows, int64_t columns, const int32_t* column, const float* waves,
                  int64_t wave_row, vec sign) {
  ivec found{}, row{};
  vec most = splat(-infinity);
  for (int64_t r = 0; r < rows; ++r, row += 1) {
    vec value;
    for (int lane = 0; lane < lanes; ++lane) value[lane] = x[r * columns + column[lane]];
    value = value * load(waves + r * wave_row, lanes) * sign;
    const ivec better = value > most;
    found = better ? row : found;
    most = better ? value : most;
  }
  return found;
}

}  // namespace

void wave_statistics_forward(const unetzoo_waves& w, float* statistics, int32_t* at) {
  const int64_t pixels = w.rows * w.columns;
  const Tables tables(w);
  over_maps(w, [&](int64_t from, int64_t to) {
    Scratch scratch(w, tables.blocks);
    for (int64_t map = from; map < to; ++map) {
      const float mean = meet_map(w, tables, w.x + map * pixels, scratch) / static_cast<float>(pixels);
      meet_columns(w, tables, scratch);
      float high = 0, low = 0;
      for (int64_t k = 0; k < w.waves; k += lanes) {
        const Best of_high = bests(&scratch.high[k]), of_low = bests(&scratch.low[k]);
        for (int64_t i = 0; i < lanes && k + i < w.waves; ++i) {
          high += of_high.value[i];
          low -= of_low.value[i];
          at[2 * map * w.waves + k + i] = of_high.at[i];
          at[(2 * map + 1) * w.waves + k + i] = of_low.at[i];
        }
      }
      // a comparison forgets what is no number, a sum does not
      const float proper = mean - mean == 0 ? 0 : nan;
      statistics[map] = mean;
      statistics[w.maps + map] = high / static_cast<float>(w.waves) + proper;
      statistics[2 * w.maps + map] = low / static_cast<float>(w.waves) + proper;
    }
  });
}

void wave_statistics_backward(const unetzoo_waves& w, const float* dstatistics, const int32_t* at, float* dx) {
  const int64_t pixels = w.rows * w.columns, all = padded(w.waves);
  std::vector<float> row_wave(w.rows * all);
  for (int64_t r = 0; r < w.rows; ++r)
    for (int64_t k = 0; k < w.waves; ++k) row_wave[r * all + k] = w.along_rows[r * w.row_waves + w.row_wave[k]];
  over_maps(w, [&](int64_t from, int64_t to) {
    for (int64_t map = from; map < to; ++map) {
      const float* const x = w.x + map * pixels;
      float* const out = dx + map * pixels;
      const float dmean = dstatistics[map] / static_cast<float>(pixels);
      for (int64_t i = 0; i < pixels; ++i) out[i] = w.mean_wave[i] * dmean;
      for (int64_t side = 0; side < 2; ++side) {
        const float d = dstatistics[(1 + side) * w.maps + map] / static_cast<float>(w.waves);
        for (int64_t k = 0; k < w.waves; k += lanes) {
          int32_t column[lanes]{};
          vec wave{};
          for (int64_t i = 0; i < lanes && k + i < w.waves; ++i) {
            column[i] = at[(2 * map + side) * w.waves + k + i];
            wave[i] = w.along_columns[w.column_wave[k + i] * w.columns + column[i]];
          }
          // a negative number down the column makes its largest product the smallest
          const vec sign = (wave < 0) == (vec{} < (side ? 1.0f : 0.0f)) ? splat(1) : splat(-1);
          const ivec row = largest_down(x, w.rows, w.columns, column, &row_wave[k], all, sign);
          for (int64_t i = 0; i < lanes && k + i < w.waves; ++i)
            out[row[i] * w.columns + column[i]] += row_wave[row[i] * all + k + i] * wave[i] * d;
        }
      }
    }
  });
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
