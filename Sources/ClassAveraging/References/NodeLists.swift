import MPI

/// Rows of weights (`WeightedLists`) that every rank can read, all ranks' rows one after the other: one copy a node.
struct NodeLists: Sendable {
  private let offsets: [Int]
  private let columns: NodeArray<Int32>
  private let weights: NodeArray<Float>

  /// Puts the ranks' rows together. Collective.
  init(_ own: WeightedLists, on comm: Communicator) throws(MPIError) {
    offsets = WeightedLists.offsets(ofLengths: try comm.allgatherRagged(own.lengths))
    columns = try NodeArray(gathering: own.columns, on: comm)
    weights = try NodeArray(gathering: own.weights, on: comm)
  }

  /// The columns of a row and their weights.
  func withRow(
    _ row: Int, _ body: (UnsafeBufferPointer<Int32>, UnsafeBufferPointer<Float>) -> Void
  ) {
    let entries = offsets[row]..<offsets[row + 1]
    withExtendedLifetime(self) {
      body(
        UnsafeBufferPointer(rebasing: columns.elements[entries]),
        UnsafeBufferPointer(rebasing: weights.elements[entries]))
    }
  }
}
