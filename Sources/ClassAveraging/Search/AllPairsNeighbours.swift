import Execution
import Resume

/// All pairs of images, then of their classes (`ClassRefinements`), then what the classes share (`CoAssignment`).
struct AllPairsNeighbours: NeighbourSearch {
  let affinity: Affinity
  var limits: RefinementLimits
  /// What follows the passes; nil for nothing.
  var coAssignment: CoAssignment?

  /// Candidates that the search keeps beyond the neighbours asked for: its scores are those of a parabola, and
  /// the exact ones may exchange the last few.
  static let margin = 10

  func neighbours(of images: SearchedImages) throws -> FoundNeighbours {
    let found = try afterPasses(
      images.scoring(by: affinity, observer: images.context.observer),
      images.classes(members: limits.members(among: images.count)), images.checkpoints)
    return try coAssignment?.neighbours(after: found, of: images) ?? found
  }

  /// As many passes as there were: by themselves they might stop elsewhere.
  func repeating(_ found: FoundNeighbours) -> any NeighbourSearch {
    var search = self
    search.limits = RefinementLimits(
      neighbours: limits.neighbours, most: 1 + found.reports.count, areAutomatic: false)
    return search
  }

  /// The neighbours after the passes. Collective.
  /// - Parameter classes: of the images that `scoring` compares.
  func afterPasses(
    _ scoring: CandidateScoring, _ classes: ImageClasses, _ checkpoints: Checkpoints?
  ) throws -> FoundNeighbours {
    let kept = affinity.comparesClasses ? classes.rule.members : limits.neighbours
    let start = try checkpoints?.restoredPass(
      images: classes.images.count, neighbours: limits.neighbours)
    let table = try start?.table ?? firstPass(scoring, neighboursPerImage: kept, checkpoints)
    let result = try ClassRefinements(classes: classes, limits: limits, checkpoints: checkpoints)
      .run(table, after: start?.reports ?? [])
    return FoundNeighbours(table: result.table, reports: result.reports, classes: classes)
  }

  /// All pairs of images.
  private func firstPass(
    _ scoring: CandidateScoring, neighboursPerImage kept: Int, _ checkpoints: Checkpoints?
  ) throws -> NeighbourTable {
    let (rows, comm, observer) = (scoring.rows, scoring.comm, scoring.observer)
    observer.stageBegan(StageName.allPairs, items: AllPairsSearch.share(of: rows.partition, comm))
    let found = try AllPairsSearch(
      model: scoring.model, capacity: min(rows.partition.total - 1, kept + Self.margin),
      threads: scoring.threads, comm: comm, observer: observer
    ).run(rows, groups: scoring.groups, checkpoint: checkpoints?.search(pass: 1))
    observer.stageEnded()
    observer.stageBegan(StageName.affinity, items: found.candidates.count / 2)
    let table = try scoring.neighbours(
      of: found.images, candidates: found.candidates, neighboursPerImage: kept)
    try checkpoints?.save(.init(number: 1, table: table, reports: []))
    observer.stageEnded()
    return table
  }
}
