/* Modules, their kernels, and how these are launched. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

#include "../emulation/tensor_map.h"
#include "driver.h"

namespace {

constexpr unsigned DEFAULT_SHARED = 48 << 10, REGISTERS = 65536, PORTABLE_CLUSTER = 8, LARGEST_CLUSTER = 16;

std::vector<fake::Kernel>* library_of(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        fprintf(stderr, "fake CUDA: %s\n", dlerror());
        return nullptr;
    }
    auto* kernels = reinterpret_cast<std::vector<fake::Kernel>& (*)()>(dlsym(library, "fake_kernels"));
    return kernels ? &kernels() : nullptr;
}

/* The host's form of a kernel, from the libraries made for that target. */
const fake::Kernel* host_form(const std::string& target, const std::string& name) {
    for (auto& [of, path] : machine()->kernels) {
        if (of != target) continue;
        if (auto* kernels = library_of(path))
            for (auto& kernel : *kernels)
                if (kernel.name == name) return &kernel;
    }
    return nullptr;
}

Function* function_of(CUfunction given) {
    for (auto& device : devices)
        for (Context* context : device->contexts)
            for (auto& module : context->modules)
                for (auto& function : module->functions)
                    if (function.get() == given) return given;
    return nullptr;
}

void tell(const std::string& log, unsigned count, const int* options, void** values, int buffer, int size) {
    char* to = nullptr;
    size_t room = 0;
    for (unsigned i = 0; i < count; i++) {
        if (options[i] == buffer) to = static_cast<char*>(values[i]);
        if (options[i] == size) room = reinterpret_cast<size_t>(values[i]);
    }
    if (to != nullptr && room > 0) snprintf(to, room, "%s", log.c_str());
}

}  // namespace

EXPORT cuModuleLoadDataEx(CUmodule* found, const void* image, unsigned count, int* options, void** values) {
    if (CUresult code = begin_here("cuModuleLoadDataEx")) return code;
    if (found == nullptr || image == nullptr) return INVALID_VALUE;
    Image read;
    std::string log;
    CUresult code = read_image(static_cast<const char*>(image), *current->device, machine()->cuda, &read, &log);
    tell(code ? "" : log, count, options, values, 3, 4);
    tell(code ? log : "", count, options, values, 5, 6);
    if (code) return code;
    Locked locked(lock);
    auto module = std::make_unique<Module>();
    module->context = current;
    module->binary_version = read.binary_version;
    module->ptx_version = read.ptx_version;
    for (Function& function : read.functions) {
        function.module = module.get();
        function.kernel = host_form(read.target, function.name);
        function.max_dynamic_shared = DEFAULT_SHARED - std::min(DEFAULT_SHARED, function.static_shared);
        if (function.kernel == nullptr) {
            fprintf(stderr, "fake CUDA: there is no host form of %s for %s\n", function.name.c_str(), read.target.c_str());
            return SHARED_OBJECT_INIT_FAILED;
        }
        const auto& sizes = function.kernel->argument_bytes;
        if (!std::equal(sizes.begin(), sizes.end(), function.argument_bytes.begin(), function.argument_bytes.end())) {
            fprintf(stderr, "fake CUDA: %s has other parameters in the object than in its host form\n", function.name.c_str());
            return SHARED_OBJECT_INIT_FAILED;
        }
        module->functions.push_back(std::make_unique<Function>(function));
    }
    *found = module.get();
    current->modules.insert(std::move(module));
    return SUCCESS;
}

EXPORT cuModuleUnload(CUmodule given) {
    if (CUresult code = begin_here("cuModuleUnload")) return code;
    Locked locked(lock);
    auto found = std::find_if(current->modules.begin(), current->modules.end(), [&](auto& module) { return module.get() == given; });
    if (found == current->modules.end()) return INVALID_HANDLE;
    if (CUresult code = wait_idle(locked, current, nullptr)) return code;
    current->modules.erase(found);
    return SUCCESS;
}

EXPORT cuModuleGetFunction(CUfunction* found, CUmodule given, const char* name) {
    if (CUresult code = begin_here("cuModuleGetFunction")) return code;
    if (found == nullptr || name == nullptr) return INVALID_VALUE;
    Locked locked(lock);
    for (auto& module : current->modules) {
        if (module.get() != given) continue;
        for (auto& function : module->functions)
            if (function->name == name) {
                *found = function.get();
                return SUCCESS;
            }
        return NOT_FOUND;
    }
    return INVALID_HANDLE;
}

