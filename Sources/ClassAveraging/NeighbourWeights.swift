import Foundation

/// How much a neighbour counts in a class, by the affinity of the Bayes factor: half its probability of being
/// alike, for a neighbour is a little off at best.
struct NeighbourWeights {
  private let priorLogOdds: Double

  init(_ passes: ClassPasses) { priorLogOdds = passes.priorLogOdds }

  /// What a neighbour weighs that is surely one.
  static var sureness: Double { ClassPasses.surenessWeight }

  /// 0 to `sureness`.
  func weight(ofAffinity affinity: Float) -> Double {
    Self.sureness / (1 + exp(priorLogOdds - Double(affinity)))
  }
}
