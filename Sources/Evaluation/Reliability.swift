/// The pairs of one decile of predicted probability: what a reliability curve is drawn from.
public struct ReliabilityBin: Codable, Sendable, Equatable {
  /// 0 for probabilities below 0.1, to 9 for those from 0.9 on.
  public var decile: Int
  /// How many pairs there are.
  public var pairs: Int
  /// The mean of their probabilities.
  public var meanProbability: Double
  /// The part of them whose clean images correlate above 0.9.
  public var trueShare: Double

  package enum CodingKeys: String, CodingKey {
    case decile, pairs
    case meanProbability = "mean_probability"
    case trueShare = "true_share"
  }

  /// The deciles that hold pairs, ascending; nil without probabilities.
  /// - Parameters:
  ///   - probabilities: one for each pair.
  ///   - correlations: of the pairs' clean images.
  package static func bins(_ probabilities: [Float], _ correlations: [Float]) -> [ReliabilityBin]? {
    if probabilities.isEmpty { return nil }
    precondition(probabilities.count == correlations.count)
    var sums = [(pairs: Int, probability: Double, true: Int)](repeating: (0, 0, 0), count: 10)
    for (probability, correlation) in zip(probabilities, correlations) where probability.isFinite {
      let decile = min(9, max(0, Int(probability * 10)))
      sums[decile].pairs += 1
      sums[decile].probability += Double(probability)
      if correlation > EvaluationSummary.correlationBar { sums[decile].true += 1 }
    }
    return sums.enumerated().filter { $0.element.pairs > 0 }.map { decile, sum in
      ReliabilityBin(
        decile: decile, pairs: sum.pairs, meanProbability: sum.probability / Double(sum.pairs),
        trueShare: Double(sum.true) / Double(sum.pairs))
    }
  }
}
