import Foundation
import Testing

@testable import ImageModel

@Suite struct ShiftGridTests {
  /// Waves of a fifth of a cycle per pixel, the highest that matter, between the computed points.
  @Test func interpolation() {
    let grid = ShiftGrid(limit: 3.5, bandLimit: 0.25)
    #expect(grid.spacing == 0.8)
    func value(_ x: Double, _ y: Double) -> Double {
      3 + cos(2 * .pi * 0.1 * x + 0.3) * sin(2 * .pi * 0.08 * y) - 0.2 * x
    }
    let found = grid.interpolated { row, column in
      Float(
        value(Double(column - grid.reach) * grid.spacing, Double(row - grid.reach) * grid.spacing))
    }
    #expect(grid.points.contains(.zero) && grid.points.count > 300)
    for (point, found) in zip(grid.points, found) {
      #expect((point * point).sum() <= 3.5 * 3.5 * 1.00001)
      #expect(abs(Double(found) - value(Double(point.x), Double(point.y))) < 0.02)
    }
  }

  /// A normal likelihood of deviation s about d, and a normal prior of deviation t, have the mean d t^2 / (s^2 + t^2) and
  /// the evidence of a normal law of variance s^2 + t^2.
  @Test func normalLaws() throws {
    let grid = ShiftGrid(limit: 6, bandLimit: 0.2)
    let (s, d) = (0.8, SIMD2<Double>(1.2, -0.7))
    let scores = grid.points.map { point -> Float in
      let e = SIMD2<Double>(point) - d
      return Float(-(e * e).sum() / (2 * s * s))
    }
    var evidence: [Double] = []
    for t in [0.7, 1.1] {
      let prior = ShiftPrior(deviation: t, on: grid)
      let mean = SIMD2<Double>(prior.mean(scores, on: grid))
      let expected = d * (t * t / (s * s + t * t))
      #expect(abs(mean.x - expected.x) < 0.01 && abs(mean.y - expected.y) < 0.01)
      let variance = s * s + t * t
      evidence.append(
        prior.evidence(scores) + (d * d).sum() / (2 * variance) + log(variance))
    }
    #expect(abs(evidence[0] - evidence[1]) < 0.01)
    let none = ShiftPrior(deviation: 0, on: grid)
    #expect(none.mean(scores, on: grid) == .zero)
    let centre = grid.points.firstIndex(of: .zero)!
    #expect(abs(none.evidence(scores) - Double(scores[centre])) < 1e-4)
  }
}
