import MPI
import TestSupport
import Testing

@testable import ClassAveraging

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ImageStreamRanks {
  private func stream(_ count: Int, on world: Communicator) -> ImageStream {
    ImageStream(
      count: count, pixels: 3, together: 2, block: 4, comm: world, observer: SilentObserver())
  }

  private func image(_ index: Int) -> [Float] { (0..<3).map { Float(10 * index + $0) } }

  /// None, below a block, whole blocks, one more, and more blocks than ranks; with four ranks, some
  /// have nothing to do.
  @Test(arguments: [0, 1, 3, 4, 5, 8, 9, 16, 17, 35, 200])
  func everyImageOnceAndInOrder(count: Int) throws {
    let world = try testWorld()
    var consumed: [Float] = []
    var computed = 0
    try stream(count, on: world).run { images in
      #expect(world.isRoot)
      #expect(images.count <= 4 * 3 && !images.isEmpty)
      consumed += Array(images)
    } compute: { range in
      #expect(range.count <= 4 && (range.isEmpty || range.lowerBound % 2 == 0))
      computed += range.count
      // Rounds are for all ranks: a collective in them does not hang.
      try world.barrier()
      return range.flatMap(image)
    }
    #expect(consumed == (world.isRoot ? (0..<count).flatMap(image) : []))
    let total = try world.allreduce(computed)
    #expect(total == count)
  }

  /// A round's images wait until the next round's are computed, not longer; what is consumed is no more than one
  /// round behind.
  @Test func rankZeroIsOneRoundBehind() throws {
    let world = try testWorld()
    var rounds: [Int] = []
    var consumed = 0
    try stream(120, on: world).run { images in
      consumed += images.count / 3
    } compute: { range in
      if world.isRoot { #expect(consumed == rounds.dropLast().last ?? 0) }
      let end = try world.allreduce(range.upperBound, .maximum)
      rounds.append(end)
      return range.flatMap(image)
    }
    #expect(rounds.last == 120)
    #expect(rounds.count >= (120 + 4 * world.size - 1) / (4 * world.size))
  }

  private struct Failure: Error {}

  /// What fails comes out where it failed, whichever rank that is, in the first round or a later one; a message that
  /// is under way then does no harm. The others are ended by `Universe.run` (here: fail as well).
  @Test(arguments: [0, 2])
  func errorsOfComputingComeOut(round: Int) throws {
    // What is under way and never received must not reach another test.
    let world = try testWorld()
    let ranks = try world.split(colour: 0, key: world.rank)
    var rounds = 0
    #expect(throws: Failure.self) {
      try stream(200, on: ranks).run {
        _ in
      } compute: { range in
        if rounds == round { throw Failure() }
        rounds += 1
        return range.flatMap(image)
      }
    }
    #expect(rounds == round)
  }

  @Test func errorsOfConsumingComeOut() throws {
    let world = try testWorld()
    // Other ranks would wait for rank 0, which only `Universe.run` can end.
    guard world.size == 1 else { return }
    var calls = 0
    #expect(throws: Failure.self) {
      try stream(200, on: world).run { _ in
        calls += 1
        if calls == 3 { throw Failure() }
      } compute: {
        $0.flatMap(image)
      }
    }
    #expect(calls == 3)
  }

  /// Rank 0 computes all of its part as long as writing costs nothing, none where it takes all its time, and
  /// otherwise so much that it is done with the others: x c + (x + p - 1) w = c.
  @Test func rankZeroComputesLessWhereItWrites() {
    func share(_ computing: Double, _ consuming: Double, _ ranks: Int) -> Double {
      ImageStream.Pace.rootShare(computing: computing, consuming: consuming, ranks: ranks)
    }
    #expect(share(1, 0, 4) == 1 && share(1, 0.5, 3) == 0)
    #expect(share(1, 2, 8) == 0 && share(0, 0, 2) == 0)
    let x = share(8, 1, 5)
    #expect(abs(x * 8 + (x + 4) * 1 - 8) < 1e-12 && x > 0)
    #expect(ImageStream.Pace().rootShare(ranks: 4) == 1)
  }

  /// All rounds of many settings: whole units, none twice, none left out, rank 0 never more than its share asks.
  @Test func roundsCoverAllImages() {
    for ranks in 1...5 {
      for share in [0, 0.3, 0.8, 1] {
        for count in [1, 7, 64, 65, 640, 1000] {
          let (together, most) = (8, 4)
          var start = 0
          while start < count {
            let left = (count - start + together - 1) / together
            let root = ImageStream.Round.rootUnits(
              left: left, most: most, share: share, ranks: ranks)
            let round = ImageStream.Round(
              start: start, count: count, together: together, left: left, most: most, root: root,
              ranks: ranks)
            var next = start
            for rank in 0..<ranks {
              let images = round.images(of: rank)
              #expect(images.lowerBound == next && images.count <= together * most)
              #expect(images.isEmpty || images.lowerBound % together == 0)
              next = images.upperBound
            }
            #expect(round.end == next && next > start)
            if ranks > 1 {
              let least = Double(round.images(of: 1).count) * share - Double(together)
              #expect(Double(round.images(of: 0).count) >= least)
              #expect(share > 0 || round.images(of: 0).isEmpty)
            }
            start = round.end
          }
          #expect(start == count)
        }
      }
    }
  }
}
