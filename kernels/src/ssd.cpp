// State space duality by chunks, forwards and backwards (Dao & Gu 2024, section 6). Compiled once per
// instruction set.
//
// Within a chunk tokens attend to those before them, and chunks meet in a state; all of it is matrix products
// whose factors lie in the nearest cache. The decay between two tokens is the product of those of the steps
// between them, never a quotient or a difference of sums. What a step width changes is told from the small
// matrices alone.
#include "ssd.h"

#include <algorithm>
#include <vector>

#include "parallel.h"
#include "product.h"
#include "vector.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {
namespace {

constexpr float log2e = 1.44269504088896341f;
constexpr int chunk = UNETZOO_SSD_CHUNK;
constexpr int across = chunk / lanes;  // vectors that hold a number per token

int64_t padded(int64_t count) { return (count + lanes - 1) / lanes * lanes; }
vec at(const float* from, int64_t i = 0) { return load(from + i * lanes, lanes); }
void put(float* to, int64_t i, vec value) { store(to + i * lanes, value, lanes); }

// Room for numbers, whole vectors of them, zero at first.
struct Room {
  std::vector<Lane> cells;
  explicit Room(int64_t count) : cells(padded(count) / lanes) {}
  operator float*() { return reinterpret_cast<float*>(cells.data()); }
  operator const float*() const { return reinterpret_cast<const float*>(cells.data()); }
  void clear() { std::fill(cells.begin(), cells.end(), Lane{}); }
};

// Lanes of a and b in turn: those of their first halves, or of their last.
template <bool last, int... lane>
vec zipped(vec a, vec b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, (lane / 2 + lane % 2 * lanes + last * lanes / 2)...);
}

// (rows, columns) to (columns, rows), whole vectors of both; rows that are not there are zero.
void transpose(Matrix<const float> from, int64_t there, int64_t rows, int64_t columns, float* to) {
  constexpr auto all = std::make_integer_sequence<int, lanes>{};
  for (int64_t r = 0; r < rows; r += lanes)
    for (int64_t c = 0; c < columns; c += lanes) {
      vec x[lanes], next[lanes];
      for (int i = 0; i < lanes; ++i)
        x[i] = r + i < there ? load(from.from(r + i, c).first, static_cast<int>(columns - c)) : vec{};
      for (int done = 1; done < lanes; done *= 2) {
        for (int i = 0; i < lanes / 2; ++i) {
          next[2 * i] = zipped<false>(x[i], x[i + lanes / 2], all);
          next[2 * i + 1] = zipped<true>(x[i], x[i + lanes / 2], all);
        }
        for (int i = 0; i < lanes; ++i) x[i] = next[i];
      }
      for (int i = 0; i < lanes; ++i) put(to + (c + i) * rows + r, 0, x[i]);
    }
}

// A chunk's tokens in the order of the scan.
struct Tokens {
  const unetzoo_ssd& s;
  int64_t item, begin, count;

  Tokens(const unetzoo_ssd& s, int64_t item, int64_t begin)
      : s(s), item(item), begin(begin), count(std::min<int64_t>(chunk, s.length - begin)) {}

  int64_t operator[](int64_t i) const {
    return item * s.length + (s.reverse ? s.length - 1 - begin - i : begin + i);
  }
  // The tokens of a tensor whose tokens are `apart`.
  template <typename Number>
  Matrix<Number> rows(Number* tensor, int64_t apart) const {
    return {tensor + (*this)[0] * apart, s.reverse ? -apart : apart};
  }
  // Those with whole vectors of `columns` of them, side by side; zeros beyond the last token.
  void gather(Matrix<const float> from, int64_t columns, float* to) const {
    const int64_t wide = padded(columns);
    for (int64_t i = 0; i < count; ++i)
      for (int64_t n = 0; n < columns; n += lanes)
        put(to + i * wide + n, 0, load(from.first + i * from.row + n, static_cast<int>(columns - n)));
    std::fill(to + count * wide, to + chunk * wide, 0.0f);
  }
  void scatter(const float* from, int64_t columns, Matrix<float> to) const {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t n = 0; n < columns; n += lanes)
        store(to.first + i * to.row + n, at(from + i * padded(columns) + n), static_cast<int>(columns - n));
  }
  // Rows of some columns that are met `later` tokens after these, as no processor looks so far ahead.
  void send_for(const float* tensor, int64_t apart, int64_t columns, int64_t later) const {
    for (int64_t i = begin + later; i < begin + later + count; ++i) {
      if (i < 0 || i >= s.length) continue;
      const float* row = tensor + (*this)[i - begin] * apart;
      for (int64_t n = 0; n < columns; n += 16) __builtin_prefetch(row + n);
    }
  }
};

