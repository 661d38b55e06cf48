import ImageModel
import LinearAlgebra

/// How alike the classes of neighbours are taken to be: the correlation c of two clean images in whitened
/// coordinates under which the Bayes factor compares them (`PairModel`).
enum ClassCorrelation {
  /// Correlations that are tried.
  static let tried = stride(from: 0.5, through: 0.96, by: 0.02).map { $0 } + [0.98, 0.99]
  /// None larger is used: it comes from shared members.
  static let largest = 0.95
}

extension ImageClasses {
  /// The correlation under which a sample of the pairs found so far is most probable. The same on every
  /// rank. Collective.
  func likelyCorrelation(
    of table: NeighbourTable, _ classes: CoefficientStore, _ common: [Matrix],
    neighbours: Int
  ) throws -> Double {
    let k = table.neighboursPerImage
    let step = max(1, images.count / 500)
    let pairs = stride(from: 0, to: images.count, by: step).flatMap { image in
      (image * k..<image * k + min(neighbours, k)).compactMap { entry in
        table.indices[entry] < 0 ? nil : (Int32(image), table.indices[entry])
      }
    }
    let paired = Set(pairs.flatMap { [$0.0, $0.1] }).sorted()
    let fetched = try context.observer.communicating { try classes.fetch(paired) }
    var place: [Int32: Int] = [:]
    for (at, image) in paired.enumerated() { place[image] = at }
    // The ranks share the correlations, not the pairs: sums in one order whatever their number.
    let mine = stride(
      from: context.comm.rank, to: ClassCorrelation.tried.count, by: context.comm.size)
    let own = try mine.map { at -> Double in
      let correlation = ClassCorrelation.tried[at]
      let model = try PairModel(
        layout: posterior.layout, information: [common], affinity: .bayes, correlation: correlation)
      let scorer = PairScorer(model: model)
      var weighted = [Float](repeating: 0, count: rows.width)
      var sum = 0.0
      fetched.withRows { rows in
        let selfTerms = paired.map { model.selfTerms(of: rows[$0], group: 0)[0] }
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
    let gathered = try context.comm.allgatherRagged(own)
    var evidence = [Double](repeating: 0, count: ClassCorrelation.tried.count)
    var next = 0
    for rank in 0..<context.comm.size {
      for at in stride(from: rank, to: evidence.count, by: context.comm.size) {
        evidence[at] = gathered[next]
        next += 1
      }
    }
    let best = evidence.indices.max { (evidence[$0], -$0) < (evidence[$1], -$1) }!
    return ClassCorrelation.tried[best]
  }
}
