#include "grid.h"

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <deque>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fiber.h"

namespace fake {

Thread* running = nullptr;

namespace {

constexpr size_t STACK = 256 << 10;
constexpr unsigned char UNSET = 0xff; /* not a number in every floating-point type */

struct Runner {
    const Launch* launch = nullptr;
    const std::function<void()>* kernel = nullptr;
    std::vector<std::unique_ptr<Block>> blocks;
    std::vector<std::unique_ptr<Thread>> threads;
    std::deque<std::function<void()>> engine;
    unsigned cluster = 0;
    uint64_t start = 0;
    void* home = nullptr;
    sigjmp_buf escape;
    Barrier together;
    unsigned live = 0;
};

Runner* runner = nullptr;
pthread_t runner_thread;

uint64_t real_time() {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return uint64_t(now.tv_sec) * 1000000000 + uint64_t(now.tv_nsec);
}

void on_bad_access(int signal, siginfo_t* info, void*) {
    if (runner != nullptr && running != nullptr && pthread_equal(pthread_self(), runner_thread))
        fault(ILLEGAL_ADDRESS, "a thread touched %p, which is not its memory", info->si_addr);
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
}

void catch_bad_accesses() {
    static bool done = [] {
        struct sigaction action {};
        action.sa_sigaction = on_bad_access;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigaction(SIGSEGV, &action, nullptr);
        sigaction(SIGBUS, &action, nullptr);
        return true;
    }();
    (void)done;
}

void start_of_fiber() {
    (*runner->kernel)();
    Thread& me = *running;
    if (!me.copies.empty()) fault(LAUNCH_FAILED, "a thread ended before its asynchronous copies were waited for");
    if (!me.stores.empty()) fault(LAUNCH_FAILED, "a thread ended before its bulk stores had read shared memory");
    me.done = true;
    me.block->live--;
    runner->live--;
    void* unused;
    fake_switch(&unused, runner->home);
}

size_t page_up(size_t bytes) {
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

/* Shared memory ends where a page ends that nobody may touch; the rest of its last page is watched. */
unsigned char* map_shared(size_t bytes) {
    size_t room = page_up(SHARED_BASE + bytes);
    void* at = mmap(nullptr, room + page_up(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(static_cast<char*>(at) + room, page_up(1), PROT_NONE);
    return static_cast<unsigned char*>(at);
}

void check_products(const Block& block) {
    for (unsigned warp = 0; warp < block.warps.size(); warp++) {
        if (!block.products[warp].empty()) fault(LAUNCH_FAILED, "warp %u ended before its products were waited for", warp);
        if (block.product_count[warp] != block.product_count[warp / WARPGROUP_WARPS * WARPGROUP_WARPS])
            fault(LAUNCH_FAILED, "the warps of a warpgroup did different numbers of wgmma");
    }
}

void check_shared(const Block& block) {
    size_t end = page_up(SHARED_BASE + block.shared_bytes);
    for (size_t i = SHARED_BASE + block.shared_bytes; i < end; i++)
        if (block.shared[i] != UNSET) fault(ILLEGAL_ADDRESS, "a block wrote behind its %u bytes of shared memory", block.shared_bytes);
}

void deadlock() {
    fprintf(stderr, "fake CUDA: deadlock; nobody can go on:\n");
    for (auto& block : runner->blocks)
        for (size_t first = 0; first < block->threads.size(); first += WARP) {
            std::map<std::string, unsigned> waiting;
            for (size_t i = first; i < first + WARP && i < block->threads.size(); i++) {
                Thread* thread = block->threads[i];
                waiting[thread->done ? "ended" : thread->waits_for ? thread->waits_for : "?"]++;
            }
            fprintf(stderr, "  block %u of the cluster, warp %zu:", block->rank, first / WARP);
            for (auto& [what, count] : waiting) fprintf(stderr, " %u %s;", count, what.c_str());
            fprintf(stderr, "\n");
        }
    running = runner->threads[0].get();
    fault(LAUNCH_FAILED, "deadlock");
}

void run_cluster() {
    while (runner->live > 0) {
        bool moved = false;
        for (size_t i = 0; i < runner->threads.size(); i++) {
            auto& thread = runner->threads[runner->launch->early ? runner->threads.size() - 1 - i : i];
            if (thread->done) continue;
            if (thread->ready != nullptr && !thread->ready(thread->ready_of)) continue;
            thread->ready = nullptr;
            moved = true;
            running = thread.get();
            fake_switch(&runner->home, thread->stack_pointer);
            running = nullptr;
        }
        if (moved) continue;
        if (runner->engine.empty()) deadlock();
        auto work = std::move(runner->engine.front());
        runner->engine.pop_front();
        running = runner->threads[0].get(); /* whose faults these are, if any */
        work();
        running = nullptr;
    }
    running = runner->threads[0].get();
    if (!runner->engine.empty())
        fault(LAUNCH_FAILED, "a block ended before the copies into its shared memory were waited for");
    for (auto& block : runner->blocks) {
        check_products(*block);
        check_shared(*block);
    }
    running = nullptr;
}

void prepare() {
    const Launch& l = *runner->launch;
    unsigned ranks = l.cluster.x * l.cluster.y * l.cluster.z, count = l.block.x * l.block.y * l.block.z;
    for (unsigned rank = 0; rank < ranks; rank++) {
        auto block = std::make_unique<Block>();
        block->rank = rank;
        block->shared_bytes = l.shared_bytes;
        block->shared = map_shared(l.shared_bytes);
        for (unsigned number = 0; number < count; number++) {
            auto thread = std::make_unique<Thread>();
            thread->number = number;
            thread->index = {number % l.block.x, number / l.block.x % l.block.y, number / l.block.x / l.block.y};
            thread->block = block.get();
            thread->stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            block->threads.push_back(thread.get());
            runner->threads.push_back(std::move(thread));
        }
        runner->blocks.push_back(std::move(block));
    }
}

void reset(Block& block, uint3 index) {
    const unsigned count = unsigned(block.threads.size());
    block.index = index;
    block.live = count;
    memset(block.shared, UNSET, page_up(SHARED_BASE + block.shared_bytes));
    block.barrier = {};
    block.mbarriers.clear();
    const unsigned warps = (count + WARP - 1) / WARP;
    block.warps.assign(warps, {});
    for (unsigned i = 0; i < warps; i++) block.warps[i].size = std::min(WARP, count - i * WARP);
    block.products.assign(warps, {});
    block.product_count.assign(warps, 0);
    block.fenced.assign(warps, 0);
    for (Thread* thread : block.threads) {
        thread->done = false;
        thread->ready = nullptr;
        thread->waits_for = nullptr;
        if (!thread->copies.empty() || !thread->copies.committed.empty()) thread->copies = {};
        if (!thread->stores.empty() || !thread->stores.committed.empty()) thread->stores = {};
        thread->clock = runner->start;
        thread->stack_pointer = fresh_stack(thread->stack, STACK, start_of_fiber);
    }
}

void run_all() {
    const Launch& l = *runner->launch;
    const uint3 clusters = {l.grid.x / l.cluster.x, l.grid.y / l.cluster.y, l.grid.z / l.cluster.z};
    for (unsigned z = 0; z < clusters.z; z++)
        for (unsigned y = 0; y < clusters.y; y++)
            for (unsigned x = 0; x < clusters.x; x++) {
                runner->cluster = x + clusters.x * (y + clusters.y * z);
                runner->together = {};
                runner->live = unsigned(runner->threads.size());
                for (auto& block : runner->blocks) {
                    unsigned r = block->rank;
                    reset(*block, {x * l.cluster.x + r % l.cluster.x, y * l.cluster.y + r / l.cluster.x % l.cluster.y,
                                   z * l.cluster.z + r / l.cluster.x / l.cluster.y});
                }
                run_cluster();
            }
}

}  // namespace

int run(const Launch& launch, const std::function<void()>& kernel) {
    catch_bad_accesses();
    Runner mine;
    mine.launch = &launch;
    mine.kernel = &kernel;
    mine.start = real_time();
    runner = &mine;
    runner_thread = pthread_self();
    int code = sigsetjmp(mine.escape, 1);
    if (code == 0) {
        prepare();
        run_all();
    }
    runner = nullptr;
    for (auto& thread : mine.threads) munmap(thread->stack, STACK);
    for (auto& block : mine.blocks) munmap(block->shared, page_up(SHARED_BASE + block->shared_bytes) + page_up(1));
    return code;
}

void fault(int code, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "fake CUDA: ");
    vfprintf(stderr, format, arguments);
    if (const Thread* t = running)
        fprintf(stderr, " (block %u,%u,%u thread %u,%u,%u)", t->block->index.x, t->block->index.y, t->block->index.z, t->index.x,
                t->index.y, t->index.z);
    fprintf(stderr, "\n");
    va_end(arguments);
    running = nullptr;
    siglongjmp(runner->escape, code);
}

const Launch& launch() { return *runner->launch; }

Block& block_of_rank(unsigned rank) {
    if (rank >= runner->blocks.size()) fault(ILLEGAL_ADDRESS, "the cluster has no block %u", rank);
    return *runner->blocks[rank];
}

unsigned cluster_number() { return runner->cluster; }
Barrier& whole_cluster() { return runner->together; }
size_t threads_of_cluster() { return runner->threads.size(); }

unsigned multiprocessor() {
    const uint3& i = self().block->index;
    const uint3& g = runner->launch->grid;
    return (i.x + g.x * (i.y + g.y * i.z)) % runner->launch->multiprocessors;
}

uint64_t timer() { return runner->cluster == 0 ? real_time() : self().clock += 32; }

void sleep(uint64_t nanoseconds) {
    if (runner->cluster == 0) {
        timespec time = {time_t(nanoseconds / 1000000000), long(nanoseconds % 1000000000)};
        nanosleep(&time, nullptr);
    }
    self().clock += nanoseconds;
    yield();
}

void wait_until(bool (*ready)(const void*), const void* of, const char* what) {
    if (ready(of)) return;
    Thread& me = self();
    me.ready = ready;
    me.ready_of = of;
    me.waits_for = what;
    fake_switch(&me.stack_pointer, runner->home);
}

void yield() {
    Thread& me = self();
    fake_switch(&me.stack_pointer, runner->home);
}

void in_own_time(std::function<void()> work) {
    if (runner->launch->early)
        work();
    else
        runner->engine.push_back(std::move(work));
}

unsigned char* shared_at(unsigned address, unsigned bytes, unsigned alignment, const char* what) {
    Block& block = block_of_rank(address >> RANK_SHIFT);
    unsigned offset = address & ((1u << RANK_SHIFT) - 1);
    if (offset % alignment != 0) fault(MISALIGNED, "%s: the shared address 0x%x is not a multiple of %u", what, offset, alignment);
    if (offset < SHARED_BASE || offset + bytes > SHARED_BASE + block.shared_bytes)
        fault(ILLEGAL_ADDRESS, "%s: %u bytes at the shared address 0x%x are outside the block's %u", what, bytes, offset, block.shared_bytes);
    return block.shared + offset;
}

unsigned shared_number(const void* pointer) {
    const auto* at = static_cast<const unsigned char*>(pointer);
    for (auto& block : runner->blocks)
        if (at >= block->shared + SHARED_BASE && at <= block->shared + SHARED_BASE + block->shared_bytes)
            return block->rank << RANK_SHIFT | unsigned(at - block->shared);
    fault(WRONG_SPACE, "%p is not in shared memory", pointer);
}

}  // namespace fake
