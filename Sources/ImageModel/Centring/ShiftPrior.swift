import Foundation

/// How widely particles scatter around where they are taken to lie: normal, within the grid's disc.
package struct ShiftPrior: Sendable {
  /// Pixels along either axis; 0 where they do not.
  package let deviation: Double
  /// log p at each of the grid's points.
  let logs: [Float]

  init(deviation: Double, on grid: ShiftGrid) {
    self.deviation = deviation
    let scale = 1 / (2 * max(deviation, 1e-3) * max(deviation, 1e-3))
    let exponents = grid.points.map { -Double(($0 * $0).sum()) * scale }
    let norm = log(exponents.reduce(0) { $0 + exp($1) })
    logs = exponents.map { Float(max($0 - norm, -1e9)) }
  }

  /// Those that are tried: 0, then each a quarter wider than the one before, as far as the limit.
  static func candidates(limit: Double, on grid: ShiftGrid) -> [ShiftPrior] {
    var deviations = [0.0]
    var next = 0.2
    while next < limit {
      deviations.append(next)
      next *= 1.25
    }
    return deviations.map { ShiftPrior(deviation: $0, on: grid) }
  }

  /// log of the likelihood of an image whose log-likelihood at the grid's points is `scores`.
  func evidence(_ scores: [Float]) -> Double {
    let largest = zip(scores, logs).reduce(-Float.infinity) { max($0, $1.0 + $1.1) }
    var total: Float = 0
    for (score, log) in zip(scores, logs) {
      let exponent = score + log - largest
      if exponent > -20 { total += exp(exponent) }
    }
    return Double(largest) + log(Double(total))
  }

  /// Where such an image's particle lies on average.
  func mean(_ scores: [Float], on grid: ShiftGrid) -> SIMD2<Float> {
    let largest = zip(scores, logs).reduce(-Float.infinity) { max($0, $1.0 + $1.1) }
    var (total, mean): (Float, SIMD2<Float>) = (0, .zero)
    for i in scores.indices {
      let exponent = scores[i] + logs[i] - largest
      if exponent < -20 { continue }
      let weight = exp(exponent)
      total += weight
      mean += weight * grid.points[i]
    }
    return mean / total
  }
}
