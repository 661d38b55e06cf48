import MPI

extension SuspectScoring {
  /// The K best of each image's candidates, on every rank. Each rank scores the candidates of its own images,
  /// a part of them at a time, so that no rank holds all pairs; an image's list does not depend on which
  /// rank makes it. Collective.
  /// - Parameters:
  ///   - batch: pairs scored at a time, about.
  ///   - parts: where the lists are saved, and go on from where there are some.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
  func best(
    of proposal: CandidateProposal, neighboursPerImage: Int, batch: Int = Self.batch,
    parts: CheckpointParts? = nil
  ) throws -> NeighbourTable {
    let own = rows.partition.range(of: comm.rank)
    var table = try SavedLists(
      NeighbourTable(count: own.count, neighboursPerImage: neighboursPerImage),
      of: rows.partition, parts: parts, on: comm)
    let missing = table.missing
    let before = own.count - missing.count
    let length = max(1, batch / max(1, proposal.count))
    var isNeeded = [Bool](repeating: false, count: groups.count)
    observer.stageAdvanced(to: before * proposal.count)
    // As often on all ranks: those that have less to do serve the others.
    for start in stride(from: 0, to: try comm.allreduce(missing.count, .maximum), by: length) {
      let part = missing[min(start, missing.count)..<min(start + length, missing.count)]
      let images = part.map { own.lowerBound + $0 }
      var pairs: [Int64] = []
      for (at, candidate) in proposal.candidates(of: images).enumerated() where candidate >= 0 {
        let image = images[at / proposal.count]
        pairs.append(Int64(image) << 32 | Int64(candidate))
        isNeeded[image] = true
        isNeeded[Int(candidate)] = true
      }
      var needed: [Int32] = []
      for image in isNeeded.indices where isNeeded[image] {
        needed.append(Int32(image))
        isNeeded[image] = false
      }
      let values = try observer.communicating {
        try table.stopIfAgreed()
        return try rows.fetch(needed)
      }
      for (pair, score) in zip(pairs, scoreBatch(pairs, images: needed, values: values)) {
        let (image, candidate) = PairSharing.unpack(pair)
        table.lists.offer(candidate, score, to: Int(image) - own.lowerBound)
      }
      table.markDone(part)
      observer.stageAdvanced(to: (before + part.endIndex) * proposal.count)
      try table.saveIfDue()
    }
    return try observer.communicating { try table.lists.gathered(on: comm) }
  }
}
