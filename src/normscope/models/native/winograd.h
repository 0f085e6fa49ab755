/* Convolutions of 3 x 3 with stride 1 and a border of one zero, channels last, by Winograd's
   F(4 x 4, 3 x 3): Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016
   (arXiv:1509.09308). Of an image's tiles of 4 x 4 outputs each is made from 6 x 6 inputs by 36
   products a pair of channels in place of 144. REAL is float or double. */

#define POINTS 36
#define ROWS 6
/* What a block of tiles takes up transformed: about a core's own cache. */
#define BLOCK_BYTES (512 << 10)

/* Input, kernel and output transforms along one axis, and the transposes that gradients need. */
INLINE void input_axis(const vec d[6], vec *t, size step) {
    vec p = d[4] - 4 * d[2], q = d[3] - 4 * d[1], r = d[4] - d[2], s = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[step] = p + q;
    t[2 * step] = p - q;
    t[3 * step] = r + s;
    t[4 * step] = r - s;
    t[5 * step] = 4 * d[1] - 5 * d[3] + d[5];
}

INLINE void output_axis(const vec m[6], vec t[4]) {
    vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    t[0] = m[0] + p + r;
    t[1] = q + 2 * s;
    t[2] = p + 4 * r;
    t[3] = q + 8 * s + m[5];
}

INLINE void gradient_axis(const vec g[4], vec *t, size step) {
    vec p = g[0] + g[2], q = g[1] + g[3], r = g[0] + 4 * g[2], s = 2 * g[1] + 8 * g[3];
    t[0] = g[0];
    t[step] = p + q;
    t[2 * step] = p - q;
    t[3 * step] = r + s;
    t[4 * step] = r - s;
    t[5 * step] = g[3];
}

#define SHARE(n) ((REAL)1 / n)

INLINE void kernel_axis(const vec w[3], vec *t, size step) {
    vec p = (w[0] + w[2]) * SHARE(6), q = w[1] * SHARE(6);
    vec r = w[0] * SHARE(24) + w[2] * SHARE(6), s = w[1] * SHARE(12);
    t[0] = w[0] * SHARE(4);
    t[step] = -p - q;
    t[2 * step] = q - p;
    t[3 * step] = r + s;
    t[4 * step] = r - s;
    t[5 * step] = w[2];
}

INLINE void kernel_gradient_axis(const vec u[6], vec *t, size step) {
    t[0] = u[0] * SHARE(4) - (u[1] + u[2]) * SHARE(6) + (u[3] + u[4]) * SHARE(24);
    t[step] = (u[2] - u[1]) * SHARE(6) + (u[3] - u[4]) * SHARE(12);
    t[2 * step] = (u[3] + u[4] - u[1] - u[2]) * SHARE(6) + u[5];
}

/* The kernels of one input and LANES outputs, transformed: [POINTS][ins][outs]. */
static void transform_kernels(const REAL *from, const size *strides, size point, REAL *to) {
    vec t[6][3], w[3], v[6];
    for (size b = 0; b < 3; b++) {
        for (size a = 0; a < 3; a++)
            for (size lane = 0; lane < LANES; lane++)
                w[a][lane] = from[lane * strides[0] + a * strides[2] + b * strides[3]];
        kernel_axis(w, &t[0][b], 3);
    }
    for (size a = 0; a < 6; a++) {
        kernel_axis(t[a], v, 1);
        for (size b = 0; b < 6; b++) store(to + (a * 6 + b) * point, v[b]);
    }
}

/* The transpose, of the sum of what `parts` threads have. */
static void kernel_gradients(const REAL *from, size point, size parts, size part,
                             const size *strides, REAL *to) {
    vec t[3][6], u[6], w[3];
    for (size b = 0; b < 6; b++) {
        for (size a = 0; a < 6; a++) {
            u[a] = load(from + (a * 6 + b) * point);
            for (size p = 1; p < parts; p++) u[a] += load(from + (a * 6 + b) * point + p * part);
        }
        kernel_gradient_axis(u, &t[0][b], 6);
    }
    for (size a = 0; a < 3; a++) {
        kernel_gradient_axis(t[a], w, 1);
        for (size b = 0; b < 3; b++)
            for (size lane = 0; lane < LANES; lane++)
                to[lane * strides[0] + a * strides[2] + b * strides[3]] = w[b][lane];
    }
}

typedef struct {
    size images, height, width, across, down, tiles, block;
} Plan;

/* How far one point's numbers lie from the next's: never a power of two, at which all points would
   share a few places of the cache. */
#define APART(numbers) ((numbers) + 64 / (size)sizeof(REAL))

static Plan plan_of(size images, size height, size width, size ins, size outs) {
    size across = (width + 3) / 4, down = (height + 3) / 4;
    size block = BLOCK_BYTES / (POINTS * (ins + outs) * (size)sizeof(REAL)) / ROWS * ROWS;
    if (block < 4 * ROWS) block = 4 * ROWS;
    return (Plan){images, height, width, across, down, images * across * down, block};
}

