import Execution
import Foundation
import MPI
import Resume

/// Candidates of images without comparing images: those that share reference classes or neighbours with it, ordered
/// by how probable it is that both belong to the same one.
struct CandidateProposal {
  /// S, at most so many candidates of each image.
  let count: Int
  /// All images.
  let images: Int
  private let pool: WorkerPool<ListSum>
  /// Adds what orders the candidates of an image to the sums of a kind.
  private typealias Propose = @Sendable (_ sum: ListSum, _ kind: Int, _ image: Int) -> Void
  /// For each kind.
  private let propose: [Propose]

  /// Images j of an image i by R times the sum over R reference classes l of p_i(l) p_j(l). Collective.
  /// - Parameters:
  ///   - probabilities: p of the reference classes of this rank's images.
  ///   - references: R.
  ///   - longest: images that each reference class proposes, the most probable; bounds work and memory.
  init(
    sharing probabilities: BestReferences, references: Int, longest: Int, count: Int, images: Int,
    threads: Int, on comm: Communicator
  ) throws {
    let lists = try NodeLists(
      probabilities.transposed(references: references, limit: longest, on: comm), on: comm)
    let propose: Propose = { sum, kind, image in
      for entry in probabilities.entries(of: image) where probabilities.references[entry] >= 0 {
        sum.add(
          lists, row: Int(probabilities.references[entry]),
          weight: Float(references) * probabilities.scores[entry], kind: kind)
      }
    }
    self.init(count: count, images: images, threads: threads, propose: [propose])
  }

  /// Neighbours and neighbours of neighbours: images j of an image i by the sum over images l of p_il p_lj,
  /// with p_ii = 1 and p_il + p_li for the others. Collective.
  /// - Parameters:
  ///   - table: neighbours of all images, the same on every rank.
  ///   - longest: neighbours of each image that count, the best.
  ///   - probability: of the neighbour at an entry of the table.
  init(
    among table: NeighbourTable, longest: Int, count: Int, threads: Int, on comm: Communicator,
    probability: (Int) -> Double
  ) throws {
    let k = table.neighboursPerImage
    let own = Partition(of: table.count, among: comm.size).range(of: comm.rank)
    let part = WeightedLists(rows: own.count) { add in
      func addToOwn(_ image: Int, _ other: Int, _ probability: Float) {
        if own.contains(image) { add(image - own.lowerBound, Int32(other), probability) }
      }
      for image in 0..<table.count {
        addToOwn(image, image, 1)
        for entry in image * k..<image * k + min(k, longest) where table.indices[entry] >= 0 {
          let other = Int(table.indices[entry])
          if !own.contains(image) && !own.contains(other) { continue }
          let p = Float(probability(entry))
          addToOwn(image, other, p)
          addToOwn(other, image, p)
        }
      }
    }
    let lists = try NodeLists(part, on: comm)
    let propose: Propose = { sum, kind, image in
      lists.withRow(image) { columns, weights in
        for (column, weight) in zip(columns, weights) {
          sum.add(lists, row: Int(column), weight: weight, kind: kind)
        }
      }
    }
    self.init(count: count, images: table.count, threads: threads, propose: [propose])
  }

  /// Images by the sum of what orders them in several proposals.
  init(uniting proposals: [CandidateProposal], count: Int) {
    self.init(
      count: count, images: proposals[0].images, threads: proposals[0].pool.count,
      propose: proposals.flatMap(\.propose))
  }

  private init(count: Int, images: Int, threads: Int, propose: [Propose]) {
    self.count = count
    self.images = images
    self.propose = propose
    pool = WorkerPool(threads: threads) { ListSum(columns: images, kinds: propose.count) }
  }

  /// S candidates of each of some of this rank's images: global indices, ascending, the image itself
  /// excluded, then -1 where there are fewer.
  func candidates(of chosen: some Collection<Int>) -> [Int32] {
    var result = [Int32](repeating: -1, count: chosen.count * count)
    let chosen = Array(chosen)
    pool.forEachRow(0..<chosen.count, of: &result, width: count) {
      [propose, count] sum, at, result in
      let found = Self.candidates(of: chosen[at], count: count, by: propose, sum).columns
      for (entry, candidate) in found.enumerated() { result[entry] = candidate }
    }
    return result
  }

  /// The best of the S candidates of each of some of this rank's images, by another order.
  /// - Parameters:
  ///   - length: how many are kept of each image.
  ///   - affinity: of a candidate, from its sum in each of the proposals that were united.
  /// - Returns: global indices, best first, and their affinities; of equal ones the smaller index comes first. Where
  ///   there are fewer, -1 and minus infinity.
  func ordered(
    of chosen: some Collection<Int>, keeping length: Int,
    by affinity: @Sendable (ArraySlice<Float>) -> Float
  ) -> (candidates: [Int32], affinities: [Float]) {
    var candidates = [Int32](repeating: -1, count: chosen.count * length)
    var affinities = [Float](repeating: -.infinity, count: chosen.count * length)
    let chosen = Array(chosen)
    let kinds = propose.count
    pool.forEachRow(0..<chosen.count, of: &candidates, &affinities, width: length) {
      [propose, count] sum, at, candidates, affinities in
      let (found, sums) = Self.candidates(of: chosen[at], count: count, by: propose, sum)
      let values = found.indices.map { affinity(sums[kinds * $0..<kinds * ($0 + 1)]) }
      let order = found.indices.sorted { (values[$1], $0) < (values[$0], $1) }
      for (entry, place) in order.prefix(length).enumerated() {
        candidates[entry] = found[place]
        affinities[entry] = values[place]
      }
    }
    return (candidates, affinities)
  }

  /// An image's candidates, ascending, and their sums, kind by kind.
  private static func candidates(
    of image: Int, count: Int, by propose: [Propose], _ sum: ListSum
  ) -> (columns: [Int32], sums: [Float]) {
    for (kind, propose) in propose.enumerated() { propose(sum, kind, image) }
    return sum.takeBest(count, excluding: image)
  }
}

extension CandidateScoring {
  /// The K best of each image's candidates by the affinity, on every rank. Collective; see the other one.
  func best(
    of proposal: CandidateProposal, neighboursPerImage: Int,
    batch: Int = ClassSize.candidatesAtATime,
    parts: CheckpointParts? = nil
  ) throws -> NeighbourTable {
    try best(
      of: proposal.count, neighboursPerImage: neighboursPerImage, batch: batch, parts: parts
    ) { (proposal.candidates(of: $0), nil) }
  }
}
