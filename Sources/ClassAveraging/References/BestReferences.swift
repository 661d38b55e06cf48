import Foundation
import MPI

/// The reference classes most like each image of a rank's slice.
struct BestReferences {
  /// The slice, global indices.
  let images: Range<Int>
  /// L, reference classes of each image.
  let capacity: Int
  /// Numbers of reference classes, images x L, best first; -1 where there are fewer.
  var references: [Int32]
  /// What orders them, images x L.
  var scores: [Float]

  init(images: Range<Int>, capacity: Int) {
    self.images = images
    self.capacity = capacity
    references = .init(repeating: -1, count: images.count * capacity)
    scores = .init(repeating: -.infinity, count: images.count * capacity)
  }

  func entries(of image: Int) -> Range<Int> {
    (image - images.lowerBound) * capacity..<(image - images.lowerBound + 1) * capacity
  }

  /// Reference classes less probable than this are left out, but for the first `leastCount` of an image: what they would add
  /// decides nothing, and takes time to sum: of clear images they are a third.
  private static let leastProbability: Float = 1e-5
  private static let leastCount = 20

  /// The log Bayes factors of an image as probabilities of its reference classes, in place of the scores.
  ///
  /// Bayes factors are divided by `temperature`: those of reference classes close to each other err alike, and their
  /// differences by themselves leave too few reference classes to share.
  func probabilities(temperature: Float) -> BestReferences {
    var result = self
    for image in images {
      let entries = entries(of: image).filter { references[$0] >= 0 }
      guard let first = entries.first else { continue }
      var sum: Float = 0
      for entry in entries {
        // Kept above zero, and its square too: the order of hopeless ones does not matter.
        result.scores[entry] = max(exp((scores[entry] - scores[first]) / temperature), 1e-15)
        sum += result.scores[entry]
      }
      for entry in entries { result.scores[entry] /= sum }
      for entry in entries.dropFirst(Self.leastCount)
      where result.scores[entry] < Self.leastProbability {
        result.references[entry] = -1
      }
    }
    return result
  }

  /// The other way round: the images of the highest scores of each reference class, ascending, for the reference classes of this
  /// rank's part of all. A rank holds its own entries and those of its reference classes, not all pairs. Collective.
  /// - Parameters:
  ///   - count: of all reference classes.
  ///   - limit: images of a reference class, at most.
  func transposed(references count: Int, limit: Int, on comm: Communicator) throws -> WeightedLists
  {
    // No more of a rank's images can be among the best of all ranks'.
    let own = WeightedLists(rows: count) { add in
      for image in images {
        for entry in entries(of: image) where references[entry] >= 0 {
          add(Int(references[entry]), Int32(image), scores[entry])
        }
      }
    }.best(limit)
    let partition = Partition(of: count, among: comm.size)
    let shares = (0..<comm.size).map { partition.range(of: $0) }
    let counts = shares.map { own.offsets[$0.upperBound] - own.offsets[$0.lowerBound] }
    let columns = try comm.alltoallRagged(own.columns, counts: counts).values
    let weights = try comm.alltoallRagged(own.weights, counts: counts).values
    let lengths = try comm.alltoallRagged(own.lengths, counts: shares.map(\.count)).values
    let rows = partition.range(of: comm.rank).count
    return WeightedLists(rows: rows) { add in
      var next = 0
      for (at, length) in lengths.enumerated() {
        for entry in next..<next + Int(length) { add(at % rows, columns[entry], weights[entry]) }
        next += Int(length)
      }
    }.best(limit)
  }
}
