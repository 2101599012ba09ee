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

#include "parallel.h"
#include "scan.h"

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
  if (!s || !s->u || !s->delta || !s->A || !s->B || !s->C) return false;
  if (s->batch < 0 || s->length < 1 || s->groups < 1 || s->width < 1 || s->threads < 1) return false;
  if (s->state < 1 || s->state > 256 || s->steps < 1 || s->steps > 4096) return false;
  return s->fast >= 1 && s->apart >= 1 && s->length % (s->fast * s->apart) == 0;
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

int32_t unetzoo_abi(void) { return 2; }

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
  if (g.parts < 1 || !g.u || !g.delta || !g.A || !g.B || !g.C) return -1;
  if ((scan->z && !g.z) || (scan->D && !g.D) || (scan->bias && !g.bias)) return -1;
  UNETZOO_DISPATCH(scan_backward(*scan, dy, starts, g));
  return 0;
}
}
