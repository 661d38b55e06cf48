// What Swift cannot import or do: Open MPI's handles (macros that cast structure addresses), and
// signal handlers.
#ifndef KINDRED_CSHIMS_H
#define KINDRED_CSHIMS_H

#include <mpi.h>
#include <stdint.h>

static inline MPI_Comm kindred_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm kindred_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm kindred_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Datatype kindred_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype kindred_int8(void) { return MPI_INT8_T; }
static inline MPI_Datatype kindred_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Datatype kindred_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype kindred_uint32(void) { return MPI_UINT32_T; }
static inline MPI_Datatype kindred_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype kindred_uint64(void) { return MPI_UINT64_T; }
static inline MPI_Datatype kindred_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype kindred_double(void) { return MPI_DOUBLE; }
static inline MPI_Op kindred_sum(void) { return MPI_SUM; }
static inline MPI_Op kindred_max(void) { return MPI_MAX; }
static inline MPI_Op kindred_min(void) { return MPI_MIN; }
static inline void *kindred_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Info kindred_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Request kindred_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Errhandler kindred_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Status *kindred_status_ignore(void) { return MPI_STATUS_IGNORE; }

// Temporary files that are removed when a signal ends the process, as mpirun does to all ranks when one
// has failed. `add` gives a number for `forget`, or -1 where the table is full and the file would stay.
int kindred_temporary_add(const char *path);
void kindred_temporary_forget(int number);
// Removes them; may be called by a signal handler.
void kindred_remove_temporaries(void);
// From now on SIGTERM, SIGINT and SIGHUP remove them before they end the process.
void kindred_remove_temporaries_when_ended(void);

// From now on SIGUSR1 and SIGTERM ask the program to stop instead of ending it: `kindred_stop_asked`
// gives the first of them, 0 before. After SIGTERM the program has 0.6 s to end by itself: then the
// temporary files are removed and the signal ends it. Calls `kindred_remove_temporaries_when_ended`.
void kindred_stop_when_asked(void);
int kindred_stop_asked(void);

// From now on a signal that tells of a fault of the program (SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS,
// SIGFPE) writes one line to standard error, "WHO stopped by ...", and removes the temporary
// files before it ends the process. In place of Swift's own handlers, which print a backtrace of each rank.
void kindred_name_failures(const char *who);

// Has the system begin to write a part of a file to the disk, and does not wait for it (Linux only).
void kindred_start_storing(int file, int64_t offset, int64_t count);

// From now on the process gets SIGTERM when its parent dies (Linux only).
void kindred_end_with_parent(void);

#endif
