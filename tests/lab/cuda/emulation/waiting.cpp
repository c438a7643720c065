/* Barriers of blocks, clusters and warps, mbarriers, and groups of asynchronous work. */
#include <cstring>

#include "grid.h"

namespace fake {

void Groups::add(Work work, bool at_once) {
    if (at_once)
        work();
    else
        open.push_back(std::move(work));
}

void Groups::wait(unsigned newest) {
    const size_t done = committed.size() > newest ? committed.size() - newest : 0;
    for (size_t i = 0; i < done; i++)
        for (auto& work : committed[i]) work();
    committed.erase(committed.begin(), committed.begin() + long(done));
}

bool Groups::empty() const {
    for (auto& group : committed)
        if (!group.empty()) return false;
    return open.empty();
}

namespace {
struct Turn {
    const uint64_t* turn;
    uint64_t before;
};
bool turned(const void* of) {
    auto* t = static_cast<const Turn*>(of);
    return *t->turn != t->before;
}
}  // namespace

/* Threads that ended count as arrived: the last ones may end instead of coming. */
void block_barrier() {
    struct Mine {
        Turn turn;
        Block* block;
    } mine{{&self().block->barrier.turn, self().block->barrier.turn}, self().block};
    mine.block->barrier.arrived++;
    wait_until(
        [](const void* of) {
            auto* m = static_cast<const Mine*>(of);
            Barrier& b = m->block->barrier;
            if (!turned(&m->turn) && b.arrived >= m->block->live) {
                b.arrived = 0;
                b.turn++;
            }
            return turned(&m->turn);
        },
        &mine, "at __syncthreads");
}

void cluster_barrier() {
    Barrier& b = whole_cluster();
    Turn turn{&b.turn, b.turn};
    if (++b.arrived == threads_of_cluster()) {
        b.arrived = 0;
        b.turn++;
    }
    wait_until(turned, &turn, "at the cluster's barrier");
}

void* const* arrive(Group& group, const char* what, void* mine) {
    if (group.arrived == 0)
        group.what = what;
    else if (strcmp(group.what, what) != 0)
        fault(LAUNCH_FAILED, "threads that must do the same do %s and %s", group.what, what);
    if (group.size != WARP) fault(LAUNCH_FAILED, "%s in a warp of %u threads", what, group.size);
    group.slots[self().lane()] = mine;
    Turn turn{&group.turn, group.turn};
    if (++group.arrived == group.size) return group.slots;
    wait_until(turned, &turn, what);
    return nullptr;
}

void leave(Group& group) {
    group.arrived = 0;
    group.turn++;
}

Group& warp() { return self().block->warps[self().number / WARP]; }

namespace {
constexpr int64_t MOST_BYTES = (1 << 20) - 1, MOST_ARRIVALS = (1 << 20) - 1; /* PTX ISA, mbarrier: ranges of the counts */
constexpr uint64_t COOKIE = 0x6d62617272696572;

Mbarrier& mbarrier_at(unsigned address, const char* what) {
    unsigned char* at = shared_at(address, 8, 8, what);
    Block& block = block_of_rank(address >> RANK_SHIFT);
    auto found = block.mbarriers.find(unsigned(at - block.shared));
    if (found == block.mbarriers.end()) fault(LAUNCH_FAILED, "%s: there is no mbarrier at 0x%x", what, address);
    uint64_t word;
    memcpy(&word, at, 8);
    if (word != COOKIE) fault(LAUNCH_FAILED, "%s: the mbarrier at 0x%x was overwritten", what, address);
    return found->second;
}

void turn_phase(Mbarrier& b) {
    if (b.pending == 0 && b.bytes == 0) {
        b.phase++;
        b.pending = b.expected;
    }
}
}  // namespace

void mbarrier_init(unsigned address, unsigned count) {
    unsigned char* at = shared_at(address, 8, 8, "mbarrier.init");
    if (count == 0 || count > MOST_ARRIVALS) fault(LAUNCH_FAILED, "mbarrier.init for %u arrivals", count);
    memcpy(at, &COOKIE, 8);
    Block& block = block_of_rank(address >> RANK_SHIFT);
    block.mbarriers[unsigned(at - block.shared)] = {count, count, 0, 0};
}

void mbarrier_arrive(unsigned address, int64_t expect_bytes) {
    Mbarrier& b = mbarrier_at(address, "mbarrier.arrive");
    b.bytes += expect_bytes;
    if (b.bytes > MOST_BYTES) fault(LAUNCH_FAILED, "an mbarrier waits for %lld bytes, more than it can count", (long long)b.bytes);
    if (b.pending == 0) fault(LAUNCH_FAILED, "more arrivals at an mbarrier than it expects");
    b.pending--;
    turn_phase(b);
}

void mbarrier_complete(unsigned address, int64_t bytes) {
    Mbarrier& b = mbarrier_at(address, "mbarrier.complete_tx");
    b.bytes -= bytes;
    if (b.bytes < -MOST_BYTES) fault(LAUNCH_FAILED, "an mbarrier got %lld bytes more than it waits for", (long long)-b.bytes);
    turn_phase(b);
}

void mbarrier_wait(unsigned address, unsigned parity) {
    struct Phase {
        const Mbarrier* b;
        uint64_t parity;
    } phase{&mbarrier_at(address, "mbarrier.try_wait"), parity & 1};
    wait_until(
        [](const void* of) {
            auto* p = static_cast<const Phase*>(of);
            return (p->b->phase & 1) != p->parity;
        },
        &phase, "at an mbarrier");
}

}  // namespace fake
