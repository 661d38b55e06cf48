import Execution
import Foundation
import ImageModel
import LinearAlgebra
import MPI
import Resume

/// What one class-posterior pass did; reported, and what the passes stop by.
public struct PassReport: Sendable, Equatable {
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
struct ClassPasses {
  let posterior: PosteriorModel
  var rows: DistributedRows
  var groups: [Int32]
  /// The order that the images are in; nil for that of the file.
  var order: ViewOrder?
  /// Neighbours in the lists that passes hand on, and in a class.
  let members: Int
  /// Neighbours that the caller asks for in the end: `kept` is about them.
  let neighbours: Int
  /// No more passes than these, the first search included.
  let limit: Int
  /// Whether the passes stop by themselves.
  let isAutomatic: Bool
  let threads: Int
  let comm: Communicator
  var observer: any StageObserver
  var checkpoints: Checkpoints?

  /// Finds the best `members` neighbours of each class among some pairs, given the pass's number and the table
  /// of the pass before; nil compares all pairs.
  var searchAmong: ((Int, DistributedRows, PairModel, NeighbourTable) throws -> NeighbourTable)?

  /// Whether the affinities that neighbours are weighed by are those of shared landmarks (`SharedLandmarks`), for
  /// which no alignment was chosen.
  var followsSharedLandmarks = false

  /// The first pass that may be the last one where the passes stop by themselves.
  var fewest = 2

  /// Correlations that are tried.
  private static let correlations =
    stride(from: 0.5, through: 0.96, by: 0.02).map { $0 } + [0.98, 0.99]
  /// Correlations of this size come from shared members: the last pass. None larger is used.
  private static let sharedMembers = 0.97
  static let largestCorrelation = 0.95

  /// The table after the last pass, on every rank. Collective.
  /// - Parameters:
  ///   - start: pass 1: Bayes factors of single images, on every rank; or a later pass.
  ///   - reports: of the passes up to it.
  func run(_ start: NeighbourTable, after reports: [PassReport] = []) throws
    -> (table: NeighbourTable, reports: [PassReport])
  {
    var table = start
    var reports = reports
    let first = (reports.last?.pass ?? 1) + 1
    for pass in first..<max(first, limit + 1) {
      if isAutomatic, let last = reports.last, last.pass >= fewest,
        last.correlation >= Self.sharedMembers
      {
        break
      }
      observer.stageBegan("pass \(pass)", items: AllPairsSearch.share(of: rows.partition, comm))
      let (classes, common, weight) = try classStatistics(table)
      let correlation = try likelyCorrelation(classes, common, table)
      let model = try PairModel(
        layout: posterior.layout, information: [common], affinity: .bayes,
        correlation: min(correlation, Self.largestCorrelation))
      let next =
        try searchAmong?(pass, classes, model, table)
        ?? search(classes, model, checkpoint: checkpoints?.search(pass: pass, from: table))
      let kept = try keptShare(table, next)
      reports.append(
        PassReport(pass: pass, correlation: correlation, weight: weight, kept: kept))
      table = next
      try checkpoints?.save(.init(number: pass, table: table, reports: reports, order: order))
      observer.stageEnded()
    }
    return (table, reports)
  }

  /// F of a class whose members weigh `weight` in all: the mean over the groups. Classes draw their members
  /// from all groups, so one serves for all.
  func information(weight: Double) -> [Matrix] {
    var counts = [Int](repeating: 0, count: posterior.groupCount)
    for group in groups { counts[Int(group)] += 1 }
    return (0..<posterior.layout.blockCount).map { block in
      let r = posterior.layout.components(ofBlock: block).count
      var sum = Matrix(rows: r, columns: r)
      for (group, count) in counts.enumerated() {
        sum += (weight * Double(count) / Double(groups.count)) * posterior.information[group][block]
      }
      return sum
    }
  }

  /// The prior log odds against a pair: few of all images are neighbours, and of many rotations and two
  /// reflections the best is taken.
  var priorLogOdds: Double {
    let alignments = 2 * Double(1 + (posterior.layout.frequencies.last ?? 0))
    return log(Double(max(1, groups.count - 1)) / Double(members))
      + (followsSharedLandmarks ? 0 : log(alignments))
  }

  /// The classes' statistics as if all had the same information: (I + F) alpha_class, distributed like the
  /// images; F; and the mean weight of the neighbours in a class.
  func classStatistics(_ table: NeighbourTable) throws -> (
    rows: DistributedRows, information: [Matrix], weight: Double
  ) {
    let own = rows.partition.range(of: comm.rank)
    let k = table.neighboursPerImage
    let neighbourWeights = NeighbourWeights(self)
    let firstEntry = own.lowerBound * k
    let weights = (firstEntry..<own.upperBound * k).map { entry in
      table.indices[entry] < 0
        ? 0 : neighbourWeights.weight(ofAffinity: table.affinities[entry])
    }
    var sum = FixedPointSum(
      count: 1, bound: Double(members) * NeighbourWeights.sureness, terms: groups.count)
    for start in stride(from: 0, to: weights.count, by: k) {
      sum.add([weights[start..<start + min(members, k)].reduce(0, +)])
    }
    let mean = try sum.reduced(over: comm)[0] / Double(groups.count)
    let common = information(weight: 1 + mean)
    let classes = ClassMeans(
      posterior: posterior, rows: rows, groups: groups, threads: threads, observer: observer)
    let chunk = rows.chunk(neighbours: members)
    let rounds = (rows.partition.range(of: 0).count + chunk - 1) / chunk
    let classRows = try DistributedRows(
      layout: posterior.layout, partition: rows.partition, on: comm
    ) { target in
      for round in 0..<rounds {
        let start = min(own.lowerBound + round * chunk, own.upperBound)
        let part = start..<min(start + chunk, own.upperBound)
        var means = try classes.means(of: part, table, members: members) {
          weights[$0 - firstEntry]
        }
        for at in 0..<part.count { restate(&means, row: at, under: common) }
        (target + (start - own.lowerBound) * rows.width).update(from: means, count: means.count)
      }
    }
    return (classRows, common, mean)
  }

