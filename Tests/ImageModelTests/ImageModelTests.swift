import Foundation
import LinearAlgebra
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Fourier
@testable import ImageModel

/// The discrete Fourier transform by direct sums, [ky][kx], rows and columns 0..<size.
func directTransform(_ image: [SIMD2<Double>], size: Int, sign: Double = -1) -> [SIMD2<Double>] {
  /// Over the fast index, which becomes the slow one.
  func pass(_ values: [SIMD2<Double>]) -> [SIMD2<Double>] {
    var result = values
    for row in 0..<size {
      for k in 0..<size {
        var sum = SIMD2<Double>.zero
        for x in 0..<size {
          let phase = sign * 2 * .pi * Double((k * x) % size) / Double(size)
          let (c, s) = (cos(phase), sin(phase))
          let v = values[row * size + x]
          sum += SIMD2(v.x * c - v.y * s, v.x * s + v.y * c)
        }
        result[k * size + row] = sum
      }
    }
    return result
  }
  return pass(pass(image))
}

/// The signed frequency of index `k`.
private func signed(_ k: Int, _ size: Int) -> Int { k <= (size - 1) / 2 ? k : k - size }

@Suite("Image model", .serialized, .timeLimit(.minutes(2)))
struct ImageModelTests {
  @Test("B_g is the pixel functions' Gram matrix after the CTF", arguments: [24, 25])
  func squaredTransferFunctions(size: Int) {
    let basis = FourierBesselBasis(size: size, bandLimit: 0.4, radius: 6)
    let defoci = [3000.0, 8000, 14_000]
    let particles = defoci.map { testParticle(testCTF(defocus: $0)) }
    let groups = DefocusGroups(of: particles, pixelSize: 3, limit: 5)
    let model = ImageModel(basis: basis, groups: groups)
    #expect(model.groupCounts == [1, 1, 1])
    let spectra = pixelFunctions(basis).map { parts in
      parts.map { directTransform($0.map { SIMD2($0, 0) }, size: size) }
    }
    let area = Double(size * size)
    for (g, defocus) in defoci.enumerated() {
      let weights = (0..<size * size).map { point in
        let (ky, kx) = (signed(point / size, size), signed(point % size, size))
        let value = testCTF(defocus: defocus).value(
          kx: Double(kx) / (Double(size) * 3), ky: Double(ky) / (Double(size) * 3))
        return value * value / area
      }
      var (worst, mean, entries) = (0.0, 0.0, 0.0)
      for k in basis.layout.frequencies {
        let components = basis.layout.components(ofBlock: k)
        for (q, first) in components.enumerated() {
          for (r, second) in components.enumerated() {
            var sum = 0.0
            for part in 0..<(k == 0 ? 1 : 2) {
              for point in weights.indices {
                let product = spectra[first][part][point] * spectra[second][part][point]
                sum += weights[point] * (product.x + product.y)
              }
            }
            let error = abs(model.squared[g][k][q, r] - sum / (k == 0 ? 1 : 2))
            worst = max(worst, error)
            mean += error
            entries += 1
          }
        }
      }
      // The box cuts off the functions' tails (their norms differ from 1 by up to some per cent, see
      // the basis's tests), and the grid cuts the band's edge into steps.
      #expect(worst < 0.01, "defocus \(defocus), box \(size)")
      #expect(mean / entries < 0.004)
    }
  }

