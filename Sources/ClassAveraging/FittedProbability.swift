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
  private let ranges: [ClosedRange<Double>]
  private let regression: LogisticRegression
  private let calibration: IsotonicCalibration

  /// - Parameters:
  ///   - known: x of each neighbour.
  ///   - isTrue: which of them are true ones.
  /// - Throws: `LAPACKError`.
  init(_ known: [[Double]], isTrue: [Bool]) throws {
    let ranges = (0..<3).map { i in
      let values = known.lazy.map { $0[i] }.filter(\.isFinite)
      return (values.min() ?? 0)...(values.max() ?? 0)
    }
    self.ranges = ranges
    let regressors = known.map { Self.regressors($0, within: ranges) }
    let regression = try LogisticRegression(regressors, isTrue: isTrue, width: 9)
    calibration = IsotonicCalibration(regressors.map { regression.logOdds($0) }, isTrue: isTrue)
    self.regression = regression
  }

  /// x.
  static func variables(_ pair: NeighbourFeatures.Pair) -> [Double] {
    [pair.logCorrelation, pair.logError, Double(pair.affinity)]
  }

  func logOdds(_ pair: NeighbourFeatures.Pair, _ run: NeighbourFeatures.Run) -> Double {
    calibration(regression.logOdds(Self.regressors(Self.variables(pair), within: ranges)))
  }

  /// x_i and x_i x_j.
  private static func regressors(_ x: [Double], within ranges: [ClosedRange<Double>]) -> [Double] {
    let x = zip(x, ranges).map { min(max($0, $1.lowerBound), $1.upperBound) }
    return x + x.indices.flatMap { i in x[i...].map { x[i] * $0 } }
  }
}
