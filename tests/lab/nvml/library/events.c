/* Event sets: who waits for what, and the scripted events that come due. */
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static const double LOOK_SECONDS = 0.05; /* the real one sleeps in the kernel: waiting must cost next to nothing */

struct event_set {
    unsigned long long wanted[MAX_GPUS];
    unsigned int delivered[MAX_EVENTS], delivered_count; /* by the event's number, so a new file changes nothing */
    bool undefined; /* nvml.h: its state after an unknown error of nvmlDeviceRegisterEvents; it can be freed only */
    struct event_set *next;
};

static struct event_set *sets; /* to know a handle from a stray pointer */

static bool known(const struct event_set *set) {
    for (const struct event_set *each = sets; each != NULL; each = each->next)
        if (each == set) return true;
    return false;
}

static bool was_delivered(const struct event_set *set, unsigned int id) {
    for (unsigned int i = 0; i < set->delivered_count; i++)
        if (set->delivered[i] == id) return true;
    return false;
}

static void mark(struct event_set *set, unsigned int id) {
    if (set->delivered_count < MAX_EVENTS) set->delivered[set->delivered_count++] = id;
}

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *out) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    struct event_set *set = calloc(1, sizeof *set);
    machine_lock();
    set->next = sets;
    sets = set;
    machine_unlock();
    *out = set;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    machine_lock();
    status = NVML_ERROR_INVALID_ARGUMENT;
    for (struct event_set **each = &sets; *each != NULL; each = &(*each)->next)
        if (*each == set) {
            *each = set->next;
            free(set);
            status = NVML_SUCCESS;
            break;
        }
    machine_unlock();
    return status;
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *out) {
    ON(device);
    return answer_ull(&gpu, &gpu.event_types, out);
}

/* What is due already is history: a set sees only what comes after it was told of the GPU. */
EXPORT nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) {
    Gpu gpu;
    nvmlReturn_t status = call_on(device, __func__, &gpu);
    machine_lock();
    if (status == NVML_ERROR_UNKNOWN && known(set)) set->undefined = true;
    if (status == NVML_SUCCESS && known(set) && set->undefined) status = NVML_ERROR_UNKNOWN;
    machine_unlock();
    if (status) return status;
    if (gpu.event_types.error) return gpu.event_types.error;
    if (types & ~value_of(&gpu, &gpu.event_types)) return NVML_ERROR_NOT_SUPPORTED;
    machine_lock();
    const Machine *machine = machine_now();
    nvmlReturn_t answer = known(set) && machine != NULL ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
    if (answer == NVML_SUCCESS) {
        set->wanted[gpu.index] |= types;
        for (unsigned int i = 0; i < machine->event_count; i++)
            if (machine->events[i].gpu == gpu.index && machine->events[i].at <= machine->now) mark(set, machine->events[i].id);
    }
    machine_unlock();
    return answer;
}

/* One look, with the lock held: an event, GPU_IS_LOST, or TIMEOUT for nothing yet. */
static nvmlReturn_t look(struct event_set *set, nvmlEventData_t *out) {
    const Machine *machine = machine_now();
    if (machine == NULL) return NVML_ERROR_UNKNOWN;
    if (!known(set)) return NVML_ERROR_INVALID_ARGUMENT;
    if (set->undefined) return NVML_ERROR_UNKNOWN;
    if (machine->driver != DRIVER_LOADED) return NVML_ERROR_DRIVER_NOT_LOADED;
    for (unsigned int i = 0; i < machine->event_count; i++) {
        const Event *event = &machine->events[i];
        if (event->gpu >= machine->gpu_count || event->at > machine->now) continue;
        if (!(set->wanted[event->gpu] & event->type) || was_delivered(set, event->id)) continue;
        mark(set, event->id);
        *out = (nvmlEventData_t){handle_of(event->gpu), event->type, event->data, 0xFFFFFFFFu, 0xFFFFFFFFu};
        return NVML_SUCCESS;
    }
    for (unsigned int i = 0; i < machine->gpu_count; i++)
        if (set->wanted[i] && number_at(&machine->gpus[i].lost, machine->now) != 0) return NVML_ERROR_GPU_IS_LOST;
    return NVML_ERROR_TIMEOUT;
}

EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *out, unsigned int timeout_ms) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    for (double left = timeout_ms / 1000.0;; left -= LOOK_SECONDS) {
        machine_lock();
        status = look(set, out);
        machine_unlock();
        if (status != NVML_ERROR_TIMEOUT || left <= 0) return status;
        sleep_seconds(left < LOOK_SECONDS ? left : LOOK_SECONDS);
    }
}

EXPORT nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_v1_t *out, unsigned int timeout_ms) {
    nvmlEventData_t data;
    nvmlReturn_t status = nvmlEventSetWait_v2(set, &data, timeout_ms);
    if (status) return status;
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *out = (nvmlEventData_v1_t){data.device, data.eventType, data.eventData};
    return NVML_SUCCESS;
}
