import Foundation

/// The probability of a neighbour by a formula fitted once, to what carries over from one set of particles to
/// another: the correlation rho that the posteriors of the two classes let expect, how uncertain they are, and
/// whether the run's classes hold more energy than the prior leaves for them, which is noise that was aligned.
///
///     logit p = c . (1, g, log e, log E, w log E, w),   g = -log(1 - rho)
///
/// with rho and e of `NeighbourFeatures.Pair`, E and w of `NeighbourFeatures.Run`. Neither an option nor
/// the SNR enters.
///
/// The coefficients come from one logistic regression (ridge 0.002 of the standardised regressors, every
/// run the same weight) on the lists of 250 to 300 images of each of 57 runs, with passes and without, on
/// simulated sets: 12 maps, SNR 1/20 to 1/200, 2,000 to 10,000 images; a pair is true as `kindred evaluate`
/// counts it. The regressors were chosen on the same runs. A run writes them where `keepsPairFeatures` is set.
struct ProbabilityFormula: NeighbourProbability {
  /// c.
  static let coefficients = [-4.469, 1.932, -0.189, 4.826, -16.109, -0.667]

  /// What the coefficients multiply.
  static func regressors(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> [Double] {
    // Far beyond what occurs; nothing that a map or noise can do makes the sum infinite.
    let excess = log(min(max(run.energyRatio, 0.5), 3))
    return [
      1, pair.logCorrelation, pair.logError, excess, run.weight * excess, run.weight,
    ]
  }

  func logOdds(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    zip(Self.coefficients, Self.regressors(pair, run)).reduce(0) { $0 + $1.0 * $1.1 }
  }
}

extension NeighbourFeatures.Pair {
  /// g = -log(1 - rho); bounded.
  var logCorrelation: Double { -log(max(1 - correlation, 1e-4)) }
  /// log e; bounded.
  var logError: Double { log(min(max(error, 1e-4), 1e4)) }
}
