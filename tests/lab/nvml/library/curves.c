/* How temperature, power, clocks and utilisation follow the load, the same for the same moment every time.
 *
 * The load is a line of straight pieces. Power follows it within half a second, temperature within half a
 * minute: both are the exact answer of a first-order lag to those pieces, so nothing is stored between calls.
 */
#include <math.h>

#include "machine.h"

enum {
    IDLE = 0x1, POWER_CAP = 0x4, HW_SLOWDOWN = 0x8, SW_THERMAL = 0x20, HW_THERMAL = 0x40, POWER_BRAKE = 0x80
};
static const double POWER_LAG = 0.4, AVERAGE_LAG = 1.0, HEAT_LAG = 25.0, AWAKE = 0.005;

/* Between -1 and 1, by GPU, quantity and quarter of a second. */
static double noise(const Gpu *gpu, unsigned int quantity) {
    uint64_t x = ((uint64_t)(gpu->now * 4.0) * 0x9E3779B97F4A7C15ull) ^ ((uint64_t)gpu->index << 32) ^ quantity;
    x ^= x >> 30, x *= 0xBF58476D1CE4E5B9ull, x ^= x >> 27, x *= 0x94D049BB133111EBull, x ^= x >> 31;
    return (double)(x >> 11) / 4503599627370496.0 - 1.0;
}

/* One stretch of time in which the load changes evenly. */
typedef struct { double seconds, from, to; } Stretch;

static unsigned int stretches(const Gpu *gpu, Stretch *out) {
    unsigned int count = 0;
    double at = 0, level = 0;
    for (unsigned int i = 0; i <= gpu->load_count; i++) {
        double next = i < gpu->load_count ? fmin(gpu->loads[i].at, gpu->now) : gpu->now;
        if (next > at) out[count++] = (Stretch){next - at, level, level}, at = next;
        if (i == gpu->load_count || gpu->loads[i].at >= gpu->now) continue;
        const Load *load = &gpu->loads[i];
        double stop = i + 1 < gpu->load_count ? fmin(gpu->loads[i + 1].at, gpu->now) : gpu->now;
        double run = load->seconds > 0 ? fmin(load->seconds, stop - at) : 0;
        double share = load->seconds > 0 ? run / load->seconds : 1;
        double reached = level + (load->level - level) * share;
        if (run > 0) out[count++] = (Stretch){run, level, reached}, at += run;
        level = reached;
    }
    if (count == 0 || out[count - 1].to != level) out[count++] = (Stretch){0, level, level};
    return count;
}

static double lagged(const Stretch *stretch, unsigned int count, double lag) {
    double value = 0;
    for (unsigned int i = 0; i < count; i++) {
        double seconds = stretch[i].seconds;
        if (seconds <= 0) continue;
        double slope = (stretch[i].to - stretch[i].from) / seconds;
        double start = stretch[i].from - slope * lag;
        value = start + slope * seconds + (value - start) * exp(-seconds / lag);
    }
    return value;
}

static double integral(const Stretch *stretch, unsigned int count) {
    double sum = 0;
    for (unsigned int i = 0; i < count; i++) sum += stretch[i].seconds * (stretch[i].from + stretch[i].to) / 2;
    return sum;
}

static double between(const Gpu *gpu, const Number *idle, const Number *load, double share) {
    double low = number_at(idle, gpu->now);
    return load->error ? low : low + (number_at(load, gpu->now) - low) * share;
}

/* Too hot: by the margin where the GPU has one, else by its slowdown threshold. */
static unsigned long long heat_reasons(const Gpu *gpu, double temperature) {
    double slow, hard;
    if (gpu->margin_zero.error == NVML_SUCCESS) {
        slow = gpu->margin_zero.value;
        hard = slow - number_at(&gpu->tlimit_slowdown, gpu->now);
    } else if (gpu->threshold_slowdown.error == NVML_SUCCESS) {
        slow = gpu->threshold_gpu_max.error ? gpu->threshold_slowdown.value : gpu->threshold_gpu_max.value;
        hard = gpu->threshold_slowdown.value;
    } else {
        return 0;
    }
    if (temperature >= hard) return SW_THERMAL | HW_SLOWDOWN | HW_THERMAL;
    return temperature >= slow ? SW_THERMAL : 0;
}

