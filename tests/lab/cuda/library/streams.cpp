/* Streams do their work on a thread each, in order; events are moments in them. */
#include <algorithm>
#include <chrono>
#include <time.h>

#include "driver.h"

namespace {

double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

void do_work(Stream* stream) {
    Locked locked(lock);
    for (;;) {
        stream->changed.wait(locked, [&] { return stream->closing || !stream->queue.empty(); });
        if (stream->queue.empty()) return;
        auto [operation, since] = std::move(stream->queue.front());
        stream->queue.pop_front();
        stream->busy = true;
        Context* context = stream->context;
        Device& device = *context->device;
        Orders orders = operation.name.empty() ? Orders{} : orders_for(device, operation.name);
        CUresult code = context->dead;
        double started = now();
        stream->time = std::max(stream->time, since);
        if (code == SUCCESS && orders.hang)
            any_change.wait(locked, [&] { return stream->closing; });
        else if (code == SUCCESS && orders.lose != SUCCESS)
            code = orders.lose;
        else if (code == SUCCESS) {
            locked.unlock();
            if (orders.wait > 0) std::this_thread::sleep_for(std::chrono::duration<double>(orders.wait));
            code = operation.work();
            locked.lock();
            spoil(device, orders.after, operation.targets);
            apply_stuck_cells(device);
        }
        const double took = operation.seconds < 0 ? now() - started : operation.seconds + orders.wait;
        stream->time += took * orders.slow;
        context->time = std::max(context->time, stream->time);
        if (code != SUCCESS && context->dead == SUCCESS) context->dead = code;
        stream->busy = false;
        any_change.notify_all();
    }
}

}  // namespace

Stream* open_stream(Context* context) {
    context->streams.push_back(std::make_unique<Stream>());
    Stream* stream = context->streams.back().get();
    stream->context = context;
    stream->time = context->time;
    stream->worker = std::thread(do_work, stream);
    return stream;
}

void submit(Stream* stream, Operation operation) {
    stream->queue.emplace_back(std::move(operation), stream->context->time);
    stream->changed.notify_all();
}

CUresult wait_idle(Locked& locked, Context* context, Stream* stream) {
    any_change.wait(locked, [&] {
        if (context->dead != SUCCESS) return true;
        if (stream != nullptr) return stream->idle();
        return std::all_of(context->streams.begin(), context->streams.end(), [](auto& s) { return s->idle(); });
    });
    return context->dead;
}

/* Work that is left is done first, as the real driver does; what hangs is let go. */
void close_stream(Locked& locked, Stream* stream) {
    stream->closing = true;
    stream->changed.notify_all();
    any_change.notify_all();
    std::thread worker = std::move(stream->worker);
    locked.unlock();
    worker.join();
    locked.lock();
    auto& all = stream->context->streams;
    all.erase(std::find_if(all.begin(), all.end(), [&](auto& s) { return s.get() == stream; }));
}

Stream* stream_of(CUstream given, CUresult* code) {
    *code = SUCCESS;
    if (given == nullptr || given == reinterpret_cast<CUstream>(1)) return current->streams.front().get(); /* CU_STREAM_LEGACY */
    for (auto& device : devices)
        for (Context* context : device->contexts)
            for (auto& stream : context->streams)
                if (stream.get() == given) return given;
    *code = INVALID_HANDLE;
    return nullptr;
}

EXPORT cuStreamCreate(CUstream* found, unsigned flags) {
    if (CUresult code = begin_here("cuStreamCreate")) return code;
    if (found == nullptr || flags > 1) return INVALID_VALUE;
    Locked locked(lock);
    /* A stream that waits for the default one is the default one, as far as order goes. */
    *found = flags == 0 ? current->streams.front().get() : open_stream(current);
    return SUCCESS;
}

EXPORT cuStreamDestroy_v2(CUstream given) {
    if (CUresult code = begin_here("cuStreamDestroy_v2")) return code;
    Locked locked(lock);
    CUresult code;
    Stream* stream = stream_of(given, &code);
    if (stream != nullptr && given != nullptr && stream != stream->context->streams.front().get()) close_stream(locked, stream);
    return given == nullptr ? INVALID_HANDLE : code;
}

EXPORT cuStreamSynchronize(CUstream given) {
    if (CUresult code = begin_here("cuStreamSynchronize")) return code;
    Locked locked(lock);
    CUresult code;
    Stream* stream = stream_of(given, &code);
    return stream == nullptr ? code : wait_idle(locked, stream->context, stream);
}

