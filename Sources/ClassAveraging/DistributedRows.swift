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

  /// How many images a rank works on between two exchanges where each needs so many neighbours' rows: at least 1024,
  /// which bounds the memory, or all where the rows of those may be all rows there are.
  func chunk(neighbours: Int) -> Int {
    let least = 1024
    return least * (1 + neighbours) < partition.total ? least : max(1, partition.range(of: 0).count)
  }

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
  /// rank says what it needs of others and sends what they need. Collective.
  public func fetch(_ images: [Int32]) throws -> [Float] {
    let own = partition.range(of: comm.rank)
    let start = images.firstIndex { $0 >= own.lowerBound } ?? images.count
    let end = images[start...].firstIndex { $0 >= own.upperBound } ?? images.count
    let remote = Array(images[..<start] + images[end...])
    var counts = [Int](repeating: 0, count: comm.size)
    for image in remote { counts[partition.owner(of: Int(image))] += 1 }
    let asked = try comm.alltoallRagged(remote, counts: counts)
    let reply = rows(asked.values[...])
    // Ascending indices come back in rank order, that is ascending.
    let received = try comm.alltoallRagged(reply, counts: asked.counts.map { $0 * width }).values
    if start == end { return received }
    if remote.isEmpty { return rows(images[...]) }
    var result: [Float] = []
    result.reserveCapacity(images.count * width)
    result += received[..<(start * width)]
    result += rows(images[start..<end])
    result += received[(start * width)...]
    return result
  }

  /// Rows of this rank's slice.
  private func rows(_ images: ArraySlice<Int32>) -> [Float] {
    let first = partition.range(of: comm.rank).lowerBound
    return Array(unsafeUninitializedCapacity: images.count * width) { target, count in
      for image in images {
        local.copyRow(Int(image) - first, to: target.baseAddress! + count)
        count += width
      }
    }
  }
}
