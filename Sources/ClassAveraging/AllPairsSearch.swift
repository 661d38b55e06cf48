import Foundation
import MPI

/// The exact search: every unordered pair of images scored once, over all rotations and both reflections
/// (method E.5), blocks of coefficients travelling round the ring of ranks.
///
/// Images are ordered by defocus group and dealt out in equal parts. A block visits half of the ring:
/// with p ranks each pair of blocks meets on one rank, and for even p the last meeting is shared by
/// both, so that every rank has the same work. The image that comes first in the order is always the
/// weighted one, and lists are ordered by (score, index): the result does not depend on ranks or threads.
/// A rank holds three blocks: its own, the visitor and the one that is arriving.
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
    let (rank, size) = (comm.rank, comm.size)
    let laneGroups = PairBlock.laneGroups(of: rows.partition, groups: groups)
    let places = laneGroups.enumerated().map {
      BlockPlaces($1, range: rows.partition.range(of: $0))
    }
    let own = try PairBlock.fetched(laneGroups, of: rows, groups: groups, rank: rank)
    let pool = WorkerPool(count: threads) { PairTile(model: model, isPruning: isPruning) }
    var lists = SearchLists(places[rank], capacity: capacity)
    var ownSide = PairTile.Side(own, model: model, threads: threads)
    let known = try checkpoint?.restore(into: &lists, shares: rows.partition) ?? PairCoverage()
    ownSide.thresholds = (0..<own.count).map { lists.own.threshold(row: $0) }
    var progress = Progress(observer: observer)

    var visitor = own
    for step in 0...size / 2 {
      // The next visitor comes while this one is compared.
      let next = (rank - step - 1 + 2 * size) % size
      let isLast = step == size / 2
      var sending: Request?
      var receiving: Request?
      let incoming = PairBlock(
        width: own.width, laneGroupCount: isLast ? 0 : laneGroups[next].count)
      if !isLast {
        receiving = try comm.startReceive(incoming.message, from: (rank + size - 1) % size, tag: 1)
        sending = try comm.startSend(
          UnsafeBufferPointer(visitor.message), to: (rank + 1) % size, tag: 1)
      }
      let owner = (rank - step + size) % size
      let meeting = PairMeeting(
        own: places[rank], visitor: places[owner], isShared: step > 0 && 2 * step == size,
        known: known)
      // Whether to go on after some of the meeting's rows.
      let between = { (done: Range<Int>, found: [TileLists]) throws in
        _ = try receiving?.test()
        _ = try sending?.test()
        guard let checkpoint else { return true }
        let advice = try checkpoint.advice()
        if advice != .goOn {
          try checkpoint.save(lists.records(meeting, done: done, found: found))
        }
        return advice != .stop
      }
      // A run that stops leaves the work out, but no message.
      let isLeftOut = checkpoint?.isStopping ?? false
      if step == 0 {
        let (found, done) = try compare(
          meeting, ownSide, ownSide, isLeftOut: isLeftOut, pool, &progress, between)
        lists.add(meeting, done: done, found: found)
      } else if owner != rank {
        var visitorSide = PairTile.Side(visitor, model: model, threads: threads)
        let heir = (rank + step) % size
        // What the visitor's owner has found by now prunes here.
        visitorSide.thresholds = try exchange(
          (0..<own.count).map { lists.own.threshold(row: $0) }, to: heir, from: owner,
          count: visitor.count, tag: 3)
        let (first, second) =
          meeting.isOwnFirst ? (ownSide, visitorSide) : (visitorSide, ownSide)
        let (found, done) = try compare(
          meeting, first, second, isLeftOut: isLeftOut, pool, &progress, between)
        lists.add(meeting, done: done, found: found)
        let visitors = lists.visitors(meeting, found: found)
        let (back, itsDone) = try handBack(
          visitors, done: done, to: owner, from: heir, rows: own.count)
        if checkpoint != nil {
          lists.handedBack = lists.visitorRecord(visitors, meeting, done: done)
        }
        lists.own.merge(back)
        // The meeting of this rank's images as the heir saw it.
        let compared = PairClaim(images: itsDone, partners: places[max(rank, heir)].range)
        lists.coverage.add(rank < heir ? compared : compared.transposed)
      }
      if !isLast {
        try observer.communicating {
          try receiving.take()?.wait()
          try sending.take()?.wait()
        }
        visitor = incoming
      }
    }
    try checkpoint?.stopIfAgreed { lists.records }
    lists.own.sort()
    return result(lists.own, own)
  }

  /// The lists of rows that have an image.
  private func result(_ lists: BestCandidates, _ own: PairBlock) -> Result {
    var result = Result(images: [], suspects: [], scores: [], reflected: [])
    for row in 0..<own.count where own.index(row) >= 0 {
      let entries = row * capacity..<(row + 1) * capacity
      result.images.append(own.index(row))
      result.suspects += lists.indices[entries]
      result.scores += lists.scores[entries]
      result.reflected += lists.reflected[entries]
    }
    return result
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

  /// Compares a meeting's rows, of `first`, with all of `second`, tile by tile on all threads.
  /// - Parameter between: called after some tiles, with the places that are done of the first block and what
  ///   was found by each thread; whether to go on.
  /// - Returns: what each thread found, and the places that are done.
  private func compare(
    _ meeting: PairMeeting, _ first: PairTile.Side, _ second: PairTile.Side, isLeftOut: Bool,
    _ pool: WorkerPool<PairTile>, _ progress: inout Progress,
    _ between: (Range<Int>, [TileLists]) throws -> Bool
  ) throws -> (found: [TileLists], done: Range<Int>) {
    var tiles: [PairBlock.Run] = []
    for run in first.block.runs where !isLeftOut {
      let part = run.rows.clamped(to: meeting.rows)
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
    let settled = meeting.settledRows
    let round = 2 * pool.count
    var done = meeting.rows.prefix(0)
    for start in stride(from: 0, to: tiles.count, by: round) {
      let part = tiles[start..<min(start + round, tiles.count)]
      pool.forEachNumbered(part.count) { tile, worker, at in
        tile.compare(
          part[part.startIndex + at], of: first, with: second, isTriangle: meeting.isTriangle,
          settled: settled, lists: found[worker])
      }
      for run in part {
        progress.add(
          meeting.isTriangle
            ? run.rows.count * (second.block.count - run.rows.lowerBound)
            : run.rows.count * second.block.count)
      }
      done = done.lowerBound..<part.last!.rows.upperBound
      if try !between(meeting.first.places(rows: done), found) { break }
    }
    return (found, meeting.first.places(rows: done))
  }

  /// Sends the lists found here for a visitor's images to their owner, and receives what another rank
  /// found for this rank's images; with the places that were compared.
  private func handBack(
    _ lists: BestCandidates, done: Range<Int>, to owner: Int, from other: Int, rows: Int
  ) throws -> (BestCandidates, Range<Int>) {
    let bounds = [Int64(done.lowerBound), Int64(done.upperBound)]
    let received = try exchange(
      bounds + lists.packed, to: owner, from: other, count: 2 + rows * capacity, tag: 2)
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
