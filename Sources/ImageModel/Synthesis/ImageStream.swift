import Execution
import MPI

/// Where a stream's images go, on every rank those that it has computed.
public protocol ImageSink {
  /// Takes images, one after the other, of which the first is the stream's number `first`.
  func write(_ images: UnsafeBufferPointer<Float>, from first: Int) throws

  /// All ranks have given their images. Collective.
  func complete() throws
}

/// A sequence of images that the ranks compute in rounds, each rank some that follow one another, and write
/// where they belong: no rank ever holds more than a block, and none passes through another.
package struct ImageStream {
  /// Images in all.
  package let count: Int
  /// Images that are computed together: what a rank computes begins at a multiple of it, so that no image's
  /// last bits depend on the number of ranks.
  package let together: Int
  /// Images that a rank computes in a round at most, a multiple of `together`.
  package let block: Int
  package let comm: Communicator
  package let observer: any StageObserver

  package init(
    count: Int, together: Int, block: Int = 256, comm: Communicator, observer: any StageObserver
  ) {
    self.count = count
    self.together = together
    self.block = block
    self.comm = comm
    self.observer = observer
  }

  /// Calls `compute` on every rank once a round, with the images it is to compute (an empty range where
  /// none are left for it), and gives what it has computed to `sink`. Collective. An error ends all ranks.
  package func run(into sink: some ImageSink, compute: (Range<Int>) throws -> [Float]) throws {
    var start = 0
    while start < count {
      let round = Round(
        start: start, count: count, together: together, most: block / together, ranks: comm.size)
      let own = round.images(of: comm.rank)
      let images = try compute(own)
      if !own.isEmpty {
        try images.withUnsafeBufferPointer { try sink.write($0, from: own.lowerBound) }
      }
      start = round.end
      try observer.stageAdvanced(to: start)
    }
    try sink.complete()
  }

  /// Which images each rank computes in a round: all equally many, in units of images that are computed together.
  struct Round {
    private let start: Int
    private let count: Int
    private let each: Int
    private let ranks: Int

    /// - Parameter most: units that a rank computes in a round.
    init(start: Int, count: Int, together: Int, most: Int, ranks: Int) {
      let left = (count - start + together - 1) / together
      (self.start, self.count, self.ranks) = (start, count, ranks)
      each = min(most, (left + ranks - 1) / ranks) * together
    }

    /// Where the next round begins.
    package var end: Int { images(of: ranks - 1).upperBound }

    /// Those of one rank, none where the images before it are all there are.
    package func images(of rank: Int) -> Range<Int> {
      let first = start + rank * each
      return min(first, count)..<min(first + each, count)
    }
  }
}
