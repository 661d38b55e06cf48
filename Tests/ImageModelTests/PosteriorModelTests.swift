import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct PosteriorModelTests {
  /// Square CTF matrices that are not symmetric, A^T A = B_g.
  private func transfer(_ squared: Matrix, seed: UInt64) throws -> Matrix {
    let root = try SymmetricEigen(squared).applying { $0.squareRoot() }
    let turn = try SymmetricEigen(randomPositiveDefinite(squared.rows, floor: 0, seed: seed))
      .vectors
    return turn * root
  }

  /// One image's posterior by Bayes' rule, from the Fourier-Bessel coefficients x and noise drawn for it.
  @Test("Means and covariances are those of Bayes' rule with explicit matrices")
  func agreesWithBayes() throws {
    let small = SmallModel(seed: 21)
    let noiseVariance = 0.7
    let posterior = try small.posterior(noiseVariance: noiseVariance, on: testWorld())
    let layout = small.basis.layout
    let count = 19
    let groups = (0..<count).map { Int32(($0 * 2 + 1) % 3) }
    var statistics = SteerableCoefficients(layout: layout, count: count)
    // [image][block][part]: the exact posterior means.
    var expected: [[[[Double]]]] = []
    for image in 0..<count {
      let g = Int(groups[image])
      var blocks: [[[Double]]] = []
      for k in layout.frequencies {
        let components = layout.components(ofBlock: k)
        let p = components.count
        let a = try transfer(small.squared[g][k], seed: UInt64(500 + 10 * g + k))
        let sigma = small.covariance[k]
        let prior = try SymmetricEigen(sigma).applying { $0.squareRoot() }
        var parts: [[Double]] = []
        for part in 0..<(k == 0 ? 1 : 2) {
          let seed = UInt64(1000 * image + 10 * k + part)
          let mean = k == 0 ? small.mean : .init(repeating: 0, count: p)
          let x = zip(prior.times(randomNormals(p, seed: seed)), mean).map(+)
          let noise = randomNormals(p, seed: seed + 5).map { $0 * noiseVariance.squareRoot() }
          let y = zip(a.times(x), noise).map(+)
          for (value, component) in zip(a.transposed.times(y), components) {
            var z = statistics.value(image: image, component: component)
            if part == 0 { z.re = Float(value) } else { z.im = Float(value) }
            statistics.setValue(z, image: image, component: component)
          }
          // mu + Sigma A^T (A Sigma A^T + sigma^2)^{-1} (y - A mu), paper eq. 4.
          let total = a * sigma * a.transposed + noiseVariance * .identity(p)
          let residual = zip(y, a.times(mean)).map(-)
          let solved = try Cholesky(total.symmetrized).solve(
            Matrix(rows: p, columns: 1, storage: residual))
          let gain = sigma * a.transposed * solved
          parts.append(zip(gain.storage, mean).map(+))
        }
        blocks.append(parts)
      }
      expected.append(blocks)
    }
    let b = posterior.sufficientStatistics(of: statistics, groups: groups[...])
    let means = posterior.posteriorMeans(of: b, groups: groups[...])
    // Two lane groups, the last one partly filled.
    for threads in [2, 5] {
      let parallel = posterior.posteriorMeans(of: b, groups: groups[...], threads: threads)
      #expect(parallel.lanes == means.lanes)
    }
    let denoised = posterior.denoised(b, groups: groups[...])
    for image in 0..<count {
      for k in layout.frequencies {
        let components = posterior.layout.components(ofBlock: k)
        for part in 0..<(k == 0 ? 1 : 2) {
          let alpha = components.map { component -> Double in
            let z = means.value(image: image, component: component)
            return Double(part == 0 ? z.re : z.im)
          }
          var x = posterior.synthesis[k].times(alpha)
          if k == 0 { x = zip(x, posterior.mean).map(+) }
          for (mine, exact) in zip(x, expected[image][k][part]) {
            #expect(abs(mine - exact) < 2e-5)
          }
          // The same energy in the basis of eigenimages.
          let energy = components.reduce(0.0) {
            let z = denoised.value(image: image, component: $1)
            let value = Double(part == 0 ? z.re : z.im)
            return $0 + value * value
          }
          let direct = posterior.synthesis[k].times(alpha).reduce(0) { $0 + $1 * $1 }
          #expect(abs(energy - direct) < 1e-4 * (1 + direct))
        }
      }
    }
    for g in 0..<3 {
      for k in layout.frequencies {
        let a = try transfer(small.squared[g][k], seed: UInt64(500 + 10 * g + k))
        let sigma = small.covariance[k]
        let total = a * sigma * a.transposed + noiseVariance * .identity(sigma.rows)
        let exact = sigma - sigma * a.transposed * (try Cholesky(total).inverse()) * a * sigma
        let u = posterior.synthesis[k]
        let error = u * posterior.covariance[g][k] * u.transposed - exact
        #expect(error.innerProduct(error) < 1e-16)
      }
    }
  }

  @Test("Without noise the posterior is the clean image")
  func noiseFreeLimit() throws {
    let small = SmallModel(seed: 33)
    let posterior = try small.posterior(noiseVariance: 1e-6, on: testWorld())
    let x = randomNormals(small.basis.layout.componentCount, seed: 3)
    var statistics = SteerableCoefficients(layout: small.basis.layout, count: 1)
    for k in small.basis.layout.frequencies {
      let components = small.basis.layout.components(ofBlock: k)
      for (value, component) in zip(small.squared[2][k].times(Array(x[components])), components) {
        statistics.setValue((Float(value), 0), image: 0, component: component)
      }
    }
    let alpha = posterior.posteriorMeans(
      of: posterior.sufficientStatistics(of: statistics, groups: [2]), groups: [2])
    for k in small.basis.layout.frequencies {
      let components = posterior.layout.components(ofBlock: k)
      var mine = posterior.synthesis[k].times(
        components.map { Double(alpha.value(image: 0, component: $0).re) })
      if k == 0 { mine = zip(mine, posterior.mean).map(+) }
      for (value, exact) in zip(mine, x[components]) { #expect(abs(value - exact) < 1e-4) }
      #expect(posterior.covariance[2][k].storage.allSatisfy { abs($0) < 1e-4 })
    }
  }

  @Test("A clean image's principal coordinates make its coefficients again")
  func principalCoordinates() throws {
    let small = SmallModel(seed: 17)
    let posterior = try small.posterior(on: testWorld())
    let real = RealCoordinates(posterior.layout)
    let alpha = randomNormals(real.dimension, seed: 3)
    let pairs = real.pairs(alpha)
    var a = [Float](repeating: 0, count: 2 * small.basis.layout.componentCount)
    for (block, k) in posterior.layout.frequencies.enumerated() {
      let sources = posterior.layout.components(ofBlock: block)
      for (q, component) in small.basis.layout.components(ofBlock: k).enumerated() {
        for (s, source) in sources.enumerated() {
          for part in 0..<2 {
            a[2 * component + part] +=
              Float(posterior.synthesis[block][q, s]) * pairs[2 * source + part]
          }
        }
      }
    }
    for (found, expected) in zip(real.vector(posterior.principalCoordinates(of: a)), alpha) {
      #expect(abs(found - expected) < 1e-4)
    }
  }

  @Test("Blocks without signal and weak components are left out")
  func reducedRank() throws {
    var small = SmallModel(seed: 5)
    // One CTF for all: the moments then have the covariance's own rank.
    small.squared = .init(repeating: small.squared[0], count: 3)
    small.covariance[1] = 0 * small.covariance[1]
    small.covariance[2] = Matrix(rows: 2, columns: 2, storage: [4, 2, 2, 1])
    let estimate = try MeanAndCovariance(
      moments: small.moments(noiseVariance: 1e-6), model: small.image, noiseVariance: 1e-6,
      on: testWorld())
    let posterior = try PosteriorModel(estimate: estimate, model: small.image, noiseVariance: 0.5)
    #expect(posterior.layout.frequencies == [0, 2, 3, 4])
    #expect(posterior.layout.offsets == [0, 3, 4, 5, 6])
    #expect(abs(posterior.eigenvalues[1][0] - 5) < 1e-4)
    // (2, 1) is the direction, scaled by the square root of the eigenvalue over its length.
    let direction = posterior.synthesis[1].storage
    #expect(abs(direction[0] - 2) < 1e-4 && abs(direction[1] - 1) < 1e-4)
    let b = small.squared[1][2]
    let expected = (4 * b[0, 0] + 4 * b[0, 1] + b[1, 1]) / 0.5
    #expect(abs(posterior.information[1][1][0, 0] - expected) < 1e-3)
  }
}
