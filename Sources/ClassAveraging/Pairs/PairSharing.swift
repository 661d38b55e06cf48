import Execution
import ImageModel
import MPI

/// How pairs of images find the ranks that score them, and their scores the ranks that own the images.
///
/// A pair is one word, its first image in the upper half, first < second. It may be proposed on any rank, and
/// on several; all copies go to one home, which keeps one of them. The homes have ranges of first images with
/// equally many proposals. The ordered pairs of all homes are then cut into equal parts: each rank scores as
/// many, and which pairs a rank scores depends on the pairs only, not on who proposed them. No rank holds
/// more than its part.
struct PairSharing {
  /// Which rank owns which images.
  let partition: Partition
  let comm: Communicator
  let observer: any StageObserver

  /// Pairs of images and their candidates, as often as they are suspected, in no order.
  /// - Parameter candidates: global indices, equally many for each image; -1 for none.
  static func pairs(of images: [Int32], candidates: [Int32]) -> [Int64] {
    let suspectsPerImage = images.isEmpty ? 1 : candidates.count / images.count
    var pairs: [Int64] = []
    pairs.reserveCapacity(candidates.count)
    for (at, candidate) in candidates.enumerated() where candidate >= 0 {
      let image = images[at / suspectsPerImage]
      pairs.append(pair(image, candidate))
    }
    return pairs
  }

  static func pair(_ a: Int32, _ b: Int32) -> Int64 { Int64(min(a, b)) << 32 | Int64(max(a, b)) }

  static func unpack(_ pair: Int64) -> (Int32, Int32) {
    (Int32(pair >> 32), Int32(pair & 0xffff_ffff))
  }

  /// This rank's part of all ranks' pairs: ascending, without repetition, on one rank after the other as well;
  /// parts differ by one pair at most. Collective.
  func share(_ proposed: [Int64]) throws -> [Int64] {
    let homes = try homes(proposed)
    var own = try send(proposed, width: 1) { (Int(homes[Int(proposed[$0] >> 32)]), nil) }
    own.sort()
    var kept = 0
    for at in own.indices where at == 0 || own[at] != own[kept - 1] {
      own[kept] = own[at]
      kept += 1
    }
    own.removeSubrange(kept...)
    return try observer.communicating {
      let lengths = try comm.allgather([kept])
      let parts = Partition(of: lengths.reduce(0, +), among: comm.size)
      let start = lengths[..<comm.rank].reduce(0, +)
      let counts = (0..<comm.size).map {
        parts.range(of: $0).clamped(to: start..<start + kept).count
      }
      return try comm.alltoallRagged(own, counts: counts).values
    }
  }

  /// Offers scored pairs to the lists of both of their images, on the ranks that own these. Collective; a rank
  /// may have no pairs.
  /// - Parameter table: the lists of this rank's images.
  func offer(_ scores: [PairScore], of pairs: ArraySlice<Int64>, to table: inout NeighbourTable)
    throws
  {
    let own = partition.range(of: comm.rank)
    try deliver(scores, of: pairs) { first, second, score in
      if own.contains(Int(first)) { table.offer(second, score, to: Int(first) - own.lowerBound) }
      if own.contains(Int(second)) {
        table.offer(first, score.inverse, to: Int(second) - own.lowerBound)
      }
    }
  }

  /// Takes scored pairs to the ranks that own their images. Collective; a rank may have no pairs.
  /// - Parameters:
  ///   - pairs: as `share` has them, or a part.
  ///   - take: called on these ranks for each of their pairs, ascending, with its score.
  func deliver(
    _ scores: [PairScore], of pairs: ArraySlice<Int64>, take: (Int32, Int32, PairScore) -> Void
  ) throws {
    // The words of a score: the first image; the second, doubled, with the alignment's bit as the lowest;
    // the affinity; the alignment's own words.
    let width = 3 + Alignment.packedWords
    var records: [UInt32] = []
    records.reserveCapacity(width * scores.count)
    for (pair, score) in zip(pairs, scores) {
      let (first, second) = Self.unpack(pair)
      records.append(UInt32(first))
      records.append(UInt32(second) << 1 | score.alignment.packedBit)
      records.append(score.affinity.bitPattern)
      score.alignment.appendWords(to: &records)
    }
    // Ascending on one rank after the other, hence so where they arrive.
    let received = try send(records, width: width) { at in
      let owner = partition.owner(of: Int(records[at]))
      let other = partition.owner(of: Int(records[at + 1] >> 1))
      return (owner, other == owner ? nil : other)
    }
    for at in stride(from: 0, to: received.count, by: width) {
      take(
        Int32(received[at]), Int32(received[at + 1] >> 1),
        PairScore(
          affinity: Float(bitPattern: received[at + 2]),
          alignment: Alignment(packedBit: received[at + 1], words: received[(at + 3)...])))
    }
  }

  /// The home of the pairs of each first image: of the proposals of all ranks, each home has as many. The same
  /// on every rank. Collective.
  private func homes(_ proposed: [Int64]) throws -> [Int32] {
    var counts = [Int](repeating: 0, count: partition.total)
    for pair in proposed { counts[Int(pair >> 32)] += 1 }
    try observer.communicating { try comm.allreduce(&counts) }
    let total = max(1, counts.reduce(0, +))
    var before = 0
    return counts.map { count in
      defer { before += count }
      return Int32(min(comm.size - 1, before * comm.size / total))
    }
  }

  /// Sends items of `width` words to one rank or two each; returns what came, one sender's after the other's.
  /// Collective.
  /// - Parameter targets: the ranks that an item goes to, by where it stands among the words.
  private func send<Word: MPIDatatype & FixedWidthInteger>(
    _ words: [Word], width: Int, to targets: (Int) -> (Int, Int?)
  ) throws -> [Word] {
    var counts = [Int](repeating: 0, count: comm.size)
    for item in stride(from: 0, to: words.count, by: width) {
      let (one, other) = targets(item)
      counts[one] += width
      if let other { counts[other] += width }
    }
    var length = 0
    var places = counts.map { count in
      defer { length += count }
      return length
    }
    var outgoing = [Word](repeating: 0, count: length)
    func put(_ item: Int, for rank: Int) {
      for at in 0..<width { outgoing[places[rank] + at] = words[item + at] }
      places[rank] += width
    }
    for item in stride(from: 0, to: words.count, by: width) {
      let (one, other) = targets(item)
      put(item, for: one)
      if let other { put(item, for: other) }
    }
    return try observer.communicating {
      try comm.alltoallRagged(outgoing, counts: counts).values
    }
  }
}
