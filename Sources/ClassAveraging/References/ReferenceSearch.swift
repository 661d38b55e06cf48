import Execution
import Foundation
import ImageModel
import MPI
import Resume

/// Neighbours without comparing all pairs of images; work grows linearly with their number.
///
/// All images are compared exactly with reference classes, whose members are then drawn anew from
/// all images. Images that share reference classes are candidates, and compared exactly themselves. Passes among
/// classes follow (`ClassRefinements`), whose candidates are the neighbours and the neighbours of neighbours. All that
/// follows the reference classes goes by a locality order (`LocalityOrder`), in which an image's candidates are near it.
struct ReferenceSearch {
  /// All images in the order of the file, and what makes a class.
  let source: ImageClasses
  /// How candidates are compared, and what of them.
  let scoring: CandidateScoring
  /// How many passes follow.
  let limits: RefinementLimits
  let checkpoints: Checkpoints?
  /// S, candidates of each image.
  let candidates: Int
  /// L, reference classes of each image that candidates are found by.
  var referencesPerImage = 40
  /// How often the reference classes' members are drawn from all images.
  var refinements = 2
  /// Images compared with reference classes at a time by one thread.
  var chunk = ClassSize.comparedAtATime
  /// Pairs of candidates scored at a time: a block of work as well.
  var batch = ClassSize.candidatesAtATime

  /// What Bayes factors of reference classes are divided by (`BestReferences.probabilities`).
  private static let temperature: Float = 3
  /// Images that a reference class proposes, for each candidate.
  private static let proposals = 10
  /// Neighbours of each image through which the passes find candidates.
  private static let links = 20

  private var comm: Communicator { scoring.comm }
  private var observer: any StageObserver { scoring.observer }
  private var threads: Int { scoring.threads }
  private var statistics: CoefficientStore { source.rows }
  private var images: Int { scoring.groups.count }

  /// Collective.
  /// - Parameter classes: makes those of a sample of the images; not called where later ones or a pass were
  ///   saved.
  /// - Returns: the neighbours of the last pass, `rule.members` of each image or, with one pass, those asked for, on
  ///   every rank, all images by their positions in a locality order; and the images, which are in it.
  /// - Throws: `Interruption`, on all ranks, where the run was asked to stop.
  func run(_ classes: () throws -> ReferenceClasses) throws -> (
    table: NeighbourTable, reports: [RefinementReport], classes: ImageClasses
  ) {
    if let start = try checkpoints?.restoredPass(
      images: images, neighbours: limits.neighbours), let order = start.order
    {
      return try followed(start, order, try scoring.moved(to: order))
    }
    let (first, order, scoring) = try firstNeighbours(classes)
    return try followed(first, order, scoring)
  }

  /// The passes that follow one.
  /// - Parameter scoring: of images in this order.
  private func followed(
    _ start: Checkpoints.Pass, _ order: LocalityOrder, _ scoring: CandidateScoring
  ) throws -> (table: NeighbourTable, reports: [RefinementReport], classes: ImageClasses) {
    let ordered = ImageClasses(
      images: ImageSet(
        posterior: source.posterior, rows: scoring.rows, groups: scoring.groups, order: order),
      rule: source.rule, context: source.context)
    // The first classes share their members because they share their candidates.
    var limits = limits
    limits.fewest = 3
    var passes = ClassRefinements(classes: ordered, limits: limits, checkpoints: checkpoints)
    passes.searchAmong = { pass, classes, model, before in
      let weights = ordered.weights
      let proposal = try CandidateProposal(
        among: before, longest: Self.links, count: candidates, threads: threads, on: comm
      ) { weights.probability(ofAffinity: before.affinities[$0]) }
      return try CandidateScoring(
        model: model, rows: classes, groups: .init(repeating: 0, count: images),
        threads: threads, comm: comm, observer: observer
      ).best(
        of: proposal, neighboursPerImage: source.rule.members, batch: batch,
        parts: checkpoints?.candidates(pass: pass, from: before, in: order))
    }
    let result = try passes.run(start.table, after: start.reports)
    return (result.table, result.reports, ordered)
  }

  /// The neighbours among the candidates that share reference classes.
  private func firstNeighbours(_ sample: () throws -> ReferenceClasses) throws -> (
    Checkpoints.Pass, LocalityOrder, CandidateScoring
  ) {
    let (classes, best) = try bestReferences(sample)
    observer.stageBegan(StageName.candidates, items: best.images.count * candidates)
    let order = try observer.communicating {
      try LocalityOrder(by: best, references: classes.images.count, on: comm)
    }
    let scoring = try scoring.moved(to: order)
    let found = try observer.communicating {
      try best.moved(to: order, statistics.partition, on: comm)
    }
    let kept = limits.most > 1 ? source.rule.members : limits.neighbours
    let proposal = try CandidateProposal(
      sharing: found.probabilities(temperature: Self.temperature), references: classes.images.count,
      longest: Self.proposals * candidates, count: candidates, images: images, threads: threads,
      on: comm)
    let table = try scoring.best(
      of: proposal, neighboursPerImage: kept, batch: batch,
      parts: checkpoints?.candidates(pass: 1, of: classes.checksum, in: order))
    let pass = Checkpoints.Pass(number: 1, table: table, reports: [], order: order)
    try checkpoints?.save(pass)
    observer.stageEnded()
    return (pass, order, scoring)
  }

  /// The reference classes, and those that each of this rank's images is most like.
  private func bestReferences(_ sample: () throws -> ReferenceClasses) throws -> (
    ReferenceClasses, BestReferences
  ) {
    let saved = try checkpoints?.restoredReferences(
      images: images, layout: source.posterior.layout, refinements: refinements)
    var classes = try saved?.classes ?? sample()
    if saved == nil { try checkpoints?.save(classes, refinements: 0) }
    let pairs = statistics.partition.range(of: comm.rank).count * classes.images.count
    observer.stageBegan(StageName.referenceClasses, items: (refinements + 1) * pairs)
    var round = saved?.refinements ?? 0
    while true {
      let isLast = round >= refinements
      let found = try ReferenceComparison(
        classes: classes, posterior: source.posterior, rows: statistics, groups: scoring.groups,
        capacity: min(referencesPerImage, classes.images.count), threads: threads, comm: comm,
        observer: observer, chunk: chunk
      ).run(
        after: round * pairs, parts: checkpoints?.comparison(with: classes, refinements: round),
        isKept: isLast)
      if isLast {
        observer.stageEnded()
        return (classes, found)
      }
      classes = try ReferenceRefinement(source: source, rows: statistics).run(classes, found)
      round += 1
      try checkpoints?.save(classes, refinements: round)
    }
  }
}
