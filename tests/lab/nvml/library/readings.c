/* What changes from second to second: temperature, power, clocks, utilisation, why the clocks are what they are. */
#include "machine.h"

#define LIVE_FUNCTION(function, needs, field, type) \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, type *out) { \
        ON(device); \
        if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT; \
        if (gpu.needs.error) return gpu.needs.error; \
        *out = gpu.live.field; \
        return NVML_SUCCESS; \
    }

#define UINT_FUNCTION(function, field) \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *out) { \
        ON(device); \
        return answer_uint(&gpu, &gpu.field, out); \
    }

LIVE_FUNCTION(nvmlDeviceGetTotalEnergyConsumption, energy, energy_mj, unsigned long long)
LIVE_FUNCTION(nvmlDeviceGetCurrentClocksEventReasons, reasons_supported, reasons, unsigned long long)
LIVE_FUNCTION(nvmlDeviceGetCurrentClocksThrottleReasons, reasons_supported, reasons, unsigned long long)

UINT_FUNCTION(nvmlDeviceGetPowerManagementLimit, power_limit)
UINT_FUNCTION(nvmlDeviceGetPowerManagementDefaultLimit, power_limit_default)
UINT_FUNCTION(nvmlDeviceGetEnforcedPowerLimit, power_limit_enforced)
UINT_FUNCTION(nvmlDeviceGetPerformanceState, performance_state)
UINT_FUNCTION(nvmlDeviceGetPowerState, performance_state)

/* GA100 and older give the instant; everything newer the mean of a second (NVML reference). */
EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *out) {
    ON(device);
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu.power_idle.error) return gpu.power_idle.error;
    *out = value_of(&gpu, &gpu.power_is_average) ? gpu.live.power_average_mw : gpu.live.power_mw;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, unsigned int *out) {
    ON(device);
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *out = 1;
    return gpu.power_limit.error;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *low, unsigned int *high) {
    ON(device);
    nvmlReturn_t answer = answer_uint(&gpu, &gpu.power_limit_min, low);
    return answer ? answer : answer_uint(&gpu, &gpu.power_limit_max, high);
}

