import Foundation
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

/// Affinities by explicit matrices over all real coordinates.
struct DenseAffinity {
  let posterior: PosteriorModel
  let affinity: Affinity
  /// Between x_i and the aligned x_j under the Bayes factor's hypothesis.
  let correlation: Double
  let real: RealCoordinates

  init(_ posterior: PosteriorModel, _ affinity: Affinity, correlation: Double = 1) {
    self.posterior = posterior
    self.affinity = affinity
    self.correlation = correlation
    real = RealCoordinates(posterior.layout)
  }

  /// The affinity of image (b, g) and image (e, h) aligned by the rotation and the reflection.
  func value(
    _ b: [Float], _ g: Int, _ e: [Float], _ h: Int, angle: Double, reflected: Bool
  ) throws -> Double {
    let t = real.alignment(angle, reflected: reflected)
    switch affinity {
    case .mahalanobis:
      let (lg, lh) = (
        real.matrix(posterior.covariance[g]), real.matrix(posterior.covariance[h])
      )
      let aligned = t.times(lh.times(real.vector(e)))
      let difference = zip(lg.times(real.vector(b)), aligned).map(-)
      return try logDensity(difference, lg + t * lh * t.transposed)
    case .bayes:
      // Images y = A x + n with A^T A = F and unit noise, of which b = A^T y; x_i and T x_j have unit
      // covariance and the correlation between them, which is 1 for the same image.
      let roots = try [g, h].map {
        try SymmetricEigen(real.matrix(posterior.information[$0])).applying { $0.squareRoot() }
      }
      let inverses = try roots.map { try SymmetricEigen($0).applying { 1 / $0 } }
      let y = [inverses[0].times(real.vector(b)), inverses[1].times(real.vector(e))]
      let n = real.dimension
      let own = roots.map { $0 * $0 + .identity(n) }
      let cross = correlation * (roots[0] * t * roots[1])
      var joint = Matrix(rows: 2 * n, columns: 2 * n)
      for i in 0..<n {
        for j in 0..<n {
          joint[i, j] = own[0][i, j]
          joint[n + i, n + j] = own[1][i, j]
          joint[i, n + j] = cross[i, j]
          joint[n + j, i] = cross[i, j]
        }
      }
      return try logDensity(y[0] + y[1], joint) - logDensity(y[0], own[0])
        - logDensity(y[1], own[1])
    case .euclidean:
      return zip(real.vector(b), t.times(real.vector(e))).map(*).reduce(0, +)
    }
  }
}

/// The scorer's result for one pair.
func score(_ model: PairModel, _ b: [Float], _ g: Int, _ e: [Float], _ h: Int) -> PairScore {
  let scorer = PairScorer(model: model)
  var weighted = [Float](repeating: 0, count: b.count)
  model.weighted(b, groups: g, h, into: &weighted)
  scorer.add(
    weighted: weighted, second: e,
    offset: model.constants[g * model.groupCount + h] + model.selfTerms(of: b, group: g)[h]
      + model.selfTerms(of: e, group: h)[g])
  var result: PairScore?
  scorer.flush { _, score in result = score }
  return result!
}

@Suite(.serialized, .timeLimit(.minutes(2)))
struct PairAffinityTests {
  @Test(
    "Affinity at the best rotation is that of explicit matrices, and no rotation is better",
    arguments: [
      (Affinity.mahalanobis, 1.0), (.bayes, 1), (.bayes, 0.9), (.bayes, 0.4), (.euclidean, 1),
    ])
  func agreesWithDenseEvaluation(affinity: Affinity, correlation: Double) throws {
    let posterior = try SmallModel(seed: 4).posterior(noiseVariance: 0.2, on: testWorld())
    #expect(posterior.layout.offsets == [0, 3, 5, 7, 8, 9])
    let model = try PairModel(posterior, affinity: affinity, correlation: correlation)
    let dense = DenseAffinity(posterior, affinity, correlation: correlation)
    let images = try relatedStatistics(posterior, count: 12, distinct: 4, seed: 9)
    var flags: Set<Bool> = []
    for (i, j) in [(0, 4), (0, 3), (1, 5), (2, 6), (3, 8), (4, 7), (5, 11), (7, 8), (9, 10)] {
      let (g, h) = (i % 3, j % 3)
      let found = score(model, images[i], g, images[j], h)
      let there = try dense.value(
        images[i], g, images[j], h, angle: Double(found.alignment.rotation),
        reflected: found.alignment.isReflected)
      let tolerance = 1e-5 * (20 + abs(there))
      #expect(abs(Double(found.affinity) - there) < tolerance, "\(i), \(j)")
      // The distance to the peak, by differences.
      let (left, right) = try (
        dense.value(
          images[i], g, images[j], h, angle: Double(found.alignment.rotation) - 1e-3,
          reflected: found.alignment.isReflected),
        dense.value(
          images[i], g, images[j], h, angle: Double(found.alignment.rotation) + 1e-3,
          reflected: found.alignment.isReflected)
      )
      let distance = (right - left) / 2 * 1e-3 / (left - 2 * there + right)
      #expect(abs(distance) < 1e-4, "\(i), \(j)")
      var best = -Double.infinity
      for reflected in [false, true] {
        for step in 0..<360 {
          best = max(
            best,
            try dense.value(
              images[i], g, images[j], h, angle: Double(step) * .pi / 180, reflected: reflected))
        }
      }
      #expect(best < there + 1e-4, "\(i), \(j): \(there), on the grid \(best)")
      flags.insert(found.alignment.isReflected)

      // Seen from the other image.
      let back = score(model, images[j], h, images[i], g)
      let inverse = found.inverse.alignment
      #expect(abs(back.affinity - found.affinity) < Float(tolerance))
      #expect(back.alignment.isReflected == inverse.isReflected)
      #expect(abs(remainder(back.alignment.rotation - inverse.rotation, 2 * .pi)) < 2e-3)
    }
    #expect(flags == [false, true])
  }

