/* Layers of a network on a CPU, for images whose channels lie beside each other. REAL is float or
   double; the compiler says which. */

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

typedef REAL vec __attribute__((vector_size(32), aligned(sizeof(REAL)), may_alias));
typedef long size;

#define LANES ((size)(32 / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const REAL *from) { return *(const vec *)from; }
INLINE void store(REAL *to, vec value) { *(vec *)to = value; }

static void *memory(size bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

#include "winograd.h"
#include "batchnorm.h"