EXPORT cuStreamQuery(CUstream given) {
    if (CUresult code = begin_here("cuStreamQuery")) return code;
    Locked locked(lock);
    CUresult code;
    Stream* stream = stream_of(given, &code);
    if (stream == nullptr) return code;
    if (stream->context->dead) return stream->context->dead;
    return stream->idle() ? SUCCESS : NOT_READY;
}

namespace {
Event* event_of(CUevent given) {
    for (auto& device : devices)
        for (Context* context : device->contexts)
            for (auto& event : context->events)
                if (event.get() == given) return given;
    return nullptr;
}
}  // namespace

EXPORT cuEventCreate(CUevent* found, unsigned flags) {
    if (CUresult code = begin_here("cuEventCreate")) return code;
    if (found == nullptr || flags > 7) return INVALID_VALUE;
    Locked locked(lock);
    auto event = std::make_unique<Event>();
    event->context = current;
    *found = event.get();
    current->events.insert(std::move(event));
    return SUCCESS;
}

EXPORT cuEventDestroy_v2(CUevent given) {
    if (CUresult code = begin_here("cuEventDestroy_v2")) return code;
    Locked locked(lock);
    Event* event = event_of(given);
    if (event == nullptr) return INVALID_HANDLE;
    auto& all = event->context->events;
    /* What still has to record it must not find it gone: the real driver keeps it until then, too. */
    any_change.wait(locked, [&] { return event->done() || event->context->dead != SUCCESS; });
    if (event->done()) all.erase(std::find_if(all.begin(), all.end(), [&](auto& e) { return e.get() == event; }));
    return SUCCESS;
}

EXPORT cuEventRecord(CUevent given, CUstream on) {
    if (CUresult code = begin_here("cuEventRecord")) return code;
    Locked locked(lock);
    CUresult code;
    Stream* stream = stream_of(on, &code);
    Event* event = event_of(given);
    if (stream == nullptr || event == nullptr) return INVALID_HANDLE;
    if (event->context != stream->context) return INVALID_HANDLE;
    const uint64_t turn = ++event->wanted;
    submit(stream, {"", [stream, event, turn] {
                        Locked inside(lock);
                        if (turn < event->reached) return SUCCESS;
                        event->reached = turn;
                        event->time = stream->time;
                        return SUCCESS;
                    }, 0, {}});
    return SUCCESS;
}

EXPORT cuEventQuery(CUevent given) {
    if (CUresult code = begin_here("cuEventQuery")) return code;
    Locked locked(lock);
    Event* event = event_of(given);
    if (event == nullptr) return INVALID_HANDLE;
    if (event->context->dead) return event->context->dead;
    return event->done() ? SUCCESS : NOT_READY;
}

EXPORT cuEventSynchronize(CUevent given) {
    if (CUresult code = begin_here("cuEventSynchronize")) return code;
    Locked locked(lock);
    Event* event = event_of(given);
    if (event == nullptr) return INVALID_HANDLE;
    any_change.wait(locked, [&] { return event->done() || event->context->dead != SUCCESS; });
    return event->context->dead;
}

EXPORT cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
    if (CUresult code = begin_here("cuEventElapsedTime")) return code;
    Locked locked(lock);
    Event *first = event_of(start), *second = event_of(end);
    if (first == nullptr || second == nullptr || first->wanted == 0 || second->wanted == 0) return INVALID_HANDLE;
    if (milliseconds == nullptr) return INVALID_VALUE;
    if (!first->done() || !second->done()) return NOT_READY;
    *milliseconds = float((second->time - first->time) * 1e3);
    return SUCCESS;
}

EXPORT cuStreamWaitEvent(CUstream given, CUevent on, unsigned flags) {
    if (CUresult code = begin_here("cuStreamWaitEvent")) return code;
    if (flags > 1) return INVALID_VALUE;
    Locked locked(lock);
    CUresult code;
    Stream* stream = stream_of(given, &code);
    Event* event = event_of(on);
    if (stream == nullptr || event == nullptr) return INVALID_HANDLE;
    const uint64_t turn = event->wanted;
    submit(stream, {"", [stream, event, turn] {
                        Locked inside(lock);
                        any_change.wait(inside, [&] { return event->reached >= turn || stream->closing || stream->context->dead; });
                        stream->time = std::max(stream->time, event->time);
                        return SUCCESS;
                    }, 0, {}});
    return SUCCESS;
}
