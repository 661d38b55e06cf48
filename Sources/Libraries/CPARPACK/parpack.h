// Debian's PARPACK comes without a C header: the prototypes of the routines that Kindred calls, those
// of its C bindings (arpack-ng, `PARPACK/SRC/MPI/icba*.F90`). Communicators are Fortran's.
#ifndef KINDRED_PARPACK_H
#define KINDRED_PARPACK_H

void pdsaupd_c(int comm, int *ido, const char *bmat, int n, const char *which, int nev, double tol,
               double *resid, int ncv, double *v, int ldv, int *iparam, int *ipntr, double *workd,
               double *workl, int lworkl, int *info);
void pdseupd_c(int comm, int rvec, const char *howmny, const int *select, double *d, double *z,
               int ldz, double sigma, const char *bmat, int n, const char *which, int nev,
               double tol, double *resid, int ncv, double *v, int ldv, int *iparam, int *ipntr,
               double *workd, double *workl, int lworkl, int *info);

#endif
