import Execution
import Foundation
import ImageModel
import Resume

/// What one class-posterior pass did; reported, and what the passes stop by.
public struct RefinementReport: Sendable, Equatable {
  /// The pass's number; the search among single images is pass 1.
  public let pass: Int
  /// How alike the classes of neighbours are by the evidence of the pairs that the pass starts from.
  public let correlation: Double
  /// Mean of the weights that an image's neighbours have in its class, in all.
  public let weight: Double
  /// Share of the best neighbours that the pass before had as well.
  public let kept: Double
}

/// Re-ranks all pairs by their classes (method E.6): each image's statistic is replaced by that of its class,
/// itself and its aligned neighbours weighted by how probable they are, and classes are compared by the
/// Bayes factor of being alike.
///
/// Sums of statistics make a far better posterior than one image, but naive iteration reinforces its own
/// mistakes. Four things make it converge upwards:
/// - Neighbours are alike, not the same: the Bayes factor compares the hypothesis that two clean images have
///   correlation c in whitened coordinates with independence. c = 1 punishes true neighbours for their
///   differences, and the plain correlation of class averages ignores how uncertain each component is.
/// - c is the one under which the pairs found so far are most probable.
/// - A neighbour enters with half its probability of being one: it is a little off at best.
/// - The passes stop when c comes near 1: by then classes are alike because they share their members.
struct ClassRefinements {
  /// The images, and what makes a class.
  let classes: ImageClasses
  let limits: RefinementLimits
  var checkpoints: Checkpoints?

  /// Finds the best `members` neighbours of each class among some pairs, given the pass's number and the table
  /// of the pass before; nil compares all pairs.
  var searchAmong: ((Int, CoefficientStore, PairModel, NeighbourTable) throws -> NeighbourTable)?

  /// Correlations of this size come from shared members: the last pass.
  private static let sharedMembers = 0.97

  /// The table after the last pass, on every rank. Collective.
  /// - Parameters:
  ///   - start: pass 1: Bayes factors of single images, on every rank; or a later pass.
  ///   - reports: of the passes up to it.
  func run(_ start: NeighbourTable, after reports: [RefinementReport] = []) throws
    -> (table: NeighbourTable, reports: [RefinementReport])
  {
    var table = start
    var reports = reports
    let first = (reports.last?.pass ?? 1) + 1
    for pass in first..<max(first, limits.most + 1) {
      if limits.areAutomatic, let last = reports.last, last.pass >= limits.fewest,
        last.correlation >= Self.sharedMembers
      {
        break
      }
      classes.context.observer.stageBegan(
        StageName.pass(pass),
        items: AllPairsSearch.share(of: classes.rows.partition, classes.context.comm))
      let (statistics, common, weight) = try classes.statistics(of: table)
      let correlation = try classes.likelyCorrelation(
        of: table, statistics, common, neighbours: limits.neighbours)
      let model = try PairModel(
        layout: classes.posterior.layout, information: [common], affinity: .bayes,
        correlation: min(correlation, ClassCorrelation.largest))
      let next =
        try searchAmong?(pass, statistics, model, table)
        ?? search(statistics, model, checkpoint: checkpoints?.search(pass: pass, from: table))
      let kept = try keptShare(table, next)
      reports.append(
        RefinementReport(pass: pass, correlation: correlation, weight: weight, kept: kept))
      table = next
      try checkpoints?.save(
        .init(number: pass, table: table, reports: reports, order: classes.images.order))
      classes.context.observer.stageEnded()
    }
    return (table, reports)
  }

  /// All pairs of classes.
  private func search(
    _ statistics: CoefficientStore, _ model: PairModel, checkpoint: SearchCheckpoint?
  ) throws -> NeighbourTable {
    let (context, members) = (classes.context, classes.rule.members)
    let one = [Int32](repeating: 0, count: classes.images.count)
    let found = try AllPairsSearch(
      model: model, capacity: members, threads: context.threads, comm: context.comm,
      observer: context.observer
    ).run(statistics, groups: one, checkpoint: checkpoint)
    return try CandidateScoring(
      model: model, rows: statistics, groups: one, threads: context.threads, comm: context.comm,
      observer: SilentObserver()
    ).neighbours(of: found.images, candidates: found.candidates, neighboursPerImage: members)
  }

  /// The share of the best neighbours in `new` that were among the best in `old`. Collective.
  private func keptShare(_ old: NeighbourTable, _ new: NeighbourTable) throws -> Double {
    let comm = classes.context.comm
    let count = min(limits.neighbours, old.neighboursPerImage, new.neighboursPerImage)
    var kept = 0
    for image in classes.rows.partition.range(of: comm.rank) {
      let start = image * old.neighboursPerImage
      let before = old.indices[start..<start + count]
      for entry in 0..<count
      where before.contains(new.indices[image * new.neighboursPerImage + entry]) {
        kept += 1
      }
    }
    return Double(try comm.allreduce(kept)) / Double(max(1, count * classes.images.count))
  }
}
