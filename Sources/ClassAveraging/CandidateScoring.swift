import MPI

extension SuspectScoring {
  /// The K best of each image's candidates, on every rank. Each rank scores the candidates of its own images,
  /// a part of them at a time, so that no rank holds all pairs; an image's list does not depend on which
  /// rank makes it. Collective.
  func best(of proposal: CandidateProposal, neighboursPerImage: Int) throws -> NeighbourTable {
    let own = rows.partition.range(of: comm.rank)
    var table = NeighbourTable(count: own.count, neighboursPerImage: neighboursPerImage)
    let length = max(1, Self.batch / max(1, proposal.count))
    var isNeeded = [Bool](repeating: false, count: groups.count)
    for start in stride(from: 0, to: rows.partition.range(of: 0).count, by: length) {
      let part = min(start, own.count)..<min(start + length, own.count)
      let images = own.lowerBound + part.lowerBound..<own.lowerBound + part.upperBound
      var pairs: [Int64] = []
      for (at, candidate) in proposal.candidates(of: images).enumerated() where candidate >= 0 {
        let image = images.lowerBound + at / proposal.count
        pairs.append(Int64(image) << 32 | Int64(candidate))
        isNeeded[image] = true
        isNeeded[Int(candidate)] = true
      }
      var needed: [Int32] = []
      for image in isNeeded.indices where isNeeded[image] {
        needed.append(Int32(image))
        isNeeded[image] = false
      }
      let values = try observer.communicating { try rows.fetch(needed) }
      for (pair, score) in zip(pairs, scoreBatch(pairs, images: needed, values: values)) {
        let (image, candidate) = PairSharing.unpack(pair)
        table.offer(candidate, score, to: Int(image) - own.lowerBound)
      }
      observer.stageAdvanced(to: part.upperBound * proposal.count)
    }
    return try observer.communicating { try table.gathered(on: comm) }
  }
}
