import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Execution
@testable import ImageModel

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ImageSurveyRanks {
  private let size = 32

  /// White noise of variance `variance` around `mean`, image by image.
  private func noise(
    _ count: Int, size: Int, variance: (Int) -> Double, mean: (Int) -> Double = { _ in 0 }
  ) -> [[Float]] {
    let numbers = randomNormals(count * size * size, seed: 44)
    return (0..<count).map { image in
      let scale = variance(image).squareRoot()
      return (0..<size * size).map {
        Float(mean(image) + scale * numbers[image * size * size + $0])
      }
    }
  }

  /// Gaussians of width 3 and little noise, zero beyond the mask's radius.
  private func gaussians(size: Int, mask: Double = .infinity) -> [[Float]] {
    var images = noise(150, size: size, variance: { _ in 4e-4 })
    for i in images.indices {
      for pixel in 0..<size * size {
        let r = hypot(Double(pixel % size - size / 2), Double(pixel / size - size / 2))
        images[i][pixel] += Float(exp(-r * r / 18))
        if r > mask { images[i][pixel] = 0 }
      }
    }
    return images
  }

  private func survey(
    _ images: [[Float]], size: Int, options: ModelOptions = ModelOptions(),
    ctfs: [CTFParameters]? = nil, optics: OpticsGroup = testOptics
  ) throws -> ImageSurvey {
    let world = try testWorld()
    let folder = try TemporaryFolder()
    let set = try writeStack(images, size: size, ctfs: ctfs, optics: optics, in: folder, on: world)
    defer { withExtendedLifetime(folder) { try? world.barrier() } }
    return try ImageSurvey(of: set, options: options.survey, on: world, observer: SilentObserver())
  }

  @Test("The noise variance is the mean square outside the particle radius")
  func noiseVariance() throws {
    var images = noise(60, size: size, variance: { _ in 2.25 })
    var options = ModelOptions()
    options.radius = 10
    let outside = (0..<size * size).filter {
      hypot(Double($0 / size - size / 2), Double($0 % size - size / 2)) > 10
    }
    // A particle in the middle does not count.
    for i in images.indices {
      for pixel in 0..<size * size where !outside.contains(pixel) { images[i][pixel] += 5 }
    }
    var sum = 0.0
    for image in images {
      for pixel in outside { sum += Double(image[pixel]) * Double(image[pixel]) }
    }
    let direct = sum / Double(images.count * outside.count)
    let survey = try survey(images, size: size, options: options)
    #expect(abs(survey.noiseVariance / direct - 1) < 1e-9)
    #expect(abs(survey.noiseVariance / 2.25 - 1) < 0.03)
    #expect(!survey.statistics.needsNormalization)
    #expect(survey.statistics.backgroundPixels == outside.count && survey.statistics.count == 60)
    #expect(survey.radius == 10)

    options.noiseVariance = 0.7
    #expect(try self.survey(images, size: size, options: options).noiseVariance == 0.7)
  }

  @Test("Noise that the CTF filtered is brought back to what it was before")
  func premultiplied() throws {
    let ctf = testCTF(defocus: 9000)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    let images = noise(80, size: size, variance: { _ in 2.25 }).map { image -> [Float] in
      for i in image.indices { weighting.image[i] = image[i] }
      weighting.apply(ctf, optics: testOptics)
      return Array(UnsafeBufferPointer(start: weighting.image, count: image.count))
    }
    var optics = testOptics
    optics.isCTFPremultiplied = true
    var options = ModelOptions()
    options.radius = 10
    let survey = try survey(
      images, size: size, options: options, ctfs: .init(repeating: ctf, count: 80), optics: optics)
    #expect(abs(survey.noiseVariance / 2.25 - 1) < 0.03)
  }

  @Test("The energy of the clean images on each shell, whatever CTF and noise")
  func signalEnergy() throws {
    let ctf = testCTF(defocus: 9000)
    let weighting = CTFWeighting(size: size, pixelSize: 3)
    let (count, power) = (400, 3.0)
    var images = noise(count, size: size, variance: { _ in power })
    let noise = randomNormals(count * size * size, seed: 45)
    for i in images.indices {
      for pixel in images[i].indices { weighting.image[pixel] = images[i][pixel] }
      weighting.apply(ctf, optics: testOptics)
      for pixel in images[i].indices {
        images[i][pixel] = weighting.image[pixel] + Float(noise[i * size * size + pixel])
      }
    }
    var options = ModelOptions()
    options.noiseVariance = 1
    let survey = try survey(
      images, size: size, options: options, ctfs: .init(repeating: ctf, count: count))
    let points = ImageStatistics.pointsPerShell(size: size)
    let shells = survey.statistics.signalEnergy(size: size, noiseVariance: 1)
    var seen = 0
    for (shell, energy) in shells.enumerated().dropFirst() where energy.variance.isFinite {
      // White images have as much energy at every point; it scatters by itself too.
      let expected = power * Double(points[shell])
      let own = 2 * expected * expected / Double(count * points[shell])
      let error = (energy.variance + own).squareRoot()
      #expect(abs(energy.energy - expected) < 6 * error + 0.03 * expected, "\(shell)")
      if error < 0.1 * expected { seen += 1 }
    }
    #expect(seen > 8)
  }

  @Test("NaN, infinite and constant images are left out by name, or refused")
  func badParticles() throws {
    var images = noise(30, size: size, variance: { _ in 1 })
    images[5][700] = .nan
    images[17][0] = -.infinity
    images[23] = .init(repeating: 4, count: size * size)
    var options = ModelOptions()
    options.radius = 10
    let survey = try survey(images, size: size, options: options)
    #expect(survey.leftOut.map(\.particle) == [5, 17, 23])
    #expect(survey.leftOut.map(\.defect) == [.notFinite, .notFinite, .constant])
    let kept = (0..<30).filter { ![5, 17, 23].contains($0) }
    #expect(survey.originalIndex == kept.map { Int32($0) })
    #expect(survey.particles.particles.map(\.section) == kept.map { Int32($0) })
    #expect(survey.statistics.count == 27)
    #expect(survey.noiseVariance.isFinite)

    options.isStrict = true
    #expect(throws: ReportedError.self) {
      try self.survey(images, size: size, options: options)
    }
    options.isStrict = false
    #expect(throws: ReportedError.self) {
      let bad = [Float](repeating: .nan, count: size * size)
      return try self.survey(.init(repeating: bad, count: 5), size: size, options: options)
    }
  }

  @Test("Images of different scales or offsets are to be normalised, and then have unit noise")
  func normalization() throws {
    let scales = randomNumbers(60, seed: 3).map { exp($0) }
    let scaled = try survey(noise(60, size: size, variance: { scales[$0] }), size: size)
    #expect(scaled.statistics.needsNormalization && scaled.noiseVariance == 1)
    let shifted = try survey(
      noise(60, size: size, variance: { _ in 2 }, mean: { 3 * scales[$0] }), size: size)
    #expect(shifted.statistics.needsNormalization && shifted.noiseVariance == 1)
    // A variance that is given is in units of the images as they are.
    var options = ModelOptions()
    options.noiseVariance = 2.5
    let given = try survey(
      noise(60, size: size, variance: { scales[$0] }), size: size, options: options)
    #expect(!given.statistics.needsNormalization && given.noiseVariance == 2.5)
    let even = try survey(noise(60, size: size, variance: { _ in 2 }), size: size)
    #expect(!even.statistics.needsNormalization)

    let normalizer = BackgroundNormalizer(size: size, radius: 12)
    var image = noise(1, size: size, variance: { _ in 9 }, mean: { _ in 7 })[0]
    image.withUnsafeMutableBufferPointer { normalizer.apply(to: $0.baseAddress!) }
    let outside = image.indices.filter {
      hypot(Double($0 / size - size / 2), Double($0 % size - size / 2)) > 12
    }
    let mean = outside.reduce(0.0) { $0 + Double(image[$1]) } / Double(outside.count)
    let square =
      outside.reduce(0.0) { $0 + Double(image[$1] * image[$1]) } / Double(outside.count)
    #expect(abs(mean) < 1e-5 && abs(square - 1) < 1e-5)
  }

  /// A Gaussian of width s holds 99 % of its energy within s sqrt(ln 100) = 2.146 s, and of its
  /// power within 2.146 / (2 pi s) cycles per pixel.
  @Test("Radius and band limit hold the wanted share of a Gaussian's energy")
  func support() throws {
    let size = 64
    let images = gaussians(size: size)
    let survey = try survey(images, size: size)
    // 6.44 pixels: shell 6, which ends at 6.5, and one more.
    #expect(survey.radius == 7)
    // 7.29 grid steps: shell 7, and one more.
    #expect(survey.bandLimit == 8.0 / 64)
    var options = ModelOptions()
    options.signalShare = 0.95
    // sqrt(ln 20) = 1.731: 5.19 pixels; 5.88 grid steps.
    let less = try self.survey(images, size: size, options: options)
    #expect(less.radius == 6)
    #expect(less.bandLimit == 7.0 / 64)
  }

  @Test("A noise variance that is given is also what radius and band limit take off")
  func givenNoiseVariance() throws {
    let size = 64
    // The mask leaves no noise in the background.
    let images = gaussians(size: size, mask: 30)
    for factor in [1, 1e6] as [Float] {
      #expect(throws: ReportedError.self) {
        try self.survey(images.map { $0.map { factor * $0 } }, size: size)
      }
    }
    var options = ModelOptions()
    options.noiseVariance = 4e-4
    let survey = try self.survey(images, size: size, options: options)
    #expect(survey.noiseVariance == 4e-4)
    #expect(survey.radius == 7)
    // The mask took a third of the noise away, so that a little too much is taken off.
    #expect(abs(survey.bandLimit - 8.0 / 64) < 0.02)
  }

  @Test(
    "Options that the images contradict", arguments: [(1.0, 0.3), (17, 0.3), (9, 0), (9, 0.51)])
  func badOptions(radius: Double, bandLimit: Double) throws {
    var options = ModelOptions()
    (options.radius, options.bandLimit) = (radius, bandLimit)
    #expect(throws: ReportedError.self) {
      try survey(noise(5, size: size, variance: { _ in 1 }), size: size, options: options)
    }
  }
}
