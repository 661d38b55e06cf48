import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite struct CubicSplineTests {
  private func fitted(_ pixels: [Double], side: Int) -> CubicSpline {
    var spline = CubicSpline(side: side)
    pixels.map { Float($0) }.withUnsafeBufferPointer { spline.fit($0) }
    return spline
  }

  /// Where an index beyond the ends is mirrored to, about the first or the last pixel.
  private func mirrored(_ at: Int, _ side: Int) -> Int {
    var at = at
    while at < 0 || at >= side { at = at < 0 ? -at : 2 * (side - 1) - at }
    return at
  }

  /// The inverse of the matrix that takes coefficients to pixels: (1, 4, 1) / 6, mirrored (Gauss and Jordan).
  private func inverse(_ side: Int) -> [[Double]] {
    var rows = (0..<side).map { i -> [Double] in
      var row = [Double](repeating: 0, count: 2 * side)
      for (offset, weight) in [(-1, 1.0 / 6), (0, 4.0 / 6), (1, 1.0 / 6)] {
        row[mirrored(i + offset, side)] += weight
      }
      row[side + i] = 1
      return row
    }
    for i in 0..<side {
      let pivot = rows[i][i]
      for column in 0..<2 * side { rows[i][column] /= pivot }
      for other in 0..<side where other != i {
        let factor = rows[other][i]
        for column in 0..<2 * side { rows[other][column] -= factor * rows[i][column] }
      }
    }
    return rows.map { Array($0[side...]) }
  }

  /// The cubic B-spline.
  private func bump(_ t: Double) -> Double {
    let a = abs(t)
    return a >= 2 ? 0 : a >= 1 ? pow(2 - a, 3) / 6 : 2.0 / 3 - a * a + a * a * a / 2
  }

  private func value(_ spline: CubicSpline, _ x: Double, _ y: Double) -> Double {
    var sum = 0.0
    for row in -1..<spline.side + 2 {
      for column in -1..<spline.side + 2 {
        let c = spline.coefficients[(row + 1) * spline.stride + column + 1]
        sum += Double(c) * bump(y - Double(row)) * bump(x - Double(column))
      }
    }
    return sum
  }

  @Test(
    "Coefficients are those of a direct solution, with mirrored margins",
    arguments: [2, 3, 4, 5, 8, 25, 40])
  func directSolution(side: Int) {
    let pixels = randomNormals(side * side, seed: 9)
    let inverse = inverse(side)
    // Along the rows, then along the columns.
    let rows = (0..<side).map { y in
      (0..<side).map { i in
        (0..<side).reduce(0) { $0 + inverse[i][$1] * pixels[y * side + $1] }
      }
    }
    let expected = (0..<side).map { i in
      (0..<side).map { x in (0..<side).reduce(0) { $0 + inverse[i][$1] * rows[$1][x] } }
    }
    let spline = fitted(pixels, side: side)
    #expect(spline.stride == side + 3 && spline.coefficients.count == (side + 3) * (side + 3))
    let scale = expected.flatMap { $0 }.map(abs).max()!
    for y in -1..<side + 2 {
      for x in -1..<side + 2 {
        let found = Double(spline.coefficients[(y + 1) * (side + 3) + x + 1])
        let direct = expected[mirrored(y, side)][mirrored(x, side)]
        #expect(abs(found - direct) < 2e-6 * scale, "(\(x), \(y))")
      }
    }
  }

  @Test("The spline goes through the pixels", arguments: [2, 6, 31])
  func interpolates(side: Int) {
    let pixels = randomNormals(side * side, seed: 10)
    let spline = fitted(pixels, side: side)
    for (at, pixel) in pixels.enumerated() {
      #expect(abs(value(spline, Double(at % side), Double(at / side)) - pixel) < 1e-5)
    }
  }

  /// 2 u^3 - 3 u^2 is level at 0 and 1, as mirroring asks for; products of such cubics are splines themselves.
  private func cubic(_ t: Double, _ side: Int) -> Double {
    let u = t / Double(side - 1)
    return 1 + 3 * (2 * u * u * u - 3 * u * u)
  }

  @Test("Cubics that are level at the ends come back everywhere", arguments: [4, 9, 30])
  func exactForCubics(side: Int) {
    let pixels = (0..<side * side).map {
      cubic(Double($0 % side), side) * (cubic(Double($0 / side), side) - 0.4)
    }
    let spline = fitted(pixels, side: side)
    let places = randomNumbers(200, seed: 4).map { ($0 + 1) / 2 * Double(side - 1) }
    for (x, y) in zip(places, places.reversed()) {
      let expected = cubic(x, side) * (cubic(y, side) - 0.4)
      #expect(abs(value(spline, x, y) - expected) < 2e-5)
    }
    // So does a polar grid.
    let sampling = PolarSampling(side: side, angles: 12)
    var samples = [Float](repeating: .nan, count: sampling.rings * 12)
    samples.withUnsafeMutableBufferPointer { sampling.sample(spline, into: $0.baseAddress!) }
    for (at, sample) in samples.enumerated() {
      let (radius, angle) = (Double(at / 12) + 0.5, Double(at % 12) * .pi / 6)
      let inside = { min(max(Double(side / 2) + $0, 0), Double(side - 1)) }
      let (x, y) = (inside(radius * cos(angle)), inside(radius * sin(angle)))
      #expect(abs(Double(sample) - cubic(x, side) * (cubic(y, side) - 0.4)) < 2e-5)
    }
  }

  @Test("Nothing is left of an image fitted before")
  func again() {
    let (one, other) = (randomNormals(49, seed: 1), randomNormals(49, seed: 2))
    var spline = CubicSpline(side: 7)
    for pixels in [one, other] {
      pixels.map { Float($0) }.withUnsafeBufferPointer { spline.fit($0) }
    }
    #expect(spline.coefficients == fitted(other, side: 7).coefficients)
  }
}
