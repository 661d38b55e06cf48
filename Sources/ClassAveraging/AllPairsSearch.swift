import Foundation
import MPI

/// The exact search: every unordered pair of images scored once, over all rotations and both reflections
/// (method E.5), blocks of coefficients travelling round the ring of ranks.
///
/// Images are ordered by defocus group and dealt out in equal parts. A block visits half of the ring:
/// with p ranks each pair of blocks meets on one rank, and for even p the last meeting is shared by
/// both, so that every rank has the same work. The image that comes first in the order is always the
/// weighted one, and lists are ordered by (score, index): the result does not depend on ranks or threads.
/// A rank holds its own block, the visitor and the block that is arriving.
struct AllPairsSearch {
  let model: PairModel
  /// S, candidates kept of each image.
  let capacity: Int
  /// Whether pairs are left out whose bound reaches neither list; the result is the same.
  var isPruning = true
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Seconds that a search will take on one core, roughly: operations on vectors of 16 per 16 pairs over the rate of
  /// a core with 512-bit vectors.
  static func predictedCoreSeconds(images: Int, layout: AngularLayout) -> Double {
    let angles = Double(PairKernel(layout: layout).angles)
    let operations =
      4 * Double(layout.componentCount) + angles * Double(layout.blockCount) + 12 * angles
    let pairs = Double(images) * Double(images) / 2
    return pairs * operations / operationRate
  }

  /// Measured: 29e9 on one core of a 2.6 GHz server.
  private static let operationRate = 25e9

  /// The best candidates of this rank's images in the order of (group, index).
  struct Result {
    /// Global indices of the images.
    var images: [Int32]
    /// S global indices each, best first.
    var suspects: [Int32]
    /// Scores to the accuracy of a parabola through the grid's best angle.
    var scores: [Float]
    var reflected: [UInt8]
  }