  @Test("White noise has the covariance sigma^2 B_g")
  func whiteNoise() throws {
    let size = 24
    let (count, sigma) = (3000, 1.5)
    let basis = FourierBesselBasis(size: size, bandLimit: 0.4, radius: 6)
    // The model's own error is least here (the test above).
    let ctf = testCTF(defocus: 3000)
    let groups = DefocusGroups(
      of: .init(repeating: testParticle(ctf), count: count), pixelSize: 3, limit: 5)
    let model = ImageModel(basis: basis, groups: groups)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    let noise = randomNormals(count * size * size, seed: 99).map { Float(sigma * $0) }
    let images = (0..<count).map { image -> [Float] in
      for i in 0..<size * size { weighting.image[i] = noise[image * size * size + i] }
      weighting.apply(ctf, optics: testOptics)
      return Array(UnsafeBufferPointer(start: weighting.image, count: size * size))
    }
    let moments = try GroupMoments(
      of: analyze(images, basis), groups: groups.groupOfParticle[...], groupCount: 1,
      imageCount: count, on: testWorld())
    var (squares, entries, trace, expectedTrace) = (0.0, 0.0, 0.0, 0.0)
    for k in basis.layout.frequencies {
      let samples = Double(count * ImageModel.multiplicity(ofBlock: k))
      let b = (sigma * sigma) * model.squared[0][k]
      let sample = (1 / samples) * moments.products[0][k]
      for q in 0..<b.rows {
        for r in 0...q {
          let variance = (b[q, q] * b[r, r] + b[q, r] * b[q, r]) / samples
          let deviation = (sample[q, r] - b[q, r]) / variance.squareRoot()
          #expect(abs(deviation) < 4.5, "block \(k), \(q), \(r)")
          squares += deviation * deviation
          entries += 1
        }
      }
      trace += sample.trace
      expectedTrace += b.trace
    }
    #expect(squares / entries > 0.6 && squares / entries < 1.4)
    #expect(abs(trace / expectedTrace - 1) < 0.005)
  }

  @Test(
    "Weighting is a product on the Fourier grid, astigmatism included",
    arguments: [12, 13], ["plain", "flipped", "premultiplied"])
  func weighting(size: Int, kind: String) {
    let ctf = testCTF(defocus: 9000, astigmatism: 2500, angle: 25)
    var optics = testOptics
    optics.isPhaseFlipped = kind == "flipped"
    optics.isCTFPremultiplied = kind == "premultiplied"
    // The Nyquist frequency of an even box has no sign, so astigmatism is not defined there.
    var start = directTransform(
      randomNormals(size * size, seed: 3).map { SIMD2($0, 0) }, size: size)
    for i in 0..<size where size % 2 == 0 {
      start[size / 2 * size + i] = .zero
      start[i * size + size / 2] = .zero
    }
    func inverse(_ spectrum: [SIMD2<Double>]) -> [Double] {
      directTransform(spectrum, size: size, sign: 1).map { $0.x / Double(size * size) }
    }
    let step = 1 / (Double(size) * 3)
    let weights = (0..<size * size).map { point -> Double in
      let value = ctf.value(
        kx: Double(signed(point % size, size)) * step, ky: Double(signed(point / size, size)) * step
      )
      switch kind {
      case "plain": return value
      case "flipped": return abs(value)
      default: return 1
      }
    }
    let expected = inverse(zip(start, weights).map { $0 * $1 })
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    // Twice: the second time from the cache.
    for _ in 0..<2 {
      for (i, value) in inverse(start).enumerated() { weighting.image[i] = Float(value) }
      var seen: [SIMD2<Float>] = []
      weighting.apply(ctf, optics: optics) { spectrum, _ in
        seen = Array(UnsafeBufferPointer(start: spectrum, count: size * (size / 2 + 1)))
      }
      for i in 0..<size * size { #expect(abs(Double(weighting.image[i]) - expected[i]) < 2e-6) }
      for (i, value) in seen.enumerated() {
        let point = i / (size / 2 + 1) * size + i % (size / 2 + 1)
        let error = SIMD2<Double>(value) - start[point] * weights[point]
        #expect(abs(error.x) < 1e-5 && abs(error.y) < 1e-5)
      }
    }
  }

  @Test("Images of one CTF share its values, those with flipped phases its modulus")
  func sharedWeights() {
    let weighting = CTFWeighting(size: 16, pixelSize: 3)
    let ctf = testCTF(defocus: 9000)
    var flipped = testOptics
    flipped.isPhaseFlipped = true
    func weights(_ optics: OpticsGroup) -> [Float] {
      var result: [Float] = []
      weighting.apply(ctf, optics: optics) { result = $1.factors }
      return result
    }
    func address(_ values: [Float]) -> UnsafePointer<Float>? {
      values.withUnsafeBufferPointer(\.baseAddress)
    }
    let (plain, modulus) = (weights(testOptics), weights(flipped))
    #expect(plain.contains { $0 < 0 } && modulus == plain.map(abs))
    // The same memory, not just the same values.
    let (plainAgain, modulusAgain) = (weights(testOptics), weights(flipped))
    #expect(address(plainAgain) == address(plain) && address(modulusAgain) == address(modulus))
    withExtendedLifetime((plain, modulus)) {}
  }
}