// What the heads share of a chunk: B and C, token by token and with tokens side by side, and C B^T both ways.
struct Shared {
  int64_t wide;
  Room B, C, tokens_of_B, tokens_of_C, met, turned;
  explicit Shared(const unetzoo_ssd& s)
      : wide(padded(s.state)),
        B(chunk * wide),
        C(chunk * wide),
        tokens_of_B(wide * chunk),
        tokens_of_C(wide * chunk),
        met(chunk * chunk),
        turned(chunk * chunk) {}

  // What states are made of, and no more.
  void take_B(const Tokens& tokens) { tokens.gather(tokens.rows(tokens.s.B, tokens.s.state), tokens.s.state, B); }

  void go_to(const Tokens& tokens) {
    const unetzoo_ssd& s = tokens.s;
    take_B(tokens);
    tokens.gather(tokens.rows(s.C, s.state), s.state, C);
    transpose({B, wide}, chunk, chunk, wide, tokens_of_B);
    transpose({C, wide}, chunk, chunk, wide, tokens_of_C);
    product({tokens_of_C, 1, chunk}, {tokens_of_B, chunk}, {met, chunk}, chunk, s.state, chunk);
    transpose({met, chunk}, chunk, chunk, chunk, turned);
  }
};

// What a head makes of a chunk's step widths, and of B and C with them.
struct Head {
  const unetzoo_ssd& s;
  float A = 0, bypass = 0;
  Room width, slope, fades, since, left;  // per token; the last two: decay since before the chunk, w times to its end
  Room within, turned;                    // decay from a token to a later one: (later, token), (token, later)
  Room attended, scaled;

  explicit Head(const unetzoo_ssd& s)
      : s(s),
        width(chunk),
        slope(chunk),
        fades(chunk),
        since(chunk),
        left(chunk),
        within(chunk * chunk),
        turned(chunk * chunk),
        attended(chunk * chunk),
        scaled(chunk * padded(s.state)) {}

  float whole() const { return since[chunk - 1]; }
  const float* to_end() const { return within + (chunk - 1) * chunk; }

  void go_to(const Tokens& tokens, int64_t head) {
    A = s.A[head];
    bypass = s.D ? s.D[head] : 0.0f;
    const float bias = s.bias ? s.bias[head] : 0.0f;
    for (int64_t i = 0; i < chunk; ++i)
      width[i] = i < tokens.count ? s.delta[tokens[i] * s.heads + head] + bias : 0.0f;
    for (int v = 0; v < across; ++v) {
      vec by_delta = splat(1.0f);
      if (s.softplus) put(width, v, softplus(at(width, v), &by_delta));
      put(slope, v, by_delta);
    }
    for (int64_t i = tokens.count; i < chunk; ++i) width[i] = 0.0f;  // beyond the last, nothing fades
    for (int v = 0; v < across; ++v) put(fades, v, exp2(at(width, v) * (A * log2e)));
    ivec index;
    for (int lane = 0; lane < lanes; ++lane) index[lane] = lane;
    vec row[across] = {};
    float all = 1.0f;
    for (int i = 0; i < chunk; ++i) {
      for (int v = 0; v < across; ++v) {
        row[v] = index + v * lanes == i ? splat(1.0f) : row[v] * fades[i];
        put(within + i * chunk, v, row[v]);
      }
      since[i] = all *= fades[i];
    }
    for (int v = 0; v < across; ++v) put(left, v, at(to_end(), v) * at(width, v));
  }
  // (C B^T) times decays, step widths and bypass in it: y is this times u, and more. As (token, later).
  void attend_turned(const Shared& shared) {
    transpose({within, chunk}, chunk, chunk, chunk, turned);
    for (int64_t j = 0; j < chunk; ++j) {
      for (int v = 0; v < across; ++v)
        put(attended + j * chunk, v, at(shared.turned + j * chunk, v) * at(turned + j * chunk, v) * width[j]);
      attended[j * chunk + j] += bypass;
    }
  }
  // The same as (later, token).
  void attend(const Shared& shared) {
    for (int64_t i = 0; i < chunk; ++i) {
      for (int v = 0; v < across; ++v)
        put(attended + i * chunk, v, at(shared.met + i * chunk, v) * at(within + i * chunk, v) * at(width, v));
      attended[i * chunk + i] += bypass;
    }
  }
  // (state, tokens) times one number per token.
  void scale_tokens(const float* from, const float* by) {
    for (int64_t n = 0; n < s.state; ++n)
      for (int v = 0; v < across; ++v) put(scaled + n * chunk, v, at(from + n * chunk, v) * at(by, v));
  }
  // (tokens, state) likewise.
  void scale_rows(const float* from, const float* by) {
    const int64_t wide = padded(s.state);
    for (int64_t i = 0; i < chunk; ++i)
      for (int64_t n = 0; n < wide; n += lanes) put(scaled + i * wide + n, 0, at(from + i * wide + n) * by[i]);
  }
  // The state (state, channels) after the chunk from that before it, which may be the same.
  void pass(const Shared& shared, const Tokens& tokens, Matrix<const float> u, Matrix<float> before,
            Matrix<float> after) {
    scale_rows(shared.B, left);
    product({scaled, 1, shared.wide}, u, after, s.state, tokens.count, s.channels, whole(), before.first);
  }
};

