import Foundation
import Fourier
import MPI
import ParticleIO

/// What one look at an image tells of how its signal is spread over radii and spatial frequencies. The image and its
/// CTF are whitened (method E.2).
struct ImageProfile: Sendable {
  /// Sum of squares of the CTF-weighted image's pixels at each radius (rounded, pixels), to the corner.
  var radial: [Double]
  /// The same of the prepared image itself.
  var plain: [Double]
  /// Power of the CTF-weighted image at each shell (rounded, grid steps), |DFT|^2 / pixels.
  var power: [Double]
  /// Sum of the squared CTF at each shell: the expected power of unit white noise.
  var noisePower: [Double]
  /// Sum of the fourth power of the CTF at each shell: the power of a signal of unit power.
  var signalPower: [Double]
  /// The CTF-weighted image's rotational mean at each shell, times the shell's points.
  var mean: [Double]
  /// The same with the CTF's sign taken for its modulus, or the other way round.
  var otherMean: [Double]
}

/// Means of the images' profiles over all ranks: radius and band limit come from them. The noise is white, of
/// variance 1.
public struct ImageStatistics: Sendable {
  /// Images that entered.
  public let count: Int
  /// What the mean image says of the phases; nil for statistics that were saved.
  let phases: PhaseEvidence?
  /// The mask that the particles lie in, if any.
  let mask: ImageMask?
  /// Means over images, per shell; see `ImageProfile`.
  package let radial: [Double]
  /// Variances by chance of the means of `radial`.
  let radialVariance: [Double]
  package let power: [Double]
  let noisePower: [Double]
  let signalPower: [Double]

  /// The energy that the clean images have on each shell, undoing the CTF, and the variance that the noise
  /// leaves it; infinite on a shell that no CTF passes.
  package func signalEnergy(size: Int) -> [(energy: Double, variance: Double)] {
    let points = Self.pointsPerShell(size: size)
    return power.indices.map { shell in
      guard signalPower[shell] > 0 else { return (0, .infinity) }
      let scale = Double(points[shell]) / signalPower[shell]
      return (
        scale * (power[shell] - noisePower[shell]),
        2 * scale * scale * signalPower[shell] / Double(max(1, count))
      )
    }
  }

  /// The signal-to-noise ratio of single images on each shell.
  func signalToNoise() -> [SignalBand.Ratio] {
    let passed = zip(signalPower, noisePower).map { $1 > 0 ? $0 / $1 : 0 }
    let usual = passed.sorted()[passed.count / 2]
    var noise = 1.0
    if mask != nil {
      // Masked images have no background: their noise is what they have at the highest frequencies.
      let high = 4 * power.count / 5..<power.count
      noise = high.reduce(0) { $0 + power[$1] } / max(1e-30, high.reduce(0) { $0 + noisePower[$1] })
    }
    return power.indices.map { shell in
      guard noisePower[shell] > 0 else {
        return SignalBand.Ratio(value: 0, error: .infinity, gain: .infinity)
      }
      return SignalBand.Ratio(
        value: power[shell] / (noise * noisePower[shell]) - 1,
        error: (2 * signalPower[shell] / Double(max(1, count))).squareRoot() / noisePower[shell],
        gain: max(1, usual / max(passed[shell], 1e-30)))
    }
  }

  /// How far the particle's signal reaches.
  func extent(size: Int) -> ParticleExtent {
    let points = Self.pointsPerShell(size: size, through: radial.count - 1)
    func each(_ values: [Double], _ exponent: Double) -> [Double] {
      zip(values, points).map { $0 / pow(Double(max(1, $1)), exponent) }
    }
    let extent = ParticleExtent(
      power: each(radial, 1), variances: each(radialVariance, 2), points: points, size: size)
    return mask.map { extent.within($0.radius) } ?? extent
  }