EXPORT cuFuncGetAttribute(int* value, int attribute, CUfunction given) {
    if (CUresult code = begin_here("cuFuncGetAttribute")) return code;
    Locked locked(lock);
    const Function* function = function_of(given);
    if (function == nullptr) return INVALID_HANDLE;
    if (value == nullptr) return INVALID_VALUE;
    switch (attribute) {
        case FUNCTION_MAX_THREADS: *value = int(function->max_threads); break;
        case FUNCTION_SHARED: *value = int(function->static_shared); break;
        case FUNCTION_LOCAL: *value = int(function->local); break;
        case FUNCTION_REGISTERS: *value = int(function->registers); break;
        case FUNCTION_PTX_VERSION: *value = function->module->ptx_version; break;
        case FUNCTION_BINARY_VERSION: *value = function->module->binary_version; break;
        case FUNCTION_MAX_DYNAMIC_SHARED: *value = int(function->max_dynamic_shared); break;
        case FUNCTION_NON_PORTABLE_CLUSTER: *value = function->non_portable; break;
        default: return INVALID_VALUE;
    }
    return SUCCESS;
}

EXPORT cuFuncGetParamInfo(CUfunction given, size_t index, size_t* offset, size_t* size) {
    if (CUresult code = begin_here("cuFuncGetParamInfo")) return code;
    Locked locked(lock);
    const Function* function = function_of(given);
    if (function == nullptr) return INVALID_HANDLE;
    if (offset == nullptr || index >= function->argument_bytes.size()) return INVALID_VALUE;
    *offset = 0;
    for (size_t i = 0; i <= index; i++) {
        const size_t bytes = function->argument_bytes[i], alignment = bytes < 8 ? bytes : bytes == sizeof(fake::Matrix) ? 64 : 8;
        *offset = (*offset + alignment - 1) / alignment * alignment + (i < index ? bytes : 0);
    }
    if (size != nullptr) *size = function->argument_bytes[index];
    return SUCCESS;
}

EXPORT cuFuncSetAttribute(CUfunction given, int attribute, int value) {
    if (CUresult code = begin_here("cuFuncSetAttribute")) return code;
    Locked locked(lock);
    Function* function = function_of(given);
    if (function == nullptr) return INVALID_HANDLE;
    if (attribute == FUNCTION_MAX_DYNAMIC_SHARED) {
        const int most = int(current->device->model->number("shared_optin")) - int(function->static_shared);
        if (value < 0 || value > most) return INVALID_VALUE;
        function->max_dynamic_shared = unsigned(value);
    } else if (attribute == FUNCTION_NON_PORTABLE_CLUSTER) {
        function->non_portable = value != 0;
    } else {
        return INVALID_VALUE;
    }
    return SUCCESS;
}

namespace {

/* Registers are given out to warps, in pieces of 256. */
unsigned registers_of(const Function& function, unsigned threads) {
    const unsigned warps = (threads + 31) / 32;
    return (function.registers * 32 + 255) / 256 * 256 * warps;
}

CUresult check_launch(const Function& function, const CUlaunchConfig& config, fake::Launch* launch) {
    const Device& device = *current->device;
    const dim3 grid{config.grid_x, config.grid_y, config.grid_z}, block{config.block_x, config.block_y, config.block_z};
    const uint64_t threads = uint64_t(block.x) * block.y * block.z;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) return INVALID_VALUE;
    if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return INVALID_VALUE;
    if (block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024) return INVALID_VALUE;
    if (threads > function.max_threads || registers_of(function, unsigned(threads)) > REGISTERS) return LAUNCH_OUT_OF_RESOURCES;
    if (config.shared_bytes > function.max_dynamic_shared) return INVALID_VALUE;
    dim3 cluster = function.cluster;
    for (unsigned i = 0; i < config.attribute_count; i++) {
        const CUlaunchAttribute& attribute = config.attributes[i];
        if (attribute.id == LAUNCH_IGNORE) continue;
        if (attribute.id != LAUNCH_CLUSTER) return INVALID_VALUE;
        const dim3 asked{attribute.cluster.x, attribute.cluster.y, attribute.cluster.z};
        if (asked.x == 0 || asked.y == 0 || asked.z == 0) return INVALID_VALUE;
        if (cluster.x != 0 && (asked.x != cluster.x || asked.y != cluster.y || asked.z != cluster.z)) return INVALID_VALUE;
        cluster = asked;
    }
    if (cluster.x == 0) cluster = {1, 1, 1};
    const unsigned size = cluster.x * cluster.y * cluster.z;
    if (size > 1 && device.sm() < 90) return INVALID_CLUSTER_SIZE;
    if (size > (function.non_portable ? LARGEST_CLUSTER : PORTABLE_CLUSTER)) return INVALID_CLUSTER_SIZE;
    if (grid.x % cluster.x || grid.y % cluster.y || grid.z % cluster.z) return INVALID_VALUE;
    launch->grid = grid;
    launch->block = block;
    launch->cluster = cluster;
    launch->shared_bytes = config.shared_bytes;
    launch->multiprocessors = unsigned(device.model->number("multiprocessors"));
    launch->early = machine()->early;
    launch->fp8_bits = int(device.model->number("fp8_bits"));
    return SUCCESS;
}

