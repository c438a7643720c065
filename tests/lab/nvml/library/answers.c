/* Numbers and texts on their way to the caller's memory. */
#include <string.h>

#include "machine.h"

double number_at(const Number *number, double now) {
    if (number->error != NVML_SUCCESS) return 0;
    double grown = now > number->since ? (now - number->since) * number->rate : 0;
    return number->value + grown;
}

unsigned long long value_of(const Gpu *gpu, const Number *number) {
    double value = number_at(number, gpu->now);
    return value < 0 ? (unsigned long long)(long long)value : (unsigned long long)value;
}

nvmlReturn_t answer_uint(const Gpu *gpu, const Number *number, unsigned int *out) {
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (number->error == NVML_SUCCESS) *out = (unsigned int)value_of(gpu, number);
    return number->error;
}

nvmlReturn_t answer_ull(const Gpu *gpu, const Number *number, unsigned long long *out) {
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (number->error == NVML_SUCCESS) *out = value_of(gpu, number);
    return number->error;
}

nvmlReturn_t answer_string(const char *text, char *out, unsigned int length) {
    if (out == NULL) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

nvmlReturn_t answer_text(const Text *text, char *out, unsigned int length) {
    if (text->error != NVML_SUCCESS) return text->error;
    return answer_string(text->text, out, length);
}