  /// How many pixels lie at each rounded radius up to size / 2, or another one.
  package static func pointsPerShell(size: Int, through last: Int? = nil) -> [Int] {
    var points = [Int](repeating: 0, count: (last ?? size / 2) + 1)
    for row in 0..<size {
      for column in 0..<size {
        let r = hypot(Double(row - size / 2), Double(column - size / 2)).rounded()
        if Int(r) < points.count { points[Int(r)] += 1 }
      }
    }
    return points
  }

  /// The means of all ranks' profiles. Collective; the result's bits do not depend on the number of ranks.
  init(_ profiles: [ImageProfile], size: Int, isMasked: Bool, on comm: Communicator) throws {
    let (shells, radii) = (size / 2 + 1, ImageProfiler.radii(size: size))
    let rows = profiles.map { profile in
      profile.radial + profile.radial.map { $0 * $0 } + profile.plain + profile.power
        + profile.noisePower + profile.signalPower + profile.mean + profile.otherMean
    }
    let (sums, count) = try RowSums.sums(of: rows, width: 3 * radii + 5 * shells, on: comm)
    let means = sums.map { $0 / Double(max(1, count)) }
    func part(_ at: Int) -> [Double] {
      Array(means[3 * radii + at * shells..<3 * radii + (at + 1) * shells])
    }
    let mask = isMasked ? ImageMask(Array(means[2 * radii..<3 * radii]), size: size) : nil
    // Noise fills the mask only.
    let share = mask?.share ?? 1
    self.init(
      count: count, radial: Array(means[..<radii]),
      radialVariance: (0..<radii).map {
        max(0, means[radii + $0] - means[$0] * means[$0]) / Double(max(1, count))
      },
      power: part(0), noisePower: part(1).map { share * $0 }, signalPower: part(2), mask: mask,
      phases: PhaseEvidence(
        images: count, mean: part(3), otherMean: part(4), noisePower: part(1)))
  }

  init(
    count: Int, radial: [Double], radialVariance: [Double], power: [Double], noisePower: [Double],
    signalPower: [Double], mask: ImageMask? = nil, phases: PhaseEvidence? = nil
  ) {
    self.phases = phases
    self.count = count
    self.mask = mask
    (self.radial, self.radialVariance) = (radial, radialVariance)
    (self.power, self.noisePower, self.signalPower) = (power, noisePower, signalPower)
  }
}

/// Whether images' phases are as the STAR file says, flipped or not: rotational means of images with CTFs of different
/// sign add up only with the right signs.
struct PhaseEvidence: Sendable, Equatable {
  /// What the sums of means explain, in units of what noise would: with the phases as stated, and otherwise.
  let asStated: Double
  let otherwise: Double

  /// - Parameters:
  ///   - mean, otherMean: of the images' profiles.
  ///   - noisePower: what unit noise would leave of either, squared.
  init(images: Int, mean: [Double], otherMean: [Double], noisePower: [Double]) {
    var (stated, other) = (0.0, 0.0)
    // The lowest shells hold the background.
    for shell in mean.indices.dropFirst(2) where noisePower[shell] > 0 {
      let scale = Double(images) / noisePower[shell]
      let (first, second) = (
        scale * mean[shell] * mean[shell], scale * otherMean[shell] * otherMean[shell]
      )
      // Where hardly a CTF has changed sign, both say the same.
      if abs(first - second) < 0.2 * max(first, second) { continue }
      stated += first
      other += second
    }
    (asStated, otherwise) = (stated, other)
  }

  /// Whether the other choice explains so much more that chance and errors of the defocus do not.
  var areOtherwise: Bool { otherwise > 2 * asStated && otherwise - asStated > 50 }
}

/// The round mask that images were multiplied by, as their pixels' variance shows it.
struct ImageMask: Sendable, Equatable {
  /// Where the variance falls to half of what it is in the middle, in pixels.
  let radius: Double
  /// The noise that the mask has left, of all in the box.
  let share: Double

