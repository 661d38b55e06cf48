import Execution
import Foundation
import MPI
import Resume

/// The neighbours in the end: the images that share most landmarks with an image, after passes among classes.
///
/// Each round compares all images with the classes of landmarks, a sample of the images or all of them, and gives
/// image i the probabilities p_i(l) of its landmarks. Images i and j are the closer the larger
///
///     s_ij = sum over landmarks l of p_i(l) p_j(l),
///
/// and those closest to a landmark's own image are the members of its class in the next round. In the last round
/// they are the neighbours (`SharedNeighbours`). The classes of the first round have the neighbours that the passes
/// found.
///
/// Three things make it better than comparing classes with each other, as the passes do:
/// - An image is never compared with a class that it is in, but with the class without it (`LandmarkWork`).
/// - All landmarks near an image have a say, not one class of each of a pair.
/// - The classes can be large, for a landmark that is a little off costs little, and many are.
struct SharedLandmarks {
  /// Statistics of single images, and what makes a class.
  let source: ImageClasses
  let checkpoints: Checkpoints?
  /// What the landmarks are drawn by.
  let seed: UInt64
  /// R, landmarks; all images where there are fewer.
  let landmarks: Int
  let rounds: Int
  /// L, landmarks of each image.
  var landmarksPerImage = 100
  /// Images compared with landmarks at a time by one thread.
  var chunk = ClassSize.comparedAtATime
  /// Pairs of neighbours aligned at a time.
  var batch = ClassSize.candidatesAtATime

  /// Of the classes' Bayes factors (`SharedNeighbours`).
  private static let softening: Float = 1.7

  private var comm: Communicator { source.context.comm }
  private var observer: any StageObserver { source.context.observer }
  private var images: Int { source.images.count }
  private var neighbours: SharedNeighbours { SharedNeighbours(source: source, batch: batch) }

  /// The neighbours, `rule.members` of each image, on every rank, and what proposes them. Collective.
  /// - Parameters:
  ///   - table: of the last pass.
  ///   - isKept: whether the neighbours are saved in the end, for stages that follow.
  /// - Throws: `LAPACKError`, `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ table: NeighbourTable, isKept: Bool = false) throws -> (
    table: NeighbourTable, sharing: CandidateProposal
  ) {
    let own = source.rows.partition.range(of: comm.rank)
    let landmarks = LandmarkClasses.draw(min(landmarks, images), of: images, seed: seed)
    let first = landmarks.firstIndex { $0 >= own.lowerBound } ?? landmarks.count
    let end = landmarks.firstIndex { $0 >= own.upperBound } ?? landmarks.count
    let pairs = own.count * landmarks.count
    observer.stageBegan(StageName.sharedLandmarks, items: rounds * pairs)
    defer { observer.stageEnded() }
    let work = LandmarkWork(source: source, rows: source.rows)
    let saved = try checkpoints?.restoredMembers(
      from: table, landmarks: landmarks.count, own: first..<end, rounds: rounds)
    var members = saved?.members ?? self.members(of: first..<end, landmarks, by: table)
    var round = saved?.round ?? 0
    while true {
      let classes = try work.classes(
        of: members, images: landmarks, correlation: ClassCorrelation.largest)
      let proposed =
        round + 1 == rounds
        ? source.rule.members
        : ClassSize.sharedMembers(
          images: images, atLeast: source.rule.members)
      let scores = try work.scores(
        of: members.lists.map { $0.map(\.image) }, with: classes, landmarks: members.landmarks,
        without: members)
      let proposal = try neighbours.proposal(
        sharing: try bestLandmarks(of: classes, members, scores, round: round, from: table),
        softening: Self.softening, landmarks: landmarks.count, count: proposed)
      if round + 1 == rounds {
        let table = try neighbours.aligned(
          [proposal], table, parts: checkpoints?.sharedNeighbours(from: table),
          isKept: isKept)
        return (table, proposal)
      }
      members = try refined(members, scores, classes, proposal, work)
      round += 1
      try checkpoints?.save(members, round: round, from: table)
    }
  }

  /// The members that the passes found for some landmarks.
  private func members(of own: Range<Int>, _ landmarks: [Int32], by table: NeighbourTable)
    -> LandmarkMembers
  {
    let weights = source.weights
    let k = table.neighboursPerImage
    return LandmarkMembers(
      landmarks: own,
      lists: own.map { landmark in
        let image = Int(landmarks[landmark])
        return [.init(image: Int32(image), weight: 1)]
          + (image * k..<(image + 1) * k).filter { table.indices[$0] >= 0 }.map {
            .init(
              image: table.indices[$0], weight: weights.weight(ofAffinity: table.affinities[$0]),
              alignment: table.alignments[$0])
          }
      })
  }

  /// The landmarks most like each of this rank's images. Collective.
  /// - Parameter scores: of the members of this rank's landmarks.
  private func bestLandmarks(
    of classes: LandmarkClasses, _ members: LandmarkMembers, _ scores: [[PairScore]], round: Int,
    from table: NeighbourTable
  ) throws -> BestLandmarks {
    let count = classes.images.count
    let rows = source.rows
    // Room for the landmarks that an image is a member of, twice the mean: their scores are too high here.
    let entries = members.lists.reduce(0) { $0 + $1.count }
    let own = 2 * (try comm.allreduce(entries)) / images
    let pairs = rows.partition.range(of: comm.rank).count * count
    let found = try LandmarkComparison(
      classes: classes, posterior: source.posterior, rows: rows, groups: source.images.groups,
      capacity: min(landmarksPerImage + own, count), threads: source.context.threads, comm: comm,
      observer: observer, chunk: chunk
    ).run(
      after: round * pairs, parts: checkpoints?.comparison(round: round, from: table),
      isKept: round + 1 == rounds)
    return try observer.communicating {
      try found.replacing(scores, of: members, partition: rows.partition, on: comm)
    }.prefix(min(landmarksPerImage, count))
  }

  /// The members that share most landmarks with the landmarks' images, each with the same weight. Collective.
  /// - Parameter known: the scores of those that are members now.
  private func refined(
    _ members: LandmarkMembers, _ known: [[PairScore]], _ classes: LandmarkClasses,
    _ proposal: CandidateProposal, _ work: LandmarkWork
  ) throws -> LandmarkMembers {
    let landmarks = classes.images[members.landmarks]
    let proposed = proposal.candidates(of: landmarks.map { Int($0) })
    let images = landmarks.indices.map { landmark in
      let start = (landmark - landmarks.startIndex) * proposal.count
      return [landmarks[landmark]] + proposed[start..<start + proposal.count].filter { $0 >= 0 }
    }
    let alignments = zip(members.lists, known).map { members, scores in
      Dictionary(zip(members.map(\.image), scores)) { first, _ in first }
    }
    let new = zip(images, alignments).map { images, known in images.filter { known[$0] == nil } }
    let scores = try work.scores(of: new, with: classes, landmarks: members.landmarks)
    return LandmarkMembers(
      landmarks: members.landmarks,
      lists: images.indices.map { at in
        let all = alignments[at].merging(zip(new[at], scores[at])) { known, _ in known }
        return images[at].map { image in
          .init(image: image, weight: 1, alignment: all[image]!.alignment)
        }
      })
  }
}