/* Parameters are copied at the launch, as the real driver does. Tensor maps must lie on 64 bytes in the kernel. */
struct Arguments {
    std::vector<char*> storage;
    std::vector<void*> pointers;
    std::vector<uint64_t> targets;

    Arguments(const std::vector<size_t>& sizes, void** given) {
        for (size_t i = 0; i < sizes.size(); i++) {
            char* copy = static_cast<char*>(aligned_alloc(64, (sizes[i] + 63) / 64 * 64));
            memcpy(copy, given[i], sizes[i]);
            uint64_t first[2] = {0, 0};
            memcpy(first, copy, std::min<size_t>(sizes[i], 16));
            targets.push_back(sizes[i] == sizeof(fake::Matrix) && first[0] == fake::TENSOR_MAP ? first[1] : first[0]);
            storage.push_back(copy);
            pointers.push_back(copy);
        }
    }
    Arguments(const Arguments&) = delete;
    ~Arguments() {
        for (char* copy : storage) free(copy);
    }
};

std::mutex& kernels_run = *new std::mutex; /* one kernel at a time in this process */

CUresult run_kernel(Context* context, const fake::Kernel& kernel, const fake::Launch& launch, const Arguments& arguments) {
    std::lock_guard<std::mutex> one(kernels_run);
    {
        Locked locked(lock);
        take_away_from(*context);
    }
    const int code = fake::run(launch, [&] { kernel.call(kernel.function, arguments.pointers.data()); });
    Locked locked(lock);
    give_back_all();
    return code;
}

}  // namespace

EXPORT cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction given, void** parameters, void** extra) {
    if (CUresult code = begin_here("cuLaunchKernelEx")) return code;
    if (config == nullptr || extra != nullptr) return INVALID_VALUE;
    Locked locked(lock);
    Function* function = function_of(given);
    CUresult code;
    Stream* stream = stream_of(config->stream, &code);
    if (function == nullptr || stream == nullptr || function->module->context != stream->context) return INVALID_HANDLE;
    fake::Launch launch;
    if ((code = check_launch(*function, *config, &launch))) return code;
    const fake::Kernel& kernel = *function->kernel;
    if (parameters == nullptr && !kernel.argument_bytes.empty()) return INVALID_VALUE;
    auto arguments = std::make_shared<Arguments>(kernel.argument_bytes, parameters);
    const double seconds = function->name == "spin" ? -1 : kernel_seconds(*current->device, function->name, kernel.argument_bytes, arguments->pointers.data());
    Context* context = stream->context;
    submit(stream, {function->name, [=, &kernel] { return run_kernel(context, kernel, launch, *arguments); }, seconds, arguments->targets});
    return SUCCESS;
}

EXPORT cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                      CUstream stream, void** parameters, void** extra) {
    const CUlaunchConfig config{gx, gy, gz, bx, by, bz, shared, stream, nullptr, 0};
    return cuLaunchKernelEx(&config, function, parameters, extra);
}

EXPORT cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction given, int threads, size_t shared) {
    if (CUresult code = begin_here("cuOccupancyMaxActiveBlocksPerMultiprocessor")) return code;
    Locked locked(lock);
    const Function* function = function_of(given);
    if (function == nullptr) return INVALID_HANDLE;
    if (blocks == nullptr || threads <= 0) return INVALID_VALUE;
    const unsigned registers = registers_of(*function, unsigned(threads));
    const unsigned room = unsigned(current->device->model->number("shared_optin")) + 1024;
    const uint64_t each = shared + function->static_shared + 1024;
    *blocks = int(std::min<uint64_t>({uint64_t(2048 / threads), registers ? REGISTERS / registers : 32u, room / each, 32}));
    return SUCCESS;
}

EXPORT cuOccupancyMaxActiveClusters(int* clusters, CUfunction given, const CUlaunchConfig* config) {
    if (CUresult code = begin_here("cuOccupancyMaxActiveClusters")) return code;
    if (clusters == nullptr || config == nullptr) return INVALID_VALUE;
    Locked locked(lock);
    const Function* function = function_of(given);
    if (function == nullptr) return INVALID_HANDLE;
    fake::Launch launch;
    if (CUresult code = check_launch(*function, *config, &launch)) return code;
    const unsigned size = launch.cluster.x * launch.cluster.y * launch.cluster.z;
    *clusters = int(launch.multiprocessors / size);
    return SUCCESS;
}
