import Foundation

/// Gauss-Legendre quadrature: exact for polynomials of degree below 2 `count`.
public struct GaussLegendre: Sendable {
  /// Ascending, inside the interval.
  public let nodes: [Double]
  /// The weight of each node.
  public let weights: [Double]

  /// The rule with `count` nodes on `lower`...`upper`; nodes by Newton's method on P_count.
  public init(count: Int, from lower: Double, to upper: Double) {
    var nodes = [Double](repeating: 0, count: count)
    var weights = nodes
    let middle = (upper + lower) / 2
    let half = (upper - lower) / 2
    for i in 0..<count {
      var x = cos(.pi * (Double(i) + 0.75) / (Double(count) + 0.5))
      var derivative = 1.0
      for _ in 0..<100 {
        var (previous, current) = (1.0, x)
        for n in stride(from: 2, through: count, by: 1) {
          let next = (Double(2 * n - 1) * x * current - Double(n - 1) * previous) / Double(n)
          (previous, current) = (current, next)
        }
        derivative = Double(count) * (x * current - previous) / (x * x - 1)
        let step = current / derivative
        x -= step
        if abs(step) < 1e-15 { break }
      }
      nodes[count - 1 - i] = middle + half * x
      weights[count - 1 - i] = 2 * half / ((1 - x * x) * derivative * derivative)
    }
    self.nodes = nodes
    self.weights = weights
  }
}
