import Foundation
import LinearAlgebra

/// How probable something is by a linear function of regressors, fitted to cases whose outcome is known:
/// log (p / (1 - p)) = c . (1, r), with r less its mean over its standard deviation.
struct LogisticRegression {
  /// A case: 1 in front of its regressors, then zeros.
  typealias Row = SIMD16<Double>

  /// c, then zeros.
  let coefficients: Row
  private let means: Row
  private let deviations: Row

  /// Half of each coefficient's square counts against it: finite where all outcomes are the same, and p = 1/2
  /// without any.
  private static let prior = 1.0

  /// The coefficients under which the outcomes are most probable, by Newton's method.
  /// - Parameters:
  ///   - rows: each case's, with `width` regressors.
  ///   - isTrue: the outcome of each.
  /// - Throws: `LAPACKError`.
  init(_ rows: [Row], isTrue: [Bool], width: Int) throws {
    precondition(rows.count == isTrue.count && width < Row.scalarCount)
    let count = Double(max(1, rows.count))
    var means = rows.reduce(Row.zero, +) / count
    // The 1 in front stays what it is, and so does what is the same everywhere.
    means[0] = 0
    let variances = rows.reduce(Row.zero) { $0 + ($1 - means) * ($1 - means) } / count
    var deviations = variances.squareRoot()
    // Beside the mean of equal numbers, a sum's rounding is no deviation.
    deviations.replace(with: 1, where: variances .<= 1e-18 * means * means)
    deviations[0] = 1
    (self.means, self.deviations) = (means, deviations)
    let cases = rows.map { ($0 - means) / deviations }
    var c = Row.zero
    for _ in 0..<50 {
      let (gradient, curvature) = Self.slope(of: cases, isTrue, c, width: width)
      let step = try Cholesky(curvature).solve(gradient).storage
      let length = step.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for i in step.indices { c[i] += step[i] * min(1, 2 / max(length, .leastNormalMagnitude)) }
      if length < 1e-9 { break }
    }
    coefficients = c
  }

  /// The slope of the cases' log probability, a column, and its curvature, with the prior's.
  /// - Parameter cases: standardised.
  private static func slope(of cases: [Row], _ isTrue: [Bool], _ c: Row, width: Int) -> (
    gradient: Matrix, curvature: Matrix
  ) {
    var gradient = -prior * c
    var curvature = [Row](repeating: .zero, count: width + 1)
    for (row, isTrue) in zip(cases, isTrue) {
      let p = 1 / (1 + exp(-(c * row).sum()))
      let weighted = max(p * (1 - p), 1e-9) * row
      gradient += ((isTrue ? 1 : 0) - p) * row
      for i in 0...width { curvature[i] += weighted * row[i] }
    }
    let order = 0...width
    return (
      Matrix(rows: width + 1, columns: 1, storage: order.map { gradient[$0] }),
      Matrix(
        rows: width + 1, columns: width + 1,
        storage: order.flatMap { i in
          order.map { curvature[i][$0] + (i == $0 ? prior : 0) }
        })
    )
  }

  /// log (p / (1 - p)) of a case.
  func logOdds(_ row: Row) -> Double { (coefficients * ((row - means) / deviations)).sum() }
}
