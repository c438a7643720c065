/* The machine that the library pretends to see, as the file in BEE_FAKE_CUDA says it. Read once, by cuInit. */
#ifndef FAKE_CUDA_MACHINE_H
#define FAKE_CUDA_MACHINE_H

#include <map>
#include <string>
#include <vector>

#include "abi.h"

/* Something that goes wrong with one GPU. `pattern` is a shell pattern for the name of an operation (a kernel's symbol,
 * copy_to_device, copy_to_host, copy_on_device, copy_to_peer, fill); `nth` counts those from 1, 0 is each. */
struct Fault {
    std::string action, pattern;
    unsigned nth = 0, seen = 0;
    std::vector<double> numbers;
};

/* A call that fails or hangs by order. */
struct Rule {
    std::string function, action;
    unsigned nth = 0, seen = 0;
    int code = 0;
};

struct DeviceModel {
    std::map<std::string, std::string> texts;
    std::vector<Fault> faults;
    std::vector<Rule> rules;

    const std::string& text(const std::string& name) const;
    double number(const std::string& name, double otherwise = 0) const;
};

struct Machine {
    int cuda = 12090;
    bool early = false;
    std::vector<DeviceModel> devices; /* as PCI has them */
    std::vector<Rule> rules;          /* for calls that have no GPU */
    std::vector<std::pair<std::string, std::string>> kernels; /* target, library */
    std::vector<std::pair<int, int>> strangers;               /* pairs that cannot reach each other */
};

/* NULL, and a sentence on stderr, where there is none. */
Machine* machine();
void forget_machine();

#endif
