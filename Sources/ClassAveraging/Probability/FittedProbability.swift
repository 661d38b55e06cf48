import Foundation

/// The probability of a neighbour by a quadratic function of what is known of the pair, fitted to neighbours whose
/// truth is known (`ProbabilityCalibration`):
///
///     logit p = h(c . (1, x_i, x_i x_j)),   x = (g, log e, a),   g = -log(1 - rho)
///
/// with rho, e and the affinity a of `NeighbourFeatures.Pair`; h is what such log odds are worth among the same
/// neighbours (`IsotonicCalibration`), for no quadratic function has the shape of the truth.
struct FittedProbability: NeighbourProbability {
  /// What x was among the neighbours that it was fitted to: beyond that the function says nothing, and x is brought
  /// there.
  private let least: SIMD3<Double>
  private let most: SIMD3<Double>
  private let regression: LogisticRegression
  private let calibration: IsotonicCalibration

  /// - Parameters:
  ///   - known: x of each neighbour.
  ///   - isTrue: which of them are true ones.
  /// - Throws: `LAPACKError`.
  init(_ known: [SIMD3<Double>], isTrue: [Bool]) throws {
    var least = SIMD3(repeating: Double.infinity)
    var most = -least
    for x in known {
      for i in 0..<3 where x[i].isFinite {
        least[i] = min(least[i], x[i])
        most[i] = max(most[i], x[i])
      }
    }
    least.replace(with: 0, where: least .== .infinity)
    most.replace(with: 0, where: most .== -.infinity)
    (self.least, self.most) = (least, most)
    let regressors = known.map { Self.regressors($0.clamped(lowerBound: least, upperBound: most)) }
    let regression = try LogisticRegression(regressors, isTrue: isTrue, width: 9)
    calibration = IsotonicCalibration(regressors.map { regression.logOdds($0) }, isTrue: isTrue)
    self.regression = regression
  }

  /// x.
  static func variables(_ pair: NeighbourFeatures.Pair) -> SIMD3<Double> {
    [pair.logCorrelation, pair.logError, Double(pair.affinity)]
  }

  func logOdds(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    let x = Self.variables(pair).clamped(lowerBound: least, upperBound: most)
    return calibration(regression.logOdds(Self.regressors(x)))
  }

  /// 1, x_i and x_i x_j.
  private static func regressors(_ x: SIMD3<Double>) -> LogisticRegression.Row {
    let (g, e, a) = (x.x, x.y, x.z)
    return [1, g, e, a, g * g, g * e, g * a, e * e, e * a, a * a, 0, 0, 0, 0, 0, 0]
  }
}