/* Where a tile's N x N pixels lie, from `before` pixels up and left of its outputs; `zeros` where
   outside the image. */
INLINE void places(const Plan *plan, const REAL *x, size channels, size tile, size n, size before,
                   const REAL *zeros, const REAL **from) {
    size column = tile % plan->across * 4 - before;
    size row = tile / plan->across % plan->down * 4 - before;
    const REAL *image = x + tile / (plan->across * plan->down) * plan->height * plan->width * channels;
    for (size a = 0; a < n; a++)
        for (size b = 0; b < n; b++) {
            size i = row + a, j = column + b;
            int inside = i >= 0 && i < plan->height && j >= 0 && j < plan->width;
            from[a * n + b] = inside ? image + (i * plan->width + j) * channels : zeros;
        }
}

/* Tiles of inputs, transformed: [POINTS][block][channels]. */
static void transform_inputs(const Plan *plan, const REAL *x, size channels, size first, size count,
                             const REAL *zeros, REAL *to) {
    size point = APART(plan->block * channels);
    for (size tile = 0; tile < count; tile++, to += channels) {
        const REAL *from[36];
        places(plan, x, channels, first + tile, 6, 1, zeros, from);
        for (size c = 0; c < channels; c += LANES) {
            vec t[6][6], d[6], v[6];
            for (size b = 0; b < 6; b++) {
                for (size a = 0; a < 6; a++) d[a] = load(from[a * 6 + b] + c);
                input_axis(d, &t[0][b], 6);
            }
            for (size a = 0; a < 6; a++) {
                input_axis(t[a], v, 1);
                for (size b = 0; b < 6; b++) store(to + (a * 6 + b) * point + c, v[b]);
            }
        }
    }
}

/* Tiles of gradients of outputs, transformed by the transpose: [POINTS][block][channels]. */
static void transform_gradients(const Plan *plan, const REAL *g, size channels, size first,
                                size count, const REAL *zeros, REAL *to) {
    size point = APART(plan->block * channels);
    for (size tile = 0; tile < count; tile++, to += channels) {
        const REAL *from[16];
        places(plan, g, channels, first + tile, 4, 0, zeros, from);
        for (size c = 0; c < channels; c += LANES) {
            vec t[6][4], d[4], v[6];
            for (size b = 0; b < 4; b++) {
                for (size a = 0; a < 4; a++) d[a] = load(from[a * 4 + b] + c);
                gradient_axis(d, &t[0][b], 4);
            }
            for (size a = 0; a < 6; a++) {
                gradient_axis(t[a], v, 1);
                for (size b = 0; b < 6; b++) store(to + (a * 6 + b) * point + c, v[b]);
            }
        }
    }
}

static void transform_outputs(const Plan *plan, const REAL *from, size channels, size first,
                              size count, const REAL *bias, REAL *y) {
    size point = APART(plan->block * channels);
    for (size tile = 0; tile < count; tile++, from += channels) {
        size at = first + tile;
        size column = at % plan->across * 4, row = at / plan->across % plan->down * 4;
        size image = at / (plan->across * plan->down);
        REAL *to = y + ((image * plan->height + row) * plan->width + column) * channels;
        size rows = plan->height - row < 4 ? plan->height - row : 4;
        size columns = plan->width - column < 4 ? plan->width - column : 4;
        for (size c = 0; c < channels; c += LANES) {
            vec t[4][6], m[6], v[4], added = bias ? load(bias + c) : (vec){0};
            for (size b = 0; b < 6; b++) {
                for (size a = 0; a < 6; a++) m[a] = load(from + (a * 6 + b) * point + c);
                output_axis(m, v);
                for (size a = 0; a < 4; a++) t[a][b] = v[a];
            }
            for (size a = 0; a < rows; a++) {
                output_axis(t[a], v);
                for (size b = 0; b < columns; b++)
                    store(to + (a * plan->width + b) * channels + c, v[b] + added);
            }
        }
    }
}

/* to[rows][vectors] (+)= the sum over k of left[k][row] and right[k][vector]. */
INLINE void product(size rows, size vectors, size depth, const REAL *left, size left_row,
                    size left_step, const REAL *right, size right_step, REAL *to, size to_row,
                    int adds) {
    vec sum[ROWS][2];
#pragma GCC unroll 6
    for (size i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size j = 0; j < vectors; j++)
            sum[i][j] = adds ? load(to + i * to_row + j * LANES) : (vec){0};
    for (size k = 0; k < depth; k++) {
#pragma GCC unroll 6
        for (size i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (size j = 0; j < vectors; j++)
                sum[i][j] += left[k * left_step + i * left_row] * load(right + k * right_step + j * LANES);
    }
#pragma GCC unroll 6
    for (size i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (size j = 0; j < vectors; j++) store(to + i * to_row + j * LANES, sum[i][j]);
}

INLINE void rows_of_product(size rows, size vectors, size depth, const REAL *left, size left_row,
                            size left_step, const REAL *right, size right_step, REAL *to,
                            size to_row, int adds) {
#define CASE(n)                                                                                   \
    case n:                                                                                       \
        product(n, vectors, depth, left, left_row, left_step, right, right_step, to, to_row, adds); \
        break;
    switch (rows) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) }
}