  @Test("Sixteen pairs at once give what each gives alone")
  func batches() throws {
    let posterior = try SmallModel(seed: 4).posterior(on: testWorld())
    let model = try PairModel(posterior, affinity: .mahalanobis)
    let images = try relatedStatistics(posterior, count: 17, distinct: 4, seed: 3)
    let scorer = PairScorer(model: model)
    var weighted = [Float](repeating: 0, count: images[0].count)
    for other in 1...16 {
      #expect(!scorer.isFull)
      model.weighted(images[0], groups: 0, other % 3, into: &weighted)
      scorer.add(weighted: weighted, second: images[other], offset: Float(other))
    }
    #expect(scorer.isFull)
    var order: [Int] = []
    scorer.flush { lane, found in
      let (other, h) = (lane + 1, (lane + 1) % 3)
      let alone = score(model, images[0], 0, images[other], h)
      let offset =
        model.constants[h] + model.selfTerms(of: images[0], group: 0)[h]
        + model.selfTerms(of: images[other], group: h)[0]
      #expect(abs(found.affinity - Float(other) - (alone.affinity - offset)) < 1e-4)
      #expect(found.alignment == alone.alignment)
      order.append(lane)
    }
    #expect(order == Array(0..<16) && !scorer.isFull)
  }

  @Test("Equal CTFs: the distance is measured by (2L)^{-1}")
  func equalCTFs() throws {
    var small = SmallModel(seed: 8)
    small.squared = .init(repeating: small.squared[1], count: 3)
    let posterior = try small.posterior(on: testWorld())
    let model = try PairModel(posterior, affinity: .mahalanobis)
    let images = try relatedStatistics(posterior, count: 6, distinct: 2, seed: 5)
    let real = RealCoordinates(posterior.layout)
    let l = real.matrix(posterior.covariance[0])
    for (i, j) in [(0, 2), (1, 4), (3, 5)] {
      let found = score(model, images[i], i % 3, images[j], j % 3)
      let turn = real.matrix(found.alignment)
      let d = zip(
        l.times(real.vector(images[i])), turn.times(l.times(real.vector(images[j])))
      ).map(-)
      let form = zip(d, try SymmetricEigen(l).applying { 1 / $0 }.times(d)).map(*).reduce(0, +)
      let expected = -0.5 * (try Cholesky(2 * l).logDeterminant) - form / 4
      #expect(abs(Double(found.affinity) - expected) < 1e-3)
    }
    #expect(Set(model.constants).count == 1)
  }

  @Test("Without any signal the affinity is the prior's, and the Bayes factor is 1")
  func noSignal() throws {
    let small = SmallModel(seed: 8)
    let nothing = ImageModel(
      basis: small.basis, squared: small.squared.map { $0.map { 0 * $0 } },
      groupCounts: small.groupCounts)
    let posterior = try PosteriorModel(
      estimate: small.estimate(on: testWorld()), model: nothing, noiseVariance: 1)
    let zero = [Float](repeating: 0, count: posterior.layout.componentCount * 2)
    let mahalanobis = score(
      try PairModel(posterior, affinity: .mahalanobis), zero, 0, zero, 2)
    // L = I in all of 15 real coordinates.
    #expect(abs(mahalanobis.affinity + 7.5 * log(2)) < 1e-5)
    let bayes = score(try PairModel(posterior, affinity: .bayes), zero, 0, zero, 2)
    #expect(abs(bayes.affinity) < 1e-5)
  }

  @Test(
    "An image turned and reflected is found with its angle and its flag",
    arguments: Affinity.allCases)
  func turnedImage(affinity: Affinity) throws {
    let size = 41
    let basis = FourierBesselBasis(size: size, bandLimit: 0.35, radius: 18)
    let counts = (0..<basis.layout.blockCount).map { basis.layout.components(ofBlock: $0).count }
    let blocks = counts.map { Matrix.identity($0) }
    let images = ImageModel(basis: basis, squared: [blocks], groupCounts: [1_000_000])
    let moments = GroupMoments(
      sums: [.init(repeating: 0, count: counts[0])],
      products: [blocks.enumerated().map { ($0 == 0 ? 1e6 : 2e6) * $1 }])
    let estimate = try MeanAndCovariance(
      moments: moments, model: images, noiseVariance: 1e-13, on: testWorld())
    let posterior = try PosteriorModel(estimate: estimate, model: images, noiseVariance: 0.1)
    let model = try PairModel(posterior, affinity: affinity)
    func statistic(turned angle: Double, reflected: Bool) -> [Float] {
      let b = posterior.sufficientStatistics(
        of: analyze([blobs(size: size, turned: angle, reflected: reflected, scale: 1.5)], basis),
        groups: [0])
      return (0..<b.layout.componentCount).flatMap {
        [b.value(image: 0, component: $0).re, b.value(image: 0, component: $0).im]
      }
    }
    let own = statistic(turned: 0, reflected: false)
    for (angle, reflected) in [(0.7, false), (-2.9, false), (0.7, true), (2.2, true)] {
      let found = score(model, own, 0, statistic(turned: angle, reflected: reflected), 0)
      #expect(found.alignment.isReflected == reflected)
      #expect(abs(remainder(Double(found.alignment.rotation) + angle, 2 * .pi)) < 1e-3)
    }
  }
}
