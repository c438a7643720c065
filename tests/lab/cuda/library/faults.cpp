/* What was ordered to go wrong. */
#include <cmath>
#include <cstring>
#include <fnmatch.h>

#include "driver.h"

Orders orders_for(Device& device, const std::string& operation) {
    Orders orders;
    for (Fault& fault : device.model->faults) {
        if (fnmatch(fault.pattern.c_str(), operation.c_str(), 0) != 0) continue;
        fault.seen++;
        if (fault.nth != 0 && fault.seen != fault.nth) continue;
        auto number = [&](size_t i) { return i < fault.numbers.size() ? fault.numbers[i] : 0.0; };
        if (fault.action == "hang") orders.hang = true;
        if (fault.action == "lose") orders.lose = int(number(0));
        if (fault.action == "slow") orders.slow *= number(0);
        if (fault.action == "wait") orders.wait += number(0);
        if (fault.action == "flip" || fault.action == "nan") orders.after.push_back(fault);
    }
    return orders;
}

/* flip: parameter, offset in bytes, bit. nan: parameter, offset, width of the number in bytes. */
void spoil(Device& device, const std::vector<Fault>& faults, const std::vector<uint64_t>& targets) {
    (void)device;
    for (const Fault& fault : faults) {
        const size_t parameter = size_t(fault.numbers.at(0));
        const uint64_t offset = uint64_t(fault.numbers.at(1)), last = uint64_t(fault.numbers.at(2));
        if (parameter >= targets.size()) continue;
        const uint64_t at = targets[parameter] + offset;
        const uint64_t width = fault.action == "nan" ? last : 1 + last / 8;
        Allocation* memory = find_memory(at, width);
        if (memory == nullptr) continue;
        if (fault.action == "flip") {
            memory->alias(at)[last / 8] ^= char(1 << last % 8);
        } else {
            const float narrow = NAN;
            const double wide = NAN;
            memcpy(memory->alias(at), width == 8 ? static_cast<const void*>(&wide) : &narrow, width == 8 ? 8 : 4);
        }
    }
}

/* stuck: cell (a byte's place on the device), bit, value. */
void apply_stuck_cells(Device& device) {
    for (const Fault& fault : device.model->faults) {
        if (fault.action != "stuck") continue;
        const uint64_t cell = uint64_t(fault.numbers.at(0));
        const char bit = char(1 << unsigned(fault.numbers.at(1)));
        for (auto& memory : device.memory)
            if (cell >= memory->cell && cell < memory->cell + memory->size) {
                char* byte = memory->alias(memory->address + (cell - memory->cell));
                *byte = fault.numbers.at(2) != 0 ? char(*byte | bit) : char(*byte & ~bit);
            }
    }
}
