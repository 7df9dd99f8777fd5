/* Prints the instructions of one prediction, and the bytes of stack that it takes. The emulator counts a nanosecond for
each instruction, and its timer runs at 25 MHz. */

#include <stdint.h>
#include <stdio.h>

#include HEADER

#define TIMER ((volatile uint32_t *)0x40000000)
#define PAINTED 4096

static float image[PIXELS], logits[CLASSES];

int main(void)
{
    volatile uint8_t *low = (volatile uint8_t *)__builtin_frame_address(0) - PAINTED - 64;
    int untouched = 0;
    uint32_t before, after;
    for (int i = 0; i < PIXELS; i++)
        image[i] = (float)(i % 255) / 64.0f - 2.0f;
    for (int i = 0; i < PAINTED; i++)
        low[i] = 0xa5;
    TIMER[2] = 0xffffffffu;
    TIMER[1] = 0xffffffffu;
    TIMER[0] = 1;
    before = TIMER[1];
    PREDICT(image, logits);
    after = TIMER[1];
    while (untouched < PAINTED && low[untouched] == 0xa5)
        untouched++;
    printf("%lu instructions, %d bytes of stack\n", (unsigned long)(before - after) * 40u, PAINTED - untouched);
    return 0;
}
