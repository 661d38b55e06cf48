import Foundation
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ImageModel

/// Images that no model explains do not steer it.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct RobustWeightsRanks {
  private let layout = AngularLayout(frequencies: [0, 1], counts: [3, 2])

  /// Statistics of noise alone, some of them times a factor.
  private func statistics(_ range: Range<Int>, factor: (Int) -> Float) -> SteerableCoefficients {
    let numbers = randomNormals(200 * 10, seed: 77)
    var result = SteerableCoefficients(layout: layout, count: range.count)
    for image in range {
      for component in 0..<5 {
        let at = image * 10 + 2 * component
        let imaginary = component < 3 ? 0 : Float(numbers[at + 1])
        result.setValue(
          (factor(image) * Float(numbers[at]), factor(image) * imaginary),
          image: image - range.lowerBound, component: component)
      }
    }
    return result
  }

  private var model: ImageModel {
    ImageModel(
      basis: FourierBesselBasis(size: 16, bandLimit: 0.25, radius: 6),
      squared: [[.identity(3), .identity(2)]], groupCounts: [200])
  }

  @Test("Whoever is far from all others counts for nothing, and nobody else counts less")
  func junk() throws {
    let world = try testWorld()
    let own = Partition(of: 200, among: world.size).range(of: world.rank)
    let far = Set([3, 77, 150])
    let groups = [Int32](repeating: 0, count: own.count)
    let robust = try RobustWeights(
      of: statistics(own) { far.contains($0) ? 30 : 1 }, groups: groups[...], model: model,
      estimate: nil, threads: 2, on: world)
    #expect(robust.reduced == 3)
    for image in own {
      #expect(robust.weights[image - own.lowerBound] == (far.contains(image) ? 0 : 1))
      #expect((robust.factors[image - own.lowerBound] == 1) == !far.contains(image))
    }
    let moments = try GroupMoments(
      of: statistics(own) { far.contains($0) ? 30 : 1 }, groups: groups[...],
      weights: robust.weights, groupCount: 1, imageCount: 200, on: world)
    let without = try GroupMoments(
      of: statistics(own) { far.contains($0) ? 0 : 1 }, groups: groups[...], groupCount: 1,
      imageCount: 200, on: world)
    #expect(moments.counts == [197])
    for (a, b) in zip(moments.products[0], without.products[0]) {
      #expect(zip(a.storage, b.storage).allSatisfy { abs($0 - $1) < 1e-6 })
    }
  }
}
