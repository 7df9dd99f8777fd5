/* What a Cortex-M4 starts with: it enables the floating-point unit and starts newlib, which calls main with the arguments
of the emulator. */

#include <stdint.h>

extern uint32_t stack_top;
void _start(void);

void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20;
    __asm volatile("dsb\n isb");
    _start();
}

static void stop(void)
{
    for (;;)
        ;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    &stack_top, (void *)reset, (void *)stop, (void *)stop, (void *)stop, (void *)stop, (void *)stop};
