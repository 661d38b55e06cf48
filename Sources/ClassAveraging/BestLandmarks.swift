import Foundation
import MPI

/// The landmarks most like each image of a rank's slice.
struct BestLandmarks {
  /// The slice, global indices.
  let images: Range<Int>
  /// L, landmarks of each image.
  let capacity: Int
  /// Numbers of landmarks, images x L, best first; -1 where there are fewer.
  var landmarks: [Int32]
  /// What orders them, images x L.
  var scores: [Float]

  init(images: Range<Int>, capacity: Int) {
    self.images = images
    self.capacity = capacity
    landmarks = .init(repeating: -1, count: images.count * capacity)
    scores = .init(repeating: -.infinity, count: images.count * capacity)
  }

  func entries(of image: Int) -> Range<Int> {
    (image - images.lowerBound) * capacity..<(image - images.lowerBound + 1) * capacity
  }

  /// The log Bayes factors of an image as probabilities of its landmarks, in place of the scores.
  ///
  /// Bayes factors are divided by `softening`: those of landmarks close to each other err alike, and their
  /// differences by themselves leave too few landmarks to share.
  func probabilities(softening: Float) -> BestLandmarks {
    var result = self
    for image in images {
      let entries = entries(of: image).filter { landmarks[$0] >= 0 }
      guard let first = entries.first else { continue }
      var sum: Float = 0
      for entry in entries {
        // Kept above zero, and its square too: the order of hopeless ones does not matter.
        result.scores[entry] = max(exp((scores[entry] - scores[first]) / softening), 1e-15)
        sum += result.scores[entry]
      }
      for entry in entries { result.scores[entry] /= sum }
    }
    return result
  }

  /// The other way round: the images of the highest scores of each landmark, for the landmarks of this
  /// rank's part of all. A rank holds `limit` words for each landmark, not all pairs. Collective.
  func transposed(landmarks count: Int, limit: Int, on comm: Communicator) throws
    -> BestCandidates
  {
    let partition = Partition(of: count, among: comm.size)
    var best = BestCandidates(rows: count, capacity: limit)
    for image in images {
      for entry in entries(of: image) where landmarks[entry] >= 0 {
        best.offer(
          row: Int(landmarks[entry]), index: Int32(image), score: scores[entry], reflected: false)
      }
    }
    // Most of the rows are short: only what they hold travels.
    let lengths = (0..<count).map { row in
      Int32(best.indices[row * limit..<(row + 1) * limit].count { $0 >= 0 })
    }
    let shares = (0..<comm.size).map { partition.range(of: $0) }
    let words = try comm.alltoallRagged(
      best.packed.filter { $0 != -1 },
      counts: shares.map { Int(lengths[$0].reduce(0, +)) }
    ).values
    let received = try comm.alltoallRagged(lengths, counts: shares.map(\.count)).values
    let rows = partition.range(of: comm.rank).count
    var result = BestCandidates(rows: rows, capacity: limit)
    var next = 0
    for (at, length) in received.enumerated() {
      result.offer(row: at % rows, packed: words[next..<next + Int(length)])
      next += Int(length)
    }
    result.sort()
    return result
  }
}
