import MPI

extension SuspectScoring {
  /// The K best of each image's candidates, on every rank. Each rank scores the candidates of its own images,
  /// a part of them at a time, so that no rank holds all pairs; an image's list does not depend on which
  /// rank makes it. Collective.
  /// - Parameters:
  ///   - limit: the most candidates that an image has.
  ///   - candidates: global indices of candidates of each image of a range, `limit` each, ascending, the
  ///     image itself excluded, then -1 for none; called once for each part of this rank's images.
  func best(
    of limit: Int, neighboursPerImage: Int, candidates: (Range<Int>) -> [Int32]
  ) throws -> NeighbourTable {
    let own = rows.partition.range(of: comm.rank)
    var table = NeighbourTable(count: own.count, neighboursPerImage: neighboursPerImage)
    let part = max(1, Self.batch / max(1, limit))
    let longest = rows.partition.range(of: 0).count
    for start in stride(from: 0, to: longest, by: part) {
      let images = min(own.lowerBound + start, own.upperBound)..<min(
        own.lowerBound + start + part, own.upperBound)
      let suspects = candidates(images)
      var pairs: [Int64] = []
      pairs.reserveCapacity(suspects.count)
      var isNeeded = [Bool](repeating: false, count: groups.count)
      for (at, suspect) in suspects.enumerated() where suspect >= 0 {
        let image = images.lowerBound + at / limit
        pairs.append(Int64(image) << 32 | Int64(suspect))
        isNeeded[image] = true
        isNeeded[Int(suspect)] = true
      }
      let needed = isNeeded.indices.filter { isNeeded[$0] }.map { Int32($0) }
      let values = try observer.communicating { try rows.fetch(needed) }
      let scores = scoreBatch(pairs, images: needed, values: values)
      for (pair, score) in zip(pairs, scores) {
        table.offer(Int32(pair & 0xffff_ffff), score, to: Int(pair >> 32) - own.lowerBound)
      }
      observer.stageAdvanced(to: (images.upperBound - own.lowerBound) * limit)
    }
    return try observer.communicating { try table.gathered(on: comm) }
  }
}

extension NeighbourTable {
  /// The tables of the ranks' slices one after the other, on every rank. Collective.
  func gathered(on comm: Communicator) throws -> NeighbourTable {
    var whole = NeighbourTable(
      count: try comm.allreduce(count), neighboursPerImage: neighboursPerImage)
    whole.indices = try comm.allgatherRagged(indices)
    whole.affinities = try comm.allgatherRagged(affinities)
    whole.rotations = try comm.allgatherRagged(rotations)
    whole.reflected = try comm.allgatherRagged(reflected)
    return whole
  }
}
