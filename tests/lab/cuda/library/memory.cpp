/* The devices' memory, pinned memory, and copies. */
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"

namespace {

constexpr uint64_t ALIGNMENT = 256;      /* of what cuMemAlloc gives */
constexpr unsigned char WATCHED = 0xa5;  /* between the end of an allocation and the next 256 bytes */

uint64_t page() { return uint64_t(sysconf(_SC_PAGESIZE)); }
uint64_t round_up(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

struct HostPiece {
    uint64_t size;
    Context* owner;
};
std::map<uint64_t, HostPiece>& host_memory = *new std::map<uint64_t, HostPiece>;

/* The first gap on the device that is large enough. */
bool place(Device& device, uint64_t size, uint64_t* cell) {
    std::sort(device.memory.begin(), device.memory.end(), [](auto& a, auto& b) { return a->cell < b->cell; });
    uint64_t at = uint64_t(device.model->number("context_memory")) * device.contexts.size();
    for (auto& memory : device.memory) {
        if (memory->cell >= at + size) break;
        at = std::max(at, memory->cell + round_up(memory->size, ALIGNMENT));
    }
    *cell = at;
    return at + size <= device.total();
}

/* The same pages twice: for kernels, between pages that nobody may touch, and for all else. The piece ends where its
 * pages end, so that what reads or writes behind it is seen at once. */
bool map_pages(Allocation& memory, uint64_t rounded) {
    const uint64_t bytes = round_up(rounded, page());
    int file = memfd_create("fake-cuda", 0);
    if (file < 0 || ftruncate(file, off_t(bytes)) != 0) return false;
    auto* room = static_cast<char*>(mmap(nullptr, bytes + 2 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    memory.pages = static_cast<char*>(mmap(room + page(), bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0));
    memory.alias_pages = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    close(file);
    memory.mapped = bytes;
    memory.address = reinterpret_cast<uint64_t>(memory.pages) + bytes - rounded;
    return true;
}

bool overrun(const Allocation& memory) {
    const uint64_t slack = round_up(memory.size, ALIGNMENT) - memory.size;
    const char* at = memory.alias(memory.address + memory.size);
    return std::any_of(at, at + slack, [](char byte) { return static_cast<unsigned char>(byte) != WATCHED; });
}

void unmap(Allocation& memory) {
    if (overrun(memory)) fprintf(stderr, "fake CUDA: something wrote behind an allocation of %lu bytes\n", memory.size);
    munmap(memory.pages - page(), memory.mapped + 2 * page());
    munmap(memory.alias_pages, memory.mapped);
}

/* `kept`: what must stay until the copy is done. */
CUresult copy(const char* name, const char* link, CUstream given, char* to, const char* from, uint64_t bytes, uint64_t target,
              std::shared_ptr<void> kept = nullptr) {
    CUresult code;
    Stream* stream = stream_of(given, &code);
    if (stream == nullptr) return code;
    submit(stream, {name, [to, from, bytes, kept] {
                        memmove(to, from, bytes);
                        return SUCCESS;
                    }, copy_seconds(*stream->context->device, link, bytes), {target}});
    return SUCCESS;
}

bool is_pinned(const void* host) {
    auto found = host_memory.upper_bound(reinterpret_cast<uint64_t>(host));
    return found != host_memory.begin() && reinterpret_cast<uint64_t>(host) < std::prev(found)->first + std::prev(found)->second.size;
}

CUresult wait_for(Locked& locked, CUstream given) {
    CUresult code;
    Stream* stream = stream_of(given, &code);
    return stream == nullptr ? code : wait_idle(locked, stream->context, stream);
}

/* From memory that is not pinned: after all before it in the stream it is put aside, and the call ends, whether or not
 * it has arrived ("API synchronization behavior"). Streams that do not wait for this one may still find the old. */
CUresult copy_put_aside(Locked& locked, CUstream stream, Allocation* memory, CUdeviceptr to, const void* from, size_t bytes) {
    if (CUresult code = wait_for(locked, stream)) return code;
    auto aside = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    return copy("copy_to_device", "link_rate", stream, memory->alias(to), aside->data(), bytes, to, aside);
}

}  // namespace

uint64_t Device::used() const {
    uint64_t bytes = uint64_t(model->number("context_memory")) * contexts.size() + uint64_t(model->number("used"));
    for (auto& piece : memory) bytes += round_up(piece->size, ALIGNMENT);
    return bytes;
}

Allocation* find_memory(uint64_t address, uint64_t size) {
    for (auto& device : devices)
        for (auto& memory : device->memory)
            if (address >= memory->address && address + size <= memory->address + memory->size) return memory.get();
    return nullptr;
}

/* What kernels of this context may not touch: other devices' memory that was not made reachable. */
void take_away_from(const Context& kernel_of) {
    for (auto& device : devices)
        for (auto& memory : device->memory)
            if (memory->owner != &kernel_of && memory->owner->device != kernel_of.device && !kernel_of.reachable.count(memory->owner))
                mprotect(memory->pages, memory->mapped, PROT_NONE);
}

void give_back_all() {
    for (auto& device : devices)
        for (auto& memory : device->memory) mprotect(memory->pages, memory->mapped, PROT_READ | PROT_WRITE);
}

void free_all(Context* context) {
    auto& all = context->device->memory;
    for (auto& memory : all)
        if (memory->owner == context) unmap(*memory);
    all.erase(std::remove_if(all.begin(), all.end(), [&](auto& memory) { return memory->owner == context; }), all.end());
}

EXPORT cuMemGetInfo_v2(size_t* free, size_t* total) {
    if (CUresult code = begin_here("cuMemGetInfo_v2")) return code;
    if (free == nullptr || total == nullptr) return INVALID_VALUE;
    Locked locked(lock);
    *total = current->device->total();
    *free = *total - std::min<uint64_t>(*total, current->device->used());
    return SUCCESS;
}

EXPORT cuMemAlloc_v2(CUdeviceptr* found, size_t bytes) {
    if (CUresult code = begin_here("cuMemAlloc_v2")) return code;
    if (found == nullptr || bytes == 0) return INVALID_VALUE;
    Locked locked(lock);
    Device& device = *current->device;
    const uint64_t rounded = round_up(bytes, ALIGNMENT);
    const uint64_t withheld = uint64_t(device.model->number("withheld"));
    auto memory = std::make_unique<Allocation>();
    if (device.used() + rounded + withheld > device.total() || !place(device, rounded, &memory->cell)) return OUT_OF_MEMORY;
    memory->size = bytes;
    memory->owner = current;
    if (!map_pages(*memory, rounded)) return OUT_OF_MEMORY;
    memset(memory->alias(memory->address), 0xcd, bytes); /* what was left there; never zeros */
    memset(memory->alias(memory->address + bytes), WATCHED, rounded - bytes);
    *found = memory->address;
    device.memory.push_back(std::move(memory));
    return SUCCESS;
}

EXPORT cuMemFree_v2(CUdeviceptr address) {
    if (CUresult code = begin_here("cuMemFree_v2")) return code;
    Locked locked(lock);
    Allocation* memory = find_memory(address, 1);
    if (memory == nullptr || memory->address != address) return INVALID_VALUE;
    if (CUresult code = wait_idle(locked, memory->owner, nullptr)) return code;
    const bool spoilt = overrun(*memory);
    unmap(*memory);
    auto& all = memory->owner->device->memory;
    all.erase(std::find_if(all.begin(), all.end(), [&](auto& piece) { return piece.get() == memory; }));
    if (spoilt) return current->dead = ILLEGAL_ADDRESS;
    return SUCCESS;
}

EXPORT cuMemHostAlloc(void** found, size_t bytes, unsigned flags) {
    if (CUresult code = begin_here("cuMemHostAlloc")) return code;
    if (found == nullptr || bytes == 0 || flags > 7) return INVALID_VALUE;
    Locked locked(lock);
    void* at = mmap(nullptr, round_up(bytes, page()), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return OUT_OF_MEMORY;
    host_memory[reinterpret_cast<uint64_t>(at)] = {round_up(bytes, page()), current};
    *found = at;
    return SUCCESS;
}

EXPORT cuMemFreeHost(void* at) {
    if (CUresult code = begin_here("cuMemFreeHost")) return code;
    Locked locked(lock);
    auto found = host_memory.find(reinterpret_cast<uint64_t>(at));
    if (found == host_memory.end()) return INVALID_VALUE;
    if (CUresult code = wait_idle(locked, current, nullptr)) return code;
    munmap(at, found->second.size);
    host_memory.erase(found);
    return SUCCESS;
}

EXPORT cuMemHostGetDevicePointer_v2(CUdeviceptr* found, void* at, unsigned flags) {
    if (CUresult code = begin_here("cuMemHostGetDevicePointer_v2")) return code;
    if (found == nullptr || flags != 0) return INVALID_VALUE;
    Locked locked(lock);
    auto piece = host_memory.upper_bound(reinterpret_cast<uint64_t>(at));
    if (piece == host_memory.begin() || reinterpret_cast<uint64_t>(at) >= std::prev(piece)->first + std::prev(piece)->second.size) return INVALID_VALUE;
    *found = reinterpret_cast<uint64_t>(at);
    return SUCCESS;
}

EXPORT cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
    if (CUresult code = begin_here("cuMemcpyHtoDAsync_v2")) return code;
    Locked locked(lock);
    Allocation* memory = find_memory(to, bytes);
    if (memory == nullptr || from == nullptr) return INVALID_VALUE;
    if (!is_pinned(from)) return copy_put_aside(locked, stream, memory, to, from, bytes);
    return copy("copy_to_device", "link_rate", stream, memory->alias(to), static_cast<const char*>(from), bytes, to);
}

EXPORT cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    if (CUresult code = begin_here("cuMemcpyDtoHAsync_v2")) return code;
    Locked locked(lock);
    Allocation* memory = find_memory(from, bytes);
    if (memory == nullptr || to == nullptr) return INVALID_VALUE;
    CUresult code = copy("copy_to_host", "link_rate", stream, static_cast<char*>(to), memory->alias(from), bytes, 0);
    return code || is_pinned(to) ? code : wait_for(locked, stream);
}

EXPORT cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
    if (CUresult code = cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr)) return code;
    Locked locked(lock);
    return is_pinned(from) ? wait_for(locked, nullptr) : SUCCESS;
}

