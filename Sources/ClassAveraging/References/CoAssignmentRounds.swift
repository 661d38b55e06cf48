import Execution
import Foundation
import MPI
import Resume

/// The neighbours in the end: the images that share most reference classes with an image, after passes among classes.
///
/// Each round compares all images with reference classes, a sample of the images or all of them, and gives
/// image i the probabilities p_i(l) of its reference classes. Images i and j are the closer the larger
///
///     s_ij = sum over reference classes l of p_i(l) p_j(l),
///
/// and those closest to a reference class's own image are the members of its class in the next round. In the last round
/// they are the neighbours (`CoAssignedNeighbours`). The classes of the first round have the neighbours that the passes
/// found.
///
/// Three things make it better than comparing classes with each other, as the passes do:
/// - An image is never compared with a class that it is in, but with the class without it (`ReferenceWork`).
/// - All reference classes near an image have a say, not one class of each of a pair.
/// - The classes can be large, for a reference class that is a little off costs little, and many are.
struct CoAssignmentRounds {
  /// Statistics of single images, and what makes a class.
  let source: ImageClasses
  let checkpoints: Checkpoints?
  /// What the reference classes are drawn by.
  let seed: UInt64
  /// R, reference classes; all images where there are fewer.
  let references: Int
  let rounds: Int
  /// L, reference classes of each image.
  var referencesPerImage = 100
  /// Images compared with reference classes at a time by one thread.
  var chunk = ClassSize.comparedAtATime
  /// Pairs of neighbours aligned at a time.
  var batch = ClassSize.candidatesAtATime

  /// Of the classes' Bayes factors (`CoAssignedNeighbours`).
  private static let temperature: Float = 1.7

  private var comm: Communicator { source.context.comm }
  private var observer: any StageObserver { source.context.observer }
  private var images: Int { source.images.count }
  private var neighbours: CoAssignedNeighbours {
    CoAssignedNeighbours(source: source, batch: batch)
  }

