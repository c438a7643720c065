/* What `nvidia-smi --query-gpu=...` does with the library: load it, start it, ask every GPU, print, end.
 * The stand-in for the real tool where there is no real driver; link with -ldl. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *device;
typedef int (*nullary)(void);
typedef int (*count_of)(unsigned int *);
typedef int (*handle_of)(unsigned int, device *);
typedef int (*text_of)(device, char *, unsigned int);
typedef int (*number_of)(device, unsigned int *);
typedef int (*kind_of)(device, unsigned int, unsigned int *);
typedef int (*mask_of)(device, unsigned long long *);
typedef int (*pair_of)(device, unsigned int[2]);
typedef int (*memory_of)(device, unsigned long long[3]);

static void *library;

static void *find(const char *name) {
    void *function = dlsym(library, name);
    if (function == NULL) {
        fprintf(stderr, "no %s\n", name);
        exit(1);
    }
    return function;
}

int main(void) {
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (library == NULL || ((nullary)find("nvmlInit_v2"))() != 0) return 9;
    unsigned int count = 0;
    ((count_of)find("nvmlDeviceGetCount_v2"))(&count);
    for (unsigned int gpu = 0; gpu < count; gpu++) {
        device handle;
        char name[96] = "", uuid[96] = "";
        unsigned int number = 0, pair[2] = {0, 0};
        unsigned long long mask = 0, memory[3] = {0, 0, 0};
        ((handle_of)find("nvmlDeviceGetHandleByIndex_v2"))(gpu, &handle);
        ((text_of)find("nvmlDeviceGetName"))(handle, name, sizeof name);
        ((text_of)find("nvmlDeviceGetUUID"))(handle, uuid, sizeof uuid);
        printf("%u, %s, %s", gpu, name, uuid);
        ((kind_of)find("nvmlDeviceGetTemperature"))(handle, 0, &number);
        printf(", %u", number);
        ((pair_of)find("nvmlDeviceGetUtilizationRates"))(handle, pair);
        printf(", %u %%, %u %%", pair[0], pair[1]);
        ((memory_of)find("nvmlDeviceGetMemoryInfo"))(handle, memory);
        printf(", %llu MiB, %llu MiB", memory[0] >> 20, memory[2] >> 20);
        ((number_of)find("nvmlDeviceGetPowerUsage"))(handle, &number);
        printf(", %.2f W", number / 1000.0);
        for (unsigned int clock = 0; clock < 3; clock++) {
            ((kind_of)find("nvmlDeviceGetClockInfo"))(handle, clock, &number);
            printf(", %u MHz", number);
        }
        ((number_of)find("nvmlDeviceGetCurrPcieLinkGeneration"))(handle, &number);
        printf(", %u", number);
        ((number_of)find("nvmlDeviceGetCurrPcieLinkWidth"))(handle, &number);
        printf(", %u", number);
        ((mask_of)find("nvmlDeviceGetCurrentClocksThrottleReasons"))(handle, &mask);
        printf(", 0x%016llx\n", mask);
    }
    ((nullary)find("nvmlShutdown"))();
    return 0;
}
