import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct MeanAndCovarianceTests {
  @Test("Exact moments give mean and covariance back", arguments: [1e-13, 1e-9])
  func noiseFreeLimit(noiseVariance: Double) throws {
    let small = SmallModel(seed: 2)
    let estimate = try MeanAndCovariance(
      moments: small.moments(noiseVariance: noiseVariance), model: small.image,
      noiseVariance: noiseVariance, on: testWorld())
    for (mine, exact) in zip(estimate.mean, small.mean) { #expect(abs(mine - exact) < 1e-9) }
    for (k, exact) in small.covariance.enumerated() {
      let error = estimate.covariance[k] - exact
      #expect(error.innerProduct(error).squareRoot() < 1e-8, "block \(k)")
      #expect(estimate.ranks[k] == exact.rows)
    }
    #expect(!estimate.isBelowNoise)
  }

  @Test("Noise of any strength is taken off: white noise has no covariance")
  func whiteNoise() throws {
    var small = SmallModel(seed: 2)
    small.covariance = small.covariance.map { 0 * $0 }
    small.covariance[2] = Matrix.diagonal([40, 0])
    let estimate = try MeanAndCovariance(
      moments: small.moments(noiseVariance: 3), model: small.image, noiseVariance: 3,
      on: testWorld())
    // The noise alone lies exactly at sigma^2, below the edge.
    #expect(estimate.ranks[0] == 0 && estimate.ranks[1] == 0)
    #expect(estimate.covariance[1].innerProduct(estimate.covariance[1]) == 0)
    // With a million images a strong component is as good as exact; B_g Sigma B_g of three groups
    // is of rank 2.
    let error = estimate.covariance[2] - small.covariance[2]
    #expect(error.innerProduct(error).squareRoot() < 1e-3)
    for (mine, exact) in zip(estimate.mean, small.mean) { #expect(abs(mine - exact) < 1e-9) }
  }

  @Test("Conjugate gradients solve what a dense Kronecker matrix solves")
  func conjugateGradients() throws {
    let p = 4
    let transfer = (0..<3).map { randomPositiveDefinite(p, floor: 0.05, seed: 70 + UInt64($0)) }
    let shares = [0.5, 0.3, 0.2]
    let target = randomPositiveDefinite(p, floor: 0, seed: 77)
    let x = MeanAndCovariance.solveByConjugateGradients(
      target: target, transfer: transfer, shares: shares)
    // vec(W X W) = (W kron W) vec X, symmetric positive definite.
    var dense = Matrix(rows: p * p, columns: p * p)
    for (w, share) in zip(transfer, shares) {
      for a in 0..<p * p {
        for b in 0..<p * p { dense[a, b] += share * w[a / p, b / p] * w[a % p, b % p] }
      }
    }
    let exact = try Cholesky(dense).solve(
      Matrix(rows: p * p, columns: 1, storage: target.storage))
    for (mine, other) in zip(x.storage, exact.storage) { #expect(abs(mine - other) < 1e-7) }
  }
}

@Suite(.serialized, .timeLimit(.minutes(2)))
struct GroupMomentsRanks {
  @Test("Moments are direct sums, and their bits and the fit's the same at any number of ranks")
  func moments() throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let small = SmallModel(seed: 6)
    let layout = small.basis.layout
    let (count, width) = (203, layout.componentCount * 2)
    let numbers = randomNormals(count * width, seed: 12)
    func coefficients(_ range: Range<Int>) -> SteerableCoefficients {
      var result = SteerableCoefficients(layout: layout, count: range.count)
      for image in range {
        for (component, k) in layout.frequencyOfComponent.enumerated() {
          let at = image * width + 2 * component
          let im = k == 0 ? 0 : Float(numbers[at + 1])
          result.setValue(
            (Float(numbers[at]) + 1, im), image: image - range.lowerBound, component: component)
        }
      }
      return result
    }
    let groups = (0..<count).map { Int32($0 * $0 % 3) }
    func moments(_ range: Range<Int>, on comm: Communicator) throws -> GroupMoments {
      try GroupMoments(
        of: coefficients(range), groups: groups[range], groupCount: 3, imageCount: count, on: comm)
    }
    let reference = try moments(0..<count, on: alone)
    let even = try moments(
      Partition(of: count, among: world.size).range(of: world.rank), on: world)
    let ragged = try moments(
      raggedSlice(of: count, rank: world.rank, ranks: world.size), on: world)
    for shared in [even, ragged] {
      #expect(shared.sums == reference.sums)
      #expect(shared.products == reference.products)
    }
    let all = coefficients(0..<count)
    for g in 0..<3 {
      for k in layout.frequencies {
        for (q, first) in layout.components(ofBlock: k).enumerated() {
          var sum = 0.0
          for i in 0..<count where groups[i] == g {
            sum += Double(all.value(image: i, component: first).re)
          }
          if k == 0 { #expect(abs(reference.sums[g][q] - sum) < 1e-9) }
          for (r, second) in layout.components(ofBlock: k).enumerated() {
            var product = 0.0
            for i in 0..<count where groups[i] == g {
              let (a, b) = (
                all.value(image: i, component: first), all.value(image: i, component: second)
              )
              product += Double(a.re) * Double(b.re) + Double(a.im) * Double(b.im)
            }
            #expect(abs(reference.products[g][k][q, r] - product) < 1e-9)
          }
        }
      }
    }

    let model = ImageModel(
      basis: small.basis, squared: small.squared,
      groupCounts: (0..<3).map { g in groups.count { $0 == g } })
    func fit(_ moments: GroupMoments, on comm: Communicator) throws -> MeanAndCovariance {
      try MeanAndCovariance(moments: moments, model: model, noiseVariance: 0.4, on: comm)
    }
    let (together, lonely) = (try fit(even, on: world), try fit(reference, on: alone))
    #expect(together.mean == lonely.mean)
    #expect(together.covariance == lonely.covariance && together.ranks == lonely.ranks)
    #expect(together.ranks.contains { $0 > 0 })
  }
}
