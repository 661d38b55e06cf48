import MPI

/// Ranks suspects by the affinity: rank 0 gathers the suspect lists, makes each unordered pair one item,
/// orders the items for locality and gives every rank an equal share; the ranks fetch the coefficients
/// they need in bulk and score in parallel; rank 0 collects.
struct SuspectScoring {
  let model: PairModel
  let rows: DistributedRows
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  let threads: Int
  let comm: Communicator
  let observer: any StageObserver

  /// Pairs scored between two exchanges of coefficients: bounds the memory for remote images.
  static let batch = 1 << 17

  /// The same with another observer.
  func observed(by other: any StageObserver) -> SuspectScoring {
    SuspectScoring(
      model: model, rows: rows, groups: groups, threads: threads, comm: comm, observer: other)
  }

  /// The K best neighbours of every image, on rank 0 (empty elsewhere). A scored pair counts for both
  /// of its images. Collective.
  /// - Parameters:
  ///   - images: the images that this rank has found suspects of.
  ///   - suspects: global indices, S for each of them; -1 for none.
  func neighbours(of images: [Int32], suspects: [Int32], neighboursPerImage: Int) throws
    -> NeighbourTable
  {
    let (owners, gathered) = try observer.communicating {
      (try comm.gatherRagged(images), try comm.gatherRagged(suspects))
    }
    let pairs = comm.isRoot ? Self.pairs(of: owners, suspects: gathered) : []
    let total = try comm.broadcast([pairs.count])[0]
    let shares = Partition(of: total, among: comm.size)
    let mine = try observer.communicating {
      try comm.scatterRagged(pairs, counts: (0..<comm.size).map { shares.range(of: $0).count })
    }
    let scores = try score(mine, rounds: (shares.range(of: 0).count + Self.batch - 1) / Self.batch)
    let affinities = try observer.communicating { try comm.gatherRagged(scores.map(\.affinity)) }
    let rotations = try comm.gatherRagged(scores.map(\.rotation))
    let reflected = try comm.gatherRagged(scores.map(\.reflected))
    var table = NeighbourTable(
      count: comm.isRoot ? groups.count : 0, neighboursPerImage: neighboursPerImage)
    for (at, pair) in pairs.enumerated() {
      let (first, second) = Self.unpack(pair)
      let score = PairScore(
        affinity: affinities[at], rotation: rotations[at], reflected: reflected[at])
      table.offer(second, score, to: Int(first))
      table.offer(first, score.inverse, to: Int(second))
    }
    return table
  }

  /// The first K suspects in the search's own order and with its reflections, aligned by the affinity's
  /// best rotation; the affinity reported is the search's score. On rank 0 (empty elsewhere). Collective.
  func aligned(_ found: some OrderedSuspects, neighboursPerImage k: Int) throws -> NeighbourTable {
    let own = rows.partition.range(of: comm.rank)
    var table = NeighbourTable(count: found.count, neighboursPerImage: k)
    let chunk = max(1, Self.batch / k)
    let longest = rows.partition.range(of: 0).count
    for start in stride(from: 0, to: longest, by: chunk) {
      let images = min(start, found.count)..<min(start + chunk, found.count)
      var needed = Set(images.map { Int32(own.lowerBound + $0) })
      for image in images {
        for entry in 0..<k { needed.insert(found.suspects[image * found.suspectCount + entry]) }
      }
      let sorted = needed.sorted()
      let values = try observer.communicating { try rows.fetch(sorted) }
      var place: [Int32: Int] = [:]
      for (at, image) in sorted.enumerated() { place[image] = at }
      let scorer = PairScorer(model: model)
      var weighted = [Float](repeating: 0, count: rows.width)
      values.withUnsafeBufferPointer { values in
        for image in images {
          let first = Int32(own.lowerBound + image)
          for entry in 0..<k {
            let second = found.suspects[image * found.suspectCount + entry]
            let (g, h) = (Int(groups[Int(first)]), Int(groups[Int(second)]))
            model.weighted(
              values.baseAddress! + place[first]! * rows.width, groups: g, h, into: &weighted)
            scorer.add(
              weighted: weighted, second: values.baseAddress! + place[second]! * rows.width,
              offset: 0)
            let isReflected = found.reflected[image * found.suspectCount + entry] == 1
            scorer.flush(onlyReflected: isReflected) { _, score in
              table.indices[image * k + entry] = second
              table.affinities[image * k + entry] =
                found.scores[image * found.suspectCount + entry]
              table.rotations[image * k + entry] = score.rotation
              table.reflected[image * k + entry] = score.reflected
            }
          }
        }
      }
    }
    var whole = NeighbourTable(
      count: comm.isRoot ? groups.count : 0, neighboursPerImage: k)
    whole.indices = try comm.gatherRagged(table.indices)
    whole.affinities = try comm.gatherRagged(table.affinities)
    whole.rotations = try comm.gatherRagged(table.rotations)
    whole.reflected = try comm.gatherRagged(table.reflected)
    return whole
  }