  /// - Parameters:
  ///   - rows: the statistics b of all images; groups: their defocus groups.
  ///   - checkpoint: where the search is saved, and goes on from where there is something.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ rows: DistributedRows, groups: [Int32], checkpoint: SearchCheckpoint? = nil) throws
    -> Result
  {
    var own = try PairBlock.sorted(rows, groups: groups, on: comm)
    let shares = rows.partition
    let (rank, size) = (comm.rank, comm.size)
    let pool = WorkerPool(count: threads) { PairTile(model: model, isPruning: isPruning) }
    var lists = SearchLists(images: shares.range(of: rank), capacity: capacity)
    var known = PairCoverage()
    if let checkpoint {
      (lists.coverage, known) = try checkpoint.restore(into: &lists.own, shares: shares)
      own.thresholds = (0..<own.count).map { lists.own.threshold(row: $0) }
    }
    let ownSide = side(of: own)
    let ownLanes = PairLanes(own)
    var progress = Progress(observer: observer)

    var visitor = own
    for step in 0...size / 2 {
      // The next visitor comes while this one is compared.
      let next = (rank - step - 1 + 2 * size) % size
      var sending: Request?
      var receiving: Request?
      let isLast = step == size / 2
      let outgoing = UnsafeMutableBufferPointer<Float>.allocate(
        capacity: isLast ? 0 : visitor.values.count)
      let incoming = UnsafeMutableBufferPointer<Float>.allocate(
        capacity: isLast ? 0 : shares.range(of: next).count * own.stride)
      defer {
        outgoing.deallocate()
        incoming.deallocate()
      }
      if !isLast {
        _ = outgoing.update(fromContentsOf: visitor.values)
        receiving = try comm.startReceive(incoming, from: (rank + size - 1) % size, tag: 1)
        sending = try comm.startSend(
          UnsafeBufferPointer(outgoing), to: (rank + 1) % size, tag: 1)
      }
      let owner = (rank - step + size) % size
      let meeting = PairMeeting(
        own: lists.images, visitor: shares.range(of: owner),
        isShared: step > 0 && 2 * step == size, known: known)
      // Whether to go on after some of the meeting's rows.
      let between = { (done: Range<Int>, found: [TileLists]) throws in
        _ = try receiving?.test()
        _ = try sending?.test()
        guard let checkpoint else { return true }
        let advice = try checkpoint.advice()
        if advice != .goOn {
          try checkpoint.save(lists.records(meeting, rows: done, found: found))
        }
        return advice != .stop
      }
      // A run that stops leaves the work out, but no message.
      let isStopping = checkpoint?.isStopping ?? false
      if step == 0 {
        let found = try compare(
          meeting, ownSide, ownLanes, ownSide, isLeftOut: isStopping, pool, &progress, between)
        lists.own.merge(found.rows)
        lists.own.merge(found.columns)
        for claim in meeting.ownClaims(rows: found.done) { lists.coverage.add(claim) }
      } else if owner != rank {
        // What the visitor's owner has found by now prunes here.
        let heir = (rank + step) % size
        let thresholds = (0..<own.count).map { lists.own.threshold(row: $0) }
        visitor.thresholds = try exchange(
          thresholds, to: heir, from: owner, count: visitor.count, tag: 3)
        let visitorSide = side(of: visitor)
        let found =
          meeting.isOwnFirst
          ? try compare(
            meeting, ownSide, PairLanes(visitor), visitorSide, isLeftOut: isStopping, pool,
            &progress, between)
          : try compare(
            meeting, visitorSide, ownLanes, ownSide, isLeftOut: isStopping, pool, &progress,
            between)
        lists.own.merge(meeting.isOwnFirst ? found.rows : found.columns)
        for claim in meeting.ownClaims(rows: found.done) { lists.coverage.add(claim) }
        let words = (meeting.isOwnFirst ? found.columns : found.rows).packed
        // The same meeting as the other rank sees it that has compared this rank's images.
        let (back, done) = try handBack(words, done: found.done, to: owner, from: heir, own.count)
        if checkpoint != nil {
          lists.handedBack = ListRecord(
            images: meeting.visitor, claims: meeting.visitorClaims(rows: found.done), words: words)
        }
        lists.own.merge(back)
        let compared = PairClaim(images: done, partners: shares.range(of: max(rank, heir)))
        lists.coverage.add(rank < heir ? compared : compared.transposed)
      }
      if !isLast {
        try observer.communicating {
          try receiving.take()?.wait()
          try sending.take()?.wait()
        }
        visitor = PairBlock(width: own.width, values: Array(incoming))
      }
    }
    try checkpoint?.stopIfAgreed { lists.records }
    lists.own.sort()
    return Result(
      images: (0..<own.count).map { own.index($0) }, suspects: lists.own.indices,
      scores: lists.own.scores, reflected: lists.own.reflected)
  }

  /// Pairs that this rank compares, about: the items of a stage that searches.
  static func share(of partition: Partition, _ comm: Communicator) -> Int {
    partition.range(of: comm.rank).count * partition.total / 2
  }

  /// Progress in pairs, as the observer hears of it.
  private struct Progress {
    let observer: any StageObserver
    var done = 0

    mutating func add(_ pairs: Int) {
      done += pairs
      observer.stageAdvanced(to: done)
    }
  }

  private func side(of block: PairBlock) -> PairTile.Side {
    var terms = [Float](repeating: 0, count: block.count * model.groupCount)
    block.values.withUnsafeBufferPointer { values in
      terms.withUnsafeMutableBufferPointer { terms in
        nonisolated(unsafe) let terms = terms
        parallelFor(block.count, threads: threads, state: { 0 }) { _, row in
          let own = model.selfTerms(
            of: values.baseAddress! + row * block.stride, group: block.group(row))
          for h in 0..<model.groupCount { terms[row * model.groupCount + h] = own[h] }
        }
      }
    }
    return PairTile.Side(block: block, selfTerms: terms)
  }

