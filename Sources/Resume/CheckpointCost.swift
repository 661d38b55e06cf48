import MPI

/// What the checkpoints of a run have cost: files and bytes of all ranks, and the time of the rank that they
/// took the longest.
public struct CheckpointCost: Sendable, Hashable {
  /// Files written.
  public var files = 0
  /// Bytes written.
  public var bytes = 0
  /// From the first byte of a file to its name on the disk, packing and `fsync` included; what other ranks
  /// wait meanwhile is not.
  public var seconds = 0.0
}

/// Counts what saving costs a rank.
package final class CheckpointMeter {
  package private(set) var cost = CheckpointCost()

  package init() {}

  /// Adds the time of `body`, which holds no collective call.
  package func timing<Result>(_ body: () throws -> Result) rethrows -> Result {
    let start = Communicator.wallTime()
    defer { cost.seconds += Communicator.wallTime() - start }
    return try body()
  }

  /// Adds a file that is complete.
  package func add(bytes: Int) {
    cost.files += 1
    cost.bytes += bytes
  }

  /// Of all ranks, on every rank. Collective.
  package func total(on comm: Communicator) throws -> CheckpointCost {
    CheckpointCost(
      files: try comm.allreduce(cost.files), bytes: try comm.allreduce(cost.bytes),
      seconds: try comm.allreduce(cost.seconds, .maximum))
  }
}
