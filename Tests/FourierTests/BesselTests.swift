import Foundation
import Testing

@testable import Fourier

@Suite("Bessel functions and quadrature")
struct BesselTests {
  @Test("zeros agree with published values")
  func publishedZeros() {
    // Abramowitz & Stegun, table 9.5.
    let rows = besselZeros(upTo: 20)
    #expect(abs(rows[0][0] - 2.404825557695773) < 1e-12)
    #expect(abs(rows[0][4] - 14.930917708487786) < 1e-12)
    #expect(abs(rows[1][0] - 3.831705970207512) < 1e-12)
    #expect(abs(rows[5][1] - 12.338604197466944) < 1e-11)
    #expect(abs(rows[8][0] - 12.225092264004656) < 1e-11)
  }

  @Test("no zero is missed, and each row ends just above the limit", arguments: [7.0, 33.3, 101.0])
  func completeness(limit: Double) {
    let rows = besselZeros(upTo: limit)
    for (order, row) in rows.enumerated() {
      var changes = 0
      var previous = besselJ(order, 0.5)
      for x in stride(from: 0.5, through: limit, by: 0.01) {
        let value = besselJ(order, x)
        if (value > 0) != (previous > 0) && abs(previous) > 1e-30 { changes += 1 }
        previous = value
      }
      #expect(row.count == changes + 1, "order \(order)")
      #expect(row.last! > limit && row.dropLast().allSatisfy { $0 <= limit })
      #expect(row.allSatisfy { abs(besselJ(order, $0)) < 1e-12 })
    }
    #expect(besselZeros(upTo: limit).count > Int(limit) - 12)
  }

  @Test("all orders at once agree with one at a time", arguments: [0.0, 1e-3, 0.7, 9.5, 60, 250])
  func recurrence(x: Double) {
    let values = besselJs(through: 120, at: x)
    for order in 0...120 { #expect(abs(values[order] - besselJ(order, x)) < 1e-13) }
  }

  @Test("the table agrees with the function")
  func table() {
    let table = BesselTable(highest: 60, limit: 80)
    var worst = 0.0
    for order in 0...60 {
      for x in stride(from: 0, through: 80, by: 0.0371) {
        worst = max(worst, abs(table.value(order, x) - besselJ(order, x)))
      }
    }
    #expect(worst < 3e-9)
  }

  @Test("Gauss-Legendre integrates polynomials exactly")
  func quadrature() {
    let rule = GaussLegendre(count: 7, from: 0.5, to: 2)
    for power in 0..<14 {
      let sum = zip(rule.nodes, rule.weights).reduce(0) { $0 + $1.1 * pow($1.0, Double(power)) }
      let exact = (pow(2, Double(power + 1)) - pow(0.5, Double(power + 1))) / Double(power + 1)
      #expect(abs(sum - exact) < 1e-12 * exact)
    }
  }
}
