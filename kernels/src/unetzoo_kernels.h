// The C interface of unetzoo-kernels: float32, contiguous, every size checked before memory is touched.
#pragma once
#include <stdint.h>

#define UNETZOO_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

// A selective scan: h_t = exp(w_t A) h_(t-1) + w_t u_t B_t, y_t = (sum_n C_t,n h_t,n + D u_t) silu(z_t), with
// step widths w = delta + bias, or softplus of it. Null for D, z or bias leaves that out.
typedef struct {
  const float *u, *delta, *z;  // (batch, length, groups, width)
  const float* A;              // (groups, width, state)
  const float *B, *C;          // (batch, length, groups, state)
  const float *D, *bias;       // (groups, width)
  // With a rank, delta is the product of low (batch, length, rank) and expand (width, rank), and one group.
  const float *low, *expand;
  int64_t batch, length, groups, width, state, rank;
  // Numbers from one token of B, C and low to the next, so that all may lie in one tensor.
  int64_t row;
  // The state is kept before every so many tokens, for the backward pass.
  int64_t steps;
  // Tokens in memory are (length / (fast * apart), fast, apart); the scan runs along `fast` first, then along
  // `apart`. 1 and 1 is the order in memory, and rows and columns of a map its columns.
  int64_t fast, apart;
  int32_t softplus, reverse, threads;
  int32_t accumulate;  // add y, and the gradient of u, to what is there
} unetzoo_scan;

// Gradients: like the inputs, but for partial sums over a first axis, whose order never depends on threads.
typedef struct {
  float *u, *delta, *z;
  float* A;             // batch times as A
  float *B, *C;         // (parts, batch, length) with rows as the inputs have
  float *D, *bias;      // (batch, groups, width)
  float *low, *expand;  // as B, (batch, width, rank)
  int64_t parts;
} unetzoo_scan_gradients;

#define UNETZOO_SSD_CHUNK 32

// State space duality: h_t = exp(w_t A) h_(t-1) + w_t B_t u_t^T and y_t = C_t^T h_t + D u_t in every head, with
// step widths w = delta + bias, or softplus of it. Null for D or bias leaves that out.
typedef struct {
  const float* u;          // (batch, length, heads, channels)
  const float* delta;      // (batch, length, heads)
  const float* A;          // (heads)
  const float *B, *C;      // (batch, length, state)
  const float *D, *bias;   // (heads)
  int64_t batch, length, heads, channels, state;
  // The state is kept before every so many tokens, a multiple of the chunk, for the backward pass.
  int64_t steps;
  int32_t softplus, reverse, threads;
} unetzoo_ssd;

// Gradients: like the inputs, but for partial sums over a first axis, whose order never depends on threads.
typedef struct {
  float *u, *delta;
  float* A;         // (batch, heads)
  float *B, *C;     // (parts, batch, length, state)
  float *D, *bias;  // (batch, heads)
  int64_t parts;    // at most as many as heads
} unetzoo_ssd_gradients;

// Maps times waves, each a wave along the rows times one along the columns: wave k is
// along_rows[:, row_wave[k]] along_columns[column_wave[k], :].
typedef struct {
  const float* x;                         // (maps, rows, columns)
  const float* along_rows;                // (rows, row_waves)
  const float* along_columns;             // (column_waves, columns)
  const float* mean_wave;                 // (rows, columns), the mean of all waves
  const int32_t *row_wave, *column_wave;  // (waves)
  int64_t maps, rows, columns, row_waves, column_waves, waves;
  int32_t threads;
} unetzoo_waves;

// Sizes of maps: (batch, channels, pixels), or (batch, pixels, channels) where channels come last.
typedef struct {
  int64_t batch, channels, pixels;
  int32_t channels_last;
} unetzoo_maps;

// gain (w skip + (1 - w) gate) with w = sigmoid(pixels + whole).
typedef struct {
  const float *pixels, *skip, *gate;  // maps
  const float* whole;                 // (batch, channels)
  unetzoo_maps size;
  float gain;
  int32_t threads;
} unetzoo_mfms;

typedef struct {
  float *pixels, *skip, *gate, *whole;
} unetzoo_mfms_gradients;

