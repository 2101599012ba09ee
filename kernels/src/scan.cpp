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

// N states, known to the compiler where it pays; 0 is any number.
template <int N>
struct States {
  static constexpr int capacity = N ? N : most_states;
  vec at[capacity];
};

// (channels, states) in memory, one vector per state here.
template <int N>
void load_states(const float* from, int64_t state, int count, float factor, States<N>& out) {
  const int n_states = N ? N : static_cast<int>(state);
  for (int n = 0; n < n_states; ++n) {
    vec column{};
    for (int lane = 0; lane < count && lane < lanes; ++lane) column[lane] = from[lane * state + n] * factor;
    out.at[n] = column;
  }
}

template <int N>
void store_states(float* to, const States<N>& from, int64_t state, int count) {
  const int n_states = N ? N : static_cast<int>(state);
  for (int lane = 0; lane < count && lane < lanes; ++lane)
    for (int n = 0; n < n_states; ++n) to[lane * state + n] = from.at[n][lane];
}

int64_t segments_of(const unetzoo_scan& s) { return (s.length + s.steps - 1) / s.steps; }

// Where the tokens of a segment lie, in the order of the scan, and those that come soon after.
//
// Tokens of a block lie a whole row apart, often on another page, where no processor looks ahead by itself.
struct Tokens {
  static constexpr int64_t ahead = 16;
  std::vector<int64_t> at;
  int64_t count = 0;

  explicit Tokens(const unetzoo_scan& s) : at(s.steps + ahead) {}

  void go_to(const unetzoo_scan& s, int64_t segment) {
    const int64_t begin = segment * s.steps;
    count = begin + s.steps < s.length ? s.steps : s.length - begin;
    for (int64_t i = 0; i < count + ahead; ++i) {
      const int64_t known = begin + i < s.length ? begin + i : s.length - 1;
      const int64_t step = s.reverse ? s.length - 1 - known : known;
      const int64_t sheet = s.fast * s.apart, within = step % sheet;
      at[i] = step - within + within % s.fast * s.apart + within / s.fast;
    }
  }
};

inline void fetch(const float* from) { __builtin_prefetch(from); }

// What one token brings to one block of channels.
struct Token {
  vec u, width, raw;
};

inline Token token(const unetzoo_scan& s, int64_t at, vec bias, int count) {
  Token out;
  out.u = load(s.u + at, count);
  out.raw = load(s.delta + at, count) + bias;
  out.width = s.softplus ? softplus(out.raw) : out.raw;
  return out;
}

