import Execution
import ImageModel
import MPI

/// Ranks candidates by the affinity: each unordered pair is one item, and every rank has an equal share of them
/// (`PairSharing`), ordered for locality; the ranks fetch the coefficients they need in bulk, score in parallel,
/// and hand the scores to the ranks that own the images.
struct CandidateScoring {
  let model: PairModel
  let rows: CoefficientStore
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Pairs scored between two exchanges of coefficients: bounds the memory for remote images.
  static let batch = 1 << 17

  /// The same with another observer.
  func observed(by other: any StageObserver) -> CandidateScoring {
    CandidateScoring(
      model: model, rows: rows, groups: groups, threads: threads, comm: comm, observer: other)
  }

  /// The K best neighbours of every image, on every rank. A scored pair counts for both of its images.
  /// Collective.
  /// - Parameters:
  ///   - images: the images that this rank has found candidates of.
  ///   - candidates: global indices, S for each of them; -1 for none.
  func neighbours(of images: [Int32], candidates: [Int32], neighboursPerImage: Int) throws
    -> NeighbourTable
  {
    let sharing = PairSharing(partition: rows.partition, comm: comm, observer: observer)
    let pairs = try sharing.share(PairSharing.pairs(of: images, candidates: candidates))
    var table = NeighbourTable(
      count: rows.partition.range(of: comm.rank).count, neighboursPerImage: neighboursPerImage)
    let most = try comm.allreduce(pairs.count, .maximum)
    // Scores of a part of the pairs at a time, so that no rank holds all of its own.
    for start in stride(from: 0, to: most, by: Self.batch) {
      let part = pairs[min(start, pairs.count)..<min(start + Self.batch, pairs.count)]
      try sharing.offer(score(part), of: part, to: &table)
      try observer.stageAdvanced(to: part.endIndex)
    }
    return try observer.communicating { try table.gathered(on: comm) }
  }

  /// The first K candidates in the search's own order and with its reflections, aligned by the affinity's
  /// best rotation; the affinity reported is the search's score. On every rank. Collective.
  func aligned(_ found: some OrderedCandidates, neighboursPerImage k: Int) throws -> NeighbourTable
  {
    let own = rows.partition.range(of: comm.rank)
    var table = NeighbourTable(count: found.count, neighboursPerImage: k)
    let chunk = max(1, Self.batch / k)
    let longest = rows.partition.range(of: 0).count
    for start in stride(from: 0, to: longest, by: chunk) {
      let images = min(start, found.count)..<min(start + chunk, found.count)
      func needed() -> [Int32] {
        var all = Set(images.map { Int32(own.lowerBound + $0) })
        for image in images {
          for entry in 0..<k { all.insert(found.candidates[image * found.candidateCount + entry]) }
        }
        return all.sorted()
      }
      let fetched = try observer.communicating { try rows.fetch(needed()) }
      let scorer = PairScorer(model: model)
      var weighted = [Float](repeating: 0, count: rows.width)
      fetched.withRows { rows in
        for image in images {
          let first = Int32(own.lowerBound + image)
          for entry in 0..<k {
            let second = found.candidates[image * found.candidateCount + entry]
            let (g, h) = (Int(groups[Int(first)]), Int(groups[Int(second)]))
            model.weighted(rows[first], groups: g, h, into: &weighted)
            scorer.add(weighted: weighted, second: rows[second], offset: 0)
            let isReflected = found.reflected[image * found.candidateCount + entry] == 1
            scorer.flush(onlyReflected: isReflected) { _, score in
              table.indices[image * k + entry] = second
              table.affinities[image * k + entry] =
                found.scores[image * found.candidateCount + entry]
              table.alignments[image * k + entry] = score.alignment
            }
          }
        }
      }
    }
    return try observer.communicating { try table.gathered(on: comm) }
  }

