// Selective scan, forwards and backwards. Compiled once per instruction set.
//
// A vector holds neighbouring channels, so a token's channels are read as they lie and no lane ever needs
// another's state. Time is cut into segments that stay in the nearest cache. A segment goes through three
// loops: what a token is by itself (step width, gate), then a few states at a time along all tokens, then
// what leaves. The first and the last have no memory and the middle one needs one multiplication per token
// before the next, so long chains of dependent operations, exponential and all, lie side by side.
#include "scan.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "parallel.h"
#include "vector.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {
namespace {

constexpr float log2e = 1.44269504088896341f;
constexpr int64_t together = 8;  // blocks of channels whose tokens are gathered at a time

int64_t segments_of(const unetzoo_scan& s) { return (s.length + s.steps - 1) / s.steps; }
int64_t round_up_to_lanes(int64_t count) { return (count + lanes - 1) / lanes * lanes; }

// Where the tokens of a segment lie, in the order of the scan, and those that come soon after.
//
// Tokens of a block lie a whole row apart, often on another page, where no processor looks ahead by itself.
struct Tokens {
  static constexpr int64_t ahead = 8;
  std::vector<int64_t> at;
  int64_t count = 0;

  explicit Tokens(const unetzoo_scan& s) : at(s.steps + ahead) {}

  // A segment that there is not has no tokens.
  void go_to(const unetzoo_scan& s, int64_t segment) {
    const int64_t begin = segment * s.steps, sheet = s.fast * s.apart;
    count = 0;
    if (begin < 0 || begin >= s.length) return;
    count = begin + s.steps < s.length ? s.steps : s.length - begin;
    const int64_t known = begin + count + ahead <= s.length ? count + ahead : s.length - begin;
    const int64_t step = s.reverse ? s.length - 1 - begin : begin, way = s.reverse ? -1 : 1;
    int64_t in_line = step % sheet % s.fast, line = step % sheet / s.fast, base = step - step % sheet;
    for (int64_t i = 0; i < known; ++i) {
      at[i] = base + in_line * s.apart + line;
      in_line += way;
      if (in_line >= 0 && in_line < s.fast) continue;
      in_line -= way * s.fast, line += way;
      if (line >= 0 && line < s.apart) continue;
      line -= way * s.apart, base += way * sheet;
    }
    for (int64_t i = known; i < count + ahead; ++i) at[i] = at[known - 1];
  }
};

inline void fetch(const float* from, int64_t count) {
  for (int64_t n = 0; n < count; n += 16) __builtin_prefetch(from + n);
}

// Asks memory for what the next segment will read and write of a block, a part of its tokens at a time, while this
// one is computed.
struct Soon {
  const Tokens& tokens;
  int64_t from, to;

  // Of the groups of states of a segment, those from n to n + q: that share of its tokens.
  Soon(const Tokens& tokens, int64_t n, int64_t q, int64_t state)
      : tokens(tokens), from(n * tokens.count / state), to((n + q) * tokens.count / state) {}

  void read(const float* first, int64_t row) const {
    for (int64_t i = from; i < to; ++i) __builtin_prefetch(first + tokens.at[i] * row, 0, 2);
  }
  void write(const float* first, int64_t row) const {
    for (int64_t i = from; i < to; ++i) __builtin_prefetch(first + tokens.at[i] * row, 1, 2);
  }
};

// Of a few numbers, for which a call to the library takes longer.
inline void copy(float* to, const float* from, int64_t count) {
  for (; count >= lanes; count -= lanes, to += lanes, from += lanes) std::memcpy(to, from, sizeof(vec));
  for (int64_t n = 0; n < count; ++n) to[n] = from[n];
}

// (tokens, columns) side by side. Where they come from, tokens may lie a power of two apart, so that a cache has
// room for few of them at a time: each is met once there, with as many of its columns as are wanted.
// Tokens up to the next whole vector are zero: with a step width of zero they change nothing.
struct Rows {
  int64_t columns;
  std::vector<float> values;
  Rows(const unetzoo_scan& s, int64_t columns) : columns(columns), values(round_up_to_lanes(s.steps) * columns) {}