int64_t start_of(const unetzoo_ssd& s, int64_t begin, int64_t b, int64_t head) {
  return ((begin / s.steps * s.batch + b) * s.heads + head) * s.state * s.channels;
}

// States of some heads, (state, channels) each, in whole vectors.
struct States {
  int64_t wide, size, rows;
  Room cells;
  States(const unetzoo_ssd& s, int64_t count)
      : wide(padded(s.channels)), size(s.state * wide), rows(s.state), cells(count * size) {}
  Matrix<float> operator[](int64_t i) { return {cells + i * size, wide}; }

  void load_from(const float* from, int64_t channels, int64_t i) {
    for (int64_t n = 0; n < rows; ++n) std::copy_n(from + n * channels, channels, (*this)[i].first + n * wide);
  }
  void store_to(float* to, int64_t channels, int64_t i) {
    for (int64_t n = 0; n < rows; ++n) std::copy_n((*this)[i].first + n * wide, channels, to + n * channels);
  }
};

void forward_part(const unetzoo_ssd& s, float* y, float* starts, int64_t b, int64_t first, int64_t last) {
  const int64_t row = s.heads * s.channels;
  Shared shared(s);
  Head x(s);
  States states(s, last - first);
  for (int64_t begin = 0; begin < s.length; begin += chunk) {
    const Tokens tokens(s, b, begin);
    shared.go_to(tokens);
    for (int64_t head = first; head < last; ++head) {
      const auto u = tokens.rows(s.u + head * s.channels, row);
      const auto out = tokens.rows(y + head * s.channels, row), h = states[head - first];
      if (begin % s.steps == 0) states.store_to(starts + start_of(s, begin, b, head), s.channels, head - first);
      tokens.send_for(s.u + head * s.channels, row, s.channels, chunk);
      x.go_to(tokens, head);
      x.attend_turned(shared);
      product({x.attended, 1, chunk}, u, out, tokens.count, tokens.count, s.channels);
      x.scale_tokens(shared.tokens_of_C, x.since);
      product({x.scaled, 1, chunk}, {h.first, h.row}, out, tokens.count, s.state, s.channels, 1.0f);
      x.pass(shared, tokens, u, h, h);
    }
  }
}

// Sums over time of a head.
struct Totals {
  vec A{}, D{}, bias{};
};

struct Backward {
  const unetzoo_ssd& s;
  const unetzoo_ssd_gradients& grads;
  int64_t wide;
  Shared shared;
  Head x;
  Room rows, tokens_of_u, tokens_of_dy, met, by_state;
  Room dmet, turned, dB, dC;  // sums over the heads

  Backward(const unetzoo_ssd& s, const unetzoo_ssd_gradients& grads)
      : s(s),
        grads(grads),
        wide(padded(s.channels)),
        shared(s),
        x(s),
        rows(chunk * shared.wide),
        tokens_of_u(wide * chunk),
        tokens_of_dy(wide * chunk),
        met(chunk * chunk),
        by_state(s.state * chunk),
        dmet(chunk * chunk),
        turned(chunk * chunk),
        dB(shared.wide * chunk),
        dC(shared.wide * chunk) {}

