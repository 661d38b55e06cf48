import Foundation

/// J_0 ... J_K tabulated on an interval, for the many evaluations that a basis on a large box needs:
/// cubic Hermite interpolation between nodes 1/32 apart, absolute error below 3e-9 (h^4 / 384 times the
/// fourth derivative, which is below 1).
public struct BesselTable: Sendable {
  private let step = 1.0 / 32
  private let orders: Int
  /// J_k at node i: values[i * orders + k], one order more than is asked for.
  private let values: [Double]

  /// Orders 0...`highest` at arguments 0...`limit`.
  public init(highest: Int, limit: Double) {
    orders = highest + 2
    let nodes = Int((limit / step).rounded(.up)) + 2
    var values: [Double] = []
    values.reserveCapacity(nodes * orders)
    for i in 0..<nodes { values += besselJs(through: highest + 1, at: Double(i) * step) }
    self.values = values
  }

  /// J_order(x), for x from 0 to the table's limit.
  public func value(_ order: Int, _ x: Double) -> Double {
    let node = Int(x / step)
    let t = x / step - Double(node)
    let (left, right) = (values[node * orders + order], values[(node + 1) * orders + order])
    let (slopeLeft, slopeRight) = (derivative(order, node), derivative(order, node + 1))
    let s = 1 - t
    return (1 + 2 * t) * s * s * left + t * t * (3 - 2 * t) * right
      + step * (t * s * s * slopeLeft - t * t * s * slopeRight)
  }

  /// J'_k = (J_{k-1} - J_{k+1}) / 2 and J'_0 = -J_1.
  private func derivative(_ order: Int, _ node: Int) -> Double {
    let above = values[node * orders + order + 1]
    return order == 0 ? -above : (values[node * orders + order - 1] - above) / 2
  }
}
