import MPI
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ImageStreamRanks {
  private func stream(_ count: Int, on world: Communicator) -> ImageStream {
    ImageStream(count: count, together: 2, block: 4, comm: world, observer: SilentObserver())
  }

  private func image(_ index: Int) -> [Float] { (0..<3).map { Float(10 * index + $0) } }

  /// None, below a block, whole blocks, one more, and more blocks than ranks; with four ranks, some
  /// have nothing to do.
  @Test(arguments: [0, 1, 3, 4, 5, 8, 9, 16, 17, 35, 200])
  func everyImageOnceWithItsNumber(count: Int) throws {
    let world = try testWorld()
    let sink = CollectedImages(pixels: 3, on: world)
    var computed = 0
    try stream(count, on: world).run(into: sink) { range in
      #expect(range.count <= 4 && (range.isEmpty || range.lowerBound % 2 == 0))
      computed += range.count
      // Rounds are for all ranks: a collective in them does not hang.
      try world.barrier()
      return range.flatMap(image)
    }
    #expect(sink.order == (world.isRoot ? (0..<Int64(count)).map { $0 } : []))
    #expect(sink.all == (world.isRoot ? (0..<count).flatMap(image) : []))
    let total = try world.allreduce(computed)
    #expect(total == count)
  }

  private struct Failure: Error {}

  /// Fails to take images after some.
  private final class FullSink: ImageSink {
    var left: Int
    init(left: Int) { self.left = left }

    func write(_ images: UnsafeBufferPointer<Float>, from first: Int) throws {
      if left == 0 { throw Failure() }
      left -= 1
    }

    func complete() { Issue.record("completed, though images were not taken") }
  }

  /// What fails comes out where it failed, in the first round or a later one. The others are ended by `Universe.run`
  /// (here: fail as well).
  @Test(arguments: [0, 2])
  func errorsOfComputingComeOut(round: Int) throws {
    let world = try testWorld()
    var rounds = 0
    #expect(throws: Failure.self) {
      try stream(200, on: world).run(into: FullSink(left: .max)) { range in
        if rounds == round { throw Failure() }
        rounds += 1
        return range.flatMap(image)
      }
    }
    #expect(rounds == round)
  }

  @Test func errorsOfWritingComeOut() throws {
    let world = try testWorld()
    var rounds = 0
    #expect(throws: Failure.self) {
      try stream(200, on: world).run(into: FullSink(left: 2)) { range in
        rounds += 1
        return range.flatMap(image)
      }
    }
    #expect(rounds == 3)
  }

  /// All rounds of many settings: whole units, none twice, none left out, and no rank more than another but for the
  /// last images.
  @Test func roundsCoverAllImages() {
    for ranks in 1...5 {
      for count in [1, 7, 64, 65, 640, 1000] {
        let (together, most) = (8, 4)
        var start = 0
        var each = [Int](repeating: 0, count: ranks)
        while start < count {
          let round = ImageStream.Round(
            start: start, count: count, together: together, most: most, ranks: ranks)
          var next = start
          for rank in 0..<ranks {
            let images = round.images(of: rank)
            #expect(images.lowerBound == next && images.count <= together * most)
            #expect(images.isEmpty || images.lowerBound % together == 0)
            each[rank] += images.count
            next = images.upperBound
          }
          #expect(round.end == next && next > start)
          start = round.end
        }
        #expect(start == count && each.reduce(0, +) == count)
        // The last round's units are rounded up.
        #expect(each.max()! - each.min()! <= together * most)
        #expect(Double(each.max()!) < Double(count) / Double(ranks) + Double(together))
      }
    }
  }
}
