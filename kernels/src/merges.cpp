// Merges of a skip with the decoder: each map is read once and written once. Compiled once per instruction set.
#include "merges.h"

#include <algorithm>
#include <array>
#include <vector>

#include "maps.h"
#include "parallel.h"

namespace unetzoo {
namespace UNETZOO_ISA_NAME {
namespace {

// numbers that are worth handing to another thread
constexpr int64_t grain = 1 << 14;
// vectors that are added up before they join others, so that long sums keep their digits
constexpr int64_t stretch = 64;

template <int kinds>
using Terms = std::array<vec, kinds>;

template <int kinds>
inline void add(Terms<kinds>& to, const Terms<kinds>& terms) {
  for (int k = 0; k < kinds; ++k) to[k] += terms[k];
}

// terms(kind of layout, channel, count) makes what is called with every vector of that channel, or of those
// channels: each(place, count), whose results are summed over the pixels of every channel.
template <int kinds, typename Make>
void over_planes(const unetzoo_maps& m, int32_t threads, float* sums, const Make& terms) {
  const int64_t planes = m.batch * m.channels, some = std::max<int64_t>(1, grain / m.pixels);
  auto work = [&](int64_t item) {
    for (int64_t plane = item * some; plane < std::min(planes, (item + 1) * some); ++plane) {
      const auto each = terms(std::false_type{}, plane, 1);
      Terms<kinds> all{};
      for (int64_t from = 0; from < m.pixels; from += stretch * lanes) {
        Terms<kinds> part{};
        vectors(from, std::min(m.pixels, from + stretch * lanes),
                [&](int64_t i, auto count) { add<kinds>(part, each(plane * m.pixels + i, count)); });
        add<kinds>(all, part);
      }
      for (int k = 0; k < kinds; ++k) sums[k * planes + plane] = total(all[k]);
    }
  };
  parallel_for((planes + some - 1) / some, threads, work);
}

// The same where the channels of a pixel are neighbours.
template <int kinds, typename Make>
void over_pixels(const unetzoo_maps& m, int32_t threads, float* sums, const Make& terms) {
  const int64_t planes = m.batch * m.channels, blocks = (m.channels + lanes - 1) / lanes;
  const int64_t some = std::max<int64_t>(1, grain / m.channels), runs = (m.pixels + some - 1) / some;
  std::vector<float> partial(runs * kinds * planes);
  auto work = [&](int64_t item) {
    const int64_t b = item / runs, run = item % runs;
    std::vector<Terms<kinds>> all(blocks, Terms<kinds>{});
    for (int64_t p = run * some; p < std::min(m.pixels, (run + 1) * some); ++p)
      vectors(0, m.channels, [&](int64_t c, auto count) {
        const auto each = terms(std::true_type{}, b * m.channels + c, count);
        add<kinds>(all[c / lanes], each((b * m.pixels + p) * m.channels + c, count));
      });
    for (int k = 0; k < kinds; ++k)
      vectors(0, m.channels, [&](int64_t c, auto count) {
        store(&partial[(run * kinds + k) * planes + b * m.channels + c], all[c / lanes][k], count);
      });
  };
  parallel_for(m.batch * runs, threads, work);
  std::fill(sums, sums + kinds * planes, 0.0f);
  for (int64_t run = 0; run < runs; ++run)
    for (int64_t i = 0; i < kinds * planes; ++i) sums[i] += partial[run * kinds * planes + i];
}

template <int kinds, typename Make>
void over_maps(const unetzoo_maps& m, int32_t threads, float* sums, const Make& terms) {
  if (m.channels_last)
    over_pixels<kinds>(m, threads, sums, terms);
  else
    over_planes<kinds>(m, threads, sums, terms);
}

// A weight for each of some maps, and their places: values, which no store can change.
template <int kinds>
struct Weighed {
  std::array<const float*, kinds> maps;
  Terms<kinds> weights;
};

template <int kinds, bool last, typename Count>
Weighed<kinds> weighed(const unetzoo_sk& s, int64_t channel, Count count) {
  Weighed<kinds> out;
  for (int k = 0; k < kinds; ++k) {
    out.maps[k] = s.maps[k];
    out.weights[k] = of_channel<last>(s.weights + k * s.size.batch * s.size.channels + channel, count);
  }
  return out;
}

template <int kinds>
void sk_forward_of(const unetzoo_sk& s, float* out) {
  over_maps<0>(s.size, s.threads, nullptr, [&](auto last, int64_t channel, auto neighbours) {
    return [w = weighed<kinds, last.value>(s, channel, neighbours), out](int64_t at, auto count) {
      vec sum = load(w.maps[0] + at, count) * w.weights[0];
      for (int k = 1; k < kinds; ++k) sum += load(w.maps[k] + at, count) * w.weights[k];
      store(out + at, sum, count);
      return Terms<0>{};
    };
  });
}

template <int kinds>
void sk_backward_of(const unetzoo_sk& s, const float* dout, float* const* dmaps, float* dweights) {
  std::array<float*, kinds> to;
  std::copy(dmaps, dmaps + kinds, to.begin());
  over_maps<kinds>(s.size, s.threads, dweights, [&](auto last, int64_t channel, auto neighbours) {
    return [w = weighed<kinds, last.value>(s, channel, neighbours), to, dout](int64_t at, auto count) {
      const vec d = load(dout + at, count);
      Terms<kinds> dot;
      for (int k = 0; k < kinds; ++k) {
        dot[k] = d * load(w.maps[k] + at, count);
        store(to[k] + at, d * w.weights[k], count);
      }
      return dot;
    };
  });
}

}  // namespace

void mfms_forward(const unetzoo_mfms& m, float* out) {
  over_maps<0>(m.size, m.threads, nullptr, [&](auto last, int64_t channel, auto neighbours) {
    const vec whole = of_channel<last.value>(m.whole + channel, neighbours);
    return [m = m, whole, out](int64_t at, auto count) {
      const vec open = sigmoid(load(m.pixels + at, count) + whole);
      const vec skip = load(m.skip + at, count), gate = load(m.gate + at, count);
      // exactly the sum where the weights are a half and the gain is 2
      store(out + at, m.gain * (open * skip + (1.0f - open) * gate), count);
      return Terms<0>{};
    };
  });
}

void mfms_backward(const unetzoo_mfms& m, const float* dout, const unetzoo_mfms_gradients& grads) {
  over_maps<1>(m.size, m.threads, grads.whole, [&](auto last, int64_t channel, auto neighbours) {
    const vec whole = of_channel<last.value>(m.whole + channel, neighbours);
    return [m = m, to = grads, whole, dout](int64_t at, auto count) {
      const vec open = sigmoid(load(m.pixels + at, count) + whole), d = m.gain * load(dout + at, count);
      const vec skip = load(m.skip + at, count), gate = load(m.gate + at, count);
      const vec dpixels = d * (skip - gate) * open * (1.0f - open);
      store(to.skip + at, d * open, count);
      store(to.gate + at, d * (1.0f - open), count);
      store(to.pixels + at, dpixels, count);
      return Terms<1>{dpixels};
    };
  });
}

void sk_forward(const unetzoo_sk& s, float* out) {
  switch (s.count) {
    case 2: return sk_forward_of<2>(s, out);
    case 3: return sk_forward_of<3>(s, out);
    default: return sk_forward_of<4>(s, out);
  }
}

void sk_backward(const unetzoo_sk& s, const float* dout, float* const* dmaps, float* dweights) {
  switch (s.count) {
    case 2: return sk_backward_of<2>(s, dout, dmaps, dweights);
    case 3: return sk_backward_of<3>(s, dout, dmaps, dweights);
    default: return sk_backward_of<4>(s, dout, dmaps, dweights);
  }
}

}  // namespace UNETZOO_ISA_NAME
}  // namespace unetzoo