  /// - Parameter sums: mean squares of the images' pixels, summed at each rounded radius.
  init(_ sums: [Double], size: Int) {
    let points = ImageStatistics.pointsPerShell(size: size, through: sums.count - 1)
    let values = zip(sums, points).map { $0 / Double(max(1, $1)) }
    let middle = values.prefix(max(1, 3 * size / 10)).reduce(0, +) / Double(max(1, 3 * size / 10))
    radius = Double(max(2, values.lastIndex { $0 > middle / 2 } ?? size / 2))
    share = middle > 0 ? sums.reduce(0, +) / (middle * Double(size * size)) : 1
  }
}

/// Measures the profiles of prepared images; one instance a thread.
final class ImageProfiler {
  private let size: Int
  private let weighting: CTFWeighting
  /// Shell of each pixel and of each point of the half grid, -1 beyond the last.
  private let pixelShell: [Int]
  private let gridShell: [Int]
  /// What moves the origin of the half grid's transform to pixel size / 2.
  private let centre: [SIMD2<Float>]

  /// Radii from the centre to the corner.
  static func radii(size: Int) -> Int { Int((Double(size) / 2.0.squareRoot()).rounded(.up)) + 1 }

  init(size: Int, pixelSize: Double, noise: NoiseModel) {
    self.size = size
    weighting = CTFWeighting(size: size, pixelSize: pixelSize, noise: noise)
    let shells = size / 2 + 1
    pixelShell = (0..<size * size).map {
      Int(hypot(Double($0 / size - size / 2), Double($0 % size - size / 2)).rounded())
    }
    let columns = size / 2 + 1
    gridShell = (0..<size * columns).map {
      let row = $0 / columns
      let r = hypot(Double(row <= (size - 1) / 2 ? row : row - size), Double($0 % columns))
      return Int(r.rounded()) < shells ? Int(r.rounded()) : -1
    }
    centre = GridCentre(size: size).phases
  }

  /// Where to put the prepared image.
  var image: UnsafeMutablePointer<Float> { weighting.image }

  /// See `CTFWeighting`.
  func noisePassed(_ particle: Particle, optics: OpticsGroup) -> Double {
    weighting.noisePassed(particle.ctf, optics: optics)
  }

  func measure(_ particle: Particle, optics: OpticsGroup) -> ImageProfile {
    let zeros = [Double](repeating: 0, count: size / 2 + 1)
    var profile = ImageProfile(
      radial: .init(repeating: 0, count: Self.radii(size: size)),
      plain: .init(repeating: 0, count: Self.radii(size: size)), power: zeros,
      noisePower: zeros, signalPower: zeros,
      mean: zeros, otherMean: zeros)
    let columns = size / 2 + 1
    let normalization = 1 / Double(size * size)
    for i in 0..<size * size {
      profile.plain[pixelShell[i]] += Double(weighting.image[i] * weighting.image[i])
    }
    weighting.apply(
      particle.ctf, group: Int(particle.opticsGroup), optics: optics,
      displacement: particle.displacement
    ) { [self] spectrum, weights in
      for i in 0..<gridShell.count where gridShell[i] >= 0 {
        // Columns that have a mirror image count twice.
        let twice = NoiseWindow.twice(i, columns, size)
        let passed = twice * Double(weights.squares[i])
        let value = spectrum[i]
        profile.power[gridShell[i]] +=
          twice * normalization * Double(value.x * value.x + value.y * value.y)
        profile.noisePower[gridShell[i]] += passed
        profile.signalPower[gridShell[i]] += passed * Double(weights.squares[i])
        let centred = Double(value.x * centre[i].x - value.y * centre[i].y)
        let mean = twice * centred * normalization.squareRoot()
        profile.mean[gridShell[i]] += mean
        profile.otherMean[gridShell[i]] += Double(weights.signs[i]) * mean
      }
    }
    for i in 0..<size * size {
      profile.radial[pixelShell[i]] += Double(weighting.image[i] * weighting.image[i])
    }
    return profile
  }
}
