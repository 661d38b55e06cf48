import Execution
import ImageModel

/// All pairs of a sample of the images, then all images with the sample's classes (`ReferenceSearch`), then what
/// classes share (`CoAssignment`).
struct ReferenceNeighbours: NeighbourSearch {
  let affinity: Affinity
  let limits: RefinementLimits
  /// How the sample's classes are found.
  let sample: AllPairsNeighbours
  /// Images in the sample; all where there are fewer.
  let references: Int
  /// Candidates of each image.
  let candidates: Int
  /// What the sample is drawn by.
  let seed: UInt64
  /// What follows the passes; nil for nothing.
  let coAssignment: CoAssignment?

  func neighbours(of images: SearchedImages) throws -> FoundNeighbours {
    let found = try ReferenceSearch(
      source: images.classes(members: limits.members(among: images.count)),
      scoring: images.scoring(by: affinity, observer: images.context.observer), limits: limits,
      checkpoints: images.checkpoints, candidates: min(candidates, images.count - 1)
    ).run { try classes(of: images) }
    let neighbours = FoundNeighbours(
      table: found.table, reports: found.reports, classes: found.classes)
    return try coAssignment?.neighbours(after: neighbours, of: images) ?? neighbours
  }

  /// The classes of a sample of the images, by comparing all pairs of them. Collective.
  private func classes(of images: SearchedImages) throws -> ReferenceClasses {
    let comm = images.context.comm
    let chosen = ReferenceClasses.draw(
      min(max(references, limits.neighbours + 1), images.count), of: images.count, seed: seed)
    let drawn = try ReferenceClasses.sample(
      chosen, of: images.rows, groups: images.groups, on: comm)
    let context = images.stoppable.observed(
      by: PrefixedObserver(StageName.referencePart, images.stoppable.observer))
    let scoring = CandidateScoring(
      model: try PairModel(images.posterior, affinity: sample.affinity), rows: drawn.rows,
      groups: drawn.groups, threads: context.threads, comm: comm, observer: context.observer)
    let source = ImageClasses(
      images: ImageSet(posterior: images.posterior, rows: drawn.rows, groups: drawn.groups),
      rule: ClassRule(members: sample.limits.members(among: chosen.count)), context: context)
    let found = try sample.afterPasses(scoring, source, nil)
    return try ReferenceClasses(
      of: chosen, source, table: found.table, neighbours: sample.limits.neighbours)
  }
}
