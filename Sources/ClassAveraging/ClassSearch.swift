import MPI

/// The search over all pairs, first of images, then of their classes.
struct ClassSearch {
  var posterior: PosteriorModel
  var rows: DistributedRows
  /// The defocus group of every image, on every rank.
  let groups: [Int32]
  /// Neighbours of each image that the caller asks for.
  let neighbours: Int
  /// No more passes than these, the first search included.
  var limit: Int
  /// Whether the passes stop by themselves.
  var isAutomatic: Bool
  let affinity: Affinity
  let threads: Int
  let comm: Communicator
  var observer: any StageObserver

  /// Candidates that the all-pairs search keeps beyond the neighbours asked for: its scores are those of
  /// a parabola, and the exact ones may exchange the last few.
  private static let margin = 10

  /// Neighbours in a class, and in the table that is found by the Bayes factor.
  var members: Int { ClassPasses.members(images: groups.count, neighbours: neighbours) }

  /// The neighbours, on every rank: a class's members by the Bayes factor, those asked for by another
  /// affinity. Collective.
  func run(_ pairModel: PairModel) throws -> (table: NeighbourTable, reports: [PassReport]) {
    let kept = affinity == .bayes ? members : neighbours
    observer.stageBegan("all pairs", items: AllPairsSearch.share(of: rows.partition, comm))
    let found = try AllPairsSearch(
      model: pairModel, capacity: min(groups.count - 1, kept + Self.margin), threads: threads,
      comm: comm, observer: observer
    ).run(rows, groups: groups)
    observer.stageEnded()
    observer.stageBegan("affinity", items: found.suspects.count / 2)
    let ranked = try SuspectScoring(
      model: pairModel, rows: rows, groups: groups, threads: threads, comm: comm,
      observer: observer
    ).neighbours(of: found.images, suspects: found.suspects, neighboursPerImage: kept)
    let start = try observer.communicating { try ranked.broadcast(on: comm) }
    observer.stageEnded()
    return try ClassPasses(
      posterior: posterior, rows: rows, groups: groups, members: members, neighbours: neighbours,
      limit: limit, isAutomatic: isAutomatic, threads: threads, comm: comm, observer: observer
    ).run(start)
  }
}
