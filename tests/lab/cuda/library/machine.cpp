#include "machine.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

const std::string& DeviceModel::text(const std::string& name) const {
    static const std::string nothing;
    auto found = texts.find(name);
    return found == texts.end() ? nothing : found->second;
}

double DeviceModel::number(const std::string& name, double otherwise) const {
    const std::string& found = text(name);
    return found.empty() ? otherwise : strtod(found.c_str(), nullptr);
}

namespace {

std::string rest_of(std::istream& line) {
    std::string rest;
    std::getline(line >> std::ws, rest);
    return rest;
}

bool read_line(Machine& machine, const std::string& text) {
    std::istringstream line(text);
    std::string verb, name, word;
    line >> verb;
    auto device = [&]() -> DeviceModel* {
        unsigned number = ~0u;
        line >> number;
        if (number == machine.devices.size()) machine.devices.emplace_back();
        return number < machine.devices.size() ? &machine.devices[number] : nullptr;
    };
    if (verb == "cuda") return bool(line >> machine.cuda);
    if (verb == "early") return bool(line >> machine.early);
    if (verb == "kernels") {
        line >> name;
        machine.kernels.emplace_back(name, rest_of(line));
        return true;
    }
    if (verb == "device") {
        DeviceModel* found = device();
        if (found == nullptr || !(line >> name)) return false;
        found->texts[name] = rest_of(line);
        return true;
    }
    if (verb == "strangers") {
        int a, b;
        if (!(line >> a >> b)) return false;
        machine.strangers.emplace_back(a, b);
        return true;
    }
    if (verb == "fault") {
        DeviceModel* found = device();
        Fault fault;
        if (found == nullptr || !(line >> fault.action >> fault.pattern >> fault.nth)) return false;
        for (double number; line >> number;) fault.numbers.push_back(number);
        found->faults.push_back(fault);
        return true;
    }
    if (verb == "rule") {
        Rule rule;
        std::string whom;
        if (!(line >> whom >> rule.function >> rule.action >> rule.nth)) return false;
        line >> rule.code;
        if (whom == "*") {
            machine.rules.push_back(rule);
        } else {
            size_t number = strtoul(whom.c_str(), nullptr, 10);
            if (number >= machine.devices.size()) return false;
            machine.devices[number].rules.push_back(rule);
        }
        return true;
    }
    return verb.empty();
}

Machine* read_machine() {
    const char* path = getenv("BEE_FAKE_CUDA");
    std::ifstream file(path ? path : "");
    if (path == nullptr || !file) {
        fprintf(stderr, "fake CUDA: BEE_FAKE_CUDA names no file that can be read\n");
        return nullptr;
    }
    static Machine found;
    found = {};
    for (std::string line; std::getline(file, line);)
        if (!read_line(found, line)) {
            fprintf(stderr, "fake CUDA: %s: not understood: %s\n", path, line.c_str());
            return nullptr;
        }
    return &found;
}

}  // namespace

namespace {
Machine* known = nullptr;
}

Machine* machine() {
    if (known == nullptr) known = read_machine();
    return known;
}

void forget_machine() { known = nullptr; }
