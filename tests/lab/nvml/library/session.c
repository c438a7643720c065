/* Who may call what: initialisation, handles, and the scripted refusals, delays and hangs. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "machine.h"

struct handle { unsigned int index; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int users; /* nvmlInit counts, as the real library does */
static bool driver_gone;   /* unloaded under us: handles of that time are lost for good */
static struct handle handles[MAX_GPUS];

void machine_lock(void) { pthread_mutex_lock(&lock); }
void machine_unlock(void) { pthread_mutex_unlock(&lock); }

void sleep_seconds(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

nvmlDevice_t handle_of(unsigned int index) {
    handles[index].index = index;
    return &handles[index];
}

int index_of(nvmlDevice_t device) {
    for (int i = 0; i < MAX_GPUS; i++)
        if (device == &handles[i]) return i;
    return -1;
}

/* A rule for nvmlDeviceGetMemoryInfo holds for nvmlDeviceGetMemoryInfo_v2 too. */
static bool names(const Rule *rule, const char *function) {
    if (rule->function[0] == '*') return true;
    size_t length = strlen(rule->function);
    if (strncmp(rule->function, function, length) != 0) return false;
    const char *rest = function + length;
    return *rest == 0 || (rest[0] == '_' && rest[1] == 'v');
}

/* The last rule that names this call holds; one for any GPU also holds for calls without a GPU. */
static Rule rule_for(const Machine *machine, int gpu, const char *function) {
    Rule found = {.kind = RULE_NONE};
    for (unsigned int i = 0; i < machine->rule_count; i++) {
        const Rule *rule = &machine->rules[i];
        if ((rule->gpu == -1 || rule->gpu == gpu) && names(rule, function)) found = *rule;
    }
    return found;
}

/* Waits out a scripted hang or delay, and gives the machine as it is after that. Called with the lock held, and
 * returns with it held. */
static nvmlReturn_t obey(int gpu, const char *function, const Machine **machine) {
    for (bool waited = false;;) {
        *machine = machine_now();
        if (*machine == NULL) return NVML_ERROR_UNKNOWN;
        Rule rule = rule_for(*machine, gpu, function);
        if (rule.kind == RULE_ERROR) return (nvmlReturn_t)rule.value;
        if (rule.kind == RULE_NONE || (rule.kind == RULE_SLOW && waited)) return NVML_SUCCESS;
        waited = true;
        machine_unlock();
        sleep_seconds(rule.kind == RULE_HANG ? 0.005 : rule.value);
        machine_lock();
    }
}

static nvmlReturn_t begin(int gpu, const char *function, const Machine **machine) {
    if (users == 0) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t status = obey(gpu, function, machine);
    if (status != NVML_SUCCESS) return status;
    if (users == 0) return NVML_ERROR_UNINITIALIZED; /* shut down while this call hung */
    if ((*machine)->driver != DRIVER_LOADED) {
        driver_gone = true;
        return NVML_ERROR_DRIVER_NOT_LOADED;
    }
    return driver_gone ? NVML_ERROR_UNKNOWN : NVML_SUCCESS;
}

nvmlReturn_t call_plain(const char *function) {
    const Machine *machine;
    machine_lock();
    nvmlReturn_t status = begin(-1, function, &machine);
    machine_unlock();
    return status;
}

nvmlReturn_t call_on(nvmlDevice_t device, const char *function, Gpu *gpu) {
    const Machine *machine;
    machine_lock();
    int index = index_of(device);
    nvmlReturn_t status = begin(index, function, &machine);
    if (status == NVML_SUCCESS) {
        if (index < 0 || (unsigned int)index >= machine->gpu_count) {
            status = NVML_ERROR_INVALID_ARGUMENT;
        } else {
            *gpu = machine->gpus[index];
            gpu->now = machine->now;
        }
    }
    machine_unlock();
    if (status != NVML_SUCCESS) return status;
    if (value_of(gpu, &gpu->no_power)) return NVML_ERROR_INSUFFICIENT_POWER;
    if (value_of(gpu, &gpu->lost)) return NVML_ERROR_GPU_IS_LOST;
    if (value_of(gpu, &gpu->reset_required)) return NVML_ERROR_RESET_REQUIRED;
    telemetry_at(gpu);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    if (flags & ~3u) return NVML_ERROR_INVALID_ARGUMENT;
    machine_lock();
    const Machine *machine = machine_now();
    nvmlReturn_t status = machine == NULL ? NVML_ERROR_DRIVER_NOT_LOADED : obey(-1, "nvmlInit", &machine);
    if (status == NVML_SUCCESS) {
        if (machine->driver == DRIVER_UNLOADED) status = NVML_ERROR_DRIVER_NOT_LOADED;
        else if (machine->driver == DRIVER_MISMATCH) status = NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    }
    if (status == NVML_SUCCESS) {
        if (users == 0) driver_gone = false;
        users++;
    }
    machine_unlock();
    return status;
}

EXPORT nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
EXPORT nvmlReturn_t nvmlInit(void) { return nvmlInitWithFlags(0); }

EXPORT nvmlReturn_t nvmlShutdown(void) {
    machine_lock();
    const Machine *machine;
    nvmlReturn_t status = users == 0 ? NVML_ERROR_UNINITIALIZED : obey(-1, __func__, &machine);
    if (status == NVML_SUCCESS) users--;
    machine_unlock();
    return status;
}
