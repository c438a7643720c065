/* cuInit, and which GPUs there are. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "driver.h"

std::mutex& lock = *new std::mutex;
std::condition_variable& any_change = *new std::condition_variable;
std::vector<std::unique_ptr<Device>>& devices = *new std::vector<std::unique_ptr<Device>>;
thread_local Context* current = nullptr;

namespace {

bool initialised = false;

/* A scripted refusal; a scripted hang does not come back. */
CUresult obey(std::vector<Rule>& rules, const char* function) {
    Locked locked(lock);
    for (Rule& rule : rules) {
        if (rule.function != function && rule.function != "*") continue;
        rule.seen++;
        if (rule.nth != 0 && rule.seen != rule.nth) continue;
        if (rule.action == "hang") any_change.wait(locked, [] { return false; });
        if (rule.action == "error") return rule.code;
    }
    return SUCCESS;
}

/* "GPU-6e1b…" names a device by any start of its UUID that fits one only. */
int by_uuid(const Machine& machine, const std::string& name) {
    int found = -1;
    for (size_t i = 0; i < machine.devices.size(); i++)
        if (machine.devices[i].text("uuid").rfind(name, 0) == 0) {
            if (found >= 0) return -1;
            found = int(i);
        }
    return found;
}

/* CUDA_DEVICE_ORDER and CUDA_VISIBLE_DEVICES, as the CUDA programming guide has them: the list ends before the first
 * entry that names nothing, and a device named twice makes it empty. */
std::vector<int> visible(const Machine& machine) {
    std::vector<int> order(machine.devices.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = int(i);
    const char* how = getenv("CUDA_DEVICE_ORDER");
    if (how == nullptr || strcmp(how, "PCI_BUS_ID") != 0)
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
            auto speed = [&](int i) { return machine.devices[size_t(i)].number("multiprocessors") * machine.devices[size_t(i)].number("clock_khz"); };
            return speed(a) > speed(b);
        });
    const char* chosen = getenv("CUDA_VISIBLE_DEVICES");
    if (chosen == nullptr) return order;
    std::vector<int> found;
    std::istringstream list(chosen);
    for (std::string name; std::getline(list, name, ',');) {
        name.erase(0, name.find_first_not_of(" \t"));
        int number = -1;
        if (name.rfind("GPU-", 0) == 0) {
            number = by_uuid(machine, name);
        } else {
            char* end = nullptr;
            long index = strtol(name.c_str(), &end, 10);
            if (end != name.c_str() && *end == 0 && index >= 0 && index < long(order.size())) number = order[size_t(index)];
        }
        if (number < 0) break;
        if (std::find(found.begin(), found.end(), number) != found.end()) return {};
        found.push_back(number);
    }
    return found;
}

}  // namespace

CUresult begin(const char* function, bool must_be_initialised) {
    Machine* m = machine();
    if (m == nullptr) return NO_DEVICE;
    if (CUresult code = obey(m->rules, function)) return code;
    return must_be_initialised && !initialised ? NOT_INITIALIZED : SUCCESS;
}

CUresult begin_on(const char* function, CUdevice ordinal) {
    if (CUresult code = begin(function)) return code;
    Device* device = device_at(ordinal);
    return device == nullptr ? INVALID_DEVICE : obey(device->model->rules, function);
}

CUresult begin_here(const char* function) {
    if (CUresult code = begin(function)) return code;
    if (current == nullptr) return INVALID_CONTEXT;
    if (current->dead != SUCCESS) return current->dead;
    return obey(current->device->model->rules, function);
}

Device* device_at(CUdevice ordinal) {
    return ordinal < 0 || size_t(ordinal) >= devices.size() ? nullptr : devices[size_t(ordinal)].get();
}

EXPORT cuInit(unsigned flags) {
    if (CUresult code = begin("cuInit", false)) return code;
    if (flags != 0) return INVALID_VALUE;
    Locked locked(lock);
    if (initialised) return SUCCESS;
    Machine* m = machine();
    for (int number : visible(*m)) {
        auto device = std::make_unique<Device>();
        device->number = number;
        device->model = &m->devices[size_t(number)];
        devices.push_back(std::move(device));
    }
    if (devices.empty()) return NO_DEVICE;
    initialised = true;
    return SUCCESS;
}

/* Not in the real library: this process is to see another machine now. What is left of the old one goes. */
EXPORT fake_cuda_forget() {
    for (auto& device : devices)
        while (!device->contexts.empty()) cuCtxDestroy_v2(device->contexts.back());
    Locked locked(lock);
    devices.clear();
    initialised = false;
    forget_machine();
    return SUCCESS;
}

