import COpenMPI
import Foundation
import MPI

/// The communicator of all ranks, for tests that run as one process or under `mpirun`; MPI ends with the
/// process.
enum RankWorld {
  private static let start: Void = {
    _ = try? Universe.world()
    atexit {
      var finalized: Int32 = 0
      MPI_Finalized(&finalized)
      if finalized == 0 { MPI_Finalize() }
    }
  }()

  static func communicator() throws -> Communicator {
    _ = start
    return try Universe.world()
  }

  /// Slices of quite different lengths; the last rank of several has none.
  static func raggedSlice(of total: Int, rank: Int, ranks: Int) -> Range<Int> {
    guard ranks > 1 else { return 0..<total }
    let weight = ranks * (ranks - 1) / 2
    let start = { (rank: Int) in total * (rank * (rank + 1) / 2) / weight }
    return rank == ranks - 1 ? total..<total : start(rank)..<start(rank + 1)
  }
}

extension RankWorld {
  /// Reproducible numbers in -1...1, the same on every rank.
  static func numbers(_ count: Int, seed: UInt64) -> [Double] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(Int64(bitPattern: state) >> 11) * 0x1p-52
    }
  }
}