// The sum of `count` maps, 2 to 4, times their weights.
typedef struct {
  const float* const* maps;
  const float* weights;  // (count, batch, channels)
  unetzoo_maps size;
  int32_t count, threads;
} unetzoo_sk;

// gain skip sigmoid(bias + sum over f of psi_f relu(theta_f + up(signal)_f)), one weight per pixel. A row of
// up(signal) is the sum over its ways of coarse rows row_from times row_weight, a column that of two; columns of
// a vector come from as many neighbours at most. Rows are all axes but the last.
typedef struct {
  const float* skip;           // maps
  const float* theta;          // maps with inner_channels in place of the channels; forwards null with `project`
  const float* project;        // theta is project skip: (inner_channels, channels), or its transpose where
                               // channels come last; null for a theta that is given
  const float* signal;         // the same with coarse_rows times coarse_columns pixels
  const float* psi;            // (inner_channels)
  const float* bias;           // one number
  const int32_t* row_from;     // (rows, ways)
  const int32_t* column_from;  // (columns, 2)
  const float* row_weight;
  const float* column_weight;
  unetzoo_maps size;
  int64_t inner_channels, rows, columns, ways, coarse_rows, coarse_columns;
  float gain;
  int32_t threads;
} unetzoo_gate;

typedef struct {
  float *skip, *theta, *signal, *psi, *bias;
} unetzoo_gate_gradients;

// Changes with every change of this file.
UNETZOO_API int32_t unetzoo_abi(void);

// The instruction set that calls run on: baseline, avx2 or avx512. UNETZOO_ISA chooses a narrower one.
UNETZOO_API const char* unetzoo_isa(void);

// Let work run in the threads of another OpenMP runtime, by its GOMP_parallel; null for threads of our own.
UNETZOO_API void unetzoo_use_threads_of(void* gomp_parallel);

// y like u, starts (segments, batch, state, groups, width) in the order of the scan. Returns 0, or -1 for a
// size or pointer that makes no sense; nothing is written then.
UNETZOO_API int32_t unetzoo_scan_forward(const unetzoo_scan* scan, float* y, float* starts);
UNETZOO_API int32_t unetzoo_scan_backward(const unetzoo_scan* scan, const float* dy, const float* starts,
                                          const unetzoo_scan_gradients* gradients);

// y like u, starts (segments, batch, heads, state, channels) in the order of the scan.
UNETZOO_API int32_t unetzoo_ssd_forward(const unetzoo_ssd* ssd, float* y, float* starts);
UNETZOO_API int32_t unetzoo_ssd_backward(const unetzoo_ssd* ssd, const float* dy, const float* starts,
                                         const unetzoo_ssd_gradients* gradients);

// statistics (3, maps): mean, maximum and minimum over a map, each averaged over the waves; of maps that are
// not finite nothing but that is told. at (maps, 2, waves): the columns of the maxima and of the minima.
UNETZOO_API int32_t unetzoo_wave_statistics_forward(const unetzoo_waves* waves, float* statistics,
                                                    int32_t* at);
// dx like x, from gradients like the statistics; an extreme that is met twice counts once.
UNETZOO_API int32_t unetzoo_wave_statistics_backward(const unetzoo_waves* waves, const float* dstatistics,
                                                     const int32_t* at, float* dx);

UNETZOO_API int32_t unetzoo_mfms_forward(const unetzoo_mfms* mfms, float* out);
UNETZOO_API int32_t unetzoo_mfms_backward(const unetzoo_mfms* mfms, const float* dout,
                                          const unetzoo_mfms_gradients* gradients);
// dmaps: as many maps; dweights like the weights.
UNETZOO_API int32_t unetzoo_sk_forward(const unetzoo_sk* sk, float* out);
UNETZOO_API int32_t unetzoo_sk_backward(const unetzoo_sk* sk, const float* dout, float* const* dmaps,
                                        float* dweights);
UNETZOO_API int32_t unetzoo_gate_forward(const unetzoo_gate* gate, float* out);
UNETZOO_API int32_t unetzoo_gate_backward(const unetzoo_gate* gate, const float* dout,
                                          const unetzoo_gate_gradients* gradients);

#ifdef __cplusplus
}
#endif
