import Foundation
import TestSupport
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
    let elements = orientations.map { $0.rotationMatrix.flatMap { [$0.x, $0.y, $0.z] } }
    #expect(deviationsFromUniformRotations(elements) == [])
  }
}