  void begin_chunk(const Tokens& tokens) {
    shared.go_to(tokens);
    dmet.clear(), dB.clear(), dC.clear();
  }

  // Adds `by_state` times a number per token to a sum, and finds each token's product of it with what it met.
  void add(const float* by, const float* met_there, float* sum, vec* dots) const {
    for (int v = 0; v < across; ++v) {
      const vec factor = at(by, v);
      vec dot{};
      for (int64_t n = 0; n < s.state; ++n) {
        const vec found = at(by_state + n * chunk, v);
        put(sum + n * chunk, v, at(sum + n * chunk, v) + found * factor);
        dot += found * at(met_there + n * chunk, v);
      }
      dots[v] = dot;
    }
  }

  // h: the state before the chunk. carry: the gradient of the state after it, then of that before it.
  void head(const Tokens& tokens, int64_t head, const float* given, Matrix<const float> h, Matrix<float> carry,
            Totals& totals) {
    const int64_t row = s.heads * s.channels, place = head * s.channels, count = tokens.count;
    const auto u = tokens.rows(s.u + place, row), dy = tokens.rows(given + place, row);
    const auto du = tokens.rows(grads.u + place, row);
    const Matrix<const float> carried{carry.first, carry.row};
    tokens.send_for(s.u + place, row, s.channels, -s.steps);
    tokens.send_for(given + place, row, s.channels, -chunk);
    transpose(u, count, chunk, s.channels, tokens_of_u);
    transpose(dy, count, chunk, s.channels, tokens_of_dy);
    x.go_to(tokens, head);
    x.attend(shared);

    x.scale_tokens(shared.tokens_of_B, x.left);
    product({x.scaled, 1, chunk}, carried, du, count, s.state, s.channels);
    product({x.attended, 1, chunk}, dy, du, count, count, s.channels, 1.0f);
    product({tokens_of_dy, 1, chunk}, {tokens_of_u, chunk}, {met, chunk}, chunk, s.channels, chunk);

    vec read[across], left[across], kept{};  // by what the state before gave, and by what the one after got
    product(h, {tokens_of_dy, chunk}, {by_state, chunk}, s.state, s.channels, chunk);
    add(x.since, shared.tokens_of_C, dC, read);
    product(carried, {tokens_of_u, chunk}, {by_state, chunk}, s.state, s.channels, chunk);
    add(x.left, shared.tokens_of_B, dB, left);
    for (int64_t i = 0; i < s.state * wide / lanes; ++i) kept += at(h.first, i) * at(carry.first, i);
    x.scale_rows(shared.C, x.since);
    product({x.scaled, 1, shared.wide}, dy, carry, s.state, count, s.channels, x.whole());
    close(tokens, head, read, left, total(kept) * x.whole(), totals);
  }

  // Gradients of step widths and what they are made of. A step lies between all earlier tokens and all others.
  void close(const Tokens& tokens, int64_t head, const vec* read, const vec* left, float kept, Totals& totals) {
    ivec index;
    for (int lane = 0; lane < lanes; ++lane) index[lane] = lane;
    vec between[chunk], by_width[across] = {}, passed[across] = {};
    for (int i = chunk - 1; i >= 0; --i) {
      between[i] = vec{};
      for (int v = 0; v < across; ++v) {
        const int64_t cell = i * across + v;
        const vec faded = at(met, cell) * at(x.within, cell), width = at(x.width, v);
        put(dmet, cell, at(dmet, cell) + faded * width);
        by_width[v] += faded * at(shared.met, cell);
        passed[v] += faded * width * at(shared.met, cell);
        between[i] += index + v * lanes < i ? passed[v] : vec{};
        totals.D += index + v * lanes == i ? at(met, cell) : vec{};
      }
    }
    alignas(sizeof(vec)) float by_read[chunk], by_left[chunk], around[chunk];
    for (int v = 0; v < across; ++v) {
      by_width[v] += left[v] * at(x.to_end(), v);
      put(by_read, v, read[v] * at(x.since, v));
      put(by_left, v, left[v] * at(x.left, v));
    }
    float later = 0, earlier = kept;
    for (int i = chunk - 1; i >= 0; --i) around[i] = later += by_read[i];
    for (int i = 0; i < chunk; ++i) around[i] += earlier, earlier += by_left[i];
    for (int v = 0; v < across; ++v) {
      const vec by_fade = sums(between + v * lanes) + at(around, v);
      const vec by_delta = (by_width[v] + by_fade * x.A) * at(x.slope, v);
      totals.A += by_fade * at(x.width, v);
      for (int lane = 0; lane < lanes && v * lanes + lane < tokens.count; ++lane) {
        grads.delta[tokens[v * lanes + lane] * s.heads + head] = by_delta[lane];
        totals.bias[lane] += by_delta[lane];
      }
    }
  }

