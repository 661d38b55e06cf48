import Resume

extension CandidateScoring {
  /// The K best of each image's candidates, on every rank. Each rank proposes the candidates of its own images, a
  /// part of them at a time, so that no rank holds all pairs; a pair that both of its images ask for is scored once,
  /// and the ranks score equally many (`PairSharing`). Collective.
  /// - Parameters:
  ///   - count: candidates of each image.
  ///   - batch: pairs scored at a time, about.
  ///   - parts: where the lists are saved, and go on from where there are some.
  ///   - isKept: whether all lists are saved in the end, for stages that follow.
  ///   - candidates: of some of this rank's images, -1 where there are fewer than `count`; and, where something else
  ///     than the affinity orders them, that, so that they are only aligned.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
  func best(
    of count: Int, neighboursPerImage: Int, batch: Int, parts: CheckpointParts?,
    isKept: Bool = false, candidates: ([Int]) -> (images: [Int32], affinities: [Float]?)
  ) throws -> NeighbourTable {
    let own = rows.partition.range(of: comm.rank)
    var table = try SavedLists(
      NeighbourTable(count: own.count, neighboursPerImage: neighboursPerImage),
      naming: rows.partition.total, of: rows.partition, parts: parts, on: comm)
    let missing = table.missing
    let before = own.count - missing.count
    let length = max(1, batch / max(1, count))
    let sharing = PairSharing(partition: rows.partition, comm: comm, observer: observer)
    try observer.stageAdvanced(to: before * count)
    // As often on all ranks: those that have less to do serve the others.
    for start in stride(from: 0, to: try comm.allreduce(missing.count, .maximum), by: length) {
      let part = missing[min(start, missing.count)..<min(start + length, missing.count)]
      let images = part.map { own.lowerBound + $0 }
      let (candidates, affinities) = candidates(images)
      let asked = AskedPair.sorted(images, candidates: candidates)
      let pairs = try sharing.share(asked.map(\.pair))
      try observer.communicating { try table.stopIfAgreed() }
      var next = 0
      try sharing.deliver(score(pairs[...]), of: pairs[...]) { first, second, score in
        let pair = PairSharing.pair(first, second)
        // One of its images alone may have asked, and once or twice.
        while next < asked.count, asked[next].pair == pair {
          let entry = Int(asked[next].entry)
          let image = images[entry / count]
          var score = Int(first) == image ? score : score.inverse
          if let affinities { score.affinity = affinities[entry] }
          table.lists.offer(candidates[entry], score, to: image - own.lowerBound)
          next += 1
        }
      }
      table.markDone(part)
      try observer.stageAdvanced(to: (before + part.endIndex) * count)
      try table.saveIfDue()
    }
    if isKept, parts != nil { try comm.agree { try table.save() } }
    return try observer.communicating { try table.lists.gathered(on: comm) }
  }
}

/// An image and one of its candidates.
private struct AskedPair {
  /// As `PairSharing` has it, the smaller index first.
  let pair: Int64
  /// Where the candidate stands among those of all images.
  let entry: Int32

  /// By pair.
  static func sorted(_ images: [Int], candidates: [Int32]) -> [AskedPair] {
    let perImage = candidates.count / max(1, images.count)
    var asked: [AskedPair] = []
    asked.reserveCapacity(candidates.count)
    for (entry, candidate) in candidates.enumerated() where candidate >= 0 {
      let image = Int32(images[entry / perImage])
      asked.append(AskedPair(pair: PairSharing.pair(image, candidate), entry: Int32(entry)))
    }
    asked.sort { $0.pair < $1.pair }
    return asked
  }
}
