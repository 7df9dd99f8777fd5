/* Checks network.c.

Without arguments: whether it computes for images of noise the logits that the network has in Keras; status 0 if so.
With two, IMAGES and LOGITS: reads prepared images as float32 from one file, writes their logits to the other. */

#include <stdio.h>

#include "network.h"

#define PIXELS (NETWORK_HEIGHT * NETWORK_WIDTH * NETWORK_CHANNELS)

/* Computed by Keras, its sums in the order of network.c. */
#define NETWORK_NOISE_LOGITS {{0.0f}}

static const float expected[][NETWORK_CLASSES] = NETWORK_NOISE_LOGITS;
static float image[PIXELS], logits[NETWORK_CLASSES];

/* Whether all logits are equal, up to 1e-5 of their range; counts those that are equal to the last bit. */
static int agree(const float *found, const float *wanted, int *equal)
{
    float low = wanted[0], high = wanted[0];
    int exact = 1, close = 1;
    for (int i = 0; i < NETWORK_CLASSES; i++) {
        low = wanted[i] < low ? wanted[i] : low;
        high = wanted[i] > high ? wanted[i] : high;
    }
    for (int i = 0; i < NETWORK_CLASSES; i++) {
        const float difference = found[i] > wanted[i] ? found[i] - wanted[i] : wanted[i] - found[i];
        exact &= found[i] == wanted[i];
        close &= difference <= 1e-5f * (high - low);
    }
    *equal += exact;
    return close;
}

static int check_noise(void)
{
    const int images = (int)(sizeof expected / sizeof *expected);
    uint32_t state = 0;
    int close = 0, equal = 0;
    for (int i = 0; i < images; i++) {
        for (int j = 0; j < PIXELS; j++) { /* from -2 to 2 */
            state = state * 1664525u + 1013904223u;
            image[j] = (float)(state >> 8) / 4194304.0f - 2.0f;
        }
        network_predict(image, logits);
        close += agree(logits, expected[i], &equal);
    }
    printf("%d of %d images have the logits of Keras, %d to the last bit\n", close, images, equal);
    return close < images;
}

static int run(const char *images, const char *results)
{
    FILE *in = fopen(images, "rb"), *out = fopen(results, "wb");
    int failed = !in || !out;
    while (!failed && fread(image, sizeof image, 1, in) == 1) {
        network_predict(image, logits);
        failed = fwrite(logits, sizeof logits, 1, out) != 1;
    }
    failed |= in && fclose(in);
    failed |= out && fclose(out);
    return failed;
}

int main(int argc, char **argv)
{
    return argc == 3 ? run(argv[1], argv[2]) : check_noise();
}
