import Foundation

/// The probability that a neighbour is a true one: that the clean images of the pair, best aligned, correlate
/// above 0.9.
///
/// The affinity itself is overconfident, for the classes that it compares share members. The logistic
/// model here goes by what carries over from one set of particles to another: the correlation rho that
/// the posteriors of the two classes let expect, how uncertain they are, and whether the run's classes
/// hold more energy than the prior leaves for them, which is noise that was aligned.
///
///     logit p = c . (1, g, log e, log E, w log E, w),   g = -log(1 - rho)
///
/// with rho and e of `NeighbourFeatures.Pair`, E and w of `NeighbourFeatures.Run`. Neither an option nor
/// the SNR enters.
///
/// The coefficients come from one logistic regression (ridge 0.002 of the standardised regressors, every
/// run the same weight) on the lists of 250 to 300 images of each of 57 runs, with passes and without, on
/// simulated sets: 12 maps, SNR 1/20 to 1/200, 2,000 to 10,000 images; a pair is true as `kindred evaluate`
/// counts it. The regressors were chosen on the same runs. `average --pair-features` writes them.
struct NeighbourProbability {
  /// The log odds are offset + slope x formula (`ProbabilityCalibration`).
  var offset = 0.0
  var slope = 1.0

  /// c.
  static let coefficients = [-4.469, 1.932, -0.189, 4.826, -16.109, -0.667]

  /// What the coefficients multiply.
  static func regressors(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> [Double] {
    // Far beyond what occurs; nothing that a map or noise can do makes the sum infinite.
    let excess = log(min(max(run.energyRatio, 0.5), 3))
    return [
      1, -log(max(1 - pair.correlation, 1e-4)), log(min(max(pair.error, 1e-4), 1e4)), excess,
      run.weight * excess, run.weight,
    ]
  }

  /// The log odds of the formula.
  static func formula(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    zip(coefficients, regressors(pair, run)).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// p, 0 to 1.
  func probability(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    1 / (1 + exp(-(offset + slope * Self.formula(pair, run))))
  }
}

extension NeighbourFeatureExtraction {
  /// The best neighbours of a table with their probabilities, and with the regressors where they are asked for, on
  /// every rank; NaN where there is no neighbour. Collective.
  /// - Throws: `LAPACKError`, `MPIError`.
  func withProbabilities(
    _ table: NeighbourTable, best: Int, _ probability: NeighbourProbability, keepRegressors: Bool
  ) throws -> NeighbourTable {
    observer.stageBegan("probabilities", items: 0)
    defer { observer.stageEnded() }
    var result = table.prefix(best)
    let features = try features(of: table, best: result.neighboursPerImage)
    result.probabilities = try everywhere(
      features.pairs.map { pair in
        pair.map { Float(probability.probability($0, features.run)) } ?? .nan
      })
    if keepRegressors {
      let missing = [Float](repeating: .nan, count: NeighbourProbability.coefficients.count)
      result.regressors = try everywhere(
        features.pairs.flatMap { pair in
          pair.map {
            NeighbourProbability.regressors($0, features.run).map { Float($0) }
          } ?? missing
        })
    }
    return result
  }

  private func everywhere(_ own: [Float]) throws -> [Float] {
    try observer.communicating { try comm.broadcast(try comm.gatherRagged(own)) }
  }
}