EXPORT cuDriverGetVersion(int* version) {
    if (version == nullptr) return INVALID_VALUE;
    Machine* m = machine();
    if (m == nullptr) return NO_DEVICE;
    *version = m->cuda;
    return SUCCESS;
}

EXPORT cuDeviceGetCount(int* count) {
    if (CUresult code = begin("cuDeviceGetCount")) return code;
    if (count == nullptr) return INVALID_VALUE;
    *count = int(devices.size());
    return SUCCESS;
}

EXPORT cuDeviceGet(CUdevice* found, int ordinal) {
    if (CUresult code = begin_on("cuDeviceGet", ordinal)) return code;
    if (found == nullptr) return INVALID_VALUE;
    *found = ordinal;
    return SUCCESS;
}

EXPORT cuDeviceGetName(char* name, int length, CUdevice ordinal) {
    if (CUresult code = begin_on("cuDeviceGetName", ordinal)) return code;
    if (name == nullptr || length <= 0) return INVALID_VALUE;
    strncpy(name, device_at(ordinal)->model->text("name").c_str(), size_t(length));
    name[length - 1] = 0;
    return SUCCESS;
}

EXPORT cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice ordinal) {
    if (CUresult code = begin_on("cuDeviceGetUuid_v2", ordinal)) return code;
    if (uuid == nullptr) return INVALID_VALUE;
    std::string digits = device_at(ordinal)->model->text("uuid").substr(4);
    digits.erase(std::remove(digits.begin(), digits.end(), '-'), digits.end());
    for (size_t i = 0; i < 16; i++) uuid->bytes[i] = static_cast<unsigned char>(strtoul(digits.substr(2 * i, 2).c_str(), nullptr, 16));
    return SUCCESS;
}

EXPORT cuDeviceGetPCIBusId(char* text, int length, CUdevice ordinal) {
    if (CUresult code = begin_on("cuDeviceGetPCIBusId", ordinal)) return code;
    if (text == nullptr || length < 13) return INVALID_VALUE;
    const DeviceModel& model = *device_at(ordinal)->model;
    snprintf(text, size_t(length), "%04X:%02X:%02X.0", int(model.number("pci_domain")), int(model.number("pci_bus")), int(model.number("pci_device")));
    return SUCCESS;
}

EXPORT cuDeviceTotalMem_v2(size_t* bytes, CUdevice ordinal) {
    if (CUresult code = begin_on("cuDeviceTotalMem_v2", ordinal)) return code;
    if (bytes == nullptr) return INVALID_VALUE;
    *bytes = device_at(ordinal)->total();
    return SUCCESS;
}

EXPORT cuDeviceGetAttribute(int* value, int attribute, CUdevice ordinal) {
    if (CUresult code = begin_on("cuDeviceGetAttribute", ordinal)) return code;
    if (value == nullptr) return INVALID_VALUE;
    const Device& device = *device_at(ordinal);
    const DeviceModel& model = *device.model;
    const int sm = device.sm();
    switch (attribute) {
        case 1: *value = 1024; break;                                  /* threads of a block */
        case 8: *value = 48 << 10; break;                              /* shared memory of a block */
        case 10: *value = 32; break;
        case 13: *value = int(model.number("clock_khz")); break;
        case 16: *value = int(model.number("multiprocessors")); break;
        case 17: *value = 0; break;                                    /* no watchdog */
        case 18: *value = 0; break;                                    /* not integrated */
        case 19: *value = 1; break;
        case 20: *value = int(model.number("compute_mode")); break;
        case 32: *value = int(model.number("ecc")); break;
        case 33: *value = int(model.number("pci_bus")); break;
        case 34: *value = int(model.number("pci_device")); break;
        case 36: *value = int(model.number("memory_clock_khz")); break;
        case 37: *value = int(model.number("memory_bus_width")); break;
        case 38: *value = int(model.number("l2_bytes")); break;
        case 40: *value = 3; break;
        case 41: *value = 1; break;
        case 50: *value = int(model.number("pci_domain")); break;
        case 75: *value = sm / 10; break;
        case 76: *value = sm % 10; break;
        case 81: *value = int(model.number("shared_optin")) + 1024; break;
        case 97: *value = int(model.number("shared_optin")); break;
        case 120: case 127: *value = sm >= 90; break;
        default: return INVALID_VALUE;
    }
    return SUCCESS;
}

/* The driver's tables for other libraries of NVIDIA's. NVRTC asks for one in a process where cuInit succeeds, and takes
 * a refusal. */
EXPORT cuGetExportTable(const void** table, const CUuuid*) {
    *table = nullptr;
    return NOT_FOUND;
}