  // What the heads made of B and C, with what they have in common.
  void end_chunk(const Tokens& tokens, int64_t part) {
    const int64_t partial = part * s.batch * s.length * s.state;
    transpose({dmet, chunk}, chunk, chunk, chunk, turned);
    product({shared.tokens_of_B, chunk}, {turned, chunk}, {dC, chunk}, s.state, chunk, chunk, 1.0f);
    product({shared.tokens_of_C, chunk}, {dmet, chunk}, {dB, chunk}, s.state, chunk, chunk, 1.0f);
    transpose({dB, chunk}, s.state, shared.wide, chunk, rows);
    tokens.scatter(rows, s.state, tokens.rows(grads.B + partial, s.state));
    transpose({dC, chunk}, s.state, shared.wide, chunk, rows);
    tokens.scatter(rows, s.state, tokens.rows(grads.C + partial, s.state));
  }
};

void backward_part(const unetzoo_ssd& s, const float* dy, const float* starts,
                   const unetzoo_ssd_gradients& grads, int64_t b, int64_t part) {
  const int64_t first = part * s.heads / grads.parts, last = (part + 1) * s.heads / grads.parts;
  const int64_t heads = last - first, row = s.heads * s.channels;
  Backward run(s, grads);
  States states(s, s.steps / chunk * heads), carries(s, heads);
  std::vector<Totals> totals(heads);
  for (int64_t segment = (s.length - 1) / s.steps * s.steps; segment >= 0; segment -= s.steps) {
    const int64_t end = std::min(segment + s.steps, s.length);
    const auto before = [&](int64_t begin, int64_t head) {
      return (begin - segment) / chunk * heads + head - first;
    };
    for (int64_t head = first; head < last; ++head)
      states.load_from(starts + start_of(s, segment, b, head), s.channels, before(segment, head));
    for (int64_t begin = segment; begin + chunk < end; begin += chunk) {
      const Tokens tokens(s, b, begin);
      run.shared.take_B(tokens);
      for (int64_t head = first; head < last; ++head) {
        const auto h = states[before(begin, head)], next = states[before(begin + chunk, head)];
        run.x.go_to(tokens, head);
        run.x.pass(run.shared, tokens, tokens.rows(s.u + head * s.channels, row), h, next);
      }
    }
    for (int64_t begin = (end - 1 - segment) / chunk * chunk + segment; begin >= segment; begin -= chunk) {
      const Tokens tokens(s, b, begin);
      run.begin_chunk(tokens);
      for (int64_t head = first; head < last; ++head) {
        const auto h = states[before(begin, head)];
        run.head(tokens, head, dy, {h.first, h.row}, carries[head - first], totals[head - first]);
      }
      run.end_chunk(tokens, part);
    }
  }
  for (int64_t head = first; head < last; ++head) {
    const Totals& sum = totals[head - first];
    grads.A[b * s.heads + head] = total(sum.A);
    if (s.D) grads.D[b * s.heads + head] = total(sum.D);
    if (s.bias) grads.bias[b * s.heads + head] = total(sum.bias);
  }
}

}  // namespace

void ssd_forward(const unetzoo_ssd& s, float* y, float* starts) {
  // as few parts as keep all threads busy: heads of one part share what they gather
  const int64_t parts = s.batch ? std::min(s.heads, (s.threads + s.batch - 1) / s.batch) : 1;
  auto work = [&](int64_t item) {
    const int64_t part = item % parts;
    forward_part(s, y, starts, item / parts, part * s.heads / parts, (part + 1) * s.heads / parts);
  };
  parallel_for(s.batch * parts, s.threads, work);
}

void ssd_backward(const unetzoo_ssd& s, const float* dy, const float* starts, const unetzoo_ssd_gradients& grads) {
  auto work = [&](int64_t item) {
    backward_part(s, dy, starts, grads, item / grads.parts, item % grads.parts);
  };
  parallel_for(s.batch * grads.parts, s.threads, work);
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
