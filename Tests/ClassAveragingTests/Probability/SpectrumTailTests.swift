import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

/// What is not seen of a spectrum, against the whole of it.
struct SpectrumTailTests {
  /// The sum of what is cut off, term by term.
  @Test func tailOfASpectrumThatFallsAsTheLawHasIt() {
    let all = (1...20_000).map { 3 * exp(-0.4 * Double($0).squareRoot()) }
    for count in [20, 100, 400] {
      let found = SpectrumTail(Array(all.prefix(count)).reversed())
      #expect(abs(found.seen - all.prefix(count).reduce(0, +)) < 1e-9)
      // A sum is not quite its integral: half of the first term.
      let hidden = all.dropFirst(count).reduce(0, +)
      #expect(abs(found.hidden - hidden) < all[count])
    }
  }

  /// Blocks of angular frequency k > 0 count twice, and only as many components as are seen.
  @Test func blocksCountByTheirMultiplicity() throws {
    let values = (1...30).map { exp(-Double($0).squareRoot()) }
    let blocks = [
      Matrix.diagonal(Array(values.prefix(12))), Matrix.diagonal(Array(values.dropFirst(12))),
    ]
    let found = try SpectrumTail(of: blocks, ranks: [10, 15])
    let expected = SpectrumTail(Array(values[0..<10]) + values[12..<27].flatMap { [$0, $0] })
    #expect(abs(found.seen - expected.seen) < 1e-12)
    #expect(abs(found.hidden - expected.hidden) < 1e-9)
    #expect(found.hidden > 0)
  }

  @Test func nothingIsSaidOfTooFewOrEqualOnes() {
    #expect(SpectrumTail([]).hidden == 0)
    #expect(SpectrumTail([3, 2, 1]).hidden == 0 && SpectrumTail([3, 2, 1]).seen == 6)
    #expect(SpectrumTail([Double](repeating: 1, count: 50)).hidden == 0)
  }

  /// The simulated images may hold more than the spectrum that they were made of, not less.
  @Test func simulatedImagesHoldPartOfIt() {
    let basis = FourierBesselBasis(size: 32, bandLimit: 0.25, radius: 14)
    let layout = basis.layout
    let spectrum = SpectrumTail((1...200).map { exp(-Double($0).squareRoot()) })
    let mean = [Double](repeating: 0, count: layout.components(ofBlock: 0).count)
    func covariance(_ energy: Double) -> [Matrix] {
      (0..<layout.blockCount).map { block in
        let p = layout.components(ofBlock: block).count
        return block == 2
          ? energy / Double(2 * p) * Matrix.identity(p) : Matrix(rows: p, columns: p)
      }
    }
    let all = spectrum.seen + spectrum.hidden
    let share = UnmodelledSignal.share(
      of: spectrum, basis: basis, mean: mean, covariance: covariance(0.9 * all))
    #expect(abs(share - 0.1) < 1e-9)
    #expect(
      UnmodelledSignal.share(
        of: spectrum, basis: basis, mean: mean, covariance: covariance(1.1 * all))
        == 0)
  }
}
