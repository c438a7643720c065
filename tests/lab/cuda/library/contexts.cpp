/* Contexts, which are current per thread, and who reaches whom. */
#include <algorithm>

#include "driver.h"

namespace {

Context* context_of(CUcontext given) {
    for (auto& device : devices)
        for (Context* context : device->contexts)
            if (context == given) return context;
    return nullptr;
}

bool strangers(const Device& a, const Device& b) {
    for (auto [one, other] : machine()->strangers)
        if ((one == a.number && other == b.number) || (one == b.number && other == a.number)) return true;
    return false;
}

}  // namespace

EXPORT cuCtxCreate_v2(CUcontext* found, unsigned flags, CUdevice ordinal) {
    if (CUresult code = begin_on("cuCtxCreate_v2", ordinal)) return code;
    if (found == nullptr || flags > 0xff) return INVALID_VALUE;
    Locked locked(lock);
    Device* device = device_at(ordinal);
    const double overhead = device->model->number("context_memory");
    if (device->used() + uint64_t(overhead) > device->total()) return OUT_OF_MEMORY;
    auto* context = new Context;
    context->device = device;
    device->contexts.push_back(context);
    open_stream(context);
    current = *found = context;
    return SUCCESS;
}

EXPORT cuCtxDestroy_v2(CUcontext given) {
    if (CUresult code = begin("cuCtxDestroy_v2")) return code;
    Locked locked(lock);
    Context* context = context_of(given);
    if (context == nullptr) return INVALID_CONTEXT;
    while (!context->streams.empty()) close_stream(locked, context->streams.back().get());
    free_all(context);
    for (auto& device : devices)
        for (Context* other : device->contexts) other->reachable.erase(context);
    auto& all = context->device->contexts;
    all.erase(std::find(all.begin(), all.end(), context));
    if (current == context) current = nullptr;
    delete context;
    return SUCCESS;
}

EXPORT cuCtxSetCurrent(CUcontext given) {
    if (CUresult code = begin("cuCtxSetCurrent")) return code;
    Locked locked(lock);
    if (given != nullptr && context_of(given) == nullptr) return INVALID_CONTEXT;
    current = given;
    return SUCCESS;
}

EXPORT cuCtxGetCurrent(CUcontext* found) {
    if (CUresult code = begin("cuCtxGetCurrent")) return code;
    if (found == nullptr) return INVALID_VALUE;
    *found = current;
    return SUCCESS;
}

EXPORT cuCtxSynchronize() {
    if (CUresult code = begin_here("cuCtxSynchronize")) return code;
    Locked locked(lock);
    return wait_idle(locked, current, nullptr);
}

EXPORT cuDeviceCanAccessPeer(int* can, CUdevice ordinal, CUdevice peer) {
    if (CUresult code = begin_on("cuDeviceCanAccessPeer", ordinal)) return code;
    if (device_at(peer) == nullptr) return INVALID_DEVICE;
    if (can == nullptr) return INVALID_VALUE;
    *can = ordinal != peer && !strangers(*device_at(ordinal), *device_at(peer));
    return SUCCESS;
}

EXPORT cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
    if (CUresult code = begin_here("cuCtxEnablePeerAccess")) return code;
    if (flags != 0) return INVALID_VALUE;
    Locked locked(lock);
    Context* other = context_of(peer);
    if (other == nullptr || other == current) return INVALID_CONTEXT;
    if (other->device == current->device || strangers(*other->device, *current->device)) return PEER_ACCESS_UNSUPPORTED;
    return current->reachable.insert(other).second ? SUCCESS : PEER_ACCESS_ALREADY_ENABLED;
}

EXPORT cuCtxDisablePeerAccess(CUcontext peer) {
    if (CUresult code = begin_here("cuCtxDisablePeerAccess")) return code;
    Locked locked(lock);
    Context* other = context_of(peer);
    if (other == nullptr) return INVALID_CONTEXT;
    return current->reachable.erase(other) ? SUCCESS : PEER_ACCESS_NOT_ENABLED;
}