template <int N>
void forward_block(const unetzoo_scan& s, float* y, float* starts, int64_t b, int64_t g, int64_t d) {
  const int n_states = N ? N : static_cast<int>(s.state);
  const int count = static_cast<int>(s.width - d);
  const int64_t row = s.groups * s.width, states_row = s.groups * s.state;
  const int64_t channel = g * s.width + d, states_of_all = s.batch * row * s.state;
  const int64_t first = b * s.length * row + channel, shared = b * s.length * states_row + g * s.state;
  const vec bias = s.bias ? load(s.bias + channel, count) : vec{};
  const vec bypass = s.D ? load(s.D + channel, count) : vec{};
  States<N> decay, h;
  load_states<N>(s.A + channel * s.state, s.state, count, log2e, decay);
  for (int n = 0; n < n_states; ++n) h.at[n] = vec{};
  Tokens tokens(s);
  for (int64_t segment = 0; segment < segments_of(s); ++segment) {
    store_states<N>(starts + segment * states_of_all + (b * row + channel) * s.state, h, s.state, count);
    tokens.go_to(s, segment);
    for (int64_t i = 0; i < tokens.count; ++i) {
      const int64_t t = tokens.at[i], at = first + t * row, soon = first + tokens.at[i + Tokens::ahead] * row;
      fetch(s.delta + soon);
      fetch(s.u + soon);
      const Token now = token(s, at, bias, count);
      const vec entering = now.width * now.u;
      const float *B = s.B + shared + t * states_row, *C = s.C + shared + t * states_row;
      vec out = bypass * now.u, odd{};
#pragma GCC unroll 16
      for (int n = 0; n < n_states; ++n) {
        h.at[n] = exp2(now.width * decay.at[n]) * h.at[n] + entering * B[n];
        (n % 2 ? odd : out) += h.at[n] * C[n];
      }
      out += odd;
      if (s.z) {
        fetch(s.z + soon);
        const vec z = load(s.z + at, count);
        out *= z * sigmoid(z);
      }
      store(y + at, out, count);
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
void store_sums(float* to, const Cell* cells, std::vector<float>& flat, const Tokens& tokens, int n_states,
                int64_t row) {
  for (int64_t i = 0; i < tokens.count * n_states; i += lanes)
    store(flat.data() + i, sums(&cells[i].value), lanes);
  for (int64_t i = 0; i < tokens.count; ++i)
    std::memcpy(to + tokens.at[i] * row, flat.data() + i * n_states, sizeof(float) * n_states);
}

// What a block of channels carries from segment to segment: a_(t+1) g_(t+1), and its sums over time.
template <int N>
struct Block {
  States<N> carry{}, dA{};
  vec dD{}, dbias{};
};

template <int N>
void backward_part(const unetzoo_scan& s, const float* dy, const float* starts,
                   const unetzoo_scan_gradients& grads, int64_t b, int64_t g, int64_t part) {
  const int n_states = N ? N : static_cast<int>(s.state);
  const int64_t row = s.groups * s.width, states_row = s.groups * s.state;
  const int64_t blocks = (s.width + lanes - 1) / lanes;
  const int64_t from_block = part * blocks / grads.parts, to_block = (part + 1) * blocks / grads.parts;
  const int64_t shared = b * s.length * states_row + g * s.state;
  const int64_t partial = part * s.batch * s.length * states_row + shared;
  Scratch scratch(s.steps, n_states);
  std::vector<float> flat(scratch.cells);
  std::vector<Cell> gated(s.steps);
  std::vector<Block<N>> all(to_block - from_block);
  Tokens tokens(s);
  for (int64_t segment = segments_of(s) - 1; segment >= 0; --segment) {
    tokens.go_to(s, segment);
    for (int64_t k = from_block; k < to_block; ++k) {
      const int64_t d = k * lanes, channel = g * s.width + d, first = b * s.length * row + channel;
      const int count = static_cast<int>(s.width - d);
      const vec bias = s.bias ? load(s.bias + channel, count) : vec{};
      const vec bypass = s.D ? load(s.D + channel, count) : vec{};
      States<N> decay, h;
      load_states<N>(s.A + channel * s.state, s.state, count, log2e, decay);
      const int64_t from = ((segment * s.batch + b) * row + channel) * s.state;
      load_states<N>(starts + from, s.state, count, 1.0f, h);
      for (int n = 0; n < n_states; ++n) scratch.h[n].value = h.at[n];
      for (int64_t i = 0; i < tokens.count; ++i) {
        const int64_t t = tokens.at[i], at = first + t * row;
        const int64_t soon = first + tokens.at[i + Tokens::ahead] * row;
        fetch(s.delta + soon);
        fetch(s.u + soon);
        fetch(dy + at);
        const Token now = token(s, at, bias, count);
        const vec entering = now.width * now.u;
        const float *B = s.B + shared + t * states_row, *C = s.C + shared + t * states_row;
        Cell *a = scratch.a + i * n_states, *after = scratch.h + (i + 1) * n_states;
#pragma GCC unroll 16
        for (int n = 0; n < n_states; ++n) {
          a[n].value = exp2(now.width * decay.at[n]);
          h.at[n] = a[n].value * h.at[n] + entering * B[n];
          after[n].value = h.at[n];
        }
        vec out = load(dy + at, count);
        if (s.z) {
          vec y = bypass * now.u;
          for (int n = 0; n < n_states; ++n) y += after[n].value * C[n];
          const vec z = load(s.z + at, count), open = sigmoid(z);
          store(grads.z + at, out * y * open * (1.0f + z * (1.0f - open)), count);
          out *= z * open;
        }
        gated[i].value = out;
      }
      load_states<N>(s.A + channel * s.state, s.state, count, 1.0f, decay);
      Block<N>& block = all[k - from_block];
      const bool fresh = k == from_block;
      for (int64_t i = tokens.count - 1; i >= 0; --i) {
        const int64_t t = tokens.at[i], at = first + t * row;
        const Token now = token(s, at, bias, count);
        const vec entering = now.width * now.u, out = gated[i].value;
        const float *B = s.B + shared + t * states_row, *C = s.C + shared + t * states_row;
        const Cell *a = scratch.a + i * n_states, *before = scratch.h + i * n_states;
        Cell *dB = scratch.dB + i * n_states, *dC = scratch.dC + i * n_states;
        vec by_input{}, by_decay{};
#pragma GCC unroll 16
        for (int n = 0; n < n_states; ++n) {
          const vec grad = out * C[n] + block.carry.at[n];
          block.carry.at[n] = a[n].value * grad;
          const vec passed = block.carry.at[n] * before[n].value;  // g_t a_t h_(t-1)
          by_input += grad * B[n];
          by_decay += passed * decay.at[n];
          block.dA.at[n] += passed * now.width;
          dB[n].value = grad * entering + (fresh ? vec{} : dB[n].value);
          dC[n].value = out * before[n + n_states].value + (fresh ? vec{} : dC[n].value);
        }
        vec dwidth = now.u * by_input + by_decay;
        if (s.softplus) dwidth *= sigmoid(now.raw);
        block.dD += out * now.u;
        block.dbias += dwidth;
        store(grads.u + at, now.width * by_input + bypass * out, count);
        store(grads.delta + at, dwidth, count);
      }
    }
    store_sums(grads.B + partial, scratch.dB, flat, tokens, n_states, states_row);
    store_sums(grads.C + partial, scratch.dC, flat, tokens, n_states, states_row);
  }
  for (int64_t k = from_block; k < to_block; ++k) {
    const int64_t d = k * lanes, to = (b * s.groups + g) * s.width + d;
    const int count = static_cast<int>(s.width - d);
    const Block<N>& block = all[k - from_block];
    store_states<N>(grads.A + to * s.state, block.dA, s.state, count);
    if (s.D) store(grads.D + to, block.dD, count);
    if (s.bias) store(grads.bias + to, block.dbias, count);
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

void scan_forward(const unetzoo_scan& s, float* y, float* starts) {
  const int64_t blocks = (s.width + lanes - 1) / lanes;
  with_states(s.state, [&](auto n) {
    auto work = [&](int64_t item) {
      const int64_t k = item % blocks, g = item / blocks % s.groups, b = item / blocks / s.groups;
      forward_block<decltype(n)::value>(s, y, starts, b, g, k * lanes);
    };
    parallel_for(s.batch * s.groups * blocks, s.threads, work);
  });
}

void scan_backward(const unetzoo_scan& s, const float* dy, const float* starts,
                   const unetzoo_scan_gradients& grads) {
  with_states(s.state, [&](auto n) {
    auto work = [&](int64_t item) {
      const int64_t part = item % grads.parts, g = item / grads.parts % s.groups;
      backward_part<decltype(n)::value>(s, dy, starts, grads, item / grads.parts / s.groups, g, part);
    };
    parallel_for(s.batch * s.groups * grads.parts, s.threads, work);
  });
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
