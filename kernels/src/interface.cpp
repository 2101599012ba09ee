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

bool sensible(const ScanSizes& s) {
  return s.batch >= 0 && s.length >= 1 && s.groups >= 1 && s.width >= 1 && s.state >= 1 && s.state <= 256 &&
         s.steps >= 1 && s.steps <= 4096 && s.threads >= 1;
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

int32_t unetzoo_abi(void) { return 1; }

const char* unetzoo_isa(void) {
  return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

void unetzoo_use_threads_of(void* gomp_parallel) { others = reinterpret_cast<Parallel>(gomp_parallel); }

int32_t unetzoo_scan_forward(const float* u, const float* delta, const float* A, const float* B, const float* C,
                             float* y, float* starts, int64_t batch, int64_t length, int64_t groups,
                             int64_t width, int64_t state, int64_t steps, int32_t reverse, int32_t threads) {
  const ScanSizes sizes{batch, length, groups, width, state, steps, reverse != 0, threads};
  if (!u || !delta || !A || !B || !C || !y || !starts || !sensible(sizes)) return -1;
  const ScanInputs in{u, delta, A, B, C};
  UNETZOO_DISPATCH(scan_forward(in, y, starts, sizes));
  return 0;
}

int32_t unetzoo_scan_backward(const float* dy, const float* u, const float* delta, const float* A,
                              const float* B, const float* C, const float* starts, float* du, float* ddelta,
                              float* dA, float* dB, float* dC, int64_t parts, int64_t batch, int64_t length,
                              int64_t groups, int64_t width, int64_t state, int64_t steps, int32_t reverse,
                              int32_t threads) {
  const ScanSizes sizes{batch, length, groups, width, state, steps, reverse != 0, threads};
  if (!dy || !u || !delta || !A || !B || !C || !starts || !du || !ddelta || !dA || !dB || !dC) return -1;
  if (parts < 1 || !sensible(sizes)) return -1;
  const ScanInputs in{u, delta, A, B, C};
  UNETZOO_DISPATCH(scan_backward(in, dy, starts, {du, ddelta, dA, dB, dC, parts}, sizes));
  return 0;
}
}
