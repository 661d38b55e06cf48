import Foundation
import LinearAlgebra

/// How probable something is by a linear function of regressors, fitted to cases whose outcome is known:
/// log (p / (1 - p)) = c . (1, r), with r less its mean over its standard deviation.
struct LogisticRegression {
  /// c.
  let coefficients: [Double]
  private let means: [Double]
  private let deviations: [Double]

  /// Half of each coefficient's square counts against it: finite where all outcomes are the same, and p = 1/2
  /// without any.
  private static let prior = 1.0

  /// The coefficients under which the outcomes are most probable, by Newton's method.
  /// - Parameters:
  ///   - rows: the regressors of each case, `width` of them.
  ///   - isTrue: the outcome of each.
  /// - Throws: `LAPACKError`.
  init(_ rows: [[Double]], isTrue: [Bool], width: Int) throws {
    precondition(rows.count == isTrue.count)
    let count = Double(max(1, rows.count))
    let means = (0..<width).map { i in rows.reduce(0) { $0 + $1[i] } / count }
    let deviations = (0..<width).map { i in
      let variance = rows.reduce(0) { $0 + ($1[i] - means[i]) * ($1[i] - means[i]) } / count
      return variance > 0 ? variance.squareRoot() : 1
    }
    (self.means, self.deviations) = (means, deviations)
    let cases = rows.flatMap { Self.standardised($0, means, deviations) }
    var c = [Double](repeating: 0, count: width + 1)
    for _ in 0..<50 {
      var gradient = c.map { -Self.prior * $0 }
      var curvature = Self.prior * Matrix.identity(width + 1)
      Self.add(cases, isTrue, c, to: &gradient, &curvature.storage)
      let step = try Cholesky(curvature).solve(
        Matrix(rows: width + 1, columns: 1, storage: gradient)
      ).storage
      let length = step.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for i in c.indices { c[i] += step[i] * min(1, 2 / max(length, .leastNormalMagnitude)) }
      if length < 1e-9 { break }
    }
    coefficients = c
  }

  /// Adds the slope of the cases' log probability and, below the diagonal, its curvature.
  /// - Parameter cases: standardised, one after the other.
  private static func add(
    _ cases: [Double], _ isTrue: [Bool], _ c: [Double], to gradient: inout [Double],
    _ curvature: inout [Double]
  ) {
    let width = c.count
    cases.withUnsafeBufferPointer { cases in
      c.withUnsafeBufferPointer { c in
        gradient.withUnsafeMutableBufferPointer { gradient in
          curvature.withUnsafeMutableBufferPointer { curvature in
            for (at, isTrue) in isTrue.enumerated() {
              let row = cases.baseAddress! + at * width
              var logOdds = 0.0
              for i in 0..<width { logOdds += c[i] * row[i] }
              let p = 1 / (1 + exp(-logOdds))
              let weight = max(p * (1 - p), 1e-9)
              for i in 0..<width {
                gradient[i] += ((isTrue ? 1 : 0) - p) * row[i]
                for j in 0...i { curvature[i * width + j] += weight * row[i] * row[j] }
              }
            }
          }
        }
      }
    }
  }

  /// log (p / (1 - p)) of a case.
  func logOdds(_ row: [Double]) -> Double {
    Self.logOdds(coefficients, Self.standardised(row, means, deviations))
  }

  /// With 1 at the front.
  private static func standardised(_ row: [Double], _ means: [Double], _ deviations: [Double])
    -> [Double]
  {
    [1] + row.indices.map { (row[$0] - means[$0]) / deviations[$0] }
  }

  private static func logOdds(_ c: [Double], _ row: [Double]) -> Double {
    zip(c, row).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