  /// The scores of some of this rank's pairs, in their order. Collective.
  func score(_ pairs: ArraySlice<Int64>) throws -> [PairScore] {
    var isNeeded = [Bool](repeating: false, count: groups.count)
    for pair in pairs {
      let (first, second) = PairSharing.unpack(pair)
      isNeeded[Int(first)] = true
      isNeeded[Int(second)] = true
    }
    let images = isNeeded.indices.filter { isNeeded[$0] }.map { Int32($0) }
    let fetched = try observer.communicating { try rows.fetch(images) }
    return fetched.withRows { scores(of: pairs, images: images, $0) }
  }

  /// The scores of pairs among some images, in runs of one first image.
  private func scores(
    of pairs: ArraySlice<Int64>, images: [Int32], _ rows: FetchedCoefficients.Rows
  )
    -> [PairScore]
  {
    // Where each image's self terms lie.
    var place = [Int32](repeating: -1, count: groups.count)
    for (at, image) in images.enumerated() { place[Int(image)] = Int32(at) }
    let groupCount = model.groupCount
    // Of the groups that an image's partners have, a few of all where most images have few.
    var selfTerms = [Float](repeating: .nan, count: images.count * groupCount)
    for pair in pairs {
      let (first, second) = PairSharing.unpack(pair)
      selfTerms[Int(place[Int(first)]) * groupCount + Int(groups[Int(second)])] = 0
      selfTerms[Int(place[Int(second)]) * groupCount + Int(groups[Int(first)])] = 0
    }
    WorkerPool(threads: threads, items: images.count)
      .forEachRow(0..<images.count, of: &selfTerms, width: groupCount) {
        [model, groups] _, at, terms in
        for h in 0..<groupCount where !terms[h].isNaN {
          terms[h] = model.selfTerm(
            of: rows[images[at]], groups: Int(groups[Int(images[at])]), h)
        }
      }
    let none = PairScore(affinity: 0, alignment: .identity)
    var scores = [PairScore](repeating: none, count: pairs.count)
    let chunk = 4096
    let parts = (pairs.count + chunk - 1) / chunk
    WorkerPool(threads: threads, items: parts) {
      (PairScorer(model: model), [Float](repeating: 0, count: rows.width * groupCount))
    }.forEachRow(0..<parts, of: &scores, width: chunk) {
      [model, groups, place, selfTerms] state, part, scores in
      let scorer = state.0
      let pairs = pairs[(pairs.startIndex + part * chunk)...].prefix(chunk)
      var current: Int32 = -1
      var known = [Bool](repeating: false, count: groupCount)
      var start = 0
      for at in scores.indices {
        let (first, second) = PairSharing.unpack(pairs[pairs.startIndex + at])
        let (i, j) = (Int(place[Int(first)]), Int(place[Int(second)]))
        let (g, h) = (Int(groups[Int(first)]), Int(groups[Int(second)]))
        if first != current {
          current = first
          for other in 0..<groupCount { known[other] = false }
        }
        state.1.withUnsafeMutableBufferPointer { weighted in
          let w = weighted.baseAddress! + h * rows.width
          if !known[h] {
            model.weighted(rows[first], groups: g, h, into: w)
            known[h] = true
          }
          scorer.add(
            weighted: w, second: rows[second],
            offset: model.constants[g * groupCount + h] + selfTerms[i * groupCount + h]
              + selfTerms[j * groupCount + g])
        }
        if scorer.isFull {
          scorer.flush { lane, score in scores[start + lane] = score }
          start = at + 1
        }
      }
      scorer.flush { lane, score in scores[start + lane] = score }
    }
    return scores
  }
}

/// What a search has found for each image of this rank's slice: S candidates, in its own order.
protocol OrderedCandidates {
  /// Images of this rank's slice.
  var count: Int { get }
  /// S.
  var candidateCount: Int { get }
  /// Global indices, best first, count x S.
  var candidates: [Int32] { get }
  /// 1 where the candidate is reflected, count x S.
  var reflected: [UInt8] { get }
  /// The scores that ordered them, count x S.
  var scores: [Float] { get }
}
