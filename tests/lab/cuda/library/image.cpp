/* Objects (ELF, as NVRTC makes them) and PTX text: for which GPUs they are, which kernels they hold and what these need. */
#include <algorithm>
#include <cstring>
#include <elf.h>
#include <iterator>
#include <regex>
#include <sstream>

#include "driver.h"

namespace {

constexpr unsigned RESERVED_SHARED = 1024; /* of a block's static shared memory, from sm_90 on */

enum : unsigned char { INFO_MAX_THREADS = 0x05, INFO_REQUIRED_THREADS = 0x10, INFO_FRAME_SIZE = 0x11, INFO_PARAMETER = 0x17,
                       INFO_REGISTERS = 0x2f, INFO_CLUSTER = 0x3d };

struct Info {
    unsigned char attribute;
    std::vector<uint32_t> words;
};

/* .nv.info: entries of format, attribute, and either a 16-bit value or (format 4) the length of what follows. */
std::vector<Info> read_info(const char* at, size_t bytes) {
    std::vector<Info> found;
    for (size_t i = 0; i + 4 <= bytes;) {
        uint16_t length;
        memcpy(&length, at + i + 2, 2);
        Info info{static_cast<unsigned char>(at[i + 1]), {}};
        const bool sized = at[i] == 4;
        i += 4;
        if (sized) {
            info.words.resize(length / 4);
            if (i + length > bytes) break;
            memcpy(info.words.data(), at + i, length / 4 * 4);
            i += length;
        }
        found.push_back(std::move(info));
    }
    return found;
}

/* An object for X.Y runs on X.Z with Z from Y on; one with architecture-specific features on X.Y alone. */
bool runs_on(int object, bool specific, int device) {
    if (specific) return object == device;
    return object / 10 == device / 10 && object % 10 <= device % 10;
}

CUresult read_elf(const char* image, const Device& device, Image* found) {
    Elf64_Ehdr header;
    memcpy(&header, image, sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != 190 /* EM_CUDA */) return INVALID_IMAGE;
    int sm;
    bool specific;
    if (header.e_ident[EI_ABIVERSION] >= 8) {
        sm = int(header.e_flags >> 8 & 0xff);
        specific = header.e_flags & 0x8;
    } else {
        sm = int(header.e_flags & 0xff);
        specific = header.e_flags & 0x800;
    }
    if (!runs_on(sm, specific, device.sm())) return NO_BINARY_FOR_GPU;
    found->target = "sm_" + std::to_string(sm) + (specific ? "a" : "");
    found->binary_version = found->ptx_version = sm;

    std::vector<Elf64_Shdr> sections(header.e_shnum);
    memcpy(sections.data(), image + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
    auto name_of = [&](const Elf64_Shdr& section) { return std::string(image + sections[header.e_shstrndx].sh_offset + section.sh_name); };
    auto section_named = [&](const std::string& name) -> const Elf64_Shdr* {
        for (auto& section : sections)
            if (name_of(section) == name) return &section;
        return nullptr;
    };
    const Elf64_Shdr* table = section_named(".symtab");
    if (table == nullptr) return INVALID_IMAGE;
    std::vector<Elf64_Sym> symbols(table->sh_size / sizeof(Elf64_Sym));
    memcpy(symbols.data(), image + table->sh_offset, symbols.size() * sizeof(Elf64_Sym));
    const char* names = image + sections[table->sh_link].sh_offset;
    const Elf64_Shdr* common = section_named(".nv.info");
    const auto of_all = common ? read_info(image + common->sh_offset, common->sh_size) : std::vector<Info>{};
    for (size_t i = 0; i < symbols.size(); i++) {
        if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC || ELF64_ST_BIND(symbols[i].st_info) != STB_GLOBAL) continue;
        Function function;
        function.name = names + symbols[i].st_name;
        for (auto& info : of_all) {
            if (info.words.size() < 2 || info.words[0] != i) continue;
            if (info.attribute == INFO_REGISTERS) function.registers = info.words[1];
            if (info.attribute == INFO_FRAME_SIZE) function.local = info.words[1];
        }
        const Elf64_Shdr* own = section_named(".nv.info." + function.name);
        if (own == nullptr) continue; /* a function that is no kernel */
        for (auto& info : read_info(image + own->sh_offset, own->sh_size)) {
            auto& w = info.words;
            if ((info.attribute == INFO_MAX_THREADS || info.attribute == INFO_REQUIRED_THREADS) && w.size() >= 3) function.max_threads = w[0] * w[1] * w[2];
            if (info.attribute == INFO_CLUSTER && w.size() >= 3) function.cluster = {w[0], w[1], w[2]};
            if (info.attribute == INFO_PARAMETER && w.size() >= 3) {
                const size_t index = w[1] & 0xffff;
                if (function.argument_bytes.size() <= index) function.argument_bytes.resize(index + 1);
                function.argument_bytes[index] = w[2] >> 18;
            }
        }
        if (const Elf64_Shdr* shared = section_named(".nv.shared." + function.name))
            function.static_shared = unsigned(shared->sh_size) - (sm >= 90 ? RESERVED_SHARED : 0);
        found->functions.push_back(function);
    }
    return SUCCESS;
}

/* The newest PTX that a driver knows: PTX ISA, release history. */
int newest_ptx(int cuda) {
    static const std::pair<int, int> RELEASES[] = {{11080, 78}, {12000, 80}, {12010, 81}, {12020, 82}, {12030, 83}, {12040, 84}, {12050, 85},
                                                   {12060, 85}, {12070, 86}, {12080, 87}, {12090, 88}, {13000, 90}, {13010, 91}};
    int found = 0;
    for (auto [release, ptx] : RELEASES)
        if (cuda >= release) found = ptx;
    return found;
}

unsigned type_bytes(const std::string& type) { return unsigned(std::stoul(type.substr(1))) / 8; }

CUresult read_ptx(const std::string& text, const Device& device, int cuda, Image* found, std::string* log) {
    std::smatch match;
    if (!std::regex_search(text, match, std::regex(R"(\.version\s+(\d+)\.(\d+))"))) return INVALID_IMAGE;
    found->ptx_version = std::stoi(match[1]) * 10 + std::stoi(match[2]);
    if (found->ptx_version > newest_ptx(cuda)) {
        *log = "ptxas application ptx input, fatal   : Unsupported .version " + match[1].str() + "." + match[2].str();
        return UNSUPPORTED_PTX_VERSION;
    }
    if (!std::regex_search(text, match, std::regex(R"(\.target\s+sm_(\d+)(a?))"))) return INVALID_PTX;
    const int sm = std::stoi(match[1]);
    static const int KNOWN[] = {50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 88, 89, 90, 100, 101, 103, 120, 121};
    if (std::find(std::begin(KNOWN), std::end(KNOWN), sm) == std::end(KNOWN)) {
        *log = "ptxas application ptx input, fatal   : SM version specified by .target is unknown: sm_" + match[1].str();
        return INVALID_PTX;
    }
    if (match[2].length() ? sm != device.sm() : sm > device.sm()) return NO_BINARY_FOR_GPU;
    found->target = "compute_" + match[1].str() + match[2].str();
    found->binary_version = device.sm();
    const std::regex entry(R"(\.entry\s+(\w+)\s*\(([^)]*)\)([^{]*)\{)"), parameter(R"(\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)[^,\[]*(?:\[(\d+)\])?)");
    for (std::sregex_iterator it(text.begin(), text.end(), entry), end; it != end; ++it) {
        Function function;
        function.name = (*it)[1];
        const std::string parameters = (*it)[2], rest = (*it)[3];
        for (std::sregex_iterator p(parameters.begin(), parameters.end(), parameter); p != end; ++p)
            function.argument_bytes.push_back((*p)[2].length() ? unsigned(std::stoul((*p)[2])) : type_bytes((*p)[1]));
        if (std::regex_search(rest, match, std::regex(R"(\.(?:max|req)ntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?)")))
            function.max_threads = unsigned(std::stoul(match[1]) * (match[2].length() ? std::stoul(match[2]) : 1) * (match[3].length() ? std::stoul(match[3]) : 1));
        found->functions.push_back(function);
    }
    *log = "ptxas info    : compiled";
    return SUCCESS;
}

}  // namespace

CUresult read_image(const char* image, const Device& device, int cuda, Image* found, std::string* log) {
    if (memcmp(image, ELFMAG, SELFMAG) == 0) return read_elf(image, device, found);
    return read_ptx(image, device, cuda, found, log);
}
