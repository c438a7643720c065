/* Reads the configuration file that BEE_FAKE_NVML names, again whenever it changes (changes.c).
 *
 * One statement a line:
 *   clock running MONOTONIC_SECONDS SPEED | clock frozen SECONDS
 *   system driver loaded|unloaded|mismatch
 *   system driver_version|nvml_version|cuda_version VALUE
 *   gpu I NAME VALUE         VALUE: a number, a number with +RATE per second, or !ERROR (an NVML error code)
 *   link I L NAME VALUE
 *   load I AT LEVEL SECONDS  from AT on the load moves to LEVEL (0 to 1) within SECONDS
 *   process I PID BYTES compute|graphics NAME
 *   event ID AT I TYPE DATA
 *   call I|* FUNCTION|* hang | slow SECONDS | error CODE
 * A line that starts with `at SECONDS` holds from that time on. What is not named is not supported.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine.h"

enum { LINE = 512 };
typedef struct { double at; char text[LINE]; } Timed;

static Machine machine;
static Timed *timed;
static size_t timed_count, timed_done;
static bool clock_frozen;
static double clock_start, clock_speed = 1.0;
static bool loaded;

static double elapsed(void) {
    if (clock_frozen) return clock_start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((double)now.tv_sec + (double)now.tv_nsec / 1e9 - clock_start) * clock_speed;
}

static bool set_number(Number *number, const char *value, double at) {
    char *end;
    if (*value == '!') {
        long error = strtol(value + 1, &end, 10);
        *number = (Number){.error = (nvmlReturn_t)error};
        return end != value + 1 && *end == 0 && error > 0;
    }
    double rate = 0, amount = strtod(value, &end);
    if (end == value) return false;
    if (*end == '+') rate = strtod(end + 1, &end);
    *number = (Number){.value = amount, .rate = rate, .since = at};
    return *end == 0;
}

static bool set_text(Text *text, const char *value) {
    *text = (Text){0};
    if (*value == '!') {
        text->error = (nvmlReturn_t)strtoul(value + 1, NULL, 10);
        return text->error != 0;
    }
    return snprintf(text->text, sizeof text->text, "%s", value) < (int)sizeof text->text;
}

typedef struct { const char *name; size_t offset; } Place;
#define NUMBER_PLACE(name) {#name, offsetof(Gpu, name)},
#define LINK_PLACE(name) {#name, offsetof(Link, name)},
static const Place numbers[] = {GPU_NUMBERS(NUMBER_PLACE) {NULL, 0}};
static const Place texts[] = {GPU_TEXTS(NUMBER_PLACE) {NULL, 0}};
static const Place link_numbers[] = {LINK_NUMBERS(LINK_PLACE) {NULL, 0}};

static const Place *place(const Place *places, const char *name) {
    for (; places->name != NULL; places++)
        if (strcmp(places->name, name) == 0) return places;
    return NULL;
}

static Gpu *gpu_named(const char *word) {
    char *end;
    unsigned long index = word ? strtoul(word, &end, 10) : MAX_GPUS;
    if (index >= MAX_GPUS || *end != 0) return NULL;
    if (index >= machine.gpu_count) machine.gpu_count = (unsigned int)index + 1;
    return &machine.gpus[index];
}

static bool say_system(char *rest) {
    const char *name = strtok_r(rest, " ", &rest), *value = rest;
    if (name == NULL || *value == 0) return false;
    if (strcmp(name, "driver") == 0) {
        machine.driver = strcmp(value, "unloaded") == 0 ? DRIVER_UNLOADED
                       : strcmp(value, "mismatch") == 0 ? DRIVER_MISMATCH
                                                        : DRIVER_LOADED;
        return machine.driver != DRIVER_LOADED || strcmp(value, "loaded") == 0;
    }
    if (strcmp(name, "driver_version") == 0) return snprintf(machine.driver_version, 80, "%s", value) < 80;
    if (strcmp(name, "nvml_version") == 0) return snprintf(machine.nvml_version, 80, "%s", value) < 80;
    if (strcmp(name, "cuda_version") == 0) return (machine.cuda_version = atoi(value)) > 0;
    return false;
}

static bool say_gpu(char *rest, double at) {
    Gpu *gpu = gpu_named(strtok_r(rest, " ", &rest));
    const char *name = strtok_r(rest, " ", &rest);
    if (gpu == NULL || name == NULL) return false;
    const Place *found = place(numbers, name);
    if (found != NULL) return set_number((Number *)((char *)gpu + found->offset), rest, at);
    found = place(texts, name);
    return found != NULL && set_text((Text *)((char *)gpu + found->offset), rest);
}

static bool say_link(char *rest, double at) {
    Gpu *gpu = gpu_named(strtok_r(rest, " ", &rest));
    const char *link = strtok_r(rest, " ", &rest), *name = strtok_r(rest, " ", &rest);
    if (gpu == NULL || link == NULL || name == NULL) return false;
    const Place *found = place(link_numbers, name);
    unsigned long number = strtoul(link, NULL, 10);
    return found != NULL && number < MAX_LINKS
        && set_number((Number *)((char *)&gpu->links[number] + found->offset), rest, at);
}

static bool say_load(char *rest) {
    Gpu *gpu = gpu_named(strtok_r(rest, " ", &rest));
    Load load;
    if (gpu == NULL || gpu->load_count == MAX_LOADS) return false;
    if (sscanf(rest, "%lf %lf %lf", &load.at, &load.level, &load.seconds) != 3) return false;
    gpu->loads[gpu->load_count++] = load;
    return true;
}

static bool say_process(char *rest) {
    Gpu *gpu = gpu_named(strtok_r(rest, " ", &rest));
    if (gpu == NULL || gpu->process_count == MAX_PROCESSES) return false;
    Process *process = &gpu->processes[gpu->process_count++];
    char kind[16];
    int read = sscanf(rest, "%u %llu %15s %95[^\n]", &process->pid, &process->memory, kind, process->name);
    process->graphics = strcmp(kind, "graphics") == 0;
    return read == 4;
}

static bool say_event(char *rest) {
    if (machine.event_count == MAX_EVENTS) return false;
    Event *event = &machine.events[machine.event_count++];
    return sscanf(rest, "%u %lf %u %llu %llu", &event->id, &event->at, &event->gpu, &event->type, &event->data) == 5;
}

static bool say_call(char *rest) {
    const char *gpu = strtok_r(rest, " ", &rest), *function = strtok_r(rest, " ", &rest);
    const char *what = strtok_r(rest, " ", &rest);
    if (machine.rule_count == MAX_RULES || gpu == NULL || function == NULL || what == NULL) return false;
    Rule *rule = &machine.rules[machine.rule_count++];
    rule->gpu = *gpu == '*' ? -1 : atoi(gpu);
    rule->kind = strcmp(what, "hang") == 0  ? RULE_HANG
               : strcmp(what, "slow") == 0  ? RULE_SLOW
               : strcmp(what, "error") == 0 ? RULE_ERROR
                                            : RULE_NONE; /* "clear": ends an earlier rule */
    rule->value = *rest ? strtod(rest, NULL) : 0;
    snprintf(rule->function, sizeof rule->function, "%s", function);
    return rule->kind != RULE_NONE || strcmp(what, "clear") == 0;
}

