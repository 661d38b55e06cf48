import MPI

extension SuspectScoring {
  /// The K best of each image's candidates, on every rank. Each rank scores the candidates of its own images,
  /// a part of them at a time, so that no rank holds all pairs; an image's list does not depend on which
  /// rank makes it. Collective.
  /// - Parameters:
  ///   - batch: pairs scored at a time, about.
  ///   - parts: where the lists are saved, and go on from where there are some.
  ///   - isKept: whether all lists are saved in the end, for stages that follow.
  ///   - finish: changes this rank's lists in the end, before all ranks get them.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
  func best(
    of proposal: CandidateProposal, neighboursPerImage: Int, batch: Int = Self.batch,
    parts: CheckpointParts? = nil, isKept: Bool = false,
    finish: (inout NeighbourTable) -> Void = { _ in }
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
      let asked = Self.askedPairs(of: images, candidates: proposal.candidates(of: images))
      var pairs: [Int64] = []
      for word in asked {
        let (first, second, _) = Self.unpack(asked: word)
        let pair = Int64(first) << 32 | Int64(second)
        if pairs.last != pair { pairs.append(pair) }
        isNeeded[Int(first)] = true
        isNeeded[Int(second)] = true
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
      let scores = scoreBatch(pairs, images: needed, values: values)
      var (at, last): (Int, Int64) = (-1, -1)
      for word in asked {
        let (first, second, bySecond) = Self.unpack(asked: word)
        if word >> 1 != last >> 1 { at += 1 }
        last = word
        if bySecond {
          table.lists.offer(first, scores[at].inverse, to: Int(second) - own.lowerBound)
        } else {
          table.lists.offer(second, scores[at], to: Int(first) - own.lowerBound)
        }
      }
      table.markDone(part)
      observer.stageAdvanced(to: (before + part.endIndex) * proposal.count)
      try table.saveIfDue()
    }
    if isKept, parts != nil { try comm.agree { try table.save() } }
    finish(&table.lists)
    return try observer.communicating { try table.lists.gathered(on: comm) }
  }

  /// Images with their candidates, ascending. A pair that both of its images ask for comes twice, one after the other:
  /// it is scored once, and in the order of the indices whoever asks, so that its score depends on nothing else.
  private static func askedPairs(of images: [Int], candidates: [Int32]) -> [Int64] {
    let perImage = candidates.count / max(1, images.count)
    var asked: [Int64] = []
    asked.reserveCapacity(candidates.count)
    for (at, candidate) in candidates.enumerated() where candidate >= 0 {
      let image = Int32(images[at / perImage])
      let (first, second) = (Int64(min(image, candidate)), Int64(max(image, candidate)))
      asked.append(first << 33 | second << 1 | (candidate < image ? 1 : 0))
    }
    asked.sort()
    return asked
  }

  private static func unpack(asked word: Int64) -> (first: Int32, second: Int32, bySecond: Bool) {
    (Int32(word >> 33), Int32(word >> 1 & 0xffff_ffff), word & 1 == 1)
  }
}
