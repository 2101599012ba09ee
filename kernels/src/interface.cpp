// The C interface: checks, then the widest instruction set that this processor has.
#include "unetzoo_kernels.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "merges.h"
#include "parallel.h"
#include "scan.h"
#include "squeeze.h"
#include "ssd.h"

namespace unetzoo {
namespace {

enum class Isa { baseline, avx2, avx512 };

Isa best() {
#if defined(__x86_64__)
  const char* wanted = std::getenv("UNETZOO_ISA");
  const bool any = !wanted || !*wanted;
  if (__builtin_cpu_supports("avx512f") && (any || !std::strcmp(wanted, "avx512"))) return Isa::avx512;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && (any || std::strcmp(wanted, "baseline"))) return Isa::avx2;
#endif
  return Isa::baseline;
}

const Isa isa = best();

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
std::atomic<Parallel> others{nullptr};

struct Work {
  std::atomic<int64_t> next{0};
  int64_t items;
  Item go;
  void* data;
};

// Numbers too small to be normal are zero while this lives: they are a hundred times slower than others, and
// a state that fades away would pass through them.
struct FlushToZero {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
  FlushToZero() { _mm_setcsr(before | 0x8040); }
  ~FlushToZero() { _mm_setcsr(before); }
#endif
};

void take(void* data) {
  const FlushToZero while_working;
  Work& work = *static_cast<Work*>(data);
  for (int64_t item; (item = work.next.fetch_add(1)) < work.items;) work.go(work.data, item);
}

bool sensible(const unetzoo_scan* s) {
  if (!s || !s->u || !s->A || !s->B || !s->C || s->rank < 0 || s->rank > 4096) return false;
  if (s->rank ? !s->low || !s->expand || s->groups != 1 : !s->delta) return false;
  if (s->batch < 0 || s->length < 1 || s->groups < 1 || s->width < 1 || s->threads < 1) return false;
  if (s->state < 1 || s->state > 4096 || s->steps < 1 || s->steps > 4096) return false;
  if (s->row < s->groups * s->state || s->row < s->rank) return false;
  return s->fast >= 1 && s->apart >= 1 && s->length % (s->fast * s->apart) == 0;
}

bool sensible(const unetzoo_ssd* s) {
  if (!s || !s->u || !s->delta || !s->A || !s->B || !s->C || s->batch < 0 || s->threads < 1) return false;
  if (s->length < 1 || s->heads < 1 || s->channels < 1 || s->state < 1 || s->state > 4096) return false;
  return s->steps >= 1 && s->steps <= 4096 && s->steps % UNETZOO_SSD_CHUNK == 0;
}

bool within(const int32_t* indices, int64_t count, int64_t end) {
  for (int64_t i = 0; i < count; ++i)
    if (indices[i] < 0 || indices[i] >= end) return false;
  return true;
}

bool sensible(const unetzoo_waves* w) {
  if (!w || !w->x || !w->along_rows || !w->along_columns || !w->mean_wave) return false;
  if (!w->row_wave || !w->column_wave || w->maps < 0 || w->rows < 1 || w->threads < 1) return false;
  if (w->columns < 1 || w->columns > INT32_MAX || w->waves < 1 || w->waves > 4096) return false;
  if (w->row_waves < 1 || w->row_waves > 4096 || w->column_waves < 1) return false;
  return within(w->row_wave, w->waves, w->row_waves) && within(w->column_wave, w->waves, w->column_waves);
}

bool sensible(const unetzoo_maps& size, int32_t threads) {
  return size.batch >= 0 && size.channels >= 1 && size.pixels >= 1 && threads >= 1;
}

bool sensible(const unetzoo_mfms* m) {
  return m && m->pixels && m->skip && m->gate && m->whole && sensible(m->size, m->threads);
}

bool all_there(const float* const* maps, int32_t count) {
  for (int32_t k = 0; k < count; ++k)
    if (!maps[k]) return false;
  return true;
}

bool sensible(const unetzoo_sk* s) {
  if (!s || !s->maps || !s->weights || s->count < 2 || s->count > 4) return false;
  return all_there(s->maps, s->count) && sensible(s->size, s->threads);
}

// Whether every vector of columns, of any instruction set, comes from as many neighbours.
bool come_from_neighbours(const int32_t* from, int64_t columns) {
  for (int64_t lanes : {4, 8, 16})
    for (int64_t i = 0; i < 2 * columns; ++i) {
      const int64_t away = from[i] - from[i / 2 / lanes * lanes * 2];
      if (away < 0 || away >= lanes) return false;
    }
  return true;
}

bool sensible(const unetzoo_gate* g) {
  if (!g || !g->skip || !(g->theta || g->project) || !g->signal || !g->psi || !g->bias) return false;
  if (!g->row_from || !g->column_from || !g->row_weight || !g->column_weight) return false;
  if (!sensible(g->size, g->threads) || g->inner_channels < 1 || g->ways < 1 || g->ways > 4) return false;
  if (g->rows < 1 || g->columns < 1 || g->rows * g->columns != g->size.pixels) return false;
  if (g->coarse_rows < 1 || g->coarse_columns < 1) return false;
  return within(g->row_from, g->rows * g->ways, g->coarse_rows) &&
         within(g->column_from, 2 * g->columns, g->coarse_columns) &&
         come_from_neighbours(g->column_from, g->columns);
}

}  // namespace

