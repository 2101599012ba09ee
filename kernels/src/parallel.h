// Work items over threads. Which thread takes which item is left open, so items never share an output.
#pragma once
#include <cstdint>

namespace unetzoo {

// A plain pointer, not std::function: its code would exist once per instruction set under one name.
using Item = void (*)(void* data, int64_t item);
void parallel_for(int64_t items, int threads, Item go, void* data);

template <typename Do>
void parallel_for(int64_t items, int threads, Do& go) {
  parallel_for(
      items, threads, [](void* data, int64_t item) { (*static_cast<Do*>(data))(item); }, &go);
}

}  // namespace unetzoo
