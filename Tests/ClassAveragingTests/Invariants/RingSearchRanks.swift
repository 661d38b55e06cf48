import MPI
import TestSupport
import Testing

@testable import ClassAveraging

@Suite("Ring search", .serialized, .timeLimit(.minutes(2)))
struct RingSearchRanks {
  /// (images, candidates): several tiles and uneven projections; fewer images than four ranks.
  @Test(arguments: [(1103, 9), (37, 36), (3, 2)])
  func agreesWithBruteForce(total: Int, candidateCount: Int) throws {
    let world = try testWorld()
    let (even, odd) = (5, 4)
    let width = even + odd
    // Small integers: scores are exact, and many are equal.
    let values = randomNumbers(total * width, seed: 31).map { Float(($0 * 3).rounded()) }
    let partition = Partition(of: total, among: world.size)
    let slice = partition.range(of: world.rank)
    let features = InvariantFeatures(
      count: slice.count, evenCount: even, oddCount: odd,
      values: Array(values[slice.lowerBound * width..<slice.upperBound * width]))
    var last = 0.0
    let found = try RingSearch(
      features, partition: partition, candidateCount: candidateCount, over: world
    ) { share in
      #expect(share >= last && share <= 1)
      last = share
    }
    if world.size == 1 { #expect(last == 1) }
    #expect(found.count == slice.count && found.candidates.count == slice.count * candidateCount)

    var candidates: [Int32] = []
    var reflected: [UInt8] = []
    var scores: [Float] = []
    for image in slice {
      var others: [(score: Float, index: Int, reflected: Bool)] = []
      for other in 0..<total where other != image {
        let products = (0..<width).map { values[image * width + $0] * values[other * width + $0] }
        let (e, o) = (products[..<even].reduce(0, +), products[even...].reduce(0, +))
        others.append((max(e + o, e - o), other, e - o > e + o))
      }
      others.sort { ($0.score, $1.index) > ($1.score, $0.index) }
      for candidate in others.prefix(candidateCount) {
        candidates.append(Int32(candidate.index))
        reflected.append(candidate.reflected ? 1 : 0)
        scores.append(candidate.score)
      }
    }
    #expect(found.candidates == candidates)
    #expect(found.reflected == reflected)
    #expect(found.scores == scores)
    if slice.count > 100 { #expect(reflected.count { $0 == 1 } > 100) }
  }

  /// Blocks arrive in another order on every rank.
  @Test func orderOfArrivalDoesNotMatter() {
    let scores: [Float] = [2, 5, 5, 1, 5, 3, 2, 5, 3]
    for shift in 0..<scores.count {
      for isReversed in [false, true] {
        var best = BestCandidates(rows: 2, capacity: 5)
        let order = scores.indices.map { ($0 + shift) % scores.count }
        for index in isReversed ? order.reversed() : order {
          best.offer(row: 1, index: Int32(index), score: scores[index], reflected: index == 5)
        }
        best.sort()
        #expect(Array(best.indices[5...]) == [1, 2, 4, 7, 5])
        #expect(Array(best.scores[5...]) == [5, 5, 5, 5, 3])
        #expect(Array(best.reflected[5...]) == [0, 0, 0, 0, 1])
      }
    }
  }
}