EXPORT cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
    if (CUresult code = cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr)) return code;
    Locked locked(lock);
    return wait_for(locked, nullptr);
}

EXPORT cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    if (CUresult code = begin_here("cuMemcpyDtoDAsync_v2")) return code;
    Locked locked(lock);
    Allocation *target = find_memory(to, bytes), *source = find_memory(from, bytes);
    if (target == nullptr || source == nullptr) return INVALID_VALUE;
    return copy("copy_on_device", "memory_rate", stream, target->alias(to), source->alias(from), bytes, to);
}

EXPORT cuMemcpyPeerAsync(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t bytes, CUstream stream) {
    if (CUresult code = begin_here("cuMemcpyPeerAsync")) return code;
    Locked locked(lock);
    Allocation *target = find_memory(to, bytes), *source = find_memory(from, bytes);
    if (target == nullptr || source == nullptr) return INVALID_VALUE;
    const bool direct = target->owner->reachable.count(source->owner) || source->owner->reachable.count(target->owner);
    return copy("copy_to_peer", direct ? "peer_rate" : "link_rate", stream, target->alias(to), source->alias(from), bytes, to);
}

namespace {
template <typename Word>
CUresult fill(CUdeviceptr to, Word value, size_t count, CUstream given) {
    Locked locked(lock);
    Allocation* memory = find_memory(to, count * sizeof(Word));
    if (memory == nullptr || to % sizeof(Word) != 0) return INVALID_VALUE;
    CUresult code;
    Stream* stream = stream_of(given, &code);
    if (stream == nullptr) return code;
    auto* at = reinterpret_cast<Word*>(memory->alias(to));
    submit(stream, {"fill", [at, value, count] {
                        std::fill(at, at + count, value);
                        return SUCCESS;
                    }, copy_seconds(*stream->context->device, "memory_rate", count * sizeof(Word)), {to}});
    return SUCCESS;
}
}  // namespace

EXPORT cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
    if (CUresult code = begin_here("cuMemsetD8Async")) return code;
    return fill<unsigned char>(to, value, count, stream);
}

EXPORT cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
    if (CUresult code = begin_here("cuMemsetD32Async")) return code;
    return fill<unsigned>(to, value, count, stream);
}
