import Foundation
import LinearAlgebra
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution
@testable import ImageModel
@testable import Volumes

@Suite(.serialized, .timeLimit(.minutes(2)))
struct SimulatedImagesRanks {
  private let groups = (0..<90).map { Int32($0 % 3) }

  private let small = SmallModel(seed: 31)
  private let variance = 0.7

  private func images(_ own: Range<Int>, groups: [Int32], seed: UInt64 = 5) throws
    -> SimulatedImages
  {
    let estimate = try small.estimate(on: testWorld())
    return try SimulatedImages(
      of: VolumeEstimate(
        like: estimate, basis: small.basis, seed: seed, threads: 2, on: testWorld(),
        observer: SilentObserver(), classAverages: { [] }),
      mean: estimate.mean, model: small.image, noiseVariance: variance, groups: groups, own: own,
      seed: seed, threads: 2, observer: SilentObserver())
  }

  @Test("An image does not depend on who makes it")
  func sameOnAnyRank() throws {
    let own = Partition(of: groups.count, among: try testWorld().size).range(
      of: try testWorld().rank)
    let whole = try images(0..<groups.count, groups: groups)
    let part = try images(own, groups: groups)
    let other = try images(own, groups: groups, seed: 6)
    for (at, image) in own.enumerated() {
      for component in 0..<whole.clean.layout.componentCount {
        #expect(
          part.clean.value(image: at, component: component)
            == whole.clean.value(image: image, component: component))
        #expect(
          part.statistics.value(image: at, component: component)
            == whole.statistics.value(image: image, component: component))
      }
      #expect(
        other.clean.value(image: at, component: 1) != part.clean.value(image: at, component: 1))
    }
  }

  /// The moments of many images are what the model of image formation says of the clean ones.
  @Test("Statistics are those of clean images with CTF and noise")
  func noiseIsThatOfTheModel() throws {
    let count = 30_000
    let groups = (0..<count).map { Int32($0 % 3) }
    let images = try images(0..<count, groups: groups)
    let layout = small.basis.layout
    for group in 0..<3 {
      for k in layout.frequencies {
        let components = layout.components(ofBlock: k)
        let squared = small.squared[group][k]
        for part in 0..<(k == 0 ? 1 : 2) {
          var sum = Matrix(rows: squared.rows, columns: squared.rows)
          for image in stride(from: group, to: count, by: 3) {
            func value(_ values: SteerableCoefficients, _ component: Int) -> Double {
              let z = values.value(image: image, component: component)
              return Double(part == 0 ? z.re : z.im)
            }
            let a = components.map { value(images.clean, $0) }
            let noise = zip(components, squared.times(a)).map { value(images.statistics, $0) - $1 }
            for i in noise.indices { for j in noise.indices { sum[i, j] += noise[i] * noise[j] } }
          }
          let difference = (3 / Double(count)) * sum - variance * squared
          // Each of 10,000 samples: an element errs by 1 % or 2 % of the variances.
          #expect(
            difference.innerProduct(difference).squareRoot() < 0.05 * variance * squared.trace,
            "\(group), \(k)")
        }
      }
    }
    // The mean is that of the model.
    for (q, component) in layout.components(ofBlock: 0).enumerated() {
      let values = (0..<count).map {
        Double(images.clean.value(image: $0, component: component).re)
      }
      let mean = values.reduce(0, +) / Double(count)
      let deviation = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
      #expect(abs(mean - small.mean[q]) < 5 * (deviation / Double(count)).squareRoot() + 1e-6)
    }
  }

  /// Through the common radial functions and back.
  @Test("Radial coordinates lose nothing of a covariance")
  func radialCoordinatesAreExact() throws {
    let radial = try RadialCoordinates(of: small.covariance, basis: small.basis)
    for (k, covariance) in small.covariance.enumerated() {
      #expect(
        abs(radial.covariances[k].trace - covariance.trace) < 0.002 * covariance.trace, "k = \(k)")
    }
  }
}

@Suite struct SimulatedVolumeTests {
  /// Random X_l of three radial coordinates, of the rank that they may have.
  private func correlations(degree: Int) -> [Matrix] {
    (0...degree).map { l in
      let rank = l == 0 ? 0 : min(3, 2 * l + 1, 1 + l % 3)
      var sum = Matrix(rows: 3, columns: 3)
      for s in 0..<rank {
        let v = Matrix(rows: 3, columns: 1, storage: randomNormals(3, seed: UInt64(10 * l + s + 1)))
        sum += (1 / Double(l)) * (v * v.transposed)
      }
      return sum
    }
  }

  /// C_k by the closed form with harmonics from their definition: |Y_lk(equator)|^2 =
  /// (2l + 1) / 4 pi (l - k - 1)!! (l + k - 1)!! / ((l - k)!! (l + k)!!) for even l - k.
  private func covariances(_ correlations: [Matrix]) -> [Matrix] {
    func doubleFactorial(_ n: Int) -> Double {
      stride(from: n, to: 1, by: -2).reduce(1) { $0 * Double($1) }
    }
    return correlations.indices.map { k in
      var sum = Matrix(rows: 3, columns: 3)
      for l in stride(from: k, to: correlations.count, by: 2) where l > 0 {
        let share =
          Double(2 * l + 1) / (4 * .pi) * doubleFactorial(l - k - 1) * doubleFactorial(l + k - 1)
          / (doubleFactorial(l - k) * doubleFactorial(l + k))
        sum += share * correlations[l]
      }
      return sum
    }
  }

