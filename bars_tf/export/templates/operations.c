/* The operations of binary neural networks in C99, without libraries and without malloc.

Activations are arrays [height][width][channels] of `value`. Their signs are arrays [height][width][words] of 32 bits: bit
i of word j is 1 where channel 32 j + i is not negative; bits without a channel are 0. Sums are added in the order that
the loops say; the proof of an export depends on it. */

#include <stdint.h>
#include <string.h>

/* A product and a sum are rounded one by one, as without fused multiply-add; of GCC -std=c99 asks the same. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* A network needs some of the functions. */
#if defined(__GNUC__)
#define OPERATION __attribute__((unused)) static
#else
#define OPERATION static
#endif

#define WORDS(bits) (((bits) + 31) / 32)
#define BLOCK 32 /* channels that are summed up at a time */

/* What holds an activation between two layers: a float, or the float16 that is nearest, at most 65504. */
#if defined(FLOAT16_ACTIVATIONS)
typedef uint16_t value;

OPERATION inline float loaded(value h)
{
    const uint32_t magnitude = h & 0x7fffu, bits = (magnitude << 13) + (112u << 23);
    float x = (float)magnitude / 16777216.0f; /* below 2^-14 */
    if (magnitude >= 0x400u)
        memcpy(&x, &bits, sizeof x);
    return h & 0x8000u ? -x : x;
}

OPERATION inline value stored(float x)
{
    uint32_t bits, magnitude;
    memcpy(&bits, &x, sizeof bits);
    magnitude = bits & 0x7fffffffu;
    if (magnitude < 113u << 23) { /* below 2^-14: the sum has the right digits */
        x = (x < 0.0f ? -x : x) + 0.5f;
        memcpy(&magnitude, &x, sizeof magnitude);
        magnitude -= 126u << 23;
    } else {
        magnitude = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
        magnitude = magnitude < 0x7c00u ? magnitude : 0x7bffu;
    }
    return (value)((bits >> 16 & 0x8000u) | magnitude);
}
#else
typedef float value;

OPERATION inline float loaded(value x)
{
    return x;
}

OPERATION inline value stored(float x)
{
    return x;
}
#endif

/* How the square window of a convolution or a pooling moves over an image. Its first pixel lies `top` rows above and
`left` columns left of the image. The image is read moved by `shift` pixels to the left and up. */
struct window {
    int height, width, channels, out_height, out_width, out_channels, kernel, stride, dilation, top, left, shift;
};

/* The pixel of an image under a place of the window, as an index, or -1 outside. */
static inline int pixel_under(const struct window *w, int row, int column, int i, int j)
{
    const int y = row * w->stride + i * w->dilation - w->top, x = column * w->stride + j * w->dilation - w->left;
    if (y < 0 || x < 0 || y + w->shift >= w->height || x + w->shift >= w->width)
        return -1;
    return (y + w->shift) * w->width + x + w->shift;
}

/* Float convolution with a kernel [kernel][kernel][channels][out_channels]; then y * scale + offset by channel. It reads
the image, of floats, or activations. */
OPERATION void convolution(value *y, const void *x, int is_image, const struct window *w, const float *kernel,
                           const float *scale, const float *offset)
{
    const int outputs = w->out_channels;
    float sums[BLOCK];
    for (int row = 0; row < w->out_height; row++)
        for (int column = 0; column < w->out_width; column++, y += outputs)
            for (int first = 0; first < outputs; first += BLOCK) {
                const int n = outputs - first < BLOCK ? outputs - first : BLOCK;
                const float *weights = kernel + first;
                memset(sums, 0, sizeof sums);
                for (int i = 0; i < w->kernel; i++)
                    for (int j = 0; j < w->kernel; j++) {
                        const int pixel = pixel_under(w, row, column, i, j);
                        if (pixel < 0) {
                            weights += w->channels * outputs;
                            continue;
                        }
                        for (int c = 0; c < w->channels; c++, weights += outputs) {
                            const int at = pixel * w->channels + c;
                            const float number = is_image ? ((const float *)x)[at] : loaded(((const value *)x)[at]);
                            for (int k = 0; k < n; k++)
                                sums[k] += number * weights[k];
                        }
                    }
                for (int k = 0; k < n; k++)
                    y[first + k] = stored(sums[k] * scale[first + k] + offset[first + k]);
            }
}

