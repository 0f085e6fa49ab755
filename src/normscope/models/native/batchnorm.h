/* BatchNorm in training. Rows are pixels of all images; the sums over some rows stay in registers,
   those over all are in double. */

#define CHUNK 64
#define CHAINS 4

/* Two sums over some rows: of a and of b, or of a and of the product of a and b, each after `from`
   is taken off b. */
INLINE void chunk_sums(const REAL *a, const REAL *b, size rows, size channels, const REAL *from,
                       int squares, double *first, double *second) {
    for (size c = 0; c < channels; c += LANES) {
        vec sum[CHAINS] = {0}, product[CHAINS] = {0}, shift = load(from + c);
        size row = 0;
        for (; row + CHAINS <= rows; row += CHAINS)
#pragma GCC unroll 4
            for (size chain = 0; chain < CHAINS; chain++) {
                size at = (row + chain) * channels + c;
                vec centred = load(b + at) - shift, value = squares ? centred : load(a + at);
                sum[chain] += value;
                product[chain] += value * centred;
            }
        for (; row < rows; row++) {
            vec centred = load(b + row * channels + c) - shift;
            vec value = squares ? centred : load(a + row * channels + c);
            sum[0] += value;
            product[0] += value * centred;
        }
        vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        vec products = (product[0] + product[1]) + (product[2] + product[3]);
        for (size lane = 0; lane < LANES; lane++) {
            first[c + lane] += all[lane];
            second[c + lane] += products[lane];
        }
    }
}

/* Over all rows the sums of v and v (x - from), where v is x - from if there is no g, else g.
   They are left in sums[0][channels] and sums[1][channels]; `sums` has room for all threads. */
static void channel_sums(const REAL *g, const REAL *x, size rows, size channels, const REAL *from,
                         double *sums, int threads) {
    size chunks = (rows + CHUNK - 1) / CHUNK;
    memset(sums, 0, 2 * channels * threads * sizeof(double));
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int part = 0; part < threads; part++) {
        double *first = sums + 2 * channels * part;
        for (size chunk = chunks * part / threads; chunk < chunks * (part + 1) / threads; chunk++) {
            size row = chunk * CHUNK, some = rows - row < CHUNK ? rows - row : CHUNK;
            const REAL *at = x + row * channels;
            if (g)
                chunk_sums(g + row * channels, at, some, channels, from, 0, first, first + channels);
            else
                chunk_sums(at, at, some, channels, from, 1, first, first + channels);
        }
    }
    for (int part = 1; part < threads; part++)
        for (size i = 0; i < 2 * channels; i++) sums[i] += sums[2 * channels * part + i];
}

/* y = (x - mean) * scale + bias, and mean and biased variance. Returns 0, or 1 where there is no
   memory. */
int batchnorm_forward(const REAL *x, const REAL *weight, const REAL *bias, REAL *y, REAL *mean,
                      REAL *variance, size rows, size channels, double epsilon, int threads) {
    double *sums = memory(2 * channels * threads * sizeof(double) + channels * sizeof(REAL));
    if (!sums) return 1;
    REAL *scale = (REAL *)(sums + 2 * channels * threads);
    /* The first pixel's numbers are near the mean, compared with the deviation, or are as far as
       any. */
    channel_sums(NULL, x, rows, channels, x, sums, threads);
    for (size c = 0; c < channels; c++) {
        double shifted = sums[c] / rows, spread = sums[channels + c] / rows - shifted * shifted;
        mean[c] = x[c] + shifted;
        variance[c] = spread > 0 || spread != spread ? spread : 0;
        scale[c] = weight[c] / sqrt(variance[c] + epsilon);
    }
    size chunks = (rows + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size chunk = 0; chunk < chunks; chunk++) {
        size end = (chunk + 1) * CHUNK < rows ? (chunk + 1) * CHUNK : rows;
        for (size c = 0; c < channels; c += LANES) {
            vec m = load(mean + c), s = load(scale + c), b = load(bias + c);
            for (size row = chunk * CHUNK; row < end; row++)
                store(y + row * channels + c, (load(x + row * channels + c) - m) * s + b);
        }
    }
    free(sums);
    return 0;
}

/* The gradients of x, weight and bias, of the gradient g of y. */
int batchnorm_backward(const REAL *x, const REAL *g, const REAL *weight, const REAL *mean,
                       const REAL *variance, REAL *of_x, REAL *of_weight, REAL *of_bias, size rows,
                       size channels, double epsilon, int threads) {
    double *sums = memory(2 * channels * threads * sizeof(double) + 3 * channels * sizeof(REAL));
    if (!sums) return 1;
    REAL *of_g = (REAL *)(sums + 2 * channels * threads), *of_centred = of_g + channels;
    REAL *constant = of_centred + channels;
    channel_sums(g, x, rows, channels, mean, sums, threads);
    for (size c = 0; c < channels; c++) {
        double inverse = 1 / sqrt(variance[c] + epsilon), scale = weight[c] * inverse;
        of_bias[c] = sums[c];
        of_weight[c] = sums[channels + c] * inverse;
        of_g[c] = scale;
        of_centred[c] = -scale * inverse * inverse * sums[channels + c] / rows;
        constant[c] = -scale * sums[c] / rows;
    }
    size chunks = (rows + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size chunk = 0; chunk < chunks; chunk++) {
        size end = (chunk + 1) * CHUNK < rows ? (chunk + 1) * CHUNK : rows;
        for (size c = 0; c < channels; c += LANES) {
            vec m = load(mean + c), p = load(of_g + c), q = load(of_centred + c);
            vec r = load(constant + c);
            for (size row = chunk * CHUNK; row < end; row++) {
                size at = row * channels + c;
                store(of_x + at, load(g + at) * p + ((load(x + at) - m) * q + r));
            }
        }
    }
    free(sums);
    return 0;
}