static bool say_clock(char *rest) {
    const char *how = strtok_r(rest, " ", &rest);
    clock_frozen = how != NULL && strcmp(how, "frozen") == 0;
    clock_speed = 1.0;
    return sscanf(rest, "%lf %lf", &clock_start, &clock_speed) >= 1;
}

static bool say(const char *statement, double at) {
    char line[LINE], *rest = line;
    snprintf(line, sizeof line, "%s", statement);
    const char *verb = strtok_r(rest, " ", &rest);
    if (verb == NULL || *verb == '#') return true;
    if (strcmp(verb, "clock") == 0) return say_clock(rest);
    if (strcmp(verb, "system") == 0) return say_system(rest);
    if (strcmp(verb, "gpu") == 0) return say_gpu(rest, at);
    if (strcmp(verb, "link") == 0) return say_link(rest, at);
    if (strcmp(verb, "load") == 0) return say_load(rest);
    if (strcmp(verb, "process") == 0) return say_process(rest);
    if (strcmp(verb, "event") == 0) return say_event(rest);
    if (strcmp(verb, "call") == 0) return say_call(rest);
    return false;
}

static void forget(void) {
    memset(&machine, 0, sizeof machine);
    for (unsigned int i = 0; i < MAX_GPUS; i++) {
        Gpu *gpu = &machine.gpus[i];
        gpu->index = i;
        for (const Place *p = numbers; p->name; p++)
            ((Number *)((char *)gpu + p->offset))->error = NVML_ERROR_NOT_SUPPORTED;
        for (const Place *p = texts; p->name; p++)
            ((Text *)((char *)gpu + p->offset))->error = NVML_ERROR_NOT_SUPPORTED;
        for (unsigned int l = 0; l < MAX_LINKS; l++)
            for (const Place *p = link_numbers; p->name; p++)
                ((Number *)((char *)&gpu->links[l] + p->offset))->error = NVML_ERROR_NOT_SUPPORTED;
    }
    free(timed);
    timed = NULL;
    timed_count = timed_done = 0;
}

static bool read_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "fake nvml: %s: %s\n", path, strerror(errno));
        return false;
    }
    forget();
    char line[LINE];
    for (unsigned int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        line[strcspn(line, "\n")] = 0;
        double at;
        int used = 0;
        bool understood = true;
        if (sscanf(line, "at %lf %n", &at, &used) == 1 && used > 0) { /* Python writes these in order of time */
            timed = realloc(timed, (timed_count + 1) * sizeof *timed);
            timed[timed_count].at = at;
            snprintf(timed[timed_count++].text, LINE, "%s", line + used);
        } else {
            understood = say(line, 0);
        }
        if (!understood) {
            fprintf(stderr, "fake nvml: %s:%u: not understood: %s\n", path, number, line);
            fclose(file);
            return false;
        }
    }
    fclose(file);
    return true;
}

const Machine *machine_now(void) {
    const char *path = getenv("BEE_FAKE_NVML");
    if (path == NULL) {
        fprintf(stderr, "fake nvml: BEE_FAKE_NVML must name the configuration file\n");
        return NULL;
    }
    if ((file_changed(path) || !loaded) && !(loaded = read_file(path))) return NULL;
    machine.now = elapsed();
    while (timed_done < timed_count && timed[timed_done].at <= machine.now) {
        const Timed *due = &timed[timed_done++];
        if (!say(due->text, due->at)) {
            fprintf(stderr, "fake nvml: not understood: %s\n", due->text);
            return NULL;
        }
    }
    return &machine;
}