  /// Unordered pairs without repetition, ascending: first image in the upper half of the word.
  static func pairs(of images: [Int32], suspects: [Int32]) -> [Int64] {
    let suspectsPerImage = images.isEmpty ? 1 : suspects.count / images.count
    var pairs: [Int64] = []
    pairs.reserveCapacity(suspects.count)
    for (at, suspect) in suspects.enumerated() where suspect >= 0 {
      let image = images[at / suspectsPerImage]
      pairs.append(Int64(min(image, suspect)) << 32 | Int64(max(image, suspect)))
    }
    pairs.sort()
    var unique: [Int64] = []
    unique.reserveCapacity(pairs.count)
    for pair in pairs where unique.last != pair { unique.append(pair) }
    return unique
  }

  static func unpack(_ pair: Int64) -> (Int32, Int32) {
    (Int32(pair >> 32), Int32(pair & 0xffff_ffff))
  }

  /// The scores of this rank's pairs, in their order. Collective: every rank takes part in `rounds`
  /// exchanges.
  private func score(_ pairs: [Int64], rounds: Int) throws -> [PairScore] {
    var scores: [PairScore] = []
    scores.reserveCapacity(pairs.count)
    for round in 0..<rounds {
      let start = min(round * Self.batch, pairs.count)
      let part = pairs[start..<min(start + Self.batch, pairs.count)]
      var needed: [Int32] = []
      needed.reserveCapacity(2 * part.count)
      for pair in part {
        let (a, b) = Self.unpack(pair)
        if needed.last != a { needed.append(a) }
        needed.append(b)
      }
      needed.sort()
      var images: [Int32] = []
      for image in needed where images.last != image { images.append(image) }
      let values = try observer.communicating { try rows.fetch(images) }
      scores += scoreBatch(Array(part), images: images, values: values)
      observer.stageAdvanced(to: scores.count)
    }
    return scores
  }

  /// Scores pairs among fetched images, in runs of one first image.
  func scoreBatch(_ pairs: [Int64], images: [Int32], values: [Float]) -> [PairScore] {
    // Where each image's row lies.
    var place: [Int32: Int] = [:]
    place.reserveCapacity(images.count)
    for (at, image) in images.enumerated() { place[image] = at }
    let groupCount = model.groupCount
    // Of the groups that an image's partners have, a few of all where most images have few.
    var selfTerms = [Float](repeating: .nan, count: images.count * groupCount)
    for pair in pairs {
      let (first, second) = Self.unpack(pair)
      selfTerms[place[first]! * groupCount + Int(groups[Int(second)])] = 0
      selfTerms[place[second]! * groupCount + Int(groups[Int(first)])] = 0
    }
    values.withUnsafeBufferPointer { values in
      selfTerms.withUnsafeMutableBufferPointer { terms in
        nonisolated(unsafe) let terms = terms
        parallelFor(images.count, threads: threads, state: { 0 }) { _, at in
          for h in 0..<groupCount where !terms[at * groupCount + h].isNaN {
            terms[at * groupCount + h] = model.selfTerm(
              of: values.baseAddress! + at * rows.width, groups: Int(groups[Int(images[at])]), h)
          }
        }
      }
    }
    let none = PairScore(affinity: 0, rotation: 0, reflected: 0)
    var scores = [PairScore](repeating: none, count: pairs.count)
    let chunk = 4096
    values.withUnsafeBufferPointer { values in
      scores.withUnsafeMutableBufferPointer { scores in
        nonisolated(unsafe) let scores = scores
        parallelFor(
          (pairs.count + chunk - 1) / chunk, threads: threads,
          state: {
            (PairScorer(model: model), Box([Float](repeating: 0, count: rows.width * groupCount)))
          }
        ) { state, part in
          let scorer = state.0
          var current: Int32 = -1
          var known = [Bool](repeating: false, count: groupCount)
          var start = part * chunk
          for at in start..<min(start + chunk, pairs.count) {
            let (first, second) = Self.unpack(pairs[at])
            let (i, j) = (place[first]!, place[second]!)
            let (g, h) = (Int(groups[Int(first)]), Int(groups[Int(second)]))
            if first != current {
              current = first
              for other in 0..<groupCount { known[other] = false }
            }
            state.1.value.withUnsafeMutableBufferPointer { weighted in
              let w = weighted.baseAddress! + h * rows.width
              if !known[h] {
                model.weighted(values.baseAddress! + i * rows.width, groups: g, h, into: w)
                known[h] = true
              }
              scorer.add(
                weighted: w, second: values.baseAddress! + j * rows.width,
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
      }
    }
    return scores
  }
}

/// What a search has found for each image of this rank's slice: S suspects, in its own order.
protocol OrderedSuspects {
  /// Images of this rank's slice.
  var count: Int { get }
  /// S.
  var suspectCount: Int { get }
  /// Global indices, best first, count x S.
  var suspects: [Int32] { get }
  /// 1 where the suspect is reflected, count x S.
  var reflected: [UInt8] { get }
  /// The scores that ordered them, count x S.
  var scores: [Float] { get }
}

extension RingSearch: OrderedSuspects {}

extension PairScore {
  /// The same alignment seen from the other image: a rotation back; a reflection followed by a rotation
  /// is its own inverse.
  var inverse: PairScore {
    PairScore(
      affinity: affinity, rotation: reflected == 1 ? rotation : -rotation, reflected: reflected)
  }
}
