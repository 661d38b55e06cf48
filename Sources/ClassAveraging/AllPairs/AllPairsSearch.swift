import Execution
import Foundation
import ImageModel
import MPI

/// The exact search: every unordered pair of images scored once, over all rotations and both reflections
/// (method E.5), blocks of coefficients travelling round the ring of ranks.
///
/// Images are ordered by defocus group and dealt out in equal parts. A block visits half of the ring:
/// with p ranks each pair of blocks meets on one rank, and for even p the last pair meets on both of its
/// ranks, which share the rows as they go (`SharedChunks`): as equally fast ranks, half each. The image that
/// comes first in the order is always the weighted one, and lists are ordered by (score, index): the result
/// does not depend on ranks or threads. A rank holds three blocks: its own, the travelling block and the one that is
/// arriving.
struct AllPairsSearch {
  let model: PairModel
  /// S, candidates kept of each image.
  let capacity: Int
  /// Whether pairs are left out whose bound reaches neither list; the result is the same.
  var isPruning = true
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// The best candidates of this rank's images in the order of (group, index).
  struct Result {
    /// Global indices of the images.
    var images: [Int32]
    /// S global indices each, best first.
    var candidates: [Int32]
    /// Scores to the accuracy of a parabola through the grid's best angle.
    var scores: [Float]
    var reflected: [UInt8]
  }

  /// - Parameters:
  ///   - rows: the statistics b of all images; groups: their defocus groups.
  ///   - checkpoint: where the search is saved, and goes on from where there is something.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ rows: CoefficientStore, groups: [Int32], checkpoint: SearchCheckpoint? = nil) throws
    -> Result
  {
    let (rank, size) = (comm.rank, comm.size)
    let laneGroups = PairBlock.laneGroups(of: rows.partition, groups: groups)
    let positions = laneGroups.enumerated().map {
      BlockPositions($1, range: rows.partition.range(of: $0))
    }
    let own = try PairBlock.fetched(laneGroups, of: rows, groups: groups, rank: rank)
    let pool = WorkerPool(threads: threads) { PairTile(model: model, isPruning: isPruning) }
    var lists = SearchLists(positions[rank], capacity: capacity)
    let ownGroups = Array(Set(own.runs.map(\.group)))
    var ownSide = PairTile.Side(own, model: model, threads: threads)
    let known =
      try checkpoint?.restore(into: &lists, shares: rows.partition) ?? ComparedRectangles()
    var pairs = 0
    var shared: SharedChunks?
    if size % 2 == 0 {
      shared = try SharedChunks(
        count: BlockPairTiles(of: own, threads: threads).chunkCount,
        with: (rank + size / 2) % size, on: comm)
    }

    var travelling = own
    for step in 0...size / 2 {
      // The next travelling block comes while this one is compared.
      let next = (rank - step - 1 + 2 * size) % size
      let isLast = step == size / 2
      var sending: Request?
      var receiving: Request?
      let incoming = PairBlock(
        width: own.width, laneGroupCount: isLast ? 0 : laneGroups[next].count)
      if !isLast {
        receiving = try comm.startReceive(
          incoming.message, from: (rank + size - 1) % size, tag: .coefficients)
        sending = try comm.startSend(
          UnsafeBufferPointer(travelling.message), to: (rank + 1) % size, tag: .coefficients)
      }
      // After an error they may be under way still: their memory stays MPI's.
      let (sent, arriving) = (travelling, incoming)
      defer {
        if receiving != nil || sending != nil {
          for block in [sent, arriving] { _ = Unmanaged.passRetained(block) }
        }
      }
      let owner = (rank - step + size) % size
      let receiver = (rank + step) % size
      let blockPair = BlockPair(own: positions[rank], travelling: positions[owner], known: known)
      // Whether to go on after some of the block pair's rows.
      let between = { (done: Range<Int>, found: [TileLists]) throws in
        guard let checkpoint else { return true }
        let advice = try checkpoint.advice()
        if advice != .goOn {
          try checkpoint.save(lists.records(blockPair, done: done, found: found))
        }
        return advice != .stop
      }
      // What is known by now prunes; from the travelling block's owner, once it has come.
      ownSide.thresholds = (0..<own.count).map { lists.own.threshold(row: $0) }
      let thresholds =
        try step == 0
        ? nil
        : Exchange(
          ownSide.thresholds, to: receiver, count: travelling.count, from: owner, tag: .thresholds,
          on: comm)
      var comparison = BlockPairComparison(
        blockPair, ownSide,
        step == 0
          ? ownSide
          : PairTile.Side(travelling, model: model, against: ownGroups, threads: threads),
        shared: step > 0 && isLast ? shared : nil, thresholds: thresholds, capacity: capacity,
        pool: pool, observer: observer)
      // A run that stops leaves the work out, but no message.
      let (found, done) = try comparison.run(
        isLeftOut: checkpoint?.isStopping ?? false,
        advance: {
          pairs += $0
          try observer.stageAdvanced(to: pairs)
        },
        poll: {
          _ = try receiving?.test()
          _ = try sending?.test()
          try shared?.answerIfAsked()
        }, between: between)
      lists.add(blockPair, done: done, found: found)
      if let thresholds {
        _ = try wait(for: thresholds, shared)
        let travelling = lists.travelling(blockPair, found: found)
        let (back, itsDone) = try handBack(
          travelling, done: done, to: owner, from: receiver, rows: own.count, shared)
        if checkpoint != nil {
          lists.handedBack = lists.travellingRecord(travelling, blockPair, done: done)
        }
        lists.own.merge(back)
        // The block pair of this rank's images as the receiving rank saw it.
        let compared = ComparedRectangle(
          images: itsDone, partners: positions[max(rank, receiver)].range)
        lists.compared.add(rank < receiver ? compared : compared.transposed)
      }
      if !isLast {
        try observer.communicating {
          while let shared, shared.mustAnswer {
            let hasArrived = try receiving?.test() ?? true
            if try hasArrived && (sending?.test() ?? true) { break }
            try shared.answerIfAsked()
          }
          try receiving.take()?.wait()
          try sending.take()?.wait()
        }
        travelling = incoming
      }
    }
    try checkpoint?.stopIfAgreed { lists.records }
    lists.own.sort()
    return result(lists.own, own)
  }