  /// alpha -> (I + F) alpha.
  func restate(_ values: inout [Float], row: Int, under common: [Matrix]) {
    for block in 0..<posterior.layout.blockCount {
      let components = posterior.layout.components(ofBlock: block)
      let start = row * rows.width + 2 * components.lowerBound
      let old = values[start..<start + 2 * components.count].map { Double($0) }
      for i in 0..<components.count {
        for part in 0..<2 {
          var sum = old[2 * i + part]
          for j in 0..<components.count { sum += common[block][i, j] * old[2 * j + part] }
          values[start + 2 * i + part] = Float(sum)
        }
      }
    }
  }

  /// The correlation under which a sample of the pairs found so far is most probable. The same on every
  /// rank. Collective.
  func likelyCorrelation(
    _ classes: DistributedRows, _ common: [Matrix], _ table: NeighbourTable
  ) throws -> Double {
    let k = table.neighboursPerImage
    let step = max(1, groups.count / 500)
    let pairs = stride(from: 0, to: groups.count, by: step).flatMap { image in
      (image * k..<image * k + min(neighbours, k)).compactMap { entry in
        table.indices[entry] < 0 ? nil : (Int32(image), table.indices[entry])
      }
    }
    let images = Set(pairs.flatMap { [$0.0, $0.1] }).sorted()
    let fetched = try observer.communicating { try classes.fetch(images) }
    var place: [Int32: Int] = [:]
    for (at, image) in images.enumerated() { place[image] = at }
    // The ranks share the correlations, not the pairs: sums in one order whatever their number.
    let mine = stride(from: comm.rank, to: Self.correlations.count, by: comm.size)
    let own = try mine.map { at -> Double in
      let correlation = Self.correlations[at]
      let model = try PairModel(
        layout: posterior.layout, information: [common], affinity: .bayes, correlation: correlation)
      let scorer = PairScorer(model: model)
      var weighted = [Float](repeating: 0, count: rows.width)
      var sum = 0.0
      fetched.withRows { rows in
        let selfTerms = images.map { model.selfTerms(of: rows[$0], group: 0)[0] }
        for (first, second) in pairs {
          let (i, j) = (place[first]!, place[second]!)
          model.weighted(rows[first], groups: 0, 0, into: &weighted)
          scorer.add(
            weighted: weighted, second: rows[second],
            offset: model.constants[0] + selfTerms[i] + selfTerms[j])
          if scorer.isFull { scorer.flush { _, score in sum += Double(score.affinity) } }
        }
      }
      scorer.flush { _, score in sum += Double(score.affinity) }
      return sum
    }
    let gathered = try comm.allgatherRagged(own)
    var evidence = [Double](repeating: 0, count: Self.correlations.count)
    var next = 0
    for rank in 0..<comm.size {
      for at in stride(from: rank, to: evidence.count, by: comm.size) {
        evidence[at] = gathered[next]
        next += 1
      }
    }
    let best = evidence.indices.max { (evidence[$0], -$0) < (evidence[$1], -$1) }!
    return Self.correlations[best]
  }

  /// All pairs of classes.
  private func search(
    _ classes: DistributedRows, _ model: PairModel, checkpoint: SearchCheckpoint?
  ) throws -> NeighbourTable {
    let one = [Int32](repeating: 0, count: groups.count)
    let found = try AllPairsSearch(
      model: model, capacity: members, threads: threads, comm: comm, observer: observer
    ).run(classes, groups: one, checkpoint: checkpoint)
    return try SuspectScoring(
      model: model, rows: classes, groups: one, threads: threads, comm: comm,
      observer: SilentObserver()
    ).neighbours(of: found.images, suspects: found.suspects, neighboursPerImage: members)
  }

  /// The share of the best neighbours in `new` that were among the best in `old`. Collective.
  private func keptShare(_ old: NeighbourTable, _ new: NeighbourTable) throws -> Double {
    let count = min(neighbours, old.neighboursPerImage, new.neighboursPerImage)
    var kept = 0
    for image in rows.partition.range(of: comm.rank) {
      let start = image * old.neighboursPerImage
      let before = old.indices[start..<start + count]
      for entry in 0..<count
      where before.contains(new.indices[image * new.neighboursPerImage + entry]) {
        kept += 1
      }
    }
    return Double(try comm.allreduce(kept)) / Double(max(1, count * groups.count))
  }
}
