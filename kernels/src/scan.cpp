// Selective scan, forwards and backwards. Compiled once per instruction set.
//
// A vector holds neighbouring channels, so a token's channels are read as they lie and no lane ever
// needs another's state; the N states of those channels stay in registers while time runs.
#include "scan.h"

#include <type_traits>
#include <vector>

#include "parallel.h"
#include "vector.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {
namespace {

constexpr float log2e = 1.44269504088896341f;
constexpr int64_t most_states = 256;

// Tokens of a block lie a whole row apart, often on another page, where no processor looks ahead by itself.
constexpr int64_t ahead = 16;
inline void fetch(const float* from) { __builtin_prefetch(from); }

// N states, known to the compiler where it pays; 0 is any number.
template <int N>
struct States {
  static constexpr int capacity = N ? N : most_states;
  vec at[capacity];
};

// A of one block of channels, transposed: one vector per state.
template <int N>
void load_decays(const float* A, int64_t state, int count, float factor, States<N>& out) {
  const int n_states = N ? N : static_cast<int>(state);
  for (int n = 0; n < n_states; ++n) {
    vec column{};
    for (int lane = 0; lane < count && lane < lanes; ++lane) column[lane] = A[lane * state + n] * factor;
    out.at[n] = column;
  }
}

template <int N>
void store_states(float* to, const States<N>& from, int64_t state, int count) {
  const int n_states = N ? N : static_cast<int>(state);
  for (int lane = 0; lane < count && lane < lanes; ++lane)
    for (int n = 0; n < n_states; ++n) to[lane * state + n] = from.at[n][lane];
}

int64_t segments_of(const ScanSizes& s) { return (s.length + s.steps - 1) / s.steps; }

// First token of a segment and the one after its last, in memory; segments are counted along the scan.
void bounds(const ScanSizes& s, int64_t segment, int64_t& begin, int64_t& end) {
  const int64_t place = s.reverse ? segments_of(s) - 1 - segment : segment;
  begin = place * s.steps;
  end = begin + s.steps < s.length ? begin + s.steps : s.length;
}

template <int N>
void forward_block(const ScanInputs& in, float* y, float* starts, const ScanSizes& s, int64_t b, int64_t g,
                   int64_t d) {
  const int n_states = N ? N : static_cast<int>(s.state);
  const int count = static_cast<int>(s.width - d);
  const int64_t row = s.groups * s.width, states_row = s.groups * s.state;
  const int64_t channel = b * s.length * row + g * s.width + d;
  const int64_t shared = b * s.length * states_row + g * s.state;
  const int64_t block = ((b * s.groups + g) * s.width + d) * s.state;
  const int64_t jump = s.reverse ? -ahead * row : ahead * row;
  States<N> decay, h;
  load_decays<N>(in.A + (g * s.width + d) * s.state, s.state, count, log2e, decay);
  for (int n = 0; n < n_states; ++n) h.at[n] = vec{};
  for (int64_t segment = 0; segment < segments_of(s); ++segment) {
    store_states<N>(starts + segment * s.batch * s.groups * s.width * s.state + block, h, s.state, count);
    int64_t begin, end;
    bounds(s, segment, begin, end);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = s.reverse ? begin + end - 1 - i : i, at = channel + t * row;
      fetch(in.delta + at + jump);
      fetch(in.u + at + jump);
      const vec delta = load(in.delta + at, count);
      const vec entering = delta * load(in.u + at, count);
      const float* B = in.B + shared + t * states_row;
      const float* C = in.C + shared + t * states_row;
      vec out{}, odd{};
#pragma GCC unroll 16
      for (int n = 0; n < n_states; ++n) {
        h.at[n] = exp2(delta * decay.at[n]) * h.at[n] + entering * B[n];
        (n % 2 ? odd : out) += h.at[n] * C[n];
      }
      store(y + at, out + odd, count);
    }
  }
}

// Everything that the backward pass keeps of one segment, state by state within a token.
struct Cell {
  vec value;
};

struct Scratch {
  // a few lines apart, or a write to one would look like one to the others by the last bits of its address
  static constexpr int64_t skew = 17;
  const int64_t cells;
  std::vector<Cell> all;
  Cell *const h, *const a, *const dB, *const dC;
  Scratch(int64_t steps, int n_states)
      : cells((steps * n_states + lanes - 1) / lanes * lanes),
        all(4 * (cells + skew) + n_states),
        h(all.data()),
        a(h + cells + n_states + skew),
        dB(a + cells + skew),
        dC(dB + cells + skew) {}
};

// Sums over channels of (tokens, states), to where those tokens lie.
void store_sums(float* to, const Cell* cells, std::vector<float>& flat, int64_t count_t,
                int n_states, int64_t row, int64_t first, int64_t step) {
  for (int64_t i = 0; i < count_t * n_states; i += lanes)
    store(flat.data() + i, sums(&cells[i].value), lanes);
  for (int64_t i = 0; i < count_t; ++i)
    std::memcpy(to + (first + i * step) * row, flat.data() + i * n_states, sizeof(float) * n_states);
}

