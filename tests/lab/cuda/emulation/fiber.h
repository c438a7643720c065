/* A switch of stacks. ucontext would do, but it asks the kernel for the signal mask at every switch. */
#ifndef FAKE_CUDA_FIBER_H
#define FAKE_CUDA_FIBER_H

#include <cstddef>
#include <cstdint>

#ifndef __x86_64__
#error "the fake CUDA library switches stacks for x86-64 only"
#endif

/* Saves what the calling convention lets a function keep, leaves the old stack pointer in *from, and goes on there. */
extern "C" void fake_switch(void** from, void* to);
asm(R"(
    .text
    .hidden fake_switch
    .globl fake_switch
    .type fake_switch, @function
fake_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size fake_switch, .-fake_switch
)");

/* The stack pointer with which `entry` starts on a fresh stack; entry must not return. */
inline void* fresh_stack(void* stack, size_t bytes, void (*entry)()) {
    auto top = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15};
    auto* words = reinterpret_cast<uintptr_t*>(top) - 8;
    for (int i = 0; i < 6; i++) words[i] = 0;
    words[6] = reinterpret_cast<uintptr_t>(entry);
    words[7] = 0;
    return words;
}

#endif
