import COpenMPI
import Foundation
import MPI
import Testing

/// The tests that call MPI, one after the other: MPI is not for several threads at once.
@Suite(.serialized) enum RankTests {}

/// MPI for the tests, ended when the process exits: under mpirun a rank that does not end it fails
/// the whole run.
func testWorld() throws -> Communicator {
  _ = endingMPI
  return try Universe.world()
}

private let endingMPI: Void = {
  atexit {
    var (started, ended): (Int32, Int32) = (0, 0)
    MPI_Initialized(&started)
    MPI_Finalized(&ended)
    if started != 0, ended == 0 { try? Universe.finalize() }
  }
}()
