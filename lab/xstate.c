/* Preloaded into User Mode Linux where the processor has more registers than it knows of.
 *
 * It keeps room for the registers up to AVX-512. Where the processor has AMX as well, Linux takes
 * a process's registers (PTRACE_SETREGSET, NT_X86_XSTATE) only in the longer form, refuses the
 * shorter one (EFAULT, arch/x86/kernel/fpu/regset.c), and the host's first process dies of it.
 * What is missing is added here: zeros, the state of registers that were never used. No program in
 * a host can use them, since User Mode Linux grants nobody the permission they need.
 *
 * No header but the compiler's own is needed.
 */
#include <stdarg.h>
#include <stddef.h>

enum { GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202 };

struct iovec {
    void *base;
    size_t length;
};

extern void *dlsym(void *, const char *);
extern void *memcpy(void *, const void *, size_t);
extern void *memset(void *, int, size_t);

static long (*next)(int, ...);

/* Not on the stack: this runs on the small stacks of a kernel, and on one processor. */
static char registers[65536] __attribute__((aligned(64)));
static size_t whole;

__attribute__((constructor)) static void find_next(void)
{
    next = (long (*)(int, ...))dlsym((void *)-1, "ptrace");
}

long ptrace(int request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    int pid = va_arg(arguments, int);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request != SETREGSET || (size_t)address != XSTATE)
        return next(request, pid, address, data);

    struct iovec given = *(struct iovec *)data;
    if (whole == 0) {
        struct iovec asked = {registers, sizeof registers};
        if (next(GETREGSET, pid, address, &asked) < 0)
            return -1;
        whole = asked.length;
        memset(registers, 0, sizeof registers);
    }
    if (given.length >= whole)
        return next(request, pid, address, data);
    memcpy(registers, given.base, given.length);
    struct iovec padded = {registers, whole};
    return next(request, pid, address, &padded);
}
