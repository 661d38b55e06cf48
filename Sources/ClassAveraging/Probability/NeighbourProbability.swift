import Execution
import Foundation

/// The probability that a neighbour is a true one: that the clean images of the pair, best aligned, correlate
/// above 0.9.
///
/// The affinity itself is overconfident, for the classes that it compares share members.
protocol NeighbourProbability {
  /// log (p / (1 - p)); finite.
  func logOdds(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double
}

extension NeighbourProbability {
  /// p, 0 to 1.
  func probability(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    1 / (1 + exp(-logOdds(pair, run)))
  }
}

extension NeighbourFeatureExtraction {
  /// The best neighbours of a table with their probabilities, and with the regressors where they are asked for, on
  /// every rank; NaN where there is no neighbour. Collective.
  /// - Throws: `LAPACKError`, `MPIError`.
  func withProbabilities(
    _ table: NeighbourTable, best: Int, _ probability: any NeighbourProbability,
    keepRegressors: Bool
  ) throws -> NeighbourTable {
    observer.stageBegan(StageName.probabilities, items: 0)
    defer { observer.stageEnded() }
    var result = table.prefix(best)
    let features = try features(of: table, best: result.neighboursPerImage)
    result.probabilities = try everywhere(
      features.pairs.map { pair in
        pair.map { Float(probability.probability($0, features.run)) } ?? .nan
      })
    if keepRegressors {
      let missing = [Float](repeating: .nan, count: ProbabilityFormula.coefficients.count)
      result.regressors = try everywhere(
        features.pairs.flatMap { pair in
          pair.map {
            ProbabilityFormula.regressors($0, features.run).map { Float($0) }
          } ?? missing
        })
    }
    return result
  }

  private func everywhere(_ own: [Float]) throws -> [Float] {
    try observer.communicating { try comm.broadcast(try comm.gatherRagged(own)) }
  }
}
