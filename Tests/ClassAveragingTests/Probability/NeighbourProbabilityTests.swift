import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

@Suite struct NeighbourProbabilityTests {
  /// The posterior's inner products are those of pixels inside the disc, less the means there.
  @Test func productsAreThoseOfPixels() throws {
    let small = SmallModel(seed: 23)
    let posterior = try small.posterior(on: testWorld())
    let size = 32
    let basis = FourierBesselBasis(size: size, bandLimit: 0.4, radius: 4.8)
    let energy = ImageEnergy(posterior, basis: basis)
    let synthesis = ImageSynthesis(posterior, basis: basis)
    let layout = posterior.layout
    let width = 2 * layout.componentCount
    var a = randomNormals(width, seed: 5).map { Float($0) }
    var b = randomNormals(width, seed: 6).map { Float($0) }
    // Components of frequency 0 are real.
    for i in layout.components(ofBlock: 0) { (a[2 * i + 1], b[2 * i + 1]) = (0, 0) }
    let disc = (0..<size * size).filter { pixel in
      let (y, x) = (pixel / size - size / 2, pixel % size - size / 2)
      return y * y + x * x <= size * size / 4
    }
    func centred(_ image: ArraySlice<Float>) -> [Double] {
      let values = disc.map { Double(image[image.startIndex + $0]) }
      let mean = values.reduce(0, +) / Double(values.count)
      return values.map { $0 - mean }
    }
    for (rotation, reflected) in [(Float(0), false), (0.7, false), (-2, true)] {
      var turned = b
      for (block, k) in layout.frequencies.enumerated() {
        let (c, s) = (cos(Float(k) * rotation), sin(Float(k) * rotation))
        for i in layout.components(ofBlock: block) {
          let (re, im) = (b[2 * i], reflected ? -b[2 * i + 1] : b[2 * i + 1])
          (turned[2 * i], turned[2 * i + 1]) = (c * re - s * im, s * re + c * im)
        }
      }
      let images = synthesis.images(of: a + turned, count: 2)
      let (first, second) = (
        centred(images[..<(size * size)]), centred(images[(size * size)...])
      )
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      let norm = (dot(first, first) * dot(second, second)).squareRoot()
      let found = energy.product(
        a, b, Alignment(rotation: rotation, isReflected: reflected))
      // The basis is orthonormal on the whole plane, not on the pixels of the disc.
      #expect(abs(found - dot(first, second)) < 0.005 * norm)
    }
  }

  /// Between the weights that are tabulated too, the variance is the trace of the posterior's covariance.
  @Test func varianceIsThatOfThePosterior() throws {
    let small = SmallModel(seed: 29)
    let posterior = try small.posterior(on: testWorld())
    let energy = ImageEnergy(posterior, basis: small.basis)
    let uncertainty = try ClassUncertainty(
      posterior: posterior, groups: [0, 1, 1, 2], energy: energy, largestWeight: 20)
    for weight in [1.0, 1.3, 7.7, 20] {
      var expected = 0.0
      for (block, k) in posterior.layout.frequencies.enumerated() {
        let f = posterior.information.map { $0[block] }
        let precision =
          Matrix.identity(f[0].rows) + (weight / 4) * (f[0] + f[1] + f[1] + f[2])
        let inverse = try Cholesky(precision).inverse()
        expected += (k == 0 ? 1 : 2) * (energy.gram[block] * inverse).trace
      }
      #expect(abs(uncertainty.variance(weight: weight) - expected) < 2e-3 * expected)
    }
  }

  @Test func probabilityGrowsWithTheCorrelation() {
    for (ratio, weight) in [(0.9, 1.0), (1.0, 0.5), (1.5, 0.02)] {
      let run = NeighbourFeatures.Run(energyRatio: ratio, weight: weight)
      for error in [0.01, 0.1, 1] {
        let found = [-0.5, 0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0001].map {
          ProbabilityFormula().probability(
            .init(correlation: $0, error: error, affinity: 0), run)
        }
        #expect(zip(found, found.dropFirst()).allSatisfy { $0 < $1 })
        #expect(found[0] >= 0 && found[0] < 0.3 && found[7] > 0.9 && found[7] <= 1)
      }
    }
  }

  /// Two ways to the same number: Fourier-Bessel coefficients, and principal coordinates at 2,000 rotations.
  @Test func bestCorrelationIsThatOfAllRotations() throws {
    let small = SmallModel(seed: 37)
    let posterior = try small.posterior(on: testWorld())
    let energy = ImageEnergy(posterior, basis: small.basis)
    let correlation = CleanCorrelation(small.basis)
    let layout = posterior.layout
    func image(_ seed: UInt64) -> (principal: [Float], coefficients: [Float]) {
      var x = randomNormals(2 * layout.componentCount, seed: seed).map { Float($0) }
      var a = [Float](repeating: 0, count: 2 * small.basis.layout.componentCount)
      for (block, k) in layout.frequencies.enumerated() {
        let own = layout.components(ofBlock: block)
        if k == 0 { for i in own { x[2 * i + 1] = 0 } }
        for part in 0..<2 {
          let values = posterior.synthesis[block].times(own.map { Double(x[2 * $0 + part]) })
          for (q, component) in small.basis.layout.components(ofBlock: k).enumerated() {
            let mean = k == 0 && part == 0 ? posterior.mean[q] : 0
            a[2 * component + part] = Float(values[q] + mean)
          }
        }
      }
      return (x, a)
    }
    for seed in [1, 3, 5] as [UInt64] {
      let (one, two) = (image(seed), image(seed + 1))
      let norm = (energy.total(one.principal) * energy.total(two.principal)).squareRoot()
      for reflected in [false, true] {
        let products = (0..<2000).map {
          energy.product(
            one.principal, two.principal,
            Alignment(rotation: Float($0) * .pi / 1000, isReflected: reflected))
        }
        let expected = products.max()! / norm
        let found = correlation.best(one.coefficients, two.coefficients, reflected: reflected)
        #expect(found <= expected + 1e-3 && found > expected - 0.02)
      }
    }
  }