  void gather(const float* from, int64_t row, const Tokens& tokens, int64_t count) {
    for (int64_t i = 0; i < tokens.count; ++i) {
      fetch(from + tokens.at[i + Tokens::ahead] * row, count);
      copy(at(i), from + tokens.at[i] * row, count);
    }
    std::fill(values.begin() + tokens.count * columns, values.end(), 0.0f);
  }
  void gather(const float* from, int64_t row, const Tokens& tokens) { gather(from, row, tokens, columns); }

  // Back, or added to what is there.
  void scatter(float* to, int64_t row, const Tokens& tokens, int64_t count, bool add) const {
    for (int64_t i = 0; i < tokens.count; ++i) {
      float* there = to + tokens.at[i] * row;
      if (add) {
        fetch(to + tokens.at[i + Tokens::ahead] * row, count);
        for (int64_t n = 0; n < count; ++n) there[n] += at(i)[n];
      } else {
        copy(there, at(i), count);
      }
    }
  }
  const float* at(int64_t i) const { return &values[i * columns]; }
  float* at(int64_t i) { return &values[i * columns]; }
};

// Sums over channels, gathered vector by vector and block by block: `columns` at a time of lanes / columns
// tokens lie in one vector.
struct Sums {
  std::vector<Lane> cells;
  int64_t tokens;
  Sums(int64_t steps, int64_t columns)
      : cells(round_up_to_lanes(steps) * columns / lanes + 1), tokens(round_up_to_lanes(steps)) {}
  void clear() { std::fill(cells.begin(), cells.end(), Lane{}); }
  template <int Q>
  vec& at(int64_t i, int64_t column) {
    return cells[(column * tokens + i * Q) / lanes].all;
  }
  template <int Q>
  const float* from(int64_t i, int64_t column) const {
    return reinterpret_cast<const float*>(cells.data()) + column * tokens + i * Q;
  }
};

// Calls for 4 states at a time as far as they go, then for 2 and 1, as constants.
template <typename Do>
void in_groups(int64_t state, Do&& go) {
  int64_t n = 0;
  for (; n + 4 <= state; n += 4) go(std::integral_constant<int, 4>{}, n);
  if (n + 2 <= state) go(std::integral_constant<int, 2>{}, n), n += 2;
  if (n < state) go(std::integral_constant<int, 1>{}, n);
}

// A tensor (channels, columns) as columns of vectors.
std::vector<Lane> columns_of(const float* from, int64_t columns, int count, float factor) {
  std::vector<Lane> out(columns);
  for (int64_t n = 0; n < columns; ++n)
    for (int lane = 0; lane < count && lane < lanes; ++lane)
      out[n].all[lane] = from[lane * columns + n] * factor;
  return out;
}

void store_columns(float* to, const std::vector<Lane>& from, int count) {
  const int64_t columns = from.size();
  for (int lane = 0; lane < count && lane < lanes; ++lane)
    for (int64_t n = 0; n < columns; ++n) to[lane * columns + n] = from[n].all[lane];
}

// A block of neighbouring channels: its parameters, and the state between segments.
struct Block {
  const unetzoo_scan& s;
  int64_t channel, first;  // of the group's channels, and its place in a token of batch item b
  int64_t place;           // in a gathered token
  int count;
  vec bias, bypass;
  std::vector<Lane> decay, expand, h;

  Block(const unetzoo_scan& s, int64_t b, int64_t g, int64_t d, int64_t place)
      : s(s),
        channel(g * s.width + d),
        first(b * s.length * s.groups * s.width + channel),
        place(place),
        count(static_cast<int>(s.width - d)),
        bias(s.bias ? load(s.bias + channel, count) : vec{}),
        bypass(s.D ? load(s.D + channel, count) : vec{}),
        decay(columns_of(s.A + channel * s.state, s.state, count, log2e)),
        expand(columns_of(s.expand + channel * s.rank, s.rank, count, 1.0f)),
        h(s.state) {}

