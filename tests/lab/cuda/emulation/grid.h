/* The threads of a kernel, on one thread of the CPU.
 *
 * Each CUDA thread is a fiber: it runs until it must wait for others (a barrier, a warp's common instruction, an
 * mbarrier), then the next one runs. Blocks run one after another; the blocks of a cluster run together. Nothing here
 * is fast; everything is in a fixed order, so a run can be repeated.
 */
#ifndef FAKE_CUDA_GRID_H
#define FAKE_CUDA_GRID_H

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#define FAKE_API __attribute__((visibility("default")))

struct uint3 {
    unsigned x, y, z;
};
using dim3 = uint3;

namespace fake {

constexpr unsigned WARP = 32, WARPGROUP_WARPS = 4;
enum { ILLEGAL_ADDRESS = 700, MISALIGNED = 716, WRONG_SPACE = 717, LAUNCH_FAILED = 719 }; /* CUresult: cuda.h */
constexpr unsigned SHARED_BASE = 1024;  // what the hardware keeps for itself at the start of the window
constexpr unsigned RANK_SHIFT = 24;     // shared::cluster addresses have the block's rank above the offset

struct Block;

/* The lanes of a warp, when they do one thing together: the last one to come does it for all. */
struct Group {
    void* slots[WARP] = {};
    unsigned size = 0, arrived = 0;
    uint64_t turn = 0;
    const char* what = nullptr;
};

/* Work that the hardware does in its own time, in groups that a thread commits and waits for. */
struct FAKE_API Groups {
    using Work = std::function<void()>;
    std::vector<Work> open;
    std::vector<std::vector<Work>> committed;

    void add(Work work, bool at_once);
    void commit() {
        committed.push_back(std::move(open));
        open.clear();
    }
    void wait(unsigned newest);
    bool empty() const;
};

struct Thread {
    uint3 index{};
    unsigned number = 0;
    Block* block = nullptr;
    void* stack = nullptr;
    void* stack_pointer = nullptr;
    bool done = false;
    bool (*ready)(const void*) = nullptr;
    const void* ready_of = nullptr;
    const char* waits_for = nullptr;
    Groups copies, stores;
    uint64_t clock = 0;

    unsigned lane() const { return number % WARP; }
};

struct Mbarrier {
    unsigned expected, pending;
    int64_t bytes;
    uint64_t phase;
};

struct Barrier {
    unsigned arrived = 0;
    uint64_t turn = 0;
};

struct Block {
    uint3 index{};
    unsigned rank = 0;
    unsigned char* shared = nullptr;
    unsigned shared_bytes = 0;
    std::vector<Thread*> threads;
    std::vector<Group> warps;
    std::vector<Groups> products;        /* wgmma, of each warp */
    std::vector<unsigned> product_count; /* all warps of a warpgroup must issue the same */
    std::vector<char> fenced;
    Barrier barrier;
    std::map<unsigned, Mbarrier> mbarriers;
    unsigned live = 0;
};

struct Launch {
    uint3 grid{1, 1, 1}, block{1, 1, 1}, cluster{1, 1, 1};
    unsigned shared_bytes = 0;
    unsigned multiprocessors = 1;
    /* Two extremes of what the hardware may do. Early: copies are done at once, products when they are waited for, and the
     * last thread runs first. Otherwise copies when they are waited for, products at once, and the first thread first. */
    bool early = false;
    int fp8_bits = 0;     // fraction bits that fp8 products keep below the largest addend; 0: all
};

/* Runs every block; gives a CUresult: 0, or what killed the kernel. One at a time in a process. */
FAKE_API int run(const Launch& launch, const std::function<void()>& kernel);

/* For kernels and the instructions in ptx.cuh. */
FAKE_API extern Thread* running;
inline Thread& self() { return *running; }
FAKE_API const Launch& launch();
FAKE_API Block& block_of_rank(unsigned rank);
FAKE_API unsigned cluster_number();
Barrier& whole_cluster();
size_t threads_of_cluster();
FAKE_API unsigned multiprocessor();
/* The blocks of a kernel run one after another here, but at once on a GPU: only the first block's time is real, the
 * others start at the same moment as it did and see time pass by what they sleep and ask. */
FAKE_API uint64_t timer();
FAKE_API void sleep(uint64_t nanoseconds);
FAKE_API void wait_until(bool (*ready)(const void*), const void* of, const char* what);
FAKE_API void yield();
FAKE_API void in_own_time(std::function<void()> work); /* the copy engine: when nobody else can go on */
[[noreturn]] FAKE_API void fault(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));

/* The start of `bytes` bytes of shared memory at an address as instructions take it. */
FAKE_API unsigned char* shared_at(unsigned address, unsigned bytes, unsigned alignment, const char* what);
FAKE_API unsigned shared_number(const void* pointer);

FAKE_API void block_barrier();
FAKE_API void cluster_barrier();
FAKE_API void* const* arrive(Group& group, const char* what, void* mine);
FAKE_API void leave(Group& group);
FAKE_API Group& warp();

FAKE_API void mbarrier_init(unsigned address, unsigned count);
FAKE_API void mbarrier_arrive(unsigned address, int64_t expect_bytes);
FAKE_API void mbarrier_complete(unsigned address, int64_t bytes);
FAKE_API void mbarrier_wait(unsigned address, unsigned parity);

/* All threads of a group come with their own `mine`; `act` gets everybody's, once. */
template <typename Mine, typename Act>
void together(Group& group, const char* what, Mine& mine, Act&& act) {
    if (void* const* all = arrive(group, what, &mine)) {
        act(reinterpret_cast<Mine* const*>(all));
        leave(group);
    }
}

}  // namespace fake

#endif