template <int N>
void backward_part(const ScanInputs& in, const float* dy, const float* starts, const ScanGradients& grads,
                   const ScanSizes& s, int64_t b, int64_t g, int64_t part) {
  const int n_states = N ? N : static_cast<int>(s.state);
  const int64_t row = s.groups * s.width, states_row = s.groups * s.state;
  const int64_t blocks = (s.width + lanes - 1) / lanes;
  const int64_t from_block = part * blocks / grads.parts, to_block = (part + 1) * blocks / grads.parts;
  const int64_t tokens = b * s.length;
  const int64_t shared = tokens * states_row + g * s.state;
  const int64_t partial = part * s.batch * s.length * states_row + shared;
  Scratch scratch(s.steps, n_states);
  std::vector<float> flat(scratch.cells);
  // what the later segment hands on to each block: a_(t+1) g_(t+1); and its share of dA
  std::vector<States<N>> carried(to_block - from_block), dA(to_block - from_block);
  for (int64_t segment = segments_of(s) - 1; segment >= 0; --segment) {
    int64_t begin, end;
    bounds(s, segment, begin, end);
    const int64_t count_t = end - begin, step = s.reverse ? -1 : 1, first = s.reverse ? end - 1 : begin;
    const int64_t jump = step * ahead * row;
    for (int64_t k = from_block; k < to_block; ++k) {
      const int64_t d = k * lanes;
      const int count = static_cast<int>(s.width - d);
      const int64_t channel = tokens * row + g * s.width + d;
      const float* A = in.A + (g * s.width + d) * s.state;
      States<N> decay, h;
      load_decays<N>(A, s.state, count, log2e, decay);
      const int64_t from = ((segment * s.batch + b) * s.groups + g) * s.width + d;
      load_decays<N>(starts + from * s.state, s.state, count, 1.0f, h);
      for (int n = 0; n < n_states; ++n) scratch.h[n].value = h.at[n];
      for (int64_t i = 0; i < count_t; ++i) {
        const int64_t t = first + i * step, at = channel + t * row;
        fetch(in.delta + at + jump);
        fetch(in.u + at + jump);
        fetch(dy + at);
        const vec delta = load(in.delta + at, count);
        const vec entering = delta * load(in.u + at, count);
        const float* B = in.B + shared + t * states_row;
        Cell *a = &scratch.a[i * n_states], *after = &scratch.h[(i + 1) * n_states];
#pragma GCC unroll 16
        for (int n = 0; n < n_states; ++n) {
          a[n].value = exp2(delta * decay.at[n]);
          h.at[n] = a[n].value * h.at[n] + entering * B[n];
          after[n].value = h.at[n];
        }
      }
      load_decays<N>(A, s.state, count, 1.0f, decay);
      States<N>&carry = carried[k - from_block], &dA_block = dA[k - from_block];
      const bool fresh = k == from_block;
      for (int64_t i = count_t - 1; i >= 0; --i) {
        const int64_t t = first + i * step, at = channel + t * row;
        const vec delta = load(in.delta + at, count), u = load(in.u + at, count), out = load(dy + at, count);
        const vec entering = delta * u;
        const float *B = in.B + shared + t * states_row, *C = in.C + shared + t * states_row;
        const Cell *a = &scratch.a[i * n_states], *before = &scratch.h[i * n_states];
        Cell *dB = &scratch.dB[i * n_states], *dC = &scratch.dC[i * n_states];
        vec by_input{}, by_decay{};
#pragma GCC unroll 16
        for (int n = 0; n < n_states; ++n) {
          const vec grad = out * C[n] + carry.at[n];
          carry.at[n] = a[n].value * grad;
          const vec passed = carry.at[n] * before[n].value;  // g_t a_t h_(t-1)
          by_input += grad * B[n];
          by_decay += passed * decay.at[n];
          dA_block.at[n] += passed * delta;
          dB[n].value = grad * entering + (fresh ? vec{} : dB[n].value);
          dC[n].value = out * before[n + n_states].value + (fresh ? vec{} : dC[n].value);
        }
        store(grads.du + at, delta * by_input, count);
        store(grads.ddelta + at, u * by_input + by_decay, count);
      }
    }
    store_sums(grads.dB + partial, scratch.dB, flat, count_t, n_states, states_row, first, step);
    store_sums(grads.dC + partial, scratch.dC, flat, count_t, n_states, states_row, first, step);
  }
  for (int64_t k = from_block; k < to_block; ++k) {
    const int64_t d = k * lanes;
    float* to = grads.dA + ((b * s.groups + g) * s.width + d) * s.state;
    store_states<N>(to, dA[k - from_block], s.state, static_cast<int>(s.width - d));
  }
}

template <typename Do>
void with_states(int64_t state, Do&& go) {
  switch (state) {
    case 1: return go(std::integral_constant<int, 1>{});
    case 4: return go(std::integral_constant<int, 4>{});
    case 8: return go(std::integral_constant<int, 8>{});
    case 16: return go(std::integral_constant<int, 16>{});
    default: return go(std::integral_constant<int, 0>{});
  }
}

}  // namespace

void scan_forward(const ScanInputs& in, float* y, float* starts, const ScanSizes& s) {
  const int64_t blocks = (s.width + lanes - 1) / lanes;
  with_states(s.state, [&](auto n) {
    auto work = [&](int64_t item) {
      const int64_t k = item % blocks, g = item / blocks % s.groups, b = item / blocks / s.groups;
      forward_block<decltype(n)::value>(in, y, starts, s, b, g, k * lanes);
    };
    parallel_for(s.batch * s.groups * blocks, s.threads, work);
  });
}

void scan_backward(const ScanInputs& in, const float* dy, const float* starts, const ScanGradients& grads,
                   const ScanSizes& s) {
  with_states(s.state, [&](auto n) {
    auto work = [&](int64_t item) {
      const int64_t part = item % grads.parts, g = item / grads.parts % s.groups;
      backward_part<decltype(n)::value>(in, dy, starts, grads, s, item / grads.parts / s.groups, g, part);
    };
    parallel_for(s.batch * s.groups * grads.parts, s.threads, work);
  });
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