  /// The lists of rows that have an image.
  private func result(_ lists: BestCandidates, _ own: PairBlock) -> Result {
    var result = Result(images: [], candidates: [], scores: [], reflected: [])
    for row in 0..<own.count where own.index(row) >= 0 {
      let entries = row * capacity..<(row + 1) * capacity
      result.images.append(own.index(row))
      result.candidates += lists.indices[entries]
      result.scores += lists.scores[entries]
      result.reflected += lists.reflected[entries]
    }
    return result
  }

  /// Pairs that this rank compares, about: the items of a stage that searches.
  static func share(of partition: Partition, _ comm: Communicator) -> Int {
    partition.range(of: comm.rank).count * partition.total / 2
  }

  /// Sends the lists found here for a travelling block's images to their owner, and receives what another rank
  /// found for this rank's images; with the positions that were compared.
  private func handBack(
    _ lists: BestCandidates, done: Range<Int>, to owner: Int, from other: Int, rows: Int,
    _ shared: SharedChunks?
  ) throws -> (BestCandidates, Range<Int>) {
    let bounds = [Int64(done.lowerBound), Int64(done.upperBound)]
    let received = try wait(
      for: Exchange(
        bounds + lists.packed, to: owner, count: 2 + rows * capacity, from: other, tag: .candidates,
        on: comm
      ), shared)
    return (
      BestCandidates(packed: Array(received[2...]), rows: rows, capacity: capacity),
      Int(received[0])..<Int(received[1])
    )
  }

  /// What comes by an exchange. The partner of the block pair that is shared in the end may be there already: it is
  /// answered meanwhile.
  private func wait<T>(for exchange: Exchange<T>, _ shared: SharedChunks?) throws -> [T] {
    try observer.communicating {
      while let shared, try shared.mustAnswer && !exchange.isOver() {
        try shared.answerIfAsked()
      }
      return try exchange.wait()
    }
  }
}
