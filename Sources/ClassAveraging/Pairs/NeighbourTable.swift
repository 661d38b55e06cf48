import ImageModel
import MPI

/// The neighbours of every image, best first: what a run is about.
public struct NeighbourTable: Sendable {
  /// Images.
  public private(set) var count: Int
  /// K, neighbours of each image.
  public let neighboursPerImage: Int
  /// Global indices from 0, n x K; self excluded.
  public var indices: [Int32]
  /// The affinity that ordered them, n x K.
  public var affinities: [Float]
  /// What aligns the neighbour to the image, n x K.
  public var alignments: AlignmentColumns
  /// The probability that the neighbour is a true one, n x K; empty where the search has no calibration.
  public var probabilities: [Float] = []
  /// What the probabilities were computed from, n x K x regressors; empty unless asked for.
  var regressors: [Float] = []

  /// A table without neighbours yet: indices -1, affinities minus infinity.
  public init(count: Int, neighboursPerImage: Int) {
    self.count = count
    self.neighboursPerImage = neighboursPerImage
    let length = count * neighboursPerImage
    indices = .init(repeating: -1, count: length)
    affinities = .init(repeating: -.infinity, count: length)
    alignments = .init(repeating: .identity, count: length)
  }

  /// Puts a candidate into its place in the image's list, if it is among the best K; ties go to the
  /// smaller index. A candidate is offered once.
  mutating func offer(_ candidate: Int32, _ score: PairScore, to image: Int) {
    let k = neighboursPerImage
    let start = image * k
    func isBehind(_ at: Int) -> Bool {
      let other = indices[at]
      return other < 0 || affinities[at] < score.affinity
        || (affinities[at] == score.affinity && other > candidate)
    }
    guard isBehind(start + k - 1) else { return }
    var at = start + k - 1
    while at > start && isBehind(at - 1) {
      indices[at] = indices[at - 1]
      affinities[at] = affinities[at - 1]
      alignments[at] = alignments[at - 1]
      at -= 1
    }
    indices[at] = candidate
    affinities[at] = score.affinity
    alignments[at] = score.alignment
  }

  /// The first `length` neighbours of every image.
  func prefix(_ length: Int) -> NeighbourTable {
    if length >= neighboursPerImage { return self }
    func cut<Column: TableColumn>(_ column: Column, width: Int = 1) -> Column {
      let k = width * neighboursPerImage
      var result = Column()
      result.reserveCapacity(count * width * length)
      for image in 0..<count { result += column[image * k..<image * k + width * length] }
      return result
    }
    var result = NeighbourTable(count: 0, neighboursPerImage: length)
    result.count = count
    result.indices = cut(indices)
    result.affinities = cut(affinities)
    result.alignments = cut(alignments)
    if !probabilities.isEmpty { result.probabilities = cut(probabilities) }
    if !regressors.isEmpty {
      result.regressors = cut(regressors, width: regressors.count / indices.count)
    }
    return result
  }

  /// The mean number of neighbours of an image.
  public var meanLength: Double {
    Double(indices.count { $0 >= 0 }) / Double(max(1, count))
  }

  /// The neighbours whose probability is at least `confidence`, closed up and padded with -1, which have
  /// the affinity, the probability and the regressors NaN.
  func confident(_ confidence: Double) -> NeighbourTable {
    let kept = (0..<count).map { image in
      (image * neighboursPerImage..<(image + 1) * neighboursPerImage).filter {
        indices[$0] >= 0 && Double(probabilities[$0]) >= confidence
      }
    }
    func closed<Column: TableColumn>(
      _ column: Column, _ missing: Column.Element, width: Int = 1
    ) -> Column {
      var result = Column()
      result.reserveCapacity(column.count)
      for entries in kept {
        for entry in entries { result += column[entry * width..<(entry + 1) * width] }
        result += repeatElement(missing, count: (neighboursPerImage - entries.count) * width)
      }
      return result
    }
    var result = self
    result.indices = closed(indices, -1)
    result.affinities = closed(affinities, .nan)
    result.alignments = closed(alignments, .identity)
    result.probabilities = closed(probabilities, .nan)
    if !regressors.isEmpty {
      result.regressors = closed(regressors, .nan, width: regressors.count / indices.count)
    }
    return result
  }

  /// The tables of the ranks' slices one after the other, on every rank; probabilities and regressors are left
  /// out. Collective.
  func gathered(on comm: Communicator) throws -> NeighbourTable {
    var whole = NeighbourTable(count: 0, neighboursPerImage: neighboursPerImage)
    whole.count = try comm.allreduce(count)
    whole.indices = try comm.allgatherRagged(indices)
    whole.affinities = try comm.allgatherRagged(affinities)
    whole.alignments = try alignments.allgathered(on: comm)
    return whole
  }

  /// Rank 0's table on every rank. Collective.
  func broadcast(on comm: Communicator) throws -> NeighbourTable {
    var table = NeighbourTable(count: 0, neighboursPerImage: neighboursPerImage)
    let count = try comm.broadcast([count])[0]
    table.count = count
    table.indices = try comm.broadcast(indices)
    table.affinities = try comm.broadcast(affinities)
    table.alignments = try alignments.broadcast(on: comm)
    table.probabilities = try comm.broadcast(probabilities)
    table.regressors = try comm.broadcast(regressors)
    return table
  }
}
