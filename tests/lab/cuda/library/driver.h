/* What the driver keeps: devices, contexts, memory, streams. One lock for all of it; work runs without the lock. */
#ifndef FAKE_CUDA_DRIVER_H
#define FAKE_CUDA_DRIVER_H

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../emulation/grid.h"
#include "../emulation/registry.h"
#include "abi.h"
#include "machine.h"

/* A piece of a device's memory. Kernels see it at `address`; everything else uses the alias, so that what kernels may
 * not reach can be taken away from them alone. `cell` is its place on the device. */
struct Allocation {
    uint64_t address = 0, size = 0, cell = 0, mapped = 0;
    char* pages = nullptr;
    char* alias_pages = nullptr;
    struct Context* owner = nullptr;

    char* alias(uint64_t at) const { return alias_pages + (at - reinterpret_cast<uint64_t>(pages)); }
};

struct Device {
    int number = 0; /* on the machine; its ordinal is its place in `devices` */
    DeviceModel* model = nullptr;
    std::vector<std::unique_ptr<Allocation>> memory;
    std::vector<Context*> contexts;

    uint64_t total() const { return uint64_t(model->number("memory")); }
    uint64_t used() const;
    int sm() const { return int(model->number("sm")); }
};

/* One piece of work in a stream. `seconds` is how long a real GPU would take for it. */
struct Operation {
    std::string name;
    std::function<CUresult()> work;
    double seconds = 0;
    std::vector<uint64_t> targets; /* for faults: what a kernel's parameters point to, or where a copy goes */
};

struct Stream {
    Context* context = nullptr;
    std::deque<std::pair<Operation, double>> queue; /* and the GPU's time when it was put in */
    bool busy = false, closing = false;
    double time = 0; /* the GPU's, at the end of what is done */
    std::condition_variable changed;
    std::thread worker;

    bool idle() const { return queue.empty() && !busy; }
};

struct Event {
    Context* context = nullptr;
    uint64_t wanted = 0, reached = 0; /* how often it was recorded, and how often that moment came */
    double time = 0;

    bool done() const { return reached >= wanted; }
};

struct Context {
    Device* device = nullptr;
    CUresult dead = SUCCESS;
    double time = 0; /* the latest moment that any stream got to */
    std::set<Context*> reachable;
    std::vector<std::unique_ptr<Stream>> streams; /* the first is the default one */
    std::set<std::unique_ptr<Event>> events;
    std::set<std::unique_ptr<Module>> modules;
};

struct Function {
    Module* module = nullptr;
    std::string name;
    const fake::Kernel* kernel = nullptr;
    unsigned max_threads = 1024, registers = 0, static_shared = 0, local = 0;
    unsigned max_dynamic_shared = 0;
    dim3 cluster{0, 0, 0}; /* that it was compiled for; 0: none */
    bool non_portable = false;
    std::vector<unsigned> argument_bytes;
};

struct Module {
    Context* context = nullptr;
    int binary_version = 0, ptx_version = 0;
    std::vector<std::unique_ptr<Function>> functions;
};

/* These are never destroyed: streams' threads use them until the process is gone. */
extern std::mutex& lock;
extern std::condition_variable& any_change;
extern std::vector<std::unique_ptr<Device>>& devices; /* the visible ones, in order */
extern thread_local Context* current;

using Locked = std::unique_lock<std::mutex>;

/* Every call starts with one of these: scripted refusals and hangs, then what the driver itself checks. */
CUresult begin(const char* function, bool initialised = true);
CUresult begin_on(const char* function, CUdevice device);
CUresult begin_here(const char* function); /* in the current context */
Device* device_at(CUdevice ordinal);

EXPORT cuCtxDestroy_v2(CUcontext context);

/* Streams (streams.cpp). With the lock held. */
Stream* stream_of(CUstream given, CUresult* code);
Stream* open_stream(Context* context);
void submit(Stream* stream, Operation operation);
CUresult wait_idle(Locked& locked, Context* context, Stream* stream);
void close_stream(Locked& locked, Stream* stream);

/* Memory (memory.cpp). With the lock held. */
Allocation* find_memory(uint64_t address, uint64_t size);
void take_away_from(const Context& kernel_of);
void give_back_all();
void free_all(Context* context);

/* Faults (faults.cpp). With the lock held. */
struct Orders {
    bool hang = false;
    CUresult lose = SUCCESS;
    double slow = 1, wait = 0;
    std::vector<Fault> after;
};
Orders orders_for(Device& device, const std::string& operation);
void spoil(Device& device, const std::vector<Fault>& faults, const std::vector<uint64_t>& targets);
void apply_stuck_cells(Device& device);

/* speeds.cpp: how long a real GPU takes. */
double copy_seconds(const Device& device, const char* link, uint64_t bytes);
double kernel_seconds(const Device& device, const std::string& name, const std::vector<size_t>& sizes, void* const* arguments);

/* image.cpp: reads an object or PTX. 0, or why not. */
struct Image {
    std::string target; /* as the kernel set names it */
    int binary_version = 0, ptx_version = 0;
    std::vector<Function> functions;
};
CUresult read_image(const char* image, const Device& device, int cuda, Image* found, std::string* log);

#endif
