// One vector of floats as wide as the instruction set of this translation unit, and its exponential.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define UNETZOO_ISA_NAME avx512
#define UNETZOO_LANES 16
#elif defined(__AVX2__)
#define UNETZOO_ISA_NAME avx2
#define UNETZOO_LANES 8
#else
#define UNETZOO_ISA_NAME baseline
#define UNETZOO_LANES 4
#endif

namespace unetzoo {
namespace UNETZOO_ISA_NAME {

constexpr int lanes = UNETZOO_LANES;
typedef float vec __attribute__((vector_size(4 * UNETZOO_LANES)));
typedef float loose __attribute__((vector_size(4 * UNETZOO_LANES), aligned(4), may_alias));  // anywhere in memory
typedef int32_t ivec __attribute__((vector_size(4 * UNETZOO_LANES)));

// A vector by that name, as the alignment of a bare vector type is lost in a template's arguments.
struct Lane {
  vec all;
};

static inline vec splat(float x) { return x - vec{}; }

static inline vec load(const float* from, int count) {
  if (__builtin_expect(count >= lanes, 1)) return *reinterpret_cast<const loose*>(from);
  vec out{};
  std::memcpy(&out, from, sizeof(float) * count);
  return out;
}

static inline void store(float* to, vec value, int count) {
  if (__builtin_expect(count >= lanes, 1))
    *reinterpret_cast<loose*>(to) = value;
  else
    std::memcpy(to, &value, sizeof(float) * count);
}

// One instruction each, which gives the second where either is not a number.
static inline vec larger(vec a, vec b) { return a > b ? a : b; }
static inline vec smaller(vec a, vec b) { return a < b ? a : b; }

// Lane i of the result is lane from[i] of x.
static inline vec permuted(vec x, ivec from) {
#if defined(__clang__)
  vec out;
  for (int lane = 0; lane < lanes; ++lane) out[lane] = x[from[lane]];
  return out;
#else
  return __builtin_shuffle(x, from);
#endif
}

// Halves of every run of 2H lanes added up: those of a in the first half of the run, those of b in the second. Single
// lanes are added to the next but one, and the pairs of a run of 4 lie side by side after: one instruction each.
template <int H, int... lane>
static inline vec fold(vec a, vec b, std::integer_sequence<int, lane...>) {
  if constexpr (H == 1)
    return __builtin_shufflevector(a, b, (lane / 4 * 4 + lane % 4 / 2 + lane % 2 * lanes)...) +
           __builtin_shufflevector(a, b, (lane / 4 * 4 + lane % 4 / 2 + 2 + lane % 2 * lanes)...);
  else
    return __builtin_shufflevector(a, b, (lane % (2 * H) < H ? lane : lanes + lane - H)...) +
           __builtin_shufflevector(a, b, (lane % (2 * H) < H ? lane + H : lanes + lane)...);
}

// Lane i of the result is the sum over the lanes of from[i]: lanes sums for the price of log2(lanes) each. A few
// neighbours can be folded first, and what became of each `done` of them later.
template <int count = lanes, int done = 1>
static inline vec sums(const vec* from) {
  if constexpr (count == 1)
    return from[0];
  else
    return fold<count / 2 * done>(sums<count / 2, done>(from), sums<count / 2, done>(from + count / 2),
                                  std::make_integer_sequence<int, lanes>{});
}

constexpr float round_up = 12582912.0f;  // added to a float, it leaves the nearest integer in the last bits

static inline vec nearest(vec x) {
#if defined(__AVX512F__)
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  return x + round_up - round_up;
#endif
}

// 2^(n + f) within 2 ulp for an integer n above -127 and f at most a half either way.
static inline vec power(vec n, vec f) {
  vec p = splat(1.54614478e-4f);  // 2^f, the best of its degree on this range, 9e-9 off
  p = p * f + 1.33908669e-3f;
  p = p * f + 9.61805694e-3f;
  p = p * f + 5.55035696e-2f;
  p = p * f + 2.40226507e-1f;
  p = p * f + 6.93147182e-1f;
  p = p * f + 1.0f;
#if defined(__AVX512F__)
  return _mm512_scalef_ps(p, n);
#else
  const vec shifted = n + round_up;
  ivec bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits << 23) + (127 << 23);
  vec scale;
  std::memcpy(&scale, &bits, sizeof(scale));
  return p * scale;
#endif
}

// 2^x within 2 ulp for x <= 126; what is below 2^-126 becomes that, or 0. Not a number stays so.
static inline vec exp2(vec x) {
#if defined(__AVX512F__)
  // 2^(i / 16) from a register, whose lane is told by the last bits of x in sixteenths, and a short polynomial for
  // the rest: multiplications are what a scan waits for, and additions have units of their own
  const vec table = {1.0f,        1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f,
                     1.29683955f, 1.35425555f, 1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f,
                     1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f};
  const vec shifted = x + round_up / 16, n = shifted - round_up / 16, f = x - n;
  const vec whole = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), table);
  const vec more = ((5.55041087e-2f * f + 2.40226507e-1f) * f + 6.93147182e-1f) * f;
  return _mm512_scalef_ps(whole * more + whole, n);  // which takes the integer below n
#else
  x = larger(splat(-126.0f), x);
  const vec n = nearest(x);
  return power(n, x - n);
#endif
}

// e^x within 2 ulp between 2^-126 and 2^126, and the nearest of these beyond. Not a number stays so.
static inline vec exp(vec x) {
  x = smaller(splat(87.336540f), larger(splat(-87.336540f), x));
  const vec n = nearest(x * 1.44269504f);
  // x - n log(2), in two pieces of the logarithm of which the first has zeros at its end
  const vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  return power(n, r * 1.44269504f);
}

static inline vec sigmoid(vec x) { return 1.0f / (1.0f + exp(-x)); }

// max(x, 0) + log(1 + e) with e = exp(-|x|); the logarithm is 2 artanh(e / (2 + e)), small terms and all.
// Its slope is the sigmoid, from the same exponential.
static inline vec softplus(vec x, vec* slope = nullptr) {
  const vec e = exp(smaller(x, -x));
  if (slope) *slope = (x > vec{} ? splat(1.0f) : e) / (1.0f + e);
  const vec s = e / (2.0f + e), s2 = s * s;
  vec p = splat(0.14012234f);  // artanh(s) / s, the best of its degree up to a third, 5e-9 off
  p = p * s2 + 0.1399957f;
  p = p * s2 + 0.2001085f;
  p = p * s2 + 0.33333207f;
  p = p * s2 + 1.0f;
  return larger(vec{}, x) + 2.0f * s * p;
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