static double clock_share(unsigned long long reasons) {
    if (reasons & (HW_SLOWDOWN | HW_THERMAL | POWER_BRAKE)) return 0.5;
    return reasons & SW_THERMAL ? 0.8 : 1.0;
}

static unsigned int clock_step(double mhz) { return (unsigned int)(mhz / 15.0) * 15u; }

void telemetry_at(Gpu *gpu) {
    Stretch stretch[2 * MAX_LOADS + 4];
    unsigned int count = stretches(gpu, stretch);
    Telemetry *live = &gpu->live;
    double level = stretch[count - 1].to, now = gpu->now;
    bool awake = level > AWAKE;
    double fast = lagged(stretch, count, POWER_LAG), slow = lagged(stretch, count, AVERAGE_LAG);
    double warm = lagged(stretch, count, HEAT_LAG);
    live->level = level;
    live->seconds_under_load = integral(stretch, count);

    double temperature = between(gpu, &gpu->temperature_idle, &gpu->temperature_load, warm)
                       + number_at(&gpu->temperature_offset, now) + noise(gpu, 1) * 0.5;
    live->temperature = (int)lround(temperature);
    live->memory_temperature = (int)lround(
        between(gpu, &gpu->memory_temperature_idle, &gpu->memory_temperature_load, warm)
        + number_at(&gpu->temperature_offset, now) + noise(gpu, 2) * 0.5);
    live->reasons = value_of(gpu, &gpu->reasons_forced) | heat_reasons(gpu, temperature);
    double share = clock_share(live->reasons);

    double limit = number_at(&gpu->power_limit_enforced, now);
    double demand = between(gpu, &gpu->power_idle, &gpu->power_load, fast * share) * (1 + noise(gpu, 3) * 0.005);
    if (awake && gpu->power_limit_enforced.error == NVML_SUCCESS && demand > limit) {
        live->reasons |= POWER_CAP;
        share *= limit / demand;
        demand = limit;
    }
    live->power_mw = (unsigned int)demand;
    live->power_average_mw = (unsigned int)fmin(
        between(gpu, &gpu->power_idle, &gpu->power_load, slow * share) * (1 + noise(gpu, 4) * 0.002),
        gpu->power_limit_enforced.error ? INFINITY : limit);
    double idle_power = number_at(&gpu->power_idle, now), range = number_at(&gpu->power_load, now) - idle_power;
    live->energy_mj = (unsigned long long)(
        number_at(&gpu->energy, now) + idle_power * now + range * live->seconds_under_load);
    if (!awake && !(live->reasons & ~(unsigned long long)IDLE)) live->reasons |= IDLE;

    double top = number_at(&gpu->graphics_clock_max, now);
    live->graphics_mhz = awake ? clock_step(top * share) : (unsigned int)number_at(&gpu->graphics_clock_idle, now);
    live->video_mhz = (unsigned int)number_at(awake ? &gpu->video_clock_max : &gpu->video_clock_idle, now);
    live->memory_mhz = (unsigned int)number_at(&gpu->memory_clock, now);
    double busy = gpu->utilization.error ? level * 100 + (awake ? noise(gpu, 5) * 1.5 : 0)
                                         : number_at(&gpu->utilization, now);
    live->utilization = (unsigned int)lround(fmax(0, fmin(100, busy)));
    live->memory_utilization = (unsigned int)lround(fmax(0, fmin(100, busy * 0.6)));
    live->memory_used = (unsigned long long)between(gpu, &gpu->memory_used, &gpu->memory_used_load, awake ? 1 : 0);
    for (unsigned int i = 0; i < gpu->process_count; i++) live->memory_used += gpu->processes[i].memory;

    bool trained_down = !awake && gpu->pcie_gen_idle.error == NVML_SUCCESS;
    live->pcie_gen = (unsigned int)number_at(trained_down ? &gpu->pcie_gen_idle : &gpu->pcie_gen, now);
    live->pcie_tx_kb = (unsigned int)fmax(0, between(gpu, &gpu->pcie_tx_idle, &gpu->pcie_tx_load, level) * (1 + noise(gpu, 6) * 0.1));
    live->pcie_rx_kb = (unsigned int)fmax(0, between(gpu, &gpu->pcie_rx_idle, &gpu->pcie_rx_load, level) * (1 + noise(gpu, 7) * 0.1));
}
