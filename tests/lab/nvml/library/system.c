/* Versions, error strings, the count and the handles. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "machine.h"

static const struct { nvmlReturn_t code; const char *text; } errors[] = {
    {0, "Success"}, {1, "Uninitialized"}, {2, "Invalid Argument"}, {3, "Not Supported"},
    {4, "Insufficient Permissions"}, {5, "Already Initialized"}, {6, "Not Found"}, {7, "Insufficient Size"},
    {8, "Insufficient External Power"}, {9, "Driver Not Loaded"}, {10, "Timeout"},
    {11, "Interrupt Request Issue"}, {12, "NVML Shared Library Not Found"}, {13, "Function Not Found"},
    {14, "Corrupted infoROM"}, {15, "GPU is lost"}, {16, "GPU requires reset"},
    {17, "GPU access blocked by the operating system"}, {18, "Driver/library version mismatch"},
    {19, "In use by another client"}, {20, "Insufficient Memory"}, {21, "No data"},
    {22, "vGPU ECC not supported"}, {23, "Insufficient Resources"},
    {24, "Invalid Frequency"}, {25, "Argument version mismatch"},
    {26, "Requested functionality has been deprecated"}, {27, "System is not in ready state"},
    {28, "No supported GPUs were found"}, {29, "Resource not in correct state to perform requested operation"},
};

EXPORT const char *nvmlErrorString(nvmlReturn_t result) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == result) return errors[i].text;
    return "Unknown Error";
}

static nvmlReturn_t version(size_t place, char *out, unsigned int length) {
    machine_lock();
    const Machine *machine = machine_now();
    nvmlReturn_t status = machine == NULL ? NVML_ERROR_UNKNOWN
                                          : answer_string((const char *)machine + place, out, length);
    machine_unlock();
    return status;
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *out, unsigned int length) {
    nvmlReturn_t status = call_plain(__func__);
    return status ? status : version(offsetof(Machine, driver_version), out, length);
}

/* The library knows its own version without a driver and without initialisation. */
EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *out, unsigned int length) {
    return version(offsetof(Machine, nvml_version), out, length);
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *out) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    machine_lock();
    const Machine *machine = machine_now();
    if (machine == NULL) status = NVML_ERROR_UNKNOWN;
    else *out = machine->cuda_version;
    machine_unlock();
    return status;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *out) { return nvmlSystemGetCudaDriverVersion_v2(out); }

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    if (count == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    machine_lock();
    const Machine *machine = machine_now();
    if (machine == NULL) status = NVML_ERROR_UNKNOWN;
    else *count = machine->gpu_count;
    machine_unlock();
    return status;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount(unsigned int *count) { return nvmlDeviceGetCount_v2(count); }

/* A handle is given only for a GPU that answers: asking for it attaches to the GPU. */
static nvmlReturn_t attach(unsigned int index, const char *function, nvmlDevice_t *device) {
    Gpu gpu;
    nvmlReturn_t status = call_on(handle_of(index), function, &gpu);
    if (status == NVML_SUCCESS) *device = handle_of(index);
    return status;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    unsigned int count;
    nvmlReturn_t status = nvmlDeviceGetCount_v2(&count);
    if (status) return status;
    if (device == NULL || index >= count) return NVML_ERROR_INVALID_ARGUMENT;
    return attach(index, __func__, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device) {
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

typedef bool Matches(const Gpu *gpu, const char *word);

static bool by_uuid(const Gpu *gpu, const char *word) { return strcmp(gpu->uuid.text, word) == 0; }
static bool by_serial(const Gpu *gpu, const char *word) {
    return gpu->serial.error == NVML_SUCCESS && strcmp(gpu->serial.text, word) == 0;
}

/* "00000000:3B:00.0", "0000:3b:00.0" and "3b:00.0" all name the same place. */
static bool by_pci(const Gpu *gpu, const char *word) {
    unsigned int domain = 0, bus, device, function;
    if (sscanf(word, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4) {
        domain = 0;
        if (sscanf(word, "%x:%x.%x", &bus, &device, &function) != 3) return false;
    }
    return domain == (unsigned int)gpu->pci_domain.value && bus == (unsigned int)gpu->pci_bus.value
        && device == (unsigned int)gpu->pci_device.value && function == 0;
}

static nvmlReturn_t find(Matches *matches, const char *word, const char *function, nvmlDevice_t *device) {
    nvmlReturn_t status = call_plain(function);
    if (status) return status;
    if (word == NULL || device == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    int found = -1;
    machine_lock();
    const Machine *machine = machine_now();
    for (unsigned int i = 0; machine != NULL && i < machine->gpu_count && found < 0; i++)
        if (matches(&machine->gpus[i], word)) found = (int)i;
    machine_unlock();
    return found < 0 ? NVML_ERROR_NOT_FOUND : attach((unsigned int)found, function, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    return find(by_uuid, uuid, __func__, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device) {
    return find(by_serial, serial, __func__, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *address, nvmlDevice_t *device) {
    return find(by_pci, address, __func__, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *address, nvmlDevice_t *device) {
    return nvmlDeviceGetHandleByPciBusId_v2(address, device);
}

EXPORT nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int *count) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    if (count == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *count = 0;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGetExcludedDeviceInfoByIndex(unsigned int index, nvmlExcludedDeviceInfo_t *info) {
    nvmlReturn_t status = call_plain(__func__);
    (void)index, (void)info;
    return status ? status : NVML_ERROR_INVALID_ARGUMENT;
}

EXPORT nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *out, unsigned int length) {
    nvmlReturn_t status = call_plain(__func__);
    if (status) return status;
    if (out == NULL || length == 0) return NVML_ERROR_INVALID_ARGUMENT;
    status = NVML_ERROR_NOT_FOUND;
    machine_lock();
    const Machine *machine = machine_now();
    for (unsigned int g = 0; machine != NULL && g < machine->gpu_count; g++)
        for (unsigned int p = 0; p < machine->gpus[g].process_count; p++)
            if (machine->gpus[g].processes[p].pid == pid) {
                snprintf(out, length, "%s", machine->gpus[g].processes[p].name); /* cut short, as the real one */
                status = NVML_SUCCESS;
            }
    machine_unlock();
    return status;
}
