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
  func run(_ rows: DistributedRows, groups: [Int32]) throws -> Result {
    let (rank, size) = (comm.rank, comm.size)
    let laneGroups = PairBlock.laneGroups(of: rows.partition, groups: groups)
    let own = try PairBlock.fetched(laneGroups, of: rows, groups: groups, rank: rank)
    let pool = WorkerPool(count: threads) { PairTile(model: model, isPruning: isPruning) }
    var lists = BestCandidates(rows: own.count, capacity: capacity)
    let ownSide = side(of: own)
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
      let poll = { () throws in
        _ = try receiving?.test()
        _ = try sending?.test()
      }
      let owner = (rank - step + size) % size
      if step == 0 {
        let found = try compare(
          ownSide, ownSide, rows: 0..<own.count, isTriangle: true, pool, &progress, poll)
        lists.merge(found.rows)
        lists.merge(found.columns)
      } else if owner != rank {
        var visitorSide = side(of: visitor)
        // What the visitor's owner has found by now prunes here.
        visitorSide.thresholds = try exchange(
          (0..<own.count).map { lists.threshold(row: $0) }, to: (rank + step) % size, from: owner,
          count: visitor.count, tag: 3)
        let halves = size % 2 == 0 && step == size / 2
        let found: (rows: BestCandidates, columns: BestCandidates)
        if owner < rank {
          let start = halves ? visitor.laneGroupCount / 2 * 16 : 0
          found = try compare(
            visitorSide, ownSide, rows: start..<visitor.count, isTriangle: false, pool, &progress,
            poll)
          lists.merge(found.columns)
        } else {
          let end = halves ? own.laneGroupCount / 2 * 16 : own.count
          found = try compare(
            ownSide, visitorSide, rows: 0..<end, isTriangle: false, pool, &progress, poll)
          lists.merge(found.rows)
        }
        let back = owner < rank ? found.rows : found.columns
        lists.merge(
          try exchange(back, to: owner, from: (rank + step) % size, rows: own.count))
      }
      if !isLast {
        try observer.communicating {
          try receiving.take()?.wait()
          try sending.take()?.wait()
        }
        visitor = incoming
      }
    }
    lists.sort()
    return result(lists, own)
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

  private func side(of block: PairBlock) -> PairTile.Side {
    let groupCount = model.groupCount
    var terms = [Float](repeating: 0, count: block.count * groupCount)
    terms.withUnsafeMutableBufferPointer { terms in
      nonisolated(unsafe) let terms = terms
      parallelFor(block.laneGroupCount, threads: threads, state: { 0 }) { _, at in
        let own = model.selfTerms(of: block.coefficients(at), group: block.group(at))
        for h in 0..<groupCount {
          for lane in 0..<16 { terms[(at * 16 + lane) * groupCount + h] = own[h][lane] }
        }
      }
    }
    return PairTile.Side(
      block: block, selfTerms: terms,
      thresholds: [Float](repeating: -.infinity, count: block.count))
  }

  /// Compares `rows` of `first` with all of `second`, tile by tile on all threads; returns what was found
  /// for both sides.
  private func compare(
    _ first: PairTile.Side, _ second: PairTile.Side, rows: Range<Int>, isTriangle: Bool,
    _ pool: WorkerPool<PairTile>, _ progress: inout Progress, _ poll: () throws -> Void
  ) throws -> (rows: BestCandidates, columns: BestCandidates) {
    var tiles: [PairBlock.Run] = []
    for run in first.block.runs {
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
    let round = 2 * pool.count
    for start in stride(from: 0, to: tiles.count, by: round) {
      let part = tiles[start..<min(start + round, tiles.count)]
      pool.forEachNumbered(part.count) { tile, worker, at in
        tile.compare(
          part[part.startIndex + at], of: first, with: second, isTriangle: isTriangle,
          lists: found[worker])
      }
      for run in part {
        progress.add(
          isTriangle
            ? run.rows.count * (second.block.count - run.rows.lowerBound)
            : run.rows.count * second.block.count)
      }
      try poll()
    }
    var result = (rows: found[0].rows, columns: found[0].columns)
    for other in found.dropFirst() {
      result.rows.merge(other.rows)
      result.columns.merge(other.columns)
    }
    return result
  }

  /// Sends the lists found here for a visitor's images to their owner, and receives what another rank
  /// found for this rank's images.
  private func exchange(_ found: BestCandidates, to owner: Int, from other: Int, rows: Int) throws
    -> BestCandidates
  {
    let words = try exchange(
      found.packed, to: owner, from: other, count: rows * capacity, tag: 2)
    return BestCandidates(packed: words, rows: rows, capacity: capacity)
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
