import MPI

/// The communicator of all ranks, for tests that run as one process or under `mpirun`. MPI ends when
/// the process exits: under `mpirun` a rank that does not end it fails the whole run.
///
/// Suites that call it are `.serialized`; those that are right on any number of ranks have names that
/// end in `Ranks`, which `--filter Ranks` picks. All ranks run their tests in the same order.
public func testWorld() throws -> Communicator {
  _ = endingMPI
  return try Universe.world()
}

private let endingMPI: Void = Universe.finalizeAtExit()

/// Slices of quite different lengths; the last rank of several has none.
public func raggedSlice(of total: Int, rank: Int, ranks: Int) -> Range<Int> {
  guard ranks > 1 else { return 0..<total }
  let weight = ranks * (ranks - 1) / 2
  let start = { (rank: Int) in total * (rank * (rank + 1) / 2) / weight }
  return rank == ranks - 1 ? total..<total : start(rank)..<start(rank + 1)
}
