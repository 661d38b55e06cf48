// Swift cannot import C's _Complex: LAPACKE is told of plain structures of the same layout.
#define LAPACK_COMPLEX_CUSTOM
typedef struct { float re, im; } kindred_complex_float;
typedef struct { double re, im; } kindred_complex_double;
#define lapack_complex_float kindred_complex_float
#define lapack_complex_double kindred_complex_double
#include <cblas.h>
#include <lapacke.h>
