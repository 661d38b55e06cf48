import Testing

/// Tests that run one after the other: MPI and FFTW's planner are not for several threads, and some
/// look at the memory of the whole process.
@Suite(.serialized) enum SerialTests {}
