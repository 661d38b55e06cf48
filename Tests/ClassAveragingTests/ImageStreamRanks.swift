import MPI
import TestSupport
import Testing

@testable import ClassAveraging

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ImageStreamRanks {
  /// None, below a block, whole blocks, one more, and more blocks than ranks; with four ranks, some
  /// have nothing to do.
  @Test(arguments: [0, 1, 3, 4, 5, 8, 9, 16, 17, 35])
  func everyImageOnceAndInOrder(count: Int) throws {
    let world = try testWorld()
    let (pixels, block) = (3, 4)
    let stream = ImageStream(
      count: count, pixels: pixels, block: block, comm: world, observer: SilentObserver())
    func image(_ index: Int) -> [Float] { (0..<pixels).map { Float(10 * index + $0) } }
    var consumed: [Float] = []
    var computed = 0
    try stream.run { images in
      #expect(world.isRoot)
      #expect(images.count <= block * pixels)
      consumed += Array(images)
    } compute: { range in
      #expect(range.count <= block)
      computed += range.count
      // Rounds are for all ranks: a collective in them does not hang.
      try world.barrier()
      return range.flatMap(image)
    }
    #expect(consumed == (world.isRoot ? (0..<count).flatMap(image) : []))
    let total = try world.allreduce(computed)
    #expect(total == count)
  }
}
