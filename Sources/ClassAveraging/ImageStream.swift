import MPI

/// A sequence of images that the ranks compute in rounds and rank 0 receives in order: no rank ever holds more
/// than two blocks of its own, and rank 0 two that arrive.
///
/// Rank 0 consumes a round's images while the others compute the next round's, and of that round computes so
/// many fewer itself that it is done when they are.
struct ImageStream {
  /// Images in all.
  let count: Int
  /// Floats in an image.
  let pixels: Int
  /// Images that are computed together: what a rank computes begins at a multiple of it, so that no image's
  /// last bits depend on the number of ranks.
  let together: Int
  /// Images that a rank computes in a round at most, a multiple of `together`.
  let block: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Calls `compute` on every rank once a round, with the images it is to compute (an empty range where
  /// none are left for it), and `consume` on rank 0 with the images in order, at most a block at a time.
  /// Collective. An error of either ends all ranks.
  func run(
    consume: (UnsafeBufferPointer<Float>) throws -> Void, compute: (Range<Int>) throws -> [Float]
  ) throws {
    let isWaitedFor = comm.size > 1 && comm.isRoot
    let leaving = MessageBuffer<Float>(capacity: comm.isRoot ? 0 : block * pixels)
    let arriving = (0..<2).map { _ in
      MessageBuffer<Float>(capacity: isWaitedFor ? block * pixels : 0)
    }
    var pace = Pace()
    var before: (round: Round, own: [Float])?
    var start = 0
    while start < count {
      let round = try nextRound(from: start, share: pace.rootShare(ranks: comm.size))
      let images = round.images(of: comm.rank)
      let own = try pace.computing(images.count, on: comm) { try compute(images) }
      if comm.isRoot {
        if let before { try collect(before.round, before.own, arriving, &pace, consume) }
        before = (round, own)
      } else if !own.isEmpty {
        try observer.communicating { try leaving.send(own, to: 0, on: comm) }
      }
      start = round.end
      observer.stageAdvanced(to: start)
    }
    if let before { try collect(before.round, before.own, arriving, &pace, consume) }
    try observer.communicating { try leaving.wait() }
  }

  /// Rank 0 consumes the images of a round, of which it has computed `own`; each rank's come while those of the
  /// rank before are consumed.
  private func collect(
    _ round: Round, _ own: [Float], _ arriving: [MessageBuffer<Float>], _ pace: inout Pace,
    _ consume: (UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let sources = (1..<max(1, comm.size)).filter { !round.images(of: $0).isEmpty }
    func expect(_ at: Int) throws {
      guard at < sources.count else { return }
      try observer.communicating {
        try arriving[at % 2].receive(
          round.images(of: sources[at]).count * pixels, from: sources[at], on: comm)
      }
    }
    try expect(0)
    if !own.isEmpty {
      try pace.consuming(own.count / pixels) { try own.withUnsafeBufferPointer(consume) }
    }
    for at in sources.indices {
      try observer.communicating { try arriving[at % 2].wait() }
      try expect(at + 1)
      let images = arriving[at % 2].received
      try pace.consuming(images.count / pixels) { try consume(images) }
    }
  }

  /// The images from `start` on, in which rank 0 has `share` of another rank's part. Collective; rank 0's share
  /// counts.
  private func nextRound(from start: Int, share: Double) throws -> Round {
    let left = (count - start + together - 1) / together
    let root = Round.rootUnits(left: left, most: block / together, share: share, ranks: comm.size)
    let agreed = try observer.communicating { try comm.allreduce(comm.isRoot ? root : 0) }
    return Round(
      start: start, count: count, together: together, left: left, most: block / together,
      root: agreed, ranks: comm.size)
  }
}