  /// Compares a meeting's rows, of `first`, with all of `second`, tile by tile on all threads.
  /// - Parameter between: called after some tiles, with the rows (places) that are done and what was
  ///   found by each thread; whether to go on.
  /// - Returns: what was found for both sides, and the rows (places) that were compared.
  private func compare(
    _ meeting: PairMeeting, _ first: PairTile.Side, _ lanes: PairLanes, _ second: PairTile.Side,
    isLeftOut: Bool, _ pool: WorkerPool<PairTile>, _ progress: inout Progress,
    _ between: (Range<Int>, [TileLists]) throws -> Bool
  ) throws -> (rows: BestCandidates, columns: BestCandidates, done: Range<Int>) {
    let origin = meeting.first.lowerBound
    let rows = meeting.rows.lowerBound - origin..<meeting.rows.upperBound - origin
    var tiles: [PairBlock.Run] = []
    for run in first.block.runs where !isLeftOut {
      let part = run.rows.clamped(to: rows)
      for start in stride(from: part.lowerBound, to: part.upperBound, by: PairTile.rowsPerTile) {
        tiles.append(
          PairBlock.Run(
            group: run.group, rows: start..<min(start + PairTile.rowsPerTile, part.upperBound)))
      }
    }
    let found = (0..<pool.count).map { _ in
      TileLists(
        rows: BestCandidates(rows: first.block.count, capacity: capacity),
        columns: BestCandidates(rows: second.block.count, capacity: capacity))
    }
    let settled = meeting.settledInBlocks
    let round = 2 * pool.count
    var done = meeting.rows.lowerBound..<meeting.rows.lowerBound
    for start in stride(from: 0, to: tiles.count, by: round) {
      let part = tiles[start..<min(start + round, tiles.count)]
      pool.forEachNumbered(part.count) { tile, worker, at in
        tile.compare(
          part[part.startIndex + at], of: first, with: lanes, of: second,
          isTriangle: meeting.isTriangle, settled: settled, lists: found[worker])
      }
      for run in part {
        progress.add(
          meeting.isTriangle
            ? run.rows.count * (second.block.count - run.rows.lowerBound)
            : run.rows.count * second.block.count)
      }
      done = done.lowerBound..<origin + part.last!.rows.upperBound
      if try !between(done, found) { break }
    }
    var result = (rows: found[0].rows, columns: found[0].columns, done: done)
    for other in found.dropFirst() {
      result.rows.merge(other.rows)
      result.columns.merge(other.columns)
    }
    return result
  }

  /// Sends the lists found here for a visitor's images to their owner, and receives what another rank
  /// found for this rank's images; with the rows that were compared.
  private func handBack(
    _ words: [Int64], done: Range<Int>, to owner: Int, from other: Int, _ rows: Int
  ) throws -> (BestCandidates, Range<Int>) {
    let bounds = [Int64(done.lowerBound), Int64(done.upperBound)]
    let received = try exchange(
      bounds + words, to: owner, from: other, count: 2 + rows * capacity, tag: 2)
    return (
      BestCandidates(packed: Array(received[2...]), rows: rows, capacity: capacity),
      Int(received[0])..<Int(received[1])
    )
  }

  /// Sends `values` to one rank while `count` values come from another.
  private func exchange<T: MPIDatatype>(
    _ values: [T], to destination: Int, from source: Int, count: Int, tag: Int
  ) throws -> [T] {
    try observer.communicating {
      let outgoing = UnsafeMutableBufferPointer<T>.allocate(capacity: values.count)
      let incoming = UnsafeMutableBufferPointer<T>.allocate(capacity: count)
      defer {
        outgoing.deallocate()
        incoming.deallocate()
      }
      _ = outgoing.update(fromContentsOf: values)
      let receiving = try comm.startReceive(incoming, from: source, tag: tag)
      let sending = try comm.startSend(UnsafeBufferPointer(outgoing), to: destination, tag: tag)
      try receiving.wait()
      try sending.wait()
      return Array(incoming)
    }
  }
}
