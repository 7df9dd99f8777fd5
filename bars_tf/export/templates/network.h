/* A binary neural network in plain C: network.c computes it, without other libraries and without malloc. */

#ifndef NETWORK_H
#define NETWORK_H

#include <stdint.h>

/* Images are arrays [height][width][channels]. */
#define NETWORK_HEIGHT 28
#define NETWORK_WIDTH 28
#define NETWORK_CHANNELS 1
#define NETWORK_CLASSES 10

/* Bytes of constants, which stay in flash, and of static memory for activations; code and stack are not counted. */
#define NETWORK_FLASH 0
#define NETWORK_RAM 0

/* A number from 0 to 255 is prepared as number * scale - offset, by channel. */
#define NETWORK_SCALE {1.0f}
#define NETWORK_OFFSET {0.0f}

#ifdef __cplusplus
extern "C" {
#endif

/* Prepares an image of numbers from 0 to 255. */
void network_prepare(const uint8_t *pixels, float *image);

/* Computes the logits of a prepared image. Returns the index of the largest one, which is the class. Calls share their
memory: one at a time. */
int network_predict(const float *image, float *logits);

#ifdef __cplusplus
}
#endif

#endif