/* A matrix product, row-major but for the left side, whose rows and steps are as far apart as
   said. */
static void multiply(size rows, size columns, size depth, const REAL *left, size left_row,
                     size left_step, const REAL *right, REAL *to, int adds) {
    for (size j = 0; j < columns; j += 2 * LANES)
        for (size i = 0; i < rows; i += ROWS) {
            size some = rows - i < ROWS ? rows - i : ROWS;
            const REAL *l = left + i * left_row;
            REAL *t = to + i * columns + j;
            if (columns - j >= 2 * LANES)
                rows_of_product(some, 2, depth, l, left_row, left_step, right + j, columns, t, columns, adds);
            else
                rows_of_product(some, 1, depth, l, left_row, left_step, right + j, columns, t, columns, adds);
        }
}

/* y = x * kernel + bias. Of the kernel the four strides are given: outputs, inputs, rows, columns.
   There may be no bias. Returns 0, or 1 where there is no memory. */
int winograd_forward(const REAL *x, const REAL *kernel, const REAL *bias, REAL *y, size images,
                     size height, size width, size ins, size outs, const size *strides,
                     int threads) {
    Plan plan = plan_of(images, height, width, ins, outs);
    size in_point = APART(plan.block * ins), out_point = APART(plan.block * outs);
    size kernel_point = APART(ins * outs), each = POINTS * (in_point + out_point);
    REAL *u = memory((POINTS * kernel_point + ins + threads * each) * (size)sizeof(REAL));
    if (!u) return 1;
    REAL *zeros = u + POINTS * kernel_point, *scratch = zeros + ins;
    memset(zeros, 0, ins * sizeof(REAL));
    size blocks = (plan.tiles + plan.block - 1) / plan.block;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (size i = 0; i < ins; i++)
            for (size o = 0; o < outs; o += LANES)
                transform_kernels(kernel + o * strides[0] + i * strides[1], strides, kernel_point,
                                  u + i * outs + o);
#pragma omp for schedule(static)
        for (size block = 0; block < blocks; block++) {
            REAL *v = scratch + omp_get_thread_num() * each;
            REAL *m = v + POINTS * in_point;
            size first = block * plan.block;
            size count = plan.tiles - first < plan.block ? plan.tiles - first : plan.block;
            transform_inputs(&plan, x, ins, first, count, zeros, v);
            for (size e = 0; e < POINTS; e++)
                multiply(count, outs, ins, v + e * in_point, ins, 1, u + e * kernel_point,
                         m + e * out_point, 0);
            transform_outputs(&plan, m, outs, first, count, bias, y);
        }
    }
    free(u);
    return 0;
}

/* The kernel's gradient, of the gradient g of y. */
int winograd_weight(const REAL *x, const REAL *g, REAL *kernel, size images, size height,
                    size width, size ins, size outs, const size *strides, int threads) {
    Plan plan = plan_of(images, height, width, ins, outs);
    size in_point = APART(plan.block * ins), out_point = APART(plan.block * outs);
    size kernel_point = APART(ins * outs), most = ins > outs ? ins : outs;
    size each = POINTS * (in_point + out_point + kernel_point);
    REAL *zeros = memory((most + threads * each) * (size)sizeof(REAL));
    if (!zeros) return 1;
    REAL *scratch = zeros + most;
    memset(zeros, 0, most * sizeof(REAL));
    size blocks = (plan.tiles + plan.block - 1) / plan.block;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int part = 0; part < threads; part++) {
            REAL *u = scratch + part * each, *v = u + POINTS * kernel_point;
            REAL *d = v + POINTS * in_point;
            size start = blocks * part / threads, end = blocks * (part + 1) / threads;
            if (start == end) memset(u, 0, POINTS * kernel_point * sizeof(REAL));
            for (size block = start; block < end; block++) {
                size first = block * plan.block;
                size count = plan.tiles - first < plan.block ? plan.tiles - first : plan.block;
                transform_inputs(&plan, x, ins, first, count, zeros, v);
                transform_gradients(&plan, g, outs, first, count, zeros, d);
                for (size e = 0; e < POINTS; e++)
                    multiply(ins, outs, count, v + e * in_point, 1, ins, d + e * out_point,
                             u + e * kernel_point, block > start);
            }
        }
#pragma omp for schedule(static)
        for (size i = 0; i < ins; i++)
            for (size o = 0; o < outs; o += LANES)
                kernel_gradients(scratch + i * outs + o, kernel_point, threads, each, strides,
                                 kernel + o * strides[0] + i * strides[1]);
    }
    free(zeros);
    return 0;
}