/* The signs of an image: whether x >= threshold, by channel, and the reverse where a bit of `flips` is set. Without
thresholds: whether x >= 0. */
OPERATION void signs(uint32_t *bits, const value *x, int pixels, int channels, const float *thresholds,
                const uint32_t *flips)
{
    for (int pixel = 0; pixel < pixels; pixel++, x += channels)
        for (int first = 0; first < channels; first += 32) {
            const int n = channels - first < 32 ? channels - first : 32;
            uint32_t word = 0;
            if (thresholds)
                for (int c = 0; c < n; c++)
                    word |= (uint32_t)(loaded(x[first + c]) >= thresholds[first + c]) << c;
            else
                for (int c = 0; c < n; c++)
                    word |= (uint32_t)(loaded(x[first + c]) >= 0.0f) << c;
            *bits++ = flips ? word ^ flips[first / 32] : word;
        }
}

/* The number of ones in each four bits of a word. */
OPERATION inline uint32_t ones_in_fours(uint32_t v)
{
    v -= (v >> 1) & 0x55555555u;
    return (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
}

/* The number of bits in which two arrays of words differ. */
OPERATION int different(const uint32_t *a, const uint32_t *b, int words)
{
    int total = 0;
#if defined(__POPCNT__) || defined(__aarch64__)
    for (int i = 0; i < words; i++)
        total += __builtin_popcount(a[i] ^ b[i]);
#else
    uint32_t fours;
    for (; words >= 3; words -= 3, a += 3, b += 3) { /* four bits hold a sum of three */
        fours = ones_in_fours(a[0] ^ b[0]) + ones_in_fours(a[1] ^ b[1]) + ones_in_fours(a[2] ^ b[2]);
        fours = (fours & 0x0f0f0f0fu) + ((fours >> 4) & 0x0f0f0f0fu);
        total += (int)((fours * 0x01010101u) >> 24);
    }
    fours = words > 0 ? ones_in_fours(a[0] ^ b[0]) : 0;
    fours += words > 1 ? ones_in_fours(a[1] ^ b[1]) : 0;
    fours = (fours & 0x0f0f0f0fu) + ((fours >> 4) & 0x0f0f0f0fu);
    total += (int)((fours * 0x01010101u) >> 24);
#endif
    return total;
}

/* Binary convolution of signs; pixels outside are 1. The kernels are signs [out_channels][words]: the bits [kernel]
[kernel][channels] of a kernel stand without gaps. Of a sum: ReLU, if asked for, then y * scale + offset by channel,
if given. From one pixel of y to the next are `step` values. `patch` is memory for the signs under a window. */
OPERATION void binary_convolution(value *y, const uint32_t *x, uint32_t *patch, const struct window *w, int step,
                             const uint32_t *kernels, int relu, const float *scale, const float *offset)
{
    const int bits = w->kernel * w->kernel * w->channels, length = WORDS(bits), words = WORDS(w->channels);
    const int in_last_word = w->channels - 32 * (words - 1);
    for (int row = 0; row < w->out_height; row++)
        for (int column = 0; column < w->out_width; column++, y += step) {
            uint32_t *next = patch, word = 0;
            int filled = 0;
            for (int i = 0; i < w->kernel; i++)
                for (int j = 0; j < w->kernel; j++) {
                    const int pixel = pixel_under(w, row, column, i, j);
                    for (int k = 0; k < words; k++) {
                        const int n = k < words - 1 ? 32 : in_last_word;
                        const uint32_t more = pixel < 0 ? 0xffffffffu >> (32 - n) : x[pixel * words + k];
                        word |= more << filled;
                        if (filled + n >= 32) {
                            *next++ = word;
                            word = filled ? more >> (32 - filled) : 0;
                            filled -= 32;
                        }
                        filled += n;
                    }
                }
            if (filled)
                *next = word;
            for (int k = 0; k < w->out_channels; k++) {
                const int sum = bits - 2 * different(patch, kernels + k * length, length);
                const float number = relu && sum < 0 ? 0.0f : (float)sum;
                y[k] = stored(scale ? number * scale[k] + offset[k] : number);
            }
        }
}

/* The largest value under each window. */
OPERATION void max_pool(value *y, const value *x, const struct window *w)
{
    for (int row = 0; row < w->out_height; row++)
        for (int column = 0; column < w->out_width; column++, y += w->channels) {
            int seen = 0;
            for (int i = 0; i < w->kernel; i++)
                for (int j = 0; j < w->kernel; j++) {
                    const int pixel = pixel_under(w, row, column, i, j);
                    if (pixel < 0)
                        continue;
                    for (int c = 0; c < w->channels; c++)
                        if (!seen || loaded(x[pixel * w->channels + c]) > loaded(y[c]))
                            y[c] = x[pixel * w->channels + c];
                    seen = 1;
                }
        }
}

/* The mean of the values under each window that lie on the image. */
OPERATION void avg_pool(value *y, const value *x, const struct window *w)
{
    float sums[BLOCK];
    for (int row = 0; row < w->out_height; row++)
        for (int column = 0; column < w->out_width; column++, y += w->channels)
            for (int first = 0; first < w->channels; first += BLOCK) {
                const int n = w->channels - first < BLOCK ? w->channels - first : BLOCK;
                int seen = 0;
                memset(sums, 0, sizeof sums);
                for (int i = 0; i < w->kernel; i++)
                    for (int j = 0; j < w->kernel; j++) {
                        const int pixel = pixel_under(w, row, column, i, j);
                        if (pixel < 0)
                            continue;
                        for (int c = 0; c < n; c++)
                            sums[c] += loaded(x[pixel * w->channels + first + c]);
                        seen++;
                    }
                for (int c = 0; c < n; c++)
                    y[first + c] = stored(sums[c] / (float)seen);
            }
}

/* The mean over all pixels. */
OPERATION void mean(value *y, const value *x, int pixels, int channels)
{
    for (int c = 0; c < channels; c++) {
        float sum = 0.0f;
        for (int pixel = 0; pixel < pixels; pixel++)
            sum += loaded(x[pixel * channels + c]);
        y[c] = stored(sum / (float)pixels);
    }
}

/* Dense layer with a kernel [inputs][outputs]. */
OPERATION void dense(float *y, const value *x, int inputs, int outputs, const float *kernel, const float *bias)
{
    memset(y, 0, (size_t)outputs * sizeof(float));
    for (int c = 0; c < inputs; c++, kernel += outputs)
        for (int k = 0; k < outputs; k++)
            y[k] += loaded(x[c]) * kernel[k];
    for (int k = 0; k < outputs; k++)
        y[k] += bias[k];
}

/* y * scale + offset by channel, in place. */
OPERATION void batch_norm(value *y, int pixels, int channels, const float *scale, const float *offset)
{
    for (int pixel = 0; pixel < pixels; pixel++, y += channels)
        for (int c = 0; c < channels; c++)
            y[c] = stored(loaded(y[c]) * scale[c] + offset[c]);
}

/* In place. */
OPERATION void relu(value *y, int values)
{
    for (int i = 0; i < values; i++)
        if (loaded(y[i]) < 0.0f)
            y[i] = 0;
}

/* Adds an image to some channels of another; from one pixel of y to the next are `step` values. */
OPERATION void add(value *y, const value *x, int pixels, int channels, int step)
{
    for (int pixel = 0; pixel < pixels; pixel++, y += step, x += channels)
        for (int c = 0; c < channels; c++)
            y[c] = stored(loaded(y[c]) + loaded(x[c]));
}

/* Channel k of the output is channel k modulo `channels` of the input. */
OPERATION void map_channels(value *y, const value *x, int pixels, int channels, int out_channels)
{
    for (int pixel = 0; pixel < pixels; pixel++, y += out_channels, x += channels)
        for (int k = 0; k < out_channels; k++)
            y[k] = x[k % channels];
}

OPERATION void copy(value *y, const value *x, int values)
{
    memcpy(y, x, (size_t)values * sizeof(value));
}

/* Numbers from 0 to 255 as the network expects them. */
OPERATION void prepare(float *y, const uint8_t *x, int pixels, int channels, const float *scale, const float *offset)
{
    for (int pixel = 0; pixel < pixels; pixel++, y += channels, x += channels)
        for (int c = 0; c < channels; c++)
            y[c] = (float)x[c] * scale[c] - offset[c];
}

/* The index of the largest value, the first of equal ones. */
OPERATION int largest(const float *x, int values)
{
    int best = 0;
    for (int i = 1; i < values; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}
