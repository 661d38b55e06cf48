import Foundation
import MPI
import ParticleIO

/// Looks at a sample of the images: at the noise outside a radius, then at the signal that rises above it.
struct SurveyLooks {
  private let pass: ImagePass
  private let groups: (ofOptics: [Int], count: Int)
  private let choice: NoiseChoice

  init(_ pass: ImagePass, groups: (ofOptics: [Int], count: Int), choice: NoiseChoice) {
    (self.pass, self.groups, self.choice) = (pass, groups, choice)
  }

  /// A particle that is smaller leaves much more background than the corners outside half the box.
  var closerBelow: Double { ImageSurvey.closerBelow * Double(pass.set.boxSize) }

  /// What a look tells.
  struct Look {
    /// The noise's spectra as measured.
    var spectra: [NoiseSpectrum]
    /// The noise that images are whitened by.
    var noise: NoiseModel
    /// Its variance as measured, in squared units of the prepared images.
    var measuredVariance: Double
    var statistics: ImageStatistics
    var extent: ParticleExtent
  }

  /// Collective.
  /// - Throws: `ReportedError` on all ranks, where there is no noise; what `ImagePass.map` throws.
  func look(_ preparation: ImagePreparation, radius: Double, fineVariance: Double) throws -> Look {
    let size = pass.set.boxSize
    let spectra: [NoiseSpectrum]
    if preparation.isMasked {
      spectra = .init(
        repeating: NoiseSpectrum(variance: fineVariance, size: size), count: groups.count)
    } else {
      spectra = try pass.noise(preparation, radius: radius, groups: groups)
    }
    let measured = variance(of: spectra)
    try pass.comm.agree {
      // Nothing can be divided by no noise.
      for power in spectra.flatMap(\.power) where !(power > 0 && power.isFinite) {
        throw SurveyError.noNoise(variance: measured)
      }
    }
    let noise = NoiseModel(
      groupOfOptics: groups.ofOptics,
      spectra: choice == .radial
        ? spectra
        : spectra.map { NoiseSpectrum(variance: $0.pixelVariance(size: size), size: size) })
    let (statistics, extent) = try signal(preparation, noise: noise)
    return Look(
      spectra: spectra, noise: noise, measuredVariance: measured, statistics: statistics,
      extent: extent)
  }

  /// The images' profiles and the particle's extent alone, the noise being known. Collective.
  func signal(_ preparation: ImagePreparation, noise: NoiseModel) throws -> (
    statistics: ImageStatistics, extent: ParticleExtent
  ) {
    let statistics = try profile(preparation, noise)
    return (statistics, statistics.extent(size: pass.set.boxSize))
  }

  /// The mean variance of a pixel.
  private func variance(of spectra: [NoiseSpectrum]) -> Double {
    var images = [Int](repeating: 0, count: groups.count)
    for particle in pass.set.particles { images[groups.ofOptics[Int(particle.opticsGroup)]] += 1 }
    let total = zip(spectra, images).reduce(0) {
      $0 + $1.0.pixelVariance(size: pass.set.boxSize) * Double($1.1)
    }
    return total / Double(images.reduce(0, +))
  }

  private func profile(_ preparation: ImagePreparation, _ noise: NoiseModel) throws
    -> ImageStatistics
  {
    let (set, size, groups) = (pass.set, pass.set.boxSize, groups.ofOptics)
    let originalIndex = pass.originalIndex
    let profiles = try pass.map {
      (
        ImagePreparer(preparation),
        ImageProfiler(size: size, pixelSize: set.pixelSize, noise: noise)
      )
    } _: { state, image, at -> ImageProfile? in
      let particle = set.particles[at]
      let optics = Int(particle.opticsGroup)
      let outcome = state.0.prepare(
        image, into: state.1.image, index: Int(originalIndex[at]), group: groups[optics],
        noisePassed: state.1.noisePassed(particle, optics: set.opticsGroups[optics]))
      return outcome.isUnusual ? nil : state.1.measure(particle, optics: set.opticsGroups[optics])
    }
    return try ImageStatistics(
      profiles.compactMap { $0 }, size: size, isMasked: preparation.isMasked, on: pass.comm)
  }
}