static nvmlReturn_t supported_reasons(nvmlDevice_t device, const char *function, unsigned long long *out) {
    Gpu gpu;
    nvmlReturn_t status = call_on(device, function, &gpu);
    return status ? status : answer_ull(&gpu, &gpu.reasons_supported, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long *out) {
    return supported_reasons(device, __func__, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device, unsigned long long *out) {
    return supported_reasons(device, __func__, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor, unsigned int *out) {
    ON(device);
    if (out == NULL || sensor != 0) return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu.temperature_idle.error) return gpu.temperature_idle.error;
    *out = (unsigned int)gpu.live.temperature;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *out) {
    ON(device);
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (out->version != VERSION(nvmlTemperature_v1_t, 1)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (out->sensorType != 0) return NVML_ERROR_INVALID_ARGUMENT;
    out->temperature = gpu.live.temperature;
    return gpu.temperature_idle.error;
}

EXPORT nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_v1_t *out) {
    ON(device);
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (out->version != VERSION(nvmlMarginTemperature_v1_t, 1)) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    out->marginTemperature = (int)number_at(&gpu.margin_zero, gpu.now) - gpu.live.temperature;
    return gpu.margin_zero.error;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned int kind, unsigned int *out) {
    ON(device);
    switch (kind) {
        case 0: return answer_uint(&gpu, &gpu.threshold_shutdown, out);
        case 1: return answer_uint(&gpu, &gpu.threshold_slowdown, out);
        case 2: return answer_uint(&gpu, &gpu.threshold_memory_max, out);
        case 3: return answer_uint(&gpu, &gpu.threshold_gpu_max, out);
        default: return kind < 8 ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_INVALID_ARGUMENT;
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *out) {
    ON(device);
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu.utilization.error != NVML_SUCCESS && gpu.utilization.error != NVML_ERROR_NOT_SUPPORTED)
        return gpu.utilization.error;
    *out = (nvmlUtilization_t){gpu.live.utilization, gpu.live.memory_utilization};
    return value_of(&gpu, &gpu.mig_current) ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

static nvmlReturn_t engine(nvmlDevice_t device, const char *function, unsigned int *out, unsigned int *period_us) {
    Gpu gpu;
    nvmlReturn_t status = call_on(device, function, &gpu);
    if (status) return status;
    if (period_us == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    *period_us = 167000;
    return answer_uint(&gpu, &gpu.encoder_utilization, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *out, unsigned int *period_us) {
    return engine(device, __func__, out, period_us);
}

EXPORT nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *out, unsigned int *period_us) {
    return engine(device, __func__, out, period_us);
}

enum { CLOCK_GRAPHICS, CLOCK_SM, CLOCK_MEMORY, CLOCK_VIDEO, CLOCK_KINDS };

EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned int kind, unsigned int *out) {
    ON(device);
    if (out == NULL || kind >= CLOCK_KINDS) return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu.graphics_clock_max.error) return gpu.graphics_clock_max.error;
    *out = kind == CLOCK_MEMORY ? gpu.live.memory_mhz
         : kind == CLOCK_VIDEO  ? gpu.live.video_mhz
                                : gpu.live.graphics_mhz;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int kind, unsigned int *out) {
    ON(device);
    if (kind >= CLOCK_KINDS) return NVML_ERROR_INVALID_ARGUMENT;
    return answer_uint(&gpu, kind == CLOCK_MEMORY  ? &gpu.memory_clock_max
                             : kind == CLOCK_VIDEO ? &gpu.video_clock_max
                                                   : &gpu.graphics_clock_max, out);
}

static nvmlReturn_t application_clock(nvmlDevice_t device, const char *function, unsigned int kind, unsigned int *out) {
    Gpu gpu;
    nvmlReturn_t status = call_on(device, function, &gpu);
    if (status) return status;
    if (kind >= CLOCK_KINDS) return NVML_ERROR_INVALID_ARGUMENT;
    if (kind == CLOCK_VIDEO) return NVML_ERROR_NOT_SUPPORTED;
    return answer_uint(&gpu, kind == CLOCK_MEMORY ? &gpu.application_memory_clock : &gpu.application_graphics_clock, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t device, unsigned int kind, unsigned int *out) {
    return application_clock(device, __func__, kind, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t device, unsigned int kind, unsigned int *out) {
    return application_clock(device, __func__, kind, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t device, unsigned int kind, unsigned int *out) {
    ON(device);
    if (kind >= CLOCK_KINDS) return NVML_ERROR_INVALID_ARGUMENT;
    return kind == CLOCK_GRAPHICS ? answer_uint(&gpu, &gpu.boost_clock, out) : NVML_ERROR_NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, unsigned int kind, unsigned int id, unsigned int *out) {
    switch (id) {
        case 0: return nvmlDeviceGetClockInfo(device, kind, out);
        case 1: return nvmlDeviceGetApplicationsClock(device, kind, out);
        case 2: return nvmlDeviceGetDefaultApplicationsClock(device, kind, out);
        case 3: return nvmlDeviceGetMaxCustomerBoostClock(device, kind, out);
        default: return NVML_ERROR_INVALID_ARGUMENT;
    }
}

/* Lists: the size first, then the content. */
static nvmlReturn_t list(const unsigned int *values, unsigned int length, unsigned int *count, unsigned int *out) {
    if (count == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int room = *count;
    *count = length;
    if (room < length) return NVML_ERROR_INSUFFICIENT_SIZE;
    if (out == NULL) return length ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
    for (unsigned int i = 0; i < length; i++) out[i] = values[i];
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned int *count, unsigned int *out) {
    ON(device);
    if (gpu.memory_clock_max.error) return gpu.memory_clock_max.error;
    unsigned int clocks[] = {(unsigned int)gpu.memory_clock_max.value, (unsigned int)gpu.memory_clock_low.value};
    return list(clocks, gpu.memory_clock_low.error ? 1 : 2, count, out);
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned int memory_mhz, unsigned int *count, unsigned int *out) {
    ON(device);
    if (gpu.graphics_clock_max.error) return gpu.graphics_clock_max.error;
    bool low = !gpu.memory_clock_low.error && memory_mhz == (unsigned int)gpu.memory_clock_low.value;
    if (!low && memory_mhz != (unsigned int)gpu.memory_clock_max.value) return NVML_ERROR_NOT_FOUND;
    bool limited = low && !gpu.graphics_clock_low_max.error;
    unsigned int top = (unsigned int)(limited ? gpu.graphics_clock_low_max.value : gpu.graphics_clock_max.value);
    unsigned int clocks[512], length = 0;
    for (unsigned int mhz = top; mhz >= gpu.graphics_clock_min.value && length < 512; mhz -= 15) clocks[length++] = mhz;
    return list(clocks, length, count, out);
}
