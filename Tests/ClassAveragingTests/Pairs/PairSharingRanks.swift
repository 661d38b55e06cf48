import ImageModel
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution

@Suite(.serialized, .timeLimit(.minutes(2)))
struct PairSharingRanks {
  private let images = 60

  private func sharing(_ comm: Communicator) -> PairSharing {
    PairSharing(
      partition: Partition(of: images, among: comm.size), comm: comm, observer: SilentObserver())
  }

  private func word(_ first: Int, _ second: Int) -> Int64 { Int64(first) << 32 | Int64(second) }

  /// Every rank knows what all propose; its part is cut from the ordered set of it.
  private func check(_ proposal: (_ rank: Int) -> [Int64]) throws {
    let world = try testWorld()
    let all = Set((0..<world.size).flatMap(proposal)).sorted()
    let part = try sharing(world).share(proposal(world.rank))
    let bounds = (0...world.size).map { rank in
      rank * (all.count / world.size) + min(rank, all.count % world.size)
    }
    #expect(part == Array(all[bounds[world.rank]..<bounds[world.rank + 1]]))
  }

  @Test("Each rank gets its equal part of all ranks' pairs, each pair once")
  func equalParts() throws {
    // Pairs at random, some of them proposed on several ranks or twice on one.
    try check { rank in
      let numbers = randomNumbers(2 * (150 + 40 * rank), seed: UInt64(rank % 2 + 1))
      return stride(from: 0, to: numbers.count, by: 2).compactMap { at in
        let (a, b) = (Int(abs(numbers[at]) * 60) % 60, Int(abs(numbers[at + 1]) * 60) % 60)
        return a == b ? nil : word(min(a, b), max(a, b))
      }
    }
    // All pairs have one first image, and so one home.
    try check { rank in (1..<60).filter { $0 % 3 != rank % 3 }.map { word(0, $0) } }
    // Only the last rank has any; fewer than ranks; none.
    let last = try testWorld().size - 1
    try check { rank in rank == last ? [word(57, 59), word(3, 4), word(58, 59)] : [] }
    try check { rank in rank == last ? [word(58, 59)] : [] }
    try check { _ in [] }
  }

  @Test("Suspects become pairs whose smaller image comes first")
  func pairsOfSuspects() {
    let pairs = PairSharing.pairs(of: [7, 2], candidates: [9, 2, -1, 7, -1, -1])
    #expect(pairs == [word(7, 9), word(2, 7), word(2, 7)])
    #expect(PairSharing.pairs(of: [], candidates: []) == [])
    let (first, second) = PairSharing.unpack(word(5, Int(Int32.max)))
    #expect(first == 5 && second == .max)
  }

  @Test("Scores reach the lists of both images, from whichever rank")
  func scoresAreOffered() throws {
    let world = try testWorld()
    let sharing = sharing(world)
    // Neighbours on a ring of images, 1 and 25 apart; the pairs dealt out as cards are.
    let all = (0..<images).flatMap { image in
      [1, 25].map { step -> Int64 in
        let other = (image + step) % images
        return word(min(image, other), max(image, other))
      }
    }
    func score(_ first: Int, _ second: Int) -> PairScore {
      PairScore(
        affinity: Float(first * second) - 900.25,
        alignment: Alignment(
          rotation: Float(first - 2 * second) / 32, isReflected: (first + second) / 2 % 2 == 1))
    }
    let own = sharing.partition.range(of: world.rank)
    var table = NeighbourTable(count: own.count, neighboursPerImage: 4)
    let mine = all.indices.filter { ($0 + 1) % world.size == world.rank }.map { all[$0] }
    for part in [mine[..<(mine.count / 3)], mine[(mine.count / 3)...]] {
      let scores = part.map { pair -> PairScore in
        let (first, second) = PairSharing.unpack(pair)
        return score(Int(first), Int(second))
      }
      try sharing.offer(scores, of: part, to: &table)
    }
    for (row, image) in own.enumerated() {
      let others = [1, 25, 35, 59].map { (image + $0) % images }
        .sorted { ($1 * image, $0) < ($0 * image, $1) }
      let entries = 4 * row..<4 * row + 4
      #expect(table.indices[entries] == others.map { Int32($0) }[...])
      for (entry, other) in zip(entries, others) {
        let pair = score(min(image, other), max(image, other))
        #expect(table.affinities[entry] == pair.affinity)
        let (found, scored) = (table.alignments[entry], pair.alignment)
        #expect(found.isReflected == scored.isReflected)
        // Seen from the second image, a rotation without reflection goes back.
        let isBack = other < image && !scored.isReflected
        #expect(found.rotation == (isBack ? -scored.rotation : scored.rotation))
      }
    }
  }
}
