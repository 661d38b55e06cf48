import MPI

extension ImageStream {
  /// Which images each rank computes in a round: rank 0 the first, the others equally many after it, in units of
  /// images that are computed together.
  struct Round {
    private let start: Int
    private let count: Int
    private let root: Int
    private let others: Int
    private let ranks: Int

    /// - Parameters:
    ///   - left: units from `start` on.
    ///   - most: units that a rank computes in a round.
    ///   - root: those of rank 0.
    init(start: Int, count: Int, together: Int, left: Int, most: Int, root: Int, ranks: Int) {
      (self.start, self.count, self.root, self.ranks) = (start, count, root * together, ranks)
      let shared = ranks > 1 ? (left - root + ranks - 2) / (ranks - 1) : 0
      others = min(most, shared) * together
    }

    /// Units of rank 0 where it has `share` of another rank's.
    static func rootUnits(left: Int, most: Int, share: Double, ranks: Int) -> Int {
      if ranks == 1 { return min(most, left) }
      let each = min(Double(most), Double(left) / (Double(ranks - 1) + share))
      return Int((share * each).rounded())
    }

    /// Where the next round begins.
    var end: Int { images(of: ranks - 1).upperBound }

    /// Those of one rank, none where the images before it are all there are.
    func images(of rank: Int) -> Range<Int> {
      let first = rank == 0 ? start : start + root + (rank - 1) * others
      return min(first, count)..<min(first + (rank == 0 ? root : others), count)
    }
  }

  /// How long rank 0 has taken to compute and to consume images, without what it waited for other ranks.
  struct Pace {
    private var computed = (images: 0, seconds: 0.0)
    private var consumed = (images: 0, seconds: 0.0)

    mutating func computing<R>(
      _ images: Int, on comm: Communicator, _ body: () throws -> R
    ) rethrows -> R {
      let (start, waited) = (Communicator.wallTime(), comm.traffic.seconds)
      let result = try body()
      if images > 0 {
        computed.images += images
        computed.seconds +=
          Communicator.wallTime() - start - (comm.traffic.seconds - waited)
      }
      return result
    }

    mutating func consuming(_ images: Int, _ body: () throws -> Void) rethrows {
      let start = Communicator.wallTime()
      try body()
      consumed.images += images
      consumed.seconds += Communicator.wallTime() - start
    }

    /// The part of another rank's images that rank 0 computes; all as long as nothing is known.
    func rootShare(ranks: Int) -> Double {
      guard computed.images > 0, consumed.images > 0 else { return 1 }
      return Self.rootShare(
        computing: computed.seconds / Double(computed.images),
        consuming: consumed.seconds / Double(consumed.images), ranks: ranks)
    }

    /// The share x with which rank 0 takes as long to compute x images and to consume x + p - 1 as the others to
    /// compute one each; 0 where it takes longer anyway.
    /// - Parameters:
    ///   - computing: seconds for an image.
    ///   - consuming: the same.
    static func rootShare(computing: Double, consuming: Double, ranks: Int) -> Double {
      let rest = computing - Double(ranks - 1) * consuming
      return rest > 0 ? min(1, rest / (computing + consuming)) : 0
    }
  }
}