  /// The neighbours, `rule.members` of each image, on every rank, and what proposes them. Collective.
  /// - Parameters:
  ///   - table: of the last pass.
  ///   - isKept: whether the neighbours are saved in the end, for stages that follow.
  /// - Throws: `LAPACKError`, `MPIError`; `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ table: NeighbourTable, isKept: Bool = false) throws -> (
    table: NeighbourTable, sharing: CandidateProposal
  ) {
    let own = source.rows.partition.range(of: comm.rank)
    let references = ReferenceClasses.draw(min(references, images), of: images, seed: seed)
    let first = references.firstIndex { $0 >= own.lowerBound } ?? references.count
    let end = references.firstIndex { $0 >= own.upperBound } ?? references.count
    let pairs = own.count * references.count
    observer.stageBegan(StageName.coAssignment, items: rounds * pairs)
    defer { observer.stageEnded() }
    let work = ReferenceWork(source: source, rows: source.rows)
    let saved = try checkpoints?.restoredMembers(
      from: table, references: references.count, own: first..<end, rounds: rounds)
    var members = saved?.members ?? self.members(of: first..<end, references, by: table)
    var round = saved?.round ?? 0
    while true {
      let classes = try work.classes(
        of: members, images: references, correlation: ClassCorrelation.largest)
      let proposed =
        round + 1 == rounds
        ? source.rule.members
        : ClassSize.sharedMembers(
          images: images, atLeast: source.rule.members)
      let scores = try work.scores(
        of: members.lists.map { $0.map(\.image) }, with: classes, references: members.references,
        without: members)
      let proposal = try neighbours.proposal(
        sharing: try bestReferences(of: classes, members, scores, round: round, from: table),
        temperature: Self.temperature, references: references.count, count: proposed)
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

  /// The members that the passes found for some reference classes.
  private func members(of own: Range<Int>, _ references: [Int32], by table: NeighbourTable)
    -> ReferenceMembers
  {
    let weights = source.weights
    let k = table.neighboursPerImage
    return ReferenceMembers(
      references: own,
      lists: own.map { reference in
        let image = Int(references[reference])
        return [.init(image: Int32(image), weight: 1)]
          + (image * k..<(image + 1) * k).filter { table.indices[$0] >= 0 }.map {
            .init(
              image: table.indices[$0], weight: weights.weight(ofAffinity: table.affinities[$0]),
              alignment: table.alignments[$0])
          }
      })
  }

  /// The reference classes most like each of this rank's images. Collective.
  /// - Parameter scores: of the members of this rank's reference classes.
  private func bestReferences(
    of classes: ReferenceClasses, _ members: ReferenceMembers, _ scores: [[PairScore]], round: Int,
    from table: NeighbourTable
  ) throws -> BestReferences {
    let count = classes.images.count
    let rows = source.rows
    // Room for the reference classes that an image is a member of, twice the mean: their scores are too high here.
    let entries = members.lists.reduce(0) { $0 + $1.count }
    let own = 2 * (try comm.allreduce(entries)) / images
    let pairs = rows.partition.range(of: comm.rank).count * count
    let found = try ReferenceComparison(
      classes: classes, posterior: source.posterior, rows: rows, groups: source.images.groups,
      capacity: min(referencesPerImage + own, count), threads: source.context.threads, comm: comm,
      observer: observer, chunk: chunk
    ).run(
      after: round * pairs, parts: checkpoints?.comparison(round: round, from: table),
      isKept: round + 1 == rounds)
    return try observer.communicating {
      try found.replacing(scores, of: members, partition: rows.partition, on: comm)
    }.prefix(min(referencesPerImage, count))
  }

  /// The members that share most reference classes with the reference classes' images, each with the same weight. Collective.
  /// - Parameter known: the scores of those that are members now.
  private func refined(
    _ members: ReferenceMembers, _ known: [[PairScore]], _ classes: ReferenceClasses,
    _ proposal: CandidateProposal, _ work: ReferenceWork
  ) throws -> ReferenceMembers {
    let references = classes.images[members.references]
    let proposed = proposal.candidates(of: references.map { Int($0) })
    let images = references.indices.map { reference in
      let start = (reference - references.startIndex) * proposal.count
      return [references[reference]] + proposed[start..<start + proposal.count].filter { $0 >= 0 }
    }
    let alignments = zip(members.lists, known).map { members, scores in
      Dictionary(zip(members.map(\.image), scores)) { first, _ in first }
    }
    let new = zip(images, alignments).map { images, known in images.filter { known[$0] == nil } }
    let scores = try work.scores(of: new, with: classes, references: members.references)
    return ReferenceMembers(
      references: members.references,
      lists: images.indices.map { at in
        let all = alignments[at].merging(zip(new[at], scores[at])) { known, _ in known }
        return images[at].map { image in
          .init(image: image, weight: 1, alignment: all[image]!.alignment)
        }
      })
  }
}

extension BestReferences {
  /// The lists with the members' own scores for their reference classes in place of those that count them in; entries of
  /// no reference class come last. Collective.
  /// - Parameters:
  ///   - scores: of the members of this rank's reference classes.
  ///   - partition: which rank owns which images.
  func replacing(
    _ scores: [[PairScore]], of members: ReferenceMembers, partition: Partition,
    on comm: Communicator
  ) throws -> BestReferences {
    var own: [(image: Int32, reference: Int32, score: Float)] = []
    for (at, reference) in members.references.enumerated() {
      for (member, score) in zip(members.lists[at], scores[at]) {
        own.append((member.image, Int32(reference), score.affinity))
      }
    }
    own.sort { ($0.image, $0.reference) < ($1.image, $1.reference) }
    var counts = [Int](repeating: 0, count: comm.size)
    for entry in own { counts[partition.owner(of: Int(entry.image))] += 1 }
    let pairs = try comm.alltoallRagged(
      own.map { Int64($0.image) << 32 | Int64($0.reference) }, counts: counts
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
      var list: [(reference: Int32, score: Float)] = correction.map { ($0.key, $0.value) }
      for entry in entries where references[entry] >= 0 && correction[references[entry]] == nil {
        list.append((references[entry], self.scores[entry]))
      }
      list.sort { ($1.score, $0.reference) < ($0.score, $1.reference) }
      for (at, entry) in entries.enumerated() {
        result.references[entry] = at < list.count ? list[at].reference : -1
        result.scores[entry] = at < list.count ? list[at].score : -.infinity
      }
    }
    return result
  }

  /// The first `length` reference classes of each image.
  func prefix(_ length: Int) -> BestReferences {
    var result = BestReferences(images: images, capacity: min(length, capacity))
    for image in images {
      for (to, from) in zip(result.entries(of: image), entries(of: image)) {
        result.references[to] = references[from]
        result.scores[to] = scores[from]
      }
    }
    return result
  }
}
