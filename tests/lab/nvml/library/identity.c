/* What a GPU is: names, numbers and places that do not change while it runs, and its modes. */
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define TEXT_FUNCTION(function, field) \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, char *out, unsigned int length) { \
        ON(device); \
        return answer_text(&gpu.field, out, length); \
    }

#define UINT_FUNCTION(function, field) \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *out) { \
        ON(device); \
        return answer_uint(&gpu, &gpu.field, out); \
    }

TEXT_FUNCTION(nvmlDeviceGetName, name)
TEXT_FUNCTION(nvmlDeviceGetUUID, uuid)
TEXT_FUNCTION(nvmlDeviceGetSerial, serial)
TEXT_FUNCTION(nvmlDeviceGetBoardPartNumber, board_part_number)
TEXT_FUNCTION(nvmlDeviceGetVbiosVersion, vbios)
TEXT_FUNCTION(nvmlDeviceGetInforomImageVersion, inforom_image)

UINT_FUNCTION(nvmlDeviceGetMinorNumber, minor)
UINT_FUNCTION(nvmlDeviceGetBrand, brand)
UINT_FUNCTION(nvmlDeviceGetArchitecture, architecture)
UINT_FUNCTION(nvmlDeviceGetBoardId, board_id)
UINT_FUNCTION(nvmlDeviceGetMultiGpuBoard, multi_gpu_board)
UINT_FUNCTION(nvmlDeviceGetModuleId, module_id)
UINT_FUNCTION(nvmlDeviceGetNumGpuCores, cores)
UINT_FUNCTION(nvmlDeviceGetMemoryBusWidth, memory_bus_width)
UINT_FUNCTION(nvmlDeviceGetPersistenceMode, persistence)
UINT_FUNCTION(nvmlDeviceGetComputeMode, compute_mode)
UINT_FUNCTION(nvmlDeviceGetDisplayActive, display_active)
UINT_FUNCTION(nvmlDeviceGetVirtualizationMode, virtualization)
UINT_FUNCTION(nvmlDeviceGetNumaNodeId, numa_node)
UINT_FUNCTION(nvmlDeviceGetIrqNum, irq)
UINT_FUNCTION(nvmlDeviceGetDefaultEccMode, ecc_default)
UINT_FUNCTION(nvmlDeviceGetNumFans, fan_count)

EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *out) {
    ON(device);
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *out = gpu.index;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *out) {
    ON(device);
    return answer_text(&gpu.gsp_firmware, out, 64); /* the caller's buffer is 64 bytes by contract */
}

EXPORT nvmlReturn_t nvmlDeviceGetGspFirmwareMode(nvmlDevice_t device, unsigned int *enabled, unsigned int *initial) {
    ON(device);
    if (initial == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t answer = answer_uint(&gpu, &gpu.gsp_mode, enabled);
    if (answer == NVML_SUCCESS) *initial = *enabled;
    return answer;
}

EXPORT nvmlReturn_t nvmlDeviceGetInforomVersion(nvmlDevice_t device, unsigned int object, char *out, unsigned int length) {
    ON(device);
    switch (object) {
        case 0: return answer_text(&gpu.inforom_oem, out, length);
        case 1: return answer_text(&gpu.inforom_ecc, out, length);
        case 2: return answer_text(&gpu.inforom_power, out, length);
        default: return NVML_ERROR_INVALID_ARGUMENT;
    }
}

EXPORT nvmlReturn_t nvmlDeviceValidateInforom(nvmlDevice_t device) {
    ON(device);
    if (gpu.inforom_valid.error) return gpu.inforom_valid.error;
    return value_of(&gpu, &gpu.inforom_valid) ? NVML_SUCCESS : NVML_ERROR_CORRUPTED_INFOROM;
}

EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) {
    ON(device);
    if (major == NULL || minor == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *major = (int)gpu.cc_major.value;
    *minor = (int)gpu.cc_minor.value;
    return gpu.cc_major.error;
}

static void place_of(const Gpu *gpu, unsigned int *domain, unsigned int *bus, unsigned int *slot) {
    *domain = (unsigned int)gpu->pci_domain.value;
    *bus = (unsigned int)gpu->pci_bus.value;
    *slot = (unsigned int)gpu->pci_device.value;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    ON(device);
    if (pci == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    memset(pci, 0, sizeof *pci);
    place_of(&gpu, &pci->domain, &pci->bus, &pci->device);
    pci->pciDeviceId = (unsigned int)gpu.pci_device_id.value;
    pci->pciSubSystemId = (unsigned int)gpu.pci_subsystem_id.value;
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain, pci->bus, pci->device);
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus, pci->device);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_v2_t *pci) {
    nvmlPciInfo_t info;
    nvmlReturn_t status = nvmlDeviceGetPciInfo_v3(device, &info);
    if (status) return status;
    if (pci == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *pci = (nvmlPciInfo_v2_t){.domain = info.domain, .bus = info.bus, .device = info.device,
                              .pciDeviceId = info.pciDeviceId, .pciSubSystemId = info.pciSubSystemId};
    memcpy(pci->busId, info.busIdLegacy, sizeof pci->busId);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_v2_t *pci) {
    return nvmlDeviceGetPciInfo_v2(device, pci);
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t *pci) {
    ON(device);
    if (pci == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (pci->version != VERSION(nvmlPciInfoExt_v1_t, 1)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    place_of(&gpu, &pci->domain, &pci->bus, &pci->device);
    pci->pciDeviceId = (unsigned int)gpu.pci_device_id.value;
    pci->pciSubSystemId = (unsigned int)gpu.pci_subsystem_id.value;
    pci->baseClass = 3, pci->subClass = 2;
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus, pci->device);
    return NVML_SUCCESS;
}

static nvmlReturn_t two(const Gpu *gpu, const Number *a, const Number *b, unsigned int *first, unsigned int *second) {
    nvmlReturn_t status = answer_uint(gpu, a, first);
    return status ? status : answer_uint(gpu, b, second);
}

EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    ON(device);
    return two(&gpu, &gpu.ecc_current, &gpu.ecc_pending, current, pending);
}

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    ON(device);
    return two(&gpu, &gpu.mig_current, &gpu.mig_pending, current, pending);
}

EXPORT nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int *out) {
    ON(device);
    if (gpu.fan_count.error) return gpu.fan_count.error;
    if (fan >= value_of(&gpu, &gpu.fan_count)) return NVML_ERROR_INVALID_ARGUMENT;
    return answer_uint(&gpu, &gpu.fan_speed, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int *out) {
    ON(device);
    return answer_uint(&gpu, &gpu.fan_speed, out);
}
