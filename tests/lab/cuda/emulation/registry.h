/* The kernels of one library by their names, callable with the argument pointers of cuLaunchKernel. */
#ifndef FAKE_CUDA_REGISTRY_H
#define FAKE_CUDA_REGISTRY_H

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace fake {

struct Kernel {
    const char* name;
    void (*call)(void* function, void* const* arguments);
    void* function;
    std::vector<size_t> argument_bytes;
};

/* Defined once in each library of kernels; what cuModuleGetFunction looks in. */
extern "C" __attribute__((visibility("default"))) std::vector<Kernel>& fake_kernels();

template <typename... Arguments, size_t... I>
void call_with(void (*function)(Arguments...), void* const* arguments, std::index_sequence<I...>) {
    function(*static_cast<const std::remove_const_t<Arguments>*>(arguments[I])...);
}

template <typename... Arguments>
bool offer(const char* name, void (*function)(Arguments...)) {
    fake_kernels().push_back({name,
                              [](void* f, void* const* arguments) {
                                  call_with(reinterpret_cast<void (*)(Arguments...)>(f), arguments,
                                            std::index_sequence_for<Arguments...>{});
                              },
                              reinterpret_cast<void*>(function),
                              {sizeof(Arguments)...}});
    return true;
}

}  // namespace fake

#endif
