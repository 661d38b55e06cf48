import Foundation
import Fourier
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

  /// Gaussians of width 3 and noise of a standard deviation, zero beyond the mask's radius.
  private func gaussians(size: Int, noise deviation: Double = 0.02, mask: Double = .infinity)
    -> [[Float]]
  {
    var images = noise(150, size: size, variance: { _ in deviation * deviation })
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
    // The window's soft edges leave out some pixels.
    #expect(abs(survey.noiseVariance / direct - 1) < 0.02)
    #expect(abs(survey.noiseVariance / 2.25 - 1) < 0.03)
    #expect(!survey.findings.background.areScaled && survey.statistics.count == 60)
    #expect(survey.radius == 10)

    options.noiseVariance = 0.7
    let given = try self.survey(images, size: size, options: options)
    #expect(given.noiseVariance == 0.7)
    #expect(abs(given.whiteVariance * survey.noiseVariance / 0.7 - 1) < 1e-12)
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
    let world = try testWorld()
    let profiler = ImageProfiler(
      size: size, pixelSize: 3, noise: NoiseModel(variance: 1, size: size, opticsGroups: 1))
    let particle = Particle(stack: 0, section: 0, opticsGroup: 0, line: 1, ctf: ctf)
    let profiles = Partition(of: count, among: world.size).range(of: world.rank).map { image in
      for (i, value) in images[image].enumerated() { profiler.image[i] = value }
      return profiler.measure(particle, optics: testOptics)
    }
    let statistics = try ImageStatistics(profiles, size: size, isMasked: false, on: world)
    let points = ImageStatistics.pointsPerShell(size: size)
    let shells = statistics.signalEnergy(size: size)
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

  @Test("Images of different scales get one scale, those of different offsets lose them")
  func normalization() throws {
    let scales = randomNumbers(60, seed: 3).map { exp($0) }
    let scaled = try survey(noise(60, size: size, variance: { scales[$0] }), size: size)
    #expect(scaled.findings.background.areScaled)
    #expect(abs(scaled.noiseVariance - 1) < 0.1)
    #expect(scaled.unit == 1)
    let shifted = try survey(
      noise(60, size: size, variance: { _ in 2 }, mean: { 3 * scales[$0] }), size: size)
    #expect(!shifted.findings.background.areScaled && shifted.preparation.level.isOwnMean)
    #expect(abs(shifted.noiseVariance / 2 - 1) < 0.1)
    let even = try survey(
      noise(60, size: size, variance: { _ in 2 }, mean: { _ in 1e4 }), size: size)
    #expect(!even.findings.background.areScaled && !even.preparation.level.isOwnMean)
    #expect(!even.preparation.level.isPlane)
    #expect(abs(even.preparation.level.mean / 1e4 - 1) < 1e-4)
    #expect(abs(even.noiseVariance / 2 - 1) < 0.1)
  }

  @Test("Whatever the units, the images are the same once they are prepared")
  func units() throws {
    let images = gaussians(size: 32, noise: 0.2)
    let usual = try survey(images, size: 32)
    for factor in [1e18, 1e-37, -3] as [Float] {
      let other = try survey(images.map { $0.map { factor * $0 } }, size: 32)
      #expect(other.radius == usual.radius && other.bandLimit == usual.bandLimit)
      let variance = usual.noiseVariance * Double(factor) * Double(factor)
      #expect(abs(other.noiseVariance / variance - 1) < 1e-3, "\(factor)")
    }
  }

  /// The power of a Gaussian of width s falls as exp(-r^2 / s^2): to 2 % at s sqrt(ln 50) = 5.93 pixels for s = 3. Its
  /// spectrum's square over that of the noise is (18 pi)^2 / 64^2 / 4e-4 exp(-4 pi^2 9 f^2), which is as little as
  /// matters, 1/80, at 0.184 cycles per pixel, 11.7 grid steps.
  @Test("Radius and band limit of a Gaussian")
  func support() throws {
    let size = 64
    let images = gaussians(size: size)
    let survey = try survey(images, size: size)
    #expect((7...9).contains(survey.radius))
    #expect((11.0 / 64...13.0 / 64).contains(survey.bandLimit))
    #expect(!survey.findings.isMasked && !survey.findings.extent.touchesEdge)
    // Neither hangs on the noise's variance.
    var options = ModelOptions()
    options.noiseVariance = 1.01 * survey.noiseVariance
    let other = try self.survey(images, size: size, options: options)
    #expect(other.radius == survey.radius && other.bandLimit == survey.bandLimit)
  }

  /// Ribosomes of some 260 A, dark, raw grey values, neighbours in many boxes.
  @Test(
    "Real particles as they come",
    .enabled(if: SharedData.isPresent, "the folder ../shared/data is absent"),
    arguments: [CTFSource.required, .ignored])
  func realParticles(ctf: CTFSource) throws {
    let world = try testWorld()
    let set = try ParticleSet.read(
      starFile: SharedData.path + "/real/ribosome80S.star", ctf: ctf, on: world)
    func survey(_ change: (inout SurveyOptions) -> Void = { _ in }) throws -> ImageSurvey {
      var options = SurveyOptions()
      change(&options)
      return try ImageSurvey(of: set, options: options, on: world, observer: SilentObserver())
    }
    let found = try survey()
    #expect((130...190).contains(5.36 * found.radius), "\(5.36 * found.radius)")
    #expect(found.leftOut.isEmpty && found.findings.extent.isCrowded)
    #expect(found.findings.colour > 2 && found.findings.background.areScaled)
    for factor in [0.99, 1.01] {
      let other = try survey { $0.noiseVariance = factor * found.noiseVariance }
      #expect(other.radius == found.radius && other.bandLimit == found.bandLimit)
    }
    try world.barrier()
  }

  @Test("A filter may have left no noise at some frequencies")
  func filtered() throws {
    let size = 32
    let fft = PlanarFFT(size: size)
    let filtered = gaussians(size: size, noise: 0.2).map { image -> [Float] in
      for i in image.indices { fft.image[i] = image[i] }
      fft.forward()
      for i in 0..<size * fft.columns {
        let row = i / fft.columns
        let distance = hypot(
          Double(row <= (size - 1) / 2 ? row : row - size), Double(i % fft.columns))
        fft.spectrum[i] *= distance > 10 ? 0 : 1 / Float(size * size)
      }
      fft.inverse()
      return image.indices.map { fft.image[$0] }
    }
    let survey = try self.survey(filtered, size: size)
    #expect(survey.findings.colour > 100 && survey.bandLimit <= 12.0 / 32)
    #expect(survey.statistics.power.allSatisfy { $0.isFinite })
  }

  @Test("Masked images are recognised, in whatever units")
  func masked() throws {
    let size = 64
    let images = gaussians(size: size, noise: 1, mask: 24)
    for factor in [1, 1e6] as [Float] {
      let survey = try self.survey(images.map { $0.map { factor * $0 } }, size: size)
      #expect(survey.findings.isMasked)
      #expect(survey.radius <= 25)
      #expect(abs(survey.noiseVariance / Double(factor * factor) - 1) < 0.05)
    }
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
