/* How long a real GPU of the model would take: what events measure. Rates come from the device's description, and small
 * work is as fast as large work, so that rates and limits can be judged at the sizes that a CPU can do. */
#include <cstring>

#include "driver.h"

namespace {

constexpr double SHORT = 1e-8; /* a kernel that no rate is told of */

uint64_t value_of(void* argument, size_t bytes) {
    uint64_t value = 0;
    memcpy(&value, argument, bytes < 8 ? bytes : 8);
    return value;
}

bool starts(const std::string& name, const char* with) { return name.rfind(with, 0) == 0; }

}  // namespace

double copy_seconds(const Device& device, const char* link, uint64_t bytes) {
    return double(bytes) / device.model->number(link, 1e9);
}

double kernel_seconds(const Device& device, const std::string& name, const std::vector<size_t>& sizes, void* const* arguments) {
    const double memory = device.model->number("memory_rate", 1e11);
    auto argument = [&](size_t index) { return index < sizes.size() ? double(value_of(arguments[index], sizes[index])) : 0.0; };
    if (starts(name, "gemm_")) {
        const std::string type = name.substr(5, name.find('_', 5) - 5);
        double work = 2; /* M·N·K are the first three parameters of 32 bits */
        unsigned found = 0;
        for (size_t i = 0; i < sizes.size() && found < 3; i++)
            if (sizes[i] == 4) work *= argument(i), found++;
        return work / device.model->number("rate_" + type, 1e12);
    }
    if (starts(name, "memory_check_fill")) return argument(1) * 16 / memory;
    if (starts(name, "memory_")) return argument(1) * 8 / memory;
    if (name == "bandwidth_copy") return argument(2) * 2 / memory;
    if (starts(name, "bandwidth_")) return argument(1) / memory;
    if (starts(name, "check_result_")) return argument(1) * argument(2) * (name.back() == '8' ? 8 : 4) / memory;
    return SHORT;
}
