import Foundation
import Testing

@testable import Simulation

struct OrientationTests {
  @Test("The matrix is Rz(psi) Ry(tilt) Rz(rot) of passive rotations")
  func matrixIsTheProduct() {
    let (rot, tilt, psi) = (33.0, 71.0, -128.0)
    func aboutZ(_ degrees: Double) -> [[Double]] {
      let (s, c) = (sin(degrees * .pi / 180), cos(degrees * .pi / 180))
      return [[c, s, 0], [-s, c, 0], [0, 0, 1]]
    }
    func aboutY(_ degrees: Double) -> [[Double]] {
      let (s, c) = (sin(degrees * .pi / 180), cos(degrees * .pi / 180))
      return [[c, 0, -s], [0, 1, 0], [s, 0, c]]
    }
    func product(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
      a.map { row in (0..<3).map { column in (0..<3).reduce(0) { $0 + row[$1] * b[$1][column] } } }
    }
    let expected = product(aboutZ(psi), product(aboutY(tilt), aboutZ(rot)))
    let matrix = Orientation(rot: rot, tilt: tilt, psi: psi).rotationMatrix
    for row in 0..<3 {
      for column in 0..<3 { #expect(abs(matrix[row][column] - expected[row][column]) < 1e-14) }
    }
  }

  @Test("The viewing direction does not depend on psi and points where rot and tilt say")
  func viewingDirection() {
    let v = Orientation.viewingDirection(rot: 90, tilt: 30, psi: 12)
    let expected = SIMD3(0, 0.5, 3.0.squareRoot() / 2)
    #expect(((v - expected) * (v - expected)).sum() < 1e-28)
  }

  @Test("Random orientations are uniform over the rotations")
  func uniform() {
    let count = 20_000
    let orientations = (0..<count).map { Orientation.random(image: $0, seed: 77) }
    // Every element of a uniformly random rotation matrix is uniform on (-1, 1); two elements
    // are uncorrelated. Five standard errors.
    let elements = orientations.map { $0.rotationMatrix.flatMap { [$0.x, $0.y, $0.z] } }
    let error = 5 / Double(count).squareRoot()
    for i in 0..<9 {
      #expect(abs(elements.reduce(0) { $0 + $1[i] } / Double(count)) < error / 3.0.squareRoot())
      for j in 0..<9 {
        let mean = elements.reduce(0) { $0 + $1[i] * $1[j] } / Double(count)
        #expect(abs(mean - (i == j ? 1.0 / 3 : 0)) < error / 3, "elements \(i), \(j)")
      }
      // The largest distance of the distribution function from the uniform one (Kolmogorov and
      // Smirnov); 2 is exceeded once in 1500 times, and the seed is fixed.
      let sorted = elements.map { $0[i] }.sorted()
      let distance = sorted.enumerated().map { abs(Double($0) / Double(count) - ($1 + 1) / 2) }
        .max()!
      #expect(distance * Double(count).squareRoot() < 2, "element \(i)")
    }
  }
}
