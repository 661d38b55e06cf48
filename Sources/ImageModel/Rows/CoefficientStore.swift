import Execution
import MPI

/// The coefficients of all images, shared among the ranks in contiguous slices: a row of numbers for each image,
/// component by component, real and imaginary part side by side.
///
/// The rows of a node's ranks lie in memory that all of them see, one copy a node; those of other nodes are fetched.
public struct CoefficientStore {
  /// Which rank owns which images.
  public let partition: Partition
  package let layout: AngularLayout
  private let node: NodeCoefficients
  package let comm: Communicator

  /// Floats in a row.
  public var width: Int { layout.componentCount * 2 }

  /// Whether the rows of all of the node's ranks can be read here.
  package var isSharedByNode: Bool { node.isShared }

  /// How many images a rank works on between two exchanges where each needs so many neighbours' rows: at least 1024,
  /// which bounds the memory, or all where the rows of those may be all rows there are.
  package func chunk(neighbours: Int) -> Int {
    let least = 1024
    return least * (1 + neighbours) < partition.total ? least : max(1, partition.range(of: 0).count)
  }

  /// Collective. The coefficients are copied.
  /// - Parameters:
  ///   - coefficients: of this rank's slice.
  ///   - partition: which rank owns which images.
  ///   - comm: the ranks that take part.
  /// - Throws: `MPIError`.
  public init(
    _ coefficients: SteerableCoefficients, partition: Partition, on comm: Communicator
  ) throws {
    precondition(coefficients.count == partition.range(of: comm.rank).count)
    let width = coefficients.layout.componentCount * 2
    try self.init(layout: coefficients.layout, partition: partition, on: comm) { rows in
      for image in 0..<coefficients.count { coefficients.copyRow(image, to: rows + image * width) }
    }
  }

  /// Collective.
  /// - Parameters:
  ///   - sharesNode: whether the ranks of a node see each other's rows where it has room for that.
  ///   - fill: writes the rows of this rank's slice, one after the other.
  /// - Throws: `MPIError`, and what `fill` throws.
  package init(
    layout: AngularLayout, partition: Partition, on comm: Communicator, sharesNode: Bool = true,
    fill: (UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    self.partition = partition
    self.layout = layout
    self.comm = comm
    node = try NodeCoefficients(
      width: layout.componentCount * 2, partition, on: comm, isShared: sharesNode, fill: fill)
  }

  /// Makes the rows of some images readable here, beside those that are so anyway. Collective: one bulk exchange, in
  /// which every rank says what it needs of other nodes; none where all ranks share one.
  /// - Parameter images: global indices, ascending; not asked for where all rows can be read.
  package func fetch(_ images: @autoclosure () throws -> [Int32]) throws -> FetchedCoefficients {
    if node.isComplete { return readable }
    let images = try images().filter { node.rowIndices[Int($0)] < 0 }
    var counts = [Int](repeating: 0, count: comm.size)
    for image in images { counts[partition.owner(of: Int(image))] += 1 }
    let asked = try comm.alltoallRagged(images, counts: counts)
    let reply = readable.values(of: asked.values)
    // Ascending indices come back in rank order, that is ascending.
    let received = try comm.alltoallRagged(reply, counts: asked.counts.map { $0 * width }).values
    var rowIndices = node.rowIndices
    for (at, image) in images.enumerated() { rowIndices[Int(image)] = Int32(-2 - at) }
    return FetchedCoefficients(node: node, rowIndices: rowIndices, received: received)
  }

  /// The rows that can be read without asking other ranks, those of this rank's slice among them.
  package var readable: FetchedCoefficients {
    FetchedCoefficients(node: node, rowIndices: node.rowIndices, received: [])
  }
}

/// Rows of images that can be read here.
package struct FetchedCoefficients {
  fileprivate let node: NodeCoefficients
  /// Where each image's row is: a row of the node's, or -2 less its number among those received; -1 where it is not.
  fileprivate let rowIndices: [Int32]
  fileprivate let received: [Float]

  /// Floats in a row.
  package var width: Int { node.width }

  /// The rows as long as `body` runs.
  package func withRows<Result>(_ body: (Rows) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(node) {
      try rowIndices.withUnsafeBufferPointer { rowIndices in
        try received.withUnsafeBufferPointer { received in
          try body(
            Rows(
              node: SharedPointer(UnsafePointer(node.rows)), received: SharedPointer(received),
              rowIndices: SharedPointer(rowIndices), width: node.width)
          )
        }
      }
    }
  }

  package struct Rows: Sendable {
    // Not private, for the subscript is compiled into its callers.
    @usableFromInline let node: SharedPointer<UnsafePointer<Float>>
    @usableFromInline let received: SharedPointer<UnsafeBufferPointer<Float>>
    @usableFromInline let rowIndices: SharedPointer<UnsafeBufferPointer<Int32>>
    package let width: Int

    /// The row of an image that was asked for: component by component, (re, im).
    @inlinable package subscript(image: Int32) -> UnsafePointer<Float> {
      let index = Int(rowIndices.pointer[Int(image)])
      if index >= 0 { return node.pointer + index * width }
      precondition(index < -1, "the row of image \(image) was not asked for")
      return received.pointer.baseAddress! + (-2 - index) * width
    }
  }

  /// The rows of some images, one after the other.
  package func values(of images: [Int32]) -> [Float] {
    if images.isEmpty { return [] }
    return Array(unsafeUninitializedCapacity: images.count * width) { target, count in
      copy(images, to: target.baseAddress!)
      count = images.count * width
    }
  }

  /// Writes the rows of some images, one after the other.
  package func copy(_ images: some Sequence<Int32>, to target: UnsafeMutablePointer<Float>) {
    withRows { rows in
      for (at, image) in images.enumerated() {
        (target + at * width).update(from: rows[image], count: width)
      }
    }
  }
}

/// The rows of the images of a node's ranks, or of one rank where they share none.
private final class NodeCoefficients {
  let width: Int
  let rows: UnsafeMutablePointer<Float>
  /// Whether other ranks' rows are among them.
  let isShared: Bool
  /// Whether all images' are.
  let isComplete: Bool
  /// Which row is that of an image; -1 where there is none.
  let rowIndices: [Int32]
  private let memory: NodeMemory<Float>?

  /// Collective.
  init(
    width: Int, _ partition: Partition, on comm: Communicator, isShared: Bool,
    fill: (UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    self.width = width
    let node = try comm.splitByNode()
    var ranks = try node.allgather([comm.rank])
    let count = ranks.reduce(0) { $0 + partition.range(of: $1).count }
    memory =
      isShared && node.size > 1
      ? try .allocate(ifRoomFor: count * width, node: node) : nil
    if memory == nil { ranks = [comm.rank] }
    self.isShared = memory != nil
    isComplete = ranks.count == comm.size
    let own = partition.range(of: comm.rank)
    rows = memory?.elements.baseAddress! ?? .allocate(capacity: max(1, own.count * width))
    var rowIndices = [Int32](repeating: -1, count: partition.total)
    var next: Int32 = 0
    for image in ranks.flatMap({ partition.range(of: $0) }) {
      rowIndices[image] = next
      next += 1
    }
    self.rowIndices = rowIndices
    try fill(rows + (own.isEmpty ? 0 : Int(rowIndices[own.lowerBound]) * width))
    try memory?.fence()
  }

  deinit { if memory == nil { rows.deallocate() } }
}
