import Foundation

/// How much a neighbour counts in a class, by the affinity of the Bayes factor: half its probability of being
/// alike, for a neighbour is a little off at best.
struct NeighbourWeights {
  /// A neighbour's weight in a class, if it is surely one.
  static let sureness = 0.5

  /// The log odds against a pair: few of all images are neighbours, and of many rotations and two
  /// reflections the best is taken.
  let priorLogOdds: Double

  /// - Parameter members: neighbours in a class.
  init(layout: AngularLayout, images: Int, members: Int) {
    let alignments = 2 * Double(1 + (layout.frequencies.last ?? 0))
    priorLogOdds = log(Double(max(1, images - 1)) / Double(members)) + log(alignments)
  }

  /// 0 to `sureness`.
  func weight(ofAffinity affinity: Float) -> Double {
    Self.sureness / (1 + exp(priorLogOdds - Double(affinity)))
  }
}
