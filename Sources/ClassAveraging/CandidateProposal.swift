import Foundation
import MPI

/// Candidates of images without comparing images: those that share landmarks or neighbours with it, ordered
/// by how probable it is that both belong to the same one.
struct CandidateProposal {
  /// S, at most so many candidates of each image.
  let count: Int
  /// All images.
  let images: Int
  private let pool: WorkerPool<ListSum>
  private let propose: (ListSum, Int) -> Void

  /// Images j of an image i by R times the sum over R landmarks l of p_i(l) p_j(l). Collective.
  /// - Parameters:
  ///   - probabilities: p of the landmarks of this rank's images.
  ///   - landmarks: R.
  ///   - longest: images that each landmark proposes, the most probable; bounds work and memory.
  init(
    sharing probabilities: BestLandmarks, landmarks: Int, longest: Int, count: Int, images: Int,
    threads: Int, on comm: Communicator
  ) throws {
    let own = try probabilities.transposed(landmarks: landmarks, limit: longest, on: comm)
    let lists = WeightedLists(
      lengths: try comm.allgatherRagged(own.lengths),
      columns: try comm.allgatherRagged(own.columns),
      weights: try comm.allgatherRagged(own.weights))
    self.init(count: count, images: images, threads: threads) { sum, image in
      for entry in probabilities.entries(of: image) where probabilities.landmarks[entry] >= 0 {
        sum.add(
          lists, row: Int(probabilities.landmarks[entry]),
          weight: Float(landmarks) * probabilities.scores[entry])
      }
    }
  }

  /// Neighbours and neighbours of neighbours: images j of an image i by the sum over images l of p_il p_lj,
  /// with p_ii = 1 and p_il + p_li for the others.
  /// - Parameters:
  ///   - table: neighbours of all images.
  ///   - longest: neighbours of each image that count, the best.
  ///   - probability: of the neighbour at an entry of the table.
  init(
    among table: NeighbourTable, longest: Int, count: Int, threads: Int,
    probability: (Int) -> Double
  ) {
    let k = table.neighboursPerImage
    let lists = WeightedLists(rows: table.count) { add in
      for image in 0..<table.count {
        add(image, Int32(image), 1)
        for entry in image * k..<image * k + min(k, longest) where table.indices[entry] >= 0 {
          let p = Float(probability(entry))
          add(image, table.indices[entry], p)
          add(Int(table.indices[entry]), Int32(image), p)
        }
      }
    }
    self.init(count: count, images: table.count, threads: threads) { sum, image in
      for entry in lists.offsets[image]..<lists.offsets[image + 1] {
        sum.add(lists, row: Int(lists.columns[entry]), weight: lists.weights[entry])
      }
    }
  }

  /// Images by the sum of what orders them in several proposals.
  init(uniting proposals: [CandidateProposal], count: Int) {
    self.init(count: count, images: proposals[0].images, threads: proposals[0].pool.count) {
      sum, image in
      for proposal in proposals { proposal.propose(sum, image) }
    }
  }

  private init(
    count: Int, images: Int, threads: Int, propose: @escaping (ListSum, Int) -> Void
  ) {
    self.count = count
    self.images = images
    self.propose = propose
    pool = WorkerPool(count: threads) { ListSum(columns: images) }
  }

  /// The sums that order candidates.
  /// - Parameters:
  ///   - chosen: some of this rank's images, as many candidates for each.
  ///   - candidates: global indices; -1 for none.
  /// - Returns: in the candidates' order; 0 for none, and where nothing is shared.
  func sums(of chosen: Range<Int>, candidates: [Int32]) -> [Float] {
    let length = candidates.count / max(1, chosen.count)
    var result = [Float](repeating: 0, count: candidates.count)
    result.withUnsafeMutableBufferPointer { result in
      nonisolated(unsafe) let result = result
      pool.forEach(chosen.count) { sum, at in
        propose(sum, chosen.lowerBound + at)
        sum.take(
          candidates[at * length..<(at + 1) * length],
          into: UnsafeMutableBufferPointer(rebasing: result[at * length..<(at + 1) * length]))
      }
    }
    return result
  }

  /// S candidates of each of some of this rank's images: global indices, ascending, the image itself
  /// excluded, then -1 where there are fewer.
  func candidates(of chosen: some Collection<Int>) -> [Int32] {
    let chosen = Array(chosen)
    var result = [Int32](repeating: -1, count: chosen.count * count)
    result.withUnsafeMutableBufferPointer { result in
      nonisolated(unsafe) let result = result
      pool.forEach(chosen.count) { sum, at in
        propose(sum, chosen[at])
        sum.takeBest(
          excluding: chosen[at],
          into: UnsafeMutableBufferPointer(rebasing: result[at * count..<(at + 1) * count]))
      }
    }
    return result
  }
}
