import MPI

/// Rows of numbers, one an image, shared among the ranks in contiguous slices: the coefficients as other
/// ranks fetch them.
public struct DistributedRows {
  /// Floats in a row.
  public let width: Int
  /// Which rank owns which images.
  public let partition: Partition
  /// The rows of this rank's slice, one after the other.
  let local: [Float]
  private let comm: Communicator

  /// Rows of coefficients: component by component, real and imaginary part side by side.
  public init(_ coefficients: SteerableCoefficients, partition: Partition, on comm: Communicator) {
    let width = coefficients.layout.componentCount * 2
    var rows = [Float](repeating: 0, count: coefficients.count * width)
    for group in 0..<coefficients.groupCount {
      for i in 0..<width {
        let lanes = coefficients.lanes[group * width + i]
        for lane in 0..<min(16, coefficients.count - group * 16) {
          rows[(group * 16 + lane) * width + i] = lanes[lane]
        }
      }
    }
    self.init(rows, width: width, partition: partition, on: comm)
  }

  init(_ rows: [Float], width: Int, partition: Partition, on comm: Communicator) {
    precondition(rows.count == partition.range(of: comm.rank).count * width)
    self.width = width
    self.partition = partition
    self.comm = comm
    local = rows
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
      let start = (Int(image) - first) * width
      reply += local[start..<start + width]
    }
    // Ascending indices come back in rank order, that is ascending.
    return try comm.alltoallRagged(reply, counts: asked.counts.map { $0 * width }).values
  }
}