  /// Truth drawn with known odds, quadratic in what is known of the pairs.
  @Test func fitFindsTheOdds() throws {
    let count = 40_000
    let (x, y, z) = (
      randomNormals(count, seed: 3), randomNormals(count, seed: 4), randomNormals(count, seed: 6)
    )
    let uniform = randomNumbers(count, seed: 5).map { abs($0) }
    func odds(_ g: Double, _ e: Double, _ a: Double) -> Double {
      0.7 + 1.3 * (g - 2) - 0.4 * e + 0.2 * (a - 5) + 0.3 * (g - 2) * (a - 5) - 0.2 * e * e
    }
    let known = (0..<count).map { SIMD3(2 + x[$0], y[$0], 5 + 2 * z[$0]) }
    let isTrue = (0..<count).map {
      uniform[$0] < 1 / (1 + exp(-odds(known[$0][0], known[$0][1], known[$0][2])))
    }
    let found = try FittedProbability(known, isTrue: isTrue)
    let run = NeighbourFeatures.Run(energyRatio: 1, weight: 0.5)
    func logOdds(_ g: Double, _ e: Double, _ a: Double) -> Double {
      found.logOdds(
        .init(correlation: 1 - exp(-g), error: exp(e), affinity: Float(a)), run)
    }
    for (g, e, a) in [(2.0, 0.0, 5.0), (2.5, 1, 4), (1, -1, 6), (3, 0.5, 8)] {
      #expect(abs(logOdds(g, e, a) - odds(g, e, a)) < 0.15, "\(g) \(e) \(a)")
    }
    // Beyond what was seen nothing changes.
    let most = known.map { $0[2] }.max()!
    #expect(logOdds(2, 0, most + 30) == logOdds(2, 0, most + 1))
    #expect(logOdds(2, 0, -.infinity) == logOdds(2, 0, known.map { $0[2] }.min()! - 1))
  }

  /// Truth that no quadratic function follows: a step, and a part where more odds mean less.
  @Test func oddsAreWorthWhatTheyWere() {
    let count = 50_000
    let uniform = randomNumbers(count, seed: 15).map { abs($0) }
    let given = randomNumbers(count, seed: 16).map { 4 * $0 }
    func share(_ x: Double) -> Double { x < -1 ? 0.2 : x < 2 ? 0.6 : x < 3 ? 0.9 : 0.8 }
    let found = IsotonicCalibration(
      given, isTrue: given.indices.map { uniform[$0] < share(given[$0]) })
    for (x, p) in [(-9, 0.2), (-2.5, 0.2), (0, 0.6), (1, 0.6), (2.5, 0.85), (3.5, 0.85), (9, 0.85)]
    {
      let worth = log(p / (1 - p))
      #expect(abs(found(x) - (0.1 * x + 0.9 * worth)) < 0.12, "\(x)")
    }
    let steps = stride(from: -5.0, through: 5, by: 0.01).map { found($0) }
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
    // Too few cases to say anything.
    let few = IsotonicCalibration([1, 2, 3], isTrue: [false, false, true])
    #expect(abs(few(0.7) - 0.7) < 1e-12)
  }

  @Test func partsAreSmallAtBothEnds() {
    for count in [400, 1000, 9999, 40_000, 100_000, 1_000_000] {
      let parts = IsotonicCalibration.parts(of: count)
      #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == count)
      #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
      let sizes = parts.map(\.count)
      #expect(sizes.min()! >= 200 && sizes.max()! <= max(400, count / 25))
      #expect(count < 20_000 || sizes.first == 200 && sizes[1] == 400 && sizes.last == 200)
    }
  }

  @Test func fitIsFiniteWhereAllAreTrue() throws {
    let known = (0..<400).map { SIMD3(Double($0 % 7), Double($0 % 3), 1) }
    let run = NeighbourFeatures.Run(energyRatio: 1, weight: 0.5)
    let pair = NeighbourFeatures.Pair(correlation: 0.95, error: 2, affinity: 1)
    let sure = try FittedProbability(known, isTrue: .init(repeating: true, count: 400))
    #expect(sure.probability(pair, run) > 0.95 && sure.probability(pair, run) < 1)
    let none = try FittedProbability([], isTrue: [])
    #expect(none.probability(pair, run) == 0.5)
  }

  @Test func listsAreCutByConfidence() {
    var table = NeighbourTable(count: 2, neighboursPerImage: 3)
    table.indices = [1, 5, 7, 4, -1, -1]
    table.affinities = [9, 8, 7, 3, -.infinity, -.infinity]
    table.alignments = .init([0.1, 0.2, 0.3, 0.4, 0, 0], reflected: [1, 0, 1, 0, 0, 0])
    table.probabilities = [0.7, 0.2, 0.5, 0.4, .nan, .nan]
    let cut = table.confident(0.5)
    #expect(cut.indices == [1, 7, -1, -1, -1, -1])
    #expect(cut.alignments == .init([0.1, 0.3, 0, 0, 0, 0], reflected: [1, 1, 0, 0, 0, 0]))
    #expect(cut.probabilities.prefix(2) == [0.7, 0.5])
    #expect((cut.affinities[2...] + cut.probabilities[2...]).allSatisfy { $0.isNaN })
    #expect(cut.meanLength == 1)
  }
}