  @Test func harmonicsObeyTheAdditionTheorem() {
    let degree = 20
    let harmonics = SphericalHarmonics(degree: degree)
    let (a, b) = (RandomOrientation(image: 1, seed: 1), RandomOrientation(image: 2, seed: 1))
    let (u, v) = (a.first, b.first)
    var sums = [Float](repeating: 0, count: degree + 1)
    var counts = [Int](repeating: 0, count: degree + 1)
    harmonics.forEach(
      x: .init(lowHalf: .init(repeating: u.x), highHalf: .init(repeating: v.x)),
      y: .init(lowHalf: .init(repeating: u.y), highHalf: .init(repeating: v.y)),
      z: .init(lowHalf: .init(repeating: u.z), highHalf: .init(repeating: v.z))
    ) { l, _, value in
      sums[l] += value[0] * value[15]
      counts[l] += 1
    }
    // Legendre polynomials of the angle between the directions.
    let cosine = Double((u * v).sum())
    var (before, present) = (1.0, cosine)
    for l in 1...degree {
      #expect(counts[l] == 2 * l + 1)
      let expected = Double(2 * l + 1) / (4 * .pi) * present
      #expect(abs(Double(sums[l]) - expected) < 1e-4)
      (before, present) = (
        present, (Double(2 * l + 1) * cosine * present - Double(l) * before) / Double(l + 1)
      )
    }
  }

  /// Directions from pole to equator, of degrees whose Legendre functions are beyond single precision.
  @Test func highDegreesAreFiniteAtThePoles() {
    let degree = 340
    let harmonics = SphericalHarmonics(degree: degree)
    var (sine, cosine) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
    for lane in 0..<16 {
      let angle = lane == 0 ? 0 : 0.5 * Double.pi * pow(2, Double(lane - 15) / 2)
      (sine[lane], cosine[lane]) = (Float(sin(angle)), Float(cos(angle)))
    }
    var sums = [SIMD16<Float>](repeating: .zero, count: degree + 1)
    harmonics.forEach(x: 0.6 * sine, y: 0.8 * sine, z: cosine) { l, _, value in
      sums[l] += value * value
    }
    for (l, sum) in sums.enumerated() {
      let expected = Float(2 * l + 1) / (4 * .pi)
      for lane in 0..<16 { #expect(abs(sum[lane] / expected - 1) < 1e-3, "\(l), lane \(lane)") }
    }
  }

  @Test func shellCorrelationsAreFoundAgain() throws {
    let truth = correlations(degree: 6)
    let covariances = covariances(truth)
    let found = try ShellCorrelation(of: covariances)
    #expect(found.residual < 1e-4)
    for (l, (a, b)) in zip(found.degrees, truth).enumerated() {
      let difference = a - b
      let size = truth.map(\.trace).max()!
      #expect(difference.innerProduct(difference).squareRoot() < 0.05 * size, "degree \(l)")
      #expect(try SymmetricEigen(a).values.last! > -1e-9 * size)
    }
  }

  /// The projections of one volume have the covariance that it was drawn for.
  @Test func slicesHaveTheCovariance() throws {
    let covariances = covariances(correlations(degree: 6))
    let correlation = try ShellCorrelation(of: covariances)
    let volume = SimulatedVolume(
      coefficients: try HarmonicRotations(of: correlation.degrees, seed: 3)
        .coefficients(through: 6),
      degree: 6, rank: 3)
    var slice = ProjectionValues(volume)
    let count = 20_000
    var sums = [Matrix](repeating: Matrix(rows: 3, columns: 3), count: 7)
    for image in 0..<count {
      slice.fill(volume, orientation: RandomOrientation(image: image, seed: 9))
      for k in 0...6 {
        let z = slice.frequency(k)
        for i in 0..<3 {
          for j in 0..<3 {
            sums[k][i, j] +=
              k == 0 ? z[i].0 * z[j].0 : (z[i].0 * z[j].0 + z[i].1 * z[j].1) / 2
          }
        }
      }
    }
    for k in 0...6 {
      let difference = (1 / Double(count)) * sums[k] - covariances[k]
      #expect(
        difference.innerProduct(difference).squareRoot() < 0.05 * covariances[k].trace, "k = \(k)")
    }
  }

  /// Two central projections have a line in common.
  @Test func slicesShareALine() throws {
    let correlation = try ShellCorrelation(of: covariances(correlations(degree: 6)))
    let volume = SimulatedVolume(
      coefficients: try HarmonicRotations(of: correlation.degrees, seed: 4)
        .coefficients(through: 6),
      degree: 6, rank: 3)
    func cross(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> SIMD3<Float> {
      [a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x]
    }
    func values(_ orientation: RandomOrientation, along line: SIMD3<Float>) -> [Double] {
      var slice = ProjectionValues(volume)
      slice.fill(volume, orientation: orientation)
      let angle = Double(
        atan2((line * orientation.second).sum(), (line * orientation.first).sum()))
      return (0..<3).map { j in
        (0...6).reduce(0.0) { sum, k in
          let z = slice.frequency(k)[j]
          let scale = k == 0 ? 1 : 2.0.squareRoot()
          return sum + scale * (z.0 * cos(Double(k) * angle) + z.1 * sin(Double(k) * angle))
        }
      }
    }
    for pair in 0..<10 {
      let (a, b) = (
        RandomOrientation(image: 2 * pair, seed: 7), RandomOrientation(image: 2 * pair + 1, seed: 7)
      )
      #expect(abs((a.first * a.second).sum()) < 1e-5)
      let line = cross(cross(a.first, a.second), cross(b.first, b.second))
      for (one, other) in zip(values(a, along: line), values(b, along: line)) {
        #expect(abs(one - other) < 1e-3 * max(1, abs(one)))
      }
    }
  }
}
