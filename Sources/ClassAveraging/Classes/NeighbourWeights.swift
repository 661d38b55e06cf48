import Foundation

/// How much a neighbour counts in a class, by the affinity of the Bayes factor: half its probability of being
/// alike, for a neighbour is a little off at best.
struct NeighbourWeights {
  private let priorLogOdds: Double

  init(_ rule: ClassRule, among images: ImageSet) {
    priorLogOdds = rule.priorLogOdds(among: images)
  }

  /// What a neighbour weighs that is surely one.
  static let maximumWeight = 0.5

  /// Of being alike, 0 to 1.
  func probability(ofAffinity affinity: Float) -> Double {
    1 / (1 + exp(priorLogOdds - Double(affinity)))
  }

  /// 0 to `maximumWeight`.
  func weight(ofAffinity affinity: Float) -> Double {
    Self.maximumWeight * probability(ofAffinity: affinity)
  }
}
