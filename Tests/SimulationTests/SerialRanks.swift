import Testing

/// The tests that call MPI, one after the other: MPI is not for several threads at once.
@Suite(.serialized) enum SerialRanks {}