  int64_t at(int64_t token) const { return first + token * s.groups * s.width; }
  int64_t end() const { return place + std::min(count, lanes); }
  int64_t start(int64_t segment, int64_t b) const {
    return ((segment * s.batch + b) * s.state) * s.groups * s.width + channel;
  }
};

// A segment of one block, token by token; beyond the last token nothing enters and nothing fades.
struct Line {
  std::vector<Lane> width, entering, out;
  explicit Line(int64_t steps) : width(steps), entering(steps), out(steps) {}
};

// `slope` takes what a step width changes by with delta.
void open_line(const Block& block, const Tokens& tokens, const Rows& inputs, const Rows& low, Line& line,
               Lane* slope = nullptr) {
  const unetzoo_scan& s = block.s;
  for (int64_t i = 0; i < tokens.count; ++i) {
    const vec u = load(inputs.at(i) + block.place, block.count);
    vec width = s.rank ? block.bias : load(s.delta + block.at(tokens.at[i]), block.count) + block.bias;
    for (int64_t r = 0; r < s.rank; ++r) width += low.at(i)[r] * block.expand[r].all;
    if (s.softplus) width = softplus(width, slope ? &slope[i].all : nullptr);
    line.width[i].all = width;
    line.entering[i].all = width * u;
    line.out[i].all = block.bypass * u;
  }
  for (int64_t i = tokens.count; i < round_up_to_lanes(tokens.count); ++i)
    line.width[i].all = line.entering[i].all = line.out[i].all = vec{};
}

// Q states along a segment: a = exp(w A), h = a h + w u B; out += C h where it is read, a and h are kept where
// that is asked.
template <int Q, bool keep, bool read>
void run(const Lane* decay, Lane* state, const float* B, const float* C, int64_t columns, int64_t count,
         const Line& line, Lane* out, Lane* a_kept, Lane* h_kept) {
  vec d[Q], h[Q];
  for (int n = 0; n < Q; ++n) d[n] = decay[n].all, h[n] = state[n].all;
  for (int64_t i = 0; i < count; ++i, B += columns, C += columns) {
    const vec width = line.width[i].all, entering = line.entering[i].all;
    vec sum[2] = {};
    if (read) sum[0] = out[i].all;
    for (int n = 0; n < Q; ++n) {
      const vec a = exp2(width * d[n]);
      if (keep) a_kept[i * Q + n].all = a;
      if (keep) h_kept[i * Q + n].all = h[n];
      h[n] = a * h[n] + entering * B[n];
      if (read) sum[n % 2] += h[n] * C[n];
    }
    if (read) out[i].all = sum[0] + sum[1];
  }
  for (int n = 0; n < Q; ++n) state[n].all = h[n];
  if (keep)
    for (int n = 0; n < Q; ++n) h_kept[count * Q + n].all = h[n];
}

// What all blocks of a part share: the first of them asks.
void read_terms(const unetzoo_scan& s, const Soon& soon, int64_t of_group, int64_t g) {
  for (const float* first : {s.B, s.C}) {
    soon.read(first + of_group + g * s.state, s.row);
    soon.read(first + of_group + (g + 1) * s.state - 1, s.row);
  }
  if (s.rank) soon.read(s.low + of_group, s.row);
}

void forward_part(const unetzoo_scan& s, float* y, float* starts, int64_t b, int64_t g, int64_t from_block,
                  int64_t to_block) {
  const int64_t of_group = b * s.length * s.row, across = s.groups * s.width;
  std::vector<Block> blocks;
  for (int64_t k = from_block; k < to_block; ++k)
    blocks.emplace_back(s, b, g, k * lanes, (k - from_block) % together * lanes);
  Tokens tokens(s), next(s);
  Rows B(s, s.state), C(s, s.state), low(s, s.rank), u(s, together * lanes), out(s, together * lanes);
  Line line(round_up_to_lanes(s.steps));
  next.go_to(s, 0);
  for (int64_t segment = 0; segment < segments_of(s); ++segment) {
    std::swap(tokens, next);
    next.go_to(s, segment + 1);
    B.gather(s.B + of_group + g * s.state, s.row, tokens);
    C.gather(s.C + of_group + g * s.state, s.row, tokens);
    if (s.rank) low.gather(s.low + of_group, s.row, tokens);
    for (size_t from = 0; from < blocks.size(); from += together) {
      const size_t to = std::min<size_t>(from + together, blocks.size());
      const int64_t first = blocks[from].first, columns = blocks[to - 1].end();
      u.gather(s.u + first, across, tokens, columns);
      for (size_t k = from; k < to; ++k) {
        Block& block = blocks[k];
        float* start = starts + block.start(segment, b);
        for (int64_t n = 0; n < s.state; ++n) store(start + n * across, block.h[n].all, block.count);
        open_line(block, tokens, u, low, line);
        in_groups(s.state, [&](auto q, int64_t n) {
          const Soon soon(next, n, q, s.state);
          if (k == 0) read_terms(s, soon, of_group, g);
          soon.read(s.u + block.first, across);
          if (!s.rank) soon.read(s.delta + block.first, across);
          if (s.z) soon.read(s.z + block.first, across);
          soon.write(y + block.first, across);
          run<q, false, true>(&block.decay[n], &block.h[n], B.at(0) + n, C.at(0) + n, s.state,
                                   tokens.count, line, line.out.data(), nullptr, nullptr);
        });
        for (int64_t i = 0; i < tokens.count; ++i) {
          vec left = line.out[i].all;
          if (s.z) {
            const vec z = load(s.z + block.at(tokens.at[i]), block.count);
            left *= z * sigmoid(z);
          }
          store(out.at(i) + block.place, left, block.count);
        }
      }
      out.scatter(y + first, across, tokens, columns, s.accumulate);
    }
  }
}

// A block's part of the backward pass: what it carries from segment to segment, a_(t+1) g_(t+1), and its
// sums over time.
struct Gradient {
  Block block;
  std::vector<Lane> A, carry, dA, dexpand;
  vec dD{}, dbias{};
  Gradient(const unetzoo_scan& s, int64_t b, int64_t g, int64_t d, int64_t place)
      : block(s, b, g, d, place),
        A(columns_of(s.A + block.channel * s.state, s.state, block.count, 1.0f)),
        carry(s.state),
        dA(s.state),
        dexpand(s.rank) {}
};

struct Scratch {
  Line line;
  std::vector<Lane> dy, slope, by_input, by_decay, dwidth, a, h;
  explicit Scratch(int64_t steps)
      : line(steps),
        dy(steps),
        slope(steps),
        by_input(steps),
        by_decay(steps),
        dwidth(steps),
        a(4 * steps),
        h(4 * steps + 4) {}
};

// Q states from the end of a segment to its start, with g_t = C_t dy_t + a_(t+1) g_(t+1) the gradient of h_t.
template <int Q>
void run_back(Gradient& gradient, int64_t first, const Rows& B, const Rows& C, int64_t count, Scratch& x,
              Sums& dB, Sums& dC) {
  constexpr int at_once = lanes / Q;
  vec A[Q], carry[Q], dA[Q];
  for (int n = 0; n < Q; ++n) {
    carry[n] = gradient.carry[first + n].all;
    A[n] = gradient.A[first + n].all;
    dA[n] = gradient.dA[first + n].all;
  }
  for (int64_t end = round_up_to_lanes(count); end > 0; end -= at_once) {
    Lane into[at_once], read[at_once];
    for (int k = at_once - 1; k >= 0; --k) {
      const int64_t i = end - at_once + k;
      const float *from = B.at(i) + first, *to = C.at(i) + first;
      const Lane *a = &x.a[i * Q], *before = &x.h[i * Q];
      const vec width = x.line.width[i].all, entering = x.line.entering[i].all, dy = x.dy[i].all;
      vec by_input = x.by_input[i].all, by_decay = x.by_decay[i].all, into_each[Q], read_each[Q];
      for (int n = 0; n < Q; ++n) {
        const vec grad = dy * to[n] + carry[n];
        carry[n] = a[n].all * grad;
        const vec passed = carry[n] * before[n].all;  // g_t a_t h_(t-1)
        by_input += grad * from[n];
        by_decay += passed * A[n];
        dA[n] += passed * width;
        into_each[n] = grad * entering;
        read_each[n] = dy * before[n + Q].all;
      }
      into[k].all = sums<Q>(into_each);
      read[k].all = sums<Q>(read_each);
      x.by_input[i].all = by_input;
      x.by_decay[i].all = by_decay;
    }
    dB.at<Q>(end - at_once, first) += sums<at_once, Q>(&into[0].all);
    dC.at<Q>(end - at_once, first) += sums<at_once, Q>(&read[0].all);
  }
  for (int n = 0; n < Q; ++n) {
    gradient.carry[first + n].all = carry[n];
    gradient.dA[first + n].all = dA[n];
  }
}

// dy as it reaches the state, and zeros where sums begin.
void open_gradient(const Block& block, const Tokens& tokens, const Rows& dy, Scratch& x) {
  const unetzoo_scan& s = block.s;
  for (int64_t i = 0; i < round_up_to_lanes(tokens.count); ++i) {
    x.dy[i].all = x.by_input[i].all = x.by_decay[i].all = vec{};
    if (i >= tokens.count) continue;
    vec out = load(dy.at(i) + block.place, block.count);
    if (s.z) {
      const vec z = load(s.z + block.at(tokens.at[i]), block.count);
      out *= z * sigmoid(z);
    }
    x.dy[i].all = out;
  }
}

// Gradients of what a token is by itself.
void close_gradient(Gradient& gradient, const Tokens& tokens, const Rows& inputs, const Rows& dy, Scratch& x,
                    Rows& du, const unetzoo_scan_gradients& grads) {
  const Block& block = gradient.block;
  const unetzoo_scan& s = block.s;
  for (int64_t i = 0; i < tokens.count; ++i) {
    const int64_t at = block.at(tokens.at[i]);
    const vec u = load(inputs.at(i) + block.place, block.count), out = x.dy[i].all;
    vec dwidth = u * x.by_input[i].all + x.by_decay[i].all;
    if (s.softplus) dwidth *= x.slope[i].all;
    gradient.dD += out * u;
    gradient.dbias += dwidth;
    store(du.at(i) + block.place, x.line.width[i].all * x.by_input[i].all + block.bypass * out, block.count);
    x.dwidth[i].all = dwidth;
    if (!s.rank) store(grads.delta + at, dwidth, block.count);
    if (s.z) {
      const vec z = load(s.z + at, block.count), open = sigmoid(z), whole = load(dy.at(i) + block.place, block.count);
      store(grads.z + at, whole * x.line.out[i].all * open * (1.0f + z * (1.0f - open)), block.count);
    }
  }
  for (int64_t i = tokens.count; i < round_up_to_lanes(tokens.count); ++i) x.dwidth[i].all = vec{};
}

// Step widths of low rank: gradients of both factors.
void close_rank(Gradient& gradient, const Tokens& tokens, const Rows& low, const Scratch& x, Sums& dlow) {
  for (int64_t r = 0; r < gradient.block.s.rank; ++r) {
    const vec expand = gradient.block.expand[r].all;
    vec total{};
    for (int64_t end = 0; end < tokens.count; end += lanes) {
      Lane each[lanes];
      for (int k = 0; k < lanes; ++k) {
        each[k].all = x.dwidth[end + k].all * expand;
        total += x.dwidth[end + k].all * low.at(end + k)[r];
      }
      dlow.at<1>(end, r) += sums(&each[0].all);
    }
    gradient.dexpand[r].all += total;
  }
}

void backward_part(const unetzoo_scan& s, const float* dy, const float* starts,
                   const unetzoo_scan_gradients& grads, int64_t b, int64_t g, int64_t part) {
  const int64_t blocks = (s.width + lanes - 1) / lanes, across = s.groups * s.width;
  const int64_t from_block = part * blocks / grads.parts, to_block = (part + 1) * blocks / grads.parts;
  const int64_t of_group = b * s.length * s.row, partial = part * s.batch * s.length * s.row + of_group;
  std::vector<Gradient> all;
  for (int64_t k = from_block; k < to_block; ++k)
    all.emplace_back(s, b, g, k * lanes, (k - from_block) % together * lanes);
  Tokens tokens(s), next(s);
  Rows B(s, s.state), C(s, s.state), low(s, s.rank);
  Rows u(s, together * lanes), out(s, together * lanes), du(s, together * lanes);
  Sums dB(s.steps, s.state), dC(s.steps, s.state), dlow(s.steps, s.rank);
  Scratch x(round_up_to_lanes(s.steps));
  next.go_to(s, segments_of(s) - 1);
  for (int64_t segment = segments_of(s) - 1; segment >= 0; --segment) {
    std::swap(tokens, next);
    next.go_to(s, segment - 1);
    const int64_t count = tokens.count;
    B.gather(s.B + of_group + g * s.state, s.row, tokens);
    C.gather(s.C + of_group + g * s.state, s.row, tokens);
    if (s.rank) low.gather(s.low + of_group, s.row, tokens);
    dB.clear(), dC.clear(), dlow.clear();
    for (size_t from = 0; from < all.size(); from += together) {
      const size_t to = std::min<size_t>(from + together, all.size());
      const int64_t first = all[from].block.first, columns = all[to - 1].block.end();
      u.gather(s.u + first, across, tokens, columns);
      out.gather(dy + first, across, tokens, columns);
      for (size_t k = from; k < to; ++k) {
        Gradient& gradient = all[k];
        Block& block = gradient.block;
        const float* start = starts + block.start(segment, b);
        for (int64_t n = 0; n < s.state; ++n) block.h[n].all = load(start + n * across, block.count);
        open_line(block, tokens, u, low, x.line, x.slope.data());
        open_gradient(block, tokens, out, x);
        in_groups(s.state, [&](auto q, int64_t n) {
          const Soon soon(next, n, q, s.state);
          if (k == 0) read_terms(s, soon, of_group, g);
          soon.read(s.u + block.first, across);
          soon.read(dy + block.first, across);
          if (!s.rank) soon.read(s.delta + block.first, across);
          if (s.z) soon.read(s.z + block.first, across);
          soon.write(grads.u + block.first, across);
          if (!s.rank) soon.write(grads.delta + block.first, across);
          const auto again = s.z ? run<q, true, true> : run<q, true, false>;
          again(&block.decay[n], &block.h[n], B.at(0) + n, C.at(0) + n, s.state,
                round_up_to_lanes(count), x.line, x.line.out.data(), x.a.data(), x.h.data());
          run_back<q>(gradient, n, B, C, count, x, dB, dC);
        });
        close_gradient(gradient, tokens, u, out, x, du, grads);
        if (s.rank) close_rank(gradient, tokens, low, x, dlow);
      }
      du.scatter(grads.u + first, across, tokens, columns, s.accumulate);
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t token = partial + tokens.at[i] * s.row;
      in_groups(s.state, [&](auto q, int64_t n) {
        copy(grads.B + token + g * s.state + n, dB.from<q>(i, n), q);
        copy(grads.C + token + g * s.state + n, dC.from<q>(i, n), q);
      });
      for (int64_t r = 0; r < s.rank; ++r) grads.low[token + r] = *dlow.from<1>(i, r);
    }
  }
  for (const Gradient& gradient : all) {
    const int64_t to = b * across + gradient.block.channel;
    const int count = gradient.block.count;
    store_columns(grads.A + to * s.state, gradient.dA, count);
    if (s.rank) store_columns(grads.expand + to * s.rank, gradient.dexpand, count);
    if (s.D) store(grads.D + to, gradient.dD, count);
    if (s.bias) store(grads.bias + to, gradient.dbias, count);
  }
}

}  // namespace

void scan_forward(const unetzoo_scan& s, float* y, float* starts) {
  const int64_t blocks = (s.width + lanes - 1) / lanes, items = s.batch * s.groups;
  // as few parts as keep all threads busy: blocks of one part share what they gather
  const int64_t parts = items ? std::min(blocks, (2 * s.threads + items - 1) / items) : 1;
  auto work = [&](int64_t item) {
    const int64_t part = item % parts, g = item / parts % s.groups, b = item / parts / s.groups;
    forward_part(s, y, starts, b, g, part * blocks / parts, (part + 1) * blocks / parts);
  };
  parallel_for(items * parts, s.threads, work);
}

void scan_backward(const unetzoo_scan& s, const float* dy, const float* starts,
                   const unetzoo_scan_gradients& grads) {
  auto work = [&](int64_t item) {
    const int64_t part = item % grads.parts, g = item / grads.parts % s.groups;
    backward_part(s, dy, starts, grads, item / grads.parts / s.groups, g, part);
  };
  parallel_for(s.batch * s.groups * grads.parts, s.threads, work);
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
