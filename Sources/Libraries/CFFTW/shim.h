#include <fftw3.h>
#include <fftw3-mpi.h>
