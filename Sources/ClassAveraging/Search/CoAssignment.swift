import Execution
import ImageModel
import Volumes

/// The neighbours in the end, after those of the passes: by classes that images share (`CoAssignmentRounds`), then by
/// projections of a volume as well (`ProjectionReferences`).
struct CoAssignment {
  /// Rounds of co-assignment, at least one.
  let rounds: Int
  /// Reference classes of a round; all images where there are fewer.
  let references: Int
  /// Slices of the volume; 0 for none.
  let slices: Int
  /// What reference classes are drawn by, and the volume begins with.
  let seed: UInt64

  /// Rounds before projections where nobody asks for others: the second finds 2.5 % more at SNR 1/100 and as many at 1/40.
  static let rounds = 2

  /// Collective.
  /// - Parameter found: by the passes.
  func neighbours(after found: FoundNeighbours, of images: SearchedImages) throws
    -> FoundNeighbours
  {
    guard var source = found.classes else { return found }
    let classes = try CoAssignmentRounds(
      source: source, checkpoints: images.checkpoints, seed: seed, references: references,
      rounds: rounds
    ).run(found.table, isKept: slices > 0)
    source.rule.evidence = .coAssignment
    var result = FoundNeighbours(table: classes.table, reports: found.reports, classes: source)
    if slices == 0 { return result }
    let particle = try images.matchedParticle(to: result, seed: seed)
    result.particle = particle
    if let volume = particle.volume {
      result.table = try ProjectionReferences(
        source: source, checkpoints: images.checkpoints, volume: volume, radial: particle.radial,
        count: slices, seed: seed
      ).run(classes.table, sharing: classes.sharing)
    }
    return result
  }
}

extension SearchedImages {
  /// The volume whose projections are like the class averages of the neighbours found. Collective.
  func matchedParticle(to found: FoundNeighbours, seed: UInt64) throws -> VolumeEstimate {
    let context = stoppable
    let source =
      (found.classes ?? classes(members: found.table.neighboursPerImage))
      .observed(by: context.observer)
    context.observer.stageBegan(StageName.volume, items: MatchingSize.rounds)
    defer { context.observer.stageEnded() }
    var known: SimulatedVolume?
    let particle = try VolumeEstimate(
      like: model.estimate, basis: model.basis,
      known: { degree, rank in
        known = try checkpoints?.restoredVolume(from: found.table, degree: degree, rank: rank)
        return known
      }, seed: seed, threads: context.threads, on: context.comm, observer: context.observer
    ) {
      try NeighbourFeatureExtraction(basis: model.basis, source: source)
        .classAverages(of: found.table, count: MatchingSize.images)
    }
    if known == nil, let volume = particle.volume {
      try checkpoints?.save(volume, from: found.table)
    }
    return particle
  }
}
