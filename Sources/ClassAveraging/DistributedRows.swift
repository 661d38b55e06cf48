import MPI

/// The coefficients of all images, shared among the ranks in contiguous slices, as other ranks fetch them: a
/// row of numbers for each image, component by component, real and imaginary part side by side.
public struct DistributedRows {
  /// Which rank owns which images.
  public let partition: Partition
  /// Those of this rank's slice.
  let local: SteerableCoefficients
  let comm: Communicator

  /// Floats in a row.
  public var width: Int { local.layout.componentCount * 2 }

  /// The coefficients are shared with the caller, not copied.
  public init(
    _ coefficients: SteerableCoefficients, partition: Partition, on comm: Communicator
  ) {
    precondition(coefficients.count == partition.range(of: comm.rank).count)
    self.partition = partition
    self.comm = comm
    local = coefficients
  }

  /// The rows of `images` (global indices, ascending), in that order: one bulk exchange in which every
  /// rank says what it needs and sends what others need. Collective.
  public func fetch(_ images: [Int32]) throws -> [Float] {
    var counts = [Int](repeating: 0, count: comm.size)
    for image in images { counts[partition.owner(of: Int(image))] += 1 }
    let asked = try comm.alltoallRagged(images, counts: counts)
    let first = partition.range(of: comm.rank).lowerBound
    var reply: [Float] = []
    reply.reserveCapacity(asked.values.count * width)
    for image in asked.values {
      local.appendRow(Int(image) - first, to: &reply)
    }
    // Ascending indices come back in rank order, that is ascending.
    return try comm.alltoallRagged(reply, counts: asked.counts.map { $0 * width }).values
  }
}
