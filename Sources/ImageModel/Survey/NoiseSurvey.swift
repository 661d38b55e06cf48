import Foundation
import Fourier
import MPI
import ParticleIO

/// Which optics groups have a noise spectrum of their own: those with enough images; the others share one.
enum NoiseGroups {
  /// Images that a spectrum needs.
  private static var enough: Int { 500 }

  static func ofOptics(_ set: ParticleSet) -> (ofOptics: [Int], count: Int) {
    var images = [Int](repeating: 0, count: set.opticsGroups.count)
    for particle in set.particles { images[Int(particle.opticsGroup)] += 1 }
    var (next, shared) = (0, -1)
    let groups = images.map { count -> Int in
      if count >= enough || images.count == 1 {
        next += 1
        return next - 1
      }
      if shared < 0 {
        shared = next
        next += 1
      }
      return shared
    }
    return (groups, next)
  }
}

extension ImagePass {
  /// The spectra of the noise outside a radius, in prepared images. Collective.
  /// - Parameter groups: the noise group of each optics group, and how many there are.
  func noise(
    _ preparation: ImagePreparation, radius: Double, groups: (ofOptics: [Int], count: Int)
  ) throws -> [NoiseSpectrum] {
    let size = set.boxSize
    let window = NoiseWindow(
      size: size, radius: radius, fitRadius: preparation.radius,
      functions: preparation.level.functions)
    let particles = set.particles
    let optics = set.opticsGroups
    let (originalIndex, pixelSize) = (originalIndex, set.pixelSize)
    let rows = try map {
      (
        ImagePreparer(preparation), NoiseMeter(window, pixelSize: pixelSize),
        CTFWeighting(size: size, pixelSize: pixelSize), [Float](repeating: 0, count: size * size)
      )
    } _: { state, image, at -> (group: Int, row: [Double])? in
      let own = Int(particles[at].opticsGroup)
      let group = groups.ofOptics[own]
      // The background of images that were multiplied by their CTF is noise that it has filtered.
      let passed = state.2.noisePassed(particles[at].ctf, optics: optics[own])
      let outcome = state.0.prepare(
        image, into: &state.3, index: Int(originalIndex[at]), group: group, noisePassed: passed)
      if outcome.isUnusual { return nil }
      let power = state.1.power(of: state.3)
      let (blurred, square) = state.1.squares(of: particles[at].ctf)
      return (
        group,
        NoiseMoments.row(power.map { $0 / max(passed, 1e-6) }, blurred, square)
      )
    }
    return try (0..<groups.count).map { group in
      let own = rows.compactMap { $0?.group == group ? $0?.row : nil }
      let isFiltered = groups.ofOptics.indices.contains {
        groups.ofOptics[$0] == group && optics[$0].isCTFPremultiplied
      }
      let (sums, count) = try RowSums.sums(of: own, width: 5 * window.rings.count, on: comm)
      guard count > 0 else { return NoiseSpectrum(variance: 1, size: size) }
      let moments = NoiseMoments(sums: sums, rings: window.rings.count, images: count)
      if isFiltered {
        // What colour it had before is not told where the CTF lets nothing pass.
        let total = zip(moments.power, window.points).reduce(0) { $0 + $1.0 * $1.1 }
        return NoiseSpectrum(variance: total / window.points.reduce(0, +), size: size)
      }
      return NoiseSpectrum(explaining: moments, window: window)
    }
  }
}
