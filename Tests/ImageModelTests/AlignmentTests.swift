import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import ImageModel

@Suite struct AlignmentTests {
  /// Angles beyond a turn too, and the ends of the range.
  private let some: [Alignment] =
    randomNumbers(40, seed: 3).enumerated().map {
      Alignment(rotation: Float(4 * $1), isReflected: $0 % 3 == 0)
    }
    + [-Float.pi, .pi, 0].flatMap { angle in
      [false, true].map { Alignment(rotation: angle, isReflected: $0) }
    }

  /// What an alignment does to the point (x, y): y -> -y, then from x towards y.
  private func plane(_ alignment: Alignment) -> Matrix {
    let angle = Double(alignment.rotation)
    let mirror = Matrix(rows: 2, columns: 2, storage: [1, 0, 0, alignment.isReflected ? -1 : 1])
    var turn = Matrix(rows: 2, columns: 2)
    (turn[0, 0], turn[0, 1]) = (cos(angle), -sin(angle))
    (turn[1, 0], turn[1, 1]) = (sin(angle), cos(angle))
    return turn * mirror
  }

  private func isSame(_ a: Alignment, _ b: Alignment) -> Bool {
    a.isReflected == b.isReflected
      && abs(remainder(Double(a.rotation) - Double(b.rotation), 2 * .pi)) < 2e-6
  }

  private func difference(_ a: Matrix, _ b: Matrix) -> Double {
    zip(a.storage, b.storage).map { abs($0 - $1) }.max()!
  }

  @Test("One after the other is the product of their matrices")
  func products() {
    for first in some {
      for second in some {
        let both = first.then(second)
        #expect(abs(both.rotation) <= .pi)
        #expect(difference(plane(both), plane(second) * plane(first)) < 1e-6)
      }
    }
  }

  @Test("A group: associative, with a unit and inverses")
  func group() {
    for a in some {
      #expect(isSame(a.then(.identity), a) && isSame(Alignment.identity.then(a), a))
      #expect(isSame(a.then(a.inverse), .identity) && isSame(a.inverse.then(a), .identity))
      #expect(a.inverse.inverse == a)
      #expect(difference(plane(a) * plane(a.inverse), .identity(2)) < 1e-12)
      for b in some {
        #expect(isSame(a.then(b).inverse, b.inverse.then(a.inverse)))
        for c in some where isSame(a.then(b).then(c), a.then(b.then(c))) == false {
          Issue.record("\(a), \(b), \(c)")
        }
      }
    }
    #expect(Alignment.identity == Alignment(rotation: 0, isReflected: false))
  }

  @Test("Coefficients are multiplied by an explicit matrix, and by the weight")
  func coefficients() {
    let basis = SmallModel(seed: 2).basis
    let real = RealCoordinates(basis.layout)
    let row = real.pairs(randomNormals(real.dimension, seed: 6))
    for alignment in some {
      let expected = real.matrix(alignment).times(real.vector(row))
      var (doubles, singles) = ([Float](repeating: .nan, count: row.count), row)
      alignment.apply(to: row, basis.layout) { (component, re: Double, im: Double) in
        (doubles[2 * component], doubles[2 * component + 1]) = (Float(re), Float(im))
      }
      alignment.apply(to: row, basis.layout, weight: 2.5) { (component, re: Float, im: Float) in
        (singles[2 * component], singles[2 * component + 1]) = (re, im)
      }
      for (found, exact) in zip(real.vector(doubles), expected) {
        #expect(abs(found - exact) < 1e-6)
      }
      for (found, exact) in zip(real.vector(singles), expected) {
        #expect(abs(found - 2.5 * exact) < 5e-6)
      }
    }
  }

  @Test("The coefficients of an aligned picture are the aligned coefficients")
  func pictures() {
    let size = 41
    let basis = FourierBesselBasis(size: size, bandLimit: 0.35, radius: 18)
    // `blobs` turns before it reflects: M R(theta) = R(-theta) M.
    for (angle, isReflected) in [(0.7, false), (0.7, true), (-2.3, true)] {
      let coefficients = analyze(
        [
          blobs(size: size, scale: 1.5),
          blobs(size: size, turned: angle, reflected: isReflected, scale: 1.5),
        ], basis)
      let alignment = Alignment(
        rotation: Float(isReflected ? -angle : angle), isReflected: isReflected)
      var row: [Float] = []
      coefficients.appendRow(0, to: &row)
      var worst: Float = 0
      alignment.apply(to: row, basis.layout) { (component, re: Float, im: Float) in
        let there = coefficients.value(image: 1, component: component)
        worst = max(worst, abs(there.re - re), abs(there.im - im))
      }
      #expect(worst < 2e-3)
    }
  }

  @Test("What is packed comes back, to the bit")
  func packing() {
    var words: [UInt32] = []
    for alignment in some { alignment.appendWords(to: &words) }
    #expect(words.count == Alignment.packedWords * some.count)
    for (at, alignment) in some.enumerated() {
      // The bit shares its word with others.
      for others in [0, UInt32.max << 1] {
        let copy = Alignment(
          packedBit: others | alignment.packedBit, words: words[(at * Alignment.packedWords)...])
        #expect(copy == alignment)
        #expect(copy.rotation.bitPattern == alignment.rotation.bitPattern)
      }
      #expect(alignment.packedBit == (alignment.isReflected ? 1 : 0))
    }
  }
}