extension BestLandmarks {
  /// The lists with the members' own scores for their landmarks in place of those that count them in; entries of
  /// no landmark come last. Collective.
  /// - Parameters:
  ///   - scores: of the members of this rank's landmarks.
  ///   - partition: which rank owns which images.
  func replacing(
    _ scores: [[PairScore]], of members: LandmarkMembers, partition: Partition,
    on comm: Communicator
  ) throws -> BestLandmarks {
    var own: [(image: Int32, landmark: Int32, score: Float)] = []
    for (at, landmark) in members.landmarks.enumerated() {
      for (member, score) in zip(members.lists[at], scores[at]) {
        own.append((member.image, Int32(landmark), score.affinity))
      }
    }
    own.sort { ($0.image, $0.landmark) < ($1.image, $1.landmark) }
    var counts = [Int](repeating: 0, count: comm.size)
    for entry in own { counts[partition.owner(of: Int(entry.image))] += 1 }
    let pairs = try comm.alltoallRagged(
      own.map { Int64($0.image) << 32 | Int64($0.landmark) }, counts: counts
    ).values
    let values = try comm.alltoallRagged(own.map(\.score), counts: counts).values
    var corrections = [[Int32: Float]](repeating: [:], count: images.count)
    for (pair, value) in zip(pairs, values) {
      corrections[Int(pair >> 32) - images.lowerBound][Int32(truncatingIfNeeded: pair)] = value
    }
    var result = self
    for image in images {
      let correction = corrections[image - images.lowerBound]
      let entries = entries(of: image)
      var list: [(landmark: Int32, score: Float)] = correction.map { ($0.key, $0.value) }
      for entry in entries where landmarks[entry] >= 0 && correction[landmarks[entry]] == nil {
        list.append((landmarks[entry], self.scores[entry]))
      }
      list.sort { ($1.score, $0.landmark) < ($0.score, $1.landmark) }
      for (at, entry) in entries.enumerated() {
        result.landmarks[entry] = at < list.count ? list[at].landmark : -1
        result.scores[entry] = at < list.count ? list[at].score : -.infinity
      }
    }
    return result
  }

  /// The first `length` landmarks of each image.
  func prefix(_ length: Int) -> BestLandmarks {
    var result = BestLandmarks(images: images, capacity: min(length, capacity))
    for image in images {
      for (to, from) in zip(result.entries(of: image), entries(of: image)) {
        result.landmarks[to] = landmarks[from]
        result.scores[to] = scores[from]
      }
    }
    return result
  }
}