void parallel_for(int64_t items, int threads, Item go, void* data) {
  Work work;
  work.items = items;
  work.go = go;
  work.data = data;
  const int64_t useful = threads < items ? threads : items;
  if (useful <= 1) return take(&work);
  if (Parallel run = others.load()) return run(take, &work, static_cast<unsigned>(useful), 0);
  std::vector<std::thread> pool;
  for (int64_t i = 1; i < useful; ++i) pool.emplace_back(take, &work);
  take(&work);
  for (auto& thread : pool) thread.join();
}

}  // namespace unetzoo

using namespace unetzoo;

#if defined(__x86_64__)
#define UNETZOO_DISPATCH(call)            \
  switch (isa) {                          \
    case Isa::avx512: avx512::call; break; \
    case Isa::avx2: avx2::call; break;     \
    default: baseline::call;              \
  }
#else
#define UNETZOO_DISPATCH(call) baseline::call
#endif

extern "C" {

int32_t unetzoo_abi(void) { return 5; }

const char* unetzoo_isa(void) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

void unetzoo_use_threads_of(void* gomp_parallel) { others = reinterpret_cast<Parallel>(gomp_parallel); }

int32_t unetzoo_scan_forward(const unetzoo_scan* scan, float* y, float* starts) {
  if (!sensible(scan) || !y || !starts) return -1;
  UNETZOO_DISPATCH(scan_forward(*scan, y, starts));
  return 0;
}

int32_t unetzoo_scan_backward(const unetzoo_scan* scan, const float* dy, const float* starts,
                              const unetzoo_scan_gradients* gradients) {
  if (!sensible(scan) || !dy || !starts || !gradients) return -1;
  const unetzoo_scan_gradients& g = *gradients;
  if (g.parts < 1 || !g.u || !g.A || !g.B || !g.C) return -1;
  if (scan->rank ? !g.low || !g.expand : !g.delta) return -1;
  if ((scan->z && !g.z) || (scan->D && !g.D) || (scan->bias && !g.bias)) return -1;
  UNETZOO_DISPATCH(scan_backward(*scan, dy, starts, g));
  return 0;
}

int32_t unetzoo_ssd_forward(const unetzoo_ssd* ssd, float* y, float* starts) {
  if (!sensible(ssd) || !y || !starts) return -1;
  UNETZOO_DISPATCH(ssd_forward(*ssd, y, starts));
  return 0;
}

int32_t unetzoo_ssd_backward(const unetzoo_ssd* ssd, const float* dy, const float* starts,
                             const unetzoo_ssd_gradients* gradients) {
  if (!sensible(ssd) || !dy || !starts || !gradients) return -1;
  const unetzoo_ssd_gradients& g = *gradients;
  if (g.parts < 1 || g.parts > ssd->heads || !g.u || !g.delta || !g.A || !g.B || !g.C) return -1;
  if ((ssd->D && !g.D) || (ssd->bias && !g.bias)) return -1;
  UNETZOO_DISPATCH(ssd_backward(*ssd, dy, starts, g));
  return 0;
}

int32_t unetzoo_wave_statistics_forward(const unetzoo_waves* waves, float* statistics, int32_t* at) {
  if (!sensible(waves) || !statistics || !at) return -1;
  UNETZOO_DISPATCH(wave_statistics_forward(*waves, statistics, at));
  return 0;
}

int32_t unetzoo_wave_statistics_backward(const unetzoo_waves* waves, const float* dstatistics,
                                         const int32_t* at, float* dx) {
  if (!sensible(waves) || !dstatistics || !at || !dx) return -1;
  if (!within(at, 2 * waves->maps * waves->waves, waves->columns)) return -1;
  UNETZOO_DISPATCH(wave_statistics_backward(*waves, dstatistics, at, dx));
  return 0;
}

int32_t unetzoo_mfms_forward(const unetzoo_mfms* mfms, float* out) {
  if (!sensible(mfms) || !out) return -1;
  UNETZOO_DISPATCH(mfms_forward(*mfms, out));
  return 0;
}

int32_t unetzoo_mfms_backward(const unetzoo_mfms* mfms, const float* dout,
                              const unetzoo_mfms_gradients* gradients) {
  if (!sensible(mfms) || !dout || !gradients) return -1;
  if (!gradients->pixels || !gradients->skip || !gradients->gate || !gradients->whole) return -1;
  UNETZOO_DISPATCH(mfms_backward(*mfms, dout, *gradients));
  return 0;
}

int32_t unetzoo_sk_forward(const unetzoo_sk* sk, float* out) {
  if (!sensible(sk) || !out) return -1;
  UNETZOO_DISPATCH(sk_forward(*sk, out));
  return 0;
}

int32_t unetzoo_sk_backward(const unetzoo_sk* sk, const float* dout, float* const* dmaps, float* dweights) {
  if (!sensible(sk) || !dout || !dmaps || !dweights || !all_there(dmaps, sk->count)) return -1;
  UNETZOO_DISPATCH(sk_backward(*sk, dout, dmaps, dweights));
  return 0;
}

int32_t unetzoo_gate_forward(const unetzoo_gate* gate, float* out) {
  if (!sensible(gate) || !out) return -1;
  UNETZOO_DISPATCH(gate_forward(*gate, out));
  return 0;
}

int32_t unetzoo_gate_backward(const unetzoo_gate* gate, const float* dout,
                              const unetzoo_gate_gradients* gradients) {
  if (!sensible(gate) || gate->project || !dout || !gradients) return -1;
  const unetzoo_gate_gradients& to = *gradients;
  if (!to.skip || !to.theta || !to.signal || !to.psi || !to.bias) return -1;
  UNETZOO_DISPATCH(gate_backward(*gate, dout, to));
  return 0;
}
}
